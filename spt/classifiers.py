"""Classifiers: what one is, the bundled ones, and how people bring their own.

A `Classifier` is a network together with everything a certificate depends on: class names, the grid to which its input is
rounded, preprocessing P, and the input shape. Logits are always computed in chunks of one fixed size, so that a vote does
not depend on how many other votes are computed with it.
"""

import hashlib
import json
import threading
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spt import faults, function_check, onnx_networks, own_files
from spt.bundled import bundled
from spt.network_state import Watched, behaviour, checksum, content_digest, layers_in_words, probes, sources, tensors_of
from spt.networks import build_network, fuse_batch_norm
from spt.noise import GRID, check_grid, snap
from spt.onnx_networks import OnnxDescription
from spt.preprocessing import Preprocessing
from spt.progress import step
from spt.transforms import get_transform

MODELS_FOLDER = bundled("assets") / "models"
PIXELS_AT_ONCE = {"cpu": 1 << 19, "cuda": 1 << 24}
IMAGES_IN_A_CALL = 32
"""On a processor: as many as the votes after which an inner test is first asked."""


_ONE_AT_A_TIME = threading.RLock()
"""Held while a network answers that has layers of a person's own: they may keep something in themselves from step to step, which
calls of two threads at once would mix up. Layers of torch, torchvision and `spt.networks` do not."""


class NetworkError(ValueError):
    """A network failed while it answered, or gave no answer: whatever was asked of it is not the cause."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """A base classifier f: images of ``input_shape`` -> P -> pixels rounded to multiples of ``grid`` -> network -> logits.

    Attributes:
        name: what people see; part of a certificate's evidence.
        module: maps preprocessed images (N, C, H', W'), float32, to logits (N, classes). Put normalisation here: the pixel
            noise of smoothing is added before it.
        class_names: one for each output.
        input_shape: (C, H, W) of an image before any transformation and before P.
        preprocessing: P, applied after every transformation.
        transform, parameter_sigma, pixel_sigma: the noise the network was trained for (defaults for controls), if any.
        grid: part of f, so that floating point cannot change what it is shown under noise: see `spt.noise`.
        fingerprint: SHA-256 of settings, weights (wherever the module keeps them), source files of its layers and answers to fixed
            images; computed, serves as a cache key.

    Raises ValueError if this cannot be a classifier: its output does not match the class names, P leaves nothing of an
    image, or the network is no deterministic function of one image (`spt.function_check`).
    """

    name: str
    module: nn.Module
    class_names: tuple[str, ...]
    input_shape: tuple[int, int, int]
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    transform: str | None = None
    parameter_sigma: float = 0.0
    pixel_sigma: float = 0.0
    grid: float = GRID
    fingerprint: str = field(init=False)
    _content: str = field(init=False, repr=False)
    _watched: Watched = field(init=False, repr=False)
    _checksum: tuple[int, ...] = field(init=False, repr=False)
    _answers: bytes = field(init=False, repr=False)
    _remembers_nothing: bool = field(init=False, repr=False)
    _newest_first_call: tuple[Tensor, Tensor] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_names(self.name, self.class_names)
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        object.__setattr__(self, "grid", check_grid(self.grid))
        object.__setattr__(self, "_newest_first_call", None)
        object.__setattr__(self, "_remembers_nothing", _remembers_nothing(self.module))
        self._check_sees_something()
        self.module.eval()
        with torch.inference_mode():
            self._answer(torch.zeros(1, *self.network_shape))
            self._check_function()
            object.__setattr__(self, "_content", content_digest(tensors_of(self.module)))
            object.__setattr__(self, "_answers", self._behaviour())
            object.__setattr__(self, "fingerprint", self._fingerprint())
        self._watch()

    @property
    def device(self) -> torch.device:
        """Where the network lives; images are moved there."""
        parameter = next(self.module.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    @property
    def number_format(self) -> str:
        """Type of the network's numbers, such as float32 or bfloat16: in another one it is another f."""
        kind = str(function_check.number_type(self.module)).removeprefix("torch.")
        tf32 = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
        return f"{kind} with TF32" if kind == "float32" and self.device.type == "cuda" and tf32 else kind

    @property
    def network_shape(self) -> tuple[int, int, int]:
        """(C, H', W') of P x."""
        channels, height, width = self.input_shape
        return (channels, *self.preprocessing.output_size(height, width))

    @property
    def chunk(self) -> int:
        """Number of images that are worked on together, and of votes whose noise is drawn together: what a seed means depends on
        it. A fraction of a second's work."""
        channels, height, width = self.input_shape
        on_cpu = self.device.type == "cpu"
        values, most = PIXELS_AT_ONCE["cpu" if on_cpu else "cuda"], 250 if on_cpu else 4000
        return max(1, min(most, values // (channels * height * width)))

    @property
    def call_size(self) -> int:
        """Number of images in every call of the network; short batches are padded. On a processor that is few, as its time for an
        image is the same in a large call, and an image alone takes as long as all."""
        return min(self.chunk, IMAGES_IN_A_CALL) if self.device.type == "cpu" else self.chunk

    def to(self, device: torch.device | str) -> "Classifier":
        """The same classifier on another device, where it is checked again to be a function of one image."""
        before = self.device
        self._check_unchanged(thoroughly=True)
        self.module.to(device)
        self._watch()
        if self.device != before:
            self._check_function()
        return self

    def check_image(self, image: Tensor) -> Tensor:
        """``image`` on this classifier's device; ValueError unless it is a float (C, H, W) of the input shape in [0, 1].

        A run begins here: also raises ValueError if the network is no longer the one that was given.
        """
        if tuple(image.shape) != self.input_shape:
            raise ValueError(
                f"Classifier {self.name!r} takes images of shape {self.input_shape} (channels, height, width), "
                f"but this one has shape {tuple(image.shape)}."
            )
        if not image.dtype.is_floating_point:
            raise ValueError(f"Images must be floating point in [0, 1], but this one is {image.dtype}.")
        _check_range(image)
        self._check_unchanged(thoroughly=True)
        _FIRST_CALL.set(_FirstCall(self))
        return image.to(self.device)

    def confirm(self) -> None:
        """A run ends here: ValueError unless the network still answers the images of the run's first call as it did then, also in
        other company and alone. What is concluded from votes is concluded after that."""
        self._check_unchanged(thoroughly=True)
        call = _FIRST_CALL.get()
        first = call.answered if call is not None and call.classifier is self else None
        first = first or self._newest_first_call  # of a run that goes on in another thread than it began in
        if first is not None:
            function_check.check(self.name, self.module, partial(self._answer, look_for_nan=False), *first)

    def logits(self, images: Tensor) -> Tensor:
        """f's logits (N, classes), float32, for images (N, C, H, W) in [0, 1], before P."""
        _check_range(images)
        return self.network_logits(self.preprocessing(images.to(self.device)))

    @torch.inference_mode()
    def network_logits(self, preprocessed: Tensor) -> Tensor:
        """Logits (N, classes), float32, for images that P was applied to (perhaps with noise), before they are rounded to
        the grid; in calls of exactly `call_size` images.

        ValueError, one sentence, if the network fails, answers NaN or not one row for each image, or is in training mode or
        changed since this classifier was made.
        """
        self._check_unchanged()
        size, count, call = self.call_size, len(preprocessed), _FIRST_CALL.get()
        parts = []
        for start in range(0, count, size):
            step()
            part = snap(preprocessed[start : start + size], self.grid)
            if len(part) < size:
                part = torch.cat([part, part.new_zeros(size - len(part), *part.shape[1:])])
            parts.append(self._answer(part, look_for_nan=False))
            if call is not None and call.classifier is self and call.answered is None:
                call.answered = (part, parts[-1])
                object.__setattr__(self, "_newest_first_call", call.answered)
        if not parts:
            return torch.empty(0, len(self.class_names), device=self.device)
        logits = torch.cat(parts)[:count]
        self._refuse_nan(logits)
        return logits

    # ------------------------------------------------------------------------------------------------------- checks

    def _answer(self, images: Tensor, look_for_nan: bool = True) -> Tensor:
        """The network's logits for images on the grid, as many rows as images; ValueError for anything else."""
        expected = (len(images), len(self.class_names))
        try:
            with (
                torch.autocast(self.device.type, enabled=False),  # the number format is the network's own
                nullcontext() if self._remembers_nothing else _ONE_AT_A_TIME,
            ):
                logits = self.module(images.to(self.device, torch.float32))
        except (Exception, SystemExit) as error:  # whatever a person's own network raises becomes one clear sentence
            if faults.out_of_memory(error):
                raise
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            if isinstance(error, SystemExit):
                reason = f"it ended the program (exit {error.code!r})"
            raise NetworkError(
                f"Classifier {self.name!r} does not accept {_so_many(len(images))} of shape {self.network_shape} (its "
                f"input_shape {self.input_shape} after preprocessing): {reason}"
            ) from error
        if not isinstance(logits, Tensor) or tuple(logits.shape) != expected:
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(
                f"Classifier {self.name!r} must map {_so_many(len(images))} to {expected[0]} x {expected[1]} logits, one for "
                f"each class name, but its output is {shape} instead of {expected}."
            )
        logits = logits.float()
        if look_for_nan:
            self._refuse_nan(logits)
        return logits

    def _refuse_nan(self, logits: Tensor) -> None:
        wrong = int((logits.isnan() | (logits == torch.inf)).any(dim=1).sum())
        if wrong:
            kind = "NaN" if logits.isnan().any() else "infinity"
            raise NetworkError(
                f"Classifier {self.name!r} answers {kind} for {_part(wrong, len(logits))}, so nothing is concluded: does it "
                "take a root or logarithm of noisy pixels, which may be negative, or are its weights damaged?"
            )

    def _check_sees_something(self) -> None:
        """ValueError unless P leaves a pixel of an image of the input shape."""
        shape = self.input_shape
        if len(shape) != 3 or not all(isinstance(side, int) and side >= 1 for side in shape):
            raise ValueError(f"input_shape must be (channels, height, width), whole numbers from 1, but is {shape}.")
        if not self.preprocessing.mask(*self.network_shape[1:]).any():
            raise ValueError(
                f"Classifier {self.name!r} would see nothing: its vignette with margin {self.preprocessing.vignette_margin:g} "
                f"blackens all of {self.network_shape[1]} x {self.network_shape[2]} pixels."
            )

    def _check_function(self) -> None:
        unchecked = partial(self._answer, look_for_nan=False)
        function_check.check_new(
            self.name, self.module, self._answer, unchecked, self.network_shape, self.call_size, self.grid
        )

    def _watch(self) -> None:
        object.__setattr__(self, "_watched", Watched(self.module))
        object.__setattr__(self, "_checksum", checksum(tensors_of(self.module).values()))

    def _check_unchanged(self, thoroughly: bool = False) -> None:
        """ValueError if the network is in training mode, or its weights are not those of the fingerprint."""
        if any(part.training for part in self.module.modules()):
            raise ValueError(
                f"Classifier {self.name!r} is in training mode: call .eval() on its network, and make the classifier from it."
            )
        if self._watched.untouched and (not thoroughly or checksum(tensors_of(self.module).values()) == self._checksum):
            return
        changed = content_digest(tensors_of(self.module)) != self._content
        if not changed and not self._watched.same_parts and self._behaviour() != self._answers:
            raise ValueError(
                f"The layers or hooks of classifier {self.name!r} changed since it was made, and so did its answers: make a new "
                "Classifier from the network."
            )
        if changed:
            raise ValueError(
                f"The weights of classifier {self.name!r} changed since it was made, so it is another one now: make a new "
                "Classifier from the network."
            )
        self._watch()

    def _behaviour(self) -> bytes:
        return behaviour(self.module, snap(probes(self.network_shape), self.grid).double(), self.device)

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        about = (self.name, self.class_names, self.input_shape, self.preprocessing, self.grid)
        digest.update(repr(about).encode())
        digest.update(layers_in_words(self.module).encode())
        digest.update(self._content.encode())
        digest.update(sources(self.module))
        digest.update(self._answers)
        return digest.hexdigest()


@dataclass
class _FirstCall:
    """What a network answered in the first call of a run, to be asked again at its end."""

    classifier: Classifier
    answered: tuple[Tensor, Tensor] | None = None


_FIRST_CALL: ContextVar[_FirstCall | None] = ContextVar("first_call", default=None)
"""Of the run of this thread: runs of other threads may use the same classifier."""


def _remembers_nothing(module: nn.Module) -> bool:
    """Whether all layers are of libraries whose layers can be called by several threads at once, without hooks."""
    return all(
        type(part).__module__.partition(".")[0] in ("torch", "torchvision")
        or type(part).__module__ in ("spt.networks", "spt.torchvision_networks", "spt.onnx_networks")
        for part in module.modules()
    ) and not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def _check_names(name: Any, class_names: Any) -> None:
    """ValueError unless these can be the names of a classifier and of its classes."""
    if not isinstance(name, str):
        raise ValueError(f"The name of a classifier must be text, but is {name!r}.")
    if isinstance(class_names, str) or not isinstance(class_names, list | tuple):
        raise ValueError(
            f"The class_names of classifier {name!r} must be a tuple or list of names, one for each class, but are {class_names!r}."
        )
    wrong = [each for each in class_names if not isinstance(each, str) or not each.isprintable()]
    if wrong:
        raise ValueError(f"The class_names of classifier {name!r} must be printable text, but one is {wrong[0]!r}.")
    if len(class_names) < 2:
        raise ValueError(
            f"Classifier {name!r} needs at least two classes to choose from, but class_names has {len(class_names)}."
        )


def _check_range(images: Tensor) -> None:
    """ValueError unless all pixels are numbers in [0, 1], up to what float32 rounds."""
    if not images.numel():
        return
    low, high = (float(end) for end in torch.aminmax(images.detach()))
    if not (low >= -TOLERATED and high <= 1 + TOLERATED):  # NaN fails both
        more = " (are they 0 to 255? divide by 255)" if high > 2 else ""
        raise ValueError(f"Images must hold numbers in [0, 1], but this one goes from {low:g} to {high:g}{more}.")


def _so_many(count: int) -> str:
    return "one image" if count == 1 else f"{count} images"


def _part(some: int, count: int) -> str:
    return _so_many(count) if some == count == 1 else f"{some} of {_so_many(count)}"


TOLERATED = 1e-6
"""By how much a pixel may be outside of [0, 1], as transformed images in float32 can be."""


def bundled_classifiers() -> list[str]:
    """Names of the classifiers that ship with their weights."""
    return sorted(path.stem for path in MODELS_FOLDER.glob("*.safetensors"))


def read_card(name: str) -> dict[str, Any]:
    """The model card of a bundled classifier: data, recipe, command, seed, accuracies, sha256.

    ValueError, one sentence, if there is none or it is no card.
    """
    path = MODELS_FOLDER / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"Unknown classifier {name!r}: choose one of {', '.join(bundled_classifiers())}, {OWN_HINT}.")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(card, dict) or not isinstance(card["sha256"], str):
            raise TypeError("it has no sha256 of the weights")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise damaged(name, error) from error
    return card


def damaged(name: str, error: Exception) -> ValueError:
    """What is said of a bundled classifier whose files cannot be used."""
    reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")[:200]
    return ValueError(
        f"The bundled classifier {name} cannot be loaded: its card {name}.json is damaged, or does not describe its weights "
        f"({reason}); restore both files."
    )


OWN_HINT = "or name your own as path/to/model.onnx, path/to/file.py or package.module:function"


def load_classifier(name: str, device: str = "cpu") -> Classifier:
    """The classifier called ``name``: a bundled one, or a person's own network.

    ``name`` is a bundled name (see `bundled_classifiers`), ``path/to/model.onnx`` (see `spt.onnx_networks`; it is data, of which
    nothing is run as code), ``path/to/file.py`` (its function ``classifier`` is called), ``path/to/file.py:function`` or
    ``package.module:function``; the function takes no arguments and returns a `Classifier`. Running a person's own Python
    file runs its code: name only files you trust. Nothing is unpickled here.
    The same object each time, until a person's own file, or one beside it, was edited.
    """
    return _load(name, str(device), own_files.stamp(name) if own_files.is_own(name) else ())


@lru_cache(maxsize=16)
def _load(name: str, device: str, stamp: tuple[tuple[str, int, int], ...]) -> Classifier:
    if own_files.is_onnx(name):
        return onnx_classifier(onnx_networks.name_of(name), *onnx_networks.read(Path(name))).to(device)
    if own_files.is_own(name):
        return _load_own(name).to(device)
    card = read_card(name)
    from safetensors.torch import load

    weights = MODELS_FOLDER / f"{name}.safetensors"
    content = weights.read_bytes() if weights.is_file() else b""
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise ValueError(f"{weights} is missing or damaged: it is not the file that its card {name}.json describes.")
    try:
        return _built(name, card, load(content)).to(device)
    except Exception as error:  # what a card of other fields or types makes go wrong is open-ended
        if faults.out_of_memory(error):
            raise
        raise damaged(name, error) from error


def _built(name: str, card: dict[str, Any], weights: dict[str, Tensor]) -> Classifier:
    """The bundled classifier that a card describes."""
    module = build_network(**card["network"])
    module.load_state_dict(weights)
    return Classifier(
        name=name,
        module=fuse_batch_norm(module),
        class_names=tuple(card["class_names"]),
        input_shape=tuple(card["input_shape"]),
        preprocessing=Preprocessing(**card["preprocessing"]),
        transform=None if card["transform"] is None else get_transform(card["transform"]).name,
        parameter_sigma=float(card["parameter_sigma"]),
        pixel_sigma=float(card["pixel_sigma"]),
        grid=card["grid"],
    )


def onnx_classifier(name: str, data: bytes, description: OnnxDescription | None = None) -> Classifier:
    """The network in an ONNX file, on the CPU, as a classifier of that name; ValueError, one sentence, if it cannot be one."""
    return Classifier(**onnx_networks.parts(name, data, description or OnnxDescription()))


def forget_loaded() -> None:
    """Load every classifier anew from now on."""
    _load.cache_clear()


def _load_own(name: str) -> Classifier:
    own = own_files.call(name)
    if not isinstance(own, Classifier):
        raise ValueError(f"{name!r} must return an spt.classifiers.Classifier, but returned {type(own).__name__}.")
    return own
