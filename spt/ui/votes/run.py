"""The run of the page "Votes": the votes as they come in, drawn live; kept in the session under the key of its request.

The votes come from a stream; every drawn update is a Streamlit call, at which a new run of the script (Stop, or any changed
control) takes over at once.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from spt.certificates import Certificate, Prediction
from spt.figures import votes as figures
from spt.seeds import generators
from spt.smoothing import Votes
from spt.statistics import votes_needed_to_certify
from spt.ui.shared import failures
from spt.ui.shared.gate import Work, heavy_work
from spt.ui.shared.markdown import escape
from spt.ui.shared.session import CurrentRun, PageRun
from spt.ui.votes import stored
from spt.ui.votes.request import VotesRequest

CHART = "votes_chart"
"""The key of the histogram on the page."""
WATCH_UPDATES, WATCH_PAUSE = 40, 0.05  # a watched run takes about three seconds, however fast the network
FAST_UPDATES_A_SECOND = 8
MOST_SHORT = 2000  # votes that are taken in the lane of short work


@dataclass
class VotesRun(PageRun):
    """The votes of a run so far, and its conclusions when it is done.

    Attributes:
        stored: whether it was not run here, but computed beforehand.
    """

    selection: Votes | None = None
    estimation: Votes | None = None
    prediction: Prediction | None = None
    certificate: Certificate | None = None
    stored: bool = False


RUN = CurrentRun("votes_run", VotesRun)
REQUESTED = "votes_requested"


def current(request: VotesRequest) -> VotesRun:
    """The session's run, if it belongs to the request; else the stored one, unless the button asked for a live one; else a new one,
    which begins at once."""
    run = RUN.of(request.key)
    if run is not None:
        return run
    live = st.session_state.pop(REQUESTED, False)
    found = None if live else stored.find(request)
    return RUN.put(VotesRun(request.key) if found is None else VotesRun(request.key, "done", **found, stored=True))


def start() -> None:
    """What the button "Run again" does."""
    st.session_state[REQUESTED] = True
    RUN.forget()


def count_with_stop(request: VotesRequest, run: VotesRun, slots: "VotesSlots") -> None:
    """Draw the votes as they come, with a button that ends this."""
    slots.button.button(
        "Stop",
        key="stop",
        icon=":material/stop_circle:",
        on_click=RUN.stop,
        help="End the run now; what it has is provisional.",
        shortcut="s",
    )
    with (
        failures.in_one_sentence(slots.panel, slots.button),
        heavy_work(
            "short" if request.statistics.n <= MOST_SHORT else "long",
            "votes",
            place=slots.panel,
            classifier=request.classifier.name,
            transform=request.transform.name,
            n=request.statistics.n,
        ) as work,
    ):
        _count(request, run, slots, work)


@dataclass(frozen=True)
class VotesSlots:
    """Where a run is drawn: histogram, progress line, its button, the one that pins it, and what is said about it."""

    chart: Any
    progress: Any
    button: Any
    pin: Any
    panel: Any

    def draw(self, request: VotesRequest, run: VotesRun) -> None:
        """Histogram and progress of the votes so far."""
        n, votes = request.statistics.n, run.estimation
        counts = votes.counts if votes else (0,) * len(request.names)
        needed = votes_needed_to_certify(n, request.statistics.alpha)
        rows = figures.histogram_rows(counts, request.names)
        label = f"{needed:,} certify" if needed else ""
        specification = figures.bars_specification(
            f"votes of {n:,}", 1.12 * n, needed, label, height=205, slanted=figures.need_slant(rows)
        )
        leader = max(range(len(counts)), key=lambda index: counts[index])
        alt = f"Vote histogram: {sum(counts)} of {n} votes, {counts[leader]} for {request.names[leader]}."
        self.chart.vega_lite_chart(pd.DataFrame(rows), specification, alt=alt)
        done = sum(counts)
        self.progress.progress(done / n, text=f"{done:,} of {n:,} votes")


def make_slots() -> VotesSlots:
    """Make room for the run."""
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        st.subheader("The vote of the smoothed classifier g", anchor=False)
        chart, progress = st.container(key=CHART).empty(), st.empty()
    with right:
        buttons = st.container(horizontal=True)
        return VotesSlots(chart, progress, buttons.empty(), buttons.empty(), st.empty())


def _count(request: VotesRequest, run: VotesRun, slots: VotesSlots, work: Work) -> None:
    """Draw all votes of the run and its conclusions; a run that was interrupted without Stop catches up first."""
    started = time.perf_counter()
    statistics, smoothed = request.statistics, request.smoothed
    selection_generator, estimation_generator = generators(statistics.seed, statistics.n0, statistics.n)
    run.selection = smoothed.count(request.received, statistics.n0, selection_generator)
    shown_before = run.estimation.n if run.estimation else 0
    batch = max(1, statistics.n // WATCH_UPDATES)
    drawn = 0.0
    for votes in smoothed.votes(request.received, statistics.n, estimation_generator, batch):
        if votes.n <= shown_before:
            continue
        run.estimation = votes
        now = time.perf_counter()
        if request.watch or now - drawn > 1 / FAST_UPDATES_A_SECOND:
            drawn = now
            slots.draw(request, run)
            slots.panel.markdown(_standing(request, run))
        if request.watch:
            work.rest(max(0.0, WATCH_PAUSE - (time.perf_counter() - now)))
    assert run.estimation is not None
    seconds = time.perf_counter() - started
    run.prediction = smoothed.conclude_prediction(request.received, run.estimation, statistics.alpha, statistics.seed)
    run.certificate = smoothed.conclude_certificate(
        request.received, run.selection, run.estimation, statistics.alpha, statistics.seed, seconds
    )
    run.status = "done"


def _standing(request: VotesRequest, run: VotesRun) -> str:
    """The running share and what is still needed, in words; no bound, because the run is still going on."""
    assert run.estimation is not None and run.selection is not None
    counts = run.estimation.counts
    leader = max(range(len(counts)), key=lambda index: counts[index])
    chosen = int(np.argmax(run.selection.counts))
    needed = votes_needed_to_certify(request.statistics.n, request.statistics.alpha)
    lines = [
        ":gray-badge[PROVISIONAL] the votes are coming in",
        f"**{escape(request.names[leader])}** has **{counts[leader]:,}** of {run.estimation.n:,} votes "
        f"({counts[leader] / run.estimation.n:.1%}).",
        f"The {request.statistics.n0} selection votes chose **{escape(request.names[chosen])}**.",
    ]
    if needed is None:
        lines.append(f"With n = {request.statistics.n} no vote can certify at this α: choose a larger n.")
    else:
        missing = max(0, needed - counts[chosen])
        lines.append(
            f"It needs **{missing:,}** more votes to certify." if missing else "It has votes enough to certify."
        )
    return "\n\n".join(lines)
