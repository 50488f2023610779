"""Which figure an experiment has, from its rows."""

import re

import plotly.graph_objects as go
import streamlit as st

from spt.experiments import Experiment, Share
from spt.experiments.experiment import UNITS
from spt.experiments.refinement import PASSES
from spt.experiments.table11 import VARIANTS
from spt.experiments.tables import as_text, paper_lines
from spt.figures import experiments as figures
from spt.figures.experiments import PaperSeries
from spt.ui.experiments.request import Result
from spt.ui.experiments.table import paper_names

CHART = "experiment_figure"
"""The key of the figure on the page."""
STRIPS = {"table11": VARIANTS, "bicubic": ("bilinear", "bicubic")}


def paper_series(experiment: Experiment, by_size: bool = False) -> list[PaperSeries]:
    """The paper's lines for a figure: numbers by column, or certified accuracies by size."""
    lines = paper_lines(experiment)
    series = []
    for name, line in zip(paper_names(lines), lines, strict=True):
        values: dict[str | float, float] = {}
        for column, value in line.cells.items():
            size = re.match(r"cert\. acc\. ([0-9.]+)", column)
            if isinstance(value, float | int) and bool(size) == by_size:
                values[float(size[1]) if size else column] = float(value)
        mark = " (not proved)" if line.caveat else ""
        series.append(PaperSeries(f"{name}{mark}", line.caveat, values))
    return [each for each in series if each.values]


def figure_of(result: Result) -> tuple[go.Figure, str] | None:
    """The figure of an experiment and a description for screen readers; None as long as there is nothing to draw."""
    experiment, rows = result.experiment, result.rows["images"]
    reaches = experiment.certified(result.rows)
    if reaches is not None:
        unit = UNITS.get(experiment.transform, "").strip()
        limit = float(getattr(experiment, "limit"))  # noqa: B009 - experiments that certify have one
        if experiment.box(limit) != limit:
            reaches = [100 * reach / limit if reach >= 0 else reach for reach in reaches]
            limit, unit = 100.0, "% of Γ"
        figure = figures.certified_curve(
            reaches, limit, unit, paper_series(experiment, by_size=True), band=result.complete
        )
        return figure, f"Certified accuracy against the size of the transformation. {_in_words(result)}"
    if not rows:
        return None
    if experiment.name in STRIPS:
        errors = {name: [float(row[name]) for row in rows] for name in STRIPS[experiment.name]}
        figure = figures.error_strips(errors, [row["image"] for row in rows], paper_series(experiment))
        return figure, f"Largest errors of {len(rows)} images. {_in_words(result)}"
    if experiment.name == "refinement":
        figure = figures.refinement_lines(PASSES, [row["error"] for row in rows], [row["image"] for row in rows])
        return figure, f"Error against refinement passes, {len(rows)} images. {_in_words(result)}"
    shares = {name: cell for name, cell in result.summary.items() if isinstance(cell, Share)}
    if not any(share.of for share in shares.values()):
        return None
    return figures.share_bars(shares, paper_series(experiment), result.complete), f"Bars. {_in_words(result)}"


def _in_words(result: Result) -> str:
    return "; ".join(f"{name} {as_text(cell)}" for name, cell in result.summary.items() if cell is not None)


def show(result: Result) -> None:
    """The figure, with one sentence on what is seen."""
    found = figure_of(result)
    if found is None:
        st.caption("The figure appears with the first image.")
        return
    figure, alt = found
    st.container(key=CHART).plotly_chart(
        figure, alt=alt, config={"displaylogo": False, "toImageButtonOptions": {"format": "svg"}}
    )
    st.caption(_caption(result.experiment, result))


def _caption(experiment: Experiment, result: Result) -> str:
    count = len({row["image"] for row in experiment.counted(result.rows)})
    many = f"{count} image" + ("" if count == 1 else "s")
    if experiment.certified(result.rows) is not None:
        return (
            f"The share of {many} for which every transformation up to this size is certified not to change g’s answer, which "
            "is right." + (" Filled: ours; open markers: the paper’s." if paper_lines(experiment) else "")
        )
    if experiment.name in STRIPS:
        paper = " Open markers: the largest error in the paper." if paper_lines(experiment) else ""
        return f"A point for each of {many}, with median and quartiles.{paper}"
    if experiment.name == "refinement":
        return f"A thin line for each of {many}; the thick one is their mean."
    return f"Shares of {many}. Filled: ours" + ("; hatched: the paper’s." if paper_lines(experiment) else ".")
