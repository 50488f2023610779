"""Experiments: how do our numbers stand beside the paper's?"""

import streamlit as st

from spt.ui.experiments import page, request
from spt.ui.shared import state, title

title.show(
    "Experiments: how do our numbers stand beside the paper’s?",
    "Every table of the paper, measured again, image by image. *Try:* a **quick** run, then open one of its images elsewhere.",
    "Every table of the paper, measured again by the code of this explorer. Choose an experiment; stored results are "
    "there at once, a quick run measures a few images here and now. Each row is an image, which opens on the other pages with "
    "the settings of the experiment.",
)
kind = request.choose_kind()
with st.sidebar:
    chosen = request.choose(kind)
state.write()

page.show(kind, chosen)
