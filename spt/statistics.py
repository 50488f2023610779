"""Confidence bounds and tests for votes: plain numbers in, plain numbers out.

Conventions
-----------
`successes` of `trials` independent samples succeeded, each with the unknown probability p. `alpha` is the probability
with which a statement may be wrong. Every bound is rounded to its safe side, by more than the numerical error of the
special functions behind it. Invalid arguments raise ValueError.

scipy and statsmodels are imported inside the functions: they cost seconds, and the first screen does not need them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

MOST_SAMPLES = 10**7
"""The planning functions `samples_needed_...` answer None beyond this number."""

# Measured against 40-digit tail sums on 50,000 random cases (trials up to 10**6): the solver behind Clopper-Pearson is
# off by at most 5e-12 of min(p, 1 - p).
_SOLVER_ERROR = 1e-10
# Likewise, relative: ndtri and alpha**(1/n) are correct to a few units in the last place.
_ROUNDING = 1e-14


def _counts(successes: SupportsIndex, trials: SupportsIndex, fewest_trials: int = 1) -> tuple[int, int]:
    try:
        k, n = operator.index(successes), operator.index(trials)
    except TypeError:
        raise ValueError(f"successes = {successes!r} and trials = {trials!r} must be integers") from None
    if n < fewest_trials:
        raise ValueError(f"trials = {n} must be at least {fewest_trials}")
    if not 0 <= k <= n:
        raise ValueError(f"successes = {k} must be between 0 and trials = {n}")
    return k, n


def _open_unit(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} = {value} must be greater than 0 and less than 1")


def _positive(name: str, value: float) -> None:
    if not 0.0 < value < math.inf:
        raise ValueError(f"{name} = {value} must be positive and finite")


# --------------------------------------------------------------------------------------------------- fixed sample size


def clopper_pearson_lower(successes: SupportsIndex, trials: SupportsIndex, alpha: float) -> float:
    """One-sided lower confidence bound of p: with probability at least 1 - alpha it is at most p.

    It satisfies Pr[Bin(trials, bound) >= successes] <= alpha: 0 if nothing succeeded, alpha**(1/trials) if everything
    did. The number of trials must not depend on their outcome (see SequentialTest where it does).

    Source: Clopper and Pearson, Biometrika 26 (1934).
    """
    k, n = _counts(successes, trials)
    _open_unit("alpha", alpha)
    if k == 0:
        return 0.0
    if k == n:
        return _unanimous_lower(n, alpha)
    from scipy.special import betainc
    from statsmodels.stats.proportion import proportion_confint

    p = float(proportion_confint(k, n, alpha=2 * alpha, method="beta")[0])
    bound = math.nextafter(p - _SOLVER_ERROR * min(p, 1 - p), 0.0)
    # A bound that the binomial tail does not confirm (or NaN) gives way to the trivial one.
    return bound if betainc(k, n - k + 1, bound) <= alpha else 0.0


def clopper_pearson_upper(successes: SupportsIndex, trials: SupportsIndex, alpha: float) -> float:
    """One-sided upper confidence bound of p: with probability at least 1 - alpha it is at least p.

    It satisfies Pr[Bin(trials, bound) <= successes] <= alpha: 1 if everything succeeded, 1 - alpha**(1/trials) if
    nothing did. The number of trials must not depend on their outcome.

    Source: Clopper and Pearson, Biometrika 26 (1934).
    """
    k, n = _counts(successes, trials)
    _open_unit("alpha", alpha)
    if k == n:
        return 1.0
    if k == 0:
        return min(1.0, -math.expm1(math.log(alpha) / n) * (1 + _ROUNDING))
    from scipy.special import betaincc
    from statsmodels.stats.proportion import proportion_confint

    p = float(proportion_confint(k, n, alpha=2 * alpha, method="beta")[1])
    bound = math.nextafter(p + _SOLVER_ERROR * min(p, 1 - p), 1.0)
    return bound if betaincc(k + 1, n - k, bound) <= alpha else 1.0


def _unanimous_lower(trials: int, alpha: float) -> float:
    """alpha**(1/trials), rounded down on the scale of 1 - p so that the radius hardly suffers."""
    log_bound = math.log(alpha) / trials * (1 + _ROUNDING)
    return math.nextafter(math.nextafter(math.exp(log_bound), 0.0), 0.0)


def binomial_p_value(successes: SupportsIndex, trials: SupportsIndex) -> float:
    """p-value of the exact two-sided binomial test of p = 1/2.

    PREDICT answers if the p-value of the top class's votes among those of the top two is at most alpha (Hung and
    Fithian, Annals of Statistics 2019).
    """
    k, n = _counts(successes, trials)
    from scipy.stats import binomtest

    return float(binomtest(k, n, 0.5).pvalue)


def certified_radius(p_lower: float, sigma: float) -> float:
    """sigma * Phi^-1(p_lower), rounded down, in the unit of `sigma`; 0 where p_lower <= 1/2 (nothing is certified).

    If the smoothed classifier's top class has probability at least p_lower under N(0, sigma^2 I), then no shift of
    length less than this radius changes its answer (theorem 3.1 for pixel noise; theorem 3.2 for parameters of transformations
    that compose, which interpolated ones do not: the defences account for that).
    p_lower = 1 raises ValueError: no finite number of samples gives it, and the radius would be infinite.
    """
    _positive("sigma", sigma)
    if not 0.0 <= p_lower < 1.0:
        raise ValueError(f"p_lower = {p_lower} must be at least 0 and less than 1; use a confidence bound, not a share")
    if p_lower <= 0.5:
        return 0.0
    from scipy.special import ndtri

    return sigma * float(ndtri(p_lower)) * (1 - _ROUNDING)


def corrected_lower_bound(lower_bound: float, false_accept: float) -> float:
    """Lower bound of q = Pr(the property holds) when samples are judged by tests that may be wrong.

    `lower_bound` bounds the probability that a sample's test accepts; each test accepts a sample without the property
    with probability at most `false_accept`, independently of the other samples. Then q is at least
    (lower_bound - false_accept) / (1 - false_accept) at the same confidence, without a union bound over the samples;
    0 if that is negative.

    Proof: Pr(accept) <= q + false_accept (1 - q).
    """
    if not 0.0 <= lower_bound <= 1.0:
        raise ValueError(f"lower_bound = {lower_bound} must be between 0 and 1")
    if not 0.0 <= false_accept < 1.0:
        raise ValueError(f"false_accept = {false_accept} must be at least 0 and less than 1")
    if false_accept == 0.0:
        return lower_bound
    return max(0.0, (lower_bound - false_accept) / (1 - false_accept) - 2**-51)


# ------------------------------------------------------------------------------------------------------------ planning


def largest_certified_radius(trials: SupportsIndex, alpha: float, sigma: float) -> float:
    """The radius that `trials` samples certify if all of them agree: no outcome gives more. In the unit of `sigma`."""
    return certified_radius(clopper_pearson_lower(trials, trials, alpha), sigma)


def samples_needed_for_radius(radius: float, alpha: float, sigma: float) -> int | None:
    """The smallest number of samples that can certify `radius` (in the unit of `sigma`), all of them agreeing.

    None if MOST_SAMPLES do not suffice.
    """
    _positive("radius", radius)
    _positive("sigma", sigma)
    _open_unit("alpha", alpha)
    return _smallest(lambda n: largest_certified_radius(n, alpha, sigma) >= radius)


def samples_needed_to_certify(share: float, alpha: float, threshold: float = 0.5) -> int | None:
    """The number of samples from which on a share of `share` certifies: its lower bound exceeds `threshold` (1/2).

    The binomial tail is continued to real success counts share * n, so the answer does not jump with their rounding.
    None if MOST_SAMPLES do not suffice.
    """
    _majority(share, threshold)
    _open_unit("alpha", alpha)
    return _smallest(lambda n: _tail(share, n, threshold) < alpha)


def votes_needed_to_certify(trials: SupportsIndex, alpha: float) -> int | None:
    """The smallest success count among `trials` whose lower bound at level `alpha` exceeds 1/2; None if none does."""
    _, n = _counts(0, trials)
    if not clopper_pearson_lower(n, n, alpha) > 0.5:
        return None
    low, high = n // 2, n  # at half the votes the bound is below 1/2, at all of them above
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if clopper_pearson_lower(middle, n, alpha) > 0.5 else (middle, high)
    return high


def samples_needed_to_predict(share: float, alpha: float) -> int | None:
    """The number of votes for the top two classes from which on PREDICT answers, if the top class gets `share` of them.

    Like samples_needed_to_certify, for the two-sided test of PREDICT (p-value <= alpha).
    """
    _majority(share)
    _open_unit("alpha", alpha)
    return _smallest(lambda n: 2 * _tail(share, n, 0.5) <= alpha)


def _majority(share: float, threshold: float = 0.5) -> None:
    if not threshold < share <= 1.0:
        raise ValueError(
            f"share = {share} must be greater than 1/2 and at most 1; no number of samples helps otherwise"
        )


def _tail(share: float, n: int, probability: float) -> float:
    """Pr[Bin(n, probability) >= share * n], continued to real counts; decreases with n."""
    from scipy.special import betainc

    return float(betainc(share * n, n - share * n + 1, probability))


def _smallest(enough: Callable[[int], bool]) -> int | None:
    """The smallest n <= MOST_SAMPLES for which the monotone condition `enough` holds, by doubling and bisection."""
    high = 1
    while not enough(high):
        if high == MOST_SAMPLES:
            return None
        high = min(2 * high, MOST_SAMPLES)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


# ----------------------------------------------------------------------------------------------------- sequential test


class Decision(Enum):
    """What a SequentialTest says after looking at the counts."""

    ACCEPT = "accept"  # p > p0 is shown
    FUTILE = "futile"  # p > p0 is not shown, and probably never will be
    CONTINUE = "continue"


@dataclass(frozen=True)
class SequentialTest:
    """Anytime-valid test of H0: p <= p0, by the uniform mixture martingale.

    Guarantee: let X_1, X_2, ... be 0 or 1 with Pr(X_t = 1 | X_1, ..., X_{t-1}) <= p0 for every t. The probability that
    `decide` answers ACCEPT at *any* t, for ever, is at most alpha. It may therefore be asked after every sample or
    batch, and any stopping rule is valid (time, budget, the person at the screen) as long as it sees only the past and
    the test is given *all* samples so far: restarting it, or dropping samples, is not.

    The wealth W_t is the mean over q uniform in (p0, 1] of the likelihood ratios prod Bern(q)/Bern(p0). Under H0 each
    ratio is a non-negative supermartingale that starts at 1, so W_t reaches 1/alpha with probability at most alpha
    (Ville 1939; Robbins, Annals of Mathematical Statistics 1970).

    FUTILE is the same test of the mirrored H0': p >= p0 at level `futility_alpha` (None: never). It only saves
    samples: if p >= p0 it occurs with probability at most futility_alpha, and ACCEPT is valid with or without it.

    p0 = 1 is allowed (probabilities round to it): nothing is ever accepted, and every answer is FUTILE.
    """

    p0: float
    alpha: float
    futility_alpha: float | None = None

    def __post_init__(self) -> None:
        _null(self.p0)
        _open_unit("alpha", self.alpha)
        if self.futility_alpha is not None:
            _open_unit("futility_alpha", self.futility_alpha)

    @classmethod
    def for_radius(
        cls,
        radius: float,
        sigma: float,
        alpha: float,
        futility_alpha: float | None = None,
        vote_error: float = 0.0,
    ) -> SequentialTest:
        """The test whose ACCEPT certifies `radius` at noise `sigma` (same unit): p0 = Phi(radius / sigma), rounded up.

        With `vote_error`, by which the probability of a counted vote may differ from that of the theorem, p0 is so much
        larger. Source: theorem 3.1.
        """
        _positive("sigma", sigma)
        if not 0.0 <= radius < math.inf:
            raise ValueError(f"radius = {radius} must be at least 0 and finite")
        if not 0.0 <= vote_error <= 1.0:
            raise ValueError(f"vote_error = {vote_error} must be between 0 and 1")
        from scipy.special import ndtr

        ratio = radius / sigma * (1 + _ROUNDING)
        p_exceed = float(ndtr(-ratio)) * (1 - _ROUNDING)
        p0 = math.nextafter(1.0 - p_exceed, 2.0)
        p0 = math.nextafter(p0 + vote_error, 2.0) if vote_error else p0
        return cls(min(1.0, p0), alpha, futility_alpha)

    def log_wealth(self, successes: SupportsIndex, trials: SupportsIndex) -> float:
        """Natural logarithm of W_t, rounded down (by less than 1e-6 up to 10**6 trials); 0 before the first trial."""
        return float(mixture_log_wealth(*_counts(successes, trials, fewest_trials=0), self.p0))

    def decide(self, successes: SupportsIndex, trials: SupportsIndex) -> Decision:
        """The verdict on the running counts of all samples so far; ACCEPT at most once in 1/alpha under H0, ever."""
        if self.log_wealth(successes, trials) >= -math.log(self.alpha):
            return Decision.ACCEPT
        if self.p0 == 1.0:
            return Decision.FUTILE
        if self.futility_alpha is not None:
            k, n = _counts(successes, trials, fewest_trials=0)
            if mixture_log_wealth(n - k, n, 1 - self.p0) >= -math.log(self.futility_alpha):
                return Decision.FUTILE
        return Decision.CONTINUE

    def accept_thresholds(self, most_trials: int) -> npt.NDArray[np.int64]:
        """The smallest success count that accepts after t trials, for t = 0 .. most_trials; t + 1 where none does.

        Never decreases. `successes >= thresholds[trials]` decides thousands of tests at once, exactly like `decide`.
        """
        return _thresholds(self.p0, self.alpha, most_trials)

    def futility_thresholds(self, most_trials: int) -> npt.NDArray[np.int64]:
        """The largest success count that is futile after t trials, for t = 0 .. most_trials; -1 where none is."""
        trials = _up_to(most_trials)
        if self.p0 == 1.0:
            return trials
        if self.futility_alpha is None:
            return np.full_like(trials, -1)
        return trials - _thresholds(1 - self.p0, self.futility_alpha, most_trials)


def mixture_log_wealth(successes: npt.ArrayLike, trials: npt.ArrayLike, p0: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """`SequentialTest.log_wealth` for arrays of counts and null probabilities (broadcast together), unchecked counts.

    With k successes in n trials,  W = B(k+1, n-k+1) Pr[Beta(k+1, n-k+1) > p0] / (p0^k (1-p0)^(n-k+1)).
    """
    from scipy.special import betaincc, betaln

    _null(p0)
    k, n, p = np.broadcast_arrays(
        np.asarray(successes, np.float64), np.asarray(trials, np.float64), np.asarray(p0, np.float64)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = np.asarray(betaincc(k + 1, n - k + 1, p))
        for_alternative = betaln(k + 1, n - k + 1) + np.log(tail)
        for_null = k * np.log(p) + (n - k + 1) * np.log(1 - p)
        # Sums of large terms that nearly cancel: subtract more than they can have lost.
        loss = 1e-9 + 4e-15 * (np.abs(for_null) + (n + 2) * np.log(n + 2))
        result = np.asarray(for_alternative - for_null - loss)
    far = tail < 1e-290
    if far.any():
        result[far] = _log_wealth_series(k[far], n[far], p[far]) - 1e-9
    return result


def _log_wealth_series(
    k: npt.NDArray[np.float64], n: npt.NDArray[np.float64], p: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """log W far below p0, where the tail underflows: W = sum over j >= 0 of Pr[Bin(n+1, p0) = k-j] / Pr[... = k],
    divided by n-k+1; a series of positive terms that falls at least geometrically there."""
    term = np.ones_like(k)
    total = np.ones_like(k)
    j = 0
    while (term > 1e-17 * total).any():
        term = term * np.maximum(k - j, 0.0) * (1 - p) / ((n - k + 2 + j) * p)
        total = total + term
        j += 1
    return np.asarray(np.log(total) - np.log(n - k + 1), np.float64)


def _null(p0: npt.ArrayLike) -> None:
    values = np.asarray(p0, np.float64)
    if not ((values > 0) & (values <= 1)).all():
        raise ValueError(f"p0 = {p0!r} must be greater than 0 and at most 1")


def _up_to(most_trials: int) -> npt.NDArray[np.int64]:
    if most_trials < 0:
        raise ValueError(f"most_trials = {most_trials} must not be negative")
    return np.arange(most_trials + 1, dtype=np.int64)


def _thresholds(p0: float, alpha: float, most_trials: int) -> npt.NDArray[np.int64]:
    """Bisection for all t at once: the wealth increases with the successes."""
    trials = _up_to(most_trials)
    low, high = np.full_like(trials, -1), trials + 1  # low does not accept, high does (or is out of reach)
    while (open_ := high - low > 1).any():
        middle = np.where(open_, (low + high) // 2, 0)
        accepts = mixture_log_wealth(middle, trials, p0) >= -math.log(alpha)
        high = np.where(open_ & accepts, middle, high)
        low = np.where(open_ & ~accepts, middle, low)
    return high


# -------------------------------------------------------------------------------------------------------------- budget


@dataclass(frozen=True)
class ConfidenceBudget:
    """How the failure probability of a certificate is divided (docs/mathematics.md, section 18; the defaults are the paper's).

    A certificate is wrong with probability at most `total`, by the union bound over its parts. A part that a defence
    does not need is set to 0 explicitly.
    """

    alpha_gamma: float = 0.004
    """Outer Clopper-Pearson bound, over the sampled transformations."""
    alpha_eps: float = 0.005
    """All inner tests over pixel noise together."""
    alpha_error: float = 0.001
    """The bound of the interpolation error (of the probability rho_E that a sampled transformation exceeds it)."""

    def __post_init__(self) -> None:
        for name in ("alpha_gamma", "alpha_eps", "alpha_error"):
            value = getattr(self, name)
            if not 0.0 <= value < 1.0:
                raise ValueError(f"{name} = {value} must be at least 0 and less than 1")
        if not 0.0 < self.total < 1.0:
            raise ValueError(f"the parts sum to {self.total}; the total must be greater than 0 and less than 1")

    @property
    def total(self) -> float:
        """The probability that the certificate is wrong, at most."""
        return math.fsum((self.alpha_gamma, self.alpha_eps, self.alpha_error))

    def inner_level(self, n_gamma: int) -> float:
        """The level of each of `n_gamma` inner tests, alpha_eps / n_gamma (union bound)."""
        if n_gamma < 1:
            raise ValueError(f"n_gamma = {n_gamma} must be at least 1")
        return self.alpha_eps / n_gamma
