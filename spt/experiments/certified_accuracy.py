"""What the tables of certified accuracy share: how much is certified and right at each angle, or distance in pixels."""

import math
from collections.abc import Sequence

from spt.experiments.experiment import UNITS, Entry, Row, Share

SIZES = {
    "rotation": (0.0, 10.0, 20.0, 30.0, 50.0),
    "translation": (0.0, 1.0, 2.0, 4.0),
    "scaling": (0.0, 10.54, 22.32, 35.67),  # contain the factors of ±10, ±20 and ±30 %
    "shear": (0.0, 2.0, 5.0, 10.0, 20.0),
}


def reach(row: Row, limit: float) -> float:
    """Up to which size of transformation an image is certified and right; -1 if it is neither."""
    if row["label"] is None or row["label"] != row["truth"]:
        return -1.0
    radius = float(row["radius"])
    return limit if radius > limit else math.nextafter(radius, 0.0)  # sizes less than the radius are certified


def accuracies(reaches: Sequence[float], transform: str, limit: float) -> dict[str, Entry]:
    """The columns "cert. acc. 10°", one for each size of the paper within the attack range.

    A certificate of radius r holds for sizes less than r, and within the attack range, whose end belongs to it.
    """
    sizes = [size for size in SIZES.get(transform, (0.0,)) if size <= limit]
    unit = UNITS.get(transform, "")
    return {f"cert. acc. {size:g}{unit}": Share(sum(r >= size for r in reaches), len(reaches)) for size in sizes}


def share_of_range(radius: float, limit: float, dimensions: int) -> float:
    """Which share of the attack range [-limit, limit]^d, d = 1 or 2, lies nearer to 0 than ``radius``."""
    if dimensions == 1:
        return min(radius / limit, 1.0)
    r = min(radius / limit, math.sqrt(2))
    if r <= 1:
        return math.pi * r * r / 4
    return r * r * (math.pi / 4 - math.acos(1 / r)) + math.sqrt(r * r - 1)
