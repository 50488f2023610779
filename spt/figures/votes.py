"""Figures from data: pure functions to Vega-Lite specifications (live charts) and plotly figures (standing ones).

Class k has the same colour everywhere (Okabe-Ito first, then more that stay apart for the colour-blind); the winner is
always marked by text as well. Backgrounds are transparent, so that both themes work.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from spt.figures.style import LIVE, plain, style

CLASS_COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"),
    *("#D55E00", "#8C8C8C", "#B8A900", "#7F4FC9", "#A05A2C"),
)
MOST_BARS = 10
Rows = list[dict[str, Any]]


def class_colour(index: int) -> str:
    """The colour of a class; repeats after ten classes."""
    return CLASS_COLOURS[index % len(CLASS_COLOURS)]


def histogram_rows(
    values: Sequence[float] | np.ndarray, class_names: Sequence[str], order: Sequence[int] | None = None
) -> Rows:
    """One row for each bar: position, class, value, colour. With many classes the largest ones and the rest together."""
    indices = list(range(len(values))) if order is None else list(order)
    if len(indices) > MOST_BARS:
        indices = sorted(indices, key=lambda index: (-values[index], index))[: MOST_BARS - 1]
    top = max(range(len(values)), key=lambda index: (values[index], -index))
    rows: Rows = [
        {
            "position": position,
            "class": class_names[index],
            "value": float(values[index]),
            "colour": class_colour(index),
            "leads": bool(index == top and values[index] > 0),
        }
        for position, index in enumerate(indices)
    ]
    if len(indices) < len(values):
        rest = float(sum(values)) - sum(row["value"] for row in rows)
        rows.append({"position": len(rows), "class": "all others", "value": rest, "colour": "#8C8C8C", "leads": False})
    return rows


def need_slant(rows: Rows) -> bool:
    """Whether the names below the bars of `histogram_rows` are too long to stand side by side."""
    return sum(len(row["class"]) + 1 for row in rows) > 36


def bars_specification(
    title: str,
    most: float,
    line: float | None = None,
    line_label: str = "",
    number_format: str = ",d",
    height: int = 260,
    slanted: bool = False,
) -> dict[str, Any]:
    """A Vega-Lite bar chart of `histogram_rows` on a fixed scale [0, most], so that growing bars do not jump.

    ``line`` draws a labelled rule across the bars. The row that leads is labelled in bold. ``slanted``: the classes' names
    are, which long ones need (`need_slant`).
    """
    x = {
        "field": "class",
        "type": "nominal",
        "sort": None,  # as the rows come
        "axis": {"title": None, "labelAngle": -40 if slanted else 0, "labelOverlap": not slanted, "labelLimit": 90},
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "scale": {"domain": [0, most], "nice": False},
        "axis": {"title": title, "tickCount": 5},
    }
    label = {"field": "value", "type": "quantitative", "format": number_format}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "cornerRadiusEnd": 2},
            "encoding": {
                "x": x,
                "y": y,
                "color": {"field": "colour", "type": "nominal", "scale": None},
                "tooltip": [{"field": "class", "title": "class"}, label | {"title": title}],
            },
        },
        {
            "transform": [{"filter": f"datum.value > {most / 250} && !datum.leads"}],
            "mark": {"type": "text", "dy": -7, "fontSize": 12, "color": "#888888"},
            "encoding": {"x": x, "y": y, "text": label},
        },
        {
            "transform": [{"filter": "datum.leads"}],
            "mark": {"type": "text", "dy": -8, "fontSize": 14, "fontWeight": "bold", "color": "#888888"},
            "encoding": {"x": x, "y": y, "text": label},
        },
    ]
    if line is not None:
        rule = {"datum": line, "type": "quantitative"}
        once: dict[str, Any] = {"values": [{}]}  # else the rule would be drawn once for each bar
        layers.append(
            {"data": once, "mark": {"type": "rule", "strokeDash": [5, 4], "color": "#888888"}, "encoding": {"y": rule}}
        )
        layers.append(
            {
                "data": once,
                "mark": {
                    "type": "text",
                    "align": "left",
                    "dx": 5,
                    "fontSize": 12,
                    "color": "#888888",
                    "text": line_label.split(" "),  # a word a line: it stands beside the bars, where none can be
                },
                "encoding": {"y": rule, "x": {"value": "width"}},
            }
        )
    return {"layer": layers, "height": height, **LIVE}


def response_curve(
    positions: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    at: float,
    unit: str,
    symbol: str,
    votes: tuple[np.ndarray, np.ndarray] | None = None,
    sigma: float = 0.0,
    words: str = "turned by",
) -> go.Figure:
    """f's class probabilities over one parameter, the present value marked, votes as points on the curves.

    Args:
        positions: (K,) parameter values in ``unit``, increasing.
        probabilities: (K, classes).
        at: the parameter of the received image.
        votes: (n,) positions on the axis and (n,) classes; each is drawn on the curve of its class.
        sigma: half width of the band drawn around ``at``: the smoothing noise's standard deviation.
        words: what the parameter does, before its symbol.
    """
    figure = go.Figure()
    if sigma:
        name = f"two of three votes: {symbol} ± σ_γ"
        figure.add_vrect(
            at - sigma, at + sigma, fillcolor="#888888", opacity=0.12, line_width=0, name=name, showlegend=True
        )
    shown = [index for index in range(len(class_names)) if probabilities[:, index].max() >= 0.05]
    for index in sorted(shown, key=lambda index: -probabilities[:, index].max())[:MOST_BARS]:
        figure.add_scatter(
            x=positions,
            y=probabilities[:, index],
            name=plain(class_names[index]),
            mode="lines",
            line={"color": class_colour(index), "width": 2.5},
            hovertemplate=f"{symbol} = %{{x:.1f}}{unit}<br>probability %{{y:.3f}}",
        )
    if votes is not None:
        where, classes = votes
        for index in np.unique(classes):
            chosen = where[classes == index]
            figure.add_scatter(
                x=chosen,
                y=np.interp(chosen, positions, probabilities[:, index]),
                name=f"votes for {plain(class_names[index])}",
                mode="markers",
                showlegend=False,
                marker={"color": class_colour(int(index)), "size": 6, "opacity": 0.5, "line": {"width": 0}},
                hovertemplate=f"vote for {plain(class_names[index])} at {symbol} + β = %{{x:.1f}}{unit}<extra></extra>",
            )
    figure.add_vline(at, line={"color": "#888888", "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        x=at, y=1.04, yref="paper", text=f"{symbol} = {at:g}{unit}".replace("-", "−"), showarrow=False, yanchor="bottom"
    )
    style(figure, 340, top=34)
    figure.update_xaxes(
        title=f"{words} {symbol}, in {unit}", range=[float(positions[0]), float(positions[-1])], zeroline=False
    )
    figure.update_yaxes(title="class probability of f", range=[-0.02, 1.03], zeroline=False)
    return figure


def response_map(
    axis: np.ndarray | tuple[np.ndarray, np.ndarray],
    probabilities: np.ndarray,
    class_names: Sequence[str],
    at: tuple[float, float],
    unit: str | tuple[str, str],
    votes: tuple[np.ndarray, np.ndarray] | None = None,
    names: tuple[str, str] = ("dx", "dy"),
) -> go.Figure:
    """f's answer over two parameters: colour is the class, strength its probability; votes as points.

    Args:
        axis: (S,) values of both parameters, or of each. probabilities: (S, S, classes), first axis the first parameter (dx).
        at: the parameters of the received image. votes: (n, 2) positions and (n,) classes.
        unit: of both parameters, or of each. names: what they are called; a shift dy points down, as in images.
    """
    across, up = axis if isinstance(axis, tuple) else (axis, axis)
    units = unit if isinstance(unit, tuple) else (unit, unit)
    where_words = ", ".join(
        f"{name} %{{{place}:.2f}} {each}" for name, place, each in zip(names, "xy", units, strict=True)
    )
    winners = probabilities.argmax(axis=2)
    strength = probabilities.max(axis=2)
    figure = go.Figure()
    for index in np.unique(winners):
        mask = winners == index
        figure.add_heatmap(
            x=across,
            y=up,
            z=np.where(mask, strength, np.nan).T,
            zmin=0,
            zmax=1.4,
            colorscale=[[0, "rgba(136,136,136,0.15)"], [1, class_colour(int(index))]],
            showscale=False,
            hovertemplate=f"{plain(class_names[index])}: %{{z:.3f}}<br>{where_words}<extra></extra>",
        )
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=plain(class_names[index]),
            marker={"color": class_colour(int(index)), "symbol": "square", "size": 11},
        )
    if votes is not None:
        where, classes = votes
        for index in np.unique(classes):
            chosen = where[classes == index]
            figure.add_scatter(
                x=chosen[:, 0],
                y=chosen[:, 1],
                mode="markers",
                showlegend=False,
                name=f"votes for {plain(class_names[index])}",
                marker={"color": class_colour(int(index)), "size": 5, "line": {"width": 0.7, "color": "white"}},
                hovertemplate=f"vote for {plain(class_names[index])} at {where_words}<extra></extra>",
            )
    figure.add_scatter(
        x=[at[0]],
        y=[at[1]],
        mode="markers",
        name="received image",
        marker={"symbol": "x-thin", "size": 15, "line": {"width": 3, "color": "#888888"}},
    )
    style(figure, 440, top=34)
    right, last = float(across[-1]), float(up[-1])
    if names == ("dx", "dy"):
        figure.update_xaxes(title=f"shifted right (dx), in {unit}", range=[-right, right], constrain="domain")
        figure.update_yaxes(
            title=f"shifted down (dy), in {unit}", range=[last, -last], scaleanchor="x", constrain="domain"
        )
    else:
        figure.update_xaxes(title=f"{names[0]}, in {units[0]}", range=[-right, right])
        figure.update_yaxes(title=f"{names[1]}, in {units[1]}", range=[-last, last])
    return figure
