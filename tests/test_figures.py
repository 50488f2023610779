"""What charts say beside their data: lines and bands have names, labels stand where no bar can be, and nothing small is lost."""

import numpy as np
import pytest

from spt.certificates import quantity
from spt.figures import errors, votes
from spt.figures.inverse import NARROWEST_BAR, _known_bar


def test_the_label_of_the_line_stands_beside_the_bars():
    specification = votes.bars_specification("votes of 200", 224, 117, "117 certify")
    [label] = [each for each in specification["layer"] if each["mark"].get("text")]
    assert label["mark"]["text"] == ["117", "certify"] and label["mark"]["align"] == "left"
    assert label["encoding"]["x"] == {"value": "width"}


def test_bars_stand_as_their_rows_come():
    """Layers of different data cannot share a sort by a field: Vega warns, and sorts by name."""
    specification = votes.bars_specification("votes of 200", 224, 117, "117 certify")
    sorts = [
        each["encoding"]["x"]["sort"] for each in specification["layer"] if "field" in each["encoding"].get("x", {})
    ]
    assert sorts == [None] * 3


def test_a_live_chart_is_one_picture_to_screen_readers():
    series = [errors.Series("sampled", "#888888", np.array([0.0, 1.0]), np.array([1.0, 2.0]), proved=False)]
    for specification in (
        votes.bars_specification("votes", 1),
        errors.lines_specification(series, "x", "y", (0, 1), 2),
        errors.level_specification(0.5),
    ):
        assert specification["config"]["mark"] == {"aria": False}


def test_the_band_of_the_response_curve_has_a_name():
    axis = np.linspace(-180, 180, 5)
    figure = votes.response_curve(axis, np.full((5, 2), 0.5), ("a", "b"), 25.0, "°", "γ", None, 30.0)
    [band] = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert band.showlegend and band.name == "two of three votes: γ ± σ_γ"
    assert (band.x0, band.x1) == (-5.0, 55.0)


@pytest.mark.parametrize(("left", "right"), [(200.0, 200.5), (389.0, 390.0), (111.0, 111.0)])
def test_an_interval_too_narrow_to_be_drawn_is_a_diamond_with_its_width(left, right):
    drawn = _known_bar(left, right, 40, (0.25, 0.2513))
    assert "<polygon" in drawn and "0.0013" in drawn and "wide" in drawn
    assert ('text-anchor="end"' in drawn) == (left > 250)


def test_any_other_interval_is_a_bar_of_its_width():
    drawn = _known_bar(120.0, 120.0 + NARROWEST_BAR, 40, (0.1, 0.2))
    assert f'width="{NARROWEST_BAR}"' in drawn and "polygon" not in drawn


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (6.0, "°", "6.00°"),
        (3.905, "px", "3.90 px"),
        (26.47, "°", "26.4°"),
        (180.0, "°", "180°"),
        (0.0, "°", "0°"),
        (0.05, "px", "0.0500 px"),
    ],
)
def test_quantities_keep_their_digits(value, unit, text):
    assert quantity(value, unit) == text
