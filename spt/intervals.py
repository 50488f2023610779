"""Interval arithmetic on tensors, rounded outward: every result contains the exact one.

Policy
------
- An Interval is, elementwise, the closed set of real numbers {x : lower <= x <= upper}. Infinite endpoints mean that
  the set is unbounded; infinity itself is never an element.
- **Containment.** The result of an operation contains {op(x, y) : x in X, y in Y}, real numbers computed exactly,
  whatever the rounding of the device. It rests on the IEEE 754 operations + - * / sqrt and comparison alone, never on
  the accuracy of a library's sin or cos; for float32 and float64, on CPU and CUDA, in eager mode (a compiler may
  replace divisions and contract products with sums).
- **Subnormal numbers** are never endpoints: they are rounded outward to 0 or to the smallest normal number. So all
  statements also hold where the device flushes them to zero (`torch.set_flush_denormal`).
- **Empty** sets are represented by [inf, -inf]; `meet` makes them, and every operation on an empty set is empty.
- Functions are evaluated where they are defined: sqrt([-1, 4]) contains [0, 2].
- **Never silently wrong.** NaN, swapped endpoints, mixed dtypes or devices, division by an interval that contains 0,
  and comparisons that hold for some elements of the sets but not for others raise ValueError.
- Python numbers stand for their exact value: 0.1 in float32 becomes the two neighbours of the double 0.1. Tensors
  stand for points.

Source: IEEE 1788-2015 (set-based intervals); Moore, Kearfott and Cloud, Introduction to Interval Analysis (2009).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational, Real
from typing import Any, TypeAlias, final

import torch
from torch import Tensor

Operand: TypeAlias = "Interval | Tensor | float | Fraction"

# pi to 80 decimals, rounded down and up.
_PI_LOWER = Fraction(314159265358979323846264338327950288419716939937510582097494459230781640628620899, 10**80)
_PI_UPPER = _PI_LOWER + Fraction(1, 10**80)


def _up(x: Tensor) -> Tensor:
    """A number, not subnormal, that is at least every real number that rounds to x (even if flushed to zero)."""
    tiny = torch.finfo(x.dtype).tiny
    above = torch.nextafter(x, torch.full_like(x, math.inf))
    return torch.where((x >= -tiny) & (x < tiny), torch.where(x < 0, 0.0, torch.full_like(x, tiny)), above)


def _down(x: Tensor) -> Tensor:
    return -_up(-x)


def _without_subnormals_up(x: Tensor) -> Tensor:
    """x with subnormal numbers rounded up. On the bits, as arithmetic may take them for zero."""
    bits, tiny = (torch.int32, 2**23) if x.dtype == torch.float32 else (torch.int64, 2**52)
    pattern = x.view(bits)
    magnitude = pattern & torch.iinfo(bits).max
    rounded = torch.where(pattern < 0, 0.0, torch.full_like(x, torch.finfo(x.dtype).tiny))
    return torch.where((magnitude > 0) & (magnitude < tiny), rounded, x)


@final
@dataclass(frozen=True, eq=False)
class Interval:
    """A tensor of closed intervals; see the module's policy. `lower` and `upper` have one shape, dtype and device.

    Raises ValueError where lower <= upper does not hold, unless the element is the empty set [+inf, -inf].
    The endpoints must not be written to afterwards.
    """

    lower: Tensor
    upper: Tensor

    __array_ufunc__ = None  # numpy scalars on the left leave the operation to this class

    def __post_init__(self) -> None:
        lower, upper = self.lower, self.upper
        if lower.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype = {lower.dtype} must be float32 or float64; convert the endpoints first")
        for name in ("shape", "dtype", "device"):
            if getattr(lower, name) != getattr(upper, name):
                raise ValueError(f"{name}s of the endpoints differ: {getattr(lower, name)} and {getattr(upper, name)}")
        proper = (lower <= upper) & (lower < math.inf) & (upper > -math.inf)
        bad = ~(proper | ((lower == math.inf) & (upper == -math.inf)))
        if bad.any():
            raise ValueError(
                f"[{lower[bad][0].item()}, {upper[bad][0].item()}] is not a set of real numbers: "
                "lower <= upper must hold; [inf, -inf] is the empty set"
            )
        object.__setattr__(self, "lower", -_without_subnormals_up(-lower))
        object.__setattr__(self, "upper", _without_subnormals_up(upper))

    @classmethod
    def _trusted(cls, lower: Tensor, upper: Tensor) -> Interval:
        """Endpoints that already satisfy the invariants: no check, no synchronisation with the device."""
        interval = object.__new__(cls)
        object.__setattr__(interval, "lower", lower)
        object.__setattr__(interval, "upper", upper)
        return interval

    @classmethod
    def _rounded(
        cls, lower: Tensor, upper: Tensor, not_negative: Tensor, not_positive: Tensor, empty: Tensor, steps: int = 1
    ) -> Interval:
        """Round outward by `steps` neighbours; a known sign of the exact result survives, and so does an exact 0."""
        for _ in range(steps):
            lower, upper = _down(lower), _up(upper)
        lower = torch.where(not_negative, lower.clamp(min=0.0), lower)
        upper = torch.where(not_positive, upper.clamp(max=0.0), upper)
        return cls._trusted(lower.masked_fill(empty, math.inf), upper.masked_fill(empty, -math.inf))

    # ------------------------------------------------------------------------------------------------------ making

    @classmethod
    def point(cls, x: Tensor) -> Interval:
        """The sets {x} (their smallest enclosures where x is subnormal)."""
        return cls(x, x)

    @classmethod
    def enclosing(
        cls, number: float | Fraction | Real, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
    ) -> Interval:
        """The smallest interval, of shape (), that contains an exact real number: float, int or Fraction."""
        if not (isinstance(number, Rational) or math.isfinite(number)):
            raise ValueError(f"{number} is not a real number")
        exact = Fraction(number) if isinstance(number, Rational) else Fraction(float(number))
        try:
            nearest = torch.tensor(float(exact), dtype=dtype, device=device)
        except OverflowError:
            nearest = torch.tensor(math.inf if exact > 0 else -math.inf, dtype=dtype, device=device)
        value = nearest.item()
        return cls(nearest if value <= exact else _down(nearest), nearest if value >= exact else _up(nearest))

    def _operand(self, other: object) -> Interval:
        """`other` as an Interval of this dtype and device."""
        if isinstance(other, Tensor):
            y = Interval.point(other)
        elif isinstance(other, float | Fraction | Real):
            y = Interval.enclosing(other, self.dtype, self.device)
        elif isinstance(other, Interval):
            y = other
        else:
            raise ValueError(
                f"cannot combine an Interval with {type(other).__name__}; use an Interval, tensor or number"
            )
        if (y.dtype, y.device) != (self.dtype, self.device):
            raise ValueError(f"{self.dtype} on {self.device} meets {y.dtype} on {y.device}; convert one of them first")
        return y

    # --------------------------------------------------------------------------------------------------- inspecting

    @property
    def shape(self) -> torch.Size:
        """Shape of both endpoints."""
        return self.lower.shape

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of both endpoints."""
        return self.lower.dtype

    @property
    def device(self) -> torch.device:
        """Device of both endpoints."""
        return self.lower.device

    @property
    def is_empty(self) -> Tensor:
        """Elementwise: is this the empty set?"""
        return self.lower > self.upper

    def contains(self, other: Operand) -> Tensor:
        """Elementwise: is every element of `other` (a set, or a number) an element? The empty set always is."""
        other = self._operand(other)  # the empty set passes: inf and -inf are beyond all endpoints
        return (self.lower <= other.lower) & (other.upper <= self.upper)

    def __getitem__(self, index: Any) -> Interval:
        return Interval._trusted(self.lower[index], self.upper[index])

    def to(self, dtype: torch.dtype) -> Interval:
        """The smallest enclosure in another precision: exact from float32 to float64."""
        lower, upper = self.lower.to(dtype), self.upper.to(dtype)
        lower = torch.where(lower.to(self.dtype) <= self.lower, lower, _down(lower))
        upper = torch.where(upper.to(self.dtype) >= self.upper, upper, _up(upper))
        return Interval._trusted(-_without_subnormals_up(-lower), _without_subnormals_up(upper))

    # --------------------------------------------------------------------------------------------------------- sets

    def hull(self, other: Operand) -> Interval:
        """The smallest interval that contains both sets. Exact."""
        other = self._operand(other)
        return Interval._trusted(torch.minimum(self.lower, other.lower), torch.maximum(self.upper, other.upper))

    def meet(self, other: Operand) -> Interval:
        """The intersection, which may be empty. Exact."""
        other = self._operand(other)
        lower, upper = torch.maximum(self.lower, other.lower), torch.minimum(self.upper, other.upper)
        empty = lower > upper
        return Interval._trusted(lower.masked_fill(empty, math.inf), upper.masked_fill(empty, -math.inf))

    # --------------------------------------------------------------------------------------------------- arithmetic

    def __neg__(self) -> Interval:
        return Interval._trusted(-self.upper, -self.lower)

    def __add__(self, other: Operand) -> Interval:
        y = self._operand(other)
        return Interval._rounded(
            self.lower + y.lower,
            self.upper + y.upper,
            not_negative=self.lower >= -y.lower,  # comparison is exact, addition is not
            not_positive=self.upper <= -y.upper,
            empty=self.is_empty | y.is_empty,
        )

    def __sub__(self, other: Operand) -> Interval:
        return self + -self._operand(other)

    def __mul__(self, other: Operand) -> Interval:
        y = self._operand(other)
        # 0 * inf is 0: the other factor is a real number, however large.
        corners = [(a * b).masked_fill((a == 0) | (b == 0), 0.0) for a, b in _corners(self, y)]
        return _from_corners(corners, self, y, steps=1)

    def __truediv__(self, other: Operand) -> Interval:
        """Raises ValueError where the divisor contains 0."""
        y = self._operand(other)
        if ((y.lower <= 0) & (y.upper >= 0)).any():
            raise ValueError("division by an interval that contains 0; meet it with the possible values first")
        # inf / inf stands for every quotient from 0 on, and the other corners already span them: 0 adds nothing.
        corners = [(a / b).masked_fill(a.isinf() & b.isinf(), 0.0) for a, b in _corners(self, y)]
        return _from_corners(corners, self, y, steps=2)

    def __radd__(self, other: Operand) -> Interval:
        return self + other

    def __rsub__(self, other: Operand) -> Interval:
        return -self + other

    def __rmul__(self, other: Operand) -> Interval:
        return self * other

    def __rtruediv__(self, other: Operand) -> Interval:
        return self._operand(other) / self

    def __abs__(self) -> Interval:
        """Exact."""
        empty = self.is_empty
        lower = torch.maximum(self.lower, -self.upper).clamp(min=0.0)
        upper = torch.maximum(-self.lower, self.upper)
        return Interval._trusted(lower.masked_fill(empty, math.inf), upper.masked_fill(empty, -math.inf))

    def square(self) -> Interval:
        """{x * x}: smaller than X * X where the signs differ."""
        size = abs(self)
        return Interval._rounded(
            size.lower * size.lower,
            size.upper * size.upper,
            not_negative=torch.ones_like(size.lower, dtype=torch.bool),
            not_positive=size.upper == 0,
            empty=self.is_empty,
        )

    def sqrt(self) -> Interval:
        """{sqrt(x) : x >= 0}: empty for a negative set."""
        return Interval._rounded(
            self.lower.clamp(min=0.0).sqrt(),
            self.upper.clamp(min=0.0).sqrt(),
            not_negative=torch.ones_like(self.lower, dtype=torch.bool),
            not_positive=self.upper == 0,
            empty=self.is_empty | (self.upper < 0),
            steps=2,
        )

    def sin(self) -> Interval:
        """{sin(x)}, x in radians. [-1, 1] for arguments beyond 2**20."""
        return _sine(self, quarter_turns=0)

    def cos(self) -> Interval:
        """{cos(x)}, x in radians. [-1, 1] for arguments beyond 2**20."""
        return _sine(self, quarter_turns=1)

    def radians(self) -> Interval:
        """Degrees to radians."""
        low, high = (Interval.enclosing(pi / 180, torch.float64, self.device) for pi in (_PI_LOWER, _PI_UPPER))
        return (self.to(torch.float64) * low.hull(high)).to(self.dtype)

    # -------------------------------------------------------------------------------------------------- comparisons

    def __lt__(self, other: Operand) -> Tensor:
        """Elementwise x < y: True or False where that holds for all x in X, y in Y; else ValueError."""
        y = self._operand(other)
        return _unambiguous(self, y, "<", self.upper < y.lower, self.lower >= y.upper)

    def __le__(self, other: Operand) -> Tensor:
        y = self._operand(other)
        return _unambiguous(self, y, "<=", self.upper <= y.lower, self.lower > y.upper)

    def __gt__(self, other: Operand) -> Tensor:
        y = self._operand(other)
        return _unambiguous(self, y, ">", self.lower > y.upper, self.upper <= y.lower)

    def __ge__(self, other: Operand) -> Tensor:
        y = self._operand(other)
        return _unambiguous(self, y, ">=", self.lower >= y.upper, self.upper < y.lower)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        y = self._operand(other)
        equal = (self.lower == self.upper) & (y.lower == y.upper) & (self.lower == y.lower)
        return _unambiguous(self, y, "==", equal, (self.upper < y.lower) | (self.lower > y.upper))

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return ~(self == other)

    def __bool__(self) -> bool:
        raise ValueError("an Interval has no truth value; use is_empty or contains")


def _unambiguous(x: Interval, y: Interval, name: str, always: Tensor, never: Tensor) -> Tensor:
    ambiguous = ~(always | never) | x.is_empty | y.is_empty
    if ambiguous.any():
        raise ValueError(f"X {name} Y holds for some elements of the intervals and not for others, or one is empty")
    return always


def _corners(x: Interval, y: Interval) -> list[tuple[Tensor, Tensor]]:
    return [(a, b) for a in (x.lower, x.upper) for b in (y.lower, y.upper)]


def _from_corners(corners: list[Tensor], x: Interval, y: Interval, steps: int) -> Interval:
    """Products and quotients are monotone in each operand, so that the extremes are at corners."""
    first, second, third, fourth = corners
    zero = ((x.lower == 0) & (x.upper == 0)) | ((y.lower == 0) & (y.upper == 0))
    return Interval._rounded(
        torch.minimum(torch.minimum(first, second), torch.minimum(third, fourth)),
        torch.maximum(torch.maximum(first, second), torch.maximum(third, fourth)),
        not_negative=((x.lower >= 0) & (y.lower >= 0)) | ((x.upper <= 0) & (y.upper <= 0)) | zero,
        not_positive=((x.lower >= 0) & (y.upper <= 0)) | ((x.upper <= 0) & (y.lower >= 0)) | zero,
        empty=x.is_empty | y.is_empty,
        steps=steps,
    )


# --------------------------------------------------------------------------------------------------------- sin and cos
#
# sin and cos of one number t, |t| <= 2**20, in float64; u = 2**-53 is the unit roundoff.
#
# Reduction. k = round(t * 2 / pi) and pi / 2 = FIRST + SECOND + THIRD + tau. FIRST and SECOND have 33 bits (multiples
# of 2**-32 and 2**-65), so that k * FIRST and k * SECOND are exact; THIRD < 2**-65 is rounded, |tau| <= 2**-118.
# t - k * FIRST is exact: for k = 0 trivially, else |t| >= 1/2, so that it is a multiple of 2**-53 less than 1. The
# other two subtractions and k * THIRD are rounded: the remainder r, |r| < 0.7855, is known with an error of at most
# 3 u |r| + |k| (2**-118 + 2 u 2**-65) < 3 u |r| + |k| 2**-115.
#
# Series. 1 - z/(2*3) (1 - z/(4*5) (...)) for sin(r)/r, 1 - z/(1*2) (1 - z/(3*4) (...)) for cos(r), z = r**2 < 0.618.
# A step acc' = 1 - z c acc with z c <= 0.31 inherits 0.31 of the error of acc and adds 4 u z c + u: at most 3.3 u in
# the end, relative to cos(r) >= 0.7 at most 4.8 u (for sin(r), where z c <= 0.11, at most 2.8 u with the product by
# r). The series alternates, so the omitted terms are less than z**11 / 22! < 2**-77. The error of r adds 3.4 u relative
# to sin(r), 2.5 u relative to cos(r). In all at most 8 u |value| + |k| 2**-115; the margin 10 u |value| + |k| 2**-114
# covers it. (Where 10 u |value| underflows, r = t and the series is exactly 1: the step outward alone suffices.)

_LARGEST_ARGUMENT = 2.0**20
_TWO_OVER_PI = float(2 / _PI_LOWER)
_FIRST = Fraction(math.floor(_PI_LOWER / 2 * 2**32), 2**32)
_SECOND = Fraction(math.floor((_PI_LOWER / 2 - _FIRST) * 2**65), 2**65)
_THIRD = _PI_LOWER / 2 - _FIRST - _SECOND
_TERMS = 10
_RELATIVE_MARGIN = 10 * 2.0**-53
_MARGIN_PER_QUARTER_TURN = 2.0**-114
# t * 2 / pi is off by less than 2**-31; a maximum or minimum assumed too early changes the value by less than 2**-58.
_EXTREMUM_MARGIN = 2.0**-30


def _sine(x: Interval, quarter_turns: int) -> Interval:
    """{sin(x + quarter_turns * pi / 2)} for quarter_turns 0 (sin) or 1 (cos)."""
    if x.dtype == torch.float32:
        return _sine(x.to(torch.float64), quarter_turns).to(torch.float32)
    lower, upper = _sine_at(torch.stack((x.lower, x.upper)), quarter_turns)
    lower, upper = lower.amin(0).clamp(min=-1.0), upper.amax(0).clamp(max=1.0)

    # The maxima of sin are at 1, 5, 9, ... quarter turns, its minima at 3, 7, 11, ...
    first = x.lower * _TWO_OVER_PI + quarter_turns - _EXTREMUM_MARGIN
    last = x.upper * _TWO_OVER_PI + quarter_turns + _EXTREMUM_MARGIN
    unknown = ~((x.lower >= -_LARGEST_ARGUMENT) & (x.upper <= _LARGEST_ARGUMENT))
    lower = lower.masked_fill(unknown | (((first - 3) / 4).ceil() <= ((last - 3) / 4).floor()), -1.0)
    upper = upper.masked_fill(unknown | (((first - 1) / 4).ceil() <= ((last - 1) / 4).floor()), 1.0)
    is_sine = quarter_turns == 0
    return Interval._rounded(
        lower,
        upper,
        not_negative=(x.lower >= 0) & (x.upper <= 3) & is_sine,  # so that sin(0) is 0
        not_positive=(x.upper <= 0) & (x.lower >= -3) & is_sine,
        empty=x.is_empty,
        steps=0,
    )


def _sine_at(t: Tensor, quarter_turns: int) -> tuple[Tensor, Tensor]:
    """Bounds of sin(t + quarter_turns * pi / 2), for |t| <= _LARGEST_ARGUMENT; the proof is above."""
    k = (t * _TWO_OVER_PI).round()
    r = ((t - k * float(_FIRST)) - k * float(_SECOND)) - k * float(_THIRD)
    z = r * r
    sine, cosine = torch.ones_like(r), torch.ones_like(r)
    for j in range(_TERMS, 0, -1):
        sine = 1 - z * sine * (1 / ((2 * j) * (2 * j + 1)))
        cosine = 1 - z * cosine * (1 / ((2 * j - 1) * (2 * j)))
    quadrant = (k + quarter_turns).remainder(4)
    value = torch.where(quadrant % 2 == 0, r * sine, cosine)
    value = torch.where(quadrant >= 2, -value, value)
    margin = value.abs() * _RELATIVE_MARGIN + k.abs() * _MARGIN_PER_QUARTER_TURN
    return _down(value - margin), _up(value + margin)
