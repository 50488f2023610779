"""What the page "Interpolation error" shows, computed by the core: cached for plain keys.

A `InterpolationRequest` holds what the controls say. Cached functions take its plain values as keys and the image, which Streamlit
would hash from a sample only, as an underscore argument.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from spt.error_bounds import (
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
from spt.ui.interpolation.request import InterpolationRequest
from spt.ui.shared.session import Key, SessionResults

CURVE_POINTS, MAP_STEPS = 181, 41
LARGE_CURVE_POINTS, LARGE_MAP_STEPS = 61, 11
LARGE_MEMORY_BUDGET = 1 << 28  # small portions, so that a long bound can be stopped soon
RESULTS = SessionResults("interpolation_results", 64)
UNIFORM = Search(tolerance=None, keep_splits=True)  # uniform splits, as they are


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


def difference(request: InterpolationRequest) -> Difference:
    """The images at the beta and gamma of the controls."""
    transform, image = request.transform, request.image
    beta, gamma = (torch.tensor([point], dtype=torch.float64) for point in (request.beta, request.gamma))
    twice = transform(transform(image, gamma), beta)[0]
    once = transform(image, beta + gamma)[0]
    after = interpolation_error(image, transform, request.preprocessing, beta, gamma)[0]
    return Difference(twice, once, twice - once, after)


@st.cache_data(show_spinner=False, max_entries=64)
def _norms(key: Key, steps: int, _request: InterpolationRequest) -> tuple[np.ndarray, np.ndarray]:
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


def sampled_norms(request: InterpolationRequest) -> tuple[np.ndarray, np.ndarray]:
    """||e|| at equally spaced gammas: the axis (S,) and the norms, (S,) for one parameter and (S, S) for two."""
    curve, side = (LARGE_CURVE_POINTS, LARGE_MAP_STEPS) if request.large else (CURVE_POINTS, MAP_STEPS)
    return _norms(request.key, curve if request.rotates else side, request)


# ---------------------------------------------------------------------------------------------------------------- bounds


@st.cache_data(show_spinner="Interval bound …", max_entries=32)
def _interval(key: Key, splits: int, _request: InterpolationRequest) -> ErrorBound:
    return interval_bound(_request.attacked, [_request.beta], splits=splits, search=UNIFORM)


def interval(request: InterpolationRequest) -> ErrorBound:
    """The paper's bound with the uniform splits of the controls."""
    if not request.large:
        return _interval(request.key, request.splits, request)
    found: ErrorBound = RESULTS.in_background(
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
def _chord(key: Key, splits: int, _request: InterpolationRequest) -> ErrorBound:
    return chord_bound(_request.attacked, [_request.beta], splits=splits, search=UNIFORM)


def chord(request: InterpolationRequest) -> ErrorBound:
    """The chord bound with the uniform splits of the controls (more, where it needs more). Rotation only."""
    return _chord(request.key, request.splits, request)


def _sharp_bound(
    request: InterpolationRequest, preprocessing: Preprocessing, progress: Progress = silent
) -> tuple[float, float]:
    attacked, beta = replace(request.attacked, preprocessing=preprocessing), [request.beta]
    compute = chord_bound if request.rotates else vertex_bound
    bound = compute(attacked, beta, progress=progress)
    return float(bound.sampled[0]), float(bound.values[0])


@st.cache_data(show_spinner="Bounding …", max_entries=128)
def _sharp(key: Key, preprocessing: Preprocessing, _request: InterpolationRequest) -> tuple[float, float]:
    return _sharp_bound(_request, preprocessing)


def sharp(request: InterpolationRequest, preprocessing: Preprocessing) -> tuple[float, float]:
    """E over Gamma with another P: a value that occurs, and a proved bound at most 2 % above it (translation: exact)."""
    key = (request.subject.sha256, request.transform.name, request.beta, request.limits)
    if request.large:
        found: tuple[float, float] = RESULTS.in_background(
            ("sharp", *key, preprocessing),
            lambda progress: _sharp_bound(request, preprocessing, progress),
            "Bounding E",
        )
        return found
    return _sharp(key, preprocessing, request)


@st.cache_data(show_spinner=False, max_entries=32)
def _vertices(key: Key, _request: InterpolationRequest) -> ErrorBound:
    return vertex_bound(_request.attacked, [_request.beta])


def vertices(request: InterpolationRequest) -> ErrorBound:
    """The exact maximum for translations."""
    if not request.large:
        return _vertices(request.key, request)
    found: ErrorBound = RESULTS.in_background(
        ("vertices", *request.key),
        lambda progress: vertex_bound(request.attacked, [request.beta], progress=progress),
        "Exact maximum",
    )
    return found


def known_vertices(request: InterpolationRequest) -> ErrorBound | None:
    """`vertices`, unless a large image's have not been computed."""
    return vertices(request) if not request.large or ("vertices", *request.key) in RESULTS else None


def known_interval(request: InterpolationRequest) -> ErrorBound | None:
    """`interval`, unless a large image's has not been computed."""
    if request.large and ("interval", *request.key, request.splits) not in RESULTS:
        return None
    return interval(request)


@st.cache_data(show_spinner=False, max_entries=64)
def _enclosure(key: Key, split: tuple[tuple[float, float], ...], _request: InterpolationRequest) -> IntervalImages:
    return interval_images(_request.attacked, [_request.beta], split)


def enclosure(request: InterpolationRequest, split: tuple[tuple[float, float], ...]) -> IntervalImages:
    """What interval arithmetic knows on one split."""
    return _enclosure(request.key, split, request)
