"""Certificates of defences that bound the error of every sample by itself: DistSPT^x and IndivSPT."""

import dataclasses
import itertools
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from spt import statistics
from spt.certificates.evidence import Concluded
from spt.certificates.inner_tests import LOOKS, can_have_stopped
from spt.certificates.ranges import ranges_hold, ranges_in_words
from spt.certificates.rounding import confidence, quantity, rounded_down, rounded_up
from spt.noise import vote_error
from spt.plain_numbers import MOST_SAMPLES
from spt.seeds import generators
from spt.transforms import TRANSFORMS

LEAST_RADIUS = 1e-9
"""Of every ball beyond the attacker's rounding: what floating point can have changed is never nothing."""
SAME_POINT = 1e-9
"""By how much (relative, at least of 1) a sample may differ from that of its seed: processors differ in the last digits."""


@dataclass(frozen=True)
class PerSampleCertificate(Concluded):
    """What both rest on: the settings, the samples with their radii and inner tests, and what follows from these.

    Attributes:
        preprocessing: P in words; input_shape, network_shape: (C, H, W) before and after it; grid: to which f rounds its input.
        device, number_format: where the votes were counted, and in which numbers f computes: in others it is another f.
        limit: Gamma is [-limit, limit]^d, in ``unit``.
        selection_counts, selected: the votes that chose the class, and the class.
        n_gamma: samples that were to be drawn; a certificate with fewer is provisional and has no label, unless it
            stopped at one of ``first_looks``, sample sizes fixed beforehand: there sampling stops if Gamma is covered,
            or if the share that passes is too small for it anyway. Each look, the one at n_gamma too, bounds the
            probability at an equal share of alpha, so the bounds of all looks hold together.
        points: each sample; they follow from the seed, the sizes and the settings named in ``SETTINGS``.
        radii: the proved radius r of each sample's ball; rounding: what the attacker's rounding adds to it, contained in it.
        inner_votes: (votes for the class, votes) at which each inner test stopped. A sample passes if that test accepts.
        q_lower: lower confidence bound of the probability to pass, corrected for inner tests that accept wrongly.
    """

    CONCLUSIONS: ClassVar[tuple[str, ...]] = ("passes", "q_lower", "radius", "label")
    SETTINGS: ClassVar[tuple[str, ...]] = (
        *(
            "classifier",
            "classifier_fingerprint",
            "class_names",
            "input_shape",
            "network_shape",
            "grid",
            "preprocessing",
        ),
        *(
            "transform",
            "unit",
            "parameter_sigma",
            "pixel_sigma",
            "limit",
            "attacker",
            "image_sha256",
            "alpha",
            "inner_alpha",
        ),
    )
    """Which fields decide the samples besides seed and sizes: none can be changed afterwards without a trace."""
    OWN_SETTINGS: ClassVar[tuple[str, ...]]
    """Those of the subclass."""

    classifier: str
    classifier_fingerprint: str
    class_names: tuple[str, ...]
    preprocessing: str
    input_shape: tuple[int, int, int]
    network_shape: tuple[int, int, int]
    grid: float
    device: str
    number_format: str
    transform: str
    unit: str
    parameter_sigma: float
    pixel_sigma: float
    limit: float
    attacker: str
    image_sha256: str
    seed: int
    alpha: float
    inner_alpha: float
    selection_counts: tuple[int, ...]
    selected: int
    n_gamma: int
    points: tuple[tuple[float, ...], ...]
    radii: tuple[float, ...]
    rounding: tuple[float, ...]
    inner_votes: tuple[tuple[int, int], ...]
    seconds: float
    passes: int
    q_lower: float
    radius: float
    label: int | None
    first_looks: tuple[int, ...] = dataclasses.field(default=(), kw_only=True)

    @property
    @abstractmethod
    def inconsistent(self) -> bool:
        """Whether nothing in Gamma explains the image, so that there is nothing to sample."""

    @abstractmethod
    def _own_evidence_holds(self) -> bool:
        """Whether the fields of the subclass can be those of a run."""

    @abstractmethod
    def _claim(self, tests: str) -> str:
        """What is certified (or that the image is inconsistent), in a sentence; ``tests`` says how."""

    @abstractmethod
    def _own_lines(self) -> dict[str, str]:
        """Lines of `to_text` that the subclass adds, by their names; one is named "defence"."""

    @classmethod
    def conclude(cls, **evidence: Any) -> Self:
        """The certificate that follows from the evidence: passes, bound, radius and label."""
        return super().conclude(**({"first_looks": ()} | evidence))

    @staticmethod
    def _conclusions(evidence: dict[str, Any]) -> dict[str, Any]:
        inner_alpha = evidence["inner_alpha"]
        verdicts = [
            _inner_test(radius, evidence).decide(*votes)
            for radius, votes in zip(evidence["radii"], evidence["inner_votes"], strict=True)
        ]
        passed = [verdict is statistics.Decision.ACCEPT for verdict in verdicts]
        n, looks = len(passed), (*evidence["first_looks"], evidence["n_gamma"])
        q_lower = radius = 0.0
        if n in looks:
            share = max(
                statistics.clopper_pearson_lower(sum(passed[:look]), look, evidence["alpha"] / len(looks))
                for look in looks
                if look <= n
            )
            q_lower = statistics.corrected_lower_bound(share, inner_alpha)
            radius = statistics.certified_radius(q_lower, evidence["parameter_sigma"])
        if n in evidence["first_looks"] and not stops(sum(passed) / n, radius, evidence):
            q_lower = radius = 0.0  # sampling goes on
        return {
            "passes": sum(passed),
            "q_lower": q_lower,
            "radius": radius,
            "label": evidence["selected"] if q_lower > 0.5 else None,
        }

    def inner_test(self, radius: float) -> statistics.SequentialTest:
        """The test whose acceptance shows h constant on a ball of that radius, as this run made it."""
        return _inner_test(radius, vars(self))

    @property
    def complete(self) -> bool:
        """Whether all samples are in, or a look was the last, or none is needed; before that nothing is certified."""
        n = len(self.radii)
        stopped = n in self.first_looks and stops(self.passes / n, self.radius, vars(self))
        return self.inconsistent or n == self.n_gamma or stopped

    @classmethod
    def settings_in_words(cls, fields: Mapping[str, Any]) -> str:
        """What decides the samples besides the seed and the sizes, for `spt.seeds.generators`."""
        return repr(tuple((name, fields[name]) for name in (*cls.SETTINGS, *cls.OWN_SETTINGS)))

    def _well_formed(self) -> bool:
        """Whether the evidence is of one piece: as many samples as it says, points, radii and counts that a run can have."""
        sizes = {len(self.points), len(self.radii), len(self.rounding), len(self.inner_votes)}
        return (
            len(sizes) == 1
            and max(sizes) <= (0 if self.inconsistent else self.n_gamma) <= MOST_SAMPLES
            and (self.inconsistent or sum(self.selection_counts) > 0)
            and min(self.input_shape) >= 1
            and points_hold(self.points, self.transform, self.unit)
            and 0 < self.alpha < 1
            and 0 < self.inner_alpha < 1
            and self.parameter_sigma > 0
            and looks_hold(self.first_looks, self.n_gamma)
            and not self._went_on_too_long()
            and self.attacker in ("8-bit", "exact")
            and 0 < self.limit < math.inf
            and self._own_evidence_holds()
            and self._points_are_those_of_the_seed()
            and self._radii_hold()
            and all(
                can_have_stopped(pair, self.inner_test(radius), LOOKS)
                for radius, pair in zip(self.radii, self.inner_votes, strict=True)
            )
        )

    def _points_are_those_of_the_seed(self) -> bool:
        sizes = (self.seed, sum(self.selection_counts), self.n_gamma)
        settings = self.settings_in_words(vars(self))
        return points_of_the_seed(self.points, self.transform, self.parameter_sigma, sizes, settings, self.first_looks)

    def _radii_hold(self) -> bool:
        """Whether every radius contains its rounding term, and this is one that the attacker can cause."""
        most = 0.0 if self.attacker == "exact" else math.sqrt(math.prod(self.network_shape)) / 510 * (1 + 1e-8)
        return all(
            0 <= rounding <= most and rounding + LEAST_RADIUS <= radius * (1 + 1e-12)
            for radius, rounding in zip(self.radii, self.rounding, strict=True)
        )

    def _went_on_too_long(self) -> bool:
        """Whether there are samples after a look at which sampling stops."""
        fields = vars(self)
        for look in self.first_looks:
            if look < len(self.radii):
                first = {name: fields[name][:look] for name in ("points", "radii", "rounding", "inner_votes")}
                found = self._conclusions(fields | first)
                if stops(found["passes"] / look, found["radius"], fields):
                    return True
        return False

    def explain(self) -> str:
        """The outcome in words, with the reason."""
        tests = f"{self.passes} of {len(self.radii)} samples pass"
        bound = f"lower bound {rounded_down(self.q_lower, 4)}"
        if not self.complete:
            return (
                f"PROVISIONAL: {self.passes} of {len(self.radii)} samples pass so far ({self.n_gamma} to come in all)."
            )
        if self.label is None and not self.inconsistent:
            return f"ABSTAIN: {tests}, {bound}; more than 1/2 is needed."
        return self._claim(f"{tests}, {bound} at confidence {confidence(self.alpha)}")

    def to_text(self) -> str:
        """The certificate as lines of text for a terminal."""
        votes = sum(trials for _, trials in self.inner_votes) + sum(self.selection_counts)
        own = self._own_lines()
        lines = {
            "defence": own.pop("defence"),
            "classifier": f"{self.classifier}, pixel noise N(0, {self.pixel_sigma:g}²)",
            "computed": computed_in_words(self.device, self.number_format, self.grid),
            "transform": f"{self.transform}, smoothed over N(0, ({self.parameter_sigma:g} {self.unit})²)",
            "attacker": f"Γ = ±{self.limit:g} {self.unit}, {self.attacker} images",
            **own,
        }
        if self.first_looks:
            looks = ", ".join(map(str, (*self.first_looks, self.n_gamma)))
            lines["looks"] = f"after {looks} samples, each at level {self.alpha / (len(self.first_looks) + 1):g}"
        if self.radii:
            lines["errors"] = f"radii from {rounded_down(min(self.radii))} to {rounded_up(max(self.radii))}"
        lines["image"] = f"sha256 {self.image_sha256[:16]}…, seed {self.seed}"
        lines["time"] = f"{self.seconds:.2f} s, {votes:,} network calls"
        return "\n".join([self.explain(), *(f"  {name:<12} {text}" for name, text in lines.items())])


@dataclass(frozen=True)
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

    def _own_evidence_holds(self) -> bool:
        return self.centre in ("recentred", "shifted")

    def _claim(self, tests: str) -> str:
        reach = quantity(min(self.radius, self.limit), self.unit)
        return f"CERTIFIED {self.class_name}: no {self.transform} of less than {reach} changes g's answer ({tests})."

    def _own_lines(self) -> dict[str, str]:
        return {"defence": f"DistSPT^x, {self.centre} per-sample errors"}


@dataclass(frozen=True)
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

    def _own_evidence_holds(self) -> bool:
        dimensions = TRANSFORMS[self.transform].dimensions
        surviving = ranges_hold(self.surviving, self.share, self.limit, dimensions)
        return surviving and 0 < self.split_width < math.inf and self.refinements >= 0 and not self.first_looks

    def _claim(self, tests: str) -> str:
        if self.inconsistent:
            return (
                f"INCONSISTENT WITH Γ: no image with pixels in [0, 1] gives this one by a {self.transform} in "
                f"±{self.limit:.15g} {self.unit} ({self.attacker} images)."
            )
        reach = quantity(min(self.radius, self.limit), self.unit)
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


def stops(share: float, radius: float, settings: Mapping[str, Any]) -> bool:
    """Whether sampling stops at a look: Gamma (of a translation its disc of radius ``limit``) is covered, or would not be
    even if all samples were as those so far."""
    limit: float = settings["limit"]
    if radius > limit or share == 1:
        return radius > limit
    return not statistics.certified_radius(share, settings["parameter_sigma"]) > limit


def points_hold(points: Sequence[Sequence[float]], transform: str, unit: str) -> bool:
    """Whether these can be the samples of a run: finite points of that transformation, no two alike."""
    known = TRANSFORMS[transform]
    return (
        known.unit == unit
        and all(len(point) == known.dimensions and all(map(math.isfinite, point)) for point in points)
        and len(set(map(tuple, points))) == len(points)
    )


def points_of_the_seed(
    points: Sequence[Sequence[float]],
    transform: str,
    parameter_sigma: float,
    sizes: tuple[int, int, int],
    settings: str,
    first_looks: Sequence[int] = (),
) -> bool:
    """Whether these are the first samples that a run with (seed, n0, n) = ``sizes`` and these settings draws."""
    if not points:
        return True
    seed, n0, n = sizes
    _, generator = generators(seed, n0, n, first_looks, settings)
    drawn = TRANSFORMS[transform].sample(n, parameter_sigma, generator).tolist()
    return all(
        abs(found - value) <= SAME_POINT * max(1.0, abs(value))
        for mine, theirs in zip(points, drawn, strict=False)
        for found, value in zip(mine, theirs, strict=True)
    )


def computed_in_words(device: str, number_format: str, grid: float) -> str:
    """Where and how f answered: cpu, network in float32, input rounded to multiples of 2^-10."""
    return f"{device}, network in {number_format}, its input rounded to multiples of 2^{math.frexp(grid)[1] - 1}"


def _inner_test(radius: float, fields: Mapping[str, Any]) -> statistics.SequentialTest:
    """The inner test of a ball of that radius."""
    error = vote_error(math.prod(fields["network_shape"]), fields["pixel_sigma"], fields["grid"])
    alpha = fields["inner_alpha"]
    return statistics.SequentialTest.for_radius(radius, fields["pixel_sigma"], alpha, alpha, error)
