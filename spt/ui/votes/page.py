"""The page "Votes": images, the live vote and its conclusions.

A run belongs to one `VotesRequest`: its key holds everything that decides the votes, so a result whose key is not that of the
controls is never drawn."""

from functools import partial

import pandas as pd
import streamlit as st

from spt.classifiers import Classifier
from spt.figures import votes as figures
from spt.ui.shared import checking, comparing, failures, pixel_grid, share
from spt.ui.shared.markdown import escape
from spt.ui.shared.pixel_grid import Picture, Shape, Warp
from spt.ui.votes import attack, conclusion, export, finding, formulas, responses
from spt.ui.votes import run as votes_run
from spt.ui.votes.request import VotesRequest

VIGNETTE = "#56B4E9"


def show(request: VotesRequest) -> None:
    """The whole page below the title.

    The run is emptied first, so that nothing of an earlier one stays on the screen; then the images are drawn, then what stands
    still; then the votes come in.
    """
    run = votes_run.current(request)
    images_area, run_area = st.container(), st.container()
    with run_area:
        slots = votes_run.make_slots()
        comparison = comparing.make_room("Votes", request.key, slots.pin, ("pace",))
    with images_area, failures.in_one_sentence():
        _show_images(request)
    draw_response = responses.area(request)
    draw_verdict = attack.area(request)
    draw_explanation = formulas.area(request)
    with st.expander("Check: are these numbers true? Or a certificate from a file?"):
        check = st.empty()
    check.caption("There is something to check when the run has ended.")
    comparison.begin()
    slots.draw(request, run)
    if run.status == "running":
        draw_response(run)  # the curve at once; its votes when they are counted
        votes_run.count_with_stop(request, run, slots)
    slots.draw(request, run)
    slots.button.button(
        "Run" if run.stored else "Run again",
        key="again",
        icon=":material/play_arrow:" if run.stored else ":material/replay:",
        on_click=votes_run.start,
        help="Count the votes here and now (same seed)." if run.stored else "Count the same votes again (same seed).",
        shortcut="g",
    )
    with slots.panel.container():
        conclusion.show(request, run)
    draw_response(run)
    draw_verdict(run)
    draw_explanation(run)
    share.offer(partial(export.shared, request, run))
    with check.container():  # last, because a check may run here
        checking.area("votes", run.certificate, request.classifier, request.received)
    comparison.end(finding.finder(request, run), finding.why_not(run), finding.compare)


def _show_images(request: VotesRequest) -> None:
    images, answer = st.columns([3, 1.5], gap="medium")
    subject, where = request.subject, request.transform.describe(request.gamma)
    steps = _preprocessing_in_words(request.classifier)
    moved = Warp(request.transform.name, (0.0,) * request.transform.dimensions, by_control=True)
    with images:
        pixel_grid.show(
            "votes_images",
            [
                Picture(subject.image, f"original x: {subject.caption}", "The original image."),
                Picture(
                    request.received,
                    f"received x′: {where}",
                    "The image the attacker hands over, in 8 bits. Drag it to transform it.",
                    warps=(moved,),
                    preview="8-bit",
                ),
                Picture(
                    request.classifier.preprocessing(request.received),
                    f"seen by f, P x′: {steps}",
                    "The received image after preprocessing; dashed: the edge of the vignette.",
                    warps=(moved,),
                    shapes=_vignette(request.classifier),
                ),
            ],
            control=pixel_grid.control_of(request.transform, request.gamma, subject.image),
        )
    with answer:
        winner = int(request.probabilities.argmax())
        mark = "" if request.subject.label is None else " ✓" if winner == request.subject.label else " ✗ wrong"
        st.markdown(f"Base classifier f answers **{escape(request.names[winner])}**{mark}")
        rows = figures.histogram_rows(request.probabilities, request.names)
        specification = figures.bars_specification(
            "probability", 1.15, number_format=".2f", height=215, slanted=figures.need_slant(rows)
        )
        st.vega_lite_chart(
            pd.DataFrame(rows), specification, alt=f"Class probabilities of f; most likely {request.names[winner]}."
        )


def _vignette(classifier: Classifier) -> tuple[Shape, ...]:
    """The edge of what the vignette keeps."""
    settings = classifier.preprocessing
    height, width = settings.output_size(*classifier.input_shape[1:])
    middle, margin = ((width - 1) / 2, (height - 1) / 2), settings.vignette_margin
    if settings.vignette == "circle":
        return (Shape((middle,), radius=min(height, width) / 2 - margin, colour=VIGNETTE, dashed=True),)
    if settings.vignette == "rectangle":
        low, right, bottom = margin - 0.5, width - 0.5 - margin, height - 0.5 - margin
        corners = ((low, low), (right, low), (right, bottom), (low, bottom))
        return (Shape(corners, colour=VIGNETTE, dashed=True, closed=True),)
    return ()


def _preprocessing_in_words(classifier: Classifier) -> str:
    settings, words = classifier.preprocessing, []
    words += [f"{name} {side}" for name, side in (("resize", settings.resize), ("crop", settings.crop)) if side]
    if settings.vignette:
        words.append(f"{settings.vignette} vignette")
    if settings.blur_size > 1:
        words.append(f"{settings.blur_size}×{settings.blur_size} blur")
    return ", ".join(words) or "no preprocessing"
