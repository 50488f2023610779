"""Which received pixels constrain which original pixels, and what each of them says: one pass over all of them.

A received pixel p' is the value that the interpolant takes somewhere in its source box (docs/mathematics.md, section 15). An
original pixel i is constrained by it if its interpolation weight is positive on the whole box: then the box lies in
the open 2 x 2 block of cells around i, and i is a corner of every cell that the box meets.

The formula. Let the box meet the cell in which h, v and d are the pixels next to i horizontally, vertically and
diagonally, and let the source be s and t pixels away from i along the two axes. With a = s / (1 - s) and
b = t / (1 - t), solving p' = (1-s)(1-t) p_i + s (1-t) p_h + (1-s) t p_v + s t p_d for p_i gives

    p_i = p' + a (p' - p_h) + b (p' - p_v) + a b (p' - p_d).

It is affine in a, in b and in every pixel, so that its extremes are at corners: the lower end takes the low end of p' and
the high ends of the other three, and the smallest of the four corners of the part of the box in this cell. The union over
the cells is the smallest of all their lower ends; upper ends likewise.

Soundness in float64 (u = 2^-53, images of at most 4096 pixels a side). Boxes are widened by `SLACK` on all
sides. The coordinate x + (W-1)/2 is rounded by at most 2^12 u < 5e-13, the distance s to a line by u more, and the ratio a
by at most 3 u a < 4e-13 (1 - s is exact for s >= 1/2, and weights below `LEAST_WEIGHT` are given up, so a < 1000). As da/ds >= 1,
all of it is less than the widening moves a. Where a pixel line cuts the box, or coordinates are clamped beyond the frame, a is
exactly 0.
With all pixels in [0, 1] the evaluation of one end rounds p' + a (p' - p_h) by at most 4 u (1 + a), its product with b and
the sum that follows to at most 8 u (1 + a)(1 + b) in all: (1 + a)(1 + b) is 1 / the weight of i, so division by small
weights is what amplifies. `MARGIN` = 16 u times the largest (1 + a)(1 + b) of the box is subtracted and added. Minimum, maximum,
scatter and intersection are exact.

Outside the frame every original pixel is 0. One ring of such pixels is kept around the image; nothing beyond
matters, as the interpolant is 0 from the ring on. Their constraints count like all others: a received pixel whose source is
outside must be 0.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spt.interval_warp import source_boxes
from spt.intervals import Interval
from spt.transforms import Transform

SLACK = 1e-11
LEAST_WEIGHT = 1e-3
"""Of each of the two factors (1 - s) and (1 - t) of a pixel's weight; below, the constraint says next to nothing."""
MARGIN = 2.0**-49


@dataclass(frozen=True, eq=False)
class Constraints:
    """Pairs of a received pixel and an original pixel that it constrains, in K cells each (K = 1 or 4, some repeated).

    Original pixels are positions in the image with its ring, (H+2) x (W+2) row-major; received ones in H x W.

    Attributes:
        split, received, target: (n,) long: the split, the received pixel, the original pixel i.
        across, along, diagonal: (K, n) long: the pixels next to i horizontally, vertically and diagonally.
        low_a, high_a, low_b, high_b: (K, n) float64: range of the ratios a and b of the part of the box in each cell.
        margin: (K, n) float64: what rounding can change.
    """

    split: Tensor
    received: Tensor
    target: Tensor
    across: Tensor
    along: Tensor
    diagonal: Tensor
    low_a: Tensor
    high_a: Tensor
    low_b: Tensor
    high_b: Tensor
    margin: Tensor

    def keep(self, which: Tensor) -> "Constraints":
        """Those that a mask or positions (n,) select."""
        return Constraints(*(value[..., which] for value in vars(self).values()))

    def of_splits(self, alive: Tensor) -> "Constraints":
        """Those of the splits that a mask (S,) selects, which are numbered anew."""
        kept = self.keep(alive[self.split])
        return replace(kept, split=(alive.cumsum(0) - 1)[kept.split])

    def ends(self, received: tuple[Tensor, Tensor], lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """The interval q of every target in every cell, rounded outward: two tensors (C, K, n).

        Args:
            received: lower and upper ends of the received image, (C, H * W).
            lower, upper: (C, S, P) what is known of the original pixels (with ring) in each split, within [0, 1].
        """
        channels, _, pixels = lower.shape
        low, high = (end.index_select(1, self.received)[:, None] for end in received)
        offset = torch.arange(0, lower.numel(), lower.numel() // channels, device=lower.device)[:, None, None]
        start = offset + self.split * pixels
        positions = [start + neighbour for neighbour in (self.across, self.along, self.diagonal)]

        def known(end: Tensor) -> list[Tensor]:
            flat = end.reshape(-1)
            return [flat.index_select(0, position.reshape(-1)).view(position.shape) for position in positions]

        def extreme(choose: Callable[[Tensor, Tensor], Tensor], p: Tensor, others: list[Tensor]) -> Tensor:
            across, along, diagonal = (p - pixel for pixel in others)
            found = []
            for a in (self.low_a, self.high_a):
                edge = torch.addcmul(along, a, diagonal)
                found.append(torch.addcmul(p, a, across) + choose(self.low_b * edge, self.high_b * edge))
            return choose(*found)

        least, largest = extreme(torch.minimum, low, known(upper)), extreme(torch.maximum, high, known(lower))
        return least - self.margin, largest + self.margin


def tighten(
    constraints: list[Constraints], received: tuple[Tensor, Tensor], lower: Tensor, upper: Tensor
) -> tuple[Tensor, Tensor]:
    """One pass: the bounds known so far, (C, S, P), intersected with what all received pixels imply. May be empty."""
    new_lower, new_upper = (end.clone(memory_format=torch.contiguous_format) for end in (lower, upper))
    for group in constraints:
        low, high = group.ends(received, lower, upper)
        index = (group.split * lower.shape[-1] + group.target).expand(len(lower), -1)
        new_lower.flatten(1).scatter_reduce_(1, index, low.amin(1), "amax")
        new_upper.flatten(1).scatter_reduce_(1, index, high.amax(1), "amin")
    return new_lower, new_upper


@dataclass(frozen=True, eq=False)
class _Lines:
    """For every box and one axis: a pixel line at less than one pixel from all of the box (there are at most two such lines).

    Attributes:
        valid: (N,) bool: whether there is one.
        line: (N,) long: its position, with the ring.
        double: (N,) bool: whether the box lies on both sides of it.
        neighbour: (2, N) long: the next line on either side that the box is on (twice the same if not double).
        low, high: (2, N) range of the ratio s / (1 - s) on each side.
    """

    valid: Tensor
    line: Tensor
    double: Tensor
    neighbour: Tensor
    low: Tensor
    high: Tensor


def axis_ends(coordinate: Interval, size: int) -> tuple[Tensor, Tensor]:
    """Source intervals of one axis in array positions (0 is the first pixel), widened by `SLACK` and clamped to the ring:
    the interpolant is 0 on the ring as it is beyond."""
    offset = (size - 1) / 2
    low = (coordinate.lower + (offset - SLACK)).clamp(-1, size)
    return low, (coordinate.upper + (offset + SLACK)).clamp(-1, size)


def _lines(coordinate: Interval, size: int) -> tuple[_Lines, _Lines]:
    """The two pixel lines between or around which the boxes lie."""
    low, high = (end.flatten() for end in axis_ends(coordinate, size))
    first = low.floor()
    second = first + 1
    line = first.long() + 1
    after = (line + 1).clamp(max=size + 1)
    # one side: the box between the first line and the second
    s = torch.stack((low - first, high - first))
    before = _Lines(
        s[1] <= 1 - LEAST_WEIGHT, line, torch.zeros_like(low, dtype=torch.bool), after.expand(2, -1), *_twice(_ratio(s))
    )
    # the second line, and the box before it, perhaps also after it
    beyond = high - second
    double = beyond > 0
    left = _ratio(torch.stack(((second - high).clamp(min=0), second - low)))
    right = torch.where(double, _ratio(torch.stack((torch.zeros_like(beyond), beyond))), left)
    valid = (second - low <= 1 - LEAST_WEIGHT) & (beyond <= 1 - LEAST_WEIGHT)
    neighbour = torch.stack((line, torch.where(double, (line + 2).clamp(max=size + 1), line)))
    around = _Lines(valid, after, double, neighbour, *torch.stack((left, right), dim=1))
    return before, around


def _ratio(s: Tensor) -> Tensor:
    return s / (1 - s)


def _twice(ends: Tensor) -> Tensor:
    return ends[:, None].expand(-1, 2, -1)


def find_constraints(
    transform: Transform, boxes: Tensor, height: int, width: int, *, naive: bool = False
) -> list[Constraints]:
    """All constraints for parameters in S boxes (S, d, 2), in groups of one K each.

    ``naive`` takes source boxes by interval arithmetic as in the paper instead of the exact hull of each arc.
    """
    x, y = source_boxes(transform, height, width, boxes, naive)
    columns, rows = _lines(x, width), _lines(y, height)
    stride = width + 2
    groups = []
    for sides in (((0,), (0,)), ((0, 0, 1, 1), (0, 1, 0, 1))):
        parts = []
        for column, row in itertools.product(columns, rows):
            mask = column.valid & row.valid & ((column.double | row.double) == (len(sides[0]) > 1))
            found = mask.nonzero()[:, 0]
            own_column, own_row = column.line[found], row.line[found] * stride
            beside, below = (
                axis.neighbour[:, found][list(side)] for axis, side in zip((column, row), sides, strict=True)
            )
            low_a, high_a = (end[:, found][list(sides[0])] for end in (column.low, column.high))
            low_b, high_b = (end[:, found][list(sides[1])] for end in (row.low, row.high))
            parts.append(
                (
                    found // (height * width),
                    found % (height * width),
                    own_row + own_column,
                    own_row + beside,
                    below * stride + own_column,
                    below * stride + beside,
                    low_a,
                    high_a,
                    low_b,
                    high_b,
                    MARGIN * (1 + high_a) * (1 + high_b),
                )
            )
        groups.append(Constraints(*(torch.cat(values, dim=-1) for values in zip(*parts, strict=True))))
    return groups
