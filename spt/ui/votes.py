"""The page "Votes": images, the live vote and its conclusions; the other areas have modules of their own.

A run belongs to one `View`: its key holds everything that decides the votes, so a result whose key is not that of the
controls is never drawn. The votes come from a stream; every drawn update is a Streamlit call, at which a new run of the
script (Stop, or any changed control) takes over at once.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from spt.certificates import HEURISTIC_NOTE, Certificate, Prediction, quantity
from spt.classifiers import Classifier
from spt.figures import votes as figures
from spt.seeds import generators
from spt.statistics import largest_certified_radius, votes_needed_to_certify
from spt.ui import attack, cache, checking, explanation, failures, pictures, responses
from spt.ui.controls import BOUND
from spt.ui.view import Run, View, escape

WATCH_UPDATES, WATCH_PAUSE = 40, 0.05  # a watched run takes about three seconds, however fast the network
FAST_UPDATES_A_SECOND = 8


def choose_pace() -> bool:
    """Whether to slow the votes down so that they can be watched."""
    pace = st.segmented_control(
        "Pace",
        ["watch", "fast"],
        default="watch",
        required=True,
        key="pace",
        help="Watch: the votes come in over about three seconds. Fast: as fast as the network is.",
        **BOUND,
    )
    return bool(pace == "watch")


def show(view: View) -> None:
    """The whole page below the title.

    Everything that depends on the run is emptied first, so that nothing of an earlier run stays on the screen; then what
    stands still is drawn; then the votes come in.
    """
    run = _current_run(view)
    images_area, run_area = st.container(), st.container()
    with run_area:
        slots = _make_slots()
    draw_response = responses.area(view)
    draw_verdict = attack.area(view)
    draw_explanation = explanation.area(view)
    with st.expander("Check: are these numbers true? Or a certificate from a file?"):
        check = st.empty()
    check.caption("There is something to check when the run has ended.")
    slots.draw(view, run)
    with images_area, failures.in_one_sentence():
        _show_images(view)
    if run.status == "running":
        draw_response(run)  # the curve at once; its votes when they are counted
        _count_with_stop(view, run, slots)
    slots.draw(view, run)
    slots.button.button(
        "Run again",
        key="again",
        icon=":material/replay:",
        on_click=_restart,
        help="Count the same votes again (same seed).",
        shortcut="g",
    )
    with slots.panel.container():
        _show_conclusions(view, run)
    draw_response(run)
    draw_verdict(run)
    draw_explanation(run)
    with check.container():  # last, because a check may run here
        checking.area("votes", run.certificate, view.classifier, view.received)


# ---------------------------------------------------------------------------------------------------------------- images


def _show_images(view: View) -> None:
    first, second, third, answer = st.columns([1, 1, 1, 1.5], gap="medium")
    where = view.transform.describe(view.gamma)
    with first:
        pictures.show(view.subject.image, f"original x: {view.subject.caption}", "The original image.")
    with second:
        pictures.show(view.received, f"received x′ = T_γ x: {where}", "The image the attacker hands over, in 8 bits.")
    with third:
        preprocessed = view.classifier.preprocessing(view.received)
        steps = _preprocessing_in_words(view.classifier)
        pictures.show(preprocessed, f"seen by f, P x′: {steps}", "The received image after preprocessing.")
    with answer:
        winner = int(view.probabilities.argmax())
        mark = "" if view.subject.label is None else " ✓" if winner == view.subject.label else " ✗ wrong"
        st.markdown(f"Base classifier f answers **{view.names[winner]}**{mark}")
        rows = figures.histogram_rows(view.probabilities, view.names)
        specification = figures.bars_specification(
            "probability", 1.15, number_format=".2f", height=215, slanted=figures.need_slant(rows)
        )
        st.vega_lite_chart(
            pd.DataFrame(rows), specification, alt=f"Class probabilities of f; most likely {view.names[winner]}."
        )


def _preprocessing_in_words(classifier: Classifier) -> str:
    settings, words = classifier.preprocessing, []
    if settings.resize or settings.crop:
        words.append(f"resize {settings.resize}, crop {settings.crop}")
    if settings.vignette:
        words.append(f"{settings.vignette} vignette")
    if settings.blur_size > 1:
        words.append(f"{settings.blur_size}×{settings.blur_size} blur")
    return ", ".join(words) or "no preprocessing"


# ------------------------------------------------------------------------------------------------------------------- run


def _current_run(view: View) -> Run:
    run = st.session_state.get("votes_run")
    if not isinstance(run, Run) or run.key != view.key:
        run = st.session_state["votes_run"] = Run(view.key)
    return run


def _restart() -> None:
    st.session_state.pop("votes_run", None)


def _stop() -> None:
    run = st.session_state.get("votes_run")
    if isinstance(run, Run) and run.status == "running":
        run.status = "stopped"


def _count_with_stop(view: View, run: Run, slots: "_Slots") -> None:
    slots.button.button(
        "Stop",
        key="stop",
        icon=":material/stop_circle:",
        on_click=_stop,
        help="End the run now; what it has is provisional.",
        shortcut="s",
    )
    with failures.in_one_sentence(slots.panel, slots.button), cache.heavy_work():
        _count(view, run, slots)


@dataclass(frozen=True)
class _Slots:
    """Where a run is drawn: histogram, progress line, its button, and what is said about it."""

    chart: Any
    progress: Any
    button: Any
    panel: Any

    def draw(self, view: View, run: Run) -> None:
        n, votes = view.statistics.n, run.estimation
        counts = votes.counts if votes else (0,) * len(view.names)
        needed = votes_needed_to_certify(n, view.statistics.alpha)
        rows = figures.histogram_rows(counts, view.names)
        label = f"{needed:,} certify" if needed else ""
        specification = figures.bars_specification(
            f"votes of {n:,}", 1.12 * n, needed, label, slanted=figures.need_slant(rows)
        )
        leader = max(range(len(counts)), key=lambda index: counts[index])
        alt = f"Vote histogram: {sum(counts)} of {n} votes, {counts[leader]} for {view.names[leader]}."
        self.chart.vega_lite_chart(pd.DataFrame(rows), specification, alt=alt)
        done = sum(counts)
        self.progress.progress(done / n, text=f"{done:,} of {n:,} votes")


def _make_slots() -> _Slots:
    st.subheader("The vote of g", anchor=False)
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        chart, progress = st.empty(), st.empty()
    with right:
        return _Slots(chart, progress, st.empty(), st.empty())


def _count(view: View, run: Run, slots: _Slots) -> None:
    """Draw all votes of the run and its conclusions; a run that was interrupted without Stop catches up first."""
    started = time.perf_counter()
    statistics, smoothed = view.statistics, view.smoothed
    selection_generator, estimation_generator = generators(statistics.seed, statistics.n0, statistics.n)
    run.selection = smoothed.count(view.received, statistics.n0, selection_generator)
    shown_before = run.estimation.n if run.estimation else 0
    batch = max(1, statistics.n // WATCH_UPDATES)
    drawn = 0.0
    for votes in smoothed.votes(view.received, statistics.n, estimation_generator, batch):
        if votes.n <= shown_before:
            continue
        run.estimation = votes
        now = time.perf_counter()
        if view.watch or now - drawn > 1 / FAST_UPDATES_A_SECOND:
            drawn = now
            slots.draw(view, run)
            slots.panel.markdown(_standing(view, run))
        if view.watch:
            time.sleep(max(0.0, WATCH_PAUSE - (time.perf_counter() - now)))
    assert run.estimation is not None
    seconds = time.perf_counter() - started
    run.prediction = smoothed.conclude_prediction(view.received, run.estimation, statistics.alpha, statistics.seed)
    run.certificate = smoothed.conclude_certificate(
        view.received, run.selection, run.estimation, statistics.alpha, statistics.seed, seconds
    )
    run.status = "done"


def _standing(view: View, run: Run) -> str:
    """The running share and what is still needed, in words; no bound, because the run is still going on."""
    assert run.estimation is not None and run.selection is not None
    counts = run.estimation.counts
    leader = max(range(len(counts)), key=lambda index: counts[index])
    chosen = int(np.argmax(run.selection.counts))
    needed = votes_needed_to_certify(view.statistics.n, view.statistics.alpha)
    lines = [
        ":gray-badge[PROVISIONAL] the votes are coming in",
        f"**{view.names[leader]}** has **{counts[leader]:,}** of {run.estimation.n:,} votes "
        f"({counts[leader] / run.estimation.n:.1%}).",
        f"The {view.statistics.n0} selection votes chose **{view.names[chosen]}**.",
    ]
    if needed is None:
        lines.append(f"With n = {view.statistics.n} no vote can certify at this α: choose a larger n.")
    else:
        missing = max(0, needed - counts[chosen])
        lines.append(
            f"It needs **{missing:,}** more votes to certify." if missing else "It has votes enough to certify."
        )
    return "\n\n".join(lines)


def _show_conclusions(view: View, run: Run) -> None:
    if run.status == "stopped":
        seen = run.estimation.n if run.estimation else 0
        st.markdown(
            f":gray-badge[PROVISIONAL] stopped after {seen:,} of {view.statistics.n:,} votes.\n\n"
            "A run that was stopped concludes nothing: when to stop may have depended on the votes. "
            "Run again, to the end."
        )
        return
    if run.prediction is None or run.certificate is None:
        return
    _show_prediction(view, run.prediction)
    _show_certificate(view, run.certificate)


def _mark(view: View, label: int) -> str:
    if view.subject.label is None:
        return ""
    return " ✓" if label == view.subject.label else f" ✗ (truth: {view.names[view.subject.label]})"


def _show_prediction(view: View, prediction: Prediction) -> None:
    with st.container(border=True):
        if prediction.label is None:
            st.markdown(f"**PREDICT** :orange-badge[ABSTAIN]\n\n{escape(prediction.reason())}")
        else:
            st.markdown(
                f"**PREDICT** :blue-badge[g answers {escape(view.names[prediction.label])}]{_mark(view, prediction.label)}\n\n"
                f"{escape(prediction.reason())}"
            )


def _show_certificate(view: View, certificate: Certificate) -> None:
    statistics = view.statistics
    with st.container(border=True):
        if certificate.label is None:
            st.markdown(f"**CERTIFY** :orange-badge[ABSTAIN]\n\n{escape(certificate.reason())}")
            return
        most = largest_certified_radius(statistics.n, statistics.alpha, view.smoothing.parameter_sigma)
        radius = quantity(certificate.radius, certificate.unit)
        st.markdown(
            f"**CERTIFY** :violet-badge[HEURISTIC] {escape(view.names[certificate.label])} within **{radius}** "
            f"of this image\n\n{escape(certificate.reason())} With n = {statistics.n:,} at most "
            f"{quantity(most, certificate.unit)} can be reached.\n\n*{HEURISTIC_NOTE}*"
        )
