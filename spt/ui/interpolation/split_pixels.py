"""The area "Where is the bound loose?" of the page "Interpolation error": the worst split of a bound, pixel by pixel, beside the
largest that is found there. Nothing of it is computed until it is opened."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import streamlit as st

from spt.error_bounds.pixelwise import SplitPixels, split_pixels
from spt.figures import errors as figures
from spt.figures.cells import bounds_in_words
from spt.progress import Progress
from spt.ui.interpolation import violation
from spt.ui.interpolation.request import InterpolationRequest
from spt.ui.interpolation.run import RESULTS
from spt.ui.interpolation.violation import StandingBound
from spt.ui.shared import background, pixel_grid, state
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.pixel_grid import Picture, Reading, Warp
from spt.ui.shared.rounding import at_least, at_most
from spt.ui.shared.session import Key

SAMPLES, LARGE_SAMPLES = 257, 25
"""Gammas of the split that are tried."""
PARTS = 1000
"""Pixels are read in parts of 1 of which so many are 1."""
Method = Literal["chord", "interval"]


def area(request: InterpolationRequest) -> Callable[[], None]:
    """Draw the controls; returns what draws the rest, once the bounds stand still."""
    st.subheader("Where is a bound loose, pixel by pixel?", anchor=False)
    left, right = st.columns([1, 1.6], vertical_alignment="bottom")
    method: Method = "interval"
    opened = state.switch(
        "Open the worst split",
        key="loose",
        help="What the bound allows for in every pixel on the split with the largest bound, beside what is found there.",
        where=left,
    )
    if request.rotates:
        chosen = state.choose(
            "Bound",
            ("chord", "interval"),
            "chord",
            key="loose_bound",
            help="Chord: its remainder bounds how far e is from a straight line (a chord) on the split. Interval: it bounds e.",
            where=right,
        )
        method = "chord" if chosen == "chord" else "interval"
    slot = st.empty()

    def draw() -> None:
        if opened:
            with slot.container():
                _show(request, method)

    return draw


def _show(request: InterpolationRequest, method: Method) -> None:
    standing = [each for each in violation.standing(request) if each.name == method]
    if not standing:
        st.caption("Nothing is proved yet: there is no split to open.")
        return
    [bounded] = standing
    stop, worst = st.empty(), int(bounded.values.argmax())
    split = tuple((float(low), float(high)) for low, high in bounded.splits[worst])
    key = ("split pixels", *request.key, method, split)
    if request.large and key not in RESULTS:
        stop.button("Stop", key="loose_stop", icon=":material/stop_circle:", on_click=_close)
    found: SplitPixels = RESULTS.once(key, lambda: _compute(request, method, split))
    stop.empty()
    if found.violated:
        _, row, column = np.unravel_index(int(found.ratio.argmax()), found.ratio.shape)
        st.error(
            f"ALARM: in row {row}, column {column} {float(found.ratio.max())!r} times what is proved was found. This must not "
            "happen: please report it with the link of this page.",
            icon=":material/emergency_home:",
        )
    st.markdown(in_words(request, method, found, bounded, split))
    pixel_grid.show("loose_split", _pictures(request, method, found, split))
    scale = at_most(float(found.bound.max()))
    st.caption(
        f"Dark 0, yellow {scale}, in the first two images alike; in the third yellow is 100 %: there the bound is reached. What is "
        "found is sampled, what is proved holds for every γ of the split."
        + (
            ""
            if request.rotates
            else " The exact bound of a translation has nothing to open: between its lines e is affine along each axis, and "
            "there is no remainder."
        )
    )


def _compute(request: InterpolationRequest, method: Method, split: Key) -> SplitPixels:
    def compute(progress: Progress) -> SplitPixels:
        samples = LARGE_SAMPLES if request.large else SAMPLES
        return split_pixels(request.attacked, [request.beta], split, method, samples=samples, progress=progress)

    with heavy_work("long" if request.large else "short", "split pixel by pixel", transform=request.transform.name):
        return background.in_background(compute, "Sampling the split")


def _close() -> None:
    state.set(loose=False)


def in_words(
    request: InterpolationRequest,
    method: Method,
    found: SplitPixels,
    bounded: StandingBound,
    split: tuple[tuple[float, float], ...],
) -> str:
    """What the split is, what the bound allows for, and how near to it something comes; for Markdown."""
    where = bounds_in_words(split, request.transform.unit)
    of = at_most(float(bounded.values.max()))
    allowed = (
        f"of its bound {of} on ‖e‖ the remainder is **{at_most(found.norm)}**; in a pixel e is at most "
        f"**{at_most(float(found.bound.max()))}** from its chord"
        if method == "chord"
        else f"its bound on ‖e‖ is **{of}**; in a pixel e is at most **{at_most(float(found.bound.max()))}**"
    )
    return (
        f":{bounded.colour}-badge[PROVED: {method}] The worst of its {len(bounded.values)} splits is γ in {where}: {allowed}.  \n"
        f":gray-badge[SAMPLED] Found, among {found.tried:,} γ of it: at least **{at_least(float(found.found.max()))}** in a pixel. "
        f"Nearest to its bound is a pixel with **{_share(found)}** of it, at {request.transform.describe(found.gamma)}."
    )


def _share(found: SplitPixels) -> str:
    """The largest ratio, in percent."""
    share = 100 * float(found.ratio.max())
    return f"{share:.4g} %" if share < 99.995 or found.violated else "99.99 % or more"


def _pictures(
    request: InterpolationRequest, method: str, found: SplitPixels, split: tuple[tuple[float, float], ...]
) -> list[Picture]:
    scale = float(found.bound.max()) or 1.0
    middle = tuple((low + high) / 2 + beta for (low, high), beta in zip(split, request.beta, strict=True))
    warp = (Warp(request.transform.name, middle),)
    bound, sampled = ("remainder", "distance from the chord") if method == "chord" else ("bound of |e|", "|e|")
    names: list[tuple[str, Any, float, Reading]] = [
        (
            f"{bound}: at most {at_most(float(found.bound.max()))}",
            found.bound,
            scale,
            Reading(f"{bound}, in 1/{PARTS:,}:", ends=(0 * found.bound, PARTS * found.bound)),
        ),
        (
            f"{sampled}, found: up to {at_least(float(found.found.max()))}",
            found.found,
            scale,
            Reading(f"{sampled}, in 1/{PARTS:,}:", PARTS * found.found),
        ),
        (
            f"found / {bound}: up to {_share(found)}",
            found.ratio,
            1.0,
            Reading(f"found / {bound}", found.ratio),
        ),
    ]
    return [
        Picture(figures.unsigned_picture(values.numpy(), most), title, f"In every pixel: {title}.", reading, warp)
        for title, values, most, reading in names
    ]
