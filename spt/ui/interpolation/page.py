"""The page "Interpolation error": its controls, the images, E with and without P's parts, and the formulas.

The other areas have modules of their own: bounds over Gamma, what a pixel reads, and balls for each sample. What stands
still is drawn first; what is refined or proved live comes last, and every step of it is a Streamlit call, at which Stop
or any changed control takes over. Refined bounds are proved at every step, so those of a stopped run may be shown.
"""

from functools import partial

import streamlit as st

from spt.preprocessing import Preprocessing
from spt.ui.interpolation import (
    balls,
    bounds,
    export,
    finding,
    formulas,
    parts,
    refinement,
    run,
    split_pixels,
    violation,
)
from spt.ui.interpolation.request import InterpolationRequest, in_words
from spt.ui.shared import background, comparing, pixel_grid, preset_buttons, share, signed
from spt.ui.shared.components import style
from spt.ui.shared.pixel_grid import Picture, Warp
from spt.ui.shared.presets import INTERPOLATION
from spt.ui.shared.rounding import about

_STYLE = style(__file__)
_BESIDE = ("rotation_sigma", "translation_sigma", "pixel_sigma")
"""Settings that decide nothing of the error over Gamma, only where votes land."""


def show(request: InterpolationRequest) -> None:
    """The whole page below the title."""
    with background.one_thread():
        _show(request)


def show_presets() -> None:
    """Buttons that set the controls, each with what it shows as its help."""
    preset_buttons.show(INTERPOLATION)


def _show(request: InterpolationRequest) -> None:
    left, right = st.columns([1, 1.2], gap="medium")
    with left:
        _show_images(request)
    with right:
        refine = bounds.curve_area(request) if request.rotates else bounds.map_area(request)
        pin = st.empty()
    comparison = comparing.make_room("Interpolation error", finding.key(request), pin, _BESIDE)
    comparison.begin()
    draw_enclosure = bounds.enclosure_area(request)
    draw_enclosure(not (request.rotates and refinement.current(request).remaining))
    draw_split = split_pixels.area(request)
    room = st.container()
    parts.show(request)
    point, finish_samples = balls.area(request)
    if refine():
        draw_enclosure(True)
    draw_split()
    finish_samples()
    with room:
        violation.area(request)
    formulas.area(request)
    share.offer(partial(export.shared, request, point))
    comparison.end(partial(finding.of, request), "", finding.compare)


def _show_images(request: InterpolationRequest) -> None:
    shown = run.difference(request)
    sums = tuple(b + g for b, g in zip(request.beta, request.gamma, strict=True))
    where, shift, both = (in_words(request, point) for point in (request.gamma, request.beta, sums))
    before, after = float(shown.before.norm()), float(shown.after.norm())
    st.html(_STYLE)
    kind, nothing = request.transform.name, (0.0,) * request.transform.dimensions
    first, second, sum_of_both = Warp(kind, nothing, True), Warp(kind, request.beta), Warp(kind, request.beta, True)
    steps = parts_in_words(request.preprocessing)
    pixel_grid.show(
        "moved_images",
        [
            Picture(
                shown.twice,
                f"twice: by γ = {where}, then β = {shift}",
                "The image transformed twice. Drag it to change γ.",
                warps=(first, second),
                preview="exact",
            ),
            Picture(
                shown.once,
                f"once: by {both}",
                "The image transformed once, by the sum. Drag it to change γ.",
                warps=(sum_of_both,),
                preview="exact",
            ),
            signed.signed(
                shown.before,
                f"difference before P: norm {about(before)}",
                f"Signed difference, norm {about(before)}.",
                sum_of_both,
            ),
            signed.signed(
                shown.after,
                f"after P ({steps}), e: norm {about(after)}",
                f"Signed error after P, norm {about(after)}.",
                sum_of_both,
            ),
        ],
        control=pixel_grid.control_of(request.transform, request.gamma, request.subject.image),
    )
    outside = "" if request.gamma_inside else " **γ lies outside Γ: no bound below speaks about it.**"
    if before < 1e-9:
        outside += " Here nothing is interpolated twice (whole pixels or γ = 0), so e = 0: move γ a little."
    scale = signed.SCALE
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
