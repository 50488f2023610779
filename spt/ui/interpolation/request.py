"""The controls of the page "Interpolation error", and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st
from torch import Tensor

from spt.classifiers import Classifier
from spt.preprocessing import Preprocessing
from spt.threat_model import AttackedImage
from spt.transforms import Rotation, Transform
from spt.ui.shared import controls, state
from spt.ui.shared.controls import Subject
from spt.ui.shared.full_preprocessing import full_preprocessing
from spt.ui.shared.pixel_grid import SAID
from spt.ui.shared.session import Key

LARGE = 3 * 64 * 64  # image values from which bounds take seconds: samples at once, bounds when asked for, live


@dataclass(frozen=True, eq=False)
class InterpolationRequest:
    """What the controls say.

    Attributes:
        gamma, beta: parameter points. limits: (low, high) of Gamma, for every parameter.
        preprocessing: P as toggled; the classifier's own is ``classifier.preprocessing``.
        splits: uniform splits of each axis of Gamma to begin with. sigma: of the smoothing, for b'.
    """

    classifier: Classifier
    subject: Subject
    transform: Transform
    gamma: tuple[float, ...]
    beta: tuple[float, ...]
    limits: tuple[float, float]
    preprocessing: Preprocessing
    splits: int
    sigma: float
    pixel_sigma: float

    @property
    def rotates(self) -> bool:
        """Whether the transformation is a rotation, which has a chord bound and one parameter."""
        return isinstance(self.transform, Rotation)

    @property
    def image(self) -> Tensor:
        """x, in float64: the page shows e in exact arithmetic, as far as can be seen."""
        return self.subject.image.double()

    @property
    def attacked(self) -> AttackedImage:
        """x with P, Gamma and an attacker in exact arithmetic: what the bounds are about."""
        return AttackedImage(self.image, self.transform, self.preprocessing, self.limits)

    @property
    def large(self) -> bool:
        """Whether bounds take seconds."""
        return self.subject.image.numel() > LARGE

    @property
    def key(self) -> Key:
        """All that decides the error over Gamma, as plain values."""
        return (self.subject.sha256, self.transform.name, self.preprocessing, self.beta, self.limits)

    @property
    def gamma_inside(self) -> bool:
        """Whether gamma lies in Gamma."""
        return all(self.limits[0] <= value <= self.limits[1] for value in self.gamma)


def in_words(request: InterpolationRequest, point: Sequence[float]) -> str:
    """A parameter point in words; an angle is just its value."""
    return request.transform.describe(point).removeprefix("angle ")


def choose(
    classifier: Classifier, subject: Subject, transform: Transform, gamma: tuple[float, ...]
) -> InterpolationRequest:
    """The page's own controls, below the shared ones."""
    first, rotates = transform.parameters[0], isinstance(transform, Rotation)
    limits = controls.choose_range(transform, "The bounds speak about every γ in Γ", "the same for dx and dy")
    beta = tuple(
        state.slider(
            f"Vote: {SAID[name].lower()} {symbol}, in {first.unit}",
            -limit,
            limit,
            value,
            step,
            key=key,
            help="The smoothing parameter of one vote: it is applied after γ.",
        )
        for key, name, symbol, limit, value, step in (
            [("beta", "angle", "β", 180.0, 20.0, 0.5)]
            if rotates
            else [("beta_dx", "dx", "β₁", 8.0, 0.3, 0.05), ("beta_dy", "dy", "β₂", 8.0, 0.7, 0.05)]
        )
    )
    left, right = st.columns(2)
    vignette = state.switch(
        "Vignette", True, key="vignette", help="P blackens what turns or moves out of sight.", where=left
    )
    blur = state.switch("Blur", True, key="blur", help="P blurs, which removes most of the error.", where=right)
    splits = state.pick(
        "Splits of the attack range Γ" + ("" if rotates else " on each axis"),
        [10, 20, 40, 60, 120, 240] if rotates else [2, 4, 8, 12, 16, 24],
        40 if rotates else 8,
        key="splits" if rotates else "splits_px",
        help="Uniform splits that the bounds begin with. More splits: sharper and slower.",
    )
    with st.expander("Smoothing, for the landing points b′"):
        smoothing = controls.choose_smoothing(transform)
    chosen = with_parts(full_preprocessing(classifier, transform), vignette, blur)
    return InterpolationRequest(
        classifier,
        subject,
        transform,
        gamma,
        beta,
        limits,
        chosen,
        splits,
        smoothing.parameter_sigma,
        smoothing.pixel_sigma,
    )


def with_parts(full: Preprocessing, vignette: bool, blur: bool) -> Preprocessing:
    """P with its vignette and its blur, or without."""
    if not vignette:
        full = replace(full, vignette=None, vignette_margin=0.0)
    return full if blur else replace(full, blur_size=0)
