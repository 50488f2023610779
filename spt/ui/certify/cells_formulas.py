"""The formulas of the page "Certify" for cells, with this image's numbers."""

import math

import streamlit as st

from spt.certificates import CellsCertificate, given, rounded_down, rounded_up
from spt.certificates.looks import FIRST_LOOK
from spt.ui.certify.request import CertifyRequest
from spt.ui.shared.markdown import latex_unit


def show(request: CertifyRequest, certificate: CellsCertificate | None) -> None:
    """Draw the area."""
    if certificate is None:
        st.caption("The numbers appear when the run has ended.")
        return
    if certificate.parameter_sigma == 0:
        _show_slices(certificate)
        return
    unit = latex_unit(certificate.unit)
    rules, sigma, noise = certificate.rules, certificate.parameter_sigma, certificate.pixel_sigma
    width = 2 * certificate.limit / certificate.first_cells
    st.markdown(
        "**The smoothed classifier** is nested, the same as with one ball: h votes over pixel noise, g over h's answers. "
        "Code: `spt.defences.DistSPTCells`."
    )
    st.latex(
        rf"h(z) = \arg\max_c \Pr_\varepsilon\big(f(z+\varepsilon)=c\big),\ \varepsilon\sim\mathcal N(0,{noise:g}^2)"
    )
    st.latex(rf"g(x) = \arg\max_c \Pr_\beta\big(h(P\,T_\beta x)=c\big),\ \beta\sim\mathcal N(0,({sigma:g}{unit})^2)")
    st.markdown(
        f"**Cells.** Γ is cut into cells, at first {given(width, certificate.unit)} wide, fixed before anything is tested: "
        "that depends on the image, not on votes. What h can be shown when the attack lies in cell i and β + γ lands on "
        "b′ is in a ball, smaller than one for all of Γ. "
        "Code: `spt.error_bounds.cell_balls`."
    )
    smallest, largest = rounded_down(min(certificate.radii)), rounded_up(max(certificate.radii))
    st.latex(
        rf"K_i(b') = \{{P\,T_{{b'-\gamma}}T_\gamma x : \gamma \text{{ in cell }} i\}} \subset B\big(z_i(b'), r_i(b')\big),\qquad "
        rf"{smallest} \le r_i(b') \le {largest}"
    )
    st.markdown(
        f"**Inner test**, anytime-valid, at {FIRST_LOOK} to {certificate.INNER_LOOKS[-1]} votes: a sample passes if h is shown "
        "constant on its ball, wrongly with probability at most a′. Code: `spt.statistics.SequentialTest`."
    )
    st.latex(
        rf"\Pr_\varepsilon\big(f(z+\varepsilon)=c\big) > \Phi\Big(\frac{{r_i}}{{{noise:g}}}\Big),\qquad "
        rf"a' = {certificate.inner_alpha:g}"
    )
    st.markdown(
        "**Test of a cell**: its samples are drawn around its own centre γᵢ, and no attack in it is farther from there than w. So "
        "by Neyman and Pearson only w is paid for, not |γ|: if samples pass with probability more than q₀, g answers the "
        "same on the whole cell. This test may be looked at after every sample. Code: `spt.certificates.cell_walk.CellRules`."
    )
    reach = math.sqrt(rules.grid.dimensions) * certificate.limit / certificate.first_cells
    null = rounded_up(rules.outer_test(0).p0, 4)
    st.latex(
        rf"b' \sim \mathcal N(\gamma_i, ({sigma:g}{unit})^2),\qquad q_0 = \Phi\Big(\frac{{w}}{{\sigma_\gamma}}\Big) = "
        rf"\Phi\Big(\frac{{{rounded_up(reach, 4)}{unit}}}{{{sigma:g}{unit}}}\Big),\qquad "
        rf"\Pr(b' \text{{ passes}}) > q_0 + a'(1-q_0) \le {null}"
    )
    st.markdown(
        f"**The walk**, from 0 outwards: a cell that is not proved is cut into pieces, at most {certificate.bisections} times; one "
        "that fails then ends the radius R. No union bound over cells: the bad γ nearest to 0 lies in one of them, and a radius "
        "beyond it is stated only if that one, or a cell it is a piece of, is accepted wrongly. So each test has this level:"
    )
    st.latex(
        rf"\frac{{\alpha}}{{1 + {certificate.bisections}}} \ge {rounded_down(rules.level_alpha, 4)},\qquad "
        r"R = \min \{|\gamma| : \gamma \text{ in a cell that is neither proved nor cut}\}"
    )
    if certificate.label is None:
        st.latex(r"R = 0 \;\Rightarrow\; \mathrm{ABSTAIN}")
    else:
        st.latex(
            rf"R \ge {rounded_down(certificate.reach)}{unit}\ldots\;\Rightarrow\; "
            r"g(T_\gamma x) = \text{const for } |\gamma| < R,\ \gamma\in\Gamma"
        )
    st.markdown(
        "Cells that are proved beyond R hold *pointwise*: of one γ, chosen beforehand, this confidence holds, of all of them "
        "together it does not. Proof: docs/mathematics.md, section 24. Bounds from below are rounded down here, from above up."
    )


_CHANGED = (
    "Clipping to [0, 1] and rounding never decrease where their argument grows, so each pixel is between its values at the ends of "
    "a cell, exactly"
)
_PIECES = "A cell is cut into pieces in which no pixel moves by more than one; there the image is near"
_BALLS = {
    **dict.fromkeys(("brightness", "contrast", "rotation-brightness"), (_CHANGED, "value_balls", 26)),
    **dict.fromkeys(
        ("rotation", "scaling", "shear"), (f"{_PIECES} a straight line between its ends", "slice_balls", 25)
    ),
    "translation": (
        "Between whole pixels the image is affine in each shift, so largest distances are at corners",
        "slice_balls",
        24,
    ),
    "rotation-scaling": (f"{_PIECES} a mean of its four corners", "similarity", 28),
}
"""Of each transformation: why there is a ball, in which module, and in which section of docs/mathematics.md."""


def _show_slices(certificate: CellsCertificate) -> None:
    """The formulas where nothing is smoothed over parameters."""
    noise, rules = certificate.pixel_sigma, certificate.rules
    st.markdown(
        "**The smoothed classifier** has votes over pixel noise only, and answers for what it is shown: it is another g than the "
        "one that is smoothed over parameters. Code: `spt.defences.DistSPTCells`."
    )
    st.latex(
        r"g(x) = h(P x),\quad h(z) = \arg\max_c \Pr_\varepsilon\big(f(z+\varepsilon)=c\big),\ "
        rf"\varepsilon\sim\mathcal N(0,{noise:g}^2)"
    )
    what, module, section = _BALLS[certificate.transform]
    st.markdown(
        f"**Cells.** Γ is cut into cells, as narrow as the image needs them. {what}, and all that g can be shown lies in a ball. "
        f"Code: `spt.error_bounds.{module}`."
    )
    smallest, largest = rounded_down(min(certificate.radii)), rounded_up(max(certificate.radii))
    st.latex(
        rf"\{{P\,Q(T_\gamma x) : \gamma \text{{ in cell }} i\}} \subset B(z_i, r_i),\qquad {smallest} \le r_i \le {largest}"
    )
    st.markdown(
        f"**The test of a cell**, anytime-valid, at {FIRST_LOOK} to {certificate.INNER_LOOKS[-1]} votes; a cell that is not proved "
        f"is cut, at most {certificate.bisections} times, and tested anew. No union bound over cells: the bad γ nearest to 0 lies "
        "in one of them. Code: `spt.certificates.cell_walk.CellRules`."
    )
    st.latex(
        rf"\Pr_\varepsilon\big(f(z_i+\varepsilon)=c\big) > \Phi\Big(\frac{{r_i}}{{{noise:g}}}\Big)\quad\text{{at level}}\quad "
        rf"\frac{{\alpha}}{{1 + {certificate.bisections}}} \ge {rounded_down(rules.level_alpha, 4)}"
    )
    st.markdown(f"**{certificate.statement()}** Proof: docs/mathematics.md, sections 24 and {section}.")
