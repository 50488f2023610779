"""Pieces of cells for translation: the control vectors of docs/mathematics.md, section 11, exactly.

A cell of (dx, dy) is cut where dx, dy, b'_x - dx or b'_y - dy is a whole number, and into pieces of at most `WIDEST` pixels. On
each of them what is shown is a polynomial of degree 2 in dx and in dy: nothing is left beside its 3 x 3 control vectors.

Floating point: as in `spt.error_bounds.balls_translation`.
"""

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from spt.error_bounds.cell_pieces import Pieces, Window, values_at_once
from spt.error_bounds.vertices import kinks, shifts
from spt.threat_model import AttackedImage

WIDEST = 0.5


class TranslationPieces:
    """The pieces of N pairs of a cell, (N, 2, 2), and a sample b', (N, 2)."""

    def __init__(self, attacked: AttackedImage, cells: Tensor, points: Tensor, splits: int | None = None) -> None:
        self.image, self.preprocessing, self.points = attacked.pixels, attacked.preprocessing, points
        self.window = Window(self.preprocessing, self.image)
        owners, boxes = [], []
        for owner, (cell, point) in enumerate(zip(cells.tolist(), points.tolist(), strict=True)):
            across, along = (_pieces(low, high, b, splits) for (low, high), b in zip(cell, point, strict=True))
            owners += [owner] * (len(across) * len(along))
            boxes += [[x, y] for x in across for y in along]
        self.owner, self.boxes = torch.tensor(owners), torch.tensor(boxes, dtype=torch.float64)

    def __call__(self, memory_budget: int) -> Iterator[Pieces]:
        """Pieces, all of a pair together, as many pairs at once as fit into the caches."""
        limit = max(1, min(values_at_once(self.image), memory_budget // 32) // (18 * self.image.numel()))
        counts = torch.bincount(self.owner)
        ends = counts.cumsum(0)
        first, done = 0, 0
        while first < len(counts):
            last = max(first + 1, int(torch.searchsorted(ends, done + limit, right=True)))
            part = slice(done, int(ends[last - 1]))
            owner, boxes = self.owner[part], self.boxes[part]
            yield Pieces(owner, boxes, self._controls(owner, boxes))
            first, done = last, int(ends[last - 1])

    def _controls(self, owner: Tensor, boxes: Tensor) -> Tensor:
        columns = self._along(boxes[:, 0], self.points[owner, 0], self.image.shape[2])
        rows = self._along(boxes[:, 1], self.points[owner, 1], self.image.shape[1])
        moved = self.image @ columns[:, :, None].mT  # (M, 3, C, H, W)
        moved = rows[:, :, None, None] @ moved[:, None]  # (M, 3, 3, C, H, W)
        return self.window.inner(self.preprocessing(moved).flatten(1, 2))

    def _along(self, ends: Tensor, point: Tensor, size: int) -> Tensor:
        """The three control matrices of both translations along one axis, (M, 3, size, size)."""
        device = self.image.device
        low, high, total = ends[:, 0].to(device), ends[:, 1].to(device), point.to(device)
        inner_low, inner_high = shifts(size, low), shifts(size, high)
        outer_low, outer_high = shifts(size, total - low), shifts(size, total - high)
        middle = (outer_low @ inner_high + outer_high @ inner_low) / 2
        return torch.stack((outer_low @ inner_low, middle, outer_high @ inner_high), dim=1)


def _pieces(low: float, high: float, offset: float, splits: int | None) -> list[list[float]]:
    """[low, high] along one axis, cut where the shift or ``offset`` minus the shift is whole, and into parts that are no wider than
    ``splits`` make them (None: than `WIDEST`)."""
    widest = WIDEST if splits is None else (high - low) / splits * (1 + 1e-12)
    edges = kinks(low, high, offset).tolist()
    if len(edges) == 1:
        edges *= 2
    found = []
    for begin, end in itertools.pairwise(edges):
        count = max(1, math.ceil((end - begin) / widest) if end > begin else 1)
        inner = [begin + (end - begin) * k / count for k in range(count)] + [end]
        found += [list(pair) for pair in itertools.pairwise(inner)]
    return found
