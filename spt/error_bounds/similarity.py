"""Balls around {P Q(T_gamma x) : gamma in a cell} where T turns and scales about the centre in one warp.

With theta the angle and t the logarithm of the factor a pixel p reads at q(theta, t) = e^-t R(theta) p: while t stays it moves on
an arc, while theta stays on a straight line through the centre. A cell, a box of (theta, t), is cut into smaller ones, *pieces*.
`remainder_of` returns r with

    | T_gamma x - (a mean of T x at the four corners of the piece) | <= r    in every pixel and for every gamma in the piece.

Derivation (docs/mathematics.md, section 28). Let f(theta, t) = I(q(theta, t)), and s the fraction of [theta_0, theta_1] at which
theta lies.

1. For every fixed t, f(theta, t) is within r_theta of (1 - s) f(theta_0, t) + s f(theta_1, t), by the lemma of
   `spt.error_bounds.arcs`, if its factors are the largest for all t: the box is that of all positions of the pixel in the piece,
   x' = -y and y' = x are as large as there, and where a line is crossed is not looked at. An arc turns back at the same theta for
   all t.
2. At theta = theta_0 and theta_1, f(theta, t) is within r_t of its chord in t, by the same lemma for scaling.

So f(theta, t) is within r = r_theta + max(r_t(theta_0), r_t(theta_1)) of a mean of the four corners, whose weights are those of
bilinear interpolation.

Pieces are so narrow (`_widest`) that, where any point of a piece reads within the image or a pixel beside it, no two of its
points read farther apart than a pixel along either axis: with |q| <= reach = hypot of (W + 1)/2 + 1 and (H + 1)/2 + 1,

    |q - q*| <= e^|t - t*| reach |theta - theta*| + (e^|t - t*| - 1) max(W + 3, H + 3) / 2.

If the first of them lies within (W + 1)/2 and (H + 1)/2 of the centre, all of them lie within a pixel more; if none does, f is 0
on the whole piece. So the boxes meet at most 2 x 2 cells and one line of each direction, and speeds count up to there only.

A norm || |P v - z| + P r || is convex in v, so largest at a corner.

The attacker's rounding: where all four corners, moved apart by r, have one grey level, it is that level; elsewhere it is within
1/510, as in `spt.error_bounds.slice_balls`.

Floating point. e^-t R(theta) p, as it is computed where a pixel beside the image is read, is within 1.4e-10 pixels of exact: 7e-11
for the angle, as in `spt.error_bounds.arcs`, and as much for the factor. One interpolation and two remainders lose
4 D + 16 (TOUCH + D) = 4.4e-9 of the largest pixel then, less than `arcs.PER_PIXEL`, which every radius is enlarged by.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from spt.error_bounds import arcs
from spt.error_bounds.balls import centre_weights
from spt.error_bounds.known_rounding import EDGE, LARGEST, known_levels
from spt.error_bounds.paths import PATHS, Motion
from spt.images import to_8_bit
from spt.interpolation import bilinear
from spt.threat_model import AttackedImage

LEAST_PIECES = 4
"""Into how many pieces a cell is cut along each axis at the least."""
MOST_PIECES = 2048
"""A cell of more pieces is only tried: its ball holds everything that an image of these pixels can be turned into."""
PIXELS_AT_ONCE = 1 << 21
TURNING_STEP, SCALING_STEP = 0.45, 0.4
"""Of the widest piece, in pixels along each axis."""
TURNING, SCALING = PATHS["rotation"], PATHS["scaling"]


def similarity_ball(attacked: AttackedImage, box: Tensor) -> tuple[Tensor, float, float]:
    """For a cell (2, 2), in degrees and log %: a centre, and the radius around it for the exact attacker and for the one who is
    asked for, without what floating point adds."""
    shown, image = attacked.preprocessing, attacked.pixels
    rounds = attacked.attacker == "8-bit"
    axes = [
        _cut(path.nodes(low, high), low, high, widest, LEAST_PIECES)
        for path, (low, high), widest in zip((TURNING, SCALING), box.tolist(), _widest(image), strict=True)
    ]
    if math.prod(len(axis) - 1 for axis in axes) > MOST_PIECES:
        return _anything(attacked)
    some = warped(image, *(axis[[0, len(axis) // 2, -1]] for axis in axes)).flatten(0, 1)
    centres = [_centre(shown(some))] + ([_centre(shown(to_8_bit(some.clamp(0, 1))))] if rounds else [])
    exact, rounded = [0.0] * len(centres), [0.0] * len(centres)
    for corners, rest in itertools.chain(*(strips(image, axes[0], part) for part in _parts(axes[1], image.numel()))):
        ends, around = _seen(attacked, corners), shown(rest)
        for number, centre in enumerate(centres):
            exact[number] = max(exact[number], _farthest(ends - centre, around))
        if rounds:
            known, level = known_levels(corners.amin(dim=1), corners.amax(dim=1), rest + EDGE)
            left = torch.where(known[:, None], level[:, None], corners)
            ends = _seen(attacked, left)
            around = shown(torch.where(known, 0.0, rest + LARGEST))
            for number, centre in enumerate(centres):
                rounded[number] = max(rounded[number], _farthest(ends - centre, around))
    worst = attacked.rounding if rounds else 0.0
    found = [
        (centre, radius, min(radius + worst, max(radius, other)))
        for centre, radius, other in zip(centres, exact, rounded, strict=True)
    ]
    return min(found, key=lambda ball: ball[2])


def _seen(attacked: AttackedImage, corners: Tensor) -> Tensor:
    """P of corners (B, 4, C, H, W): (B, 4, C, H', W')."""
    found = attacked.preprocessing(corners.flatten(0, 1))
    return found.reshape(*corners.shape[:2], *found.shape[1:])


def warped(image: Tensor, angles: Tensor, scales: Tensor) -> Tensor:
    """T x of an image (C, H, W) at all pairs of angles (A,) and scales (B,): (A, B, C, H, W), float64."""
    height, width = image.shape[1:]
    x, y = TURNING.sources(height, width, angles.to(image.device))
    shrunk = _shrinking(scales)[:, None, None].to(image.device)
    return torch.stack(
        [
            bilinear(image[None].expand(len(scales), *image.shape), shrunk * a, shrunk * b)
            for a, b in zip(x, y, strict=True)
        ]
    )


def strips(image: Tensor, angles: Tensor, scales: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """For each [angles[i], angles[i + 1]] the pieces of it: T x at their corners, (B, 4, C, H, W), and r, (B, C, H, W), where
    there are B + 1 scales."""
    maps = arcs.differences(image[None])
    before: tuple[Tensor, Tensor] | None = None
    for low, high in itertools.pairwise(angles.tolist()):
        ends = []
        for angle in (low, high):
            at = torch.tensor([angle], dtype=torch.float64)
            if angle == low and before is not None:
                ends.append(before)
            else:
                ends.append((warped(image, at, scales)[0], _along_scales(image, maps, at, scales)))
        before = ends[1]
        (first, first_rest), (last, last_rest) = ends
        corners = torch.stack((first[:-1], first[1:], last[:-1], last[1:]), dim=1)
        turned = _along_angles(image, maps, torch.tensor([low, high], dtype=torch.float64), scales)
        yield corners, turned + torch.maximum(first_rest, last_rest)


def remainder_of(image: Tensor, angles: Sequence[float], scales: Sequence[float]) -> Tensor:
    """r on one piece, (C, H, W): see the derivation."""
    ends = (torch.tensor(axis, dtype=torch.float64) for axis in (angles, scales))
    [(_, rest)] = strips(image, *ends)
    return rest[0]


def _along_scales(image: Tensor, maps: Tensor, angle: Tensor, scales: Tensor) -> Tensor:
    """r_t at one angle (1,) on all pieces of scales: (B, C, H, W)."""
    height, width = image.shape[1:]
    turned = TURNING.sources(height, width, angle.to(image.device))
    shrunk = _shrinking(scales)[:, None, None].to(image.device)
    x, y = SCALING.motions(
        (shrunk[:-1] * turned[0], shrunk[:-1] * turned[1]), (shrunk[1:] * turned[0], shrunk[1:] * turned[1])
    )
    widths = (scales.diff() * SCALING.unit).to(image.device)
    weights = arcs.motion_weights(x, y, widths, height, width)
    return arcs.remainder(maps, None, *weights, (height, width))


def _along_angles(image: Tensor, maps: Tensor, angles: Tensor, scales: Tensor) -> Tensor:
    """r_theta on one piece of angles, for all scales in each piece of these: (B, C, H, W)."""
    height, width = image.shape[1:]
    low, high = (TURNING.sources(height, width, end[None].to(image.device)) for end in angles)
    largest, smallest = (
        each[:, None, None].to(image.device) for each in (_shrinking(scales[:-1]), _shrinking(scales[1:]))
    )
    x, y = (_shrunk(each, smallest, largest) for each in TURNING.motions(low, high))
    reach_x, reach_y = _reach(width), _reach(height)
    fast_x = torch.maximum(x.low.abs(), x.high.abs()).clamp(max=reach_x)
    fast_y = torch.maximum(y.low.abs(), y.high.abs()).clamp(max=reach_y)
    x, y = replace(x, speed=fast_y, acceleration=fast_x), replace(y, speed=fast_x, acceleration=fast_y)
    widths = (angles.diff() * TURNING.unit).to(image.device).expand(len(scales) - 1)
    weights = arcs.motion_weights(x, y, widths, height, width, anywhere=True)
    return arcs.remainder(maps, None, *weights, (height, width))


def _shrunk(motion: Motion, smallest: Tensor, largest: Tensor) -> Motion:
    """Where the coordinate can be that is multiplied by numbers from ``smallest`` to ``largest``, (B, 1, 1)."""
    low = torch.minimum(motion.low * smallest, motion.low * largest)
    high = torch.maximum(motion.high * smallest, motion.high * largest)
    return replace(motion, begin=low, end=high, low=low, high=high)


def _shrinking(scales: Tensor) -> Tensor:
    """e^-t."""
    return (-scales / 100).clamp(-700, 700).exp()


def _reach(size: int) -> float:
    """How far from the centre paths are of which a part is within a pixel beside the image."""
    return (size + 1) / 2 + 1


def _widest(image: Tensor) -> tuple[float, float]:
    """The widest piece, in degrees and log %: see the inequality above; 1.2 · 0.45 + 0.4 < 1."""
    height, width = image.shape[1:]
    farthest = math.hypot(_reach(height), _reach(width))
    scaling = math.log1p(SCALING_STEP / _reach(max(height, width)))
    return TURNING_STEP / farthest / TURNING.unit * (1 - 1e-9), scaling / SCALING.unit * (1 - 1e-9)


def _cut(nodes: Sequence[float], low: float, high: float, widest: float, least: int) -> Tensor:
    """The ends of at least ``least`` pieces of [low, high], none wider than ``widest``, cut at the nodes as well."""
    count = min(max(least, math.ceil((high - low) / widest)), MOST_PIECES + 1)
    ends = sorted({*torch.linspace(low, high, count + 1, dtype=torch.float64).tolist(), *nodes})
    return torch.tensor(ends if len(ends) > 1 else 2 * ends, dtype=torch.float64)


def _parts(scales: Tensor, pixels: int) -> list[Tensor]:
    """The scales in runs so short that the corners of their pieces take little memory; each begins where the one before ends."""
    step = max(1, PIXELS_AT_ONCE // pixels)
    return [scales[start : start + step + 1] for start in range(0, len(scales) - 1, step)]


def _anything(attacked: AttackedImage) -> tuple[Tensor, float, float]:
    """A ball that holds P of everything between 0 and the least and the largest pixel: a pixel of T x is a mean of pixels and 0."""
    image = attacked.pixels
    low, high = min(0.0, float(image.min())), max(0.0, float(image.max()))
    ones = attacked.preprocessing(torch.ones_like(image))
    radius = (high - low) / 2 * float(ones.norm())
    return (low + high) / 2 * ones, radius, radius + attacked.rounding


def _centre(images: Tensor) -> Tensor:
    """Nearly the centre of the smallest ball around images (K, C, H', W')."""
    vectors = images.flatten(1) - images[0].flatten()
    weights = centre_weights((vectors @ vectors.T)[None])[0]
    return (weights[:, None] * images.flatten(1)).sum(dim=0).reshape(images.shape[1:])


def _farthest(off: Tensor, around: Tensor) -> float:
    """The largest norm of anything within ``around`` (B, C, H', W') of one of the corners ``off`` (B, 4, C, H', W')."""
    return float(torch.linalg.vector_norm((off.abs() + around[:, None]).flatten(2), dim=2).max())
