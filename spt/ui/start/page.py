"""The start page: a digit that turns, and where it goes on from here."""

import streamlit as st

from spt.ui.shared import failures
from spt.ui.shared.presets import PRESETS
from spt.ui.start import turning


def show() -> None:
    """The whole page below its introduction."""
    with failures.beside_the_rest():
        turning.show()
    st.page_link(
        "explore/learn.py",
        label="**Learn: the whole story in six steps**, about eight minutes",
        icon=":material/school:",
    )
    st.page_link(
        "explore/tours.py",
        label="**Tours: six ways through the pages**, with questions, for a lecture or alone",
        icon=":material/tour:",
    )
    st.page_link(
        "explore/votes.py",
        label="**Draw a digit of your own**, turn it, and see who is fooled",
        icon=":material/draw:",
        query_params={"source": "drawing"},
    )
    st.subheader("Go on", anchor=False)
    for first in range(0, len(PRESETS), 3):
        for column, preset in zip(st.columns(3), PRESETS[first : first + 3], strict=True):
            with column.container(border=True, height="stretch"):
                st.page_link(preset.page, label=f"**{preset.title}**", icon=preset.icon, query_params=preset.parameters)
                st.markdown(preset.text)
    st.caption(
        "After M. Fischer, M. Baader, M. Vechev: Certified Defense to Image Transformations via Randomized Smoothing, "
        "NeurIPS 2020. Nothing you do here leaves the machine that runs the app."
    )
