"""`ErrorLevel`: one number E for the interpolation error, with the evidence of how it was measured.

Source: Fischer, Baader and Vechev 2020, section 4.2: rho_E for one image (DistSPT^x), q_E for a distribution
(DistSPT^D), and E for a received image and everything that explains it (IndivSPT).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

from spt import statistics
from spt.certificates.concluded import Check, first_failure
from spt.certificates.fields import as_declared, as_json, as_tuples, from_json_text
from spt.certificates.ranges import ranges_hold, ranges_in_words
from spt.certificates.rounding import confidence, rounded_down, rounded_up
from spt.transforms import TRANSFORMS


@dataclass(frozen=True, kw_only=True)
class ErrorLevel(ABC):
    """One number E for the interpolation error of a vote beta ~ N(0, parameter_sigma² I).

    A beta exceeds E unless max over gamma in Gamma = [-limit, limit]^d of ||e(beta, gamma)|| <= E is proved, the rounding
    term of the attacker included. Which x and which gamma this is about, see the subclasses.

    Attributes:
        preprocessing, input_shape: P in words, and (C, H, W) before it: e is an error after P.
        error: E.
        margin, largest: E = margin x the largest proved bound among the betas that chose E; None if E was given.
        n_choice: how many betas (of each pilot image) chose E; n_test: how many other betas (of each image) tested it.
        rho: bound of Pr_beta(beta exceeds E), see the subclasses.
        alpha_error: probability that the statement of the subclass is wrong.
    """

    transform: str
    unit: str
    parameter_sigma: float
    limit: float
    attacker: str
    preprocessing: str
    input_shape: tuple[int, int, int]
    error: float
    margin: float | None
    largest: float | None
    n_choice: int
    n_test: int
    rho: float
    alpha_error: float
    seed: int
    seconds: float

    @abstractmethod
    def covers(self, image_sha256: str) -> bool:
        """Whether the statement is about this image."""

    @abstractmethod
    def rho_in_words(self) -> str:
        """rho, rounded up where it was measured."""

    @abstractmethod
    def scope(self) -> str:
        """What E is about, in words."""

    @property
    def usable(self) -> bool:
        """Whether anything can follow from this E."""
        return True

    @abstractmethod
    def _checks_of_the_test(self) -> Iterator[Check]:
        """Whether the numbers that follow from counts do."""

    def verify(self) -> bool:
        """Recompute E, rho, q_E and shares from the evidence; True if all agree with the record. Never raises."""
        return self.failed_check() is None

    def failed_check(self) -> str | None:
        """The first sentence about the record that does not hold; None if it verifies. Never raises."""
        return first_failure(self, self._checks())

    def _checks(self) -> Iterator[Check]:
        yield "E is what the betas that chose it say, or given", self._choice_holds()
        yield "the transformation is a known one", self.transform in TRANSFORMS
        yield "the unit is the transformation's", self.unit == TRANSFORMS[self.transform].unit
        yield "E is positive and finite", 0 < self.error < math.inf
        yield "the smoothing noise is positive and finite", 0 < self.parameter_sigma < math.inf
        yield "the attack range is positive and finite", 0 < self.limit < math.inf
        yield "the attacker is a known one", self.attacker in ("8-bit", "exact")
        yield from self._checks_of_the_test()

    def _choice_holds(self) -> bool:
        """Whether E is what the betas that chose it say, or given."""
        if self.largest is None or self.margin is None:
            return self.largest is None and self.margin is None and self.n_choice == 0
        return self.margin >= 1 and self.n_choice >= 1 and self.error == self.margin * self.largest

    def origin(self) -> str:
        """How E was obtained, in words."""
        return "given" if self.largest is None else f"{self.margin:g} × the largest bound, {rounded_up(self.largest)}"

    def error_in_words(self) -> str:
        """E as it was given, or rounded up where it was measured: what is true of an E is true of a larger one."""
        return f"{self.error:.15g}" if self.largest is None else rounded_up(self.error)

    def to_json(self) -> str:
        """All fields as JSON."""
        return as_json(self)

    @staticmethod
    def from_json(text: str) -> "ErrorLevel":
        """The level that `to_json` wrote, of the right subclass. Raises ValueError if the text is no such record."""
        try:
            return level_from(from_json_text(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"This is no record of an error level as `measure` writes it ({error}).") from error


@dataclass(frozen=True, kw_only=True)
class ImageErrorLevel(ErrorLevel):
    """E of one image: DistSPT^x.

    Guarantee: with probability at least 1 - alpha_error over the n_test betas, Pr_beta(beta exceeds E) <= rho. They were
    not used to choose E.

    Attributes:
        exceeding: how many of the n_test betas exceed E; rho is their Clopper-Pearson upper bound.
    """

    image_sha256: str
    exceeding: int

    def covers(self, image_sha256: str) -> bool:
        return image_sha256 == self.image_sha256

    def rho_in_words(self) -> str:
        return rounded_up(self.rho)

    def scope(self) -> str:
        return "this image"

    def _checks_of_the_test(self) -> Iterator[Check]:
        rho = statistics.clopper_pearson_upper(self.exceeding, self.n_test, self.alpha_error)
        yield "rho follows from the betas that tested E", self.rho == rho


@dataclass(frozen=True, kw_only=True)
class DistributionErrorLevel(ErrorLevel):
    """E of a data distribution, for which the images of a data set stand: DistSPT^D.

    Guarantee: with probability at least 1 - alpha_error over the tested images and betas, an image drawn freshly from
    the distribution has Pr_beta(beta exceeds E) <= rho with probability at least q_lower (equation 6 of the paper;
    docs/mathematics.md, section 14). The images must be independent draws from the distribution; of a finite data set they
    were drawn without replacement.
    It says nothing about an image that E was measured with (`covers`).

    Each image was tested with n_test betas of its own and accepted if the Clopper-Pearson upper bound at level
    image_alpha of its probability to exceed E is at most rho: an image that does not have the property is accepted with
    probability at most image_alpha, for which q_lower is corrected.

    Attributes:
        dataset: its name. pilot_sha256: images that chose E; image_sha256: other images, that tested it.
        exceeding: for each tested image how many of its betas exceed E.
        images_accepted: how many tested images were accepted; q_lower: q_E, the probability of an image, not of a sample.
            Both follow from the others.
    """

    dataset: str
    pilot_sha256: tuple[str, ...]
    image_sha256: tuple[str, ...]
    exceeding: tuple[int, ...]
    image_alpha: float
    images_accepted: int = 0
    q_lower: float = 0.0

    def conclude(self) -> "DistributionErrorLevel":
        """The level with what follows from its evidence: how many images are accepted, and q_E from their share."""
        accepted = sum(
            statistics.clopper_pearson_upper(count, self.n_test, self.image_alpha) <= self.rho
            for count in self.exceeding
        )
        share = statistics.clopper_pearson_lower(accepted, len(self.exceeding), self.alpha_error)
        q_lower = statistics.corrected_lower_bound(share, self.image_alpha)
        return replace(self, images_accepted=accepted, q_lower=q_lower)

    @property
    def usable(self) -> bool:
        """Whether the distribution has any share of images for which E holds."""
        return self.q_lower > 0

    def covers(self, image_sha256: str) -> bool:
        return image_sha256 not in self.pilot_sha256 and image_sha256 not in self.image_sha256

    def rho_in_words(self) -> str:
        return f"{self.rho:.15g}"

    def scope(self) -> str:
        return f"a fresh image of {self.dataset} with probability at least {rounded_down(self.q_lower, 4)}"

    def _checks_of_the_test(self) -> Iterator[Check]:
        images, pilots = len(self.image_sha256), len(self.pilot_sha256)
        yield "rho is a probability", 0 < self.rho < 1
        yield "there is a count for each image", len(self.exceeding) == images
        yield "no image is used twice", len({*self.pilot_sha256, *self.image_sha256}) == pilots + images
        yield "there are pilot images if they chose E", bool(self.pilot_sha256) == (self.largest is not None)
        yield "the images accepted and q_E follow from the counts", self == self.conclude()

    def to_text(self) -> str:
        """The measurement as lines of text for a terminal."""
        worst = f"at most {max(self.exceeding)} exceed E" if max(self.exceeding) else "none exceeds E"
        pilots = f" of {self.n_choice} β on each of {len(self.pilot_sha256)} pilot images" if self.pilot_sha256 else ""
        return "\n".join(
            (
                f"E = {self.error_in_words()}: a fresh image of {self.dataset} exceeds it in at most {self.rho_in_words()} of all "
                f"votes, with probability at least q_E = {rounded_down(self.q_lower, 4)} "
                f"(confidence {confidence(self.alpha_error)}).",
                f"  transform    {self.transform}, β ~ N(0, ({self.parameter_sigma:g} {self.unit})²)",
                f"  attacker     Γ = ±{self.limit:g} {self.unit}, {self.attacker} images",
                f"  E            {self.origin()}{pilots}",
                f"  images       {self.images_accepted} of {len(self.exceeding)} other images accepted, {self.n_test} fresh β "
                f"each, of which {worst}",
                f"  time         {self.seconds:.2f} s, seed {self.seed}",
                "Its images stand for the distribution: q_E holds as far as they are independent draws from it.",
            )
        )


@dataclass(frozen=True, kw_only=True)
class ReceivedErrorLevel(ErrorLevel):
    """E of one received image x' and of everything that explains it: IndivSPT with one E.

    e(beta, gamma, x) = P A_beta x' - P A_{beta+gamma} x. A beta exceeds E unless ||e|| <= E is proved for all explanations:
    all gamma in Gamma and x with pixels in [0, 1] such that x' = T_gamma x. Neither is known.

    Guarantee: with probability at least 1 - alpha_error over the n_test betas, Pr_beta(beta exceeds E) <= rho. They were
    not used to choose E, neither by the defence nor, where E was given, by whoever gave it.

    Attributes:
        image_sha256: of x'.
        surviving: the ranges of Gamma (one pair for each parameter) in which something can explain x'. Outside of
            them no x in [0, 1] gives x'. share: of Gamma that survives; split_width: of the splits that were tested;
            refinements, method: see `spt.defences.IndivSPT`.
        bounds: the proved bound of ||e|| over all explanations, for each of the n_test betas; rho is the Clopper-Pearson
            upper bound from how many are greater than E.
    """

    image_sha256: str
    surviving: tuple[tuple[tuple[float, float], ...], ...]
    share: float
    split_width: float
    refinements: int
    method: str
    bounds: tuple[float, ...]

    @property
    def exceeding(self) -> int:
        """How many of the n_test betas exceed E."""
        return count_exceeding(self.bounds, self.error)

    @property
    def own_bound(self) -> float:
        """The image's own bound: the largest of the n_test betas, with which none of them would have exceeded E."""
        return max(self.bounds)

    @property
    def usable(self) -> bool:
        """Whether a certificate is possible with this E: with rho >= 1/2 none is, whatever the votes say."""
        return self.rho < 0.5

    def covers(self, image_sha256: str) -> bool:
        return image_sha256 == self.image_sha256

    def rho_in_words(self) -> str:
        return rounded_up(self.rho)

    def scope(self) -> str:
        return "this received image and every original that explains it"

    def _checks_of_the_test(self) -> Iterator[Check]:
        yield "there is a bound for each beta", len(self.bounds) == self.n_test
        yield "no bound is negative or infinite", all(0 <= bound < math.inf for bound in self.bounds)
        rho = statistics.clopper_pearson_upper(self.exceeding, self.n_test, self.alpha_error)
        yield "rho follows from the betas that tested E", self.rho == rho
        yield "something of the attack range survives", self.share > 0
        dimensions = TRANSFORMS[self.transform].dimensions
        within = ranges_hold(self.surviving, self.share, self.limit, dimensions)
        yield "the ranges that survive lie in the attack range and make up their share of it", within
        yield "the splits have a positive, finite width", 0 < self.split_width < math.inf

    def explain(self) -> str:
        """Whether this E can serve for this image, in words, with the reason."""
        found = f"{self.exceeding} of {self.n_test} β exceed it, so ρ = {self.rho_in_words()}"
        own = f"Its own bound, the largest of these β, is {rounded_up(self.own_bound)}"
        if self.usable:
            return f"ACCEPTED: E = {self.error_in_words()} is enough for this image ({found}; less than 1/2 is needed). {own}."
        error = rounded_down(self.error) if self.largest is not None else self.error_in_words()
        return (
            f"REFUSED: E = {error} is too small for this image ({found}; less than 1/2 is needed). {own}; another E needs "
            "another test, at a level of its own."
        )

    def to_text(self) -> str:
        """The measurement as lines of text for a terminal."""
        return "\n".join(
            (
                self.explain(),
                f"  transform    {self.transform}, β ~ N(0, ({self.parameter_sigma:g} {self.unit})²)",
                f"  attacker     Γ = ±{self.limit:g} {self.unit}, {self.attacker} images",
                f"  explained by {self.explained_by()}",
                f"  E            {self.origin()}{f', from {self.n_choice} other β' if self.n_choice else ''}",
                f"  bounds       from {rounded_down(min(self.bounds))} to {rounded_up(self.own_bound)}, confidence of ρ "
                f"{confidence(self.alpha_error)}",
                f"  image        sha256 {self.image_sha256[:16]}…, seed {self.seed}",
                f"  time         {self.seconds:.2f} s",
            )
        )

    def explained_by(self) -> str:
        """The part of Gamma that can explain the image, in words."""
        return f"{ranges_in_words(self.surviving)} ({self.share:.2%} of Γ)"


def count_exceeding(bounds: Iterable[float], error: float) -> int:
    """How many of these bounds do not prove an error of at most E."""
    return sum(not bound <= error for bound in bounds)


def level_from(fields: dict[str, Any]) -> ErrorLevel:
    """The level with these fields as JSON has them (lists for tuples)."""
    kind: type[ErrorLevel] = ReceivedErrorLevel if "surviving" in fields else ImageErrorLevel
    kind = DistributionErrorLevel if "q_lower" in fields else kind
    hints = get_type_hints(kind)
    return kind(**{name: as_declared(as_tuples(value), hints.get(name)) for name, value in fields.items()})
