"""When inner tests look at their votes, and whether a count is one at which such a test can have stopped."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spt import statistics

FIRST_LOOK, MOST_INNER_VOTES = 32, 2048
LOOKS = (32, 64, 96, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024, 1280, 1536, 2048)
MOST_VOTES_WITH_ONE_ERROR = 1 << 14  # E is larger and the level smaller than with per-sample errors
LOOK_AGAIN = 1.25  # times the votes so far, where a test is close to its decision
FUTILITY_ALPHA = 0.01  # with one E: gives up early; valid whatever it is


def looks_with_one_error(test: statistics.SequentialTest) -> tuple[int, ...]:
    """When to ask the tests: early to give up soon, then from where equal votes pass; empty if they never do."""
    blocks = np.arange(FIRST_LOOK, MOST_VOTES_WITH_ONE_ERROR + 1, FIRST_LOOK)
    passes = statistics.mixture_log_wealth(blocks, blocks, test.p0) >= -math.log(test.alpha)
    if test.p0 == 1 or not passes.any():
        return ()
    first = int(passes.argmax())
    early = [FIRST_LOOK << k for k in range(20) if FIRST_LOOK << k < blocks[first]]
    late = [int(blocks[first])]
    while (later := math.ceil(late[-1] * LOOK_AGAIN / FIRST_LOOK) * FIRST_LOOK) <= MOST_VOTES_WITH_ONE_ERROR:
        late.append(later)
    return (*early, *late)


def can_have_stopped(pair: tuple[int, int], test: statistics.SequentialTest, looks: Sequence[int]) -> bool:
    """Whether a test that is asked at ``looks`` can have stopped with (votes for the class, votes) = ``pair``: at a look, decided
    or at the last one, after a look at which it was undecided. Without looks it had no votes."""
    successes, trials = pair
    if not looks:
        return (successes, trials) == (0, 0)
    if trials not in looks or not 0 <= successes <= trials:
        return False
    if trials != looks[-1] and test.decide(successes, trials) is statistics.Decision.CONTINUE:
        return False
    place = list(looks).index(trials)
    if place == 0:
        return True
    before = looks[place - 1]
    counts = np.arange(max(0, successes - (trials - before)), min(before, successes) + 1)
    return bool(undecided(counts, np.full_like(counts, before), test.p0, test.alpha, test.futility_alpha).any())


def undecided(
    successes: npt.ArrayLike,
    trials: npt.ArrayLike,
    null: npt.ArrayLike,
    alpha: float,
    futility_alpha: float | None = None,
) -> npt.NDArray[np.bool_]:
    """(N,) whether neither acceptance nor futility (by default at the same level) is reached."""
    k, n, p0 = np.broadcast_arrays(np.asarray(successes), np.asarray(trials), np.asarray(null, np.float64))
    possible = p0 < 1
    accepted = statistics.mixture_log_wealth(k, n, np.where(possible, p0, 0.5)) >= -np.log(alpha)
    against = statistics.mixture_log_wealth(n - k, n, np.where(possible, 1 - p0, 0.5))
    futile = against >= -np.log(futility_alpha or alpha)
    return np.asarray(possible & ~accepted & ~futile)
