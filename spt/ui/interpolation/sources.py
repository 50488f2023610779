"""Hovering a pixel of T_(beta+gamma) x shows where it reads x for the gammas of a split: its arc, the interpolation cells
that the arc's box meets, and the interval that encloses its value. One canvas component; everything in it is computed here.
"""

import base64
from typing import Any

import numpy as np
import torch

from spt.interpolation import pixel_grid
from spt.interval_warp import source_boxes
from spt.ui.interpolation import run
from spt.ui.interpolation.request import InterpolationRequest
from spt.ui.shared.components import component
from spt.ui.shared.pictures import png_data_url

ARC_POINTS = 9

_arcs = component(__file__)


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


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def area(request: InterpolationRequest, split: tuple[tuple[float, float], ...]) -> None:
    """Draw the two canvases for one split."""
    found = sources(request, split)
    channels, height, width = request.image.shape
    middle = [(low + high) / 2 + beta for (low, high), beta in zip(split, request.beta, strict=True)]
    moved = request.transform(request.image, torch.tensor([middle], dtype=torch.float64))[0]
    sizes: dict[str, Any] = {"width": width, "height": height, "channels": channels, "points": ARC_POINTS}
    seen = request.preprocessing.mask(height, width).numpy()
    widest = int(((found["high"] - found["low"]).max(axis=0) * seen).argmax())
    packed = {name: _packed(values) for name, values in found.items()}
    images = {"moved": png_data_url(moved), "image": png_data_url(request.image)}
    _arcs(key="source_arcs", data=sizes | packed | images | {"start": widest})
