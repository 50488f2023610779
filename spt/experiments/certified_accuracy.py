"""What the tables of certified accuracy share: how much is certified and right at each angle, or distance in pixels."""

import math
from collections.abc import Sequence

from spt.experiments.experiment import UNITS, Entry, Row, Share

SIZES = {
    "rotation": (0.0, 10.0, 20.0, 30.0, 50.0),
    "translation": (0.0, 1.0, 2.0, 4.0),
    "scaling": (0.0, 10.54, 22.32, 35.67),  # contain the factors of ±10, ±20 and ±30 %
    "shear": (0.0, 2.0, 5.0, 10.0, 20.0),
    "brightness": (0.0, 10.0, 20.0, 30.0, 50.0),
    "contrast": (0.0, 10.0, 20.0, 30.0, 50.0),
}
SHARES = (0.0, 0.5, 1.0)
"""Of a range that is a box of parameters with different units: sizes that accuracies are stated for."""


def reach(row: Row, limit: float) -> float:
    """Up to which size of transformation an image is certified and right; -1 if it is neither."""
    if row["label"] is None or row["label"] != row["truth"]:
        return -1.0
    radius = float(row["radius"])
    return limit if radius > limit else math.nextafter(radius, 0.0)  # sizes less than the radius are certified


def accuracies(reaches: Sequence[float], transform: str, limit: float, *, box: bool = False) -> dict[str, Entry]:
    """The columns "cert. acc. 10°", one for each size of the paper within the attack range; where that is a ``box`` of parameters
    with different units, "cert. acc. 50 % of Γ", one for each share of it along all axes.

    A certificate of radius r holds for sizes less than r, and within the attack range, whose end belongs to it.
    """
    if box:
        return {
            f"cert. acc. {100 * share:g} % of Γ": Share(sum(r >= share * limit for r in reaches), len(reaches))
            for share in SHARES
        }
    sizes = [size for size in SIZES.get(transform, (0.0,)) if size <= limit]
    unit = UNITS.get(transform, "")
    return {f"cert. acc. {size:g}{unit}": Share(sum(r >= size for r in reaches), len(reaches)) for size in sizes}


def share_of_range(radius: float, limit: float, dimensions: int, *, box: bool = False) -> float:
    """Which share of the attack range [-limit, limit]^d, d = 1 or 2, lies nearer to 0 than ``radius``; ``box``: by the largest
    parameter, each in shares of its limit, else by length."""
    if box:
        return min(radius / limit, 1.0) ** dimensions
    if dimensions == 1:
        return min(radius / limit, 1.0)
    r = min(radius / limit, math.sqrt(2))
    if r <= 1:
        return math.pi * r * r / 4
    return r * r * (math.pi / 4 - math.acos(1 / r)) + math.sqrt(r * r - 1)
