"""Step 5 of "Learn": what a received picture tells of its original, and of the angle."""

import streamlit as st
from torch import Tensor

from spt.figures import inverse as figures
from spt.images import to_8_bit
from spt.inverse import Inverse, invert
from spt.threat_model import ReceivedImage
from spt.ui.learn.lesson import PREPARED, ROTATION, Lesson, Link, answer, digit, formula, link, turned
from spt.ui.shared import pixel_grid, state
from spt.ui.shared.pixel_grid import Picture, Reading
from spt.ui.shared.rounding import at_most
from spt.ui.shared.state import Parameters

LIMIT, ANGLE, SPLITS = 30.0, 12.5, 600


@st.cache_resource(show_spinner="Asking which angles can explain it …", max_entries=2)
def _inverse(sha256: str) -> Inverse:
    return invert(ReceivedImage(_received(), ROTATION, (-LIMIT, LIMIT)), width=2 * LIMIT / SPLITS, refinements=2)


def _received() -> Tensor:
    return to_8_bit(turned(ANGLE)).float()


def _ask() -> float:
    guess = state.slider(
        f"Your guess: of {2 * LIMIT:g}° so many remain possible, in °", 0.0, 2 * LIMIT, LIMIT, 0.5, key="guess_possible"
    )
    pixel_grid.show("learn_received", [Picture(_received(), "what was received", "A turned 2, as it was received.")])
    return guess


def _show(guess: float | str) -> None:
    found = _inverse(digit()[1])
    remains = float((found.surviving[:, 0, 1] - found.surviving[:, 0, 0]).sum())
    ranges = [figures.range_in_words(box.tolist(), "°") for box in found.surviving]
    away = found.boxes[:, 0, 0] > 1  # from 0°, which always remains
    lower, upper = found.lower[away].amin(dim=0), found.upper[away].amax(dim=0)
    words = ", ".join(ranges[:3]) + (f" and {len(ranges) - 3} more" if len(ranges) > 3 else "")
    answer(
        f"**{remains:.3g}°** of {2 * LIMIT:g}° (you said {float(guess):g}°): only {words} can explain this picture, and it was "
        f"{ANGLE:g}°. Every other angle asks some pixel of the original to be two things at once; 0° always "
        "remains, as the picture may be its own original."
    )
    image = digit()[0].double()
    pixel_grid.show(
        "learn_inverse",
        [
            Picture(image, "the original, which nobody sent", "The original 2.", Reading("the original", image)),
            Picture(
                lower.clamp(0, 1),
                f"turned by {ANGLE:g}°: each pixel at least",
                "The least value that each original pixel can have.",
            ),
            Picture(
                upper.clamp(0, 1),
                f"turned by {ANGLE:g}°: each pixel at most",
                "The largest value that each original pixel can have.",
            ),
        ],
    )
    widest = float((upper - lower).max())
    formula(
        rf"\text{{lower}}_p \le x_p \le \text{{upper}}_p\quad\text{{for every pixel p;}}\qquad \text{{widest: }} {at_most(widest)}",
        "$x_p$: what pixel *p* of the original can have been, from 0, black, to 1, white.",
    )
    st.markdown(
        "**What it is good for.** Whoever classifies a picture has only the received one. All originals that remain possible "
        "are known well enough to bound the difference of step 4 over every one of them."
    )


def _link() -> Link:
    parameters: Parameters = {"interp_range": [f"{-LIMIT:g}", f"{LIMIT:g}"], "inverse_splits": str(SPLITS)}
    return link(
        "explore/inverse.py", "Pixel by pixel, on the page Inverse", PREPARED, parameters | {"angle": f"{ANGLE:g}"}
    )


STEP = Lesson(
    "received",
    f"You receive this picture and know only that it was turned by some angle within ±{LIMIT:g}°. How many of these "
    f"{2 * LIMIT:g}° can explain it?",
    _ask,
    _show,
    "A received picture gives its angle away, and bounds every pixel of the original.",
    _link,
)
