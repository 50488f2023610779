"""Bicubic interpolation: how large its error is, found by sampling, beside the bilinear one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from spt.experiments.experiment import Entry, Rows, mean
from spt.experiments.sampled_errors import SampledErrors

if TYPE_CHECKING:
    from torch import Tensor

    from spt.preprocessing import Preprocessing
    from spt.transforms import Transform


@dataclass(frozen=True)
class Bicubic(SampledErrors):
    """Errors with bilinear and with bicubic interpolation; nothing is proved about bicubic."""

    name: ClassVar[str] = "bicubic"
    title: ClassVar[str] = "Bicubic interpolation (sampled)"
    question: ClassVar[str] = "Would bicubic interpolation make the interpolation error smaller?"
    note: ClassVar[str] = (
        "Sampled maxima: lower bounds of the true ones. Our proofs are for bilinear interpolation only."
    )
    quick: ClassVar[Mapping[str, Any]] = {"dataset": "digits", "images": 20, "n_betas": 10, "n_points": 61}

    def errors(
        self, image: "Tensor", transform: "Transform", preprocessing: "Preprocessing", betas: "Tensor", gammas: "Tensor"
    ) -> dict[str, float]:
        from spt.error_bounds.sampled import error_norms

        pairs = betas.repeat_interleave(len(gammas), 0), gammas.repeat(len(betas), 1)
        return {
            "bilinear": float(error_norms(image, transform, preprocessing, *pairs).max()),
            "bicubic": float(bicubic_error_norms(image, transform, preprocessing, *pairs).max()),
        }

    def summary(self, rows: Rows) -> dict[str, Entry]:
        images = rows["images"]
        count = len(images)
        columns: dict[str, Entry] = {"images": float(count)}
        for name in ("bilinear", "bicubic"):
            columns[f"{name}, largest"] = max((row[name] for row in images), default=None)
            columns[f"{name}, mean of largest"] = mean(images, name)
        return columns


def bicubic_error_norms(
    image: "Tensor", transform: "Transform", preprocessing: "Preprocessing", betas: "Tensor", gammas: "Tensor"
) -> "Tensor":
    """||e(beta, gamma)|| for M pairs (M, d), one to one, every warp bicubic and cut to [0, 1] as libraries do: (M,)."""
    import torch

    parts = []
    for beta, gamma in zip(torch.split(betas, 500), torch.split(gammas, 500), strict=True):
        first = warp_bicubic(image.expand(len(gamma), *image.shape), transform, gamma)
        twice = warp_bicubic(first, transform, beta)
        once = warp_bicubic(image.expand(len(gamma), *image.shape), transform, beta + gamma)
        error = preprocessing(twice) - preprocessing(once)
        parts.append(torch.linalg.vector_norm(error.flatten(1), dim=1).cpu())
    return torch.cat(parts)


def warp_bicubic(images: "Tensor", transform: "Transform", points: "Tensor") -> "Tensor":
    """T of images (M, C, H, W), each with its own parameters (M, d), by torch's bicubic kernel (Keys, a = -0.75), cut to [0, 1]."""
    import torch
    from torch.nn import functional

    height, width = images.shape[-2:]
    rows = torch.arange(height, dtype=torch.float64, device=images.device) - (height - 1) / 2
    columns = torch.arange(width, dtype=torch.float64, device=images.device) - (width - 1) / 2
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    parameters = tuple(points.to(images.device).T[:, :, None, None])
    source_x, source_y = transform.source(x, y, parameters)
    grid = torch.stack([source_x * 2 / width, source_y * 2 / height], dim=-1).to(images.dtype)
    grid = grid.expand(len(images), height, width, 2)
    return functional.grid_sample(images, grid, mode="bicubic", padding_mode="zeros", align_corners=False).clamp(0, 1)
