"""Balls around {P T_gamma x : gamma in a cell}: one warp only, for a classifier that is smoothed over pixels and not over gamma.

Rotation: cut the cell so that no pixel moves by more than one pixel in a piece, and at multiples of 90°. On a piece T_gamma x is
within r of the chord between its ends (`spt.error_bounds.arcs`), so P T_gamma x is within ||P r|| of the segment between
theirs, of which the distance to a centre is largest at an end. Translation: between integers T_gamma x is affine in each
shift, so the distance to a centre is convex along each axis and largest at a vertex of the grid of ends and integers. What
changes values has balls of its own (`spt.error_bounds.value_balls`).

It is not enough to take balls of recentred cells at b' = gamma_i, whose {P T_{gamma_i - gamma} T_gamma x} turns back what the
attack has turned: docs/mathematics.md, section 24.
"""

import itertools

import torch
from torch import Tensor

from spt.error_bounds import arcs, vertices
from spt.error_bounds.balls import centre_weights
from spt.error_bounds.cell_balls import CellBalls
from spt.error_bounds.path_pieces import turned
from spt.error_bounds.value_balls import value_balls
from spt.rounding_slack import float_slack, norm_inflation
from spt.threat_model import AttackedImage, as_range, check_sliced
from spt.transforms import Rotation

LEAST_PIECES = 4


def slice_balls(attacked: AttackedImage, cells: Tensor) -> CellBalls:
    """For N cells (N, d, 2), in the units of the parameters: balls that hold P Q(T_gamma x) for every gamma in the cell, Q being
    the attacker's rounding.

    ValueError for a transformation without such balls, or for cells that are none.
    """
    check_sliced(attacked.transform)
    if not attacked.transform.linear:
        return value_balls(attacked, cells)
    rotates = isinstance(attacked.transform, Rotation)
    slack = float_slack(attacked.preprocessing, attacked.image, arcs.PER_PIXEL if rotates else vertices.PER_PIXEL)
    inflation = norm_inflation(attacked.preprocessing, attacked.image)
    centres, radii = [], []
    for cell in cells:
        box = as_range(attacked.transform, cell)
        shown, rest = _rotated(attacked, box) if rotates else _translated(attacked, box)
        vectors = shown.flatten(1) - shown[0].flatten()
        weights = centre_weights((vectors @ vectors.T)[None])[0]
        centre = (weights[:, None] * shown.flatten(1)).sum(dim=0)
        distances = torch.linalg.vector_norm(shown.flatten(1) - centre, dim=1)
        pieces = torch.maximum(distances[:-1], distances[1:]) + rest if rotates else distances
        centres.append(centre.reshape(shown.shape[1:]))
        radii.append((float(pieces.max()) + slack) * inflation + attacked.rounding)
    proved = torch.tensor(radii, dtype=torch.float64) * (1 + 1e-14)
    return CellBalls(torch.stack(centres), proved, torch.full_like(proved, attacked.rounding))


def _rotated(attacked: AttackedImage, box: Tensor) -> tuple[Tensor, Tensor]:
    """P T_gamma x at the ends of all pieces (K + 1, C, H', W'), and ||P r|| on each, (K,)."""
    low, high = box[0].tolist()
    images, rest = turned(attacked.pixels, low, high, LEAST_PIECES)
    shown = attacked.preprocessing(images)
    return shown.cpu(), torch.linalg.vector_norm(attacked.preprocessing(rest).flatten(1), dim=1).cpu()


def _translated(attacked: AttackedImage, box: Tensor) -> tuple[Tensor, Tensor]:
    """P T_gamma x at all vertices (K, C, H', W'), between which nothing is farther; and no rest."""
    axes = [vertices.kinks(low, high, 0.0).tolist() for low, high in box.tolist()]
    points = torch.tensor(list(itertools.product(*axes)), dtype=torch.float64)
    return attacked.preprocessing(attacked.transform(attacked.pixels, points)).cpu(), torch.zeros(len(points))
