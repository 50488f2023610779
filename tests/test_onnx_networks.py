"""Networks in ONNX files as base classifiers: exported by PyTorch and by scikit-learn they answer as they do there; how a
description feeds them; the command line; what a classifier may be."""

import copy
import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_graphs import linear, model, node, weights
from torch import nn

from spt import onnx_files, onnx_networks
from spt.__main__ import main
from spt.classifiers import Classifier, load_classifier, onnx_classifier
from spt.datasets import load_dataset
from spt.onnx_networks import OnnxDescription
from spt.preprocessing import Preprocessing

NETWORKS = Path(__file__).parent / "networks"
SKLEARN, TORCH = NETWORKS / "sklearn-digits.onnx", NETWORKS / "torch-small.onnx"
EXPORTED = "ignore:You are using the legacy TorchScript-based ONNX export"


def exported(module: nn.Module, shape: tuple[int, ...], **how: object) -> bytes:
    """What PyTorch's exporter makes of a network."""
    file = io.BytesIO()
    names = {"input_names": ["images"], "output_names": ["logits"]}
    torch.onnx.export(module.eval(), (torch.zeros(1, *shape),), file, dynamo=False, **names, **how)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.filterwarnings(EXPORTED, "ignore::DeprecationWarning")
@pytest.mark.parametrize("how", [{"dynamic_axes": {"images": {0: "n"}}}, {}], ids=["any batch", "batches of one"])
def test_a_bundled_network_exported_by_torch_answers_as_before(how: dict[str, object]) -> None:
    own = load_classifier("mnist-rotation-fine")
    data = exported(copy.deepcopy(own.module).float(), own.network_shape, **how)
    told = OnnxDescription(class_names=own.class_names, preprocessing=own.preprocessing)
    brought = onnx_classifier("mine", data, told)
    assert brought.input_shape == own.input_shape and brought.class_names == own.class_names
    digits = load_dataset("digits", shape=own.input_shape)
    images = torch.stack([digits.image(index) for index in range(20)])
    generator = torch.Generator().manual_seed(0)
    shown = own.preprocessing(images) + 0.3 * torch.randn(images.shape, generator=generator)
    ours, theirs = (each.network_logits(shown) for each in (own, brought))
    assert torch.equal(ours.argmax(1), theirs.argmax(1))
    loose = 0.05 if own.number_format == "bfloat16" else 1e-4
    assert torch.allclose(ours, theirs, atol=loose * float(ours.abs().max()))


def test_one_exported_by_the_newer_exporter_of_torch_answers_as_there() -> None:
    rows = json.loads(TORCH.with_suffix(".json").read_text())
    brought = onnx_classifier("small", TORCH.read_bytes(), OnnxDescription(values=(0, 255)))
    assert brought.input_shape == (3, 16, 16) and brought.class_names == ("0", "1", "2", "3", "4")
    assert onnx_files.read(TORCH.read_bytes()).batch == 1
    images = torch.tensor(rows["images"]).reshape(-1, 3, 16, 16) / 255
    answers = brought.module(images)  # not rounded to the grid
    assert torch.allclose(answers, torch.tensor(rows["logits"]), atol=1e-3)


def test_one_exported_by_scikit_learn_answers_as_there() -> None:
    rows = json.loads(SKLEARN.with_suffix(".json").read_text())
    brought = load_classifier(str(SKLEARN))
    assert brought.input_shape == (1, 8, 8) and brought.class_names == tuple("0123456789")
    images = torch.tensor(rows["pixels"]).reshape(-1, 1, 8, 8).float() / 16
    answers = brought.logits(images)
    expected = torch.tensor(rows["probabilities"])
    assert torch.equal(answers.argmax(1), expected.argmax(1))
    assert torch.allclose(answers.softmax(1), expected, atol=1e-5)


# ------------------------------------------------------------------------------------------------------- how it is fed


def numbers(data: bytes, description: OnnxDescription, images: torch.Tensor) -> np.ndarray:
    return onnx_classifier("n", data, description).module(images).numpy()


def test_values_mean_and_deviation_are_applied_in_this_order() -> None:
    images = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    told = OnnxDescription(values=(-1, 255), mean=(1, 2, 3), deviation=(4, 5, 6))
    found = numbers(linear(("n", 3, 4, 4)).SerializeToString(), told, images)
    fed = (images.numpy() * 256 - 1 - np.array([1, 2, 3]).reshape(3, 1, 1)) / np.array([4, 5, 6]).reshape(3, 1, 1)
    assert np.allclose(found, fed.reshape(3, 48) @ weights(48, 2), rtol=1e-4, atol=1e-3)


def test_channels_may_come_last_and_rows_may_be_flat() -> None:
    images = torch.rand(3, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    last = numbers(linear(("n", 4, 5, 3)).SerializeToString(), OnnxDescription(), images)
    turned = images.numpy().transpose(0, 2, 3, 1)
    assert np.allclose(last, turned.reshape(3, 60) @ weights(60, 2), atol=1e-5)
    told = OnnxDescription(input_shape=(3, 4, 5))
    flat = numbers(linear(("n", 60)).SerializeToString(), told, images)
    assert np.allclose(flat, images.numpy().reshape(3, 60) @ weights(60, 2), atol=1e-5)


def test_what_the_file_leaves_open_is_asked_for() -> None:
    data = linear(("n", 1, "h", 16)).SerializeToString()
    with pytest.raises(ValueError, match="does not say the size of its images: give it as input_shape"):
        onnx_classifier("open", data)
    assert onnx_classifier("open", data, OnnxDescription(input_shape=(1, 1, 16))).input_shape == (1, 1, 16)
    with pytest.raises(ValueError, match=r"takes images of 1 x \? x 16, but is to be shown 1 x 2 x 15"):
        onnx_classifier("open", data, OnnxDescription(input_shape=(1, 2, 15)))
    with pytest.raises(ValueError, match="does not say the size"):
        onnx_classifier("odd", linear(("n", 50)).SerializeToString())


def test_preprocessing_may_resize_before_the_network() -> None:
    told = OnnxDescription(input_shape=(1, 9, 9), preprocessing=Preprocessing(resize=4))
    brought = onnx_classifier("resized", linear().SerializeToString(), told)
    assert (brought.input_shape, brought.network_shape) == ((1, 9, 9), (1, 4, 4))


def test_probabilities_become_logarithms_and_logits_stay() -> None:
    logits = onnx_classifier("logits", linear().SerializeToString())
    nodes = [node("Flatten", "x", "f"), node("MatMul", "f W", "l"), node("Softmax", "l", "y")]
    probable = onnx_classifier("p", model(nodes, constants={"W": weights(16, 2)}).SerializeToString())
    assert (logits.module.probabilities, probable.module.probabilities) == (False, True)
    images = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(logits.logits(images).softmax(1), probable.logits(images).softmax(1), atol=1e-5)
    assert bool(torch.isfinite(probable.module(1e6 * images)).all())


def test_class_names_are_those_given_else_of_the_file_else_numbers() -> None:
    data = linear().SerializeToString()
    assert onnx_classifier("n", data).class_names == ("0", "1")
    assert onnx_classifier("n", data, OnnxDescription(class_names=("cat", "dog"))).class_names == ("cat", "dog")
    named = node(
        "LinearClassifier",
        "x",
        "label y",
        domain="ai.onnx.ml",
        coefficients=[1.0] * 8,
        intercepts=[0.0, 0.0],
        classlabels_strings=["ant", "bee"],
        multi_class=0,
    )
    file = model([named], input=("n", 4)).SerializeToString()
    assert onnx_classifier("n", file, OnnxDescription(input_shape=(1, 2, 2))).class_names == ("ant", "bee")
    with pytest.raises(ValueError, match="has 2 classes, but 3 class names are given"):
        onnx_classifier("n", data, OnnxDescription(class_names=("a", "b", "c")))


def test_a_description_in_toml_is_read_as_it_was_written() -> None:
    p = Preprocessing(resize=9, crop=8, vignette="circle", vignette_margin=1.5, blur_size=5, blur_scale=0.5)
    told = OnnxDescription(
        ('a "b" \\ \t', "é\x7f", "🦊"), (3, 9, 9), (0.0, 255.0), (0.1,), (0.2, 1e-5, 3.0), p, "rotation", 30.0, 0.25
    )
    assert OnnxDescription.read(told.to_toml()) == told
    assert OnnxDescription.read("") == OnnxDescription() and OnnxDescription().to_toml().strip() == ""
    assert OnnxDescription.read("mean = 0.5").mean == (0.5,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("values = [0, 1", "is no TOML"),
        ("values = [1, 0]", "the first the smaller one, but are 1.0, 0.0"),
        ("values = [0, inf]", "values .*must be at most 1e"),
        (f"values = [0, {'9' * 400}]", "must be at most 1e"),
        ("values = ['0', 1]", "values .*must be numbers, but is '0'"),
        ("class_names = 3", "class_names .*must be text, but is 3"),
        ("input_shape = [1, 2]", "input_shape must be channels, height and width"),
        ("input_shape = [1, 2, 99999]", "from 1 to 4096, but is 1, 2, 99999"),
        ("input_shape = [1, 2.5, 3]", "must be whole numbers, but is 2.5"),
        ("input_shape = [true, 2, 3]", "must be whole numbers, but is True"),
        ("deviation = 0", "deviation must be positive"),
        ("weights = 'http://evil.example/x'", "has no 'weights'; it takes class_names, input_shape"),
        ("[preprocessing]\nvignete = 'circle'", "preprocessing .* takes blur_scale.*but is vignete"),
        ("preprocessing = 3", "preprocessing .* but is 3"),
        ("[preprocessing]\nblur_size = 4", "blur_size must be odd"),
        ("[preprocessing]\nresize = 5000", "resize must be at most 4096"),
        ("pixel_sigma = -1", "pixel_sigma must be a number from 0"),
    ],
)
def test_a_wrong_description_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as found:
        OnnxDescription.read(text)
    assert "\n" not in str(found.value)


def test_a_mean_for_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mean must be one number, or one for each of 1 channel, but is 1\.0, 2\.0"):
        onnx_classifier("n", linear().SerializeToString(), OnnxDescription(mean=(1.0, 2.0)))


# ------------------------------------------------------------------------------------- what a classifier may be, evidence


def batch_mean() -> bytes:
    nodes = [node("ReduceMean", "x", "m", axes=[0], keepdims=1), node("Sub", "x m", "z"), node("Flatten", "z", "f")]
    return model([*nodes, node("MatMul", "f W", "y")], constants={"W": weights(16, 2)}).SerializeToString()


def test_a_network_that_looks_at_the_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="is no function of one image"):
        onnx_classifier("batch", batch_mean())


def test_a_network_that_answers_nan_or_too_few_rows_is_refused() -> None:
    nodes = [node("Sqrt", "x", "r"), node("Flatten", "r", "f"), node("MatMul", "f W", "y")]
    root = onnx_classifier("root", model(nodes, constants={"W": weights(16, 2)}).SerializeToString())
    with pytest.raises(ValueError, match="answers NaN"):
        root.network_logits(torch.full((1, 1, 4, 4), -1.0))
    merged = [node("Flatten", "x", "f", axis=0), node("Slice", "f b e a", "s"), node("MatMul", "s W", "y")]
    bounds = {"b": np.array([0]), "e": np.array([16]), "a": np.array([1])}
    with pytest.raises(ValueError, match="must answer 8 images with as many rows"):
        onnx_classifier("merged", model(merged, constants={"W": weights(16, 2), **bounds}).SerializeToString())


def test_the_fingerprint_tells_files_and_descriptions_apart_and_nothing_else() -> None:
    one, other = linear(), linear()
    other.graph.initializer[0].raw_data = weights(16, 2)[::-1].tobytes()
    told = [
        OnnxDescription(),
        OnnxDescription(values=(0, 2)),
        OnnxDescription(mean=(0.5,)),
        OnnxDescription(deviation=(0.5,)),
    ]
    made = [onnx_classifier("n", one.SerializeToString(), each) for each in told]
    made.append(onnx_classifier("n", other.SerializeToString()))
    made.append(onnx_classifier("m", one.SerializeToString()))
    assert len({each.fingerprint for each in made}) == len(made)
    assert onnx_classifier("n", one.SerializeToString()).fingerprint == made[0].fingerprint
    assert made[0].module.facts.sha256 in repr(made[0].module)


def test_the_file_counts_as_its_weights_and_the_module_is_watched() -> None:
    brought = onnx_classifier("n", linear().SerializeToString(), OnnxDescription(mean=(0.5,)))
    image = torch.zeros(1, 4, 4)
    brought.check_image(image)
    brought.module.mean += 1
    with pytest.raises(ValueError, match="changed since it was made"):
        brought.check_image(image)


def test_a_file_is_loaded_anew_when_it_or_its_description_was_edited(tmp_path: Path) -> None:
    path = tmp_path / "a:b" / "net.onnx"
    path.parent.mkdir()
    path.write_bytes(linear().SerializeToString())
    first = load_classifier(str(path))
    assert load_classifier(str(path)) is first and first.name == "net"
    path.with_suffix(".toml").write_text("values = [0, 255]\n")
    second = load_classifier(str(path))
    assert second.fingerprint != first.fingerprint
    path.with_suffix(".toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="Could not load a classifier from"):
        load_classifier(str(path))


def test_a_missing_file_or_package_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"There is no file '.*none\.onnx' to load a classifier from"):
        load_classifier(str(tmp_path / "none.onnx"))
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ValueError, match=r'need the packages onnx and onnxruntime.*pip install "spt-explorer\[onnx\]"'):
        onnx_files.read(b"")


def test_cuda_is_refused_in_one_sentence_where_onnxruntime_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_files, "has_cuda", lambda: False)
    data = linear().SerializeToString()
    with pytest.raises(ValueError, match="onnxruntime has no CUDA here: install onnxruntime-gpu"):
        onnx_files.OnnxNetwork(data, onnx_files.read(data), "cuda:0")
    monkeypatch.setattr(onnx_networks.torch.cuda, "is_available", lambda: True)
    assert onnx_networks.device_here() == "cpu"


@pytest.mark.cuda
def test_on_a_gpu_it_answers_as_on_the_processor() -> None:
    if not onnx_files.has_cuda():
        pytest.skip("onnxruntime has no CUDA here")
    brought = onnx_classifier("n", TORCH.read_bytes(), OnnxDescription(values=(0, 255)))
    images = torch.rand(9, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    before = brought.logits(images)
    brought.to("cuda")
    assert brought.device.type == "cuda"
    assert torch.allclose(brought.logits(images).cpu(), before, atol=0.01 * float(before.abs().max()))


def test_names_of_files() -> None:
    assert [onnx_networks.name_of(each) for each in ("a/b.onnx", r"c:\d\e.onnx", "f.g.onnx")] == ["b", "e", "f.g"]
    assert onnx_networks.name_of("\x1b[31m\n.onnx") == "[31m" and onnx_networks.name_of("\n.onnx") == "network"


# ------------------------------------------------------------------------------------------------------ the command line


@pytest.fixture
def sklearn_copy(tmp_path: Path) -> Path:
    for each in (SKLEARN, SKLEARN.with_suffix(".toml")):
        shutil.copy(each, tmp_path)
    return tmp_path / SKLEARN.name


def spoken(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments]) in (0, None), capsys.readouterr()
    return capsys.readouterr().out


def test_every_command_takes_it(sklearn_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--classifier", str(sklearn_copy), "--image", "digits:3", "--device", "cpu"]
    noise = ["--pixel-sigma", "0.1", "--parameter-sigma", "10", "--n", "100"]
    assert "sklearn-digits" in spoken(capsys, "certify", *given, *noise)
    assert "votes" in spoken(capsys, "predict", *given, *noise)
    assert "angle" in spoken(capsys, "attack", *given, *noise, "--limit", "10")
    certificate = spoken(
        capsys, "certify", *given, *noise[:4], "--defence", "dist-x", "--limit", "2", "--n-gamma", "20", "--json"
    )
    file = tmp_path / "certificate.json"
    file.write_text(certificate)
    assert load_classifier(str(sklearn_copy)).fingerprint in certificate
    assert "CONFIRMED" in spoken(capsys, "verify", str(file), *given[:4])


def test_another_description_is_another_network(
    sklearn_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--classifier", str(sklearn_copy), "--image", "digits:3"]
    file = tmp_path / "certificate.json"
    file.write_text(spoken(capsys, "certify", *given, "--n", "100", "--device", "cpu", "--json"))
    sklearn_copy.with_suffix(".toml").write_text("values = [0, 15]\n")
    assert main(["verify", str(file), *given]) == 1
    assert "NOT CONFIRMED" in capsys.readouterr().out


def test_a_wrong_file_is_one_sentence_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wrong.onnx"
    path.write_bytes(b"GIF89a")
    assert main(["predict", "--classifier", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: This is no ONNX file") and said.count("\n") == 1


def test_threads_may_ask_it_at_once() -> None:
    brought = load_classifier(str(SKLEARN))
    assert isinstance(brought, Classifier) and brought._remembers_nothing
    assert math.isfinite(float(brought.logits(torch.zeros(1, 1, 8, 8)).sum()))
