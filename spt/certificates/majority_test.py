"""`MajorityTest`: whether most samples of a cell pass, asked after each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np

from spt import statistics

MOST_UNANIMOUS = 4000
OUTER_FUTILITY = 0.05
"""Level at which the test of a cell gives up: it only saves samples."""


@dataclass(frozen=True)
class MajorityTest:
    """An anytime-valid test of samples that pass or do not, with a cap.

    Attributes:
        test: its null hypothesis is that samples pass with probability at most ``test.p0``; its level is ``test.alpha``.
        most: after so many samples it gives up.
    """

    test: statistics.SequentialTest
    most: int

    @classmethod
    def of_reach(cls, reach: float, parameter_sigma: float, alpha: float, inner_alpha: float, most: int) -> Self:
        """The test of a cell no point of which is farther than ``reach`` from its centre, for samples with noise parameter_sigma
        that pass wrongly with probability at most inner_alpha: its null hypothesis is that samples pass with probability at most
        q0 + inner_alpha (1 - q0), where q0 = Phi(reach / parameter_sigma). ValueError where parameter_sigma is 0."""
        q0 = statistics.SequentialTest.for_radius(reach, parameter_sigma, alpha).p0
        null = min(1.0, (q0 + inner_alpha * (1 - q0)) * (1 + 2.0**-50))
        return cls(statistics.SequentialTest(null, alpha, OUTER_FUTILITY), most)

    def fewest_to_accept(self) -> int:
        """How many samples accept if all of them pass (`MOST_UNANIMOUS` where it is not fewer)."""
        for most in (self.most, MOST_UNANIMOUS):
            accept, _ = _thresholds(self.test, most)
            fewest = next((n for n, needed in enumerate(accept) if needed <= n), None)
            if fewest is not None:
                return fewest
        return MOST_UNANIMOUS

    def verdict(self, passed: Sequence[bool]) -> tuple[int, bool] | None:
        """After how many samples the test stopped, and whether it accepted; None if it wants more than these.

        It is asked after every sample, so that the verdict does not depend on how many were drawn at once.
        """
        accept, futile = _thresholds(self.test, self.most)
        count = 0
        for n, passes in enumerate(passed, 1):
            count += passes
            if count >= accept[n]:
                return n, True
            if count <= futile[n]:
                return n, False
        return None


@lru_cache(maxsize=256)
def _thresholds(test: statistics.SequentialTest, most: int) -> tuple[list[int], list[int]]:
    """From how many passes on a test accepts after 0 .. most samples, and up to how many it gives up: where it is futile, or
    would not accept within ``most`` samples even if all others passed."""
    accept, futile = test.accept_thresholds(most), test.futility_thresholds(most)
    numbers = np.arange(most + 1)
    missed = np.minimum.accumulate((accept - numbers)[::-1])[
        ::-1
    ]  # the fewest failures that rule out every later acceptance
    return accept.tolist(), np.maximum(futile, numbers + missed - 1).tolist()
