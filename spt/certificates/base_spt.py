"""What the votes of one level say: `Prediction` (PREDICT) and `Certificate` (CERTIFY)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spt import statistics
from spt.certificates.concluded import Check, first_failure, most_votes
from spt.certificates.fields import as_json, read_fields
from spt.certificates.rounding import computed_in_words, confidence, quantity, rounded_down
from spt.noise import is_grid
from spt.plain_numbers import LARGEST_SIGMA
from spt.transforms import TRANSFORMS

HEURISTIC_NOTE = (
    "Heuristic: this radius would be certified if the interpolated transformations composed. They do not, so BaseSPT "
    "proves nothing about an attack."
)


@dataclass(frozen=True)
class VoteEvidence:
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
        """Indices of the classes with most votes: `top_two`."""
        return top_two(self.counts)

    def to_json(self) -> str:
        """All fields as JSON."""
        return as_json(self)


@dataclass(frozen=True)
class Prediction(VoteEvidence):
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

    @property
    def leading_votes(self) -> tuple[int, int]:
        """Votes for the two classes with most: what the test compares."""
        return top_two_votes(self.counts)

    def explain(self) -> str:
        """The outcome in words: the answer and its reason."""
        return f"{'ABSTAIN' if self.label is None else f'PREDICT {self.class_name}'}: {self.reason()}"

    def reason(self) -> str:
        """Why, in words; and what would be needed if it is ABSTAIN."""
        first, second = self.top_two()
        n_a, n_b = self.leading_votes
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
class Certificate(VoteEvidence):
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
        return self.failed_check() is None

    def failed_check(self) -> str | None:
        """The first sentence about the record that does not hold; None if it verifies. Never raises."""
        return first_failure(self, self._checks())

    def _checks(self) -> Iterator[Check]:
        classes, known = len(self.class_names), TRANSFORMS.get(self.transform)
        counted = len(self.counts) == len(self.selection_counts) == classes >= 2
        yield "there are counts for each class, of at least two", counted
        yield "no count of votes is negative", min(*self.counts, *self.selection_counts) >= 0
        yield "the class was selected by votes", sum(self.selection_counts) > 0
        yield "the pixel noise is not negative, and not too large", 0 <= self.pixel_sigma <= LARGEST_SIGMA
        yield "the grid is one that inputs are rounded to", is_grid(self.grid)
        yield "the defence is BaseSPT, and called heuristic", self.defence == "BaseSPT" and self.heuristic is True
        yield "the unit is the transformation's", known is None or known.unit == self.unit
        selected = most_votes(self.selection_counts)
        yield "the class has most selection votes", self.selected == selected
        p_lower = statistics.clopper_pearson_lower(self.counts[selected], self.n, self.alpha)
        yield "the lower bound follows from the votes", self.p_lower == p_lower
        radius = statistics.certified_radius(p_lower, self.parameter_sigma)
        yield "the radius follows from the lower bound", self.radius == radius
        yield "a class is certified if it has a majority", self.label == (selected if p_lower > 0.5 else None)

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


def top_two(counts: Sequence[int]) -> tuple[int, int]:
    """Indices of the classes with most votes, the same twice if there is one class; ties go to the smaller index."""
    order = sorted(range(len(counts)), key=lambda index: (-counts[index], index))
    return order[0], order[1] if len(order) > 1 else order[0]


def top_two_votes(counts: Sequence[int]) -> tuple[int, int]:
    """Votes for the two classes with most; 0 for the second if there is one class."""
    first, second = top_two(counts)
    return counts[first], counts[second] if second != first else 0
