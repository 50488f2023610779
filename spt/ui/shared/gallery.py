"""A gallery of small pictures to choose from: a list box of the pixel grid's component."""

from collections.abc import Callable

from torch import Tensor

from spt.ui.shared import pixel_grid


def show(name: str, pictures: list[tuple[Tensor, str]], chosen: int, choose: Callable[[int], None]) -> None:
    """Pictures (image (C, H, W), caption) with ``chosen`` framed; ``choose`` is called with the index of a chosen one."""
    pixel_grid.show_gallery(f"gallery_{name}", pictures, chosen, choose)
