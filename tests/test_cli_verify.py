"""The command verify, and the nested g of predict: what a person reads, and the exit codes that a script sees."""

import json
from pathlib import Path

import pytest

from spt.__main__ import main


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.fixture
def written(capsys, tmp_path) -> Path:
    """A certificate of digit 3, as a person's shell writes it."""
    path = tmp_path / "certificate.json"
    command = "certify --image digits:3 --defence dist-x --n-gamma 40 --limit 10 --json"
    code, text, _ = run(capsys, *command.split(), "--out", path)
    assert code == 0 and text.isascii() and path.read_text() == text
    return path


def test_a_file_that_cannot_be_written_is_refused_before_the_work(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "spt.smoothing.SmoothedClassifier._vote", lambda *_: pytest.fail("worked before looking at --out")
    )
    for path, message in ((tmp_path, "is a folder"), (tmp_path / "none" / "c.json", "there is no folder")):
        code, _, error = run(capsys, "certify", "--out", path)
        assert code == 2 and message in error


def test_where_there_is_no_certificate_no_file_is_written(capsys, tmp_path):
    command = "certify --image digits:3 --at 4 --defence indiv-one-error --limit 5 --error-level 0.001 --error-betas 20"
    code, text, _ = run(capsys, *command.split(), "--alpha", "0.2", "--out", tmp_path / "c.json")
    assert code == 0 and "REFUSED" in text and "Not written:" in text and not (tmp_path / "c.json").exists()


def test_the_record_alone(capsys, written):
    code, text, _ = run(capsys, "verify", written)
    assert code == 0 and "CERTIFIED 3" in text and "CONSISTENT\n" in text
    assert "samples are those of the seed" in text and "not checked: whether image and classifier" in text
    code, text, _ = run(capsys, "verify", written, "--json")
    assert code == 0 and json.loads(text) == {"consistent": True, "computed_again": False}


def test_computed_again(capsys, written):
    code, text, _ = run(capsys, "verify", written, "--image", "digits:3")
    assert code == 0 and "CONFIRMED: computed again" in text
    for line in ("agrees    balls: 40 radii bounded again", "agrees    inner tests: 40 tests", "on trust  code"):
        assert line in text
    code, text, _ = run(capsys, "verify", written, "--image", "digits:3", "--json")
    assert code == 0 and json.loads(text)["confirmed"] is True


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", 180.0),
        ("pixel_sigma", 1e9),
        ("attacker", "exact"),
        ("label", 4),
        ("label", 99),
        ("radius", 1e3),
        ("class_names", None),
    ],
)
def test_an_edited_record_is_none(capsys, written, field, value):
    fields = json.loads(written.read_text())
    written.write_text(json.dumps(fields | {field: value}))
    code, text, _ = run(capsys, "verify", written)
    assert code == 1 and text.startswith("NOT CONSISTENT: this is not the record of a run")
    code, text, _ = run(capsys, "verify", written, "--image", "digits:3")
    assert code == 1 and "NOT CONFIRMED" in text


def test_another_image_or_classifier_is_not_confirmed(capsys, written):
    code, text, _ = run(capsys, "verify", written, "--image", "digits:4")
    assert code == 1 and "differs   image" in text and "balls" not in text
    code, text, _ = run(capsys, "verify", written, "--image", "digits:3", "--classifier", "mnist-rotation-fine")
    assert code == 1 and "differs   classifier" in text


@pytest.mark.parametrize("form", ["--n-gamma 10", "--form cells"])
def test_of_a_received_image(capsys, tmp_path, form):
    path = tmp_path / "indiv.json"
    command = f"certify --image digits:3 --at 4 --defence indiv {form} --limit 5 --json"
    path.write_text(run(capsys, *command.split())[1])
    code, text, _ = run(capsys, "verify", path, "--image", "digits:3", "--at", "4")
    assert code == 0 and "agrees    inverse" in text and "at angle 4.00°" in text
    code, text, _ = run(capsys, "verify", path, "--image", "digits:3")
    assert code == 1


def test_from_standard_input(capsys, written, monkeypatch):
    with written.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert run(capsys, "verify", "-")[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "This is no JSON"),
        ("[1]", "a JSON object is expected"),
        ('{"a": 1}', "not a certificate of BaseSPT, DistSPT or IndivSPT"),
        ('{"centre": "recentred"}', "an earlier version wrote it"),
    ],
)
def test_what_is_no_certificate(capsys, tmp_path, content, message):
    path = tmp_path / "other.json"
    path.write_text(content)
    code, _, error = run(capsys, "verify", path)
    assert code == 2 and message in error and str(path) in error and error.count("\n") == 1


def test_an_own_network_has_to_be_named(capsys, written, tmp_path):
    fields = json.loads(written.read_text())
    written.write_text(json.dumps(fields | {"classifier": "mine"}))
    code, _, error = run(capsys, "verify", written, "--image", "digits:3")
    assert code == 2 and "about 'mine', which is not bundled: name the file with --classifier" in error
    assert run(capsys, "verify", tmp_path / "nothing.json")[0] == 2


def test_the_nested_g(capsys):
    code, text, _ = run(capsys, "predict", "--image", "digits:3", "--g", "nested")
    assert code == 0 and "PREDICT 3: 12 of 12 samples show h = 3" in text
    code, text, _ = run(capsys, "predict", "--image", "digits:3", "--g", "nested", "--json")
    assert json.loads(text)["label"] == 3
    code, _, error = run(capsys, "predict", "--g", "nested", "--pixel-sigma", "0")
    assert code == 2 and "--g nested needs pixel noise" in error


def test_an_attack_on_the_nested_g(capsys):
    command = "attack --image digits:3 --limit 20 --k 20 --g nested"
    code, text, _ = run(capsys, *command.split())
    assert code == 0 and "g is the majority over rotations" in text and text.count("samples show h = 3") == 3
    code, text, _ = run(capsys, *command.split(), "--json")
    record = json.loads(text)
    assert record["g"] == "nested" and {each["smoothed"]["label"] for each in record["worst"]} == {3}
