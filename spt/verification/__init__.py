"""Deterministic verification of small networks against all rotations (or translations) of an attack range."""

from spt.verification.enclosures import enclose
from spt.verification.line_enclosure import LineEnclosure
from spt.verification.network import forward, least, read_network
from spt.verification.search import METHODS, Method, Splitting, Verification, in_float32, margin_bounds, verify

__all__ = [
    "METHODS",
    "LineEnclosure",
    "Method",
    "Splitting",
    "Verification",
    "enclose",
    "forward",
    "in_float32",
    "least",
    "margin_bounds",
    "read_network",
    "verify",
]
