"""`OneErrorDefence`: certifying with one E, by nested or joint votes, whatever the E is about.

CERTIFY with E and rho as they were measured (the paper's procedure with nested votes):

    c ← the class with most of n0 votes f(P T_β x + ε)                              `_select`
    for n fresh samples β ~ N(0, σ_γ² I):                                           `_nested_votes`
        z ← P T_β x
        count votes f(z + ε), ε ~ N(0, σ_ε² I), until a test at level α_ε / n shows
            Pr_ε(f(z + ε) = c) > Φ(E / σ_ε): then h = c within E of z, and β passes
    p_A ← LOWERCONFBOUND(how many pass, n, 1 - α_γ)                                 `OneErrorCertificate.conclude`
    R ← σ_γ Φ⁻¹(p_A - ρ) if p_A - ρ > 1/2, else ABSTAIN                             `spt.certificates.one_error.nested_radius`

Theorem 3.1 gives h = c within E: with pixel noise, f's answer is kept within σ_ε/2 (Φ⁻¹(p_A) - Φ⁻¹(p_B)); with p_B = 1 - p_A, as
here, within σ_ε Φ⁻¹(p_A). Theorem 3.2 gives R: over parameters it is σ_γ/2 (Φ⁻¹(p_A - ρ) - Φ⁻¹(p_B + ρ)), and with p_B =
1 - p_A, as here, σ_γ Φ⁻¹(p_A - ρ). Joint votes ask another g and have a radius of their own (`joint_radius`). What is proved, and
why, stands at `spt.certificates.OneErrorCertificate` and the radii next to it.
"""

import math
import time
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from spt import statistics
from spt.certificates.error_level import DistributionErrorLevel, ErrorLevel
from spt.certificates.looks import FUTILITY_ALPHA, looks_with_one_error
from spt.certificates.one_error import (
    MOST_POINTS,
    OneErrorCertificate,
    VoteKind,
    lower_bound,
    radius_for,
    vote_alpha,
)
from spt.defences.inner_tests import error_of_votes, inner_votes
from spt.defences.proving_defence import ProvingDefence, recorded_points
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
        for name, wanted in self.measured_for().items():
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
        self,
        level: ErrorLevel,
        votes: VoteKind = "nested",
        *,
        n: int = 200,
        budget: statistics.ConfidenceBudget = PAPER,
    ) -> float:
        """The radius that n samples certify with this E if all of them agree: no outcome gives more."""
        lost = error_of_votes(self.classifier, self.pixel_sigma)
        p_lower = lower_bound(votes, n, n=n, budget=budget, lost=lost)
        return radius_for(votes, p_lower, level=level, pixel_sigma=self.pixel_sigma)

    def _begin(
        self,
        image: Tensor,
        level: ErrorLevel,
        *,
        votes: VoteKind,
        n: int,
        budget: statistics.ConfidenceBudget,
        seed: int,
    ) -> OneErrorCertificate:
        """The certificate before anything is drawn; ValueError for what cannot be certified."""
        if votes not in ("nested", "joint"):
            raise ValueError(f"votes must be 'nested' or 'joint', but is {votes!r}.")
        n, seed = whole("n", n), seed_number(seed)
        statistics.clopper_pearson_lower(0, n, vote_alpha(votes, budget))  # ValueError unless it is a level
        image = self.checked(image)
        self.check_level(level, image, budget)
        return OneErrorCertificate(**self._about(image, seed), votes=votes, budget=budget, level=level, n=n)

    def _certify(
        self, image: Tensor, begun: OneErrorCertificate, *, n0: int, batch_size: int, progress: Progress
    ) -> OneErrorCertificate:
        """The procedure that the module's docstring writes down, from what `_begin` gave."""
        started = time.perf_counter()
        n, n0, batch_size = begun.n, whole("n0", n0), whole("batch_size", batch_size)
        image, settings = self.checked(image), begun.settings_in_words()
        selection_generator, generator = generators(begun.seed, n0, n, settings=settings)
        first_betas = self._betas(n, generators(begun.seed, n0, n, settings=settings)[1])[:MOST_POINTS]
        selection, selected = self._select(image, n0, selection_generator)
        inner: list[tuple[int, int]] = []
        counts: tuple[int, ...] = ()
        if begun.votes == "nested":
            inner = self._nested_votes(
                image, begun, selected, generator=generator, batch_size=batch_size, progress=progress
            )
        else:
            stream = self._one_level().votes(image, n, generator, batch_size)
            *_, last = progress(stream, desc="joint votes", total=math.ceil(n / batch_size))
            counts = last.counts
        self.classifier.confirm()
        return replace(
            begun,
            selection_counts=selection,
            selected=selected,
            points=recorded_points(first_betas),
            inner_votes=tuple(inner),
            counts=counts,
            seconds=time.perf_counter() - started,
        ).conclude()

    def _nested_votes(
        self,
        image: Tensor,
        begun: OneErrorCertificate,
        label: int,
        *,
        generator: torch.Generator,
        batch_size: int,
        progress: Progress,
    ) -> list[tuple[int, int]]:
        """(votes for the class, votes) of n fresh betas, at which their inner tests stop; (0, 0) for each where not even the
        most votes, all equal, would pass."""
        n, test = begun.n, begun.inner_test()
        looks = looks_with_one_error(test)
        if not looks:
            return [(0, 0)] * n
        betas, seeds = self._betas(n, generator), noise_seeds(n, generator)
        found: list[tuple[int, int]] = []
        starts = range(0, n, batch_size)
        for start in progress(starts, desc="inner tests", total=len(starts)):
            batch = slice(start, start + batch_size)
            centres = self.classifier.preprocessing(self.transform(image.double(), betas[batch]))
            radii = np.full(len(centres), begun.level.error)
            found += inner_votes(
                self.classifier,
                centres,
                radii,
                label,
                self.pixel_sigma,
                test.alpha,
                seeds[batch],
                FUTILITY_ALPHA,
                looks,
            )
        return found
