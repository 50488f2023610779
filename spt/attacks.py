"""Attacks on a base classifier by parametric transformations: worst-of-k and grid.

An attack is configured once and called with (classifier, image, label); the result carries *which parameter* won.
The attacker applies the transformation and, by default, stores the image in 8 bits.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from spt.classifiers import Classifier
from spt.images import to_8_bit
from spt.transforms import Transform


@dataclass(frozen=True)
class AttackResult:
    """The worst parameter points found, worst (largest loss) first.

    Attributes:
        points: (keep, d) float64.
        losses: (keep,) cross-entropy of f with the true label.
        predictions: (keep,) int64, f's class at each point.
        label: the true label.
        tried: number of points evaluated.
    """

    points: Tensor
    losses: Tensor
    predictions: Tensor
    label: int
    tried: int

    @property
    def fooled(self) -> bool:
        """Whether f answers another class at the worst point."""
        return int(self.predictions[0]) != self.label

    def apart(self, distance: float, count: int) -> "AttackResult":
        """The worst ``count`` of these points of which no two are nearer than ``distance``: fewer if there are no more."""
        kept: list[int] = []
        for index in range(len(self.points)):
            if len(kept) < count and all(
                float((self.points[index] - self.points[other]).norm()) >= distance for other in kept
            ):
                kept.append(index)
        return replace(self, points=self.points[kept], losses=self.losses[kept], predictions=self.predictions[kept])


@dataclass(frozen=True)
class Attack(ABC):
    """Search the box [-limit, limit]^d for the parameter with the largest loss of f; ``limit`` may name one for each parameter."""

    transform: Transform
    limit: float | tuple[float, ...]
    keep: int = 3
    eight_bit: bool = True

    def __post_init__(self) -> None:
        for limit, parameter in zip(self.limits, self.transform.parameters, strict=True):
            if not 0 < limit < float("inf"):
                raise ValueError(f"The attack range ±{limit} {parameter.unit} must be positive and finite.")
        if self.keep < 1:
            raise ValueError(f"keep must be at least 1, but is {self.keep}.")

    @property
    def limits(self) -> tuple[float, ...]:
        """The limit of each parameter."""
        return self.transform.limits(self.limit)

    @abstractmethod
    def candidates(self, generator: torch.Generator) -> Tensor:
        """The points (K, d) to try."""

    def apply(self, image: Tensor, points: Tensor) -> Tensor:
        """The attacked images (K, C, H, W)."""
        attacked = self.transform(image, points)
        return to_8_bit(attacked) if self.eight_bit else attacked

    @torch.inference_mode()
    def __call__(self, classifier: Classifier, image: Tensor, label: int, seed: int = 0) -> AttackResult:
        """Attack one image (C, H, W) with true class index ``label``."""
        if not 0 <= label < len(classifier.class_names):
            raise ValueError(f"Label {label} is not one of the {len(classifier.class_names)} classes.")
        image = classifier.check_image(image)
        points = self.candidates(torch.Generator().manual_seed(seed))
        losses, predictions = [], []
        for part in torch.split(points, classifier.chunk):
            logits = classifier.logits(self.apply(image, part))
            losses.append(
                functional.cross_entropy(logits, torch.full((len(part),), label).to(logits.device), reduction="none")
            )
            predictions.append(logits.argmax(1))
        loss = torch.cat(losses).cpu()
        order = loss.argsort(descending=True, stable=True)[: self.keep]
        return AttackResult(points[order], loss[order], torch.cat(predictions).cpu()[order], label, len(points))


@dataclass(frozen=True)
class WorstOfK(Attack):
    """k points drawn uniformly from the box (the paper uses k = 100 and keeps the three worst).

    ``resolution`` rounds the points to its multiples, so that a control with that step can show them; 0 does not round.
    """

    k: int = 100
    resolution: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k < self.keep:
            raise ValueError(f"k must be at least keep = {self.keep}, but is {self.k}.")

    def candidates(self, generator: torch.Generator) -> Tensor:
        """k uniform points."""
        uniform = torch.rand(self.k, self.transform.dimensions, dtype=torch.float64, generator=generator)
        limits = torch.tensor(self.limits, dtype=torch.float64)
        points = (2 * uniform - 1) * limits
        if self.resolution:
            points = (points / self.resolution).round() * self.resolution
        return points.clamp(-limits, limits)


@dataclass(frozen=True)
class Grid(Attack):
    """Equally spaced points, ``steps`` along each axis, both ends included."""

    steps: int = 41

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 2 or self.steps**self.transform.dimensions < self.keep:
            raise ValueError(f"A grid needs at least 2 steps and {self.keep} points, but steps is {self.steps}.")

    def candidates(self, generator: torch.Generator) -> Tensor:
        """The grid, in row-major order; deterministic."""
        return self.transform.grid(self.limit, self.steps)
