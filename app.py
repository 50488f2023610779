"""SPT Explorer: page configuration and navigation; everything else is in pages/ and spt/."""

import streamlit as st

st.set_page_config(page_title="SPT Explorer", page_icon="assets/icon.png", layout="wide")
st.navigation(
    [
        st.Page("pages/explore/start.py", title="Start", url_path="start", default=True),
        st.Page("pages/explore/votes.py", title="Votes", url_path="votes"),
    ],
    position="top",
).run()
