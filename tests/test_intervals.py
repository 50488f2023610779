"""Interval arithmetic against exact arithmetic, with zero tolerance: containment first, then tightness and laws."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spt import intervals
from spt.intervals import Interval

CASES = [10_000, pytest.param(1_000_000, marks=pytest.mark.slow)]
DTYPES = [torch.float32, torch.float64]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
}
EXACT_BITS = 4400
"""Sums and products of finite float64 numbers are exact at this precision."""

by_case = pytest.mark.parametrize("cases", CASES)
by_dtype = pytest.mark.parametrize("dtype", DTYPES)
by_device = pytest.mark.parametrize("device", DEVICES)
by_flush = pytest.mark.parametrize("flush", [False, True], ids=["subnormals", "flushed"])


# --------------------------------------------------------------------------------------------------------- many inputs


@contextmanager
def flushed_to_zero(flush: bool) -> Iterator[None]:
    if not torch.set_flush_denormal(flush):
        pytest.skip("this processor cannot flush subnormal numbers to zero")
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def special_numbers(dtype: torch.dtype) -> np.ndarray:
    info = torch.finfo(dtype)
    kind = np.float32 if dtype == torch.float32 else np.float64
    turns = np.array([1, 2, 3, 4, 5, 6, 7, 8, 100, 101, 102, 103, 12_345, 667_543]) * (math.pi / 2)
    bases = np.concatenate([[info.tiny, info.max, 1.0, 0.5, 2.0**20, 2.0**21, info.eps, 1e10, 1e30, 3.0, 1.5], turns])
    bases = bases.astype(kind)
    smallest = np.nextafter(kind(0), kind(1))
    with np.errstate(over="ignore"):
        above = np.nextafter(bases, kind(np.inf))
    around = [bases, np.nextafter(bases, kind(0)), above, [0, smallest, 9 * smallest]]
    positive = np.concatenate(around).astype(kind)
    return np.concatenate([positive, -positive])


def random_numbers(count: int, dtype: torch.dtype, rng: np.random.Generator) -> np.ndarray:
    """Full-width bit patterns, moderate numbers and special ones, mixed; with infinities, without NaN."""
    kind, bits = (np.float32, np.int32) if dtype == torch.float32 else (np.float64, np.int64)
    patterns = rng.integers(np.iinfo(bits).min, np.iinfo(bits).max, count, bits, endpoint=True).view(kind)
    moderate = (rng.normal(size=count) * 10 ** rng.uniform(-3, 4, count)).astype(kind)
    specials = rng.choice(special_numbers(dtype), count)
    numbers = np.choose(rng.integers(0, 3, count), [patterns, moderate, specials])
    return np.where(np.isnan(numbers), kind(np.inf), numbers)


def random_sets(
    count: int, dtype: torch.dtype, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Endpoints of sets of real numbers and members of them: the two ends and something between."""
    a, b = random_numbers(count, dtype, rng), random_numbers(count, dtype, rng)
    most = torch.finfo(dtype).max
    with np.errstate(all="ignore"):
        close = a + (np.abs(a) * 10 ** rng.uniform(-9, 0, count)).astype(a.dtype)
        b = np.choose(rng.integers(0, 4, count), [a, np.where(np.isnan(close), a, close), b, b])
        lower = np.minimum(np.minimum(a, b), most)  # infinity is never an element
        upper = np.maximum(np.maximum(a, b), -most)
        ends = [lower.clip(-most, most), upper.clip(-most, most)]
        share = rng.random(count).astype(a.dtype)
        between = (ends[0] * (1 - share) + ends[1] * share).clip(*ends)
    return lower, upper, [*ends, between]


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with ctx.workprec(EXACT_BITS):
        yield


def as_interval(lower: np.ndarray, upper: np.ndarray, device: str) -> Interval:
    return Interval(torch.from_numpy(lower).to(device), torch.from_numpy(upper).to(device))


def rows(interval: Interval) -> zip[tuple[float, float]]:
    return zip(interval.lower.tolist(), interval.upper.tolist(), strict=True)


def no_endpoint_is_subnormal_or_nan(interval: Interval) -> bool:
    tiny = torch.finfo(interval.dtype).tiny
    return all(
        bool((((end == 0) | (end.abs() >= tiny)) & ~end.isnan()).all()) for end in (interval.lower, interval.upper)
    )


# --------------------------------------------------------------------------------------------------------- containment


@by_case
@by_dtype
@by_device
@by_flush
@pytest.mark.parametrize("name", BINARY)
def test_binary_operations_contain_the_exact_results(name, flush, device, dtype, cases):
    rng = np.random.default_rng([1, list(BINARY).index(name)])
    xl, xu, xs = random_sets(cases, dtype, rng)
    yl, yu, ys = random_sets(cases, dtype, rng)
    tiny = torch.finfo(dtype).tiny
    if name == "truediv":  # away from 0, also after subnormal endpoints have been rounded outward
        keep = (yl >= tiny) | (yu <= -tiny)
        xl, xu, yl, yu = xl[keep], xu[keep], yl[keep], yu[keep]
        xs, ys = [x[keep] for x in xs], [y[keep] for y in ys]
    with flushed_to_zero(flush):
        result = BINARY[name](as_interval(xl, xu, device), as_interval(yl, yu, device))
    assert no_endpoint_is_subnormal_or_nan(result)
    pick_x, pick_y = rng.integers(0, 3, len(xl)), rng.integers(0, 3, len(xl))
    x, y = np.choose(pick_x, xs).tolist(), np.choose(pick_y, ys).tolist()
    checked = 0
    for a, b, (lower, upper) in zip(x, y, rows(result), strict=True):
        if name == "truediv":
            exact, divisor = arb(a) * (1 if b > 0 else -1), arb(abs(b))
            inside = arb(lower) * divisor <= exact <= arb(upper) * divisor
        else:
            exact = BINARY[name](arb(a), arb(b))
            assert exact.is_exact()
            inside = arb(lower) <= exact <= arb(upper)
        assert inside, (name, a, b, lower, upper)
        checked += 1
    assert checked > cases / 3


@by_case
@by_dtype
@by_device
@by_flush
@pytest.mark.parametrize("name", ["square", "abs", "sqrt"])
def test_unary_operations_contain_the_exact_results(name, flush, device, dtype, cases):
    rng = np.random.default_rng([2, len(name)])
    lower, upper, members = random_sets(cases, dtype, rng)
    with flushed_to_zero(flush):
        x = as_interval(lower, upper, device)
        result = abs(x) if name == "abs" else getattr(x, name)()
    assert no_endpoint_is_subnormal_or_nan(result)
    for a, (low, high) in zip(np.choose(rng.integers(0, 3, cases), members).tolist(), rows(result), strict=True):
        if name == "sqrt":
            inside = a < 0 or (0 <= low <= high and arb(low) * low <= arb(a) <= arb(high) * high)
        else:
            exact = arb(a) * a if name == "square" else abs(arb(a))
            inside = arb(low) <= exact <= arb(high)
        assert inside, (name, a, low, high)


def extreme_between(first: arb, last: arb, quarter: int) -> bool:
    """Does [first, last], in quarter turns, contain quarter + 4 n for an integer n?"""
    return ((first - quarter) / 4).ceil().unique_fmpz() <= ((last - quarter) / 4).floor().unique_fmpz()


def exact_range(name: str, lower: float, upper: float) -> tuple[arb, arb]:
    """The range of sin or cos over a bounded interval, as narrow balls."""
    with ctx.workprec(200 if max(-lower, upper) < 2.0**60 else 1300):
        a, b = arb(lower), arb(upper)
        ends = (a.sin(), b.sin()) if name == "sin" else (a.cos(), b.cos())
        first, last = a / (arb.pi() / 2), b / (arb.pi() / 2)
        maximum, minimum = (1, 3) if name == "sin" else (0, 2)
        return (
            arb(-1) if extreme_between(first, last, minimum) else ends[0].min(ends[1]),
            arb(1) if extreme_between(first, last, maximum) else ends[0].max(ends[1]),
        )


@by_case
@by_dtype
@by_device
@by_flush
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sin_and_cos_contain_the_exact_range_and_little_more(name, flush, device, dtype, cases):
    rng = np.random.default_rng([3, len(name)])
    lower, upper, _ = random_sets(cases, dtype, rng)
    with flushed_to_zero(flush):
        x = as_interval(lower, upper, device)
        result = getattr(x, name)()
    assert no_endpoint_is_subnormal_or_nan(result)
    eps = torch.finfo(dtype).eps
    rounding = 14 * eps if dtype == torch.float64 else 1.01 * eps
    tiny, moderate = torch.finfo(dtype).tiny, 0
    for a, b, (low, high) in zip(lower.tolist(), upper.tolist(), rows(result), strict=True):
        assert -1 <= low <= high <= 1
        if not (math.isfinite(a) and math.isfinite(b)):
            assert (low, high) == (-1, 1)
            continue
        exact_low, exact_high = exact_range(name, a, b)
        assert low == -1 or arb(low) <= exact_low, (a, b, low)
        assert high == 1 or exact_high <= arb(high), (a, b, high)
        if max(-a, b) <= 2.0**20:
            moderate += 1
            slack = 2 * tiny + 2.0**-93  # k * 2**-114 twice
            assert exact_low - arb(low) <= rounding * abs(exact_low) + slack, (a, b, low)
            assert arb(high) - exact_high <= rounding * abs(exact_high) + slack, (a, b, high)
    assert moderate > cases / 3


@by_dtype
def test_sin_and_cos_of_intervals_around_every_quarter_turn(dtype):
    """Published code returned cos([3, 3.3]) = [cos 3.3, cos 3]: without its minimum -1."""
    middle = torch.arange(-50, 51, dtype=dtype) * (math.pi / 2)
    x = Interval(middle - 0.25, middle + 0.125)
    for name in ("sin", "cos"):
        result = getattr(x, name)()
        for a, b, (low, high) in zip(x.lower.tolist(), x.upper.tolist(), rows(result), strict=True):
            exact_low, exact_high = exact_range(name, a, b)
            assert low == -1 or arb(low) <= exact_low
            assert high == 1 or exact_high <= arb(high)
    around_pi = Interval(torch.tensor(3.0, dtype=dtype), torch.tensor(3.3, dtype=dtype)).cos()
    assert around_pi.lower == -1
    assert around_pi.upper == pytest.approx(math.cos(3.3), abs=1e-6)


@by_dtype
def test_sin_and_cos_where_nothing_is_lost(dtype):
    zero = Interval.point(torch.zeros((), dtype=dtype))
    assert (zero.sin().lower, zero.sin().upper) == (0, 0)
    assert zero.cos().upper == 1
    anything = Interval(torch.tensor([-math.inf, 0.0, 2.0**21]).to(dtype), torch.tensor([0.0, 7.0, 2.0**21]).to(dtype))
    for result in (anything.sin(), anything.cos()):
        assert (result.lower == -1).all()
        assert (result.upper == 1).all()


def test_sin_and_cos_next_to_their_zeros():
    """The hardest reductions: of the float64 numbers next to k pi / 2, up to the largest argument, the nearest."""
    multiples = torch.arange(1, 667_543, dtype=torch.float64) * (math.pi / 2)
    remainders = torch.minimum(multiples.sin().abs(), multiples.cos().abs())
    hardest = multiples[torch.cat([remainders.topk(1000, largest=False).indices, torch.arange(1000)])]
    assert remainders.min() < 2.0**-50
    for name in ("sin", "cos"):
        for a, (low, high) in zip(hardest.tolist(), rows(getattr(Interval.point(hardest), name)()), strict=True):
            exact, _ = exact_range(name, a, a)
            assert arb(low) <= exact <= arb(high)
            assert arb(high) - arb(low) <= 28 * 2.0**-52 * abs(exact) + 2.0**-92


def test_pi_and_its_parts():
    assert arb(intervals._PI_LOWER.numerator) / intervals._PI_LOWER.denominator < arb.pi()
    assert arb.pi() < arb(intervals._PI_UPPER.numerator) / intervals._PI_UPPER.denominator
    parts = [intervals._FIRST, intervals._SECOND, Fraction(float(intervals._THIRD))]
    assert [Fraction(float(part)) for part in parts] == parts
    assert all(part.numerator.bit_length() <= 33 for part in parts[:2])
    assert 0 < parts[2] < Fraction(1, 2**65)
    assert abs(intervals._PI_LOWER / 2 - sum(parts)) < Fraction(1, 2**118)
    assert 2**20 * 2 / math.pi < 2**20  # k has at most 20 bits, so that k * part has at most 53


@by_dtype
def test_radians_contain_the_exact_angle(dtype):
    degrees = torch.linspace(-400, 400, 2001, dtype=dtype)
    for a, (low, high) in zip(degrees.tolist(), rows(Interval.point(degrees).radians()), strict=True):
        exact = arb(a) * arb.pi() / 180
        assert arb(low) <= exact <= arb(high)
        assert high - low <= 4 * torch.finfo(dtype).eps * abs(a)


def test_basic_operations_in_rational_arithmetic():
    """The same containment with fractions.Fraction: a second oracle, on moderate numbers, at all corners."""
    rng = np.random.default_rng(5)
    for dtype in DTYPES:
        kind = np.float32 if dtype == torch.float32 else np.float64
        ends = np.sort((rng.normal(size=(2, 2, 400)) * 10 ** rng.uniform(-5, 5, (2, 1, 400))).astype(kind), axis=1)
        (xl, xu), (yl, yu) = ends
        yl = np.where(yl * yu <= 0, np.abs(yu) / 2, yl)
        x, y = as_interval(xl, np.maximum(xl, xu), "cpu"), as_interval(np.minimum(yl, yu), np.maximum(yl, yu), "cpu")
        for operation in BINARY.values():
            quads = zip(rows(x), rows(y), rows(operation(x, y)), strict=True)
            for xs, ys, (lower, upper) in quads:
                corners = [operation(Fraction(a), Fraction(b)) for a in xs for b in ys]
                assert Fraction(lower) <= min(corners)
                assert max(corners) <= Fraction(upper)
        for xs, (lower, upper) in zip(rows(x), rows(x.square()), strict=True):
            squares = [Fraction(a) ** 2 for a in xs]
            assert Fraction(lower) <= (0 if xs[0] < 0 < xs[1] else min(squares))
            assert max(squares) <= Fraction(upper)


# ----------------------------------------------------------------------------------------------------------- tightness


@by_dtype
@pytest.mark.parametrize(("name", "neighbours"), [("add", 1.01), ("sub", 1.01), ("mul", 1.01), ("truediv", 2.01)])
def test_points_widen_by_a_few_neighbours(name, neighbours, dtype):
    generator = torch.Generator().manual_seed(6)
    x, y = torch.randn(2, 2000, dtype=dtype, generator=generator)
    result = BINARY[name](Interval.point(x), Interval.point(y))
    nearest = BINARY[name](x, y)
    ulp = torch.finfo(dtype).eps * nearest.abs()
    assert (result.upper - nearest <= neighbours * ulp).all()
    assert (nearest - result.lower <= neighbours * ulp).all()
    root = Interval.point(x.abs()).sqrt()
    assert (root.upper - root.lower <= 4.01 * torch.finfo(dtype).eps * root.upper).all()


@by_dtype
def test_exact_zeros_and_signs_survive(dtype):
    zero, one = Interval.point(torch.zeros((), dtype=dtype)), Interval.point(torch.ones((), dtype=dtype))
    unit, both = zero.hull(one), one.hull(-one)
    unbounded = Interval(torch.tensor(-math.inf, dtype=dtype), torch.tensor(math.inf, dtype=dtype))
    for result in (zero + zero, one - one, zero * both, zero * unbounded, zero / one, zero.square(), zero.sqrt()):
        assert (result.lower, result.upper) == (0, 0)
    for result in (1 - unit, unit * unit, unit + unit, both.square(), unit / one, unit.sqrt(), abs(both)):
        assert result.lower == 0
    assert (-unit * unit).upper == 0
    small = Interval.point(torch.tensor(torch.finfo(dtype).tiny, dtype=dtype))
    assert ((small * small).lower, (small * small).upper) == (0, torch.finfo(dtype).tiny)
    assert ((-small * small).lower, (-small * small).upper) == (-torch.finfo(dtype).tiny, 0)
    assert (small / 3).lower == 0
    assert torch.finfo(dtype).tiny <= (small / 3).upper <= 1.01 * torch.finfo(dtype).tiny


@by_dtype
def test_overflow_keeps_the_bounded_side(dtype):
    most = torch.finfo(dtype).max
    large = Interval.point(torch.tensor(most, dtype=dtype))
    for result in (large + large, large * 2, large.square(), large / 0.25):
        assert most * (1 - 2 * torch.finfo(dtype).eps) <= result.lower <= most
        assert result.upper == math.inf
    assert (-large - large).lower == -math.inf
    assert (-large - large).upper == -most


# ------------------------------------------------------------------------------------------------- making, converting


@by_dtype
def test_numbers_stand_for_their_exact_value(dtype):
    numbers = [
        0.1,
        1 / 3,
        5,
        -7,
        2**60 + 1,
        10**400,
        -(10**400),
        Fraction(1, 3),
        Fraction(1, 10**400),
        1e-45,
        1e300,
        5e-324,
    ]
    for number in [*numbers, np.float32(0.1), np.int64(3)]:
        interval = Interval.enclosing(number, dtype)
        lower, upper = interval.lower.item(), interval.upper.item()
        exact = Fraction(number) if not isinstance(number, np.floating) else Fraction(float(number))
        assert lower <= exact <= upper
        assert no_endpoint_is_subnormal_or_nan(interval)
        assert interval.contains(number)
        between = interval.lower.nextafter(interval.upper)
        assert between == interval.upper or 0 < abs(exact) < torch.finfo(dtype).tiny


@by_dtype
def test_contains_compares_numbers_exactly(dtype):
    below = Interval.point(torch.tensor(0.1, dtype=torch.float32)).to(dtype)
    assert not below.contains(0.1)
    assert below.contains(float(np.float32(0.1)))
    x = Interval(torch.tensor([0.0, 1.0], dtype=dtype), torch.tensor([2.0, 1.0], dtype=dtype))
    assert x.contains(1).tolist() == [True, True]
    assert x.contains(torch.tensor([3.0, 1.0], dtype=dtype)).tolist() == [False, True]
    assert x.contains(x[0]).tolist() == [True, False]
    assert x.contains(empty(dtype)).tolist() == [True, True]
    assert empty(dtype).contains(empty(dtype))
    assert empty(dtype).contains(x).tolist() == [False, False]


@by_flush
def test_conversion_to_single_precision_rounds_outward(flush):
    rng = np.random.default_rng(8)
    lower, upper, _ = random_sets(20_000, torch.float64, rng)
    lower[:9000] = np.minimum(lower[:9000], random_numbers(9000, torch.float32, rng))
    with flushed_to_zero(flush):
        single = as_interval(lower, upper, "cpu").to(torch.float32)
        back = single.to(torch.float64)
    assert no_endpoint_is_subnormal_or_nan(single)
    assert (back.lower.numpy() <= lower).all()
    assert (upper <= back.upper.numpy()).all()
    inside = (np.abs(lower) > 1e-37) & (np.abs(lower) < 1e38)
    assert inside.sum() > 1000
    nearest = lower[inside].astype(np.float32)
    tightest = np.where(nearest <= lower[inside], nearest, np.nextafter(nearest, np.float32(-np.inf)))
    assert (single.lower.numpy()[inside] == tightest).all()


@by_dtype
@by_flush
def test_subnormal_endpoints_are_rounded_outward(flush, dtype):
    tiny = torch.finfo(dtype).tiny
    smallest = torch.nextafter(torch.zeros(1, dtype=dtype), torch.ones(1, dtype=dtype))
    with flushed_to_zero(flush):
        positive, negative = Interval.point(smallest), Interval.point(-smallest)
    assert (positive.lower.item(), positive.upper.item()) == (0.0, tiny)
    assert (negative.lower.item(), negative.upper.item()) == (-tiny, 0.0)


# ----------------------------------------------------------------------------------------------- empty sets and errors


def empty(dtype: torch.dtype = torch.float64) -> Interval:
    return Interval(torch.tensor(math.inf, dtype=dtype), torch.tensor(-math.inf, dtype=dtype))


@by_dtype
def test_every_operation_on_an_empty_set_is_empty(dtype):
    endpoints = [(-math.inf, math.inf), (-math.inf, 0), (0, 0), (1, 2), (-3, math.inf), (math.inf, -math.inf)]
    others = Interval(*torch.tensor(endpoints, dtype=dtype).T)
    nothing = empty(dtype)
    results = [op(nothing, others) for op in (operator.add, operator.sub, operator.mul, Interval.meet)]
    results += [op(others, nothing) for op in (operator.add, operator.sub, operator.mul, operator.truediv)]
    results += [nothing / others[3], -nothing, abs(nothing), nothing.square(), nothing.sqrt(), nothing.radians()]
    results += [nothing.sin(), nothing.cos(), nothing.to(torch.float32), nothing.to(torch.float64)]
    results += [Interval.point(torch.tensor(-1.0, dtype=dtype)).sqrt()]
    for result in results:
        assert result.is_empty.all()
        assert (result.lower == math.inf).all()
        assert (result.upper == -math.inf).all()


def test_meet_may_be_empty_elementwise():
    x = Interval(torch.tensor([0.0, 0.0, 0.0]), torch.tensor([1.0, 1.0, 1.0]))
    y = Interval(torch.tensor([0.5, 1.0, 2.0]), torch.tensor([3.0, 3.0, 3.0]))
    meet = x.meet(y)
    assert meet.is_empty.tolist() == [False, False, True]
    assert meet.lower.tolist() == [0.5, 1.0, math.inf]
    assert meet.upper.tolist() == [1.0, 1.0, -math.inf]


def span(lower: float, upper: float) -> Interval:
    return Interval(torch.tensor(lower), torch.tensor(upper))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: span(math.nan, 1.0), "nan"),
        (lambda: span(0.0, math.nan), "nan"),
        (lambda: span(2.0, 1.0), r"\[2.0, 1.0\]"),
        (lambda: span(math.inf, math.inf), "real numbers"),
        (lambda: span(-math.inf, -math.inf), "real numbers"),
        (lambda: Interval(torch.tensor(0), torch.tensor(1)), "int64"),
        (lambda: Interval(torch.tensor(0.0), torch.tensor(1.0, dtype=torch.float64)), "dtypes"),
        (lambda: Interval(torch.zeros(2), torch.ones(3)), "shapes"),
        (lambda: Interval.enclosing(math.nan), "nan"),
        (lambda: Interval.enclosing(math.inf), "inf"),
        (lambda: span(0.0, 1.0) + torch.tensor(1.0, dtype=torch.float64), "float64"),
        (lambda: span(0.0, 1.0) * torch.tensor(math.nan), "nan"),
        (lambda: span(0.0, 1.0) * math.inf, "inf"),
        (lambda: span(0.0, 1.0) * "2", "str"),
        (lambda: span(0.0, 1.0) * np.ones(2), "ndarray"),
        (lambda: 1 / span(0.0, 1.0), "contains 0"),
        (lambda: 1 / span(-1.0, 0.0), "contains 0"),
        (lambda: 1 / span(-1.0, 1.0), "contains 0"),
        (lambda: bool(span(0.0, 1.0)), "truth value"),
    ],
)
def test_misuse_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call()


COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
small_sets = st.tuples(st.integers(-3, 3), st.integers(0, 3)).map(lambda t: (float(t[0]), float(t[0] + t[1])))


@given(small_sets, small_sets, st.sampled_from(COMPARISONS))
def test_comparisons_hold_for_all_elements_or_raise(x, y, compare):
    """Integers and half-integers witness every possible outcome between sets with integer endpoints."""
    outcomes = {
        compare(a / 2, b / 2)
        for a in range(int(2 * x[0]), int(2 * x[1]) + 1)
        for b in range(int(2 * y[0]), int(2 * y[1]) + 1)
    }
    if len(outcomes) == 1:
        assert {compare(span(*x), span(*y)).item()} == outcomes
    else:
        with pytest.raises(ValueError, match="some elements"):
            compare(span(*x), span(*y))


@pytest.mark.parametrize("compare", COMPARISONS)
def test_comparisons_with_the_empty_set_raise(compare):
    with pytest.raises(ValueError, match="empty"):
        compare(empty(), 1.0)


def test_numbers_and_tensors_on_the_left():
    x, t = span(1.0, 2.0), torch.tensor(3.0)
    for left in (3, 3.0, Fraction(3), t, np.float64(3), np.float32(3)):
        for operation in BINARY.values():
            result, same = operation(left, x), operation(Interval.point(t), x)
            assert isinstance(result, Interval)
            assert (result.lower, result.upper) == (same.lower, same.upper)


def test_shapes_broadcast_and_index():
    x = Interval(torch.zeros(3, 1), torch.ones(3, 1))
    y = Interval.point(torch.arange(1.0, 5.0))
    assert {(x + y).shape, (x * y).shape, (x / y).shape, x.hull(y).shape, x.meet(y).shape} == {(3, 4)}
    assert (x * y)[1, 2:].upper.tolist() == (x * y).upper[1, 2:].tolist()


# ---------------------------------------------------------------------------------------------------------------- laws

quick = settings(deadline=None)


@st.composite
def sets(draw: st.DrawFn, dtype: torch.dtype = torch.float64) -> Interval:
    width = 32 if dtype == torch.float32 else 64
    if draw(st.integers(0, 9)) == 0:
        return empty(dtype)
    numbers = st.floats(allow_nan=False, width=width, allow_subnormal=True) | st.sampled_from([0.0, 1.0, -1.0])
    lower, upper = sorted((draw(numbers), draw(numbers)))
    most = torch.finfo(dtype).max
    return Interval(*(torch.tensor(end, dtype=dtype) for end in (min(lower, most), max(upper, -most))))


def same(x: Interval, y: Interval) -> bool:
    return bool((x.lower == y.lower) & (x.upper == y.upper))


def subset(x: Interval, y: Interval) -> bool:
    return bool(y.contains(x))


@quick
@given(sets(), sets(), sets())
def test_hull_and_meet_are_lattice_operations(x, y, z):
    for join in (Interval.hull, Interval.meet):
        assert same(join(x, y), join(y, x))
        assert same(join(join(x, y), z), join(x, join(y, z)))
        assert same(join(x, x), x)
    assert same(x.meet(x.hull(y)), x)
    assert same(x.hull(x.meet(y)), x)
    assert subset(x.meet(y), x)
    assert subset(x, x.hull(y))
    assert same(x.hull(empty()), x)
    assert subset(x, y) == same(x.meet(y), x) == same(x.hull(y), y)


@quick
@given(st.sampled_from(DTYPES).flatmap(lambda dtype: st.tuples(*[sets(dtype)] * 4)))
def test_operations_grow_with_their_operands(quadruple):
    x, y, more_x, more_y = quadruple
    wide_x, wide_y = x.hull(more_x), y.hull(more_y)
    for operation in (operator.add, operator.sub, operator.mul):
        assert subset(operation(x, y), operation(wide_x, wide_y))
    if not wide_y.is_empty and not wide_y.contains(0):
        assert subset(x / y, wide_x / wide_y)
    for unary in (operator.neg, abs, Interval.square, Interval.sqrt, Interval.radians):
        assert subset(unary(x), unary(wide_x))
    for unary in (Interval.sin, Interval.cos):  # their margins are relative, so that they nest up to these only
        assert subset(unary(x), unary(wide_x) + Interval(*torch.tensor([[-1e-14], [1e-14]]).to(x.dtype))[0])


@quick
@given(sets(), sets())
def test_arithmetic_laws(x, y):
    assert same(x + y, y + x)
    assert same(x * y, y * x)
    assert same(x - y, -(y - x))
    assert same(x - y, x + -y)
    assert same(abs(-x), abs(x))
    assert subset(x.square(), x * x)
    assert same((-x).square(), x.square())
    assert same((-x).sin(), -x.sin())
    assert same((-x).cos(), x.cos())


def test_endpoints_do_not_alias_later_writes_of_results():
    """Rounding never writes into its inputs."""
    lower, upper = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    x = Interval(lower, upper)
    before: list[Tensor] = [lower.clone(), upper.clone()]
    _ = (x + x, x * x, x / x, x.sin(), x.square(), x.meet(x), abs(x))
    assert torch.equal(x.lower, before[0])
    assert torch.equal(x.upper, before[1])
