"""`OneErrorDefence`: certifying with one E, by nested or joint votes, whatever the E is about.

What is proved, and why, stands at `spt.certificates.OneErrorCertificate` and the radii next to it.
"""

import math
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from spt import statistics
from spt.certificates.error_level import DistributionErrorLevel, ErrorLevel
from spt.certificates.one_error import OneErrorCertificate, Votes, radius_for, vote_alpha
from spt.defences.inner_tests import FIRST_LOOK, inner_votes, noise_seeds
from spt.defences.proving import ProvingDefence, at_least_one
from spt.images import image_digest
from spt.progress import Progress
from spt.smoothing import generators

MARGIN = 1.1  # of E over the largest bound among the betas that choose it
SAMPLES_AT_ONCE = 50
MOST_INNER_VOTES = 1 << 14  # E is larger and the level smaller than with per-sample errors, so tests need more votes
LOOK_AGAIN = 1.25  # times the votes so far, where a test is close to its decision
FUTILITY_ALPHA = 0.01  # gives up early; valid whatever it is
PAPER = statistics.ConfidenceBudget()


@dataclass(frozen=True)
class OneErrorDefence(ProvingDefence):
    """A defence that certifies with an E of one of the kinds in ``levels``."""

    levels: ClassVar[tuple[type[ErrorLevel], ...]]

    def check_level(self, level: ErrorLevel, image: Tensor, budget: statistics.ConfidenceBudget = PAPER) -> None:
        """ValueError unless this E may be used for this defence, image and budget."""
        if not isinstance(level, self.levels):
            raise ValueError(
                f"This E is about {level.scope()}, which is not what {self.name} certifies: measure E with "
                f"{type(self).__name__}."
            )
        for name, wanted in self._settings().items():
            if (found := getattr(level, name)) != wanted:
                raise ValueError(
                    f"This E was measured for another {name.replace('_', ' ')}: {found}, but {wanted} is wanted here."
                )
        if not level.verify():
            raise ValueError("The numbers of this error level do not follow from its counts: measure E again.")
        if not level.covers(image_digest(image)):
            raise ValueError(
                "This image was used to measure E, so it is no fresh one: certify another image."
                if isinstance(level, DistributionErrorLevel)
                else "This E was measured on another image."
            )
        if isinstance(level, DistributionErrorLevel) and not level.usable:
            raise ValueError("q_E of this E is 0, so nothing follows: measure a larger E or on more images.")
        if level.alpha_error > budget.alpha_error:
            raise ValueError(
                f"This E may be wrong with probability {level.alpha_error:g}, but the budget leaves it "
                f"{budget.alpha_error:g}."
            )

    def largest_radius(
        self, level: ErrorLevel, votes: Votes = "nested", n: int = 200, budget: statistics.ConfidenceBudget = PAPER
    ) -> float:
        """The radius that n samples certify with this E if all of them agree: no outcome gives more."""
        return radius_for(
            votes, statistics.clopper_pearson_lower(n, n, vote_alpha(votes, budget)), level, self.pixel_sigma
        )

    def _certify(
        self,
        image: Tensor,
        level: ErrorLevel,
        votes: Votes,
        n0: int,
        n: int,
        budget: statistics.ConfidenceBudget,
        seed: int,
        batch_size: int,
        progress: Progress,
    ) -> OneErrorCertificate:
        """Selection from n0 one-level votes, then n nested or joint ones; see the public methods of the subclasses."""
        started = time.perf_counter()
        if votes not in ("nested", "joint"):
            raise ValueError(f"votes must be 'nested' or 'joint', but is {votes!r}.")
        at_least_one(n0=n0, n=n, batch_size=batch_size)
        statistics.clopper_pearson_lower(0, n, vote_alpha(votes, budget))  # refuses what is no level
        image = self.checked(image)
        self.check_level(level, image, budget)
        selection_generator, generator = generators(seed, n0, n)
        selection, selected = self._select(image, n0, selection_generator)
        inner: list[tuple[int, int]] = []
        counts: tuple[int, ...] = ()
        if votes == "nested":
            inner = self._nested(image, level.error, selected, n, budget, generator, batch_size, progress)
        else:
            stream = self._one_level().votes(image, n, generator, batch_size)
            *_, last = progress(stream, desc="joint votes", total=math.ceil(n / batch_size))
            counts = last.counts
        return OneErrorCertificate.conclude(
            **self._about(image, seed),
            votes=votes,
            budget=budget,
            level=level,
            selection_counts=selection,
            selected=selected,
            n=n,
            inner_votes=tuple(inner),
            counts=counts,
            seconds=time.perf_counter() - started,
        )

    def _nested(
        self,
        image: Tensor,
        error: float,
        label: int,
        n: int,
        budget: statistics.ConfidenceBudget,
        generator: torch.Generator,
        batch_size: int,
        progress: Progress,
    ) -> list[tuple[int, int]]:
        """The inner votes of n fresh betas; (0, 0) for each where even MOST_INNER_VOTES equal votes would not pass."""
        alpha = budget.inner_level(n)
        looks = _looks(statistics.SequentialTest.for_radius(error, self.pixel_sigma, alpha))
        if not looks:
            return [(0, 0)] * n
        betas, seeds = self._betas(n, generator), noise_seeds(n, generator)
        found: list[tuple[int, int]] = []
        starts = range(0, n, batch_size)
        for start in progress(starts, desc="inner tests", total=len(starts)):
            batch = slice(start, start + batch_size)
            centres = self.classifier.preprocessing(self.transform(image, betas[batch]))
            radii = torch.full((len(centres),), error, dtype=torch.float64).numpy()
            found += inner_votes(
                self.classifier, centres, radii, label, self.pixel_sigma, alpha, seeds[batch], FUTILITY_ALPHA, looks
            )  # fmt: skip
        return found

    def _betas(self, count: int, generator: torch.Generator) -> Tensor:
        return self.transform.sample(count, self.parameter_sigma, generator)


def _looks(test: statistics.SequentialTest) -> tuple[int, ...]:
    """When to ask the tests: early to give up soon, then from where equal votes pass; empty if they never do."""
    blocks = np.arange(FIRST_LOOK, MOST_INNER_VOTES + 1, FIRST_LOOK)
    passes = statistics.mixture_log_wealth(blocks, blocks, test.p0) >= -math.log(test.alpha)
    if test.p0 == 1 or not passes.any():
        return ()
    first = int(passes.argmax())
    early = [FIRST_LOOK << k for k in range(20) if FIRST_LOOK << k < blocks[first]]
    late = [int(blocks[first])]
    while (later := math.ceil(late[-1] * LOOK_AGAIN / FIRST_LOOK) * FIRST_LOOK) <= MOST_INNER_VOTES:
        late.append(later)
    return (*early, *late)
