"""Figures of the page "Interpolation error", from data: signed and unsigned maps as pictures, curves with their bounds
(Vega-Lite, so that they can be redrawn live), and standing plotly figures.

What is sampled is dotted, what is proved is drawn solid, everywhere; each series has one colour (Okabe-Ito).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from spt.figures.style import LIVE, style

SAMPLED, CHORD, INTERVAL, SHIFTED, RECENTRED = "#8C8C8C", "#0072B2", "#D55E00", "#E69F00", "#009E73"
_RD_BU = (
    *((5, 48, 97), (33, 102, 172), (67, 147, 195), (146, 197, 222), (209, 229, 240), (247, 247, 247)),
    *((253, 219, 199), (244, 165, 130), (214, 96, 77), (178, 24, 43), (103, 0, 31)),
)
_CIVIDIS = (
    *((0, 34, 78), (18, 53, 112), (59, 73, 108), (87, 93, 109), (112, 113, 115), (138, 134, 120)),
    *((165, 156, 116), (195, 179, 105), (225, 204, 85), (254, 232, 56)),
)
Rows = list[dict[str, Any]]


def _coloured(position: np.ndarray, colours: Sequence[tuple[int, int, int]]) -> np.ndarray:
    stops = np.linspace(0, 1, len(colours))
    table = np.array(colours, dtype=float) / 255
    return np.stack([np.interp(position, stops, table[:, channel]) for channel in range(3)])


def _strongest(values: np.ndarray) -> np.ndarray:
    """(C, H, W) -> (H, W): in each pixel the channel with the largest magnitude, with its sign."""
    index = np.abs(values).argmax(axis=0)
    return np.asarray(np.take_along_axis(values, index[None], axis=0)[0])


def signed_picture(values: np.ndarray, scale: float) -> np.ndarray:
    """A signed map (C, H, W) as colours (3, H, W) in [0, 1]: blue at -scale, white at 0, red at +scale (and beyond)."""
    return _coloured(np.clip(_strongest(values) / scale, -1, 1) / 2 + 0.5, _RD_BU)


def unsigned_picture(values: np.ndarray, scale: float) -> np.ndarray:
    """A map (C, H, W) of non-negative values as colours (3, H, W) in [0, 1]: cividis from 0 to ``scale`` (and beyond)."""
    return _coloured(np.clip(_strongest(values) / scale, 0, 1), _CIVIDIS)


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a chart: ``values`` at ``positions``; with ``steps`` values[k] holds up to positions[k + 1]."""

    name: str
    colour: str
    positions: np.ndarray
    values: np.ndarray
    proved: bool
    steps: bool = False
    points: bool = False


def step_series(name: str, colour: str, splits: np.ndarray, values: np.ndarray) -> Series:
    """A proved bound drawn as steps: splits (M, 2) side by side with values (M,)."""
    order = np.argsort(splits[:, 0], kind="stable")
    positions = np.append(splits[order, 0], splits[order[-1], 1])
    return Series(name, colour, positions, np.append(values[order], values[order[-1]]), proved=True, steps=True)


def series_rows(series: Sequence[Series]) -> Rows:
    """One row for each point of each series."""
    return [
        {"at": float(at), "value": float(value), "series": one.name, "steps": one.steps, "points": one.points}
        for one in series
        for at, value in zip(one.positions, one.values, strict=True)
    ]


def lines_specification(
    series: Sequence[Series],
    x_title: str,
    y_title: str,
    x_range: tuple[float, float],
    y_most: float,
    marked: float | None = None,
    bars: Rows | None = None,
    height: int = 340,
    counts: Sequence[int] | None = None,
) -> dict[str, Any]:
    """A Vega-Lite chart of `series_rows` on fixed scales: sampled series dotted, proved ones solid.

    Args:
        marked: where to draw a dashed vertical rule.
        bars: a histogram in the background, rows with ``from``, ``to`` and ``height`` in units of the y axis and
            ``count`` for the tooltip.
        counts: what the x axis counts, at its ticks; they lie as far apart as they are times each other.
    """
    names = [one.name for one in series]
    ticks = {"values": list(counts), "format": "d"} if counts else {}
    x = {
        "field": "at",
        "type": "quantitative",
        "scale": {"domain": list(x_range), "nice": False, **({"type": "log", "base": 2} if counts else {})},
        "axis": {"title": x_title, "grid": False, **ticks},
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "scale": {"domain": [0, y_most], "nice": False, "clamp": True},
        "axis": {"title": y_title, "tickCount": 5},
    }
    legend = {
        "title": None,
        "orient": "bottom",
        "columns": 2,  # fits 400 pixels
        "labelFontSize": 12,
        "symbolType": "stroke",
        "symbolSize": 350,
        "symbolStrokeWidth": 3,
    }
    colour = {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": names, "range": [one.colour for one in series]},
        "legend": legend,
    }
    dash = {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": names, "range": [[1, 0] if one.proved else [2, 3] for one in series]},
        "legend": legend,
    }
    tooltip = [
        {"field": "series", "title": " "},
        {"field": "at", "type": "quantitative", "format": "d" if counts else ".2f", "title": x_title},
        {"field": "value", "type": "quantitative", "format": ".3f", "title": y_title},
    ]
    line = {"x": x, "y": y, "color": colour, "strokeDash": dash}
    layers: list[dict[str, Any]] = []
    if bars:
        layers.append(
            {
                "data": {"values": bars},
                "mark": {"type": "bar", "color": "#888888", "opacity": 0.22},
                "encoding": {
                    "x": x | {"field": "from"},
                    "x2": {"field": "to"},
                    "y": y | {"field": "height"},
                    "y2": {"datum": 0},
                    "tooltip": [{"field": "count", "title": "samples"}],
                },
            }
        )
    layers += [
        {
            "transform": [{"filter": "!datum.steps"}],
            "mark": {"type": "line", "strokeWidth": 2.5, "clip": True},
            "encoding": line,
        },
        {
            "transform": [{"filter": "datum.steps"}],
            "mark": {"type": "line", "strokeWidth": 2, "interpolate": "step-after", "clip": True},
            "encoding": line,
        },
        {
            "transform": [{"filter": "datum.points"}],
            "mark": {"type": "point", "filled": True, "size": 14, "opacity": 0.9},
            "encoding": {"x": x, "y": y, "color": colour, "tooltip": tooltip},
        },
    ]
    if marked is not None:
        once: dict[str, Any] = {"values": [{"at": marked}]}  # else the rule would be drawn once for each row
        layers.append(
            {"data": once, "mark": {"type": "rule", "strokeDash": [6, 4], "color": "#888888"}, "encoding": {"x": x}}
        )
    return {"layer": layers, "height": height, **LIVE}


def histogram_bars(samples: np.ndarray, x_range: tuple[float, float], height: float, count: int = 30) -> Rows:
    """``samples`` in ``count`` bins over ``x_range``, the tallest drawn ``height`` high; for `lines_specification`."""
    counts, edges = np.histogram(samples, bins=count, range=x_range)
    unit = height / max(1, counts.max())
    return [
        {"from": float(edges[i]), "to": float(edges[i + 1]), "height": float(n * unit), "count": int(n)}
        for i, n in enumerate(counts)
    ]


LEVEL_SIDES = {"at most E": "#2E8FD0", "exceeds E": "#D55E00"}


def level_bars(bounds: Sequence[float], error: float, count: int = 30) -> Rows:
    """A histogram of proved bounds in which no bin goes across E = ``error``, so that each is on one side; from 0 on."""
    within, exceeds = LEVEL_SIDES
    most = max(error, *bounds)
    width = most / count
    width = error / max(1, round(error / width))
    at_most = np.asarray(bounds) <= error
    bins = (
        np.ceil(np.asarray(bounds) / width).astype(int) - 1
    )  # bin k is (k, k + 1] x width, so that E itself is within
    edge = round(error / width)
    bins = np.where(at_most, np.clip(bins, 0, edge - 1), np.maximum(bins, edge))
    numbers, counts = np.unique(bins, return_counts=True)
    return [
        {
            "from": float(k * width),
            "to": float((k + 1) * width),
            "count": int(n),
            "outcome": within if k < edge else exceeds,
        }
        for k, n in zip(numbers, counts, strict=True)
    ]


def level_specification(error: float, height: int = 240) -> dict[str, Any]:
    """A Vega-Lite chart of `level_bars` with a dashed rule at E."""
    x = {
        "field": "from",
        "type": "quantitative",
        "axis": {"title": "proved bound of the error ‖e‖ at one β", "grid": False},
    }
    outcome = {
        "field": "outcome",
        "type": "nominal",
        "scale": {"domain": list(LEVEL_SIDES), "range": list(LEVEL_SIDES.values())},
        "legend": {"title": None, "orient": "top", "symbolOpacity": 1},
    }
    bars = {
        "mark": {"type": "bar", "binSpacing": 1},
        "encoding": {
            "x": x,
            "x2": {"field": "to"},
            "y": {
                "field": "count",
                "type": "quantitative",
                "axis": {"title": "number of draws β", "tickCount": 4, "tickMinStep": 1},
            },
            "y2": {"datum": 0},
            "color": outcome,
            "tooltip": [
                {"field": "from", "type": "quantitative", "format": ".3f", "title": "more than"},
                {"field": "to", "type": "quantitative", "format": ".3f", "title": "at most"},
                {"field": "count", "title": "draws β"},
                {"field": "outcome", "title": " "},
            ],
        },
    }
    once: dict[str, Any] = {"values": [{"from": error, "name": f"E = {error:.3g}"}]}
    rule = {"data": once, "mark": {"type": "rule", "strokeDash": [6, 4], "strokeWidth": 2, "color": "#888888"}}
    return {
        "layer": [bars, rule | {"encoding": {"x": x, "tooltip": {"field": "name", "title": " "}}}],
        "height": height,
        **LIVE,
    }


def error_map(
    axis: np.ndarray,
    norms: np.ndarray,
    lines: tuple[np.ndarray, np.ndarray],
    maximum: tuple[float, float] | None,
    at: tuple[float, float],
    worst: np.ndarray | None,
    unit: str,
) -> go.Figure:
    """||e|| over two parameters, sampled, with the grid whose vertices hold the exact maximum.

    Args:
        axis: (S,) values of both parameters. norms: (S, S), first axis the first parameter (dx).
        lines: the vertex grid's positions along dx and along dy. maximum: the vertex with the largest error, if
            it is known.
        at: gamma of the controls. worst: (2, 2) the interval bound's worst split, [[dx], [dy]] from low to high.
    """
    figure = go.Figure()
    low, high = float(axis[0]), float(axis[-1])
    figure.add_heatmap(
        x=axis,
        y=axis,
        z=norms.T,
        zmin=0,
        colorscale="Cividis",
        colorbar={"title": {"text": "error ‖e‖, sampled", "side": "right"}, "thickness": 14},
        hovertemplate=f"‖e‖ = %{{z:.3f}}<br>dx %{{x:.2f}} {unit}, dy %{{y:.2f}} {unit}<extra></extra>",
    )
    for position in lines[0]:
        figure.add_shape(type="line", x0=position, x1=position, y0=low, y1=high, line=_GRID)
    for position in lines[1]:
        figure.add_shape(type="line", x0=low, x1=high, y0=position, y1=position, line=_GRID)
    if worst is not None:
        (x0, x1), (y0, y1) = worst.tolist()
        figure.add_shape(type="rect", x0=x0, x1=x1, y0=y0, y1=y1, line={"color": INTERVAL, "width": 2.5})
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            name="worst split of the interval bound",
            marker={"symbol": "square-open", "size": 12, "color": INTERVAL, "line": {"width": 2.5}},
        )
    if maximum is not None:
        figure.add_scatter(
            x=[maximum[0]],
            y=[maximum[1]],
            mode="markers",
            name="exact maximum (a vertex)",
            marker={"symbol": "star", "size": 17, "color": CHORD, "line": {"width": 1.5, "color": "white"}},
            hovertemplate=f"exact maximum<br>dx %{{x:.2f}} {unit}, dy %{{y:.2f}} {unit}<extra></extra>",
        )
    figure.add_scatter(
        x=[at[0]],
        y=[at[1]],
        mode="markers",
        name="chosen attack γ",
        cliponaxis=True,
        marker={"symbol": "x-thin", "size": 14, "line": {"width": 3, "color": "#CC79A7"}},
    )
    style(figure, 460, legend=-0.16)
    figure.update_xaxes(
        title=f"shifted right by γ₁ (dx), in {unit}",
        range=[low, high],
        constrain="domain",
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(
        title=f"shifted down by γ₂ (dy), in {unit}",
        range=[high, low],
        scaleanchor="x",
        constrain="domain",
        showgrid=False,
        zeroline=False,
    )
    return figure


_GRID = {"color": "rgba(255,255,255,0.55)", "width": 1}


@dataclass(frozen=True, eq=False)
class Ball:
    """A centre in the plane with the radius sampled and the radius proved around it (None: not yet proved)."""

    name: str
    colour: str
    centre: np.ndarray
    sampled: float
    proved: float | None


def plane(points: np.ndarray, colours: np.ndarray, colour_title: str, balls: Sequence[Ball], line: bool) -> go.Figure:
    """K(b') projected to a plane, its samples coloured, with the balls around it (a projection only shortens distances).

    Args:
        points: (K, 2); colours: (K,) what colours them; line: whether to join them in their order.
    """
    figure = go.Figure()
    angle = np.linspace(0, 2 * np.pi, 181)
    for ball in balls:
        for radius, dash, what in ((ball.proved, "solid", "proved"), (ball.sampled, "dot", "sampled")):
            if radius is None:
                continue
            figure.add_scatter(
                x=ball.centre[0] + radius * np.cos(angle),
                y=ball.centre[1] + radius * np.sin(angle),
                mode="lines",
                name=f"{ball.name}: {what} radius",
                line={"color": ball.colour, "dash": dash, "width": 2.5 if dash == "solid" else 1.5},
                hoverinfo="name",
            )
    figure.add_scatter(
        x=points[:, 0],
        y=points[:, 1],
        mode="lines+markers" if line else "markers",
        name="what a vote can be shown, K(b′): samples",
        line={"color": "#888888", "width": 1},
        marker={
            "color": colours,
            "colorscale": "Cividis",
            "size": 6,
            "colorbar": {"title": {"text": colour_title, "side": "right"}, "thickness": 14},
        },
        customdata=colours,
        hovertemplate=f"{colour_title} = %{{customdata:.2f}}<extra></extra>",
    )
    for ball in balls:
        figure.add_scatter(
            x=[ball.centre[0]],
            y=[ball.centre[1]],
            mode="markers",
            name=f"{ball.name} centre",
            showlegend=False,
            marker={"symbol": "cross", "size": 13, "color": ball.colour, "line": {"width": 1.5, "color": "white"}},
        )
    style(figure, 480, legend=-0.16)
    figure.update_xaxes(title="first principal axis", constrain="domain", zeroline=False)
    figure.update_yaxes(title="second", scaleanchor="x", constrain="domain", zeroline=False)
    return figure
