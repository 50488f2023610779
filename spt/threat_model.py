"""Who attacks, with what, on which image: Gamma, the attacker and his rounding, and which arguments make sense.

What bounds, the inverse and defences share. A range of attacks Gamma is a box of parameters, (d, 2).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from spt.preprocessing import Preprocessing
from spt.rounding_slack import norm_inflation
from spt.transforms import Transform

Attacker = Literal["exact", "8-bit"]
LARGEST_SIDE = 4096
"""Pixels a side: what the proofs about rounding assume."""
MEMORY_BUDGET = 1 << 30
"""Bytes of working memory that a bound plans for, unless told otherwise."""

BOUNDED = ("rotation", "translation")
"""Names of the transformations whose interpolation error can be bounded."""


def check_bounded(transform: Transform) -> None:
    """ValueError if there is no bound for this transformation."""
    if transform.name not in BOUNDED:
        raise ValueError(f"There is no bound for {transform.name}, only for {' and '.join(BOUNDED)}.")


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
