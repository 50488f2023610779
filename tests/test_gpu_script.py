"""benchmarks/gpu.py, rehearsed: every part runs on the processor in tiny sizes, keeps what it finds, and can be stopped."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from spt.classifiers import Classifier, forget_loaded
from spt.experiments.experiment import _dataset

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PARTS = ["tests", "speed", "bounds", "train", "tables"]
RECIPE = "cifar10-resnet-fine"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """The module, importable with its parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("gpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something like CIFAR-10: 1000 training images and 30 of its test images, whose class is how bright they are."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "cifar10/train").mkdir(parents=True)
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 1000)
    images = (generator.integers(0, 130, (1000, 32, 32, 3)) + 13 * labels[:, None, None, None]).astype(np.uint8)
    mosaic = images.reshape(25, 40, 32, 32, 3).swapaxes(1, 2).reshape(800, 1280, 3)
    Image.fromarray(mosaic).save(folder / "cifar10/train/00.webp", lossless=True, quality=0)
    names = np.array(list("abcdefghij"))
    np.savez(folder / "cifar10/train_labels.npz", labels=labels, class_names=names)
    np.savez(folder / "cifar10/test.npz", images=images[:30], labels=labels[:30], class_names=names)
    return folder


@pytest.fixture
def with_data(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """SPT_DATA names it; nothing of it is remembered."""
    monkeypatch.setenv("SPT_DATA", str(data))
    _dataset.cache_clear()
    yield data
    _dataset.cache_clear()
    forget_loaded()


def record(out: Path, part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "gpu.json").read_text(encoding="utf-8"))[part]
    return found


def cells(record: dict[str, Any]) -> list[str]:
    return [cell for section in record["sections"] for row in section["rows"][1:] for cell in row]


def test_all_parts(script: ModuleType, with_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rehearsal itself: what a person sees, what is kept, and that nothing is done twice."""
    assert script.main(["--out", str(tmp_path), "--rehearse"]) == 0
    records = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert list(records) == PARTS and all(each["done"] and each["sections"] for each in records.values())
    page = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    for title in ("Votes per second", "Where the time goes: chord bound", "Table 4, CIFAR-10, ±2°, cifar10-resnet"):
        assert title in page
    assert "skipped" in records["tests"]["values"]["summary"]
    assert "too slow" not in cells(records["speed"])
    assert records["train"]["values"]["epochs done"] == 2
    files = sorted(path.name for path in tmp_path.iterdir())
    tables = [f"table4-cifar10-rotation-{limit}.sqlite" for limit in (1, 2)]
    assert files == ["cifar10-resnet.json", "cifar10-resnet.safetensors", "gpu.json", "gpu.md", *tables]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert script.main(["--out", str(tmp_path), "--rehearse"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{part}: complete already" for part in PARTS]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_training_goes_on_from_its_pieces(
    script: ModuleType, with_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after one of three epochs; then it does the other two, and the classifier is written."""
    from gpu_parts import train

    monkeypatch.setattr(train, "LARGEST_FILE", 20_000)
    options = ["--out", str(tmp_path), "--rehearse", "--part", "train", "--epochs", "3", "--recipe", RECIPE]
    out_of_time, calls = 10**9, []
    with monkeypatch.context() as patch:
        patch.setattr(train, "RESERVE", -1e9)
        enough = train.report
        patch.setattr(train, "report", lambda *given: (enough(*given), patch.setattr(train, "RESERVE", out_of_time)))
        assert script.main(options) == 1
    found = record(tmp_path, "train")
    assert not found["done"] and found["stopped"] == "1 of 3 epochs are done" and found["values"]["epochs done"] == 1
    assert (
        len(train.pieces(RECIPE, tmp_path)) > 2
        and max(path.stat().st_size for path in train.pieces(RECIPE, tmp_path)) <= 20_000
    )
    enough_training = train.training.train
    monkeypatch.setattr(train, "images_per_second", lambda *_: pytest.fail("began anew"))
    monkeypatch.setattr(train.training, "train", lambda *given: calls.append(given) or enough_training(*given))
    assert script.main(options) == 0
    values = record(tmp_path, "train")["values"]
    assert values["visits"] == 2 and values["epochs done"] == 3 and len(calls) == 1
    assert not train.pieces(RECIPE, tmp_path)
    card = json.loads((tmp_path / f"{RECIPE}.json").read_text(encoding="utf-8"))
    assert card["epochs"] == 3 and card["accuracy"]["test_images"] == 20


def test_a_state_that_is_not_whole_is_none(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpu_parts import train

    monkeypatch.setattr(train, "LARGEST_FILE", 100)
    state, again = tmp_path / "state", tmp_path / "again"
    state.write_bytes(bytes(range(256)) * 5)
    train.cut(RECIPE, state, tmp_path)
    assert train.join(RECIPE, tmp_path, again) and again.read_bytes() == state.read_bytes()
    state.write_bytes(bytes(250))
    train.cut(RECIPE, state, tmp_path)
    assert len(train.pieces(RECIPE, tmp_path)) == 3
    assert train.join(RECIPE, tmp_path, again) and again.read_bytes() == bytes(250)
    train.pieces(RECIPE, tmp_path)[1].write_bytes(b"of another state")
    assert not train.join(RECIPE, tmp_path, again)
    assert not train.join(RECIPE, tmp_path / "empty", again)


def test_what_goes_wrong_is_kept_and_the_other_parts_run(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpu_parts import bounds

    def wrong(run: Any) -> None:
        run.table("First", [["a"], ["1"]])
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(bounds, "measure", wrong)
    assert script.main(["--out", str(tmp_path), "--rehearse", "--part", "bounds"]) == 1
    found = record(tmp_path, "bounds")
    assert not found["done"] and "illegal memory access" in found["stopped"]
    assert [section["title"] for section in found["sections"]] == ["First", "What went wrong"]
    monkeypatch.setattr(bounds, "measure", lambda run: run.table("Second", [["a"], ["1"]]))
    assert script.main(["--out", str(tmp_path), "--rehearse", "--part", "bounds"]) == 0
    found = record(tmp_path, "bounds")
    assert found["done"] and [section["title"] for section in found["sections"]] == ["First", "Second"]


def test_each_part_has_a_process_and_its_share_of_the_time(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that hangs is ended; the next ones share what is left."""
    real, calls, ended = subprocess.Popen, [], []

    class Process:
        """What a part does, in no time; but `speed` takes for ever."""

        def __init__(self, command: list[str], process_group: int) -> None:
            self.part = command[command.index("--part") + 1]
            hangs = self.part == "speed"
            self.process = real(["sleep", "60"], process_group=process_group) if hangs else None
            self.pid = self.process.pid if self.process else 0

        def wait(self, timeout: float | None = None) -> int:
            if timeout is not None:
                calls.append((self.part, timeout - script.GRACE))
            if self.process and timeout is not None:
                ended.append(self.process)
                raise subprocess.TimeoutExpired("speed", timeout)
            return self.process.wait() if self.process else 0

        def poll(self) -> int | None:
            return self.process.poll() if self.process else 0

    monkeypatch.setattr(script.subprocess, "Popen", Process)
    assert script.main(["--out", str(tmp_path), "--minutes", "10"]) == 1
    assert [part for part, _ in calls] == PARTS and ended[0].returncode == -9
    seconds = dict(calls)
    assert seconds["tests"] == pytest.approx(600 * script.SHARES["tests"], abs=1)
    assert seconds["tables"] == pytest.approx(600, abs=1)  # here no part took any time
    assert sum(script.SHARES.values()) == pytest.approx(1)


def test_data_that_comes_in_parts(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two commands copy aside what is there; the third reads all of it."""
    aside = tmp_path / "aside"
    for number, name in enumerate(("00.webp", "01.webp", "02.webp")):
        folder = tmp_path / f"part{number}"
        (folder / "cifar10/train").mkdir(parents=True)
        (folder / "cifar10/train" / name).write_bytes(b"picture")
        monkeypatch.setenv("SPT_DATA", str(folder))
        if number < 2:
            done = subprocess.run(
                [sys.executable, str(BENCHMARKS / "gpu.py"), "--stash", str(aside)], capture_output=True, text=True
            )
            assert done.stdout == f"{aside}: {number + 1} files, 0 MB\n" and not done.stderr
    monkeypatch.setattr(script, "_part", lambda *_: True)
    out = str(tmp_path / "out")
    assert script.main(["--out", out, "--rehearse", "--part", "bounds", "--data", str(aside)]) == 0
    assert script.os.environ["SPT_DATA"] == str(aside)
    assert sorted(path.name for path in (aside / "cifar10/train").iterdir()) == ["00.webp", "01.webp", "02.webp"]


def test_help_gives_the_commands(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        script.main(["--help"])
    text = capsys.readouterr().out
    assert "--stash /tmp/pictures" in text and "--data /tmp/pictures" in text
    with pytest.raises(SystemExit):
        script.main([])


@pytest.mark.slow
def test_rows_from_several_processes(script: ModuleType, with_data: Path, tmp_path: Path) -> None:
    options = ["--out", str(tmp_path), "--rehearse", "--part", "tables", "--workers", "2"]
    assert script.main(options) == 0
    assert record(tmp_path, "tables")["values"] == {"table4-cifar10-rotation-2": 2, "table4-cifar10-rotation-1": 2}


def test_timing_repeats_and_knows_the_device(script: ModuleType, tmp_path: Path) -> None:
    from gpu_parts.run import OutOfTimeError, Run

    run, calls = Run("speed", tmp_path, "cpu", True, 1e18), []
    assert 0 < run.seconds(lambda: calls.append(torch.ones(1000).sum()), 0.01) < 0.01
    assert len(calls) > 5
    with pytest.raises(OutOfTimeError, match="out of time in search"):
        list(run.until(-1)([1, 2], desc="search"))
    assert list(run.until(60)([1, 2], desc="search", total=2)) == [1, 2]


def test_untrained_networks_are_classifiers(script: ModuleType) -> None:
    from gpu_parts.speed import untrained

    assert isinstance(untrained("resnet18", 16, False), Classifier)
