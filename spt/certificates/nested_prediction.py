"""`NestedPrediction`: what the nested smoothed classifier g answers for an image, the one that the proving defences certify."""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from spt import statistics
from spt.certificates.concluded import Check, Concluded
from spt.certificates.looks import LOOKS, can_have_stopped
from spt.certificates.rounding import computed_in_words, confidence
from spt.certificates.sample_points import points_hold, points_of_the_seed
from spt.plain_numbers import MOST_SAMPLES


@dataclass(frozen=True, kw_only=True)
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
        passes, label: how many samples pass, and the class if they show a majority: what follows from the others.
    """

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
    selection_counts: tuple[int, ...] = ()
    selected: int = 0
    n: int
    points: tuple[tuple[float, ...], ...] = ()
    inner_votes: tuple[tuple[int, int], ...] = ()
    seconds: float = 0.0
    passes: int = 0
    label: int | None = None

    def conclude(self) -> Self:
        """Count the samples that pass, and ask the outer test whether these show a majority."""
        test = self.inner_test()
        passes = sum(test.decide(*pair) is statistics.Decision.ACCEPT for pair in self.inner_votes)
        verdict = self.outer_test().decide(passes, len(self.inner_votes))
        label = self.selected if verdict is statistics.Decision.ACCEPT else None
        return dataclasses.replace(self, passes=passes, label=label)

    def inner_test(self) -> statistics.SequentialTest:
        """The test of each sample, whose acceptance shows that h is the class there."""
        alpha = self.inner_alpha
        return statistics.SequentialTest.for_radius(self.radius, self.pixel_sigma, alpha, alpha, self.vote_error)

    def outer_test(self) -> statistics.SequentialTest:
        """The test whose acceptance shows that more than half of all samples have h = the class; gives up at the same
        level."""
        null = math.nextafter((1 + self.inner_alpha) / 2, 1.0)
        return statistics.SequentialTest(null, self.alpha, self.alpha)

    def decided(self) -> bool:
        """Whether the outer test is done: no further sample is needed."""
        return self.outer_test().decide(self.passes, len(self.inner_votes)) is not statistics.Decision.CONTINUE

    def settings_in_words(self) -> str:
        """What decides the samples besides the seed and the sizes, for `spt.seeds.generators`."""
        return repr(("predict", *((name, getattr(self, name)) for name in self.SETTINGS)))

    def _checks_of_the_run(self) -> Iterator[Check]:
        drawn = len(self.points)
        yield "every sample has a point and inner votes", drawn == len(self.inner_votes)
        yield "there are not more samples than were to be drawn", drawn <= self.n <= MOST_SAMPLES
        yield "the class was selected by votes", sum(self.selection_counts) > 0
        alike = self.parameter_sigma == 0  # then all are 0
        yield "the points can be samples", points_hold(self.points, self.transform, self.unit, alike=alike)
        yield "the points are those of the seed", self._points_are_those_of_the_seed()
        yield "alpha and inner_alpha are probabilities", 0 < self.alpha < 1 and 0 < self.inner_alpha < 1
        yield "the radius is not negative", self.radius >= 0
        yield (
            "every inner test can have stopped where it did",
            all(can_have_stopped(pair, self.inner_test(), LOOKS) for pair in set(self.inner_votes)),
        )

    def _points_are_those_of_the_seed(self) -> bool:
        sizes, settings = (self.seed, sum(self.selection_counts), self.n), self.settings_in_words()
        sigma = self.parameter_sigma
        return points_of_the_seed(self.points, self.transform, parameter_sigma=sigma, sizes=sizes, settings=settings)

    def explain(self) -> str:
        """The outcome in words: the answer and its reason."""
        return f"{'ABSTAIN' if self.label is None else f'PREDICT {self.class_name}'}: {self.reason()}"

    def reason(self) -> str:
        """Why, in words."""
        found = f"{self.passes} of {len(self.inner_votes)} samples show h = {self.class_names[self.selected]}"
        if self.label is None:
            return f"{found}; that does not show a majority at confidence {confidence(self.alpha)}."
        return f"{found}, a majority at confidence {confidence(self.alpha)}."

    def _g_in_words(self) -> str:
        if self.parameter_sigma == 0:
            return "h, the majority over pixel noise of f: nothing is smoothed over parameters"
        return "nested: majority over β of h, which is the majority over pixel noise of f"

    def _smoothed_over(self) -> str:
        if self.parameter_sigma == 0:
            return "not smoothed over"
        return f"smoothed over N(0, ({self.parameter_sigma:g} {self.unit})²)"

    def to_text(self) -> str:
        """The prediction as lines of text for a terminal."""
        return "\n".join(
            (
                self.explain(),
                f"  g            {self._g_in_words()}",
                f"  classifier   {self.classifier}, pixel noise N(0, {self.pixel_sigma:g}²)",
                f"  computed     {computed_in_words(self.device, self.number_format, self.grid)}",
                f"  transform    {self.transform}, {self._smoothed_over()}",
                f"  image        sha256 {self.image_sha256[:16]}…, seed {self.seed}",
                f"  time         {self.seconds:.2f} s, {self.network_calls:,} network calls",
            )
        )
