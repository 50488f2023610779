"""`DistCertificate`: what DistSPT^x with per-sample errors found, with its whole evidence."""

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spt import statistics
from spt.certificates.rounding import confidence, quantity, rounded_down, rounded_up
from spt.transforms import TRANSFORMS


@dataclass(frozen=True)
class DistCertificate:
    """DistSPT^x: a proof about every attack gamma in Gamma on one image, with its whole evidence.

    Guarantee: with probability at least 1 - alpha over the sampling, if ``label`` is not None then g(T_gamma x) = label
    for every gamma in Gamma = [-limit, limit]^d with |gamma| < radius, for the attacker named, where g is the nested
    smoothed classifier of `spt.defences.DistSPT`.

    Attributes:
        selection_counts, selected: the votes that chose the class, and the class.
        centre: how the centres of the balls were chosen, see `spt.defences.DistSPT`.
        n_gamma: samples that were to be drawn; a certificate with fewer is provisional and has no label.
        points: each sample b'; radii: its proved error radius rho; inner_votes: (votes for the class, votes) at which its
            inner test stopped. A sample passes if that test accepts.
        q_lower: lower confidence bound of the probability to pass, corrected for inner tests that accept wrongly.
    """

    classifier: str
    classifier_fingerprint: str
    class_names: tuple[str, ...]
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
    centre: str
    selection_counts: tuple[int, ...]
    selected: int
    n_gamma: int
    points: tuple[tuple[float, ...], ...]
    radii: tuple[float, ...]
    inner_votes: tuple[tuple[int, int], ...]
    seconds: float
    passes: int
    q_lower: float
    radius: float
    label: int | None

    @classmethod
    def conclude(cls, **evidence: Any) -> "DistCertificate":
        """The certificate that follows from the evidence: passes, bound, radius and label."""
        return cls(**evidence, **cls._conclusions(evidence))

    @staticmethod
    def _conclusions(evidence: dict[str, Any]) -> dict[str, Any]:
        passes = sum(
            statistics.SequentialTest.for_radius(radius, evidence["pixel_sigma"], evidence["inner_alpha"]).decide(
                *votes
            )
            is statistics.Decision.ACCEPT
            for radius, votes in zip(evidence["radii"], evidence["inner_votes"], strict=True)
        )
        n_gamma = evidence["n_gamma"]
        if len(evidence["radii"]) != n_gamma:
            return {"passes": passes, "q_lower": 0.0, "radius": 0.0, "label": None}
        share = statistics.clopper_pearson_lower(passes, n_gamma, evidence["alpha"])
        q_lower = statistics.corrected_lower_bound(share, evidence["inner_alpha"])
        return {
            "passes": passes,
            "q_lower": q_lower,
            "radius": statistics.certified_radius(q_lower, evidence["parameter_sigma"]),
            "label": evidence["selected"] if q_lower > 0.5 else None,
        }

    @property
    def class_name(self) -> str | None:
        """Name of the certified class, None for ABSTAIN."""
        return None if self.label is None else self.class_names[self.label]

    @property
    def complete(self) -> bool:
        """Whether all samples are in; before that nothing is certified."""
        return len(self.radii) == self.n_gamma

    def verify(self) -> bool:
        """Recompute selection, inner tests, bound, radius and label from the evidence; True if all agree."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        names = ("passes", "q_lower", "radius", "label")
        claimed = {name: fields.pop(name) for name in names}
        selection = self.selection_counts
        try:
            best = max(range(len(selection)), key=lambda index: (selection[index], -index))
            return self._well_formed() and best == self.selected and self._conclusions(fields) == claimed
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError):
            return False

    def _well_formed(self) -> bool:
        """Whether the evidence is of one piece: as many samples as it says, no impossible counts, a known attacker."""
        sizes = {len(self.points), len(self.radii), len(self.inner_votes)}
        counts = [*self.selection_counts, *(count for pair in self.inner_votes for count in pair)]
        return (
            len(sizes) == 1
            and max(sizes) <= self.n_gamma
            and min(counts) >= 0
            and sum(self.selection_counts) > 0
            and points_hold(self.points, self.transform, self.unit)
            and len(self.selection_counts) == len(self.class_names)
            and self.attacker in ("8-bit", "exact")
            and self.centre in ("recentred", "shifted")
            and 0 < self.limit < float("inf")
        )

    def explain(self) -> str:
        """The outcome in words, with the reason."""
        tests = f"{self.passes} of {self.n_gamma} samples pass"
        if not self.complete:
            return (
                f"PROVISIONAL: {self.passes} of {len(self.radii)} samples pass so far ({self.n_gamma} to come in all)."
            )
        if self.label is None:
            return f"ABSTAIN: {tests}, lower bound {rounded_down(self.q_lower, 4)}; more than 1/2 is needed."
        reach = min(self.radius, self.limit)
        return (
            f"CERTIFIED {self.class_name}: no {self.transform} of less than {quantity(reach, self.unit)} changes g's answer "
            f"({tests}, lower bound {rounded_down(self.q_lower, 4)} at confidence {confidence(self.alpha)})."
        )

    def to_text(self) -> str:
        """The certificate as lines of text for a terminal."""
        votes = sum(trials for _, trials in self.inner_votes) + sum(self.selection_counts)
        return "\n".join(
            (
                self.explain(),
                f"  defence      DistSPT^x, {self.centre} per-sample errors",
                f"  classifier   {self.classifier}, pixel noise N(0, {self.pixel_sigma:g}²)",
                f"  transform    {self.transform}, smoothed over N(0, ({self.parameter_sigma:g} {self.unit})²)",
                f"  attacker     Γ = ±{self.limit:g} {self.unit}, {self.attacker} images",
                f"  errors       ρ from {rounded_down(min(self.radii))} to {rounded_up(max(self.radii))}",
                f"  image        sha256 {self.image_sha256[:16]}…, seed {self.seed}",
                f"  time         {self.seconds:.2f} s, {votes:,} network calls",
            )
        )

    def to_json(self) -> str:
        """All fields as JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "DistCertificate":
        """The certificate that `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        for name in ("class_names", "selection_counts", "radii"):
            fields[name] = tuple(fields[name])
        for name in ("points", "inner_votes"):
            fields[name] = tuple(tuple(item) for item in fields[name])
        return cls(**fields)


def points_hold(points: Sequence[Sequence[float]], transform: str, unit: str) -> bool:
    """Whether these can be the samples of a run: finite points of that transformation, no two alike."""
    known = TRANSFORMS[transform]
    return (
        known.unit == unit
        and all(len(point) == known.dimensions and all(map(math.isfinite, point)) for point in points)
        and len(set(map(tuple, points))) == len(points)
    )
