"""What the controls of the page "Votes" say."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from spt.classifiers import Classifier
from spt.images import image_digest, to_8_bit
from spt.smoothing import SmoothedClassifier
from spt.transforms import Transform
from spt.ui.shared import state
from spt.ui.shared.controls import Smoothing, Statistics, Subject
from spt.ui.shared.session import Key


@dataclass(frozen=True, eq=False)
class VotesRequest:
    """What the controls say."""

    classifier: Classifier
    subject: Subject
    transform: Transform
    gamma: tuple[float, ...]
    smoothing: Smoothing
    statistics: Statistics
    watch: bool

    @cached_property
    def received(self) -> Tensor:
        """x' = T_gamma x, rounded to 8 bits: what the attacker hands over."""
        return to_8_bit(self.transform(self.subject.image, [self.gamma])[0])

    @cached_property
    def smoothed(self) -> SmoothedClassifier:
        """g."""
        noise = self.smoothing
        return SmoothedClassifier(self.classifier, self.transform, noise.parameter_sigma, noise.pixel_sigma)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """f's class probabilities for the received image."""
        return np.asarray(self.classifier.logits(self.received[None]).softmax(dim=1)[0].cpu())

    @cached_property
    def key(self) -> Key:
        """Everything that decides the votes and the conclusions, as plain values."""
        return (
            image_digest(self.received),
            self.subject.sha256,
            self.classifier.fingerprint,
            self.transform.name,
            self.gamma,
            self.smoothing,
            self.statistics,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The class names."""
        return self.classifier.class_names

    @property
    def truth(self) -> int:
        """The true class if it is known, else what f answers for the untouched image."""
        if self.subject.label is not None:
            return self.subject.label
        return int(self.classifier.logits(self.subject.image[None].to(self.classifier.device)).argmax())


def choose_pace() -> bool:
    """Whether to slow the votes down so that they can be watched."""
    pace = state.choose(
        "Pace",
        ("watch", "fast"),
        "watch",
        key="pace",
        help="Watch: the votes come in over about three seconds. Fast: as fast as the network is.",
    )
    return pace == "watch"
