"""Learn: the story of the paper in six steps, each a question first."""

import streamlit as st

from spt.ui.learn import page

st.header("Learn: what does it take to prove an answer?", anchor=False)
page.show()
