"""Inverse: what does a received image say about its original?"""

import streamlit as st

from spt.ui.inverse import page, request
from spt.ui.shared import controls, state, title

title.show(
    "Inverse: what does a received image say about its original?",
    "It bounds every pixel of the original, and *gives its angle away*. *Try:* click a pixel to see where its bounds come from.",
    "Somebody turned or shifted an image and sent the result **x′**. Pixel by pixel that says between which values the original "
    "must lie, and by which angles it can have been turned. Black to white: the least and the largest value that a pixel of the "
    "original can have; the narrower the gap, the more is known.",
)
with st.container(key="presets"):
    page.show_presets()
with st.sidebar:
    image_area = st.container()
    classifier = controls.choose_classifier()
    with image_area:
        subject = request.choose_picture(classifier)
    transform = controls.choose_transform(classifier, bounded="inverse")
    chosen = request.choose(classifier, subject, transform)
state.write()

page.show(chosen)
