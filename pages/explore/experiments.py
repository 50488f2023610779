"""Experiments: how do our numbers stand beside the paper's?"""

import streamlit as st

from spt.ui.experiments import page, request
from spt.ui.shared import state

st.header("Experiments: how do our numbers stand beside the paper’s?", anchor=False)
st.markdown(
    "Every table of the paper, measured again by the code of this explorer, image by image. *Try:* choose an experiment, start "
    "a **quick** run and watch its rows come in, then open one of its images on another page."
)
with st.sidebar:
    chosen = request.choose()
state.write()

page.show(chosen)
