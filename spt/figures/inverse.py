"""Figures of an inverse (`spt.inverse`) as SVG text: what survives of Gamma, the constraints on one pixel, the shrinking interval.

Pure functions of plain data. Lines and words take the colour of the text around them, so that both themes work; what was
received is orange, what is known of the original blue, and how much a constraint cuts goes from dark to yellow (cividis).
Positions are those of a `Trace`: (x, y) on the paper's grid (pitch 2), in pixels row and column of the array.
"""

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from spt.certificates import rounded_down, rounded_up
from spt.figures.errors import unsigned_picture
from spt.inverse import Trace
from spt.inverse.trace import Cell, Ends, Step

RECEIVED, KNOWN, TRUE, GREY = "#E69F00", "#2E8FD0", "#009E73", "#888888"
DARK_PART, LIGHT_PART = "#8A4B08", "#E0B070"
_UNIT = 180.0  # of the drawing, for one pixel
_LEAST = 9.0  # a box is drawn at least so large, to be seen
_HALO = 'paint-order="stroke" stroke="var(--st-background-color, transparent)" stroke-width="4"'
_REACH = 1.22  # pixels that are drawn on each side


# --------------------------------------------------------------------------------------------------------------- numbers


def at_least(value: float) -> str:
    """A lower bound to three significant digits, rounded down, with a minus sign where it needs one."""
    return rounded_down(value) if value >= 0 else f"−{rounded_up(-value)}"


def at_most(value: float) -> str:
    """An upper bound to three significant digits, rounded up."""
    return rounded_up(value) if value >= 0 else f"−{rounded_down(-value)}"


def interval(ends: Ends) -> str:
    """[lower, upper] rounded outward."""
    return f"[{at_least(ends[0])}, {at_most(ends[1])}]"


def place(ends: Ends, shift: float = 0.0) -> str:
    """A range of positions, three decimals, rounded outward (but for what floating point adds to their ends)."""
    low, high = (
        Decimal(repr(round(end + shift, 9))).quantize(Decimal("0.001"), side)
        for end, side in zip(ends, (ROUND_FLOOR, ROUND_CEILING), strict=True)
    )
    return f"[{_plain(low)}, {_plain(high)}]".replace("-", "−")


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f") if value else "0"


def shift_of(trace: Trace) -> tuple[float, float]:
    """What is added to positions of the trace to name them: nothing on the paper's grid; in pixels, column and row."""
    return (0.0, 0.0) if trace.pitch != 1 else (trace.column - trace.x, trace.row - trace.y)


def index_of(trace: Trace, x: float, y: float) -> str:
    """The index of a pixel at a position of the trace: (x, y) on the paper's grid, in pixels row and column."""
    right, down = shift_of(trace)
    first, second = (x, y) if trace.pitch != 1 else (y + down, x + right)
    return f"{round(first, 6):g}, {round(second, 6):g}".replace("-", "−")


def region(trace: Trace, x: Ends, y: Ends) -> str:
    """A region in words, as `index_of` names positions."""
    right, down = shift_of(trace)
    if trace.pitch != 1:
        return f"{place(x)} × {place(y)}"
    return f"rows {place(y, down)}, columns {place(x, right)}"


def point(trace: Trace, x: float, y: float) -> str:
    """A point in words, to nearest."""
    right, down = shift_of(trace)
    words = f"(x, y) = ({x:.3f}, {y:.3f})" if trace.pitch != 1 else f"row {y + down:.3f}, column {x + right:.3f}"
    return words.replace("-", "−")


def range_in_words(box: Sequence[Sequence[float]], unit: str) -> str:
    """A box of parameters, rounded outward to three decimals: [24.9, 25.1]° or [0.2, 0.4] × [−0.1, 0] px."""
    space = "" if unit == "°" else " "
    return " × ".join(place((low, high)) for low, high in box) + space + unit


def cut_colour(share: float) -> str:
    """Cividis from 0 (cuts nothing) to 1 (leaves a single value)."""
    red, green, blue = (round(255 * float(channel[0, 0])) for channel in unsigned_picture(np.array([[[share]]]), 1.0))
    return f"#{red:02x}{green:02x}{blue:02x}"


# --------------------------------------------------------------------------------------------------------- what survives


def surviving_svg(
    gamma_range: Sequence[Ends], surviving: Sequence[Sequence[Ends]], unit: str, at: Sequence[float] | None
) -> str:
    """The part of Gamma that survives: a dial and a strip for one parameter, the plane for two.

    Args:
        gamma_range, surviving: Gamma and the boxes that survive, (low, high) for each parameter.
        at: the true parameters, where they are known.
    """
    words = "; ".join(range_in_words(box, unit) for box in surviving[:6]) or "nothing"
    label = f"Of Γ = {range_in_words(gamma_range, unit)} survives: {words}"
    if len(gamma_range) == 1:
        body = _dial(gamma_range[0], [box[0] for box in surviving], unit, None if at is None else at[0])
    else:
        body = _plane(gamma_range, surviving, unit, at)
    return _svg(250, 250, body, label)


def _svg(width: float, height: float, body: str, label: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="100%" role="img" '
        f'aria-label={quoteattr(label)} font-family="Helvetica, Arial, sans-serif" fill="currentColor">{body}</svg>'
    )


def _arc(low: float, high: float, inner: float, outer: float) -> str:
    """A sector of the dial: 0 at the top, positive angles counter-clockwise, as the image turns."""
    if high - low >= 360:
        low, high = low, low + 359.99

    def at(angle: float, radius: float) -> str:
        radians = math.radians(90 + angle)
        return f"{125 + radius * math.cos(radians):.2f} {105 - radius * math.sin(radians):.2f}"

    large = int(high - low > 180)
    return (
        f"M {at(low, outer)} A {outer} {outer} 0 {large} 0 {at(high, outer)} "
        f"L {at(high, inner)} A {inner} {inner} 0 {large} 1 {at(low, inner)} Z"
    )


def _dial(gamma_range: Ends, surviving: Sequence[Ends], unit: str, at: float | None) -> str:
    low, high = gamma_range
    parts = [f'<circle cx="125" cy="105" r="92" fill="none" stroke="{GREY}" stroke-opacity="0.35"/>']
    parts.append(f'<path d="{_arc(low, high, 62, 92)}" fill="{GREY}" fill-opacity="0.22"/>')
    for start, end in surviving:
        middle, half = (start + end) / 2, max((end - start) / 2, 0.8)  # thinner could not be seen
        parts.append(f'<path d="{_arc(middle - half, middle + half, 56, 98)}" fill="{RECEIVED}"/>')
    if at is not None:
        radians = math.radians(90 + at)
        x, y = 125 + 104 * math.cos(radians), 105 - 104 * math.sin(radians)
        x0, y0 = 125 + 48 * math.cos(radians), 105 - 48 * math.sin(radians)
        parts.append(
            f'<line x1="{x0:.2f}" y1="{y0:.2f}" x2="{x:.2f}" y2="{y:.2f}" stroke="{TRUE}" stroke-width="2" stroke-dasharray="4 3"/>'
        )
        parts.append(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="4" fill="{TRUE}"/>')
    words = f"true γ = {at:g}{unit}".replace("-", "−") if at is not None else "γ unknown"
    parts.append(f'<text x="125" y="136" font-size="12" text-anchor="middle">{words}</text>')
    share = sum(end - start for start, end in surviving) / (high - low)
    text = f"{rounded_up(100 * share)} %" if surviving else "nothing"
    parts.append(f'<text x="125" y="104" font-size="22" font-weight="bold" text-anchor="middle">{text}</text>')
    parts.append('<text x="125" y="119" font-size="11" text-anchor="middle">of Γ survives</text>')
    return "".join(parts) + _strip(gamma_range, surviving, unit, at)


def _strip(gamma_range: Ends, surviving: Sequence[Ends], unit: str, at: float | None) -> str:
    """Gamma as a straight line from low to high, below the dial."""
    low, high = gamma_range

    def x(value: float) -> float:
        return 15 + 220 * (value - low) / (high - low)

    parts = [f'<rect x="15" y="212" width="220" height="16" fill="{GREY}" fill-opacity="0.22"/>']
    for start, end in surviving:
        width = max(x(end) - x(start), 2)
        parts.append(
            f'<rect x="{(x(start) + x(end) - width) / 2:.2f}" y="208" width="{width:.2f}" height="24" fill="{RECEIVED}"/>'
        )
    if at is not None and low <= at <= high:
        parts.append(
            f'<line x1="{x(at):.2f}" x2="{x(at):.2f}" y1="204" y2="236" stroke="{TRUE}" stroke-width="2" '
            'stroke-dasharray="4 3"/>'
        )
    ticks = [(low, "start"), (high, "end")]
    if low < 0 < high and min(-low, high) > (high - low) / 5:
        ticks.append((0.0, "middle"))
    for value, anchor in ticks:
        text = f"{value:g}{unit}".replace("-", "−")
        parts.append(f'<text x="{x(value):.2f}" y="247" font-size="11" text-anchor="{anchor}">{text}</text>')
    return "".join(parts)


def _plane(
    gamma_range: Sequence[Ends], surviving: Sequence[Sequence[Ends]], unit: str, at: Sequence[float] | None
) -> str:
    (left, right), (top, bottom) = gamma_range

    def x(value: float) -> float:
        return 35 + 200 * (value - left) / (right - left)

    def y(value: float) -> float:
        return 10 + 200 * (value - top) / (bottom - top)

    parts = [f'<rect x="35" y="10" width="200" height="200" fill="{GREY}" fill-opacity="0.22"/>']
    for (x0, x1), (y0, y1) in surviving:
        width, height = max(x(x1) - x(x0), 2), max(y(y1) - y(y0), 2)
        parts.append(
            f'<rect x="{x(x0):.2f}" y="{y(y0):.2f}" width="{width:.2f}" height="{height:.2f}" fill="{RECEIVED}"/>'
        )
    if at is not None and left <= at[0] <= right and top <= at[1] <= bottom:
        parts.append(
            f'<circle cx="{x(at[0]):.2f}" cy="{y(at[1]):.2f}" r="7" fill="none" stroke="{TRUE}" stroke-width="2.5"/>'
        )
    for value, anchor in ((left, "start"), (right, "end")):
        text = f"{value:g}".replace("-", "−")
        parts.append(f'<text x="{x(value):.2f}" y="224" font-size="11" text-anchor="{anchor}">{text}</text>')
    for value, down in ((top, 9.0), (bottom, 0.0)):
        text = f"{value:g}".replace("-", "−")
        parts.append(f'<text x="31" y="{y(value) + down:.2f}" font-size="11" text-anchor="end">{text}</text>')
    truth = "" if at is None else f" – ring: true ({at[0]:g}, {at[1]:g})".replace("-", "−")
    parts.append(
        f'<text x="135" y="242" font-size="11" text-anchor="middle">dx across, dy down in {unit}{truth}</text>'
    )
    return "".join(parts)


# --------------------------------------------------------------------------------------------------------- the constraints


def constraints_svg(trace: Trace, done: int) -> str:
    """The paper's Figure 3: the original pixel, the four cells that it corners, and the boxes that constrain it.

    The first ``done`` steps are filled with how much they cut; the last of them is taken apart: the part of its box in each
    cell, and the corner of each that decides the lower end.
    """
    view = _Drawing(trace)
    step = trace.steps[done - 1] if done else None
    parts = [_cell(view, right, below, step) for right in (-1, 0) for below in (-1, 0)]
    for number, each in enumerate(trace.steps, 1):
        share = trace.cut(each)
        title = (
            f"c({index_of(trace, each.x, each.y)}): p′ in {interval(each.value)} leaves {interval(each.union)}, "
            f"cuts {share:.0%} of what was known"
        )
        if number <= done:
            style = f'fill="{cut_colour(share)}" fill-opacity="0.95" stroke="currentColor" stroke-opacity="0.75"'
        else:
            style = 'fill="none" stroke="currentColor" stroke-opacity="0.6" stroke-dasharray="5 4"'
        parts.append(view.rectangle(each.box_x, each.box_y, f'{style} stroke-width="1.5"', title))
    parts += _points(view)
    if step is not None:
        parts += _taken_apart(view, step)
    for number, each in enumerate(trace.steps, 1):
        bold = ' font-weight="bold"' if number == done else ""
        middle = view.x((each.box_x[0] + each.box_x[1]) / 2)
        top = min(view.y(each.box_y[0]), view.y((each.box_y[0] + each.box_y[1]) / 2) - _LEAST / 2) - 8
        parts.append(
            f'<text x="{middle:.1f}" y="{top:.1f}" font-size="15" text-anchor="middle" {_HALO}{bold}>'
            f'c<tspan font-size="12" dy="3">{index_of(trace, each.x, each.y)}</tspan></text>'
        )
    own, count = index_of(trace, trace.x, trace.y), len(trace.steps)
    return _svg(view.size, view.size, "".join(parts), f"The cells around pixel ({own}) and {count} boxes in them")


class _Drawing:
    """Positions of a trace on the drawing, the original pixel in the middle."""

    def __init__(self, trace: Trace) -> None:
        self.trace, self.size = trace, 2 * _REACH * _UNIT

    def x(self, value: float) -> float:
        return ((value - self.trace.x) / self.trace.pitch + _REACH) * _UNIT

    def y(self, value: float) -> float:
        return ((value - self.trace.y) / self.trace.pitch + _REACH) * _UNIT

    def rectangle(self, across: Ends, down: Ends, style: str, title: str = "") -> str:
        x0, x1, y0, y1 = self.x(across[0]), self.x(across[1]), self.y(down[0]), self.y(down[1])
        named = f"<title>{escape(title)}</title>" if title else ""
        wide, high = max(x1 - x0, _LEAST), max(y1 - y0, _LEAST)
        corner = f'x="{(x0 + x1 - wide) / 2:.1f}" y="{(y0 + y1 - high) / 2:.1f}"'
        return f'<rect {corner} width="{wide:.1f}" height="{high:.1f}" {style}>{named}</rect>'


def _cell(view: _Drawing, right: int, below: int, step: Step | None) -> str:
    trace, p = view.trace, view.trace.pitch
    across = (trace.x + right * p, trace.x + (right + 1) * p)
    down = (trace.y + below * p, trace.y + (below + 1) * p)
    middle = ((across[0] + across[1]) / 2, (down[0] + down[1]) / 2)
    met = step is not None and any(
        each.x[0] < middle[0] < each.x[1] and each.y[0] < middle[1] < each.y[1] for each in step.cells
    )
    opacity = 0.18 if met else 0.04
    return view.rectangle(across, down, f'fill="{KNOWN}" fill-opacity="{opacity}" stroke="{KNOWN}" stroke-width="2"')


def _points(view: _Drawing) -> list[str]:
    """The original pixel and its eight neighbours, with their indices."""
    trace, parts = view.trace, []
    for right in (-1, 0, 1):
        for below in (-1, 0, 1):
            x, y = trace.x + right * trace.pitch, trace.y + below * trace.pitch
            own = right == below == 0
            radius, fill = (10, KNOWN) if own else (5, "currentColor")
            parts.append(f'<circle cx="{view.x(x):.1f}" cy="{view.y(y):.1f}" r="{radius}" fill="{fill}"/>')
            bold = ' font-weight="bold"' if own else ' fill-opacity="0.75"'
            aside, down, anchor = (14, 24, "start") if own else (0, 24 if below == 1 else -13, "middle")
            parts.append(
                f'<text x="{view.x(x) + aside:.1f}" y="{view.y(y) + down:.1f}" font-size="14" text-anchor="{anchor}" '
                f"{_HALO}{bold}>{'p ' if own else ''}({index_of(trace, x, y)})</text>"
            )
    return parts


def _taken_apart(view: _Drawing, step: Step) -> list[str]:
    """The box of the present step: its part in each cell, and the corner that decides the lower end there."""
    parts = []
    for number, cell in enumerate(step.cells):
        colour = (DARK_PART, LIGHT_PART)[number % 2]
        style = f'fill="none" stroke="{colour}" stroke-width="4"'
        parts.append(view.rectangle(cell.part_x, cell.part_y, style))
    for cell in step.cells:
        x, y = view.x(cell.lower.x), view.y(cell.lower.y)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{RECEIVED}" stroke="white" stroke-width="1.5"/>')
    return parts


def steps_svg(trace: Trace, done: int, truth: float | None) -> str:
    """How the interval shrinks: one row for each step, what it says (thin) and what is known after it (thick)."""
    rows: list[tuple[str, Ends | None, Ends]] = [("before", None, trace.start)]
    rows += [(f"c({index_of(trace, s.x, s.y)})", s.union, s.known) for s in trace.steps[:done]]
    height = 24 * max(len(trace.steps) + 1, 3) + 26

    def x(value: float) -> float:
        return 110 + 280 * min(max(value, -0.02), 1.03)

    parts = [
        f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="4" y2="{height - 20}" stroke="{GREY}" stroke-opacity="0.35"/>'
        f'<text x="{x(tick):.1f}" y="{height - 5}" font-size="12" text-anchor="middle">{tick:g}</text>'
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    if truth is not None:
        parts.append(
            f'<line x1="{x(truth):.1f}" x2="{x(truth):.1f}" y1="4" y2="{height - 20}" stroke="{TRUE}" stroke-width="2" '
            'stroke-dasharray="4 3"/>'
        )
    for number, (name, union, known) in enumerate(rows):
        y = 18 + 24 * number
        bold = ' font-weight="bold"' if number == done else ""
        parts.append(f'<text x="102" y="{y + 4}" font-size="13" text-anchor="end"{bold}>{name}</text>')
        if union is not None:
            parts.append(
                f'<line x1="{x(union[0]):.1f}" x2="{x(union[1]):.1f}" y1="{y - 6}" y2="{y - 6}" stroke="{RECEIVED}" '
                f'stroke-width="3"><title>{escape(interval(union))}</title></line>'
            )
        if known[0] <= known[1]:
            parts.append(_known_bar(x(known[0]), x(known[1]), y, known))
        else:
            parts.append(
                f'<text x="{x(0.5):.1f}" y="{y + 7}" font-size="12" text-anchor="middle">nothing is left</text>'
            )
    known = rows[-1][2]
    return _svg(
        410, height, "".join(parts), f"After {done} of {len(trace.steps)} steps the pixel is in {interval(known)}"
    )


NARROWEST_BAR = 8.0


def _known_bar(left: float, right: float, y: float, known: Ends) -> str:
    """What is known as a bar; one too narrow to be seen is a diamond in its place, with its width beside it."""
    title = f"<title>{escape(interval(known))}</title>"
    if right - left >= NARROWEST_BAR:
        return f'<rect x="{left:.1f}" y="{y - 2}" width="{right - left:.1f}" height="9" fill="{KNOWN}">{title}</rect>'
    middle, half = (left + right) / 2, NARROWEST_BAR / 2 + 1
    corners = ((middle - half, y + 2.5), (middle, y + 2.5 - half), (middle + half, y + 2.5), (middle, y + 2.5 + half))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
    side, anchor = (middle - half - 4, "end") if middle > 250 else (middle + half + 4, "start")
    return (
        f'<polygon points="{points}" fill="{KNOWN}">{title}</polygon>'
        f'<text x="{side:.1f}" y="{y + 6.5}" font-size="11" text-anchor="{anchor}">{at_most(known[1] - known[0])} wide</text>'
    )


# ------------------------------------------------------------------------------------------------------------- formulas


def cell_formulas(trace: Trace, step: Step, cell: Cell) -> tuple[str, str]:
    """LaTeX of both ends of q, what a step says in one cell, filled with its numbers. Its result is rounded
    to the safe side, the numbers that go into it to nearest."""
    names = [index_of(trace, *position).replace("−", "-") for position in cell.neighbours]
    received = index_of(trace, step.x, step.y).replace("−", "-")
    corner_of_cell = index_of(trace, cell.x[0], cell.y[0]).replace("−", "-")
    found = []
    for end, corner in enumerate((cell.lower, cell.upper)):
        bar, other_bar = (r"\underline", r"\overline")[:: 1 - 2 * end]
        own, *others = corner.weights
        symbols = " + ".join(rf"w_{{{name}}}\,{other_bar}{{p}}_{{{name}}}" for name in names)
        numbers = " + ".join(
            rf"{weight:.4f}\cdot {other[1 - end]:.4g}" for weight, other in zip(others, cell.others, strict=True)
        )
        result = (at_least, at_most)[end](corner.value).replace("−", "-")
        relation = (r"\ge", r"\le")[end]
        found.append(
            rf"\begin{{aligned}}{bar} q_{{{corner_of_cell}}} &= \frac{{{bar}{{p}}'_{{{received}}} - ({symbols})}}{{w}} \\[5pt] &= "
            rf"\frac{{{step.value[end]:.4g} - ({numbers})}}{{{own:.4f}}} \\[5pt] &{relation} {result}\end{{aligned}}"
        )
    return found[0], found[1]
