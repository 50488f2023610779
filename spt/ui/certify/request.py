"""The controls of the page "Certify", and what they say."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spt.classifiers import Classifier
from spt.defences import DistSPT
from spt.threat_model import Attacker
from spt.transforms import Transform
from spt.ui.shared import controls, state
from spt.ui.shared.controls import Subject
from spt.ui.shared.markdown import escape
from spt.ui.shared.procedure import Procedure, choose_procedure
from spt.ui.shared.session import Key

_FIRST_LIMIT, _MOST_LIMIT = {"°": 30.0, "px": 1.0}, {"°": 180.0, "px": 4.0}


@dataclass(frozen=True)
class Settings(Procedure):
    """What the certificate is about and what it may cost; the fields of `DistSPT` and of its `certify`."""

    limit: float
    attacker: Attacker


def choose_settings(transform: Transform, classifier: Classifier, limit_area: Any) -> Settings:
    """Attack range, which stands in ``limit_area``, attacker, smoothing and statistics."""
    first, unit = transform.parameters[0], transform.unit
    limit = state.slider(
        f"Attack range Γ: plus and minus, in {unit}",
        first.step,
        _MOST_LIMIT[unit],
        _FIRST_LIMIT[unit],
        first.step,
        key=f"{transform.name}_limit",
        help="The certificate is about attacks γ with every parameter between minus and plus this. A larger range costs "
        "time and enlarges the errors.",
        where=limit_area,
    )
    attacker = controls.choose_attacker(
        "8-bit: the attacked image is rounded to multiples of 1/255, as files are. Exact: it is not rounded."
    )
    procedure = choose_procedure(transform, classifier)
    return Settings(**vars(procedure), limit=limit, attacker=attacker)


@dataclass(frozen=True, eq=False)
class CertifyRequest:
    """What the controls say."""

    classifier: Classifier
    subject: Subject
    transform: Transform
    settings: Settings

    @cached_property
    def defence(self) -> DistSPT:
        """The defence; ValueError where the settings allow none."""
        settings = self.settings
        return DistSPT(
            self.classifier,
            self.transform,
            settings.parameter_sigma,
            settings.pixel_sigma,
            settings.limit,
            settings.attacker,
        )

    @cached_property
    def key(self) -> Key:
        """Everything that decides the certificate, as plain values."""
        return (self.subject.sha256, self.classifier.fingerprint, self.transform.name, self.settings)

    def name(self, label: int) -> str:
        """A class name for Markdown, with whether it is right if that is known."""
        truth, names = self.subject.label, self.classifier.class_names
        mark = "" if truth is None else " ✓" if label == truth else f" ✗ (truth: {escape(names[truth])})"
        return f"**{escape(names[label])}**{mark}"

    def passes_needed(self, radius: float) -> int | None:
        """How many of the n_gamma samples must pass for more than ``radius``; None if all are too few."""
        settings = self.settings
        return self.defence.passes_needed(radius, settings.n_gamma, alpha=settings.alpha)
