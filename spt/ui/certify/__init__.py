"""The page "Certify"."""
