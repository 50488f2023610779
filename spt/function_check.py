"""Is a network a function of one image? Everything that is certified takes that for granted.

A network that normalises over the batch, drops out at random or remembers what it saw answers one image differently from call to
call: votes for it are no samples of one probability. `check` asks some images again, among others and alone: fixed ones when a
classifier is made, plain and noisy, and the first ones of every run when it ends.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from spt.network_state import content_digest, probes, tensors_of
from spt.noise import snap

IMAGES = 4
AT_MOST_AT_ONCE = 64
"""When a classifier is made; the calls of a run are as large as they are."""
NOISES = (0.0, 0.7)
"""Of the fixed images."""
TOLERANCE = {torch.float16: 0.03, torch.bfloat16: 0.03}
"""By how much a logit may differ from call to call, in parts of the spread of the logits that count; 0.01 for wider types."""

Answer = Callable[[Tensor], Tensor]

AGAIN = (
    "gave another answer when it was asked the same again: it draws at random (dropout?), remembers, or has layers in a plain "
    "list, which eval() does not reach"
)
COMPANY = (
    "answered an image differently {}: it uses statistics of the whole batch, such as a mean, a minimum and maximum, or batch "
    "normalisation that is not in evaluation mode"
)


def number_type(module: nn.Module) -> torch.dtype:
    """Type of the numbers that a network computes in: of its first floating-point tensor, else float32."""
    floating = (value.dtype for value in tensors_of(module).values() if value.dtype.is_floating_point)
    return next(floating, torch.float32)


@torch.inference_mode()
def check_new(
    name: str,
    module: nn.Module,
    answer: Answer,
    unchecked: Answer,
    shape: tuple[int, int, int],
    at_once: int,
    grid: float,
) -> None:
    """ValueError, saying what was seen, if answers to fixed images differ from call to call.

    Args:
        answer: the network: images (N, C, H', W'), N <= at_once, to logits with a row for each; it raises where it
            cannot, and for NaN; unchecked: NaN and all. shape: (C, H', W'). grid: of `spt.noise.snap`.

    Images with noise for which the network has no number are left out: whoever adds noise is told then.
    """
    before = content_digest(tensors_of(module))
    generator = torch.Generator().manual_seed(0)
    for noise in NOISES:
        images = snap(_fixed(shape, min(at_once, AT_MOST_AT_ONCE), noise, generator), grid)
        try:
            first = answer(images)
            turned = answer(images.flip(0)).flip(0)
        except ValueError:
            if noise == 0:
                raise
            continue
        check(name, module, unchecked, images, first)
        _compare(name, module, turned, first, first, COMPANY.format("at another place of a batch"))
    if content_digest(tensors_of(module)) != before:
        raise ValueError(
            f"Classifier {name!r} is no function of one image: its weights or buffers changed while it answered, although it "
            "is in evaluation mode."
        )


@torch.inference_mode()
def check(name: str, module: nn.Module, answer: Answer, images: Tensor, first: Tensor) -> None:
    """ValueError if the network answers the first of these images (N, C, H', W') otherwise than in the call that gave ``first``
    (N, classes): in other company, which lies farther out, or alone. ``answer`` may give NaN.

    Compared are the logits of the classes that are first or second for some image, as the others decide nothing. Differences of
    up to `TOLERANCE` of their spread are put down to floating point: an answer f(z) is then said to be the one that is computed in
    calls of the usual size. It takes one call more, and one for each of `IMAGES` images alone.
    """
    few = slice(0, min(IMAGES, len(images)))
    try:
        among = answer(torch.cat((images[few], 4 * images.flip(0) - 1.5))[: len(images)])[few]
    except ValueError:  # a network that is for [0, 1] alone
        among = answer(torch.cat((images[few], 1 - images.flip(0)))[: len(images)])[few]
    alone = torch.cat([answer(image[None]) for image in images[few]])
    try:
        _compare(name, module, among, first[few], first, COMPANY.format("among other images"))
        _compare(name, module, alone, first[few], first, COMPANY.format("alone and in a batch"))
    except ValueError:
        _compare(name, module, answer(images), first, first, AGAIN)  # the simpler cause, if it is one
        raise


def _compare(name: str, module: nn.Module, found: Tensor, expected: Tensor, spread_of: Tensor, seen: str) -> None:
    """ValueError if logits differ by more than the tolerance."""
    leading = torch.unique(spread_of.topk(min(2, spread_of.shape[1]), dim=1).indices)
    counted = spread_of[:, leading]
    finite = counted[counted.isfinite()]
    spread = float(finite.max() - finite.min()) if finite.numel() else 0.0
    a, b = found[:, leading], expected[:, leading]
    difference = float(torch.where(a == b, 0.0, (a - b).abs()).nan_to_num(nan=torch.inf).amax())
    if not difference <= TOLERANCE.get(number_type(module), 0.01) * spread + 1e-6:
        part = (
            f"by {difference / spread:.0%} of their spread"
            if spread > 0 and difference < torch.inf
            else "without bound"
        )
        raise ValueError(
            f"Classifier {name!r} is no function of one image, so nothing can be certified: it {seen} (logits differ {part})."
        )


def _fixed(shape: tuple[int, int, int], count: int, noise: float, generator: torch.Generator) -> Tensor:
    """Fixed images, the later ones brighter; within [0, 1] where there is no noise."""
    known = probes(shape, min(count, 8))
    images = known.repeat(-(-count // len(known)), 1, 1, 1)[:count]
    brighter = torch.linspace(0, 0.5, count, dtype=torch.float64).reshape(-1, 1, 1, 1)
    drawn = torch.randn(count, *shape, generator=generator, dtype=torch.float64)
    if noise == 0:
        return (0.7 * images.clamp(0, 1) + brighter + 0.1 * drawn).clamp(0, 1)
    return images.clamp(0, 1) + noise * drawn
