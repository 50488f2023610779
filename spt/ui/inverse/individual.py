"""The area of the page "Inverse" on IndivSPT: the error bound by each method as images and numbers, and the certificate."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from spt import certificate_figures, error_figures
from spt.certificates import confidence, quantity, rounded_down, rounded_up
from spt.certificates.per_sample import IndividualCertificate
from spt.defences.individual import IndivSPT
from spt.error_bounds.received import MOST_PIXELS, Method, error_hull
from spt.error_bounds.record import Progress, Stopwatch
from spt.preprocessing import Preprocessing
from spt.transforms import Rotation
from spt.ui import cache, certify_case, pictures
from spt.ui.certify_case import Procedure
from spt.ui.controls import BOUND
from spt.ui.interpolation.page import full_preprocessing
from spt.ui.inverse import data
from spt.ui.inverse.data import Found, Key, Request
from spt.ui.view import escape

METHODS: dict[Method, tuple[str, str]] = {
    "interval": (
        "the paper’s",
        "The interval images of both warps, subtracted: forgets that both show the same original.",
    ),
    "kernel": ("kernel", "Bounds the difference of the two warps as one linear map of the original."),
    "regularised": ("regularised", "Also uses what x′ says about sums of pixels. Slow: matrices of pixels × pixels."),
}
ERROR_SCALE = 0.15  # pixel values at full colour: fixed, so that colours can be compared
BATCH = 5
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
    """What the area shows, for the export: beta, P, the methods' bounds so far, the true error where it is known."""

    beta: tuple[float, ...]
    preprocessing: Preprocessing
    bounds: dict[Method, MethodBound]
    true_norm: float | None
    certificate: IndividualCertificate | None


def area(request: Request, found: Found) -> Bounded | None:
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
    bounds, truth = _show_bounds(request, found, beta, preprocessing)
    certificate = _certificate_area(request)
    true_norm = None if truth is None else float(truth.norm())
    return Bounded(beta, preprocessing, bounds, true_norm, certificate)


def _choose_beta(request: Request) -> tuple[float, ...]:
    rotates, unit = isinstance(request.transform, Rotation), request.transform.unit
    wanted = (
        [("beta", "", 180.0, 20.0, 0.5)]
        if rotates
        else [("beta_dx", "(dx) ", 8.0, 0.3, 0.05), ("beta_dy", "(dy) ", 8.0, 0.7, 0.05)]
    )
    columns = st.columns(2)
    return tuple(
        float(
            column.slider(
                f"β {symbol}in {unit}", -limit, limit, value, step, key=key,
                help="The smoothing parameter of one vote.", **BOUND,
            )
        )
        for column, (key, symbol, limit, value, step) in zip(columns, wanted, strict=False)
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- bounds


def bound(
    request: Request,
    found: Found,
    beta: tuple[float, ...],
    preprocessing: Preprocessing,
    method: Method,
    progress: Progress,
) -> MethodBound:
    """One method's bound at one beta."""
    watch = Stopwatch()
    hull = error_hull(
        request.received,
        request.transform,
        preprocessing,
        [list(beta)],
        found.last,
        method,
        data.MEMORY_BUDGET,
        progress,
    )
    centre = hull.centres()
    own = torch.linalg.vector_norm(centre.flatten(1), dim=1).cpu() * (1 + 1e-12) + hull.slack
    radius = float(torch.maximum(own, hull.distances(centre)))
    component = (hull.middle.abs() + hull.radius).amax(0).cpu().numpy()
    return MethodBound(float(hull.distances()), radius, component, watch.seconds)


def true_error(request: Request, beta: tuple[float, ...], preprocessing: Preprocessing) -> Tensor | None:
    """e itself, (C, H', W'), where the original is known."""
    if request.original is None or request.gamma is None:
        return None
    both = [b + g for b, g in zip(beta, request.gamma, strict=True)]
    twice = request.transform(request.received.double(), [beta])
    return preprocessing(twice - request.transform(request.original, [both]))[0]


def _key(request: Request, beta: tuple[float, ...], preprocessing: Preprocessing, method: Method) -> Key:
    return (request.key, beta, preprocessing, method)


def _show_bounds(
    request: Request, found: Found, beta: tuple[float, ...], preprocessing: Preprocessing
) -> tuple[dict[Method, MethodBound], Tensor | None]:
    truth = true_error(request, beta, preprocessing)
    pixels = request.received[0].numel()
    offered = [method for method in METHODS if method != "regularised" or pixels <= MOST_PIXELS]
    with st.container(key="inverse_bounds"):
        columns = st.columns(len(offered) + 1, gap="medium")
    with columns[0]:
        if truth is None:
            st.markdown("**true error**  \nnot known: only the received image is")
        else:
            st.markdown(
                f"**true error**  \n‖e‖ = {float(truth.norm()):.3g}  \nas x and γ are known",
                help="You chose both; the receiver knows neither.",
            )
            _picture(truth.abs().numpy(), "how large each value is", "The true error.")
    bounds: dict[Method, MethodBound] = {}
    for column, method in zip(columns[1:], offered, strict=True):
        name, text = METHODS[method]
        key = _key(request, beta, preprocessing, method)
        with column:
            title = st.empty()
            title.markdown(f"**{name}**", help=text)
            result = data.known("bounds", key)
            if result is None and not _wanted(method, key, len(found.last.boxes) * pixels):
                continue
            if result is None:
                with cache.heavy_work():
                    result = data.in_background(
                        "bounds", key, partial(bound, request, found, beta, preprocessing, method), "Bounding"
                    )
            bounds[method] = result
            title.markdown(
                f"**{name}**  \n:blue-badge[PROVED] ‖e‖ ≤ **{rounded_up(result.value)}**  \nrecentred ρ ≤ "
                f"{rounded_up(result.radius)}",
                help=f"{text} Recentred: a ball of this radius holds all that the classifier can be shown. "
                f"Computed in {result.seconds:.2g} s.",
            )
            _picture(result.component, "how large each value can be", f"The bound by {name}.")
    st.caption(
        f"At one β. Dark 0, yellow {ERROR_SCALE:g} and more in pixel values; after P, norms are ℓ₂ over all pixels. Every bound "
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


def _picture(values: np.ndarray, title: str, description: str) -> None:
    colours = torch.from_numpy(error_figures.unsigned_picture(values, ERROR_SCALE))
    pictures.show(colours, title, description)


# ----------------------------------------------------------------------------------------------------------- certificate


def _certificate_area(request: Request) -> IndividualCertificate | None:
    """The certificate of these settings, if there is one; with its button, its samples and what it proves."""
    st.markdown("**The certificate.** Many β are drawn; each passes if h’s answer holds on its whole ball.")
    if request.received.shape != torch.Size(request.classifier.input_shape):
        wanted = "×".join(map(str, request.classifier.input_shape))
        st.caption(
            f"{escape(request.classifier.name)} takes images of {wanted}, and this one has another size: choose “f’s input” for "
            "the size of the image, or a digit."
        )
        return None
    with st.expander("Smoothing and statistics of the certificate"):
        procedure = certify_case.choose_procedure(request.transform, nested=True)
    limit = max(abs(end) for end in request.limits)
    if request.limits != (-limit, limit):
        st.caption(
            f"The certificate is about Γ = ±{quantity(limit, request.transform.unit)}, which contains the range above."
        )
    try:
        defence = IndivSPT(
            request.classifier, request.transform, procedure.parameter_sigma, procedure.pixel_sigma, limit, request.attacker,
            split_width=2 * limit / request.splits, refinements=request.refinements,
        )  # fmt: skip
    except ValueError as error:
        st.error(str(error))
        return None
    key = (request.received_sha256, request.classifier.fingerprint, request.transform.name, limit, request.attacker,
           request.splits, request.refinements, procedure)  # fmt: skip
    certificate: IndividualCertificate | None = data.known("certificates", key)
    left, right = st.columns([1, 1.3], gap="large")
    button, panel = left.empty(), left.empty()
    chart, progress = right.empty(), right.empty()
    if st.session_state.get("indiv_running") == key:
        button.button(
            "Stop", key="indiv_stop", icon=":material/stop_circle:", on_click=_stop_certifying, shortcut="s",
            help="End the run now; a stopped run proves nothing.",
        )  # fmt: skip
        with cache.heavy_work():
            certificate = _run(request, defence, procedure, chart, progress, panel)
        st.session_state.pop("indiv_running", None)
        data.keep("certificates", key, certificate)
    button.button(
        "Certify" if certificate is None else "Certify again", key="indiv_start", icon=":material/verified:",
        type="primary" if certificate is None else "secondary", on_click=_start_certifying, args=(key,), shortcut="g",
        help="Draw all samples and conclude. The same seed gives the same certificate.",
    )  # fmt: skip
    if certificate is None:
        stopped = st.session_state.get("indiv_stopped")
        panel.markdown(
            ":gray-badge[PROVISIONAL] The run was stopped; it proves nothing." if stopped else
            f"No run for these settings yet. {procedure.n_gamma} samples take about a quarter of a minute to a few minutes."
        )  # fmt: skip
        return None
    if certificate.radii:
        _draw_samples(request, certificate, chart, progress)
    with panel.container(border=True):
        _conclude(request, certificate)
    return certificate


def _start_certifying(key: Key) -> None:
    st.session_state["indiv_running"] = key
    st.session_state.pop("indiv_stopped", None)


def _stop_certifying() -> None:
    st.session_state.pop("indiv_running", None)
    st.session_state["indiv_stopped"] = True


def _run(
    request: Request, defence: IndivSPT, procedure: Procedure, chart: Any, progress: Any, panel: Any
) -> IndividualCertificate:
    """Draw the samples as they come; only the last certificate certifies."""
    panel.markdown(":gray-badge[PROVISIONAL] the first samples are being drawn …")

    def stepping(items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterator[Any]:
        for number, item in enumerate(items, 1):
            panel.markdown(f":gray-badge[PROVISIONAL] {desc} ({number} of {total}) …")
            yield item

    certificate = None
    for certificate in defence.stream(
        request.received, procedure.n0, procedure.n_gamma, procedure.alpha, procedure.seed, BATCH, stepping
    ):
        if certificate.radii:
            _draw_samples(request, certificate, chart, progress)
    assert certificate is not None and certificate.complete
    return certificate


def _draw_samples(request: Request, certificate: IndividualCertificate, chart: Any, progress: Any) -> None:
    rows = certificate_figures.sample_rows(certificate)
    farthest = max(abs(value) for point in certificate.points for value in point)
    specification = certificate_figures.samples_specification(
        request.transform.dimensions, request.transform.unit, certificate.parameter_sigma,
        max(certificate.radii), farthest, height=260, symbol="β",
    )  # fmt: skip
    done, n = len(rows), certificate.n_gamma
    alt = f"{done} of {n} samples with their error radii; {certificate.passes} passed their inner test."
    chart.vega_lite_chart(pd.DataFrame(rows), specification, alt=alt)
    text = f"{done:,} of {n:,} samples · {certificate.seconds:.1f} s"
    if done < n:
        text += f", about {max(1, math.ceil(certificate.seconds / done * (n - done))):,} s to go"
    progress.progress(done / n, text=text)


def _conclude(request: Request, certificate: IndividualCertificate) -> None:
    names, truth = certificate.class_names, request.subject.label
    if certificate.inconsistent:
        st.markdown(":red-badge[INCONSISTENT WITH Γ] nothing explains this image; nothing is certified.")
        return
    counts = f"{certificate.passes:,} of {certificate.n_gamma:,} samples pass, so q ≥ {rounded_down(certificate.q_lower, 4)}."
    if certificate.label is None:
        st.markdown(
            f":orange-badge[ABSTAIN] nothing is certified: {counts} More than 1/2 is needed; try a smaller σ_γ or Γ, or "
            "another σ_ε."
        )
        return
    mark = "" if truth is None else " ✓" if certificate.label == truth else f" ✗ (truth: {escape(names[truth])})"
    reach = quantity(min(certificate.radius, certificate.limit), certificate.unit)
    st.markdown(
        f":green-badge[:material/verified: CERTIFIED] g answers **{escape(names[certificate.label])}**{mark} for x′, and for "
        f"**every original** from which a {certificate.transform} of less than **{reach}** makes x′: neither the original nor "
        f"the attack is known. {counts} Confidence {confidence(certificate.alpha)}."
    )
    if request.gamma is not None:
        size = math.hypot(*request.gamma)
        held = size < certificate.radius and max(map(abs, request.gamma)) <= certificate.limit
        st.caption(
            f"Your attack has size {size:.4g} {certificate.unit}: "
            + (
                "so the original is proved to get this class, too."
                if held
                else "not covered, so the original may get another class."
            )
        )
