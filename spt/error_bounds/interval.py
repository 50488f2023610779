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

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spt.error_bounds.bounding import bounded
from spt.error_bounds.result import ErrorBound
from spt.error_bounds.sampled import error_norms
from spt.error_bounds.search import MAX_EVALUATIONS, Splits
from spt.interval_warp import interpolate, source_boxes
from spt.intervals import Interval
from spt.preprocessing import Preprocessing
from spt.progress import Progress, Stopwatch, silent
from spt.rounding_slack import float_slack
from spt.threat_model import MEMORY_BUDGET, Attacker, as_image, as_points, as_range, attacker_rounding
from spt.transforms import Transform

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


def _enclosures(
    image: Tensor,
    transform: Transform,
    preprocessing: Preprocessing,
    betas: Tensor,
    boxes: Tensor,
    inner: tuple[Tensor, Tensor],
    naive: bool,
) -> tuple[tuple[Tensor, Tensor], ...]:
    height, width = image.shape[1:]
    shift = Interval.point(betas[:, :, None])
    moved = Interval(boxes[:, :, :1].contiguous(), boxes[:, :, 1:].contiguous()) + shift
    outer = torch.cat((moved.lower, moved.upper), dim=-1).to(image.device)
    once = interpolate(image[None], *source_boxes(transform, height, width, outer, naive))
    twice = transform(inner[0], betas), transform(inner[1], betas)
    difference = twice[0] - once[1], twice[1] - once[0]
    return twice, once, difference, (preprocessing(difference[0]), preprocessing(difference[1]))


def interval_images(
    image: Tensor,
    transform: Transform,
    preprocessing: Preprocessing,
    beta: Tensor | Sequence[float] | float,
    split: Tensor | Sequence[float] | Sequence[Sequence[float]],
    naive: bool = False,
) -> IntervalImages:
    """What interval arithmetic knows about the error at ``beta`` for gamma in one split: (low, high) or (d, 2)."""
    pixels = as_image(image)
    points, box = as_points(transform, beta), as_range(transform, split)[None]
    inner = interpolate(
        pixels[None], *source_boxes(transform, pixels.shape[1], pixels.shape[2], box.to(pixels.device), naive)
    )
    found = _enclosures(pixels, transform, preprocessing, points[:1], box, inner, naive)
    slack = PER_PIXEL * float(pixels.abs().max())
    return IntervalImages(*[(low[0] - slack, high[0] + slack) for low, high in found])


class _IntervalSplits(Splits):
    cells_at_once = 128

    def __init__(
        self,
        image: Tensor,
        transform: Transform,
        preprocessing: Preprocessing,
        betas: Tensor,
        gamma_range: Tensor,
        splits: int,
        naive: bool,
    ) -> None:
        self.items, self.dimensions = len(betas), transform.dimensions
        self.image, self.transform, self.preprocessing = image, transform, preprocessing
        self.betas, self.gamma_range, self.splits, self.naive = betas, gamma_range, splits, naive

    def base(self) -> Tensor:
        axes = [torch.arange(self.items)] + [torch.arange(self.splits)] * self.dimensions
        return torch.cartesian_prod(*axes)

    def box(self, items: Tensor, cells: Tensor, level: int) -> Tensor:
        parts = self.splits << level
        low, high = self.gamma_range[:, 0], self.gamma_range[:, 1]
        ends = torch.stack((cells, cells + 1), dim=-1).double() / parts
        exact = low[:, None] + (high - low)[:, None] * ends
        return torch.where(ends == 1, high[:, None], exact)

    def bytes_per_cell(self) -> int:
        return 8 * 60 * self.image.numel()

    def sample(self, items: Tensor, points: Tensor) -> Tensor:
        return error_norms(self.image, self.transform, self.preprocessing, self.betas[items], points)

    def evaluate(self, items: Tensor, cells: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        boxes = self.box(items, cells, level)
        shared, which = torch.unique(boxes, dim=0, return_inverse=True)
        height, width = self.image.shape[1:]
        inner = interpolate(
            self.image[None],
            *source_boxes(self.transform, height, width, shared.to(self.image.device), self.naive),
        )
        inner = inner[0][which.to(self.image.device)], inner[1][which.to(self.image.device)]
        error = _enclosures(
            self.image, self.transform, self.preprocessing, self.betas[items], boxes, inner, self.naive
        )[-1]
        largest = torch.maximum(-error[0], error[1]).clamp(min=0)
        norms = torch.linalg.vector_norm(largest.flatten(1), dim=1).cpu()
        return norms, norms, boxes.mean(dim=-1)


def interval_bound(
    image: Tensor,
    transform: Transform,
    preprocessing: Preprocessing,
    betas: Tensor | Sequence[float] | Sequence[Sequence[float]],
    gamma_range: Sequence[float] | Sequence[Sequence[float]] | Tensor,
    tolerance: float | None = None,
    target: float | Tensor | None = None,
    splits: int = 100,
    naive: bool = False,
    attacker: Attacker = "exact",
    max_evaluations: int | None = MAX_EVALUATIONS,
    memory_budget: int = MEMORY_BUDGET,
    progress: Progress = silent,
    keep_splits: bool = False,
) -> ErrorBound:
    """The paper's bound of max over gamma in Gamma of ||e(beta, gamma)||, for N betas at once.

    Args:
        splits: uniform splits of each axis of Gamma to begin with; refined best-first if ``tolerance`` or ``target``
            (see `chord_bound`) is given.
        naive: interval arithmetic as in the paper instead of the exact hull of each arc.

    Returns: `ErrorBound` with the per-pixel enclosure of e on the worst split of the first beta.
    """
    watch = Stopwatch()
    pixels = as_image(image)
    points, box = as_points(transform, betas), as_range(transform, gamma_range)
    if splits < 1:
        raise ValueError(f"splits must be at least 1, but is {splits}.")
    problem = _IntervalSplits(pixels, transform, preprocessing, points, box, splits, naive)
    bound = bounded(
        problem,
        image,
        preprocessing,
        float_slack(preprocessing, image, PER_PIXEL),
        attacker_rounding(preprocessing, attacker, image),
        "naive interval" if naive else "interval",
        "interval bound",
        attacker,
        watch,
        tolerance,
        target,
        max_evaluations,
        memory_budget,
        progress,
        keep_splits,
    )
    images = interval_images(image, transform, preprocessing, points[0], bound.worst[0], naive)
    return replace(bound, lower=images.error[0], upper=images.error[1], seconds=watch.seconds)
