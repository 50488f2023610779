"""What an ONNX file may hold: all that is not a deterministic function of its images is refused, in one sentence, before it is
evaluated; and what a file cannot say wrongly without being found out."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_graphs import linear, model, node, weights

from spt import classifiers, onnx_files, onnx_trial
from spt.onnx_files import OnnxNetwork, read


def refused(given: "onnx.ModelProto | bytes", message: str) -> None:
    data = given if isinstance(given, bytes) else given.SerializeToString()
    with pytest.raises(ValueError, match=message) as found:
        read(data)
    said = str(found.value)
    assert said.isprintable() and len(said) < 400 and said.endswith(".")


def test_what_a_file_says_is_read():
    facts = read(linear(("n", 3, 8, 6), 5).SerializeToString())
    assert (facts.input, facts.output, facts.batch, facts.shape, facts.classes) == ("x", "y", None, (3, 8, 6), 5)
    assert (facts.labels, facts.nodes) == ((), 2)
    fixed = read(linear((7, 1, 4, 4)).SerializeToString())
    assert fixed.batch == 7
    left_open = read(linear(("n", 1, "h", 16)).SerializeToString())
    assert left_open.shape == (1, None, 16)


def test_a_network_answers_as_its_graph_says_in_calls_of_any_size():
    images = np.random.default_rng(1).normal(size=(9, 1, 4, 4)).astype(np.float32)
    expected = images.reshape(9, 16) @ weights(16, 2)
    for batch in ("n", 1, 4, 9, 20):
        data = linear((batch, 1, 4, 4)).SerializeToString()
        assert np.allclose(OnnxNetwork(data, read(data))(images), expected, atol=1e-5), batch


@pytest.mark.parametrize("cut", [1, 10, 100, 150])
def test_a_file_that_was_cut_off_is_refused(cut: int):
    refused(
        linear().SerializeToString()[:-cut], "cut off|breaks the rules|no operators|must have one input|must answer"
    )


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 100, b"PK\x03\x04" + bytes(50), b"x" * 1000, b"\x0a\xff\xff\xff\xff\x0f"]
)
def test_what_is_no_onnx_file_is_refused(data: bytes):
    refused(data, "This is no ONNX file")


def test_whatever_bytes_are_exchanged_a_file_is_read_or_refused_in_one_sentence():
    """Names that are no text, sizes, kinds, lengths: bytes of the graph, before and after the weights."""
    exchange, taken = random.Random(0), 0
    for name in ("torch-small", "sklearn-digits"):
        whole = (Path(__file__).parent / "networks" / f"{name}.onnx").read_bytes()
        for _ in range(150):
            data = bytearray(whole)
            data[exchange.choice((exchange.randrange(2500), len(data) - 1 - exchange.randrange(900)))] = (
                exchange.randrange(256)
            )
            try:
                taken += read(bytes(data)).nodes > 0
            except ValueError as error:
                assert "\n" not in str(error) and len(str(error)) < 400
    assert 0 < taken < 300


def test_a_name_that_is_no_text_is_refused():
    for given in (linear(before=[node("Relu", "x", "z")]), linear()):
        data = given.SerializeToString()
        for old, new in ((b"Relu", b"Re\xffu"), (b"\n\x01x", b"\n\x01\xff")):
            if old in data:
                refused(data.replace(old, new), "Re\ufffdu, which is not among|no text|breaks the rules")


def test_a_large_file_is_refused():
    with pytest.raises(ValueError, match=r"has 0.000\d+ MB, but at most 0.0001 MB"):
        read(linear().SerializeToString(), most_bytes=100)


def external(tensor: onnx.TensorProto) -> onnx.TensorProto:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def test_weights_in_other_files_are_refused_wherever_they_are_named():
    one = linear()
    external(one.graph.initializer[0])
    refused(one, "'W' of this ONNX file are in another file, which is never opened")
    two = model([node("Constant", "", "W", value=external(onnx.numpy_helper.from_array(weights(16, 2), "inside")))])
    refused(two, "'inside' of this ONNX file are in another file")
    hidden = external(onnx.numpy_helper.from_array(weights(2, 2), "hidden"))
    refused(linear(before=[node("Relu", "x", "z", many=[hidden])]), "'hidden' of this ONNX file are in another file")


@pytest.mark.parametrize("kind", ["RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial", "RandomNormal"])
def test_what_draws_at_random_is_refused(kind: str):
    refused(linear(before=[node(kind, "x", "z")]), f"draws at random \\({kind}\\), so it is no function of an image")


def test_dropout_is_taken_in_evaluation_mode_only():
    for training, ok in ((False, True), (True, False)):
        one = linear(before=[node("Dropout", "x ratio training", "z")])
        one.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.5), "ratio"))
        one.graph.initializer.append(onnx.numpy_helper.from_array(np.array(training), "training"))
        if ok:
            assert read(one.SerializeToString()).nodes == 3
        else:
            refused(one, "drops out at random")
    computed = linear(before=[node("Cast", "x", "training", to=TensorProto.BOOL), node("Dropout", "x  training", "z")])
    computed.graph.node[1].input[:] = ["x", "", "training"]
    refused(computed, "drops out at random")
    assert read(linear(before=[node("Dropout", "x", "z")]).SerializeToString()).nodes == 3


def test_batch_statistics_are_refused():
    many = {name: np.ones(1, np.float32) for name in ("s", "b", "m", "v")}
    one = linear(before=[node("BatchNormalization", "x s b m v", "z m2 v2", training_mode=1)])
    one.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in many.items())
    refused(one, "normalises over the batch")


def branch(result: str) -> onnx.GraphProto:
    return helper.make_graph([node("Identity", "x", result)], "b", [], [helper.make_tensor_value_info(result, 1, None)])


def test_graphs_within_graphs_are_refused():
    chosen = node("If", "c", "z", then_branch=branch("t"), else_branch=branch("e"))
    refused(
        linear(before=[node("Constant", "", "c", value=onnx.numpy_helper.from_array(np.array(True))), chosen]),
        r"\(If\)",
    )
    for kind in ("Loop", "Scan"):
        refused(linear(before=[node(kind, "x", "z", body=branch("t"))]), f"a graph within its graph \\({kind}\\)")
    refused(linear(before=[node("Relu", "x", "z", hidden=branch("t"))]), r"a graph within its graph \(Relu\)")


def test_operators_and_functions_of_its_own_are_refused():
    refused(linear(before=[node("Relu", "x", "z", domain="evil.example")]), "the operator Relu of evil.example")
    refused(linear(before=[node("PyOp", "x", "z", domain="ai.onnx.contrib")]), "PyOp of ai.onnx.contrib")
    refused(linear(before=[node("NoSuchThing", "x", "z")]), "NoSuchThing, which is not among those")
    refused(linear(before=[node("StringNormalizer", "x", "z")]), "StringNormalizer")
    one = linear(before=[node("Relu", "x", "z")])
    one.functions.append(helper.make_function("", "Relu", ["a"], ["b"], [node("Neg", "a", "b")], one.opset_import))
    refused(one, "functions of its own")
    one = linear()
    one.training_info.add()
    refused(one, "instructions for training")
    refused(
        linear(before=[node("ZipMap", "x", "z", domain="ai.onnx.ml", classlabels_int64s=[0, 1])]),
        "ZipMap.*'zipmap': False",
    )


def test_circles_are_refused():
    refused(
        linear(before=[node("Add", "x a", "b"), node("Add", "x b", "a"), node("Relu", "a", "z")]), "breaks the rules"
    )
    refused(linear(before=[node("Add", "x z", "z")]), "breaks the rules")


def test_weights_that_the_file_cannot_hold_are_refused():
    one = linear()
    one.graph.initializer[0].dims[:] = [2**40, 2**20]
    refused(one, r"says that it has 1.15e\+18 weights")
    one.graph.initializer[0].dims[:] = [-1, 2]
    refused(one, "negative size")
    one.graph.initializer[0].dims[:] = [16, 3]
    with pytest.raises(ValueError, match=r"breaks the rules of ONNX|onnxruntime refuses this ONNX file"):
        OnnxNetwork(one.SerializeToString(), read(one.SerializeToString()))
    refused(linear((2**30, 1, 4, 4)), "has 1.72e\\+10 numbers, but at most")


def test_inputs_and_outputs_that_do_not_fit_are_refused():
    two = linear()
    two.graph.input.append(helper.make_tensor_value_info("second", 1, [1]))
    refused(two, "must have one input, images, but this ONNX file has 2")
    kinds = (TensorProto.UINT8, TensorProto.FLOAT)
    refused(
        model([node("Cast", "x", "y", to=1)], kinds=kinds, output=("n", 1, 4, 4)),
        "must be float32 numbers, but in this .* uint8",
    )
    refused(linear(("n", 4, 4)), "but in this ONNX file it is n? x 4 x 4|is \\? x 4 x 4")
    refused(linear(classes=1), "must have 2 to 100,000 classes, one score for each, but this one has 1")
    refused(model([node("Relu", "x", "y")], output=("n", 1, 4, 4)), "has 0 such outputs")
    many = linear()
    many.graph.node.append(node("Neg", "y", "other"))
    many.graph.output.append(helper.make_tensor_value_info("other", 1, ["n", 2]))
    refused(many, "has 2 such outputs")


def test_what_a_file_calls_things_is_shown_on_one_line_and_cut():
    name = "<img src=x onerror=alert(1)>\n\x1b[31m" + "y" * 500
    one = linear(before=[node(name, "x", "z")])
    refused(one, "operator <img src=x")


def test_too_many_operators_are_refused(monkeypatch):
    monkeypatch.setattr(onnx_files, "MOST_NODES", 3)
    refused(linear(before=[node("Relu", "x", "a"), node("Relu", "a", "z")]), "has 4 operators, but at most 3")


def growing() -> bytes:
    """1 + 10^9 v numbers of an image of value v."""
    nodes = [
        node("ReduceMax", "x", "m", keepdims=0),
        *(node("Mul", "m most", "f"), node("Cast", "f", "s", to=TensorProto.INT64)),
        *(
            node("Reshape", "s one", "size"),
            node("ConstantOfShape", "size", "zeros"),
            node("ReduceSum", "zeros", "r", keepdims=0),
        ),
        *(node("Flatten", "x", "flat"), node("MatMul", "flat W", "v"), node("Add", "v r", "y")),
    ]
    constants = {"most": np.float32(1e9), "one": np.array([1]), "W": weights(16, 2)}
    return model(nodes, constants=constants).SerializeToString()


def test_memory_ends_a_call_and_not_the_program():
    data = growing()
    network = OnnxNetwork(data, read(data))
    small, large = np.zeros((1, 1, 4, 4), np.float32), np.ones((1, 1, 4, 4), np.float32)
    assert network(small).shape == (1, 2)
    with pytest.raises(RuntimeError, match="more than the 2 GB that networks have here"):
        network(large)
    assert network(small).shape == (1, 2)


def test_time_ends_a_call(monkeypatch):
    monkeypatch.setattr(onnx_files, "MOST_SECONDS", 0.02)
    nodes = [node("MatMul", "W W", "a0"), *(node("MatMul", f"a{i} W", f"a{i + 1}") for i in range(200))]
    nodes += [node("ReduceSum", "a200", "r", keepdims=0), node("Flatten", "x", "f"), node("Slice", "f b e a", "v")]
    nodes += [node("Add", "v r", "y")]
    # the sizes come with the image, so that nothing of it can be computed beforehand
    nodes = [node("ReduceSum", "x", "t", keepdims=0), node("Add", "V t", "W"), *nodes]
    bounds = {"b": np.array([0]), "e": np.array([2]), "a": np.array([1])}
    data = model(nodes, constants={"V": weights(500, 500), **bounds}).SerializeToString()
    network = OnnxNetwork(data, read(data))
    with pytest.raises(RuntimeError, match=r"it took longer than 0\.02 s"):
        network(np.zeros((1, 1, 4, 4), np.float32))


def test_what_onnxruntime_refuses_is_one_sentence():
    one = linear(before=[node("Reshape", "x size", "z")])
    one.graph.initializer.append(onnx.numpy_helper.from_array(np.array([5, 7]), "size"))
    data = one.SerializeToString()
    with pytest.raises((ValueError, RuntimeError)) as found:
        OnnxNetwork(data, read(data))(np.zeros((1, 1, 4, 4), np.float32))
    assert "\n" not in str(found.value) and "onnxruntime_src" not in str(found.value)


def test_a_file_that_looks_like_onnxruntimes_own_is_read_as_onnx():
    one = linear()
    one.producer_name = "ORTM"
    data = one.SerializeToString()
    assert data[4:8] == b"ORTM"
    assert OnnxNetwork(data, read(data))(np.zeros((1, 1, 4, 4), np.float32)).shape == (1, 2)


# ------------------------------------------------------------------------------------------ tried in a process of its own


def test_a_trial_says_what_the_file_says_and_how_long_a_call_takes():
    data = linear().SerializeToString()
    trial = onnx_trial.try_out(data, None, 10_000)
    assert trial.facts == read(data) and trial.images == 32 and 0 < trial.seconds < 10
    left_open = linear(("n", 1, "h", 16)).SerializeToString()
    assert onnx_trial.try_out(left_open, None, 10_000).seconds is None
    with pytest.raises(ValueError, match="fails on 32 images"):
        onnx_trial.try_out(data, (1, 5, 5), 10_000)
    assert classifiers.PIXELS_AT_ONCE["cpu"] == onnx_trial.NUMBERS_AT_ONCE


def test_a_trial_refuses_in_the_same_sentence():
    with pytest.raises(ValueError, match="draws at random"):
        onnx_trial.try_out(linear(before=[node("Bernoulli", "x", "z")]).SerializeToString(), None, 10_000)
    with pytest.raises(ValueError, match="but at most 1e-05 MB"):
        onnx_trial.try_out(linear().SerializeToString(), None, 10)


@pytest.mark.parametrize("end", ["import os; os.kill(os.getpid(), 11)", "raise MemoryError", "print('not JSON')"])
def test_a_trial_that_crashes_is_one_sentence(monkeypatch, end: str):
    run = subprocess.run
    monkeypatch.setattr(onnx_trial.subprocess, "run", lambda command, **how: run([sys.executable, "-c", end], **how))
    with pytest.raises(ValueError, match=r"made the program end that tried it .*so it is not taken"):
        onnx_trial.try_out(linear().SerializeToString(), None, 10_000)


def test_a_trial_that_never_ends_is_one_sentence(monkeypatch):
    run = subprocess.run
    monkeypatch.setattr(onnx_trial, "PATIENCE", 0.2)
    slow = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(onnx_trial.subprocess, "run", lambda command, **how: run(slow, **how))
    with pytest.raises(ValueError, match=r"was tried for 0.2 s without an answer"):
        onnx_trial.try_out(linear().SerializeToString(), None, 10_000)


def test_a_slow_network_is_refused(monkeypatch):
    monkeypatch.setattr(onnx_trial, "SLOWEST", 0.0)
    with pytest.raises(ValueError, match=r"takes .* s for 32 images, more than the 0 s"):
        onnx_trial.try_out(linear().SerializeToString(), None, 10_000)


def test_trees_that_lead_back_into_themselves_do_not_take_the_program_along():
    """A node whose branches are itself: refused, or ended with the process that tries it."""
    attributes = {
        "nodes_treeids": [0, 0],
        "nodes_nodeids": [0, 1],
        "nodes_featureids": [0, 0],
        "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ"],
        "nodes_values": [0.5, 0.5],
        "nodes_truenodeids": [1, 0],
        "nodes_falsenodeids": [1, 0],
        "class_treeids": [0],
        "class_nodeids": [1],
        "class_ids": [0],
        "class_weights": [1.0],
        "classlabels_int64s": [0, 1],
    }
    tree = node("TreeEnsembleClassifier", "x", "label y", domain="ai.onnx.ml", **attributes)
    data = model([tree], input=("n", 16)).SerializeToString()
    with pytest.raises(ValueError):
        onnx_trial.try_out(data, None, 10_000)
