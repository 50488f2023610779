"""Numbers as they are shown: rounded to the side on which a bound still holds."""

from collections.abc import Sequence
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


def ranges_in_words(boxes: Sequence[Sequence[tuple[float, float]]], most: int = 4) -> str:
    """The first ranges of a part of Gamma, each one pair for every parameter: [-0.1, 0.1] × [0.5, 0.6] and 3 more."""
    shown = [" × ".join(f"[{low:.4g}, {high:.4g}]" for low, high in ranges) for ranges in boxes[:most]]
    more = len(boxes) - most
    return (", ".join(shown) or "nothing") + (f" and {more} more" if more > 0 else "")
