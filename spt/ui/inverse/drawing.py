"""A figure that is SVG text, on the page: as part of the page, so that it takes the colours of the theme."""

from spt.ui.shared.components import component

_drawing = component(__file__)


def show(key: str, svg: str, width: int) -> None:
    """Draw SVG text of our own figures (never text of others: it becomes part of the page), at most ``width`` pixels wide."""
    _drawing(key=key, data={"svg": svg, "width": width}, height="content")
