"""The formulas of the page "Certify", with this image's numbers."""

import streamlit as st

from spt.certificates import DistCertificate, rounded_down, rounded_up
from spt.certificates.looks import FIRST_LOOK, MOST_INNER_VOTES
from spt.figures import certificates as figures
from spt.ui.certify.request import CertifyRequest
from spt.ui.shared.markdown import latex_unit


def show(request: CertifyRequest, certificate: DistCertificate | None) -> None:
    """Draw the area."""
    if certificate is None:
        st.caption("The numbers appear when the run has ended.")
        return
    unit = latex_unit(certificate.unit)
    sigma, limit, n = certificate.parameter_sigma, certificate.limit, certificate.n_gamma
    level, p_noise = certificate.inner_alpha, certificate.pixel_sigma
    st.markdown(
        "**The smoothed classifier** is nested: h votes over pixel noise, g over h's answers. "
        "Code: `spt.defences.DistSPT`."
    )
    st.latex(
        rf"h(z) = \arg\max_c \Pr_\varepsilon\big(f(z+\varepsilon)=c\big),\ \varepsilon\sim\mathcal N(0,{p_noise:g}^2)"
    )
    st.latex(rf"g(x) = \arg\max_c \Pr_\beta\big(h(P\,T_\beta x)=c\big),\ \beta\sim\mathcal N(0,({sigma:g}{unit})^2)")
    st.markdown(
        "**What h can be shown** when β + γ lands on b′ lies in a ball of centre z(b′) and radius r(b′), bounded for all γ "
        "in Γ at once. r is made only as small as the inner test will probably need, judged from other votes: that saves "
        "time and costs no proof. Code: `spt.error_bounds.sample_bound`."
    )
    smallest, largest = rounded_down(min(certificate.radii)), rounded_up(max(certificate.radii))
    st.latex(
        rf"K(b') = \{{P\,T_{{b'-\gamma}}T_\gamma x : |\gamma_i| \le {limit:g}{unit}\}} \subset B\big(z(b'), r(b')\big),"
        rf"\qquad {smallest} \le r(b') \le {largest}"
    )
    worst = max(range(len(certificate.radii)), key=lambda index: certificate.radii[index])
    successes, trials = certificate.inner_votes[worst]
    test = certificate.inner_test(certificate.radii[worst])
    st.markdown(
        "**Inner test**, anytime-valid, so that it may look after 32, 64, 128, … votes: h is constant on the ball if f votes "
        "for the class with more than this probability. The sample with the largest r: "
        f"{successes:,} of {trials:,} votes, {figures.outcomes(certificate)[worst]}. "
        f"(Looks at {FIRST_LOOK} to {MOST_INNER_VOTES:,} votes.) Code: `spt.statistics.SequentialTest`."
    )
    st.latex(
        rf"\Pr_\varepsilon\big(f(z+\varepsilon)=c\big) > \Phi\Big(\frac{{r}}{{\sigma_\varepsilon}}\Big),\quad "
        rf"\Phi\Big(\frac{{r}}{{\sigma_\varepsilon}}\Big) \le "
        rf"{rounded_up(test.p0, 4)}\quad(r \le {largest},\ \sigma_\varepsilon = {p_noise:g})"
    )
    st.markdown(
        "**Outer bound**: passes are independent, and a test passes wrongly with probability at most a′; no union bound. "
        "Code: `spt.certificates.DistCertificate.conclude`; `verify()` recomputes all of it from the counts."
    )
    share = certificate.share_lower_of(certificate.passed())
    p_lower = rounded_down(certificate.p_lower, 4)
    st.latex(
        rf"m = \mathrm{{LowerConfBound}}({certificate.passes}, {n}, 1-{certificate.alpha:g}) = {rounded_down(share, 4)},\qquad "
        rf"p \ge \frac{{m-a'}}{{1-a'}} = {p_lower},\quad a' = {level:g}"
    )
    if certificate.label is None:
        st.latex(rf"p \ge {p_lower}, \text{{ which is not above }} \tfrac12 \;\Rightarrow\; \mathrm{{ABSTAIN}}")
        return
    radius = rounded_down(certificate.radius)
    st.latex(
        rf"R = \sigma_\gamma\,\Phi^{{-1}}(p) \ge {sigma:g}\cdot\Phi^{{-1}}({p_lower}\ldots) = {radius}{unit}\ldots"
        rf"\;\Rightarrow\; g(T_\gamma x) = \text{{const for }} |\gamma| < R,\ \gamma\in\Gamma"
    )
    st.markdown(
        "Why: β + γ is distributed as N(γ, σ_γ²), and by Neyman and Pearson a set of probability p at γ = 0 keeps more than "
        "half as long as |γ| < σ_γ Φ⁻¹(p). Numbers that bound from below are rounded down here, error radii up."
    )
