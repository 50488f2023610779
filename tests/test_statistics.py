"""Confidence bounds and tests against exact tail sums, exhaustive dynamic programming and simulation."""

from __future__ import annotations

import ast
import math
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
import scipy.stats
import statsmodels.stats.proportion
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf

import spt.statistics
from spt.statistics import (
    MOST_SAMPLES,
    ConfidenceBudget,
    Decision,
    SequentialTest,
    binomial_p_value,
    certified_radius,
    clopper_pearson_lower,
    clopper_pearson_upper,
    corrected_lower_bound,
    largest_certified_radius,
    mixture_log_wealth,
    samples_needed_for_radius,
    samples_needed_to_certify,
    samples_needed_to_predict,
)

ALPHAS = [1e-9, 5e-7, 0.001, 0.3]
SIZES = [1, 2, 17, 1000, 123_456]

untimed = settings(deadline=None, max_examples=50)  # the first call imports scipy
levels = st.floats(1e-9, 0.4)
sigmas = st.floats(0.01, 100)


@st.composite
def counts(draw: st.DrawFn, most: int = 20_000) -> tuple[int, int]:
    n = draw(st.integers(1, most))
    return draw(st.integers(0, n)), n


# ------------------------------------------------------------------------------------------------------------- oracles


def exact_tail(k: int, n: int, p: Fraction) -> Fraction:
    """Pr[Bin(n, p) >= k], in rational arithmetic."""
    return sum((math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1)), Fraction(0))


def precise_mass(k: int, n: int, p: float) -> mpf:
    log_choose = mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1)
    return mpmath.exp(log_choose + k * mpmath.log(p) + (n - k) * mpmath.log(1 - mpf(p)))


def precise_upper_tail(k: int, n: int, p: float) -> mpf:
    """Pr[Bin(n, p) >= k] to about 30 digits, summed from the larger terms down."""
    if k <= n * p:
        return 1 - precise_lower_tail(k - 1, n, p)
    term = total = precise_mass(k, n, p)
    while k < n and term > total * mpf("1e-32"):
        term *= mpf(n - k) / (k + 1) * mpf(p) / (1 - mpf(p))
        total += term
        k += 1
    return total


def precise_lower_tail(k: int, n: int, p: float) -> mpf:
    """Pr[Bin(n, p) <= k], likewise."""
    if k > n * p:
        return 1 - precise_upper_tail(k + 1, n, p)
    if k < 0:
        return mpf(0)
    term = total = precise_mass(k, n, p)
    while k > 0 and term > total * mpf("1e-32"):
        term *= mpf(k) / (n - k + 1) * (1 - mpf(p)) / mpf(p)
        total += term
        k -= 1
    return total


@pytest.fixture(autouse=True)
def _forty_digits():
    with mpmath.workdps(40):
        yield


# ------------------------------------------------------------------------------------------------------ Clopper-Pearson


def slack(p: float) -> float:
    """What a bound may lose by being rounded to its safe side."""
    return 1e-9 * min(p, 1 - p) + 1e-13 * p


def some_counts(n: int) -> list[int]:
    return sorted({k for k in (0, 1, 2, n // 10, n // 2, (9 * n) // 10, n - 2, n - 1, n) if 0 <= k <= n})


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("n", [1, 2, 5, 17, 40])
def test_clopper_pearson_never_on_the_wrong_side_in_rational_arithmetic(n, alpha):
    for k in range(n + 1):
        lower, upper = Fraction(clopper_pearson_lower(k, n, alpha)), Fraction(clopper_pearson_upper(k, n, alpha))
        assert k == 0 or exact_tail(k, n, lower) <= Fraction(alpha)
        assert k == n or 1 - exact_tail(k + 1, n, upper) <= Fraction(alpha)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("n", SIZES)
def test_clopper_pearson_sound_and_tight_against_precise_tails(n, alpha):
    for k in some_counts(n):
        lower, upper = clopper_pearson_lower(k, n, alpha), clopper_pearson_upper(k, n, alpha)
        if k:
            assert precise_upper_tail(k, n, lower) <= alpha
            assert precise_upper_tail(k, n, lower + slack(lower)) > alpha
        if k < n:
            assert precise_lower_tail(k, n, upper) <= alpha
            assert precise_lower_tail(k, n, upper - slack(upper)) > alpha


@untimed
@given(counts(most=300_000), st.floats(1e-12, 0.45))
def test_clopper_pearson_is_sound(count, alpha):
    k, n = count
    with mpmath.workdps(40):
        assert k == 0 or precise_upper_tail(k, n, clopper_pearson_lower(k, n, alpha)) <= alpha
        assert k == n or precise_lower_tail(k, n, clopper_pearson_upper(k, n, alpha)) <= alpha


def test_rounding_of_the_library_solver_is_on_the_wrong_side():
    """Why a few units in the last place would not do: statsmodels' own answer violates the definition here."""
    n, alpha, wrong = 960_915, 1.3e-11, 0
    for k in range(90_000, 90_400):
        library = statsmodels.stats.proportion.proportion_confint(k, n, alpha=2 * alpha, method="beta")[0]
        wrong += precise_upper_tail(k, n, float(library)) > alpha
        assert 0 <= library - clopper_pearson_lower(k, n, alpha) <= 2e-10 * library
        if wrong:
            break
    assert wrong


def test_clopper_pearson_at_the_ends():
    assert clopper_pearson_lower(0, 7, 0.01) == 0.0
    assert clopper_pearson_upper(7, 7, 0.01) == 1.0
    assert clopper_pearson_lower(7, 7, 0.01) == pytest.approx(0.01 ** (1 / 7), rel=1e-13)
    assert clopper_pearson_upper(0, 7, 0.01) == pytest.approx(1 - 0.01 ** (1 / 7), rel=1e-13)


@untimed
@given(counts(), levels)
def test_clopper_pearson_increases_with_the_successes_and_brackets_the_share(count, alpha):
    k, n = count
    lower, upper = clopper_pearson_lower(k, n, alpha), clopper_pearson_upper(k, n, alpha)
    assert 0 <= lower <= k / n <= upper <= 1
    if k < n:
        assert lower < clopper_pearson_lower(k + 1, n, alpha)
        assert upper < clopper_pearson_upper(k + 1, n, alpha)
    assert lower == pytest.approx(1 - clopper_pearson_upper(n - k, n, alpha), abs=1e-9)
    assert clopper_pearson_lower(k, n, alpha / 2) <= lower


@pytest.mark.parametrize("answer", [math.nan, 0.9])
def test_a_wrong_answer_of_the_solver_gives_the_trivial_bound(monkeypatch, answer):
    def proportion_confint(*_, **__):
        return answer, 1 - answer

    monkeypatch.setattr(statsmodels.stats.proportion, "proportion_confint", proportion_confint)
    assert clopper_pearson_lower(50, 100, 0.01) == 0.0
    assert clopper_pearson_upper(50, 100, 0.01) == 1.0


# --------------------------------------------------------------------------------------------- binomial test and radius


@pytest.mark.parametrize("n", [1, 2, 9, 40])
def test_binomial_p_value_against_rational_arithmetic(n):
    half = Fraction(1, 2)
    for k in range(n + 1):
        expected = min(Fraction(1), 2 * exact_tail(max(k, n - k), n, half))
        assert binomial_p_value(k, n) == pytest.approx(float(expected), rel=1e-12)


def test_certified_radius_is_rounded_down_and_tight():
    for p in [0.5 + 1e-15, 0.5 + 1e-9, 0.500001, 0.6, 0.75, 0.9, 0.99, 0.999999, 1 - 1e-12, math.nextafter(1, 0)]:
        for sigma in (0.1, 0.25, 1.0, 30.0):
            exact = sigma * mpmath.sqrt(2) * mpmath.erfinv(2 * mpf(p) - 1)
            assert exact * (1 - mpf("1e-13")) <= certified_radius(p, sigma) <= exact


def test_certified_radius_abstains_at_one_half():
    assert certified_radius(0.5, 1.0) == 0.0
    assert certified_radius(0.0, 1.0) == 0.0
    assert certified_radius(math.nextafter(0.5, 1), 1.0) > 0.0


@untimed
@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True), sigmas)
def test_certified_radius_is_monotone(p, q, sigma):
    assert (certified_radius(p, sigma) <= certified_radius(q, sigma)) or p > q


@untimed
@given(st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_corrected_lower_bound_is_sound_and_tight(lower, false_accept):
    exact = max(Fraction(0), (Fraction(lower) - Fraction(false_accept)) / (1 - Fraction(false_accept)))
    corrected = corrected_lower_bound(lower, false_accept)
    assert exact - Fraction(2**-50) <= corrected <= exact


def test_corrected_lower_bound_inverts_the_acceptance_of_independent_tests():
    q, false_accept = 0.7, 0.01
    assert corrected_lower_bound(q + false_accept * (1 - q), false_accept) == pytest.approx(q, abs=1e-12)
    assert corrected_lower_bound(0.005, 0.01) == 0.0
    assert corrected_lower_bound(0.9, 0.0) == 0.9


# ------------------------------------------------------------------------------------------------------------- planning


def test_largest_certified_radius_of_the_papers_setting():
    assert largest_certified_radius(100, 0.001, 0.5) == pytest.approx(
        0.5 * scipy.stats.norm.ppf(0.001 ** (1 / 100)), rel=1e-12
    )
    assert largest_certified_radius(1, 0.01, 1.0) == 0.0


@untimed
@given(st.integers(1, 200_000), levels, sigmas)
def test_samples_needed_for_radius_inverts_the_largest_radius(n, alpha, sigma):
    radius = largest_certified_radius(n, alpha, sigma)
    if radius > 0:
        assert samples_needed_for_radius(radius, alpha, sigma) == n
    else:
        assert samples_needed_for_radius(1e-9, alpha, sigma) > n


@untimed
@given(st.floats(0.01, 4.2), levels, sigmas)
def test_samples_needed_for_radius_is_the_smallest(ratio, alpha, sigma):
    needed = samples_needed_for_radius(ratio * sigma, alpha, sigma)
    assert needed is not None
    assert largest_certified_radius(needed, alpha, sigma) >= ratio * sigma
    assert needed == 1 or largest_certified_radius(needed - 1, alpha, sigma) < ratio * sigma


@untimed
@given(st.floats(0.505, 1), levels)
def test_samples_needed_to_certify_and_to_predict_are_enough(share, alpha):
    needed = samples_needed_to_certify(share, alpha)
    assert needed is not None
    assert clopper_pearson_lower(math.ceil(share * needed), needed, alpha) > 0.5
    votes = samples_needed_to_predict(share, alpha)
    assert votes is not None
    assert binomial_p_value(math.ceil(share * votes), votes) <= alpha * (1 + 1e-9)
    assert votes >= needed


@untimed
@given(st.floats(0.505, 1), st.floats(1e-9, 0.2))
def test_samples_needed_to_certify_and_to_predict_are_needed(share, alpha):
    """The success count below the (real) one that one sample less would give is not enough."""
    needed = samples_needed_to_certify(share, alpha)
    assert needed is not None
    fewer = needed - 1
    assert fewer == 0 or clopper_pearson_lower(math.floor(share * fewer), fewer, alpha) <= 0.5
    votes = samples_needed_to_predict(share, alpha)
    assert votes is not None
    fewer = votes - 1
    assert fewer == 0 or binomial_p_value(math.floor(share * fewer), fewer) > alpha * (1 - 1e-9)


@pytest.mark.parametrize("share", [0.51, 0.6, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("alpha", [0.3, 0.01, 1e-6])
def test_samples_needed_agree_with_a_linear_search_over_attainable_shares(share, alpha):
    """Every n at which share * n is an integer: certified from the answer on, and never before it."""
    needed = samples_needed_to_certify(share, alpha)
    assert needed is not None
    for n in range(1, min(2 * needed + 200, 6000)):
        k = round(share * n)
        if math.isclose(k, share * n, rel_tol=1e-12):
            assert (clopper_pearson_lower(k, n, alpha) > 0.5) == (n >= needed), n


def test_samples_needed_gives_up_at_the_cap():
    assert samples_needed_for_radius(10.0, 0.01, 1.0) is None
    assert samples_needed_to_certify(0.5 + 1e-6, 0.01) is None
    assert samples_needed_to_predict(0.5 + 1e-6, 0.01) is None
    assert samples_needed_to_certify(0.501, 0.01) < MOST_SAMPLES


# ----------------------------------------------------------------------------------------------------- sequential test

NULLS = [0.5, 0.8, 0.99]
SIMULATED_LEVELS = [0.05, 0.01]
RUNS, HORIZON = 10_000, 2000


def precise_log_wealth(k: int, n: int, p0: float) -> mpf:
    """The mixture, through (n + 1) B(k+1, n-k+1) C(n, k) = 1 and the binomial form of the incomplete beta function."""
    return mpmath.log(precise_lower_tail(k, n + 1, p0) / ((n + 1 - k) * precise_mass(k, n + 1, p0)))


def test_log_wealth_is_the_mixture_of_the_definition():
    for p0 in (0.1, 0.5, 0.93):
        for n in (0, 1, 9):
            for k in range(0, n + 1, 3):

                def ratio(q, k=k, n=n, p0=p0):
                    return (q / mpf(p0)) ** k * ((1 - q) / (1 - mpf(p0))) ** (n - k) / (1 - mpf(p0))

                wealth = mpmath.quad(ratio, [p0, 1])
                log_wealth = SequentialTest(p0, 0.05).log_wealth(k, n)
                assert mpmath.log(wealth) - mpf("2e-9") <= log_wealth <= mpmath.log(wealth)


def test_log_wealth_is_rounded_down_by_less_than_its_claim():
    rng = np.random.default_rng(3)
    for _ in range(300):
        n = int(10 ** rng.uniform(0, 5.5))
        p0 = float(rng.choice([rng.random(), 10 ** rng.uniform(-9, 0), 1 - 10 ** rng.uniform(-9, 0)]))
        spread = math.sqrt(n * p0 * (1 - p0)) * rng.choice([0.3, 1, 5, 30, 300])
        k = int(np.clip(round(n * p0 + spread * rng.normal()), 0, n))
        exact = precise_log_wealth(k, n, p0)
        assert exact - mpf("1e-6") <= SequentialTest(p0, 0.05).log_wealth(k, n) < exact, (k, n, p0)


def test_log_wealth_far_below_the_null_where_the_tail_underflows():
    for k, n, p0 in [(0, 10_000, 0.9), (1000, 10**6, 0.5), (400_000, 10**6, 0.5), (3, 500, 1 - 1e-9)]:
        exact = precise_log_wealth(k, n, p0)
        assert exact - mpf("1e-6") <= SequentialTest(p0, 0.05).log_wealth(k, n) < exact


@untimed
@given(counts(most=100_000), st.floats(1e-6, 1 - 1e-6))
def test_log_wealth_increases_with_successes_and_decreases_with_failures(count, p0):
    k, n = count
    wealth, success, failure = mixture_log_wealth([k, k + 1, k], [n, n + 1, n + 1], p0)
    assert failure < wealth < success


@untimed
@given(counts(most=3000), st.floats(1e-3, 1 - 1e-3), st.floats(1e-6, 0.5))
def test_decision_follows_the_wealth_and_the_thresholds(count, p0, alpha):
    k, n = count
    test = SequentialTest(p0, alpha, futility_alpha=alpha)
    decision = test.decide(k, n)
    assert (decision is Decision.ACCEPT) == (test.log_wealth(k, n) >= -math.log(alpha))
    assert (decision is Decision.FUTILE) == (
        SequentialTest(1 - p0, alpha).decide(n - k, n) is Decision.ACCEPT
    )  # mirrored
    assert (decision is Decision.ACCEPT) == (k >= test.accept_thresholds(n)[n])
    assert (decision is Decision.FUTILE) == (k <= test.futility_thresholds(n)[n])
    assert SequentialTest(p0, alpha).decide(k, n) is not Decision.FUTILE


@pytest.mark.parametrize("p0", [0.01, *NULLS])
def test_thresholds_rise_by_at_most_one_a_trial(p0):
    test = SequentialTest(p0, 0.01, futility_alpha=0.01)
    for thresholds in (test.accept_thresholds(HORIZON), test.futility_thresholds(HORIZON)):
        assert set(np.diff(thresholds)) == {0, 1}
    assert (test.futility_thresholds(HORIZON) < test.accept_thresholds(HORIZON)).all()
    assert (SequentialTest(p0, 0.01).futility_thresholds(9) == -1).all()


def ever_reached(thresholds: np.ndarray, p: float, runs: int, seed: int) -> np.ndarray:
    """For each simulated run: did the running success count reach its threshold at any time?"""
    rng = np.random.default_rng(seed)
    horizon = len(thresholds) - 1
    reached = []
    for _ in range(runs // 1000):
        successes = np.cumsum(rng.random((1000, horizon)) < p, axis=1)
        reached.append((successes >= thresholds[1:]).any(axis=1))
    return np.concatenate(reached)


def probability_ever_reached(thresholds: np.ndarray, p: float) -> float:
    """The same by dynamic programming over the success count: no sampling error."""
    alive, reached = np.zeros(len(thresholds) + 1), 0.0
    alive[0] = 1.0
    for threshold in thresholds[1:]:
        alive[1:] = alive[1:] * (1 - p) + alive[:-1] * p
        alive[0] *= 1 - p
        reached += alive[threshold:].sum()
        alive[threshold:] = 0.0
    return reached


def repeated_clopper_pearson_thresholds(p0: float, alpha: float) -> np.ndarray:
    """Peeking: the fixed-size bound re-computed after every sample at the same alpha (what TSS does every batch)."""
    trials = np.arange(HORIZON + 1)
    return scipy.stats.binom.isf(alpha, trials, p0).astype(np.int64) + 1


@pytest.mark.parametrize("alpha", SIMULATED_LEVELS)
@pytest.mark.parametrize("p0", NULLS)
def test_false_accepts_stay_below_alpha_at_any_time(p0, alpha):
    thresholds = SequentialTest(p0, alpha).accept_thresholds(HORIZON)
    accepted = ever_reached(thresholds, p0, RUNS, seed=11)
    assert clopper_pearson_lower(int(accepted.sum()), RUNS, 1e-6) <= alpha
    assert probability_ever_reached(thresholds, p0) <= alpha
    assert probability_ever_reached(thresholds, p0) > alpha / 100  # the bound is not met by never accepting


@pytest.mark.parametrize("alpha", SIMULATED_LEVELS)
@pytest.mark.parametrize("p0", NULLS)
def test_the_simulation_catches_repeated_clopper_pearson(p0, alpha):
    thresholds = repeated_clopper_pearson_thresholds(p0, alpha)
    assert clopper_pearson_lower(int(thresholds[500]), 500, alpha) > p0 - 1e-9  # they are the fixed-size test's
    assert clopper_pearson_lower(int(thresholds[500]) - 1, 500, alpha) <= p0
    accepted = ever_reached(thresholds, p0, RUNS, seed=11)
    assert clopper_pearson_lower(int(accepted.sum()), RUNS, 1e-6) > alpha
    assert probability_ever_reached(thresholds, p0) > alpha


@pytest.mark.parametrize("alpha", SIMULATED_LEVELS)
@pytest.mark.parametrize(("p0", "above", "below"), [(0.5, 0.6, 0.4), (0.8, 0.87, 0.73), (0.99, 0.999, 0.97)])
def test_the_sequential_test_has_power(p0, above, below, alpha):
    test = SequentialTest(p0, alpha, futility_alpha=alpha)
    assert probability_ever_reached(test.accept_thresholds(HORIZON), above) > 0.9
    assert ever_reached(test.accept_thresholds(HORIZON), above, 1000, seed=12).mean() > 0.9
    futile_failures = np.arange(HORIZON + 1) - test.futility_thresholds(HORIZON)
    assert probability_ever_reached(futile_failures, 1 - p0) <= alpha
    assert probability_ever_reached(futile_failures, 1 - below) > 0.9


def test_a_test_for_a_radius_needs_the_probability_of_that_radius():
    test = SequentialTest.for_radius(0.4, 0.25, alpha=0.01)
    exact = mpmath.ncdf(mpf(0.4) / mpf(0.25))
    assert exact <= test.p0 <= exact + mpf("1e-13")
    assert SequentialTest.for_radius(0.0, 1.0, 0.01).p0 == pytest.approx(0.5, abs=1e-13)
    hopeless = SequentialTest.for_radius(10.0, 1.0, 0.01)
    assert hopeless.p0 == 1.0
    assert hopeless.decide(1000, 1000) is Decision.FUTILE
    assert (hopeless.accept_thresholds(5) == np.arange(1, 7)).all()
    assert (hopeless.futility_thresholds(5) == np.arange(6)).all()


@untimed
@given(st.floats(0, 8), sigmas)
def test_p0_of_a_radius_is_rounded_up(ratio, sigma):
    radius = ratio * sigma
    with mpmath.workdps(60):
        exact_failure = mpmath.erfc(mpf(radius) / mpf(sigma) / mpmath.sqrt(2)) / 2
        assert 1 - mpf(SequentialTest.for_radius(radius, sigma, 0.01).p0) <= exact_failure


# --------------------------------------------------------------------------------------------------------------- budget


def test_budget_of_the_paper():
    budget = ConfidenceBudget()
    assert budget.total == pytest.approx(0.01, abs=1e-18)
    assert budget.inner_level(200) == 0.005 / 200
    assert ConfidenceBudget(0.01, 0.0, 0.0).total == 0.01


@pytest.mark.parametrize(
    "parts", [(-0.001, 0.005, 0.001), (0.0, 0.0, 0.0), (0.5, 0.4, 0.1), (math.nan, 0.1, 0.1), (1.0, 0.0, 0.0)]
)
def test_budget_refuses_impossible_parts(parts):
    with pytest.raises(ValueError):
        ConfidenceBudget(*parts)


# ------------------------------------------------------------------------------------------------------------ arguments


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clopper_pearson_lower(3, 2, 0.01), "successes = 3"),
        (lambda: clopper_pearson_lower(-1, 2, 0.01), "successes = -1"),
        (lambda: clopper_pearson_upper(1.5, 2, 0.01), "integers"),
        (lambda: clopper_pearson_upper(0, 0, 0.01), "trials = 0"),
        (lambda: clopper_pearson_lower(1, 2, 0.0), "alpha = 0.0"),
        (lambda: clopper_pearson_upper(1, 2, 1.0), "alpha = 1.0"),
        (lambda: clopper_pearson_upper(1, 2, math.nan), "alpha = nan"),
        (lambda: binomial_p_value(3, 2), "successes = 3"),
        (lambda: certified_radius(1.0, 0.5), "p_lower = 1.0"),
        (lambda: certified_radius(math.nan, 0.5), "p_lower = nan"),
        (lambda: certified_radius(0.9, 0.0), "sigma = 0.0"),
        (lambda: certified_radius(0.9, math.inf), "sigma = inf"),
        (lambda: corrected_lower_bound(1.1, 0.1), "lower_bound = 1.1"),
        (lambda: corrected_lower_bound(0.9, 1.0), "false_accept = 1.0"),
        (lambda: samples_needed_for_radius(0.0, 0.01, 1.0), "radius = 0.0"),
        (lambda: samples_needed_to_certify(0.5, 0.01), "share = 0.5"),
        (lambda: samples_needed_to_predict(1.1, 0.01), "share = 1.1"),
        (lambda: SequentialTest(0.0, 0.01), "p0 = 0.0"),
        (lambda: SequentialTest(1.1, 0.01), "p0 = 1.1"),
        (lambda: SequentialTest(0.5, 1.0), "alpha = 1.0"),
        (lambda: SequentialTest(0.5, 0.1, 0.0), "futility_alpha = 0.0"),
        (lambda: SequentialTest(0.5, 0.1).decide(3, 2), "successes = 3"),
        (lambda: SequentialTest(0.5, 0.1).decide(0.0, 0), "integers"),
        (lambda: SequentialTest(0.5, 0.1).accept_thresholds(-1), "most_trials = -1"),
        (lambda: SequentialTest(0.5, 0.1).futility_thresholds(-1), "most_trials = -1"),
        (lambda: SequentialTest.for_radius(-0.1, 1.0, 0.1), "radius = -0.1"),
        (lambda: ConfidenceBudget().inner_level(0), "n_gamma = 0"),
    ],
)
def test_invalid_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_trials_decide_nothing():
    test = SequentialTest(0.5, 0.05, futility_alpha=0.05)
    assert test.log_wealth(0, 0) == pytest.approx(0.0, abs=1e-6)
    assert test.decide(0, 0) is Decision.CONTINUE


def test_scipy_and_statsmodels_are_imported_only_inside_functions():
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.parse(Path(spt.statistics.__file__).read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert "numpy" in imported
    assert not imported & {"scipy", "statsmodels", "torch", "spt"}
