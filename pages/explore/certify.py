"""Certify: how far may this image be turned or shifted, with proof?"""

import streamlit as st

from spt.ui.certify import page, request
from spt.ui.shared import controls, state, title

title.show(
    "Certify: how far can no attack change the answer?",
    "Cell by cell samples are tested; enough passes are a **proof** for this image. *Try:* double the range, or attack the proof.",
    "DistSPT accounts for the interpolation error: for every sampled landing point **b′** it bounds by **r** how far what the "
    "classifier can be shown may differ, and tests whether its answer holds on that whole ball. The attack range **Γ** is gone "
    "through cell by cell, from 0 outwards; enough passes prove that no attack in a cell changes the answer for this image.",
)
room = page.make_room()
with st.sidebar:
    image_area = st.container()
    classifier = controls.choose_classifier()
    with image_area:
        subject = controls.choose_image(classifier)
    transform = controls.choose_transform(classifier, bounded="slices")
    settings = request.choose_settings(transform, classifier, room.limit)
state.write()

page.show(request.CertifyRequest(classifier, subject, transform, settings), room)
