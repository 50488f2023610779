"""Defences: an error bound and a smoothed classifier make a certificate that holds although rotations do not compose."""

from spt.defences.per_sample import DistSPT, inner_test

__all__ = ["DistSPT", "inner_test"]
