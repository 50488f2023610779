"""Pieces of narrow cells for transformations of one parameter: docs/mathematics.md, section 23.

A cell is cut into splits [a, b] of gamma. For a sample b' the outer parameter phi = b' - gamma moves from b' - a back
to b' - b, and both have the position t = (gamma - a) / (b - a). With y = T_gamma x, y_a and y_b at the ends,

    y(gamma) = (1 - t) y_a + t y_b + d,                                   |d| <= 4 t (1 - t) r1
    A_phi y_a = (1 - t) A_{b'-a} y_a + t A_{b'-b} y_a + d_a,              |d_a| <= 4 t (1 - t) r_a

and the same for y_b: `spt.error_bounds.arcs.remainder`, the form for lines that are crossed ``anywhere``. So P A_phi y is
within the remainders of a quadratic curve with control vectors

    P A_{b'-a} y_a,    P (A_{b'-b} y_a + A_{b'-a} y_b) / 2,    P A_{b'-b} y_b,

and the remainders are, (1 - t) d_a + t d_b + A_phi d with |A_phi d| <= 4 t (1 - t) A_phi r1, at most 4 t (1 - t) P R,

    R = max(r_a, r_b) + max(A_{b'-a} r1, A_{b'-b} r1) + r',

r' the remainder of T_phi r1, whose own factor 4 t (1 - t) is at most 1. The remainders are products of factors, which belong to the
paths of phi, and of difference maps of the images. So max(r_a, r_b) + r' is at most the one product of the factors with
max(maps of y_a, maps of y_b) + maps of r1. All of y_a, y_b, r1 and their maps depends on the cell alone.

Splits end at the nodes of the path (`spt.error_bounds.paths`; of a rotation: multiples of 90°), and where phi is one. (At other
places the bound holds, too; but there whole rows of pixels cross lines at once.)

Floating point: as in `spt.error_bounds.arcs`, D and TOUCH there. As no arc of a rotation is longer than a pixel, the
jumps add at most sqrt(2) max|x| to r1, the smooth part (1 + w) / 2, and twice the jump where an arc turns back w, so
that r1 is at most 4 max|x|, and 2 max|x| where w is small; for paths whose steps are half a pixel along each axis it
is at most 2.5 max|x| in all. Two interpolations of x, one of r1, remainders of x, of y and of r1: 24 D + 48 (TOUCH +
D) in images of a few pixels, where D is next to nothing, else 18 D + 36 (TOUCH + D); less than `PER_PIXEL`.
Difference maps are rounded to float32, by 6e-8 of them, and sums of two once more; together with the products this
stays below `RELATIVE`.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from spt.error_bounds.arcs import arc_weights, differences, remainder
from spt.error_bounds.cell_pieces import Pieces, RoundedParts, Window, repeated, values_at_once
from spt.error_bounds.known_rounding import drift, graded, rounding_changes
from spt.error_bounds.paths import PATHS, PixelPath
from spt.progress import step
from spt.threat_model import AttackedImage

LONGEST_ARC = 0.16
"""Cells are cut into splits on which the outermost pixel moves by about so many pixels, less where there are few splits;"""
MOST_SPLITS = 8
"""but into no more than this, or than the remainders need."""
BESIDE = 1e-10
"""A node less than so many degrees or % inside a split is at its end (what is beyond it is shorter than `arcs.TOUCH`, or costs
sharpness)."""


def splits_for(path: PixelPath, extent: float, height: int, width: int, wanted: int | None = None) -> int:
    """How many splits a cell that is ``extent`` wide is cut into, for images of that size: as many as are ``wanted`` (None: as
    pay), but no fewer than the remainders need."""
    if wanted is None:
        wanted = min(MOST_SPLITS, math.ceil(extent * path.fastest(height, width) / LONGEST_ARC + 0.5))
    needed = math.ceil(extent / path.widest(height, width) * (1 - 1e-12))
    return max(1, wanted, needed)


def _inside(path: PixelPath, low: float, high: float) -> list[float]:
    """The nodes inside [low, high], not those that are its ends but for rounding."""
    return [node for node in path.nodes(low, high) if low + BESIDE < node < high - BESIDE]


def _nodes(low: float, high: float, inner: list[float], splits: int) -> list[float]:
    """Ends of the splits: equal ones, between the ``inner`` nodes that are given."""
    nodes = [low]
    for begin, end in itertools.pairwise([low, *sorted(inner), high]):
        pieces = max(1, math.ceil(splits * (end - begin) / (high - low) * (1 - 1e-12))) if high > low else 1
        nodes += [begin + (end - begin) * k / pieces for k in range(1, pieces)] + [end]
    return nodes


@dataclass(frozen=True, eq=False)
class _Splits:
    """What depends on some cells alone, all their splits one after another: ends (K,), images, maps; and parts."""

    begin: Tensor
    end: Tensor
    images: Tensor
    maps: Tensor
    counts: Tensor  # of parts, for each split
    start: Tensor  # of each part, on its split
    stop: Tensor
    changes: Tensor | None


class PathPieces:
    """The pieces of N pairs of a cell, (N, 1, 2), and a sample b', (N, 1); rounding is looked at in so many parts of a cell."""

    def __init__(
        self, attacked: AttackedImage, cells: Tensor, points: Tensor, parts: int, splits: int | None = None
    ) -> None:
        self.image, self.preprocessing = attacked.pixels, attacked.preprocessing
        self.path = PATHS[attacked.transform.name]
        self.points = self.path.reduced(points[:, 0])
        self.window = Window(self.preprocessing, self.image)
        self.maps = differences(self.image[None]).float()
        self.parts, self.splits = parts, splits
        low, high = cells[:, 0, 0], cells[:, 0, 1]
        outer = zip((self.points - high).tolist(), (self.points - low).tolist(), strict=True)
        crossed = torch.tensor([bool(_inside(self.path, *ends)) for ends in outer], dtype=torch.bool)
        own = torch.where(crossed, self.points, torch.inf)  # such pairs share their splits with equal ones only
        kinds, self.kind = torch.unique(torch.stack((low, high, own), dim=1), dim=0, return_inverse=True)
        self.nodes = [self._nodes_of(*kind) for kind in kinds.tolist()]
        self.low_high = kinds[:, :2].tolist()

    def _nodes_of(self, low: float, high: float, point: float) -> list[float]:
        inner = _inside(self.path, low, high)
        if math.isfinite(point):
            inner += [point - node for node in _inside(self.path, point - high, point - low)]
        height, width = self.image.shape[1:]
        return _nodes(low, high, inner, splits_for(self.path, high - low, height, width, self.splits))

    def __call__(self, memory_budget: int) -> Iterator[Pieces]:
        """Pieces, all pairs with the same cell one after another, as many at once as fit into the caches."""
        image = self.image
        splits = torch.tensor([len(nodes) - 1 for nodes in self.nodes])
        bytes_per_split = 16 * 4 * 5 * image.shape[0] * (image.shape[1] + 3) * (image.shape[2] + 3)
        order = torch.argsort(self.kind, stable=True)
        for kinds in _chunks(splits, max(1, memory_budget // 4 // bytes_per_split)):
            shared = self._shared(range(kinds.start, kinds.stop))
            mine = order[(self.kind[order] >= kinds.start) & (self.kind[order] < kinds.stop)]
            first = (splits.cumsum(0) - splits) - splits[: kinds.start].sum()
            size = (9 * splits + 2 * self.parts) * image.numel()
            for chunk in _chunks(size[self.kind[mine]], values_at_once(image)):
                pairs = mine[chunk]
                pair, number = repeated(splits[self.kind[pairs]])
                yield self._evaluate(pairs[pair], first[self.kind[pairs]][pair] + number, shared)

    def _shared(self, kinds: range) -> _Splits:
        """What the pairs of these cells share."""
        image, device, shape = self.image, self.image.device, (self.image.shape[1], self.image.shape[2])
        ends = [pair for kind in kinds for pair in itertools.pairwise(self.nodes[kind])]
        begin, end = torch.tensor(ends, dtype=torch.float64).T.contiguous()
        found = []
        size = max(1, min(8, (1 << 17) // image.numel()))  # differences need several times the memory of their maps
        for i in range(0, len(begin), size):
            step()
            some, others = begin[i : i + size], end[i : i + size]
            weights = arc_weights(some.to(device), others.to(device), *shape, path=self.path, anywhere=True)
            rest = remainder(self.maps, None, *weights, shape)
            first, last = self.path.warped(image[None], some), self.path.warped(image[None], others)
            maps = torch.maximum(differences(first.float()), differences(last.float()))
            found.append((torch.cat((first, last, rest), dim=1), maps.add_(differences(rest.float()))))
        images, maps = (torch.cat(column) for column in zip(*found, strict=True))
        if not self.parts:
            none = torch.zeros(0, dtype=torch.float64)
            return _Splits(begin, end, images, maps, torch.zeros(len(begin), dtype=torch.long), none, none, None)
        places = [
            graded(self.low_high[kind], (a, b), self.parts)
            for kind in kinds
            for a, b in itertools.pairwise(self.nodes[kind])
        ]
        counts = torch.tensor([len(each) - 1 for each in places])
        start = torch.tensor([t for each in places for t in each[:-1]], dtype=torch.float64)
        stop = torch.tensor([t for each in places for t in each[1:]], dtype=torch.float64)
        split, _ = repeated(counts)
        found_changes = []
        size = max(1, min(32, (1 << 19) // image.numel()))
        for i in range(0, len(start), size):
            step()
            at = split[i : i + size]
            ends_of_parts = (_between(begin[at], end[at], place[i : i + size]) for place in (start, stop))
            found_changes.append(rounding_changes(self.path, image, self.maps, *ends_of_parts))
        changes = torch.cat(found_changes)
        return _Splits(begin, end, images, maps, counts, start, stop, changes)

    def _evaluate(self, owner: Tensor, split: Tensor, shared: _Splits) -> Pieces:
        device, channels, shape = self.image.device, len(self.image), (self.image.shape[1], self.image.shape[2])
        high = (self.points[owner] - shared.begin[split]).to(device)
        low = (self.points[owner] - shared.end[split]).to(device)
        which = split.to(device)
        images = shared.images[which]
        first, last = self.path.warped(images, high), self.path.warped(images, low)
        weights = arc_weights(low, high, *shape, path=self.path, anywhere=True)
        rest = remainder(shared.maps, which, *weights, shape)
        rest += torch.maximum(first[:, 2 * channels :], last[:, 2 * channels :])
        middle = (first[:, channels : 2 * channels] + last[:, :channels]) / 2
        ends = first[:, :channels], last[:, channels : 2 * channels]
        shown = self._shown(torch.stack((ends[0], middle, ends[1], rest), dim=1))
        boxes = torch.stack((shared.begin[split], shared.end[split]), dim=1)[:, None]
        return Pieces(owner, boxes, shown[:, :3], shown[:, 3], self._rounded(owner, split, shared))

    def _shown(self, images: Tensor) -> Tensor:
        """P of (M, K, C, H, W), (M, K, D)."""
        return self.window.inner(self.preprocessing(images))

    def _rounded(self, owner: Tensor, split: Tensor, shared: _Splits) -> RoundedParts | None:
        if shared.changes is None:
            return None
        counts = shared.counts[split]
        piece, number = repeated(counts)
        part = (shared.counts.cumsum(0) - shared.counts)[split][piece] + number
        start, stop = shared.start[part], shared.stop[part]
        begin, end = shared.begin[split][piece], shared.end[split][piece]
        outer = self.points[owner][piece] - _between(begin, end, (start + stop) / 2)
        device, channels = self.image.device, len(self.image)
        moved = self.path.warped(shared.changes[part.to(device)], outer)
        moved[:, channels:] += drift(self.path, outer.to(device), ((stop - start) * (end - begin)).to(device), moved)
        shown, spread = self._shown(moved.reshape(len(moved), 2, channels, *moved.shape[2:])).unbind(1)
        return RoundedParts(piece, start, stop, shown, spread)


def _between(begin: Tensor, end: Tensor, place: Tensor) -> Tensor:
    """begin at 0, end at 1, both exactly."""
    return torch.where(place == 1, end, begin + (end - begin) * place)


def _chunks(sizes: Tensor, limit: int) -> Iterator[slice]:
    """Slices of what has these sizes, each of at most ``limit`` together, or of one."""
    ends = sizes.cumsum(0)
    start, total = 0, 0
    while start < len(sizes):
        stop = max(start + 1, int(torch.searchsorted(ends, total + limit, right=True)))
        yield slice(start, stop)
        start, total = stop, int(ends[stop - 1])
