"""Figures of a `DistCertificate`: its samples (Vega-Lite, live), its range (plotly), and the whole as an SVG picture.

Cells are drawn in `spt.figures.cells`.

Outcomes differ by colour and by shape (Okabe-Ito); what is certified is green and filled, what is not is grey and open.
"""

import math
from collections.abc import Sequence
from typing import Any, TypeGuard
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import plotly.graph_objects as go

from spt.certificates import CellsCertificate, DistCertificate, confidence, given, quantity, rounded_down, rounded_up
from spt.certificates.answer import Answer
from spt.certificates.ball_evidence import BallEvidence
from spt.figures.style import LIVE, plain, style
from spt.figures.votes import Rows
from spt.statistics import Decision
from spt.transforms import TRANSFORMS

PASSED, FUTILE, FAILED = "passed", "futile: stopped early", "failed"
OUTCOMES = {
    PASSED: ("#2E8FD0", "circle"),
    FUTILE: ("#D55E00", "cross"),
    FAILED: ("#E69F00", "triangle-up"),
}
GREEN, GREY = "#009E73", "#888888"
GAUGE = 75.0
"""A range of what is no angle is drawn so many degrees to either side."""
_WORDS = {Decision.ACCEPT: PASSED, Decision.FUTILE: FUTILE, Decision.CONTINUE: FAILED}


# --------------------------------------------------------------------------------------------------------------- samples


def outcomes(certificate: BallEvidence) -> tuple[str, ...]:
    """What became of each sample's inner test: PASSED, FUTILE or FAILED."""
    return tuple(_WORDS[outcome] for outcome in certificate.outcomes())


def sample_rows(certificate: BallEvidence) -> Rows:
    """One row for each sample so far: its place b', its error radius r (and that rounded up, to be read), its votes
    and its outcome."""
    rows: Rows = []
    parts = zip(certificate.points, certificate.radii, certificate.inner_votes, outcomes(certificate), strict=True)
    for number, (point, radius, (successes, trials), outcome) in enumerate(parts, 1):
        rows.append(
            {
                "sample": number,
                "x": point[0],
                "y": radius if len(point) == 1 else point[1],
                "radius": radius,
                "radius_shown": rounded_up(radius),
                "votes": trials,
                "share": f"{successes:,} of {trials:,}",
                "outcome": outcome,
            }
        )
    return rows


def samples_specification(
    dimensions: int,
    unit: str,
    sigma: float,
    most_radius: float,
    farthest: float = 0.0,
    height: int = 300,
    symbol: str = "b′",
) -> dict[str, Any]:
    """A Vega-Lite chart of `sample_rows`: r over b' for one parameter, the plane of b' for two (size: r); ``symbol`` is
    what a sample is called.

    The axes depend on ``sigma`` and rarely on ``most_radius``, the largest radius so far, and on ``farthest``, the largest
    coordinate of a sample so far, so that points seldom jump.
    """
    most = round(max(3.2 * sigma, 1.05 * farthest), 6)
    across = {"domain": [-most, most], "nice": False}
    if dimensions == 1:
        top = 0.2 * math.ceil(max(most_radius, 0.01) * 1.1 / 0.2)
        x_title, y_title = f"sample {symbol}, in {unit}", f"error radius r({symbol})"
        up: dict[str, Any] = {"domain": [0, round(top, 6)], "nice": False}
        size: dict[str, Any] = {
            "field": "votes",
            "type": "quantitative",
            "scale": {"type": "log", "domain": [32, 2048], "range": [28, 220]},
            "legend": None,
        }
    else:
        x_title, y_title = f"sample {symbol}: dx in {unit}", f"shifted down by dy, in {unit}"
        up = {**across, "reverse": True}
        size = {
            "field": "radius",
            "type": "quantitative",
            "scale": {"domain": [0, max(0.6, most_radius)], "range": [12, 320]},
            "legend": None,
        }
    encoding = {
        "x": {"field": "x", "type": "quantitative", "scale": across, "axis": {"title": x_title, "tickCount": 7}},
        "y": {"field": "y", "type": "quantitative", "scale": up, "axis": {"title": y_title, "tickCount": 5}},
        "size": size,
        "color": {
            "field": "outcome",
            "type": "nominal",
            "scale": {"domain": list(OUTCOMES), "range": [colour for colour, _ in OUTCOMES.values()]},
            "legend": {"title": None, "orient": "top", "columns": 3, "labelLimit": 170, "symbolOpacity": 1},
        },
        "shape": {
            "field": "outcome",
            "type": "nominal",
            "scale": {"domain": list(OUTCOMES), "range": [shape for _, shape in OUTCOMES.values()]},
        },
        "tooltip": [
            {"field": "sample", "title": "sample"},
            {"field": "x", "title": symbol if dimensions == 1 else "dx", "format": ".2f"},
            *([] if dimensions == 1 else [{"field": "y", "title": "dy", "format": ".2f"}]),
            {"field": "radius_shown", "title": "r (rounded up)"},
            {"field": "share", "title": "inner votes for the class"},
            {"field": "outcome", "title": "inner test"},
        ],
    }
    return {
        "mark": {"type": "point", "filled": True, "opacity": 0.85},
        "encoding": encoding,
        "height": height,
        **LIVE,
    }


# ----------------------------------------------------------------------------------------------------------------- range


def certified_range(certificate: DistCertificate, answers: Sequence[Answer] = ()) -> go.Figure:
    """The certified range within Gamma: an arc of a dial for one parameter, a disc in a box for two; with g's answers."""
    return _dial(certificate, answers) if len(certificate.points[0]) == 1 else _disc(certificate, answers)


def _dial(certificate: DistCertificate, answers: Sequence[Answer]) -> go.Figure:
    """0 at the top, positive angles counter-clockwise, as the image turns."""
    limit, certified = certificate.limit, certificate.reach
    figure = go.Figure()
    if certificate.label is not None:
        figure.add_barpolar(
            r=[0.25],
            base=[0.75],
            theta=[0],
            width=[2 * certified],
            name="certified",
            marker={"color": GREEN},
            hovertemplate=f"certified: less than {quantity(certified, '°')}<extra></extra>",
        )
    rest = [(sign * (limit + certified) / 2, limit - certified) for sign in (-1, 1)] if certified else [(0, 2 * limit)]
    rest = [(middle, width) for middle, width in rest if width > 0]
    if rest:
        figure.add_barpolar(
            r=[0.25] * len(rest),
            base=[0.75] * len(rest),
            theta=[a for a, _ in rest],
            width=[w for _, w in rest],
            name="attack range Γ, nothing certified",
            marker={
                "color": "rgba(136,136,136,0.12)",
                "line": {"color": GREY, "width": 1.5},
                "pattern": {"shape": "/", "fgcolor": GREY, "size": 7},
            },
            hovertemplate=f"in Γ = ±{limit:g}°, not certified<extra></extra>",
        )
    for name, group, marker in _groups(answers):
        figure.add_scatterpolar(
            r=[1.1] * len(group),
            theta=[answer.point[0] for answer in group],
            mode="markers",
            name=name,
            marker=marker,
            text=[_answer_in_words(answer) for answer in group],
            hovertemplate="γ = %{theta:.1f}°<br>%{text}<extra></extra>",
        )
    shown = max([limit, *(abs(answer.point[0]) for answer in answers)])
    half = 180.0 if shown > 100 else max(60.0, shown)
    style(figure, 300, top=30, sides=24, legend=-0.12)
    ticks = dial_ticks(limit, certified if certificate.label is not None else 0.0, half)
    figure.update_layout(
        showlegend=True,
        polar={
            "bgcolor": "rgba(0,0,0,0)",
            "sector": [90 - half, 90 + half] if half < 180 else [0, 360],
            "angularaxis": {
                "rotation": 90,
                "direction": "counterclockwise",
                "tickmode": "array",
                "tickvals": list(ticks),
                "ticktext": list(ticks.values()),
                "gridcolor": "rgba(136,136,136,0.25)",
                "linecolor": "rgba(136,136,136,0.35)",
            },
            "radialaxis": {"visible": False, "range": [0, 1.2]},
        },
    )
    return figure


def dial_ticks(limit: float, certified: float, half: float, unit: str = "°") -> dict[float, str]:
    """Labels of the dial by angle (or what is drawn as one), none touching another: the certified ends (rounded down) before Γ's
    and round angles."""
    apart = half / 8
    wanted = {0.0: given(0.0, unit)}
    if 0 < certified < apart:
        wanted = {0.0: f"±{quantity(certified, unit)}"}
    elif certified:
        wanted |= {certified: quantity(certified, unit), -certified: f"−{quantity(certified, unit)}"}
    ends = given(float(f"{limit:g}"), unit)
    wanted |= {limit: ends, -limit: f"−{ends}"} if limit != certified else {}
    if half == 180.0 and unit == "°":
        wanted |= {90.0: "90°", -90.0: "−90°", 180.0: "180°"}
    kept: dict[float, str] = {}
    for tick, text in wanted.items():
        round_about = 360.0 if unit == "°" else math.inf
        if all(min(abs(tick - other), round_about - abs(tick - other)) >= apart for other in kept):
            kept[tick] = text
    return kept


def _disc(certificate: DistCertificate, answers: Sequence[Answer]) -> go.Figure:
    limit, unit = certificate.limit, certificate.unit
    figure = go.Figure()
    figure.add_scatter(
        x=[-limit, limit, limit, -limit, -limit],
        y=[-limit, -limit, limit, limit, -limit],
        mode="lines",
        fill="toself",
        name="attack range Γ",
        line={"color": GREY, "dash": "dash"},
        fillcolor="rgba(136,136,136,0.10)",
        hoverinfo="skip",
    )
    if certificate.label is not None:
        x, y = _disc_outline(certificate)
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            fill="toself",
            name="certified",
            line={"color": GREEN, "width": 2},
            fillcolor="rgba(0,158,115,0.45)",
            hoverinfo="skip",
        )
    for name, group, marker in _groups(answers):
        figure.add_scatter(
            x=[answer.point[0] for answer in group],
            y=[answer.point[1] for answer in group],
            mode="markers",
            name=name,
            marker=marker,
            text=[_answer_in_words(answer) for answer in group],
            hovertemplate=f"dx %{{x:.2f}}, dy %{{y:.2f}} {unit}<br>%{{text}}<extra></extra>",
        )
    style(figure, 330, top=10, sides=24)
    shown = 1.1 * max([limit, *(abs(value) for answer in answers for value in answer.point)])
    axis = {"zeroline": False, "constrain": "domain", "gridcolor": "rgba(136,136,136,0.25)"}
    figure.update_xaxes(title=f"shifted right by dx, in {unit}", range=[-shown, shown], **axis)
    figure.update_yaxes(title=f"shifted down by dy, in {unit}", range=[shown, -shown], scaleanchor="x", **axis)
    figure.update_layout(showlegend=True)
    return figure


def _disc_outline(certificate: DistCertificate | CellsCertificate) -> tuple[np.ndarray, np.ndarray]:
    """The border of the disc within the box: clipping every coordinate of the circle gives exactly this."""
    angle = np.linspace(0, 2 * np.pi, 181)
    limit, radius = certificate.limit, certificate.radius
    return (radius * np.cos(angle)).clip(-limit, limit), (radius * np.sin(angle)).clip(-limit, limit)


def _groups(answers: Sequence[Answer]) -> list[tuple[str, list[Answer], dict[str, Any]]]:
    """Answers that look alike: name, answers, marker."""
    alarm = [answer for answer in answers if answer.alarm]
    kept = [answer for answer in answers if answer.holds]
    changed = [answer for answer in answers if answer.holds is False and not answer.inside]
    unsure = [answer for answer in answers if answer.holds is None]
    plain = {"size": 12, "line": {"width": 1.5, "color": "white"}}
    groups = [
        ("g keeps its class", kept, plain | {"symbol": "circle", "color": "#56B4E9"}),
        ("g answers another class, outside", changed, plain | {"symbol": "x", "color": "#E69F00"}),
        ("g abstains", unsure, plain | {"symbol": "circle-open", "color": GREY, "line": {"width": 2}}),
        ("ALARM: another class inside", alarm, plain | {"symbol": "star", "color": "#FF0000", "size": 20}),
    ]
    return [group for group in groups if group[1]]


def _answer_in_words(answer: Answer) -> str:
    base, smoothed = plain(answer.base), plain(answer.smoothed or "ABSTAIN")
    return f"f: {base}<br>g: {smoothed} ({answer.passes} of {answer.samples} samples pass)"


# --------------------------------------------------------------------------------------------------------------- picture


def certificate_svg(certificate: DistCertificate | CellsCertificate, image_url: str, caption: str) -> str:
    """A complete certificate (of cells: as far as it goes) as an SVG picture: image, outcome, range, and all that the statement
    depends on.

    Args:
        image_url: the image x as a data URL; caption: where it comes from.
    """
    if isinstance(certificate, DistCertificate) and not certificate.complete:
        raise ValueError("A provisional certificate proves nothing, so there is no picture of it.")
    colour, title = (
        (GREEN, f"CERTIFIED {certificate.class_name}") if certificate.label is not None else (GREY, "ABSTAIN")
    )
    width, height, said = 860, 440, certificate.statement()
    drawing = _svg_dial(certificate) if len(certificate.points[0]) == 1 else _svg_disc(certificate)
    lines = "".join(
        f'<text x="370" y="{118 + 25 * index}" font-size="14"><tspan fill="#666666">{escape(name)}</tspan>'
        f'<tspan x="475">{escape(text)}</tspan></text>'
        for index, (name, text) in enumerate(_facts(certificate, caption))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label={quoteattr(certificate.explain())} font-family="Helvetica, Arial, sans-serif" fill="#222222">'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
        f'<rect x="4" y="4" width="{width - 8}" height="{height - 8}" fill="none" stroke="{colour}" stroke-width="4"'
        f"{'' if certificate.label is not None else _DASHES} rx='10'/>"
        f'<image x="30" y="40" width="140" height="140" href={quoteattr(image_url)} style="image-rendering: pixelated"/>'
        f'<text x="200" y="62" font-size="26" font-weight="bold" fill="{colour}">{escape(_shortened(title, 40))}</text>'
        f'<text x="200" y="88" font-size="{15 if len(said) < 85 else 11}">{escape(said)}</text>'
        f'<g transform="translate(195, 326)">{drawing}</g>{lines}'
        f'<text x="370" y="{height - 20}" font-size="11" fill="#666666">SPT Explorer, {_defence(certificate)}. The JSON export '
        f"holds the whole evidence.</text></svg>"
    )


def range_svg(certificate: DistCertificate) -> str:
    """The certified range within the attack range as SVG text, in the colour of the words around it."""
    drawing = _svg_dial(certificate) if len(certificate.points[0]) == 1 else _svg_disc(certificate)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-150 -125 300 250" width="100%" role="img" '
        f'aria-label={quoteattr(certificate.statement())} font-family="Helvetica, Arial, sans-serif" fill="currentColor">'
        f"{drawing}</svg>"
    )


_DASHES = ' stroke-dasharray="10 6"'


def _defence(certificate: DistCertificate | CellsCertificate) -> str:
    return "spt.defences.DistSPT" + ("Cells" if isinstance(certificate, CellsCertificate) else "")


def _facts(certificate: DistCertificate | CellsCertificate, caption: str) -> list[tuple[str, str]]:
    unit, attacker = certificate.unit, "exact arithmetic" if certificate.attacker == "exact" else "images in 8 bits"
    space = "" if unit == "°" else " "
    if isinstance(certificate, CellsCertificate):
        proved, cells = sum(certificate.accepted), len(certificate.cells)
        more = "" if certificate.complete else ", stopped"
        tested = [
            ("cells", f"{proved:,} of {cells:,} proved, {len(certificate.points):,} samples{more}"),
            ("confidence", f"{confidence(certificate.alpha)}, inner level {certificate.inner_alpha:g}"),
        ]
    else:
        tested = [
            (
                "samples",
                f"{certificate.passes:,} of {certificate.n_gamma:,} pass, inner level {certificate.inner_alpha:g}",
            ),
            ("bound", f"p ≥ {rounded_down(certificate.p_lower, 4)} with confidence {confidence(certificate.alpha)}"),
        ]
    return [
        ("image", _shortened(caption)),
        ("", f"sha256 {certificate.image_sha256[:32]}…"),
        ("classifier", _shortened(certificate.classifier)),
        ("", f"sha256 {certificate.classifier_fingerprint[:32]}…"),
        ("attacker", f"{_range(certificate)}, {attacker}"),
        (
            "smoothing",
            (f"N(0, ({certificate.parameter_sigma:g}{space}{unit})²), " if certificate.parameter_sigma else "")
            + f"pixels N(0, {certificate.pixel_sigma:g}²)",
        ),
        *tested,
        ("radius", _radius(certificate) if certificate.label is not None else "none"),
        (
            "computed",
            f"{certificate.device}, {certificate.number_format}, input in steps of 2^{math.frexp(certificate.grid)[1] - 1}",
        ),
        ("error radii", f"at most {rounded_up(max(certificate.radii))}"),
        ("cost", f"{certificate.network_calls:,} network calls, seed {certificate.seed}"),
    ]


def _is_mixed(certificate: DistCertificate | CellsCertificate) -> TypeGuard[CellsCertificate]:
    """Whether the parameters have different units."""
    return isinstance(certificate, CellsCertificate) and bool(certificate.further_axes)


def _radius(certificate: DistCertificate | CellsCertificate) -> str:
    if _is_mixed(certificate):
        return certificate.reach_in_words
    return quantity(certificate.radius, certificate.unit)


def _range(certificate: DistCertificate | CellsCertificate) -> str:
    """The attacks in words."""
    if _is_mixed(certificate):
        return TRANSFORMS[certificate.transform].describe_range(certificate.rules.grid.limits)
    space = "" if certificate.unit == "°" else " "
    return f"{certificate.transform} within ±{certificate.limit:g}{space}{certificate.unit}"


def _shortened(text: str, most: int = 46) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _svg_box(certificate: CellsCertificate) -> str:
    """Where the parameters have different units: Gamma as a square, and what is certified, of the same shape."""
    half = 80 * min(1.0, certificate.radius / certificate.limit)
    parts = [
        f'<rect x="-80" y="-80" width="160" height="160" fill="{GREY}" fill-opacity="0.12" stroke="{GREY}" stroke-dasharray="6 4"/>'
    ]
    if certificate.label is not None:
        parts.append(
            f'<rect x="{-half:.2f}" y="{-half:.2f}" width="{2 * half:.2f}" height="{2 * half:.2f}" fill="{GREEN}" '
            f'fill-opacity="0.5" stroke="{GREEN}"/>'
        )
    parts.append('<path d="M -5 0 H 5 M 0 -5 V 5" stroke="#222222"/>')
    parts.append(f'<text y="100" font-size="12" text-anchor="middle">box {escape(_range(certificate))}</text>')
    return "".join(parts)


def _svg_dial(certificate: DistCertificate | CellsCertificate) -> str:
    unit = certificate.unit
    widest = 179.99 if unit == "°" else certificate.limit
    scale = 1.0 if unit == "°" else -GAUGE / certificate.limit  # what is no angle is positive to the right
    limit, certified = min(certificate.limit, widest), min(certificate.reach, widest)
    words = given(float(f"{certificate.limit:g}"), unit)
    parts = [_arc(-limit * abs(scale), limit * abs(scale), GREY, "0.25", f"attack range ±{words}")]
    if certificate.label is not None:
        green = certified * abs(scale)
        parts.append(_arc(-green, green, GREEN, "1", f"certified: less than {quantity(certified, unit)}"))
    marks = {-certificate.limit, certificate.limit} if certificate.label is None else {-certified, certified}
    for value in sorted(marks):
        x, y = _on_dial(value * scale, 106)
        left = value * scale > 0
        x += -4 if left else 4
        anchor = "end" if left else "start"
        sign = "−" if value < 0 else ""
        label = f"{sign}{quantity(abs(value), unit)}"
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="13" text-anchor="{anchor}">{label}</text>')
    parts.append(f'<line y2="-60" stroke="{GREY}" stroke-width="2"/><circle r="4" fill="{GREY}"/>')
    return "".join(parts)


def _on_dial(angle: float, radius: float) -> tuple[float, float]:
    radians = math.radians(angle)
    return -radius * math.sin(radians), -radius * math.cos(radians)


def _arc(start: float, stop: float, colour: str, opacity: str, title: str) -> str:
    (x0, y0), (x1, y1) = _on_dial(start, 85), _on_dial(stop, 85)
    large = int(stop - start > 180)
    return (
        f'<path d="M {x0:.2f} {y0:.2f} A 85 85 0 {large} 0 {x1:.2f} {y1:.2f}" fill="none" stroke="{colour}" stroke-width="26" '
        f'stroke-opacity="{opacity}"><title>{escape(title)}</title></path>'
    )


def _svg_disc(certificate: DistCertificate | CellsCertificate) -> str:
    if _is_mixed(certificate):
        return _svg_box(certificate)
    scale = 80 / certificate.limit
    parts = [
        f'<rect x="-80" y="-80" width="160" height="160" fill="{GREY}" fill-opacity="0.12" stroke="{GREY}" stroke-dasharray="6 4"/>'
    ]
    if certificate.label is not None:
        x, y = _disc_outline(certificate)
        points = " ".join(f"{a * scale:.2f},{b * scale:.2f}" for a, b in zip(x, y, strict=True))
        parts.append(f'<polygon points="{points}" fill="{GREEN}" fill-opacity="0.5" stroke="{GREEN}"/>')
    parts.append('<path d="M -5 0 H 5 M 0 -5 V 5" stroke="#222222"/>')
    label = f"box ±{certificate.limit:g} {escape(certificate.unit)}"
    if certificate.label is not None:
        label += f", disc {quantity(certificate.radius, certificate.unit)}"
    parts.append(f'<text y="100" font-size="13" text-anchor="middle">{label}</text>')
    return "".join(parts)
