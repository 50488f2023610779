"""The page "Inverse": what a received image says about its original, and what IndivSPT proves from that alone."""
