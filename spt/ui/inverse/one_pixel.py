"""The area of the page "Inverse" on one pixel: the paper's Figure 3, live, step by step, with every formula filled."""

from dataclasses import dataclass
from functools import partial

import streamlit as st
from torch import Tensor

from spt.figures import inverse as figures
from spt.figures.inverse import interval
from spt.inverse import Trace, invert, trace
from spt.inverse.trace import Cell, Step
from spt.ui.inverse import drawing
from spt.ui.inverse.request import Box, InverseRequest
from spt.ui.inverse.run import Found
from spt.ui.shared import state
from spt.ui.shared.session import Key
from spt.ui.shared.values import Number

CHANNELS = ("red", "green", "blue")
MOST_SPLITS = 60  # that are offered one by one


@dataclass(frozen=True)
class Shown:
    """What the figure shows: the split, the pixel with all steps, how many of them are done, its true value if known."""

    split: Box
    trace: Trace
    done: int
    truth: float | None


def first_place(height: int, width: int) -> tuple[int, int]:
    """The pixel that is explained at first: to the upper left of the middle, where digits have an edge."""
    return 2 * height // 7, 5 * width // 14


def chosen_pixel(request: InverseRequest) -> tuple[int, int]:
    """Row and column of the pixel as the controls of `area` hold it, before these are drawn."""
    height, width = request.received.shape[1:]
    row, column = first_place(height, width)
    return (
        state.value_of("inverse_row", Number(0, height - 1), row),
        state.value_of("inverse_column", Number(0, width - 1), column),
    )


def choose_pixel(row: int, column: int) -> None:
    """Choose a pixel, as a click does; its steps are shown up to the last one."""
    state.set(inverse_row=row, inverse_column=column)
    state.reset("inverse_step")


def area(request: InverseRequest, found: Found, part: int) -> Shown:
    """Draw the figure with its controls."""
    st.subheader("Why? The constraints on one pixel", anchor=False)
    st.markdown(
        "A received pixel was read somewhere in its **source box** *c*: all places to which a γ of the split can take it. "
        "Every box beside our pixel **p** says something about p. Step through the boxes and watch the interval shrink.",
        help="Interpolation weighs the four pixels around the place that is read. A box within the four cells that meet at p "
        "always gives p a positive weight, so that the equation can be solved for p.",
    )
    height, width = request.received.shape[1:]
    first_row, first_column = first_place(height, width)
    with st.container(key="inverse_place"):
        controls = st.columns([1, 1, 2, 1.6], vertical_alignment="bottom")
    row = state.number(
        "Row",
        0,
        height - 1,
        first_row,
        key="inverse_row",
        help=f"Of the original pixel, 0 to {height - 1} from the top. Clicking an image sets row and column.",
        where=controls[0],
    )
    column = state.number(
        "Column",
        0,
        width - 1,
        first_column,
        key="inverse_column",
        help=f"0 to {width - 1} from the left.",
        where=controls[1],
    )
    split = _choose_split(request, found, part, controls[2])
    before = state.slider(
        "Passes before",
        0,
        10,
        0,
        1,
        key="inverse_before",
        help="What is known of the other pixels: 0: only that they are in [0, 1]. k: what k passes over this split left.",
        where=controls[3],
    )
    channel = 0
    if len(request.received) == 3:
        name = state.choose(
            "Channel",
            CHANNELS,
            "red",
            key="inverse_channel",
            help="Every colour channel is a picture of its own.",
        )
        channel = CHANNELS.index(name)
    found_trace = pixel_trace(request, split, (row, column, channel), before)
    original = request.original
    truth = None if original is None else float(original[channel, row, column])
    done = _choose_step(len(found_trace.steps))
    shown = Shown(split, found_trace, done, truth)
    _draw(request, shown)
    return shown


def _choose_split(request: InverseRequest, found: Found, part: int, where: "st.delta_generator.DeltaGenerator") -> Box:
    splits = found.splits_of(part)[:MOST_SPLITS]
    names = [figures.range_in_words(split, request.transform.unit) for split in splits]
    first = 0
    if request.gamma is not None:
        inside = [
            all(low <= g <= high for g, (low, high) in zip(request.gamma, split, strict=True)) for split in splits
        ]
        first = inside.index(True) if True in inside else 0
    chosen = state.select(
        "Split of the attack range Γ",
        names,
        names[first],
        key="inverse_split",
        help="The figure is about γ in one split. On offer are those that survive, or the one that died last.",
        where=where,
    )
    return splits[names.index(chosen)]


def _choose_step(count: int) -> int:
    """How many of the steps are done."""
    if not count:
        return 0
    with st.container(key="inverse_stepping"):
        back, slide, on = st.columns([1, 5, 1], vertical_alignment="bottom")
    done = state.slider(
        f"Step (of {count})",
        0,
        count,
        count,
        1,
        key="inverse_step",
        help="So many of the boxes have been used; arrow keys go on by one.",
        where=slide,
    )
    back.button(
        "Back",
        key="inverse_back",
        icon=":material/arrow_back:",
        on_click=partial(_go_to, done - 1),
        disabled=done == 0,
        width="stretch",
    )
    on.button(
        "Next",
        key="inverse_next",
        icon=":material/arrow_forward:",
        on_click=partial(_go_to, done + 1),
        disabled=done == count,
        width="stretch",
        shortcut="n",
    )
    return done


def _go_to(step: int) -> None:
    state.set(inverse_step=step)


def _draw(request: InverseRequest, shown: Shown) -> None:
    trace, done = shown.trace, shown.done
    left, right = st.columns([1, 1.15], gap="large")
    with left:
        drawing.show("inverse_figure", figures.constraints_svg(trace, done), 460)
        axes = "(x, y) on the paper’s grid" if trace.pitch == 2 else "(row, column)"
        st.caption(
            f"Blue: the four interpolation cells around p; boxes named by their received pixel, {axes}. Dark to yellow: how "
            "much the box alone cuts, from nothing to all. Of the present one the parts in each cell are framed, with the "
            "corner that decides."
        )
        st.html(
            '<div style="display:flex;gap:.6rem;align-items:center;font-size:.85rem">cuts nothing'
            f'<span style="flex:0 0 8rem;height:.7rem;border-radius:2px;background:linear-gradient(90deg,'
            f'{",".join(figures.cut_colour(k / 5) for k in range(6))})"></span>all</div>'
        )
    with right:
        known = trace.steps[done - 1].known if done else trace.start
        own = figures.index_of(trace, trace.x, trace.y)
        truth = "" if shown.truth is None else f" (truly {shown.truth:.3f})"
        if known[0] > known[1]:
            st.markdown(
                f":red-badge[contradiction] p({own}) would have to be at least **{figures.at_least(known[0])}** and at most "
                f"**{figures.at_most(known[1])}**: no γ in this split is possible."
            )
        else:
            st.markdown(f"After {done} of {len(trace.steps)} steps: p({own}) in **{interval(known)}**{truth}")
        drawing.show("inverse_steps", figures.steps_svg(trace, done, shown.truth), 560)
        st.caption(
            "Orange: what the step says; blue: what is known after it (a diamond where that is too narrow to be drawn)"
            + ("; green dashes: the true value." if shown.truth is not None else ".")
        )
    if not trace.steps:
        st.info(
            "No box lies within the four cells around this pixel (the split is too wide, or the pixel turns out of the "
            "frame), so nothing is said about it."
        )
    elif not done:
        st.caption("Step 0: nothing has been used yet. Press Next.")
    else:
        _show_formulas(trace, trace.steps[done - 1], done)


def _corners(trace: Trace, cell: Cell) -> str:
    """The corners that decide the two ends, in words."""
    lower, upper = (figures.point(trace, corner.x, corner.y) for corner in (cell.lower, cell.upper))
    return f"both ends at its corner {lower}" if lower == upper else f"lower end at {lower}, upper end at {upper}"


def _show_formulas(trace: Trace, step: Step, done: int) -> None:
    name = figures.index_of(trace, step.x, step.y)
    exact = step.value[1] - step.value[0] < 1e-6  # but for what floating point can change
    value = f"= {sum(step.value) / 2:.4g}" if exact else f"in {interval(step.value)}"
    st.markdown(
        f"**Step {done}: c({name})** = {figures.region(trace, step.box_x, step.box_y)}; p′({name}) {value}",
        help="The received value with what rounding to 8 bits (or floating point) can have changed. All ends are rounded "
        "outward.",
    )
    for cell in step.cells:
        st.markdown(
            f"In the cell {figures.region(trace, cell.x, cell.y)} the part {figures.region(trace, cell.part_x, cell.part_y)}; "
            f"{_corners(trace, cell)}:"
        )
        for column, formula in zip(st.columns(2), figures.cell_formulas(trace, step, cell), strict=True):
            column.latex(formula)
    before = trace.steps[done - 2].known if done > 1 else trace.start
    union = "" if len(step.cells) == 1 else f"Hull over the {len(step.cells)} cells: {interval(step.union)}. "
    st.markdown(
        f"{union}Known before: {interval(before)}; "
        + (
            f"together **{interval(step.known)}**."
            if step.known[0] <= step.known[1]
            else f"together at least {figures.at_least(step.known[0])} and at most {figures.at_most(step.known[1])}: "
            "**a contradiction**."
        )
    )


@st.cache_data(show_spinner=False, max_entries=256)
def _trace(
    key: Key, pitch: float, split: Box, place: tuple[int, int, int], before: int, _request: InverseRequest
) -> Trace:
    row, column, channel = place
    previous = _known_before(key, split, before, _request)
    received = _request.within(split)
    return trace(received, row, column, channel=channel, previous=previous, naive=_request.naive, pitch=pitch)


@st.cache_data(show_spinner=False, max_entries=32)
def _known_before(key: Key, split: Box, before: int, _request: InverseRequest) -> tuple[Tensor, Tensor] | None:
    """Lower and upper image after that many passes over the split alone, as long as there is something left."""
    received = _request.within(split)
    width = max(high - low for low, high in split) * 1.001
    while before > 0:
        found = invert(received, width=width, refinements=before - 1, naive=_request.naive)
        if found.consistent:
            return found.lower[0], found.upper[0]
        before = found.passes - 1
    return None


def pixel_trace(request: InverseRequest, split: Box, place: tuple[int, int, int], before: int) -> Trace:
    """All steps of one pass over one original pixel (row, column, channel), after ``before`` passes over the split."""
    return _trace(request.key, request.pitch, split, place, before, request)
