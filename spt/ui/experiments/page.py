"""The page "Experiments": the chosen experiment beside the paper, from stored results or from a quick run.

A quick run goes on in a worker (`run.Worker`); a fragment looks at it and draws what has come, marked PROVISIONAL. All that is
drawn comes from the rows of exactly the settings that the controls say.
"""

import inspect
import math
import time
from functools import partial

import streamlit as st

from spt import faults
from spt.experiments import EXPERIMENTS, Experiment, Share, configure
from spt.experiments.stored import Stored
from spt.ui.experiments import export, figure, published, rows, run, table
from spt.ui.experiments.request import QUICK, ExperimentRequest, Result, make_result, results_folder
from spt.ui.shared import failures, folded, gate, share, state
from spt.ui.shared.markdown import escape
from spt.ui.shared.session import Key

LOOK = 1.0  # seconds between looks: longer than a look takes, also on a busy machine
REDRAW = 2.0  # seconds between two drawings of its figure, which blinks when it changes


def show(kind: type[Experiment], request: ExperimentRequest | None) -> None:
    """The whole page below the choice of an experiment."""
    if request is None:
        _show_nothing_stored(kind.name)
    elif request.stored is not None:
        _show_stored(request)
    else:
        _show_quick(request)


# ---------------------------------------------------------------------------------------------------------------- stored


def _show_nothing_stored(name: str) -> None:
    st.info(
        f"There are no stored results of this experiment in {escape(results_folder().name)}/ yet. A quick run measures it here and "
        "now, on bundled images.",
        icon=":material/inbox:",
    )
    st.button(
        "Quick run",
        key="experiment_to_quick",
        icon=":material/play_arrow:",
        type="primary",
        on_click=_to_quick,
        help="Chooses the quick run and starts it.",
        args=(name,),
    )
    experiment = configure(EXPERIMENTS[name], "full")
    st.markdown(f"What the paper says for {escape(experiment.dataset)}:")
    table.show_table(experiment, None)
    table.show_notes(experiment, None)
    published.show(experiment, None)


def _to_quick(name: str) -> None:
    state.set(results=QUICK)
    st.session_state["experiment_requested"] = name


def _show_stored(request: ExperimentRequest) -> None:
    stored = request.stored
    assert stored is not None
    run.stop()
    result = make_result(stored.experiment, stored.rows, stored.summary)
    if result.complete:
        st.markdown(f":blue-badge[STORED] {_measured(stored)}")
    else:
        st.markdown(f":gray-badge[PROVISIONAL] stored with {result.done:,} of {result.of:,} rows.")
    _draw(result, result)
    _show_details(request, result)


def _measured(stored: Stored) -> str:
    words = [
        f"{name} {escape(str(stored.origin[key]))}"
        for key, name in (("machine", "measured on"), ("commit", "commit"), ("torch", "torch"))
        if stored.origin[key]
    ]
    network = str(stored.provenance.get("classifier_sha256", ""))
    words.append(f"network {escape(network[:12])}…" if network else "before networks were recorded")
    return ", ".join(words)


# ----------------------------------------------------------------------------------------------------------------- quick


def _show_quick(request: ExperimentRequest) -> None:
    experiment = request.experiment
    worker = run.current(experiment)
    try:
        with failures.faults_refused():
            if st.session_state.pop("experiment_requested", None) == experiment.name:
                experiment.check()
                run.start(experiment)
                worker = run.current(experiment)
            result = make_result(experiment, run.kept_rows(experiment))
    except ValueError as error:
        st.error(failures.sentence(error))
        return
    if worker is not None and worker.running:
        _live(request)
        table.show_notes(experiment, None)
        share.offer(partial(export.shared, request, None))
        return
    if worker is not None and worker.failure is not None:
        if faults.in_words(worker.failure) is None:
            raise worker.failure
        st.error(failures.sentence(worker.failure))
    _show_standing(request, result)
    _draw(result, result)
    _show_details(request, result)


def _show_standing(request: ExperimentRequest, result: Result) -> None:
    """How far the run is, and the button that starts it or goes on."""
    left, right = st.columns([3.2, 1], vertical_alignment="center")
    if result.complete:
        left.markdown(
            f":blue-badge[QUICK RUN] all {result.done:,} rows are in. For more: raise *Images*, or change the seed."
        )
        return
    if result.done:
        left.markdown(
            f":gray-badge[PROVISIONAL] stopped after {result.done:,} of {result.of:,} rows; they are kept, and the run goes on "
            "from there."
        )
    else:
        left.markdown(
            f"Nothing has been measured with these settings yet: {result.of:,} rows to come, at most a few minutes."
        )
    right.button(
        "Go on" if result.done else "Run",
        key="experiment_start",
        icon=":material/play_arrow:",
        type="primary",
        on_click=_request,
        args=(request.kind.name,),
        shortcut="g",
        width="stretch",
        help="Measure here and now; rows appear as they come, and are kept when you stop.",
    )


def _request(name: str) -> None:
    st.session_state["experiment_requested"] = name


@st.fragment(run_every=LOOK)
def _live(request: ExperimentRequest) -> None:
    """What has come so far; looks again and again, and hands over to the whole page at the end."""
    with failures.in_one_sentence(), gate.drawing():
        _show_so_far(request)


def _show_so_far(request: ExperimentRequest) -> None:
    experiment = request.experiment
    worker = run.current(experiment)
    if worker is None or not worker.running:
        st.rerun()
    try:
        with failures.faults_refused():
            result = make_result(experiment, run.kept_rows(experiment))
    except ValueError as error:
        st.error(failures.sentence(error))
        return
    left, right = st.columns([3.2, 1], vertical_alignment="center")
    left.progress(min(1.0, result.done / result.of), text=f":gray-badge[PROVISIONAL] {_so_far(worker, result)}")
    right.button(
        "Stop",
        key="experiment_stop",
        icon=":material/stop_circle:",
        on_click=run.stop,
        shortcut="s",
        width="stretch",
        help="End now; the rows so far are kept, and the run can go on later. Leaving the page ends it too.",
    )
    _draw(result, _drawn(run.key_of(experiment), result))
    stage = next((each for each in reversed(experiment.stages) if result.rows[each]), experiment.stages[0])
    st.subheader("Rows", anchor=False)
    if result.rows[stage]:
        rows.show_table(result.rows[stage], None)
        st.caption("The newest rows are last. A row can be chosen, with its image, when the run has ended.")
    else:
        st.caption("The first row is being measured …")


def _so_far(worker: run.Worker, result: Result) -> str:
    words = [f"{result.done:,} of {result.of:,} rows"]
    several = len(result.experiment.stages) > 1
    if several and worker.stage:
        words.append(f"stage {worker.stage}")
    if worker.waits:
        words.append(worker.place_in_line)
    words.append(f"{time.monotonic() - worker.begun:.0f} s")
    left = worker.seconds_left()
    if left is not None:
        words.append(f"about {max(1, math.ceil(left)):,} s to go" + (" in this stage" if several else ""))
    return " · ".join(words)


def _drawn(key: Key, result: Result) -> Result:
    """The result as the figure shows it: at most a few seconds old, of the same settings."""
    kept = st.session_state.get("experiment_drawn")
    now = time.monotonic()
    if kept and kept[0] == key and kept[1].done <= result.done and now - kept[2] < REDRAW:
        drawn: Result = kept[1]
        return drawn
    st.session_state["experiment_drawn"] = (key, result, now)
    return result


# ------------------------------------------------------------------------------------------------------------------ both


def _draw(result: Result, drawn: Result) -> None:
    left, right = st.columns([1.25, 1], gap="medium")
    with left:
        figure.show(drawn)
    with right:
        table.show_table(result.experiment, result)


def _show_details(request: ExperimentRequest, result: Result) -> None:
    table.show_notes(result.experiment, result)
    published.show(result.experiment, result)
    if result.done:
        st.subheader("Rows: image by image", anchor=False)
        rows.choose_row(result)
    folded.area("How it works, with this run's numbers", folded.HOW, lambda: _show_explanation(result))
    share.offer(partial(export.shared, request, result))


def _show_explanation(result: Result) -> None:
    experiment = result.experiment
    kind = type(experiment)
    st.markdown(
        f"{escape((inspect.getdoc(kind) or '').partition(chr(10))[0])} Code: `{kind.__module__}.{kind.__name__}`; each row "
        f"is what its `measure` returns, the line is its `summary`."
    )
    share = next(
        ((n, c) for n, c in result.summary.items() if isinstance(c, Share) and result.complete and c.band()), None
    )
    if share:
        _show_interval(*share)
    st.markdown("Settings (the paper’s where it has them):")
    st.code("\n".join(f"{name} = {value}" for name, value in table.settings_of(experiment).items()), language=None)


def _show_interval(name: str, share: Share) -> None:
    band = share.band()
    assert band is not None
    st.markdown(
        f"**Clopper–Pearson**, two-sided, for *{escape(name)}*: {share.count} of {share.of}. "
        "Code: `spt.statistics.clopper_pearson_lower`."
    )
    k, n = share.count, share.of
    low = rf"B^{{-1}}\big(0.025;\,{k},\,{n - k + 1}\big)" if k else "0"
    high = rf"B^{{-1}}\big(0.975;\,{k + 1},\,{n - k}\big)" if k < n else "1"
    st.latex(rf"\Big[{low},\ {high}\Big] = [{band[0]:.3f},\ {band[1]:.3f}]")
    st.caption("B⁻¹(p; a, b) is the quantile p of the beta distribution. The interval holds for each share by itself.")
