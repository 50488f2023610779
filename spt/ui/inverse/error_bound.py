"""The area of the page "Inverse" on IndivSPT: the error bound by each method as images and numbers."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import streamlit as st
from torch import Tensor

from spt.certificates import rounded_up
from spt.figures import errors as error_figures
from spt.preprocessing import Preprocessing
from spt.progress import Progress, Stopwatch
from spt.received_bounds.bounds import MOST_PIXELS, Method, error_hull
from spt.transforms import Rotation
from spt.ui.inverse import certificate, run
from spt.ui.inverse.certificate_request import IndividualOutcome
from spt.ui.inverse.request import InverseRequest
from spt.ui.inverse.run import Found
from spt.ui.shared import failures, pixel_grid, state
from spt.ui.shared.full_preprocessing import full_preprocessing
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.pixel_grid import Picture, Reading, Warp
from spt.ui.shared.session import Key, SessionResults

METHODS: dict[Method, tuple[str, str]] = {
    "interval": (
        "the paper’s",
        "The interval images of both warps, subtracted: forgets that both show the same original.",
    ),
    "kernel": ("kernel", "Bounds the difference of the two warps as one linear map of the original."),
    "regularised": ("regularised", "Also uses what x′ says about sums of pixels. Slow: matrices of pixels × pixels."),
}
ERROR_SCALE = 0.15  # pixel values at full colour: fixed, so that colours can be compared
BOUNDS = SessionResults("inverse_bounds", 6)
MOST_AT_ONCE = 20 * 48 * 48  # pixels of all surviving splits up to which the kernel method does not wait to be asked


@dataclass(frozen=True, eq=False)
class MethodBound:
    """What one method proves at one beta: the norm, the radius of the recentred ball, and how large each component can be."""

    value: float
    radius: float
    component: np.ndarray
    seconds: float


@dataclass(frozen=True, eq=False)
class Bounded:
    """What the area shows, for the export: beta, P, the methods' bounds so far, the true error where it is known, the
    certificate's run."""

    beta: tuple[float, ...]
    preprocessing: Preprocessing
    bounds: dict[Method, MethodBound]
    true_norm: float | None
    outcome: IndividualOutcome | None


def area(request: InverseRequest, found: Found) -> Bounded | None:
    """Draw the area; None where nothing explains the image."""
    st.subheader("IndivSPT: a proof from the received image alone", anchor=False)
    if not found.last.consistent:
        st.markdown("Nothing explains this image, so there is no error to bound and nothing to certify.")
        return None
    st.markdown(
        "A vote turns x′ by β once more, instead of turning the original by β + γ. How far apart can these be, **for every "
        "original and every γ that survive**? That is the interpolation error, bounded without knowing either.",
        help="e = P A_β x′ − P A_(β+γ) x. If the classifier’s answer holds on a ball of that radius, x′ gets the answer that "
        "the original gets.",
    )
    beta = _choose_beta(request)
    preprocessing = full_preprocessing(request.classifier, request.transform)
    if request.received.shape != request.classifier.input_shape:  # a size of which f's own crop may leave nothing
        preprocessing = replace(preprocessing, resize=None, crop=None)
    bounds, truth = _show_bounds(request, found, beta, preprocessing)
    outcome = certificate.area(request)
    true_norm = None if truth is None else float(truth.norm())
    return Bounded(beta, preprocessing, bounds, true_norm, outcome)


def _choose_beta(request: InverseRequest) -> tuple[float, ...]:
    rotates, unit = isinstance(request.transform, Rotation), request.transform.unit
    wanted = (
        [("beta", "angle", "β", 180.0, 20.0, 0.5)]
        if rotates
        else [("beta_dx", "dx", "β₁", 8.0, 0.3, 0.05), ("beta_dy", "dy", "β₂", 8.0, 0.7, 0.05)]
    )
    columns = st.columns(2)
    return tuple(
        state.slider(
            f"Vote: {pixel_grid.SAID[name].lower()} {symbol}, in {unit}",
            -limit,
            limit,
            value,
            step,
            key=key,
            help="The smoothing parameter of one vote.",
            where=column,
        )
        for column, (key, name, symbol, limit, value, step) in zip(columns, wanted, strict=False)
    )


# ---------------------------------------------------------------------------------------------------------------- bounds


def bound(
    request: InverseRequest,
    found: Found,
    beta: tuple[float, ...],
    preprocessing: Preprocessing,
    method: Method,
    progress: Progress,
) -> MethodBound:
    """One method's bound at one beta."""
    watch = Stopwatch()
    hull = error_hull(
        found.last,
        preprocessing,
        [list(beta)],
        method=method,
        memory_budget=run.MEMORY_BUDGET,
        progress=progress,
    )
    radius = float(hull.radii(hull.centres()))
    component = (hull.middle.abs() + hull.radius).amax(0).cpu().numpy()
    return MethodBound(float(hull.distances()), radius, component, watch.seconds)


def true_error(request: InverseRequest, beta: tuple[float, ...], preprocessing: Preprocessing) -> Tensor | None:
    """e itself, (C, H', W'), where the original is known."""
    if request.original is None or request.gamma is None:
        return None
    both = [b + g for b, g in zip(beta, request.gamma, strict=True)]
    twice = request.transform(request.received.double(), [beta])
    return preprocessing(twice - request.transform(request.original, [both]))[0]


def _key(request: InverseRequest, beta: tuple[float, ...], preprocessing: Preprocessing, method: Method) -> Key:
    return (request.key, beta, preprocessing, method)


def _show_bounds(
    request: InverseRequest, found: Found, beta: tuple[float, ...], preprocessing: Preprocessing
) -> tuple[dict[Method, MethodBound], Tensor | None]:
    truth = true_error(request, beta, preprocessing)
    pixels = request.received[0].numel()
    offered = [method for method in METHODS if method != "regularised" or pixels <= MOST_PIXELS]
    with st.container(key="inverse_bounds"):
        columns = st.columns(len(offered) + 1, gap="medium")
    images, shown = st.empty(), []
    with columns[0]:
        if truth is None:
            st.markdown("**true error**  \nnot known: only the received image is")
        else:
            st.markdown(
                f"**true error**  \n‖e‖ = {float(truth.norm()):.3g}  \nas x and γ are known",
                help="You chose both; the receiver knows neither.",
            )
            shown.append(_picture(request, beta, truth.abs().numpy(), "true error"))
    bounds: dict[Method, MethodBound] = {}
    for column, method in zip(columns[1:], offered, strict=True):
        name, text = METHODS[method]
        key = _key(request, beta, preprocessing, method)
        with column:
            title = st.empty()
            title.markdown(f"**{name}**", help=text)
            working = st.container()  # always there, so that the picture keeps its place
            result = BOUNDS.get(key)
            with working:
                if result is None and not _wanted(method, key, len(found.last.boxes) * pixels):
                    continue
            if result is None:
                with working, failures.beside_the_rest(), heavy_work("long", "received bound", method=method):
                    result = BOUNDS.in_background(
                        key, partial(bound, request, found, beta, preprocessing, method), "Bounding"
                    )
            if result is None:  # it failed, and is not to begin again by itself
                st.session_state.pop(f"inverse_{method}_for", None)
                continue
            bounds[method] = result
            title.markdown(
                f"**{name}**  \n:blue-badge[PROVED] ‖e‖ ≤ **{rounded_up(result.value)}**  \nrecentred r ≤ "
                f"{rounded_up(result.radius)}",
                help=f"{text} Recentred: a ball of this radius holds all that the classifier can be shown. "
                f"Computed in {result.seconds:.2g} s.",
            )
            shown.append(_picture(request, beta, result.component, f"{name}: at most"))
    if shown:
        with images.container():
            pixel_grid.show("inverse_error", shown)
    st.caption(
        f"How large each value is, or can be, at one β. Dark 0, yellow {ERROR_SCALE:g} and more in pixel values; after P, norms "
        "are ℓ₂ over all pixels. Every bound "
        f"is proved for each of the {len(found.last.boxes)} surviving splits and all originals within their intervals."
    )
    return bounds, truth


def _wanted(method: Method, key: Key, amount: int) -> bool:
    """Whether a method has been asked for, if it is a slow one on ``amount`` pixels of all splits; else offer it."""
    if method == "interval" or (method == "kernel" and amount <= MOST_AT_ONCE):
        return True
    name = f"inverse_{method}"
    if st.button("Compute", key=name, help="Takes seconds to minutes here. Any control stops it."):
        st.session_state[f"{name}_for"] = key
    return bool(st.session_state.get(f"{name}_for") == key)


def _picture(request: InverseRequest, beta: tuple[float, ...], values: np.ndarray, title: str) -> Picture:
    """How large each value of an error is, or can be."""
    colours = error_figures.unsigned_picture(values, ERROR_SCALE)
    moved = tuple(b + g for b, g in zip(beta, request.gamma or (0.0,) * len(beta), strict=True))
    alt = f"Size of the error in every pixel: {title}."
    return Picture(colours, title, alt, Reading(title, values), (Warp(request.transform.name, moved),))
