"""Areas that are folded: what is in one is made, and sent to the browser, when somebody opens it. Formulas and code cost a browser
half a second, which most visits would spend on what nobody looks at."""

from collections.abc import Callable

import streamlit as st

from spt.ui.shared import failures

HOW, CODE = "folded_how", "folded_code"
"""Their keys: how it works, Python of an area."""


@st.fragment
def area(label: str, key: str, draw: Callable[[], None]) -> None:
    """An area with this label, folded at first, that ``draw`` fills. Opening it runs nothing else of the page's script."""
    with st.expander(label, key=key, on_change="rerun") as opened:
        if opened.open:
            with failures.in_one_sentence():
                draw()
