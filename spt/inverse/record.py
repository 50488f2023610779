"""What an inverse returns, and what a received image is: an interval for the true value of every pixel of T_gamma x."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spt.threat_model import Attacker, as_image, as_range, check_bounded
from spt.transforms import Transform

EVALUATION = 1e-9
"""How far T_gamma x in float64 (`spt.transforms`) can be from exact arithmetic, x in [0, 1]: for |gamma| <= 3600 degrees
and sides of at most 4096 pixels the source is off by less than 2e-10 pixels, which counts at most twice, and the sum of four
products and the coordinates inside by less than 1e-12."""


@dataclass(frozen=True, eq=False)
class Contradiction:
    """Where a split died: the original pixel for which no value is left.

    Attributes:
        box: (d, 2) the split.
        channel, row, column: the pixel. Rows -1 and H and columns -1 and W are outside the frame, where all is 0.
        lower, upper: it would have to be at least ``lower`` and at most ``upper``, which is less.
        passes: number of the pass that found it, counted from 1.
    """

    box: Tensor
    channel: int
    row: int
    column: int
    lower: float
    upper: float
    passes: int

    @property
    def gap(self) -> float:
        """By how much the two ends contradict each other."""
        return self.lower - self.upper


@dataclass(frozen=True, eq=False)
class Inverse:
    """Everything that x can be, given x' = T_gamma x: one box of images for each split of Gamma that survives.

    For every x in [0, 1] and gamma in Gamma that produce x' (as the attacker does) there is a split with
    ``lower <= x <= upper`` whose box contains gamma; if there is none, x' is inconsistent with Gamma.

    Attributes:
        boxes: (S, d, 2) float64 on the CPU: the surviving splits; for one parameter in ascending order.
        lower, upper: (S, C, H, W) float64 on the device of x'.
        gamma_range: (d, 2) Gamma.
        attacker: "exact", or "8-bit" when x' is rounded to multiples of 1/255.
        passes: passes made so far.
        evaluations: splits evaluated, summed over the passes.
        seconds: wall-clock time so far.
        contradiction: the split that died last (of those that died in the same pass the one nearest to survival),
            None if none died.
    """

    boxes: Tensor
    lower: Tensor
    upper: Tensor
    gamma_range: Tensor
    attacker: Attacker
    passes: int
    evaluations: int
    seconds: float
    contradiction: Contradiction | None

    @property
    def consistent(self) -> bool:
        """Whether anything survives; if not, no x in [0, 1] and gamma in Gamma produce x'."""
        return len(self.boxes) > 0

    @property
    def widths(self) -> Tensor:
        """(S, C, H, W) what is unknown of each pixel."""
        return self.upper - self.lower

    @property
    def hull(self) -> tuple[Tensor, Tensor]:
        """Lower and upper image (C, H, W) over all surviving splits; the empty sets [inf, -inf] if there are none."""
        if not self.consistent:
            empty = self.lower.new_full(self.lower.shape[1:], torch.inf)
            return empty, -empty
        return self.lower.amin(0), self.upper.amax(0)

    @property
    def surviving(self) -> Tensor:
        """(M, d, 2) the part of Gamma that survives: ``boxes``, for one parameter with touching ones joined."""
        if self.boxes.shape[1] != 1 or not self.consistent:
            return self.boxes
        low, high = self.boxes[:, 0, 0], self.boxes[:, 0, 1]
        apart = low[1:] > high[:-1]
        start = torch.cat((torch.tensor([True]), apart))
        stop = torch.cat((apart, torch.tensor([True])))
        return torch.stack((low[start], high[stop]), dim=-1)[:, None]

    @property
    def share(self) -> float:
        """Which share of Gamma's volume survives (a parameter that Gamma fixes does not count)."""
        whole = self.gamma_range[:, 1] - self.gamma_range[:, 0]
        parts = self.boxes[..., 1] - self.boxes[..., 0]
        return float(torch.where(whole > 0, parts / whole.clamp(min=1e-300), 1.0).prod(dim=1).sum())


def as_received(
    received: Tensor, transform: Transform, gamma_range: Sequence[float] | Sequence[Sequence[float]] | Tensor
) -> tuple[Tensor, Tensor]:
    """The image as float64 (C, H, W) and Gamma as (d, 2); ValueError for what cannot be inverted."""
    check_bounded(transform)
    image, box = as_image(received), as_range(transform, gamma_range)
    if not image.numel():
        raise ValueError(f"The received image has no pixels: its shape is {tuple(received.shape)}.")
    low, high, slack = float(image.min()), float(image.max()), _evaluation(received)
    if low < -slack or high > 1 + slack:
        raise ValueError(f"Pixels of the received image must be in [0, 1], but they go from {low:g} to {high:g}.")
    return image, box


def received_ends(received: Tensor, attacker: Attacker) -> tuple[Tensor, Tensor]:
    """What T_gamma x can be, exactly, where x' was received: lower and upper ends, (C, H * W), float64.

    The exact attacker evaluates T_gamma x in float64 (see `EVALUATION`) and rounds to the type of ``received``; the
    8-bit attacker also rounds to multiples of 1/255, in either type. Values are at most 1, so that each of the (up to three)
    roundings, of T_gamma x, of 255 T_gamma x and of the quotient by 255, changes a value by at most half of that type's eps.
    """
    if attacker not in ("exact", "8-bit"):
        raise ValueError(f"attacker must be 'exact' or '8-bit', but is {attacker!r}.")
    slack = _evaluation(received) + (0.5 / 255 if attacker == "8-bit" else 0.0)
    image = received.detach().double().flatten(1)
    return (image - slack).clamp(0, 1), (image + slack).clamp(0, 1)


def _evaluation(received: Tensor) -> float:
    """What floating point can have changed in an image of this type."""
    return EVALUATION + 2 * torch.finfo(received.dtype).eps
