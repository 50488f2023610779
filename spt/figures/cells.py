"""Figures of a `CellsCertificate`: its cells on a dial (one parameter) or in the plane (two), as SVG, and the samples of one cell.

What became of a cell differs by colour and by pattern: proved is green and filled, what holds pointwise light green and hatched,
what failed orange and crossed, what was bisected an outline.
"""

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from spt.certificates import CellsCertificate, given, quantity
from spt.certificates.answer import Answer
from spt.certificates.cell_walk import CellWalk
from spt.certificates.ranges import Bounds
from spt.figures.certificates import GREEN, GREY, dial_ticks, sample_rows
from spt.figures.votes import Rows
from spt.transforms import TRANSFORMS

PROVED, POINTWISE, FAILED, CUT = "proved", "holds pointwise", "failed", "bisected"
TESTED_NOW, OPEN = "tested now", "not tested"
ORANGE, BLUE, RED = "#E69F00", "#56B4E9", "#FF0000"
OUTER, INNER, STRIP = 100.0, 52.0, 7.0
"""Of the ring, in units of the drawing: its border outside, inside, and what a bisected cell takes of it for each level."""
MOST_DRAWN, HALF = 75.0, 100.0
"""A dial whose range is narrower is drawn so many degrees to either side; half the width of the plane."""
_STYLES = {
    PROVED: f'fill="{GREEN}" stroke="#ffffff" stroke-width="0.8"',
    POINTWISE: f'fill="url(#cells-pointwise)" stroke="{GREEN}" stroke-width="0.8"',
    FAILED: f'fill="url(#cells-failed)" stroke="{ORANGE}" stroke-width="1.2"',
    CUT: f'fill="{GREY}" fill-opacity="0.12" stroke="{GREY}" stroke-width="1" stroke-dasharray="3 2"',
    TESTED_NOW: 'fill="#0072B2" fill-opacity="0.35" stroke="currentColor" stroke-width="1.5"',
    OPEN: f'fill="{GREY}" fill-opacity="0.12" stroke="{GREY}" stroke-width="1"',
}
_PATTERNS = (
    f'<defs><pattern id="cells-pointwise" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5" '
    f'fill="#B5E3D4"/><path d="M0 5L5 0" stroke="{GREEN}" stroke-width="1"/></pattern><pattern id="cells-failed" width="5" '
    f'height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5" fill="{ORANGE}"/><path d="M0 5L5 0M0 0L5 5" '
    'stroke="#7A4B00" stroke-width="0.8"/></pattern></defs>'
)


def kinds(certificate: CellsCertificate) -> list[str]:
    """What became of each cell, in the order of testing: PROVED as part of the radius, POINTWISE, FAILED at the floor, or CUT."""
    return [
        (PROVED if cell.certified else POINTWISE)
        if cell.accepted
        else (FAILED if cell.level == certificate.bisections else CUT)
        for cell in certificate.tested()
    ]


def tested_next(certificate: CellsCertificate) -> tuple[Bounds, int] | None:
    """Bounds and level of the cell that is tested next; None if the walk is done."""
    walk = CellWalk(certificate.rules)
    for accepted, size in zip(certificate.accepted, certificate.sizes, strict=True):
        walk.settle(accepted, size)
    if walk.done:
        return None
    [cell] = walk.upcoming(1)
    return walk.rules.grid.bounds(cell), cell.level


def place_in_words(certificate: CellsCertificate, bounds: Bounds) -> str:
    """`bounds_in_words` in the units of this certificate: angle 0° to 0.5°, brightness −2 to 0 % where they differ."""
    if not certificate.further_axes:
        return bounds_in_words(bounds, certificate.unit)
    parameters = TRANSFORMS[certificate.transform].parameters
    pairs = zip(bounds, parameters, strict=True)
    return ", ".join(f"{known.name} {bounds_in_words((axis,), known.unit)}" for axis, known in pairs)


def bounds_in_words(bounds: Bounds, unit: str) -> str:
    """A cell for people: −7.5° to 0°, or dx 0 to 0.125 px, dy −0.25 to 0 px."""
    names = [""] if len(bounds) == 1 else ["dx ", "dy "]
    sign = "°" if unit == "°" else ""
    space = "" if sign else f" {unit}"
    parts = [f"{name}{low:.6g}{sign} to {high:.6g}{sign}" for name, (low, high) in zip(names, bounds, strict=True)]
    return f"{', '.join(parts)}{space}".replace("-", "−")


def cell_rows(certificate: CellsCertificate, number: int) -> Rows:
    """`sample_rows` of the samples of one cell, numbered from 1."""
    samples = certificate.tested()[number].samples
    rows = sample_rows(certificate)[samples.start : samples.stop]
    return [row | {"sample": place} for place, row in enumerate(rows, 1)]


# ------------------------------------------------------------------------------------------------------------------- drawing


def cells_svg(
    certificate: CellsCertificate,
    chosen: int | None = None,
    answers: Sequence[Answer] = (),
    live: bool = False,
    ink: str = "currentColor",
) -> str:
    """All cells so far as SVG text; every tested one is an element with its number as ``data-cell``.

    Args:
        chosen: number of the cell that is framed. answers: g's answers, as marks. live: mark the cell that is tested next.
        ink: colour of words and lines, which a picture that is no part of a page has to name.
    """
    plane = len(certificate.rules.grid.first()[0].index) == 2
    coming = tested_next(certificate) if live else None
    near = [certificate.limit if live else _drawn_limit(certificate)]
    shown = max(near + [abs(value) for answer in answers for value in answer.point])
    drawn = _Plane(certificate, answers, shown) if plane else _Dial(certificate, answers, shown)
    found = kinds(certificate)
    parts = [drawn.whole()]
    order = sorted(range(len(found)), key=lambda number: (found[number] != CUT, certificate.levels[number]))
    for number in order:
        bounds, kind = certificate.cells[number], found[number]
        title = f"cell {number + 1}: {place_in_words(certificate, bounds)}, {kind}"
        shape = drawn.shape(bounds, certificate.levels[number], kind == CUT)
        parts.append(
            f'<path d="{shape}" {_STYLES[kind]} data-cell="{number + 1}"><title>{escape(title)}</title></path>'
        )
    if coming is not None:
        parts.append(f'<path d="{drawn.shape(*coming, False)}" {_STYLES[TESTED_NOW]}/>')
    if chosen is not None:
        shape = drawn.shape(certificate.cells[chosen], certificate.levels[chosen], found[chosen] == CUT)
        parts.append(
            f'<path d="{shape}" fill="none" stroke="currentColor" stroke-width="2.5" pointer-events="none" data-chosen="1"/>'
        )
    parts += drawn.marks()
    names = [kind for kind in (PROVED, POINTWISE, FAILED, CUT) if kind in found]
    names += [TESTED_NOW] if coming is not None else []
    settled = math.fsum(
        _share(certificate, bounds) for bounds, kind in zip(certificate.cells, found, strict=True) if kind != CUT
    )
    names += [OPEN] if settled < 1 - 1e-9 else []
    legend, height = _legend(names, drawn.bottom)
    title = certificate.statement() if certificate.cells else "no cell is settled yet"
    drawing = f"{''.join(parts)}{legend}".replace("currentColor", ink)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-150 {drawn.top:g} 300 {height - drawn.top:g}" width="100%" role="img" '
        f"aria-label={quoteattr(f'{len(found)} cells: {title}')} "
        f'font-family="Helvetica, Arial, sans-serif" font-size="10">{_PATTERNS}{drawing}</svg>'
    )


def _drawn_limit(certificate: CellsCertificate) -> float:
    """How much of the attack range is drawn: all of it, unless all cells that were tested lie near its middle."""
    ends = (abs(end) for bounds in certificate.cells for axis in bounds for end in axis)
    farthest = 1.5 * max(ends, default=certificate.limit)
    if certificate.further_axes:
        return certificate.limit
    return float(f"{farthest:.3g}") if farthest < certificate.limit / 2 else certificate.limit


def _share(certificate: CellsCertificate, bounds: Bounds) -> float:
    """Which part of the attack range a cell is."""
    limits = certificate.rules.grid.limits
    return math.prod((high - low) / (2 * limit) for limit, (low, high) in zip(limits, bounds, strict=True))


def _legend(names: Sequence[str], bottom: float) -> tuple[str, float]:
    """Swatches with their words, two in a row, and where they end."""
    parts = []
    for place, name in enumerate(names):
        x, y = -135 + 145 * (place % 2), bottom + 8 + 15 * (place // 2)
        parts.append(f'<rect x="{x}" y="{y:g}" width="12" height="9" {_STYLES[name]}/>')
        words = {PROVED: "proved: within the radius", CUT: "undecided: bisected", OPEN: "Γ, not tested"}.get(name, name)
        parts.append(f'<text x="{x + 17}" y="{y + 8:g}" fill="currentColor">{words}</text>')
    return "".join(parts), bottom + 10 + 15 * math.ceil(len(names) / 2)


class _Dial:
    """0 at the top, positive angles counter-clockwise, as the image turns; a narrow range is drawn wider than it is. What is no
    angle is drawn as on a gauge, positive to the right."""

    top = -128.0

    def __init__(self, certificate: CellsCertificate, answers: Sequence[Answer], shown: float) -> None:
        self.certificate, self.answers, self.shown = certificate, answers, shown
        self.limit = min(certificate.limit, shown)
        unit = certificate.unit
        angles = unit == "°"
        self.scale, self.sign = (
            max(1.0, MOST_DRAWN / self.shown) if angles else MOST_DRAWN / self.shown,
            1 if angles else -1,
        )
        widest = min(self.shown * self.scale, 180.0)
        words = [f"angles are drawn {self.scale:.3g} × as wide"] if angles and self.scale > 1.005 else []
        words += [] if angles else [f"γ in {unit}"]
        words += (
            [f"Γ = ±{given(float(f'{certificate.limit:g}'), unit)} goes on"] if self.limit < certificate.limit else []
        )
        self.note = ", ".join(words)
        bottom = max(4.0, -(INNER if widest <= 90 else OUTER + 14) * math.cos(math.radians(widest)) + 8)
        self.bottom = bottom + (14 if self.note else 0)

    def place(self, value: float, radius: float) -> tuple[float, float]:
        """Where an angle, or what is shown as one, is drawn."""
        radians = math.radians(self.sign * value * self.scale)
        return -radius * math.sin(radians), -radius * math.cos(radians)

    def whole(self) -> str:
        """The attack range, of which nothing is known yet."""
        return f'<path d="{self._ring(-self.limit, self.limit, INNER, OUTER)}" {_STYLES[OPEN]}/>'

    def shape(self, bounds: Bounds, level: int, cut: bool) -> str:
        """A sector of the ring; what was bisected keeps a strip outside, its pieces have what is left."""
        [(low, high)] = bounds
        outer = OUTER - STRIP * min(level, 5)
        return self._ring(low, high, outer - STRIP + 1.5 if cut else INNER, outer)

    def _ring(self, low: float, high: float, inner: float, outer: float) -> str:
        if (high - low) * self.scale >= 359.9:
            low, high = low * 0.9999, high * 0.9999
        large = int((high - low) * self.scale > 180)
        low, high = (low, high) if self.sign > 0 else (high, low)
        (x0, y0), (x1, y1) = self.place(low, outer), self.place(high, outer)
        (x2, y2), (x3, y3) = self.place(high, inner), self.place(low, inner)
        return (
            f"M{x0:.2f} {y0:.2f}A{outer:g} {outer:g} 0 {large} 0 {x1:.2f} {y1:.2f}L{x2:.2f} {y2:.2f}"
            f"A{inner:g} {inner:g} 0 {large} 1 {x3:.2f} {y3:.2f}Z"
        )

    def marks(self) -> Iterator[str]:
        """Angles, and g's answers."""
        certificate = self.certificate
        certified = certificate.reach if certificate.label is not None else 0.0
        half = 180.0 if self.shown * self.scale > 100 else 1.6 * self.shown
        unit = certificate.unit
        for value, text in dial_ticks(self.limit, certified, half, unit).items():
            (x0, y0), (x1, y1) = self.place(value, OUTER), self.place(value, OUTER + 5)
            x, y = self.place(value, OUTER + 12)
            anchor = "middle" if abs(x) < 40 else "end" if x < 0 else "start"
            yield f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="currentColor"/>'
            number = text.removesuffix(f" {unit}")  # what is no angle has its unit below
            yield f'<text x="{x:.1f}" y="{y + 2:.1f}" text-anchor="{anchor}" fill="currentColor">{number}</text>'
        if self.note:
            yield f'<text y="{self.bottom - 2:g}" text-anchor="middle" fill="currentColor">{self.note}</text>'
        for answer in self.answers:
            words = f"γ = {answer.point[0]:.1f}{'' if unit == '°' else ' '}{unit}".replace("-", "−")
            yield _mark(answer, *self.place(answer.point[0], INNER - 9), words)


class _Plane:
    """The box of all shifts: right is right, and down is down. Where the axes have different units it is drawn as a square."""

    top = -HALF - 14

    def __init__(self, certificate: CellsCertificate, answers: Sequence[Answer], shown: float) -> None:
        self.certificate, self.answers = certificate, answers
        self.limit, self.scale = min(certificate.limit, shown), HALF / shown
        self.scales = (self.scale, self.scale)
        if certificate.further_axes:
            across, down = certificate.rules.grid.limits
            self.scales = (self.scale, self.scale * across / down)
        self.bottom = HALF + 18

    def whole(self) -> str:
        """The attack range, of which nothing is known yet."""
        box = tuple((-self.limit * self.scale / scale, self.limit * self.scale / scale) for scale in self.scales)
        return f'<path d="{self.shape(box, 0, False)}" {_STYLES[OPEN]}/>'

    def shape(self, bounds: Bounds, level: int, cut: bool) -> str:
        """A box."""
        (left, right), (up, down) = [
            (low * scale, high * scale) for scale, (low, high) in zip(self.scales, bounds, strict=True)
        ]
        return f"M{left:.2f} {up:.2f}H{right:.2f}V{down:.2f}H{left:.2f}Z"

    def marks(self) -> Iterator[str]:
        """Axes, the certified disc, and g's answers."""
        certificate = self.certificate
        if certificate.further_axes:
            yield from self._marks_of_a_box()
            return
        limit, unit = self.limit, certificate.unit
        of = "" if limit == certificate.limit else f" of ±{certificate.limit:g} {unit}"
        if certificate.label is not None and certificate.radius < math.sqrt(2) * limit:
            yield (
                f'<circle r="{certificate.radius * self.scale:.2f}" fill="none" stroke="currentColor" stroke-width="1.5" '
                f'pointer-events="none"><title>certified: less than {quantity(certificate.radius, unit)}</title></circle>'
            )
        yield '<path d="M-4 0H4M0 -4V4" stroke="currentColor" pointer-events="none"/>'
        yield (
            f'<text y="{HALF + 13:g}" text-anchor="middle" fill="currentColor">right by dx, ±{limit:g} {unit}{of}</text>'
            f'<text transform="translate({-HALF - 6:g} 0) rotate(-90)" text-anchor="middle" fill="currentColor">'
            f"down by dy, ±{limit:g} {unit}{of}</text>"
        )
        for answer in self.answers:
            dx, dy = answer.point
            words = f"dx = {dx:.3g}, dy = {dy:.3g} {unit}".replace("-", "−")
            yield _mark(answer, dx * self.scale, dy * self.scale, words)

    def _marks_of_a_box(self) -> Iterator[str]:
        """The same where the axes have different units: what is certified is a smaller box."""
        certificate, known = self.certificate, TRANSFORMS[self.certificate.transform].parameters
        limits = certificate.rules.grid.limits
        if certificate.label is not None and certificate.radius < certificate.rules.grid.beyond:
            wide, high = (half * scale for half, scale in zip(certificate.half_widths, self.scales, strict=True))
            yield (
                f'<rect x="{-wide:.2f}" y="{-high:.2f}" width="{2 * wide:.2f}" height="{2 * high:.2f}" fill="none" '
                f'stroke="currentColor" stroke-width="1.5" pointer-events="none"><title>certified</title></rect>'
            )
        yield '<path d="M-4 0H4M0 -4V4" stroke="currentColor" pointer-events="none"/>'
        across, down = (
            escape(f"{each.name} ±{given(limit, each.unit)}") for each, limit in zip(known, limits, strict=True)
        )
        yield (
            f'<text y="{HALF + 13:g}" text-anchor="middle" fill="currentColor">{across}</text>'
            f'<text transform="translate({-HALF - 6:g} 0) rotate(-90)" text-anchor="middle" fill="currentColor">{down}, '
            "positive below</text>"
        )
        for answer in self.answers:
            x, y = (value * scale for value, scale in zip(answer.point, self.scales, strict=True))
            yield _mark(answer, x, y, TRANSFORMS[certificate.transform].describe(answer.point))


def _mark(answer: Answer, x: float, y: float, where: str) -> str:
    """What g answers at a point: its class (blue disc), another outside (orange cross), nothing (ring), or an alarm."""
    if answer.alarm:
        words, shape = (
            "ALARM: another class",
            f'<path d="M-8 0H8M0 -8V8M-6 -6L6 6M-6 6L6 -6" stroke="{RED}" stroke-width="3"/>',
        )
    elif answer.holds is None:
        words, shape = "g abstains", '<circle r="4.5" fill="none" stroke="currentColor" stroke-width="2"/>'
    elif answer.holds:
        words, shape = "g keeps its class", f'<circle r="5" fill="{BLUE}" stroke="#ffffff" stroke-width="1"/>'
    else:
        words, shape = (
            "g answers another class, outside",
            f'<path d="M-4 -4L4 4M-4 4L4 -4" stroke="{ORANGE}" stroke-width="3"/>',
        )
    return f'<g transform="translate({x:.1f} {y:.1f})" pointer-events="none"><title>{where}: {words}</title>{shape}</g>'
