"""Components of our own: HTML, CSS and JavaScript in files of one name beside the Python that mounts them."""

import time
from pathlib import Path
from typing import Any

import streamlit as st

HEAD_START = 0.3
"""Seconds for which the charts of a tab's first page wait, that its pictures may be drawn before the browser compiles the code of
charts, in which it draws nothing for a second."""


def component(python_file: str) -> Any:
    """Register the component whose .html, .css and .js lie beside ``python_file`` (its ``__file__``), read once, at import.

    Returns what mounts it, see ``st.components.v2.component``.
    """
    path = Path(python_file)
    html, css, js = (path.with_suffix(end).read_text(encoding="utf-8") for end in (".html", ".css", ".js"))
    return st.components.v2.component(f"spt_{path.stem}", html=html, css=css, js=js)


def script(python_file: str) -> str:
    """The .js beside ``python_file`` as an element for the head of the page, where it runs by itself."""
    return f'<script type="module">\n{Path(python_file).with_suffix(".js").read_text(encoding="utf-8")}</script>'


def style(python_file: str) -> str:
    """The .css beside a page's ``python_file`` as an element for ``st.html``."""
    return f"<style>\n{Path(python_file).with_suffix('.css').read_text(encoding='utf-8')}</style>"


def pictures_first() -> None:
    """To be called when the pictures of a page are on their way: waits `HEAD_START`, once in a tab."""
    if "pictures_were_first" not in st.session_state:
        st.session_state["pictures_were_first"] = True
        time.sleep(HEAD_START)
