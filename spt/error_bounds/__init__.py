"""Bounds on the interpolation error e(beta, gamma) = P (A_beta A_gamma - A_{beta+gamma}) x that decides certificates.

Policy: a value called a bound holds for every gamma in Gamma in exact arithmetic and for any evaluation in the image's
floating type; where floating point could make it too small, it is inflated by a proved amount (in the docstring of
the module). Every norm that is sampled on the way is compared with its bound: one above it by more than this amount raises
ArithmeticError. What only samples is labelled (``is_upper`` is False).
"""

from spt.error_bounds.anatomy import BallAnatomy, ball_anatomy
from spt.error_bounds.balls import find_centres, sample_bound
from spt.error_bounds.chord import chord_bound
from spt.error_bounds.falsify import Nearest, search_for_violation
from spt.error_bounds.interval import IntervalImages, interval_bound, interval_images
from spt.error_bounds.pixelwise import SplitPixels, split_pixels
from spt.error_bounds.result import ErrorBound, SampleBound
from spt.error_bounds.sampled import error_norms, interpolation_error, sampled_error
from spt.error_bounds.search import Search
from spt.error_bounds.vertices import vertex_bound
from spt.threat_model import (
    MEMORY_BUDGET,
    AttackedImage,
    Attacker,
    attacker_rounding,
    bounded_transforms,
    check_bounded,
)

__all__ = [
    "MEMORY_BUDGET",
    "AttackedImage",
    "Attacker",
    "BallAnatomy",
    "ErrorBound",
    "IntervalImages",
    "Nearest",
    "SampleBound",
    "Search",
    "SplitPixels",
    "attacker_rounding",
    "ball_anatomy",
    "bounded_transforms",
    "check_bounded",
    "chord_bound",
    "error_norms",
    "find_centres",
    "interpolation_error",
    "interval_bound",
    "interval_images",
    "sample_bound",
    "sampled_error",
    "search_for_violation",
    "split_pixels",
    "vertex_bound",
]
