"""What decides a network's answers: every tensor it holds, wherever it keeps it, and how it answers fixed images."""

import copy
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

GOLDEN = 0.6180339887498949
PROBES = 4


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """All tensors of a module by where they are: parameters and buffers, and those that its state_dict does not show, in
    plain attributes, lists, tuples and dicts, also of modules that are kept there."""
    return {place: tensor for place, _, _, tensor in _walk(module)}


class Watched:
    """The tensors of a module as they are now: a cheap sign of a change, a hundred times faster than looking at all values."""

    def __init__(self, module: nn.Module) -> None:
        self._kept = [(owner, key, tensor) for _, owner, key, tensor in _walk(module)]
        self._versions = [_version(tensor) for _, _, tensor in self._kept]

    @property
    def untouched(self) -> bool:
        """Whether every tensor is where it was, and torch has not changed it (``.data`` hides a change from torch)."""
        return all(owner[key] is tensor for owner, key, tensor in self._kept) and self._versions == [
            _version(tensor) for _, _, tensor in self._kept
        ]


def _version(tensor: Tensor) -> tuple[int, int]:
    """Where its values are and how often torch changed them."""
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version


def _walk(module: nn.Module) -> list[tuple[str, Any, Any, Tensor]]:
    """Place, owner and key of every tensor, and the tensor: owner[key] is it."""
    found: list[tuple[str, Any, Any, Tensor]] = []
    seen: set[int] = set()

    def walk(value: Any, place: str, owner: Any, key: Any) -> None:
        if isinstance(value, Tensor):
            found.append((place, owner, key, value))
        if id(value) in seen or isinstance(value, str | bytes | type):
            return
        seen.add(id(value))
        inner = vars(value) if isinstance(value, nn.Module) else value
        if isinstance(inner, Mapping):
            for name, part in inner.items():
                walk(part, f"{place}.{name}", inner, name)
        elif isinstance(inner, list | tuple):
            for index, part in enumerate(inner):
                walk(part, f"{place}.{index}", inner, index)

    walk(module, "", None, None)
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
    """For each tensor the sum of its bits as whole numbers: tells in a moment of almost any change."""
    kinds = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    sums = []
    for value in tensors:
        plain = value.detach()
        plain = plain.view(kinds[plain.element_size()]) if plain.element_size() in kinds else plain
        sums.append(plain.sum(dtype=torch.int64) if not plain.is_complex() else plain.abs().sum().long())
    return tuple(int(each) for each in torch.stack([each.cpu() for each in sums]).tolist()) if sums else ()


def probes(shape: tuple[int, int, int], count: int = PROBES) -> Tensor:
    """Fixed images (count, C, H, W), float64, in [0, 1]: the same on every machine, rough and smooth ones by turns."""
    size = shape[0] * shape[1] * shape[2]
    steps = torch.arange(1, count * size + 1, dtype=torch.float64).reshape(count, *shape)
    rough = (steps * GOLDEN).frac()
    smooth = 0.5 + 0.5 * torch.sin(steps * (2 * torch.pi / shape[2]) * 0.37)
    odd = (torch.arange(count) % 2 == 1).reshape(-1, 1, 1, 1)
    return torch.where(odd, (smooth + 0.25 * rough) / 1.25, rough)


@torch.inference_mode()
def behaviour(module: nn.Module, images: Tensor, device: torch.device) -> bytes:
    """How the network answers fixed images, float64, in bytes that are the same on every machine where the network is.

    A copy of it in float64 answers, whose logits are rounded to 1e-5 of the largest. Where that cannot be (a network that
    insists on a type), the network itself in its own type, rounded to 1/16 of the largest: in float32 a network
    differs between machines in the last digits.
    """
    step, digits = 1e-5, 5
    try:
        logits = copy.deepcopy(module).cpu().double()(images)
    except Exception:  # whatever stands in the way of a copy, or of another type
        logits, step, digits = module(images.float().to(device)).double().cpu(), 1 / 16, 1
    largest = logits.abs().amax().clamp(min=1e-300)
    rounded = (logits / largest / step).round() + 0.0  # no -0
    return repr((f"{float(largest):.{digits}e}", rounded.tolist())).encode()


def layers_in_words(module: nn.Module) -> str:
    """Layers and their settings, such as strides, which are not among the weights; without addresses in memory."""
    return re.sub(r"0x[0-9a-f]+", "", repr(module))
