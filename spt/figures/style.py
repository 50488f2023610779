"""The style that the plotly figures share: a transparent ground, narrow margins and the legend below."""

import plotly.graph_objects as go


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
