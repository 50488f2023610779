"""Numbers as they are shown: rounded to the side on which a bound still holds."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

LEAST = 1e-300
"""Positive numbers below are shown as 0 or as this: they have too few digits to be rounded."""


def rounded_down(value: float, digits: int = 3) -> str:
    """A number >= 0 to that many significant digits, rounded down: a bound that is shown must hold as it is shown."""
    exact = Decimal(value if value >= LEAST else 0)
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return f"{float(exact.quantize(step, ROUND_FLOOR)):.{digits}g}" if exact else "0"


def rounded_up(value: float, digits: int = 3) -> str:
    """A number >= 0 to that many significant digits, rounded up: for bounds from above."""
    exact = Decimal(max(value, LEAST) if value else 0)
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return f"{float(exact.quantize(step, ROUND_CEILING)):.{digits}g}" if exact else "0"


def quantity(value: float, unit: str) -> str:
    """A radius that was computed, with its unit, always three significant digits, rounded down: 26.4°, 6.00° or 3.90 px."""
    kept = float(rounded_down(value))
    digits = f"{kept:#.3g}".rstrip(".") if kept else "0"
    return f"{digits}{'' if unit == '°' else ' '}{unit}"


def given(value: float, unit: str) -> str:
    """A number that was given, exactly as it is, with its unit: 50° or 0.25 px."""
    return f"{value:.10g}{'' if unit == '°' else ' '}{unit}"


def confidence(alpha: float) -> str:
    """1 - alpha, rounded down to as many digits as tell it from 1: 0.99 for 0.01, 0.9999999 for 1e-7."""
    error = Decimal(repr(alpha))
    step = Decimal(1).scaleb(min(-4, error.adjusted() - 1))
    return format((1 - error).quantize(step, ROUND_FLOOR).normalize(), "f")


def computed_in_words(device: str, number_format: str, grid: float) -> str:
    """Where and how f answered: cpu, network in float32, input rounded to multiples of 2^-10."""
    return f"{device}, network in {number_format}, its input rounded to multiples of 2^{math.frexp(grid)[1] - 1}"
