"""What the page "Inverse" shows, computed by the core and kept under keys of plain values.

A `InverseRequest` holds what the controls say. Its result, `Found`, keeps of every pass the hull of the images over what survives,
and over each part of Gamma that survives to the end (a `Part`): the splits themselves only of the last pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spt.figures.inverse import range_in_words
from spt.inverse import Contradiction, Inverse, refine
from spt.progress import Progress
from spt.ui.inverse.request import Box, InverseRequest
from spt.ui.shared.session import SessionResults

MEMORY_BUDGET = 1 << 28  # what is wider than that is processed in parts, between which a run can be stopped
MOST_VALUES = 1 << 22  # of one pass that are kept until the end; of larger ones only the hull
RESULTS = SessionResults("inverse_results", 6)
MOST_PARTS = 8  # of Gamma that can be looked at one by one
EVERYTHING = "all that survives"
Ends = tuple[Tensor, Tensor]
"""A lower and an upper image, (C, H, W) each."""


@dataclass(frozen=True, eq=False)
class Pass:
    """What was known after one pass (number 0: before the first).

    Attributes:
        what: the pass in words. boxes: (S, d, 2) surviving splits; surviving: (M, d, 2) joined.
        share: of Gamma that survives.
        hulls: for each part, lower and upper image (C, H, W), float64; None where nothing survives.
    """

    number: int
    what: str
    boxes: Tensor
    surviving: Tensor
    share: float
    hulls: tuple[Ends | None, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """A part of Gamma that survives to the end: its name and the box (d, 2) that holds it; None for all of Gamma."""

    name: str
    box: Tensor | None

    def holds(self, boxes: Tensor) -> Tensor:
        """Which of the boxes (S, d, 2) overlap this part, in more than an end."""
        if self.box is None:
            return torch.ones(len(boxes), dtype=torch.bool)
        middle = self.box.mean(dim=1)
        touched = (boxes[..., 0] < self.box[:, 1]) & (boxes[..., 1] > self.box[:, 0])
        inside = (boxes[..., 0] <= middle) & (boxes[..., 1] >= middle)
        found: Tensor = (touched | inside).all(dim=1)
        return found


@dataclass(frozen=True, eq=False)
class Found:
    """The inverse of a request, pass by pass.

    Attributes:
        parts: all of Gamma first, then the parts that survive. passes: from number 0 on.
        last: the inverse after the last pass. inside: whether x is known to lie in it (None: x is not known).
    """

    parts: tuple[Part, ...]
    passes: tuple[Pass, ...]
    last: Inverse
    inside: bool | None

    @property
    def contradiction(self) -> Contradiction | None:
        """The last one, where nothing survives."""
        return None if self.last.consistent else self.last.contradiction

    def part_at(self, gamma: Sequence[float] | None) -> int:
        """The part that holds gamma, 0 if none does."""
        if gamma is None:
            return 0
        point = torch.tensor(list(gamma), dtype=torch.float64)
        for number, part in enumerate(self.parts):
            if part.box is not None and bool(((part.box[:, 0] <= point) & (point <= part.box[:, 1])).all()):
                return number
        return 0

    def splits_of(self, part: int) -> list[Box]:
        """The last surviving splits in a part; the one that died last where nothing survives."""
        died = self.contradiction
        boxes = self.last.boxes if died is None else died.box[None]
        if died is None:
            boxes = boxes[self.parts[part].holds(boxes)]
        return [tuple((low, high) for low, high in box) for box in boxes.tolist()]


def compute(request: InverseRequest, progress: Progress) -> Found:
    """All passes of the inverse, as data for the page; ValueError for what cannot be inverted."""
    kept: list[tuple[Inverse, bool]] = []
    for record in refine(
        request.within(request.gamma_range),
        width=request.split_width,
        refinements=request.refinements,
        naive=request.naive,
        memory_budget=MEMORY_BUDGET,
        progress=progress,
    ):
        if kept and kept[-1][0].lower.numel() > MOST_VALUES:
            kept[-1] = (_hull_alone(kept[-1][0]), True)
        kept.append((record, False))
    last = kept[-1][0]
    parts = (Part(EVERYTHING, None), *_parts(last, request.gamma, request.transform.unit))
    unit = request.transform.unit
    zero, one = torch.zeros_like(request.received, dtype=torch.float64), torch.ones_like(request.received).double()
    whole = torch.tensor([request.gamma_range], dtype=torch.float64)
    passes = [Pass(0, "before the first pass: every pixel in [0, 1]", whole, whole, 1.0, ((zero, one),) * len(parts))]
    for record, joined in kept:
        hulls = []
        for part in parts:
            mine = torch.ones(len(record.lower), dtype=torch.bool) if joined else part.holds(record.boxes)
            hulls.append((record.lower[mine].amin(0), record.upper[mine].amax(0)) if bool(mine.any()) else None)
        passes.append(
            Pass(record.passes, _in_words(record, unit), record.boxes, record.surviving, record.share, tuple(hulls))
        )
    return Found(parts, tuple(passes), last, None if request.original is None else _contains(request, last))


def _hull_alone(record: Inverse) -> Inverse:
    """A pass that takes much memory, with its hull instead of an image for every split: for every part a bound, too."""
    lower, upper = record.hull
    return replace(record, lower=lower[None], upper=upper[None])


def _in_words(record: Inverse, unit: str) -> str:
    count = len(record.boxes)
    if not count:
        return f"pass {record.passes}: nothing survives"
    width = float((record.boxes[0, :, 1] - record.boxes[0, :, 0]).max())
    space = "" if unit == "°" else " "
    return f"pass {record.passes}: {count} split{'s' * (count > 1)} of {width:.3g}{space}{unit} survive{'s' * (count == 1)}"


def _parts(last: Inverse, gamma: tuple[float, ...] | None, unit: str) -> list[Part]:
    """Those that can be looked at one by one: the one that holds gamma first."""
    boxes = last.surviving
    if len(boxes) < 2:
        return []
    if gamma is not None:
        point = torch.tensor(gamma, dtype=torch.float64)
        holds = ((boxes[..., 0] <= point) & (point <= boxes[..., 1])).all(dim=1)
        boxes = torch.cat((boxes[holds], boxes[~holds]))
    return [Part(f"γ in {range_in_words(box.tolist(), unit)}", box) for box in boxes[:MOST_PARTS]]


def _contains(request: InverseRequest, last: Inverse) -> bool:
    """Whether the original is inside on a surviving split that holds gamma."""
    original, gamma = request.original, torch.tensor(request.gamma, dtype=torch.float64)
    assert original is not None
    holds = ((last.boxes[..., 0] <= gamma) & (gamma <= last.boxes[..., 1])).all(dim=1)
    inside = (last.lower <= original) & (original <= last.upper)
    return bool((inside.flatten(1).all(dim=1).cpu() & holds).any())


def received_interval(request: InverseRequest) -> Ends:
    """What the true values of x' can be."""
    return request.within(request.gamma_range).ends
