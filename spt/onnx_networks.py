"""A network in an ONNX file as the module of a base classifier: what a person says of it, and how it is fed.

The file says the sizes of its input and the number of classes (`spt.onnx_files`). What it does not say stands in an
`OnnxDescription`, which for ``model.onnx`` is read from ``model.toml`` beside it, if that is there.
"""

import dataclasses
import json
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spt import onnx_files
from spt.network_state import probes
from spt.onnx_files import OnnxFacts, OnnxNetwork
from spt.preprocessing import Preprocessing

SUFFIX = ".onnx"
SMALLEST_PROBABILITY = 1e-30
MOST_TEXT = 1_000_000
"""Bytes of a description."""
MOST_SIDE = 4096
MOST_NAME = 100
LARGEST = 1e6
COLOURS = (1, 3)
"""Numbers of channels by which N x C x H x W and N x H x W x C are told apart."""
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class OnnxDescription:
    """What a person says of a network in an ONNX file.

    Attributes:
        class_names: one for each score; () takes those of the file, else the numbers from 0.
        input_shape: (C, H, W) of an image before P; None takes the size of the network's input.
        values: what black and white are for the network: (0, 255), say.
        mean, deviation: what is then subtracted from each channel, and what it is divided by: one number, or one for each
            channel; () for none.
        preprocessing: P.
        transform, parameter_sigma, pixel_sigma: the noise that it was trained for, if any.
    """

    class_names: tuple[str, ...] = ()
    input_shape: Shape | None = None
    values: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    transform: str | None = None
    parameter_sigma: float = 0.0
    pixel_sigma: float = 0.0

    def __post_init__(self) -> None:
        shape = self.input_shape
        if shape is not None and not (
            len(shape) == 3 and all(isinstance(side, int) and 1 <= side <= MOST_SIDE for side in shape)
        ):
            raise ValueError(
                f"input_shape must be channels, height and width, from 1 to {MOST_SIDE}, but is {_listed(shape)}."
            )
        if len(self.values) != 2 or not self.values[0] < self.values[1]:
            raise ValueError(
                f"values must be two numbers, of black and of white, the first the smaller one, but are {_listed(self.values)}."
            )
        if not all(each >= 1e-6 for each in self.deviation):
            raise ValueError(f"deviation must be positive numbers from 1e-6, but is {_listed(self.deviation)}.")
        for name, sigma in (("parameter_sigma", self.parameter_sigma), ("pixel_sigma", self.pixel_sigma)):
            if not 0 <= sigma <= 1e4:
                raise ValueError(f"{name} must be a number from 0 to 10000, but is {sigma!r}.")
        p = self.preprocessing
        for name, side in (("resize", p.resize), ("crop", p.crop), ("blur_size", p.blur_size)):
            if side is not None and side > MOST_SIDE:
                raise ValueError(f"{name} must be at most {MOST_SIDE} pixels, but is {side}.")

    @classmethod
    def read(cls, text: str) -> "OnnxDescription":
        """The description in TOML that `to_toml` writes; ValueError, one sentence, for anything else."""
        if len(text) > MOST_TEXT:
            raise ValueError(f"The description of a network has {len(text):,} characters, but at most {MOST_TEXT:,}.")
        try:
            found = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ValueError(f"The description of the network is no TOML: {error}.") from error
        return cls(**_checked(found))

    def to_toml(self) -> str:
        """All that is not as usual, in TOML."""
        lines, usual = [], OnnxDescription()
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if each.name != "preprocessing" and value != getattr(usual, each.name):
                lines.append(f"{each.name} = {_in_toml(value)}")
        given = dataclasses.asdict(self.preprocessing)
        changed = {name: value for name, value in given.items() if value != getattr(usual.preprocessing, name)}
        if changed:
            lines += ["", "[preprocessing]", *(f"{name} = {_in_toml(value)}" for name, value in changed.items())]
        return "\n".join([*lines, ""])


_KINDS: dict[str, tuple[type, ...]] = {
    "transform": (str,),
    "parameter_sigma": (int, float),
    "pixel_sigma": (int, float),
    "resize": (int,),
    "crop": (int,),
    "vignette": (str,),
    "vignette_margin": (int, float),
    "blur_size": (int,),
    "blur_scale": (int, float),
}
_LISTS: dict[str, tuple[type, ...]] = {
    "class_names": (str,),
    "input_shape": (int,),
    "values": (int, float),
    "mean": (int, float),
    "deviation": (int, float),
}


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    """The fields of a description that were read; ValueError for a name or a type that there is not."""
    given: dict[str, Any] = {}
    for name, value in found.items():
        if name == "preprocessing":
            known = {each.name for each in dataclasses.fields(Preprocessing)}
            if not isinstance(value, dict) or set(value) - known:
                raise ValueError(
                    f"preprocessing in the description of a network takes {', '.join(sorted(known))}, but is {_listed(value)}."
                )
            given[name] = Preprocessing(**{key: _of_kind(key, part, _KINDS[key]) for key, part in value.items()})
        elif name in _LISTS:
            parts = value if isinstance(value, list) else [value]
            given[name] = tuple(_of_kind(name, part, _LISTS[name]) for part in parts)
        elif name in (fields := [each.name for each in dataclasses.fields(OnnxDescription)]):
            given[name] = _of_kind(name, value, _KINDS[name])
        else:
            raise ValueError(f"The description of a network has no {name!r}; it takes {', '.join(fields)}.")
    return given


def _of_kind(name: str, value: Any, kinds: tuple[type, ...]) -> Any:
    if isinstance(value, bool) or not any(isinstance(value, kind) for kind in kinds):
        wanted = "text" if str in kinds else "whole numbers" if kinds == (int,) else "numbers"
        raise ValueError(f"{name} in the description of a network must be {wanted}, but is {value!r}.")
    if float not in kinds:
        return value
    if not abs(value) <= LARGEST:  # NaN, infinity, and whole numbers that are no floating-point number
        raise ValueError(
            f"{name} in the description of a network must be at most {LARGEST:g} in size, but is {_listed(value)}."
        )
    return float(value)


def _in_toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_in_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # in TOML it is escaped, too
    return f"{value!r}"


def _listed(values: Any) -> str:
    text = ", ".join(map(str, values)) if isinstance(values, tuple | list | dict) else repr(values)
    return text if len(text) <= 80 else f"{text[:80]}…"


class OnnxModule(nn.Module):
    """Logits of images (N, C, H, W), float32, 0 black and 1 white, from a network in an ONNX file.

    Args:
        data, facts: the file, and what `spt.onnx_files.read` gave for it.
        shape: (C, H, W) of its images. description: of which the values, the mean and the deviation are used.
        probabilities: whether its scores are probabilities, of which it then gives the logarithm.
    """

    def __init__(self, data: bytes, facts: OnnxFacts, shape: Shape, description: OnnxDescription) -> None:
        super().__init__()
        self.facts, self.shape, self.probabilities = facts, shape, False
        self.layout = _layout(facts, shape)
        self.values = description.values
        self._data, self._networks = data, dict[tuple[str, bool], OnnxNetwork]()
        digest = torch.tensor(list(bytes.fromhex(facts.sha256)), dtype=torch.uint8)
        self.digest = nn.Parameter(
            digest, requires_grad=False
        )  # stands for the weights, and says on which device it is
        self.mean: Tensor | None
        self.deviation: Tensor | None
        self.register_buffer("mean", _per_channel("mean", description.mean, shape[0]))
        self.register_buffer("deviation", _per_channel("deviation", description.deviation, shape[0]))

    def extra_repr(self) -> str:
        """What decides the answers beside the tensors: it goes into the fingerprint of a classifier."""
        return (
            f"sha256={self.facts.sha256}, output={self.facts.output!r}, shape={self.shape}, layout={self.layout}, "
            f"values={self.values}, probabilities={self.probabilities}"
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes), float32."""
        if images.dtype != torch.float32:
            raise TypeError(f"a network in an ONNX file is one of float32 numbers, not of {images.dtype}")
        low, high = self.values
        fed = images if self.values == (0.0, 1.0) else images * (high - low) + low
        fed = fed if self.mean is None else fed - self.mean
        fed = fed if self.deviation is None else fed / self.deviation
        if self.layout == "NHWC":
            fed = fed.permute(0, 2, 3, 1)
        elif self.layout == "flat":
            fed = fed.flatten(1)
        scores = torch.from_numpy(self._network()(fed.cpu().numpy())).to(images.device)
        return scores.clamp(min=SMALLEST_PROBABILITY).log() if self.probabilities else scores

    def _network(self) -> OnnxNetwork:
        """The network on the device where this module is."""
        device = self.digest.device
        tf32 = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
        key = (str(device), device.type == "cuda" and tf32)
        if key not in self._networks:
            self._networks[key] = OnnxNetwork(self._data, self.facts, key[0], torch.get_num_threads(), key[1])
        return self._networks[key]

    def __deepcopy__(self, memo: dict[int, Any]) -> "OnnxModule":
        raise TypeError("a network in an ONNX file cannot be copied")


def _per_channel(name: str, values: tuple[float, ...], channels: int) -> Tensor | None:
    if not values:
        return None
    if len(values) not in (1, channels):
        raise ValueError(
            f"{name} must be one number, or one for each of {channels} channel{'s' * (channels > 1)}, but is {_listed(values)}."
        )
    return torch.tensor(values, dtype=torch.float32)[:, None, None]


def _layout(facts: OnnxFacts, shape: Shape) -> str:
    """How the network takes images of a shape: "NCHW", "NHWC" or "flat"."""
    if len(facts.shape) == 1:
        return "flat"
    return "NHWC" if facts.shape[0] not in COLOURS and facts.shape[2] in COLOURS else "NCHW"


def input_shape(facts: OnnxFacts, description: OnnxDescription) -> Shape:
    """(C, H, W) of the images that come before P; ValueError, one sentence, if neither the file nor the description says it, or if
    they do not agree."""
    wanted, found = own_shape(facts), description.input_shape
    if found is None:
        if wanted is None:
            raise ValueError(
                "This ONNX file does not say the size of its images: give it as input_shape, channels, height and width, such as "
                "3, 32, 32."
            )
        found = wanted
    channels, height, width = found
    shown = (channels, *description.preprocessing.output_size(height, width))
    if not _fits(facts, shown):
        sizes = " x ".join("?" if each is None else str(each) for each in facts.shape)
        raise ValueError(
            f"This network takes images of {sizes}, but is to be shown {' x '.join(map(str, shown))} (channels, height, width, "
            "after P): give another input_shape."
        )
    return found


def own_shape(facts: OnnxFacts) -> Shape | None:
    """(C, H, W) of the network's images, as far as the file says it: of a row of pixels those of a square image of one or three
    channels."""
    if len(facts.shape) == 1:
        for channels in COLOURS:
            side = math.isqrt((facts.shape[0] or 0) // channels)
            if side and channels * side * side == facts.shape[0]:
                return channels, side, side
        return None
    channels_last = _layout(facts, (0, 0, 0)) == "NHWC"
    first, second, third = (facts.shape[-1], *facts.shape[:-1]) if channels_last else facts.shape
    return None if None in (first, second, third) else (first, second, third)  # type: ignore[return-value]


def _fits(facts: OnnxFacts, shape: Shape) -> bool:
    channels, height, width = shape
    if len(facts.shape) == 1:
        return facts.shape[0] in (None, channels * height * width)
    sizes = (height, width, channels) if _layout(facts, shape) == "NHWC" else shape
    return all(own in (None, size) for own, size in zip(facts.shape, sizes, strict=True))


def fed(facts: OnnxFacts, description: OnnxDescription) -> tuple[int, ...]:
    """The sizes of one input of the network, as it takes them."""
    channels, height, width = input_shape(facts, description)
    shape = (channels, *description.preprocessing.output_size(height, width))
    layout = _layout(facts, shape)
    return (math.prod(shape),) if layout == "flat" else (*shape[1:], channels) if layout == "NHWC" else shape


def device_here() -> str:
    """Where networks in ONNX files compute unless a person says it: cuda where both torch and onnxruntime can use it, else cpu."""
    return "cuda" if torch.cuda.is_available() and onnx_files.has_cuda() else "cpu"


def name_of(file: str) -> str:
    """What the network in a file of that name is called: its last part without the suffix, on one line."""
    stem = Path(file.replace("\\", "/")).stem
    return "".join(each for each in stem if each.isprintable())[:MOST_NAME] or "network"


def description_beside(path: Path) -> Path:
    """The file with the description of the network in a file."""
    return path.with_suffix(".toml")


def read(path: Path) -> tuple[bytes, OnnxDescription]:
    """The file, and the description beside it; ValueError, one sentence, if they cannot be read."""
    beside = description_beside(path)
    try:
        with path.open("rb") as file:
            data = file.read(onnx_files.MOST_BYTES + 1)
        text = beside.read_text(encoding="utf-8") if beside.is_file() else ""
    except FileNotFoundError as error:
        raise ValueError(f"There is no file {str(path)!r} to load a classifier from.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"Could not load a classifier from {str(path)!r}: {error}.") from error
    return data, OnnxDescription.read(text)


def parts(name: str, data: bytes, description: OnnxDescription) -> dict[str, Any]:
    """What a `spt.classifiers.Classifier` of the network is made of; ValueError, one sentence, if that cannot be."""
    facts = onnx_files.read(data)
    shape = input_shape(facts, description)
    shown = (shape[0], *description.preprocessing.output_size(*shape[1:]))
    module = OnnxModule(data, facts, shown, description)
    scores = _first_scores(module, shown)
    classes = scores.shape[1]
    names = description.class_names or facts.labels or tuple(map(str, range(classes)))
    if len(names) != classes:
        raise ValueError(
            f"The network in this ONNX file has {classes} classes, but {len(names)} class names are given."
        )
    module.probabilities = _are_probabilities(scores)
    return {
        "name": name,
        "module": module.eval(),
        "class_names": names,
        "input_shape": shape,
        "preprocessing": description.preprocessing,
        "transform": description.transform,
        "parameter_sigma": description.parameter_sigma,
        "pixel_sigma": description.pixel_sigma,
    }


@torch.inference_mode()
def _first_scores(module: OnnxModule, shape: Shape) -> np.ndarray:
    """The network's scores for fixed images, plain and noisy; ValueError, one sentence, if it gives none."""
    images = probes(shape).float()
    try:
        scores = module(images)
    except RuntimeError as error:
        raise ValueError(
            f"The network in this ONNX file fails on {len(images)} images of {_listed(shape)}: {error}."
        ) from error
    if scores.ndim != 2 or len(scores) != len(images) or scores.shape[1] < 2:
        raise ValueError(
            f"The network in this ONNX file must answer {len(images)} images with as many rows of at least two scores, but its "
            f"answer has the sizes {_listed(tuple(scores.shape))}."
        )
    return np.asarray(scores)


def _are_probabilities(scores: np.ndarray) -> bool:
    return bool(np.isfinite(scores).all() and (scores >= 0).all() and (np.abs(scores.sum(axis=1) - 1) < 1e-3).all())
