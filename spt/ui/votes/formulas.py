"""The explanation of the page "Votes", with this image's numbers."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from spt.certificates import rounded_down
from spt.ui.shared import folded
from spt.ui.shared.markdown import latex_unit
from spt.ui.votes.request import VotesRequest
from spt.ui.votes.run import VotesRun


def area(request: VotesRequest) -> Callable[[VotesRun], None]:
    """Make room for the area, folded; returns what draws it once the run has ended."""
    room = st.container()

    def draw(run: VotesRun) -> None:
        with room:
            folded.area("How it works, with this image's numbers", folded.HOW, partial(_show_formulas, request, run))

    return draw


def _show_formulas(request: VotesRequest, run: VotesRun) -> None:
    sigma, statistics = request.smoothing.parameter_sigma, request.statistics
    unit = latex_unit(request.transform.unit)
    noise, law = "", rf"\beta\sim\mathcal N(0, ({sigma:g}{unit})^2)"
    if request.smoothing.pixel_sigma:
        noise = r" + \varepsilon"
        law += rf",\ \varepsilon\sim\mathcal N(0, {request.smoothing.pixel_sigma:g}^2)"
    st.latex(rf"g(x') = \arg\max_c\ \Pr\big(f(P\,T_\beta\,x'{noise}) = c\big),\quad {law}")
    certificate, prediction = run.certificate, run.prediction
    if certificate is None or prediction is None:
        st.caption("The numbers appear when the run has ended.")
        return
    st.markdown(
        "**PREDICT** (Cohen, Rosenfeld, Kolter 2019): two-sided binomial test of the top two counts. "
        "Code: `spt.smoothing.SmoothedClassifier.predict`."
    )
    n_a, n_b = prediction.leading_votes
    relation = r"\le" if prediction.label is not None else ">"
    st.latex(
        rf"p\text{{-value}}({n_a}, {n_a}+{n_b}, \tfrac12) = {_latex(prediction.p_value)} {relation} \alpha = {statistics.alpha:g}"
    )
    st.markdown(
        "**CERTIFY**: the class comes from the selection votes, the Clopper–Pearson bound from the others. "
        "Code: `spt.smoothing.SmoothedClassifier.certify`."
    )
    votes = certificate.counts[certificate.selected]
    bound, radius = rounded_down(certificate.p_lower, 4), rounded_down(certificate.radius)
    st.latex(
        rf"\underline p = \mathrm{{LowerConfBound}}({votes}, {certificate.n}, 1-{statistics.alpha:g}) = {bound}\ldots"
    )
    if certificate.label is None:
        st.latex(rf"\underline p = {bound} \le \tfrac12 \;\Rightarrow\; \mathrm{{ABSTAIN}}")
    else:
        st.latex(
            rf"r = \sigma_\gamma\,\Phi^{{-1}}(\underline p) = {sigma:g}\cdot\Phi^{{-1}}({bound}\ldots) = {radius}\ldots{unit}"
        )
        st.markdown(
            "Theorem 3.2 makes this a certified radius *if* T_β T_γ = T_(β+γ). Interpolated rotations and translations do "
            "not compose exactly, so for BaseSPT it is a heuristic."
        )


def _latex(value: float) -> str:
    text = f"{value:.3g}"
    mantissa, exponent, power = text.partition("e")
    return rf"{mantissa}\cdot 10^{{{int(power)}}}" if exponent else text
