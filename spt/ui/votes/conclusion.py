"""What a run of the page "Votes" concludes: PREDICT and CERTIFY, in words."""

import streamlit as st

from spt.certificates import HEURISTIC_NOTE, Certificate, Prediction, quantity
from spt.statistics import largest_certified_radius
from spt.ui.shared import stored_results
from spt.ui.shared.markdown import escape
from spt.ui.votes.request import VotesRequest
from spt.ui.votes.run import VotesRun


def show(request: VotesRequest, run: VotesRun) -> None:
    """What a run that is not going on says."""
    if run.status == "stopped":
        seen = run.estimation.n if run.estimation else 0
        st.markdown(
            f":gray-badge[PROVISIONAL] stopped after {seen:,} of {request.statistics.n:,} votes.\n\n"
            "A run that was stopped concludes nothing: when to stop may have depended on the votes. "
            "Run again, to the end."
        )
        return
    if run.prediction is None or run.certificate is None:
        return
    if run.stored:
        st.caption(stored_results.NOTE.format(button="Run"))
    _show_prediction(request, run.prediction)
    _show_certificate(request, run.certificate)


def _mark(request: VotesRequest, label: int) -> str:
    if request.subject.label is None:
        return ""
    return " ✓" if label == request.subject.label else f" ✗ (truth: {escape(request.names[request.subject.label])})"


def _show_prediction(request: VotesRequest, prediction: Prediction) -> None:
    with st.container(border=True):
        if prediction.label is None:
            st.markdown(f"**PREDICT** :orange-badge[ABSTAIN]\n\n{escape(prediction.reason())}")
        else:
            st.markdown(
                f"**PREDICT** :blue-badge[g answers {escape(request.names[prediction.label])}]"
                f"{_mark(request, prediction.label)}\n\n"
                f"{escape(prediction.reason())}"
            )


def _show_certificate(request: VotesRequest, certificate: Certificate) -> None:
    statistics = request.statistics
    with st.container(border=True):
        if certificate.label is None:
            st.markdown(f"**CERTIFY** :orange-badge[ABSTAIN]\n\n{escape(certificate.reason())}")
            return
        most = largest_certified_radius(statistics.n, statistics.alpha, request.smoothing.parameter_sigma)
        radius = quantity(certificate.radius, certificate.unit)
        st.markdown(
            f"**CERTIFY** :violet-badge[HEURISTIC] {escape(request.names[certificate.label])} within **{radius}** "
            f"of this image\n\n{escape(certificate.reason())} With n = {statistics.n:,} at most "
            f"{quantity(most, certificate.unit)} can be reached.\n\n*{HEURISTIC_NOTE}*"
        )
