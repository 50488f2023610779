"""Parametric image transformations: inverse warps, changes of values, and one after the other.

A warp reads the input at ``source(p, parameters)`` for output pixel p. Conventions: rotation by a positive angle turns the content
counter-clockwise as displayed (90 degrees equals ``numpy.rot90(image, k=1)``); translation by positive (dx, dy) moves the
content right and down; positive scaling enlarges; positive shear leans like italics. Coordinates and interpolation are those of
`spt.interpolation`. A `ValueChange` moves nothing; a `Composition` does one thing after the other.

A new transformation is one subclass of `Transform` and its instance in `TRANSFORMS`; the laws in ``tests/test_laws.py``
then run over it, and the pages and the command line offer it.
"""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    """A family of image transformations T_gamma, with T_0 the identity.

    Subclasses are final. A warp, which only says its `source`, is linear in the image: T_gamma x = A_gamma x with at most 4
    non-negative weights in each row that sum to at most 1. What is not ``linear`` still is increasing in every pixel of x.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]
    linear: ClassVar[bool] = True
    """Whether T_gamma x = A_gamma x; if not, T_gamma is for images in [0, 1] and clips to it."""

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
        """Unit of the parameters and of certified radii; where units are `mixed` that of the first parameter."""
        return self.parameters[0].unit

    @property
    def mixed(self) -> bool:
        """Whether parameters have different units, so that a range needs a limit for each."""
        return len({parameter.unit for parameter in self.parameters}) > 1

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
            return self._transformed(batch, points)
        parts = [
            self._transformed(
                batch if len(batch) == 1 else batch[i : i + size],
                points if len(points) == 1 else points[i : i + size],
            )
            for i in range(0, count, size)
        ]
        return torch.cat(parts)

    def _transformed(self, images: Tensor, points: Tensor) -> Tensor:
        """`__call__` for so many points that memory holds them."""
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

    def limits(self, limit: float | Sequence[float]) -> tuple[float, ...]:
        """``limit`` for each parameter: one serves all. ValueError if there are not so many."""
        found = (limit,) * self.dimensions if isinstance(limit, int | float) else tuple(limit)
        if len(found) != self.dimensions:
            names = ", ".join(parameter.name for parameter in self.parameters)
            raise ValueError(f"{self.name} takes one limit, or one for each of {names}, but got {len(found)}.")
        return found

    def grid(self, limit: float | Sequence[float], steps: int) -> Tensor:
        """Equally spaced points of [-limit, limit]^d, both ends included: (steps^d, d) float64, row-major."""
        last = max(1, steps - 1)
        axis = (2 * torch.arange(steps, dtype=torch.float64) - (steps - 1)) / last  # 0 and the ends are exact
        axes = [each * axis for each in self.limits(limit)]
        return torch.cartesian_prod(*axes).reshape(-1, self.dimensions)

    def describe_range(self, limit: float | Sequence[float]) -> str:
        """[-limit, limit]^d in words, with the numbers as given: ±30°; angle ±10°, brightness ±20 % where units differ."""
        pairs = list(zip(self.parameters, self.limits(limit), strict=True))
        each = [f"±{value:.10g}{'' if known.unit == '°' else ' '}{known.unit}" for known, value in pairs]
        if not self.mixed and len(set(each)) == 1:
            return each[0]
        return ", ".join(f"{known.name} {words}" for (known, _), words in zip(pairs, each, strict=True))

    @property
    def singular(self) -> str:
        """One of them, in words."""
        return self.name

    @property
    def plural(self) -> str:
        """Several of them, in words: rotations."""
        return f"{self.name}s"

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


class ValueChange(Transform):
    """T_gamma x = clip(k x + b) in every pixel, for images in [0, 1]: no pixel moves; clip(v) is the number in [0, 1] nearest v.

    Laws: T_0 x = x; increasing in every pixel of x, of which no difference grows by more than k; monotone in every pixel in
    each parameter; and where nothing is clipped T_beta T_gamma = T_{beta+gamma}. It is not linear, and zeros need not stay zeros.
    """

    linear: ClassVar[bool] = False

    @abstractmethod
    def gain_and_offset(self, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """k >= 0 and b, of the shape of the parameters, finite, and monotone in each; (1, 0) at 0."""

    def source(self, x: Tensor, y: Tensor, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        return x, y

    @property
    def singular(self) -> str:
        """One of them, in words."""
        return f"change of {self.name}"

    @property
    def plural(self) -> str:
        """Several of them, in words."""
        return f"changes of {self.name}"

    def _transformed(self, images: Tensor, points: Tensor) -> Tensor:
        gain, offset = self.gain_and_offset(tuple(points[:, i, None, None, None] for i in range(self.dimensions)))
        return (gain * images.double() + offset).clamp(0, 1).to(images.dtype)


class Brightness(ValueChange):
    """Brightness: gamma / 100 is added to every pixel; positive is brighter, and 100 % makes all of it white.

    What others call brightness by up to ±b is gamma within ±100 b.
    """

    name: ClassVar[str] = "brightness"
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("brightness", "γ", "%", 100.0, 10.0, 0.5),)

    def gain_and_offset(self, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        return torch.ones_like(parameters[0]), parameters[0] / 100


class Contrast(ValueChange):
    """Contrast: every pixel is multiplied by exp(gamma / 100); positive is stronger, and black stays black.

    gamma is the logarithm of the factor in hundredths ("log %"), so that gamma add where nothing is clipped; near 0 it is the
    percentage. Factors from 1 - p/100 to 1 + p/100 are gamma from 100 log(1 - p/100) to 100 log(1 + p/100).
    """

    name: ClassVar[str] = "contrast"
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("contrast", "γ", "log %", 100.0, 20.0, 0.5),)

    def gain_and_offset(self, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        gain = (parameters[0] / 100).clamp(-700, 700).exp()
        return gain, torch.zeros_like(gain)


class Composition(Transform):
    """The ``steps`` one after the other: first steps[0] by its parameters, then steps[1] by the following ones, ...

    Nothing is rounded in between. Each warp interpolates, unless a subclass makes one of several. As pixels outside the image are 0
    to a warp, a brightness that follows it changes them as well.
    """

    steps: ClassVar[tuple[Transform, ...]]

    def __init_subclass__(cls) -> None:
        cls.name = "-".join(step.name for step in cls.steps)
        symbols = ("γ₁", "γ₂", "γ₃", "γ₄")
        each = itertools.chain(*(step.parameters for step in cls.steps))
        cls.parameters = tuple(
            replace(parameter, symbol=symbol) for parameter, symbol in zip(each, symbols, strict=False)
        )
        cls.linear = all(step.linear for step in cls.steps)

    @property
    def singular(self) -> str:
        """One of them, in words."""
        return " with ".join(step.singular for step in self.steps)

    @property
    def plural(self) -> str:
        """Several of them, in words."""
        return " with ".join(step.plural for step in self.steps)

    def split(self, values: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
        """One entry for each parameter, as those of each step."""
        left = iter(values)
        return [tuple(itertools.islice(left, step.dimensions)) for step in self.steps]

    def source(self, x: Tensor, y: Tensor, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        for step, own in reversed(list(zip(self.steps, self.split(parameters), strict=True))):
            x, y = step.source(x, y, own)
        return x, y

    def _transformed(self, images: Tensor, points: Tensor) -> Tensor:
        found = images.double()
        for step, own in zip(self.steps, self.split(tuple(points.T)), strict=True):
            found = step._transformed(found, torch.stack(own, dim=1))
        return found.to(images.dtype)


class RotationBrightness(Composition):
    """Rotation, then brightness: what it turns in from outside the image is brightened, too."""

    steps: ClassVar[tuple[Transform, ...]] = (Rotation(), Brightness())


class RotationScaling(Composition):
    """Rotation and scaling about the centre in one warp: pixels read at R(angle) p / factor, and are interpolated once.

    In the plane the order makes no difference, and this is all of it: parameters of one after another add.
    """

    steps: ClassVar[tuple[Transform, ...]] = (Rotation(), Scaling())

    def _transformed(self, images: Tensor, points: Tensor) -> Tensor:
        return Transform._transformed(self, images, points)


TRANSFORMS: dict[str, Transform] = {
    transform.name: transform
    for transform in (
        *(Rotation(), Translation(), Scaling(), Shear(), Brightness(), Contrast()),
        *(RotationBrightness(), RotationScaling()),
    )
}


def get_transform(name: str) -> Transform:
    """The transformation called ``name``; ValueError lists the known ones."""
    if name not in TRANSFORMS:
        raise ValueError(f"Unknown transformation {name!r}: choose one of {', '.join(TRANSFORMS)}.")
    return TRANSFORMS[name]
