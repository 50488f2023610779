"""The part of Gamma that can explain a received image, as evidence: is it one, and how is it written."""

import math
from collections.abc import Sequence

from spt.certificates.rounding import rounded_down, rounded_up

Bounds = tuple[tuple[float, float], ...]
"""A box: (lower, upper) along each axis."""
Ranges = Sequence[Sequence[tuple[float, float]]]
"""Boxes in Gamma: for each box one pair (low, high) for every parameter."""


def ranges_hold(boxes: Ranges, share: float, limit: float, dimensions: int) -> bool:
    """Whether these are boxes within [-limit, limit]^dimensions that make up ``share`` of it."""
    within = all(
        len(box) == dimensions and all(-limit <= low <= high <= limit for low, high in box) for box in boxes
    )  # comparisons with NaN are false
    return within and 0 <= share <= 1 + 1e-9 and math.isclose(share, share_of_gamma(boxes, limit), rel_tol=1e-9)


def share_of_gamma(boxes: Ranges, limit: float) -> float:
    """Which share of [-limit, limit]^d boxes make up that do not overlap."""
    return math.fsum(math.prod((high - low) / (2 * limit) for low, high in box) for box in boxes)


def joined_ranges(boxes: Sequence[Bounds]) -> tuple[Bounds, ...]:
    """Boxes in ascending order; of one parameter with touching ones joined."""
    found: list[Bounds] = []
    for box in sorted(boxes):
        if found and len(box) == 1 and found[-1][0][1] == box[0][0]:
            found[-1] = ((found[-1][0][0], box[0][1]),)
        else:
            found.append(box)
    return tuple(found)


def ranges_in_words(boxes: Ranges, most: int = 4) -> str:
    """The first boxes, four digits, rounded outward: [-0.1, 0.1] × [0.5, 0.6] and 3 more."""
    shown = [" × ".join(f"[{_down(low)}, {_up(high)}]" for low, high in box) for box in boxes[:most]]
    more = len(boxes) - most
    return (", ".join(shown) or "nothing") + (f" and {more} more" if more > 0 else "")


def _down(value: float) -> str:
    return rounded_down(value, 4) if value >= 0 else f"-{rounded_up(-value, 4)}"


def _up(value: float) -> str:
    return rounded_up(value, 4) if value >= 0 else f"-{rounded_down(-value, 4)}"
