"""What explains a received image, cluster by cluster, and where between two angles a straight line stands for its images.

A cluster is a box of gammas and a box of images. Its nodes divide the gammas so that, between neighbouring nodes,
T_gamma x and T_{beta+gamma} x of each of its images are close to straight lines: for rotation within the remainders of
`spt.error_bounds.arcs`, for translation exactly (multi-affine between the lines where a shift is an integer).
"""

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from spt.error_bounds.arcs import arc_weights, differences, remainder
from spt.error_bounds.paths import cells_for_quarter_turn
from spt.error_bounds.vertices import kinks
from spt.inverse import Inverse
from spt.transforms import Rotation, Transform

NARROW = 0.1
"""Mean width of a pixel up to which splits are joined."""
CLUSTER_WIDTH = 0.3
NODE_SPACING = 0.2
"""Degrees between nodes, at most."""


@dataclass(frozen=True, eq=False)
class Cluster:
    """Some of what explains x': gamma in ``box`` (d, 2) and ``lower`` <= x <= ``upper``, (C, H, W)."""

    box: Tensor
    lower: Tensor
    upper: Tensor

    @property
    def middle(self) -> Tensor:
        """(C, H, W)."""
        return (self.lower + self.upper) / 2

    @property
    def radius(self) -> Tensor:
        """(C, H, W)."""
        return (self.upper - self.lower) / 2

    @property
    def width(self) -> float:
        """Mean width of a pixel."""
        return float((self.upper - self.lower).mean())

    def joined(self, other: "Cluster") -> "Cluster":
        """The smallest cluster that contains this one and the one that follows, for one parameter."""
        box = torch.stack((self.box[:, 0], other.box[:, 1]), dim=1)
        return Cluster(box, torch.minimum(self.lower, other.lower), torch.maximum(self.upper, other.upper))


@lru_cache(maxsize=2)
def find_clusters(inverse: Inverse) -> tuple[Cluster, ...]:
    """The surviving splits; narrow ones that touch (one parameter) joined while the cluster stays small and narrow.

    Asked again it gives the same objects, under which others keep what they computed.
    """
    found: list[Cluster] = []
    for split in map(Cluster, inverse.boxes, inverse.lower, inverse.upper):
        if found and len(split.box) == 1 and found[-1].box[0, 1] == split.box[0, 0]:
            joined = found[-1].joined(split)
            if joined.box[0, 1] - joined.box[0, 0] <= CLUSTER_WIDTH * (1 + 1e-9) and joined.width <= NARROW:
                found[-1] = joined
                continue
        found.append(split)
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Nodes:
    """Where the hull of one cluster has its boxes, for some betas.

    Attributes:
        item: (M,) long, index into the betas, sorted; gamma: (M, d) float64. Both on the CPU.
        inner, outer: (M, C, H, W), or (1, C, H, W) if all are 0: the largest remainders of T_gamma x and of
            T_{beta+gamma} x on the pieces that meet at a node, for every x of the cluster.
    """

    item: Tensor
    gamma: Tensor
    inner: Tensor
    outer: Tensor


def find_nodes(transform: Transform, cluster: Cluster, betas: Tensor, items: Tensor) -> Nodes:
    """The nodes of a cluster for those of the betas (N, d) that ``items`` selects."""
    size = (cluster.lower.shape[1], cluster.lower.shape[2])
    gammas = [_gammas(transform, cluster.box, beta, size) for beta in betas[items]]
    item = items.repeat_interleave(torch.tensor([len(each) for each in gammas]))
    points = torch.tensor([point for each in gammas for point in each], dtype=torch.float64)
    zero = cluster.lower.new_zeros(1, *cluster.lower.shape)
    begin = (item[1:] == item[:-1]).nonzero()[:, 0]
    if not isinstance(transform, Rotation) or not len(begin):
        return Nodes(item, points, zero, zero)
    start, stop, beta = points[begin, 0], points[begin + 1, 0], betas[item[begin], 0]
    maps = _difference_maps(cluster)

    def at_nodes(start: Tensor, stop: Tensor) -> Tensor:
        arcs, which = torch.unique(torch.stack((start, stop)), dim=1, return_inverse=True)
        index, factors = arc_weights(arcs[0].to(zero.device), arcs[1].to(zero.device), *size)
        pieces = remainder(maps, None, index, factors, size)[which.to(zero.device)]
        largest = zero.expand(len(points), -1, -1, -1).clone()
        for end in (begin.to(zero.device), begin.to(zero.device) + 1):
            largest[end] = torch.maximum(largest[end], pieces)
        return largest

    return Nodes(item, points, at_nodes(start, stop), at_nodes(beta + start, beta + stop))


def _difference_maps(cluster: Cluster) -> Tensor:
    """Upper bounds of the maps of `differences` of every image of the cluster.

    A difference of pixels is at most that of the middle plus the sum of |coefficient| radius: the same difference of
    the radius with the signs of a checkerboard, as neighbours have coefficients of opposite signs.
    """
    rows, columns = (torch.arange(side, device=cluster.lower.device) for side in cluster.lower.shape[1:])
    signs = 1.0 - 2.0 * (rows[:, None] + columns).remainder(2)
    return differences(cluster.middle[None]) + differences((cluster.radius * signs)[None])


def _gammas(transform: Transform, box: Tensor, beta: Tensor, size: tuple[int, int]) -> list[tuple[float, ...]]:
    """The nodes for one beta: the ends of the box, and everything between where a piece has to end."""
    if not isinstance(transform, Rotation):
        axes = [
            kinks(low, high, -shift).tolist() for (low, high), shift in zip(box.tolist(), beta.tolist(), strict=True)
        ]
        return list(itertools.product(*axes))
    low, high = box[0].tolist()
    widest = min(NODE_SPACING, 90 / cells_for_quarter_turn(*size))
    pieces = max(1, math.ceil((high - low) / widest * (1 - 1e-12)))
    inner = [low + (high - low) * k / pieces for k in range(1, pieces)]
    for offset in (0.0, -float(beta)):  # rows of pixels lie on lines at multiples of 90°
        turns = range(math.floor((low - offset) / 90), math.ceil((high - offset) / 90) + 1)
        inner += [90.0 * k + offset for k in turns]
    return [(value,) for value in sorted({low, high, *(value for value in inner if low < value < high)})]
