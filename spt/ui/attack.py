"""The attack area of the page "Votes": worst-of-k against f, and what g answers there."""

from collections.abc import Callable
from typing import Any

import streamlit as st
from torch import Tensor

from spt.attacks import AttackResult, WorstOfK
from spt.ui import failures
from spt.ui.controls import BOUND
from spt.ui.view import Run, View, escape

TRIES = 100


def _key(view: View, limit: float) -> tuple[Any, ...]:
    return (view.subject.sha256, view.classifier.fingerprint, view.transform.name, limit, view.statistics.seed)


def _set_parameters(names: list[str], values: list[float]) -> None:
    for name, value in zip(names, values, strict=True):
        st.session_state[name] = value


_RANGES = {"°": 30.0, "px": 4.0}  # of the paper's Table 2


def _attack(view: View, limit: float) -> None:
    attack = WorstOfK(view.transform, limit, k=TRIES, resolution=view.transform.parameters[0].step)
    try:
        with failures.exits_refused():
            result = attack(view.classifier, view.subject.image, view.truth, view.statistics.seed)
    except ValueError as error:  # here, before the script runs, there is no place to say it
        st.session_state["attack"] = (_key(view, limit), failures.sentence(error))
        return
    st.session_state["attack"] = (_key(view, limit), result)
    _set_parameters([parameter.name for parameter in view.transform.parameters], _rounded(view, result.points[0]))


def _rounded(view: View, point: Tensor) -> list[float]:
    return [round(float(value), 6) for value in point]


def area(view: View) -> Callable[[Run], None]:
    """Draw the area; returns what draws the verdict on g once its run has ended."""
    st.subheader("Attack f: which parameter fools it?", anchor=False)
    first = view.transform.parameters[0]
    left, right = st.columns([1, 2], gap="large", vertical_alignment="bottom")
    limit = left.slider(
        f"Attack range Γ: ± {first.unit}",
        first.step,
        first.limit,
        _RANGES.get(first.unit, first.default_sigma),
        first.step,
        key=f"{view.transform.name}_range",
        help="The attacker chooses every parameter between minus and plus this.",
        **BOUND,
    )
    right.button(
        f"Attack: worst of {TRIES} random parameters",
        key="attack_button",
        type="primary",
        icon=":material/swords:",
        on_click=_attack,
        args=(view, limit),
        shortcut="a",
        help="Tries random parameters within Γ and moves the slider to the one with the largest loss of f.",
    )
    key, result = st.session_state.get("attack", (None, None))
    if key != _key(view, limit) or result is None:
        st.caption("No attack has been run for this image, classifier, range and seed.")
        return lambda run: None
    if isinstance(result, str):
        st.error(result)
        return lambda run: None
    _show_result(view, result)
    verdict = st.empty()

    def draw(run: Run) -> None:
        at = next(
            (
                i
                for i in range(len(result.points))
                if _rounded(view, result.points[i]) == [round(g, 6) for g in view.gamma]
            ),
            None,
        )
        if at is not None:
            verdict.markdown(_verdict(view, result, at, run))

    return draw


def _show_result(view: View, result: AttackResult) -> None:
    truth = view.names[result.label]
    outcome = "fools f" if result.fooled else "does not fool f"
    st.markdown(
        f"Of {result.tried} parameters tried, the worst **{outcome}** (truth: {escape(truth)}). The three worst:"
    )
    columns = st.columns(len(result.points))
    for index, column in enumerate(columns):
        answer = view.names[int(result.predictions[index])]
        column.button(
            f"{view.transform.describe(result.points[index])} → f: {answer}, loss {float(result.losses[index]):.2f}",
            key=f"attack_{index}",
            width="stretch",
            help="Move the sliders there.",
            on_click=_set_parameters,
            args=([parameter.name for parameter in view.transform.parameters], _rounded(view, result.points[index])),
        )


def _verdict(view: View, result: AttackResult, at: int, run: Run) -> str:
    """What g answers at the attacked parameter, in words."""
    truth, answer = view.names[result.label], view.names[int(result.predictions[at])]
    base = f"At {view.transform.describe(result.points[at])} f answers **{escape(answer)}**"
    base += " (right)" if int(result.predictions[at]) == result.label else f" instead of {escape(truth)}"
    if run.prediction is None:
        return f"{base}. g has not finished its vote."
    if run.prediction.label is None:
        return f"{base}. :orange-badge[ABSTAIN] g does not decide with n = {view.statistics.n}."
    name = escape(view.names[run.prediction.label])
    if run.prediction.label == result.label:
        return f"{base}; **g answers {name}**. :blue-badge[g holds here] (evidence, not a proof)"
    too = " as well" if run.prediction.label == int(result.predictions[at]) else ""
    return f"{base}; **g answers {name}**{too}. :red-badge[g does not hold here]"
