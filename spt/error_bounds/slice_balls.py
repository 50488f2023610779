"""Balls around {P T_gamma x : gamma in a cell}: one warp only, for a classifier that is smoothed over pixels and not over gamma.

Along a path (rotation, scaling, shear): cut the cell so that no pixel moves by more than one pixel in a piece, and at
the kinks of `spt.error_bounds.paths`. On a piece T_gamma x is within r of the chord between its ends
(`spt.error_bounds.arcs`), so P T_gamma x is within ||P r|| of the segment between theirs, of which the distance to a
centre is largest at an end. Translation: between integers T_gamma x is affine in each shift, so the distance to a
centre is convex along each axis and largest at a vertex of the grid of ends and integers.

The attacker's rounding: where a pixel keeps its grey level on a whole piece (`spt.error_bounds.known_rounding`) it is
that level; elsewhere it is within 1/510 of the chord and its remainder. That is a segment with a rest again. Of
translations the worst case is taken. What changes values has
balls of its own (`spt.error_bounds.value_balls`), as have rotations with scalings (`spt.error_bounds.similarity`).

It is not enough to take balls of recentred cells at b' = gamma_i, whose {P T_{gamma_i - gamma} T_gamma x} turns back what the
attack has turned: docs/mathematics.md, section 24.
"""

import itertools

import torch
from torch import Tensor

from spt.error_bounds import arcs, vertices
from spt.error_bounds.balls import centre_weights
from spt.error_bounds.cell_balls import CellBalls
from spt.error_bounds.known_rounding import EDGE, LARGEST, known_levels
from spt.error_bounds.path_pieces import moved
from spt.error_bounds.paths import PATHS, PixelPath
from spt.error_bounds.similarity import similarity_ball
from spt.error_bounds.value_balls import value_balls
from spt.rounding_slack import float_slack, norm_inflation
from spt.threat_model import AttackedImage, as_range, check_bounded
from spt.transforms import RotationScaling, Translation

LEAST_PIECES, ROUNDED_PIECES = 4, 32
"""Into how many pieces a cell is cut at the least, and where the attacker's rounding is looked at."""


def slice_balls(attacked: AttackedImage, cells: Tensor) -> CellBalls:
    """For N cells (N, d, 2) in units of the parameters: balls that hold P Q(T_gamma x) for every gamma in the cell, Q being the
    attacker's rounding.

    ValueError for a transformation without such balls, or for cells that are none.
    """
    check_bounded(attacked.transform, "slices")
    if not attacked.transform.linear:
        return value_balls(attacked, cells)
    path = PATHS.get(attacked.transform.name)
    per_pixel = vertices.PER_PIXEL if isinstance(attacked.transform, Translation) else arcs.PER_PIXEL
    slack = float_slack(attacked.preprocessing, attacked.image, per_pixel)
    inflation = norm_inflation(attacked.preprocessing, attacked.image)
    centres, radii, rounding = [], [], []
    for cell in cells:
        box = as_range(attacked.transform, cell)
        if path:
            centre, exact, rounded = _along(attacked, path, box)
        elif isinstance(attacked.transform, RotationScaling):
            centre, exact, rounded = similarity_ball(attacked, box)
        else:
            centre, exact, rounded = _between_vertices(attacked, box)
        centres.append(centre)
        rounding.append(min(max(rounded - exact, 0.0), attacked.rounding))
        radii.append((exact + slack + rounding[-1]) * inflation)
    proved = torch.tensor(radii, dtype=torch.float64) * (1 + 1e-14)
    return CellBalls(torch.stack(centres), proved, torch.tensor(rounding, dtype=torch.float64))


def _along(attacked: AttackedImage, path: PixelPath, box: Tensor) -> tuple[Tensor, float, float]:
    """A centre, and the radius around it for the exact attacker and for the one who is asked for."""
    (low, high), shown, rounds = box[0].tolist(), attacked.preprocessing, attacked.attacker == "8-bit"
    images, rest = moved(path, attacked.pixels, low, high, ROUNDED_PIECES if rounds else LEAST_PIECES)
    seen = shown(images)
    exact = seen[:-1], seen[1:], shown(rest)
    if not rounds:
        centre = _centre(seen)
        return centre, _largest(centre, *exact), 0.0
    known, level = known_levels(images[:-1], images[1:], rest + EDGE)
    first, last = (shown(torch.where(known, level, part)) for part in (images[:-1], images[1:]))
    rounded = first, last, shown(torch.where(known, 0.0, rest + LARGEST))
    found = []
    for centre in (_centre(seen), _centre((first + last) / 2)):
        radius = _largest(centre, *exact)
        found.append((centre, radius, min(radius + attacked.rounding, max(radius, _largest(centre, *rounded)))))
    return min(found, key=lambda ball: ball[2])


def _between_vertices(attacked: AttackedImage, box: Tensor) -> tuple[Tensor, float, float]:
    """The same for translation: nothing is farther from a centre than the vertices."""
    axes = [vertices.kinks(low, high, 0.0).tolist() for low, high in box.tolist()]
    points = torch.tensor(list(itertools.product(*axes)), dtype=torch.float64)
    seen = attacked.preprocessing(attacked.transform(attacked.pixels, points))
    centre = _centre(seen)
    radius = float(torch.linalg.vector_norm((seen - centre).flatten(1), dim=1).max())
    return centre, radius, radius + attacked.rounding


def _centre(images: Tensor) -> Tensor:
    """Nearly the centre of the smallest ball around images (K, C, H', W')."""
    vectors = images.flatten(1) - images[0].flatten()
    weights = centre_weights((vectors @ vectors.T)[None])[0]
    return (weights[:, None] * images.flatten(1)).sum(dim=0).reshape(images.shape[1:])


def _largest(centre: Tensor, first: Tensor, last: Tensor, around: Tensor) -> float:
    """How far from the centre something can be that is within ``around``, in every pixel, of one of the segments between
    ``first`` and ``last``, (K, C, H', W'): || |v - z| + around || is convex in v, so largest at an end."""
    ends = ((end - centre).abs() + around for end in (first, last))
    return max(float(torch.linalg.vector_norm(end.flatten(1), dim=1).max()) for end in ends)
