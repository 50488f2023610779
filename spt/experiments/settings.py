"""The settings of experiments: which values each may have, and how they are read from text."""

import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from types import UnionType
from typing import Any

from spt.plain_numbers import LARGEST_SEED, LARGEST_SIGMA, MOST_SAMPLES, SMALLEST_ALPHA

LARGEST = 3600.0
"""The largest size of a transformation, in ° or px: bounds do not go further."""
SMALLEST = 1e-6


@dataclass(frozen=True)
class Range:
    """Numbers from ``least`` to ``most``; ``below``: the latter does not belong to it."""

    least: float
    most: float
    below: bool = False

    def __contains__(self, value: float) -> bool:
        return self.least <= value < self.most if self.below else self.least <= value <= self.most

    def __str__(self) -> str:
        return f"from {in_words(self.least)} to {'less than ' if self.below else ''}{in_words(self.most)}"


def in_words(value: float) -> str:
    """A number as it can be typed."""
    return str(value) if isinstance(value, int) else f"{value:g}"


SIZE = Range(SMALLEST, LARGEST)
PIXEL_SIGMA = Range(0.0, LARGEST_SIGMA)
PROBABILITY = Range(SMALLEST_ALPHA, 1.0, below=True)
COUNT = Range(1, MOST_SAMPLES)
SEED = Range(0, LARGEST_SEED)
ATTACKS = Range(1, 1_000_000)
PASSES = Range(0, 1000)

RANGES: Mapping[str, Range] = {
    "images": COUNT,
    "first": Range(0, MOST_SAMPLES),
    "every": Range(1, MOST_SAMPLES),
    "seed": SEED,
    "limit": SIZE,
    "further_limit": SIZE,
    "parameter_sigma": SIZE,
    "pixel_sigma": PIXEL_SIGMA,
    "alpha": PROBABILITY,
    "rho": Range(SMALLEST_ALPHA, 0.5, below=True),
    "n_points": ATTACKS,
    "k": ATTACKS,
    "keep": Range(1, 1000),
    "refinements": PASSES,
    "max_evaluations": COUNT,
    "split_width": SIZE,
    "width": SIZE,
    "min_width": SIZE,
}
"""By the name of a setting; those whose names begin with n_ are counts."""


def _options(hint: Any) -> list[Any]:
    """What a type allows: the words of a Literal, or the types of a union."""
    if typing.get_origin(hint) in (typing.Union, UnionType, typing.Literal):
        return list(typing.get_args(hint))
    return [hint]


def checked(name: str, value: Any, hint: Any, own: Range | None = None) -> Any:
    """A setting as a plain value of its type; ValueError, one sentence with the name, if it is none or out of range (``own``, or
    that of its name)."""
    options = _options(hint)
    if value is None and type(None) in options:
        return None
    kinds = [option for option in options if option is not type(None)]
    number = isinstance(value, Real) and not isinstance(value, bool)
    if kinds == [int]:
        range_ = RANGES.get(name, COUNT if name.startswith("n_") else Range(0, MOST_SAMPLES))
        if not number or not isinstance(value, Integral) or int(value) not in range_:
            raise ValueError(f"{name} must be a whole number {range_}, but is {value!r}.")
        return int(value)
    if kinds == [float]:
        wanted = own or RANGES.get(name)
        if not number or not math.isfinite(value) or (wanted is not None and value not in wanted):
            raise ValueError(
                f"{name} must be a {'finite number' if wanted is None else f'number {wanted}'}, but is {value!r}."
            )
        return float(value)
    if kinds == [str]:
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name} must be a name, but is {value!r}.")
        return value
    if value not in kinds:
        raise ValueError(f"{name} must be one of {', '.join(map(str, kinds))}, but is {value!r}.")
    return value


def from_text(value: Any, hint: Any) -> Any:
    """A setting given as text, as a value of its type where it is one; else as it is, for `checked` to refuse."""
    options = _options(hint)
    if not isinstance(value, str):
        return value
    if value == "none" and type(None) in options:
        return None
    for kind in (int, float):
        if kind in options:
            try:
                return kind(value)
            except ValueError:
                return value
    return value
