"""The command line at its limits: every number, spelling, file and terminal is taken, or refused at once in one sentence."""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spt.__main__ import build_parser, main
from spt.certificates import ErrorLevel
from spt.commands.arguments import default_classifier
from spt.experiments import EXPERIMENTS, configure
from spt.experiments.files import check_file, check_folder, json_text
from spt.whole_files import write_whole
from tests.test_cli import OWN, OWN_F, ROOT, fail, run

CELL = "certify", *OWN_F
QUICK = "run", "table4", "--preset", "quick"


@pytest.fixture(autouse=True)
def _no_work(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals come before the work: what is expensive may not be called in tests that are marked so by their name."""
    if "refused" in request.node.name:
        for name in ("spt.smoothing.SmoothedClassifier.votes", "spt.training.train", "spt.experiments.run"):
            monkeypatch.setattr(name, lambda *_, **__: pytest.fail("work was done before the refusal"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*CELL, "--n", 10**12), "--n: must be a whole number from 1 to 10000000, but is '1000000000000'"),
        ((*CELL, "--n", "9" * 5000), "--n: must be a whole number from 1 to 10000000, but is '999"),
        ((*CELL, "--n", "1e3"), "--n: must be a whole number from 1 to"),
        ((*CELL, "--n-gamma", 10**10), "--n-gamma: must be a whole number from 1 to 10000000"),
        ((*CELL, "--first-looks", 10**10), "--first-looks: must be a whole number"),
        ((*CELL, "--alpha", "1e-320"), "--alpha: must be a number from 1e-20 to less than 1, but is '1e-320'"),
        ((*CELL, "--alpha", "nan"), "--alpha: must be a number from 1e-20"),
        ((*CELL, "--limit", "nan"), "--limit: must be a number from 1e-06 to 3600, but is 'nan'"),
        ((*CELL, "--limit", "inf"), "--limit: must be a number from 1e-06 to 3600, but is 'inf'"),
        ((*CELL, "--limit", "1e308"), "--limit: must be a number from 1e-06 to 3600, but is '1e308'"),
        ((*CELL, "--limit", "-1e1"), "--limit: must be a number from 1e-06 to 3600, but is '-1e1'"),
        ((*CELL, "--seed", -1), "--seed: must be a whole number from 0 to 9223372036854775807, but is '-1'"),
        ((*CELL, "--parameter-sigma", "1e308"), "--parameter-sigma: must be a number from 1e-06 to 3600"),
        ((*CELL, "--pixel-sigma", "inf"), "--pixel-sigma: must be a number from 0 to 100"),
        ((*CELL, "--at", "1e308"), "--at: must be a number from -10000 to 10000"),
        ((*CELL, "--device", "cpu:5"), "There is no device 'cpu:5' here"),
        ((*CELL, "--device", "cuda:" + "9" * 30), "There is no device 'cuda:999"),
        ((*CELL, "--transform", ""), "Unknown transformation ''"),
        ((*CELL, "--limit", 30), "--limit is for the defences that prove, not for base"),
        (
            (*CELL, "--defence", "dist-x", "--error-betas", 50),
            "--error-betas is for defences that measure E on the image",
        ),
        (("attack", *OWN_F, "--k", 10**10), "--k: must be a whole number from 1 to 1000000"),
        (("attack", *OWN_F, "--steps", 10**5, "--transform", "translation"), "makes more than 1000000 attacks"),
        (("bound", *OWN_F, "--splits", 10**10), "--splits: must be a whole number from 1 to 10000"),
        (("bound", *OWN_F, "--beta", "-inf"), "--beta: must be a number from -10000 to 10000, but is '-inf'"),
        (("invert", "--passes", 10**10), "--passes: must be a whole number from 0 to 1000"),
        (("invert", "--shape", 3, 10_000, 10_000), "--shape must hold at most 10000000 values, but 3 x 10000 x 10000"),
        (("invert", "--range", "-1e308", "1e308"), "--range: must be a number from -10000 to 10000"),
        (("measure", *OWN_F, "--images", 10**10), "--images: must be a whole number from 1 to 10000000"),
        (("train", "mnist-plain", "--threads", 10**11), "--threads: must be a whole number from 1 to 1024"),
        (("train", "mnist-plain", "--epochs", 10**11), "--epochs: must be a whole number from 1 to 10000"),
        ((*QUICK, "--images", 10**10), "--images: must be a whole number from 1 to 10000000"),
        ((*QUICK, "--seed", -1), "--seed: must be a whole number from 0"),
        ((*QUICK, "--set", "limit=nan"), "limit must be a number from 1e-06 to 3600, but is nan"),
        ((*QUICK, "--set", "limit=inf"), "limit must be a number from 1e-06 to 3600, but is inf"),
        ((*QUICK, "--set", "n_gamma=1e3"), "n_gamma must be a whole number from 1 to 10000000, but is '1e3'"),
        ((*QUICK, "--set", f"n_gamma={10**10}"), "n_gamma must be a whole number from 1 to 10000000"),
        ((*QUICK, "--set", "n_gamma=5", "--set", "n_gamma=6"), "n_gamma is set twice, to 5 and to 6"),
        ((*QUICK, "--set", "dataset=mnist"), "dataset has an option of its own: --dataset mnist"),
        ((*QUICK, "--set", "preset=quick"), "table4 has no setting 'preset'; it has first, every, limit,"),
        ((*QUICK, "--set", "kind=1"), "table4 has no setting 'kind'"),
        ((*QUICK, "--set", "pixel_sigma=0"), "DistSPT with cells needs pixel noise"),
        ((*QUICK, "--transform", ""), "Unknown transformation ''"),
        ((*QUICK, "--dataset", ""), "There is no data set ''"),
        ((*QUICK, "--workers", 2), "--workers 2 is for --scheduler local only"),
        (("run", "table3", "--preset", "quick", "--set", "n_betas=20"), "at least 90 are needed"),
        (("run", "table12", "--preset", "quick", *OWN_F), "table12 verifies bundled classifiers only"),
    ],
    ids=lambda value: " ".join(map(str, value))[:60] if isinstance(value, tuple) else "",
)
def test_what_is_beyond_reason_is_refused_at_once(capsys, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(ROOT)
    out = ("--out", tmp_path / "out") if arguments[0] == "run" else ()
    assert sentence in fail(capsys, *arguments, *out)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["-1e1", "-5.", "-.5", "-5", "-5.25", "-1E+1", "-.5e-1", "-1_0", "-0"])
def test_negative_numbers_in_every_spelling(text):
    parser = build_parser()
    for command, option in (("predict", "--at"), ("invert", "--at"), ("bound", "--beta")):
        values = vars(parser.parse_args([command, option, text]))[option[2:]]
        assert values == [float(text)]
    assert parser.parse_args(["predict", "--at", text, "-2e0", "--n", "5"]).at == [float(text), -2.0]
    assert parser.parse_args(["invert", "--range", text, "7"]).range == [float(text), 7.0]


@pytest.mark.parametrize("text", ["-inf", "-nan", "-Infinity"])
def test_what_is_no_number_is_no_option_either(capsys, text):
    assert f"--at: must be a number from -10000 to 10000, but is '{text}'" in fail(
        capsys, "predict", *OWN_F, "--at", text
    )


# ---------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("no/such/e.json", "cannot be written: there is no folder"),
        ("folder.npz", "is a folder: name a file"),
        ("file.txt/e.json", "cannot be written: there is no folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(capsys, tmp_path, path, sentence):
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "file.txt").touch()
    assert sentence in fail(capsys, "measure", *OWN_F, "--out", tmp_path / path)
    npz = tmp_path / path.replace(".json", ".npz")
    assert sentence in fail(capsys, "invert", "--image", "no.png", "--out", npz)


@pytest.mark.parametrize("option", ["--out", "--checkpoint"])
def test_a_folder_that_cannot_be_made_is_refused(capsys, tmp_path, monkeypatch, option):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPT_DATA", "")
    for path in ("file", "file/below"):
        assert f"{option} {tmp_path / path} cannot be a folder" in fail(
            capsys, "train", "mnist-plain", option, tmp_path / path
        )
    if option == "--out":
        assert "cannot be a folder" in fail(capsys, *QUICK, "--out", tmp_path / "file")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody can write")
def test_a_folder_in_which_nothing_can_be_written_is_refused(capsys, monkeypatch):
    monkeypatch.setenv("SPT_DATA", "")
    for arguments in (("measure", *OWN_F, "--out", "/proc/e.json"), ("invert", "--out", "/proc/e.npz")):
        assert "nothing can be written in /proc" in fail(capsys, *arguments)
    for arguments in (("train", "mnist-plain", "--out", "/proc/x"), (*QUICK, "--out", "/proc/x")):
        assert "nothing can be written in /proc" in fail(capsys, *arguments)


def test_a_file_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "e.json"
    path.write_text("mine")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write all
    with pytest.raises(ValueError, match="may not be written: name another file"):
        check_file(path, "--out")


def test_files_are_whole_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_whole(path, "first")

    def torn(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", torn)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, "second")
    monkeypatch.undo()
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]
    link = tmp_path / "link"
    link.symlink_to(path)
    write_whole(link, b"third")
    assert link.is_symlink() and path.read_text() == "third"
    check_file(Path("/dev/null"), "--out")
    write_whole(Path("/dev/null"), "nothing")
    assert not Path("/dev/null").is_file()
    check_folder(tmp_path / "new" / "newer", "--out")
    assert not (tmp_path / "new").exists()


def test_measure_leaves_no_other_file(capsys, tmp_path):
    sizes = ("--level", "5", "--images", "10", "--betas", "30", "--rho", "0.2", "--limit", "1")
    run(capsys, "measure", "--out", tmp_path / "e.json", *OWN_F, *sizes)
    assert [path.name for path in tmp_path.iterdir()] == ["e.json"]
    assert ErrorLevel.from_json((tmp_path / "e.json").read_text(encoding="utf-8")).verify()


# ----------------------------------------------------------------------------------------------------------------- JSON


def test_json_is_ascii_and_has_no_nan():
    value = {"σ": [1.5, math.nan, -math.inf], "t": ("ä", {"x": math.inf}), "n": None, "b": True, "i": 3}
    text = json_text(value)
    assert text.isascii() and json.loads(text) == {
        "σ": [1.5, None, None],
        "t": ["ä", {"x": None}],
        "n": None,
        "b": True,
        "i": 3,
    }


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        pytest.param({"LC_ALL": "C"}, marks=pytest.mark.slow),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, marks=pytest.mark.slow),
    ],
)
def test_json_can_be_read_whatever_the_terminal(tmp_path, environment):
    body = 'Classifier("groß", torch.nn.Flatten(), ("ä", "日", "c", "d"), (1, 2, 2))'
    own = tmp_path / "own.py"
    own.write_text(
        f"import torch\nfrom spt import Classifier\ndef classifier():\n    return {body}\n", encoding="utf-8"
    )
    settings = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    script = (
        "import sys, json; from spt.__main__ import main; import contextlib, io\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    main(command); print(flush=True)\n"
    )
    commands = [
        ["attack", "--classifier", str(own), "--n", "20", "--k", "3", "--limit", "1", "--json"],
        ["bound", "--classifier", str(own), "--splits", "3", "--limit", "1", "--json"],
        ["invert", "--limit", "1", "--width", "1", "--passes", "0", "--json"],
        ["list", "--json"],
        [
            *("run", "bicubic", "--preset", "quick", "--images", "1", "--set", "n_betas=2", "--set", "n_points=3"),
            *("--out", str(tmp_path / "out"), "--json"),
        ],
    ]
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(commands)],
        capture_output=True,
        cwd=ROOT,
        env=settings | environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text, decoder, found = done.stdout.decode("ascii").strip(), json.JSONDecoder(), []
    while text:
        record, end = decoder.raw_decode(text)
        found.append(record)
        text = text[end:].lstrip()
    assert [record.get("classifier") for record in found[:1]] == ["groß"] and len(found) == len(commands)
    assert found[0]["worst"][0]["smoothed"]["class_names"][:2] == ["ä", "日"]
    assert (tmp_path / "out" / "bicubic-digits-rotation-30.json").read_bytes().isascii()


# ------------------------------------------------------------------------------------------------- SPT_CLASSIFIER, pipes


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "mnist-rotation"),
        ("", "mnist-rotation"),
        (" , ,", "mnist-rotation"),
        (" own.py ", "own.py"),
        (",a,", "a"),
    ],
)
def test_the_default_classifier(capsys, monkeypatch, value, name):
    monkeypatch.delenv("SPT_CLASSIFIER", raising=False)
    if value is not None:
        monkeypatch.setenv("SPT_CLASSIFIER", value)
    assert default_classifier() == name
    assert capsys.readouterr().err == ""


def test_of_several_own_classifiers_the_first_is_taken_and_this_is_said(capsys, monkeypatch):
    monkeypatch.setenv("SPT_CLASSIFIER", f"{OWN}, mnist-plain")
    assert main(["predict", "--n", "20", "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["classifier"] == "digit templates"
    assert output.err == f"note: of the classifiers in SPT_CLASSIFIER the first is taken, {OWN}\n"
    assert main(["predict", "--n", "20", "--classifier", "mnist-plain"]) == 0
    assert capsys.readouterr().err == ""


def test_who_reads_the_output_may_stop_reading():
    command = f"{sys.executable} -m spt list | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Classifiers\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_output_that_cannot_be_written_is_no_success():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "spt", "list"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2 and "No space left on device" in done.stderr and "Traceback" not in done.stderr


def test_too_little_memory_is_one_sentence(capsys, monkeypatch):
    def exhaust(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("spt.classifiers.load_classifier", exhaust)
    assert "There is not enough memory for this" in fail(capsys, "predict")


# ------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, True, "many", None, [1], 10**30])
def test_every_setting_is_checked_when_an_experiment_is_made(name, value):
    import dataclasses

    kind = EXPERIMENTS[name]
    usual = configure(kind, "quick")
    for field in dataclasses.fields(kind):
        if (value is None and field.default is None) or (value == "many" and isinstance(field.default, str)):
            continue
        if value == "many" and field.name in ("dataset", "transform", "classifier", "ordinary"):
            continue
        with pytest.raises(ValueError, match=rf"^{field.name} must be ") as caught:
            dataclasses.replace(usual, **{field.name: value})
        assert str(caught.value).endswith(f"but is {value!r}.")


def test_settings_are_plain_values():
    kind = EXPERIMENTS["table4"]
    made = configure(kind, "quick", limit=np.float64(20), n_cell=np.int64(50), alpha=0.01, parameter_sigma=30)
    assert made == configure(kind, "quick", limit="20", n_cell="50")
    assert [type(value) for value in (made.limit, made.n_cell, made.parameter_sigma)] == [float, int, float]
    json.dumps(made.identity)
    for given, sentence in (
        ({"n_more": 100, "form": "one-ball"}, "n_more must be more than n_gamma = 200, but is 100"),
        (
            {"n_more": 400, "form": "one-error"},
            "n_more = 400 is for the forms one-ball and shifted only, not for one-error",
        ),
    ):
        with pytest.raises(ValueError, match=sentence):
            configure(kind, **given)
    with pytest.raises(ValueError, match="keep must be at most k = 2, but is 3"):
        configure(EXPERIMENTS["table2"], k=2)


def test_a_quick_preset_keeps_the_range_of_a_translation():
    assert configure(EXPERIMENTS["table12"], "quick", transform="translation").limit == 1.0
    assert configure(EXPERIMENTS["table12"], "quick").limit == 10.0


def test_control_c_keeps_the_rows(tmp_path):
    import signal

    from spt.experiments import Store

    command = [sys.executable, "-m", "spt", "run", "table11", "--preset", "quick", "--set", "n_points=1000"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # beside other tests a second thread waits more than it works
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # ignored where the tests run in the background
    )
    path, until = tmp_path / "table11-digits-rotation-30.sqlite", time.monotonic() + 180
    while not (path.is_file() and Store(path, None).done("images")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=180)
    assert (process.returncode, out, err.splitlines()[-1]) == (130, "", "interrupted")
    assert 1 <= len(Store(path).done("images")) < 20 and not list(tmp_path.glob("*.json"))
