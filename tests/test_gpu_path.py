"""The GPU path without a GPU: tensors that say they are on one, compute on the processor, and refuse what a GPU refuses.

`Pretended` tensors hold real numbers, so whole searches with all their decisions run and give the results of the processor.
What a real device would not do is an error here: one operation on tensors of both sides, or a generator of the other side.
What it would do slowly is counted: transfers, waits of the host for the device, and what is computed on the processor.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

from spt import training
from spt.__main__ import build_parser
from spt.classifiers import Classifier
from spt.commands.arguments import check_device
from spt.datasets import load_dataset
from spt.defences import DistSPT, IndivSPT
from spt.error_bounds import Search, chord_bound, interval_bound, sample_bound, sampled_error, vertex_bound
from spt.error_bounds.cell_balls import cell_balls
from spt.images import to_8_bit
from spt.inverse import invert
from spt.networks import build_network, fuse_batch_norm
from spt.preprocessing import Preprocessing
from spt.received_bounds.bounds import METHODS, received_balls
from spt.recipes import Recipe
from spt.smoothing import SmoothedClassifier
from spt.threat_model import AttackedImage, ReceivedImage
from spt.transforms import Rotation, Transform, Translation

ROTATION, TRANSLATION = Rotation(), Translation()
CIRCLE = Preprocessing(vignette="circle", vignette_margin=1.0, blur_size=3, blur_scale=2.0)
FRAME = Preprocessing(vignette="rectangle", vignette_margin=1.0, blur_size=3, blur_scale=2.0)
MAY_MIX = ("_has_compatible", "index", "_index_put", "copy_", "_copy", "to", "set_", "embedding")
"""Operations that take tensors of both sides on a real device, too: copies, and reading at positions from the processor."""
WAITS = (
    "item",
    "local_scalar_dense",
    "nonzero",
    "unique",
    "masked_select",
    "is_nonzero",
    "equal",
    "linalg_solve",
    "repeat_interleave",
    "bincount",
)


GENERATOR = torch.Generator


class Pretended(Tensor):
    """A tensor on ``cuda:0``, as far as anybody can tell, whose numbers are in ``inner`` on the processor."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> "Pretended":
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        made = Tensor._make_wrapper_subclass(cls, inner.size(), **layout, device="cuda:0")
        made.inner = inner.detach()
        return made

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = self.detach().clone().requires_grad_(self.requires_grad)
        copied._is_param = getattr(self, "_is_param", False)
        memo[id(self)] = copied
        return copied

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor first.")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} on a pretended tensor, but no device is pretended any more.")


class PretendedGenerator(torch.Generator):
    """What `torch.Generator` is while a device is pretended: one of the device, or a plain one."""

    def __new__(cls, device: Any = "cpu") -> torch.Generator:
        return super().__new__(cls if torch.device(device).type == "cuda" else GENERATOR, "cpu")

    @property
    def device(self) -> torch.device:
        return torch.device("cuda:0")


@dataclass
class Seen:
    """What happened while a device was pretended.

    Attributes:
        operations: how many on the device, by name.
        waits: of the host for the device, by operation; downloads among them.
        downloads, uploads: numbers copied from and to the device, by operation.
        host: the largest tensor that was computed on the processor, and by what.
    """

    operations: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    downloaded: int = 0
    uploaded: int = 0
    host: tuple[int, str] = (0, "")


class PretendedDevice(TorchDispatchMode):
    """``cuda`` is there while this is entered."""

    def __init__(self) -> None:
        super().__init__()
        self._mode_key = torch._C._TorchDispatchModeKey.FAKE  # or torch looks for a driver when it reads "cuda"
        self.seen = Seen()

    def __enter__(self) -> "PretendedDevice":
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(1.0, device="cuda") copies from the processor
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # a module that moves gets new parameters
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(False)
        torch.__future__.set_overwrite_module_params_on_conversion(False)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func._schema.name.removeprefix("aten::")
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        there = [value for value in tensors if isinstance(value, Pretended)]
        self._refuse_mixture(name, tensors, there)
        target = kwargs.get("device")
        on_device = bool(there) if target is None else torch.device(target).type == "cuda"
        if name == "copy_":
            on_device = isinstance(args[0], Pretended)
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        plain = tree_map_only(Pretended, lambda value: value.inner, (args, kwargs))
        result = func(*plain[0], **plain[1])
        self._note(name, tensors, there, on_device, result)
        if on_device:
            result = tree_map_only(Tensor, Pretended, result)
        if not there:
            return result
        return return_and_correct_aliasing(func, args, kwargs, result) if on_device and target is None else result

    def _refuse_mixture(self, name: str, tensors: list[Tensor], there: list[Pretended]) -> None:
        here = [value for value in tensors if not isinstance(value, Pretended) and value.ndim]
        if there and here and not any(name.startswith(each) for each in MAY_MIX):
            shapes = [tuple(value.shape) for value in here]
            raise RuntimeError(f"Expected all tensors to be on the same device, but {name} got {shapes} on the cpu.")
        if name.startswith("index") and here and tensors[0] is here[0] and there:
            raise RuntimeError(f"{name}: a tensor on the cpu is read at positions on the device.")

    def _note(self, name: str, tensors: list[Tensor], there: list[Pretended], on_device: bool, result: Any) -> None:
        made = [value for value in tree_leaves(result) if isinstance(value, Tensor)]
        size = max((value.numel() for value in made), default=0)
        if on_device:
            self.seen.operations[name] += 1
            self.seen.uploaded += sum(value.numel() for value in tensors if not isinstance(value, Pretended))
        elif there:
            self.seen.downloaded += size
            self.seen.waits[name] += 1
        elif size > self.seen.host[0]:
            self.seen.host = (size, name)
        if there and on_device and any(name.lstrip("_").startswith(each) for each in WAITS):
            self.seen.waits[name] += 1


class Generators(TorchFunctionMode):
    """Refuses to draw on one side with a generator of the other."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        generator, place = kwargs.get("generator"), torch.device(kwargs.get("device") or "cpu").type
        if generator is not None and generator.device.type != place:
            raise RuntimeError(f"Expected a {place!r} device type for generator but found {generator.device.type!r}.")
        return func(*args, **kwargs)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedDevice]:
    """A pretended device, entered."""
    torch._C._ensureCUDADeviceGuardSet()
    monkeypatch.setattr(torch, "Generator", PretendedGenerator)
    # inference tensors know no wrappers; without gradients the same is computed
    monkeypatch.setattr(torch._C, "_InferenceMode", lambda on: torch.no_grad() if on else nullcontext())
    with torch.backends.cudnn.flags(enabled=False), Generators(), PretendedDevice() as mode:
        yield mode


# ------------------------------------------------------------------------------------------------ the pretence itself


def test_what_a_device_refuses_is_refused(device):
    here, there = torch.ones(3), torch.ones(3, device="cuda")
    assert there.is_cuda and there.device == torch.device("cuda:0") and (there + 1).tolist() == [2, 2, 2]
    for wrong in (
        lambda: here + there,
        lambda: torch.cat((here, there)),
        lambda: here[torch.tensor([0], device="cuda")],
        lambda: torch.rand(2, device="cuda", generator=torch.Generator()),
        lambda: torch.rand(2, generator=torch.Generator("cuda")),
        lambda: np.asarray(there),
    ):
        with pytest.raises((RuntimeError, TypeError), match=r"device|on the cpu"):
            wrong()
    assert (there * torch.tensor(2.0)).is_cuda and there[torch.tensor([0])].is_cuda  # a real one takes these, too


def test_waiting_is_seen(device):
    there = torch.ones(3, 4, device="cuda")
    before = dict(device.seen.waits)
    assert float(there.sum()) == 12 and bool((there > 0).all())
    there.cpu()
    there.nonzero()
    assert sum(device.seen.waits.values()) - sum(before.values()) == 4
    assert device.seen.downloaded >= 12 and device.seen.host == (0, "")
    torch.zeros(50)
    there + torch.ones(7, 3, 4).to("cuda")
    assert device.seen.host[0] == 84 and device.seen.uploaded == 84


# ------------------------------------------------------------------------------------------------------- what runs on it


def small_image() -> Tensor:
    """A digit of 14x14 pixels."""
    return torch.nn.functional.avg_pool2d(load_dataset("digits").image(3)[None], 2)[0]


ANGLES = torch.tensor([[3.0], [-20.0], [45.0]])
SHIFTS = torch.tensor([[0.3, 1.2], [-1.0, 0.4]])
Run = Callable[[str], Tensor]


def received(device: str, transform: Transform, point: list[float], method: Any) -> Tensor:
    """Radii of the balls for a received image, from its inverse on."""
    rotation = transform is ROTATION
    sent = to_8_bit(transform(small_image().to(device), torch.tensor([point]))[0])
    found = invert(ReceivedImage(sent, transform, (-2, 2) if rotation else (-0.5, 0.5)), width=0.5, refinements=2)
    points, preprocessing = (ANGLES, CIRCLE) if rotation else (SHIFTS[:1], FRAME)
    centres, radii = received_balls(found, preprocessing, points, method=method)
    assert centres.device.type == torch.device(device).type
    return radii


SEARCHES: dict[str, Run] = {
    "rotation": lambda device: ROTATION(small_image().to(device), ANGLES),
    "translation": lambda device: TRANSLATION(small_image().to(device), SHIFTS),
    "chord": lambda device: (
        chord_bound(AttackedImage(small_image().to(device), ROTATION, CIRCLE, (-5, 5)), ANGLES).values
    ),
    "sampled": lambda device: (
        sampled_error(
            AttackedImage(small_image().to(device), ROTATION, CIRCLE, (-5, 5), attacker="8-bit"), ANGLES, points=100
        ).values
    ),
    "vertices": lambda device: (
        vertex_bound(AttackedImage(small_image().to(device), TRANSLATION, FRAME, (-1, 1)), SHIFTS).values
    ),
    "balls": lambda device: (
        sample_bound(
            AttackedImage(small_image().to(device), ROTATION, CIRCLE, (-5, 5), attacker="8-bit"), ANGLES
        ).values
    ),
    "balls, translation": lambda device: (
        sample_bound(
            AttackedImage(small_image().to(device), TRANSLATION, FRAME, (-0.4, 0.4)),
            SHIFTS,
            search=Search(tolerance=0.1),
        ).values
    ),
    "balls of cells": lambda device: (
        cell_balls(
            AttackedImage(small_image().to(device), ROTATION, CIRCLE, (-5, 5), attacker="8-bit"),
            torch.tensor([[[-0.3, 0.4]], [[1.0, 1.5]], [[1.0, 1.5]]], dtype=torch.float64),
            ANGLES,
        ).radii
    ),
    "balls of cells, translation": lambda device: (
        cell_balls(
            AttackedImage(small_image().to(device), TRANSLATION, FRAME, (-0.4, 0.4)),
            torch.tensor([[[-0.1, 0.1], [0.2, 0.3]]], dtype=torch.float64).expand(len(SHIFTS), 2, 2),
            SHIFTS,
        ).radii
    ),
    "interval": lambda device: (
        interval_bound(AttackedImage(small_image().to(device), ROTATION, CIRCLE, (-5, 5)), ANGLES, splits=10).values
    ),
    "interval, translation": lambda device: (
        interval_bound(AttackedImage(small_image().to(device), TRANSLATION, FRAME, (-1, 1)), SHIFTS, splits=4).values
    ),
    "inverse": lambda device: (
        invert(ReceivedImage(small_image().to(device), ROTATION, (-5, 5)), width=1.0, refinements=1).lower
    ),
    "inverse, translation": lambda device: (
        invert(ReceivedImage(small_image().to(device), TRANSLATION, (-1, 1)), width=0.5, refinements=1).lower
    ),
    **{f"received, {method}": partial(received, transform=ROTATION, point=[1.0], method=method) for method in METHODS},
    **{
        f"received, {method}, translation": partial(received, transform=TRANSLATION, point=[0.2, 0.1], method=method)
        for method in ("kernel", "interval")
    },
}
SLOW = ("received, automatic", "received, interval", "received, regularised", "received, interval, translation")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in SEARCHES]
)
def test_on_a_device_as_on_the_processor(name, device):
    """Nothing is mixed up, the same comes out, and no image is computed on the processor."""
    values = SEARCHES[name]("cuda").cpu()
    work = device.seen
    expected = SEARCHES[name]("cpu")
    # a device takes more cells at once: sums in another order
    torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-12)
    assert sum(work.operations.values()) > 30


@pytest.mark.parametrize(
    "name", ["chord", "balls", "balls of cells", "interval", "vertices", "inverse", "received, kernel"]
)
def test_what_the_host_does_is_small(name, device):
    """Decisions, parameters and keys of splits are on the processor; pixels of all splits never are."""
    SEARCHES[name]("cuda")
    pixels = small_image().numel()
    size, operation = device.seen.host
    # masks and blur matrices are computed there once for each size, 0/1 probe_images of the kernel method for each image
    assert size <= (64 if name.startswith("received") else 6) * pixels, operation


@pytest.mark.parametrize(("name", "waits"), [("chord", 7), ("balls", 11)])
def test_waits_of_a_search_are_counted_by_round(name, waits, device):
    """No more than this many in a round (benchmarks/gpu.md says which); a number that grows is a step back."""
    rounds = 0

    def progress(steps: Any, desc: str = "", total: int = 0) -> Any:
        nonlocal rounds
        rounds += 1
        return steps

    bound = chord_bound if name == "chord" else sample_bound
    bound(AttackedImage(small_image().to("cuda"), ROTATION, CIRCLE, (-5, 5)), ANGLES, progress=progress)
    assert rounds > 1 and sum(device.seen.waits.values()) <= waits * rounds


# ----------------------------------------------------------------------------------------------------- networks on it


class Bars(nn.Module):
    """A linear classifier of 6x6 images."""

    def __init__(self) -> None:
        super().__init__()
        self.classify = nn.Linear(36, 2)
        with torch.no_grad():
            self.classify.weight.copy_(torch.linspace(-1, 1, 72).reshape(2, 36))

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(images.flatten(1))


def classifier(place: str) -> Classifier:
    return Classifier("bars", Bars(), ("no", "yes"), (1, 6, 6), CIRCLE).to(place)


def test_votes(device):
    image = torch.rand(1, 6, 6, generator=GENERATOR().manual_seed(0))
    smoothed = SmoothedClassifier(classifier("cuda"), ROTATION, 30.0, 0.3)
    assert smoothed.classifier.device.type == "cuda"
    before = sum(device.seen.waits.values())
    device.seen.host = (0, "")
    votes = smoothed.count(image, 9000, torch.Generator().manual_seed(0))
    assert not votes.points.is_cuda and not votes.classes.is_cuda and 0 < votes.counts[0] < 9000
    # for the image: its range, the weights' checksum; for each of three chunks: NaN, and the votes themselves
    assert sum(device.seen.waits.values()) - before <= 5 + 2 * 3
    assert device.seen.host[0] <= 2 * 9000  # points and votes; a point is drawn from two numbers


@pytest.mark.parametrize("transform", [ROTATION, TRANSLATION], ids=lambda transform: transform.name)
def test_certificates(transform, device):
    image = torch.rand(1, 6, 6, generator=GENERATOR().manual_seed(0))
    for kind in (DistSPT, IndivSPT):
        defence = kind(classifier("cuda"), transform, 5.0, 0.3, 1.0)
        certificate = defence.certify(image, 20, n_gamma=4)
        assert certificate.device == "cuda" and len(certificate.radii) == 4
        assert min(certificate.radii) > 0 and certificate.verify()


def test_a_folded_network_in_bfloat16(device):
    """Convolutions, folded batch norm, channels last."""
    module = build_network("residual", channels=1, side=8, classes=2, widths=[4, 6], blocks=[1, 1])
    fast = fuse_batch_norm(module, half=True).to("cuda")
    logits = fast(torch.rand(3, 1, 8, 8, device="cuda"))
    assert logits.is_cuda and logits.dtype == torch.float32 and logits.shape == (3, 2)


def test_auto_is_the_device_that_is_there(monkeypatch):
    assert check_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert check_device("auto") == "cuda" and check_device("cpu") == "cpu"
    arguments = build_parser().parse_args(["predict"])
    assert arguments.device == "auto"


def test_a_step_of_training_waits_for_nothing(device):
    """Augmentation, warps, noise and loss (gradients need a real device): only parameters come from the processor."""
    network = {"architecture": "residual", "channels": 1, "side": 8, "classes": 2, "widths": [4, 6], "blocks": [1, 1]}
    recipe = Recipe(
        "tiny", "synthetic", network, "rotation", 10.0, 0.1, CIRCLE, flip=True, crop=1, consistency=1.0, batch_size=40
    )
    module = build_network(**network).to("cuda")
    average = training.Average(module, 0.9)
    images, labels = torch.rand(40, 1, 8, 8, device="cuda"), torch.ones(40, dtype=torch.int64, device="cuda")
    generator = torch.Generator().manual_seed(0)
    CIRCLE(images)  # keeps its matrices
    device.seen.waits.clear()
    device.seen.host, device.seen.uploaded = (0, ""), 0
    with pytest.warns(UserWarning, match="CUDA is not available"), torch.no_grad():
        loss = training._loss(recipe, module, images, labels, generator)
    average.update(module)
    assert loss.is_cuda and loss.dtype == torch.float32
    assert not device.seen.waits
    assert device.seen.host[0] <= 2 * 40 * 8 and device.seen.uploaded <= 40 * (1 + 2 * 8 + 2) + 300
