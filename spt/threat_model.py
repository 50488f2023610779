"""Who attacks, with what, on which image: Gamma, the attacker and his rounding, and which arguments make sense.

What bounds, the inverse and defences share: `AttackedImage` for whoever knows the original x, `ReceivedImage` for a receiver of
x' = T_gamma x. A range of attacks Gamma is a box of parameters, (d, 2).
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from spt.preprocessing import Preprocessing
from spt.rounding_slack import norm_inflation
from spt.transforms import Transform

Attacker = Literal["exact", "8-bit"]
Range = Sequence[float] | Sequence[Sequence[float]] | Tensor
"""Gamma as a person gives it: (lower, upper) for all parameters, or one such pair for each, (d, 2)."""
Points = Tensor | Sequence[float] | Sequence[Sequence[float]] | float
"""N parameter points (betas, samples b') as a person gives them: (N, d), or N numbers where d = 1."""
LARGEST_SIDE = 4096
"""Pixels a side: what the proofs about rounding assume."""
MEMORY_BUDGET = 1 << 30
"""Bytes of working memory that a bound plans for, unless told otherwise."""

EVALUATION = 1e-9
"""How far T_gamma x in float64 (`spt.transforms`) can be from exact arithmetic, x in [0, 1]: for |gamma| <= 3600 degrees
and sides of at most 4096 pixels the source is off by less than 2e-10 pixels, which counts at most twice, and the sum of four
products and the coordinates inside by less than 1e-12."""

Bounding = Literal["whole range", "cells", "slices", "inverse"]
"""What is bounded: one error or one ball for the whole attack range; balls of cells of it with a sample b'; balls of cells alone,
where nothing is smoothed over parameters; what a receiver can know of the original."""
BOUNDS: dict[str, tuple[Bounding, ...]] = {
    "rotation": ("whole range", "cells", "slices", "inverse"),
    "translation": ("whole range", "cells", "slices", "inverse"),
    "scaling": ("cells", "slices"),
    "shear": ("cells", "slices"),
    "brightness": ("slices",),
    "contrast": ("slices",),
    "rotation-brightness": ("slices",),
    "rotation-scaling": ("slices",),
}
"""Which bounds there are of which transformation; what is not named here has none."""
_IN_WORDS: dict[Bounding, str] = {
    "whole range": "bound over a whole attack range",
    "cells": "bound of cells with samples",
    "slices": "bound of cells",
    "inverse": "inverse",
}


def bounded_transforms(what: Bounding) -> tuple[str, ...]:
    """Names of the transformations for which there is this bound."""
    return tuple(name for name, known in BOUNDS.items() if what in known)


def check_bounded(transform: Transform, what: Bounding) -> None:
    """ValueError if there is no such bound for this transformation; it names what there is."""
    known = BOUNDS.get(transform.name, ())
    if what in known:
        return
    *others, last = bounded_transforms(what) if known else BOUNDS
    there = f"only for {', '.join(others)} and {last}"
    if not known:
        raise ValueError(f"There is no bound for {transform.name}, {there}.")
    only = "" if "cells" in known else ", without smoothing over it (parameter_sigma 0)"
    raise ValueError(
        f"There is no {_IN_WORDS[what]} for {transform.name}, {there}: for {transform.name} DistSPT^x with cells proves"
        f"{only} (--defence dist-x --form cells)."
    )


def as_image(image: Tensor) -> Tensor:
    """``image`` as a float64 (C, H, W) tensor; ValueError if it is not one image of finite floats or too large."""
    if not isinstance(image, Tensor):
        raise ValueError(f"The image must be a tensor of shape (C, H, W), but is a {type(image).__name__}.")
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


def as_range(transform: Transform, gamma_range: Range) -> Tensor:
    """Gamma as a float64 tensor (d, 2) of [lower, upper]; one pair serves all parameters.

    Raises ValueError if it is no range of numbers, empty, reversed, of the wrong shape or not finite.
    """
    try:
        bounds = torch.as_tensor(gamma_range, dtype=torch.float64).cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"gamma_range must be numbers (lower, upper), but is {gamma_range!r}.") from error
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


def as_points(transform: Transform, points: Points) -> Tensor:
    """Parameter points as (N, d) float64 on the CPU; ValueError if there is none or they are absurdly large."""
    values = transform.as_parameters(points).cpu()
    if not len(values):
        raise ValueError("At least one parameter point (beta) is needed, but the list is empty.")
    if float(values.abs().max()) > 1e4:
        raise ValueError(f"Parameters beyond ±10,000 {transform.unit} lose too many digits: {values.abs().max():g}.")
    return values


def check_attacker(attacker: str) -> None:
    """ValueError if there is no such attacker."""
    if attacker not in ("exact", "8-bit"):
        raise ValueError(f"attacker must be 'exact' or '8-bit', but is {attacker!r}.")


def _check_eight_bits(image: Tensor) -> None:
    """ValueError unless an attacker could store the image in 8 bits, as it is."""
    if image.numel() and not 0 <= float(image.min()) <= float(image.max()) <= 1:
        raise ValueError(
            f"An 8-bit attacker needs an image in [0, 1], but this one has {float(image.min()):g} to {float(image.max()):g}."
        )


def _check_clipped(transform: Transform, image: Tensor) -> None:
    """ValueError unless the image is one that T_0, which clips, leaves as it is."""
    if image.numel() and not 0 <= float(image.min()) <= float(image.max()) <= 1:
        raise ValueError(
            f"{transform.name} needs an image in [0, 1], but this one has {float(image.min()):g} to {float(image.max()):g}."
        )


def attacker_rounding(preprocessing: Preprocessing, attacker: Attacker, image: Tensor) -> float:
    """What rounding the attacked image to 8 bits can add to the error: ||P 1|| / 510 over all channels, else 0.

    Rounding changes each pixel by d with |d| <= 0.5/255. A_beta and P are non-negative and the rows of A_beta sum to
    at most 1, so |P A_beta d| <= P 1 / 510 in each pixel. As rows of P sum to at most 1 and vanish outside the
    vignette this is at most sqrt(number of pixels inside the vignette x C) / 510, for every P
    (docs/mathematics.md, section 4).
    """
    check_attacker(attacker)
    if attacker == "exact":
        return 0.0
    _check_eight_bits(image)
    ones = preprocessing(torch.ones(image.shape, dtype=torch.float64))
    return float(ones.norm()) / 510 * (1 + 1e-9) * norm_inflation(preprocessing, image)


@dataclass(frozen=True, eq=False)
class AttackedImage:
    """An image x of which the classifier is shown P T_gamma x, for any gamma in Gamma: what a bound is about.

    Attributes:
        image: x, (C, H, W), of any floating type and on any device; "8-bit" needs values in [0, 1].
        transform: T, the family of transformations, with d parameters.
        preprocessing: P, what comes before the network.
        gamma_range: Gamma as it was given, (lower, upper) or one such pair for each parameter, in the parameters' units.
        attacker: "exact", or "8-bit": who rounds the attacked image to multiples of 1/255. A T that changes values clips to
            [0, 1] before that, for both.

    ValueError if one of them is impossible, or not for this image.
    """

    image: Tensor
    transform: Transform
    preprocessing: Preprocessing
    gamma_range: Range
    _: KW_ONLY
    attacker: Attacker = "exact"

    def __post_init__(self) -> None:
        check_attacker(self.attacker)
        if self.attacker == "8-bit":
            _check_eight_bits(self.pixels)
        elif not self.transform.linear:
            _check_clipped(self.transform, self.pixels)
        self.preprocessing.output_size(self.pixels.shape[1], self.pixels.shape[2])  # refuses an image that is too small
        self.box  # noqa: B018 - ValueError unless it is a range

    @cached_property
    def pixels(self) -> Tensor:
        """x in float64, (C, H, W), on its device."""
        return as_image(self.image)

    @cached_property
    def box(self) -> Tensor:
        """Gamma as (d, 2) float64 on the CPU: lower and upper end of each parameter."""
        return as_range(self.transform, self.gamma_range)

    @cached_property
    def rounding(self) -> float:
        """What the attacker's rounding can add to an error, whatever beta is: see `attacker_rounding`."""
        return attacker_rounding(self.preprocessing, self.attacker, self.image)


@dataclass(frozen=True, eq=False)
class ReceivedImage:
    """What an attacker has sent: x' = T_gamma x for some x in [0, 1] and gamma in Gamma, which the receiver does not know.

    Attributes:
        image: x', (C, H, W), values in [0, 1], in the floating type in which the attacker left it.
        transform: T, with d parameters, for which there is a bound.
        gamma_range: Gamma as it was given, (lower, upper) or one such pair for each parameter, in degrees or pixels.
        attacker: "exact", or "8-bit": x' was rounded to multiples of 1/255.

    ValueError if one of them is impossible.
    """

    image: Tensor
    transform: Transform
    gamma_range: Range
    _: KW_ONLY
    attacker: Attacker = "8-bit"

    def __post_init__(self) -> None:
        check_bounded(self.transform, "inverse")
        check_attacker(self.attacker)
        self.box  # noqa: B018 - ValueError unless it is a range
        if not self.pixels.numel():
            raise ValueError(f"The received image has no pixels: its shape is {tuple(self.image.shape)}.")
        low, high = float(self.pixels.min()), float(self.pixels.max())
        if low < -self._evaluation or high > 1 + self._evaluation:
            raise ValueError(f"Pixels of the received image must be in [0, 1], but they go from {low:g} to {high:g}.")

    @cached_property
    def pixels(self) -> Tensor:
        """x' in float64, (C, H, W), on its device."""
        return as_image(self.image)

    @cached_property
    def box(self) -> Tensor:
        """Gamma as (d, 2) float64 on the CPU: lower and upper end of each parameter."""
        return as_range(self.transform, self.gamma_range)

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """What T_gamma x can be, exactly, where x' was received: lower and upper ends, (C, H, W), float64.

        The exact attacker evaluates T_gamma x in float64 (see `EVALUATION`) and rounds to the type of the image; the
        8-bit attacker also rounds to multiples of 1/255, in either type. Values are at most 1, so that each of the (up to
        three) roundings, of T_gamma x, of 255 T_gamma x and of the quotient by 255, changes a value by at most half of
        that type's eps.
        """
        slack = self._evaluation + (0.5 / 255 if self.attacker == "8-bit" else 0.0)
        return (self.pixels - slack).clamp(0, 1), (self.pixels + slack).clamp(0, 1)

    @property
    def _evaluation(self) -> float:
        """What floating point can have changed in an image of this type."""
        return EVALUATION + 2 * torch.finfo(self.image.dtype).eps
