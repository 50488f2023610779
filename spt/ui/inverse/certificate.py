"""IndivSPT's certificate on the page "Inverse": its controls, the run with Start and Stop, and what it proves.

A result is shown only under the settings that it belongs to: it is kept under a key of all of them.
"""

import streamlit as st
import torch

from spt.certificates import quantity
from spt.defences import IndivSPT
from spt.ui import cache, failures
from spt.ui.inverse import conclusion, data, forms, runs
from spt.ui.inverse.data import Key, Request
from spt.ui.inverse.forms import Outcome, Plan, Result
from spt.ui.view import escape

_STYLE = """<style>.st-key-indiv_run [data-retained="true"] { display: none; }</style>"""
"""No "Certify" of the last run below "Stop"."""


def area(request: Request) -> Outcome | None:
    """Draw the area; the result for these settings, if there is one."""
    st.markdown("**The certificate.** Many β are drawn; each passes if h’s answer holds on its whole ball.")
    if request.received.shape != torch.Size(request.classifier.input_shape):
        wanted = "×".join(map(str, request.classifier.input_shape))
        st.caption(
            f"{escape(request.classifier.name)} takes images of {wanted}, and this one has another size: choose “f’s input” for "
            "the size of the image, or a digit."
        )
        return None
    plan = forms.choose(request.transform, request.classifier)
    limit = max(abs(end) for end in request.limits)
    if request.limits != (-limit, limit):
        st.caption(
            f"The certificate is about Γ = ±{quantity(limit, request.transform.unit)}, which contains the range above."
        )
    try:
        defence = IndivSPT(
            request.classifier,
            request.transform,
            plan.procedure.parameter_sigma,
            plan.procedure.pixel_sigma,
            limit,
            request.attacker,
            split_width=2 * limit / request.splits,
            refinements=request.refinements,
        )
    except ValueError as error:
        st.error(failures.sentence(error))
        return None
    key = (
        request.received_sha256,
        request.classifier.fingerprint,
        request.transform.name,
        limit,
        request.attacker,
        request.splits,
        request.refinements,
        plan,
    )
    result = _run_or_known(request, defence, plan, key)
    return None if result is None else Outcome(plan, limit, result)


def _run_or_known(request: Request, defence: IndivSPT, plan: Plan, key: Key) -> Result | None:
    result: Result | None = data.known("certificates", key)
    st.html(_STYLE)
    with st.container(key="indiv_run"):
        left, right = st.columns([1, 1.3], gap="large")
    button, panel = left.empty(), left.empty()
    places = runs.Places(right.empty(), right.empty(), panel)
    if st.session_state.get("indiv_running") == key:
        button.button(
            "Stop",
            key="indiv_stop",
            icon=":material/stop_circle:",
            on_click=_stop,
            shortcut="s",
            help="End the run now; a stopped run proves nothing.",
        )
        try:
            with cache.heavy_work():
                result = runs.carry_out(request, defence, plan, places)
            data.keep("certificates", key, result)
        except ValueError as error:
            st.session_state["indiv_failed"] = (key, failures.sentence(error))
        st.session_state.pop("indiv_running", None)
    button.button(
        "Certify" if result is None else "Certify again",
        key="indiv_start",
        icon=":material/verified:",
        type="primary" if result is None else "secondary",
        on_click=_start,
        args=(key,),
        shortcut="g",
        help="Draw all samples and conclude. The same seed gives the same certificate.",
    )
    if result is None:
        failed, why = st.session_state.get("indiv_failed", (None, ""))
        if failed == key:
            panel.error(why)
            return None
        panel.markdown(
            ":gray-badge[PROVISIONAL] The run was stopped; it proves nothing."
            if st.session_state.get("indiv_stopped") == key
            else _before_a_run(plan)
        )
        return None
    runs.draw(request, result, places)
    with panel.container(border=True):
        for paragraph in conclusion.in_words(request, result):
            st.markdown(paragraph)
        attack = conclusion.attack_in_words(request, result)
        if attack is not None:
            st.caption(attack)
    return result


def _before_a_run(plan: Plan) -> str:
    samples = f"No run for these settings yet. {plan.procedure.n_gamma} samples take"
    if plan.one_error:
        return f"{samples} a quarter of a minute to several minutes: with one E they need more votes, the more the larger E is."
    return f"{samples} about a quarter of a minute to a few minutes."


def _start(key: Key) -> None:
    st.session_state["indiv_running"] = key
    st.session_state.pop("indiv_stopped", None)
    st.session_state.pop("indiv_failed", None)


def _stop() -> None:
    st.session_state["indiv_stopped"] = st.session_state.pop("indiv_running", None)
