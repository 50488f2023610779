"""The formulas of the page "Interpolation error", with this image's numbers."""

import numpy as np
import streamlit as st

from spt.error_bounds import attacker_rounding
from spt.ui.interpolation import refinement, run
from spt.ui.interpolation.request import InterpolationRequest
from spt.ui.shared import folded
from spt.ui.shared.rounding import about, at_most


def area(request: InterpolationRequest) -> None:
    """The formulas, folded, with what is proved by now."""
    folded.area("How it works, with this image's numbers", folded.HOW, lambda: _show_formulas(request))


def _show_formulas(request: InterpolationRequest) -> None:
    after = float(run.difference(request).after.norm())
    unit = r"^\circ" if request.rotates else r"\,\mathrm{px}"
    beta, gamma = (", ".join(f"{v:g}" for v in point) for point in (request.beta, request.gamma))
    st.latex(
        rf"e(\beta,\gamma) = P\,(A_\beta A_\gamma - A_{{\beta+\gamma}})\,x,\qquad "
        rf"\|e(({beta}){unit}, ({gamma}){unit})\|_2 = {about(after)}"
    )
    if request.rotates:
        state = refinement.current(request)
        st.markdown("**Chord bound** on a split [a, b] (`spt.error_bounds.chord_bound`): second order in its width.")
        st.latex(
            r"\max_{\gamma\in[a,b]}\|e(\gamma)\| \le \max(\|e(a)\|,\|e(b)\|) + \|P A_\beta r_1\| + \|P r_2\|,"
            rf"\qquad {_within(state.chord.bound)}"
        )
        st.markdown("**Interval bound** (the paper's; `spt.error_bounds.interval_bound`): first order.")
        st.latex(
            r"\max_{\gamma\in[a,b]}\|e(\gamma)\| \le \big\|\max(|\underline e|, |\overline e|)\big\|,"
            rf"\qquad {_within(state.interval.bound)}"
        )
    else:
        st.markdown(
            "**Vertices** (`spt.error_bounds.vertex_bound`): e is affine in each shift between the white lines."
        )
        exact = run.known_vertices(request)
        if exact is not None:
            st.latex(
                rf"\max_{{\gamma\in\Gamma}}\|e(\gamma)\| = \max_{{{int(exact.evaluations[0])}\ \text{{vertices}}}}"
                rf"\|e\| \le {at_most(float(exact.values[0]))}"
            )
    rounding = attacker_rounding(request.preprocessing, "8-bit", request.image)
    st.markdown(
        f"These bounds are for an attacker in exact arithmetic; one who stores 8 bits can add at most "
        f"{at_most(rounding)} to each."
    )


def _within(bound: float) -> str:
    """A proved bound over Gamma in LaTeX; of a large image it may be missing."""
    return rf"\max_\Gamma\|e\| \le {at_most(bound)}" if np.isfinite(bound) else r"\text{(not computed yet)}"
