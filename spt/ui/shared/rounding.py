"""Numbers as pages show them: to three significant digits, rounded so that a bound still holds."""

from spt.certificates import rounded_down, rounded_up


def at_most(value: float) -> str:
    """A number >= 0 to three significant digits, rounded up: an upper bound must hold as it is shown."""
    return _three_digits(float(rounded_up(value)))


def at_least(value: float) -> str:
    """A number >= 0 to three significant digits, rounded down: a lower bound must hold as it is shown."""
    return _three_digits(float(rounded_down(value)))


def about(value: float) -> str:
    """A number to three significant digits, rounded to nearest: neither a lower nor an upper bound."""
    return _three_digits(value)


def _three_digits(value: float) -> str:
    return f"{value:#.3g}".rstrip(".") if value and 1e-4 <= abs(value) < 1e6 else f"{value:.3g}"
