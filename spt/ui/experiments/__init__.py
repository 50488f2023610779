"""The page "Experiments": our tables beside the paper's, from stored results or from a quick run."""
