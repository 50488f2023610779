"""What the page "Interpolation error" shows, computed by the core: cached for plain keys; and the live refinement.

A `Request` holds what the controls say. Cached functions take its plain values as keys and the image, which Streamlit
would hash from a sample only, as an underscore argument.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from spt.certificates import rounded_down, rounded_up
from spt.classifiers import Classifier
from spt.error_bounds import (
    AttackedImage,
    ErrorBound,
    IntervalImages,
    Search,
    chord_bound,
    error_norms,
    interpolation_error,
    interval_bound,
    interval_images,
    vertex_bound,
)
from spt.preprocessing import Preprocessing
from spt.progress import Progress, silent
from spt.transforms import Rotation, Transform
from spt.ui import work
from spt.ui.controls import Subject

LARGE = 3 * 64 * 64  # image values from which bounds take seconds: samples at once, bounds when asked for, live
CURVE_POINTS, MAP_STEPS = 181, 41
LARGE_CURVE_POINTS, LARGE_MAP_STEPS = 61, 11
LARGE_MEMORY_BUDGET = 1 << 28  # small portions, so that a long bound can be stopped soon
MOST_KEPT = 64  # results of long computations, for each session
NARROWEST = 0.02  # degrees; narrower splits are not halved any more
UNIFORM = Search(tolerance=None, keep_splits=True)  # uniform splits, as they are
Key = tuple[Any, ...]


def at_most(value: float) -> str:
    """A number >= 0 to three significant digits, rounded up: an upper bound must hold as it is shown."""
    return _three_digits(float(rounded_up(value)))


def at_least(value: float) -> str:
    """A number >= 0 to three significant digits, rounded down: a lower bound must hold as it is shown."""
    return _three_digits(float(rounded_down(value)))


def about(value: float) -> str:
    """A number to three significant digits, rounded to nearest: neither a lower nor an upper bound."""
    return _three_digits(value)


def _three_digits(value: float) -> str:
    return f"{value:#.3g}".rstrip(".") if value and 1e-4 <= abs(value) < 1e6 else f"{value:.3g}"


@dataclass(frozen=True, eq=False)
class Request:
    """What the controls say.

    Attributes:
        gamma, beta: parameter points. limits: (low, high) of Gamma, for every parameter.
        preprocessing: P as toggled; the classifier's own is ``classifier.preprocessing``.
        splits: uniform splits of each axis of Gamma to begin with. sigma: of the smoothing, for b'.
    """

    classifier: Classifier
    subject: Subject
    transform: Transform
    gamma: tuple[float, ...]
    beta: tuple[float, ...]
    limits: tuple[float, float]
    preprocessing: Preprocessing
    splits: int
    sigma: float
    pixel_sigma: float

    @property
    def rotates(self) -> bool:
        """Whether the transformation is a rotation, which has a chord bound and one parameter."""
        return isinstance(self.transform, Rotation)

    @property
    def image(self) -> Tensor:
        """x, in float64: the page shows e in exact arithmetic, as far as can be seen."""
        return self.subject.image.double()

    @property
    def attacked(self) -> AttackedImage:
        """x with P, Gamma and an attacker in exact arithmetic: what the bounds are about."""
        return AttackedImage(self.image, self.transform, self.preprocessing, self.limits)

    @property
    def large(self) -> bool:
        """Whether bounds take seconds."""
        return self.subject.image.numel() > LARGE

    @property
    def key(self) -> Key:
        """All that decides the error over Gamma, as plain values."""
        return (self.subject.sha256, self.transform.name, self.preprocessing, self.beta, self.limits)

    @property
    def gamma_inside(self) -> bool:
        """Whether gamma lies in Gamma."""
        return all(self.limits[0] <= value <= self.limits[1] for value in self.gamma)


def in_words(request: Request, point: Sequence[float]) -> str:
    """A parameter point in words; an angle is just its value."""
    return request.transform.describe(point).removeprefix("angle ")


def _progress(items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterator[Any]:
    """A progress bar for long bounds; every update is a Streamlit call, at which a new run takes over."""
    bar = st.empty()
    for done, item in enumerate(items):
        bar.progress(done / max(1, total or 1), text=f"{desc} …")
        yield item
    bar.empty()


# ------------------------------------------------------------------------------------------------------ images and curve


@dataclass(frozen=True, eq=False)
class Difference:
    """The images at one (beta, gamma): twice and once transformed, their difference before P, and e, after P."""

    twice: Tensor
    once: Tensor
    before: Tensor
    after: Tensor


def difference(request: Request) -> Difference:
    """The images at the beta and gamma of the controls."""
    transform, image = request.transform, request.image
    beta, gamma = (torch.tensor([point], dtype=torch.float64) for point in (request.beta, request.gamma))
    twice = transform(transform(image, gamma), beta)[0]
    once = transform(image, beta + gamma)[0]
    after = interpolation_error(image, transform, request.preprocessing, beta, gamma)[0]
    return Difference(twice, once, twice - once, after)


@st.cache_data(show_spinner=False, max_entries=64)
def _norms(key: Key, steps: int, _request: Request) -> tuple[np.ndarray, np.ndarray]:
    transform = _request.transform
    axis = torch.linspace(*_request.limits, steps, dtype=torch.float64)
    gammas = torch.cartesian_prod(*[axis] * transform.dimensions).reshape(-1, transform.dimensions)
    betas = torch.tensor([_request.beta], dtype=torch.float64).expand_as(gammas)
    parts = []
    chunks = range(0, len(gammas), 16 if _request.large else len(gammas))
    for start in _progress(chunks, "Sampling", len(chunks)) if _request.large else chunks:
        part = slice(start, start + chunks.step)
        parts.append(error_norms(_request.image, transform, _request.preprocessing, betas[part], gammas[part]))
    return axis.numpy(), torch.cat(parts).numpy().reshape([steps] * transform.dimensions)


def sampled_norms(request: Request) -> tuple[np.ndarray, np.ndarray]:
    """||e|| at equally spaced gammas: the axis (S,) and the norms, (S,) for one parameter and (S, S) for two."""
    curve, side = (LARGE_CURVE_POINTS, LARGE_MAP_STEPS) if request.large else (CURVE_POINTS, MAP_STEPS)
    return _norms(request.key, curve if request.rotates else side, request)


# ---------------------------------------------------------------------------------------------------------------- bounds


@st.cache_data(show_spinner="Interval bound …", max_entries=32)
def _interval(key: Key, splits: int, _request: Request) -> ErrorBound:
    return interval_bound(_request.attacked, [_request.beta], splits=splits, search=UNIFORM)


def interval(request: Request) -> ErrorBound:
    """The paper's bound with the uniform splits of the controls."""
    if not request.large:
        return _interval(request.key, request.splits, request)
    found: ErrorBound = in_session(
        ("interval", *request.key, request.splits),
        lambda progress: interval_bound(
            request.attacked,
            [request.beta],
            splits=request.splits,
            search=replace(UNIFORM, memory_budget=LARGE_MEMORY_BUDGET),
            progress=progress,
        ),
        "Interval bound",
    )
    return found


@st.cache_data(show_spinner="Chord bound …", max_entries=32)
def _chord(key: Key, splits: int, _request: Request) -> ErrorBound:
    return chord_bound(_request.attacked, [_request.beta], splits=splits, search=UNIFORM)


def chord(request: Request) -> ErrorBound:
    """The chord bound with the uniform splits of the controls (more, where it needs more). Rotation only."""
    return _chord(request.key, request.splits, request)


def in_session(key: Key, compute: Callable[[Progress], Any], label: str) -> Any:
    """What ``compute`` gives, once for each key of plain values and session; computed in the background, with progress."""
    known = st.session_state.setdefault("interpolation_results", {})
    if key not in known:
        while len(known) >= MOST_KEPT:
            del known[next(iter(known))]
        known[key] = work.in_background(compute, label)
    return known[key]


def is_in_session(key: Key) -> bool:
    """Whether `in_session` answers at once."""
    return key in st.session_state.get("interpolation_results", {})


def _sharp_bound(request: Request, preprocessing: Preprocessing, progress: Progress = silent) -> tuple[float, float]:
    attacked, beta = replace(request.attacked, preprocessing=preprocessing), [request.beta]
    compute = chord_bound if request.rotates else vertex_bound
    bound = compute(attacked, beta, progress=progress)
    return float(bound.sampled[0]), float(bound.values[0])


@st.cache_data(show_spinner="Bounding …", max_entries=128)
def _sharp(key: Key, preprocessing: Preprocessing, _request: Request) -> tuple[float, float]:
    return _sharp_bound(_request, preprocessing)


def sharp(request: Request, preprocessing: Preprocessing) -> tuple[float, float]:
    """E over Gamma with another P: a value that occurs, and a proved bound at most 2 % above it (translation: exact)."""
    key = (request.subject.sha256, request.transform.name, request.beta, request.limits)
    if request.large:
        found: tuple[float, float] = in_session(
            ("sharp", *key, preprocessing),
            lambda progress: _sharp_bound(request, preprocessing, progress),
            "Bounding E",
        )
        return found
    return _sharp(key, preprocessing, request)


@st.cache_data(show_spinner=False, max_entries=32)
def _vertices(key: Key, _request: Request) -> ErrorBound:
    return vertex_bound(_request.attacked, [_request.beta])


def vertices(request: Request) -> ErrorBound:
    """The exact maximum for translations."""
    if not request.large:
        return _vertices(request.key, request)
    found: ErrorBound = in_session(
        ("vertices", *request.key),
        lambda progress: vertex_bound(request.attacked, [request.beta], progress=progress),
        "Exact maximum",
    )
    return found


def known_vertices(request: Request) -> ErrorBound | None:
    """`vertices`, unless a large image's have not been computed."""
    return vertices(request) if not request.large or is_in_session(("vertices", *request.key)) else None


def known_interval(request: Request) -> ErrorBound | None:
    """`interval`, unless a large image's has not been computed."""
    if request.large and not is_in_session(("interval", *request.key, request.splits)):
        return None
    return interval(request)


@st.cache_data(show_spinner=False, max_entries=64)
def _enclosure(key: Key, split: tuple[tuple[float, float], ...], _request: Request) -> IntervalImages:
    return interval_images(_request.attacked, [_request.beta], split)


def enclosure(request: Request, split: tuple[tuple[float, float], ...]) -> IntervalImages:
    """What interval arithmetic knows on one split."""
    return _enclosure(request.key, split, request)


# ------------------------------------------------------------------------------------------------------------ refinement


@dataclass(frozen=True, eq=False)
class Partition:
    """Gamma cut into splits (M, 2), increasing, with a proved bound for each, (M,). One parameter."""

    splits: np.ndarray
    values: np.ndarray

    @staticmethod
    def unbounded(limits: tuple[float, float], count: int) -> "Partition":
        """Uniform splits about which nothing is known yet: every bound is infinite."""
        edges = np.linspace(*limits, count + 1)
        return Partition(np.stack((edges[:-1], edges[1:]), axis=1), np.full(count, np.inf))

    @staticmethod
    def of(bound: ErrorBound) -> "Partition":
        """The partition that a bound with one beta has kept."""
        return Partition(bound.splits[0][:, 0].numpy(), bound.split_values[0].numpy())

    @property
    def bound(self) -> float:
        """Proved for all of Gamma: the largest of its splits."""
        return float(self.values.max())

    @property
    def known(self) -> "Partition":
        """The splits that have a bound (those of a large image get theirs one after the other)."""
        finite = np.isfinite(self.values)
        return self if finite.all() else Partition(self.splits[finite], self.values[finite])

    def at(self, gamma: float) -> int:
        """Which split holds gamma (the nearest one if none does)."""
        return int(np.clip(np.searchsorted(self.splits[:, 0], gamma, side="right") - 1, 0, len(self.values) - 1))

    def refined(self, request: Request, method: Literal["interval", "chord"], count: int, above: float) -> "Partition":
        """The ``count`` splits with the largest bounds, of those ``above`` a value, halved and bounded anew; a split
        without any bound is bounded as it is."""
        wide = (self.splits[:, 1] - self.splits[:, 0] > NARROWEST) & (self.values > above)
        chosen = [index for index in np.argsort(-self.values, kind="stable") if wide[index]][:count]
        if not chosen:
            return self
        keep = np.setdiff1d(np.arange(len(self.values)), chosen)
        splits, values = [self.splits[keep]], [self.values[keep]]
        for index in chosen:
            bound = interval_bound if method == "interval" else chord_bound
            attacked = replace(request.attacked, gamma_range=self.splits[index].tolist())
            pieces = 2 if np.isfinite(self.values[index]) else 1
            part = Partition.of(bound(attacked, [request.beta], splits=pieces, search=UNIFORM))
            splits.append(part.splits)
            values.append(np.minimum(part.values, self.values[index]))
        all_splits, all_values = np.concatenate(splits), np.concatenate(values)
        order = np.argsort(all_splits[:, 0], kind="stable")
        return Partition(all_splits[order], all_values[order])


INTERVAL_AT_ONCE, CHORD_AT_ONCE = 3, 1
INTERVAL_GOAL, CHORD_GOAL = 1.05, 1.005  # refinement ends at these multiples of the largest sampled error
STEPS_A_PRESS = 60


@dataclass
class Refinement:
    """The state of the live refinement for one request, kept in the session; sound at every moment."""

    key: Key
    chord: Partition
    interval: Partition
    sampled: float
    steps: int = 0
    remaining: int = field(default=0)

    @property
    def waiting(self) -> int:
        """How many splits have no bound yet, of both partitions."""
        return sum(int(np.isinf(partition.values).sum()) for partition in (self.chord, self.interval))

    @property
    def done(self) -> bool:
        """Whether both bounds have reached their goals."""
        return self.chord.bound <= self.sampled * CHORD_GOAL and self.interval.bound <= self.sampled * INTERVAL_GOAL

    def advance(self, request: Request) -> None:
        """One refinement: halve the worst splits of both partitions; of a large image, bound the next split without a
        bound, first for the chord bound, which is the faster one."""
        chord, interval = self.chord, self.interval
        bounded_before = self.waiting == 0
        if bounded_before or np.isinf(chord.bound):
            chord = chord.refined(request, "chord", CHORD_AT_ONCE, self.sampled * CHORD_GOAL)
        if bounded_before or chord is self.chord:
            at_once = 1 if request.large else INTERVAL_AT_ONCE
            interval = interval.refined(request, "interval", at_once, self.sampled * INTERVAL_GOAL)
        self.chord, self.interval, self.remaining = chord, interval, self.remaining - 1
        self.steps += bounded_before


def refinement(request: Request) -> Refinement:
    """The refinement that belongs to the request: the session's, or a new one from uniform splits (of a large image
    without any bound: these are computed one after the other, when asked for)."""
    key = (*request.key, request.splits)
    state = st.session_state.get("error_refinement")
    if not isinstance(state, Refinement) or state.key != key:
        largest = float(sampled_norms(request)[1].max())
        if request.large:
            first = second = Partition.unbounded(request.limits, request.splits)
        else:
            first, second = Partition.of(chord(request)), Partition.of(interval(request))
        state = st.session_state["error_refinement"] = Refinement(key, first, second, largest)
    return state
