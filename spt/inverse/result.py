"""What an inverse returns: what each original pixel can be, on what survives of Gamma."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spt.threat_model import Attacker, ReceivedImage


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
        received: x', T, Gamma and the attacker, as they were given.
        boxes: (S, d, 2) float64 on the CPU: the surviving splits; for one parameter in ascending order.
        lower, upper: (S, C, H, W) float64 on the device of x'.
        passes: passes made so far.
        evaluations: splits evaluated, summed over the passes.
        seconds: wall-clock time so far.
        contradiction: the split that died last (of those that died in the same pass the one nearest to survival),
            None if none died.
    """

    received: ReceivedImage
    boxes: Tensor
    lower: Tensor
    upper: Tensor
    passes: int
    evaluations: int
    seconds: float
    contradiction: Contradiction | None

    @property
    def gamma_range(self) -> Tensor:
        """Gamma, (d, 2) float64."""
        return self.received.box

    @property
    def attacker(self) -> Attacker:
        """Who sent x': "exact", or "8-bit", who rounds to multiples of 1/255."""
        return self.received.attacker

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
