"""Certificates of defences that bound the error of every sample by itself: DistSPT^x and IndivSPT."""

import dataclasses
import itertools
import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from spt import statistics
from spt.certificates.ball_evidence import BallEvidence
from spt.certificates.concluded import Check
from spt.certificates.ranges import ranges_hold, ranges_in_words
from spt.certificates.rounding import confidence, quantity, rounded_down
from spt.certificates.sample_points import points_of_the_seed
from spt.plain_numbers import MOST_SAMPLES
from spt.transforms import TRANSFORMS


@dataclass(frozen=True, kw_only=True)
class PerSampleCertificate(BallEvidence):
    """What both rest on besides balls: how many samples pass, at looks that were fixed beforehand.

    Attributes (see also `BallEvidence`):
        n_gamma: samples that were to be drawn; a certificate with fewer is provisional and has no label, unless it
            stopped at one of ``first_looks``, sample sizes fixed beforehand: there sampling stops if Gamma is covered,
            or if the share that passes is too small for it anyway. Each look, the one at n_gamma too, bounds the
            probability at an equal share of alpha, so the bounds of all looks hold together.
        passes, p_lower: how many samples pass, and the lower confidence bound of the probability to pass, corrected for
            inner tests that accept wrongly. (It has nothing to do with the paper's q_E: see `DistributionErrorLevel`.)
        radius, label: what follows: nothing is certified where p_lower is at most 1/2.
    """

    n_gamma: int
    passes: int = 0
    p_lower: float = 0.0
    first_looks: tuple[int, ...] = ()

    @property
    @abstractmethod
    def inconsistent(self) -> bool:
        """Whether nothing in Gamma explains the image, so that there is nothing to sample."""

    @abstractmethod
    def _own_checks(self) -> Iterator[Check]:
        """Whether the fields of the subclass can be those of a run."""

    @abstractmethod
    def _claim(self, tests: str) -> str:
        """What is certified (or that the image is inconsistent), in a sentence; ``tests`` says how."""

    @abstractmethod
    def _own_lines(self) -> dict[str, str]:
        """Lines of `to_text` that the subclass adds, by their names; one is named "defence"."""

    # ----------------------------------------------------------------------------------------------- what follows

    def conclude(self) -> Self:
        """Count the samples that pass, bound the probability to pass from below, and turn the bound into a radius.

        Between two looks nothing follows yet, nor at one at which sampling goes on: p_lower and radius are 0 then.
        """
        passed = self.passed()
        p_lower = self.p_lower_of(passed)
        radius = statistics.certified_radius(p_lower, self.parameter_sigma)
        if len(passed) in self.first_looks and not self._stops(sum(passed) / len(passed), radius):
            p_lower = radius = 0.0  # sampling goes on
        label = self.selected if p_lower > 0.5 else None
        return dataclasses.replace(self, passes=sum(passed), p_lower=p_lower, radius=radius, label=label)

    def share_lower_of(self, passed: Sequence[bool]) -> float:
        """Lower confidence bound of the probability that an inner test accepts, from all looks so far; 0 between two."""
        looks = (*self.first_looks, self.n_gamma)
        if len(passed) not in looks:
            return 0.0
        return max(
            statistics.clopper_pearson_lower(sum(passed[:look]), look, self.alpha / len(looks))
            for look in looks
            if look <= len(passed)
        )

    def p_lower_of(self, passed: Sequence[bool]) -> float:
        """The same bound less what inner tests that accept wrongly may have added."""
        return statistics.corrected_lower_bound(self.share_lower_of(passed), self.inner_alpha)

    @property
    def complete(self) -> bool:
        """Whether all samples are in, or a look was the last, or none is needed; before that nothing is certified."""
        n = len(self.radii)
        stopped = n in self.first_looks and self._stops(self.passes / n, self.radius)
        return self.inconsistent or n == self.n_gamma or stopped

    def _stops(self, share: float, radius: float) -> bool:
        """Whether sampling stops at a look: Gamma (of a translation its disc of radius ``limit``) is covered, or would not
        be even if all samples were as those so far."""
        if radius > self.limit or share == 1:
            return radius > self.limit
        return not statistics.certified_radius(share, self.parameter_sigma) > self.limit

    # ------------------------------------------------------------------------------------------------- what is missing

    @property
    def share_needed(self) -> float:
        """The share of samples that must pass if there are very many: the corrected bound exceeds 1/2 beyond it."""
        return (1 + self.inner_alpha) / 2  # (m - a') / (1 - a') > 1/2

    def samples_needed(self) -> int | None:
        """How many samples would certify if the share that passes stayed; None if no realistic number would.

        ValueError where the share is not above `share_needed`: then no number does.
        """
        return statistics.samples_needed_to_certify(self.passes / self.n_gamma, self.alpha, self.share_needed)

    # ------------------------------------------------------------------------------------------------------ checking

    def _checks_of_the_run(self) -> Iterator[Check]:
        most = 0 if self.inconsistent else self.n_gamma
        yield "every sample has a point, a radius, a rounding term and inner votes", self._one_of_each()
        yield "there are not more samples than were to be drawn", len(self.points) <= most <= MOST_SAMPLES
        yield "the class was selected by votes", self.inconsistent or sum(self.selection_counts) > 0
        yield from self._checks_of_the_settings()
        yield "the smoothing noise is positive", self.parameter_sigma > 0
        yield "the looks ascend", looks_hold(self.first_looks, self.n_gamma)
        yield "sampling stopped where it does", not self._went_on_too_long()
        yield from self._own_checks()
        yield "the points are those of the seed", self._points_are_those_of_the_seed()
        yield from self._checks_of_the_balls()

    def _points_are_those_of_the_seed(self) -> bool:
        sizes, settings = (self.seed, sum(self.selection_counts), self.n_gamma), self.settings_in_words()
        return points_of_the_seed(
            self.points,
            self.transform,
            parameter_sigma=self.parameter_sigma,
            sizes=sizes,
            settings=settings,
            first_looks=self.first_looks,
        )

    def _went_on_too_long(self) -> bool:
        """Whether there are samples after a look at which sampling stops."""
        for look in self.first_looks:
            if look < len(self.radii):
                first = dataclasses.replace(
                    self,
                    points=self.points[:look],
                    radii=self.radii[:look],
                    rounding=self.rounding[:look],
                    inner_votes=self.inner_votes[:look],
                ).conclude()
                if first._stops(first.passes / look, first.radius):
                    return True
        return False

    # ------------------------------------------------------------------------------------------------------- in words

    def explain(self) -> str:
        """The outcome in words, with the reason."""
        tests = f"{self.passes} of {len(self.radii)} samples pass"
        bound = f"lower bound {rounded_down(self.p_lower, 4)}"
        if not self.complete:
            return (
                f"PROVISIONAL: {self.passes} of {len(self.radii)} samples pass so far ({self.n_gamma} to come in all)."
            )
        if self.label is None and not self.inconsistent:
            return f"ABSTAIN: {tests}, {bound}; more than 1/2 is needed."
        return self._claim(f"{tests}, {bound} at confidence {confidence(self.alpha)}")

    def to_text(self) -> str:
        """The certificate as lines of text for a terminal."""
        looks = {}
        if self.first_looks:
            sizes = ", ".join(map(str, (*self.first_looks, self.n_gamma)))
            looks["looks"] = f"after {sizes} samples, each at level {self.alpha / (len(self.first_looks) + 1):g}"
        return f"{self.explain()}\n{self._as_lines(self._own_lines(), looks)}"


@dataclass(frozen=True, kw_only=True)
class DistCertificate(PerSampleCertificate):
    """DistSPT^x: a proof about every attack gamma in Gamma on one image, with its whole evidence.

    Guarantee: with probability at least 1 - alpha over the sampling, if ``label`` is not None then g(T_gamma x) = label
    for every gamma in Gamma = [-limit, limit]^d with |gamma| < radius, for the attacker named, where g is the nested
    smoothed classifier of `spt.defences.DistSPT`. The samples are b' = beta + gamma.

    Attributes:
        centre: how the centres of the balls were chosen, see `spt.defences.DistSPT`.
    """

    OWN_SETTINGS: ClassVar[tuple[str, ...]] = ("centre",)

    centre: str

    @property
    def inconsistent(self) -> bool:
        """Never: the image is known."""
        return False

    def _own_checks(self) -> Iterator[Check]:
        yield "the centres are chosen in a known way", self.centre in ("recentred", "shifted")

    def statement(self) -> str:
        """What a complete certificate says, in one short sentence."""
        if self.label is None:
            return f"Nothing is certified: the lower bound {rounded_down(self.p_lower, 4)} is not above 1/2."
        if self.radius > self.limit * math.sqrt(TRANSFORMS[self.transform].dimensions):
            attacks = f"within ±{self.limit:.15g}{'' if self.unit == '°' else ' '}{self.unit}"
        else:
            attacks = f"of less than {quantity(self.reach, self.unit)}"
        return f"No {self.transform} {attacks} changes g's answer (confidence {confidence(self.alpha)})."

    def _claim(self, tests: str) -> str:
        reach = quantity(self.reach, self.unit)
        return f"CERTIFIED {self.class_name}: no {self.transform} of less than {reach} changes g's answer ({tests})."

    def _own_lines(self) -> dict[str, str]:
        return {"defence": f"DistSPT^x, {self.centre} per-sample errors"}


@dataclass(frozen=True, kw_only=True)
class IndividualCertificate(PerSampleCertificate):
    """IndivSPT: a proof about one received image x' and all the originals that it can come from, with its whole evidence.

    Guarantee: with probability at least 1 - alpha over the sampling, if ``label`` is not None then g(x') = label, and
    g(x) = label for every image x with pixels in [0, 1] such that x' = T_gamma x for a gamma in Gamma = [-limit, limit]^d
    with |gamma| < radius (rounded to multiples of 1/255 by the attacker named "8-bit"). Neither x nor gamma is known. g is
    the nested smoothed classifier of `spt.defences.IndivSPT`. Each sample is a beta, and its ball holds P A_beta x' and
    P A_{beta+gamma} x of all explanations; ``image_sha256`` is of x'.

    Attributes:
        surviving: the ranges of Gamma (one pair for each parameter) in which something can explain x'. Outside of
            them no x in [0, 1] gives x'; if there are none x' is ``inconsistent``, and nothing is sampled.
        share: of Gamma that survives; split_width: of the splits of Gamma that were tested; refinements, method: see
            `spt.defences.IndivSPT`.
    """

    OWN_SETTINGS: ClassVar[tuple[str, ...]] = ("split_width", "refinements", "method")

    surviving: tuple[tuple[tuple[float, float], ...], ...]
    share: float
    split_width: float
    refinements: int
    method: str

    @property
    def inconsistent(self) -> bool:
        """Whether nothing explains x': no image with pixels in [0, 1] becomes x' under any gamma in Gamma."""
        return not self.surviving

    def _own_checks(self) -> Iterator[Check]:
        dimensions = TRANSFORMS[self.transform].dimensions
        within = ranges_hold(self.surviving, self.share, self.limit, dimensions)
        yield "the ranges that survive lie in the attack range and make up their share of it", within
        yield "the splits have a positive, finite width", 0 < self.split_width < math.inf
        yield "there are no fewer than 0 refinements", self.refinements >= 0
        yield "there is one look", not self.first_looks

    def _claim(self, tests: str) -> str:
        if self.inconsistent:
            return (
                f"INCONSISTENT WITH Γ: no image with pixels in [0, 1] gives this one by a {self.transform} in "
                f"±{self.limit:.15g} {self.unit} ({self.attacker} images)."
            )
        reach = quantity(self.reach, self.unit)
        return (
            f"CERTIFIED {self.class_name}: g answers {self.class_name} here, and on every original that a {self.transform} of "
            f"less than {reach} turned into this ({tests})."
        )

    def _own_lines(self) -> dict[str, str]:
        return {
            "defence": "IndivSPT, recentred per-sample errors of the received image",
            "explained by": f"{ranges_in_words(self.surviving)} ({self.share:.2%} of Γ)",
        }


def looks_hold(first_looks: Sequence[int], n_gamma: int) -> bool:
    """Whether sample sizes at which sampling may stop ascend, from at least 1 to less than n_gamma."""
    looks = (0, *first_looks, n_gamma)
    return all(low < high for low, high in itertools.pairwise(looks))


def radius_of(passes: int, n: int, *, alpha: float, inner_alpha: float, parameter_sigma: float) -> float:
    """The radius that ``passes`` of n samples certify at a look of level ``alpha``, the last or only one."""
    share = statistics.clopper_pearson_lower(passes, n, alpha)
    return statistics.certified_radius(statistics.corrected_lower_bound(share, inner_alpha), parameter_sigma)


def passes_needed(radius: float, n: int, *, alpha: float, inner_alpha: float, parameter_sigma: float) -> int | None:
    """How many of n samples must pass to certify more than ``radius`` at one look; None if all are too few."""

    def enough(passes: int) -> bool:
        return radius_of(passes, n, alpha=alpha, inner_alpha=inner_alpha, parameter_sigma=parameter_sigma) > radius

    low, high = 0, n
    if not enough(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
