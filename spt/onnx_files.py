"""ONNX files as data: what a file may hold, what it says of its network, and evaluating it; without torch.

An ONNX file is a graph of operators with their weights. `read` looks at all of it before anything is evaluated, and takes only
what is a deterministic function of one batch of numbers: operators of the standard from the list below, no graphs within
graphs (If, Loop, Scan), nothing drawn at random, no functions or operators of the file's own, no weights in other files. So
reading one opens no other file and runs no code that came with it.
"""

import hashlib
import importlib
import importlib.util
import math
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

MOST_BYTES = 500_000_000
MOST_NODES = 20_000
MOST_CLASSES = 100_000
MOST_INPUTS = 50_000_000
"""Numbers in the input of one call."""
MOST_SECONDS = 120.0
"""Of one call, at the end of which it is stopped between two operators."""
MOST_MEMORY = 2_000_000_000
"""Bytes that all networks of a process have together for weights and intermediate results, on the CPU and on a GPU each."""
DOMAINS = {"": "ai.onnx", "ai.onnx": "ai.onnx", "ai.onnx.ml": "ai.onnx.ml"}
_OF_ONNX = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization BitShift BitwiseAnd
BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat Constant ConstantOfShape
Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum
Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool
GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity
InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization
LpPool MatMul MatMulInteger Max MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu
Pad Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence
Round Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign
SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Upsample Where
Xor
"""
_OF_ONNX_ML = """
ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer
SVMClassifier SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor
"""
OPERATORS = {"ai.onnx": frozenset(_OF_ONNX.split()), "ai.onnx.ml": frozenset(_OF_ONNX_ML.split())}
_RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
_BRANCHING = {"If", "Loop", "Scan", "SequenceMap"}
_LACKING = (
    "ONNX files need the packages onnx and onnxruntime, of which {} cannot be loaded here: install the extra with "
    'pip install "spt-explorer[onnx]".'
)
_MEMORY = threading.Lock()


@dataclass(frozen=True)
class OnnxFacts:
    """What a file says of its network.

    Attributes:
        sha256: of the file.
        input, output: the names of what goes in and of the scores of the classes.
        batch: how many images each call takes; None for any number.
        shape: of one input, without the batch: three sizes, or one; None for a size that the file leaves open.
        classes: how many scores come out; None if the file does not say.
        labels: names of the classes, () if there are none in the file.
        nodes: how many operators there are.
    """

    sha256: str
    input: str
    output: str
    batch: int | None
    shape: tuple[int | None, ...]
    classes: int | None
    labels: tuple[str, ...]
    nodes: int


def read(data: bytes, most_bytes: int = MOST_BYTES) -> OnnxFacts:
    """What an ONNX file says of its network; ValueError, one sentence, if it is none or holds what it may not hold."""
    onnx = _package("onnx")
    if len(data) > most_bytes:
        raise ValueError(too_large(len(data), most_bytes))
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError, or whatever else another protobuf raises
        raise ValueError("This is no ONNX file, or one that was cut off: it cannot be decoded.") from error
    graph = model.graph
    if not graph.node:
        raise ValueError("This is no ONNX file of a network: it has no operators.")
    if len(graph.node) > MOST_NODES:
        raise ValueError(f"This ONNX file has {len(graph.node):,} operators, but at most {MOST_NODES:,} are taken.")
    if model.training_info:
        raise ValueError("This ONNX file has instructions for training: export it for inference.")
    if model.functions:
        raise ValueError(
            f"This ONNX file has functions of its own ({_shown(model.functions[0].name)}): export it with functions inlined."
        )
    for node in graph.node:
        _check_operator(node)
    _check_tensors(model, len(data))
    _check_dropout(graph)
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        raise ValueError(f"This ONNX file breaks the rules of ONNX: {_shown(str(error), 200)}.") from error
    return _facts(model, hashlib.sha256(data).hexdigest())


def too_large(size: int, most: int) -> str:
    """What is said of a file of more than ``most`` bytes."""
    return f"This ONNX file has {size / 1e6:.3g} MB, but at most {most / 1e6:g} MB are taken here."


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(_LACKING.format(name)) from error


def check_packages() -> None:
    """ValueError, one sentence, if what reads and evaluates ONNX files is not installed."""
    for name in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(name) is None:
            raise ValueError(_LACKING.format(name))


def _shown(text: str | bytes, most: int = 60) -> str:
    """What a file calls something, on one line, and not too much of it; protobuf gives bytes for what is no UTF-8."""
    text = text if isinstance(text, str) else text.decode("utf-8", "replace")
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split()).rstrip(".")
    return plain if len(plain) <= most else f"{plain[:most]}…"


def _check_operator(node: Any) -> None:
    domain, kind = DOMAINS.get(node.domain), node.op_type
    name = _shown(kind)
    if domain is None:
        raise ValueError(
            f"This ONNX file has the operator {name} of {_shown(node.domain)}, but only those of ai.onnx and ai.onnx.ml are taken."
        )
    if kind in _RANDOM:
        raise ValueError(f"This network draws at random ({name}), so it is no function of an image.")
    if kind in _BRANCHING or any(each.HasField("g") or each.graphs for each in node.attribute):
        raise ValueError(
            f"This ONNX file has a graph within its graph ({name}): networks that branch or loop are not taken."
        )
    if kind == "ZipMap":
        raise ValueError(
            "This network answers with a dictionary (ZipMap): convert it with skl2onnx's options={'zipmap': False}."
        )
    if kind not in OPERATORS[domain]:
        raise ValueError(f"This ONNX file has the operator {name}, which is not among those that are taken.")
    if kind == "BatchNormalization" and any(each.name == "training_mode" and each.i for each in node.attribute):
        raise ValueError(
            "This network normalises over the batch (BatchNormalization in training mode): export it in evaluation mode."
        )


def _tensors(model: Any) -> Iterator[Any]:
    """All tensors of a graph without graphs in it."""
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_tensors(model: Any, size: int) -> None:
    sparse = any(
        attribute.HasField("sparse_tensor") or attribute.sparse_tensors
        for node in model.graph.node
        for attribute in node.attribute
    )
    if sparse or model.graph.sparse_initializer:
        raise ValueError("This ONNX file has sparse tensors, which are not taken.")
    values = 0
    for tensor in _tensors(model):
        if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
            raise ValueError(
                f"The weights {_shown(tensor.name)!r} of this ONNX file are in another file, which is never opened: export it "
                "with all weights inside."
            )
        if any(side < 0 for side in tensor.dims):
            raise ValueError(f"The weights {_shown(tensor.name)!r} of this ONNX file have a negative size.")
        values += math.prod(tensor.dims)
    if values > 8 * size:
        raise ValueError(
            f"This ONNX file says that it has {values:.3g} weights, more than its {size:,} bytes can hold."
        )


def _check_dropout(graph: Any) -> None:
    """ValueError unless every Dropout is one of evaluation, which does nothing."""
    known = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            known |= {name: each.t for name in node.output for each in node.attribute if each.name == "value"}
    for node in graph.node:
        if node.op_type != "Dropout" or len(node.input) < 3 or not node.input[2]:
            continue
        training = known.get(node.input[2])
        if training is None or any(training.raw_data) or any(training.int32_data):
            raise ValueError(
                "This network drops out at random (Dropout in training mode): export it in evaluation mode."
            )


def _facts(model: Any, sha256: str) -> OnnxFacts:
    onnx = _package("onnx")
    graph, constants = model.graph, {tensor.name for tensor in model.graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    if len(inputs) != 1:
        raise ValueError(f"The network must have one input, images, but this ONNX file has {len(inputs)}.")
    kind = inputs[0].type.tensor_type
    if kind.elem_type != onnx.TensorProto.FLOAT:
        raise ValueError(
            f"The network's input must be float32 numbers, but in this ONNX file it is {_type_in_words(inputs[0])}."
        )
    sizes = _sizes(kind)
    if len(sizes) not in (2, 4):
        raise ValueError(
            "The network's input must be N x C x H x W or N x H x W x C images, or N rows of pixels, but in this ONNX file it is "
            f"{' x '.join('?' if each is None else str(each) for each in sizes) or 'no such array'}."
        )
    if math.prod(each or 1 for each in sizes) > MOST_INPUTS:
        raise ValueError(
            f"The network's input has {math.prod(each or 1 for each in sizes):.3g} numbers, but at most {MOST_INPUTS:g} are taken."
        )
    scores = [each for each in graph.output if each.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    scores = [each for each in scores if len(_sizes(each.type.tensor_type)) in (0, 2)]
    if len(scores) != 1:
        raise ValueError(
            "The network must answer with one float32 array N x classes (beside labels, perhaps), but this ONNX file has "
            f"{len(scores)} such outputs."
        )
    answered = _sizes(scores[0].type.tensor_type)
    labels = _labels(graph)
    classes = answered[1] if len(answered) == 2 else None
    classes = classes or len(labels) or None
    if classes is not None and not 2 <= classes <= MOST_CLASSES:
        raise ValueError(
            f"The network must have 2 to {MOST_CLASSES:,} classes, one score for each, but this one has {classes:,}."
        )
    for name in (inputs[0].name, scores[0].name):
        if not isinstance(name, str):
            raise ValueError(f"This ONNX file has a name that is no text: {_shown(name)}.")
    return OnnxFacts(
        sha256=sha256,
        input=inputs[0].name,
        output=scores[0].name,
        batch=sizes[0],
        shape=tuple(sizes[1:]),
        classes=classes,
        labels=labels if len(labels) == classes else (),
        nodes=len(graph.node),
    )


def _type_in_words(value: Any) -> str:
    onnx = _package("onnx")
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return f"no array but {_shown(str(kind))}"
    try:
        return str(onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)).lower()
    except ValueError:
        return "of an unknown type"


def _sizes(kind: Any) -> tuple[int | None, ...]:
    """The sizes of a tensor, None for those that the file leaves open."""
    found = tuple(each.dim_value if each.HasField("dim_value") else None for each in kind.shape.dim)
    if any(each is not None and not 0 < each < 2**31 for each in found):
        raise ValueError(f"An array of this ONNX file has the sizes {found}.")
    return found


def _labels(graph: Any) -> tuple[str, ...]:
    """The names of the classes, where a classifier of ai.onnx.ml has them."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "classlabels_strings" and attribute.strings:
                return tuple(_shown(each.decode("utf-8", "replace")) for each in attribute.strings[:MOST_CLASSES])
            if attribute.name in ("classlabels_ints", "classlabels_int64s") and attribute.ints:
                return tuple(str(each) for each in attribute.ints[:MOST_CLASSES])
    return ()


class OnnxNetwork:
    """A file that `read` has taken, ready to be evaluated by onnxruntime, one operator after the other; several threads may
    call it at once.

    Args:
        data, facts: the file, and what `read` gave for it. device: "cpu", "cuda" or "cuda:1". threads: of one operator.
        tf32: whether a GPU may round factors to TF32.

    ValueError, one sentence, if onnxruntime refuses it.
    """

    def __init__(
        self, data: bytes, facts: OnnxFacts, device: str = "cpu", threads: int = 1, tf32: bool = False
    ) -> None:
        self.facts, runtime = facts, _runtime()
        options = runtime.SessionOptions()
        options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.use_deterministic_compute = True
        options.log_severity_level = 4  # what it refuses it raises
        for name, value in {
            "session.load_model_format": "ONNX",  # whatever the first bytes look like
            "session.use_env_allocators": "1",
            "session.intra_op.allow_spinning": "0",
        }.items():
            options.add_session_config_entry(name, value)
        kind, _, number = device.partition(":")
        providers: list[Any] = ["CPUExecutionProvider"]
        if kind == "cuda":
            if not has_cuda():
                raise ValueError(
                    "onnxruntime has no CUDA here: install onnxruntime-gpu in place of onnxruntime, or choose --device cpu."
                )
            limits = {"device_id": number or "0", "gpu_mem_limit": str(MOST_MEMORY), "use_tf32": str(int(tf32))}
            providers.insert(0, ("CUDAExecutionProvider", limits))
        try:
            self._session = runtime.InferenceSession(data, options, providers=providers)
        except Exception as error:  # onnxruntime's own, which have no common class of their own
            raise ValueError(f"onnxruntime refuses this ONNX file: {in_words(error)}.") from error
        self._options = runtime.RunOptions

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The scores (N, classes), float32, for an input (N, ...), float32, in calls of as many as the file wants.

        RuntimeError, one sentence, if that fails, takes too much memory or longer than `MOST_SECONDS`.
        """
        size = self.facts.batch
        if size is None:
            return self._call(images)
        short = -len(images) % size
        padded = np.concatenate([images, np.zeros((short, *images.shape[1:]), images.dtype)]) if short else images
        parts = [self._call(padded[start : start + size]) for start in range(0, len(padded), size)]
        return np.concatenate(parts)[: len(images)]

    def _call(self, images: np.ndarray) -> np.ndarray:
        options = self._options()
        clock = threading.Timer(MOST_SECONDS, setattr, (options, "terminate", True))
        clock.daemon = True
        clock.start()
        try:
            [scores] = self._session.run([self.facts.output], {self.facts.input: np.ascontiguousarray(images)}, options)
        except Exception as error:
            late = f"it took longer than {MOST_SECONDS:g} s" if options.terminate else in_words(error)
            raise RuntimeError(late) from error
        finally:
            clock.cancel()
        return np.asarray(scores)


def in_words(error: Exception) -> str:
    """What onnxruntime says, without its own files and codes."""
    text = str(error).partition("Status Message: ")[2] or str(error)
    if "Available memory of" in text and "smaller than requested" in text:
        return f"its numbers need more than the {MOST_MEMORY / 1e9:g} GB that networks have here"
    plain = re.sub(r"\S*onnxruntime_src/\S+ .*?\) (?=\S)", "", text.rpartition("] : ")[2])
    plain = re.sub(r"^\d+ : [A-Z_]+ : ", "", plain)
    return _shown(plain, 200) or type(error).__name__


def has_cuda() -> bool:
    """Whether the onnxruntime that is installed can use a GPU."""
    return "CUDAExecutionProvider" in _package("onnxruntime").get_available_providers()


@cache
def _prepared() -> Any:
    runtime = _package("onnxruntime")
    runtime.disable_telemetry_events()
    place = runtime.OrtMemoryInfo("Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT)
    limits = {
        "max_mem": MOST_MEMORY,
        "arena_extend_strategy": 1,  # no more than is asked for
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    runtime.create_and_register_allocator(place, runtime.OrtArenaCfg(limits))
    return runtime


def _runtime() -> Any:
    """The package onnxruntime, with its memory limited; once for a process."""
    with _MEMORY:
        return _prepared()
