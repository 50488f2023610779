"""An image at the ends of narrow pieces of a path, and how far from a straight line it is in between."""

import math

import torch
from torch import Tensor

from spt.error_bounds import arcs
from spt.error_bounds.paths import PixelPath

WIDEST_PIECE = 1.0
"""In the unit of the parameter."""


def moved(path: PixelPath, image: Tensor, low: float, high: float, least: int) -> tuple[Tensor, Tensor]:
    """T_gamma x at the ends of all pieces of [low, high], (K + 1, C, H, W), and r on each, (K, C, H, W).

    On a piece T_gamma x is within r of the line between its ends in every pixel, see `spt.error_bounds.arcs`. There are at least
    ``least`` equal pieces, cut once more at the kinks of the path, and so narrow that no pixel moves by more than one pixel in one.
    """
    height, width = image.shape[1:]
    count = max(least, math.ceil((high - low) / min(WIDEST_PIECE, path.widest(height, width))))
    inner = path.kinks(low, high, height, width)
    ends = sorted({*torch.linspace(low, high, count + 1, dtype=torch.float64).tolist(), *inner})
    places = torch.tensor(ends if len(ends) > 1 else 2 * ends, dtype=torch.float64, device=image.device)
    weights = arcs.arc_weights(places[:-1], places[1:], height, width, path=path)
    rest = arcs.remainder(arcs.differences(image[None]), None, *weights, (height, width))
    return path.warped(image[None], places), rest
