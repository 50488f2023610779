"""`NestedPrediction`: what the nested smoothed classifier g answers for an image, the one that the proving defences certify."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from spt import statistics
from spt.certificates.evidence import Concluded
from spt.certificates.inner_tests import LOOKS, can_have_stopped
from spt.certificates.per_sample import computed_in_words, points_hold, points_of_the_seed
from spt.certificates.rounding import confidence
from spt.noise import vote_error
from spt.plain_numbers import MOST_SAMPLES


@dataclass(frozen=True)
class NestedPrediction(Concluded):
    """PREDICT for g(x) = argmax_c Pr_beta(h(P T_beta x) = c), h(z) = argmax_c Pr_eps(f(z + eps) = c).

    Guarantee: with probability at least 1 - alpha over the sampling, if ``label`` is not None then h(P T_beta x) = label with
    probability more than 1/2 over beta, so g(x) = label.

    A sample passes if an anytime-valid test at level ``inner_alpha`` shows that f gives the class more than half of its votes at
    P T_beta x (at every z within ``radius`` of what was computed). A sample of which h is another class passes with
    probability at most inner_alpha; so if h is the class with probability at most 1/2, samples pass with probability at most
    (1 + inner_alpha) / 2. That is the null hypothesis of the outer test, anytime-valid too: sampling may stop whenever it decides.

    Attributes (see also `spt.certificates.per_sample.PerSampleCertificate`):
        n: the most samples that were to be drawn; points: the beta of each that was; inner_votes: (votes for the class, votes)
            at which each one's inner test stopped.
        radius: what floating point can have changed in P T_beta x.
        passes: how many samples pass.
    """

    CONCLUSIONS: ClassVar[tuple[str, ...]] = ("passes", "label")
    SETTINGS: ClassVar[tuple[str, ...]] = (
        *("classifier", "classifier_fingerprint", "class_names", "network_shape", "grid", "transform", "unit"),
        *("parameter_sigma", "pixel_sigma", "image_sha256", "alpha", "inner_alpha"),
    )
    """Which fields decide the samples besides seed and sizes."""

    classifier: str
    classifier_fingerprint: str
    class_names: tuple[str, ...]
    network_shape: tuple[int, int, int]
    grid: float
    device: str
    number_format: str
    transform: str
    unit: str
    parameter_sigma: float
    pixel_sigma: float
    image_sha256: str
    seed: int
    alpha: float
    inner_alpha: float
    radius: float
    selection_counts: tuple[int, ...]
    selected: int
    n: int
    points: tuple[tuple[float, ...], ...]
    inner_votes: tuple[tuple[int, int], ...]
    seconds: float
    passes: int
    label: int | None

    @staticmethod
    def _conclusions(evidence: dict[str, Any]) -> dict[str, Any]:
        test = _inner_test(evidence)
        passes = sum(test.decide(*pair) is statistics.Decision.ACCEPT for pair in evidence["inner_votes"])
        verdict = outer_test(evidence["alpha"], evidence["inner_alpha"]).decide(passes, len(evidence["inner_votes"]))
        accepted = verdict is statistics.Decision.ACCEPT
        return {"passes": passes, "label": evidence["selected"] if accepted else None}

    @classmethod
    def settings_in_words(cls, fields: Mapping[str, Any]) -> str:
        """What decides the samples besides the seed and the sizes, for `spt.seeds.generators`."""
        return repr(("predict", *((name, fields[name]) for name in cls.SETTINGS)))

    def _well_formed(self) -> bool:
        return (
            len(self.points) == len(self.inner_votes) <= self.n <= MOST_SAMPLES
            and sum(self.selection_counts) > 0
            and points_hold(self.points, self.transform, self.unit)
            and points_of_the_seed(
                self.points,
                self.transform,
                self.parameter_sigma,
                (self.seed, sum(self.selection_counts), self.n),
                self.settings_in_words(vars(self)),
            )
            and 0 < self.alpha < 1
            and 0 < self.inner_alpha < 1
            and self.radius >= 0
            and all(can_have_stopped(pair, _inner_test(vars(self)), LOOKS) for pair in set(self.inner_votes))
        )

    def explain(self) -> str:
        """The outcome in words: the answer and its reason."""
        return f"{'ABSTAIN' if self.label is None else f'PREDICT {self.class_name}'}: {self.reason()}"

    def reason(self) -> str:
        """Why, in words."""
        found = f"{self.passes} of {len(self.inner_votes)} samples show h = {self.class_names[self.selected]}"
        if self.label is None:
            return f"{found}; that does not show a majority at confidence {confidence(self.alpha)}."
        return f"{found}, a majority at confidence {confidence(self.alpha)}."

    def to_text(self) -> str:
        """The prediction as lines of text for a terminal."""
        votes = sum(trials for _, trials in self.inner_votes) + sum(self.selection_counts)
        return "\n".join(
            (
                self.explain(),
                "  g            nested: majority over β of h, which is the majority over pixel noise of f",
                f"  classifier   {self.classifier}, pixel noise N(0, {self.pixel_sigma:g}²)",
                f"  computed     {computed_in_words(self.device, self.number_format, self.grid)}",
                f"  transform    {self.transform}, smoothed over N(0, ({self.parameter_sigma:g} {self.unit})²)",
                f"  image        sha256 {self.image_sha256[:16]}…, seed {self.seed}",
                f"  time         {self.seconds:.2f} s, {votes:,} network calls",
            )
        )


def outer_test(alpha: float, inner_alpha: float) -> statistics.SequentialTest:
    """The test whose acceptance shows that more than half of all samples have h = the class; gives up at the same level."""
    null = math.nextafter((1 + inner_alpha) / 2, 1.0)
    return statistics.SequentialTest(null, alpha, alpha)


def _inner_test(fields: Mapping[str, Any]) -> statistics.SequentialTest:
    sigma, alpha = fields["pixel_sigma"], fields["inner_alpha"]
    error = vote_error(math.prod(fields["network_shape"]), sigma, fields["grid"])
    return statistics.SequentialTest.for_radius(fields["radius"], sigma, alpha, alpha, error)
