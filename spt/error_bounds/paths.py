"""Paths: how the place where a pixel reads the image moves while the one parameter of a transformation does.

With theta the parameter in natural units (radians, hundredths), a pixel reads at (x, y)(theta), and

    rotation    x' = -y    y' = x     x'' = -x    y'' = -y     turns back where the other coordinate changes sign
    scaling     x' = -x    y' = -y    x'' = x     y'' = y      never turns back
    shear       x' = y     y' = 0     x'' = 0     y'' = 0      never turns back

This is all that `spt.error_bounds.arcs` needs to know of a transformation. A path also says where splits have to end, because
there whole rows of pixels lie on lines of the grid, and how wide a split may be for no pixel to move by more than one pixel.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spt.interpolation import bilinear, pixel_grid
from spt.transforms import Rotation, Scaling, Shear, Transform

LONGEST_STEP = 0.5
"""Of a path that may leave the image, within a split, in pixels along each axis."""
MOST_NODES = 48
"""Splits of a shear end where any row of pixels meets the lines of the grid, unless these are more."""
SAME_NODE = 1e-12
"""Nodes of a shear, in %, that are rounding apart."""


@dataclass(frozen=True, eq=False)
class Motion:
    """One coordinate of every pixel's path on M splits; all tensors broadcast to (M, H, W), in pixels.

    Attributes:
        begin, end: at the ends of the split. low, high: its hull.
        speed, acceleration: largest |x'| and |x''| where the path is at most a pixel beside the image.
        turns: whether it may go back on its way.
    """

    begin: Tensor
    end: Tensor
    low: Tensor
    high: Tensor
    speed: Tensor
    acceleration: Tensor
    turns: Tensor


class PixelPath(ABC):
    """The paths of all pixels under one transformation of one parameter.

    Attributes:
        unit: what one unit of the parameter is of theta.
    """

    transform: ClassVar[Transform]
    unit: ClassVar[float]

    def sources(self, height: int, width: int, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Where all pixels read at M parameters: x and y, (M, H, W), in pixels."""
        x, y = pixel_grid(height, width, parameters.device)
        found = torch.broadcast_tensors(*self.transform.source(x, y, (parameters[:, None, None],)))  # type: ignore[no-untyped-call]
        return found[0], found[1]

    def warped(self, images: Tensor, parameters: Tensor) -> Tensor:
        """T_gamma of image n by parameters[n] (or of one image by all), float64, (n, C, H, W)."""
        height, width = images.shape[-2:]
        x, y = self.sources(height, width, parameters.to(images.device))
        return bilinear(images.expand(len(parameters), *images.shape[1:]), x, y)

    @abstractmethod
    def motions(self, begin: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor]) -> tuple[Motion, Motion]:
        """Both coordinates on splits that are no wider than `widest`, from the sources at their ends."""

    @abstractmethod
    def widest(self, height: int, width: int) -> float:
        """The widest split on which no pixel moves by more than one pixel where the image is."""

    @abstractmethod
    def fastest(self, height: int, width: int) -> float:
        """How far the fastest pixel moves where the image is, for one unit of the parameter, in pixels."""

    @abstractmethod
    def nodes(self, low: float, high: float) -> list[float]:
        """The parameters strictly inside [low, high] at which whole rows of all pixels lie on lines, sorted: splits end there."""

    def kinks(self, low: float, high: float, height: int, width: int) -> list[float]:
        """`nodes` and the parameters at which some row of pixels does, where these are few: splits had better end there."""
        return self.nodes(low, high)

    @abstractmethod
    def travel(self, x: Tensor, y: Tensor, width: Tensor) -> Tensor:
        """Largest |x'| + |y'| on splits (M,) of ``width`` of pixels that read at (x, y), (M, H, W), in their middles."""

    def reduced(self, parameters: Tensor) -> Tensor:
        """Parameters of the same T, where there are any, that keep more digits."""
        return parameters

    @abstractmethod
    def stretch(self, low: float, high: float) -> float:
        """How far apart on one axis the sources of two pixels can be that are one pixel apart on each, for parameters in
        [low, high]."""


class RotationPath(PixelPath):
    """Arcs about the centre."""

    transform = Rotation()
    unit = math.pi / 180

    def motions(self, begin: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor]) -> tuple[Motion, Motion]:
        height, width = begin[0].shape[-2:]
        x, y = pixel_grid(height, width, begin[0].device)
        radius = torch.hypot(x, y)
        low_x, high_x, x_turns = _arc(begin[0], end[0], begin[1], end[1], radius)
        low_y, high_y, y_turns = _arc(begin[1], end[1], begin[0], end[0], radius)
        size_x, size_y = torch.maximum(low_x.abs(), high_x.abs()), torch.maximum(low_y.abs(), high_y.abs())
        return (
            Motion(begin[0], end[0], low_x, high_x, size_y, size_x, x_turns),
            Motion(begin[1], end[1], low_y, high_y, size_x, size_y, y_turns),
        )

    def widest(self, height: int, width: int) -> float:
        return 90 / cells_for_quarter_turn(height, width)

    def fastest(self, height: int, width: int) -> float:
        return math.hypot((height - 1) / 2, (width - 1) / 2) * self.unit

    def nodes(self, low: float, high: float) -> list[float]:
        return [90.0 * k for k in range(math.floor(low / 90) + 1, math.ceil(high / 90))]

    def travel(self, x: Tensor, y: Tensor, width: Tensor) -> Tensor:
        return math.sqrt(2) * torch.hypot(x, y)

    def reduced(self, parameters: Tensor) -> Tensor:
        """Angles from 0° to 360°."""
        return torch.remainder(parameters, 360)

    def stretch(self, low: float, high: float) -> float:
        return math.sqrt(2)


class ScalingPath(PixelPath):
    """Straight lines through the centre. Beyond a pixel beside the image all is 0, however fast they are there."""

    transform = Scaling()
    unit = 0.01

    def motions(self, begin: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor]) -> tuple[Motion, Motion]:
        found = []
        for first, last, size in zip(begin, end, begin[0].shape[:-3:-1], strict=True):
            low, high = torch.minimum(first, last), torch.maximum(first, last)
            reach = torch.maximum(low.abs(), high.abs()).clamp(max=_reach(size))
            found.append(Motion(first, last, low, high, reach, reach, torch.zeros_like(low, dtype=torch.bool)))
        return found[0], found[1]

    def widest(self, height: int, width: int) -> float:
        return math.log1p(LONGEST_STEP / ((max(height, width) + 1) / 2)) * (1 - 1e-9) / self.unit

    def fastest(self, height: int, width: int) -> float:
        return math.hypot((height + 1) / 2, (width + 1) / 2) * self.unit

    def nodes(self, low: float, high: float) -> list[float]:
        return [0.0] if low < 0 < high else []

    def travel(self, x: Tensor, y: Tensor, width: Tensor) -> Tensor:
        grows = torch.exp(width[:, None, None] * (self.unit / 2))
        sizes = zip((x, y), x.shape[:-3:-1], strict=True)
        across, along = ((axis.abs() * grows).clamp(max=_reach(size)) for axis, size in sizes)
        return across + along

    def stretch(self, low: float, high: float) -> float:
        return math.exp(-low * self.unit)


class ShearPath(PixelPath):
    """Every row of pixels moves along itself. Between nodes no pixel crosses a line: there T_gamma x is affine in gamma."""

    transform = Shear()
    unit = 0.01

    def motions(self, begin: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor]) -> tuple[Motion, Motion]:
        (first, row), (last, _) = begin, end
        low, high, still = torch.minimum(first, last), torch.maximum(first, last), torch.zeros_like(row)
        never = torch.zeros_like(row, dtype=torch.bool)
        return (
            Motion(first, last, low, high, row.abs(), still, never),
            Motion(row, row, row, row, still, still, never),
        )

    def widest(self, height: int, width: int) -> float:
        return LONGEST_STEP / max((height - 1) / 2, LONGEST_STEP) * (1 - 1e-9) / self.unit

    def fastest(self, height: int, width: int) -> float:
        return (height - 1) / 2 * self.unit

    def nodes(self, low: float, high: float) -> list[float]:
        return [0.0] if low < 0 < high else []

    def kinks(self, low: float, high: float, height: int, width: int) -> list[float]:
        """Where a row has moved by whole pixels."""
        found = {0.0}
        for row in range((height + 1) % 2, height, 2):  # twice the distance from the centre
            if row:
                step = 2 / row / self.unit
                first, last = math.floor(low / step), math.ceil(high / step)
                if len(found) + last - first > 20 * MOST_NODES:
                    found = {0.0}
                    break
                found |= {k * step for k in range(first, last + 1)}
        inside: list[float] = []
        for node in sorted(found):
            if low < node < high and (not inside or node - inside[-1] > SAME_NODE):
                inside.append(node)
        return inside if len(inside) <= MOST_NODES else self.nodes(low, high)

    def travel(self, x: Tensor, y: Tensor, width: Tensor) -> Tensor:
        return y.abs()

    def stretch(self, low: float, high: float) -> float:
        return 1 + max(abs(low), abs(high)) * self.unit


TURNING = RotationPath()
PATHS: dict[str, PixelPath] = {path.transform.name: path for path in (TURNING, ScalingPath(), ShearPath())}
"""By the name of the transformation."""


def cells_for_quarter_turn(height: int, width: int) -> int:
    """The smallest number of equal splits of 90° for which no pixel moves by more than one pixel."""
    longest = math.hypot((height - 1) / 2, (width - 1) / 2)
    return max(1, math.ceil(longest * math.pi / 2 * (1 + 1e-9)))


def _reach(size: int) -> float:
    """Beyond (size + 1) / 2 from the centre all is 0; a path that is nearer anywhere on a split is within this on all of it."""
    return (size + 1) / 2 + 2 * LONGEST_STEP


def _arc(
    begin: Tensor, end: Tensor, begin_other: Tensor, end_other: Tensor, radius: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Exact hull of one coordinate along the arc; it turns back at ±radius where the other one changes sign."""
    turns = begin_other * end_other < 0
    low, high = torch.minimum(begin, end), torch.maximum(begin, end)
    positive = begin + end > 0
    return torch.where(turns & ~positive, -radius, low), torch.where(turns & positive, radius, high), turns
