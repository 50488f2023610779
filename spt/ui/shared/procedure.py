"""How a certificate is found: the controls for the noise of the smoothed classifier and for the statistics."""

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from spt.classifiers import Classifier
from spt.transforms import Transform
from spt.ui.shared import state
from spt.ui.shared.controls import choose_parameter_sigma, choose_selection_level_seed
from spt.ui.shared.markdown import escape


@dataclass(frozen=True)
class Procedure:
    """How a certificate is found: the noise of the smoothed classifier, and the statistics."""

    parameter_sigma: float
    pixel_sigma: float
    n_gamma: int
    n0: int
    alpha: float
    seed: int


def choose_procedure(
    transform: Transform,
    classifier: Classifier,
    *,
    nested: bool = False,
    counted: bool = True,
    smoothed: Literal["yes", "or not", "no"] = "yes",
) -> Procedure:
    """Smoothing and statistics; ``nested``: inside an expander, where no other can be; ``counted``: whether it is said how many
    samples are drawn, else n_gamma is 0; ``smoothed``: whether g is smoothed over parameters; if not, parameter_sigma is 0."""
    sigma, what = 0.0, "Samples b′ are drawn from N(0, σ_γ²)."
    if smoothed == "or not":
        what += " At 0 nothing is smoothed over parameters: each cell has one ball and one test, and g is another one."
    if smoothed != "no":
        sigma = choose_parameter_sigma(transform, what, from_zero=smoothed == "or not")
    pixel_sigma = state.slider(
        "Strength of the pixel noise σ_ε",
        0.0,
        1.0,
        0.3,
        0.05,
        key="certify_pixel_sigma",
        help="Gaussian noise on every pixel after preprocessing; images lie in [0, 1]. It must be positive here: it is what "
        "absorbs the interpolation error.",
    )
    if classifier.pixel_sigma not in (0, pixel_sigma):
        st.caption(f"{escape(classifier.name)} was trained for σ_ε = {classifier.pixel_sigma:g}.")
    n_gamma = 0
    if counted:
        n_gamma = state.pick(
            "Number of samples n_γ",
            [20, 50, 100, 200, 500, 1000, 2000],
            200,
            key="n_gamma",
            help="Samples b′ that the bound rests on. More: a larger radius, and more time.",
        )
    with st.container() if nested else st.expander("Advanced"):
        n0, alpha, seed = choose_selection_level_seed("The certificate", "samples")
    return Procedure(sigma, pixel_sigma, n_gamma, n0, alpha, seed)
