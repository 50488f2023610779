"""Defences: an error bound and a smoothed classifier make a certificate that holds although rotations do not compose."""

from spt.defences.individual import IndivSPT
from spt.defences.inner_tests import inner_test
from spt.defences.one_error import OneErrorSPT, shared_budget
from spt.defences.per_sample import DistSPT

__all__ = ["DistSPT", "IndivSPT", "OneErrorSPT", "inner_test", "shared_budget"]
