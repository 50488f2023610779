"""`Concluded`: certificates whose conclusions follow from the evidence they carry, so that anyone can recompute them."""

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Concluded(ABC):
    """A dataclass of evidence and of what follows from it.

    Attributes:
        CONCLUSIONS: the fields that follow from the others.
        selection_counts, selected: the votes that chose the class, and the class.
        label: the class that is certified, None for ABSTAIN.
    """

    CONCLUSIONS: ClassVar[tuple[str, ...]]

    class_names: tuple[str, ...]
    selection_counts: tuple[int, ...]
    selected: int
    label: int | None

    @staticmethod
    @abstractmethod
    def _conclusions(evidence: dict[str, Any]) -> dict[str, Any]:
        """The fields that follow, by name."""

    @abstractmethod
    def _well_formed(self) -> bool:
        """Whether the evidence is of one piece, and such as a run can have."""

    @property
    def class_name(self) -> str | None:
        """Name of the certified class, None for ABSTAIN."""
        return None if self.label is None else self.class_names[self.label]

    def verify(self) -> bool:
        """Recompute the selection and everything that follows from the evidence; True if all agree."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        claimed = {name: fields.pop(name) for name in self.CONCLUSIONS}
        votes = self.selection_counts
        try:
            best = max(range(len(votes)), key=lambda index: (votes[index], -index))
            return self._well_formed() and best == self.selected and self._conclusions(fields) == claimed
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError):
            return False
