"""The page "Experiments", driven by Streamlit's AppTest, its figures, and stored results: what is on the screen is what the
rows say, and what is not complete says so."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from spt.certificates import CellsCertificate
from spt.experiments import EXPERIMENTS, Experiment, Row, Share, configure, get_experiment
from spt.experiments.bicubic import Bicubic
from spt.experiments.radius import Radius
from spt.experiments.refinement import PASSES
from spt.experiments.stored import list_stored, load_stored
from spt.experiments.table11 import Table11
from spt.experiments.tables import paper_lines, write_tables
from spt.figures import experiments as figures
from spt.figures.experiments import PaperSeries
from spt.progress import silent
from spt.transforms import get_transform
from spt.ui.certify import page as certify
from spt.ui.experiments import figure, rows, run, table
from spt.ui.experiments.request import make_result
from spt.ui.interpolation import page as interpolation
from spt.ui.shared import gate
from spt.ui.shared.markdown import escape
from spt.ui.shared.presets import PRESETS
from spt.ui.votes import page as votes
from tests.pages import assert_healthy, downloads, texts, visit

CHEAP = {"dataset": "digits", "images": 2}


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results and runs of this test alone, and quick presets that take a second; the folder of results."""
    monkeypatch.setenv("SPT_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("SPT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(Table11, "quick", CHEAP | {"n_betas": 2, "n_points": 5})
    monkeypatch.setattr(Bicubic, "quick", CHEAP | {"n_betas": 2, "n_points": 5})
    monkeypatch.setattr(Radius, "quick", CHEAP | {"n_votes": 100, "k": 4})
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def row_of(name: str, image: int) -> dict[str, Any]:
    """A row as the experiment's `measure` returns it; even images are right, odd ones are not certified."""
    right = image % 2 == 0
    label, truth = image if right else None, image
    usual: dict[str, Any] = {"image": image, "truth": truth, "seconds": 1.5}
    answers = {"label": label, "radius": 12.5 if right else 0.0}
    special: dict[str, dict[str, Any]] = {
        "table2": {
            "b": image,
            "points": [[5.0], [4.0], [3.0]],
            "b_attacked": [image, 9, 9],
            "g_attacked": [image, None, 9],
            "f": image,
            "f_points": [[7.0], [6.0], [5.0]],
            "f_attacked": [image, image, 9],
            "g_attacked_via_f": [image, image, None],
            "g": image,
        },
        "table3": {"b": image, **answers},
        "table4": {"error": 0.3, **answers, "certified share": 0.25, "samples": 60, "cells": 4, "votes": 2000},
        "indiv": {"point": [-7.5], "answer": image, "surviving": 0.03, "error": 0.2, **answers}
        | {"received": image, "samples": 30, "cells": 2, "votes": 1060},
        "table11": {"Both": 0.4, "-V": 0.4, "-G": 2.0 + image, "-V-G": 2.5 + image},
        "refinement": {
            "point": [3.0],
            "width": [0.01] * 6,
            "error": [1.0, 0.9, 0.8, 0.7, 0.6, 0.5],
            "surviving": [0.1] * 6,
        },
        "table12": {
            f"{key}{suffix}": value
            for suffix in ("", " with V")
            for key, value in (("answer", image), ("verified", right), ("share", 1.0), ("counterexample", None))
        },
        "bicubic": {"bilinear": 0.5 + image, "bicubic": 0.4},
        "radius": answers
        | {
            key: value
            for part in (0.5, 0.95, 1.25)
            for key, value in ((f"answer {part:g}", label), (f"point {part:g}", [part] if right else None))
        },
    }
    return usual | special[name]


def some_rows(experiment: Experiment) -> dict[str, list[dict[str, Any]]]:
    """Rows for every image, and for the earlier stages."""
    found = {stage: [] for stage in experiment.stages}
    found["images"] = [row_of(experiment.name, item) for item in range(experiment.items("images"))]
    for stage in experiment.stages[:-1]:
        found[stage] = [
            {"image": 39 - item, "sha256": f"{stage}{item:04}", "largest": 0.5, "exceeding": 0}
            for item in range(experiment.items(stage))
        ]
    return found


def store(folder: Path, name: str, images: int = 4, **given: Any) -> Experiment:
    """Stored results of an experiment."""
    experiment = configure(get_experiment(name), "quick", images=images, **given)
    write_tables(
        experiment, some_rows(experiment), folder, f"python -m spt run {name} --preset quick --images {images}"
    )
    return experiment


def open_page(**parameters: str) -> AppTest:
    return visit("explore/experiments.py", parameters, timeout=120)


def wait(app: AppTest, seconds: float = 60) -> AppTest:
    """Look again until the run has ended (AppTest does not look by itself)."""
    until = time.monotonic() + seconds
    while "experiment_stop" in {button.key for button in app.button}:
        assert time.monotonic() < until, "the run does not end"
        time.sleep(0.2)
        app.run()
    return app


# ---------------------------------------------------------------------------------------------------------------- stored


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_shows_its_stored_results_beside_the_paper_s(folders: Path, name: str) -> None:
    experiment = store(folders, name)
    app = open_page(experiment=name)
    assert_healthy(app)
    text = texts(app)
    network = experiment.provenance()["classifier_sha256"][:12]
    assert (
        experiment.question in text
        and "STORED" in text
        and f", network {network}…" in text
        and "PROVISIONAL" not in text
    )
    table = app.table[0]
    assert len(app.table) == (2 if name == "table4" else 1)
    assert [head.partition(",")[0] for head in table.value.columns] == ["ours"] + ["paper"] * len(
        paper_lines(experiment)
    )
    for line, head in zip(paper_lines(experiment), table.value.columns[1:], strict=True):
        assert ("not proved" in head) == bool(line.caveat)
    for line in (line for line in paper_lines(experiment) if line.caveat):
        assert f"not proved] The paper’s line: {line.caveat}" in text
    assert experiment.note in text
    assert len(app.get("plotly_chart")) == 1
    assert {"Rows as CSV", "Line as JSON"} <= downloads(app)
    assert any(block.value == f"python -m spt run {name} --preset quick --images 4" for block in app.code)


def test_the_table_has_the_interval_of_each_share(folders: Path) -> None:
    store(folders, "table4")
    table = open_page().table[0]
    band = Share(2, 4).band()
    assert band is not None
    shown = table.value.iloc[:, 0]["cert. acc. 10°".replace(" ", "\u00a0")]
    assert shown == f"**0.500** \\[{band[0]:.3f},\u00a0{band[1]:.3f}\\]"
    assert table.value.iloc[:, 0]["cert. acc. 20°".replace(" ", "\u00a0")].startswith("**0.000**")


@pytest.mark.parametrize("lost", ["csv", "json"])
def test_half_a_result_is_listed_and_one_sentence(folders: Path, lost: str) -> None:
    store(folders, "table11")
    half = store(folders, "table11", images=3, transform="translation")
    (folders / f"{half.stem}.{lost}").unlink()
    app = open_page(experiment="table11", table11_result="digits-translation-1")
    assert not app.exception
    [error] = app.error
    assert escape(f"has lost {half.stem}.{lost}: a result is both files") in error.value
    app.selectbox(key="table11_result").set_value("digits-rotation-30").run()
    assert_healthy(app)


def test_images_of_unknown_class_are_left_out_and_said(folders: Path) -> None:
    experiment = configure(EXPERIMENTS["table4"], "quick", images=4)
    found = some_rows(experiment)
    found["images"][1] |= {"truth": None}
    write_tables(experiment, found, folders, "")
    app = open_page()
    assert_healthy(app)
    assert "Left out: 1 image whose class is not known" in texts(app) and "The share of 3 images for which" in texts(
        app
    )
    table = app.table[0]
    assert table.value.iloc[:, 0]["left out, of unknown class".replace(" ", "\u00a0")] == "1"


def test_results_that_were_made_before_their_network_was_recorded_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPT_RESULTS")
    for name in ("table2", "table4", "indiv", "table11", "refinement"):
        app = open_page(experiment=name, table2_result="mnist-rotation-30", table4_result="mnist-rotation-50")
        assert_healthy(app)
        assert "STORED] measured on " in texts(app) and "before networks were recorded" in texts(app)


def test_table_2_begins_with_the_ordinary_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contrast of the paper's table is what a visitor sees first, with the columns of f."""
    monkeypatch.delenv("SPT_RESULTS")
    app = open_page(experiment="table2")
    assert_healthy(app)
    assert app.selectbox(key="table2_result").value == "mnist-rotation-30-ordinary"
    ours = {name.replace("\u00a0", " "): text for name, text in app.table[0].value.iloc[:, 0].items()}
    assert float(ours["adv. acc. b"]) < 0.8 < 0.95 < min(float(ours["adv. acc. g"]), float(ours["adv. acc. g via f"]))


def test_a_quick_run_begins_anew_with_another_network_or_other_data(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = configure(Table11, "quick")
    folder = run.folder_of(experiment)
    assert run.folder_of(configure(Table11, "quick", images=3)) == folder
    for name, value in (("provenance", {"classifier_sha256": "0"}), ("about", {"image": 0, "sha256": "0"})):
        run._made_from.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(Table11, name, lambda *_, value=value: value)
            assert run.folder_of(experiment) != folder
    run._made_from.cache_clear()


def test_several_results_can_be_chosen_and_are_in_the_address(folders: Path) -> None:
    store(folders, "table11")
    store(folders, "table11", images=3, transform="translation")
    app = open_page(experiment="table11", table11_result="digits-translation-1")
    assert_healthy(app)
    assert app.selectbox(key="table11_result").value == "digits-translation-1"
    assert "The paper has no line" in texts(app)
    app.selectbox(key="table11_result").set_value("digits-rotation-30").run()
    assert_healthy(app)
    assert "not proved" in texts(app)


def test_results_of_fewer_rows_than_asked_for_are_provisional(folders: Path) -> None:
    experiment = configure(Table11, "quick", images=4)
    write_tables(experiment, {"images": some_rows(experiment)["images"][:3]}, folders, "")
    app = open_page(experiment="table11")
    assert_healthy(app)
    assert "PROVISIONAL] stored with 3 of 4 rows" in texts(app)


@pytest.mark.parametrize("content", ["{", "{}", '{"settings": {"experiment": "table2"}, "line": {}}', "[]"])
def test_a_broken_result_is_one_sentence(folders: Path, content: str) -> None:
    (folders / "table4-mnist-rotation.json").write_text(content)
    (folders / "table4-mnist-rotation.csv").write_text("stage,image\n")
    app = open_page()
    assert not app.exception
    [error] = app.error
    assert "are not a result of table4" in error.value


@pytest.mark.parametrize("there", [True, False])
def test_without_stored_results_the_quick_run_is_offered(folders: Path, there: bool) -> None:
    if not there:
        folders.rmdir()
    app = open_page(experiment="table11")
    assert_healthy(app)
    assert app.segmented_control(key="results").value == "quick" and "Nothing has been measured" in texts(app)
    app.segmented_control(key="results").set_value("stored").run()
    assert_healthy(app)
    assert "no stored results" in app.info[0].value and len(app.table) == 1
    app.button(key="experiment_to_quick").click().run()
    wait(app)
    assert_healthy(app)
    assert "all 2 rows are in" in texts(app)


def test_an_image_whose_data_set_is_not_here_is_one_sentence(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPT_DATA", str(folders))
    experiment = configure(EXPERIMENTS["table4"], "full", dataset="fashion-mnist", classifier="mnist-plain", images=2)
    write_tables(experiment, some_rows(experiment), folders, "")
    app = open_page()
    assert_healthy(app)
    assert "cannot be shown here: fashion-mnist is not here yet" in app.info[0].value
    [link] = [element.proto for element in app.get("page_link")]
    assert link.query_string == "source=fashion-mnist"


def test_stored_files_are_read_as_they_were_written(folders: Path) -> None:
    for name, kind in EXPERIMENTS.items():
        experiment = store(folders, name)
        [stem] = list_stored(folders, kind)
        found = load_stored(folders, kind, stem)
        assert found.experiment == experiment and found.rows == some_rows(experiment)
        assert found.summary == experiment.summary(found.rows)


def test_the_line_of_a_result_whose_classifier_is_not_here_is_the_one_that_was_written(folders: Path) -> None:
    experiment = store(folders, "table3")
    path = folders / f"{experiment.stem}.json"
    path.write_text(path.read_text().replace("mnist-rotation-fine", "not-here"))
    found = load_stored(folders, EXPERIMENTS["table3"], experiment.stem)
    share = found.summary["acc. b"]
    assert isinstance(share, Share) and (share.count, share.of, share.band()) == (4, 4, None)
    app = open_page(experiment="table3")
    assert_healthy(app)
    assert "cannot be shown here" in app.info[0].value


# ------------------------------------------------------------------------------------------------------------ quick runs


@pytest.mark.parametrize("name", ["table11", "bicubic", "radius"])
def test_a_quick_run_measures_what_the_command_measures(name: str) -> None:
    app = open_page(experiment=name)
    assert "Nothing has been measured" in texts(app) and not downloads(app)
    app.button(key="experiment_start").click().run()
    wait(app)
    assert_healthy(app)
    assert "all 2 rows are in" in texts(app) and "PROVISIONAL" not in texts(app)
    experiment = configure(get_experiment(name), "quick")
    [row, _] = run.kept_rows(experiment)["images"]
    expected = experiment.measure("images", 0, {}, run.device())
    assert {k: v for k, v in row.items() if k != "seconds"} == {k: v for k, v in expected.items() if k != "seconds"}
    assert any(block.value == f"python -m spt run {name} --preset quick --out runs" for block in app.code)


def test_more_images_go_on_and_another_seed_begins_anew() -> None:
    app = open_page(experiment="table11")
    app.button(key="experiment_start").click().run()
    wait(app)
    app.number_input(key="table11_images").set_value(3).run()
    assert_healthy(app)
    assert "PROVISIONAL] stopped after 2 of 3 rows" in texts(app)
    assert any(block.value.endswith("--images 3 --out runs") for block in app.code)
    assert app.button(key="experiment_start").label == "Go on"
    app.button(key="experiment_start").click().run()
    wait(app)
    assert "all 3 rows are in" in texts(app)
    app.text_input(key="seed_typed").set_value("1").run()
    assert "Nothing has been measured" in texts(app)


def test_stop_keeps_the_rows_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = Table11.measure

    def slow(self: Table11, *arguments: Any) -> Any:
        time.sleep(0.5)
        return measure(self, *arguments)

    monkeypatch.setattr(Table11, "measure", slow)
    app = open_page(experiment="table11", table11_images="30")
    app.button(key="experiment_start").click().run()
    assert_healthy(app)
    until = time.monotonic() + 60
    while "figure appears" in texts(app):
        assert time.monotonic() < until
        time.sleep(0.2)
        app.run()
    assert "PROVISIONAL" in app.table[0].value.columns[0] and "of 30 rows" in app.get("progress")[0].proto.text
    assert not downloads(app)
    app.button(key="experiment_stop").click().run()
    assert_healthy(app)
    text = texts(app)
    assert (
        "PROVISIONAL] stopped after" in text
        and "of 30 rows" in text
        and app.button(key="experiment_start").label == "Go on"
    )
    assert "PROVISIONAL" in app.table[0].value.columns[0] and "Rows as CSV" in downloads(app)
    worker = app.session_state["experiment_worker"]
    worker._thread.join(30)
    kept = run.kept_rows(configure(Table11, "quick", images=30))["images"]
    assert 1 <= len(kept) < 30
    app.number_input(key="table11_images").set_value(len(kept) + 1).run()
    app.button(key="experiment_start").click().run()
    wait(app)
    assert run.kept_rows(configure(Table11, "quick", images=30))["images"][: len(kept)] == kept
    assert f"all {len(kept) + 1} rows are in" in texts(app)


def test_a_run_ends_when_the_controls_say_something_else_or_its_page_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(self: Table11, stage: str, item: int, *_: Any) -> Any:
        time.sleep(0.2)
        return self.about(stage, item) | dict.fromkeys(figure.VARIANTS, 1.0)

    monkeypatch.setattr(Table11, "measure", slow)
    app = open_page(experiment="table11", table11_images="40")
    app.button(key="experiment_start").click().run()
    worker = app.session_state["experiment_worker"]
    app.selectbox(key="experiment").set_value("bicubic").run()
    assert_healthy(app)
    assert not worker.running and "Nothing has been measured" in texts(app)
    app.selectbox(key="experiment").set_value("table11").run()
    app.button(key="experiment_start").click().run()
    worker = app.session_state["experiment_worker"]
    app.switch_page("explore/start.py").run()
    assert_healthy(app)
    assert not worker.running
    monkeypatch.setattr(run, "tab_is_open", lambda: lambda: False)
    closed = run.Worker(configure(Table11, "quick", images=40), worker)
    closed._thread.join(30)
    assert closed.ended and closed.failure is None and gate.GATE.free == gate.GATE.slots


def test_a_run_that_is_stopped_ends_within_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, steps = threading.Event(), []

    def long(self: Table11, stage: str, item: int, *_: Any) -> Any:
        for number in silent(range(10_000)):
            begun.set()
            steps.append(number)
            time.sleep(0.01)
        return self.about(stage, item) | dict.fromkeys(figure.VARIANTS, 1.0)

    monkeypatch.setattr(Table11, "measure", long)
    worker = run.Worker(configure(Table11, "quick", images=2))
    assert begun.wait(30)
    worker.stop()
    worker._thread.join(30)
    assert worker.ended and worker.failure is None and len(steps) < 9_000
    assert gate.GATE.free == gate.GATE.slots


def test_runs_take_turns_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs on a server with one slot for long work: neither waits for the end of the other."""
    monkeypatch.setattr(gate, "GATE", gate.Gate(2))
    rows: list[int] = []

    def measure(self: Table11, stage: str, item: int, *_: Any) -> Any:
        rows.append(self.images)
        time.sleep(0.05)
        return self.about(stage, item) | dict.fromkeys(figure.VARIANTS, 1.0)

    monkeypatch.setattr(Table11, "measure", measure)
    workers = [run.Worker(configure(Table11, "quick", images=images, seed=images)) for images in (5, 6)]
    for worker in workers:
        worker._thread.join(60)
        assert worker.failure is None
    assert sorted(rows) == [5] * 5 + [6] * 6
    assert rows.index(6) < 4, "the second began before the first had ended"


def test_what_cannot_be_measured_is_one_sentence() -> None:
    app = open_page(experiment="table11", table11_images="41")
    app.button(key="experiment_start").click().run()
    assert not app.exception
    assert "digits has 40 images" in app.error[0].value


def test_every_control_of_a_quick_run_changes_what_reproduces_it() -> None:
    app = open_page(experiment="bicubic")
    for kind, key, value, words in [
        ("segmented_control", "transform", "translation", "--transform translation"),
        ("selectbox", "experiment_classifier", "mnist-plain", "--classifier mnist-plain"),
        ("number_input", "bicubic_images", 5, "--images 5"),
        ("text_input", "seed_typed", "7", "--seed 7"),
    ]:
        getattr(app, kind)(key=key).set_value(value).run()
        assert_healthy(app)
        assert any(words in block.value for block in app.code), key
        assert "Nothing has been measured" in texts(app)


def test_invalid_values_in_the_address_fall_back_to_defaults() -> None:
    app = open_page(experiment="table99", results="guessed", table4_row="-3", transform="squeeze")
    assert_healthy(app)
    assert app.selectbox(key="experiment").value == "table4"


# ------------------------------------------------------------------------------------------------------------------ rows


def test_a_row_shows_its_image_and_links_that_open_it(folders: Path) -> None:
    store(folders, "indiv")
    app = open_page(experiment="indiv", indiv_row="2")
    assert_healthy(app)
    text = texts(app)
    assert "CERTIFIED] **2** ✓, for less than 12.5°" not in text  # beyond Γ = ±10°
    assert "CERTIFIED] **2** ✓, within ±10°" in text
    links = {element.proto.page: element.proto.query_string for element in app.get("page_link")}
    assert len(links) == 4
    votes = dict(part.split("=") for part in next(q for page, q in links.items() if "votes" in page).split("&"))
    assert votes["source"] == "digits" and votes["digits_image"] == "2" and votes["angle"] == "-7.5"
    app.number_input(key="indiv_row").set_value(3).run()
    assert "ABSTAIN] nothing is certified" in texts(app)
    other = visit("explore/votes.py", {"pace": "fast", "n": "50"} | votes)
    assert_healthy(other)
    assert other.slider(key="angle").value == -7.5 and other.number_input(key="digits_image").value == 2


QUICK = {"n_gamma": "20", "n": "50", "splits": "10", "splits_px": "2", "inverse_splits": "10", "inverse_splits_px": "2"}


def opened(experiment: Experiment, stage: str, found: list[Row], index: int) -> rows.Opened:
    return rows.Opened(experiment, stage, found[index]["image"], rows.seed_of(experiment, stage, found, index))


@pytest.mark.parametrize("transform", ["rotation", pytest.param("translation", marks=pytest.mark.slow)])
def test_links_set_controls_that_the_pages_have(transform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for page in (votes, certify, interpolation):  # all of their controls that a link names are drawn before
        monkeypatch.setattr(page, "show", lambda *given: None)
    point, seen = [1.0, 0.5][: get_transform(transform).dimensions], set()
    for name in EXPERIMENTS:
        experiment = configure(get_experiment(name), "quick", transform=transform)
        links = rows.page_links(rows.Opened(experiment, experiment.stages[-1], 3, 2**55), 0.2, point)
        for page, parameters in links.items():
            assert parameters["digits_image"] == "3" and parameters["transform"] == transform
            if (page, *parameters) in seen:
                continue
            seen.add((page, *parameters))
            few = {each: value for each, value in QUICK.items() if each in parameters}
            app = visit(f"explore/{page}.py", parameters | few, timeout=240)
            assert_healthy(app)
            assert not app.session_state["page_state"].wrong, (name, page)
            assert not app.session_state["page_state"].given, (name, page)


def test_a_row_opens_with_what_it_was_measured_with() -> None:
    """Its range, noise, level and seed: the certificate and the votes on the pages are those of the row."""
    table4 = configure(
        get_experiment("table4"),
        "quick",
        form="one-ball",
        images=1,
        n_gamma=20,
        limit=40.0,
        parameter_sigma=25.0,
        alpha=0.02,
    )
    row = table4.measure("images", 0, {}, "cpu")
    links = rows.page_links(opened(table4, "images", [row], 0), table4.load_classifier().pixel_sigma, None)
    assert links["interpolation"]["interp_range"] == links["inverse"]["interp_range"] == ["-40", "40"]
    app = visit("explore/certify.py", links["certify"], timeout=240)
    certificate = app.session_state["certify_run"].certificate
    assert (certificate.label, certificate.radius) == (row["label"], row["radius"])
    assert sorted(certificate.radii)[len(certificate.radii) // 2] == row["error"]

    table2 = configure(get_experiment("table2"), "quick", images=1, n_votes=200)
    row = table2.measure("images", 0, {}, "cpu")
    links = rows.page_links(opened(table2, "images", [row], 0), 0.0, row["points"][0])
    app = visit("explore/votes.py", links["votes"] | {"pace": "fast"})
    assert app.session_state["votes_run"].prediction.label == row["g_attacked"][0]


def test_a_row_with_cells_opens_as_cells() -> None:
    """With the certificate of the row; rows of forms that Certify does not have are not opened there."""
    in_cells = configure(get_experiment("table4"), "quick", images=1, limit=3.0, alpha=0.02, n_cell=25, n_total=100)
    row = in_cells.measure("images", 0, {}, "cpu")
    links = rows.page_links(opened(in_cells, "images", [row], 0), in_cells.load_classifier().pixel_sigma, None)
    app = visit("explore/certify.py", links["certify"], timeout=240)
    certificate = app.session_state["certify_run"].certificate
    assert isinstance(certificate, CellsCertificate) and (certificate.n_cell, certificate.n_total) == (25, 100)
    assert (certificate.label, certificate.radius) == (row["label"], row["radius"])
    assert (len(certificate.points), certificate.network_calls) == (row["samples"], row["votes"])
    shifted = configure(get_experiment("table4"), "quick", images=1, form="shifted")
    assert "certify" not in rows.page_links(opened(shifted, "images", [row], 0), 0.3, None)


def test_a_row_of_table_2_says_who_answers_what() -> None:
    """Also f, where b is another network; a row of before there was one has neither it nor g without attack."""
    experiment = configure(get_experiment("table2"), "quick")
    row, classifier = row_of("table2", 3), experiment.load_classifier()
    data = experiment.load_images(classifier.input_shape)
    told = rows.sentences(experiment, row, classifier, data)
    for who in "bfg":
        assert f"{who} answers **3** ✓ for the image as it is." in told
    assert "f under the worst attacks on f: **3** ✓, **3** ✓, **9** ✗" in told
    assert "g under the worst attacks on f: **3** ✓, **3** ✓, ABSTAIN" in told
    old = {name: row[name] for name in ("image", "truth", "b", "points", "b_attacked", "g_attacked", "seconds")}
    assert rows.sentences(experiment, old, classifier, data) == [
        told[0],
        "b under the worst attacks: **3** ✓, **9** ✗, **9** ✗",
        "g under the worst attacks: **3** ✓, ABSTAIN, **9** ✗",
        "seconds 1.5",
    ]


def test_the_seed_of_a_row_is_that_of_its_task() -> None:
    """Also where several tasks are about one image."""
    experiment = configure(get_experiment("indiv"), "quick")
    found = [{"image": experiment.place("images", item)[1]} for item in range(experiment.items("images"))]
    for item in range(len(found)):
        assert rows.seed_of(experiment, "images", found, item) == experiment.seed_of("images", item)


def test_a_row_that_is_gone_becomes_the_first(folders: Path) -> None:
    store(folders, "table4", images=4)
    app = open_page(table4_row="3")
    assert app.number_input(key="table4_row").value == 3
    store(folders, "table4", images=2)
    app.run()
    assert_healthy(app)
    assert app.number_input(key="table4_row").value == 0


def test_stages_can_be_chosen(folders: Path) -> None:
    store(folders, "table3")
    app = open_page(experiment="table3")
    assert len(app.dataframe[0].value) == 4
    app.segmented_control(key="table3_stage").set_value("pilot").run()
    assert_healthy(app)
    assert list(app.dataframe[0].value["image"]) == [39, 38, 37, 36] and "sha256" not in app.dataframe[0].value


# --------------------------------------------------------------------------------------------------------------- figures


def test_the_steps_are_the_summary(folders: Path) -> None:
    experiment = configure(EXPERIMENTS["table4"], "quick", images=6)
    found = some_rows(experiment)
    reaches = experiment.certified(found)
    assert reaches is not None
    sizes, counts = figures.certified_steps(reaches, 50.0)
    assert sizes == pytest.approx([0.0, 12.5, 50.0]) and counts == [3, 3, 0]
    drawn = figures.certified_curve(reaches, 50.0, "°", figure.paper_series(experiment, by_size=True))
    low, high, ours, paper = drawn.data
    assert list(ours.y) == [0.5, 0.5, 0.0] and ours.line.shape == "vh"
    assert all(a <= b <= c for a, b, c in zip(low.y, ours.y, high.y, strict=True))
    band = Share(3, 6).band()
    assert band == (low.y[0], high.y[0])
    assert "not proved" in paper.name and list(paper.x) == [0, 10, 20, 30, 50] and "open" in paper.marker.symbol
    assert [trace.name for trace in figures.certified_curve(reaches, 50.0, "°", band=False).data] == ["ours, proved"]


def test_a_result_that_is_not_complete_has_no_interval() -> None:
    experiment = configure(EXPERIMENTS["table4"], "quick", images=6)
    found = {"images": some_rows(experiment)["images"][:4]}
    result = make_result(experiment, found)
    assert not result.complete and (result.done, result.of) == (4, 6)
    assert all(cell.band() is None for cell in table.shown(result).values() if isinstance(cell, Share))
    drawn, alt = figure.figure_of(result) or (None, "")
    assert drawn is not None and "Clopper" not in str(drawn.data) and "cert. acc. 10° 0.500" in alt


def test_bars_have_intervals_where_there_are_some() -> None:
    shares = {"acc. b": Share(9, 10), "adv. acc. b": Share(20, 30, dependent=True), "nothing": Share(0, 0)}
    figure = figures.share_bars(shares, [PaperSeries("paper", "why", {"acc. b": 0.99, "t [s]": 3.0})])
    ours, paper = figure.data
    band = Share(9, 10).band()
    assert band is not None
    assert list(ours.y) == [0.9, 2 / 3]
    assert list(ours.error_y.array) == [pytest.approx(band[1] - 0.9), None]
    assert list(ours.error_y.arrayminus) == [pytest.approx(0.9 - band[0]), None]
    assert list(paper.y) == [0.99] and "why" in paper.hovertemplate


def test_strips_show_every_image_and_become_logarithmic() -> None:
    figure = figures.error_strips(
        {"Both": [0.3, 0.4], "-V": [1.0, 2.0]}, [5, 6], [PaperSeries("p", "", {"Both": 0.36})]
    )
    assert [list(box.y) for box in figure.data[:2]] == [[0.3, 0.4], [1.0, 2.0]] and figure.layout.yaxis.type is None
    assert figures.error_strips({"Both": [0.3], "-V": [70.0]}, [0]).layout.yaxis.type == "log"
    assert figures.error_strips({"Both": [0.0], "-V": [70.0]}, [0]).layout.yaxis.type is None


def test_refinement_has_a_line_for_each_image_and_their_mean() -> None:
    figure = figures.refinement_lines(PASSES, [[6, 5, 4, 3, 2, 1], [2, 1, 0, 1, 0, 1]], [3, 4])
    assert len(figure.data) == 3 and list(figure.data[-1].y) == [4, 3, 2, 2, 1, 1]
    assert not figures.refinement_lines(PASSES, [], []).data


def test_lines_of_the_paper_have_names_of_their_own() -> None:
    for name, dataset in (("table3", "imagenet-samples"), ("table3", "natural"), ("table4", "natural")):
        experiment = get_experiment(name)(dataset=dataset)
        names = table.paper_names(paper_lines(experiment))
        assert len(set(names)) == len(names) > 1


def test_presets_open_the_page() -> None:
    for preset in PRESETS:
        if preset.page == "explore/experiments.py":
            app = open_page(**preset.parameters)
            assert_healthy(app)
            assert app.selectbox(key="experiment").value == preset.parameters.get("experiment", "table4")


def test_the_json_of_a_stopped_run_says_so() -> None:
    from spt.ui.experiments.export import line_as_json
    from spt.ui.experiments.request import ExperimentRequest

    experiment = configure(EXPERIMENTS["table4"], "quick", images=6)
    result = make_result(experiment, {"images": some_rows(experiment)["images"][:4]})
    text = line_as_json(ExperimentRequest(EXPERIMENTS["table4"], "quick", experiment, None, {"images": 6}), result)
    assert json.loads(text)["PROVISIONAL"] == "4 of 6 rows"
