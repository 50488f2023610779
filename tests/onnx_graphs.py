"""Small ONNX files, made operator by operator: honest ones, and such as nobody exports."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

OPSET = 17


def node(kind: str, inputs: str, outputs: str, domain: str = "", **attributes: Any) -> onnx.NodeProto:
    """An operator; inputs and outputs are names separated by blanks."""
    return helper.make_node(kind, inputs.split(), outputs.split(), domain=domain, **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    input: Sequence[int | str] = ("n", 1, 4, 4),
    output: Sequence[int | str] = ("n", 2),
    constants: dict[str, np.ndarray] | None = None,
    kinds: tuple[int, int] = (TensorProto.FLOAT, TensorProto.FLOAT),
    **more: Any,
) -> onnx.ModelProto:
    """A model from "x" to "y"."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", kinds[0], input)],
        [helper.make_tensor_value_info("y", kinds[1], output)],
        [onnx.numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, **more)


def weights(rows: int, columns: int) -> np.ndarray:
    """(rows, columns), the same each time."""
    return np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)


def linear(
    input: Sequence[int | str] = ("n", 1, 4, 4), classes: int = 2, before: Sequence[onnx.NodeProto] = ()
) -> onnx.ModelProto:
    """y = x W of all pixels, row by row of the array as it comes; ``before`` lead from "x" to "z"."""
    size = int(np.prod([each for each in input[1:] if isinstance(each, int)]))
    first = "z" if before else "x"
    nodes = [*before, node("Flatten", first, "flat"), node("MatMul", "flat W", "y")]
    return model(nodes, input, (input[0], classes), {"W": weights(size, classes)})
