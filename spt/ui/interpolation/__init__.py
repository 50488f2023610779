"""The page "Interpolation error": what it shows (page, bounds, hover, samples, export), computes (data) and how (work)."""
