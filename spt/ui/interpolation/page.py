"""The page "Interpolation error": its controls, the images, E with and without P's parts, and the formulas.

The other areas have modules of their own: bounds over Gamma, what a pixel reads, and balls for each sample. What stands
still is drawn first; what is refined or proved live comes last, and every step of it is a Streamlit call, at which Stop
or any changed control takes over. Refined bounds are proved at every step, so those of a stopped run may be shown.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from spt.classifiers import Classifier
from spt.error_bounds import attacker_rounding
from spt.preprocessing import Preprocessing
from spt.transforms import Rotation, Transform
from spt.ui import controls, pictures, preset_buttons, work
from spt.ui.controls import BOUND, Subject
from spt.ui.interpolation import bounds, data, export, samples
from spt.ui.interpolation.data import Request, about, at_least, at_most
from spt.ui.presets import INTERPOLATION

# -------------------------------------------------------------------------------------------------------------- controls


def choose(classifier: Classifier, subject: Subject, transform: Transform, gamma: tuple[float, ...]) -> Request:
    """The page's own controls, below the shared ones."""
    first, rotates = transform.parameters[0], isinstance(transform, Rotation)
    most, usual = (180.0, 30.0) if rotates else (4.0, 2.0)
    low, high = st.slider(
        f"Attack range Γ in {first.unit}",
        -most,
        most,
        (-usual, usual),
        1.0 if rotates else 0.5,
        key="interp_range" if rotates else "interp_range_px",
        help="The bounds speak about every γ in Γ" + ("." if rotates else ", the same for dx and dy."),
        **BOUND,
    )
    if low == high:
        st.error("Γ is a single point: drag its two ends apart.")
        st.stop()
    beta = tuple(
        st.slider(
            f"β {symbol}in {first.unit}",
            -limit,
            limit,
            value,
            step,
            key=key,
            help="The smoothing parameter of one vote: it is applied after γ.",
            **BOUND,
        )
        for key, symbol, limit, value, step in (
            [("beta", "", 180.0, 20.0, 0.5)]
            if rotates
            else [("beta_dx", "(dx) ", 8.0, 0.3, 0.05), ("beta_dy", "(dy) ", 8.0, 0.7, 0.05)]
        )
    )
    left, right = st.columns(2)
    vignette = left.toggle(
        "Vignette", True, key="vignette", help="P blackens what turns or moves out of sight.", **BOUND
    )
    blur = right.toggle("Blur", True, key="blur", help="P blurs, which removes most of the error.", **BOUND)
    splits = st.select_slider(
        "Splits of Γ" + ("" if rotates else " on each axis"),
        [10, 20, 40, 60, 120, 240] if rotates else [2, 4, 8, 12, 16, 24],
        40 if rotates else 8,
        key="splits" if rotates else "splits_px",
        help="Uniform splits that the bounds begin with. More splits: sharper and slower.",
        **BOUND,
    )
    with st.expander("Smoothing (for b′)"):
        smoothing = controls.choose_smoothing(transform)
    chosen = with_parts(full_preprocessing(classifier, transform), vignette, blur)
    return Request(
        classifier,
        subject,
        transform,
        gamma,
        beta,
        (low, high),
        chosen,
        int(splits),
        smoothing.parameter_sigma,
        smoothing.pixel_sigma,
    )


def full_preprocessing(classifier: Classifier, transform: Transform) -> Preprocessing:
    """The classifier's P; a vignette or blur that it lacks is taken from the paper."""
    own = classifier.preprocessing
    if own.vignette is None and isinstance(transform, Rotation):
        own = replace(own, vignette="circle", vignette_margin=2.0)
    elif own.vignette is None:
        own = replace(own, vignette="rectangle", vignette_margin=4.0)
    return own if own.blur_size > 1 else replace(own, blur_size=5)


def with_parts(full: Preprocessing, vignette: bool, blur: bool) -> Preprocessing:
    """P with its vignette and its blur, or without."""
    if not vignette:
        full = replace(full, vignette=None, vignette_margin=0.0)
    return full if blur else replace(full, blur_size=0)


# ------------------------------------------------------------------------------------------------------------------ page


def show(request: Request) -> None:
    """The whole page below the title."""
    with work.one_thread():
        _show(request)


def show_presets() -> None:
    """Buttons that set the controls, each with what it shows as its help."""
    preset_buttons.show(INTERPOLATION, lambda name: name in ("splits", "splits_px") or name.endswith("_image"))


def _show(request: Request) -> None:
    _show_images(request)
    refine = bounds.curve_area(request) if request.rotates else bounds.map_area(request)
    draw_enclosure = bounds.enclosure_area(request)
    draw_enclosure(not (request.rotates and data.refinement(request).remaining))
    _show_table(request)
    point, finish_samples = samples.area(request)
    draw_formulas = _formulas_area(request)
    draw_downloads = export.area(request, point)
    draw_formulas()
    if refine():
        draw_enclosure(True)
        draw_formulas()
    finish_samples()
    draw_downloads()


_STYLE = """<style>
@media (max-width: 640px) {
  .st-key-moves [data-testid="stColumn"] { flex: 1 1 calc(50% - 1rem); min-width: calc(50% - 1rem); }
  .st-key-enclosed_pictures [data-testid="stColumn"] { flex: 1 1 25%; min-width: 25%; }
}
.st-key-refine_controls [data-retained="true"] { display: none; }
</style>"""
"""Pictures side by side on a telephone, where Streamlit would stack them; and no "Refine" of the last run below "Stop"."""


def _show_images(request: Request) -> None:
    shown = data.difference(request)
    sums = tuple(b + g for b, g in zip(request.beta, request.gamma, strict=True))
    where, shift, both = (data.in_words(request, point) for point in (request.gamma, request.beta, sums))
    before, after = float(shown.before.norm()), float(shown.after.norm())
    st.html(_STYLE)
    with st.container(key="moves"):
        first, second, third, fourth = st.columns(4, gap="medium")
    with first:
        pictures.show(
            shown.twice,
            rf"twice, $T_\beta T_\gamma x$: by γ = {where}, then β = {shift}",
            "The image transformed twice.",
        )
    with second:
        pictures.show(
            shown.once, rf"once, $T_{{\beta+\gamma}}\,x$: by {both}", "The image transformed once, by the sum."
        )
    with third:
        bounds.signed(
            shown.before, f"difference before P: **norm {about(before)}**", f"Signed difference, norm {about(before)}."
        )
    with fourth:
        steps = parts_in_words(request.preprocessing)
        bounds.signed(
            shown.after, f"after P ({steps}), e: **norm {about(after)}**", f"Signed error after P, norm {about(after)}."
        )
    outside = "" if request.gamma_inside else " **γ lies outside Γ: no bound below speaks about it.**"
    if before < 1e-9:
        outside += " Here nothing is interpolated twice (whole pixels or γ = 0), so e = 0: move γ a little."
    scale = bounds.SIGNED_SCALE
    own = "" if request.preprocessing == request.classifier.preprocessing else " This P is not the classifier’s own."
    st.caption(
        f"Blue −{scale:g}, white 0, red +{scale:g} in pixel values of [0, 1] (fixed colours). "
        f"Norms are ℓ₂ over all pixels.{own}{outside}"
    )


def parts_in_words(settings: Preprocessing) -> str:
    """Vignette and blur of P in words."""
    words = [f"{settings.vignette} vignette"] if settings.vignette else []
    words += [f"{settings.blur_size}×{settings.blur_size} blur"] if settings.blur_size > 1 else []
    return ", ".join(words) or "neither vignette nor blur"


# ----------------------------------------------------------------------------------------------------- table and formulas


def parts_table(request: Request) -> list[dict[str, object]]:
    """E over Gamma for the four combinations of vignette and blur."""
    full = full_preprocessing(request.classifier, request.transform)
    rows: list[dict[str, object]] = []
    for vignette in (False, True):
        for blur in (False, True):
            settings = with_parts(full, vignette, blur)
            occurs, proved = data.sharp(request, settings)
            rows.append(
                {
                    "vignette": "✓" if vignette else "–",
                    "blur": "✓" if blur else "–",
                    "E occurs (≥)": at_least(occurs),
                    "E proved (≤)": at_most(proved),
                    "": "◀ now" if settings == request.preprocessing else "",
                }
            )
    return rows


def _show_table(request: Request) -> None:
    st.subheader("Why P: vignette and blur against the error", anchor=False)
    if request.large and not st.toggle("Compute this table for a large image (slow)", key="large_table"):
        return
    rows = parts_table(request)
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    method = "chord bound, refined to 2 %" if request.rotates else "vertices, exact"
    full = full_preprocessing(request.classifier, request.transform)
    neither, no_vignette, no_blur, both = (
        data.sharp(request, with_parts(full, vignette, blur))[0]
        for vignette, blur in ((False, False), (False, True), (True, False), (True, True))
    )
    verdict = "The error is zero with and without P."
    if both > 1e-6:
        verdict = (
            f"Without P the error is **{about(neither / both)}×** as large; without the blur alone {about(no_blur / both)}×, "
            f"without the vignette alone {about(no_vignette / both)}×."
        )
        if no_vignette / both < 1.05:
            verdict += " What the vignette hides is nearly empty here: try a natural image."
    st.markdown(verdict)
    st.caption(f"E = max of ‖e(γ)‖ over Γ at this β ({method}). The paper’s Table 11 is the same comparison.")


def _formulas_area(request: Request) -> Callable[[], None]:
    """Make room for the formulas, folded; returns what fills them, again after a refinement."""
    with st.expander("How it works, with this image's numbers"):
        slot = st.empty()
    return partial(_show_formulas, request, slot)


def _show_formulas(request: Request, slot: Any) -> None:
    with slot.container():
        after = float(data.difference(request).after.norm())
        unit = r"^\circ" if request.rotates else r"\,\mathrm{px}"
        beta, gamma = (", ".join(f"{v:g}" for v in point) for point in (request.beta, request.gamma))
        st.latex(
            rf"e(\beta,\gamma) = P\,(A_\beta A_\gamma - A_{{\beta+\gamma}})\,x,\qquad "
            rf"\|e(({beta}){unit}, ({gamma}){unit})\|_2 = {about(after)}"
        )
        if request.rotates:
            state = data.refinement(request)
            st.markdown(
                "**Chord bound** on a split [a, b] (`spt.error_bounds.chord_bound`): second order in its width."
            )
            st.latex(
                r"\max_{\gamma\in[a,b]}\|e(\gamma)\| \le \max(\|e(a)\|,\|e(b)\|) + \|P A_\beta r_1\| + \|P r_2\|,"
                rf"\qquad {_within(state.chord.bound)}"
            )
            st.markdown("**Interval bound** (the paper's; `spt.error_bounds.interval_bound`): first order.")
            st.latex(
                r"\max_{\gamma\in[a,b]}\|e(\gamma)\| \le \big\|\max(|\underline e|, |\overline e|)\big\|,"
                rf"\qquad {_within(state.interval.bound)}"
            )
        else:
            st.markdown(
                "**Vertices** (`spt.error_bounds.vertex_bound`): e is affine in each shift between the white lines."
            )
            exact = data.known_vertices(request)
            if exact is not None:
                st.latex(
                    rf"\max_{{\gamma\in\Gamma}}\|e(\gamma)\| = \max_{{{int(exact.evaluations[0])}\ \text{{vertices}}}}"
                    rf"\|e\| \le {at_most(float(exact.values[0]))}"
                )
        rounding = attacker_rounding(request.preprocessing, "8-bit", request.image)
        st.markdown(
            f"These bounds are for an attacker in exact arithmetic; one who stores 8 bits can add at most "
            f"{at_most(rounding)} to each."
        )


def _within(bound: float) -> str:
    """A proved bound over Gamma in LaTeX; of a large image it may be missing."""
    return rf"\max_\Gamma\|e\| \le {at_most(bound)}" if np.isfinite(bound) else r"\text{(not computed yet)}"
