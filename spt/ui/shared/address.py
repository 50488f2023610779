"""The browser's address bar: what it says when a run of a page's script begins, and writing it anew.

Streamlit would make an entry of the browser's history of every change of a control, and tells Back and Forward from nothing else.
The script of this module mends both. It adds the parameter `VISIT` to an address that Back or Forward leads to, and takes it out of
every address that is shown.
"""

import streamlit as st

from spt.ui.shared.components import component, style
from spt.ui.shared.values import Texts

VISIT = "visit"
"""Which Back or Forward an address comes from, and, behind a point, how many states were opened on pages themselves."""

_script = component(__file__, "js")
STYLE = style(__file__)
"""For the head of the page (`spt.ui.server.base`): the script takes no room, from the first moment on."""


def listen() -> None:
    """Have the script in the browser; it draws nothing."""
    _script(key="address")


def read() -> tuple[dict[str, Texts], str]:
    """What the address names, and which Back or Forward led here: "" for none so far."""
    given = {name: st.query_params.get_all(name) for name in st.query_params}
    visit = "".join(given.pop(VISIT, []))
    return given, visit.partition(".")[0]


def show(parameters: dict[str, str | list[str]], visit: str, opened: int) -> None:
    """Write the address of this page.

    Args:
        parameters: what it names. visit: the last one that `read` gave; what comes after another Back is not shown.
        opened: how many states were opened on pages themselves; one more makes an entry of the history.
    """
    st.query_params.from_dict(parameters | {VISIT: f"{visit}.{opened}"})
