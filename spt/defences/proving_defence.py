"""`ProvingDefence`: what the defences that prove have in common: g, the attacks, and which images and settings they refuse."""

import math
import time
from dataclasses import dataclass, replace
from typing import ClassVar, TypedDict

import numpy as np
import torch
from torch import Tensor

from spt.certificates.ball_evidence import LEAST_RADIUS
from spt.certificates.concluded import most_votes
from spt.certificates.nested_prediction import NestedPrediction
from spt.classifiers import Classifier
from spt.defences.inner_tests import inner_votes
from spt.images import image_digest
from spt.plain_numbers import alpha_level, real, seed_number, whole
from spt.progress import Progress, silent
from spt.seeds import generators, noise_seeds
from spt.smoothing import SmoothedClassifier
from spt.threat_model import AttackedImage, Attacker, Bounding, check_bounded
from spt.transforms import Transform

CENTRE_ERROR = 1e-8
"""How far each pixel of P T_beta x in float64 can be from exact arithmetic: see `spt.error_bounds.arcs`."""
PREDICTION_LOOKS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)
LARGEST_LIMIT = 3600.0
"""Of an attack range: beyond, `spt.error_bounds` promises nothing."""


class MeasuredFor(TypedDict):
    """What an interpolation error depends on besides the image, as records have it: smoothing, attacks, and P."""

    transform: str
    unit: str
    parameter_sigma: float
    limit: float
    attacker: str
    preprocessing: str
    input_shape: tuple[int, int, int]


class About(TypedDict):
    """What a record says of the classifier, of the image and of where the samples come from."""

    classifier: str
    classifier_fingerprint: str
    class_names: tuple[str, ...]
    network_shape: tuple[int, int, int]
    grid: float
    device: str
    number_format: str
    pixel_sigma: float
    image_sha256: str
    seed: int


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
        parameter_sigma, pixel_sigma = self._noises()
        object.__setattr__(self, "parameter_sigma", parameter_sigma)
        object.__setattr__(self, "pixel_sigma", pixel_sigma)
        object.__setattr__(self, "limit", real("limit", self.limit))
        check_bounded(self.transform, self._bounding())
        if not self.pixel_sigma > 0:
            raise ValueError(f"{self.name} needs pixel noise: pixel_sigma must be positive, but is {self.pixel_sigma}.")
        if not 0 < self.limit <= LARGEST_LIMIT:
            raise ValueError(
                f"The attack range ±{self.limit:g} {self.transform.unit} must be positive and at most {LARGEST_LIMIT:g}."
            )
        if self.attacker not in ("8-bit", "exact"):
            raise ValueError(f"attacker must be '8-bit' or 'exact', but is {self.attacker!r}.")

    def _noises(self) -> tuple[float, float]:
        """The noises on parameters and pixels as numbers; ValueError if nothing can be smoothed with them."""
        g = self._one_level()
        if g.parameter_sigma == 0:
            raise ValueError(f"parameter_sigma must be positive, but is {g.parameter_sigma}.")
        return g.parameter_sigma, g.pixel_sigma

    def _bounding(self) -> Bounding:
        """What has to be bounded for this defence."""
        return "whole range"

    def _one_level(self) -> SmoothedClassifier:
        """f smoothed over parameters and pixel noise together: its votes select the class."""
        return SmoothedClassifier(self.classifier, self.transform, self.parameter_sigma, self.pixel_sigma)

    def _select(self, image: Tensor, n0: int, generator: torch.Generator) -> tuple[tuple[int, ...], int]:
        """n0 one-level votes for each class, and the class that got most."""
        counts = self._one_level().count(image, n0, generator).counts
        return counts, most_votes(counts)

    def predict(
        self,
        image: Tensor,
        n0: int = 100,
        *,
        n: int = 200,
        alpha: float = 0.01,
        inner_alpha: float = 0.01,
        seed: int = 0,
        progress: Progress = silent,
    ) -> NestedPrediction:
        """PREDICT for the nested g that is certified: its answer for one image (C, H, W), or ABSTAIN; wrong with probability at
        most ``alpha``.

            c ← the class with most of n0 one-level votes
            until decided, for fresh samples β ~ N(0, parameter_sigma² I):
                z ← P T_β x
                the sample passes if more than half of the votes f(z + ε) are shown to be for c, so that h(z) = c
            c if the passes show that h(P T_β x) = c with probability more than 1/2 over β, else ABSTAIN

        Both tests are anytime-valid: votes stop where the inner test decides, samples where the outer one does, or when n
        are done. See `NestedPrediction`. ``progress`` goes round the looks, tqdm-shaped; it may raise to cancel.

        With parameter_sigma 0 every β is 0 and g is h: samples differ in their pixel noise alone, and the tests hold as they are.
        """
        started = time.perf_counter()
        n0, n, seed = whole("n0", n0), whole("n", n), seed_number(seed)
        alpha, inner_alpha = alpha_level("alpha", alpha), alpha_level("inner_alpha", inner_alpha)
        image = self.checked(image)
        begun = NestedPrediction(
            **self._about(image, seed),
            transform=self.transform.name,
            unit=self.transform.unit,
            parameter_sigma=self.parameter_sigma,
            alpha=alpha,
            inner_alpha=inner_alpha,
            radius=CENTRE_ERROR * math.sqrt(math.prod(self.classifier.network_shape)),
            n=n,
        )
        selection_generator, generator = generators(seed, n0, n, settings=begun.settings_in_words())
        selection, selected = self._select(image, n0, selection_generator)
        betas, seeds = self._betas(n, generator), noise_seeds(n, generator)
        votes: list[tuple[int, int]] = []
        looks = [*(look for look in PREDICTION_LOOKS if look < n), n]
        for look in progress(looks, desc="g votes", total=len(looks)):
            batch = slice(len(votes), look)
            centres = self.classifier.preprocessing(self.transform(image.double(), betas[batch]))
            radii = np.full(len(centres), begun.radius)
            votes += inner_votes(self.classifier, centres, radii, selected, self.pixel_sigma, inner_alpha, seeds[batch])
            found = replace(
                begun,
                selection_counts=selection,
                selected=selected,
                points=recorded_points(betas[:look]),
                inner_votes=tuple(votes),
                seconds=time.perf_counter() - started,
            ).conclude()
            if found.decided():
                break
        self.classifier.confirm()
        return found

    def attacked(self, image: Tensor) -> AttackedImage:
        """The image (C, H, W) with the attacks against which something is proved."""
        preprocessing, gamma_range = self.classifier.preprocessing, (-self.limit, self.limit)
        return AttackedImage(image, self.transform, preprocessing, gamma_range, attacker=self.attacker)

    def checked(self, image: Tensor) -> Tensor:
        """The image as float32 on the classifier's device; ValueError if it is none that can be certified."""
        image = self.classifier.check_image(image).float()
        low, high = float(image.min()), float(image.max())
        if not 0 <= low <= high <= 1:
            raise ValueError(
                f"{self.name} certifies images with values in [0, 1], but this one has {low:.9g} to {high:.9g}."
            )
        return image

    def measured_for(self) -> MeasuredFor:
        """For what this defence measures interpolation errors, and wants them to have been measured."""
        return {
            "transform": self.transform.name,
            "unit": self.transform.unit,
            "parameter_sigma": self.parameter_sigma,
            "limit": self.limit,
            "attacker": self.attacker,
            "preprocessing": repr(self.classifier.preprocessing),
            "input_shape": self.classifier.input_shape,
        }

    def _about(self, image: Tensor, seed: int) -> About:
        return {
            "classifier": self.classifier.name,
            "classifier_fingerprint": self.classifier.fingerprint,
            "class_names": self.classifier.class_names,
            "network_shape": self.classifier.network_shape,
            "grid": self.classifier.grid,
            "device": self.classifier.device.type,
            "number_format": self.classifier.number_format,
            "pixel_sigma": self.pixel_sigma,
            "image_sha256": image_digest(image),
            "seed": seed,
        }

    def _betas(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, d) samples of N(0, parameter_sigma² I)."""
        return self.transform.sample(count, self.parameter_sigma, generator)


def recorded_points(betas: Tensor) -> tuple[tuple[float, ...], ...]:
    """Samples (N, d) as records have them."""
    return tuple(tuple(point) for point in betas.tolist())


def at_least_radius(rounding: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Radii (N,) that exceed the attacker's rounding terms by no less than `LEAST_RADIUS`."""
    return np.asarray(np.maximum(radii, rounding + LEAST_RADIUS))
