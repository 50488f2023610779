"""What an attacker's rounding to 8 bits does to an image that moves by little: known where a pixel keeps its grey level.

This is docs/mathematics.md, section 23. Let gamma be in [a, b], a part of a cell, and lo <= y <= hi what a pixel of
y = T_gamma x can be there. If 255 lo and 255 hi are both within 1/2 of a whole number k, rounding makes k / 255 of it:

    Q(y) - y = d ± e,   d = k / 255 - (lo + hi) / 2,   e = (hi - lo) / 2.

If not, d = 0 and e = 1 / 510. With phi = b' - gamma, and phi_m that of the middle of the part, the classifier is shown

    P A_phi Q(y) = P A_phi y + P A_{phi_m} d ± P (A_{phi_m} e + L).

L: on the part no source moves by more than V w / 2 in |dx| + |dy| from that at phi_m, w = b - a in radians or hundredths, V the
largest |x'| + |y'| of its path: for rotation sqrt(2) |p|. A_phi d moves by at most the largest |d_i - d_j| of two neighbouring
pixels times that, A_phi e likewise; and |d_i - d_j| + |e_i - e_j| <= 2 h with h = 1 / 510, because |d| + e <= h in every pixel.
Hence L = h V w.

Floating point. lo and hi are moved outwards by `EDGE`, which is more than by what an attacker's own evaluation of y in float32
or better differs from y (`spt.threat_model.ReceivedImage.ends`: 2.4e-7 for float32), so that his rounding gives k, too; it is
part of every e, also where nothing is known. What `spt.error_bounds.arcs` says of remainders and warps, at most 1e-8 of
the largest pixel, is less than the rest of it.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from spt.error_bounds.arcs import arc_weights, remainder
from spt.error_bounds.paths import PixelPath

EDGE = 1e-6
LARGEST = 1 / 510 + EDGE
EVENNESS = 0.35
"""How much larger parts may be in the middle of a cell than at its ends, where more of the radius is left for rounding."""


NARROWEST = 1e-9
"""Cells of fewer degrees are one part: in them nothing changes, and positions are rounding."""


def graded(cell: Sequence[float], split: Sequence[float], count: int) -> list[float]:
    """Positions in [0, 1], both included, that cut a split of a cell that is to have ``count`` parts in all, narrower towards
    the ends of the cell."""
    (low, high), (begin, end) = cell, split
    if high - low < NARROWEST or not end > begin:
        return [0.0, 1.0]
    middle, half, reach = (low + high) / 2, (high - low) / 2, 1 + EVENNESS

    def depth(angle: float) -> float:
        place = (angle - middle) / half
        return math.copysign(math.log(reach / (reach - min(abs(place), 1.0))), place)

    first, last = depth(begin), depth(end)
    parts = max(1, round(count * (last - first) / (2 * depth(high))))
    found = [0.0]
    for k in range(1, parts):
        deep = first + (last - first) * k / parts
        place = math.copysign(reach * (1 - math.exp(-abs(deep))), deep)
        position = (middle + half * place - begin) / (end - begin)
        if found[-1] < position < 1:
            found.append(position)
    return [*found, 1.0]


def rounding_changes(path: PixelPath, image: Tensor, maps: Tensor, start: Tensor, stop: Tensor) -> Tensor:
    """d and e on M parts [start, stop] of the parameter: (M, 2 C, H, W), float64.

    Args:
        image: (C, H, W), in [0, 1]; maps: its `spt.error_bounds.arcs.differences`.
    """
    shape = (image.shape[1], image.shape[2])
    weights = arc_weights(start.to(image.device), stop.to(image.device), *shape, path=path)
    rest = remainder(maps, None, *weights, shape) + EDGE
    first, last = path.warped(image[None], start), path.warped(image[None], stop)
    low, high = torch.minimum(first, last) - rest, torch.maximum(first, last) + rest
    middle, half = (low + high) / 2, (high - low) / 2
    known, level = known_levels(first, last, rest)
    return torch.cat((torch.where(known, level - middle, 0.0), torch.where(known, half, LARGEST)), dim=1)


def known_levels(first: Tensor, last: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Whether what is within ``rest`` (with `EDGE`) of between ``first`` and ``last`` has one grey level, and which, in [0, 1]."""
    low, high = torch.minimum(first, last) - rest, torch.maximum(first, last) + rest
    level = torch.round(255 * ((low + high) / 2))
    return (255 * low > level - 0.5) & (255 * high < level + 0.5), level / 255


def drift(path: PixelPath, outer: Tensor, width: Tensor, images: Tensor) -> Tensor:
    """L in every pixel, (M, 1, H, W), for M parts of ``width`` whose outer parameter is ``outer`` in the middle."""
    x, y = path.sources(images.shape[2], images.shape[3], outer)
    farthest = path.travel(x, y, width) * (width * path.unit)[:, None, None]
    return (LARGEST * (1 + 1e-9) * farthest)[:, None]
