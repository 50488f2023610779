"""The style that figures share: a transparent ground, narrow margins and the legend below; names as plain text."""

import html
from typing import Any

import plotly.graph_objects as go

LIVE: dict[str, Any] = {"background": "transparent", "config": {"view": {"stroke": None}, "mark": {"aria": False}}}
"""What all Vega-Lite charts share: a transparent ground; to screen readers each is one picture, with its page's words."""


def plain(name: str) -> str:
    """A name of others (a class, a data set) as text for plotly, which follows some HTML, and replaces %{...} when one hovers."""
    return html.escape(" ".join(name.split())).replace("%", "&#37;")


def style(figure: go.Figure, height: int, top: int = 20, sides: int = 10, legend: float = -0.2) -> None:
    """Give ``figure`` the style. Pixels: ``height``, margin at the ``top`` and at the ``sides``; ``legend``: its upper edge, in
    heights of the plot above its lower edge."""
    figure.update_layout(
        height=height,
        margin={"l": sides, "r": sides, "t": top, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "yanchor": "top", "y": legend, "x": 0},
        hovermode="closest",
    )
