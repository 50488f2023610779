"""What the page "Experiments" shares: its figure, rows and line as files, and the command and the Python that make the same."""

import dataclasses
import shlex
from functools import partial

from spt.experiments import Experiment
from spt.experiments.files import json_text
from spt.experiments.tables import as_csv, as_record
from spt.ui.experiments import figure
from spt.ui.experiments.request import ExperimentRequest, Result, title_of
from spt.ui.experiments.run import device
from spt.ui.shared.share import Shared, SharedFile, SharedPicture


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


def shared(request: ExperimentRequest, result: Result | None) -> Shared:
    """All of it; of a run that was stopped what has come so far, which says that it is provisional."""
    some = result is not None and bool(result.done)
    return Shared(
        request.experiment.stem,
        _pictures(result) if result is not None and some else None,
        _files(request, result) if result is not None and some else None,
        code(request.experiment),
        command(request),
    )


def _pictures(result: Result) -> tuple[SharedPicture, ...] | None:
    found = figure.figure_of(result)
    if found is None:
        return None
    provisional = "" if result.complete else f"PROVISIONAL, {result.done:,} of {result.of:,} rows: "
    words = f"{title_of(type(result.experiment))}. {provisional}{found[1]}"
    return (SharedPicture("The figure", _stem(result), chart=figure.CHART, words=words),)


def _stem(result: Result) -> str:
    return result.experiment.stem + ("" if result.complete else "-provisional")


def _files(request: ExperimentRequest, result: Result) -> tuple[SharedFile, ...]:
    stem = _stem(result)
    return (
        SharedFile("Rows as CSV", f"{stem}.csv", "text/csv", partial(rows_as_csv, request, result)),
        SharedFile("Line as JSON", f"{stem}.json", "application/json", partial(line_as_json, request, result)),
    )


def rows_as_csv(request: ExperimentRequest, result: Result) -> str:
    """A line for each row; of a stored result its file."""
    return request.stored.csv if request.stored is not None else as_csv(result.rows)
