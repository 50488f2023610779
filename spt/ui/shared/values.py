"""The kinds of value that a control can have: which values it holds, and how an address writes and reads them.

Each has ``read`` (the texts of an address; ValueError, a clause that says what is wrong with them), ``holds`` and ``write``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, urlencode

Texts = list[str]
T = TypeVar("T")
N = TypeVar("N", int, float)

LARGEST = float(1 << 63)
LONGEST = 4000
"""Characters of a whole address as one text."""
FEW = 12
"""So many choices are named where a value is none of them."""


def plain(value: object) -> str:
    """A number without superfluous digits, other values as they are."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _shown(number: float) -> str:
    return plain(number).replace("-", "−")


def _one(texts: Texts) -> str:
    if len(texts) != 1:
        raise ValueError("has more than one value" if texts else "has no value")
    return texts[0]


@dataclass(frozen=True)
class Number(Generic[N]):
    """A number between two, both included; whole if these are."""

    low: N
    high: N

    def read(self, texts: Texts) -> N:
        """The value that an address gives."""
        text, whole = _one(texts).strip(), isinstance(self.low, int)
        try:
            number = int(text) if whole and text.lstrip("+-").isdecimal() else float(text)
        except ValueError:
            raise ValueError("is no number") from None
        if isinstance(number, float) and not math.isfinite(
            number
        ):  # of a whole number with 400 digits it cannot be asked
            raise ValueError("is no finite number")
        if not self.low <= number <= self.high:
            raise ValueError(f"is not between {_shown(self.low)} and {_shown(self.high)}")
        if whole and number != int(number):
            raise ValueError("is no whole number")
        return type(self.low)(number)

    def holds(self, value: Any) -> bool:
        """Whether a control can have it."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def write(self, value: N) -> Texts:
        """As an address gives it."""
        return [plain(value)]


@dataclass(frozen=True)
class Pair:
    """Two numbers between two, the smaller one first."""

    low: float
    high: float

    def read(self, texts: Texts) -> tuple[float, float]:
        """The value that an address gives."""
        if len(texts) != 2:
            raise ValueError("does not have two values")
        first, second = (Number(self.low, self.high).read([text]) for text in texts)
        if first > second:
            raise ValueError("has its larger value first")
        return first, second

    def holds(self, value: Any) -> bool:
        """Whether a control can have it."""
        pair = isinstance(value, tuple) and len(value) == 2
        return pair and self.low <= value[0] <= value[1] <= self.high

    def write(self, value: tuple[float, float]) -> Texts:
        """As an address gives it."""
        return [plain(float(end)) for end in value]


@dataclass(frozen=True)
class Choice(Generic[T]):
    """One of several values, which an address names by their ``label``."""

    options: tuple[T, ...]
    label: Callable[[T], str] = field(default=plain, compare=False)

    def read(self, texts: Texts) -> T:
        """The value that an address gives; it may also be named as it is, without its label."""
        text = _one(texts)
        for name in (self.label, plain):
            for option in self.options:
                if name(option) == text:
                    return option
        for option in self.options:
            if isinstance(option, int | float) and _is(text, option):
                return option
        raise ValueError(
            f"is none of {', '.join(map(self.label, self.options))}"
            if len(self.options) <= FEW
            else f"is none of {len(self.options)} choices"
        )

    def holds(self, value: Any) -> bool:
        """Whether a control can have it."""
        return value in self.options

    def write(self, value: T) -> Texts:
        """As an address gives it."""
        return [self.label(value)]


def _is(text: str, number: float) -> bool:
    try:
        return float(text) == number
    except ValueError:
        return False


@dataclass(frozen=True)
class Switch:
    """On or off."""

    def read(self, texts: Texts) -> bool:
        """The value that an address gives."""
        text = _one(texts)
        if text not in ("true", "false"):
            raise ValueError("is neither true nor false")
        return text == "true"

    def holds(self, value: Any) -> bool:
        """Whether a control can have it."""
        return isinstance(value, bool)

    def write(self, value: bool) -> Texts:
        """As an address gives it."""
        return ["true" if value else "false"]


@dataclass(frozen=True)
class Digest:
    """The beginning of a SHA-256, in hexadecimal digits; "" for none."""

    digits: int

    def read(self, texts: Texts) -> str:
        """The value that an address gives."""
        text = _one(texts)
        if not self.holds(text):
            raise ValueError(f"is not {self.digits} hexadecimal digits")
        return text

    def holds(self, value: Any) -> bool:
        """Whether it is one."""
        return isinstance(value, str) and (
            not value or (len(value) == self.digits and all(digit in "0123456789abcdef" for digit in value))
        )

    def write(self, value: str) -> Texts:
        """As an address gives it."""
        return [value]


@dataclass(frozen=True)
class OneText:
    """All that an address names, as one text, such as angle=25&interp_range=-30&interp_range=30."""

    def read(self, texts: Texts) -> dict[str, Texts]:
        """The texts of each name."""
        text = _one(texts)
        if len(text) > LONGEST:
            raise ValueError(f"has more than {LONGEST:,} characters")
        try:
            return parse_qs(text, keep_blank_values=True, strict_parsing=True, max_num_fields=100)
        except ValueError:
            raise ValueError("names no settings, as angle=25&n=200 does") from None

    def holds(self, value: Any) -> bool:
        """Whether it is that."""
        return isinstance(value, dict)

    def write(self, value: dict[str, Texts]) -> Texts:
        """As an address gives it."""
        return [urlencode(value, doseq=True)]
