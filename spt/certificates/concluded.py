"""`Concluded`: records whose conclusions follow from the evidence in them, so that anyone can draw these again.

A record is made from its evidence alone, which leaves its conclusions at "nothing is certified"; `Concluded.conclude` gives the
same record with what follows. `Concluded.verify` asks whether a record, from wherever, is the one that its evidence gives.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self

from spt.certificates.fields import as_json, fields_are_typed, read_fields
from spt.noise import is_grid, vote_error
from spt.plain_numbers import LARGEST_SIGMA

Check = tuple[str, bool]
"""A sentence about a record, and whether it holds."""
UNREADABLE = "the evidence can be computed with"


def first_failure(record: Any, checks: Iterator[Check]) -> str | None:
    """The first of these sentences that does not hold; None if all do. Each is looked at only if those before it hold.

    Never raises: what an invented record makes go wrong is a check that failed.
    """
    try:
        if not fields_are_typed(record):
            return "every field has its type, and numbers are finite"
        return next((sentence for sentence, holds in checks if not holds), None)
    except Exception:  # whatever an invented record makes go wrong
        return UNREADABLE


class Concluded(ABC):
    """A dataclass of evidence and of what follows from it.

    Attributes:
        class_names, network_shape, grid, pixel_sigma: f's classes, what f sees, to which grid it rounds that, and the pixel
            noise in it.
        selection_counts, selected: the votes that chose the class, and the class.
        inner_votes: (votes for the class, votes) at which each inner test stopped.
        label: the class that is certified, None for ABSTAIN.
    """

    class_names: tuple[str, ...]
    network_shape: tuple[int, int, int]
    grid: float
    pixel_sigma: float
    selection_counts: tuple[int, ...]
    selected: int
    inner_votes: tuple[tuple[int, int], ...]
    label: int | None

    @abstractmethod
    def conclude(self) -> Self:
        """The record with what follows from its evidence, whatever it said before."""

    @abstractmethod
    def _checks_of_the_run(self) -> Iterator[Check]:
        """Whether the evidence is of one piece, and such as a run can have."""

    @property
    def class_name(self) -> str | None:
        """Name of the certified class, None for ABSTAIN."""
        return None if self.label is None else self.class_names[self.label]

    @property
    def network_calls(self) -> int:
        """Votes of the network so far, selection and inner tests together."""
        return sum(self.selection_counts) + sum(trials for _, trials in self.inner_votes)

    @property
    def vote_error(self) -> float:
        """How much the probability of a counted vote may differ from that of exact arithmetic: `spt.noise.vote_error`."""
        return vote_error(math.prod(self.network_shape), self.pixel_sigma, self.grid)

    def verify(self) -> bool:
        """Recompute the selection and everything that follows from the evidence; True if all agree.

        Every field has its type and is a finite number where it is one, and the evidence is such as a run can have. What
        only the image and the classifier can tell is not looked at: see `spt.recomputation.recompute`. Never raises.
        """
        return self.failed_check() is None

    def failed_check(self) -> str | None:
        """The first sentence about the record that does not hold; None if it verifies. Never raises."""
        return first_failure(self, self._checks())

    def _checks(self) -> Iterator[Check]:
        votes = self.selection_counts
        yield "there are selection votes for each class, of at least two", len(votes) == len(self.class_names) >= 2
        yield "no selection vote is negative", min(votes) >= 0
        yield "the network sees at least one pixel", min(self.network_shape) >= 1
        yield "the grid is one that inputs are rounded to", is_grid(self.grid)
        yield "the pixel noise is positive, and not too large", 0 < self.pixel_sigma <= LARGEST_SIGMA
        yield from self._checks_of_the_run()
        yield "the class has most selection votes", self.selected == most_votes(votes)
        yield "the conclusions follow from the evidence", self == self.conclude()

    def to_json(self) -> str:
        """All fields as JSON."""
        return as_json(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The record that `to_json` wrote; ValueError, one sentence, if the text is none."""
        return cls(**read_fields(text, cls))


class ConcludedRange(Concluded):
    """A record that speaks of every attack gamma in Gamma with |gamma| < ``radius``.

    Attributes:
        radius: 0 where nothing is certified; beyond Gamma nothing is, however large it is.
    """

    radius: float

    @property
    @abstractmethod
    def gamma_limit(self) -> float:
        """Gamma is [-gamma_limit, gamma_limit]^d."""

    @property
    def reach(self) -> float:
        """How far the certificate reaches along each parameter: its radius, but not beyond the attack range."""
        return min(self.radius, self.gamma_limit)

    def covers_attack(self, gamma: Sequence[float]) -> bool:
        """Whether the certificate speaks of this attack: inside Gamma and nearer than the radius."""
        inside = math.hypot(*gamma) < self.radius and max(abs(value) for value in gamma) <= self.gamma_limit
        return self.label is not None and inside


def most_votes(counts: Sequence[int]) -> int:
    """The class with most votes; of several the first."""
    return max(range(len(counts)), key=lambda index: (counts[index], -index))
