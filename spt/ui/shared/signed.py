"""Signed differences of images as pictures, in colours that are the same everywhere, so that they can be compared."""

from torch import Tensor

from spt.figures import errors as figures
from spt.ui.shared.pixel_grid import Picture, Reading, Warp

SCALE = 0.15
"""The pixel value at full colour."""


def signed(values: Tensor, title: str, alt: str, *warps: Warp) -> Picture:
    """A signed map (C, H, W) in these colours; its values are said as they are."""
    colours = figures.signed_picture(values.numpy(), SCALE)
    return Picture(colours, title, alt, Reading(title.split(":")[0], values), warps)
