"""The page "Inverse": its controls, the images pass by pass, what survives of Gamma, and the words that explain it.

The other areas have modules of their own: the constraints on one pixel, IndivSPT, and what is shared.
"""

from functools import partial

import streamlit as st

from spt.certificates import OneErrorCertificate, rounded_up
from spt.certificates.error_level import ReceivedErrorLevel
from spt.defences import IndivSPT
from spt.ui.inverse import error_bound, export, finding, images, one_pixel, run, surviving
from spt.ui.inverse.certificate_request import IndividualOutcome
from spt.ui.inverse.request import InverseRequest
from spt.ui.inverse.run import Found
from spt.ui.shared import background, checking, comparing, failures, folded, preset_buttons, share, state
from spt.ui.shared.components import style
from spt.ui.shared.full_preprocessing import full_preprocessing
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.presets import INVERSE
from spt.ui.shared.session import CurrentRun, PageRun

_STYLE = style(__file__)
RUN = CurrentRun("inverse_run", PageRun)

RECHECKED_REFINEMENTS = IndivSPT.refinements


def show_presets() -> None:
    """Buttons that set the controls."""
    preset_buttons.show(INVERSE)


def show(request: InverseRequest) -> None:
    """The whole page below the title."""
    with background.one_thread():
        with st.container():  # always one element: what stands below keeps its place, and nothing stale is seen there
            found = _found(request)
        if found is None:
            comparison = comparing.make_room("Inverse", finding.key(request), st.empty())
            comparison.begin()
            comparison.end(None, "The run now was stopped: compute it to compare.", finding.compare)
            return
        _show(request, found)


def _found(request: InverseRequest) -> Found | None:
    """The result; None after Stop."""
    found: Found | None = run.RESULTS.get(request.key)
    if found is not None:
        return found
    last = RUN.of(request.key)
    if last is not None and last.status == "stopped":
        st.markdown(":gray-badge[STOPPED] The inverse was stopped before its first result for these settings.")
        st.button("Compute it", key="inverse_again", icon=":material/play_arrow:", type="primary", on_click=RUN.forget)
        return None
    RUN.put(PageRun(request.key))
    stop = st.empty()
    stop.button("Stop", key="inverse_stop", icon=":material/stop_circle:", on_click=RUN.stop, shortcut="s")
    with failures.in_one_sentence(None, stop), heavy_work("long", "inverse", splits=request.splits):
        found = run.RESULTS.in_background(request.key, partial(run.compute, request), "Inverting")
    stop.empty()
    return found


def _show(request: InverseRequest, found: Found) -> None:
    st.html(_STYLE)
    drawn = state.drawn()  # all that decides the result, and nothing that is drawn below
    surviving.point_at_contradiction(request, found)
    left, right = st.columns([1.5, 1], gap="medium")
    with right:
        surviving.show(request, found)
        part = _choose_part(request, found, right)
        number = _choose_pass(found, right)
        _show_numbers(request, found, part, number)
        pin = st.empty()
    with left:
        images.show(request, found, part, number, one_pixel.chosen_pixel(request), one_pixel.choose_pixel)
    comparison = comparing.make_room("Inverse", finding.key(request), pin, settings=drawn)
    comparison.begin()
    shown = one_pixel.area(request, found, part)
    bounded = error_bound.area(request, found)
    folded.area("How it works, and the words", folded.HOW, partial(_show_words, request))
    share.offer(partial(export.shared, request, found, part, shown, bounded))
    with st.expander("Check: is this certificate true? Or one from a file?"):
        _check(request, None if bounded is None else bounded.outcome)
    comparison.end(partial(finding.of, request, found), "", finding.compare)


def _check(request: InverseRequest, outcome: IndividualOutcome | None) -> None:
    result = None if outcome is None or isinstance(outcome.result, ReceivedErrorLevel) else outcome.result
    note = ""
    if isinstance(result, OneErrorCertificate) and request.refinements != RECHECKED_REFINEMENTS:
        note = (
            "This form’s record does not say how many refinements found E. A check uses "
            f"{RECHECKED_REFINEMENTS}, this run used {request.refinements}: its E may differ, honestly."
        )
    checking.area("inverse", result, request.classifier, request.received, note)


def _choose_part(request: InverseRequest, found: Found, where: "st.delta_generator.DeltaGenerator") -> int:
    """Which part of Gamma the images are about: all that survives, or one part of it."""
    names = [part.name for part in found.parts]
    if len(names) == 1:
        where.caption("The images below are about all that survives.")
        return 0
    name = state.select(
        "The original, if …",
        names,
        names[found.part_at(request.gamma)],
        key="inverse_part",
        words=lambda name: name if name == run.EVERYTHING else f"… {name}",
        help="What survives may be several parts of Γ, with quite different originals. The bounds over all of them contain "
        "each; one part alone says more. At first the part with the true γ is shown, if it is known.",
        where=where,
    )
    return names.index(name)


def _choose_pass(found: Found, where: "st.delta_generator.DeltaGenerator") -> int:
    most = found.passes[-1].number
    return state.slider(
        f"Pass (of {most})",
        0,
        most,
        most,
        1,
        key="inverse_pass",
        help="How far the bounds had come: 0 is before the first pass. The images run to the chosen pass one by one.",
        where=where,
    )


def _show_numbers(request: InverseRequest, found: Found, part: int, number: int) -> None:
    one = found.passes[number]
    hull = one.hulls[part]
    with st.container(key="inverse_metrics"):
        first, second = st.columns(2)
        third, fourth = st.columns(2)
    first.metric("Survives of the range Γ", f"{rounded_up(100 * one.share)} %", help="Share of Γ that is not excluded.")
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


def _show_words(request: InverseRequest) -> None:
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
