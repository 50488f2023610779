"""Runs of IndivSPT's certificate: what comes in is drawn at once, and only what is complete concludes."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from spt.certificates import IndividualCellsCertificate, OneErrorCertificate
from spt.certificates.error_level import ReceivedErrorLevel
from spt.certificates.per_sample import IndividualCertificate
from spt.defences import IndivSPT, IndivSPTCells, shared_budget
from spt.figures import certificates as certificate_figures
from spt.figures import errors as error_figures
from spt.progress import Progress, silent
from spt.ui.inverse.certificate_request import Plan, Result
from spt.ui.inverse.request import InverseRequest
from spt.ui.shared import background

# Without a batch size of our own: IndivSPT's radii depend a little on how many samples are bounded together (up to 3e-4 of them
# on MNIST), and the certificate is to be the one that `certify` finds, and a check finds again.

Sampled = TypeVar("Sampled", IndividualCertificate, IndividualCellsCertificate)


@dataclass(frozen=True, eq=False)
class Places:
    """Where a run is shown: placeholders for the chart, the bar below it and the words beside it."""

    chart: Any
    bar: Any
    panel: Any

    def working(self, compute: Callable[[Progress], background.Result], label: str) -> background.Result:
        """What ``compute`` returns, computed in the background: Stop or a changed control takes over at once."""
        with self.panel.container():
            st.markdown(":gray-badge[PROVISIONAL] the run goes on; it proves something when it has ended.")
            return background.in_background(compute, label)


def carry_out(request: InverseRequest, defence: IndivSPT | IndivSPTCells, plan: Plan, places: Places) -> Result:
    """The result of a plan; drawn as it comes."""
    if isinstance(defence, IndivSPTCells):
        return _in_cells(request, defence, plan, places)
    run = _with_one_error if plan.one_error else _per_sample
    return run(request, defence, plan, places)


def draw(request: InverseRequest, result: Result, places: Places) -> None:
    """What a result rests on."""
    if isinstance(result, IndividualCertificate | IndividualCellsCertificate):
        _draw_samples(request, result, places)
    else:
        _draw_level(result.level if isinstance(result, OneErrorCertificate) else result, places)


# ------------------------------------------------------------------------------------------ per-sample errors, and cells


def _per_sample(request: InverseRequest, defence: IndivSPT, plan: Plan, places: Places) -> Result:
    how = plan.procedure

    def begin(progress: Progress) -> Iterator[IndividualCertificate]:
        return defence.stream(
            request.received, how.n0, n_gamma=how.n_gamma, alpha=how.alpha, seed=how.seed, progress=progress
        )

    return _streamed(request, begin, places)


def _in_cells(request: InverseRequest, defence: IndivSPTCells, plan: Plan, places: Places) -> Result:
    how = plan.procedure

    def begin(progress: Progress) -> Iterator[IndividualCellsCertificate]:
        return defence.stream(request.received, how.n0, alpha=how.alpha, seed=how.seed, progress=progress)

    return _streamed(request, begin, places)


def _streamed(request: InverseRequest, begin: Callable[[Progress], Iterator[Sampled]], places: Places) -> Sampled:
    """The last certificate of a stream; drawn as it comes."""
    certificate: Sampled | None = None
    current: list[Progress] = [silent]

    def progress(items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterable[Any]:
        return current[0](items, desc=desc, total=total)

    stream = begin(progress)

    def next_samples(inner: Progress) -> Sampled | None:
        current[0] = inner
        return next(stream, None)

    while (found := places.working(next_samples, "Drawing, bounding and testing samples")) is not None:
        certificate = found
        _draw_samples(request, certificate, places)
    assert certificate is not None and certificate.complete
    return certificate


def _draw_samples(
    request: InverseRequest, certificate: IndividualCertificate | IndividualCellsCertificate, places: Places
) -> None:
    if not certificate.radii:
        return
    rows = certificate_figures.sample_rows(certificate)
    farthest = max(abs(value) for point in certificate.points for value in point)
    specification = certificate_figures.samples_specification(
        request.transform.dimensions,
        request.transform.unit,
        certificate.parameter_sigma,
        max(certificate.radii),
        farthest,
        height=260,
        symbol="β",
    )
    done, passes = len(rows), sum(certificate.passed())
    if isinstance(certificate, IndividualCellsCertificate):
        tested, cells = max(0, len(certificate.sizes) - 1), len(certificate.cells)
        share, text = (1 + tested) / (1 + cells), f"x′ and {tested} of {cells} cells tested with {done:,} samples"
        alt = f"{done} samples with their error radii; {passes} passed their inner test."
    else:
        n = certificate.n_gamma
        share, text = done / n, f"{done:,} of {n:,} samples"
        alt = f"{done} of {n} samples with their error radii; {passes} passed their inner test."
    places.chart.vega_lite_chart(pd.DataFrame(rows), specification, alt=alt)
    text += f" · {certificate.seconds:.1f} s"
    if isinstance(certificate, IndividualCertificate) and share < 1:
        text += f", about {max(1, math.ceil(certificate.seconds * (1 / share - 1))):,} s to go"
    places.bar.progress(share, text=text)


# ------------------------------------------------------------------------------------------------------------ with one E


def _with_one_error(request: InverseRequest, defence: IndivSPT, plan: Plan, places: Places) -> Result:
    how, budget = plan.procedure, shared_budget(plan.procedure.alpha)
    received = request.received
    level = places.working(
        lambda progress: defence.measure(
            received, plan.error, n_test=plan.n_test, alpha_error=budget.alpha_error, seed=how.seed, progress=progress
        ),
        "Testing E" if plan.error else "Choosing and testing E",
    )
    _draw_level(level, places)
    if not level.usable:
        return level
    return places.working(
        lambda progress: defence.certify_with_one_error(
            received, level, n0=how.n0, n=how.n_gamma, budget=budget, seed=how.seed, progress=progress
        ),
        "Inner tests",
    )


def _draw_level(level: Any, places: Places) -> None:
    assert isinstance(level, ReceivedErrorLevel)  # of a received image
    rows = error_figures.level_bars(level.bounds, level.error)
    alt = f"Histogram of {level.n_test} bounds; {level.exceeding} exceed E."
    places.chart.vega_lite_chart(pd.DataFrame(rows), error_figures.level_specification(level.error), alt=alt)
    places.bar.caption(
        f"The proved bounds of {level.n_test:,} β against E, dashed; {level.exceeding:,} exceed it · {level.seconds:.1f} s"
    )
