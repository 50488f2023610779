"""Is a network a function of one image? Everything that is certified takes that for granted.

A network that normalises over the batch, drops out at random or remembers what it saw answers one image differently from call to
call: votes for it are no samples of one probability. `check` asks a few noisy images alone, among others and again.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from spt.network_state import content_digest, probes, tensors_of
from spt.noise import snap

IMAGES = 4
AT_MOST_AT_ONCE = 16
TOLERANCE = {torch.float16: 0.1, torch.bfloat16: 0.1}
"""By how much a logit may differ from call to call, in parts of the spread of all logits; 0.01 for wider types."""

Answer = Callable[[Tensor], Tensor]


def number_type(module: nn.Module) -> torch.dtype:
    """Type of the numbers that a network computes in: of its first floating-point tensor, else float32."""
    floating = (value.dtype for value in tensors_of(module).values() if value.dtype.is_floating_point)
    return next(floating, torch.float32)


@torch.inference_mode()
def check(name: str, module: nn.Module, answer: Answer, shape: tuple[int, int, int], at_once: int, grid: float) -> None:
    """ValueError, saying what was seen, if answers to one image differ from call to call.

    Args:
        answer: the network: images (N, C, H', W'), N <= at_once, to logits with a row for each; it raises where it
            cannot. shape: (C, H', W'). grid: of `spt.noise.snap`.

    Differences of up to `TOLERANCE` of the spread of the logits are put down to floating point: an answer f(z) is then
    said to be the one that is computed in calls of the usual size.
    """
    size = min(at_once, AT_MOST_AT_ONCE)
    tolerance = TOLERANCE.get(number_type(module), 0.01)
    before = content_digest(tensors_of(module))
    images = snap(_noisy(shape, IMAGES + size), grid)
    some, others = images[: min(IMAGES, size)], images[IMAGES:]
    empty = torch.zeros_like(others)
    first = answer(torch.cat((some, empty))[:size])[: len(some)]
    again = answer(torch.cat((some, empty))[:size])[: len(some)]
    among = answer(torch.cat((others, some))[-size:])[-len(some) :]
    alone = torch.cat([answer(image[None]) for image in some])
    if content_digest(tensors_of(module)) != before:
        raise ValueError(
            f"Classifier {name!r} is no function of one image: its weights or buffers changed while it answered, although it "
            "is in evaluation mode."
        )
    spread = float(first.amax() - first.amin())
    for found, seen in (
        (again, "gave another answer when it was asked the same again: it draws at random (dropout?), remembers, or has "
                "layers in a plain list, which eval() does not reach"),
        (among, "answered an image differently among other images: it uses statistics of the whole batch, such as a mean, a "
                "minimum and maximum, or batch normalisation that is not in evaluation mode"),
        (alone, "answered an image differently alone and in a batch: it uses statistics of the whole batch, such as a mean, a "
                "minimum and maximum, or batch normalisation that is not in evaluation mode"),
    ):  # fmt: skip
        difference = float((found - first).abs().amax())
        if difference > tolerance * spread + 1e-6:
            part = difference / spread if spread > 0 else float("inf")
            raise ValueError(
                f"Classifier {name!r} is no function of one image, so nothing can be certified: it {seen} (logits differ by "
                f"{part:.0%} of their spread)."
            )


def _noisy(shape: tuple[int, int, int], count: int) -> Tensor:
    """Fixed noisy images in [0, 1], the later ones brighter."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(count, *shape, generator=generator, dtype=torch.float64)
    brighter = torch.linspace(0, 0.5, count, dtype=torch.float64).reshape(-1, 1, 1, 1)
    return (0.7 * probes(shape, count) + brighter + 0.1 * noise).clamp(0, 1)
