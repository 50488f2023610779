"""Start: what is this, in three sentences and one live example, and where does it lead?"""

import streamlit as st

from spt.ui import turning
from spt.ui.presets import PRESETS

st.header("How far can you turn an image before a classifier fails?", anchor=False)
st.markdown(
    "A network that reads this digit upright can be fooled by turning it a little. A *smoothed* classifier turns the image "
    "many times at random and lets the network **vote**; from the counts, and from a bound on what turning twice does to an "
    "image, follows how far anyone may turn it without changing the answer. SPT Explorer runs these votes in front of you, on "
    "real classifiers, and says exactly what is proved and what is not."
)
turning.show()
st.subheader("Go on", anchor=False)
for first in range(0, len(PRESETS), 3):
    for column, preset in zip(st.columns(3), PRESETS[first : first + 3], strict=True):
        with column.container(border=True, height="stretch"):
            st.page_link(preset.page, label=f"**{preset.title}**", icon=preset.icon, query_params=preset.parameters)
            st.markdown(preset.text)
st.caption(
    "After M. Fischer, M. Baader, M. Vechev: Certified Defense to Image Transformations via Randomized Smoothing, NeurIPS 2020. "
    "Nothing you do here leaves the machine that runs the app."
)
