"""What the tables of certified accuracy share: how much is certified and right at each angle, or distance in pixels."""

import math
from collections.abc import Sequence

from spt.experiments.experiment import UNITS, Entry, Row, Share

SIZES = {"rotation": (0.0, 10.0, 20.0, 30.0, 50.0), "translation": (0.0, 1.0, 2.0, 4.0)}


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
