"""The page "Certify": DistSPT^x on one image, sample by sample, what it proves, and an attack on that.

A run belongs to one `CertifyRequest`: its key holds everything that decides the certificate, so a result whose key is not that of
the controls is never drawn. While a run with one ball goes on only counts are shown: the bound is computed once, from all samples.
With cells each has a test of its own, and what is proved holds whenever one stops.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from spt.certificates import CellsCertificate, DistCertificate
from spt.ui.certify import (
    attack,
    ball,
    cell,
    cells_conclusion,
    cells_formulas,
    cells_run,
    conclusion,
    earlier,
    export,
    finding,
    formulas,
)
from spt.ui.certify import run as certify_run
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.run import CertifyRun, CertifySlots, Proof
from spt.ui.shared import checking, comparing, failures, folded, pixel_grid, share
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.pixel_grid import Picture


@dataclass(frozen=True)
class Room:
    """The top row of the page: the control of the attack range, below it the image, the dial, and what is said about a run."""

    limit: Any
    image: Any
    dial: Any
    words: Any


def make_room() -> Room:
    """Make it, before the controls are drawn."""
    left, middle, right = st.columns([0.9, 1.6, 1.4], gap="medium")
    first = left.container(key="certify_first")
    return Room(first.container(), first.container(), middle.container(key="certify_dial"), right.container())


def show(request: CertifyRequest, room: Room) -> None:
    """The whole page below the title. What depends on the run is emptied first, then the samples come in."""
    with failures.in_one_sentence():
        _ = request.defence
    run = certify_run.current(request)
    slots, comparison = _make_slots(request, room)
    comparison.begin()
    running = run.status == "running"
    earlier.show(request, slots)
    if running:
        _draw_beginning(request, slots)
        slots.check.caption("There is something to check when the run has ended.")
        slots.button.button(
            "Stop",
            key="certify_stop",
            icon=":material/stop_circle:",
            on_click=certify_run.RUN.stop,
            shortcut="s",
            help="End the run now; "
            + ("what it has is provisional." if request.settings.cells is None else "what is proved so far holds."),
        )
        with (
            failures.in_one_sentence(slots.panel, slots.button),
            heavy_work(
                "long",
                "certificate",
                place=slots.panel,
                classifier=request.classifier.name,
                transform=request.transform.name,
                limit=request.settings.limit,
                form=request.settings.form,
                n_gamma=request.settings.n_gamma,
            ),
        ):
            count = certify_run.count if request.settings.cells is None else cells_run.count
            count(request, run, slots)
    _show_run(request, run, slots)
    comparison.end(finding.finder(request, run), finding.why_not(run), finding.compare, certify_run.RUN.forget)


def _draw_beginning(request: CertifyRequest, slots: CertifySlots) -> None:
    """What there is before the first sample."""
    if request.settings.cells is None:
        certify_run.draw_samples(request, slots, None, running=True)
        return
    cells_run.draw_progress(slots, None)
    slots.dial.caption("The dial fills cell by cell, from 0 outwards, as cells are proved.")
    slots.chart.caption("A cell is chosen here, or by a click on the dial, when the run has ended or was stopped.")


def _draw_samples(request: CertifyRequest, run: CertifyRun, slots: CertifySlots) -> ball.ChosenBall | None:
    """The samples of a run that is not going on: all, or those of the cell that is chosen, and the one whose ball is opened."""
    certificate = run.certificate
    if request.settings.cells is None:
        assert not isinstance(certificate, CellsCertificate)
        certify_run.draw_samples(request, slots, certificate)
        return None
    assert not isinstance(certificate, DistCertificate)
    cells_run.draw_progress(slots, certificate)
    if certificate is None:
        cell.keep_choice()
        slots.chart.caption("A cell is chosen here, or by a click on the dial, when there is one.")
        return None
    return cell.area(request, certificate, slots)


def _show_run(request: CertifyRequest, run: CertifyRun, slots: CertifySlots) -> None:
    """What a run that is not going on says, and all that rests on it."""
    in_cells = request.settings.cells is not None
    if in_cells and run.status == "stopped" and run.certificate is not None:
        cells_run.confirm_stopped(request, run)
    opened = _draw_samples(request, run, slots)
    again = (run.certificate is not None and not run.stored) or run.status == "stopped"
    slots.button.button(
        "Run again" if again else "Run",
        key="certify_start",
        type="secondary" if again else "primary",
        icon=":material/replay:" if again else ":material/play_arrow:",
        on_click=certify_run.start,
        shortcut="g",
        help="Draw all samples and conclude (the same seed gives the same result).",
    )
    with slots.panel.container():
        (cells_conclusion if in_cells else conclusion).show(request, run)
    certificate = run.proof
    with slots.folded.container():
        how = partial(cells_formulas.show if in_cells else formulas.show, request, certificate)  # type: ignore[arg-type]
        folded.area("How it works, with this image's numbers", folded.HOW, how)
    share.offer(partial(export.shared, request, certificate))
    if certificate is None:
        earlier.show_dial(request, slots)
    else:
        _show_proof(request, certificate, slots)
    if opened is not None:
        ball.area(request, opened, slots)
    with slots.check.container():  # last, because a check may run here
        checking.area("certify", certificate, request.classifier, request.subject.image)


def _show_proof(request: CertifyRequest, certificate: Proof, slots: CertifySlots) -> None:
    attack.area(request, certificate, slots)
    earlier.keep(request, certificate)
    slots.earlier.empty()


def _make_slots(request: CertifyRequest, room: Room) -> tuple[CertifySlots, comparing.ComparisonRoom]:
    with room.image:
        caption = f"image x: {request.subject.caption}"
        pixel_grid.show("certify_image", [Picture(request.subject.image, caption, "The image that is certified.")])
    dial = room.dial.empty()
    with room.words:
        buttons = st.container(horizontal=True)
        button, pin, panel, before = buttons.empty(), buttons.empty(), st.empty(), st.empty()
    left, right = st.columns([1.5, 1.4], gap="medium")
    with left:
        in_cells = request.settings.cells is not None
        title = "One cell: its samples b′, and why it is proved or not"
        st.subheader(title if in_cells else "The samples b′, and how far each may differ", anchor=False)
        progress, chart = st.empty(), st.empty()
    with right:
        st.subheader("The smoothed classifier g under attack", anchor=False)
        border = st.empty()
    opened, answers = st.empty(), st.empty()
    comparison = comparing.make_room("Certify", request.key, pin)
    explained = st.empty()
    with st.expander("Check: is this certificate true? Or one from a file?"):
        check = st.empty()
    slots = CertifySlots(chart, progress, button, pin, panel, dial, border, opened, answers, before, explained, check)
    return slots, comparison
