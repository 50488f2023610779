"""Balls around {P Q(T_gamma x) : gamma in a cell} where T changes values: brightness, contrast, and these after a path.

Neither clipping to [0, 1] nor the attacker's rounding Q decreases where its argument grows. So a pixel that is between two numbers
before them is between what becomes of these afterwards, exactly; and P, whose weights are not negative, keeps the order. On a
part of a cell let u be the image before clipping and rounding, l <= u <= v in every pixel. What is shown is then within P h of
P m in every pixel, m being the middle of what becomes of l and of v, and h half of the distance.

A change of values alone has one part: l and v are reached at the ends of the cell, in all pixels together, so the ball with the
two ends on its border is the smallest there is, with rounding and clipping. After a path (rotation, scaling, shear), which is cut
into pieces (`spt.error_bounds.path_pieces`), parts are the products of these and of parts of the change; the narrower they are,
the nearer is the radius to what occurs. This is docs/mathematics.md, section 26.

Floating point. T_gamma x, as the attacker computes it in the type of the image, and l and v here, are off by less than the error of
a turned image and its remainder (`arcs.PER_PIXEL`), times the gain, and a few eps of that type. By so much l and v are moved
apart before Q, which could step on the other side of them otherwise. What is lost after Q is in `float_slack`.
"""

import itertools

import torch
from torch import Tensor

from spt.error_bounds import arcs
from spt.error_bounds.balls import centre_weights
from spt.error_bounds.cell_balls import CellBalls
from spt.error_bounds.path_pieces import moved
from spt.error_bounds.paths import PATHS, PixelPath
from spt.images import to_8_bit
from spt.rounding_slack import float_slack, norm_inflation
from spt.threat_model import AttackedImage, as_range
from spt.transforms import Composition, Transform, ValueChange

CENTRE_STEPS = 60
MOVED_PARTS, VALUE_PARTS = 8, 4
"""Of a cell of a path, and of a change of values after it, along each axis."""


def value_balls(attacked: AttackedImage, cells: Tensor) -> CellBalls:
    """For N cells (N, d, 2), in the units of the parameters: balls that hold P Q(T_gamma x) for every gamma in the cell, Q being
    the attacker's rounding, or nothing: balls for the 8-bit attacker hold for both.

    ValueError for cells that are none, and for a T that is neither a change of values nor one after a path.
    """
    change, path = _parts(attacked.transform)
    preprocessing, pixels = attacked.preprocessing, attacked.pixels
    slack = float_slack(preprocessing, torch.ones_like(attacked.image), arcs.PER_PIXEL)
    inflation = norm_inflation(preprocessing, attacked.image)
    rows, columns = preprocessing.output_size(*pixels.shape[1:])
    centres = torch.zeros(len(cells), len(pixels), rows, columns, dtype=torch.float64)
    radii, exact = torch.zeros(2, len(cells), dtype=torch.float64)
    before: dict[tuple[float, float], tuple[Tensor, Tensor]] = {}  # neighbours share what is moved
    for number, cell in enumerate(cells):
        axes: list[tuple[float, float]] = [(start, stop) for start, stop in as_range(attacked.transform, cell).tolist()]
        if path is not None:
            move = axes.pop(0)
            if move not in before:
                before[move] = _between(*moved(path, pixels, *move, MOVED_PARTS))
            low, high = before[move]
            count = VALUE_PARTS if len(low) <= 2 * MOVED_PARTS else 1  # wide cells are only tried
        else:
            low, high, count = pixels[None], pixels[None], 1
        ends = [
            _changed(attacked, change, part, low, high)
            for part in itertools.product(*(_cut(start, stop, count) for start, stop in axes))
        ]
        least, most, least_exact, most_exact = (torch.cat(each) for each in zip(*ends, strict=True))
        shown, spread = preprocessing((least + most) / 2), preprocessing((most - least) / 2)
        centre = _centre(shown, len(low))
        centres[number] = centre.cpu()
        radii[number] = _farthest(shown - centre, spread)
        shown, spread = preprocessing((least_exact + most_exact) / 2), preprocessing((most_exact - least_exact) / 2)
        exact[number] = _farthest(shown - centre, spread)
    rounding = (radii - exact).clamp(0, attacked.rounding)
    return CellBalls(centres, (radii + slack) * inflation * (1 + 1e-14), rounding)


def _parts(transform: Transform) -> tuple[ValueChange, PixelPath | None]:
    """The change of values that T ends with, and the path that comes before it."""
    if isinstance(transform, ValueChange):
        return transform, None
    if isinstance(transform, Composition) and len(transform.steps) == 2:
        first, last = transform.steps
        if first.name in PATHS and isinstance(last, ValueChange):
            return last, PATHS[first.name]
    raise ValueError(f"There is no bound for {transform.name}: neither a change of values nor one after a path.")


def _between(ends: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """(K, C, H, W) each: between what numbers an image is on pieces that are within ``rest`` of lines between ``ends``."""
    low = torch.minimum(ends[:-1], ends[1:]) - rest
    return low.clamp(0, 1), (torch.maximum(ends[:-1], ends[1:]) + rest).clamp(0, 1)


def _cut(low: float, high: float, count: int) -> list[tuple[float, float]]:
    """[low, high] in so many parts."""
    return list(itertools.pairwise(torch.linspace(low, high, count + 1, dtype=torch.float64).tolist()))


def _changed(
    attacked: AttackedImage, change: ValueChange, part: tuple[tuple[float, float], ...], low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Between what numbers every pixel is that was between ``low`` and ``high``, after a change by parameters in ``part``: as it is
    handed over, and as the exact attacker hands it over. Gain and offset are monotone, so ends of the part are enough."""
    corners = torch.tensor(list(itertools.product(*part)), dtype=torch.float64)
    gains, offsets = (each.tolist() for each in change.gain_and_offset(tuple(corners.T)))
    slack = max(1.0, *gains) * (arcs.PER_PIXEL + 4 * torch.finfo(attacked.image.dtype).eps)
    lower = torch.stack([gain * low + offset for gain, offset in zip(gains, offsets, strict=True)]).amin(dim=0)
    upper = torch.stack([gain * high + offset for gain, offset in zip(gains, offsets, strict=True)]).amax(dim=0)
    least_exact, most_exact = (lower - slack).clamp(0, 1), (upper + slack).clamp(0, 1)
    if attacked.attacker == "exact":
        return least_exact, most_exact, least_exact, most_exact
    least = torch.minimum(least_exact, to_8_bit(least_exact))
    return least, torch.maximum(most_exact, to_8_bit(most_exact)), least_exact, most_exact


def _centre(shown: Tensor, pieces: int) -> Tensor:
    """Nearly that of the smallest ball around what is shown in outer parts and in the middle; there are ``pieces`` along the path
    for each part of the change."""
    last = len(shown) - pieces
    corners = shown[sorted({start + piece for start in (0, last) for piece in (0, pieces // 2, pieces - 1)})]
    vectors = (corners - corners[0]).flatten(1)
    weights = centre_weights((vectors @ vectors.T)[None], steps=CENTRE_STEPS)[0]
    return (weights[:, None, None, None] * corners).sum(dim=0)


def _farthest(off: Tensor, spread: Tensor) -> float:
    """The largest norm of anything within ``spread`` of one of ``off``, in every pixel: (K, C, H', W') each."""
    return float(torch.linalg.vector_norm((off.abs() + spread).flatten(1), dim=1).max())
