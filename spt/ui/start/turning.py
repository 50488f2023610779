"""The start page's example: a digit that turns, with what one network answers alone and in the vote, and what is proved of it.

All of it was computed by `assets/make_first_views.py` and is stored; nothing here needs torch. The browser only plays it.
"""

import base64
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import streamlit as st

from spt.ui.shared import first_views
from spt.ui.shared.components import component

_turning_digit = component(__file__)
SHEET = "start.png"
"""All its frames, side by side."""


@lru_cache(maxsize=1)
def example() -> dict[str, Any]:
    """What is stored about it: angles, answers, certificate."""
    text = first_views.read("start.json")
    if text is None:
        raise ValueError("The example of this page is missing: python assets/make_first_views.py start")
    found: dict[str, Any] = json.loads(text)
    return found


@lru_cache(maxsize=1)
def _sheet() -> str:
    return "data:image/png;base64," + base64.b64encode((first_views.FOLDER / SHEET).read_bytes()).decode()


def wrong(answers: Sequence[str], truth: str) -> int:
    """At how many angles something else than the truth is answered."""
    return sum(answer not in (truth, "–") for answer in answers)


def show() -> None:
    """The turning digit, and three sentences on what training, voting and proof do, all of one network."""
    shown = example()
    total, truth, reach = len(shown["angles"]), shown["truth"], f"{shown['reach']:.3g}°"
    played = ("angles", "truth", "network", "alone", "voted", "reach", "proved")
    data = {name: shown[name] for name in played} | {"sheet": _sheet()}
    _turning_digit(
        key="turning", data=json.dumps(data).encode()
    )  # bytes: in others Streamlit looks for tables, with pandas
    alone, trained = (wrong(shown[name], truth) for name in ("alone", "trained_alone"))
    held = sum(answer == truth for answer in shown["voted"])
    proof = shown["proof"]
    first, second, third = st.columns(3, gap="medium")
    first.markdown(
        f"**Training gives accuracy.** {shown['network']} learned from upright digits, and alone it is wrong at **{alone}** of "
        f"{total} angles; {shown['trained']} learned from turned and noisy ones, and is wrong at **{trained}**."
    )
    second.markdown(
        f"**Voting steadies.** The same {shown['network']}, asked {shown['n']:,} times about what it receives turned at random "
        f"once more (σ = {shown['sigma']:g}°), answers {truth} at **{held}** of {total} angles: seen at these, not proved between."
    )
    third.markdown(
        f"**A proof covers every angle.** For a vote of the same {shown['network']} (σ = {proof['parameter_sigma']:g}°, and pixel "
        f"noise of {proof['pixel_sigma']:g}) DistSPT proves: {shown['proved']} for **every** turn by less than **{reach}**, with "
        f"confidence {1 - proof['alpha']:g}; beyond it proves nothing."
    )
    st.caption(
        ":blue-badge[STORED] computed beforehand with `python assets/make_first_views.py`; the pages compute the same live: "
        "the vote on Votes, the proof on Certify."
    )
