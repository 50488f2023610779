"""Step 4 of "Learn": a bound on the difference, for every angle of a range and not only for those that were tried."""

import numpy as np
import pandas as pd
import streamlit as st
import torch
from scipy.stats import norm

from spt.error_bounds import Search, chord_bound, error_norms
from spt.figures import errors as figures
from spt.threat_model import AttackedImage
from spt.ui.learn.lesson import PREPARED, ROTATION, Lesson, Link, answer, classifier, digit, formula, link
from spt.ui.shared import state
from spt.ui.shared.rounding import at_least, at_most
from spt.ui.shared.state import Parameters

LIMIT, BETA, TRIED, SPLITS, SHOWN = 30.0, -15.0, 7, 40, 181
_MOST, _HEIGHT = 1.0, 300


@st.cache_data(show_spinner=False, max_entries=4)
def _norms(sha256: str, fingerprint: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    gammas = torch.linspace(-LIMIT, LIMIT, count, dtype=torch.float64)[:, None]
    betas = torch.full_like(gammas, BETA)
    norms = error_norms(digit()[0].double(), ROTATION, classifier(PREPARED).preprocessing, betas, gammas)
    return gammas[:, 0].numpy(), norms.numpy()


@st.cache_data(show_spinner=False, max_entries=4)
def _bound(sha256: str, fingerprint: str) -> tuple[np.ndarray, np.ndarray]:
    """Splits of the range, (M, 2), and a proved bound on each."""
    attacked = AttackedImage(digit()[0], ROTATION, classifier(PREPARED).preprocessing, (-LIMIT, LIMIT))
    found = chord_bound(attacked, [[BETA]], splits=SPLITS, search=Search(tolerance=None, keep_splits=True))
    return found.splits[0][:, 0].numpy(), found.split_values[0].numpy()


def needed_share(distance: float) -> float:
    """The share of pixel noise under which a class has to win, to win within this l2 distance as it is shown too (theorem 3.1);
    rounded up to a tenth of a percent."""
    return float(np.ceil(1000 * norm.cdf(float(at_most(distance)) / classifier(PREPARED).pixel_sigma)) / 1000)


def _key() -> tuple[str, str]:
    return digit()[1], classifier(PREPARED).fingerprint


def _draw(series: list[figures.Series], guess: float, alt: str) -> None:
    rows = figures.series_rows(series)
    rows.append({"at": -LIMIT, "value": guess, "series": "your guess", "steps": False, "points": False})
    rows.append({"at": LIMIT, "value": guess, "series": "your guess", "steps": False, "points": False})
    guessed = figures.Series("your guess", "#888888", np.empty(0), np.empty(0), proved=False)
    chart = figures.lines_specification(
        [*series, guessed],
        "the attack γ, in °",
        "‖e‖",
        (-LIMIT, LIMIT),
        _MOST,
        height=_HEIGHT,
    )
    st.vega_lite_chart(pd.DataFrame(rows), chart, alt=alt)


def _ask() -> float:
    guess = state.slider("Your guess: the largest ‖e‖ for any γ of the range", 0.0, _MOST, 0.3, 0.01, key="guess_error")
    at, norms = _norms(*_key(), TRIED)
    tried = figures.Series(f"tried, at {TRIED} angles", "#0072B2", at, norms, proved=False, points=True)
    _draw([tried], guess, f"‖e‖ at {TRIED} angles from −30° to 30°, at most {norms.max():.2f}.")
    return guess


def _show(guess: float | str) -> None:
    at, norms = _norms(*_key(), SHOWN)
    splits, values = _bound(*_key())
    largest, proved = float(norms.max()), float(values.max())
    seen = figures.Series("seen, at 181 angles", "#0072B2", at, norms, proved=False)
    bound = figures.step_series("proved, for every angle between", "#D55E00", splits, values)
    verdict = (
        "below what occurs"
        if float(guess) < largest
        else "above what can occur"
        if float(guess) >= proved
        else "between"
    )
    answer(
        f"It reaches **{at_least(largest)}**, and it is proved that it never exceeds **{at_most(proved)}** (you said "
        f"{float(guess):g}: {verdict}). Angles that were not tried may be worse than those that were: "
        "a proof has to speak of all of them."
    )
    _draw([seen, bound], float(guess), f"‖e‖ over γ with a proved bound on each of {len(splits)} parts of the range.")
    formula(
        rf"\max_{{|\gamma|\le {LIMIT:g}^\circ}} \|e(\beta,\gamma)\| \;\le\; {at_most(proved)}\qquad \beta = {BETA:g}^\circ",
        f"*β*: the vote’s own turn; each of its turns needs such a bound. How: the range is cut into {len(splits)} parts; on "
        "each the picture moves little, so how far it can be from a straight line between its two ends is bounded by how fast its "
        "pixels move.",
    )
    sigma = classifier(PREPARED).pixel_sigma
    distance, share = at_most(proved), needed_share(proved)
    st.markdown(
        "**What it is good for.** Let the vote also add random noise to every pixel, of spread "
        rf"$\sigma_\varepsilon$ = {sigma:g}. A class that wins under more than $\Phi(\|e\| / \sigma_\varepsilon)$, here "
        rf"Φ({distance} / {sigma:g}) ≈ **{share:.1%}**, of that noise wins for every picture within this distance too: so it "
        "stands the difference between two turns and one."
    )


def _link() -> Link:
    parameters: Parameters = {"angle": "15", "beta": f"{BETA:g}", "splits": str(SPLITS)}
    return link("explore/interpolation.py", "Refine this bound on the page Interpolation error", PREPARED, parameters)


STEP = Lesson(
    "bound",
    f"The vote turns by −{-BETA:g}°, the attacker by any γ within ±{LIMIT:g}°. {TRIED} angles were tried. How large can the "
    "difference e get?",
    _ask,
    _show,
    "What was seen is not what can happen: only a bound over all angles can carry a proof.",
    _link,
)
