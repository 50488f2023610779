"""A figure that is SVG text, on the page: as part of the page, so that it takes the colours of the theme."""

import streamlit as st

_CSS = """
.drawing { color: var(--st-text-color); margin: 0 auto; }
"""

_JS = """
export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".drawing");
  root.style.maxWidth = data.width + "px";
  if (root.dataset.svg !== data.svg) { root.innerHTML = data.svg; root.dataset.svg = data.svg; }
}
"""

_drawing = st.components.v2.component("spt_drawing", html='<div class="drawing"></div>', css=_CSS, js=_JS)


def show(key: str, svg: str, width: int) -> None:
    """Draw SVG text of our own figures (never text of others: it becomes part of the page), at most ``width`` pixels wide."""
    _drawing(key=key, data={"svg": svg, "width": width}, height="content")
