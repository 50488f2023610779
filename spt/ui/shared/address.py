"""The browser's address bar: what it says when a run of a page's script begins, and writing it anew.

Streamlit would make an entry of the browser's history of every change of a control, and tells Back and Forward from nothing else.
A script in the head of the page (`spt.ui.server.base`) mends both, before Streamlit's own begins. It adds the parameter `VISIT` to
an address that Back or Forward leads to, and takes it out of every address that is shown.
"""

from typing import NoReturn

import streamlit as st

from spt.ui.shared.components import script
from spt.ui.shared.values import Texts

VISIT = "visit"
"""Between points: which Back or Forward an address comes from, how many states were opened on pages themselves, and the page."""
SCRIPT = script(__file__)


def read() -> tuple[dict[str, Texts], str]:
    """What the address names, and which Back or Forward led here: "" for none, or if the browser does not say."""
    given = {name: st.query_params.get_all(name) for name in st.query_params}
    visit = "".join(given.pop(VISIT, []))
    return given, visit.partition(".")[0]


def show(page: str, parameters: dict[str, str | list[str]], visit: str, opened: int) -> None:
    """Write the address of a page; the browser leaves it if another page is open by then.

    Args:
        page: as in its address. parameters: what it names.
        visit: the last one that `read` gave; what comes after another Back is not shown.
        opened: how many states were opened on pages themselves; one more makes an entry of the history.
    """
    st.query_params.from_dict(_of(page, parameters, visit, opened))


def open_page(script: str, page: str, parameters: dict[str, str | list[str]], visit: str, opened: int) -> NoReturn:
    """Go to a page, which is one entry of the browser's history: Streamlit first writes the new parameters behind the address of
    the old page, as an entry of its own, which is left out as it is said to be of another page. Arguments as of `show`."""
    st.switch_page(script, query_params=_of(page, parameters, visit, opened))


def _of(page: str, parameters: dict[str, str | list[str]], visit: str, opened: int) -> dict[str, str | list[str]]:
    return parameters | {VISIT: f"{visit}.{opened}.{page}"}
