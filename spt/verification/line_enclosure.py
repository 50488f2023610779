"""Sets of images (or of a layer's values): a straight line with a radius in each entry, cut with a box.

A split of an attack range makes such a set: T_gamma x moves along its chord but for a remainder of second order
(`spt.error_bounds.arcs`). Affine layers keep the shape; a ReLU keeps the line by relaxing it (one shared symbol of a
zonotope, the rest a box). A plain box has one point as its line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDING = 2.0**-30
"""More than the relative error of any float64 sum of at most `MOST_TERMS` products, each of a few rounded factors."""
MOST_TERMS = 1 << 20


@dataclass(frozen=True, eq=False)
class LineEnclosure:
    """M sets, each of all z with z = (1 - t) start + t stop + e, |e| <= radius, t in [0, 1], and lower <= z <= upper.

    All tensors are float64 of shape (M, ...); one t serves all entries of a set.
    """

    start: Tensor
    stop: Tensor
    radius: Tensor
    lower: Tensor
    upper: Tensor

    @classmethod
    def box(cls, lower: Tensor, upper: Tensor) -> LineEnclosure:
        """Plain boxes; ValueError unless lower <= upper everywhere."""
        if lower.shape != upper.shape or not bool((lower <= upper).all()):
            raise ValueError("The lower end of a box must have the shape of its upper end and be nowhere above it.")
        lower, upper = lower.double(), upper.double()
        centre = (lower + upper) / 2
        radius = torch.maximum(upper - centre, centre - lower)
        radius = radius + ROUNDING * (radius + centre.abs())
        return cls(centre, centre, radius, lower, upper)

    def __len__(self) -> int:
        return len(self.lower)

    def __getitem__(self, index: slice | Tensor) -> LineEnclosure:
        return self.map(lambda ends: ends[index])

    def map(self, change: Callable[[Tensor], Tensor]) -> LineEnclosure:
        """The same sets, with something done to each tensor that only moves or selects entries."""
        return LineEnclosure(*[change(part) for part in (self.start, self.stop, self.radius, self.lower, self.upper)])

    @property
    def magnitude(self) -> Tensor:
        """The largest absolute value of each entry."""
        return torch.maximum(self.lower.abs(), self.upper.abs())

    def meet(self, lower: Tensor, upper: Tensor) -> LineEnclosure:
        """The same sets, known to lie in a box too."""
        return LineEnclosure(
            self.start, self.stop, self.radius, torch.maximum(self.lower, lower), torch.minimum(self.upper, upper)
        )

    def least(self, rows: Tensor) -> Tensor:
        """Lower bounds (M, K) of linear functions with coefficients ``rows`` (M, K, ...) on each set.

        The better one of line and box. Sums of at most `MOST_TERMS` products: their error is below `ROUNDING` times the
        sum of their magnitudes, which is subtracted.
        """
        rows = rows.flatten(2)
        size = rows.abs()
        start, stop, radius, lower, upper = (
            part.flatten(1)[:, :, None] for part in (self.start, self.stop, self.radius, self.lower, self.upper)
        )
        largest = torch.maximum(
            torch.maximum(start.abs(), stop.abs()) + radius, torch.maximum(lower.abs(), upper.abs())
        )
        line = torch.minimum(rows @ start, rows @ stop) - size @ radius
        box = rows.clamp(min=0) @ lower + rows.clamp(max=0) @ upper
        return (torch.maximum(line, box) - 4 * ROUNDING * (size @ largest))[:, :, 0]
