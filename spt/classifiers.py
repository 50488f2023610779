"""Classifiers: what one is, the bundled ones, and how people bring their own.

A `Classifier` is a network together with everything a certificate depends on: class names, preprocessing P, and the
input shape. Logits are always computed in chunks of one fixed size, so that a vote does not depend on how many other
votes are computed with it.
"""

import hashlib
import importlib
import importlib.util
import json
import re
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spt.networks import build_network, fuse_batch_norm
from spt.preprocessing import Preprocessing

MODELS_FOLDER = Path(__file__).parent.parent / "assets" / "models"
PIXELS_AT_ONCE = {"cpu": 1 << 19, "cuda": 1 << 24}


@dataclass(frozen=True, eq=False)
class Classifier:
    """A base classifier f: images of ``input_shape`` -> P -> network -> logits.

    Attributes:
        name: what people see; part of a certificate's evidence.
        module: maps preprocessed images (N, C, H', W') to logits (N, classes). Put normalisation here: the pixel noise
            of smoothing is added before it.
        class_names: one for each output.
        input_shape: (C, H, W) of an image before any transformation and before P.
        preprocessing: P, applied after every transformation.
        transform, parameter_sigma, pixel_sigma: the noise the network was trained for (defaults for controls), if any.
        fingerprint: SHA-256 of weights and settings; computed, serves as a cache key.

    Raises ValueError if the network's output does not match the class names.
    """

    name: str
    module: nn.Module
    class_names: tuple[str, ...]
    input_shape: tuple[int, int, int]
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    transform: str | None = None
    parameter_sigma: float = 0.0
    pixel_sigma: float = 0.0
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        self.module.eval()
        try:
            with torch.inference_mode():
                logits = self.module(torch.zeros(1, *self.network_shape, device=self.device))
        except RuntimeError as error:
            raise ValueError(
                f"Classifier {self.name!r} does not accept an image of shape {self.network_shape} "
                f"(its input_shape {self.input_shape} after preprocessing): {error}"
            ) from error
        expected = (1, len(self.class_names))
        if not isinstance(logits, Tensor) or tuple(logits.shape) != expected:
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(
                f"Classifier {self.name!r} must map one image to {expected[1]} logits, one for each class name, "
                f"but its output for one image is {shape} instead of {expected}."
            )
        if logits.isnan().any():
            raise ValueError(f"Classifier {self.name!r} answers NaN for a black image: are its weights damaged?")
        object.__setattr__(self, "fingerprint", self._fingerprint())

    @property
    def device(self) -> torch.device:
        """Where the network lives; images are moved there."""
        parameter = next(self.module.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    @property
    def network_shape(self) -> tuple[int, int, int]:
        """(C, H', W') of P x."""
        channels, height, width = self.input_shape
        return (channels, *self.preprocessing.output_size(height, width))

    @property
    def chunk(self) -> int:
        """Number of images in every call of the network (short batches are padded): a fraction of a second's work."""
        channels, height, width = self.input_shape
        on_cpu = self.device.type == "cpu"
        values, most = PIXELS_AT_ONCE["cpu" if on_cpu else "cuda"], 250 if on_cpu else 4000
        return max(1, min(most, values // (channels * height * width)))

    def to(self, device: torch.device | str) -> "Classifier":
        """The same classifier on another device."""
        self.module.to(device)
        return self

    def check_image(self, image: Tensor) -> Tensor:
        """``image`` on this classifier's device; ValueError unless it is a float (C, H, W) of the input shape."""
        if tuple(image.shape) != self.input_shape:
            raise ValueError(
                f"Classifier {self.name!r} takes images of shape {self.input_shape} (channels, height, width), "
                f"but this one has shape {tuple(image.shape)}."
            )
        if not image.dtype.is_floating_point:
            raise ValueError(f"Images must be floating point in [0, 1], but this one is {image.dtype}.")
        if not torch.isfinite(image).all():
            raise ValueError("Images must hold finite numbers in [0, 1], but this one holds NaN or infinity.")
        return image.to(self.device)

    def logits(self, images: Tensor) -> Tensor:
        """f's logits (N, classes), float32, for images (N, C, H, W) before P."""
        return self.network_logits(self.preprocessing(images.to(self.device)))

    @torch.inference_mode()
    def network_logits(self, preprocessed: Tensor) -> Tensor:
        """Logits (N, classes), float32, for images that P was applied to, in calls of exactly `chunk` images."""
        size, count = self.chunk, len(preprocessed)
        parts = []
        for start in range(0, count, size):
            part = preprocessed[start : start + size].float()
            if len(part) < size:
                part = torch.cat([part, part.new_zeros(size - len(part), *part.shape[1:])])
            parts.append(self.module(part).float())
        if not parts:
            return torch.empty(0, len(self.class_names), device=self.device)
        return torch.cat(parts)[:count]

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        digest.update(repr((self.name, self.class_names, self.input_shape, self.preprocessing)).encode())
        # Layers and their settings, such as strides, which are not among the weights; without addresses in memory.
        digest.update(re.sub(r"0x[0-9a-f]+", "", repr(self.module)).encode())
        for name, value in self.module.state_dict().items():
            digest.update(name.encode())
            digest.update(str(value.dtype).encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def bundled_classifiers() -> list[str]:
    """Names of the classifiers that ship with their weights."""
    return sorted(path.stem for path in MODELS_FOLDER.glob("*.safetensors"))


def read_card(name: str) -> dict[str, Any]:
    """The model card of a bundled classifier: data, recipe, command, seed, accuracies, sha256."""
    path = MODELS_FOLDER / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"Unknown classifier {name!r}: choose one of {', '.join(bundled_classifiers())}, {OWN_HINT}.")
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return card


OWN_HINT = "or name your own as path/to/file.py or package.module:function"


@lru_cache(maxsize=16)
def load_classifier(name: str, device: str = "cpu") -> Classifier:
    """The classifier called ``name``: a bundled one, or a person's own network.

    ``name`` is a bundled name (see `bundled_classifiers`), ``path/to/file.py`` (its function ``classifier`` is called),
    ``path/to/file.py:function`` or ``package.module:function``; the function takes no arguments and returns a
    `Classifier`. Running a person's own file runs its code: name only files you trust. Nothing is unpickled here.
    """
    if name.partition(":")[0].endswith(".py") or ":" in name:
        return _load_own(name).to(device)
    card = read_card(name)
    from safetensors.torch import load

    weights = MODELS_FOLDER / f"{name}.safetensors"
    content = weights.read_bytes() if weights.is_file() else b""
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise ValueError(f"{weights} is missing or damaged: it is not the file that its card {name}.json describes.")
    module = build_network(**card["network"])
    module.load_state_dict(load(content))
    return Classifier(
        name=name,
        module=fuse_batch_norm(module),
        class_names=tuple(card["class_names"]),
        input_shape=tuple(card["input_shape"]),
        preprocessing=Preprocessing(**card["preprocessing"]),
        transform=card["transform"],
        parameter_sigma=card["parameter_sigma"],
        pixel_sigma=card["pixel_sigma"],
    ).to(device)


def _load_own(name: str) -> Classifier:
    location, separator, function_name = name.rpartition(":")
    if not separator or function_name.endswith(".py"):
        location, function_name = name, "classifier"
    path = Path(location)
    if location.endswith(".py") and not path.is_file():
        raise ValueError(f"There is no file {location!r} to load a classifier from.")
    try:
        if location.endswith(".py"):
            module_name = f"spt_own_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
            spec = importlib.util.spec_from_file_location(module_name, path)
            assert spec is not None and spec.loader is not None  # always so for an existing .py file
            module = importlib.util.module_from_spec(spec)
            sys.modules[module_name] = module
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(location)
        own = getattr(module, function_name)()
    except Exception as error:  # whatever a person's own file raises becomes one clear sentence
        raise ValueError(f"Could not load a classifier from {name!r}: {type(error).__name__}: {error}") from error
    if not isinstance(own, Classifier):
        raise ValueError(f"{name!r} must return an spt.classifiers.Classifier, but returned {type(own).__name__}.")
    return own
