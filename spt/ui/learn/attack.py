"""Step 1 of "Learn": an attack. At which angle does a network stop reading a digit?"""

import numpy as np
import streamlit as st

from spt.figures import votes as figures
from spt.images import to_8_bit
from spt.ui.learn.lesson import ALONE, ROTATION, TRUTH, Lesson, Link, answer, classifier, digit, formula, link, turned
from spt.ui.shared import cache, pixel_grid, state
from spt.ui.shared.pixel_grid import Picture

_LIMIT, _STEPS = 180.0, 361


def _probabilities() -> np.ndarray:
    """Of each class, at whole degrees from -180 to 180."""
    network, (image, sha256) = classifier(ALONE), digit()
    return cache.responses(sha256, network.fingerprint, ROTATION.name, _LIMIT, _STEPS, network, ROTATION, image)


def first_wrong() -> int:
    """The smallest whole angle to the left, in degrees, at which the network reads something else."""
    answers = _probabilities().argmax(axis=1)[_STEPS // 2 :]
    return int(np.argmax(answers != TRUTH))


def _ask() -> float:
    guess = state.slider("Your marker: turned to the left by, in °", 0, 180, 20, 1, key="guess_angle")
    picture = to_8_bit(turned(guess))
    words = f"the digit, turned by {guess:g}°"
    pixel_grid.show(
        "learn_attack", [Picture(picture, words, f"A handwritten 2, turned to the left by {guess:g} degrees.")]
    )
    return guess


def _show(guess: float | str) -> None:
    network, wrong = classifier(ALONE), first_wrong()
    found = _probabilities()
    said = [network.class_names[int(row.argmax())] for row in found]
    place = int(float(guess)) + _STEPS // 2
    answer(
        f"At your {float(guess):g}° the network reads **{said[place]}**. It reads 2 up to {wrong - 1}° and "
        f"**{said[_STEPS // 2 + wrong]} at {wrong}°**. It learned from upright digits; nothing "
        "made it see that a turned 2 is a 2."
    )
    axis = np.linspace(-_LIMIT, _LIMIT, _STEPS)
    st.plotly_chart(
        figures.response_curve(axis, found, network.class_names, float(guess), "°", "γ"),
        alt=f"How probable each digit is to the network at every angle; it first leaves 2 at {wrong} degrees to the left.",
    )
    formula(
        rf"f(T_\gamma\,x) \ne f(x)\quad\text{{for}}\quad \gamma = {wrong}^\circ",
        r"*x*: the picture. $T_\gamma\,x$: the picture turned by γ. *f*: the network, or **base classifier**; *f(x)*: what it "
        "reads.",
    )


def _link() -> Link:
    return link("explore/votes.py", "This attack on the page Votes", ALONE, {"angle": str(first_wrong())})


STEP = Lesson(
    "attack",
    "Turn this 2 to the left, slowly. At which angle does the network first read something else?",
    _ask,
    _show,
    "An attacker needs no noise and no access to the network: turning a picture is enough.",
    _link,
)
