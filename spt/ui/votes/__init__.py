"""The page "Votes"."""
