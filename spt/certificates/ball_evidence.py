"""`BallEvidence`: what certificates rest on whose samples have a ball each, whatever follows from how many of them pass."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spt import statistics
from spt.certificates.concluded import Check, ConcludedRange
from spt.certificates.looks import LOOKS, can_have_stopped
from spt.certificates.rounding import computed_in_words, rounded_down, rounded_up
from spt.certificates.sample_points import points_hold

LEAST_RADIUS = 1e-9
"""Of every ball beyond the attacker's rounding: what floating point can have changed is never nothing."""


@dataclass(frozen=True, kw_only=True)
class BallEvidence(ConcludedRange):
    """The settings, and the samples with their balls and inner tests.

    Attributes:
        preprocessing: P in words; input_shape, network_shape: (C, H, W) before and after it; grid: to which f rounds its input.
        device, number_format: where the votes were counted, and in which numbers f computes: in others it is another f.
        limit: Gamma is [-limit, limit]^d, in ``unit``.
        selection_counts, selected: the votes that chose the class, and the class.
        points: each sample; they follow from the seed, the sizes and the settings named in ``SETTINGS``.
        radii: the proved radius r of each sample's ball; rounding: what the attacker's rounding adds to it, contained in it.
        inner_votes: (votes for the class, votes) at which each inner test stopped. A sample passes if that test accepts.
        radius, label: what follows.
    """

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
    INNER_LOOKS: ClassVar[tuple[int, ...]] = LOOKS
    """Numbers of votes at which inner tests are asked; the last is their cap."""

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
    selection_counts: tuple[int, ...] = ()
    selected: int = 0
    points: tuple[tuple[float, ...], ...] = ()
    radii: tuple[float, ...] = ()
    rounding: tuple[float, ...] = ()
    inner_votes: tuple[tuple[int, int], ...] = ()
    seconds: float = 0.0
    radius: float = 0.0
    label: int | None = None

    @property
    def gamma_limit(self) -> float:
        return self.limit

    def inner_test(self, radius: float) -> statistics.SequentialTest:
        """The test whose acceptance shows h constant on a ball of that radius, as this run made it."""
        alpha = self.inner_alpha
        return statistics.SequentialTest.for_radius(radius, self.pixel_sigma, alpha, alpha, self.vote_error)

    def outcomes(self) -> tuple[statistics.Decision, ...]:
        """What each sample's inner test said at last."""
        return tuple(
            self.inner_test(radius).decide(*votes) for radius, votes in zip(self.radii, self.inner_votes, strict=True)
        )

    def passed(self) -> list[bool]:
        """Whether each sample passes: its inner test accepts."""
        return [outcome is statistics.Decision.ACCEPT for outcome in self.outcomes()]

    def largest_testable_radius(self) -> float:
        """The largest error radius that an inner test can pass: all of its votes for the class."""
        low, high = 0.0, 10 * self.pixel_sigma
        for _ in range(30):
            middle = (low + high) / 2
            verdict = self.inner_test(middle).decide(self.INNER_LOOKS[-1], self.INNER_LOOKS[-1])
            low, high = (middle, high) if verdict is statistics.Decision.ACCEPT else (low, middle)
        return high

    def settings_in_words(self) -> str:
        """What decides the samples besides the seed and the sizes, for `spt.seeds.generators`."""
        return repr(tuple((name, getattr(self, name)) for name in (*self.SETTINGS, *self.OWN_SETTINGS)))

    def _checks_of_the_settings(self) -> Iterator[Check]:
        yield "the image has at least one pixel", min(self.input_shape) >= 1
        yield "the points can be samples", points_hold(self.points, self.transform, self.unit)
        yield "alpha and inner_alpha are probabilities", 0 < self.alpha < 1 and 0 < self.inner_alpha < 1
        yield "the attacker is a known one", self.attacker in ("8-bit", "exact")
        yield "the attack range is positive and finite", 0 < self.limit < math.inf

    def _checks_of_the_balls(self) -> Iterator[Check]:
        yield "every radius contains its rounding term, and the attacker can cause this", self._radii_hold()
        yield (
            "every inner test can have stopped where it did",
            all(
                can_have_stopped(pair, self.inner_test(radius), self.INNER_LOOKS)
                for radius, pair in zip(self.radii, self.inner_votes, strict=True)
            ),
        )

    def _one_of_each(self) -> bool:
        """Whether every sample has a point, a radius, a rounding term and inner votes."""
        return len({len(self.points), len(self.radii), len(self.rounding), len(self.inner_votes)}) == 1

    def _radii_hold(self) -> bool:
        """Whether every radius contains its rounding term, and this is one that the attacker can cause."""
        most = 0.0 if self.attacker == "exact" else math.sqrt(math.prod(self.network_shape)) / 510 * (1 + 1e-8)
        return all(
            0 <= rounding <= most and rounding + LEAST_RADIUS <= radius * (1 + 1e-12)
            for radius, rounding in zip(self.radii, self.rounding, strict=True)
        )

    def _as_lines(self, own: dict[str, str], looks: dict[str, str] | None = None) -> str:
        """`to_text` without its first line: ``own`` has a line named "defence", which comes first."""
        lines = {
            "defence": own.pop("defence"),
            "classifier": f"{self.classifier}, pixel noise N(0, {self.pixel_sigma:g}²)",
            "computed": computed_in_words(self.device, self.number_format, self.grid),
            "transform": f"{self.transform}, {self._smoothed_over()}",
            "attacker": f"Γ = ±{self.limit:g} {self.unit}, {self.attacker} images",
            **own,
            **(looks or {}),
        }
        if self.radii:
            lines["errors"] = f"radii from {rounded_down(min(self.radii))} to {rounded_up(max(self.radii))}"
        lines["image"] = f"sha256 {self.image_sha256[:16]}…, seed {self.seed}"
        lines["time"] = f"{self.seconds:.2f} s, {self.network_calls:,} network calls"
        return "\n".join(f"  {name:<12} {text}" for name, text in lines.items())

    def _smoothed_over(self) -> str:
        return f"smoothed over N(0, ({self.parameter_sigma:g} {self.unit})²)"
