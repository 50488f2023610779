"""The chord bound for rotation: second order in the width of the splits (docs/mathematics.md, section 7).

For a split [a, b] of Gamma let t = (gamma - a) / (b - a), y_a = T_a x and y_b = T_b x, and r1 the remainder of
T_gamma x on [a, b] (`spt.error_bounds.arcs`). The angles beta + gamma have their own grid; within one of its cells let
u be the position, w_0 and w_1 the rotated images at its ends and r2 the remainder of T_theta x on it. As A_beta is
linear and non-negative,

    e(gamma) = P A_beta [(1 - t) y_a + t y_b] - P [(1 - u) w_0 + u w_1] + rest,    |rest| <= P A_beta r1 + P r2.

The first two terms are linear in gamma between the ends of the split and the grid's angles inside it, so their norm is
largest at one of these; the rest adds at most ||P A_beta r1|| + ||P r2||. Compared with one chord from e(a) to e(b)
the two grids let all betas share every rotated image and remainder: y and r1 have one grid for gamma, w and r2 one for
beta + gamma, and only A_beta and P are applied for each beta. Both grids contain the multiples of 90°.
"""

import itertools
import math
from dataclasses import replace

import torch
from torch import Tensor

from spt.error_bounds.arcs import PER_PIXEL, arc_weights, differences, remainder, rotated
from spt.error_bounds.paths import cells_for_quarter_turn
from spt.error_bounds.refined import bounded
from spt.error_bounds.result import ErrorBound
from spt.error_bounds.sampled import error_norms
from spt.error_bounds.search import USUAL, Search, SharedRows, Splits
from spt.progress import Progress, Stopwatch, silent
from spt.rounding_slack import float_slack, inside_vignette
from spt.threat_model import AttackedImage, Points, as_points
from spt.transforms import Rotation, Transform

CUDA_CELLS = 1 << 14
"""Cells in one call on a CUDA device."""
VALUES_AT_ONCE = 1 << 17
"""Pixels times cells that a processor evaluates at once: some tenths of a second, after which other work may come first; more
at once are slower, as they do not fit into its caches."""
MOST_CELLS = 1 << 14
"""Finest grid to begin with, in cells for 90°."""


def cells_at_once(image: Tensor) -> int:
    """How many cells of this image to evaluate at once."""
    return CUDA_CELLS if image.is_cuda else max(1, min(256, VALUES_AT_ONCE // image.numel()))


class AngleSplits(Splits):
    """Splits of an interval of angles that respect multiples of 90°, and a grid of angles at least as wide."""

    def __init__(self, items: int, gamma_range: Tensor, cells_per_quarter_turn: int) -> None:
        self.items, self.dimensions = items, 1
        self.quarter = cells_per_quarter_turn
        low, high = gamma_range[0].tolist()
        inner = [90.0 * k for k in range(math.floor(low / 90) + 1, math.ceil(high / 90))]
        ends = [low, *inner, high]
        edges = [low]
        for begin, end in itertools.pairwise(ends):
            pieces = max(1, math.ceil((end - begin) / (90 / self.quarter) * (1 - 1e-12)))
            edges += [begin + (end - begin) * k / pieces for k in range(1, pieces)] + [end]
        self.edges = torch.tensor(edges, dtype=torch.float64)
        self.cells = len(edges) - 1

    def base(self) -> Tensor:
        return torch.cartesian_prod(torch.arange(self.items), torch.arange(self.cells))

    def node(self, index: Tensor, level: int) -> Tensor:
        """Angle in degrees of node ``index`` of a level: exact at the ends of the base cells."""
        scaled = index >> level
        part = (index - (scaled << level)).double() / (1 << level)
        begin = self.edges[scaled]
        return begin + (self.edges[(scaled + 1).clamp(max=self.cells)] - begin) * part

    def grid(self, index: Tensor, level: int) -> Tensor:
        """Angle of node ``index`` of the grid for the other angle; multiples of 90° are exact."""
        return 90.0 * index.double() / (self.quarter << level)

    def on_grid(self, degrees: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """The grid cell (long) in which an angle lies and its position in [0, 1) there."""
        scaled = degrees * ((self.quarter << level) / 90.0)
        cell = scaled.floor()
        return cell.long(), scaled - cell

    def box(self, items: Tensor, cells: Tensor, level: int) -> Tensor:
        return torch.stack((self.node(cells, level), self.node(cells + 1, level)), dim=-1)


class ErrorSplits(AngleSplits):
    """Norm of e(beta, gamma) on splits of gamma, for N betas."""

    method, title = "chord", "chord bound"

    def __init__(self, attacked: AttackedImage, betas: Tensor, quarter: int) -> None:
        super().__init__(len(betas), attacked.box, quarter)
        self.image, self.preprocessing, self.betas = attacked.pixels, attacked.preprocessing, betas
        image, preprocessing = self.image, self.preprocessing
        self.inside = inside_vignette(preprocessing, image)
        self.maps = differences(image[None])
        self.level = 0
        self.cells_at_once = cells_at_once(image)
        work = 8 * 50 * image.numel()
        self.inner = SharedRows(self.inner_images, 16 * image.numel(), work)
        self.outer = SharedRows(self._outer, 8 * image.numel(), work)

    def bytes_per_cell(self) -> int:
        return 8 * 60 * self.image.numel()

    def prepare(self, items: Tensor, cells: Tensor, level: int, memory_budget: int) -> Tensor:
        """Compute the rows that the splits share; returns an order that keeps neighbouring betas together."""
        self.level = level
        grid_cell, _ = self.on_grid(self.betas[items] + self.node(cells[:, 0], level), level)
        self.inner.prepare(torch.cat((cells[:, 0], cells[:, 0] + 1)), memory_budget)
        # the end of a split is in this cell or the next, or by rounding in the one after that
        self.outer.prepare(torch.cat((grid_cell, grid_cell + 1, grid_cell + 2, grid_cell + 3)), memory_budget)
        return torch.argsort(self.betas[items], stable=True)

    def sample(self, items: Tensor, points: Tensor) -> Tensor:
        return error_norms(self.image, Rotation(), self.preprocessing, self.betas[items, None], points)

    def _remainders(self, start: Tensor, stop: Tensor) -> Tensor:
        index, factors = arc_weights(start.to(self.image.device), stop.to(self.image.device), *self.image.shape[1:])
        return remainder(self.maps, None, index, factors, (self.image.shape[1], self.image.shape[2]))

    def inner_images(self, nodes: Tensor) -> tuple[Tensor]:
        """y at nodes of gamma and r1 on the splits that begin there (any split at the last node), (n, 2 C, H, W)."""
        begin = nodes.clamp(max=(self.cells << self.level) - 1)
        rest = self._remainders(self.node(begin, self.level), self.node(begin + 1, self.level))
        return (torch.cat((rotated(self.image[None], self.node(nodes, self.level)), rest), dim=1),)

    def outer_images(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """P w at angles of the grid, and P r2 on the cells that begin there, (n, C, H', W') each."""
        once = self.preprocessing(rotated(self.image[None], self.grid(nodes, self.level)))
        rest = self._remainders(self.grid(nodes, self.level), self.grid(nodes + 1, self.level))
        return once, self.preprocessing(rest)

    def _outer(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """P w, (n, pixels inside the vignette), and ||P r2||, (n,), of `outer_images`."""
        once, rest = self.outer_images(nodes)
        return once.flatten(1)[:, self.inside], _norms(rest.flatten(1))

    def evaluate(self, items: Tensor, cells: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        device, cell = self.image.device, cells[:, 0]
        total = (self.cells << level) + 1
        keys, inverse = torch.unique(torch.cat((items * total + cell, items * total + cell + 1)), return_inverse=True)
        first, second = inverse.chunk(2)
        item, node = keys // total, keys % total
        gamma, beta = self.node(node, level), self.betas[item]
        (inner,), which = self.inner.get(node)
        warped = self.preprocessing(rotated(inner[which.to(device)], beta))
        channels = len(self.image)
        twice = warped[:, :channels].flatten(1)[:, self.inside]
        rest = _norms(warped[:, channels:].flatten(1))[first]
        grid_cell, place = self.on_grid(beta + gamma, level)
        (once, once_rest), lookup = self.outer.get(torch.cat((grid_cell, grid_cell + 1)))
        left, right = lookup.to(device).chunk(2)
        at_node = _norms(twice - torch.lerp(once[left], once[right], place.to(device)[:, None]))
        # the grid's angle inside the split, if there is one
        enters = grid_cell[second] > grid_cell[first]
        width = gamma[second] - gamma[first]
        t = (self.grid(grid_cell[first] + 1, level) - beta[first] - gamma[first]) / width.clamp(min=1e-300)
        t = torch.where(enters, t, 0.0).clamp(0, 1)
        between = torch.lerp(twice[first.to(device)], twice[second.to(device)], t.to(device)[:, None])
        at_grid = torch.where(enters, _norms(between - once[right[first.to(device)]]), 0.0)
        ends = torch.stack((at_node[first], at_node[second], at_grid))
        angles = torch.stack((gamma[first], gamma[second], gamma[first] + t * width))
        # the second part lies in the next cell, even where rounding puts its end, a node, into the cell after that
        here, there = (once_rest[row[first]] for row in lookup.chunk(2))
        one = torch.maximum(ends[0], torch.where(enters, ends[2], ends[1])) + here
        two = torch.where(enters, torch.maximum(ends[2], ends[1]) + there, 0.0)
        guess, best = ends.max(dim=0)
        return torch.maximum(one, two) + rest, guess, angles.gather(0, best[None])[0, :, None]


def _norms(vectors: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return norms.cpu()


def require_rotation(transform: Transform, what: str) -> None:
    """ValueError unless the transformation is a rotation."""
    if not isinstance(transform, Rotation):
        raise ValueError(f"The {what} is for rotations, but the transformation is {transform.name}.")


def cells_for(attacked: AttackedImage, splits: int | None) -> int:
    """Base cells for 90° that give about ``splits`` over Gamma, but no fewer than the remainders need."""
    least = cells_for_quarter_turn(attacked.pixels.shape[1], attacked.pixels.shape[2])
    extent = float(attacked.box[0, 1] - attacked.box[0, 0])
    if splits is None or extent == 0:
        return least
    if splits < 1:
        raise ValueError(f"splits must be at least 1, but is {splits}.")
    return max(least, min(MOST_CELLS, round(min(90 * splits / extent, 1e9))))


def chord_bound(
    attacked: AttackedImage,
    betas: Points,
    *,
    splits: int | None = None,
    search: Search = USUAL,
    progress: Progress = silent,
) -> ErrorBound:
    """Sound upper bounds of max over gamma in Gamma of ||e(beta, gamma)|| for rotations, for N betas at once.

    Args:
        betas: (N,) or (N, 1) degrees.
        splits: about this many uniform splits of Gamma to begin with (at least as many as the remainders need: arcs
            of at most one pixel, 3° for 28x28); with neither tolerance nor target in ``search``, no refinement.

    Returns: `ErrorBound`, method "chord".
    """
    watch = Stopwatch()
    require_rotation(attacked.transform, "chord bound")
    points = as_points(attacked.transform, betas)[:, 0]
    bound = bounded(
        ErrorSplits(attacked, points, cells_for(attacked, splits)),
        attacked,
        search,
        slack=float_slack(attacked.preprocessing, attacked.image, PER_PIXEL),
        rounding=attacked.rounding,
        progress=progress,
    )
    return replace(bound, seconds=watch.seconds)
