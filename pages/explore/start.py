"""Start: what is this, in three sentences and one live example, and where does it lead?"""

import streamlit as st

from spt.ui import turning

st.header("How far can you turn an image before a classifier fails?", anchor=False)
st.markdown(
    "A network that reads this digit upright can be fooled by turning it a little. A *smoothed* classifier turns the image "
    "many times at random and lets the network **vote**; the counts bound how far anyone may turn it without changing the "
    "answer. SPT Explorer runs these votes in front of you, on real classifiers, and says exactly what is proved and what "
    "is not."
)
turning.show()
st.subheader("Go on", anchor=False)
CARDS = (
    (
        ":material/how_to_vote:",
        "Votes",
        "Pick an image, turn or shift it, attack it, and watch the smoothed classifier count its votes.",
        {},
    ),
    (
        ":material/open_with:",
        "A shift that fools",
        "Shift a digit by a few pixels: the base classifier is fooled, the vote holds longer.",
        {"transform": "translation", "classifier": "mnist-translation", "dx": "3", "dy": "-2"},
    ),
    (
        ":material/balance:",
        "Abstain",
        "A 6 or a 9? At 90° neither wins clearly, and the vote says so.",
        {"angle": "100", "digits_image": "6", "n": "200"},
    ),
)
for column, (icon, title, text, parameters) in zip(st.columns(len(CARDS)), CARDS, strict=True):
    with column.container(border=True, height="stretch"):
        st.page_link("explore/votes.py", label=f"**{title}**", icon=icon, query_params=parameters)
        st.markdown(text)
st.caption(
    "After M. Fischer, M. Baader, M. Vechev: Certified Defense to Image Transformations via Randomized Smoothing, NeurIPS 2020. "
    "Nothing you do here leaves the machine that runs the app."
)
