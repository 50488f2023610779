"""What the page "Inverse" shows, computed by the core and kept under keys of plain values.

A `Request` holds what the controls say. Its result, `Found`, keeps of every pass the hull of the images over what survives,
and over each part of Gamma that survives to the end (a `Part`): the splits themselves only of the last pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import streamlit as st
import torch
from torch import Tensor

from spt.classifiers import Classifier
from spt.figures.inverse import range_in_words
from spt.images import image_digest, to_8_bit
from spt.inverse import Contradiction, Inverse, Trace, invert, refine, trace
from spt.progress import Progress
from spt.threat_model import Attacker, ReceivedImage
from spt.transforms import Transform
from spt.ui import work
from spt.ui.controls import Subject

Key = tuple[Any, ...]
Box = tuple[tuple[float, float], ...]
MEMORY_BUDGET = 1 << 28  # what is wider than that is processed in parts, between which a run can be stopped
MOST_VALUES = 1 << 22  # of one pass that are kept until the end; of larger ones only the hull
MOST_KEPT = 6  # results, for each session
MOST_PARTS = 8  # of Gamma that can be looked at one by one
EVERYTHING = "all that survives"


@dataclass(frozen=True, eq=False)
class Request:
    """What the controls say.

    Attributes:
        subject: the original x; with ``gamma`` None the received image itself, its original being unknown.
        limits: (low, high) of Gamma, for every parameter. splits: of each axis. refinements: passes after splitting.
        naive: source boxes by interval arithmetic, as in the paper. pitch: unit of positions, 2 for the paper's grid.
    """

    classifier: Classifier
    subject: Subject
    transform: Transform
    gamma: tuple[float, ...] | None
    limits: tuple[float, float]
    splits: int
    refinements: int
    attacker: Attacker
    naive: bool
    pitch: float

    @cached_property
    def received(self) -> Tensor:
        """x', as the attacker left it."""
        if self.gamma is None:
            return self.subject.image
        if self.attacker == "8-bit":
            return to_8_bit(self.transform(self.subject.image, [self.gamma])[0])
        return self.transform(self.subject.image.double(), [self.gamma])[0]

    def within(self, gamma_range: Box) -> ReceivedImage:
        """x' as the receiver has it, who knows that gamma lies in Gamma or in a part of it."""
        return ReceivedImage(self.received, self.transform, gamma_range, attacker=self.attacker)

    @property
    def original(self) -> Tensor | None:
        """x, float64, where it is known."""
        return None if self.gamma is None else self.subject.image.double()

    @property
    def gamma_range(self) -> Box:
        """Gamma, one pair for each parameter."""
        return (self.limits,) * self.transform.dimensions

    @property
    def split_width(self) -> float:
        """Of the splits asked for."""
        return (self.limits[1] - self.limits[0]) / self.splits

    @cached_property
    def received_sha256(self) -> str:
        """The digest of x' as it is given to the core."""
        return f"{self.received.dtype}:{image_digest(self.received)}"

    @cached_property
    def key(self) -> Key:
        """All that decides the inverse and whether the original is known to lie in it, as plain values."""
        return (
            self.received_sha256,
            self.gamma and self.subject.sha256,
            self.gamma,
            self.transform.name,
            self.limits,
            self.splits,
            self.refinements,
            self.attacker,
            self.naive,
        )

    @property
    def gamma_inside(self) -> bool:
        """Whether gamma is known and lies in Gamma."""
        return self.gamma is not None and all(self.limits[0] <= value <= self.limits[1] for value in self.gamma)


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
    hulls: tuple[tuple[Tensor, Tensor] | None, ...]


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


def compute(request: Request, progress: Progress) -> Found:
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


def _contains(request: Request, last: Inverse) -> bool:
    """Whether the original is inside on a surviving split that holds gamma."""
    original, gamma = request.original, torch.tensor(request.gamma, dtype=torch.float64)
    assert original is not None
    holds = ((last.boxes[..., 0] <= gamma) & (gamma <= last.boxes[..., 1])).all(dim=1)
    inside = (last.lower <= original) & (original <= last.upper)
    return bool((inside.flatten(1).all(dim=1).cpu() & holds).any())


# ------------------------------------------------------------------------------------------------------------------ kept


def known(kind: str, key: Key) -> Any:
    """A result of this session, None if it is not there."""
    return st.session_state.get(f"inverse_{kind}", {}).get(key)


def keep(kind: str, key: Key, result: Any) -> None:
    """Keep a result in this session."""
    results = st.session_state.setdefault(f"inverse_{kind}", {})
    while len(results) >= MOST_KEPT:
        del results[next(iter(results))]
    results[key] = result


def in_background(kind: str, key: Key, work_to_do: Callable[[Progress], Any], label: str) -> Any:
    """What ``work_to_do`` gives, once for each key and session; with progress, and ended by Stop or a changed control."""
    found = known(kind, key)
    if found is None:
        found = work.in_background(work_to_do, label)
        keep(kind, key, found)
    return found


# ----------------------------------------------------------------------------------------------------------------- trace


@st.cache_data(show_spinner=False, max_entries=256)
def _trace(key: Key, pitch: float, split: Box, place: tuple[int, int, int], before: int, _request: Request) -> Trace:
    row, column, channel = place
    previous = _known_before(key, split, before, _request)
    received = _request.within(split)
    return trace(received, row, column, channel=channel, previous=previous, naive=_request.naive, pitch=pitch)


@st.cache_data(show_spinner=False, max_entries=32)
def _known_before(key: Key, split: Box, before: int, _request: Request) -> tuple[Tensor, Tensor] | None:
    """Lower and upper image after that many passes over the split alone, as long as there is something left."""
    received = _request.within(split)
    width = max(high - low for low, high in split) * 1.001
    while before > 0:
        found = invert(received, width=width, refinements=before - 1, naive=_request.naive)
        if found.consistent:
            return found.lower[0], found.upper[0]
        before = found.passes - 1
    return None


def pixel_trace(request: Request, split: Box, place: tuple[int, int, int], before: int) -> Trace:
    """All steps of one pass over one original pixel (row, column, channel), after ``before`` passes over the split."""
    return _trace(request.key, request.pitch, split, place, before, request)


def received_interval(request: Request) -> tuple[Tensor, Tensor]:
    """What the true values of x' can be, (C, H, W) each."""
    return request.within(request.gamma_range).ends
