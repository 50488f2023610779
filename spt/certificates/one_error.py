"""`OneErrorCertificate`: what nested or joint votes certify with one number E for the interpolation error.

Source: Fischer, Baader and Vechev 2020 (DistSPT^x, DistSPT^D, IndivSPT; section 4.2). What follows from an E, and why:
docs/mathematics.md, sections 12 to 14 and 17.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self

from spt import statistics
from spt.certificates.concluded import Check, ConcludedRange
from spt.certificates.error_level import (
    DistributionErrorLevel,
    ErrorLevel,
    ImageErrorLevel,
    ReceivedErrorLevel,
    level_from,
)
from spt.certificates.fields import read_fields
from spt.certificates.looks import FUTILITY_ALPHA, can_have_stopped, looks_with_one_error
from spt.certificates.rounding import computed_in_words, confidence, quantity, rounded_down, rounded_up
from spt.certificates.sample_points import points_hold, points_of_the_seed
from spt.plain_numbers import MOST_SAMPLES

VoteKind = Literal["nested", "joint"]
"""Which classifier g votes: see `OneErrorCertificate`."""
MOST_POINTS = 200
SETTINGS = (
    *("classifier", "classifier_fingerprint", "class_names", "network_shape", "grid", "pixel_sigma", "image_sha256"),
    *("votes", "budget"),
)
_ROUNDING = 1e-14  # relative, more than a few floating-point operations lose


def nested_radius(p_lower: float, rho: float, parameter_sigma: float) -> float:
    """parameter_sigma Phi^-1(p_lower - rho), rounded down; 0 where nothing is certified. The paper's radius.

    Let p = Pr_beta(h = c on the ball of radius E around P A_beta x) under beta ~ N(0, sigma² I), and let the error
    exceed E with probability at most rho. Under attack gamma the vote lands at beta + gamma, so h answers c with
    probability at least Phi(Phi^-1(p) - |gamma| / sigma) - rho (Neyman-Pearson, less the betas whose error exceeds E),
    which is more than 1/2 for |gamma| < sigma (Phi^-1(p) - Phi^-1(1/2 + rho)). The paper's radius is not larger:
    D(p) = Phi^-1(p) - Phi^-1(p - rho) has the derivative 1 / phi(Phi^-1(p)) - 1 / phi(Phi^-1(p - rho)), which is not
    negative for p - rho >= 1/2, as the density phi falls there; so D(p) >= D(1/2 + rho) = Phi^-1(1/2 + rho).

    For a received image x' (`ReceivedErrorLevel`) the roles are turned round, and this radius follows directly. Let p =
    Pr_beta(h = c on the ball of radius E around P A_beta x'), and take any explanation x' = T_gamma x. Except with
    probability rho over beta ||P A_beta x' - P A_{beta+gamma} x|| <= E, so with probability at least p - rho over beta ~
    N(0, sigma² I) h(P A_{beta+gamma} x) = c. Hence h(P A_b x) = c with at least this probability over b = beta + gamma ~
    N(gamma, sigma² I), and over b ~ N(0, sigma² I), as g(x) asks, with at least Phi(Phi^-1(p - rho) - |gamma| / sigma)
    (Neyman-Pearson). That is more than 1/2, so g(x) = c, for |gamma| < sigma Phi^-1(p - rho). And g(x') = c if p > 1/2,
    which p - rho > 1/2 implies: h(P A_beta x') itself is c wherever h = c on a ball around it. The betas that exceed E do
    so for some explanation, so rho and p serve all of them at once.
    """
    return statistics.certified_radius(_less(p_lower, rho), parameter_sigma)


def joint_radius(p_lower: float, rho: float, error: float, parameter_sigma: float, pixel_sigma: float) -> float:
    """parameter_sigma sqrt(r² - (error / pixel_sigma)²), r = Phi^-1(p_lower - rho), rounded down; 0 where r is smaller.

    Let F(b) = Pr_eps(f(P A_b x + eps) = c), p its mean over b ~ N(0, sigma² I), s = E / pixel_sigma. Under attack gamma
    the votes for c have probability at least the mean of Phi(Phi^-1 F(b) - s) over b ~ N(gamma, sigma² I), less rho.
    Phi(Phi^-1 F - s) is convex in F, so for given p the mean is smallest where its derivative times the ratio of the
    densities is constant: Phi^-1 F(b) = a - gamma b / (sigma² s). Then it is Phi(Phi^-1(p) - sqrt(s² + |gamma|² /
    sigma²)); it exceeds 1/2 + rho as long as the root is less than Phi^-1(p) - Phi^-1(1/2 + rho), which is at least r
    (see `nested_radius`).
    """
    r = statistics.certified_radius(_less(p_lower, rho), 1.0)
    s = error / pixel_sigma * (1 + _ROUNDING)
    return parameter_sigma * math.sqrt((r - s) * (r + s)) * (1 - _ROUNDING) if r > s else 0.0


def _less(p_lower: float, rho: float) -> float:
    """p_lower - rho, rounded down, at least 0."""
    return max(0.0, math.nextafter(p_lower - rho, -1.0))


@dataclass(frozen=True, kw_only=True)
class OneErrorCertificate(ConcludedRange):
    """DistSPT or IndivSPT with one E: a proof about every attack gamma in Gamma, with its whole evidence.

    Guarantee of DistSPT: with probability at least 1 - budget.total over all sampling, if ``label`` is not None then
    g(T_gamma x) = label for every gamma in Gamma with |gamma| < radius, for the attacker of ``level``: for this image
    (`ImageErrorLevel`), or for an image of the distribution (`DistributionErrorLevel`): a certificate
    that is issued for a fresh image is false with probability at most 1 - q_E + alpha_gamma + alpha_eps over that image and the
    votes, if q_E holds. That is no statement about the images for which one was issued.

    Guarantee of IndivSPT (`ReceivedErrorLevel`, nested votes): with probability at least 1 - budget.total over all
    sampling, if ``label`` is not None then g(x') = label for this received image x', and g(x) = label for every image x
    with pixels in [0, 1] such that x' = T_gamma x (as the attacker of ``level`` does it) for a gamma in Gamma with
    |gamma| < radius. Neither x nor gamma is known.

    The budget, by the union bound: alpha_gamma for p_lower, alpha_eps for all inner tests together, alpha_error for rho.

    Nested and joint votes certify two different classifiers g. Which one is wanted is decided before; the better of the
    two certificates of an image is none.

    Attributes:
        network_shape: (C, H, W) of what f sees; grid: to which it rounds that.
        device, number_format: where the votes were counted, and in which numbers f computes: in others it is another f.
        votes: "nested": g(x) = argmax_c Pr_beta(h(P T_beta x) = c), h(z) = argmax_c Pr_eps(f(z + eps) = c);
            "joint": g(x) = argmax_c Pr_{beta, eps}(f(P T_beta x + eps) = c).
        selection_counts, selected: the one-level votes that chose the class, and the class.
        n: number of other samples, all with betas of their own, that the bound rests on; points: the betas of the first
            `MOST_POINTS` of them, which follow from seed, sizes and all settings, the level's too.
        inner_votes (nested): for each sample (votes for the class, votes) at which the inner test of "h = class within E"
            at level alpha_eps / n stopped. counts (joint): votes for each class. The other one is empty.
        p_lower: lower confidence bound of the samples' probability to pass (nested) or to vote for the class (joint), at
            level alpha_gamma (nested) or alpha_gamma + alpha_eps (joint), the latter less `spt.noise.vote_error`.
        successes, p_lower, radius, label: what follows from the others.
    """

    classifier: str
    classifier_fingerprint: str
    class_names: tuple[str, ...]
    network_shape: tuple[int, int, int]
    grid: float
    device: str
    number_format: str
    pixel_sigma: float
    image_sha256: str
    seed: int
    votes: VoteKind
    budget: statistics.ConfidenceBudget
    level: ErrorLevel
    selection_counts: tuple[int, ...] = ()
    selected: int = 0
    n: int
    points: tuple[tuple[float, ...], ...] = ()
    inner_votes: tuple[tuple[int, int], ...] = ()
    counts: tuple[int, ...] = ()
    seconds: float = 0.0
    successes: int = 0
    p_lower: float = 0.0
    radius: float = 0.0
    label: int | None = None

    # ------------------------------------------------------------------------------------------------- what follows

    def conclude(self) -> Self:
        """Count the samples that pass (nested) or vote for the class (joint), bound their probability from below, and turn
        the bound, E and rho into a radius."""
        if self.votes == "nested":
            test = self.inner_test()
            successes = sum(test.decide(*pair) is statistics.Decision.ACCEPT for pair in self.inner_votes)
        else:
            successes = self.counts[self.selected]
        p_lower = lower_bound(self.votes, successes, n=self.n, budget=self.budget, lost=self.vote_error)
        radius = radius_for(self.votes, p_lower, level=self.level, pixel_sigma=self.pixel_sigma)
        radius = radius if self.level.usable else 0.0
        label = self.selected if radius > 0 else None
        return dataclasses.replace(self, successes=successes, p_lower=p_lower, radius=radius, label=label)

    def inner_test(self) -> statistics.SequentialTest:
        """The test of each nested vote: is h the class within E?"""
        return nested_test(self.level, self.pixel_sigma, budget=self.budget, n=self.n, lost=self.vote_error)

    @property
    def gamma_limit(self) -> float:
        return self.level.limit

    @property
    def network_calls(self) -> int:
        """Votes spent, selection, inner and joint votes together."""
        return super().network_calls + sum(self.counts)

    # ----------------------------------------------------------------------------------------------------- checking

    def settings_in_words(self) -> str:
        """What decides the samples besides the seed and the sizes, for `spt.seeds.generators`."""
        level = {name: value for name, value in vars(self.level).items() if name != "seconds"}
        return repr((*((name, getattr(self, name)) for name in SETTINGS), sorted(level.items())))

    def _checks_of_the_run(self) -> Iterator[Check]:
        nested = self.votes == "nested"
        if nested:
            yield "every sample has inner votes, and no other", len(self.inner_votes) == self.n and not self.counts
        else:
            yield "there are n votes, and no inner ones", sum(self.counts) == self.n and not self.inner_votes
            yield "there is a count of votes for each class", len(self.counts) == len(self.class_names)
        yield "no count of votes is negative", min(self.counts, default=0) >= 0
        yield "there are samples, not more than a run can have", 1 <= self.n <= MOST_SAMPLES
        yield "E follows from its own evidence", self.level.verify()
        yield "something can follow from E", self.level.usable
        yield "E is about this image", self.level.covers(self.image_sha256)
        yield "the class was selected by votes", sum(self.selection_counts) > 0
        yield "a received image has nested votes", nested or not isinstance(self.level, ReceivedErrorLevel)
        yield "the budget covers what E may be wrong with", self.level.alpha_error <= self.budget.alpha_error
        yield "the first points are there", len(self.points) == min(self.n, MOST_POINTS)
        yield "the points can be samples", points_hold(self.points, self.level.transform, self.level.unit)
        yield "the points are those of the seed", self._points_are_those_of_the_seed()
        yield "every inner test can have stopped where it did", self._tests_hold()

    def _points_are_those_of_the_seed(self) -> bool:
        sizes, settings = (self.seed, sum(self.selection_counts), self.n), self.settings_in_words()
        transform, sigma = self.level.transform, self.level.parameter_sigma
        return points_of_the_seed(self.points, transform, parameter_sigma=sigma, sizes=sizes, settings=settings)

    def _tests_hold(self) -> bool:
        if not self.inner_votes:
            return True
        test = self.inner_test()
        looks = looks_with_one_error(test)
        return all(can_have_stopped(pair, test, looks) for pair in set(self.inner_votes))

    # ----------------------------------------------------------------------------------------------------- in words

    def explain(self) -> str:
        """The outcome in words, with the reason."""
        level, verb = self.level, "pass" if self.votes == "nested" else "vote for it"
        share = (
            f"{self.successes} of {self.n} samples {verb}, lower bound {rounded_down(self.p_lower, 4)} "
            f"less ρ = {level.rho_in_words()}"
        )
        if self.label is None:
            return f"ABSTAIN: {share}; {self._missing()}"
        reach = quantity(self.reach, level.unit)
        confident = f"confidence {confidence(self.budget.total)}"
        if isinstance(level, ReceivedErrorLevel):
            return (
                f"CERTIFIED {self.class_name}: g answers {self.class_name} here, and on every original that a "
                f"{level.transform} of less than {reach} turned into this ({share}, {confident})."
            )
        where = "" if isinstance(level, ImageErrorLevel) else f", for {level.scope()}"
        return (
            f"CERTIFIED {self.class_name}: no {level.transform} of less than {reach} changes g's "
            f"answer ({share}, {confident}{where})."
        )

    def _missing(self) -> str:
        """What would have to be otherwise to certify."""
        ratio, error = self.level.error / self.pixel_sigma, self.level.error_in_words()
        if self.votes == "nested":
            if self.inner_votes and not any(trials for _, trials in self.inner_votes):
                return f"E = {error} is out of reach for inner tests at pixel noise {self.pixel_sigma:g}."
            return f"more than 1/2 is needed. A sample passes if h is shown constant within E = {error}."
        from scipy.special import ndtr

        threshold = float(ndtr(ratio))
        needed = f"more than Φ(E / σ_ε) = {rounded_up(threshold, 5)} is needed (E = {error})"
        if threshold + self.level.rho < 1:
            return f"{needed}."
        return f"{needed}, out of reach with this ρ: test E on more betas, or add pixel noise."

    def to_text(self) -> str:
        """The certificate as lines of text for a terminal."""
        level = self.level
        name, explained = "DistSPT", []
        if isinstance(level, ReceivedErrorLevel):
            name, explained = "IndivSPT", [f"  explained by {level.explained_by()}"]
        g = {
            "nested": "nested: majority over β of h, which is the majority over pixel noise of f",
            "joint": "joint: majority over β and pixel noise together of f (not the nested classifier)",
        }
        lines = [
            self.explain(),
            f"  defence      {name} with one E, for {level.scope()}",
            f"  g            {g[self.votes]}",
            f"  classifier   {self.classifier}, pixel noise N(0, {self.pixel_sigma:g}²)",
            f"  computed     {computed_in_words(self.device, self.number_format, self.grid)}",
            f"  transform    {level.transform}, smoothed over N(0, ({level.parameter_sigma:g} {level.unit})²)",
            f"  attacker     Γ = ±{level.limit:g} {level.unit}, {level.attacker} images",
            *explained,
            f"  error        E = {level.error_in_words()}, {level.origin()}; exceeded with probability at most "
            f"{level.rho_in_words()}, from {level.n_test} {'other ' if level.n_choice else ''}β{self._tested_images()}",
            f"  budget       {self._budget_in_words()}",
            f"  image        sha256 {self.image_sha256[:16]}…, seed {self.seed}",
            f"  time         {self.seconds:.2f} s, {self.network_calls:,} network calls, and {level.seconds:.2f} s for E",
        ]
        if isinstance(level, DistributionErrorLevel):
            lines.append(
                f"The images of {level.dataset} stand for the distribution: the statement is about an image drawn from it "
                "like these, not about a given one."
            )
        return "\n".join(lines)

    def _budget_in_words(self) -> str:
        """How the probability that the certificate is wrong is divided."""
        alpha, nested = self.budget, self.votes == "nested"
        votes = f"{alpha.alpha_gamma:g} (samples) + {alpha.alpha_eps:g} (inner tests)"
        joint = f"{vote_alpha(self.votes, alpha):g} (votes)"
        return f"wrong with at most {alpha.total:g} = {votes if nested else joint} + {alpha.alpha_error:g} (E)"

    def _tested_images(self) -> str:
        level = self.level
        return f" on each of {len(level.exceeding)} images" if isinstance(level, DistributionErrorLevel) else ""

    @classmethod
    def from_json(cls, text: str) -> "OneErrorCertificate":
        """The certificate that `to_json` wrote; ValueError, one sentence, if the text is none."""
        fields = read_fields(text, cls)
        try:
            fields["budget"] = statistics.ConfidenceBudget(**{k: float(v) for k, v in fields["budget"].items()})
            fields["level"] = level_from(fields["level"])
        except Exception as error:  # whatever stands there instead
            raise ValueError(f"This certificate's budget or error level is none ({error}).") from error
        return cls(**fields)


def nested_test(
    level: ErrorLevel, pixel_sigma: float, *, budget: statistics.ConfidenceBudget, n: int, lost: float
) -> statistics.SequentialTest:
    """The inner test of each of n nested votes: is h the class within E? ``lost``: `spt.noise.vote_error`."""
    return statistics.SequentialTest.for_radius(level.error, pixel_sigma, budget.inner_level(n), FUTILITY_ALPHA, lost)


def lower_bound(votes: VoteKind, successes: int, *, n: int, budget: statistics.ConfidenceBudget, lost: float) -> float:
    """``p_lower`` of `OneErrorCertificate`."""
    bound = statistics.clopper_pearson_lower(successes, n, vote_alpha(votes, budget))
    return bound if votes == "nested" else _less(bound, lost)


def vote_alpha(votes: VoteKind, budget: statistics.ConfidenceBudget) -> float:
    """The level at which the samples' probability is bounded: joint votes need no inner tests, so theirs is added."""
    return budget.alpha_gamma if votes == "nested" else budget.alpha_gamma + budget.alpha_eps


def radius_for(votes: VoteKind, p_lower: float, *, level: ErrorLevel, pixel_sigma: float) -> float:
    """The radius that a lower bound of the samples' probability certifies, in the unit of the transformation."""
    if votes == "nested":
        return nested_radius(p_lower, level.rho, level.parameter_sigma)
    return joint_radius(p_lower, level.rho, level.error, level.parameter_sigma, pixel_sigma)
