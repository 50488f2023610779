"""Two runs in one figure, as SVG text: the one that was pinned (orange, hollow or dashed) and the one that is there now (blue,
filled or solid), in panels that a page shows one by one, and that are exported together with both settings and what differs.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from xml.sax.saxutils import escape, quoteattr

PINNED, NOW, GREY = "#E69F00", "#2E8FD0", "#888888"
SIDES = ("pinned", "now")
WIDTH, HEIGHT = 440.0, 250.0
"""Of a panel, in units of the drawing."""
LEFT, RIGHT, TOP, BELOW = 54.0, 12.0, 42.0, 44.0
"""Around the axes of a panel."""
MOST_BARS = 10
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class ComparedNumber:
    """One number of both runs in words, and how they differ ("" where that says nothing)."""

    name: str
    pinned: str
    now: str
    difference: str = ""


@dataclass(frozen=True)
class Panel:
    """A part of the figure, `WIDTH` wide: its title, its drawing, and what it shows in words."""

    title: str
    body: str
    words: str
    height: float = HEIGHT


@dataclass(frozen=True)
class Curve:
    """A line of one of the runs: its name, whether it is of the run that was pinned, and its points.

    Attributes:
        steps: whether each value holds until the next point. dotted: how it is drawn.
    """

    name: str
    pinned: bool
    points: Points
    steps: bool = False
    dotted: bool = False


@dataclass(frozen=True)
class Span:
    """A value for parameters from ``low`` to ``high`` (which may be one): a line or a point where it ``holds``, else a cross."""

    low: float
    high: float
    value: float
    holds: bool


def signed(value: float, unit: str = "") -> str:
    """A difference with its sign, to three significant digits."""
    if value == 0:
        return "0"
    return f"{value:+.3g}{'' if unit in ('', '°') else ' '}{unit}".replace("-", "−")


# ---------------------------------------------------------------------------------------------------------------- the whole


def panel_svg(panel: Panel, ink: str) -> str:
    """One panel as a picture; ``ink``: colour of its words and axes."""
    return _svg(WIDTH, panel.height, _drawn(panel), panel.words, ink)


def comparison_svg(
    title: str,
    differs: Sequence[str],
    settings: tuple[str, str],
    numbers: Sequence[ComparedNumber],
    panels: Sequence[Panel],
    note: str,
) -> str:
    """Both runs as one picture on white.

    Args:
        differs: what differs between the settings, one by one. settings: all those of the pinned run, and of the one now.
        note: what the numbers do not say.
    """
    parts = [f'<text x="20" y="34" font-size="20" font-weight="bold">{escape(title)}</text>']
    y = 58.0
    for line in wrap(f"What differs: {'; '.join(differs)}", 125):
        parts.append(f'<text x="20" y="{y:g}" font-size="14">{escape(line)}</text>')
        y += 19
    y += 6
    for x, heading in zip((300, 520, 740), (*SIDES, "now − pinned"), strict=True):
        parts.append(f'<text x="{x}" y="{y:g}" font-size="12" font-weight="bold">{heading}</text>')
    parts += [_swatch(x, y - 9, pinned) for x, pinned in ((278, True), (498, False))]
    for number in numbers:
        y += 19
        for x, text in zip(
            (20, 300, 520, 740), (number.name, number.pinned, number.now, number.difference), strict=True
        ):
            parts.append(f'<text x="{x}" y="{y:g}" font-size="13">{escape(text)}</text>')
    y += 22
    for first in range(0, len(panels), 2):
        row = panels[first : first + 2]
        for place, panel in enumerate(row):
            parts.append(f'<g transform="translate({15 + place * (WIDTH + 30):g} {y:g})">{_drawn(panel)}</g>')
        y += max(panel.height for panel in row) + 12
    for text in (*(f"{side}: {words}" for side, words in zip(SIDES, settings, strict=True)), note):
        for line in wrap(text, 195):
            y += 14
            parts.append(f'<text x="20" y="{y:g}" font-size="10.5" fill="#555555">{escape(line)}</text>')
    width, height = 2 * WIDTH + 60, y + 18
    paper = f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
    return _svg(width, height, paper + "".join(parts), f"{title}: {'; '.join(differs)}", "#222222", fixed=True)


def _svg(width: float, height: float, body: str, words: str, ink: str, fixed: bool = False) -> str:
    size = f'width="{width:g}" height="{height:g}"' if fixed else 'width="100%"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" {size} role="img" fill="{ink}" '
        f'aria-label={quoteattr(words)} font-family="Helvetica, Arial, sans-serif">{body.replace("currentColor", ink)}</svg>'
    )


def _drawn(panel: Panel) -> str:
    return f'<text x="{LEFT:g}" y="15" font-size="13" font-weight="bold">{escape(panel.title)}</text>{panel.body}'


def _swatch(x: float, y: float, pinned: bool) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="13" height="9" {_filled(pinned)}/>'


def _filled(pinned: bool) -> str:
    return f'fill="{PINNED}" fill-opacity="0.2" stroke="{PINNED}" stroke-width="1.8"' if pinned else f'fill="{NOW}"'


def _legend(x: float, y: float) -> str:
    words = "".join(
        f'{_swatch(x + 78 * place, y - 8, place == 0)}<text x="{x + 78 * place + 18:g}" y="{y:g}" font-size="11">{side}</text>'
        for place, side in enumerate(SIDES)
    )
    return f"<g>{words}</g>"


# -------------------------------------------------------------------------------------------------------------------- axes


class _Axes:
    """A box of a panel with its scales: what is drawn in it gives its numbers."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], height: float = HEIGHT) -> None:
        self.x, self.y, self.bottom = x, y, height - BELOW

    def across(self, value: float) -> float:
        """Where a value of the horizontal axis is."""
        low, high = self.x
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(self, value: float) -> float:
        """Where a value of the vertical axis is."""
        low, high = self.y
        return self.bottom - (value - low) / (high - low) * (self.bottom - TOP)

    def drawn(self, x_title: str, y_title: str, below: bool = True) -> str:
        """Ticks with their numbers, and titles."""
        parts = []
        for tick in _ticks(*self.y):
            y = self.up(tick)
            line = 'stroke="currentColor"' if tick == 0 else f'stroke="{GREY}" stroke-opacity="0.35"'
            parts.append(f'<path d="M{LEFT:g} {y:.1f}H{WIDTH - RIGHT:g}" {line}/>')
            parts.append(
                f'<text x="{LEFT - 5:g}" y="{y + 4:.1f}" font-size="11" text-anchor="end">{_plain(tick)}</text>'
            )
        for tick in _ticks(*self.x) if below else ():
            x = self.across(tick)
            parts.append(f'<path d="M{x:.1f} {self.bottom:g}v4" stroke="currentColor"/>')
            parts.append(
                f'<text x="{x:.1f}" y="{self.bottom + 16:g}" font-size="11" text-anchor="middle">{_plain(tick)}</text>'
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            f'<text x="{middle:g}" y="{self.bottom + 33:g}" font-size="11" text-anchor="middle">{escape(x_title)}</text>'
        )
        parts.append(
            f'<text transform="translate(12 {(TOP + self.bottom) / 2:g}) rotate(-90)" font-size="11" text-anchor="middle">'
            f"{escape(y_title)}</text>"
        )
        return "".join(parts)


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers within the ends."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough * 0.999)
    return [
        round(number * step, 12) for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Ends of a horizontal axis: the least and the largest value."""
    low, high = min(values), max(values)
    return (low, high) if high - low > 1e-12 else (low - 0.5, low + 0.5)


def _room(values: Sequence[float]) -> tuple[float, float]:
    """Ends of a vertical axis that holds 0 and all values."""
    low, high = min([0.0, *values]), max([0.0, *values])
    if high - low < 1e-12:
        return low, low + 1
    spare = 0.08 * (high - low)
    return (low if low == 0 else low - spare), (high if high == 0 else high + spare)


# ------------------------------------------------------------------------------------------------------------------ panels


def bars_panel(title: str, names: Sequence[str], counts: tuple[Sequence[int], Sequence[int]], y_title: str) -> Panel:
    """The shares of each name in both runs as pairs of bars, with the counts; of many names those with the largest shares."""
    shares = [[count / max(1, sum(side)) for count in side] for side in counts]
    largest = sorted(range(len(names)), key=lambda place: (-max(shares[0][place], shares[1][place]), place))
    kept = sorted(largest[:MOST_BARS])
    axes = _Axes((0, len(kept)), (0, 1.08))
    parts = [axes.drawn("", y_title, below=False), _legend(WIDTH - RIGHT - 150, 30)]
    slot = axes.across(1) - axes.across(0)
    long = sum(len(names[place]) + 1 for place in kept) > 36
    for number, place in enumerate(kept):
        middle = axes.across(number + 0.5)
        for side, pinned in enumerate((True, False)):
            share, left = shares[side][place], middle + (side - 1) * 0.38 * slot
            top = axes.up(share)
            parts.append(
                f'<rect x="{left + 0.7:.1f}" y="{top:.1f}" width="{0.38 * slot - 1.4:.1f}" height="{axes.bottom - top:.1f}" '
                f'{_filled(pinned)} data-count="{counts[side][place]}"/>'
            )
            if counts[side][place]:
                x = left + 0.19 * slot
                parts.append(
                    f'<text x="{x:.1f}" y="{top - 4:.1f}" font-size="{10 if slot > 60 else 8}" text-anchor="middle">'
                    f"{counts[side][place]:,}</text>"
                )
        name = names[place] if len(names[place]) < 13 else f"{names[place][:12]}…"
        turned = (
            f' transform="rotate(-24 {middle:.1f} {axes.bottom + 12:g})" text-anchor="end"'
            if long
            else ' text-anchor="middle"'
        )
        parts.append(f'<text x="{middle:.1f}" y="{axes.bottom + 15:g}" font-size="11"{turned}>{escape(name)}</text>')
    said = (f"{name}: {a:,} and {b:,}" for name, a, b in zip(names, *counts, strict=True) if a or b)
    return Panel(title, "".join(parts), f"{title}. {'; '.join(said)}.")


def amounts_panel(title: str, amounts: Sequence[tuple[str, tuple[float, float], tuple[str, str]]]) -> Panel:
    """Amounts of both runs as pairs of bars side by side: name, values (each pair has a scale of its own), and these in words."""
    parts, y = [_legend(WIDTH - RIGHT - 150, 30)], 52.0
    for name, values, words in amounts:
        parts.append(f'<text x="20" y="{y:g}" font-size="12">{escape(name)}</text>')
        most = max(*values, 1e-12)
        for side, pinned in enumerate((True, False)):
            top, width = y + 8 + 22 * side, 250 * max(0.0, values[side]) / most
            parts.append(f'<rect x="20" y="{top:g}" width="{width:.1f}" height="16" {_filled(pinned)}/>')
            parts.append(f'<text x="{width + 27:.1f}" y="{top + 13:g}" font-size="12">{escape(words[side])}</text>')
        y += 74
    said = "; ".join(f"{name}: {words[0]} and {words[1]}" for name, _, words in amounts)
    return Panel(title, "".join(parts), f"{title}. {said}.", max(HEIGHT, y - 10))


def curves_panel(
    title: str,
    curves: Sequence[Curve],
    x_title: str,
    y_title: str,
    dotted: str = "dotted: sampled",
    difference: bool = False,
) -> Panel:
    """Curves of both runs over one axis; ``dotted``: what the dotted ones are; ``difference``: one curve, of what is now minus what
    was pinned."""
    points = [point for curve in curves for point in curve.points]
    axes = _Axes(_ends([x for x, _ in points]), _room([y for _, y in points]))
    parts = [axes.drawn(x_title, y_title)]
    if not difference:
        parts.append(_legend(WIDTH - RIGHT - 150, 30))
    for curve in curves:
        colour = "currentColor" if difference else PINNED if curve.pinned else NOW
        dashes = "2 3" if curve.dotted else "7 4" if curve.pinned else "none"
        width = 1.5 if curve.dotted else 2.2
        parts.append(
            f'<path d="{_path(axes, curve)}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dashes}">'
            f"<title>{escape(curve.name)}</title></path>"
        )
    if any(curve.dotted for curve in curves):
        parts.append(f'<text x="54" y="30" font-size="11">{escape(dotted)}</text>')
    return Panel(title, "".join(parts), f"{title}. {'; '.join(curve.name for curve in curves)}.")


def _path(axes: _Axes, curve: Curve) -> str:
    drawn, before = [], 0.0
    for number, (x, y) in enumerate(curve.points):
        at = f"{axes.across(x):.2f} {axes.up(y):.2f}"
        if number and curve.steps:
            at = f"{axes.across(x):.2f} {axes.up(before):.2f}L{at}"
        drawn.append(at)
        before = y
    return "M" + "L".join(drawn)


def spans_panel(title: str, pinned: Sequence[Span], now: Sequence[Span], x_title: str, y_title: str) -> Panel:
    """Values of both runs, each for a range of parameters."""
    both = [*pinned, *now]
    axes = _Axes(_ends([end for span in both for end in (span.low, span.high)]), _room([span.value for span in both]))
    parts = [axes.drawn(x_title, y_title), _legend(WIDTH - RIGHT - 150, 30)]
    for spans, colour, wide in ((pinned, PINNED, 5.0), (now, NOW, 2.2)):
        for span in spans:
            left, right, y = axes.across(span.low), axes.across(span.high), axes.up(span.value)
            said = f"<title>{_plain(span.low)} to {_plain(span.high)}: {span.value:.3g}</title>"
            if span.holds and right - left > 1:
                parts.append(
                    f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="{colour}" stroke-width="{wide}">{said}</path>'
                )
            elif span.holds:
                hollow = f'fill="none" stroke="{colour}" stroke-width="1.5"' if wide > 3 else f'fill="{colour}"'
                parts.append(f'<circle cx="{left:.1f}" cy="{y:.1f}" r="3.2" {hollow}>{said}</circle>')
            else:
                x = (left + right) / 2
                cross = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
                parts.append(f'<path d="{cross}" stroke="{colour}" stroke-width="1.8" fill="none">{said}</path>')
    if not all(span.holds for span in both):
        parts.append('<text x="54" y="30" font-size="11">×: not proved</text>')
    return Panel(title, "".join(parts), f"{title}. {len(pinned)} and {len(now)} values.")


def drawing_panel(title: str, svg: str, words: str) -> Panel:
    """A picture that is SVG text itself, such as a dial: of any size, which its ``viewBox`` says, with ``width="100%"``."""
    found = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', svg)
    assert found is not None
    width = WIDTH - 80
    height = width * float(found[2]) / float(found[1])
    inner = svg.replace('width="100%"', f'width="{width:g}" height="{height:g}"', 1)
    return Panel(title, f'<svg x="40" y="24" width="{width:g}" height="{height:g}">{inner}</svg>', words, height + 34)


def pictures_panel(title: str, pictures: Sequence[tuple[str, str]], words: str) -> Panel:
    """Pictures side by side: caption and data URL of each ("": there is none)."""
    side = (WIDTH - 20) / 3 - 8
    parts = []
    for place, (caption, url) in enumerate(pictures):
        x = 10 + place * (side + 10)
        if url:
            parts.append(
                f'<image x="{x:.1f}" y="26" width="{side:.1f}" height="{side:.1f}" href={quoteattr(url)} '
                'style="image-rendering: pixelated"/>'
            )
        lines = wrap(caption, 26)
        parts += [
            f'<text x="{x:.1f}" y="{40 + side + 13 * number:.1f}" font-size="10.5">{escape(line)}</text>'
            for number, line in enumerate(lines)
        ]
    return Panel(title, "".join(parts), words, side + 78)
