"""The command line, in this process except where that is the point; own networks stand in for the bundled ones."""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

import spt
from spt import training
from spt.__main__ import build_parser, main
from spt.certificates import Certificate, ErrorLevel, ImageErrorLevel, OneErrorCertificate, Prediction, rounded_up
from spt.certificates.error_level import ReceivedErrorLevel
from spt.certificates.individual_cells import IndividualCellsCertificate
from spt.certificates.per_sample import IndividualCertificate
from spt.datasets import DATASETS
from spt.images import to_8_bit
from spt.inverse import invert
from spt.recipes import RECIPES, Recipe
from spt.threat_model import ReceivedImage
from spt.transforms import TRANSFORMS

ROOT = Path(__file__).parent.parent
OWN = str(ROOT / "examples" / "own_network.py")
OWN_F = ("--classifier", OWN)
FEW = ("--n", "200", *OWN_F)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Standard output of a command that succeeds and reports nothing on standard error."""
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    assert (code, output.err) == (0, "")
    return output.out


def fail(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The sentence of a command that ends with exit code 2."""
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    assert (code, output.out) == (2, "")
    assert output.err.startswith("error: ")
    assert output.err.count("\n") == 1
    return output.err


# ------------------------------------------------------------------------------------------------------ what it answers


class Noticing(argparse.Namespace):
    """Arguments that know which of them were read since the command began."""

    read: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> object:
        if name == "run":
            Noticing.read.clear()
        Noticing.read.add(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    "command",
    [
        ("predict",),
        ("attack", "--k", "3"),
        ("bound", "--splits", "5"),
        ("certify",),
        ("certify", "--defence", "dist-x", "--limit", "1", "--cell-width", "2"),
        ("certify", "--defence", "dist-x", "--limit", "1", "--n-gamma", "10"),
    ],
    ids=" ".join,
)
def test_every_option_of_a_command_is_read(monkeypatch, command: tuple[str, ...]) -> None:
    """Or refused where it is given, see `BAD`: none is taken and means nothing."""
    monkeypatch.setattr(argparse, "Namespace", Noticing)
    assert main([*command, *OWN_F]) == 0
    read = set(Noticing.read)
    assert {name for name in vars(build_parser().parse_args([*command, *OWN_F])) if name != "run"} <= read


def test_certify_writes_the_certificate(capsys):
    text = run(capsys, "certify", *FEW, "--n0", "50", "--image", "digits:5")
    caption, first, *_ = text.splitlines()
    assert caption.startswith("digits 5: ")
    assert first.startswith("CERTIFY ")
    assert "50 other votes" in text
    assert "proves nothing about an attack" in text


def test_certify_as_json_is_a_certificate_that_others_can_check(capsys):
    text = run(capsys, "certify", *FEW, "--n0", "50", "--alpha", "0.01", "--seed", "7", "--json")
    certificate = Certificate.from_json(text)
    assert certificate.verify()
    assert (certificate.n, sum(certificate.selection_counts), certificate.alpha) == (200, 50, 0.01)
    assert (certificate.classifier, certificate.transform, certificate.seed) == ("digit templates", "rotation", 7)
    assert (certificate.parameter_sigma, certificate.pixel_sigma) == (30.0, 0.3)


def test_the_seed_decides_the_votes(capsys):
    def counts(seed: int) -> list[int]:
        return json.loads(run(capsys, "predict", *FEW, "--image", "digits:13", "--seed", seed, "--json"))["counts"]

    assert counts(1) == counts(1)
    assert counts(1) != counts(2)


def test_predict(capsys):
    text = run(capsys, "predict", *FEW, "--image", "digits:0")
    label = spt.load_dataset("digits").label(0)
    assert text.splitlines()[0] == f"digits 0: {label}"
    assert f"PREDICT {label}: " in text
    prediction = json.loads(run(capsys, "predict", *FEW, "--image", "digits:0", "--json"))
    assert prediction["label"] == label
    assert sum(prediction["counts"]) == 200


def test_abstain_is_no_error(capsys):
    assert "\nABSTAIN: " in run(capsys, "predict", "--classifier", OWN, "--n", "2")  # too few for any answer
    assert "\nABSTAIN: " in run(capsys, "certify", "--classifier", OWN, "--n", "2")


def test_options_replace_what_the_classifier_was_trained_for(capsys):
    options = ("--transform", "translation", "--parameter-sigma", "0.5", "--pixel-sigma", "0")
    prediction = json.loads(run(capsys, "predict", *FEW, *options, "--json"))
    assert [prediction[key] for key in ("transform", "parameter_sigma", "pixel_sigma")] == ["translation", 0.5, 0.0]


def test_another_transformation_comes_with_its_own_noise(capsys):
    prediction = json.loads(run(capsys, "predict", *FEW, "--transform", "translation", "--json"))
    assert prediction["parameter_sigma"] == TRANSFORMS["translation"].parameters[0].default_sigma


@pytest.mark.parametrize(
    ("transform", "at"),
    [
        ("rotation", ["25"]),
        ("rotation", ["-25"]),
        ("translation", ["1.5", "-2"]),
        ("scaling", ["-20"]),
        ("shear", ["20"]),
    ],
)
def test_at_is_the_image_that_is_received(capsys, transform, at):
    text = run(capsys, "predict", *FEW, "--image", "digits:3", "--transform", transform, "--at", *at, "--json")
    image = spt.load_dataset("digits").image(3)
    moved = TRANSFORMS[transform](image, [[float(value) for value in at]])[0]
    received = spt.images.to_8_bit(moved)
    assert json.loads(text)["image_sha256"] == spt.images.image_digest(received)
    assert not torch.equal(received, image)


def test_at_is_named_in_the_text(capsys):
    assert "at dx 1.50 px, dy −2.00 px" in run(
        capsys, "predict", *FEW, "--transform", "translation", "--at", "1.5", "-2"
    )


# --------------------------------------------------------------------------------------------------------------- images


@pytest.fixture
def digit_file(tmp_path: Path) -> Path:
    """The bundled digit 4 as a picture with dark ink."""
    pixels = (spt.load_dataset("digits").image(4)[0] * 255).round().byte().numpy()
    path = tmp_path / "digit.png"
    Image.fromarray(255 - pixels).save(path)
    return path


def test_a_picture_file_with_dark_ink_is_the_same_image(capsys, digit_file):
    from_file = json.loads(run(capsys, "predict", *FEW, "--image", digit_file, "--invert", "--json"))
    bundled = json.loads(run(capsys, "predict", *FEW, "--image", "digits:4", "--json"))
    assert from_file == bundled


def test_an_npz_file_and_inverting_it(capsys, tmp_path):
    with np.load(ROOT / "assets" / "samples" / "digits.npz") as file:
        np.savez(tmp_path / "dark.npz", images=255 - file["images"][:5], labels=file["labels"][:5])
    text = run(capsys, "predict", *FEW, "--image", f"{tmp_path / 'dark.npz'}:4", "--invert", "--json")
    assert json.loads(text) == json.loads(run(capsys, "predict", *FEW, "--image", "digits:4", "--json"))


def test_a_photograph_is_fitted_to_the_classifier(capsys):
    assert run(capsys, "predict", *FEW, "--image", "natural:2").startswith("natural 2: ")
    assert run(capsys, "predict", *FEW, "--image", ROOT / "assets/samples/cat.jpg").startswith("cat.jpg\n")


@pytest.mark.parametrize("name", ["my:3", "digits:3", "C:3.png", "scan:12.png", "a:b/my:3"])
def test_a_file_whose_name_has_a_colon(capsys, tmp_path, monkeypatch, digit_file, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    digit_file.rename(tmp_path / name)
    text = run(capsys, "predict", *FEW, "--image", name, "--invert")
    assert text.splitlines()[0] == Path(name).name
    by_number = run(capsys, "predict", *FEW, "--image", "digits:4")
    assert text.splitlines()[1] == by_number.splitlines()[1]


@pytest.mark.parametrize("path", ["folder:with:colon/data.npz", "data:2.npz", "my:2/data.NPZ"])
def test_an_npz_file_whose_path_has_a_colon(capsys, tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_bytes((ROOT / "assets" / "samples" / "digits.npz").read_bytes())
    text = run(capsys, "predict", *FEW, "--image", f"{path}:4", "--json")
    assert json.loads(text) == json.loads(run(capsys, "predict", *FEW, "--image", "digits:4", "--json"))
    assert f"name one of its images by its number, {path}:0" in fail(capsys, "predict", *FEW, "--image", path)


def test_a_folder_whose_name_has_a_colon(capsys, tmp_path, monkeypatch, digit_file):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my:12/four").mkdir(parents=True)
    digit_file.rename(tmp_path / "my:12/four/x.png")
    assert run(capsys, "predict", *FEW, "--image", "my:12:0", "--invert").startswith("my:12 0: four\n")
    assert "'my:12' is no picture file but a data set" in fail(capsys, "predict", *FEW, "--image", "my:12")
    (tmp_path / "my").mkdir()
    assert "my has no pictures in class folders" in fail(capsys, "predict", *FEW, "--image", "my:12")


def test_how_a_picture_was_read_is_said(capsys, tmp_path):
    Image.fromarray(np.full((28, 28), 200, np.uint16)).save(tmp_path / "deep.png")
    text = run(capsys, "predict", *FEW, "--image", tmp_path / "deep.png")
    assert text.splitlines()[0] == "deep.png (16-bit values 200 to 200, read as 0 to 255)"


# --------------------------------------------------------------------------------------------------------------- attack


def test_attack(capsys):
    text = run(capsys, "attack", *FEW, "--limit", "90", "--k", "30")
    assert "The worst of 30 rotations within ±90°" in text
    assert text.count("    g: ") == 3
    g = "g is the majority of f's answers over rotations β ~ N(0, (30°)²) and pixel noise N(0, 0.3²); 200 votes"
    assert g in text
    assert text.splitlines()[-1] in ("f is fooled.", "f is not fooled.")


def test_attack_as_json(capsys):
    result = json.loads(run(capsys, "attack", *FEW, "--image", "digits:7", "--limit", "170", "--steps", "35", "--json"))
    assert (result["tried"], result["label_known"], result["limit"]) == (35, True, 170.0)
    assert result["fooled"]  # upside down, a digit is another one for the templates
    losses = [worst["loss"] for worst in result["worst"]]
    assert losses == sorted(losses, reverse=True)
    for worst in result["worst"]:
        assert worst["parameters"][0] % 10 == 0  # the grid
        fields = worst["smoothed"] | {"class_names": tuple(worst["smoothed"]["class_names"])}
        assert Prediction(**fields).n == 200


def test_attack_on_a_picture_without_label(capsys, digit_file):
    options = ("--image", digit_file, "--invert", "--limit", "5", "--k", "5", "--json")
    result = json.loads(run(capsys, "attack", *FEW, *options))
    assert (result["label"], result["label_known"]) == (result["clean_prediction"], False)
    given = json.loads(run(capsys, "attack", *FEW, *options, "--label", "9"))
    assert (given["label"], given["label_known"], given["fooled"]) == (9, True, True)


# ---------------------------------------------------------------------------------------------------------- own network


def write_own(folder: Path, body: str) -> Path:
    path = folder / "own.py"
    path.write_text(f"import torch\nfrom spt import Classifier\ndef classifier():\n    {body}\n", encoding="utf-8")
    return path


def test_the_example_classifies_the_bundled_digits():
    digits = spt.load_dataset("digits")
    images, labels = digits.batch(range(len(digits)))
    classifier = spt.load_classifier(OWN)
    assert torch.equal(classifier.logits(images).argmax(dim=1), labels)


def test_an_own_network_by_environment_variable_function_name_and_module(capsys, tmp_path, monkeypatch):
    body = "return Classifier('mine', torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)), ('a', 'b'), (1, 2, 2))"
    path = write_own(tmp_path, body)
    monkeypatch.setenv("SPT_CLASSIFIER", str(path))
    assert json.loads(run(capsys, "predict", "--n", "10", "--json"))["classifier"] == "mine"
    monkeypatch.delenv("SPT_CLASSIFIER")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in (f"{path}:classifier", "own:classifier"):
        prediction = json.loads(run(capsys, "predict", "--n", "10", "--classifier", name, "--json"))
        assert (prediction["classifier"], prediction["transform"]) == ("mine", "rotation")


def test_what_an_own_network_prints_does_not_spoil_the_json(capsys, tmp_path):
    body = "print('loading'); return Classifier('mine', torch.nn.Flatten(), tuple('abcd'), (1, 2, 2))"
    assert main(["predict", "--n", "10", "--classifier", str(write_own(tmp_path, body)), "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["classifier"] == "mine"
    assert output.err == "loading\n"


# ----------------------------------------------------------------------------------------------------------- bad input


BAD = {
    "unknown classifier": (["certify", "--classifier", "nope"], "Unknown classifier 'nope': choose one of"),
    "unknown transform": (
        ["certify", "--classifier", OWN, "--transform", "squeeze"],
        "choose one of rotation, translation",
    ),
    "a form without a bound": (
        ["certify", *OWN_F, "--transform", "scaling", "--defence", "dist-x", "--form", "one-ball"],
        "for scaling DistSPT^x with cells proves (--defence dist-x --form cells)",
    ),
    "no inverse": (
        ["invert", "--transform", "shear"],
        "There is no inverse for shear, only for rotation and translation",
    ),
    "alpha": (["certify", "--alpha", "2"], "--alpha: must be a number from 1e-20 to less than 1, but is '2'"),
    "n": (["certify", "--n", "0"], "--n: must be a whole number from 1 to 10000000, but is '0'"),
    "n0": (["certify", "--n0", "-1"], "--n0: must be a whole number from 1 to 10000000, but is '-1'"),
    "fraction": (["predict", "--n", "1.5"], "--n: must be a whole number"),
    "seed": (["predict", "--seed", "-1"], "--seed: must be a whole number from 0 to"),
    "parameter sigma": (
        ["certify", *FEW, "--parameter-sigma", "-1"],
        "--parameter-sigma: must be a number from 1e-06 to 3600",
    ),
    "pixel sigma": (["certify", *FEW, "--pixel-sigma", "-1"], "--pixel-sigma: must be a number from 0 to 100,"),
    "nan": (["certify", *FEW, "--pixel-sigma", "nan"], "--pixel-sigma: must be a number from 0 to 100,"),
    "no such picture": (["predict", *FEW, "--image", "no.png"], "There is no picture file 'no.png'"),
    "data set without number": (["predict", *FEW, "--image", "digits"], "There is no picture file 'digits'"),
    "no picture": (["predict", *FEW, "--image", __file__], "is not a picture that can be read"),
    "no such data set": (["predict", *FEW, "--image", "letters:3"], "There is no data set 'letters'"),
    "number out of range": (["predict", *FEW, "--image", "digits:4000"], "number 4000 was asked for"),
    "no such npz": (["predict", *FEW, "--image", "no.npz:3"], "no.npz"),
    "two angles": (["predict", *FEW, "--at", "1", "2"], "--at for rotation takes 1 number(s) (angle), not 2"),
    "one shift": (["predict", *FEW, "--transform", "translation", "--at", "1"], "takes 2 number(s) (dx dy), not 1"),
    "infinite angle": (["predict", *FEW, "--at", "inf"], "--at: must be a number from -10000 to 10000, but is 'inf'"),
    "no such file of one's own": (["predict", "--classifier", "no.py"], "There is no file 'no.py'"),
    "no such module": (["predict", "--classifier", "no_such_module:f"], "No module named 'no_such_module'"),
    "no such function": (["predict", "--classifier", f"{OWN}:missing"], "missing"),
    "no such device": (["predict", "--device", "tpu"], "There is no device 'tpu' here, only cpu"),
    "defence": (["certify", "--defence", "best"], "invalid choice: 'best'"),
    "votes of cells": (
        ["certify", *FEW, "--defence", "dist-x"],
        "--n 200 is for --defence base and for --votes joint only, not for dist-x.",
    ),
    "joint votes of samples": (
        ["certify", *OWN_F, "--defence", "dist-x-one-error", "--votes", "joint", "--n-gamma", "50"],
        "--n-gamma 50 is for defences that prove, with nested votes only, not for dist-x-one-error with joint votes.",
    ),
    "samples of base": (["certify", *OWN_F, "--n-gamma", "50"], "--n-gamma 50 is for defences that prove, with nested"),
    "attacker of base": (
        ["certify", *OWN_F, "--attacker", "exact"],
        "--attacker exact is for defences that prove only",
    ),
    "joint votes of balls": (
        ["certify", *OWN_F, "--defence", "dist-x", "--n-gamma", "50", "--votes", "nested"],
        "--votes nested is for defences with one E only, not for dist-x.",
    ),
    "noise of a bound": (["bound", *OWN_F, "--pixel-sigma", "1"], "unrecognized arguments: --pixel-sigma 1"),
    "dist-d without E": (["certify", *OWN_F, "--defence", "dist-d"], "name the file with --error"),
    "E without dist-d": (["certify", *FEW, "--error", "e.json"], "--error is for --defence dist-d only, not for base"),
    "no such E": (["certify", *OWN_F, "--defence", "dist-d", "--error", "no.json"], "no.json: No such file"),
    "no E": (
        ["certify", *OWN_F, "--defence", "dist-d", "--error", OWN],
        "own_network.py: This is no record of an error",
    ),
    "no pixel noise": (
        ["certify", *OWN_F, "--defence", "dist-x-one-error", "--pixel-sigma", "0"],
        "--defence dist-x-one-error needs pixel noise: --pixel-sigma must be positive, but is 0.",
    ),
    "no pixel noise to measure for": (["measure", *OWN_F, "--pixel-sigma", "0"], "--pixel-sigma must be positive"),
    "too many images": (["measure", *OWN_F, "--images", "40"], "10 pilot images and 40 others were asked for"),
    "too few betas": (["measure", *OWN_F, "--betas", "100"], "at least 228 are needed"),
    "rho": (["measure", *OWN_F, "--rho", "0.6"], "rho must be greater than 0 and less than 1/2, but is 0.6"),
    "k": (["attack", *FEW, "--k", "2"], "k must be at least keep = 3"),
    "limit": (["attack", *FEW, "--limit", "0"], "--limit: must be a number from 1e-06 to 3600, but is '0'"),
    "label": (["attack", *FEW, "--label", "ten"], "There is no class 'ten': choose one of 0, 1,"),
    "two methods": (["attack", "--k", "9", "--steps", "9"], "not allowed with argument"),
    "recipe": (["train", "nope"], "Unknown recipe 'nope': choose one of mnist-plain"),
    "no data": (["train", "mnist-plain", "--data", "no-such-folder"], "mnist is not here yet"),
    "received and attacked": (["invert", "--received", "digits:0", "--at", "5"], "--at is for --image"),
    "image and received": (["invert", "--received", "digits:0", "--image", "digits:1"], "not allowed with argument"),
    "range": (["invert", "--range", "5", "2"], "--range must be two finite numbers in ascending order, but is 5 2"),
    "one shift of two": (["invert", "--transform", "translation", "--at", "1"], "takes 2 number(s) (dx dy), not 1"),
    "no such transformation": (["invert", "--transform", "squeeze"], "squeeze"),
    "split width": (["invert", "--width", "0"], "--width: must be a number from 1e-06 to 3600, but is '0'"),
    "too many splits": (["invert", "--width", "1e-6"], "more than 1000000 splits"),
    "passes": (["invert", "--passes", "-1"], "must be a whole number from 0 to 1000, but is '-1'"),
    "shape": (["invert", "--shape", "2", "8", "8"], "An image has shape (1 or 3, height, width)"),
    "no npz": (["invert", "--out", "inverse.png"], "--out must name a .npz file, not 'inverse.png'"),
    "no such folder": (["invert", "--limit", "1", "--width", "1", "--out", "no/inverse.npz"], "no/inverse.npz"),
    "nothing received": (["invert", "--received", "no.png"], "There is no picture file 'no.png'"),
    "indiv without noise": (
        ["certify", *OWN_F, "--defence", "indiv", "--pixel-sigma", "0"],
        "--defence indiv needs pixel noise: --pixel-sigma must be positive, but is 0.",
    ),
    "option": (["list", "--quickly"], "unrecognized arguments: --quickly"),
    "command": (["fly"], "invalid choice: 'fly'"),
    "no command": ([], "required: command"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_sentence(capsys, monkeypatch, case):
    monkeypatch.setenv("SPT_DATA", "")
    arguments, sentence = BAD[case]
    assert sentence in fail(capsys, *arguments)


def test_an_unknown_classifier_lists_the_known_ones(capsys):
    error = fail(capsys, "certify", "--classifier", "nope")
    assert all(name in error for name in spt.bundled_classifiers())


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("raise KeyError('weights')", "KeyError: 'weights'"),
        ("return 7", "must return an spt.classifiers.Classifier, but returned int"),
        ("return Classifier('mine', torch.nn.Flatten(), ('a', 'b'), (1, 2, 2))", "must map one image to 1 x 2 logits"),
        (
            "return Classifier('mine', torch.nn.Linear(9, 2), ('a', 'b'), (1, 2, 2))",
            "does not accept one image of shape",
        ),
    ],
)
def test_an_own_network_that_does_not_work(capsys, tmp_path, body, sentence):
    assert sentence in fail(capsys, "predict", "--classifier", write_own(tmp_path, body))


def test_errors_of_the_operating_system_name_the_file(capsys, tmp_path, monkeypatch):
    def fail_to_load(*_: object, **__: object) -> None:
        (tmp_path / "weights").read_bytes()

    monkeypatch.setattr("spt.classifiers.load_classifier", fail_to_load)
    assert fail(capsys, "predict") == f"error: {tmp_path / 'weights'}: No such file or directory\n"


def test_control_c(capsys, monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spt.classifiers.load_classifier", interrupt)
    assert main(["predict"]) == 130


# ---------------------------------------------------------------------------------------------------------- train, list


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recipe]:
    """A recipe that trains in a moment, on an .npz file of 60 images of two classes."""
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = (generator.integers(0, 120, (60, 8, 8)) + 100 * labels[:, None, None]).astype(np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=labels, class_names=["dark", "bright"])
    network = {"architecture": "strided", "channels": 1, "side": 8, "classes": 2, "widths": [4, 4], "strides": [2, 2]}
    recipe = Recipe(
        "tiny", str(tmp_path / "data.npz"), network, "rotation", 10.0, 0.1, epochs=3, batch_size=20, consistency=1.0
    )
    monkeypatch.setitem(RECIPES, "tiny", recipe)
    monkeypatch.setenv("SPT_DATA", "")
    threads = torch.get_num_threads()
    yield recipe
    torch.set_num_threads(threads)


def test_train_writes_weights_and_card(capsys, tiny, tmp_path):
    out = tmp_path / "out"
    options = ("--epochs", "2", "--seed", "5", "--threads", "1", "--out", str(out))
    assert main(["train", "tiny", *options, "--checkpoint", str(tmp_path / "states"), "--data", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("tiny: 2 epochs on 60 images, accuracy on 60 test images\n")
    assert "parameter and pixel noise" in text
    assert str(out / "tiny.safetensors") in text
    card = json.loads((out / "tiny.json").read_text(encoding="utf-8"))
    assert (card["epochs"], card["seed"], card["class_names"]) == (2, 5, ["dark", "bright"])
    assert (out / "tiny.safetensors").is_file()
    assert (tmp_path / "states" / "tiny.pt").is_file()
    assert os.environ["SPT_DATA"] == str(tmp_path)


def test_train_goes_on_from_a_checkpoint(capsys, tiny, tmp_path):
    def weights(name: str) -> bytes:
        return (tmp_path / name / "tiny.safetensors").read_bytes()

    assert main(["train", "tiny", "--threads", "1", "--out", str(tmp_path / "once"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["accuracy"]) == {"float32", "bfloat16"}
    assert [Path(file).name for file in result["files"]] == ["tiny.safetensors", "tiny.json"]

    def stop_after_the_first(epochs, desc, total):
        yield next(iter(epochs))
        raise KeyboardInterrupt

    options = ["train", "tiny", "--threads", "1", "--out", str(tmp_path / "twice"), "--checkpoint", str(tmp_path)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tqdm.tqdm", stop_after_the_first)
        assert main(options) == 130
    assert not (tmp_path / "twice").exists()
    assert main(options) == 0
    assert weights("once") == weights("twice")


def test_list(capsys, monkeypatch, tiny, tmp_path):
    text = run(capsys, "list")
    for name in (*DATASETS, *TRANSFORMS, *RECIPES, *spt.bundled_classifiers()):
        assert f"\n  {name} " in text
    assert main(["train", "tiny", "--threads", "1", "--epochs", "1", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    monkeypatch.setattr("spt.classifiers.MODELS_FOLDER", tmp_path)
    assert "rotation σ 10, pixel σ 0.1; accuracy " in run(capsys, "list")
    listed = json.loads(run(capsys, "list", "--json"))
    assert listed["classifiers"]["tiny"]["accuracy"]["float32"].keys() == {
        "clean",
        "parameter_noise",
        "parameter_and_pixel_noise",
    }
    assert set(listed["datasets"]) == set(DATASETS)
    assert listed["transforms"]["translation"] == ["dx (px)", "dy (px)"]
    # and the trained classifier is found by its name
    assert json.loads(run(capsys, "predict", "--classifier", "tiny", "--n", "20", "--json"))["parameter_sigma"] == 10.0
    training.forget_loaded()


# -------------------------------------------------------------------------------------------------- the package as such


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, encoding="utf-8", cwd=ROOT, env=environment, check=False
    )


def test_in_a_process_of_its_own():
    done = python("-m", "spt", "certify", "--classifier", "examples/own_network.py", "--n", "200", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert Certificate.from_json(done.stdout).verify()
    failed = python("-m", "spt", "certify", "--image", "no.png", "--classifier", "examples/own_network.py")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("error: There is no picture file 'no.png'")


@pytest.mark.parametrize(
    "command", [["--help"], ["certify", "--help"], ["invert", "--help"], ["measure", "--help"], ["train", "--help"]]
)
def test_help_and_import_do_not_load_torch(command):
    code = (
        "import sys, spt, spt.__main__\n"
        "try: spt.__main__.main(sys.argv[1:])\n"
        "except SystemExit as stop: sys.exit(stop.code or 'torch' in sys.modules)"
    )
    done = python("-c", code, *command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: python -m spt")


def test_public_names():
    for name in spt.__all__:
        value = getattr(spt, name)
        assert value is getattr(sys.modules[f"spt.{module_of(name)}"], name)
        assert name in dir(spt)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = spt.nothing


def module_of(name: str) -> str:
    """Where the type checker is told that a public name comes from."""
    lines = (ROOT / "spt" / "__init__.py").read_text(encoding="utf-8").splitlines()
    return next(
        line.split()[1].removeprefix("spt.")
        for line in lines
        if line.startswith("    from spt.") and name in line.partition("import")[2].replace(",", " ").split()
    )


def test_certify_with_a_proof(capsys, monkeypatch):
    from spt.certificates import DistCertificate

    command = [
        "certify",
        "--defence",
        "dist-x",
        "--classifier",
        "examples/own_network.py",
        "--limit",
        "2",
        "--n-gamma",
        "5",
    ]
    monkeypatch.chdir(Path(__file__).parent.parent)
    assert main([*command, "--parameter-sigma", "3"]) == 0
    assert "DistSPT^x" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    certificate = DistCertificate.from_json(capsys.readouterr().out)
    assert certificate.verify() and certificate.limit == 2 and certificate.n_gamma == 5
    assert main([*command, "--pixel-sigma", "0"]) == 2
    assert "--defence dist-x needs pixel noise: --pixel-sigma must be positive" in capsys.readouterr().err


def certified(capsys, *arguments: object):
    from spt.recomputation import read_certificate

    assert main(["certify", *OWN_F, "--limit", "2", "--n0", "20", "--json", *map(str, arguments)]) == 0
    certificate = read_certificate(capsys.readouterr().out)
    assert certificate.verify()
    return certificate


def test_dist_x_has_three_forms(capsys):
    """Cells, unless an option of one ball is given; one E by either name."""
    from spt.certificates import CellsCertificate, DistCertificate, OneErrorCertificate

    x, few = ("--defence", "dist-x"), ("--n-gamma", 5)
    assert isinstance(certified(capsys, *x), CellsCertificate)
    assert isinstance(certified(capsys, *x, "--form", "cells", "--cell-width", 2), CellsCertificate)
    assert isinstance(certified(capsys, *x, *few), DistCertificate)
    assert isinstance(certified(capsys, *x, "--form", "one-ball", *few), DistCertificate)
    betas = (*few, "--error-betas", 20, "--alpha", 0.4)
    assert isinstance(certified(capsys, *x, "--form", "one-error", *betas), OneErrorCertificate)
    assert isinstance(certified(capsys, "--defence", "dist-x-one-error", *betas), OneErrorCertificate)


def test_options_of_cells_reach_them(capsys):
    options = ("--cell-width", 1, "--cell-floor", 0.25, "--n-cell", 30, "--every-cell", "--attacker", "exact")
    found = certified(capsys, "--defence", "dist-x", *options)
    assert (found.first_cells, found.bisections, found.n_cell, found.every_cell) == (4, 2, 30, True)
    assert found.attacker == "exact" and found.limit == 2


def test_cells_without_votes_over_beta(capsys):
    found = certified(capsys, "--defence", "dist-x", "--parameter-sigma", 0)
    assert found.parameter_sigma == 0 and set(found.sizes) == {1}
    main(["certify", *OWN_F, "--limit", "1", "--defence", "dist-x", "--parameter-sigma", "0"])
    assert "another g than that of other forms" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--form", "cells"),
            "--form cells is not for --defence base: dist-x and indiv have cells, one-ball, one-error",
        ),
        (
            ("--defence", "indiv", "--n-cell", "9", "--n-gamma", "9"),
            "--n-cell is for --form cells of dist-x and indiv only",
        ),
        (("--defence", "dist-d", "--form", "one-ball"), "--form one-ball is not for --defence dist-d"),
        (
            ("--defence", "dist-x-one-error", "--form", "cells"),
            "contradicts --defence dist-x-one-error: name --defence dist-x",
        ),
        (
            ("--defence", "dist-x", "--form", "cells", "--n-gamma", "9"),
            "--n-gamma is for --form one-ball and one-error only",
        ),
        (
            ("--defence", "dist-x", "--n-gamma", "9", "--cell-floor", "1"),
            "--cell-floor is for --defence dist-x --form cells",
        ),
        (
            ("--defence", "indiv", "--every-cell"),
            "--every-cell is for --defence dist-x --form cells only, not for indiv",
        ),
        (("--defence", "dist-x", "--cell-floor", "0"), "--cell-floor: must be a number from 1e-06 to 3600, but is '0'"),
        (("--defence", "dist-x", "--limit", "0"), "--limit: must be a number from 1e-06 to 3600, but is '0'"),
        (("--defence", "dist-x", "--n-cell", "4"), "n_cell = 4 samples accept no cell even if all pass"),
        (("--defence", "dist-x", "--cell-width", "1e-6"), "are not between 1 and 100,000 in all"),
        (
            ("--defence", "dist-x", "--form", "one-ball", "--parameter-sigma", "0"),
            "--parameter-sigma 0 leaves no votes over β: only --defence dist-x --form cells can do without",
        ),
        (("--parameter-sigma", "0"), "--parameter-sigma 0 leaves no votes over β"),
    ],
    ids=str,
)
def test_forms_that_make_no_sense(capsys, arguments, sentence):
    assert sentence in fail(capsys, "certify", *OWN_F, *arguments)


def test_a_g_without_beta_can_be_asked_but_not_measured_for(capsys):
    without = (*OWN_F, "--parameter-sigma", "0", "--pixel-sigma", "0.3", "--n", "100")
    assert "PREDICT 0: 100 against 0 votes" in run(capsys, "predict", *without)
    nested = run(capsys, "predict", *without, "--g", "nested")
    assert "PREDICT 0: " in nested and "samples show h = 0" in nested
    assert "over pixel noise N(0, 0.3²), not over rotations; 100 votes" in run(capsys, "attack", *without, "--k", "20")
    assert "parameter_sigma must be positive, but is 0" in fail(capsys, "measure", *without[:-2])
    assert "are both 0, so there is nothing to vote over" in fail(
        capsys, "predict", *OWN_F, "--parameter-sigma", "0", "--pixel-sigma", "0"
    )


@pytest.mark.parametrize(
    "arguments", [("--beta", "15", "--limit", "10"), ("--transform", "translation", "--limit", "1")]
)
def test_bound_orders_its_methods(capsys, arguments):
    assert main(["bound", "--image", "digits:3", "--json", "--splits", "40", *arguments]) == 0
    sampled, naive, hull, tight = json.loads(capsys.readouterr().out)["bounds"]
    assert not sampled["proved"] and naive["proved"] and hull["proved"] and tight["proved"]
    assert sampled["value"] <= tight["value"] <= hull["value"] <= naive["value"] * (1 + 1e-9)
    assert main(["bound", "--image", "digits:3", "--splits", "40", *arguments]) == 0
    text = capsys.readouterr().out
    assert "sampled" in text and text.count("proved") == 3


def test_bound_refuses_bad_ranges(capsys):
    assert main(["bound", "--limit", "-3"]) == 2
    assert "--limit: must be a number from 1e-06 to 3600, but is '-3'" in capsys.readouterr().err
    assert main(["bound", "--beta", "1", "2", "3"]) == 2
    assert "--beta for rotation takes 1" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------- one E, measure


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """E of the bundled digits for small rotations, as the command measure writes it."""
    path = tmp_path_factory.mktemp("measured") / "error.json"
    sizes = ("--pilot", "3", "--images", "12", "--betas", "50", "--rho", "0.1", "--limit", "2")
    assert main(["measure", "--out", str(path), *OWN_F, *sizes]) == 0
    return path


def test_invert(capsys, tmp_path):
    file = tmp_path / "inverse.npz"
    arguments = ("invert", "--image", "digits:7", "--at", 5, "--range", 3, 7, "--splits", 20, "--passes", 2)
    text = run(capsys, *arguments, "--out", file)
    assert text.startswith("digits 7: 7 at angle 5.00°\nOf Γ = [3, 7]° ")
    assert "original   inside" in text and f"written    {file}" in text
    record = json.loads(run(capsys, *arguments, "--json"))
    image = spt.load_dataset("digits").image(7)
    expected = invert(
        ReceivedImage(to_8_bit(spt.Rotation()(image, [5.0])[0]), spt.Rotation(), (3, 7)), width=0.2, refinements=2
    )
    assert record["surviving"] == expected.surviving.tolist() and record["original_inside"] is True
    assert record["mean_width"] == pytest.approx(float(expected.widths.mean())) and record["contradiction"] is None
    with np.load(file) as arrays:
        assert np.array_equal(arrays["lower"], expected.lower.numpy())
        assert np.array_equal(arrays["boxes"], expected.boxes.numpy()) and arrays["received"].shape == (1, 28, 28)


def test_invert_what_was_received(capsys, digit_file):
    text = run(
        capsys, "invert", "--received", digit_file, "--invert", "--shape", 1, 28, 28, "--range", 5, 20, "--width", 1
    )
    assert "INCONSISTENT WITH Γ: no image with pixels in [0, 1]" in text
    assert re.search(r"pixel row \d+, column \d+, channel 0 of the original must be ≥ \S+ and ≤ \S+", text)
    record = json.loads(run(capsys, "invert", "--received", "digits:7", "--range", 5, 20, "--width", 1, "--json"))
    assert record["consistent"] is False and record["original_inside"] is None and record["surviving"] == []
    assert record["contradiction"]["at_least"] > record["contradiction"]["at_most"]


def test_invert_a_photograph_that_is_shifted_exactly(capsys):
    options = (
        "--transform",
        "translation",
        "--limit",
        1,
        "--splits",
        4,
        "--passes",
        0,
        "--attacker",
        "exact",
        "--naive",
    )
    record = json.loads(run(capsys, "invert", "--image", "natural:3", "--shape", 3, 32, 32, *options, "--json"))
    assert record["original_inside"] is True and record["attacker"] == "exact" and record["passes"] == 3


def test_certify_from_the_received_image_alone(capsys):
    arguments = ("certify", "--image", "digits:7", "--at", 2, "--defence", "indiv", "--limit", 3)
    for form, kind in ((("--n-gamma", 20), IndividualCertificate), (("--n-cell", 40), IndividualCellsCertificate)):
        certificate = kind.from_json(run(capsys, *arguments, *form, "--json"))
        assert certificate.verify() and certificate.class_name == "7" and certificate.limit == 3
        assert certificate.explain() in run(capsys, *arguments, *form)


RECEIVED = ("certify", "--defence", "indiv-one-error", "--image", "digits:7", "--at", 2, "--limit", 2, "--n0", 20)


def test_certify_from_the_received_image_with_one_error(capsys):
    arguments = (*RECEIVED, "--n-gamma", 20, "--error-betas", 40, "--parameter-sigma", 10)
    certificate = OneErrorCertificate.from_json(run(capsys, *arguments, "--json"))
    assert certificate.verify() and (certificate.n, certificate.class_name) == (20, "7")
    level = certificate.level
    assert isinstance(level, ReceivedErrorLevel) and (level.n_test, level.largest is None) == (40, False)
    text = run(capsys, *arguments)
    assert certificate.explain() in text and "IndivSPT with one E" in text and "ACCEPTED" not in text
    assert "wrong with at most 0.01 = 0.004 (samples) + 0.005 (inner tests) + 0.001 (E)" in text


def test_an_error_level_given_beforehand_accepts(capsys):
    arguments = (*RECEIVED, "--n-gamma", 20, "--error-betas", 40, "--parameter-sigma", 10, "--error-level", 0.6)
    certificate = OneErrorCertificate.from_json(run(capsys, *arguments, "--json"))
    level = certificate.level
    assert isinstance(level, ReceivedErrorLevel) and certificate.verify() and certificate.class_name == "7"
    assert (level.error, level.largest, level.n_choice) == (0.6, None, 0)
    _, accepted, certified, *rest = run(capsys, *arguments).splitlines()
    assert accepted == level.explain() and f"is {rounded_up(level.own_bound)}." in accepted and "ρ = " in accepted
    assert certified == certificate.explain() and "E = 0.6, given;" in "\n".join(rest)


def test_an_error_level_given_beforehand_refuses(capsys):
    arguments = (*RECEIVED, "--error-betas", 10, "--error-level", 0.01)
    level = ErrorLevel.from_json(run(capsys, *arguments, "--json"))
    assert isinstance(level, ReceivedErrorLevel) and level.verify() and not level.usable
    text = run(capsys, *arguments)
    assert text.splitlines()[1] == level.explain() and text.splitlines()[1].startswith("REFUSED: E = 0.01 ")
    assert f"Its own bound, the largest of these β, is {rounded_up(level.own_bound)}" in text and "CERT" not in text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--error-level", "0"), "--error-level: must be a number from 1e-06 to 1e+06, but is '0'"),
        (("--error-level", "a lot"), "--error-level: must be a number from 1e-06 to 1e+06, but is 'a lot'"),
        (("--error-betas", "9"), "9 betas cannot show that less than half of all exceed E: at least 10 are needed"),
        (("--votes", "joint"), "--votes joint proves nothing about a received image"),
        (("--error", "e.json"), "--error is for --defence dist-d only, not for indiv-one-error"),
        (
            ("--pixel-sigma", "0"),
            "--defence indiv-one-error needs pixel noise: --pixel-sigma must be positive, but is 0",
        ),
        (("--defence", "indiv", "--error-level", "0.5"), "--error-level 0.5 is for --defence indiv-one-error only"),
    ],
)
def test_what_one_error_of_a_received_image_cannot_be(capsys, options, sentence):
    assert sentence in fail(capsys, *RECEIVED, *options)


def test_measure(capsys, tmp_path):
    out = tmp_path / "e.json"
    sizes = ("--level", "5", "--images", "10", "--betas", "30", "--rho", "0.2", "--transform", "translation")
    text = run(capsys, "measure", "--out", out, *OWN_F, *sizes)
    assert text.startswith("E = 5: a fresh image of digits exceeds it") and text.endswith(f"Written: {out}\n")
    level = ErrorLevel.from_json(out.read_text(encoding="utf-8"))
    assert level.verify() and (level.error, level.transform, level.limit) == (5.0, "translation", 1.0)
    printed = ErrorLevel.from_json(run(capsys, "measure", "--out", out, *OWN_F, *sizes, "--json"))
    assert printed == ErrorLevel.from_json(out.read_text(encoding="utf-8"))


def test_certify_with_one_error_of_the_image(capsys):
    command = ("certify", "--defence", "dist-x-one-error", *OWN_F, "--limit", "2", "--n0", "10")
    nested = OneErrorCertificate.from_json(run(capsys, *command, "--n-gamma", "20", "--error-betas", "60", "--json"))
    assert nested.verify() and (nested.votes, nested.n, nested.level.n_test) == ("nested", 20, 60)
    assert isinstance(nested.level, ImageErrorLevel) and nested.budget.total == pytest.approx(0.01)
    assert main([*command, "--votes", "joint", "--n", "50", "--error-betas", "30"]) == 0
    output = capsys.readouterr()
    assert "not the nested classifier" in output.out
    assert (
        output.err.startswith("warning: so few samples certify nothing in the attack range of ±2°, even if all agree")
        and "--error-betas" in output.err
    )


def test_certify_with_one_error_of_a_distribution(capsys, measured):
    fresh = next(i for i in range(40) if main(certify_digit(measured, i)) == 0)
    assert "a fresh image of digits with probability at least" in capsys.readouterr().out
    assert main([*certify_digit(measured, fresh), "--json"]) == 0
    certificate = OneErrorCertificate.from_json(capsys.readouterr().out)
    assert certificate.verify() and certificate.level == ErrorLevel.from_json(measured.read_text(encoding="utf-8"))
    assert certificate.level.limit == 2  # without --limit that of the file
    assert certificate.budget.alpha_error == 0.001 and certificate.budget.total == pytest.approx(0.01)


def certify_digit(measured: Path, number: int) -> list[str]:
    command = ["certify", "--defence", "dist-d", "--error", str(measured), *OWN_F, "--n-gamma", "10", "--n0", "10"]
    return [*command, "--image", f"digits:{number}"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--limit", "3"), "measured for another limit: 2.0, but 3.0 is wanted here"),
        (("--attacker", "exact"), "measured for another attacker: 8-bit, but exact is wanted here"),
        (("--parameter-sigma", "20"), "another parameter sigma: 30.0, but 20.0"),
        (("--transform", "translation"), "another transform: rotation, but translation"),
        (("--classifier", "mnist-rotation"), "another preprocessing"),
        (("--alpha", "0.001"), "alpha = 0.001 must be less than 1 and more than 0.001"),
    ],
)
def test_an_error_measured_for_something_else_is_refused(capsys, measured, options, sentence):
    assert sentence in fail(capsys, *certify_digit(measured, 0), *options)


@pytest.mark.parametrize("change", [{"error": 0.01}, {"limit": "2"}, {"exceeding": None}])
def test_a_changed_error_file_is_refused(capsys, measured, tmp_path, change):
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(json.loads(measured.read_text(encoding="utf-8")) | change), encoding="utf-8")
    assert "changed.json: its numbers do not follow from its counts" in fail(capsys, *certify_digit(changed, 0))


def test_an_image_that_was_measured_is_not_fresh(capsys, measured):
    codes = [main(certify_digit(measured, i)) for i in range(8)]
    assert 2 in codes and "used to measure E, so it is no fresh one" in capsys.readouterr().err


@pytest.mark.parametrize(("defence", "warned"), [("indiv", True), ("indiv-one-error", True), ("dist-x", False)])
def test_an_attack_outside_the_attack_range_is_warned_of(capsys, defence, warned):
    """A received image is certified against the attacks of the range: its original is none of them then."""
    sizes = ("--n-gamma", "4", "--n0", "4", *(("--error-betas", "4") if "one" in defence else ()))
    main(["certify", "--defence", defence, *OWN_F, "--limit", "2", "--at", "-3", *sizes])
    assert ("--at -3 lies outside the attack range of ±2°" in capsys.readouterr().err) is warned


def test_too_few_samples_are_warned_of(capsys):
    main(["certify", "--defence", "dist-x", "--form", "one-ball", *OWN_F, "--limit", "50", "--n-gamma", "10"])
    assert capsys.readouterr().err == (
        "warning: so few samples certify only 9.73° of the attack range of ±50°, even if all agree; raise --n-gamma\n"
    )


@pytest.mark.parametrize("command", ["predict", "certify", "attack", "bound", "measure"])
def test_download_is_asked_for(capsys, monkeypatch, command):
    def load(name: str, *_: object, download: bool = False, **__: object) -> None:
        raise ValueError(f"{name}: {download}")

    monkeypatch.setattr("spt.datasets.load_dataset", load)
    image = ("--dataset", "mnist") if command == "measure" else ("--image", "mnist:0")
    assert "mnist: True" in fail(capsys, command, *OWN_F, *image, "--download")
    assert "mnist: False" in fail(capsys, command, *OWN_F, *image)
