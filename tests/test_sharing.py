"""The menu Share of every page: in one order and in the same words; its Python is run, and prints the numbers on the screen."""

import contextlib
import csv
import io
import json
import re
import shlex
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from spt.__main__ import main
from spt.certificates import rounded_up
from spt.experiments import configure, get_experiment, open_store, run
from spt.experiments.table11 import Table11
from spt.experiments.tables import write_tables
from spt.ui.shared import share
from spt.ui.shared.rounding import about, at_most
from spt.ui.shared.share import Shared
from tests.pages import assert_healthy, texts, titles, visit

HEADINGS = [
    "**Link** to what is seen",
    "**Picture**",
    "**Numbers**",
    "**Command**",
    "**Python**, which prints these numbers",
]
QUICK = {"dataset": "digits", "images": 1, "n_betas": 2, "n_points": 5}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the Python is run; results and runs of this test alone, and an experiment that takes a second."""
    monkeypatch.setenv("SPT_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("SPT_RUNS", str(tmp_path / "page"))
    monkeypatch.setattr(Table11, "quick", QUICK)
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shared(app: AppTest) -> Shared:
    """What the page offers."""
    made = app.session_state[share.OFFERED]()
    assert isinstance(made, Shared)
    return made


def printed(app: AppTest) -> str:
    """What the Python on the page prints."""
    [code] = [block.value for block in app.code if block.language == "python"]
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        exec(compile(code, "page", "exec"), {})
    return written.getvalue()


# ------------------------------------------------------------------------------------- the same number, page by page


def same_votes(app: AppTest, output: str) -> None:
    shown = re.search(r"within \*\*(.+?)\*\* of this image", texts(app))
    assert shown is not None and f"heuristic radius {shown[1]}" in output


def same_certificate(app: AppTest, output: str) -> None:
    certificate = app.session_state["certify_run"].certificate
    assert certificate.statement() in texts(app).replace("\\", "")
    assert certificate.explain() in output and output.rstrip().endswith("True")
    assert f"{certificate.network_calls:,} network calls" in output and len(certificate.points) > 0


def same_errors(app: AppTest, output: str) -> None:
    numbers = dict(line.rsplit(": ", 1) for line in output.strip().splitlines())
    assert f"norm {about(float(numbers.pop('e at gamma')))}" in titles(app)
    assert len(numbers) == 4
    for name, value in numbers.items():
        assert f"≤ **{at_most(float(value))}**" in texts(app), name
    [command] = [block.value for block in app.code if block.language == "bash"]
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        main([*shlex.split(command)[3:], "--json"])
    bounds = {one["method"]: one["value"] for one in json.loads(written.getvalue())["bounds"]}
    assert bounds["interval"] == pytest.approx(float(numbers["interval_bound"]), rel=1e-4)  # of the image in float32


def same_inverse(app: AppTest, output: str) -> None:
    metrics = {each.label: each.value for each in app.metric}
    share_of, width = (re.search(rf"{name}: (\S+)", output) for name in ("share", "mean width"))
    assert share_of is not None and width is not None
    assert metrics["Survives of the range Γ"] == f"{rounded_up(100 * float(share_of[1]))} %"
    assert metrics["Mean width, all"] == rounded_up(float(width[1]))


def same_line(app: AppTest, output: str) -> None:
    ours = next(line for line in output.splitlines() if "ours" in line)
    assert [cell.strip() for cell in ours.split("|")[2:-1]] == app.table[0].value.iloc[:, 0].tolist()


# --------------------------------------------------------------------------------------------------------- the pages


@dataclass(frozen=True)
class SharingPage:
    """A page in a state that is quick to compute; ``prepare`` puts files where it looks, ``press`` starts what waits for it."""

    page: str
    parameters: dict[str, Any]
    same: Callable[[AppTest, str], None]
    prepare: Callable[[Path, pytest.MonkeyPatch], dict[str, str]] = lambda folder, monkeypatch: {}
    press: str = ""


def store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A result that was measured, in the folder of stored ones."""
    experiment = configure(get_experiment("table11"), "quick")
    write_tables(
        experiment,
        run(experiment, open_store(experiment, folder / "before")),
        folder / "results",
        "python -m spt run table11",
    )
    return {"results": "stored"}


def own_pictures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A folder of a person's own pictures, which the server has been started with."""
    (folder / "my own" / "seven").mkdir(parents=True)
    for number in (1, 2):
        Image.linear_gradient("L").rotate(40 * number).resize((28, 28)).save(
            folder / "my own" / "seven" / f"{number}.png"
        )
    monkeypatch.setenv("SPT_DATASET", str(folder / "my own"))
    return {"experiment_dataset": str(folder / "my own"), "experiment_classifier": "mnist-rotation"}


INVERSE = {"angle": "2", "interp_range": ["-3", "3"], "inverse_splits": "10", "inverse_refinements": "1"}
PAGES = {
    "votes": SharingPage("votes", {"n": "50", "pace": "fast"}, same_votes),
    "certify, cells": SharingPage(
        "certify", {"rotation_limit": "1", "cell_width": "1"}, same_certificate, press="certify_start"
    ),
    "certify, one ball": SharingPage(
        "certify", {"form": "one ball", "n_gamma": "20", "rotation_limit": "2"}, same_certificate, press="certify_start"
    ),
    "interpolation, rotation": SharingPage(
        "interpolation", {"splits": "10", "angle": "-7.5", "sample": "-40"}, same_errors
    ),
    "interpolation, translation": SharingPage(
        "interpolation",
        {"transform": "translation", "classifier": "mnist-translation", "dx": "0.5", "splits_px": "4"},
        same_errors,
    ),
    "inverse": SharingPage("inverse", INVERSE, same_inverse),
    "inverse, received": SharingPage("inverse", INVERSE | {"inverse_input": "received as it is"}, same_inverse),
    "inverse, the paper's example": SharingPage(
        "inverse", INVERSE | {"inverse_input": "the paper’s example"}, same_inverse
    ),
    "experiments, quick": SharingPage("experiments", {"experiment": "table11"}, same_line, press="experiment_start"),
    "experiments, stored": SharingPage("experiments", {"experiment": "table11"}, same_line, store),
    "experiments, own pictures": SharingPage(
        "experiments", {"experiment": "table11", "results": "quick"}, same_line, own_pictures, "experiment_start"
    ),
}


def opened(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page with its result, and the menu open."""
    one = PAGES[name]
    app = visit(f"explore/{one.page}.py", one.parameters | one.prepare(folder, monkeypatch), timeout=120)
    if one.press in {button.key for button in app.button}:
        app.button(key=one.press).click().run()
    until = time.monotonic() + 60
    while "experiment_stop" in {button.key for button in app.button}:
        assert time.monotonic() < until, "the run does not end"
        time.sleep(0.1)
        app.run()
    assert_healthy(app)
    return app


@pytest.mark.parametrize("name", PAGES)
def test_the_python_of_a_page_prints_the_numbers_on_the_screen(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(name, folder, monkeypatch)
    PAGES[name].same(app, printed(app))
    offered = shared(app)
    headings = [each.value for each in app.markdown if each.value in HEADINGS]
    assert headings == HEADINGS and share.WAIT not in texts(app)
    assert bool(offered.command) == any(block.language == "bash" for block in app.code)
    assert offered.command.startswith("python -m spt ") or (
        not offered.command and offered.without_command in texts(app)
    )
    assert offered.pictures and offered.files
    for picture in offered.pictures:
        assert bool(picture.svg) != bool(picture.chart)
        if picture.svg:
            assert ET.fromstring(picture.svg).attrib["viewBox"]
    for file in offered.files:
        made = file.make()
        if file.file.endswith(".json"):
            assert json.loads(made)
        elif file.file.endswith(".csv"):
            rows = list(csv.reader(line for line in str(made).splitlines() if not line.startswith("#")))
            assert len(rows) > 1 and {len(row) for row in rows} == {len(rows[0])}


# ----------------------------------------------------------------------------------------------------------- the menu


@pytest.mark.parametrize("page", ["start", "learn", "tours"])
def test_a_page_that_computes_nothing_offers_its_link(page: str) -> None:
    app = visit(f"explore/{page}.py", {})
    assert_healthy(app)
    assert [each.value for each in app.markdown if each.value in HEADINGS] == HEADINGS[:1]
    assert share.WAIT not in texts(app) and not app.code


def keys(app: AppTest) -> set[str]:
    """Of the menu's parts that are sent to the browser."""
    return {each.key for each in app.get("bidi_component") if each.key.startswith("share")}


def test_nothing_is_made_before_the_menu_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit("explore/votes.py", {"n": "50", "pace": "fast"}, unfolded=False)
    assert_healthy(app)
    assert keys(app) == {"share_link"} and not app.code and not app.get("download_button")
    assert share.WAIT not in texts(app)


def test_a_page_without_a_result_says_so_in_one_line() -> None:
    app = visit("explore/votes.py", {"source": "upload"})
    assert texts(app).count(share.WAIT) == 1 and keys(app) == {"share_link"}


def test_a_run_that_was_stopped_has_command_and_python_and_says_what_is_missing() -> None:
    app = visit("explore/votes.py", {"n": "50", "pace": "fast"})
    stopped = app.session_state["votes_run"]
    stopped.certificate, stopped.prediction, stopped.status = None, None, "stopped"
    app.session_state["votes_run"] = stopped
    app.run()
    assert_healthy(app)
    assert texts(app).count(share.WAIT) == 2 and [block.language for block in app.code] == ["bash", "python"]
    assert keys(app) == {"share_link", "share_copy_command", "share_copy_python"}


def test_the_files_of_votes_hold_the_votes_on_the_screen() -> None:
    app = visit("explore/votes.py", {"n": "50", "pace": "fast"})
    files = {each.file: each.make() for each in shared(app).files or ()}
    lines = [line for line in str(files["votes.csv"]).splitlines() if not line.startswith("#")]
    counts = app.session_state["votes_run"].certificate.counts
    assert [int(row["votes"]) for row in csv.DictReader(lines)] == list(counts) and sum(counts) == 50
    assert json.loads(files["certificate.json"])["counts"] == list(counts)


def test_the_samples_of_a_certificate_are_those_of_its_cells(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("certify, cells", folder, monkeypatch)
    certificate = app.session_state["certify_run"].certificate
    [text] = [each.make() for each in shared(app).files or () if each.file == "samples.csv"]
    rows = list(csv.DictReader(line for line in str(text).splitlines() if not line.startswith("#")))
    assert [float(row["radius"]) for row in rows] == list(certificate.radii)
    assert [int(row["cell"]) for row in rows] == [
        cell for cell, size in enumerate(certificate.sizes, 1) for _ in range(size)
    ]
    assert {row["proved"] for row in rows} == {str(each) for each in certificate.accepted}
