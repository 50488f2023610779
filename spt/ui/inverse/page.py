"""The page "Inverse": its controls, the images pass by pass, what survives of Gamma, and the words that explain it.

The other areas have modules of their own: the constraints on one pixel, IndivSPT, and the export.
"""

from dataclasses import replace
from functools import partial

import streamlit as st
import torch

from spt.certificates import OneErrorCertificate, rounded_up
from spt.certificates.error_level import ReceivedErrorLevel
from spt.classifiers import Classifier
from spt.defences import IndivSPT
from spt.figures import inverse as figures
from spt.images import image_digest
from spt.progress import Progress
from spt.threat_model import Attacker
from spt.transforms import Rotation, Transform
from spt.ui import cache, checking, controls, failures, preset_buttons, work
from spt.ui.controls import BOUND, Shape, Subject
from spt.ui.interpolation.page import full_preprocessing
from spt.ui.inverse import constraints, data, export, individual, pixels
from spt.ui.inverse.data import Found, Request
from spt.ui.inverse.forms import Outcome
from spt.ui.presets import INVERSE
from spt.ui.view import escape

ATTACK, RECEIVED, EXAMPLE = "attack it", "received as it is", "slides’ example"
OWN_INPUT, SMALL, CROP = "f’s input", "32 × 32", "crop 48 × 48"
CROP_SIDE, WHOLE_SIDE = 48, 320
RECHECKED_REFINEMENTS = IndivSPT.refinements
# 8 x 8, for the paper's worked example: the received pixel (5, 1) of the paper's grid is 0.9 for every angle in [23°, 26°].
SLIDES = (
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.2, 0.5, 0.4, 0.2, 0.0, 0.0),
    (0.0, 0.2, 0.6, 0.8, 0.8, 0.6, 0.3, 0.0),
    (0.0, 0.3, 0.7, 0.9, 0.9, 0.9, 0.9, 0.3),
    (0.0, 0.3, 0.7, 0.9, 0.9, 0.9, 0.9, 0.3),
    (0.0, 0.0, 0.4, 0.7, 0.8, 0.9, 0.9, 0.2),
    (0.0, 0.0, 0.0, 0.2, 0.3, 0.4, 0.3, 0.0),
)


# -------------------------------------------------------------------------------------------------------------- controls


def choose_picture(classifier: Classifier) -> Subject:
    """Which image, of which size: of what is no digit a small colour picture or a crop as well."""
    kind = st.segmented_control(
        "The image is",
        [ATTACK, RECEIVED, EXAMPLE],
        default=ATTACK,
        required=True,
        key="inverse_input",
        help="Attack it: it is the original x, and you choose the attack γ, which the inverse is not told. Received as it is: "
        "it is x′ already, nobody knows its original. The slides’ example: an 8×8 picture for the paper’s Figure 3.",
        **BOUND,
    )
    if kind == EXAMPLE:
        image = torch.tensor([SLIDES])
        return Subject(image, image_digest(image), None, "the slides’ example, 8×8", None)
    sizes = {OWN_INPUT: classifier.input_shape, SMALL: (3, 32, 32), CROP: (3, WHOLE_SIDE, WHOLE_SIDE)}

    def shape_for(source: str) -> Shape:
        if source in ("digits", "mnist", "fashion-mnist"):
            return classifier.input_shape
        size = st.segmented_control(
            "Its size",
            list(sizes),
            default=SMALL,
            required=True,
            key="inverse_size",
            help="The inverse works on any size; votes and the certificate need f’s own input. The crop is cut out of the "
            f"picture at {WHOLE_SIDE} × {WHOLE_SIDE}.",
            **BOUND,
        )
        return sizes[str(size)]

    subject = controls.choose_image(classifier, shape_for)
    if subject.image.shape[1:] != (WHOLE_SIDE, WHOLE_SIDE) or classifier.input_shape[1] == WHOLE_SIDE:
        return subject
    places = [
        st.slider(
            f"{name} of the crop",
            0,
            WHOLE_SIDE - CROP_SIDE,
            (WHOLE_SIDE - CROP_SIDE) // 2,
            4,
            key=key,
            help="Of its upper left corner.",
            **BOUND,
        )
        for name, key in (("Row", "crop_row"), ("Column", "crop_column"))
    ]
    row, column = places
    image = subject.image[:, row : row + CROP_SIDE, column : column + CROP_SIDE].contiguous()
    return replace(subject, image=image, sha256=image_digest(image), reference=None)


def choose(classifier: Classifier, subject: Subject, transform: Transform) -> Request:
    """The page's other controls."""
    first, rotates = transform.parameters[0], isinstance(transform, Rotation)
    received = st.session_state.get("inverse_input") == RECEIVED
    gamma = None if received else controls.choose_parameters(transform)
    most, usual = (180.0, 30.0) if rotates else (4.0, 2.0)
    low, high = st.slider(
        f"Attack range Γ in {first.unit}",
        -most,
        most,
        (-usual, usual),
        1.0 if rotates else 0.5,
        key="interp_range" if rotates else "interp_range_px",
        help="All that the receiver knows: γ lies somewhere in here" + ("." if rotates else ", dx and dy both."),
        **BOUND,
    )
    if low == high:
        st.error("Γ is a single point: drag its two ends apart.")
        st.stop()
    splits = st.select_slider(
        "Splits of Γ" + ("" if rotates else " on each axis"),
        [1, 10, 30, 60, 120, 300, 600, 1200, 3000] if rotates else [1, 2, 5, 10, 20, 40],
        600 if rotates else 20,
        key="inverse_splits" if rotates else "inverse_splits_px",
        help="Γ is cut into at least so many parts, each inverted by itself. More: sharper and slower. It begins with up to "
        "eight times as wide ones, of which most die at once.",
        **BOUND,
    )
    refinements = st.select_slider(
        "Refinements",
        [0, 1, 2, 3, 5, 10, 12],
        10,
        key="inverse_refinements",
        help="Further passes: what is known of the other pixels makes each equation say more.",
        **BOUND,
    )
    attacker = st.segmented_control(
        "Attacker",
        ["8-bit", "exact"],
        default="8-bit",
        required=True,
        key="attacker",
        help="8-bit: x′ was rounded to multiples of 1/255, as files are: each value is known within ±1/510. Exact: not "
        "rounded.",
        **BOUND,
    )
    with st.expander("As in the slides"):
        naive = st.toggle(
            "Naive source boxes",
            key="inverse_naive",
            help="By interval arithmetic, as the slides compute them; else the exact hull of each arc, which is smaller.",
            **BOUND,
        )
        paper = st.toggle(
            "The paper’s grid",
            key="inverse_grid",
            help="Positions (x, y) on the grid of odd numbers around 0, where pixels are 2 apart; else column and row.",
            **BOUND,
        )
    kind: Attacker = "exact" if attacker == "exact" else "8-bit"
    return Request(
        classifier,
        subject,
        transform,
        gamma,
        (float(low), float(high)),
        int(splits),
        int(refinements),
        kind,
        naive,
        2.0 if paper else 1.0,
    )


def whole_number(name: str) -> bool:
    """Whether a control's number is an int."""
    return name.startswith(("inverse_", "crop_")) or name.endswith("_image") or name in ("n_gamma", "n0", "seed")


def show_presets() -> None:
    """Buttons that set the controls."""
    preset_buttons.show(INVERSE, whole_number)


# ------------------------------------------------------------------------------------------------------------------ page


def show(request: Request) -> None:
    """The whole page below the title."""
    with work.one_thread():
        with st.container():  # always one element: what stands below keeps its place, and nothing stale is seen there
            found = _found(request)
        if found is None:
            return
        _show(request, found)


def _found(request: Request) -> Found | None:
    """The result; None after Stop."""
    found: Found | None = data.known("results", request.key)
    if found is not None:
        return found
    if st.session_state.get("inverse_stopped") == request.key:
        st.markdown(":gray-badge[STOPPED] The inverse was stopped before its first result for these settings.")
        st.button("Compute it", key="inverse_again", icon=":material/play_arrow:", type="primary", on_click=_resume)
        return None
    stop = st.empty()
    stop.button(
        "Stop", key="inverse_stop", icon=":material/stop_circle:", on_click=_stop, args=(request.key,), shortcut="s"
    )
    with failures.in_one_sentence(None, stop), cache.heavy_work():
        found = data.in_background("results", request.key, partial(_compute, request), "Inverting")
    stop.empty()
    return found


def _compute(request: Request, progress: Progress) -> Found:
    return data.compute(request, progress)


def _stop(key: data.Key) -> None:
    st.session_state["inverse_stopped"] = key


def _resume() -> None:
    st.session_state.pop("inverse_stopped", None)


_STYLE = """<style>
[data-testid="stMarkdownContainer"] .katex-display { overflow-x: auto; overflow-y: hidden; padding: .25rem 0; }
@media (max-width: 640px) {
  .st-key-inverse_metrics [data-testid="stColumn"], .st-key-inverse_place [data-testid="stColumn"],
  .st-key-inverse_bounds [data-testid="stColumn"] { flex: 1 1 calc(50% - 1rem); min-width: calc(50% - 1rem); }
  .st-key-inverse_stepping [data-testid="stColumn"] { flex: 1 1 20%; min-width: 20%; }
}
</style>"""
"""Side by side on a telephone what Streamlit would stack; long formulas can be scrolled."""


def _show(request: Request, found: Found) -> None:
    st.html(_STYLE)
    _point_at_contradiction(request, found)
    _show_outcome(request, found)
    left, right = st.columns([1.3, 1], gap="large", vertical_alignment="bottom")
    part = _choose_part(request, found, left)
    number = _choose_pass(found, right)
    pixels.show(request, found, part, number, constraints.chosen_pixel(request), constraints.choose_pixel)
    _show_numbers(request, found, part, number)
    shown = constraints.area(request, found, part)
    bounded = individual.area(request, found)
    _show_words(request)
    export.area(request, found, shown, bounded)
    with st.expander("Check: is this certificate true? Or one from a file?"):
        _check(request, None if bounded is None else bounded.outcome)


def _check(request: Request, outcome: Outcome | None) -> None:
    result = None if outcome is None or isinstance(outcome.result, ReceivedErrorLevel) else outcome.result
    note = ""
    if isinstance(result, OneErrorCertificate) and request.refinements != RECHECKED_REFINEMENTS:
        note = (
            "This form’s record does not say how many refinements found E. A check uses "
            f"{RECHECKED_REFINEMENTS}, this run used {request.refinements}: its E may differ, honestly."
        )
    checking.area("inverse", result, request.classifier, request.received, note)


def _show_outcome(request: Request, found: Found) -> None:
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


def _show_truth(request: Request, found: Found) -> None:
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


def _contradiction(request: Request, found: Found) -> str:
    died = found.contradiction
    assert died is not None
    channel = f" ({constraints.CHANNELS[died.channel]})" if len(request.received) == 3 else ""
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
    constraints.choose_pixel(died.row, died.column)
    st.session_state["inverse_before"] = min(died.passes - 1, 10)
    st.session_state["inverse_channel"] = constraints.CHANNELS[died.channel]
    st.session_state.pop("inverse_split", None)


def _point_at_contradiction(request: Request, found: Found) -> None:
    """Explain the pixel that proves the inconsistency when it is first shown (unless the address names another)."""
    shown = st.session_state.get("inverse_shown_key")
    st.session_state["inverse_shown_key"] = request.key
    if found.contradiction is None or shown == request.key or (shown is None and "inverse_row" in st.query_params):
        return
    if _is_inside(request, found):
        _go_to_contradiction(found)


def _is_inside(request: Request, found: Found) -> bool:
    """Whether the contradiction is within the frame."""
    died = found.contradiction
    height, width = request.received.shape[1:]
    return died is not None and 0 <= died.row < height and 0 <= died.column < width


def _choose_part(request: Request, found: Found, where: "st.delta_generator.DeltaGenerator") -> int:
    """Which part of Gamma the images are about: all that survives, or one part of it."""
    names = [part.name for part in found.parts]
    if len(names) == 1:
        where.caption("The images below are about all that survives.")
        return 0
    if st.session_state.get("inverse_part") not in names:
        st.session_state.pop("inverse_part", None)
    name = where.selectbox(
        "The original, if …",
        names,
        index=found.part_at(request.gamma),
        key="inverse_part",
        format_func=lambda name: name if name == data.EVERYTHING else f"… {name}",
        help="What survives may be several parts of Γ, with quite different originals. The bounds over all of them contain "
        "each; one part alone says more. At first the part with the true γ is shown, if it is known.",
        **BOUND,
    )
    return names.index(name)


def _choose_pass(found: Found, where: "st.delta_generator.DeltaGenerator") -> int:
    most = found.passes[-1].number
    if st.session_state.get("inverse_pass", 0) > most:
        st.session_state.pop("inverse_pass", None)
    return int(
        where.slider(
            f"Pass (of {most})",
            0,
            most,
            most,
            key="inverse_pass",
            help="How far the bounds had come: 0 is before the first pass. The images run to the chosen pass one by one.",
            **BOUND,
        )
    )


def _show_numbers(request: Request, found: Found, part: int, number: int) -> None:
    one = found.passes[number]
    hull = one.hulls[part]
    with st.container(key="inverse_metrics"):
        first, second, third, fourth = st.columns(4)
    first.metric("Γ that survives", f"{rounded_up(100 * one.share)} %", help="Share of Γ that is not excluded.")
    second.metric("Splits left", f"{len(one.boxes):,}", help="Parts of Γ that some original explains so far.")
    if hull is None:
        return
    width = hull[1] - hull[0]
    seen = full_preprocessing(request.classifier, request.transform).mask(*width.shape[1:]).bool()
    inside, everywhere = (rounded_up(float(values.mean())) for values in (width[:, seen], width))
    third.metric(
        "Mean width inside",
        inside,
        help="Upper minus lower bound, mean over the pixels inside the vignette (P blackens the others); rounded up.",
    )
    fourth.metric(
        "Mean width, all", everywhere, help="Over all pixels: what turned out of the frame is not known at all."
    )


def _show_words(request: Request) -> None:
    with st.expander("How it works, and the words"):
        st.markdown(
            "**One equation.** A received pixel is a weighted mean of the four original pixels around the place where it was "
            "read, its *source*. Solved for one of them, $p$, with weights $w$ and the neighbours across, along and diagonal:"
        )
        st.latex(
            r"p = \frac{p' - (w_h\,p_h + w_v\,p_v + w_d\,p_d)}{w},\qquad w + w_h + w_v + w_d = 1,\ "
            r"w = (1-s)(1-t)\ \text{at distance }(s, t)\text{ from }p"
        )
        st.markdown(
            "**An interval.** γ is known only within a split, so the source is a box, and the neighbours are known only within "
            "their own intervals. The quotient is monotone in each coordinate and in each neighbour: corners suffice. Over the "
            "interpolation cells that the box meets the *hull* is taken, over the received pixels the *intersection*, with "
            "[0, 1] as well:"
        )
        st.latex(r"p_i \in [0,1] \cap \bigcap_{p'} \ \bigsqcup_{\text{cells}} q_{\text{cell}}(c_{p'})")
        st.markdown(
            "**Passes.** The next pass uses what this one found for the neighbours. An empty interval proves that no original "
            "gives x′ by a γ of this split: the split *dies*. What lives is halved.\n\n"
            "**Proved.** No image with pixels in [0, 1] that gives x′ with a γ in Γ is ever outside; what floating point could "
            "lose is added. Pixels outside the frame are black. All numbers are rounded outward.\n\n"
            f"Here: {request.splits} splits{'' if request.transform.dimensions == 1 else ' on each axis'} of "
            f"{request.split_width:g} {request.transform.unit}, {request.refinements} refinements. A Γ that does not fit into "
            "memory is processed in parts. Code: `spt.inverse.refine`, `spt.inverse.trace`."
        )
