"""The centred pixel grid and bilinear sampling of images on it.

Convention (certificates and pages rely on it):

- Images are ``(N, C, H, W)``; row r grows downwards, column c to the right; values usually lie in [0, 1].
- Coordinates are centred and in pixels: pixel (r, c) has its centre at ``x = c - (W - 1) / 2``,
  ``y = r - (H - 1) / 2``.
- Outside the image every pixel is exactly 0, so the interpolant falls to 0 over one pixel beyond the border.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional


def pixel_grid(height: int, width: int, device: torch.device | str | None = None) -> tuple[Tensor, Tensor]:
    """Centred coordinates of the pixels: ``x`` of shape (1, W) and ``y`` of shape (H, 1), float64, in pixels."""
    x = torch.arange(width, dtype=torch.float64, device=device) - (width - 1) / 2
    y = torch.arange(height, dtype=torch.float64, device=device) - (height - 1) / 2
    return x[None, :], y[:, None]


def bilinear(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Bilinear interpolation I(x, y) of the four surrounding pixels, zero outside the image.

    Args:
        images: (N, C, H, W), any floating type; N = 1 is read at every set of coordinates.
        x, y: centred source coordinates in pixels, float64, finite, of shapes that broadcast to (N, H', W'), or to
            (1, H', W') for all images.

    Returns:
        (N, C, H', W') in the type and on the device of ``images``. Coordinates, weights and sums are float64 and
        the result is rounded once, so a float32 result is within 1e-7 of exact arithmetic for values in [0, 1].
        (Float32 coordinates would cost up to 3e-6 at 28x28 and 3e-5 at 224x224.) At the centre of a pixel the
        result is exactly this pixel.
    """
    height, width = images.shape[-2:]
    # grid_sample scales coordinates by the image's size and back. With zeros up to a power of two this is exact.
    padded_height, padded_width = 1 << (height - 1).bit_length(), 1 << (width - 1).bit_length()
    padded = images.new_zeros(*images.shape[:2], padded_height, padded_width, dtype=torch.float64)
    padded[..., :height, :width] = images
    columns, rows = _normalised(x, width, padded_width), _normalised(y, height, padded_height)
    # Separate planes for the two coordinates: grid_sample reads them faster than interleaved ones.
    grid = torch.stack(torch.broadcast_tensors(columns, rows)).permute(1, 2, 3, 0)  # type: ignore[no-untyped-call]
    count = pairs = len(images) if len(grid) == 1 else len(grid)
    if len(grid) == 1 < count and images.device.type == "cpu":
        # Images read at the same places are channels of one image (one for each thread): all weights computed once.
        pairs = math.gcd(count * images.shape[1], torch.get_num_threads())
        padded = padded.reshape(pairs, -1, padded_height, padded_width)
    sampled = functional.grid_sample(
        padded.expand(pairs, -1, -1, -1),
        grid.expand(pairs, -1, -1, -1),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return sampled.to(images.dtype).reshape(count, images.shape[1], *grid.shape[1:3])


def _normalised(coordinate: Tensor, size: int, padded_size: int) -> Tensor:
    """Centred coordinates on ``size`` pixels as grid_sample's, -1 to 1 from edge to edge of ``padded_size`` pixels.

    They stop one pixel beyond the border, where all is 0 already: huge numbers would overflow to NaN.
    """
    scale, shift = 2 / padded_size, size / padded_size - 1
    reach = (size + 1) / 2
    return coordinate.clamp(-reach, reach).mul_(scale).add_(shift)
