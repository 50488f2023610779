"""Step 2 of "Learn": a vote. What do many random turns of the received picture answer?"""

import pandas as pd
import streamlit as st

from spt.certificates import Certificate, Prediction, rounded_down
from spt.figures import votes as figures
from spt.images import to_8_bit
from spt.smoothing import SmoothedClassifier
from spt.ui.learn import attack
from spt.ui.learn.lesson import ALONE, ROTATION, TRUTH, Lesson, Link, answer, classifier, formula, link, turned
from spt.ui.shared import pixel_grid, state
from spt.ui.shared.pixel_grid import Picture
from spt.ui.shared.state import Parameters

SIGMA, VOTES, ALPHA, SEED = 40.0, 1000, 0.01, 0


@st.cache_data(show_spinner=False, max_entries=4)
def _voted(angle: int, fingerprint: str) -> tuple[Prediction, Certificate]:
    smoothed = SmoothedClassifier(classifier(ALONE), ROTATION, SIGMA)
    received = to_8_bit(turned(angle)).float()
    return smoothed.predict(received, VOTES, ALPHA, seed=SEED), smoothed.certify(
        received, n=VOTES, alpha=ALPHA, seed=SEED
    )


def _ask() -> float:
    angle = attack.first_wrong()
    guess = state.slider(f"Your guess: votes for 2, of {VOTES:,}", 0, VOTES, VOTES // 2, 1, key="guess_votes")
    samples = [to_8_bit(turned(angle + beta)) for beta in (-40.0, 0.0, 40.0)]
    words = ("turned on by −40°", "what was received", "turned on by 40°")
    pixel_grid.show(
        "learn_vote",
        [Picture(image, title, f"The received 2, {title}.") for image, title in zip(samples, words, strict=True)],
    )
    return guess


def _show(guess: float | str) -> None:
    network, angle = classifier(ALONE), attack.first_wrong()
    prediction, certificate = _voted(angle, network.fingerprint)
    votes = prediction.counts[TRUTH]
    said = f"**{network.class_names[TRUTH]}**" if prediction.label == TRUTH else "nothing it is sure of"
    answer(
        f"**{votes:,} of {VOTES:,}** (you said {guess:g}). Alone the network is wrong at {angle}°, and the vote answers {said}: "
        "most of the turns around this one are read rightly. Who answers by such votes is called **g**, the smoothed classifier."
    )
    rows = figures.histogram_rows(prediction.counts, network.class_names)
    st.vega_lite_chart(
        pd.DataFrame(rows),
        figures.bars_specification("votes", VOTES, height=200),
        alt=f"{votes} of {VOTES} votes are for 2.",
    )
    if certificate.label is not None:
        p, radius = rounded_down(certificate.p_lower, 4), rounded_down(certificate.radius)
        formula(
            rf"\underline p = {p}\ldots\quad\Rightarrow\quad \sigma\,\Phi^{{-1}}(\underline p) = {SIGMA:g}^\circ\cdot"
            rf"\Phi^{{-1}}({p}\ldots) = {radius}\ldots^\circ",
            rf"$\underline p$: of all random turns at least this share is read as 2, with confidence {1 - ALPHA:.0%}; it is a "
            "little less than was counted. σ: the spread (standard deviation) of the turns. Φ⁻¹: at how many spreads from the "
            "middle of a bell curve that share lies below; half lies below 0, 84 % below 1.",
        )
        st.markdown(
            f"If turning twice were the same as turning once, that many votes would **prove** the answer for every further "
            f"turn by less than {radius}°. The next step asks whether it is the same."
        )


def _link() -> Link:
    parameters: Parameters = {"angle": str(attack.first_wrong()), "rotation_sigma": f"{SIGMA:g}"}
    parameters |= {"n": str(VOTES), "seed": str(SEED), "alpha": f"{ALPHA:g}"}
    return link("explore/votes.py", "Watch these votes on the page Votes", ALONE, parameters)


STEP = Lesson(
    "vote",
    f"The same network is asked {VOTES:,} times, each time with the received picture turned on by a random angle (spread "
    f"{SIGMA:g}°). How many answers are 2?",
    _ask,
    _show,
    "A vote over random turns answers steadily, and its count says how far it would hold if turns added up.",
    _link,
)
