"""Parametric image transformations as inverse warps: output pixel p reads the input at ``source(p, parameters)``.

Conventions: rotation by a positive angle turns the content counter-clockwise as displayed (90 degrees equals
``numpy.rot90(image, k=1)``); translation by positive (dx, dy) moves the content right and down; positive scaling enlarges;
positive shear leans like italics. Coordinates and interpolation are those of `spt.interpolation`.

A new transformation is one subclass of `Transform` and its instance in `TRANSFORMS`; the laws in ``tests/test_laws.py``
then run over it, and the pages and the command line offer it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spt.interpolation import bilinear, pixel_grid
from spt.noise import accurate_normal

POINTS_AT_ONCE = 1 << 18  # about 100 bytes each: most of the temporaries stay in the caches


@dataclass(frozen=True)
class Parameter:
    """One parameter of a transformation, as a person meets it."""

    name: str
    symbol: str
    unit: str
    limit: float
    """Largest magnitude that controls offer (the transformation itself accepts any finite value)."""
    default_sigma: float
    """Standard deviation of the smoothing noise that suits the bundled classifiers."""
    step: float


class Transform(ABC):
    """A family of image transformations T_gamma, linear in the image, with T_0 the identity.

    Subclasses are final. T_gamma x = A_gamma x with at most 4 non-negative weights in each row that sum to at most 1.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]

    @abstractmethod
    def source(self, x: Tensor, y: Tensor, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Where output position (x, y) reads the input: centred coordinates in pixels.

        ``parameters`` holds one tensor for each parameter, of a shape that broadcasts with x and y.
        """

    @property
    def dimensions(self) -> int:
        """Number of parameters d."""
        return len(self.parameters)

    @property
    def unit(self) -> str:
        """Unit of the parameters and of certified radii."""
        return self.parameters[0].unit

    def as_parameters(self, values: Tensor | Sequence[float] | Sequence[Sequence[float]] | float) -> Tensor:
        """``values`` as a float64 tensor of shape (K, d), on the device it is on.

        A number or a flat sequence is read as K values if d = 1, and as one point if d > 1.
        Raises ValueError if the shape does not fit or a value is not finite.
        """
        points = torch.as_tensor(values, dtype=torch.float64)
        if points.ndim < 2:
            points = points.reshape(-1, 1) if self.dimensions == 1 else points.reshape(1, -1)
        if points.ndim != 2 or points.shape[1] != self.dimensions:
            names = ", ".join(parameter.name for parameter in self.parameters)
            raise ValueError(f"{self.name} takes ({names}), but got parameters of shape {tuple(points.shape)}.")
        if not torch.isfinite(points).all():
            raise ValueError(f"{self.name} parameters must be finite numbers, but got {points.tolist()[:4]}.")
        return points

    def __call__(
        self, images: Tensor, parameters: Tensor | Sequence[float] | Sequence[Sequence[float]] | float
    ) -> Tensor:
        """T_gamma x for every pair of image and parameter point.

        Args:
            images: (C, H, W) for one image, or (N, C, H, W).
            parameters: (K, d), see `as_parameters`. One image is paired with all K points, N images with one point,
                and N images with N points one to one.

        Returns:
            (max(N, K), C, H, W) of the type and on the device of ``images``.
        """
        batch = images[None] if images.ndim == 3 else images
        points = self.as_parameters(parameters).to(batch.device)
        if batch.ndim != 4:
            raise ValueError(f"Images must have shape (C, H, W) or (N, C, H, W), but got {tuple(images.shape)}.")
        if not batch.dtype.is_floating_point:
            raise ValueError(f"Images must be floating point (8-bit values divided by 255), but got {batch.dtype}.")
        if len(batch) != len(points) and 1 not in (len(batch), len(points)):
            raise ValueError(f"{len(batch)} images cannot be paired with {len(points)} parameter points.")
        count = len(batch) if len(points) == 1 else len(points)
        height, width = batch.shape[-2:]
        size = max(1, POINTS_AT_ONCE // (height * width))
        if count <= size:
            return self._warp(batch, points)
        parts = [
            self._warp(
                batch if len(batch) == 1 else batch[i : i + size],
                points if len(points) == 1 else points[i : i + size],
            )
            for i in range(0, count, size)
        ]
        return torch.cat(parts)

    def _warp(self, images: Tensor, points: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        x, y = pixel_grid(height, width, images.device)
        source_x, source_y = self.source(x, y, tuple(points[:, i, None, None] for i in range(self.dimensions)))
        return bilinear(images, source_x, source_y)

    def identity(self) -> Tensor:
        """The parameter point (1, d) that changes nothing."""
        return torch.zeros(1, self.dimensions, dtype=torch.float64)

    def sample(self, count: int, sigma: float, generator: torch.Generator) -> Tensor:
        """``count`` points beta ~ N(0, sigma^2 I), shape (count, d), float64, on the CPU; all drawn in one call."""
        return sigma * accurate_normal((count, self.dimensions), generator)

    def grid(self, limit: float, steps: int) -> Tensor:
        """Equally spaced points of [-limit, limit]^d, both ends included: (steps^d, d) float64, row-major."""
        last = max(1, steps - 1)
        axis = limit * ((2 * torch.arange(steps, dtype=torch.float64) - (steps - 1)) / last)  # 0 and the ends are exact
        return torch.cartesian_prod(*[axis] * self.dimensions).reshape(-1, self.dimensions)

    def describe(self, point: Tensor | Sequence[float]) -> str:
        """A parameter point in words, for example ``angle 12.50°`` or ``dx 1.00 px, dy −2.00 px``."""
        values = [float(value) for value in point]
        return ", ".join(
            f"{parameter.name} {value:.2f}{'' if parameter.unit == '°' else ' '}{parameter.unit}".replace("-", "−")
            for parameter, value in zip(self.parameters, values, strict=True)
        )


class Rotation(Transform):
    """Rotation about the centre by an angle in degrees; positive is counter-clockwise as displayed.

    R(gamma) = [[cos, -sin], [sin, cos]] applied to (x, y) (docs/mathematics.md, section 1). In the plane rotations compose;
    interpolated on a pixel grid they do not.
    """

    name: ClassVar[str] = "rotation"
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("angle", "γ", "°", 180.0, 30.0, 0.1),)

    def source(self, x: Tensor, y: Tensor, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        radians = parameters[0] * (math.pi / 180)
        cosine, sine = radians.cos(), radians.sin()
        return cosine * x - sine * y, sine * x + cosine * y


class Translation(Transform):
    """Translation by (dx, dy) pixels, sub-pixel allowed; positive moves the content right and down."""

    name: ClassVar[str] = "translation"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("dx", "γ₁", "px", 8.0, 1.5, 0.05),
        Parameter("dy", "γ₂", "px", 8.0, 1.5, 0.05),
    )

    def source(self, x: Tensor, y: Tensor, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        dx, dy = parameters
        return x - dx, y - dy


class Scaling(Transform):
    """Scaling about the centre by the factor exp(gamma / 100); positive enlarges.

    gamma is the logarithm of the factor in hundredths ("log %"), so that in the plane scalings compose: their gamma add, as
    smoothing over gamma needs. Near 0 it is the percentage by which the content grows. What others call scaling by up to ±p %,
    factors from 1 - p/100 to 1 + p/100, is within ±`limit_for(p)`, which also reaches 1 / (1 - p/100): ±30 % is within ±35.67.
    """

    name: ClassVar[str] = "scaling"
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("scale", "γ", "log %", 100.0, 15.0, 0.5),)

    def source(self, x: Tensor, y: Tensor, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        inverse = (-parameters[0] / 100).clamp(-700, 700).exp()
        return inverse * x, inverse * y

    def describe(self, point: Tensor | Sequence[float]) -> str:
        """The parameter in words, with the factor: ``scale 69.31 log % (×2)``."""
        factor = math.exp(min(max(float(point[0]) / 100, -700), 700))
        return f"{super().describe(point)} (×{factor:.3g})"

    @staticmethod
    def limit_for(percent: float) -> float:
        """The smallest size of gamma, in log % and rounded up, for all factors from 1 - percent / 100 to 1 + percent / 100."""
        if not 0 <= percent < 100:
            raise ValueError(f"A factor is changed by 0 to less than 100 %, not by {percent:g} %.")
        logarithm = math.log1p(-percent / 100) if percent < 50 else math.log((100 - percent) / 100)
        return -100 * logarithm * (1 + 1e-15)


class Shear(Transform):
    """Horizontal shear about the centre by a percentage of the height; positive leans to the right, like italics.

    What is d pixels above the centre moves to the right by d gamma / 100. In the plane shears compose: their gamma add. On the
    grid only rows are interpolated, as no pixel leaves its row.
    """

    name: ClassVar[str] = "shear"
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("shear", "γ", "%", 100.0, 15.0, 0.5),)

    def source(self, x: Tensor, y: Tensor, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        return x + (parameters[0] / 100) * y, y


TRANSFORMS: dict[str, Transform] = {
    transform.name: transform for transform in (Rotation(), Translation(), Scaling(), Shear())
}


def get_transform(name: str) -> Transform:
    """The transformation called ``name``; ValueError lists the known ones."""
    if name not in TRANSFORMS:
        raise ValueError(f"Unknown transformation {name!r}: choose one of {', '.join(TRANSFORMS)}.")
    return TRANSFORMS[name]
