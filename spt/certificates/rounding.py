"""Numbers as they are shown: rounded to the side on which a bound still holds."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal


def rounded_down(value: float, digits: int = 3) -> str:
    """A number >= 0 to that many significant digits, rounded down: a bound that is shown must hold as it is shown."""
    exact = Decimal(value)
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return f"{float(exact.quantize(step, ROUND_FLOOR)):.{digits}g}" if exact else "0"


def rounded_up(value: float, digits: int = 3) -> str:
    """A number >= 0 to that many significant digits, rounded up: for bounds from above."""
    exact = Decimal(value)
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return f"{float(exact.quantize(step, ROUND_CEILING)):.{digits}g}" if exact else "0"


def quantity(value: float, unit: str) -> str:
    """A radius or noise level with its unit, three significant digits, rounded down: 26.4° or 1.25 px."""
    return f"{rounded_down(value)}{'' if unit == '°' else ' '}{unit}"
