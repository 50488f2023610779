"""The explanation and export areas of the page "Votes": formulas with this image's numbers; JSON, command, Python."""

import shlex
from collections.abc import Callable

import streamlit as st

from spt.certificates import rounded_down
from spt.ui.loading import in_python, in_shell
from spt.ui.view import Run, View


def area(view: View) -> Callable[[Run], None]:
    """Make room for both areas, folded; returns what fills them once the run has ended."""
    with st.expander("How it works, with this image's numbers"):
        formulas = st.empty()
    with st.expander("Export: numbers, command, Python"):
        export = st.empty()

    def draw(run: Run) -> None:
        with formulas.container():
            _show_formulas(view, run)
        with export.container():
            _show_export(view, run)

    return draw


def _show_formulas(view: View, run: Run) -> None:
    sigma, statistics = view.smoothing.parameter_sigma, view.statistics
    unit = r"^\circ" if view.transform.unit == "°" else r"\,\mathrm{px}"
    noise, law = "", rf"\beta\sim\mathcal N(0, ({sigma:g}{unit})^2)"
    if view.smoothing.pixel_sigma:
        noise = r" + \varepsilon"
        law += rf",\ \varepsilon\sim\mathcal N(0, {view.smoothing.pixel_sigma:g}^2)"
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


def _show_export(view: View, run: Run) -> None:
    if run.certificate is not None:
        st.download_button(
            "Certificate as JSON",
            run.certificate.to_json(),
            "certificate.json",
            "application/json",
            key="export_json",
            on_click="ignore",
        )
    statistics, noise = view.statistics, view.smoothing
    loaded = str(st.session_state["classifier"])
    at = " ".join(f"{value:g}" for value in view.gamma)
    reference = view.subject.reference
    st.code(
        f"python -m spt certify --image {in_shell(reference)} --classifier {shlex.quote(loaded)} --transform {view.transform.name} "
        f"--at {at} --parameter-sigma {noise.parameter_sigma:g} --pixel-sigma {noise.pixel_sigma:g} "
        f"--n0 {statistics.n0} --n {statistics.n} --alpha {statistics.alpha:g} --seed {statistics.seed}",
        language="bash",
    )
    load = in_python(reference, "classifier.input_shape")
    st.code(
        "".join(f"{line}\n" for line in load.before)
        + f"from spt import SmoothedClassifier, get_transform, load_classifier, {load.imports}, to_8_bit\n\n"
        f"classifier = load_classifier({loaded!r})\nimage = {load.expression}\n"
        f"transform = get_transform({view.transform.name!r})\n"
        f"received = to_8_bit(transform(image, [{view.gamma}])[0])\n"
        f"g = SmoothedClassifier(classifier, transform, {noise.parameter_sigma:g}, {noise.pixel_sigma:g})\n"
        f"print(g.certify(received, {statistics.n0}, {statistics.n}, {statistics.alpha:g}, seed={statistics.seed}).to_text())",
        language="python",
    )
