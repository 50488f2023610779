"""The areas of the page "Interpolation error" on bounds over Gamma: the curve with its live refinement, the map of a
translation's error, and what interval arithmetic knows on one split.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from spt import error_figures as figures
from spt.ui import cache, interpolation_hover, pictures
from spt.ui import interpolation_data as data
from spt.ui.controls import BOUND
from spt.ui.interpolation_data import Request, at_least, at_most

SIGNED_SCALE, WIDTH_SCALE = 0.15, 0.3  # pixel values at full colour: fixed, so that colours can be compared


def signed(values: Tensor, title: str, description: str) -> None:
    """A signed map in the page's fixed colours."""
    colours = figures.signed_picture(values.numpy(), SIGNED_SCALE)
    pictures.show(torch.from_numpy(colours), title, description)


# ----------------------------------------------------------------------------------------------------------------- curve


def _press(state: data.Refinement, steps: int) -> None:
    state.remaining = steps


def _go_to_worst(request: Request) -> None:
    axis, norms = data.sampled_norms(request)
    for parameter, place in zip(
        request.transform.parameters, np.unravel_index(norms.argmax(), norms.shape), strict=True
    ):
        value = round(float(axis[place]) / parameter.step) * parameter.step
        st.session_state[parameter.name] = round(min(max(value, request.limits[0]), request.limits[1]), 6)


def worst_button(request: Request) -> None:
    """Draw the button that moves the sliders of gamma to the largest sampled error."""
    st.button(
        "Go to the largest error", key="to_worst", icon=":material/my_location:", on_click=_go_to_worst, args=(request,),
        width="stretch", help="Move γ to where the sampled error is largest.",
    )  # fmt: skip


def _reset() -> None:
    st.session_state.pop("error_refinement", None)


def curve_area(request: Request) -> Callable[[], bool]:
    """Draw the curve; returns what goes on refining, and says whether it did."""
    st.subheader("How large can the error be within Γ?", anchor=False)
    state = data.refinement(request)
    left, right = st.columns([2, 1], vertical_alignment="center")
    numbers, chart = left.empty(), st.empty()
    with right:
        first, second = st.columns(2)
    button, again, progress = first.empty(), second.empty(), right.empty()
    with right:
        worst_button(request)
    highest = (
        max(state.interval.bound, state.chord.bound)
        if not state.steps
        else float(max(data.interval(request).values[0], data.chord(request).values[0]))
    )

    def draw() -> None:
        numbers.markdown(_numbers(state))
        series = curve_series(request, state)
        specification = figures.lines_specification(
            series,
            "γ in °",
            "‖e(γ)‖",
            request.limits,
            1.05 * highest,
            request.gamma[0] if request.gamma_inside else None,
        )
        alt = f"Error norm over gamma: at least {state.sampled:.3g}, at most {at_most(state.chord.bound)}."
        chart.vega_lite_chart(pd.DataFrame(figures.series_rows(series)), specification, alt=alt)

    def standing() -> None:
        button.button(
            "Refine", key="refine", type="primary", icon=":material/target:", on_click=_press,
            args=(state, data.STEPS_A_PRESS), disabled=state.done, shortcut="f", width="stretch",
        )  # fmt: skip
        again.button(
            "Start over", key="refine_reset", icon=":material/replay:", on_click=_reset, disabled=not state.steps,
            width="stretch",
            help="Back to uniform splits.",
        )  # fmt: skip
        progress.caption(
            "Both bounds have reached their goals." if state.done and state.steps
            else f"{state.steps} refinements. A stopped refinement is still a proof." if state.steps
            else "Solid steps hold for every γ in the split. Refine halves the splits with the largest bounds, again and again."
        )  # fmt: skip

    def run() -> bool:
        if state.remaining <= 0:
            return False
        total = state.remaining
        with cache.heavy_work():
            while state.remaining > 0 and not state.done:
                state.advance(request)
                progress.progress(min(1.0, 1 - state.remaining / total), text=f"{state.steps} refinements")
                draw()
        state.remaining = 0
        standing()
        return True

    draw()
    if state.remaining > 0:
        button.button(
            "Stop", key="refine_stop", icon=":material/stop_circle:", on_click=_press, args=(state, 0), shortcut="s",
            width="stretch",
        )  # fmt: skip
    else:
        standing()
    return run


def curve_series(request: Request, state: data.Refinement) -> list[figures.Series]:
    """The sampled curve and the two proved bounds of the state."""
    axis, norms = data.sampled_norms(request)
    return [
        figures.Series("sampled (at least)", figures.SAMPLED, axis, norms, proved=False, points=True),
        figures.step_series("interval (proved)", figures.INTERVAL, state.interval.splits, state.interval.values),
        figures.step_series("chord (proved)", figures.CHORD, state.chord.splits, state.chord.values),
    ]


def _numbers(state: data.Refinement) -> str:
    """The three values of max ||e|| over Gamma in words, each with what it is."""

    def excess(bound: float) -> str:
        return f"{at_most(bound / state.sampled)} × sampled" if state.sampled > 1e-6 else "sampled 0"

    return (
        f":gray-badge[SAMPLED] max ‖e‖ ≥ **{at_least(state.sampled)}**  \n"
        f":orange-badge[PROVED: interval] max ‖e‖ ≤ **{at_most(state.interval.bound)}** "
        f"({len(state.interval.values)} splits, {excess(state.interval.bound)})  \n"
        f":blue-badge[PROVED: chord] max ‖e‖ ≤ **{at_most(state.chord.bound)}** "
        f"({len(state.chord.values)} splits, {excess(state.chord.bound)})"
    )


# ------------------------------------------------------------------------------------------------------------------- map


def map_area(request: Request) -> Callable[[], bool]:
    """Draw the map; there is nothing to refine."""
    st.subheader("How large can the error be within Γ?", anchor=False)
    axis, norms = data.sampled_norms(request)
    exact, interval = data.vertices(request), data.interval(request)
    top = exact.worst[0, :, 0].tolist()
    left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
    with right:
        st.markdown(
            f":gray-badge[SAMPLED] max ‖e‖ ≥ **{at_least(float(norms.max()))}** ({norms.size} points)\n\n"
            f":orange-badge[PROVED: interval] max ‖e‖ ≤ **{at_most(float(interval.values[0]))}** "
            f"({int(interval.evaluations[0])} splits)\n\n"
            f":blue-badge[PROVED: vertices, exact] max ‖e‖ ≤ **{at_most(float(exact.values[0]))}** "
            f"({int(exact.evaluations[0])} vertices), reached at {request.transform.describe(top)}"
        )
        st.caption(
            "White lines: where γ or β + γ is a whole number of pixels. Between them ‖e‖ is convex along each axis, so the "
            "maximum is at a crossing: no search is needed, and the bound is exact."
        )
        worst_button(request)
    with left:
        figure = figures.error_map(
            axis, norms, vertex_lines(request), (top[0], top[1]), (request.gamma[0], request.gamma[1]),
            interval.worst[0].numpy(), request.transform.unit,
        )  # fmt: skip
        alt = f"Error norm over both shifts; exact maximum {float(exact.values[0]):.3g} at a vertex of the grid."
        st.plotly_chart(figure, alt=alt, key="error_map")
    return lambda: False


def vertex_lines(request: Request) -> tuple[np.ndarray, np.ndarray]:
    """Along dx and dy: the ends of Gamma, and where gamma or beta + gamma is a whole number of pixels."""
    low, high = request.limits

    def lines(beta: float) -> np.ndarray:
        whole = np.arange(np.floor(low), np.ceil(high) + 1)
        shifted = np.arange(np.floor(low + beta), np.ceil(high + beta) + 1) - beta
        values = np.concatenate([[low, high], whole, shifted])
        return np.unique(values[(values >= low) & (values <= high)].round(12))

    return lines(request.beta[0]), lines(request.beta[1])


def show_sampled_only(request: Request) -> None:
    """The sampled curve without any bound, for images whose bounds take long."""
    axis, norms = data.sampled_norms(request)
    st.markdown(f":gray-badge[SAMPLED] max ‖e‖ ≥ **{at_least(float(norms.max()))}** (a lower bound, no proof)")
    if request.rotates:
        series = [figures.Series("sampled (at least)", figures.SAMPLED, axis, norms, proved=False, points=True)]
        specification = figures.lines_specification(
            series, "γ in °", "‖e(γ)‖", request.limits, max(1e-9, 1.1 * float(norms.max()))
        )
        st.vega_lite_chart(
            pd.DataFrame(figures.series_rows(series)), specification, alt="Sampled error norm over gamma."
        )


# ------------------------------------------------------------------------------------------------------------- enclosure

_ENCLOSED = {"e after P": "error", "before P": "difference", "T_β T_γ x": "twice", "T_(β+γ) x": "once"}


def enclosure_area(request: Request) -> Callable[[bool], None]:
    """Controls for one split; returns what draws its images: the pixels' sources as well if nothing is refining them."""
    st.subheader("What interval arithmetic knows on one split", anchor=False)
    left, right = st.columns(2)
    which = left.segmented_control(
        "Split", ["worst", "at γ"], default="worst", required=True, key="split",
        help="The split with the largest interval bound, or the one that holds γ.", **BOUND,
    )  # fmt: skip
    what = right.segmented_control(
        "Enclosure of", list(_ENCLOSED), default="e after P", required=True, key="enclosed",
        help="Interval images of the two warps, of their difference, and of e.", **BOUND,
    )  # fmt: skip
    slot = st.empty()
    return partial(_show_enclosure, request, slot, str(which), str(what))


def _chosen_split(request: Request, which: str) -> tuple[tuple[float, float], ...]:
    if request.rotates:
        partition = data.refinement(request).interval
        index = int(partition.values.argmax()) if which == "worst" else partition.at(request.gamma[0])
        low, high = partition.splits[index].tolist()
        return ((low, high),)
    bound = data.interval(request)
    if which == "worst":
        return tuple((float(low), float(high)) for low, high in bound.worst[0])
    low, high = request.limits
    edges = np.linspace(low, high, request.splits + 1)
    places = [int(np.clip(np.searchsorted(edges, g, side="right") - 1, 0, request.splits - 1)) for g in request.gamma]
    return tuple((float(edges[k]), float(edges[k + 1])) for k in places)


def _show_enclosure(request: Request, slot: Any, which: str, what: str, settled: bool) -> None:
    split = _chosen_split(request, which)
    low, high = getattr(data.enclosure(request, split), _ENCLOSED[what])
    unit = request.transform.unit
    ranges = " × ".join(f"[{a:.4g}, {b:.4g}]{'' if unit == '°' else ' '}{unit}".replace("-", "−") for a, b in split)
    width = high - low
    norm = float(torch.maximum(-low, high).clamp(min=0).norm())
    with slot.container():
        first, second, third = st.columns(3, gap="medium")
        differs = _ENCLOSED[what] in ("error", "difference")
        for column, values, name in ((first, low, "lower"), (second, high, "upper")):
            with column:
                if differs:
                    signed(values, f"{name} end", f"The {name} end of the interval image.")
                else:
                    pictures.show(values, f"{name} end", f"The {name} end of the interval image.")
        with third:
            widest = at_most(float(width.max()))
            colours = torch.from_numpy(figures.unsigned_picture(width.numpy(), WIDTH_SCALE))
            pictures.show(colours, f"width: at most {widest} (yellow: {WIDTH_SCALE:g})", f"Width, at most {widest}.")
        ending = (
            f" Norm of the larger end: **{at_most(norm)}**, the bound on this split." if what == "e after P" else ""
        )
        st.caption(
            f"γ in {ranges}: every pixel lies between the lower and the upper image for each γ of the split.{ending}"
        )
        if settled and not request.large:
            interpolation_hover.area(request, split)
