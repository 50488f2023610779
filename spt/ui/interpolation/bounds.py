"""The areas of the page "Interpolation error" on bounds over Gamma: the curve with its live refinement, the map of a
translation's error, and what interval arithmetic knows on one split.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from spt.error_bounds import ErrorBound
from spt.figures import errors as figures
from spt.ui.interpolation import refinement, run, sources
from spt.ui.interpolation.request import InterpolationRequest
from spt.ui.shared import pixel_grid, state
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.pixel_grid import Picture, Reading, Warp
from spt.ui.shared.rounding import at_least, at_most
from spt.ui.shared.signed import signed

CHART = "error_over_gamma"
"""The key of the figure on the page."""
WIDTH_SCALE = 0.3  # pixel values at full colour: fixed, so that colours can be compared


# ----------------------------------------------------------------------------------------------------------------- curve


def _press(live: refinement.LiveRefinement, steps: int) -> None:
    live.remaining = steps


def go_to(request: InterpolationRequest, gamma: Iterable[float]) -> None:
    """Move the sliders of gamma there, as near as their steps allow, within Gamma; in a callback."""
    for parameter, wanted in zip(request.transform.parameters, gamma, strict=True):
        value = round(wanted / parameter.step) * parameter.step
        state.set(**{parameter.name: round(min(max(value, request.limits[0]), request.limits[1]), 6)})


def _go_to_worst(request: InterpolationRequest) -> None:
    axis, norms = run.sampled_norms(request)
    go_to(request, [float(axis[place]) for place in np.unravel_index(norms.argmax(), norms.shape)])


def worst_button(request: InterpolationRequest) -> None:
    """Draw the button that moves the sliders of gamma to the largest sampled error."""
    st.button(
        "Go to the largest error",
        key="to_worst",
        icon=":material/my_location:",
        on_click=_go_to_worst,
        args=(request,),
        width="stretch",
        help="Move γ to where the sampled error is largest.",
    )


def _reset() -> None:
    refinement.REFINEMENT.forget()


def curve_area(request: InterpolationRequest) -> Callable[[], bool]:
    """Draw the curve; returns what goes on refining, and says whether it did."""
    st.subheader("How large can the error be within the attack range Γ?", anchor=False)
    chart, numbers = st.container(key=CHART).empty(), st.empty()
    with st.container(key="refine_controls"):
        first, second, third = st.columns([1, 1, 1.6])
    button, again, progress = first.empty(), second.empty(), st.empty()
    with third:
        worst_button(request)
    live = refinement.current(request)
    highest = _highest(request, live)

    def draw() -> None:
        numbers.markdown(_numbers(live))
        series = curve_series(request, live)
        specification = figures.lines_specification(
            series,
            "attack: turned by γ, in °",
            "size of the error ‖e(γ)‖",
            request.limits,
            1.05 * max(highest, _highest(request, live)),
            request.gamma[0] if request.gamma_inside else None,
            height=320,
        )
        most = f", at most {at_most(live.chord.bound)}" if not live.waiting else ""
        alt = f"Error norm over gamma: at least {at_least(live.sampled)}{most}."
        chart.vega_lite_chart(pd.DataFrame(figures.series_rows(series)), specification, alt=alt)

    def standing() -> None:
        waiting = live.waiting
        button.button(
            "Prove bounds" if waiting else "Refine",
            key="refine",
            type="primary",
            icon=":material/target:",
            on_click=_press,
            args=(live, waiting or refinement.STEPS_A_PRESS),
            disabled=live.done,
            shortcut="f",
            width="stretch",
        )
        again.button(
            "Start over",
            key="refine_reset",
            icon=":material/replay:",
            on_click=_reset,
            disabled=not live.steps,
            width="stretch",
            help="Back to uniform splits.",
        )
        progress.caption(
            "So far only sampled. Bounds of this large image take a while, split by split; Stop at any time."
            if waiting
            else "Both bounds have reached their goals."
            if live.done and live.steps
            else f"{live.steps} refinements. A stopped refinement is still a proof."
            if live.steps
            else "Solid steps hold for every γ in the split. Refine halves the splits with the largest bounds, again and again."
        )

    def refine() -> bool:
        if live.remaining <= 0:
            return False
        total, waiting = live.remaining, live.waiting
        try:
            with heavy_work("long", "error bounds", place=progress, transform=request.transform.name):
                while live.remaining > 0 and not live.done:
                    text = (
                        f"{waiting - live.waiting} of {waiting} splits bounded"
                        if waiting
                        else f"{live.steps} refinements"
                    )
                    progress.progress(min(1.0, 1 - live.remaining / total), text=text)
                    live.advance(request)
                    draw()
        except Exception:  # the page says it; it is not to begin again by itself
            live.remaining = 0
            raise
        live.remaining = 0
        standing()
        return True

    draw()
    if live.remaining > 0:
        button.button(
            "Stop",
            key="refine_stop",
            icon=":material/stop_circle:",
            on_click=_press,
            args=(live, 0),
            shortcut="s",
            width="stretch",
        )
    else:
        standing()
    return refine


def curve_series(request: InterpolationRequest, live: refinement.LiveRefinement) -> list[figures.Series]:
    """The sampled curve and the two proved bounds of the state."""
    axis, norms = run.sampled_norms(request)
    series = [figures.Series("sampled (at least)", figures.SAMPLED, axis, norms, proved=False, points=True)]
    for name, colour, partition in (
        ("interval (proved)", figures.INTERVAL, live.interval.known),
        ("chord (proved)", figures.CHORD, live.chord.known),
    ):
        if len(partition.values):
            series.append(figures.step_series(name, colour, partition.splits, partition.values))
    return series


def _highest(request: InterpolationRequest, live: refinement.LiveRefinement) -> float:
    """What the chart must have room for: it keeps its scale while bounds are refined."""
    uniform = [] if request.large else [float(bound(request).values[0]) for bound in (run.interval, run.chord)]
    known = [value for partition in (live.interval, live.chord) for value in partition.known.values.tolist()]
    return float(max([1.2 * live.sampled, 1e-9, *uniform, *known]))


def _numbers(live: refinement.LiveRefinement) -> str:
    """The three values of max ||e|| over Gamma in words, each with what it is."""
    lines = [f":gray-badge[SAMPLED] max ‖e‖ ≥ **{at_least(live.sampled)}**"]
    for name, colour, partition in (("interval", "orange", live.interval), ("chord", "blue", live.chord)):
        count = len(partition.values)
        if np.isinf(partition.bound):
            done = f"{int(np.isfinite(partition.values).sum())} of {count} splits bounded"
            lines.append(f":gray-badge[{name}: not proved yet] {done}")
            continue
        excess = f"{at_most(partition.bound / live.sampled)} × sampled" if live.sampled > 1e-6 else "sampled 0"
        lines.append(
            f":{colour}-badge[PROVED: {name}] max ‖e‖ ≤ **{at_most(partition.bound)}** ({count} splits, {excess})"
        )
    return "  \n".join(lines)


# ------------------------------------------------------------------------------------------------------------------- map


def map_area(request: InterpolationRequest) -> Callable[[], bool]:
    """Draw the map; there is nothing to refine. A large image's bounds are computed when asked for."""
    st.subheader("How large can the error be within the attack range Γ?", anchor=False)
    axis, norms = run.sampled_norms(request)
    chart, numbers, note = st.container(key=CHART).empty(), st.empty(), st.empty()
    worst_button(request)

    def draw(exact: ErrorBound | None, interval: ErrorBound | None) -> None:
        numbers.markdown("\n\n".join(_map_numbers(request, norms, exact, interval)))
        top = tuple(exact.worst[0, :, 0].tolist()) if exact else None
        worst = interval.worst[0].numpy() if interval else None
        figure = figures.error_map(
            axis, norms, vertex_lines(request), top, (request.gamma[0], request.gamma[1]), worst, request.transform.unit
        )
        most = f"; exact maximum {at_most(float(exact.values[0]))} at a vertex of the grid" if exact else ""
        chart.plotly_chart(figure, alt=f"Error norm over both shifts{most}.")

    if request.large and not _map_bounds_wanted(request, note):
        draw(None, None)
        return lambda: False
    if request.large:
        draw(None, None)
    with note.container():
        exact = run.vertices(request)
        if request.large:
            draw(exact, None)
        interval = run.interval(request)
    note.caption(
        "White lines: where γ or β + γ is a whole number of pixels. Between them ‖e‖ is convex along each axis, so the "
        "maximum is at a crossing: no search is needed, and the bound is exact."
    )
    draw(exact, interval)
    return lambda: False


def _map_bounds_wanted(request: InterpolationRequest, slot: Any) -> bool:
    """Whether the bounds over a translation's Gamma have been asked for; else offer them."""
    key = (*request.key, request.splits)
    with slot.container():
        st.caption("So far only sampled. Bounds of this large image take a while; any control stops them.")
        if st.button("Prove bounds", key="map_bounds", type="primary", icon=":material/target:", width="stretch"):
            st.session_state["map_bounds_for"] = key
    return bool(st.session_state.get("map_bounds_for") == key)


def _map_numbers(
    request: InterpolationRequest, norms: np.ndarray, exact: ErrorBound | None, interval: ErrorBound | None
) -> list[str]:
    """What is known about max ||e|| over a translation's Gamma, in words."""
    lines = [f":gray-badge[SAMPLED] max ‖e‖ ≥ **{at_least(float(norms.max()))}** ({norms.size} points)"]
    if interval:
        lines.append(
            f":orange-badge[PROVED: interval] max ‖e‖ ≤ **{at_most(float(interval.values[0]))}** "
            f"({int(interval.evaluations[0])} splits)"
        )
    if exact:
        lines.append(
            f":blue-badge[PROVED: vertices, exact] max ‖e‖ ≤ **{at_most(float(exact.values[0]))}** "
            f"({int(exact.evaluations[0])} vertices), reached at {request.transform.describe(exact.worst[0, :, 0])}"
        )
    return lines


def vertex_lines(request: InterpolationRequest) -> tuple[np.ndarray, np.ndarray]:
    """Along dx and dy: the ends of Gamma, and where gamma or beta + gamma is a whole number of pixels."""
    low, high = request.limits

    def lines(beta: float) -> np.ndarray:
        whole = np.arange(np.floor(low), np.ceil(high) + 1)
        shifted = np.arange(np.floor(low + beta), np.ceil(high + beta) + 1) - beta
        values = np.concatenate([[low, high], whole, shifted])
        return np.unique(values[(values >= low) & (values <= high)].round(12))

    return lines(request.beta[0]), lines(request.beta[1])


# ------------------------------------------------------------------------------------------------------------- enclosure

_ENCLOSED = {"e after P": "error", "before P": "difference", "T_β T_γ x": "twice", "T_(β+γ) x": "once"}


def enclosure_area(request: InterpolationRequest) -> Callable[[bool], None]:
    """Controls for one split; returns what draws its images: the pixels' sources as well if nothing is refining them."""
    st.subheader("What interval arithmetic knows on one split", anchor=False)
    if request.large and not state.switch("Compute these images for a large image (a second)", key="large_enclosure"):
        return lambda settled: None
    left, right = st.columns(2)
    which = state.choose(
        "Split",
        ("worst", "at γ"),
        "worst",
        key="split",
        help="The split with the largest interval bound, or the one that holds γ.",
        where=left,
    )
    what = state.choose(
        "Enclosure of",
        tuple(_ENCLOSED),
        "e after P",
        key="enclosed",
        help="Interval images of the two warps, of their difference, and of e.",
        where=right,
    )
    slot = st.empty()
    return partial(_show_enclosure, request, slot, which, what)


def _chosen_split(request: InterpolationRequest, which: str) -> tuple[tuple[float, float], ...]:
    if request.rotates:
        partition = refinement.current(request).interval
        known = partition.known
        worst = which == "worst" and len(known.values) > 0
        partition = known if worst else partition
        index = int(known.values.argmax()) if worst else partition.at(request.gamma[0])
        low, high = partition.splits[index].tolist()
        return ((low, high),)
    bound = run.known_interval(request)
    if which == "worst" and bound is not None:
        return tuple((float(low), float(high)) for low, high in bound.worst[0])
    low, high = request.limits
    edges = np.linspace(low, high, request.splits + 1)
    places = [int(np.clip(np.searchsorted(edges, g, side="right") - 1, 0, request.splits - 1)) for g in request.gamma]
    return tuple((float(edges[k]), float(edges[k + 1])) for k in places)


def _show_enclosure(request: InterpolationRequest, slot: Any, which: str, what: str, settled: bool) -> None:
    split = _chosen_split(request, which)
    low, high = getattr(run.enclosure(request, split), _ENCLOSED[what])
    unit = request.transform.unit
    ranges = " × ".join(f"[{a:.4g}, {b:.4g}]{'' if unit == '°' else ' '}{unit}".replace("-", "−") for a, b in split)
    width = high - low
    norm = float(torch.maximum(-low, high).clamp(min=0).norm())
    middle = tuple((a + b) / 2 + beta for (a, b), beta in zip(split, request.beta, strict=True))
    warp = Warp(request.transform.name, middle)
    shown = [_end(what, values, name, warp) for values, name in ((low, "lower end"), (high, "upper end"))]
    widest = at_most(float(width.max()))
    shown.append(
        Picture(
            figures.unsigned_picture(width.numpy(), WIDTH_SCALE),
            f"width: at most {widest} (yellow: {WIDTH_SCALE:g})",
            f"Width of the interval of every pixel, at most {widest}.",
            Reading("width", width),
            (warp,),
        )
    )
    if settled and not request.large:
        shown += sources.pictures(request, split, of=len(shown))
    with slot.container():
        pixel_grid.show("enclosure" if settled else "enclosure_while_refining", shown)
        ending = (
            f" Norm of the larger end: **{at_most(norm)}**, the bound on this split." if what == "e after P" else ""
        )
        st.caption(
            f"One split, γ in {ranges}: every pixel lies between the lower and the upper image for each γ of it.{ending}"
        )


def _end(what: str, values: Tensor, name: str, warp: Warp) -> Picture:
    """One end of an interval image."""
    alt = f"The {name} of the interval image."
    if _ENCLOSED[what] in ("error", "difference"):
        return signed(values, name, alt, warp)
    return Picture(values, name, alt, warps=(warp,))
