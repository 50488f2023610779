"""The page "Interpolation error", driven by Streamlit's AppTest: every control, and its numbers against the core's."""

import base64
import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from spt import load_classifier, load_dataset
from spt.error_bounds import (
    Search,
    chord,
    chord_bound,
    error_norms,
    find_centres,
    interpolation_error,
    interval_bound,
    sample_bound,
    vertex_bound,
)
from spt.error_bounds.pixelwise import split_pixels
from spt.figures import errors as figures
from spt.preprocessing import Preprocessing
from spt.threat_model import AttackedImage
from spt.transforms import Rotation, Transform, Translation
from spt.ui.interpolation import balls, export, refinement, run, sources
from spt.ui.interpolation.request import InterpolationRequest
from spt.ui.shared import background
from spt.ui.shared.controls import Subject
from spt.ui.shared.presets import INTERPOLATION
from spt.ui.shared.rounding import about, at_least, at_most
from tests.pages import assert_healthy, downloads, grids, texts, titles
from tests.test_pages import open_page

PAGE = "explore/interpolation.py"
RANGE = (-30.0, 30.0)


def open_interpolation(**parameters: str) -> AppTest:
    """The page after its first run."""
    return open_page(PAGE, **parameters)


@pytest.fixture
def page() -> Iterator[AppTest]:
    """The page for a rotation, after its first run."""
    app = open_interpolation()
    assert_healthy(app)
    yield app


@pytest.fixture(scope="module")
def digit() -> torch.Tensor:
    """Digit 7 in float64, as the page has it."""
    return load_dataset("digits", shape=(1, 28, 28)).image(7).double()


def test_numbers_on_the_page_are_those_of_the_core(page: AppTest, digit: torch.Tensor) -> None:
    settings = load_classifier("mnist-rotation").preprocessing
    shown, rotation = texts(page), Rotation()
    interval = interval_bound(AttackedImage(digit, rotation, settings, RANGE), [20.0], splits=40)
    chord = chord_bound(
        AttackedImage(digit, rotation, settings, RANGE), [20.0], splits=40, search=Search(tolerance=None)
    )
    gammas = torch.linspace(*RANGE, run.CURVE_POINTS, dtype=torch.float64)[:, None]
    sampled = float(error_norms(digit, rotation, settings, torch.full_like(gammas, 20.0), gammas).max())
    assert f"≤ **{at_most(float(interval.values[0]))}** (40 splits" in shown
    assert f"≤ **{at_most(float(chord.values[0]))}** (40 splits" in shown
    assert f"≥ **{at_least(sampled)}**" in shown
    point = torch.tensor([[20.0]], dtype=torch.float64), torch.tensor([[25.0]], dtype=torch.float64)
    error = float(interpolation_error(digit, rotation, settings, *point).norm())
    assert f"norm {about(error)}" in titles(page)


def test_balls_on_the_page_are_those_of_the_core(page: AppTest, digit: torch.Tensor) -> None:
    settings = load_classifier("mnist-rotation").preprocessing
    for centre in ("shifted", "recentred"):
        bound = sample_bound(
            AttackedImage(digit, Rotation(), settings, RANGE), [[20.0]], centre=centre, search=Search(tolerance=0.1)
        )
        assert f"radius ≤ **{at_most(float(bound.values[0]))}**" in texts(page)


@pytest.mark.parametrize(
    ("key", "kind", "value"),
    [
        ("angle", "slider", -10.0),
        ("beta", "slider", -35.0),
        ("interp_range", "slider", (-5.0, 40.0)),
        ("splits", "select_slider", 20),
        ("vignette", "toggle", False),
        ("blur", "toggle", False),
        ("digits_image", "number_input", 3),
        ("classifier", "selectbox", "mnist-translation"),
        ("split", "segmented_control", "at γ"),
        ("enclosed", "segmented_control", "before P"),
        ("enclosed", "segmented_control", "T_(β+γ) x"),
        ("sample", "slider", -60.0),
        ("rotation_sigma", "slider", 10.0),
    ],
)
def test_every_control_changes_what_is_shown(page: AppTest, key: str, kind: str, value: object) -> None:
    def everything() -> str:
        return texts(page) + json.dumps(grids(page))

    before = everything()
    getattr(page, kind)(key=key).set_value(value).run()
    assert_healthy(page)
    assert everything() != before


def test_the_table_shows_what_vignette_and_blur_do(page: AppTest, digit: torch.Tensor) -> None:
    table = page.dataframe[0].value
    settings = load_classifier("mnist-rotation").preprocessing
    plain = replace(settings, vignette=None, vignette_margin=0.0, blur_size=0)
    for row, one in ((0, plain), (3, settings)):
        bound = chord_bound(AttackedImage(digit, Rotation(), one, RANGE), [20.0], search=Search(tolerance=0.02))
        assert table["E proved (≤)"][row] == at_most(float(bound.values[0]))
        assert table["E occurs (≥)"][row] == at_least(float(bound.sampled[0]))
    assert table[""].tolist() == ["", "", "", "◀ now"]
    page.toggle(key="blur").set_value(False).run()
    assert page.dataframe[0].value[""].tolist() == ["", "", "◀ now", ""]


def test_refining_tightens_and_stays_sound(page: AppTest, digit: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement, "STEPS_A_PRESS", 4)
    page.run()
    before = page.session_state["error_refinement"]
    chord, interval = before.chord, before.interval
    page.button(key="refine").click().run()
    assert_healthy(page)
    after = page.session_state["error_refinement"]
    assert after.steps == 4 and after.remaining == 0
    assert "4 refinements" in texts(page) and f"≤ **{at_most(after.chord.bound)}**" in texts(page)
    settings = load_classifier("mnist-rotation").preprocessing
    for old, new in ((chord, after.chord), (interval, after.interval)):
        assert len(new.values) > len(old.values) and new.bound < old.bound
        assert new.splits[0, 0] == -30 and new.splits[-1, 1] == 30
        assert (new.splits[1:, 0] == new.splits[:-1, 1]).all()
        gammas = torch.from_numpy(np.random.default_rng(0).uniform(new.splits[:, 0], new.splits[:, 1]))[:, None]
        norms = error_norms(digit, Rotation(), settings, torch.full_like(gammas, 20.0), gammas).numpy()
        assert (norms <= new.values).all()
    page.button(key="refine_reset").click().run()
    assert page.session_state["error_refinement"].steps == 0


def test_a_refinement_of_other_controls_is_not_shown(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement, "STEPS_A_PRESS", 1)
    page.run()
    page.button(key="refine").click().run()
    page.slider(key="angle").set_value(3.0).run()
    assert page.session_state["error_refinement"].steps == 1, "gamma does not change the bounds over Γ"
    page.slider(key="beta").set_value(21.0).run()
    assert_healthy(page)
    assert page.session_state["error_refinement"].steps == 0 and "refinements" not in texts(page)


def test_going_to_the_largest_error(page: AppTest) -> None:
    page.button(key="to_worst").click().run()
    assert_healthy(page)
    assert page.slider(key="angle").value == pytest.approx(-20, abs=1)


def test_gamma_outside_the_range_is_said(page: AppTest) -> None:
    page.slider(key="angle").set_value(100.0).run()
    assert_healthy(page)
    assert "γ lies outside Γ" in texts(page)


def test_an_empty_range_is_one_sentence(page: AppTest) -> None:
    page.slider(key="interp_range").set_value((5.0, 5.0)).run()
    assert not page.exception
    assert len(page.error) == 1 and "single point" in page.error[0].value


def test_proving_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balls, "PROFILE_POINTS", 3)
    app = open_interpolation(digits_image="5")  # no other test has this image's profile in the cache
    app.button(key="prove_profile").click().run()
    assert_healthy(app)
    profile = app.session_state["radius_profile"]
    settings, five = load_classifier("mnist-rotation").preprocessing, load_dataset("digits").image(5).double()
    points = torch.tensor([[-90.0], [0.0], [90.0]], dtype=torch.float64)
    expected = sample_bound(AttackedImage(five, Rotation(), settings, RANGE), points, search=Search(tolerance=0.1))
    assert profile.done and profile.proved["recentred"] == pytest.approx(expected.values.tolist(), abs=1e-9)
    assert "All 3 radii are proved" in texts(app)
    sampled = find_centres(
        AttackedImage(five, Rotation(), settings, torch.tensor([RANGE], dtype=torch.float64)), points
    )[1]
    assert (sampled <= expected.values).all()


def test_translation(digit: torch.Tensor) -> None:
    app = open_interpolation(transform="translation", classifier="mnist-translation", dx="0.5")
    assert_healthy(app)
    settings = load_classifier("mnist-translation").preprocessing
    exact = vertex_bound(AttackedImage(digit, Translation(), settings, (-2.0, 2.0)), [[0.3, 0.7]])
    interval = interval_bound(AttackedImage(digit, Translation(), settings, (-2.0, 2.0)), [[0.3, 0.7]], splits=8)
    shown = texts(app)
    assert f"**{at_most(float(exact.values[0]))}** ({int(exact.evaluations[0])} vertices)" in shown
    assert f"**{at_most(float(interval.values[0]))}** (64 splits)" in shown
    for key, value in (("dy", 1.3), ("beta_dx", -1.2), ("beta_dy", 0.0), ("sample_dx", 2.0), ("sample_dy", -1.0)):
        app.slider(key=key).set_value(value).run()
        assert_healthy(app)
    app.slider(key="interp_range_px").set_value((-1.0, 3.0)).run()
    app.select_slider(key="splits_px").set_value(4).run()
    app.segmented_control(key="split").set_value("at γ").run()
    app.button(key="to_worst").click().run()
    assert_healthy(app)


def test_whole_pixels_have_no_error_and_the_page_says_so() -> None:
    app = open_interpolation(transform="translation", classifier="mnist-translation")
    assert_healthy(app)
    assert "e = 0" in texts(app)


def test_the_view_is_restored_from_its_url() -> None:
    app = open_interpolation(beta="-15", angle="4", splits="20", blur="false", sample="33", seed="0")
    assert_healthy(app)
    assert app.slider(key="beta").value == -15 and app.slider(key="angle").value == 4
    assert app.select_slider(key="splits").value == 20 and app.toggle(key="blur").value is False
    assert app.slider(key="sample").value == 33


def test_natural_pictures() -> None:
    app = open_interpolation(source="natural", natural_image="1")
    assert_healthy(app)
    assert "Without P the error is" in texts(app)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat digits as large images."""
    monkeypatch.setattr("spt.ui.interpolation.request.LARGE", 100)


@pytest.mark.usefixtures("large")
def test_large_images_show_samples_first_and_bounds_on_demand(digit: torch.Tensor) -> None:
    app = open_interpolation(splits="10", loose="true")
    assert_healthy(app)
    assert "there is no split to open" in texts(app)
    assert "SAMPLED" in texts(app) and "PROVED" not in texts(app) and "0 of 10 splits bounded" in texts(app)
    assert app.button(key="refine").label == "Prove bounds"
    app.button(key="refine").click().run()
    assert_healthy(app)
    state, settings = app.session_state["error_refinement"], load_classifier("mnist-rotation").preprocessing
    for bound, partition in ((interval_bound, state.interval), (chord_bound, state.chord)):
        attacked = AttackedImage(digit, Rotation(), settings, RANGE)
        expected = bound(attacked, [20.0], splits=10, search=Search(tolerance=None))
        assert partition.bound <= float(expected.values[0]) * 1.001
        assert partition.splits[0, 0] == -30 and partition.splits[-1, 1] == 30
        assert (partition.splits[1:, 0] == partition.splits[:-1, 1]).all()
    assert f"≤ **{at_most(state.chord.bound)}**" in texts(app) and "PROVED: interval" in texts(app)
    assert "[PROVED: chord] The worst of" in texts(app)
    for key in ("large_enclosure", "large_table", "large_balls", "large_profile"):
        app.toggle(key=key).set_value(True).run()
        assert_healthy(app)
    assert "recentred" in texts(app) and len(app.dataframe) == 1
    app.slider(key="beta").set_value(5.0).run()
    assert "PROVED: chord" not in texts(app)


@pytest.mark.usefixtures("large")
def test_a_stopped_proof_of_a_large_image_says_how_far_it_came() -> None:
    app = open_interpolation(splits="10")
    app.session_state["error_refinement"].remaining = 3  # what pressing leaves when Stop ends it after three splits
    app.run()
    assert_healthy(app)
    assert "PROVED" not in texts(app) and "0 of 10 splits bounded" in texts(app)
    chord = app.session_state["error_refinement"].chord
    assert chord.known.splits[[0, -1], [0, 1]].tolist() == [-30, -12] and np.isinf(chord.bound)
    assert app.button(key="refine").label == "Prove bounds"


@pytest.mark.usefixtures("large")
def test_bounds_of_a_large_image_that_is_shifted(digit: torch.Tensor) -> None:
    app = open_interpolation(transform="translation", classifier="mnist-translation", dx="0.5", splits_px="2")
    assert_healthy(app)
    assert "PROVED" not in texts(app)
    app.button(key="map_bounds").click().run()
    assert_healthy(app)
    settings = load_classifier("mnist-translation").preprocessing
    exact = vertex_bound(AttackedImage(digit, Translation(), settings, (-2.0, 2.0)), [[0.3, 0.7]])
    assert f"**{at_most(float(exact.values[0]))}**" in texts(app) and "PROVED: interval" in texts(app)
    app.slider(key="beta_dx").set_value(1.0).run()
    assert "PROVED" not in texts(app)


def test_work_in_the_background_hands_on_results_and_failures() -> None:
    assert background.in_background(lambda progress: sum(progress(range(4), total=4)), "Adding") == 6

    def fails(progress: object) -> None:
        raise ValueError("no such split")

    with pytest.raises(ValueError, match="no such split"):
        background.in_background(fails, "Failing")


# -------------------------------------------------------------------------------------------------- presets and export


def open_preset(title: str) -> AppTest:
    """The page of a preset, as its link opens it."""
    preset = next(preset for preset in INTERPOLATION if preset.title == title)
    app = open_interpolation(**preset.parameters)
    assert_healthy(app)
    return app


def test_presets_in_turn_show_what_their_links_show() -> None:
    """Also back to defaults, and from a page where everything is set otherwise."""
    app = open_interpolation(
        digits_image="3", beta="-70", angle="3", splits="10", interp_range=["-5", "5"], blur="false"
    )
    for number in (4, 0, 1, 2, 3, 0):
        app.button(key=f"preset_{number}").click().run()
        assert_healthy(app)
        direct = open_interpolation(**INTERPOLATION[number].parameters)
        assert titles(app) == titles(direct), INTERPOLATION[number].title
        kept = "K(b′)"  # b' stays where it is unless the preset names it
        lines = [
            [line for line in texts(one).split("\n") if "max ‖e‖" in line and kept not in line] for one in (app, direct)
        ]
        assert lines[0] == lines[1]


def test_preset_rotations_do_not_compose() -> None:
    shown = titles(open_preset("Rotations do not compose"))
    assert "by γ = 25.00°, then β = 20.00°" in shown and "by 45.00°" in shown
    assert float(shown.split("before P: norm ")[1].split("\n")[0]) > 0.5


def test_preset_vignette_and_blur() -> None:
    app = open_preset("Vignette and blur")
    assert "neither vignette nor blur" in titles(app)
    table = app.dataframe[0].value
    errors = table["E occurs (≥)"].astype(float).tolist()
    assert errors[0] > 3 * errors[3] and min(errors[1:3]) > 1.5 * errors[3], "each part is needed"
    assert table[""].tolist() == ["◀ now", "", "", ""]


def test_preset_two_bounds() -> None:
    app = open_preset("Two bounds, one error")
    state = app.session_state["error_refinement"]
    assert state.interval.bound > 1.7 * state.sampled and state.chord.bound < 1.15 * state.sampled


def test_preset_recentred() -> None:
    app = open_preset("Recentred")
    assert app.slider(key="sample").value == 45
    ((shifted, recentred),) = app.session_state["proved_clouds"].values()
    assert 0.45 < recentred / shifted < 0.7


def test_preset_translation_is_exact() -> None:
    app = open_preset("Translation is exact")
    figure = json.loads(next(chart.proto.spec for chart in app.get("plotly_chart") if "heatmap" in chart.proto.spec))
    star = next(trace for trace in figure["data"] if "exact maximum" in trace.get("name", ""))
    lines = [shape for shape in figure["layout"]["shapes"] if shape["type"] == "line"]
    assert any(line["x0"] == line["x1"] == pytest.approx(star["x"][0]) for line in lines)
    assert any(line["y0"] == line["y1"] == pytest.approx(star["y"][0]) for line in lines)
    assert "PROVED: vertices, exact" in texts(app)


def a_request(digit: torch.Tensor, transform: Transform, **changes: object) -> InterpolationRequest:
    """What the controls say at the start of the page."""
    classifier = load_classifier(f"mnist-{transform.name}")
    subject = Subject(digit.float(), "digest", 7, "", "digits:7")
    points = ((25.0,), (20.0,)) if transform.dimensions == 1 else ((0.5, 0.0), (0.3, 0.7))
    limits = RANGE if transform.dimensions == 1 else (-2.0, 2.0)
    request = InterpolationRequest(
        classifier, subject, transform, *points, limits, classifier.preprocessing, 10, 30.0, 0.0
    )
    return replace(request, **changes)


@pytest.mark.parametrize("transform", [Rotation(), Translation()])
def test_exported_numbers(digit: torch.Tensor, transform: Transform) -> None:
    request, point = a_request(digit, transform, splits=4), (20.0,) if transform.dimensions == 1 else (0.3, 0.7)
    found = export.collect(request, point)
    exported = json.loads(export.as_json(found))
    settings, numbers = exported["settings"], exported["numbers"]
    assert settings["seed"] == balls.SEED and settings["image"] == "digits:7" and settings["b_prime"] == list(point)
    assert Preprocessing(**settings["preprocessing"]) == request.preprocessing
    sampled = [row["value"] for row in numbers if (row["figure"], row["series"]) == ("error over gamma", "sampled")]
    assert sampled == run.sampled_norms(request)[1].flatten().tolist()
    proved = [row["value"] for row in numbers if row["kind"] == export.PROVED and row["figure"] == "error over gamma"]
    assert max(sampled) <= max(proved)
    radii = [row for row in numbers if row["figure"] == "radius over b'"]
    assert len(radii) == 2 * balls.PROFILE_POINTS and {row["kind"] for row in radii} == {export.SAMPLED}
    lines = export.as_csv(found).splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert len(comments) == len(settings) and "# seed: 0" in comments
    table = list(csv.DictReader(lines[len(comments) :]))
    assert [float(row["value"]) for row in table] == [row["value"] for row in numbers]


def test_downloads_are_offered(page: AppTest) -> None:
    assert downloads(page) == {"Numbers as JSON", "Numbers as CSV"}


def test_the_pixels_sources(page: AppTest, digit: torch.Tensor) -> None:
    """Arcs lie in their boxes, start where the rotation reads, and T x at every gamma of the split lies in the interval."""
    shown = grids(page)["enclosure"]["pictures"]
    assert [one["title"] for one in shown][-1] == "x: where it reads" and shown[-1]["sources"]["of"] == len(shown) - 2
    classifier = load_classifier("mnist-rotation")
    subject = Subject(digit.float(), "digest", 7, "", None)
    request = InterpolationRequest(
        classifier, subject, Rotation(), (25.0,), (20.0,), RANGE, classifier.preprocessing, 40, 30.0, 0.0
    )
    found = sources.sources(request, ((5.0, 6.5),))
    columns, rows = found["arcs"][..., 0], found["arcs"][..., 1]
    low_column, high_column, low_row, high_row = found["boxes"].T[:, :, None]
    assert (low_column <= columns).all() and (columns <= high_column).all()
    assert (low_row <= rows).all() and (rows <= high_row).all()
    angle, x, y = np.radians(25.0), 20 - 13.5, 3 - 13.5
    expected = np.cos(angle) * x - np.sin(angle) * y + 13.5, np.sin(angle) * x + np.cos(angle) * y + 13.5
    assert found["arcs"][3 * 28 + 20, 0] == pytest.approx(expected)
    for gamma in (5.0, 5.6, 6.5):
        moved = Rotation()(digit, 20 + gamma)[0].numpy()
        assert (found["low"] <= moved).all() and (moved <= found["high"]).all()


# ------------------------------------------------------------------------------------------------- numbers and figures


@given(st.floats(1e-12, 1e12))
def test_shown_bounds_hold_as_shown(value: float) -> None:
    assert Decimal(at_most(value)) >= Decimal(value) >= Decimal(at_least(value))
    assert float(at_most(value)) <= value * 1.011 and float(at_least(value)) >= value * 0.989


def test_numbers_have_three_digits() -> None:
    assert (at_most(0.27), at_least(0.27), at_most(0.5001), at_most(0)) == ("0.271", "0.270", "0.501", "0")
    assert (about(2.0), about(123.4), about(0.0)) == ("2.00", "123", "0")


def test_signed_colours_are_centred_and_clipped() -> None:
    colours = figures.signed_picture(np.array([[[-9.0, -0.1, 0.0, 0.1, 9.0]]]), 0.1)
    assert colours.shape == (3, 1, 5)
    assert (colours[:, 0, 2] == 247 / 255).all()
    assert (colours[:, 0, 0] == colours[:, 0, 1]).all() and (colours[:, 0, 3] == colours[:, 0, 4]).all()
    assert colours[2, 0, 0] > colours[0, 0, 0] and colours[0, 0, 4] > colours[2, 0, 4]


def test_the_strongest_channel_is_shown() -> None:
    values = np.zeros((3, 1, 1))
    values[1] = -0.2
    assert (figures.signed_picture(values, 0.2) == figures.signed_picture(values[1:2], 0.2)).all()
    assert (figures.unsigned_picture(-values, 0.2) == figures.unsigned_picture(-values[1:2], 0.2)).all()


def test_steps_cover_the_range_and_what_is_proved_is_solid() -> None:
    steps = figures.step_series("proved", "#000000", np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([5.0, 4.0]))
    assert steps.positions.tolist() == [0, 1, 2] and steps.values.tolist() == [4, 5, 5]
    sampled = figures.Series("sampled", "#888888", np.array([0.0]), np.array([1.0]), proved=False, points=True)
    specification = figures.lines_specification([sampled, steps], "x", "y", (0, 2), 6, marked=1.0)
    dash = specification["layer"][0]["encoding"]["strokeDash"]["scale"]
    assert dict(zip(dash["domain"], dash["range"], strict=True)) == {"sampled": [2, 3], "proved": [1, 0]}
    assert len(figures.series_rows([sampled, steps])) == 4


def test_histogram_bars() -> None:
    bars = figures.histogram_bars(np.array([0.1, 0.2, 0.9, 5.0]), (0, 1), 2.0, count=2)
    assert [bar["count"] for bar in bars] == [2, 1] and [bar["height"] for bar in bars] == [2.0, 1.0]


def test_map_and_plane_mark_what_they_should() -> None:
    axis = np.linspace(-1, 1, 5)
    norms = np.arange(25.0).reshape(5, 5)
    figure = figures.error_map(axis, norms, (axis, axis[:2]), (1, -1), (0, 0), np.array([[0, 1], [0, 1]]), "px")
    assert (figure.data[0].z == norms.T).all() and len(figure.layout.shapes) == 8
    assert (figure.data[2].x, figure.data[2].y) == ((1,), (-1,))
    ball = figures.Ball("shifted", "#000000", np.zeros(2), 1.0, None)
    drawn = figures.plane(np.zeros((3, 2)), np.arange(3.0), "γ", [ball, replace(ball, proved=2.0)], line=True)
    dashes = [trace.line.dash for trace in drawn.data[:3]]
    assert dashes == ["dot", "solid", "dot"]


# --------------------------------------------------------------------------------------------------- the worst split, opened


def test_nothing_of_the_worst_split_is_computed_until_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a split was taken apart")

    monkeypatch.setattr("spt.ui.interpolation.split_pixels.split_pixels", never)
    app = open_interpolation(loose_bound="interval")
    assert_healthy(app)
    assert "loose_split" not in grids(app) and "Where is a bound loose" in app.subheader[2].value


def test_the_opened_split_is_that_of_the_core(digit: torch.Tensor) -> None:
    app = open_interpolation(loose="true")
    assert_healthy(app)
    attacked = AttackedImage(digit, Rotation(), load_classifier("mnist-rotation").preprocessing, RANGE)
    for method, bound_of in (("chord", chord_bound), ("interval", interval_bound)):
        app.segmented_control(key="loose_bound").set_value(method).run()
        assert_healthy(app)
        bound = bound_of(attacked, [20.0], splits=40, search=run.UNIFORM)
        found = split_pixels(attacked, [20.0], bound.worst[0], method)
        text = texts(app)
        assert f"[PROVED: {method}] The worst of its 40 splits is γ in −21° to −19.5°" in text
        assert (
            f"**{at_most(float(found.bound.max()))}**" in text and f"**{100 * float(found.ratio.max()):.4g} %**" in text
        )
        if method == "chord":
            assert f"the remainder is **{at_most(found.norm)}**" in text
        [first, second, third] = grids(app)["loose_split"]["pictures"]
        assert first["reading"]["high"] and second["reading"]["values"] and third["reading"]["values"]
        high, values = (
            np.frombuffer(base64.b64decode(text), "<f4")
            for text in (first["reading"]["high"], second["reading"]["values"])
        )
        assert (values <= high).all() and high.max() == pytest.approx(1000 * float(found.bound.max()))


def test_the_opened_split_of_a_shift_is_the_interval_bound_s() -> None:
    app = open_interpolation(transform="translation", classifier="mnist-translation", dx="0.5", loose="true")
    assert_healthy(app)
    assert "[PROVED: interval] The worst of its 64 splits" in texts(app) and "no remainder" in texts(app)


def test_a_remainder_that_is_too_small_is_an_alarm_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    original = chord.remainder
    monkeypatch.setattr(chord, "remainder", lambda *arguments: 0.4 * original(*arguments))
    app = open_interpolation(loose="true", beta="20.5")
    assert not app.exception and "ALARM: in row" in app.error[0].value
