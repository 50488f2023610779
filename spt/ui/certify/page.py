"""The page "Certify": DistSPT^x on one image, sample by sample, what it proves, and an attack on that.

A run belongs to one `CertifyRequest`: its key holds everything that decides the certificate, so a result whose key is not that of
the controls is never drawn. While a run goes on only counts are shown: the bound is computed once, from all samples.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from spt.certificates import DistCertificate
from spt.ui.certify import attack, conclusion, earlier, export, formulas
from spt.ui.certify import run as certify_run
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.run import CertifyRun, CertifySlots
from spt.ui.shared import checking, failures, folded, pixel_grid
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
    slots = _make_slots(request, room)
    running = run.status == "running"
    earlier.show(request, slots)
    if running:
        certify_run.draw_samples(request, slots, None, running=True)
    if running:
        slots.check.caption("There is something to check when the run has ended.")
        slots.button.button(
            "Stop",
            key="certify_stop",
            icon=":material/stop_circle:",
            on_click=certify_run.RUN.stop,
            shortcut="s",
            help="End the run now; what it has is provisional.",
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
                n_gamma=request.settings.n_gamma,
            ),
        ):
            certify_run.count(request, run, slots)
    _show_run(request, run, slots)


def _show_run(request: CertifyRequest, run: CertifyRun, slots: CertifySlots) -> None:
    """What a run that is not going on says, and all that rests on it."""
    certify_run.draw_samples(request, slots, run.certificate)
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
        conclusion.show(request, run)
    certificate = run.certificate if run.status == "done" else None
    with slots.folded.container():
        folded.area("How it works, with this image's numbers", folded.HOW, partial(formulas.show, request, certificate))
        folded.area(
            "Export: certificate, picture, command, Python", folded.EXPORT, partial(export.show, request, certificate)
        )
    if certificate is None:
        earlier.show_dial(request, slots)
    else:
        _show_proof(request, certificate, slots)
    with slots.check.container():  # last, because a check may run here
        checking.area("certify", certificate, request.classifier, request.subject.image)


def _show_proof(request: CertifyRequest, certificate: DistCertificate, slots: CertifySlots) -> None:
    attack.area(request, certificate, slots)
    earlier.keep(request, certificate)
    slots.earlier.empty()


def _make_slots(request: CertifyRequest, room: Room) -> CertifySlots:
    with room.image:
        caption = f"image x: {request.subject.caption}"
        pixel_grid.show("certify_image", [Picture(request.subject.image, caption, "The image that is certified.")])
    dial = room.dial.empty()
    with room.words:
        button, panel, before = st.empty(), st.empty(), st.empty()
    left, right = st.columns([1.5, 1.4], gap="medium")
    with left:
        st.subheader("The samples b′, and how far each may differ", anchor=False)
        progress, chart = st.empty(), st.empty()
    with right:
        st.subheader("The smoothed classifier g under attack", anchor=False)
        border = st.empty()
    answers = st.empty()
    explained = st.empty()
    with st.expander("Check: is this certificate true? Or one from a file?"):
        check = st.empty()
    return CertifySlots(chart, progress, button, panel, dial, border, answers, before, explained, check)
