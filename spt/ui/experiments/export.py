"""The export area of the page "Experiments": rows, line, command and Python that make the same."""

import dataclasses
import shlex
from functools import partial

import streamlit as st

from spt.experiments import Experiment
from spt.experiments.files import json_text
from spt.experiments.tables import as_csv, as_record
from spt.ui.experiments.request import ExperimentRequest, Result
from spt.ui.experiments.run import device
from spt.ui.shared import folded


def command(request: ExperimentRequest) -> str:
    """The command line that makes this result: for a stored one see `Stored.command`."""
    if request.stored is not None:
        return request.stored.command
    words = [request.kind.name, "--preset", "quick"]
    words += [word for name, value in request.given.items() for word in (f"--{name}", str(value))]
    return f"python -m spt run {shlex.join(words)} --out runs"


def code(experiment: Experiment) -> str:
    """Python that makes this result and prints its line beside the paper's."""
    given = {
        field.name: getattr(experiment, field.name)
        for field in dataclasses.fields(experiment)
        if getattr(experiment, field.name) != field.default
    }
    settings = ", ".join(f"{name}={value!r}" for name, value in given.items())
    return "\n".join(
        [
            "from pathlib import Path",
            "",
            "from spt.experiments import get_experiment, open_store, run",
            "from spt.experiments.tables import as_markdown, beside_the_paper",
            "",
            f"experiment = get_experiment({experiment.name!r})({settings})",
            'rows = run(experiment, open_store(experiment, Path("runs")))  # goes on where it was stopped',
            "print(as_markdown(beside_the_paper(experiment, experiment.summary(rows))))",
        ]
    )


def line_as_json(request: ExperimentRequest, result: Result) -> str:
    """The line, its settings and how it was made; a provisional one says so."""
    if request.stored is not None:
        return request.stored.json
    record = as_record(result.experiment, result.rows, command(request), device())
    if not result.complete:
        record = {"PROVISIONAL": f"{result.done} of {result.of} rows"} | record
    return json_text(record, indent=2) + "\n"


def show(request: ExperimentRequest, result: Result | None) -> None:
    """Downloads, where there is something to download, and what reproduces it; folded."""
    folded.area("Export: rows, line, command, Python", folded.EXPORT, lambda: _show(request, result))


def _show(request: ExperimentRequest, result: Result | None) -> None:
    if result is not None and result.done:
        _show_downloads(request, result)
    st.caption("The same on a command line; it goes on where it was stopped:")
    st.code(command(request), language="bash", wrap_lines=True)
    st.code(code(request.experiment), language="python", wrap_lines=True)


def _show_downloads(request: ExperimentRequest, result: Result) -> None:
    rows = request.stored.csv if request.stored is not None else as_csv(result.rows)
    stem = result.experiment.stem + ("" if result.complete else "-provisional")
    first, second = st.columns(2)
    first.download_button(
        "Rows as CSV",
        rows,
        f"{stem}.csv",
        "text/csv",
        key="experiment_csv",
        icon=":material/table:",
        on_click="ignore",
        width="stretch",
    )
    second.download_button(
        "Line as JSON",
        partial(line_as_json, request, result),
        f"{stem}.json",
        "application/json",
        key="experiment_json",
        icon=":material/data_object:",
        on_click="ignore",
        width="stretch",
    )
