"""Bicubic interpolation: how large its error is, found by sampling, beside the bilinear one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from spt.experiments.experiment import Cell, Experiment, Row, Rows

if TYPE_CHECKING:
    from torch import Tensor

    from spt.preprocessing import Preprocessing
    from spt.transforms import Transform


@dataclass(frozen=True)
class Bicubic(Experiment):
    """Sampled interpolation errors with bilinear and with bicubic interpolation; nothing is proved about bicubic.

    Attributes (see also `Experiment`):
        limit: attack range ± in ° or px; parameter_sigma: of the smoothing.
        n_betas: smoothing samples for each image; n_points: attacks for each of them.
    """

    name: ClassVar[str] = "bicubic"
    title: ClassVar[str] = "Bicubic interpolation (sampled)"
    question: ClassVar[str] = "Would bicubic interpolation make the interpolation error smaller?"
    note: ClassVar[str] = (
        "Sampled maxima: lower bounds of the true ones. Our proofs are for bilinear interpolation only."
    )
    quick: ClassVar[Mapping[str, Any]] = {"dataset": "digits", "images": 20, "n_betas": 10, "n_points": 61}

    limit: float = 30.0
    parameter_sigma: float = 30.0
    n_betas: int = 50
    n_points: int = 300

    def measure(self, stage: str, item: int, earlier: Rows, device: str) -> Row:
        import time

        import torch

        from spt.error_bounds.sampled import error_norms, gamma_lattice

        classifier, transform = self.load_classifier(device), self.load_transform()
        index, started = self.first + item, time.perf_counter()
        image = self.load_images(classifier.input_shape).image(index).double().to(classifier.device)
        generator = torch.Generator().manual_seed(self.seed_of(stage, item))
        betas = transform.sample(self.n_betas, self.parameter_sigma, generator)
        gamma_range = torch.tensor([[-self.limit, self.limit]] * transform.dimensions, dtype=torch.float64)
        gammas = gamma_lattice(gamma_range, self.n_points)
        pairs = betas.repeat_interleave(len(gammas), 0), gammas.repeat(len(betas), 1)
        bilinear = error_norms(image, transform, classifier.preprocessing, *pairs)
        cubic = bicubic_error_norms(image, transform, classifier.preprocessing, *pairs)
        return {
            "image": index,
            "bilinear": float(bilinear.max()),
            "bicubic": float(cubic.max()),
            "seconds": time.perf_counter() - started,
        }

    def summary(self, rows: Rows) -> dict[str, Cell]:
        images = rows["images"]
        count = len(images)
        columns: dict[str, Cell] = {"images": float(count)}
        for name in ("bilinear", "bicubic"):
            columns[f"{name}, largest"] = max((row[name] for row in images), default=None)
            columns[f"{name}, mean of largest"] = sum(row[name] for row in images) / count if count else None
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
