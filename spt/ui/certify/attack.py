"""The certified range on the page "Certify", and an attack on it: what f answers there, and what the certified g answers.

g is asked by its own PREDICT (`spt.defences.proving_defence.ProvingDefence.predict`): the nested g of the certificate, not the vote
of the page "Votes"; where nothing is smoothed over parameters, the majority over pixel noise alone.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import streamlit as st
import torch

from spt.attacks import WorstOfK
from spt.certificates import CellsCertificate, quantity, rounded_down
from spt.certificates.answer import Answer
from spt.images import to_8_bit
from spt.ui.certify import cells_dial
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.run import CertifySlots, Proof
from spt.ui.shared import failures, folded, own_names, own_onnx, pixel_grid, state
from spt.ui.shared.controls import image_key
from spt.ui.shared.exported_code import classifier_name, in_python
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.markdown import escape
from spt.ui.shared.pixel_grid import Picture, Warp
from spt.ui.shared.session import CurrentRun, Key, PageRun, SessionResults

TRIES, WORST, SAMPLES = 100, 3, 200
Point = tuple[float, ...]
ANSWERS = SessionResults("certify_answers", 8)
ATTACK = CurrentRun("certify_attack_run", PageRun)


def area(request: CertifyRequest, certificate: Proof, slots: CertifySlots) -> None:
    """Draw the range, the images at its border, the button that attacks it, and what the last attack found."""
    key = _key(request, certificate)
    answers: list[Answer] | str | None = ANSWERS.get(key) if certificate.label is not None else None
    points = answers if isinstance(answers, list) else []
    alt = f"Certified range: {certificate.statement()}"
    if isinstance(certificate, CellsCertificate):
        cells_dial.show(slots.dial, certificate, points)
    else:
        cells_dial.draw_range(slots.dial, certificate, alt, points)
    with slots.border.container():
        if certificate.label is None:
            st.markdown("Nothing is certified, so there is nothing to attack: f and g may answer anything within Γ.")
            return
        _show_ends(request, certificate, points)
        st.button(
            f"Attack the certificate: worst of {TRIES}",
            key="certify_attack",
            icon=":material/swords:",
            on_click=_start,
            args=(key,),
            shortcut="a",
            help=f"Tries {TRIES} random parameters inside the certified range and {TRIES} outside it, takes those with the "
            "largest loss of f, and asks the certified g there and at the border.",
        )
        if answers is None and ATTACK.of(key):
            found: list[Answer] | str
            try:
                with failures.faults_refused():
                    found = _attack(request, certificate)
            except ValueError as error:
                found = failures.sentence(error)
            ANSWERS.keep(key, found)
            ATTACK.forget()
            st.rerun()
        if answers is None:
            st.caption("No attack on this certificate yet.")
        elif isinstance(answers, str):
            st.error(answers)
    if isinstance(answers, list):
        with slots.answers.container():
            _show_answers(request, certificate, answers)


def _key(request: CertifyRequest, certificate: Proof) -> Key:
    """All that decides what an attack tries: a walk through cells that was stopped certifies less."""
    stopped = isinstance(certificate, CellsCertificate) and not certificate.complete
    return (*request.key, len(certificate.radii)) if stopped else request.key


def _start(key: Key) -> None:
    ATTACK.put(PageRun(key))
    ANSWERS.forget(key)


def _border(request: CertifyRequest, certificate: Proof) -> list[Point]:
    """Two points at the border of the certified range, inside it."""
    far = float(rounded_down(certificate.reach))
    if isinstance(certificate, CellsCertificate) and certificate.further_axes:
        first, second = (float(rounded_down(half)) for half in certificate.half_widths)
        return [(first, 0.0), (0.0, second)]
    return [(far,), (-far,)] if request.transform.dimensions == 1 else [(far, 0.0), (0.0, far)]


def received(request: CertifyRequest, point: Point) -> torch.Tensor:
    """The image as this attacker leaves it; without rounding in [0, 1] but for what floating point adds."""
    image = request.transform(request.subject.image, [point])[0]
    return to_8_bit(image) if request.settings.attacker == "8-bit" else image.clamp(0, 1)


def _show_ends(request: CertifyRequest, certificate: Proof, answers: list[Answer]) -> None:
    """The images at the ends of the certified range: what is proved, to look at; with g's answers, once it was asked."""
    found = {answer.point: answer for answer in answers}
    border, shown = _border(request, certificate), []
    for point in border:
        index = 0 if point[0] else -1
        sign, parameter = "−" if point[index] < 0 else "", request.transform.parameters[index]
        where = f"{parameter.name} {sign}{quantity(abs(point[index]), parameter.unit)}"
        title, warp = f"border of the certified range: {where}", Warp(request.transform.name, point)
        shown.append(Picture(received(request, point), title, f"The image at {where}.", warps=(warp,)))
    pixel_grid.show("certify_border", shown)
    for column, point in zip(st.columns(2), border, strict=True):
        if point in found:
            column.markdown(_answer_in_words(found[point]))


# ---------------------------------------------------------------------------------------------------------------- attack


@dataclass(frozen=True)
class _Places:
    """Where it is said how far an attack has come."""

    bar: Any
    count: int

    def asking(self, number: int, where: str) -> Any:
        """A progress function for g's answer number ``number``: every step is a chance to stop."""

        def progress(items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterator[Any]:
            for done, item in enumerate(items):
                share = (number + done / (total or 1)) / self.count
                self.bar.progress(min(1.0, share), text=f"The certified g is asked at {where} …")
                yield item

        return progress


def _attack(request: CertifyRequest, certificate: Proof) -> list[Answer]:
    """f's and g's answers at the border, and at the worst parameters inside and outside the certified range."""
    bar = st.progress(0.0, text="Searching for the worst parameters …")
    inner, beyond = _boxes(request, certificate)
    with heavy_work("long", "attack on a certificate"):
        found = [
            *_border(request, certificate),
            *_worst(request, certificate, inner, True),
            *_worst(request, certificate, beyond, False),
        ]
        places = _Places(bar, len(found))
        answers = [_ask(request, certificate, point, number, places) for number, point in enumerate(found)]
    bar.empty()
    return answers


def _boxes(request: CertifyRequest, certificate: Proof) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """In which boxes attacks are sought inside and outside the certified range: half widths along each parameter."""
    parameters = request.transform.parameters
    inner, limits = (certificate.reach,) * len(parameters), (certificate.limit,) * len(parameters)
    if isinstance(certificate, CellsCertificate) and certificate.further_axes:
        inner, limits = certificate.half_widths, certificate.rules.grid.limits
    if certificate.reach < 0.9 * certificate.limit:
        return inner, limits
    return inner, tuple(min(3 * limit, each.limit) for limit, each in zip(limits, parameters, strict=True))


def _ask(request: CertifyRequest, certificate: Proof, point: Point, number: int, places: _Places) -> Answer:
    """What f and the certified g answer at a point."""
    image, settings, names = received(request, point), request.settings, request.classifier.class_names
    base = int(request.classifier.logits(image[None].to(request.classifier.device)).argmax())
    found = request.defence.predict(
        image,
        settings.n0,
        n=SAMPLES,
        alpha=settings.alpha,
        inner_alpha=request.defence.inner_alpha,
        seed=settings.seed,
        progress=places.asking(number, request.transform.describe(point)),
    )
    return Answer.compared(certificate, point, base=names[base], found=found)


def _worst(request: CertifyRequest, certificate: Proof, limits: tuple[float, ...], inside: bool) -> list[Point]:
    """Up to WORST points of the wanted kind, no neighbours and not the ends of the range, which are asked anyway, with the largest
    loss of f."""
    assert certificate.label is not None
    ends = _border(request, certificate)
    step = request.transform.parameters[0].step
    attack = WorstOfK(
        request.transform,
        limits,
        keep=TRIES,
        eight_bit=request.settings.attacker == "8-bit",
        k=TRIES,
        resolution=step if min(limits) >= 20 * step else 0.0,
    )
    result = attack(request.classifier, request.subject.image, certificate.label, request.settings.seed)
    found: list[Point] = []
    for point in result.points.tolist():
        where = tuple(round(value, 6) + 0.0 for value in point)  # + 0: no −0
        apart = all(_distance(where, other, limits) >= 0.1 for other in found)
        if certificate.covers_attack(where) == inside and apart and where not in ends and len(found) < WORST:
            found.append(where)
    return found


def _distance(point: Point, other: Point, limits: tuple[float, ...]) -> float:
    """How far apart two points are, each parameter in shares of its half width."""
    return math.hypot(*((a - b) / limit for a, b, limit in zip(point, other, limits, strict=True)))


# --------------------------------------------------------------------------------------------------------------- answers


def _show_answers(request: CertifyRequest, certificate: Proof, answers: list[Answer]) -> None:
    inside = sum(answer.inside for answer in answers)
    level, total = certificate.alpha, certificate.alpha + inside * request.settings.alpha
    chance = (
        f"at most {min(1.0, total):.12g} = {level:g} (the certificate) + {inside} × {request.settings.alpha:g} "
        "(g’s answers inside)"
    )
    if any(answer.alarm for answer in answers):
        st.error(
            "ALARM: inside the certified range g answers another class than the certified one. Chance alone does that with "
            f"probability {chance}; otherwise there is a mistake in this program: the Python below reproduces it.",
            icon=":material/emergency_home:",
        )
    how = (
        "the certified, nested one: its PREDICT selects a class and draws samples β until they show a majority"
        if certificate.parameter_sigma > 0
        else "the certified one, the majority over pixel noise alone: its PREDICT selects a class and repeats a test of it, with "
        "new noise each time, until that is decided"
    )
    st.caption(
        f"The smoothed classifier g here is {how}, wrong with probability at most {request.settings.alpha:g} each; ABSTAIN says "
        "nothing. f itself may well be fooled inside the range. Another answer than the certified one inside would be an alarm; by "
        f"chance there is one with probability {chance}."
    )
    ends = _border(request, certificate)
    for kind in (True, False):
        group = [answer for answer in answers if answer.inside == kind and answer.point not in ends]
        if not group:
            continue
        st.markdown("**Inside the certified range**" if kind else "**Outside it**")
        for column, answer in zip(st.columns(WORST), group, strict=False):
            with column:
                _show_answer(request, answer)
    folded.area("The same answers in Python", folded.CODE, lambda: show_code(request, answers))


def _answer_in_words(answer: Answer) -> str:
    name = "" if answer.smoothed is None else f"g answers **{escape(answer.smoothed)}**"
    if answer.smoothed is None:
        badge = ":orange-badge[ABSTAIN] no majority is shown"
    elif answer.alarm:
        badge = f":red-badge[ALARM] {name}"
    elif answer.holds:
        badge = f":blue-badge[survived] {name}"
    else:
        badge = f":gray-badge[changed] {name}"
    return f"{badge} ({answer.passes:,} of {answer.samples:,} samples pass)"


def _show_answer(request: CertifyRequest, answer: Answer) -> None:
    where = request.transform.describe(answer.point)
    with st.container(border=True):
        st.markdown(f"{where}: f answers **{escape(answer.base)}**\n\n{_answer_in_words(answer)}")
        if request.subject.reference is not None and request.settings.parameter_sigma > 0:  # Votes has no other g
            rounded = " (in 8 bits)" if request.settings.attacker == "exact" else ""
            st.page_link(
                "explore/votes.py",
                label=f"This image on the page Votes{rounded}",
                icon=":material/link:",
                query_params=_votes_page(request, answer.point),
                help="There f is asked, and BaseSPT’s g: a vote of one level, which is another g than the certified one.",
            )


def _votes_page(request: CertifyRequest, point: Point) -> dict[str, str]:
    """The query parameters with which the page "Votes" shows this attacked image, with the same noise."""
    settings, transform = request.settings, request.transform
    source = str(state.value("source"))
    image = image_key(source)
    parameters = {
        "classifier": own_names.label(str(state.value("classifier"))),
        **own_onnx.in_address(),
        "source": own_names.label(source),
        image: str(state.value(image)),
        "transform": transform.name,
        f"{transform.name}_sigma": f"{settings.parameter_sigma:g}",
        "pixel_sigma": f"{settings.pixel_sigma:g}",
        "n": "500",
        "n0": str(settings.n0),
        "alpha": f"{settings.alpha:g}",
        "seed": str(settings.seed),
    }
    return parameters | {p.name: f"{value:.10g}" for p, value in zip(transform.parameters, point, strict=True)}


def show_code(request: CertifyRequest, answers: list[Answer]) -> None:
    """Draw what `code` gives."""
    st.code(code(request, answers), language="python", wrap_lines=True)


def code(request: CertifyRequest, answers: list[Answer]) -> str:
    """Python that asks g again at the same points."""
    settings, loaded = request.settings, classifier_name()
    load = in_python(request.subject.reference, "classifier.input_shape")
    shown = "transform(image, [point])[0]"
    shown = f"to_8_bit({shown})" if settings.attacker == "8-bit" else f"{shown}.clamp(0, 1)"
    lines = [
        *load.before,
        f"from spt import get_transform, load_classifier, {load.imports}, to_8_bit",
        f"from spt.defences import {type(request.defence).__name__}",
        "",
        f"classifier = load_classifier({loaded!r})",
        f"image = {load.expression}",
        f"transform = get_transform({request.transform.name!r})",
        *defence_in_python(request),
        f"for point in {[answer.point for answer in answers]}:",
        f"    answer = defence.predict({shown}, n0={settings.n0}, n={SAMPLES}, alpha={settings.alpha:g}, seed={settings.seed})",
        "    print(point, answer.explain())",
    ]
    return "\n".join(lines)


def defence_in_python(request: CertifyRequest) -> list[str]:
    """Python that makes the defence."""
    settings, cells, own = request.settings, request.settings.cells, ""
    if cells is not None:
        own += "" if cells.cell_width is None else f", cell_width={cells.cell_width:g}"
        own += ", every_cell=True" if cells.every_cell else ""
        own += f", further_limits={settings.further_limits}" if settings.further_limits else ""
    return [
        f"defence = {type(request.defence).__name__}(classifier, transform, parameter_sigma={settings.parameter_sigma:g}, "
        f"pixel_sigma={settings.pixel_sigma:g}, limit={settings.limit:g}, attacker={settings.attacker!r}{own})"
    ]
