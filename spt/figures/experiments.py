"""Figures of the page "Experiments", from data to plotly: ours beside the paper's.

What is ours is filled, the paper's figures are open grey markers or hatched grey bars; what is proved is green, what is
counted or sampled blue or orange. Backgrounds are transparent, so that both themes work.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from spt.experiments.experiment import Share
from spt.figures.style import style

PROVED, COUNTED, OTHER, GREY = "#009E73", "#2E8FD0", "#E69F00", "#888888"
SYMBOLS = ("diamond-open", "square-open", "triangle-up-open", "circle-open", "star-open", "cross-open", "hexagon-open")
HALF_WIDTH = 0.18
RANGE_OF_LINEAR_AXES = 12  # beyond this ratio an axis of errors is logarithmic


@dataclass(frozen=True)
class PaperSeries:
    """Numbers of one line of the paper, by the name or size that they stand at.

    Attributes:
        name: of the line; it says so itself if the numbers are not proved.
        caveat: why they may not hold, "" if nothing is known against them.
        values: number by column (or by size, in the unit of the axis).
    """

    name: str
    caveat: str
    values: Mapping[str | float, float]


# --------------------------------------------------------------------------------------------------- certified accuracy


def certified_steps(reaches: Sequence[float], limit: float) -> tuple[list[float], list[int]]:
    """Sizes at which the number of cases that are certified and right may change, and that number up to each of them.

    The k-th number holds for sizes above the k-1st size, up to the k-th; a reach of -1 (neither) is never counted.
    """
    sizes = sorted({0.0, limit, *(reach for reach in reaches if 0 <= reach <= limit)})
    return sizes, [sum(reach >= size for reach in reaches) for size in sizes]


def certified_curve(
    reaches: Sequence[float], limit: float, unit: str, paper: Sequence[PaperSeries] = (), band: bool = True
) -> go.Figure:
    """Share of cases that are certified, and right, for every transformation up to a size, as steps.

    Args:
        reaches: for each case up to which size it is certified and right, -1 for neither.
        limit: end of the attack range. paper: values by size.
        band: whether to draw the pointwise two-sided Clopper-Pearson 95 % interval.
    """
    sizes, counts = certified_steps(reaches, limit)
    total = len(reaches)
    figure = go.Figure()
    if band and total:
        bands = [Share(count, total).band() or (0.0, 1.0) for count in counts]
        edge = {"shape": "vh", "width": 0}
        figure.add_scatter(
            x=sizes, y=[low for low, _ in bands], mode="lines", line=edge, hoverinfo="skip", showlegend=False
        )
        figure.add_scatter(
            x=sizes,
            y=[high for _, high in bands],
            mode="lines",
            line=edge,
            fill="tonexty",
            fillcolor="rgba(0,158,115,0.2)",
            hoverinfo="skip",
            name="95 % interval at each size (Clopper–Pearson)",
        )
    if total:
        figure.add_scatter(
            x=sizes,
            y=[count / total for count in counts],
            customdata=counts,
            mode="lines",
            line={"color": PROVED, "width": 3, "shape": "vh"},
            name="ours, proved",
            hovertemplate=f"up to %{{x:.3g}}{_spaced(unit)}<br>%{{customdata}} of {total}: %{{y:.3f}}<extra>ours</extra>",
        )
    for number, series in enumerate(paper):
        figure.add_scatter(
            x=list(series.values),
            y=list(series.values.values()),
            mode="markers",
            cliponaxis=False,
            marker=_open(number),
            name=series.name,
            hovertemplate=f"%{{x:g}}{_spaced(unit)}: %{{y:.2f}}<br>{_wrapped(series.caveat)}<extra>{series.name}</extra>",
        )
    style(figure, 400)
    most = max([limit, *(float(size) for series in paper for size in series.values)])
    figure.update_xaxes(title=f"size of the transformation in {unit}", range=[-0.02 * most, 1.03 * most])
    figure.update_yaxes(title="certified and right", range=[-0.03, 1.05])
    return figure


# ---------------------------------------------------------------------------------------------------------------- shares


def share_bars(shares: Mapping[str, Share], paper: Sequence[PaperSeries] = (), band: bool = True) -> go.Figure:
    """A bar for each share, with its Clopper-Pearson 95 % interval where it has one, and the paper's hatched."""
    known = {name: share for name, share in shares.items() if share.of}
    bands = {name: share.band() if band else None for name, share in known.items()}
    figure = go.Figure()
    figure.add_bar(
        x=[_broken(name) for name in known],
        y=[share.value for share in known.values()],
        customdata=[f"{share.count} of {share.of}" for share in known.values()],
        marker={"color": [_colour(name) for name in known]},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [b[1] - s.value if b else None for s, b in zip(known.values(), bands.values(), strict=True)],
            "arrayminus": [s.value - b[0] if b else None for s, b in zip(known.values(), bands.values(), strict=True)],
            "color": GREY,
            "thickness": 2,
        },
        name="ours" + (", with 95 % interval" if any(bands.values()) else ""),
        hovertemplate="%{x}: %{customdata}, %{y:.3f}<extra>ours</extra>",
    )
    for number, series in enumerate(paper):
        points = {name: value for name, value in series.values.items() if name in shares}
        figure.add_bar(
            x=[_broken(str(name)) for name in points],
            y=list(points.values()),
            marker={
                "color": "rgba(0,0,0,0)",
                "line": {"color": GREY, "width": 2},
                "pattern": {"shape": "/x.-+|\\"[number % 7], "fgcolor": GREY, "size": 8},
            },
            name=series.name,
            hovertemplate=f"%{{x}}: %{{y:.2f}}<br>{_wrapped(series.caveat)}<extra>{series.name}</extra>",
        )
    style(figure, 400)
    figure.update_layout(bargap=0.3)
    figure.update_yaxes(title="share", range=[0, 1.08])
    figure.update_xaxes(categoryorder="array", categoryarray=[_broken(name) for name in shares], tickangle=0)
    return figure


# ---------------------------------------------------------------------------------------------------------------- errors


def error_strips(
    errors: Mapping[str, Sequence[float]], images: Sequence[int], paper: Sequence[PaperSeries] = ()
) -> go.Figure:
    """The largest error of each image as a point, for each variant, with a box; the paper's largest as open markers."""
    figure = go.Figure()
    for number, (name, values) in enumerate(errors.items()):
        figure.add_box(
            y=list(values),
            name=name,
            boxpoints="all",
            jitter=0.5,
            pointpos=0,
            customdata=list(images),
            width=2 * HALF_WIDTH,
            fillcolor="rgba(136,136,136,0.12)",
            line={"color": GREY, "width": 1.5},
            marker={"color": (COUNTED, OTHER, "#CC79A7", "#D55E00")[number % 4], "size": 7, "opacity": 0.8},
            hoveron="points",
            hovertemplate=f"image %{{customdata}}: %{{y:.3g}}<extra>{name}</extra>",
            showlegend=False,
        )
    for number, series in enumerate(paper):
        points = {name: value for name, value in series.values.items() if name in errors}
        figure.add_scatter(
            x=list(points),
            y=list(points.values()),
            mode="markers",
            cliponaxis=False,
            marker=_open(number),
            name=f"{series.name}: largest",
            hovertemplate=f"%{{x}}: %{{y:.3g}}<br>{_wrapped(series.caveat)}<extra>{series.name}</extra>",
        )
    style(figure, 400)
    everything = [v for values in errors.values() for v in values] + [
        float(value) for series in paper for name, value in series.values.items() if name in errors
    ]
    _error_axis(figure, everything, "largest error ‖e‖ found in an image")
    return figure


def refinement_lines(passes: Sequence[int], errors: Sequence[Sequence[float]], images: Sequence[int]) -> go.Figure:
    """The bound on the error against the number of refinement passes: a thin line for each image, a thick one for the mean."""
    figure = go.Figure()
    for number, (image, values) in enumerate(zip(images, errors, strict=True)):
        figure.add_scatter(
            x=list(passes),
            y=list(values),
            mode="lines",
            line={"color": GREY, "width": 1},
            opacity=0.6,
            name="each image",
            legendgroup="images",
            showlegend=number == 0,
            hovertemplate=f"image {image}: %{{y:.3g}}<extra></extra>",
        )
    if errors:
        means = [sum(values[k] for values in errors) / len(errors) for k in range(len(passes))]
        figure.add_scatter(
            x=list(passes),
            y=means,
            mode="lines+markers",
            line={"color": PROVED, "width": 3},
            marker={"size": 8},
            name="mean over images, proved",
            hovertemplate="%{x} passes: %{y:.3g}<extra>mean</extra>",
        )
    style(figure, 400)
    figure.update_xaxes(title="refinement passes", tickvals=list(passes))
    figure.update_yaxes(title="bound on the error E", rangemode="tozero")
    return figure


# ----------------------------------------------------------------------------------------------------------------- style


def _colour(name: str) -> str:
    """The colour of a share's bar."""
    if name.startswith(("certified", "verified", "original certified")):
        return PROVED
    return OTHER if name.startswith("changed") else COUNTED


def _open(number: int) -> dict[str, object]:
    return {"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 12, "color": GREY, "line": {"width": 2.5}}


def _spaced(unit: str) -> str:
    return unit if unit == "°" else f" {unit}"


def _broken(name: str) -> str:
    """The name of a bar on lines of its own, so that it can stand upright below a narrow bar."""
    for text, lines in (("adv. ", "adv.<br>"), (" radius", "<br>radius"), (" at ", "<br>"), (" too", "<br>too")):
        name = name.replace(text, lines)
    return name.replace(" and ", "<br>and ").replace(" with ", "<br>with ")


def _wrapped(text: str, width: int = 50) -> str:
    """Text of a hover box on lines that a telephone can show."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)


def _error_axis(figure: go.Figure, values: Sequence[float], title: str) -> None:
    least, most = min(values, default=0.0), max(values, default=1.0)
    if least > 0 and most / least > RANGE_OF_LINEAR_AXES:
        low, high = math.floor(math.log10(least) * 4) / 4, math.ceil(math.log10(most) * 4) / 4
        figure.update_yaxes(title=f"{title} (log scale)", type="log", range=[low, high], dtick="D2")
    else:
        figure.update_yaxes(title=title, range=[0, 1.08 * most or 1])
