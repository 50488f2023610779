"""What goes wrong with the machine, on every page: one sentence without a path of the server, and the page goes on."""

import errno
import io
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from spt import faults
from spt.classifiers import forget_loaded
from spt.datasets import load_dataset
from spt.experiments import Store
from spt.experiments.table11 import Table11
from spt.ui.experiments import run
from spt.ui.shared import cache, core, gate, own_names
from spt.ui.shared.failures import sentence, without_folders
from tests import test_page_failures
from tests.damage import CARDS, NO_MEMORY, VICTIM, WEIGHTS, copy_of_models, damage
from tests.pages import assert_healthy, texts, visit
from tests.test_faults import GREEDY
from tests.test_page_failures import PAGES

FAST = {"votes": "explore/votes.py", "certify": "explore/certify.py", "inverse": "explore/inverse.py"}


@pytest.fixture(autouse=True)
def nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What was loaded for other tests would hide a fault, and what is loaded here is of this test alone."""
    monkeypatch.setenv("SPT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(Table11, "quick", {"dataset": "digits", "images": 3, "n_betas": 2, "n_points": 5})

    def forget() -> None:
        st.cache_resource.clear()
        st.cache_data.clear()
        forget_loaded()
        run._made_from.cache_clear()

    forget()
    yield
    forget()


def the_sentence(app: AppTest) -> str:
    """The only error on the page, as it is read."""
    return test_page_failures.the_sentence(app).replace("\\", "")


def assert_slots_are_free() -> None:
    """Whatever failed has given its slot of the gate back."""
    assert gate.GATE.free == gate.GATE.slots


# ---------------------------------------------------------------------------------------------------- damaged classifiers

EVERY_PAGE: dict[str, dict[str, str]] = {
    **{page: {"classifier": VICTIM, **parameters} for page, parameters in PAGES.items()},
    "explore/experiments.py": {"experiment": "table4", "results": "quick", "experiment_classifier": VICTIM},
}


@pytest.mark.parametrize("page", EVERY_PAGE)
@pytest.mark.parametrize("kind", ["broken JSON", "no network", "cut"])
def test_a_damaged_classifier_is_one_sentence_on_every_page(
    page: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = copy_of_models(tmp_path, monkeypatch)
    damage(models, kind)
    app = visit(page, EVERY_PAGE[page], timeout=240)
    said = the_sentence(app)
    assert VICTIM in said and "damaged" in said and str(tmp_path) not in said
    if page == "explore/votes.py":
        app.selectbox(key="classifier").set_value("mnist-plain").run()
        assert_healthy(app)


@pytest.mark.parametrize("kind", [*CARDS, *WEIGHTS])
def test_each_damage_is_one_sentence_where_a_classifier_is_chosen(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = copy_of_models(tmp_path, monkeypatch)
    damage(models, kind)
    app = visit("explore/interpolation.py", {"classifier": VICTIM, "splits": "10"}, timeout=120)
    if kind == "gone":  # it cannot be chosen any more
        assert_healthy(app)
        return
    assert VICTIM in the_sentence(app)


# ----------------------------------------------------------------------------------------------------------------- memory


def with_network(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page with a network that needs too much memory as soon as it is told so."""
    path = folder / "greedy.py"
    path.write_text(GREEDY)
    monkeypatch.setenv("SPT_CLASSIFIER", str(path))
    monkeypatch.setattr(sys, "spt_test_error", None, raising=False)
    app = visit(page, {**PAGES[page], "classifier": str(path)}, timeout=240)
    assert_healthy(app)
    return app


def run_votes(app: AppTest) -> None:
    """Count other votes."""
    app.text_input(key="seed_typed").set_value(str(int(app.text_input(key="seed_typed").value) + 1)).run()


def run_certify(app: AppTest) -> None:
    """Certify again."""
    app.button(key="certify_start").click().run()


def run_indiv(app: AppTest) -> None:
    """Certify from the received image."""
    app.button(key="indiv_start").click().run()


RUNS: dict[str, Callable[[AppTest], None]] = {"votes": run_votes, "certify": run_certify, "inverse": run_indiv}


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        pytest.param(page, kind, marks=pytest.mark.slow if page == "inverse" and kind != "CUDA" else [])
        for page in RUNS
        for kind in NO_MEMORY
    ],
)
def test_too_little_memory_in_a_run_is_one_sentence_and_the_page_goes_on(
    page: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = with_network(FAST[page], tmp_path, monkeypatch)
    monkeypatch.setattr(sys, "spt_test_error", NO_MEMORY[kind])
    RUNS[page](app)
    assert the_sentence(app) == faults.NO_MEMORY
    assert_slots_are_free()
    monkeypatch.setattr(sys, "spt_test_error", None)
    RUNS[page](app)
    assert_healthy(app)
    assert_slots_are_free()


@pytest.mark.parametrize(
    ("page", "button", "work"),
    [
        ("explore/votes.py", "attack_button", "spt.ui.votes.attack.WorstOfK.__call__"),
        ("explore/votes.py", "votes_own_start", "spt.ui.shared.checking.recompute"),
        ("explore/certify.py", "certify_attack", "spt.ui.certify.attack.WorstOfK.__call__"),
        ("explore/certify.py", "certify_own_start", "spt.ui.shared.checking.recompute"),
    ],
)
def test_too_little_memory_in_an_attack_or_a_check_is_one_sentence(
    page: str, button: str, work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = visit(page, PAGES[page] | {"classifier": VICTIM}, timeout=240)
    with monkeypatch.context() as patch:
        patch.setattr(work, exhausted)
        app.button(key=button).click().run()
    assert the_sentence(app) == faults.NO_MEMORY
    assert_slots_are_free()
    app.button(key=button).click().run()
    assert_healthy(app)


WORK = {
    "spt.ui.inverse.run.refine": "explore/inverse.py",
    "spt.ui.interpolation.run.interval_bound": "explore/interpolation.py",
    "spt.ui.interpolation.run.chord_bound": "explore/interpolation.py",
}


@pytest.mark.parametrize("work", WORK)
def test_too_little_memory_without_a_network_is_one_sentence_and_the_page_goes_on(
    work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(work, exhausted)
        app = visit(WORK[work], {**PAGES[WORK[work]], "splits": "10"}, timeout=240)
        assert the_sentence(app) == faults.NO_MEMORY
        assert_slots_are_free()
    app.button(key="try_again").click().run()
    assert_healthy(app)


def exhausted(*_: object, **__: object) -> Any:
    """What needs too much memory."""
    raise NO_MEMORY["torch"]


def test_a_refinement_that_needs_too_much_memory_does_not_begin_again_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = visit("explore/interpolation.py", {"splits": "10"}, timeout=240)
    with monkeypatch.context() as patch:
        patch.setattr("spt.ui.interpolation.refinement.LiveRefinement.advance", exhausted)
        app.button(key="refine").click().run()
        assert the_sentence(app) == faults.NO_MEMORY
        app.run()
        assert_healthy(app)
        assert_slots_are_free()
    app.button(key="refine").click().run()
    assert_healthy(app)


def test_too_little_memory_for_the_core_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is loaded; what was loaded in part fails in other ways after that, and the sentence stays."""
    monkeypatch.setattr(core, "_loaded", False)
    for error in (MemoryError(), AttributeError("partially initialized module 'torch'")):
        monkeypatch.setattr(core, "_PARTS_OF_EACH_PAGE", (raising(error),))
        assert the_sentence(visit("explore/votes.py", {})) == core.NO_MEMORY
    monkeypatch.setattr(core, "_failed_for_memory", False)
    app = visit("explore/votes.py", {})
    assert "The explorer cannot be loaded (AttributeError" in the_sentence(app)


def raising(error: Exception) -> str:
    """The name of a module that raises this when it is loaded."""
    name = "spt_test_module_that_fails"

    class Finder:
        @staticmethod
        def find_spec(asked: str, path: Any = None, target: Any = None) -> None:
            if asked == name:
                raise error

    sys.meta_path[:] = [each for each in sys.meta_path if getattr(each, "__name__", "") != "Finder"]
    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
    return name


# ------------------------------------------------------------------------------------------------------------ experiments


def started(app: AppTest) -> AppTest:
    """Start the quick run and look until it has ended, however."""
    app.button(key="experiment_start").click().run()
    worker = app.session_state["experiment_worker"]
    worker._thread.join(60)
    return app.run()


FAULTS_OF_A_RUN = {
    **{f"memory, {kind}": error for kind, error in NO_MEMORY.items()},
    "full": sqlite3.OperationalError("database or disk is full"),
    "I/O": sqlite3.OperationalError("disk I/O error"),
    "read only": sqlite3.OperationalError("attempt to write a readonly database"),
    "gone": sqlite3.OperationalError("unable to open database file"),
    "locked": sqlite3.OperationalError("database is locked"),
    "no space": OSError(errno.ENOSPC, "No space left on device", "/srv/data/runs/x.sqlite-wal"),
}


@pytest.mark.parametrize("kind", FAULTS_OF_A_RUN)
def test_a_run_that_fails_keeps_its_rows_and_goes_on(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, measure, connect = FAULTS_OF_A_RUN[kind], Table11.measure, Store._connect
    worker: list[int] = []

    def fails_at_the_second(self: Table11, stage: str, item: int, *rest: Any) -> Any:
        if item == 1 and not isinstance(error, sqlite3.Error):
            raise error
        if item == 1:
            worker.append(threading.get_ident())
        return measure(self, stage, item, *rest)

    def fails_once(self: Store) -> sqlite3.Connection:
        if worker == [threading.get_ident()]:
            worker.clear()
            raise error
        return connect(self)

    monkeypatch.setattr(Table11, "measure", fails_at_the_second)
    monkeypatch.setattr(Store, "_connect", fails_once)
    app = started(visit("explore/experiments.py", {"experiment": "table11", "results": "quick"}, timeout=120))
    said = the_sentence(app)
    assert "/" not in said
    assert ("memory" in said) if kind.startswith("memory") else ("sqlite" in said)
    assert "stopped after 1 of 3 rows; they are kept" in texts(app)
    monkeypatch.setattr(Table11, "measure", measure)
    assert app.button(key="experiment_start").label == "Go on"
    assert_healthy(started(app))
    assert "all 3 rows are in" in texts(app)


def test_a_folder_of_runs_that_cannot_be_made_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPT_RUNS", str(tmp_path / "file" / "runs"))
    app = started(visit("explore/experiments.py", {"experiment": "table11", "results": "quick"}, timeout=120))
    assert str(tmp_path) not in the_sentence(app)


def test_the_folder_of_runs_vanishes_while_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    measure, runs = Table11.measure, tmp_path / "runs"

    def and_vanish(self: Table11, stage: str, item: int, *rest: Any) -> Any:
        if item == 1:
            shutil.rmtree(runs)
        return measure(self, stage, item, *rest)

    monkeypatch.setattr(Table11, "measure", and_vanish)
    app = started(visit("explore/experiments.py", {"experiment": "table11", "results": "quick"}, timeout=120))
    said = the_sentence(app)
    assert "table11-digits-rotation-30.sqlite cannot be opened" in said and "/" not in said
    monkeypatch.setattr(Table11, "measure", measure)
    assert_healthy(started(app))


# ------------------------------------------------------------------------------------------------------------------ paths


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("There is no file '/a b/c d/own.py' to load.", "There is no file 'own.py' to load."),
        ("/srv/my data/pics/cat/1.png is damaged", "1.png is damaged"),
        ("/srv/my data/pics has no pictures", "pics has no pictures"),
        ("rel/pics/x.png, in rel/pics", "x.png, in pics"),
        ("'/srv/nets/own.py:make': [Errno 2]: '/srv/nets/w.pt'", "'own.py:make': [Errno 2]: 'w.pt'"),
        ("no /data; (/opt/x/y.so: failed)", "no data; (y.so: failed)"),
        (r"C:\nets\own.py fails", "own.py fails"),
        ("put them into /x/pics/<class>/ as .png", "put them into pics/<class>/ as .png"),
        ("3/4 of 1 / 2, and/or ±3°/s, https://a.org/b/c, n/a", "3/4 of 1 / 2, and/or ±3°/s, https://a.org/b/c, n/a"),
    ],
)
def test_of_a_path_the_last_part_is_shown(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPT_DATASET", "/srv/my data/pics,rel/pics")
    monkeypatch.setenv("SPT_CLASSIFIER", "/srv/nets/own.py:make")
    assert without_folders(text) == shown


def test_the_log_has_the_whole_path(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert sentence(ValueError(f"{tmp_path}/a.txt is damaged.")) == "a.txt is damaged."
    assert f"{tmp_path}/a.txt is damaged." in caplog.text


def pictures(folder: Path) -> Path:
    """A folder of pictures, one of them damaged."""
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), "red").save(folder / name / "good.png")
    (folder / "dog" / "bad.png").write_bytes(b"no picture")
    return folder


def everything_on(app: AppTest) -> str:
    """All that the browser is sent, except what is exported for the person who starts the server (commands, Python)."""
    drawn = [each for block in (app.main, app.sidebar) for each in block if each.type != "code"]
    return "\n".join(str(getattr(each, "proto", "")) for each in drawn).replace("\\", "")


@pytest.mark.parametrize("page", PAGES)
def test_no_page_shows_a_path_of_the_server(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures(tmp_path / "my data" / "pets")
    network = tmp_path / "nets" / "own.py"
    network.parent.mkdir()
    network.write_text("def classifier():\n    return open(__file__ + '.weights')\n")
    monkeypatch.setenv("SPT_CLASSIFIER", str(network))
    monkeypatch.setenv("SPT_DATASET", str(folder))
    parameters = {**PAGES[page], "source": str(folder), "pets_image": "1", "classifier": "cifar10-smooth"}
    app = visit(page, {**parameters, "inverse_input": "attack it"}, timeout=240)
    assert "bad.png is not a picture" in the_sentence(app)
    assert "pets" in everything_on(app) and str(tmp_path) not in everything_on(app)
    assert app.query_params["source"] in ("…/pets", ["…/pets"])
    app = visit(page, {**PAGES[page], "classifier": str(network)}, timeout=240)
    assert "own.py" in the_sentence(app) and str(tmp_path) not in everything_on(app)


def test_names_that_end_alike_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPT_DATASET", "/a/pets, /b/pets/, /c/cats, pets")
    labels = [own_names.label(name) for name in own_names.named("SPT_DATASET")]
    assert len(set(labels)) == 4 and labels[2:] == ["…/cats", "pets"] and all("pets" in each for each in labels[:2])
    assert own_names.label("digits") == "digits" and own_names.label("package.module:make") == "package.module:make"


# --------------------------------------------------------------------------------------------------------------- pictures


def decodes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each picture that is decoded from now on, whether that was within the gate."""
    found: list[bool] = []
    for place in ("spt.ui.shared.cache.decode_image", "spt.datasets.dataset.decode_image"):
        module, _, name = place.rpartition(".")
        decode = getattr(sys.modules[module], name)

        def noted(*arguments: Any, decode: Any = decode, **named: Any) -> Any:
            found.append(gate.has_slot())
            return decode(*arguments, **named)

        monkeypatch.setattr(place, noted)
    return found


def test_an_upload_is_decoded_within_the_gate_and_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = decodes(monkeypatch)
    file = io.BytesIO()
    Image.new("L", (60, 60), 200).save(file, "PNG")
    app = visit("explore/votes.py", {"source": "upload", "pace": "fast", "n": "50"})
    with caplog.at_level("INFO", logger="spt.work"):
        app.file_uploader[0].upload("a.png", file.getvalue(), "image/png").run()
        run_votes(app)
    assert_healthy(app)
    assert found == [True] and sum('"work": "picture"' in line for line in caplog.messages) == 1
    assert_slots_are_free()


def test_pictures_of_folders_are_decoded_within_the_gate_and_again_when_they_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pets"
    for number in range(3):
        (folder / "one").mkdir(parents=True, exist_ok=True)
        Image.new("L", (28, 28), 60 * number).save(folder / "one" / f"{number}.png")
    monkeypatch.setenv("SPT_DATASET", str(folder))
    found = decodes(monkeypatch)
    app = visit("explore/votes.py", {"source": str(folder), "pace": "fast", "n": "50", "pets_image": "1"})
    assert_healthy(app)
    assert len(found) >= 3 and all(found)
    before = len(found)
    run_votes(app)
    assert len(found) == before
    Image.new("L", (20, 20), 250).save(folder / "one" / "1.png")
    run_votes(app)
    assert_healthy(app)
    assert len(found) > before and all(found)
    image, _ = cache.image(str(folder), load_dataset(str(folder), shape=(1, 28, 28)), 1)
    assert float(image.mean()) == pytest.approx(250 / 255)


def test_a_picture_that_needs_too_much_memory_is_not_called_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("L", (60, 60), 200).save(file, "PNG")
    app = visit("explore/votes.py", {"source": "upload", "pace": "fast", "n": "50"})
    with monkeypatch.context() as patch:
        patch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda *_: exhausted())
        app.file_uploader[0].upload("a.png", file.getvalue(), "image/png").run()
        assert the_sentence(app) == faults.NO_MEMORY
        assert_slots_are_free()
    app.run()
    assert_healthy(app)
