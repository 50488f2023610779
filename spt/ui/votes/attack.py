"""The attack area of the page "Votes": worst-of-k against f, and what g answers there.

An attack moves the sliders, which Streamlit allows before they are drawn only: it runs in one run of the script, and the next one
begins with `move_sliders`.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st
from torch import Tensor

from spt.attacks import AttackResult, WorstOfK
from spt.ui.shared import failures, state
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.markdown import escape
from spt.ui.shared.session import CurrentRun, Key, PageRun, SessionResults
from spt.ui.votes.request import VotesRequest
from spt.ui.votes.run import VotesRun

TRIES, SHOWN = 100, 3
ATTACKS = SessionResults("attacks", 8)
ATTACK = CurrentRun("attack_run", PageRun)
_FOUND = "attack_found"


def _key(request: VotesRequest, limit: float) -> Key:
    return (
        request.subject.sha256,
        request.classifier.fingerprint,
        request.transform.name,
        limit,
        request.statistics.seed,
        request.truth,
    )


def move_sliders() -> None:
    """To be called before the sliders are drawn: move them to the worst parameters that an attack has found."""
    state.set(**st.session_state.pop(_FOUND, {}))


def _set_parameters(names: list[str], values: list[float]) -> None:
    state.set(**dict(zip(names, values, strict=True)))


_RANGES = {"°": 30.0, "px": 4.0}  # of the paper's Table 2


def _start(key: Key) -> None:
    ATTACK.put(PageRun(key))


def _attack(request: VotesRequest, limit: float, place: Any) -> None:
    """Find the worst parameters, keep them, and say where the sliders are to go."""
    step = max(parameter.step for parameter in request.transform.parameters)
    attack = WorstOfK(request.transform, limit, keep=TRIES, k=TRIES, resolution=step)
    try:
        with (
            failures.faults_refused(),
            heavy_work("short", "attack", place=place, transform=request.transform.name, tries=TRIES),
        ):
            tried = attack(request.classifier, request.subject.image, request.truth, request.statistics.seed)
            result = tried.apart(limit / 10, SHOWN)
    except ValueError as error:
        ATTACKS.keep(_key(request, limit), failures.sentence(error))
        return
    ATTACKS.keep(_key(request, limit), result)
    names = [parameter.name for parameter in request.transform.parameters]
    st.session_state[_FOUND] = dict(zip(names, _rounded(request, result.points[0]), strict=True))


def _rounded(request: VotesRequest, point: Tensor) -> list[float]:
    return [round(float(value), 6) for value in point]


def area(request: VotesRequest) -> Callable[[VotesRun], None]:
    """Draw the area; returns what draws the verdict on g once its run has ended."""
    st.subheader("Attack f: which parameter fools it?", anchor=False)
    first = request.transform.parameters[0]
    units = dict.fromkeys(parameter.unit for parameter in request.transform.parameters)
    left, right = st.columns([1, 2], gap="large", vertical_alignment="bottom")
    limit = state.slider(
        f"Attack range Γ: plus and minus, in {' and '.join(units)}",
        first.step,
        first.limit,
        _RANGES.get(first.unit, first.default_sigma),
        first.step,
        key=f"{request.transform.name}_range",
        help="The attacker chooses every parameter between minus and plus this.",
        where=left,
    )
    right.button(
        f"Attack: worst of {TRIES} random parameters",
        key="attack_button",
        type="primary",
        icon=":material/swords:",
        on_click=_start,
        args=(_key(request, limit),),
        shortcut="a",
        help="Tries random parameters within Γ and moves the slider to the one with the largest loss of f.",
    )
    place = st.empty()
    if ATTACK.of(_key(request, limit)):
        _attack(request, limit, place)
        ATTACK.forget()
        st.rerun()
    result = ATTACKS.get(_key(request, limit))
    if result is None:
        st.caption("No attack has been run for this image, classifier, range and seed.")
        return lambda run: None
    if isinstance(result, str):
        st.error(result)
        return lambda run: None
    _show_result(request, result)
    verdict = st.empty()

    def draw(run: VotesRun) -> None:
        at = next(
            (
                i
                for i in range(len(result.points))
                if _rounded(request, result.points[i]) == [round(g, 6) for g in request.gamma]
            ),
            None,
        )
        if at is not None:
            verdict.markdown(_verdict(request, result, at, run))

    return draw


def _show_result(request: VotesRequest, result: AttackResult) -> None:
    truth = request.names[result.label]
    outcome = "fools f" if result.fooled else "does not fool f"
    st.markdown(
        f"Of {result.tried} parameters tried, the worst **{outcome}** (truth: {escape(truth)}). The three worst:"
    )
    columns = st.columns(len(result.points))
    for index, column in enumerate(columns):
        answer = request.names[int(result.predictions[index])]
        column.button(
            f"{request.transform.describe(result.points[index])} → f: {escape(answer)}, loss {float(result.losses[index]):.2f}",
            key=f"attack_{index}",
            width="stretch",
            help="Move the sliders there.",
            on_click=_set_parameters,
            args=(
                [parameter.name for parameter in request.transform.parameters],
                _rounded(request, result.points[index]),
            ),
        )


def _verdict(request: VotesRequest, result: AttackResult, at: int, run: VotesRun) -> str:
    """What g answers at the attacked parameter, in words."""
    truth, answer = request.names[result.label], request.names[int(result.predictions[at])]
    base = f"At {request.transform.describe(result.points[at])} f answers **{escape(answer)}**"
    base += " (right)" if int(result.predictions[at]) == result.label else f" instead of {escape(truth)}"
    if run.prediction is None:
        return f"{base}. g has not finished its vote."
    if run.prediction.label is None:
        return f"{base}. :orange-badge[ABSTAIN] g does not decide with n = {request.statistics.n}."
    name = escape(request.names[run.prediction.label])
    if run.prediction.label == result.label:
        return f"{base}; **g answers {name}**. :blue-badge[g holds here] (evidence, not a proof)"
    too = " as well" if run.prediction.label == int(result.predictions[at]) else ""
    return f"{base}; **g answers {name}**{too}. :red-badge[g does not hold here]"
