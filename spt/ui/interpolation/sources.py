"""A pixel of T_(beta+gamma) x shows where it reads x for the gammas of a split: its arc, the interpolation cells that the arc's
box meets, and the interval that encloses its value.
"""

import numpy as np
import torch

from spt.interpolation import pixel_grid
from spt.interval_warp import source_boxes
from spt.ui.interpolation import run
from spt.ui.interpolation.request import InterpolationRequest
from spt.ui.shared.pixel_grid import Picture, Sources, Warp

ARC_POINTS = 9


def sources(request: InterpolationRequest, split: tuple[tuple[float, float], ...]) -> dict[str, np.ndarray]:
    """Where the pixels of T_(beta+gamma) x read, in pixel indices (column, row) from 0, for gamma in the split.

    ``arcs``: (H * W, ARC_POINTS, 2), the way as gamma goes through the split (a diagonal of it for two parameters);
    ``boxes``: (H * W, 4), the least and largest column and row; ``low`` and ``high``: (C, H, W), the enclosure of the values.
    """
    height, width = request.image.shape[1:]
    ends = torch.tensor(split, dtype=torch.float64) + torch.tensor(request.beta, dtype=torch.float64)[:, None]
    along = torch.linspace(0, 1, ARC_POINTS, dtype=torch.float64)
    angles = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * along
    parameters = tuple(axis[:, None, None] for axis in angles)
    grid = pixel_grid(height, width)
    x, y = (axis.expand(ARC_POINTS, height, width) for axis in request.transform.source(*grid, parameters))
    offset = torch.tensor([(width - 1) / 2, (height - 1) / 2], dtype=torch.float64)
    arcs = (torch.stack((x, y), dim=-1) + offset).flatten(1, 2).transpose(0, 1)
    columns, rows = source_boxes(request.transform, height, width, ends[None])
    sides = (columns.lower + offset[0], columns.upper + offset[0], rows.lower + offset[1], rows.upper + offset[1])
    boxes = torch.stack([side.flatten() for side in sides], dim=1)
    low, high = run.enclosure(request, split).once
    return {"arcs": arcs.numpy(), "boxes": boxes.numpy(), "low": low.numpy(), "high": high.numpy()}


def pictures(request: InterpolationRequest, split: tuple[tuple[float, float], ...], of: int) -> list[Picture]:
    """T_(beta+gamma) x in the middle of a split, to be number ``of`` in a mount, and x with the sources of its pixels."""
    found = sources(request, split)
    middle = tuple((low + high) / 2 + beta for (low, high), beta in zip(split, request.beta, strict=True))
    moved = request.transform(request.image, [middle])[0]
    seen = request.preprocessing.mask(*moved.shape[1:]).numpy()
    widest = int(((found["high"] - found["low"]).max(axis=0) * seen).argmax())
    return [
        Picture(
            moved,
            "moved once, by β + γ: point at a pixel",
            "The image transformed once, by the middle of the split.",
            warps=(Warp(request.transform.name, middle),),
        ),
        Picture(
            request.image,
            "x: where it reads",
            "The original image, with the arc along which the marked pixel reads it, and the interpolation cells there.",
            sources=Sources(of, found["arcs"], found["boxes"], (found["low"], found["high"]), widest),
        ),
    ]
