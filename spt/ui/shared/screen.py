"""How every page sits on the screen: one stylesheet, `screen.css`, for all of them."""

import streamlit as st

from spt.ui.shared.components import style

_STYLE = style(__file__)


def set_up() -> None:
    """To be called once on each page, before anything is drawn."""
    st.html(_STYLE)
