"""What a run found, with its whole evidence: `Prediction` (PREDICT) and `Certificate` (CERTIFY).

Plain values throughout, so that they print, compare, go to JSON and back, and can be checked by others: `verify`
recomputes every conclusion from the counts.
"""

import dataclasses
import json
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from spt import statistics

HEURISTIC_NOTE = (
    "Heuristic: this radius would be certified if the interpolated transformations composed. They do not, so BaseSPT "
    "proves nothing about an attack."
)


def rounded_down(value: float, digits: int = 3) -> str:
    """A number >= 0 to that many significant digits, rounded down: a bound that is shown must hold as it is shown."""
    exact = Decimal(value)
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return f"{float(exact.quantize(step, ROUND_FLOOR)):.{digits}g}" if exact else "0"


def rounded_up(value: float, digits: int = 3) -> str:
    """A number >= 0 to that many significant digits, rounded up: for bounds from above."""
    exact = Decimal(value)
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return f"{float(exact.quantize(step, ROUND_CEILING)):.{digits}g}" if exact else "0"


def quantity(value: float, unit: str) -> str:
    """A radius or noise level with its unit, three significant digits, rounded down: 26.4° or 1.25 px."""
    return f"{rounded_down(value)}{'' if unit == '°' else ' '}{unit}"


@dataclass(frozen=True)
class Evidence:
    """What both results rest on: the smoothed classifier in words, the image, and the votes.

    ``counts`` are votes for each class name among n samples; ``image_sha256`` is `spt.images.image_digest`.
    """

    defence: str
    classifier: str
    classifier_fingerprint: str
    class_names: tuple[str, ...]
    transform: str
    unit: str
    parameter_sigma: float
    pixel_sigma: float
    image_sha256: str
    seed: int
    alpha: float
    counts: tuple[int, ...]

    @property
    def n(self) -> int:
        """Number of votes counted."""
        return sum(self.counts)

    def top_two(self) -> tuple[int, int]:
        """Indices of the classes with most votes; ties go to the smaller index."""
        order = sorted(range(len(self.counts)), key=lambda index: (-self.counts[index], index))
        return order[0], order[1] if len(order) > 1 else order[0]

    def to_json(self) -> str:
        """All fields as JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)


@dataclass(frozen=True)
class Prediction(Evidence):
    """PREDICT: the class g answers, or None for ABSTAIN.

    Guarantee: if ``label`` is not None, it equals argmax_c Pr(vote = c) with probability at least 1 - alpha over the
    sampling (two-sided binomial test of the top two counts; Cohen, Rosenfeld and Kolter 2019, proposition 2).
    """

    label: int | None
    p_value: float

    @property
    def class_name(self) -> str | None:
        """Name of the predicted class, None for ABSTAIN."""
        return None if self.label is None else self.class_names[self.label]

    def explain(self) -> str:
        """The outcome in words: the answer and its reason."""
        return f"{'ABSTAIN' if self.label is None else f'PREDICT {self.class_name}'}: {self.reason()}"

    def reason(self) -> str:
        """Why, in words; and what would be needed if it is ABSTAIN."""
        first, second = self.top_two()
        n_a, n_b = self.counts[first], self.counts[second] if second != first else 0
        test = f"{n_a} against {n_b} votes, p-value {self.p_value:.3g}"
        if self.label is not None:
            return f"{test} ≤ α = {self.alpha:g}."
        more = "The top two classes are level."
        if n_a > n_b:
            needed = statistics.samples_needed_to_predict(n_a / (n_a + n_b), self.alpha)
            scaled = None if needed is None else round(needed * self.n / (n_a + n_b))
            more = (
                "No realistic n would decide."
                if scaled is None
                else f"With these shares about n = {scaled:,} would be needed."
            )
        leads = f"{self.class_names[first]} does not lead {self.class_names[second]} clearly"
        return f"{leads} ({test} > α = {self.alpha:g}). {more}"


@dataclass(frozen=True)
class Certificate(Evidence):
    """CERTIFY: the class and the radius, or None and 0 for ABSTAIN.

    ``selection_counts`` are the n0 votes that chose the class; ``counts`` the n other votes that the bound rests on.
    For BaseSPT the radius is a heuristic (see ``heuristic``): with probability at least 1 - alpha over the sampling,
    Pr(vote = label) >= p_lower; sigma Phi^-1(p_lower) is a radius only as far as transformations compose.
    """

    selection_counts: tuple[int, ...]
    selected: int
    label: int | None
    p_lower: float
    radius: float
    heuristic: bool
    seconds: float

    @property
    def class_name(self) -> str | None:
        """Name of the certified class, None for ABSTAIN."""
        return None if self.label is None else self.class_names[self.label]

    @property
    def samples(self) -> int:
        """Votes spent, selection and estimation together."""
        return sum(self.selection_counts) + self.n

    def verify(self) -> bool:
        """Recompute selection, bound, decision and radius from the counts; True if all agree with the record.

        False as well for numbers that no run could have counted.
        """
        classes = len(self.class_names)
        if (
            not len(self.counts) == len(self.selection_counts) == classes
            or min(*self.counts, *self.selection_counts) < 0
        ):
            return False
        if self.heuristic != (self.defence == "BaseSPT"):
            return False
        selected = max(range(classes), key=lambda index: (self.selection_counts[index], -index))
        try:
            p_lower = statistics.clopper_pearson_lower(self.counts[selected], self.n, self.alpha)
            radius = statistics.certified_radius(p_lower, self.parameter_sigma)
        except ValueError:
            return False
        label = selected if p_lower > 0.5 else None
        return (selected, p_lower, radius, label) == (self.selected, self.p_lower, self.radius, self.label)

    def explain(self) -> str:
        """The outcome in words: the answer and its reason."""
        return f"{'ABSTAIN' if self.label is None else f'CERTIFY {self.class_name}'}: {self.reason()}"

    def reason(self) -> str:
        """Why, in words; and what would be needed if it is ABSTAIN."""
        name, votes = self.class_names[self.selected], self.counts[self.selected]
        share = (
            f"{votes} of {self.n} votes, lower bound {rounded_down(self.p_lower, 4)} at confidence {1 - self.alpha:g}"
        )
        if self.label is not None:
            kind = "heuristic radius" if self.heuristic else "radius"
            return f"{share}; {kind} {quantity(self.radius, self.unit)}."
        if votes * 2 <= self.n:
            more = "At this share no number of samples certifies: the class needs more than half of all votes."
        else:
            needed = statistics.samples_needed_to_certify(votes / self.n, self.alpha)
            more = (
                "No realistic n would do." if needed is None else f"At this share about n = {needed:,} would be needed."
            )
        return f"{name} is not certain to have more than half of all votes ({share}). {more}"

    def to_text(self) -> str:
        """The certificate as lines of text for a terminal."""
        noise = f"N(0, ({self.parameter_sigma:g} {self.unit})²)"
        if self.pixel_sigma:
            noise += f" and pixel noise N(0, {self.pixel_sigma:g}²)"
        lines = [
            self.explain(),
            f"  defence      {self.defence}{' (heuristic)' if self.heuristic else ''}",
            f"  classifier   {self.classifier}",
            f"  transform    {self.transform}, smoothed over {noise}",
            f"  votes        {self._counts_in_words()}",
            f"  selection    {sum(self.selection_counts)} other votes, seed {self.seed}",
            f"  image        sha256 {self.image_sha256[:16]}…",
            f"  time         {self.seconds:.2f} s for {self.samples:,} votes",
        ]
        if self.heuristic:
            lines.append(HEURISTIC_NOTE)
        return "\n".join(lines)

    def _counts_in_words(self) -> str:
        order = sorted(range(len(self.counts)), key=lambda index: -self.counts[index])
        return ", ".join(f"{self.class_names[i]}: {self.counts[i]}" for i in order[:5] if self.counts[i])

    @classmethod
    def from_json(cls, text: str) -> "Certificate":
        """The certificate that `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        for name in ("class_names", "counts", "selection_counts"):
            fields[name] = tuple(fields[name])
        return cls(**fields)


@dataclass(frozen=True)
class DistCertificate:
    """DistSPT^x: a proof about every attack gamma in Gamma on one image, with its whole evidence.

    Guarantee: with probability at least 1 - alpha over the sampling, if ``label`` is not None then g(T_gamma x) = label
    for every gamma in Gamma = [-limit, limit]^d with |gamma| < radius, for the attacker named, where g is the nested
    smoothed classifier of `spt.defences.DistSPT`.

    Attributes:
        selection_counts, selected: the votes that chose the class, and the class.
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
        except (ValueError, TypeError):
            return False

    def _well_formed(self) -> bool:
        """Whether the evidence is of one piece: as many samples as it says, no impossible counts, a known attacker."""
        sizes = {len(self.points), len(self.radii), len(self.inner_votes)}
        counts = [*self.selection_counts, *(count for pair in self.inner_votes for count in pair)]
        return (
            len(sizes) == 1
            and max(sizes) <= self.n_gamma
            and min(counts) >= 0
            and len(self.selection_counts) == len(self.class_names)
            and self.attacker in ("8-bit", "exact")
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
            f"({tests}, lower bound {rounded_down(self.q_lower, 4)} at confidence {1 - self.alpha:g})."
        )

    def to_text(self) -> str:
        """The certificate as lines of text for a terminal."""
        votes = sum(trials for _, trials in self.inner_votes) + sum(self.selection_counts)
        return "\n".join(
            (
                self.explain(),
                "  defence      DistSPT^x, recentred per-sample errors",
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
