"""Interpolation error: why do interpolated transformations not compose, and how far off can they be?"""

import streamlit as st

from spt.ui.interpolation import page, request
from spt.ui.shared import controls, state, title

title.show(
    "Interpolation error: how far are two moves from one?",
    "Moved **twice**, by attacker and vote, an image is not what it is when moved **once**: this error decides every certificate.",
    "Turned or shifted **twice** (by the attacker’s γ, then by the vote’s β), an image is not quite what it is when moved "
    "**once** by β + γ: pixels are interpolated twice. The difference is the interpolation error **e**. Move γ, go to the "
    "largest error, then press **Refine** and watch the proved bounds close in on it.",
)
with st.container(key="presets"):
    page.show_presets()
with st.sidebar:
    image_area = st.container()
    classifier = controls.choose_classifier()
    with image_area:
        subject = controls.choose_image(classifier)
    transform = controls.choose_transform(classifier, bounded="whole range")
    gamma = controls.choose_parameters(transform)
    chosen = request.choose(classifier, subject, transform, gamma)
state.write()

page.show(chosen)
