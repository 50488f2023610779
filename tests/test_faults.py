"""What goes wrong with the machine, on the command line: one sentence that names it, and nothing that was there is lost."""

import gc
import json
import sqlite3
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spt
from spt import faults
from spt.classifiers import forget_loaded
from spt.experiments import Store, configure, get_experiment
from spt.experiments.running import open_store
from spt.experiments.running import run as run_experiment
from spt.experiments.table11 import Table11
from spt.recipes import RECIPES, Recipe
from spt.training import train
from spt.whole_files import write_together, write_whole
from tests.damage import CARDS, NO_MEMORY, VICTIM, WEIGHTS, copy_of_models, damage
from tests.test_cli import OWN_F, fail, run

FULL = OSError(28, "No space left on device")


# ------------------------------------------------------------------------------------------------------------- sentences


@pytest.mark.parametrize("kind", NO_MEMORY)
def test_too_little_memory_is_recognized(kind: str) -> None:
    assert faults.in_words(NO_MEMORY[kind]) == faults.NO_MEMORY
    wrapped = ValueError("Could not load.")
    wrapped.__cause__ = NO_MEMORY[kind]
    assert faults.in_words(wrapped) == faults.NO_MEMORY


def test_torch_and_the_system_say_it_in_words_that_are_recognized() -> None:
    for allocate in (lambda: torch.empty(1 << 50), lambda: np.empty(1 << 50), lambda: [None] * (1 << 50)):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            allocate()
        assert faults.out_of_memory(caught.value)
    assert faults.out_of_memory(ImportError("libtorch.so: failed to map segment: Cannot allocate memory"))
    assert faults.out_of_memory(OSError(12, "Cannot allocate memory"))


def test_a_mistake_of_the_program_is_none_of_the_machine() -> None:
    assert faults.in_words(RuntimeError("shapes differ")) is None and faults.in_words(KeyError("a")) is None
    assert faults.in_words(ValueError("n is 0.")) == "n is 0."
    assert faults.in_words(FileNotFoundError(2, "No such file", "a.txt")) == "a.txt: No such file"


def test_an_error_that_is_kept_keeps_no_images() -> None:
    class Held:
        pass

    def fails() -> None:
        held = Held()
        held_ones.append(weakref.ref(held))
        raise MemoryError

    held_ones: list[weakref.ref[Held]] = []
    try:
        fails()
    except MemoryError as error:
        kept = error
        faults.let_go(error)
    gc.collect()
    assert kept is not None and held_ones[0]() is None


# ---------------------------------------------------------------------------------------------------- damaged classifiers


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The bundled classifiers, to be damaged."""
    yield copy_of_models(tmp_path, monkeypatch)
    forget_loaded()


@pytest.mark.parametrize("kind", [*CARDS, *WEIGHTS])
def test_a_damaged_classifier_is_one_sentence_and_the_others_are_there(
    kind: str, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(models, kind)
    said = fail(capsys, "predict", "--classifier", VICTIM, "--n", 10)
    assert VICTIM in said and ("damaged" in said or "restore" in said)
    assert "mnist-plain" in run(capsys, "predict", "--classifier", "mnist-plain", "--n", 10, "--json")
    listed = " ".join(run(capsys, "list").split())
    assert "mnist-plain mnist, no noise; accuracy" in listed
    assert json.loads(run(capsys, "list", "--json"))["classifiers"]["mnist-plain"]["dataset"] == "mnist"


def test_list_says_what_is_wrong_with_a_card(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / f"{VICTIM}.json").write_text("{")
    assert f"{VICTIM} The bundled classifier {VICTIM} cannot be loaded" in " ".join(run(capsys, "list").split())
    assert "cannot be loaded" in json.loads(run(capsys, "list", "--json"))["classifiers"][VICTIM]["error"]


def test_damaged_weights_of_an_own_classifier_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"\x99" * 50)
    own = tmp_path / "own.py"
    own.write_text(
        "from pathlib import Path\nfrom safetensors.torch import load_file\n"
        "def classifier():\n    return load_file(Path(__file__).parent / 'w.safetensors')\n"
    )
    said = fail(capsys, "predict", "--classifier", own)
    assert f"Could not load a classifier from '{own}'" in said and "header" in said


# ----------------------------------------------------------------------------------------------------------------- memory

GREEDY = """
import sys
import torch
from spt import Classifier

class Net(torch.nn.Module):
    def forward(self, images):
        error = getattr(sys, "spt_test_error", None)
        if error is not None:
            raise error
        return images.flatten(1)[:, :10]

def classifier():
    return Classifier("greedy", Net(), tuple("0123456789"), (1, 28, 28))
"""


@pytest.mark.parametrize("kind", NO_MEMORY)
def test_too_little_memory_for_a_network_is_one_sentence(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "greedy.py"
    own.write_text(GREEDY)
    options = ("predict", "--classifier", own, "--n", 20)
    run(capsys, *options)
    monkeypatch.setattr(sys, "spt_test_error", NO_MEMORY[kind], raising=False)
    assert fail(capsys, *options) == f"error: {faults.NO_MEMORY}\n"
    monkeypatch.undo()
    run(capsys, *options)


# ------------------------------------------------------------------------------------------------- files that are written


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A recipe that trains in a moment."""
    labels = np.arange(60) % 2
    np.savez(tmp_path / "data.npz", images=np.full((60, 8, 8), 90, np.uint8), labels=labels, class_names=["a", "b"])
    network = {"architecture": "strided", "channels": 1, "side": 8, "classes": 2, "widths": [4, 4], "strides": [2, 2]}
    recipe = Recipe("tiny", str(tmp_path / "data.npz"), network, "rotation", 10.0, 0.1, epochs=1, batch_size=20)
    monkeypatch.setitem(RECIPES, "tiny", recipe)
    monkeypatch.setenv("SPT_DATA", "")
    return recipe


SIZES = ("--images", 10, "--betas", 30, "--rho", 0.2, "--limit", 1)
WRITING: dict[str, tuple[tuple[object, ...], str]] = {
    "certify": (("certify", *OWN_F, "--n", 50), "a.json"),
    "measure": (("measure", *OWN_F, "--level", 5, *SIZES), "a.json"),
    "invert": (("invert", "--limit", 1, "--width", 1, "--passes", 0), "a.npz"),
    "train": (("train", "tiny", "--threads", 1), ""),
    "run": (
        ("run", "bicubic", "--preset", "quick", "--images", 1, "--set", "n_betas=2", "--set", "n_points=3"),
        "",
    ),
}


@pytest.mark.parametrize("command", WRITING)
def test_a_command_that_cannot_write_leaves_what_was_there(
    command: str, tiny: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills when half of a file is written."""
    arguments, name = WRITING[command]
    out = tmp_path / "out"
    out.mkdir()
    old = {"a.json", "a.npz", "tiny.json", "tiny.safetensors"}
    for each in old:
        (out / each).write_text("mine")

    def torn(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise FULL

    monkeypatch.setattr(Path, "write_bytes", torn)
    code = spt.__main__.main([str(each) for each in (*arguments, "--out", out / name)])
    output = capsys.readouterr()
    assert (code, output.out) == (2, "")
    said = output.err.splitlines()[-1]
    assert said.startswith("error: ") and "No space left on device" in said
    assert (name or ("tiny" if command == "train" else "bicubic-digits")) in said and ".part" not in said
    assert {path.name for path in out.iterdir()} - {"bicubic-digits-rotation-30.sqlite"} == old
    assert all((out / each).read_text() == "mine" for each in old)


@pytest.mark.parametrize("command", ["certify", "measure", "invert"])
def test_a_command_that_fails_before_it_writes_leaves_no_file(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(*_: object, **__: object) -> None:
        raise MemoryError

    for work in (
        "spt.smoothing.SmoothedClassifier.certify",
        "spt.defences.OneErrorSPT.measure_distribution",
        "spt.inverse.invert",
    ):
        monkeypatch.setattr(work, exhaust)
    arguments, name = WRITING[command]
    assert "not enough memory" in fail(capsys, *arguments, "--out", tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_real_full_disk_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    said = fail(capsys, *WRITING["certify"][0], "--out", "/dev/full")
    assert "/dev/full: this file could not be written (No space left on device)" in said


def test_a_folder_that_vanishes_before_a_file_is_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="could not be written") as caught:
        write_whole(tmp_path / "gone" / "a.json", "text")
    assert faults.in_words(caught.value) == (
        f"{tmp_path / 'gone' / 'a.json'}: this file could not be written (No such file or directory); nothing there has changed"
    )


def test_of_files_that_belong_together_all_are_written_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills at the second of them."""
    first, second = tmp_path / "a.csv", tmp_path / "a.json"
    write_together({first: "old", second: "old"})
    write = Path.write_bytes

    def full_at_the_second(self: Path, data: bytes) -> int:
        if self.name.startswith("a.json"):
            raise FULL
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full_at_the_second)
    with pytest.raises(OSError, match="could not be written") as caught:
        write_together({first: "new", second: "new"})
    assert caught.value.filename == str(second)
    assert sorted(tmp_path.iterdir()) == [first, second] and first.read_text() == second.read_text() == "old"


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_one_sentence(
    content: bytes | None, tiny: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "states" / "tiny.pt"
    images, labels = torch.rand(20, 1, 8, 8), torch.arange(20) % 2
    train(tiny, images, labels, "cpu", path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(ValueError, match=r"The checkpoint .*tiny\.pt is damaged, or is none: remove it"):
        train(tiny, images, labels, "cpu", path)


# ---------------------------------------------------------------------------------------------------- the store of results


def quick_table() -> Table11:
    """An experiment of two images that takes a moment."""
    made = configure(get_experiment("table11"), "quick", dataset="digits", images=2, n_betas=2, n_points=5)
    assert isinstance(made, Table11)
    return made


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("database or disk is full", r"The disk is full: .*a\.sqlite keeps what was written; free some space"),
        ("disk I/O error", r"The disk that has .*a\.sqlite fails"),
        ("attempt to write a readonly database", r"a\.sqlite may be read only: allow to write it"),
        ("unable to open database file", r"a\.sqlite cannot be opened: see whether its folder is still there"),
        ("database is locked", r"a\.sqlite is in use by another program"),
        ("database disk image is malformed", r"a\.sqlite is damaged, or not a file of results"),
        ("file is not a database", r"a\.sqlite is not a file of results"),
        ("no such table: rows", r"a\.sqlite is damaged, or not a file of results"),
    ],
)
def test_each_of_the_database_s_own_words_is_a_sentence(
    words: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "a.sqlite", {"a": 1})
    store.add("images", 0, 5, {"value": 1})

    def fails(self: Store) -> Any:
        raise sqlite3.OperationalError(words)

    monkeypatch.setattr(Store, "_connect", fails)
    with pytest.raises((OSError, ValueError), match=sentence):
        store.add("images", 1, 5, {"value": 2})
    monkeypatch.undo()
    assert store.rows("images") == {0: {"value": 1}}


def test_the_disk_fills_while_an_experiment_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own fault: the file may not grow. The rows before are there, and the run goes on."""
    experiment = quick_table()
    store = open_store(experiment, tmp_path)
    connect, add = Store._connect, Store.add

    def small(self: Store) -> sqlite3.Connection:
        connection = connect(self)
        connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
        return connection

    def fill_after_one(self: Store, stage: str, item: int, seed: int, row: Any) -> bool:
        if item:
            monkeypatch.setattr(Store, "_connect", small)
            row = row | {"more": "x" * 100_000}
        return add(self, stage, item, seed, row)

    monkeypatch.setattr(Store, "add", fill_after_one)
    with pytest.raises(OSError, match=r"The disk is full: .*\.sqlite keeps what was written"):
        run_experiment(experiment, store)
    monkeypatch.undo()
    before = store.rows("images")
    assert list(before) == [0]
    assert run_experiment(experiment, store)["images"][0] == before[0] and len(store.rows("images")) == 2


def gone(folder: Path) -> None:
    """The folder is moved away."""
    folder.rename(folder.with_name("elsewhere"))


def replaced(folder: Path) -> None:
    """A file is in the folder's place."""
    gone(folder)
    folder.write_text("")


def emptied(folder: Path) -> None:
    """The files in the folder are gone."""
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize("vanish", [gone, replaced, emptied])
def test_the_folder_vanishes_while_an_experiment_runs(
    vanish: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, measure = tmp_path / "out", Table11.measure

    def and_vanish(self: Table11, stage: str, item: int, *rest: Any) -> Any:
        if item == 1:
            vanish(out)
        return measure(self, stage, item, *rest)

    monkeypatch.setattr(Table11, "measure", and_vanish)
    command = ("run", "table11", "--preset", "quick", "--images", 2, "--set", "n_betas=2", "--set", "n_points=5")
    code = spt.__main__.main([str(each) for each in (*command, "--out", out)])
    said = capsys.readouterr().err.splitlines()[-1]
    assert code == 2 and said.startswith("error: ") and "table11-digits-rotation-30.sqlite" in said
    monkeypatch.undo()
    if vanish is not emptied:
        kept = tmp_path / "elsewhere"
        assert list(Store(kept / "table11-digits-rotation-30.sqlite").rows("images")) == [0]
        if vanish is replaced:
            out.unlink()
        kept.rename(out)
    run_again = spt.__main__.main([str(each) for each in (*command, "--out", out)])
    assert run_again == 0 and (out / "table11-digits-rotation-30.json").is_file()
