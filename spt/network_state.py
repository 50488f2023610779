"""What decides a network's answers: every tensor it holds, wherever it keeps it, and how it answers fixed images."""

import copy
import hashlib
import inspect
import re
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spt import faults

GOLDEN = 0.6180339887498949
PROBES = 8
"""Half of them within [0, 1], half of them beyond, as noisy images are."""
DEEPEST = 24
ODD = 1_640_531_527  # spreads the places over all bits
_NO_KEEPERS = (str, bytes, type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType)


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """All tensors of a module by where they are: parameters and buffers, and those that its state_dict does not show, in
    plain attributes, lists, tuples, dicts and objects, also of modules that are kept there; numpy's arrays too."""
    return {place: tensor for place, _, _, tensor in _walk(module)}


class Watched:
    """A module's tensors, parts and hooks as they are now: a cheap sign of a change, a hundred times faster than looking at all
    values."""

    def __init__(self, module: nn.Module) -> None:
        self._kept = [(owner, key, tensor) for _, owner, key, tensor in _walk(module)]
        self._versions = [_version(tensor) for _, _, tensor in self._kept]
        self._module = module
        self._parts = _parts(module)

    @property
    def untouched(self) -> bool:
        """Whether every tensor, part and hook is where it was, and torch has not changed a tensor (``.data`` hides a change
        from torch)."""
        return (
            all(owner[key] is tensor for owner, key, tensor in self._kept)
            and self._versions == [_version(tensor) for _, _, tensor in self._kept]
            and self.same_parts
        )

    @property
    def same_parts(self) -> bool:
        """Whether the parts and their hooks are those that there were."""
        return self._parts == _parts(self._module)


def _parts(module: nn.Module) -> list[tuple[int, ...]]:
    """Which modules there are, and which functions are hooked to them."""
    hooks = ("_forward_hooks", "_forward_pre_hooks")
    return [
        (id(part), *(id(hook) for name in hooks for hook in getattr(part, name, {}).values()))
        for part in module.modules()
    ]


def _version(tensor: Tensor) -> tuple[int, int]:
    """Where its values are and how often torch changed them."""
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version


def _walk(module: nn.Module) -> list[tuple[str, Any, Any, Tensor]]:
    """Place, owner and key of every tensor, and the tensor: owner[key] is it."""
    found: list[tuple[str, Any, Any, Tensor]] = []
    seen: set[int] = set()

    def walk(value: Any, place: str, owner: Any, key: Any, depth: int) -> None:
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            value = torch.from_numpy(np.ascontiguousarray(value))
        if isinstance(value, Tensor):
            found.append((place, owner, key, value))
        if id(value) in seen or depth > DEEPEST or isinstance(value, _NO_KEEPERS):
            return
        seen.add(id(value))
        keeps = not isinstance(value, Tensor | Mapping | list | tuple) and hasattr(value, "__dict__")
        inner = vars(value) if keeps else value
        if isinstance(inner, Mapping):
            for name, part in list(inner.items()):
                walk(part, f"{place}.{name}", inner, name, depth + 1)
        elif isinstance(inner, list | tuple):
            for index, part in enumerate(inner):
                walk(part, f"{place}.{index}", inner, index, depth + 1)

    walk(module, "", None, None, 0)
    known = {id(tensor) for *_, tensor in found}
    state = {name: value for name, value in module.state_dict(keep_vars=True).items() if isinstance(value, Tensor)}
    # what modules have that are not written in Python
    found += [(f"state.{name}", state, name, value) for name, value in state.items() if id(value) not in known]
    return found


def content_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and all values."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        plain = value.detach().cpu()
        plain = plain.to_dense() if plain.layout != torch.strided else plain
        digest.update(plain.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def checksum(tensors: Iterable[Tensor]) -> tuple[int, ...]:
    """For each tensor the sum of its bits as whole numbers, each weighted by its place: tells in a moment of almost any change."""
    kinds = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    sums = []
    for value in tensors:
        plain = torch.view_as_real(value.detach()) if value.is_complex() else value.detach()
        plain = plain.to_dense() if plain.layout != torch.strided else plain
        bits = plain.contiguous().reshape(-1).view(kinds[plain.element_size()])
        weights = torch.arange(1, bits.numel() + 1, device=bits.device, dtype=torch.int32).mul_(ODD)
        sums.append((bits.to(torch.int32) * weights).sum(dtype=torch.int64))
    return tuple(int(each) for each in torch.stack([each.cpu() for each in sums]).tolist()) if sums else ()


def probes(shape: tuple[int, int, int], count: int = PROBES) -> Tensor:
    """Fixed images (count, C, H, W), float64, the same on every machine: rough and smooth ones by turns, the second half of
    them beyond [0, 1], as noisy images are."""
    size = shape[0] * shape[1] * shape[2]
    steps = torch.arange(1, count * size + 1, dtype=torch.float64).reshape(count, *shape)
    rough = (steps * GOLDEN).frac()
    smooth = 0.5 + 0.5 * torch.sin(steps * (2 * torch.pi / shape[2]) * 0.37)
    number = torch.arange(count).reshape(-1, 1, 1, 1)
    images = torch.where(number % 2 == 1, (smooth + 0.25 * rough) / 1.25, rough)
    return torch.where(number < (count + 1) // 2, images, 3 * images - 1)


@torch.inference_mode()
def behaviour(module: nn.Module, images: Tensor, device: torch.device) -> bytes:
    """How the network answers fixed images, float64, in bytes that are the same on every machine where the network is.

    A copy of it in float64 answers; the logits of each image are rounded to 1e-5 of the larger of its first two. Where that cannot
    be (a network that insists on a type), the network itself in its own type, rounded to 1/16 of it: in float32 a network
    differs between machines in the last digits. That it fails for images beyond [0, 1] is an answer, too.
    """
    try:
        exact = copy.deepcopy(module).cpu().double()
    except (Exception, SystemExit) as error:  # whatever stands in the way of a copy, or of another type
        _refuse_lack_of_memory(error)
        exact = None
    found = []
    for part in images.chunk(2):
        try:
            answer = _rounded(None if exact is None else exact(part), 1e-5, 5)
        except (Exception, SystemExit) as error:
            _refuse_lack_of_memory(error)
            try:
                answer = _rounded(module(part.float().to(device)).double().cpu(), 1 / 16, 1)
            except (Exception, SystemExit) as error:
                _refuse_lack_of_memory(error)
                answer = type(error).__name__
        found.append(answer)
    return repr(found).encode()


def _refuse_lack_of_memory(error: BaseException) -> None:
    """It is no answer of the network: raise it on."""
    if faults.out_of_memory(error):
        raise error


def _rounded(logits: Tensor | None, step: float, digits: int) -> str:
    """Logits in words; TypeError where there are none."""
    if not isinstance(logits, Tensor):
        raise TypeError
    first_two = logits.nan_to_num().topk(min(2, logits.shape[1]), dim=1).values
    scale = torch.where(first_two.isfinite(), first_two.abs(), 0.0).amax(dim=1, keepdim=True).clamp(min=1e-300)
    rounded = (logits / scale / step).round() + 0.0  # no -0
    return repr(([f"{float(each):.{digits}e}" for each in scale], rounded.tolist()))


def sources(module: nn.Module) -> bytes:
    """The source files of the classes that the module is made of, digested; of torch and of this package none, whose settings and
    answers are looked at."""
    files = set()
    for part in module.modules():
        name = type(part).__module__
        if name.partition(".")[0] not in ("torch", "spt"):
            file = getattr(sys.modules.get(name), "__file__", None)
            try:
                files.add(inspect.getsource(sys.modules[name]) if file else "")
            except (OSError, KeyError, TypeError):
                files.add("")
    return "".join(hashlib.sha256(text.encode()).hexdigest() for text in sorted(files)).encode()


def layers_in_words(module: nn.Module) -> str:
    """Layers and their settings, such as strides, which are not among the weights; without addresses in memory."""
    return re.sub(r"0x[0-9a-f]+", "", repr(module))
