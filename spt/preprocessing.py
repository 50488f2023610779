"""P, what happens between a transformation and the classifier: (resize, centre crop) -> vignette -> blur -> vignette.

P is linear with non-negative weights; each row sums to at most 1, so P never amplifies a pixel-wise error. Without
resizing also ||P||_2 <= 1 (the vignette is a 0/1 mask, the blur kernel sums to 1). `Preprocessing.norm_bound` bounds
the norm in every case.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

Vignette = Literal["circle", "rectangle"]


@dataclass(frozen=True)
class Preprocessing:
    """The linear map P. Plain values, so that it prints, compares and serves as a cache key.

    Attributes:
        resize: short side after resizing (triangle filter, anti-aliased), or None.
        crop: side of the centred square kept after resizing, or None.
        vignette: "circle" keeps pixels with x² + y² <= ((n - 1)/2 - d)², n the short side (for rotation);
            "rectangle" removes a frame of d pixels on each side (for translation); None keeps all.
        vignette_margin: d, in pixels.
        blur_size: side k of the blur kernel, odd; 0 or 1 is no blur.
        blur_scale: s in the kernel exp(-(i² + j²)/s), normalised to sum 1; its standard deviation is sqrt(s/2) pixels.
    """

    resize: int | None = None
    crop: int | None = None
    vignette: Vignette | None = None
    vignette_margin: float = 0.0
    blur_size: int = 0
    blur_scale: float = 2.0

    def __post_init__(self) -> None:
        for name, side in (("resize", self.resize), ("crop", self.crop)):
            if side is not None and side < 1:
                raise ValueError(f"{name} must be at least 1 pixel, but is {side}.")
        if self.vignette not in (None, "circle", "rectangle"):
            raise ValueError(f"vignette must be 'circle', 'rectangle' or None, but is {self.vignette!r}.")
        if not 0 <= self.vignette_margin < math.inf:
            raise ValueError(f"vignette_margin must be at least 0 and finite, but is {self.vignette_margin}.")
        if self.blur_size < 0 or (self.blur_size > 1 and self.blur_size % 2 == 0):
            raise ValueError(f"blur_size must be odd (or 0 for no blur), but is {self.blur_size}.")
        if not self.blur_scale > 0:
            raise ValueError(f"blur_scale must be positive, but is {self.blur_scale}.")

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of P x for an image of the given height and width."""
        if self.resize is not None:
            height, width = _resized(height, width, self.resize)
        if self.crop is not None:
            if self.crop > min(height, width):
                raise ValueError(f"A {height}x{width} image is too small for a centre crop of {self.crop} pixels.")
            height = width = self.crop
        return height, width

    def __call__(self, images: Tensor) -> Tensor:
        """P x for images of shape (..., H, W); type and device of the input, sums in that type."""
        height, width = images.shape[-2:]
        if self.resize is not None:
            rows, columns = _resized(height, width, self.resize)
            images = _filter(images, _resize_matrix(height, rows), _resize_matrix(width, columns))
        height, width = self.output_size(height, width)
        if self.crop is not None:
            top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
            images = images[..., top : top + height, left : left + width]
        mask, rows_blur, columns_blur = _vignette_and_blur(self, height, width, images.dtype, images.device)
        images = images * mask
        return images if self.blur_size <= 1 else _filter(images, rows_blur, columns_blur).mul_(mask)

    def mask(self, height: int, width: int) -> Tensor:
        """The vignette's 0/1 mask of shape (H, W), for the size after resizing and cropping."""
        x = (torch.arange(width, dtype=torch.float64) - (width - 1) / 2).abs()[None, :]
        y = (torch.arange(height, dtype=torch.float64) - (height - 1) / 2).abs()[:, None]
        if self.vignette == "circle":
            radius = (min(height, width) - 1) / 2 - self.vignette_margin
            return (x**2 + y**2 <= radius**2) & torch.tensor(radius >= 0)
        if self.vignette == "rectangle":
            margin = self.vignette_margin
            return (x <= (width - 1) / 2 - margin) & (y <= (height - 1) / 2 - margin)
        return torch.ones(height, width, dtype=torch.bool)

    def kernel(self) -> Tensor:
        """The one-dimensional blur kernel (k,), float64, sum 1 up to rounding; the blur is its outer product."""
        offsets = torch.arange(max(self.blur_size, 1), dtype=torch.float64) - (max(self.blur_size, 1) - 1) / 2
        weights = torch.exp(-(offsets**2) / self.blur_scale)
        return weights / weights.sum()

    def factors(self, height: int, width: int) -> tuple[Tensor, Tensor] | None:
        """Matrices R (H', H) and C (W', W), float64, with P x = R x C^T; None where the vignette is a circle, and for what is
        resized (of which each row would have its own weights)."""
        if self.vignette == "circle" or self.resize is not None:
            return None
        kept = self.mask(*self.output_size(height, width)).double()
        found = []
        for size, mask in zip((height, width), (kept.amax(1), kept.amax(0)), strict=True):
            first = (size - len(mask)) // 2
            matrix = mask[:, None] * torch.eye(size, dtype=torch.float64)[first : first + len(mask)]
            found.append(matrix if self.blur_size <= 1 else mask[:, None] * (self._blur_matrix(len(mask)) @ matrix))
        return found[0], found[1]

    def norm_bound(self, height: int, width: int) -> float:
        """An upper bound of the operator norm ||P||_2 on images of the given size.

        sqrt(max row sum x max column sum) of each factor (Schur test); vignette, crop and blur contribute at most 1.
        """
        if self.resize is None:
            return 1.0
        rows, columns = _resized(height, width, self.resize)
        factors = (_resize_matrix(height, rows), _resize_matrix(width, columns))
        bound = math.prod(math.sqrt(float(m.sum(0).max()) * float(m.sum(1).max())) for m in factors)
        return bound * (1 + 1e-12)

    def _blur_matrix(self, size: int) -> Tensor:
        """(size, size) banded matrix of the one-dimensional blur, zeros beyond the border: rows sum to at most 1."""
        offsets = torch.arange(size)[None, :] - torch.arange(size)[:, None] + self.blur_size // 2
        inside = (offsets >= 0) & (offsets < self.blur_size)
        return torch.where(inside, self.kernel()[offsets.clamp(0, self.blur_size - 1)], 0.0)


def _resized(height: int, width: int, short_side: int) -> tuple[int, int]:
    if height <= width:
        return short_side, max(1, round(width * short_side / height))
    return max(1, round(height * short_side / width)), short_side


def _filter(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """A separable linear filter as two matrix products (faster than convolution for kernels on few channels)."""
    return rows.to(images) @ images @ columns.to(images).T


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # what is kept must also serve where gradients are wanted
def _vignette_and_blur(
    preprocessing: Preprocessing, height: int, width: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Mask, and the blur matrices of rows and columns: computing them anew would take longer than using them."""
    matrices = (preprocessing.mask(height, width), *map(preprocessing._blur_matrix, (height, width)))
    mask, rows, columns = (matrix.to(device, dtype) for matrix in matrices)
    return mask, rows, columns


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # what is kept must also serve where gradients are wanted
def _resize_matrix(old: int, new: int) -> Tensor:
    """(new, old) weights of anti-aliased linear resizing: a triangle filter, non-negative, rows sum to 1."""
    scale = old / new
    centres = (torch.arange(new, dtype=torch.float64) + 0.5) * scale - 0.5
    offsets = torch.arange(old, dtype=torch.float64)[None, :] - centres[:, None]
    weights = (1 - offsets.abs() / max(scale, 1.0)).clamp(min=0)
    return weights / weights.sum(dim=1, keepdim=True)
