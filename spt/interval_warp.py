"""Where pixels read the input for a whole box of parameters, and what the interpolant can be there.

Floating point. Boxes are rounded outward (`spt.intervals`). For the exact hull the phase and radius of a pixel are rounded to
nearest, which moves the arc by less than 4e-12 pixels; the naive formula takes pi / 180 as a double, which is 0.16 u off, for
13,600° at the corner of 4096 x 4096 pixels 1.2e-11 pixels: less than `BOX_SLACK`, added to the box of either.
"""

import itertools

import torch
from torch import Tensor

from spt.interpolation import bilinear, pixel_grid
from spt.intervals import Interval
from spt.transforms import Rotation, Transform

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
    columns, rows = _corners_and_lines(x, width), _corners_and_lines(y, height)
    expanded = images.expand(len(x.lower), *images.shape[1:])
    lower = upper = bilinear(expanded, columns[0], rows[0])
    for column, row in itertools.product(columns, rows):
        value = bilinear(expanded, column, row)
        lower, upper = torch.minimum(lower, value), torch.maximum(upper, value)
    return lower, upper


def _corners_and_lines(box: Interval, size: int) -> list[Tensor]:
    """The ends of each interval and the pixel lines within (ends again where an interval has fewer than others)."""
    offset = (size - 1) / 2
    # beyond one pixel outside the image the interpolant is 0, so only lines from there on matter
    low, high = (end.clamp(-offset - 1, offset + 1) for end in (box.lower, box.upper))
    first = (low + offset).floor() + 1
    lines = int(((high + offset).ceil() - first).max())
    inner = [torch.minimum(first + k - offset, high) for k in range(max(lines, 0))]
    return [low, high, *inner]
