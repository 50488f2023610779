"""The script that Streamlit runs for every visit: page configuration and navigation over the pages; nothing else."""

import streamlit as st

from spt.ui.shared import comparing, failures, first_views, gate, keys, restarts, state
from spt.ui.shared.icon import ICON
from spt.ui.tours import strip

st.set_page_config(page_title="SPT Explorer", page_icon=ICON, layout="wide")
page = st.navigation(
    [
        st.Page("explore/start.py", title="Start", url_path="start", default=True),
        st.Page("explore/learn.py", title="Learn", url_path="learn"),
        st.Page("explore/tours.py", title="Tours", url_path="tours"),
        st.Page("explore/votes.py", title="Votes", url_path="votes"),
        st.Page("explore/certify.py", title="Certify", url_path="certify"),
        st.Page("explore/interpolation.py", title="Interpolation error", url_path="interpolation"),
        st.Page("explore/inverse.py", title="Inverse", url_path="inverse"),
        st.Page("explore/experiments.py", title="Experiments", url_path="experiments"),
    ],
    position="top",
)
keys.listen()
with state.of(page.url_path), failures.in_one_sentence():
    strip.show(page.url_path)
    restarts.say(page.url_path)
    comparing.say_what_waits()
    first_views.load_core(page.url_path)
    with gate.drawing():
        if page.url_path != "experiments" and "experiment_worker" in st.session_state:
            st.session_state["experiment_worker"].stop()
        page.run()
