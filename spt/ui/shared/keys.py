"""What keys do on every page, without a round trip to the server: "?" opens the words and symbols (`glossary`), and the slider of
an angle moves by one degree, with Shift by a tenth."""

import streamlit as st

from spt.ui.shared.components import component
from spt.ui.shared.glossary import SYMBOLS, WORDS

_keys = component(__file__)


def listen() -> None:
    """Draw the button for the words, in the corner of the page, and listen to keys."""
    with st.container(key="keys"):
        _keys(key="page_keys", data={"symbols": SYMBOLS, "words": WORDS}, height="content")
