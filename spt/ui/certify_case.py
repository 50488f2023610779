"""What the controls of the page "Certify" say (`Settings`, `Case`) and the state of the run that belongs to it (`Run`)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import streamlit as st

from spt.certificates import DistCertificate
from spt.classifiers import Classifier
from spt.defences import DistSPT
from spt.threat_model import Attacker
from spt.transforms import Transform
from spt.ui.controls import BOUND, Subject
from spt.ui.view import escape

_FIRST_LIMIT, _MOST_LIMIT = {"°": 30.0, "px": 1.0}, {"°": 180.0, "px": 4.0}


@dataclass(frozen=True)
class Procedure:
    """How a certificate is found: the noise of the smoothed classifier, and the statistics."""

    parameter_sigma: float
    pixel_sigma: float
    n_gamma: int
    n0: int
    alpha: float
    seed: int


@dataclass(frozen=True)
class Settings(Procedure):
    """What the certificate is about and what it may cost; the fields of `DistSPT` and of its `certify`."""

    limit: float
    attacker: Attacker


def choose_settings(transform: Transform, classifier: Classifier) -> Settings:
    """Attack range, attacker, smoothing and statistics."""
    first, unit = transform.parameters[0], transform.unit
    limit = st.slider(
        f"Attack range Γ: ± {unit}",
        first.step,
        _MOST_LIMIT[unit],
        _FIRST_LIMIT[unit],
        first.step,
        key=f"{transform.name}_limit",
        help="The certificate is about attacks γ with every parameter between minus and plus this. A larger range costs "
        "time and enlarges the errors.",
        **BOUND,
    )
    attacker = st.segmented_control(
        "Attacker",
        ["8-bit", "exact"],
        default="8-bit",
        required=True,
        key="attacker",
        help="8-bit: the attacked image is rounded to multiples of 1/255, as files are. Exact: it is not rounded.",
        **BOUND,
    )
    procedure = choose_procedure(transform, classifier)
    kind: Attacker = "exact" if attacker == "exact" else "8-bit"
    return Settings(**vars(procedure), limit=float(limit), attacker=kind)


def choose_procedure(transform: Transform, classifier: Classifier, nested: bool = False) -> Procedure:
    """Smoothing and statistics; ``nested``: inside an expander, where no other can be."""
    first, unit = transform.parameters[0], transform.unit
    sigma = st.slider(
        f"Smoothing noise σ_γ in {unit}",
        first.step,
        first.limit / 2,
        first.default_sigma,
        first.step,
        key=f"{transform.name}_sigma",
        help="Samples b′ are drawn from N(0, σ_γ²).",
        **BOUND,
    )
    pixel_sigma = st.slider(
        "Pixel noise σ_ε",
        0.0,
        1.0,
        0.3,
        0.05,
        key="certify_pixel_sigma",
        help="Gaussian noise on every pixel after preprocessing; images lie in [0, 1]. It must be positive here: it is what "
        "absorbs the interpolation error.",
        **BOUND,
    )
    if classifier.pixel_sigma not in (0, pixel_sigma):
        st.caption(f"{classifier.name} was trained for σ_ε = {classifier.pixel_sigma:g}.")
    n_gamma = st.select_slider(
        "Samples n_γ",
        [20, 50, 100, 200, 500, 1000, 2000],
        200,
        key="n_gamma",
        help="Samples b′ that the bound rests on. More: a larger radius, and more time.",
        **BOUND,
    )
    with st.container() if nested else st.expander("Advanced"):
        n0 = st.number_input(
            "Selection votes n₀",
            1,
            10000,
            100,
            key="n0",
            help="Other votes, used only to choose the class that is then certified.",
            **BOUND,
        )
        alpha = st.number_input(
            "Failure probability α",
            0.0001,
            0.5,
            0.01,
            0.001,
            format="%.4f",
            key="alpha",
            help="The certificate is wrong with probability at most α over the sampling.",
            **BOUND,
        )
        seed = st.number_input(
            "Seed", 0, 2**31 - 1, 0, key="seed", help="The same seed gives the same samples.", **BOUND
        )
    return Procedure(float(sigma), float(pixel_sigma), int(n_gamma), int(n0), float(alpha), int(seed))


@dataclass(frozen=True, eq=False)
class Case:
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
    def key(self) -> tuple[Any, ...]:
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


@dataclass
class Run:
    """The state of one run, kept in the session."""

    key: tuple[Any, ...]
    status: str = "running"  # "idle", "running", "stopped", "failed" or "done"
    certificate: DistCertificate | None = None
    failure: str = ""  # why it failed, for Markdown
