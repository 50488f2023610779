"""Addresses of pages with anything in them: no exception on the screen."""

import random

import pytest
from streamlit.testing.v1 import AppTest

from pages import visit
from spt.ui.shared.values import Number

QUICK = {"n": "50", "pace": "fast", "n_gamma": "20", "rotation_limit": "1", "translation_limit": "0.1", "splits": "10"}
QUICK |= {"splits_px": "2", "inverse_splits": "10", "inverse_splits_px": "2", "inverse_refinements": "1"}
SHARED = ("source", "digits_image", "classifier", "transform", "angle", "dx", "dy")
PROCEDURE = ("rotation_sigma", "translation_sigma", "certify_pixel_sigma", "n_gamma", "n0", "alpha", "seed", "attacker")
CONTROLS = {
    "start": ("n", "x", "tour", "tour_step", "tour_see", "present"),
    "learn": ("step", "guess_angle", "guess_votes", "there_and_back", "guess_twice", "see_attack", "see_vote"),
    "votes": (*SHARED, "rotation_sigma", "pixel_sigma", "n", "n0", "alpha", "seed", "pace", "rotation_range"),
    "certify": (
        *(*SHARED, *PROCEDURE, "rotation_limit", "translation_limit"),
        *("form", "n_cell", "n_total", "cell_width", "every_cell", "cell", "cell_sample", "ball"),
    ),
    "interpolation": (
        *SHARED,
        "interp_range",
        "interp_range_px",
        "beta",
        "beta_dx",
        "vignette",
        "blur",
        "splits",
        "enclosed",
        "loose",
        "loose_bound",
    ),
    "inverse": (
        *SHARED,
        *PROCEDURE,
        "interp_range",
        "inverse_input",
        "inverse_splits",
        "inverse_refinements",
        "inverse_row",
        "inverse_column",
        "inverse_part",
        "inverse_split",
        "inverse_pass",
        "inverse_step",
        "inverse_before",
        "crop_row",
    ),
    "experiments": ("experiment", "results", "table4_result", "table4_row", "transform", "images", "seed"),
}
ODD = (
    "1e999",
    "-1e999",
    "inf",
    "-Infinity",
    "nan",
    "9" * 5000,
    "-" + "9" * 400,
    "1e308",
    "1e15",
    "",
    " ",
    "\x00",
    "0x10",
)
ODD += (
    "1_000",
    "7.5",
    "-1",
    "1e3",
    "１２",
    "true",
    "🦊" * 300,
    "[]",
    "{}",
    "../../etc/passwd",
    "digits:3",
    "<b>",
    "%s",
    "None",
)
ODD += ("translation", "rotation", "mnist-translation", "cifar10-smooth", "natural", "exact", "stored", "x" * 2000)


def opened(page: str, numbers: random.Random) -> tuple[dict[str, str | list[str]], AppTest]:
    """A page with a few of its controls set to something odd, one of them perhaps twice."""
    odd: dict[str, str | list[str]] = {name: numbers.choice(ODD) for name in numbers.sample(CONTROLS[page], k=2)}
    odd[numbers.choice(CONTROLS[page])] = [numbers.choice(ODD), numbers.choice(ODD)]
    return odd, visit(f"explore/{page}.py", QUICK | odd, timeout=120)  # type: ignore[arg-type]


@pytest.mark.parametrize("page", CONTROLS)
def test_whatever_is_in_an_address_there_is_no_exception(page: str, request: pytest.FixtureRequest) -> None:
    numbers = random.Random(f"{page}")
    for _ in range(170 if request.config.getoption("--slow") else 9):
        odd, app = opened(page, numbers)
        assert not app.exception, odd


def test_a_whole_number_that_no_float_can_hold_is_out_of_range() -> None:
    with pytest.raises(ValueError, match="is not between 0 and 39"):
        Number(0, 39).read(["-" + "9" * 400])
