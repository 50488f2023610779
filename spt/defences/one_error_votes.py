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
from spt.certificates.inner_tests import FUTILITY_ALPHA, looks_with_one_error
from spt.certificates.one_error import (
    MOST_POINTS,
    OneErrorCertificate,
    Votes,
    lower_bound,
    nested_test,
    radius_for,
    vote_alpha,
)
from spt.defences.inner_tests import error_of_votes, inner_votes
from spt.defences.proving import ProvingDefence
from spt.images import image_digest
from spt.plain_numbers import seed_number, whole
from spt.progress import Progress
from spt.seeds import generators, noise_seeds

MARGIN = 1.1  # of E over the largest bound among the betas that choose it
SAMPLES_AT_ONCE = 50
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
        lost = error_of_votes(self.classifier, self.pixel_sigma)
        return radius_for(votes, lower_bound(votes, n, n, budget, lost), level, self.pixel_sigma)

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
        n0, n, batch_size, seed = whole("n0", n0), whole("n", n), whole("batch_size", batch_size), seed_number(seed)
        statistics.clopper_pearson_lower(0, n, vote_alpha(votes, budget))  # refuses what is no level
        image = self.checked(image)
        self.check_level(level, image, budget)
        evidence = self._about(image, seed) | {"votes": votes, "budget": budget, "level": level, "n": n}
        settings = OneErrorCertificate.settings_in_words(evidence)
        selection_generator, generator = generators(seed, n0, n, settings=settings)
        drawn = self._betas(n, generators(seed, n0, n, settings=settings)[1])[:MOST_POINTS]
        selection, selected = self._select(image, n0, selection_generator)
        inner: list[tuple[int, int]] = []
        counts: tuple[int, ...] = ()
        if votes == "nested":
            inner = self._nested(image, level, selected, n, budget, generator, batch_size, progress)
        else:
            stream = self._one_level().votes(image, n, generator, batch_size)
            *_, last = progress(stream, desc="joint votes", total=math.ceil(n / batch_size))
            counts = last.counts
        self.classifier.confirm()
        return OneErrorCertificate.conclude(
            **evidence,
            selection_counts=selection,
            selected=selected,
            points=tuple(tuple(point) for point in drawn.tolist()),
            inner_votes=tuple(inner),
            counts=counts,
            seconds=time.perf_counter() - started,
        )

    def _nested(
        self,
        image: Tensor,
        level: ErrorLevel,
        label: int,
        n: int,
        budget: statistics.ConfidenceBudget,
        generator: torch.Generator,
        batch_size: int,
        progress: Progress,
    ) -> list[tuple[int, int]]:
        """The inner votes of n fresh betas; (0, 0) for each where not even the most votes, all equal, would pass."""
        alpha = budget.inner_level(n)
        lost = error_of_votes(self.classifier, self.pixel_sigma)
        looks = looks_with_one_error(nested_test(level, self.pixel_sigma, budget, n, lost))
        if not looks:
            return [(0, 0)] * n
        betas, seeds = self._betas(n, generator), noise_seeds(n, generator)
        found: list[tuple[int, int]] = []
        starts = range(0, n, batch_size)
        for start in progress(starts, desc="inner tests", total=len(starts)):
            batch = slice(start, start + batch_size)
            centres = self.classifier.preprocessing(self.transform(image.double(), betas[batch]))
            radii = np.full(len(centres), level.error)
            found += inner_votes(
                self.classifier, centres, radii, label, self.pixel_sigma, alpha, seeds[batch], FUTILITY_ALPHA, looks
            )
        return found

    def _betas(self, count: int, generator: torch.Generator) -> Tensor:
        return self.transform.sample(count, self.parameter_sigma, generator)
