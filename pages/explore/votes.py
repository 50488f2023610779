"""Votes: what does the smoothed classifier answer for a transformed image, and how sure is it?"""

import streamlit as st

from spt.ui.shared import controls, state, title
from spt.ui.votes import attack, page, request

title.show(
    "Votes: what does the smoothed classifier answer?",
    "An attacker turns the image; **g** lets the network **f** vote on many random turns of it. *Try:* turn until f is wrong.",
    "An attacker turns or shifts the image **x** by **γ**; the smoothed classifier **g** turns or shifts what it receives by "
    "random **β** and lets the base classifier **f** vote. The class that wins is g’s answer, if the votes are clear enough. "
    "Move the attack until f is wrong, and see whether g still holds.",
)
attack.move_sliders()
with st.sidebar:
    image_area = st.container()
    classifier = controls.choose_classifier()
    with image_area:
        subject = controls.choose_image(classifier)
    transform = controls.choose_transform(classifier)
    gamma = controls.choose_parameters(transform)
    smoothing = controls.choose_smoothing(transform)
    statistics = controls.choose_statistics()
    watch = request.choose_pace()
state.write()

page.show(request.VotesRequest(classifier, subject, transform, gamma, smoothing, statistics, watch))
