"""The run of the page "Certify" with cells: cell by cell from 0 outwards, drawn live.

Every cell has an anytime-valid test of its own, so what is proved while the run goes on holds, whenever one stops.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from spt.certificates import CellsCertificate
from spt.figures import cells as figures
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.run import CertifyRun, CertifySlots, ending_in_words, follow
from spt.ui.shared import cells_picture

CELLS_AT_ONCE, SLICES_AT_ONCE = 2, 8  # tried together: the dial moves on every second or so


def count(request: CertifyRequest, run: CertifyRun, slots: CertifySlots) -> None:
    """Draw the cells as they are settled."""
    settings, cells = request.settings, request.settings.cells
    assert cells is not None
    slots.panel.markdown(":gray-badge[PROVISIONAL] the first cells are being cut, as narrow as this image needs them …")
    so_far: CellsCertificate | None = None

    def bounding(items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterator[Any]:
        """Say what is being done between two cells; every step is a chance to stop."""
        for item in items:
            slots.panel.markdown(standing(request, so_far))
            yield item

    def draw(certificate: CellsCertificate) -> None:
        nonlocal so_far
        so_far = certificate
        cells_picture.draw(slots.dial, certificate, f"Cells so far: {certificate.explain()}", live=True)
        draw_progress(slots, certificate)
        if not certificate.complete:
            slots.panel.markdown(standing(request, certificate))

    stream = request.in_cells.stream(
        request.subject.image,
        settings.n0,
        n_cell=cells.n_cell,
        n_total=cells.n_total,
        alpha=settings.alpha,
        seed=settings.seed,
        cells_at_once=CELLS_AT_ONCE if settings.parameter_sigma > 0 else SLICES_AT_ONCE,
        progress=bounding,
    )
    follow(request, run, stream, draw)


def confirm_stopped(request: CertifyRequest, run: CertifyRun) -> None:
    """What a complete run does at its end, for one that was stopped: the network must still answer as it did."""
    with ending_in_words(run):
        request.classifier.confirm()


def draw_progress(slots: CertifySlots, certificate: CellsCertificate | None) -> None:
    """How far the walk has come, and what it took."""
    if certificate is None:
        slots.progress.progress(0.0, text="no cell is settled yet")
        return
    words = (
        f"{len(certificate.cells):,} cells settled · {len(certificate.points):,} samples · "
        f"{certificate.network_calls:,} network calls · {certificate.seconds:.1f} s"
    )
    share = certificate.reach / certificate.limit
    slots.progress.progress(1.0 if certificate.complete else min(1.0, share), text=words)


def standing(request: CertifyRequest, certificate: CellsCertificate | None) -> str:
    """Words while a run goes on."""
    if certificate is None:
        return ":gray-badge[PROVISIONAL] the balls of the first samples are being bounded, and votes counted …"
    coming = figures.tested_next(certificate)
    words = [":gray-badge[PROVISIONAL] cells are being tested, from 0 outwards"]
    if coming is not None:
        words.append(f"Tested now: {figures.place_in_words(certificate, coming[0])}{_bisected(coming[1])}.")
    words.append(f"The selection votes chose {request.name(certificate.selected)}.")
    proved = f"{sum(certificate.accepted)} of {len(certificate.cells)} cells are proved"
    if certificate.label is None:
        words.append(f"{proved}, not yet on every side of 0.")
    else:
        words.append(f"{proved}, all within **{certificate.reach_in_words}**: this holds whenever you stop.")
    return "\n\n".join(words)


def _bisected(level: int) -> str:
    return "" if level == 0 else ", bisected once" if level == 1 else f", bisected {level} times"
