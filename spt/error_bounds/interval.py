"""The paper's bound: interval arithmetic on the source positions, interval images, and their difference.

For gamma in a split, the source of every pixel lies in a box: by naive interval arithmetic as in the paper, or the
exact hull of its arc. Bilinear interpolation over the box is enclosed by its exact range (`interpolate`). That gives
interval images of T_gamma x and of T_{beta+gamma} x; A_beta and P have non-negative weights, so they act on the two ends;
the difference forgets that both depend on the same gamma. It converges linearly only; kept to show and to compare
(docs/mathematics.md, section 5).

Floating point. Boxes are rounded outward (`spt.intervals`). For the exact hull the phase and radius of a pixel are
rounded to nearest, which moves the arc by less than 4e-12 pixels; the naive formula takes pi / 180 as a double, which is
0.16 u off, for 13,600° at the corner of 4096 x 4096 pixels 1.2e-11 pixels: less than `BOX_SLACK`, added to the box of either.
Sources of A_beta are off by at most 2.4e-10 pixels (`spt.error_bounds.arcs`), which changes an image by at most 1e-9 max|x|;
what is interpolated at the corners of boxes, and P's sums, are off by less than 1e-11 max|x|: together less than `PER_PIXEL`
max|x| for each pixel, added to the norm.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spt.error_bounds.bounding import bounded
from spt.error_bounds.record import (
    MEMORY_BUDGET,
    Attacker,
    ErrorBound,
    Stopwatch,
    as_image,
    as_points,
    as_range,
    attacker_rounding,
    float_slack,
)
from spt.error_bounds.sampled import error_norms
from spt.error_bounds.search import MAX_EVALUATIONS, Splits
from spt.interpolation import bilinear, pixel_grid
from spt.intervals import Interval
from spt.preprocessing import Preprocessing
from spt.progress import Progress, silent
from spt.transforms import Rotation, Transform

PER_PIXEL = 2e-9
BOX_SLACK = 2e-11


def source_boxes(
    transform: Transform, height: int, width: int, boxes: Tensor, naive: bool = False
) -> tuple[Interval, Interval]:
    """Where output pixels read the input for parameters in M boxes (M, d, 2): intervals x and y, each (M, H, W).

    ``naive`` evaluates the transformation's own formula in interval arithmetic, as in the paper; otherwise rotations
    use the exact hull of each pixel's arc. (For translations both are exact.)
    """
    x, y = pixel_grid(height, width, boxes.device)
    parameters = [Interval(boxes[:, i, 0, None, None], boxes[:, i, 1, None, None]) for i in range(transform.dimensions)]
    if isinstance(transform, Rotation) and not naive:
        angle, radius = parameters[0].radians() + torch.atan2(y, x), torch.hypot(x, y)
        found = angle.cos() * radius, angle.sin() * radius
    else:
        found = transform.source(x, y, tuple(parameters))  # type: ignore[arg-type, assignment]
    shape = (len(boxes), height, width)
    found_x, found_y = (Interval(axis.lower.expand(shape), axis.upper.expand(shape)) for axis in found)
    if not isinstance(transform, Rotation):
        return found_x, found_y
    margin = torch.full((1,), BOX_SLACK, dtype=torch.float64, device=boxes.device)
    slack = Interval(-margin, margin)
    return found_x + slack, found_y + slack


def interpolate(images: Tensor, x: Interval, y: Interval) -> tuple[Tensor, Tensor]:
    """Smallest and largest value of the interpolant over boxes: images (1, C, H, W), boxes (M, H', W').

    On one interpolation cell it is affine in x and in y, so its extremes over the part of the box in that cell are
    at corners: the ends of the box and the pixel lines between them. Accurate to rounding, not rounded outward.
    """
    height, width = images.shape[-2:]
    columns, rows = _stations(x, width), _stations(y, height)
    expanded = images.expand(len(x.lower), *images.shape[1:])
    lower = upper = bilinear(expanded, columns[0], rows[0])
    for column, row in itertools.product(columns, rows):
        value = bilinear(expanded, column, row)
        lower, upper = torch.minimum(lower, value), torch.maximum(upper, value)
    return lower, upper


def _stations(box: Interval, size: int) -> list[Tensor]:
    """The ends of each interval and the pixel lines within (ends again where an interval has fewer than others)."""
    offset = (size - 1) / 2
    # beyond one pixel outside the image the interpolant is 0, so only lines from there on matter
    low, high = (end.clamp(-offset - 1, offset + 1) for end in (box.lower, box.upper))
    first = (low + offset).floor() + 1
    lines = int(((high + offset).ceil() - first).max())
    inner = [torch.minimum(first + k - offset, high) for k in range(max(lines, 0))]
    return [low, high, *inner]


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
        problem, image, preprocessing, float_slack(preprocessing, image, PER_PIXEL),
        attacker_rounding(preprocessing, attacker, image),
        "naive interval" if naive else "interval", "interval bound", attacker,
        watch, tolerance, target, max_evaluations, memory_budget, progress, keep_splits,
    )  # fmt: skip
    images = interval_images(image, transform, preprocessing, points[0], bound.worst[0], naive)
    return replace(bound, lower=images.error[0], upper=images.error[1], seconds=watch.seconds)
