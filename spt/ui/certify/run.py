"""The run of the page "Certify": samples as they come in, drawn live; kept in the session under the key of its request.

While a run with one ball goes on only counts are shown: the bound is computed once, from all samples. That of cells is in
`spt.ui.certify.cells_run`.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from spt.certificates import CellsCertificate, DistCertificate
from spt.figures import certificates as figures
from spt.ui.certify import stored
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.requirements import needed
from spt.ui.shared import failures
from spt.ui.shared.session import CurrentRun, PageRun, SessionResults, Status

BATCH = 5  # samples between two updates of the screen: a fraction of a second
MOST_KEPT = 16  # certificates of this session, so that going back to a setting shows its result at once
Proof = DistCertificate | CellsCertificate
P = TypeVar("P", DistCertificate, CellsCertificate)


@dataclass
class CertifyRun(PageRun):
    """The certificate of a run so far.

    Attributes:
        stored: whether it was not run here, but computed beforehand.
    """

    certificate: Proof | None = None
    stored: bool = False

    @property
    def proof(self) -> Proof | None:
        """The certificate, if it holds: that of a run that is done; of cells, which may be stopped at any time, also the part
        that a stopped run has."""
        certificate = self.certificate
        holds = self.status == "done" or (self.status == "stopped" and isinstance(certificate, CellsCertificate))
        return certificate if holds else None


RUN = CurrentRun("certify_run", CertifyRun)
CERTIFICATES = SessionResults("certificates", MOST_KEPT)


@dataclass(frozen=True)
class CertifySlots:
    """Where the run is drawn; ``dial``: the certified range; ``border``: its ends, and the button that attacks it; ``ball``: one
    sample's, if it is opened."""

    chart: Any
    progress: Any
    button: Any
    pin: Any
    panel: Any
    dial: Any
    border: Any
    ball: Any
    answers: Any
    earlier: Any
    folded: Any
    check: Any


def current(request: CertifyRequest) -> CertifyRun:
    """The run of this request: one of this session, or the stored one. If there is neither, the first one of a visit starts by
    itself, later ones wait for the button."""
    run = RUN.of(request.key)
    if run is not None:
        return run
    if st.session_state.pop("certify_requested", False):
        return RUN.put(CertifyRun(request.key))
    kept = CERTIFICATES.get(request.key)
    if kept is None and (found := stored.find(request)) is not None:
        return RUN.put(CertifyRun(request.key, "done", certificate=found, stored=True))
    status: Status = "done" if kept else "running" if RUN.last() is None else "idle"
    return RUN.put(CertifyRun(request.key, status, certificate=kept))


def start() -> None:
    """What the button Run does."""
    st.session_state["certify_requested"] = True
    RUN.put(CertifyRun(()))


def count(request: CertifyRequest, run: CertifyRun, slots: CertifySlots) -> None:
    """Draw the samples as they come."""
    settings = request.settings
    slots.panel.markdown(":gray-badge[PROVISIONAL] the first samples are being drawn …")

    def bounding(items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterator[Any]:
        """Say that the errors of the next samples are being bounded; every step is a chance to stop."""
        for number, item in enumerate(items, 1):
            slots.panel.markdown(
                ":gray-badge[PROVISIONAL] the error radii of the next samples are being bounded "
                f"(step {number} of {total}) …"
            )
            yield item

    def draw(certificate: DistCertificate) -> None:
        draw_samples(request, slots, certificate, running=True)
        if not certificate.complete:
            slots.panel.markdown(_standing(request, certificate))

    stream = request.one_ball.stream(
        request.subject.image,
        settings.n0,
        n_gamma=settings.n_gamma,
        alpha=settings.alpha,
        seed=settings.seed,
        batch_size=BATCH,
        progress=bounding,
    )
    follow(request, run, stream, draw)


def follow(request: CertifyRequest, run: CertifyRun, stream: Iterator[P], draw: Callable[[P], None]) -> None:
    """Draw what a defence gives, and keep it. Drawing precedes keeping: a script that was replaced ends at its next drawing."""
    certificate = None
    with ending_in_words(run):
        for certificate in stream:
            draw(certificate)
            if not certificate.complete:
                run.certificate = certificate
    if run.status == "running":
        assert certificate is not None and certificate.complete
        run.certificate, run.status = certificate, "done"
        CERTIFICATES.keep(request.key, certificate)


@contextmanager
def ending_in_words(run: CertifyRun) -> Iterator[None]:
    """Whatever within is refused or fails ends the run, which then says why."""
    try:
        with failures.faults_refused():
            yield
    except ValueError as error:
        run.status, run.certificate, run.failure = "failed", None, failures.sentence(error)


def draw_samples(
    request: CertifyRequest, slots: CertifySlots, certificate: DistCertificate | None, running: bool = False
) -> None:
    """The samples so far, as a chart, and how many there are; as long as they come in, where their range will be drawn."""
    rows = figures.sample_rows(certificate) if certificate else []
    n, done, most = request.settings.n_gamma, len(rows), max((row["radius"] for row in rows), default=0.3)
    farthest = max((abs(value) for point in certificate.points for value in point), default=0.0) if certificate else 0.0
    columns = None if rows else ["sample", "x", "y", "radius", "radius_shown", "votes", "share", "outcome"]
    specification = figures.samples_specification(
        request.transform.dimensions, request.transform.unit, request.settings.parameter_sigma, most, farthest, 230
    )
    passes = certificate.passes if certificate else 0
    alt = f"{done} of {n} samples b′ with their error radii; {passes} passed their inner test."
    chart = slots.dial if running else slots.chart
    chart.vega_lite_chart(pd.DataFrame(rows, columns=columns), specification, alt=alt)
    text = f"{done:,} of {n:,} samples"
    if certificate:
        text += f" · {certificate.network_calls:,} network calls · {certificate.seconds:.1f} s"
        if done < n and running:
            text += f", about {max(1, math.ceil(certificate.seconds / done * (n - done))):,} s to go"
    slots.progress.progress(done / n, text=text)


def _standing(request: CertifyRequest, certificate: DistCertificate) -> str:
    """Counts while the run goes on, and what they must reach; no bound before the end."""
    chosen, done = certificate.selected, len(certificate.radii)
    return "\n\n".join(
        [
            ":gray-badge[PROVISIONAL] the samples are coming in",
            f"**{certificate.passes:,}** of {done:,} samples pass so far.",
            f"The {sum(certificate.selection_counts)} selection votes chose {request.name(chosen)}.",
            needed(request),
            "*The bound is computed once, from all samples: one that is watched while it grows does not hold.*",
        ]
    )
