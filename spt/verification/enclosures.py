"""All images that an attacker can make within one split of the attack range, after P, as enclosures.

Box: bilinear interpolation over the exact hull of each pixel's arc (`spt.error_bounds.interval`). Line, for rotations:
T_gamma x is within r of the chord between the rotated images at both ends of the split (`spt.error_bounds.arcs`); for other
transformations the line is the middle of the box. Where the box of a pixel is narrower than 2 r, its middle is the line.

The 8-bit attacker rounds the exact T_gamma x to multiples of 1/255. Rounding is monotone: it takes a box to the box of
the rounded ends, and moves a pixel by at most 0.5/255 from the line. P has non-negative weights, so it acts on the ends,
on the line and on the radius alike.

Floating point. The float64 work here is off by less than 2 `PER_PIXEL` max|x| in each pixel (proofs in the two modules
above), and a float32 evaluation of T_gamma x and P x by what `float_slack` adds for it. Twice that is added before the
rounding to 8 bits, so that it also covers an evaluation that decides near ties otherwise, and once more after P. What P
sets to 0 stays exactly 0.

f then rounds every pixel to multiples of its grid (`spt.noise.snap`), which is monotone as well: it takes a box to the box of the
rounded ends, and moves a pixel by at most half a step from the line.
"""

import math

import torch
from torch import Tensor

from spt.error_bounds.arcs import PER_PIXEL, arc_weights, differences, remainder, rotated
from spt.interval_warp import interpolate, source_boxes
from spt.rounding_slack import float_slack
from spt.threat_model import AttackedImage
from spt.transforms import Rotation
from spt.verification.line_enclosure import ROUNDING, LineEnclosure


def enclose(attacked: AttackedImage, boxes: Tensor, *, grid: float | None = None) -> LineEnclosure:
    """P T_gamma x for gamma in M splits (M, d, 2) of Gamma, rounded to 8 bits in between if the attacker does: M enclosures. With
    ``grid`` pixels are rounded to its multiples afterwards.

    For rotations no pixel may move by more than one pixel within a split, and multiples of 90° must not lie strictly
    inside (`spt.error_bounds.chord.AngleSplits` makes such splits).
    """
    pixels, transform, preprocessing = attacked.pixels, attacked.transform, attacked.preprocessing
    boxes = boxes.to(pixels.device)
    size = (pixels.shape[1], pixels.shape[2])
    lower, upper = interpolate(pixels[None], *source_boxes(transform, *size, boxes))
    if isinstance(transform, Rotation):
        low, high = boxes[:, 0, 0], boxes[:, 0, 1]
        start, stop = rotated(pixels[None], low), rotated(pixels[None], high)
        radius = remainder(differences(pixels[None]), None, *arc_weights(low, high, *size), size)
    else:
        start = stop = (lower + upper) / 2
        radius = (upper - lower) / 2
    ones = preprocessing(torch.ones_like(pixels))
    slack = float_slack(preprocessing, attacked.image.float(), 4 * PER_PIXEL) / math.sqrt(max(1, int((ones > 0).sum())))
    lower, upper, radius = lower - 2 * slack, upper + 2 * slack, radius + 2 * slack
    if attacked.attacker == "8-bit":
        radius = radius + 0.5 / 255
        lower = ((255 * lower - 0.5).ceil() / 255).clamp(0, 1)
        upper = ((255 * upper + 0.5).floor() / 255).clamp(0, 1)
    middle, half = (lower + upper) / 2, (upper - lower) / 2
    narrow = half < radius
    start, stop = torch.where(narrow, middle, start), torch.where(narrow, middle, stop)
    radius = torch.where(narrow, half, radius)
    start, stop, radius, lower, upper = (preprocessing(part) for part in (start, stop, radius, lower, upper))
    slack_after = torch.where(ones > 0, 2 * slack + 4 * ROUNDING, 0.0)
    radius = radius + slack_after
    lower = torch.maximum(lower - slack_after, torch.minimum(start, stop) - radius)
    upper = torch.minimum(upper + slack_after, torch.maximum(start, stop) + radius)
    if grid is not None:
        lower, upper = (torch.round(end / grid) * grid for end in (lower, upper))
        radius = radius + torch.where(ones > 0, grid / 2, 0.0)
    return LineEnclosure(start, stop, radius, lower, upper)
