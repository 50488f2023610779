"""What the page "Inverse" says of Gamma: what survives, whether the attack is among it, or that nothing explains the image."""

import streamlit as st

from spt.certificates import rounded_up
from spt.figures import inverse as figures
from spt.ui.inverse import one_pixel
from spt.ui.inverse.request import InverseRequest
from spt.ui.inverse.run import Found
from spt.ui.shared import state
from spt.ui.shared.markdown import escape


def show(request: InverseRequest, found: Found) -> None:
    """What the receiver now knows about gamma, or that nothing explains the image."""
    unit, died = request.transform.unit, found.contradiction
    gamma_range = figures.range_in_words(request.gamma_range[:1], unit)
    where = gamma_range if request.transform.dimensions == 1 else f"{gamma_range} (dx and dy)"
    with st.container(border=True):
        if died is not None:
            st.markdown(
                f":red-badge[INCONSISTENT WITH Γ] No image with pixels in [0, 1] gives this one by a "
                f"{request.transform.name} in {where}."
            )
            st.markdown(_contradiction(request, found))
            if _is_inside(request, found):
                st.button(
                    "Show this pixel",
                    key="inverse_to_contradiction",
                    icon=":material/my_location:",
                    on_click=_go_to_contradiction,
                    args=(found,),
                )
            return
        last = found.passes[-1]
        ranges = [figures.range_in_words(box.tolist(), unit) for box in last.surviving]
        words = ", ".join(ranges[:3]) + (f" and {len(ranges) - 3} more" if len(ranges) > 3 else "")
        share = f"{rounded_up(100 * last.share)} %"
        badge, sentence = (
            ":orange-badge[PROVED]",
            f"Of Γ = {where} only **{share}** can explain this image: γ in **{words}**.",
        )
        if last.share > 1 - 1e-9:
            badge = ":gray-badge[NOTHING EXCLUDED]"
            sentence = f"Every part of Γ = {where} may explain this image, as far as these splits can tell."
        if len(ranges) > 1 and any(bool(((box[:, 0] <= 0) & (box[:, 1] >= 0)).all()) for box in last.surviving):
            sentence += " γ = 0 always can: then x′ itself is the original."
        st.markdown(f"{badge} {sentence}")
        _show_truth(request, found)


def _show_truth(request: InverseRequest, found: Found) -> None:
    if request.gamma is None:
        return
    at = escape(request.transform.describe(request.gamma))
    if not request.gamma_inside:
        st.markdown(f":gray-badge[note] The attack was {at}, which is outside Γ: the receiver’s assumption is wrong.")
    elif found.inside:
        st.markdown(
            f":green-badge[check] The attack was {at}; it survives, and all {request.received.numel():,} values of the true "
            "original lie inside their intervals."
        )
    else:
        st.markdown(":red-badge[ALARM] The true original is not inside: this is a bug, please report the link.")


def _contradiction(request: InverseRequest, found: Found) -> str:
    died = found.contradiction
    assert died is not None
    channel = f" ({one_pixel.CHANNELS[died.channel]})" if len(request.received) == 3 else ""
    split = figures.range_in_words(died.box.tolist(), request.transform.unit)
    where = "" if _is_inside(request, found) else " (outside the frame, where all is black)"
    return (
        f"The last to die was γ in {split}, in pass {died.passes}: the original’s pixel row {died.row}, column "
        f"{died.column}{channel}{where} would have to be **at least {figures.at_least(died.lower)}** and **at most "
        f"{figures.at_most(died.upper)}**."
    )


def _go_to_contradiction(found: Found) -> None:
    died = found.contradiction
    assert died is not None
    one_pixel.choose_pixel(died.row, died.column)
    state.set(inverse_before=min(died.passes - 1, 10), inverse_channel=one_pixel.CHANNELS[died.channel])
    state.reset("inverse_split")


def point_at_contradiction(request: InverseRequest, found: Found) -> None:
    """Explain the pixel that proves the inconsistency when it is first shown (unless the address names another)."""
    shown = st.session_state.get("inverse_shown_key")
    st.session_state["inverse_shown_key"] = request.key
    if found.contradiction is None or shown == request.key or state.is_given("inverse_row"):
        return
    if _is_inside(request, found):
        _go_to_contradiction(found)


def _is_inside(request: InverseRequest, found: Found) -> bool:
    """Whether the contradiction is within the frame."""
    died = found.contradiction
    height, width = request.received.shape[1:]
    return died is not None and 0 <= died.row < height and 0 <= died.column < width
