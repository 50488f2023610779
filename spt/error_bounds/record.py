"""What a bound on the interpolation error returns, and what all bounds share: arguments, attackers, rounding slack."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from spt.preprocessing import Preprocessing
from spt.transforms import Transform

Attacker = Literal["exact", "8-bit"]
LARGEST_SIDE = 4096
"""Pixels a side: what the proofs about rounding assume."""
MEMORY_BUDGET = 1 << 30
"""Bytes of working memory that a bound plans for, unless told otherwise."""


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


@dataclass
class Stopwatch:
    """Seconds since it was made."""

    start: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Wall-clock time since then."""
        return time.perf_counter() - self.start


def as_image(image: Tensor) -> Tensor:
    """``image`` as a float64 (C, H, W) tensor; ValueError if it is not one image of finite floats or too large."""
    if image.ndim != 3:
        raise ValueError(f"One image of shape (C, H, W) is needed, but got {tuple(image.shape)}.")
    if not image.dtype.is_floating_point:
        raise ValueError(f"The image must be floating point (8-bit values divided by 255), but is {image.dtype}.")
    if max(image.shape[1:]) > LARGEST_SIDE:
        raise ValueError(f"Images of up to {LARGEST_SIDE} pixels a side are supported, not {tuple(image.shape)}.")
    if not torch.isfinite(image).all():
        raise ValueError("The image contains values that are not finite numbers.")
    largest = float(image.detach().abs().max()) if image.numel() else 0.0
    if largest != 0 and not 1e-20 < largest < 1e20:
        raise ValueError(f"The largest pixel is {largest:g}; pixel values of about 0 to 1 are needed.")
    return image.detach().double()


def as_range(transform: Transform, gamma_range: Sequence[float] | Sequence[Sequence[float]] | Tensor) -> Tensor:
    """Gamma as a float64 tensor (d, 2) of [lower, upper]; one pair serves all parameters.

    Raises ValueError if it is empty, reversed, of the wrong shape or not finite.
    """
    bounds = torch.as_tensor(gamma_range, dtype=torch.float64).cpu()
    if bounds.shape == (2,):
        bounds = bounds.expand(transform.dimensions, 2)
    if bounds.shape != (transform.dimensions, 2):
        raise ValueError(
            f"gamma_range must be (lower, upper) or one such pair for each of the {transform.dimensions} parameters, "
            f"but has shape {tuple(bounds.shape)}."
        )
    if not torch.isfinite(bounds).all() or (bounds[:, 0] > bounds[:, 1]).any():
        raise ValueError(f"gamma_range must be finite and from low to high, but is {bounds.tolist()}.")
    if float(bounds.abs().max()) > 3600:
        raise ValueError(f"gamma_range beyond ±3600 {transform.unit} is not supported: {bounds.tolist()}.")
    return bounds.clone()


def as_points(transform: Transform, points: Tensor | Sequence[float] | Sequence[Sequence[float]] | float) -> Tensor:
    """Parameter points as (N, d) float64 on the CPU; ValueError if there is none or they are absurdly large."""
    values = transform.as_parameters(points).cpu()
    if not len(values):
        raise ValueError("At least one parameter point (beta) is needed, but the list is empty.")
    if float(values.abs().max()) > 1e4:
        raise ValueError(f"Parameters beyond ±10,000 {transform.unit} lose too many digits: {values.abs().max():g}.")
    return values


def attacker_rounding(preprocessing: Preprocessing, attacker: Attacker, image: Tensor) -> float:
    """What rounding the attacked image to 8 bits can add to the error: ||P 1|| / 510 over all channels, else 0.

    Rounding changes each pixel by d with |d| <= 0.5/255. A_beta and P are non-negative and the rows of A_beta sum to
    at most 1, so |P A_beta d| <= P 1 / 510 in each pixel. As rows of P sum to at most 1 and vanish outside the
    vignette this is at most sqrt(number of pixels inside the vignette x C) / 510, for every P
    (docs/mathematics.md, section 4).
    """
    if attacker == "exact":
        return 0.0
    if attacker != "8-bit":
        raise ValueError(f"attacker must be 'exact' or '8-bit', but is {attacker!r}.")
    if image.numel() and not 0 <= float(image.min()) <= float(image.max()) <= 1:
        raise ValueError(
            f"An 8-bit attacker needs an image in [0, 1], but this one has {float(image.min()):g} to {float(image.max()):g}."
        )
    ones = preprocessing(torch.ones(image.shape, dtype=torch.float64))
    return float(ones.norm()) / 510 * (1 + 1e-9) * norm_inflation(preprocessing, image)


def inside_vignette(preprocessing: Preprocessing, image: Tensor) -> Tensor:
    """Positions of the pixels of P x (C, H', W'), flattened, that the vignette keeps; all others are always 0."""
    rows, columns = preprocessing.output_size(image.shape[1], image.shape[2])
    return preprocessing.mask(rows, columns).expand(len(image), -1, -1).flatten().nonzero()[:, 0].to(image.device)


def norm_inflation(preprocessing: Preprocessing, image: Tensor) -> float:
    """A factor above 1 by which a computed norm of an image P x can be too small, whatever its size.

    With u = 2^-53 and n pixels: in whatever order n squares are summed, the relative error of the sum is at most (n + 1) u,
    that of the root half of it and u; differences of which the norm is taken, and a few products and sums of norms that follow,
    have relative errors of u each. In all less than (n + 64) u; the factor grants twice that. It leaves 0 at 0, and it
    is needed beside `float_slack`, which is 0 where nothing is inside the vignette and knows nothing of given centres.
    """
    count = len(image) * math.prod(preprocessing.output_size(image.shape[1], image.shape[2]))
    return 1 + (count + 64) * 2.0**-52


def float_slack(preprocessing: Preprocessing, image: Tensor, per_pixel: float) -> float:
    """Norm of what finite precision can change: ``per_pixel`` times the largest pixel, on all pixels of P x.

    ``per_pixel`` bounds the error of this package's own float64 computation, relative to the largest absolute pixel;
    each bound derives its own. For images of fewer digits than float64 the error of a pipeline that rounds to that
    type after each step is added, so that a float32 evaluation of e does not exceed the bound either: the two warps
    round once each; P's sums are of non-negative products, at most (taps of resize + taps of blur) on each axis, and
    a sum of n rounded products of rounded weights has relative error below (n + 2) u. All on both terms of e.
    """
    channels, height, width = image.shape
    rows, columns = preprocessing.output_size(height, width)
    unit = torch.finfo(image.dtype).eps / 2
    if image.dtype != torch.float64:
        taps = max(1, preprocessing.blur_size)
        if preprocessing.resize is not None:
            taps += 2 * math.ceil(max(height, width) / min(preprocessing.resize, height, width)) + 2
        per_pixel += 2 * unit * (2 * (taps + 4) + 4)
    inside = int(preprocessing.mask(rows, columns).sum()) * channels
    return per_pixel * float(image.detach().double().abs().max()) * math.sqrt(inside) if image.numel() else 0.0
