"""The samples of a run as a record holds them: can they be samples, and are they those that the seed draws?"""

import math
from collections.abc import Sequence

from spt.seeds import generators
from spt.transforms import TRANSFORMS

SAME_POINT = 1e-9
"""By how much (relative, at least of 1) a sample may differ from that of its seed: processors differ in the last digits."""


def points_hold(points: Sequence[Sequence[float]], transform: str, unit: str, *, alike: bool = False) -> bool:
    """Whether these can be the samples of a run: finite points of that transformation, no two alike; all of them if ``alike``."""
    known = TRANSFORMS[transform]
    return (
        known.unit == unit
        and all(len(point) == known.dimensions and all(map(math.isfinite, point)) for point in points)
        and len(set(map(tuple, points))) == (min(1, len(points)) if alike else len(points))
    )


def points_of_the_seed(
    points: Sequence[Sequence[float]],
    transform: str,
    *,
    parameter_sigma: float,
    sizes: tuple[int, int, int],
    settings: str,
    first_looks: Sequence[int] = (),
) -> bool:
    """Whether these are the first samples that a run with (seed, n0, n) = ``sizes`` and these settings draws."""
    if not points:
        return True
    seed, n0, n = sizes
    _, generator = generators(seed, n0, n, first_looks, settings)
    drawn = TRANSFORMS[transform].sample(n, parameter_sigma, generator)[: len(points)].tolist()
    return all(
        abs(found - value) <= SAME_POINT * max(1.0, abs(value))
        for mine, theirs in zip(points, drawn, strict=False)
        for found, value in zip(mine, theirs, strict=True)
    )
