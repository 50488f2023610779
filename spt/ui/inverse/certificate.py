"""IndivSPT's certificate on the page "Inverse": its controls, the run with Start and Stop, and what it proves.

A result is shown only under the settings that it belongs to: it is kept under a key of all of them.
"""

import streamlit as st
import torch

from spt.certificates import given
from spt.defences import IndivSPT, IndivSPTCells
from spt.ui.inverse import certificate_request, certificate_run, conclusion
from spt.ui.inverse.certificate_request import IndividualOutcome, Plan, Result
from spt.ui.inverse.request import InverseRequest
from spt.ui.shared import failures
from spt.ui.shared.components import style
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.markdown import escape
from spt.ui.shared.session import CurrentRun, Key, PageRun, SessionResults

_STYLE = style(__file__)
RUN = CurrentRun("indiv_certificate_run", PageRun)
CERTIFICATES = SessionResults("inverse_certificates", 6)


def area(request: InverseRequest) -> IndividualOutcome | None:
    """Draw the area; the result for these settings, if there is one."""
    st.markdown("**The certificate.** Many β are drawn; each passes if h’s answer holds on its whole ball.")
    if request.received.shape != torch.Size(request.classifier.input_shape):
        wanted = "×".join(map(str, request.classifier.input_shape))
        st.caption(
            f"{escape(request.classifier.name)} takes images of {wanted}, and this one has another size: choose “f’s input” for "
            "the size of the image, or a digit."
        )
        return None
    plan = certificate_request.choose(request.transform, request.classifier)
    limit = max(abs(end) for end in request.limits)
    if request.limits != (-limit, limit):
        st.caption(
            f"The certificate is about Γ = ±{given(limit, request.transform.unit)}, which contains the range above."
        )
    kind: type[IndivSPT | IndivSPTCells] = IndivSPTCells if plan.cells else IndivSPT
    try:
        defence = kind(
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
    return None if result is None else IndividualOutcome(plan, limit, result)


def _run_or_known(request: InverseRequest, defence: IndivSPT | IndivSPTCells, plan: Plan, key: Key) -> Result | None:
    result: Result | None = CERTIFICATES.get(key)
    st.html(_STYLE)
    with st.container(key="indiv_run"):
        left, right = st.columns([1, 1.3], gap="large")
    button, panel = left.empty(), left.empty()
    places = certificate_run.Places(right.empty(), right.empty(), panel)
    state = RUN.of(key)
    if state is not None and state.status == "running":
        button.button(
            "Stop",
            key="indiv_stop",
            icon=":material/stop_circle:",
            on_click=RUN.stop,
            shortcut="s",
            help="End the run now; a stopped run proves nothing.",
        )
        try:
            with (
                failures.faults_refused(),
                heavy_work("long", "certificate of a received image", place=panel, classifier=request.classifier.name),
            ):
                result = certificate_run.carry_out(request, defence, plan, places)
            CERTIFICATES.keep(key, result)
            state.status = "done"
        except ValueError as error:
            state.status, state.failure = "failed", failures.sentence(error)
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
        if state is not None and state.status == "failed":
            panel.error(state.failure)
            return None
        panel.markdown(
            ":gray-badge[PROVISIONAL] The run was stopped; it proves nothing."
            if state is not None and state.status == "stopped"
            else _before_a_run(plan)
        )
        return None
    certificate_run.draw(request, result, places)
    with panel.container(border=True):
        for paragraph in conclusion.in_words(request, result):
            st.markdown(paragraph)
        attack = conclusion.attack_in_words(request, result)
        if attack is not None:
            st.caption(attack)
    return result


def _before_a_run(plan: Plan) -> str:
    if plan.cells:
        return "No run for these settings yet. A digit takes a few seconds; a photograph, or many cells, some minutes."
    samples = f"No run for these settings yet. {plan.procedure.n_gamma} samples take"
    if plan.one_error:
        return f"{samples} a quarter of a minute to several minutes: with one E they need more votes, the more the larger E is."
    return f"{samples} about a quarter of a minute to a few minutes."


def _start(key: Key) -> None:
    RUN.put(PageRun(key))
