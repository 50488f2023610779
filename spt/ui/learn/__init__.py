"""The page "Learn": the story of the paper in six steps."""
