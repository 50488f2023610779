"""Numbers that people give, as plain Python values: numpy's and torch's scalars become int and float, all else is refused."""

import math
import operator
from typing import Any

MOST_SAMPLES = 10**7
"""Of one run: more would not fit into memory."""
SMALLEST_ALPHA = 1e-20
"""Smaller probabilities cannot be told from 0 beside 1."""
LARGEST_SIGMA = 100.0
"""Of pixel noise: beyond, multiples of the finest grid of `spt.noise` would not be numbers of float32 any more."""
LARGEST_SEED = (1 << 63) - 1


def real(name: str, value: Any) -> float:
    """A finite number as float; ValueError, naming it, for anything else (True, text, NaN, a tensor of several)."""
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise ValueError(f"{name} must be a number, but is {value!r}.") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, but is {number}.")
    return number


def whole(name: str, value: Any, least: int = 1, most: int = MOST_SAMPLES) -> int:
    """A whole number from ``least`` to ``most`` as int; ValueError, naming it, for anything else (True, 2.0, text)."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be a whole number, but is {value!r}.") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, but is {number}.")
    if number > most:
        raise ValueError(f"{name} must be at most {most:,}, but is {number if number < 10**30 else 'far more'}.")
    return number


def seed_number(value: Any) -> int:
    """A seed: a whole number from 0 to 2^63 - 1."""
    return whole("seed", value, 0, LARGEST_SEED)


def alpha_level(name: str, value: Any) -> float:
    """A probability with which a statement may be wrong: at least `SMALLEST_ALPHA`, less than 1."""
    number = real(name, value)
    if not 0 < number < 1:
        raise ValueError(f"{name} must be greater than 0 and less than 1, but is {number}.")
    if number < SMALLEST_ALPHA:
        raise ValueError(f"{name} must be at least {SMALLEST_ALPHA:g}, but is {number}.")
    return number
