"""An image at the ends of narrow pieces of a rotation, and how far from a straight line it is in between."""

import math

import torch
from torch import Tensor

from spt.error_bounds import arcs

WIDEST_PIECE = 1.0


def turned(image: Tensor, low: float, high: float, least: int) -> tuple[Tensor, Tensor]:
    """T_gamma x at the ends of all pieces of [low, high] in degrees, (K + 1, C, H, W), and r on each, (K, C, H, W).

    On a piece T_gamma x is within r of the line between its ends in every pixel, see `spt.error_bounds.arcs`. There are at least
    ``least`` equal pieces, cut once more at multiples of 90°, and so narrow that no pixel moves by more than one pixel in one.
    """
    height, width = image.shape[1:]
    narrow = min(WIDEST_PIECE, 90 / arcs.cells_for_quarter_turn(height, width))
    count = max(least, math.ceil((high - low) / narrow))
    turns = [90.0 * k for k in range(math.floor(low / 90) + 1, math.ceil(high / 90))]
    ends = torch.tensor(
        sorted({*torch.linspace(low, high, count + 1, dtype=torch.float64).tolist(), *turns}), dtype=torch.float64
    )
    if len(ends) == 1:
        ends = ends.repeat(2)
    index, factors = arcs.arc_weights(ends[:-1].to(image.device), ends[1:].to(image.device), height, width)
    rest = arcs.remainder(arcs.differences(image[None]), None, index, factors, (height, width))
    return arcs.rotated(image[None], ends), rest
