"""`Answer`: what f and g answer for an attacked image, beside what a certificate says of it."""

from dataclasses import dataclass

from spt.certificates.concluded import ConcludedRange
from spt.certificates.nested_prediction import NestedPrediction


@dataclass(frozen=True)
class Answer:
    """What f and g answer for an attacked image.

    Attributes:
        point: the attack's parameters.
        inside: whether the certificate covers it.
        base: f's class.
        smoothed: the class that PREDICT shows for the certified, nested g; None for ABSTAIN.
        holds: whether that is the certified class; None for ABSTAIN.
        passes, samples: how many of the samples drawn show the class.
    """

    point: tuple[float, ...]
    inside: bool
    base: str
    smoothed: str | None
    holds: bool | None
    passes: int
    samples: int

    @classmethod
    def compared(
        cls, certificate: ConcludedRange, point: tuple[float, ...], *, base: str, found: NestedPrediction
    ) -> "Answer":
        """f's class ``base`` and g's answer ``found`` at a point, compared with what the certificate says of it."""
        holds = None if found.label is None else found.label == certificate.label
        inside = certificate.covers_attack(point)
        return cls(point, inside, base, found.class_name, holds, found.passes, len(found.inner_votes))

    @property
    def alarm(self) -> bool:
        """Whether g was seen to answer another class where the certificate says that it does not."""
        return self.inside and self.holds is False
