"""Step 3 of "Learn": two moves are not one, because pixels are interpolated twice."""

import torch

from spt.error_bounds import interpolation_error
from spt.ui.learn.lesson import PREPARED, ROTATION, Lesson, Link, answer, classifier, digit, formula, link, turned
from spt.ui.shared import pixel_grid, state
from spt.ui.shared.pixel_grid import Picture
from spt.ui.shared.rounding import about
from spt.ui.shared.signed import signed
from spt.ui.shared.state import Parameters

NOTHING, LITTLE, MUCH = "the same picture", "nearly the same", "visibly another"


def _ask() -> str:
    angle = state.slider("Turned to the left by, in °, and back again", 0, 45, 15, 1, key="there_and_back")
    guess = state.choose("Your guess: back again it is", (NOTHING, LITTLE, MUCH), LITTLE, key="guess_twice")
    pixel_grid.show(
        "learn_twice",
        [
            Picture(digit()[0], "as it was", "A handwritten 2."),
            Picture(turned(angle), f"turned by {angle:g}°", f"The 2, turned by {angle:g} degrees."),
        ],
    )
    return guess


def _show(guess: float | str) -> None:
    angle = float(state.value("there_and_back"))
    image = digit()[0].double()
    back = ROTATION(turned(angle), [[-angle]])[0]
    difference = back - image
    after = interpolation_error(
        image,
        ROTATION,
        classifier(PREPARED).preprocessing,
        torch.tensor([[-angle]], dtype=torch.float64),
        torch.tensor([[angle]], dtype=torch.float64),
    )[0]
    changed, norm, left = int((difference.abs() > 0.1).sum()), float(difference.norm()), float(after.norm())
    is_so = NOTHING if angle == 0 else MUCH if changed > 20 else LITTLE
    answer(
        f"You said: {guess}. Back again **{changed} pixels** differ by more than a tenth of black to white, so it is {is_so}. "
        "Each turn puts pixels between pixels, and interpolates: thin strokes blur."
        if angle
        else "Turned by 0° nothing moves, and nothing is interpolated: take another angle."
    )
    pixel_grid.show(
        "learn_back",
        [
            Picture(back, "there and back", "The 2, turned there and back again: its strokes are blurred."),
            signed(difference, f"difference: norm {about(norm)}", f"Signed difference, norm {about(norm)}."),
            signed(
                after,
                f"after vignette and blur, e: norm {about(left)}",
                f"Signed difference after P, norm {about(left)}.",
            ),
        ],
    )
    formula(
        rf"e = P\,(T_{{-{angle:g}^\circ}}\,T_{{{angle:g}^\circ}} - T_{{0^\circ}})\,x,\qquad \|e\| = {about(left)}",
        "*e*: the **interpolation error**, two turns less the one that they should be. *P*: what a picture goes through before the "
        "network; here a vignette, which hides the corners, and a blur. They make e smaller, not zero. ‖e‖, its **norm**: square "
        "the differences of all pixels, add, take the root; one pixel turned from black to white has norm 1.",
    )


def _link() -> Link:
    angle = state.value("there_and_back") or 0
    parameters: Parameters = {"angle": str(angle), "beta": str(-angle)}
    return link("explore/interpolation.py", "This difference on the page Interpolation error", PREPARED, parameters)


STEP = Lesson(
    "twice",
    "The attacker turns the picture, the vote turns it once more. Turn it by an angle and back by the same: is it what it was?",
    _ask,
    _show,
    "Interpolated turns do not add up, so the votes alone prove nothing: what is missing is how far two turns are from one.",
    _link,
)
