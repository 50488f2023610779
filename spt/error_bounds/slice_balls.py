"""Balls around {P T_gamma x : gamma in a cell}: one warp only, for a classifier that is smoothed over pixels and not over gamma.

Along a path (rotation, scaling, shear): cut the cell so that no pixel moves by more than one pixel in a piece, and at
the kinks of `spt.error_bounds.paths`. On a piece T_gamma x is within r of the chord between its ends
(`spt.error_bounds.arcs`), so P T_gamma x is within ||P r|| of the segment between theirs, of which the distance to a
centre is largest at an end. Translation: between integers T_gamma x is affine in each shift, so the distance to a
centre is convex along each axis and largest at a vertex of the grid of ends and integers.

It is not enough to take balls of recentred cells at b' = gamma_i, whose {P T_{gamma_i - gamma} T_gamma x} turns back what the
attack has turned: docs/mathematics.md, section 24.
"""

import itertools
import math

import torch
from torch import Tensor

from spt.error_bounds import arcs, vertices
from spt.error_bounds.balls import centre_weights
from spt.error_bounds.cell_balls import CellBalls
from spt.error_bounds.paths import PATHS, Path
from spt.rounding_slack import float_slack, norm_inflation
from spt.threat_model import AttackedImage, as_range, check_bounded

LEAST_PIECES, WIDEST_PIECE = 4, 1.0


def slice_balls(attacked: AttackedImage, cells: Tensor) -> CellBalls:
    """For N cells (N, d, 2) in degrees or pixels: balls that hold P Q(T_gamma x) for every gamma in the cell, Q being the
    attacker's rounding.

    ValueError for a transformation without a bound, or for cells that are none.
    """
    check_bounded(attacked.transform, "slices")
    path = PATHS.get(attacked.transform.name)
    slack = float_slack(attacked.preprocessing, attacked.image, arcs.PER_PIXEL if path else vertices.PER_PIXEL)
    inflation = norm_inflation(attacked.preprocessing, attacked.image)
    centres, radii = [], []
    for cell in cells:
        box = as_range(attacked.transform, cell)
        shown, rest = _moved(attacked, path, box) if path else _translated(attacked, box)
        vectors = shown.flatten(1) - shown[0].flatten()
        weights = centre_weights((vectors @ vectors.T)[None])[0]
        centre = (weights[:, None] * shown.flatten(1)).sum(dim=0)
        distances = torch.linalg.vector_norm(shown.flatten(1) - centre, dim=1)
        pieces = torch.maximum(distances[:-1], distances[1:]) + rest if path else distances
        centres.append(centre.reshape(shown.shape[1:]))
        radii.append((float(pieces.max()) + slack) * inflation + attacked.rounding)
    proved = torch.tensor(radii, dtype=torch.float64) * (1 + 1e-14)
    return CellBalls(torch.stack(centres), proved, torch.full_like(proved, attacked.rounding))


def _moved(attacked: AttackedImage, path: Path, box: Tensor) -> tuple[Tensor, Tensor]:
    """P T_gamma x at the ends of all pieces (K + 1, C, H', W'), and ||P r|| on each, (K,)."""
    image, (low, high) = attacked.pixels, box[0].tolist()
    height, width = image.shape[1:]
    narrow = min(WIDEST_PIECE, path.widest(height, width))
    count = max(LEAST_PIECES, math.ceil((high - low) / narrow))
    inner = path.kinks(low, high, height, width)
    ends = torch.tensor(
        sorted({*torch.linspace(low, high, count + 1, dtype=torch.float64).tolist(), *inner}), dtype=torch.float64
    )
    if len(ends) == 1:
        ends = ends.repeat(2)
    shown = attacked.preprocessing(path.warped(image[None], ends))
    start, stop = ends[:-1].to(image.device), ends[1:].to(image.device)
    weights = arcs.arc_weights(start, stop, height, width, path=path)
    rest = arcs.remainder(arcs.differences(image[None]), None, *weights, (height, width))
    return shown.cpu(), torch.linalg.vector_norm(attacked.preprocessing(rest).flatten(1), dim=1).cpu()


def _translated(attacked: AttackedImage, box: Tensor) -> tuple[Tensor, Tensor]:
    """P T_gamma x at all vertices (K, C, H', W'), between which nothing is farther; and no rest."""
    axes = [vertices.kinks(low, high, 0.0).tolist() for low, high in box.tolist()]
    points = torch.tensor(list(itertools.product(*axes)), dtype=torch.float64)
    return attacked.preprocessing(attacked.transform(attacked.pixels, points)).cpu(), torch.zeros(len(points))
