"""What the votes of one level say: `Prediction` (PREDICT) and `Certificate` (CERTIFY)."""

from dataclasses import dataclass

from spt import statistics
from spt.certificates.evidence import as_json, fields_are_typed, read_fields
from spt.certificates.per_sample import computed_in_words
from spt.certificates.rounding import confidence, quantity, rounded_down
from spt.noise import is_grid
from spt.plain_numbers import LARGEST_SIGMA
from spt.transforms import TRANSFORMS

HEURISTIC_NOTE = (
    "Heuristic: this radius would be certified if the interpolated transformations composed. They do not, so BaseSPT "
    "proves nothing about an attack."
)


@dataclass(frozen=True)
class Evidence:
    """What both results rest on: the smoothed classifier in words, the image, and the votes.

    ``counts`` are votes for each class name among n samples; ``image_sha256`` is `spt.images.image_digest`. ``device`` and
    ``number_format``: where the votes were counted, and in which numbers f computes; ``grid``: to which it rounds its input.
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
    grid: float
    device: str
    number_format: str

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
        return as_json(self)


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

        False as well for numbers that no run could have counted. Never raises.
        """
        try:
            return fields_are_typed(self) and self._follows()
        except Exception:  # whatever an invented record makes go wrong: it does not verify
            return False

    def _follows(self) -> bool:
        classes = len(self.class_names)
        if (
            not len(self.counts) == len(self.selection_counts) == classes >= 2
            or min(*self.counts, *self.selection_counts) < 0
            or not sum(self.selection_counts)
            or not 0 <= self.pixel_sigma <= LARGEST_SIGMA
            or not is_grid(self.grid)
        ):
            return False
        if self.defence != "BaseSPT" or self.heuristic is not True:
            return False
        known = TRANSFORMS.get(self.transform)
        if known is not None and known.unit != self.unit:
            return False
        selected = max(range(classes), key=lambda index: (self.selection_counts[index], -index))
        p_lower = statistics.clopper_pearson_lower(self.counts[selected], self.n, self.alpha)
        radius = statistics.certified_radius(p_lower, self.parameter_sigma)
        label = selected if p_lower > 0.5 else None
        return (selected, p_lower, radius, label) == (self.selected, self.p_lower, self.radius, self.label)

    def explain(self) -> str:
        """The outcome in words: the answer and its reason."""
        return f"{'ABSTAIN' if self.label is None else f'CERTIFY {self.class_name}'}: {self.reason()}"

    def reason(self) -> str:
        """Why, in words; and what would be needed if it is ABSTAIN."""
        name, votes = self.class_names[self.selected], self.counts[self.selected]
        share = f"{votes} of {self.n} votes, lower bound {rounded_down(self.p_lower, 4)} at confidence {confidence(self.alpha)}"
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
            f"  computed     {computed_in_words(self.device, self.number_format, self.grid)}",
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
        """The certificate that `to_json` wrote; ValueError, one sentence, if the text is none."""
        return cls(**read_fields(text, cls))
