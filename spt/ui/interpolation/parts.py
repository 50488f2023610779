"""The area of the page "Interpolation error" that compares E with and without the parts of P."""

import pandas as pd
import streamlit as st

from spt.ui.interpolation import run
from spt.ui.interpolation.request import InterpolationRequest, with_parts
from spt.ui.shared import state
from spt.ui.shared.full_preprocessing import full_preprocessing
from spt.ui.shared.rounding import about, at_least, at_most


def parts_table(request: InterpolationRequest) -> list[dict[str, object]]:
    """E over Gamma for the four combinations of vignette and blur."""
    full = full_preprocessing(request.classifier, request.transform)
    rows: list[dict[str, object]] = []
    for vignette in (False, True):
        for blur in (False, True):
            settings = with_parts(full, vignette, blur)
            occurs, proved = run.sharp(request, settings)
            rows.append(
                {
                    "vignette": "✓" if vignette else "–",
                    "blur": "✓" if blur else "–",
                    "E occurs (≥)": at_least(occurs),
                    "E proved (≤)": at_most(proved),
                    "": "◀ now" if settings == request.preprocessing else "",
                }
            )
    return rows


def show(request: InterpolationRequest) -> None:
    """Draw the area; of a large image only when asked to."""
    st.subheader("Why P: vignette and blur against the error", anchor=False)
    if request.large and not state.switch("Compute this table for a large image (slow)", key="large_table"):
        return
    rows = parts_table(request)
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    method = "chord bound, refined to 2 %" if request.rotates else "vertices, exact"
    full = full_preprocessing(request.classifier, request.transform)
    neither, no_vignette, no_blur, both = (
        run.sharp(request, with_parts(full, vignette, blur))[0]
        for vignette, blur in ((False, False), (False, True), (True, False), (True, True))
    )
    verdict = "The error is zero with and without P."
    if both > 1e-6:
        verdict = (
            f"Without P the error is **{about(neither / both)}×** as large; without the blur alone {about(no_blur / both)}×, "
            f"without the vignette alone {about(no_vignette / both)}×."
        )
        if no_vignette / both < 1.05:
            verdict += " What the vignette hides is nearly empty here: try a natural image."
    st.markdown(verdict)
    st.caption(
        f"The largest error E = max ‖e(γ)‖ over the attack range Γ, at this β ({method}). The paper’s Table 11 is the same "
        "comparison."
    )
