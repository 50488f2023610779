"""How far a moving image can be from a straight line: second-order remainders of T_theta x on a split of theta.

On [a, b] of width w, in the natural unit of a transformation of one parameter (`spt.error_bounds.paths`), let chord(theta) be
the line between T_a x and T_b x. `remainder` returns r with |T_theta x - chord(theta)| <= r in every pixel and for every theta in
[a, b].

Derivation. A pixel follows f(theta) = I(x, y) along its path. As f' has bounded variation,
f(theta) - chord(theta) = -integral of G(theta, tau) df'(tau) with Green's function 0 <= G <= w s (1 - s), s the
fraction of the split at which tau lies, and integral of G dtau <= w²/8. The measure df' has two parts.

1. Inside an interpolation cell with mixed difference d, f'' = 2 d x' y' + I_x x'' + I_y y'': at most
   M = 2 |d| |x'| |y'| + |I_x| |x''| + |I_y| |y''|, which contributes w² M / 8. I_x is between the horizontal differences of
   the cell's two edges, I_y between the vertical ones. M takes the largest of each over all cells that the box of
   the path meets and the largest speeds and accelerations on the split.
2. Where the path crosses the vertical line through pixel column c, I_x jumps by a mean of the second differences of the
   two pixel rows around the crossing, and f' by that times |x'|: at most J = S_x |x'|, S_x the largest
   |second difference| of the rows that the box touches. It contributes J w s (1 - s) <= J w / 4. Horizontal lines
   likewise with J = S_y |y'|. x is within w² |x''| / 8 of its own chord, so the crossing's fraction s differs from that of
   the chord of x by at most w² |x''| / (8 |x_b - x_a|), and s (1 - s) by no more than that.
   Where x' changes sign within the split the line may be crossed twice: 2 J w / 4.

A line is crossed at most once where x' keeps its sign, as the path is then monotone in x.

The split must be narrow enough that no path is longer than one pixel where the image is (`PixelPath.widest`), so it meets at most
2 x 2 cells and one line of each direction. Farther than a pixel beside the image f is 0, and so is all that multiplies the
speeds there. A line that the box reaches by less than `TOUCH` does not count: extending the cell by that much changes the
interpolant by at most `TOUCH` times the jump of its slope. This matters at multiples of 90° and where nothing moves, where rows
of pixels lie on lines up to rounding, as long as these are end points.

Floating point (u = 2^-53). An angle of at most 13,600° (beta and gamma within what `spt.threat_model` admits) is off
by 3 u 237 + u radians from its sum, product and cosine, so coordinates of images of at most 4096 pixels a side are
within D = 2.4e-10 pixels of exact; angles within 3960° (gamma, and b' modulo 360°) within D = 7e-11. In units of
max|x|: |I_x| <= 2, so T_theta x is within 4 D of its exact value, and slopes jump by at most 4, so a line that does
not count, on each of two axes, can make r too small by 8 (TOUCH + D). The fraction at which a line is crossed is off
by at most 4 D / |x_b - x_a|, less than `CROSSING` / |x_b - x_a|, which is added (where the difference itself is of
that size, or nothing but rounding, the bound 1/4 takes over). For scaling the factor is off by 3 u + 2 u |gamma| /
100 of itself, for shear by no more in all, and beyond 2050 pixels from the centre nothing is read: coordinates are
within D = 7e-11 for parameters of up to 10,000 and sums of two. Every bound that uses r inflates by `PER_PIXEL`
max|x| in each pixel (P and A_beta do not amplify) for all parts of e together: in the chord bound three
interpolations and two remainders lose 12 D + 16 (TOUCH + D) = 8.4e-9; in `spt.error_bounds.balls_rotation` two
interpolations of x, one of a remainder, and remainders of x, x and of that remainder, which is at most 2 max|x| where
splits are narrow: 16 D + 32 (TOUCH + D) = 6.6e-9 (in images of a few pixels it is at most 5 max|x|, but D next to
nothing: 56 TOUCH). Factors are float32 for speed; they, and sums of five products of non-negative numbers, each
rounded a few times, have a relative error below 1e-6, so the factors are inflated by `RELATIVE`.
"""

import torch
from torch import Tensor

from spt.error_bounds.paths import TURNING, Motion, PixelPath

TOUCH = 1e-10
CROSSING = 1e-9
RELATIVE = 3e-6
PER_PIXEL = 1e-8


def rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """T_theta of image n by degrees[n] (or of one image by all), float64, (n, C, H, W)."""
    return TURNING.warped(images, degrees)


def differences(images: Tensor) -> Tensor:
    """Difference maps (N, 4, cells, C, 5) of images (N, C, H, W) for `remainder`: see the module's derivation.

    Second axis: whether the arc meets two columns (+2) and two rows (+1) of cells; third: the first cell it meets, on a
    grid of (H + 3) x (W + 3) cells; last axis: |d|, |I_x|, |I_y|, S_x, S_y.
    """
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    right, down = padded.diff(dim=-1), padded.diff(dim=-2)
    mixed = right.diff(dim=-2).abs()
    second_x = torch.nn.functional.pad(right.diff(dim=-1).abs(), (0, 1))
    second_y = torch.nn.functional.pad(down.diff(dim=-2).abs(), (0, 0, 0, 1))
    slope_x, slope_y = _next(right.abs(), 0, 1), _next(down.abs(), 1, 0)
    slope_x, slope_y = slope_x[..., :-1, :], slope_y[..., :, :-1]
    second_x, second_y = _next(second_x, 0, 1)[..., :-1, :], _next(second_y, 1, 0)[..., :, :-1]
    zero = torch.zeros_like(mixed)
    variants = [
        torch.stack(
            (
                _next(mixed, columns, rows),
                _next(slope_x, columns, rows),
                _next(slope_y, columns, rows),
                _next(second_x, 0, rows) if columns else zero,
                _next(second_y, columns, 0) if rows else zero,
            ),
            dim=-1,
        )
        for columns in (0, 1)
        for rows in (0, 1)
    ]
    maps = torch.stack(variants, dim=1)  # N, 4, C, H + 3, W + 3, 5
    return maps.permute(0, 1, 3, 4, 2, 5).reshape(len(images), 4, -1, images.shape[1], 5).contiguous()


def _next(maps: Tensor, columns: int, rows: int) -> Tensor:
    """Largest value of each entry and its right (columns = 1), lower (rows = 1) and diagonal neighbours."""
    if columns:
        maps = torch.maximum(maps, torch.nn.functional.pad(maps[..., 1:], (0, 1)))
    if rows:
        maps = torch.maximum(maps, torch.nn.functional.pad(maps[..., 1:, :], (0, 0, 0, 1)))
    return maps


def arc_weights(
    start: Tensor, stop: Tensor, height: int, width: int, *, path: PixelPath = TURNING, anywhere: bool = False
) -> tuple[Tensor, Tensor]:
    """For M splits [start, stop] of the parameter: which difference maps each pixel needs, (M, H * W) long, and the factors
    (M, H * W, 5) that multiply them; their product is the remainder r.

    ``anywhere``: where on its path a pixel crosses a line is not looked at. Then r is larger, but at the fraction s of the
    split |T_theta x - chord(theta)| <= 4 s (1 - s) r: the smooth part is w² M s (1 - s) / 2 at most, and a jump anywhere adds
    J w s (1 - s) at most, as G(s, tau) <= w s (1 - s) for every tau.
    """
    x, y = path.motions(path.sources(height, width, start), path.sources(height, width, stop))
    return motion_weights(x, y, (stop - start) * path.unit, height, width, anywhere=anywhere)


def motion_weights(
    x: Motion, y: Motion, widths: Tensor, height: int, width: int, *, anywhere: bool = False
) -> tuple[Tensor, Tensor]:
    """`arc_weights` of paths that are given as they move on M splits, (M,) wide in natural units."""
    w = widths[:, None, None]
    column, two_columns, line_x = _cells(x.low, x.high, width)
    row, two_rows, line_y = _cells(y.low, y.high, height)
    if anywhere:
        crossing_x, crossing_y = torch.where(x.turns, 0.5, 0.25), torch.where(y.turns, 0.5, 0.25)
    else:
        crossing_x, crossing_y = _crossing(x, line_x, w), _crossing(y, line_y, w)
    index = ((two_columns * 2 + two_rows) * (height + 3) + row) * (width + 3) + column
    smooth = w * w * (1 + RELATIVE) / 8
    jump = w * (1 + RELATIVE)
    factors = torch.broadcast_tensors(  # type: ignore[no-untyped-call]
        2 * (smooth * y.speed) * x.speed,
        smooth * x.acceleration,
        smooth * y.acceleration,
        jump * crossing_x * x.speed,
        jump * crossing_y * y.speed,
    )
    return index.flatten(1), torch.stack(factors, dim=-1).flatten(1, 2).float()


def _cells(low: Tensor, high: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """First cell that [low, high] meets (counted from -2), whether it meets a second, and the line between them."""
    middle = (low + high) / 2
    offset = (size - 1) / 2
    first = (torch.minimum(low + TOUCH, middle) + offset).floor()
    last = (torch.maximum(high - TOUCH, middle) + offset).floor()
    line = first + (1 - offset)
    first, last = first.clamp(-2, size), last.clamp(-2, size)
    return (first + 2).long(), (last - first).long().clamp(0, 1), line


def _crossing(along: Motion, line: Tensor, w: Tensor) -> Tensor:
    """Upper bound of s (1 - s), s the fraction of the split where the coordinate crosses ``line``; 1/2 if it turns."""
    begin, end = along.begin, along.end
    move = (end - begin).abs().clamp(min=1e-30)
    fraction = ((line - begin) / (end - begin + torch.where(end == begin, 1e-30, 0.0))).clamp(0, 1)
    bound = fraction * (1 - fraction) + (w * w / 8 * along.acceleration + CROSSING) / move
    return torch.where(along.turns, 0.5, bound.clamp(max=0.25))


def remainder(maps: Tensor, which: Tensor | None, index: Tensor, factors: Tensor, shape: tuple[int, int]) -> Tensor:
    """Remainders (M, C, H, W), float64: maps (N, 4, cells, C, 5) of image ``which`` (M,) (None: all of the only image)."""
    images, variants, cells, channels, _ = maps.shape
    if which is not None:
        index = index + which[:, None] * (variants * cells)
    found = maps.reshape(images * variants * cells, channels * 5)[index.flatten()]
    found = found.reshape(*index.shape, channels, 5)
    sums = (found * factors[:, :, None, :]).sum(-1)
    return sums.permute(0, 2, 1).reshape(len(index), channels, *shape).double()
