"""Defences: an error bound and a smoothed classifier make a certificate that holds although rotations do not compose."""

from spt.defences.dist_spt import DistSPT
from spt.defences.dist_spt_cells import DistSPTCells
from spt.defences.dist_spt_one_error import OneErrorSPT, shared_budget
from spt.defences.indiv_spt import IndivSPT
from spt.defences.indiv_spt_cells import IndivSPTCells
from spt.defences.inner_tests import inner_test

__all__ = ["DistSPT", "DistSPTCells", "IndivSPT", "IndivSPTCells", "OneErrorSPT", "inner_test", "shared_budget"]
