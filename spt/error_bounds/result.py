"""What a bound on the interpolation error returns."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from spt.threat_model import Attacker


@dataclass(frozen=True, eq=False)
class ErrorBound:
    """Bounds of ``max over gamma in Gamma of ||e(beta, gamma)||``, e = P (A_beta A_gamma - A_{beta+gamma}) x.

    Attributes:
        values: (N,) float64 on the CPU, one for each beta. Upper bounds (with the attacker's rounding term), except
            for method "sampled": lower bounds.
        sampled: (N,) the largest error seen at any evaluated gamma plus the rounding term: the true maximum for the
            attacker lies in [sampled - rounding, values].
        method: "sampled", "chord", "vertices", "interval" or "naive interval".
        is_upper: whether ``values`` are proved upper bounds.
        attacker: "exact", or "8-bit" when the attacked image is rounded to multiples of 1/255.
        rounding: the rounding term contained in ``values`` (0 for the exact attacker), a number or (N,).
        evaluations: (N,) number of splits (sampled and vertices: points) evaluated for each beta.
        seconds: wall-clock time of the whole call.
        worst: (N, d, 2) the split with the largest bound (sampled and vertices: the point twice).
        holds: (N,) bool or None: in a decision, whether ``values <= target`` was proved.
        splits: for each beta the final partition of Gamma, (M, d, 2), and
        split_values: its bounds, (M,), with the rounding term. Empty unless asked for.
        lower, upper: (C, H', W') per-pixel enclosure of e on the worst split of the first beta, or None.
    """

    values: Tensor
    sampled: Tensor
    method: str
    is_upper: bool
    attacker: Attacker
    rounding: float | Tensor
    evaluations: Tensor
    seconds: float
    worst: Tensor
    holds: Tensor | None = None
    splits: tuple[Tensor, ...] = ()
    split_values: tuple[Tensor, ...] = ()
    lower: Tensor | None = None
    upper: Tensor | None = None


@dataclass(frozen=True, eq=False)
class SampleBound:
    """Balls that contain what the classifier can be shown when a smoothing sample lands on b' = beta + gamma.

    K(b') = {P A_{b'-gamma} A_gamma x : gamma in Gamma} lies within ``values`` of ``centres``
    (docs/mathematics.md, section 9).

    Attributes:
        centres: (N, C, H', W') float64, z(b').
        bound: distances to the centres: ``bound.values`` (N,) are proved upper bounds of the radius.
        centre: "shifted" (z = P A_{b'} x) or "recentred".
    """

    centres: Tensor
    bound: ErrorBound
    centre: Literal["shifted", "recentred"]

    @property
    def values(self) -> Tensor:
        """(N,) the radii r(b'), with the attacker's rounding term."""
        return self.bound.values
