"""The inverse of a received image over a whole Gamma: splits, passes, and what dies on the way.

A pass (`tighten`) intersects what is known of every original pixel with what all received pixels say, the other
three pixels of each equation being what the previous pass left. The first pass knows that pixels are in [0, 1], and 0
outside the frame. A split whose box of images is empty is dropped (docs/mathematics.md, section 15).

From coarse to fine: most of Gamma dies already in splits eight times as wide as asked for, after one pass. What survives
is halved and keeps what its parent knew, which is sound as it covers fewer gammas; refinement begins when the splits are
as narrow as asked for. Compared with narrow splits from the beginning this takes about a quarter of the work.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from spt.inverse.constraints import Constraints, find_constraints, tighten
from spt.inverse.result import Contradiction, Inverse
from spt.progress import Progress, Stopwatch, silent
from spt.threat_model import MEMORY_BUDGET, ReceivedImage

MAX_LEVELS = 3
"""The first splits are up to 2**MAX_LEVELS times as wide as the last."""
MAX_SPLITS = 1_000_000
BYTES_PER_PIXEL = 1000
"""Working memory for one received pixel in one split: this much, and as much again for each channel."""
CONSTRAINT_BYTES = 700
"""Of this, what the constraints of one received pixel take if they are kept for the next pass."""
POINTS_AT_ONCE = 1 << 13
"""Received pixels of all splits in one call on a CPU: most temporaries stay in its caches."""


def invert(
    received: ReceivedImage,
    *,
    width: float = 0.1,
    refinements: int = 10,
    naive: bool = False,
    memory_budget: int = MEMORY_BUDGET,
    progress: Progress = silent,
) -> Inverse:
    """Bounds of every original pixel: all x in [0, 1] with T_gamma x = x', gamma in Gamma, are in the result.

    Args:
        received: x', T, Gamma and the attacker; the result is on the device of x'.
        width: splits are halved where anything survives until they are at most this wide (degrees or pixels).
        refinements: further passes over the last splits.
        naive: source boxes by interval arithmetic as in the paper instead of the exact hull of each arc.
        memory_budget: bytes of working memory to plan for; what survives comes on top.
        progress: see `spt.progress.Progress`; called once for each pass.

    Returns: `Inverse`; not `consistent` if no x and gamma produce x'.
    Raises ValueError if the numbers make no sense.
    """
    passes = refine(
        received, width=width, refinements=refinements, naive=naive, memory_budget=memory_budget, progress=progress
    )
    *_, last = passes
    return last


def refine(
    received: ReceivedImage,
    *,
    width: float = 0.1,
    refinements: int = 10,
    naive: bool = False,
    memory_budget: int = MEMORY_BUDGET,
    progress: Progress = silent,
) -> Iterator[Inverse]:
    """The `Inverse` after each pass: one for each level of splits, from coarse to fine, then one for each refinement.

    Each is sound by itself and contained in the one before. It ends early when nothing survives. Arguments and errors
    (raised at once) are those of `invert`.
    """
    if not 0 < width < math.inf:
        raise ValueError(f"width must be a positive number, but is {width}.")
    if refinements < 0:
        raise ValueError(f"refinements must be 0 or more, but is {refinements}.")
    low, high = received.ends
    run = _Run(received, (low.flatten(1), high.flatten(1)), naive, memory_budget, progress)
    return run.passes(*_levels(received.box, width), refinements)


def _levels(gamma_range: Tensor, width: float) -> tuple[Tensor, list[list[int]]]:
    """The first splits (S, d, 2), and for each further level the axes that are halved."""
    extents = gamma_range[:, 1] - gamma_range[:, 0]
    wanted = [max(1, math.ceil(extent / width - 1e-9)) for extent in extents.tolist()]
    levels = [min(MAX_LEVELS, int(math.log2(count))) for count in wanted]
    counts = [math.ceil(count / 2**level) for count, level in zip(wanted, levels, strict=True)]
    if math.prod(counts) > MAX_SPLITS:
        raise ValueError(f"width {width} cuts Gamma into more than {MAX_SPLITS} splits; take wider ones.")
    axes = []
    for (low, high), count in zip(gamma_range, counts, strict=True):
        steps = torch.arange(count + 1, dtype=torch.float64)
        ends = (low * (count - steps) + high * steps) / count  # exactly 0 in the middle of a symmetric Gamma
        ends = ends.clamp(low, high).cummax(0).values  # splits narrower than rounding must not turn round
        ends[0], ends[-1] = low, high
        axes.append(torch.stack((ends[:-1], ends[1:]), dim=-1))
    positions = torch.cartesian_prod(*[torch.arange(count) for count in counts]).reshape(-1, len(counts))
    boxes = torch.stack([axis[positions[:, i]] for i, axis in enumerate(axes)], dim=1)
    return boxes, [[i for i, own in enumerate(levels) if own > level] for level in range(max(levels))]


@dataclass(frozen=True, eq=False)
class _Part:
    """Some splits: boxes (S, d, 2), what is known of the original, (C, S, P) with the ring, and perhaps constraints."""

    boxes: Tensor
    lower: Tensor
    upper: Tensor
    constraints: list[Constraints] | None = None

    def cut(self, size: int) -> "list[_Part]":
        """In pieces of at most ``size`` splits."""
        cuts = [slice(i, i + size) for i in range(0, len(self.boxes), size)]
        return [_Part(self.boxes[cut], self.lower[:, cut], self.upper[:, cut]) for cut in cuts]

    def halved(self, axes: list[int]) -> "_Part":
        """Every split cut in two along each of the axes; the pieces know what it knew."""
        boxes = self.boxes
        for axis in axes:
            middle = boxes[:, axis].mean(dim=-1)
            left, right = boxes.clone(), boxes.clone()
            left[:, axis, 1] = right[:, axis, 0] = middle
            boxes = torch.stack((left, right), dim=1).flatten(0, 1)
        count = 1 << len(axes)
        return _Part(boxes, self.lower.repeat_interleave(count, dim=1), self.upper.repeat_interleave(count, dim=1))


@dataclass(frozen=True, eq=False)
class _Run:
    """An inversion; ``ends``: of the received pixels, (C, H * W) each."""

    received: ReceivedImage
    ends: tuple[Tensor, Tensor]
    naive: bool
    memory_budget: int
    progress: Progress

    def passes(self, boxes: Tensor, halvings: list[list[int]], refinements: int) -> Iterator[Inverse]:
        """See `refine`."""
        watch, evaluations, last = Stopwatch(), 0, None
        parts = self.start(boxes).cut(self.at_once)
        for number in range(1, len(halvings) + refinements + 2):
            splits = sum(len(part.boxes) for part in parts)
            evaluations += splits
            kept_bytes = splits * CONSTRAINT_BYTES * self.ends[0].shape[1]
            keep = number > len(halvings) and kept_bytes <= self.memory_budget // 2
            survivors, died = [], []
            for part in self.progress(parts, desc=f"inverse: pass {number}, {splits} splits", total=len(parts)):
                survivor, contradiction = self.step(part, number, keep)
                survivors.append(survivor)
                died += [contradiction] if contradiction else []
            last = min(died, key=lambda each: each.gap, default=last)
            whole = _join(survivors)
            yield self.record(whole, number, evaluations, watch.seconds, last)
            if not len(whole.boxes):
                return
            parts = [part for part in survivors if len(part.boxes)]
            if number <= len(halvings):
                parts = whole.halved(halvings[number - 1]).cut(self.at_once)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels, height, width = self.received.image.shape
        return channels, height, width

    @property
    def at_once(self) -> int:
        """Splits in one part."""
        channels, pixels = self.ends[0].shape
        affordable = self.memory_budget // 2 // (BYTES_PER_PIXEL * (1 + channels) * pixels)
        if self.ends[0].device.type == "cpu":
            affordable = min(affordable, POINTS_AT_ONCE // pixels)
        return max(1, affordable)

    def start(self, boxes: Tensor) -> _Part:
        """All splits: pixels in [0, 1] inside the frame and 0 outside (the same memory for all splits)."""
        channels, height, width = self.shape
        inside = self.ends[0].new_ones(height, width)
        upper = torch.nn.functional.pad(inside, (1, 1, 1, 1)).flatten()
        shape = (channels, len(boxes), len(upper))
        return _Part(boxes, torch.zeros_like(upper).expand(shape), upper.expand(shape))

    def step(self, part: _Part, number: int, keep: bool) -> tuple[_Part, Contradiction | None]:
        """One pass: the splits that survive it, and of those that do not the one that came nearest to it."""
        constraints = part.constraints
        if constraints is None:
            boxes = part.boxes.to(part.lower.device)
            constraints = find_constraints(self.received.transform, boxes, *self.shape[1:], naive=self.naive)
        lower, upper = tighten(constraints, self.ends, part.lower, part.upper)
        gaps = (lower - upper).amax(dim=2).amax(dim=0)
        alive = gaps <= 0
        if alive.all():
            return _Part(part.boxes, lower, upper, constraints if keep else None), None
        nearest = int(torch.where(alive, torch.inf, gaps).argmin())
        contradiction = self.contradiction(part.boxes[nearest], lower[:, nearest], upper[:, nearest], number)
        kept = [group.of_splits(alive) for group in constraints] if keep else None
        return _Part(part.boxes[alive.cpu()], lower[:, alive], upper[:, alive], kept), contradiction

    def contradiction(self, box: Tensor, lower: Tensor, upper: Tensor, number: int) -> Contradiction:
        """The pixel of one split, (C, P), whose ends contradict each other most."""
        channel, position = divmod(int((lower - upper).argmax()), lower.shape[1])
        row, column = divmod(position, self.shape[2] + 2)
        ends = float(lower[channel, position]), float(upper[channel, position])
        return Contradiction(box, channel, row - 1, column - 1, *ends, passes=number)

    def record(
        self, whole: _Part, number: int, evaluations: int, seconds: float, last: Contradiction | None
    ) -> Inverse:
        """What is known now, without the ring."""
        channels, height, width = self.shape
        lower, upper = (
            end.view(channels, -1, height + 2, width + 2)[..., 1:-1, 1:-1].transpose(0, 1).contiguous()
            for end in (whole.lower, whole.upper)
        )
        return Inverse(self.received, whole.boxes, lower, upper, number, evaluations, seconds, last)


def _join(parts: list[_Part]) -> _Part:
    lower, upper = torch.cat([part.lower for part in parts], 1), torch.cat([part.upper for part in parts], 1)
    return _Part(torch.cat([part.boxes for part in parts]), lower, upper)
