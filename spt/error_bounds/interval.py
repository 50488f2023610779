"""The paper's bound: interval arithmetic on the source positions, interval images, and their difference.

For gamma in a split, the source of every pixel lies in a box: by naive interval arithmetic as in the paper, or the
exact hull of its arc. Bilinear interpolation over the box is enclosed by its exact range (`interpolate`). That gives
interval images of T_gamma x and of T_{beta+gamma} x; A_beta and P have non-negative weights, so they act on the two ends;
the difference forgets that both depend on the same gamma. It converges linearly only; kept to show and to compare
(docs/mathematics.md, section 5).

Floating point. Boxes are those of `spt.interval_warp`. Sources of A_beta are off by at most 2.4e-10 pixels (see
`spt.error_bounds.arcs`), which changes an image by at most 1e-9 max|x|; what is interpolated at the corners of boxes, and P's
sums, are off by less than 1e-11 max|x|: together less than `PER_PIXEL` max|x| for each pixel, added to the norm.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spt.error_bounds.refined import bounded
from spt.error_bounds.result import ErrorBound
from spt.error_bounds.sampled import error_norms
from spt.error_bounds.search import NO_REFINEMENT, Search, Splits
from spt.interval_warp import interpolate, source_boxes
from spt.intervals import Interval
from spt.progress import Progress, Stopwatch, silent
from spt.rounding_slack import float_slack
from spt.threat_model import AttackedImage, Points, Range, as_points, as_range, check_bounded

PER_PIXEL = 2e-9


@dataclass(frozen=True, eq=False)
class IntervalImages:
    """Enclosures over one split: (C, H, W) each, or (C, H', W') after P.

    ``twice``: of T_beta T_gamma x; ``once``: of T_{beta+gamma} x; ``difference``: of the error before P; ``error``: after P.
    """

    twice: tuple[Tensor, Tensor]
    once: tuple[Tensor, Tensor]
    difference: tuple[Tensor, Tensor]
    error: tuple[Tensor, Tensor]


Ends = tuple[Tensor, Tensor]
"""Lower and upper images."""


def _inner(attacked: AttackedImage, boxes: Tensor, naive: bool) -> Ends:
    """T_gamma x for gamma in M boxes (M, d, 2), (M, C, H, W) each."""
    pixels = attacked.pixels
    height, width = pixels.shape[1:]
    x, y = source_boxes(attacked.transform, height, width, boxes.to(pixels.device), naive)
    return interpolate(pixels[None], x, y)


def _enclosures(attacked: AttackedImage, betas: Tensor, boxes: Tensor, inner: Ends, naive: bool) -> tuple[Ends, ...]:
    """What `IntervalImages` holds, for M betas (M, d) and boxes (M, d, 2), given `_inner` of the boxes."""
    shift = Interval.point(betas[:, :, None])
    moved = Interval(boxes[:, :, :1].contiguous(), boxes[:, :, 1:].contiguous()) + shift
    once = _inner(attacked, torch.cat((moved.lower, moved.upper), dim=-1), naive)
    twice = attacked.transform(inner[0], betas), attacked.transform(inner[1], betas)
    difference = twice[0] - once[1], twice[1] - once[0]
    return twice, once, difference, (attacked.preprocessing(difference[0]), attacked.preprocessing(difference[1]))


def interval_images(attacked: AttackedImage, beta: Points, split: Range, *, naive: bool = False) -> IntervalImages:
    """What interval arithmetic knows about the error at ``beta`` for gamma in one split: (low, high) or (d, 2)."""
    check_bounded(attacked.transform, "whole range")
    points, box = as_points(attacked.transform, beta), as_range(attacked.transform, split)[None]
    found = _enclosures(attacked, points[:1], box, _inner(attacked, box, naive), naive)
    slack = PER_PIXEL * float(attacked.pixels.abs().max())
    return IntervalImages(*[(low[0] - slack, high[0] + slack) for low, high in found])


class _IntervalSplits(Splits):
    title = "interval bound"
    cells_at_once = 128

    def __init__(self, attacked: AttackedImage, betas: Tensor, splits: int, naive: bool) -> None:
        self.items, self.dimensions = len(betas), attacked.transform.dimensions
        self.attacked, self.betas, self.splits, self.naive = attacked, betas, splits, naive
        self.method = "naive interval" if naive else "interval"

    def base(self) -> Tensor:
        axes = [torch.arange(self.items)] + [torch.arange(self.splits)] * self.dimensions
        return torch.cartesian_prod(*axes)

    def box(self, items: Tensor, cells: Tensor, level: int) -> Tensor:
        parts = self.splits << level
        low, high = self.attacked.box[:, 0], self.attacked.box[:, 1]
        ends = torch.stack((cells, cells + 1), dim=-1).double() / parts
        exact = low[:, None] + (high - low)[:, None] * ends
        return torch.where(ends == 1, high[:, None], exact)

    def bytes_per_cell(self) -> int:
        return 8 * 60 * self.attacked.pixels.numel()

    def sample(self, items: Tensor, points: Tensor) -> Tensor:
        attacked = self.attacked
        return error_norms(attacked.pixels, attacked.transform, attacked.preprocessing, self.betas[items], points)

    def evaluate(self, items: Tensor, cells: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        boxes = self.box(items, cells, level)
        shared, which = torch.unique(boxes, dim=0, return_inverse=True)
        low, high = _inner(self.attacked, shared, self.naive)
        inner = low[which.to(low.device)], high[which.to(low.device)]
        error = _enclosures(self.attacked, self.betas[items], boxes, inner, self.naive)[-1]
        largest = torch.maximum(-error[0], error[1]).clamp(min=0)
        norms = torch.linalg.vector_norm(largest.flatten(1), dim=1).cpu()
        return norms, norms, boxes.mean(dim=-1)


def interval_bound(
    attacked: AttackedImage,
    betas: Points,
    *,
    splits: int = 100,
    naive: bool = False,
    search: Search = NO_REFINEMENT,
    progress: Progress = silent,
) -> ErrorBound:
    """The paper's bound of max over gamma in Gamma of ||e(beta, gamma)||, for N betas at once.

    Args:
        betas: (N, d) degrees or pixels, for one parameter (N,) too.
        splits: uniform splits of each axis of Gamma to begin with; refined best-first if ``search`` has a tolerance or a
            target.
        naive: interval arithmetic as in the paper instead of the exact hull of each arc.

    Returns: `ErrorBound` with the per-pixel enclosure of e on the worst split of the first beta.
    """
    watch = Stopwatch()
    check_bounded(attacked.transform, "whole range")
    points = as_points(attacked.transform, betas)
    if splits < 1:
        raise ValueError(f"splits must be at least 1, but is {splits}.")
    bound = bounded(
        _IntervalSplits(attacked, points, splits, naive),
        attacked,
        search,
        slack=float_slack(attacked.preprocessing, attacked.image, PER_PIXEL),
        rounding=attacked.rounding,
        progress=progress,
    )
    images = interval_images(attacked, points[0], bound.worst[0], naive=naive)
    return replace(bound, lower=images.error[0], upper=images.error[1], seconds=watch.seconds)
