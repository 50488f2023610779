"""`ProvingDefence`: what the defences that prove have in common: g, the attacks, and which images and settings they refuse."""

import hashlib
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from spt.classifiers import Classifier
from spt.error_bounds import check_bounded
from spt.error_bounds.record import Attacker
from spt.images import image_digest
from spt.smoothing import SmoothedClassifier
from spt.transforms import Transform


@dataclass(frozen=True)
class ProvingDefence:
    """A smoothed classifier g, and the attacks against which a subclass proves something.

    Attributes:
        limit: Gamma is the box [-limit, limit]^d, in the transformation's unit.
        attacker: "8-bit" (default: the attacked image is rounded to multiples of 1/255) or "exact".
    """

    name: ClassVar[str]

    classifier: Classifier
    transform: Transform
    parameter_sigma: float
    pixel_sigma: float
    limit: float
    attacker: Attacker = "8-bit"

    def __post_init__(self) -> None:
        self._one_level()
        check_bounded(self.transform)
        if not self.pixel_sigma > 0:
            raise ValueError(f"{self.name} needs pixel noise: pixel_sigma must be positive, but is {self.pixel_sigma}.")
        if not 0 < self.limit < math.inf:
            raise ValueError(f"The attack range ±{self.limit} {self.transform.unit} must be positive and finite.")
        if self.attacker not in ("8-bit", "exact"):
            raise ValueError(f"attacker must be '8-bit' or 'exact', but is {self.attacker!r}.")

    def _one_level(self) -> SmoothedClassifier:
        """f smoothed over parameters and pixel noise together: its votes select the class."""
        return SmoothedClassifier(self.classifier, self.transform, self.parameter_sigma, self.pixel_sigma)

    def _select(self, image: Tensor, n0: int, generator: torch.Generator) -> tuple[tuple[int, ...], int]:
        """n0 one-level votes for each class, and the class that got most."""
        counts = self._one_level().count(image, n0, generator).counts
        return counts, max(range(len(counts)), key=lambda index: (counts[index], -index))

    def checked(self, image: Tensor) -> Tensor:
        """The image as float32 on the classifier's device; ValueError if it is none that can be certified."""
        image = self.classifier.check_image(image).float()
        if not 0 <= float(image.min()) <= float(image.max()) <= 1:
            raise ValueError(
                f"{self.name} certifies images with values in [0, 1], but this one has {float(image.min()):g} to "
                f"{float(image.max()):g}."
            )
        return image

    def _about(self, image: Tensor, seed: int) -> dict[str, Any]:
        """What a certificate says of the classifier, of the image and of where the samples come from."""
        return {
            "classifier": self.classifier.name,
            "classifier_fingerprint": self.classifier.fingerprint,
            "class_names": self.classifier.class_names,
            "pixel_sigma": self.pixel_sigma,
            "image_sha256": image_digest(image),
            "seed": seed,
        }

    def _against(self) -> dict[str, Any]:
        """The smoothing and the attacks, as certificates have them."""
        return {
            "transform": self.transform.name,
            "unit": self.transform.unit,
            "parameter_sigma": float(self.parameter_sigma),
            "limit": float(self.limit),
            "attacker": self.attacker,
        }

    def _settings(self) -> dict[str, Any]:
        """What an interpolation error depends on: for what it was measured."""
        preprocessing, shape = repr(self.classifier.preprocessing), self.classifier.input_shape
        return self._against() | {"preprocessing": preprocessing, "input_shape": shape}


def as_network_takes(exact: Tensor, radii: Tensor) -> tuple[Tensor, np.ndarray]:
    """Centres (N, C, H', W') in float32, and the radii (N,) around these that cover the balls around the exact ones."""
    centres = exact.float()
    moved = torch.linalg.vector_norm((centres.double() - exact).flatten(1), dim=1).cpu()
    return centres, np.asarray((radii + moved) * (1 + 1e-12))


def at_least_one(**sizes: int) -> None:
    """ValueError, naming it, if one of these sizes is less than 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, but is {size}.")


def independent_generators(count: int, purpose: str, *key: int) -> list[torch.Generator]:
    """Generators for different samples of one run; other sizes in the key give other samples (`spt.smoothing.generators`).

    Their seeds are distinct in the 32 bits that the CPU's generator keeps.
    """
    digest = hashlib.sha256(repr((purpose, *map(int, key))).encode()).digest()
    first = int.from_bytes(digest[:4])
    return [torch.Generator().manual_seed((first + i) % (1 << 32)) for i in range(count)]
