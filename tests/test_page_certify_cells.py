"""The page "Certify" with cells, driven by Streamlit's AppTest, and its figures: what is on the screen is what the core says."""

import base64
import dataclasses
import itertools
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from streamlit.testing.v1 import AppTest

from pages import assert_healthy, downloads, grids, shown_address, texts, visit
from spt import DistSPTCells, get_transform, load_classifier, load_dataset
from spt.__main__ import main
from spt.certificates import CellsCertificate, quantity, rounded_down, rounded_up
from spt.certificates.answer import Answer
from spt.error_bounds.anatomy import BallAnatomy, ball_anatomy
from spt.figures import cells as figures
from spt.figures.certificates import certificate_svg
from spt.ui.shared import share
from spt.ui.shared.rounding import at_least

SMALL = {"rotation_limit": "2", "translation_limit": "0.25", "cell_width": "2"}
FAILS = {"classifier": "mnist-plain", "certify_pixel_sigma": "0.1", "n_cell": "20", "seed": "1"}


def open_page(**parameters: str) -> AppTest:
    """The page after its first run: a small attack range and two cells unless ``parameters`` say otherwise."""
    return visit("explore/certify.py", SMALL | parameters, timeout=240)


@pytest.fixture(scope="module")
def expected() -> CellsCertificate:
    """The core's certificate for the page's first view."""
    classifier = load_classifier("mnist-rotation")
    image = load_dataset("digits", shape=classifier.input_shape).image(7)
    return DistSPTCells(classifier, get_transform("rotation"), 30.0, 0.3, 2.0, cell_width=2.0).certify(image)


@pytest.fixture(scope="module")
def failed() -> CellsCertificate:
    """One in which cells were bisected, failed and hold pointwise: a network that was trained for no rotation."""
    classifier = load_classifier("mnist-plain")
    image = load_dataset("digits", shape=classifier.input_shape).image(7)
    defence = DistSPTCells(classifier, get_transform("rotation"), 30.0, 0.1, 2.0, cell_width=2.0, every_cell=True)
    return defence.certify(image, n_cell=20, seed=1)


@pytest.fixture
def page() -> Iterator[AppTest]:
    """The page with its first result."""
    app = open_page()
    assert_healthy(app)
    yield app


def kept(certificate: CellsCertificate) -> CellsCertificate:
    """Without what another run of the same settings need not repeat bit by bit."""
    return dataclasses.replace(certificate, seconds=0.0, radii=())


def first_cells(certificate: CellsCertificate, count: int) -> CellsCertificate:
    """What the same run had shown after so many cells."""
    samples = sum(certificate.sizes[:count])
    part: dict[str, Any] = {
        name: getattr(certificate, name)[:samples] for name in ("points", "radii", "rounding", "inner_votes")
    }
    return dataclasses.replace(certificate, sizes=certificate.sizes[:count], **part).conclude()


def test_the_certificate_on_the_page_is_the_core_s(page, expected):
    run = page.session_state["certify_run"]
    assert run.status == "done" and run.certificate.verify() and kept(run.certificate) == kept(expected)
    assert run.certificate.radii == pytest.approx(expected.radii, rel=1e-9)
    text = texts(page)
    assert ":green-badge[:material/verified: CERTIFIED]" in text and "PROVISIONAL" not in text
    assert expected.statement() in text.replace("\\", "") and "2 of 2 cells are proved. They are all of Γ." in text
    [progress] = page.get("progress")
    assert (
        f"2 cells settled · {len(expected.points)} samples · {expected.network_calls:,} network calls"
        in progress.proto.text
    )
    assert not page.get("plotly_chart") and page.get("bidi_component")
    assert "n_gamma" not in {element.key for element in page.select_slider}


def test_the_exported_command_gives_its_certificate(page, expected, capsys):
    [command] = [block.value for block in page.code if block.language == "bash"]
    words = command.split()
    assert words[:3] == ["python", "-m", "spt"] and "--form cells" in command and "--cell-width 2" in command
    main([*words[3:], "--json"])
    again = CellsCertificate.from_json(capsys.readouterr().out)
    assert kept(again) == kept(expected)


def test_every_setting_of_the_form_is_part_of_the_key(page, expected):
    run = page.session_state["certify_run"]
    for kind, key, value in [
        ("segmented_control", "form", "one ball"),
        ("select_slider", "n_cell", 50),
        ("select_slider", "n_total", 200),
        ("number_input", "cell_width", 1.0),
        ("toggle", "every_cell", True),
    ]:
        before = getattr(page, kind)(key=key).value
        getattr(page, kind)(key=key).set_value(value).run()
        assert_healthy(page)
        other = page.session_state["certify_run"]
        assert other.key != run.key and other.status == "idle" and other.certificate is None, key
        (earlier,) = [element.value for element in page.markdown if "EARLIER" in element.value]
        assert expected.statement() in earlier.replace("\\", "") and ":green-badge" not in texts(page), key
        assert ("the form cells (now one ball)" in earlier) == (key == "form")
        getattr(page, kind)(key=key).set_value(before).run()
        assert_healthy(page)
        assert page.session_state["certify_run"].certificate == run.certificate and "EARLIER" not in texts(page), key


def test_n_gamma_of_the_other_form_changes_nothing():
    keys = [open_page(**more).session_state["certify_run"].key for more in ({}, {"n_gamma": "50"})]
    assert keys[0] == keys[1]


def test_a_stopped_run_certifies_what_it_has_shown(page, expected):
    run = page.session_state["certify_run"]
    page.button(key="certify_attack").click().run()
    # AppTest cannot press a button in mid-run; this is the state that pressing leaves.
    finer = DistSPTCells(
        load_classifier("mnist-rotation"), get_transform("rotation"), 30.0, 0.3, 2.0, cell_width=1.0
    ).stream(load_dataset("digits", shape=(1, 28, 28)).image(7))
    part = next(itertools.islice(finer, 1, None))
    assert not part.complete and part.radius == 1.0 and part.label == 7
    run.certificate, run.status = part, "stopped"
    page.session_state["certify_run"] = run
    page.run()
    assert_healthy(page)
    text = texts(page)
    assert ":green-badge[:material/verified: CERTIFIED]" in text and "**what is proved holds**" in text
    assert quantity(1.0, "°") in text and part.statement() in text.replace("\\", "")
    assert "go on to the end" in text and len(page.get("download_button")) == 3
    assert "No attack on this certificate yet" in text, "that of the longer run was another"
    page.button(key="certify_own_start").click().run()
    assert_healthy(page)
    assert "CONFIRMED" in texts(page) and "NOT CONFIRMED" not in texts(page)


def test_a_run_stopped_before_0_is_enclosed_certifies_nothing(page, expected):
    run = page.session_state["certify_run"]
    run.certificate, run.status = first_cells(expected, 1), "stopped"
    page.session_state["certify_run"] = run
    page.run()
    assert_healthy(page)
    assert "PROVISIONAL] stopped: nothing is certified" in texts(page) and "CERTIFIED]" not in texts(page)
    assert "certify_attack" not in {button.key for button in page.button}
    run.certificate = None
    page.session_state["certify_run"] = run
    page.run()
    assert_healthy(page)
    assert "stopped before the first cell was settled" in texts(page) and not downloads(page)
    assert texts(page).count(share.WAIT) == 2, "in the places of picture and numbers"


def test_a_network_that_changed_meanwhile_is_noticed_when_one_stops(page, expected, monkeypatch):
    run = page.session_state["certify_run"]
    run.certificate, run.status = first_cells(expected, 1), "stopped"
    page.session_state["certify_run"] = run

    def changed(self: Any) -> None:
        raise ValueError("The network answers otherwise now.")

    monkeypatch.setattr("spt.classifiers.Classifier.confirm", changed)
    page.run()
    assert [element.value for element in page.error] == ["The network answers otherwise now."]


def test_choosing_a_cell_shows_its_samples_and_numbers(page, expected):
    first = expected.radii[: expected.sizes[0]]
    assert "−2° to 0°, one of the first cells" in texts(page)
    assert f"radius {rounded_down(min(first))} to {rounded_up(max(first))}" in texts(page)
    page.selectbox(key="cell").set_value("2").run()
    assert_healthy(page)
    assert shown_address(page)["cell"] == "2"
    text, cell = texts(page), expected.tested()[1]
    assert cell.bounds == ((0.0, 2.0),) and cell.samples == range(expected.sizes[0], sum(expected.sizes))
    assert f"**{cell.passes}** of {expected.sizes[1]} samples pass" in text
    q0 = float(norm.cdf(1 / 30))  # the cell reaches 1° from its centre
    share = q0 + 0.05 * (1 - q0)
    assert f"more than {rounded_down(100 * share)} % do" in text
    assert f"Φ(1°/30°) = {rounded_up(q0, 4)}" in text and f"q₀ + a′(1 − q₀) = {rounded_up(share, 4)}" in text
    radii = expected.radii[cell.samples.start :]
    assert f"radius {rounded_down(min(radii))} to {rounded_up(max(radii))}" in text
    [picture] = grids(page)["certify_cell"]["pictures"]
    assert picture["title"].endswith("centre: angle 1.00°")
    rows = figures.cell_rows(expected, 1)
    assert [row["x"] for row in rows] == [point[0] for point in expected.points[cell.samples.start :]]
    assert [row["sample"] for row in rows] == list(range(1, expected.sizes[1] + 1))
    assert sum(row["outcome"] == "passed" for row in rows) == cell.passes


def test_the_cell_of_an_address_is_chosen_and_a_wrong_one_is_named():
    assert open_page(cell="2").selectbox(key="cell").value == "2"
    app = open_page(cell="3")
    assert not app.exception and app.selectbox(key="cell").value == "1"
    assert "cell = 3 is none of 1, 2, so it is 1 here" in app.warning[0].value


def test_translation():
    app = open_page(transform="translation", classifier="mnist-translation", cell_width="0.25", translation_sigma="1.5")
    assert_healthy(app)
    certificate = app.session_state["certify_run"].certificate
    assert certificate.transform == "translation" and certificate.verify() and len(certificate.cells) == 4
    assert certificate.label is not None
    assert "dx −0.25 to 0, dy −0.25 to 0 px" in texts(app)
    app.button(key="certify_attack").click().run()
    assert_healthy(app)
    (answers,) = app.session_state["certify_answers"].values()
    assert all(certificate.covers_attack(answer.point) == answer.inside for answer in answers)
    assert any(answer.inside for answer in answers) and not any(answer.alarm for answer in answers)


def test_abstain_says_which_cell_failed_and_why():
    app = open_page(**FAILS)
    assert_healthy(app)
    certificate = app.session_state["certify_run"].certificate
    assert certificate.label is None and certificate.complete
    found = figures.kinds(certificate)
    number = found.index(figures.FAILED)
    cell = certificate.tested()[number]
    assert cell.level == certificate.bisections and not cell.accepted
    text = texts(app)
    assert ":orange-badge[ABSTAIN]" in text and f"Cell {number + 1}, " in text and "CERTIFIED" not in text
    assert app.selectbox(key="cell").value == str(number + 1), "the cell that ends the radius is shown first"
    assert ":orange-badge[failed]" in text and f"**{cell.passes}** of {len(cell.samples)} samples pass" in text
    counted = [int(count) for count in re.findall(r"\((\d+) samples?\)", text)]
    assert sum(counted) == len(cell.samples) - cell.passes
    app.selectbox(key="cell").set_value("1").run()
    assert ":gray-badge[undecided: bisected]" in texts(app) and "cut into 2 pieces" in texts(app)
    assert "certify_attack" not in {button.key for button in app.button}


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"certify_pixel_sigma": "0"}, "needs pixel noise"),
        ({"alpha": "0.0001", "n_cell": "20"}, "accept no cell even if all pass"),
        (
            {"transform": "translation", "translation_limit": "4", "cell_width": "0.001"},
            "8000 cells along each of 2 axes",
        ),
    ],
)
def test_what_cannot_be_certified_is_one_sentence(parameters: dict[str, str], sentence: str):
    app = open_page(**parameters)
    assert not app.exception and len(app.error) == 1 and "CERTIFIED" not in texts(app)
    assert sentence in app.error[0].value and "\n" not in app.error[0].value


# ------------------------------------------------------------------------------------------------------------------- figures


def drawn(svg: str) -> list[ET.Element]:
    return [element for element in ET.fromstring(svg).iter() if "data-cell" in element.attrib]


def test_every_cell_is_drawn_once_as_what_became_of_it(failed):
    found = figures.kinds(failed)
    assert {figures.FAILED, figures.CUT} <= set(found)
    for cell, kind in zip(failed.tested(), found, strict=True):
        assert (kind in (figures.PROVED, figures.POINTWISE)) == cell.accepted
        assert (kind == figures.PROVED) == cell.certified
        assert (kind == figures.CUT) == (not cell.accepted and cell.level < failed.bisections)
    shapes = drawn(figures.cells_svg(failed, chosen=2))
    assert sorted(int(shape.attrib["data-cell"]) for shape in shapes) == list(range(1, len(found) + 1))
    for shape in shapes:
        number = int(shape.attrib["data-cell"]) - 1
        [title] = list(shape)
        assert title.text == f"cell {number + 1}: {figures.bounds_in_words(failed.cells[number], '°')}, {found[number]}"


def test_a_sector_lies_at_the_angles_of_its_cell(expected):
    """0 at the top, positive angles to the left, as wide as the dial says."""
    svg = figures.cells_svg(expected)
    words = " ".join(ET.fromstring(svg).itertext())
    assert "37.5 × as wide" in words and "not tested" not in words  # ±2° drawn as ±75°
    for shape in drawn(svg):
        ((low, high),) = expected.cells[int(shape.attrib["data-cell"]) - 1]
        x, y = map(float, re.match(r"M(-?[\d.]+) (-?[\d.]+)A", shape.attrib["d"]).groups())  # type: ignore[union-attr]
        turned = math.radians(low * 37.5)
        assert x == pytest.approx(-100 * math.sin(turned), abs=0.01) and y == pytest.approx(
            -100 * math.cos(turned), abs=0.01
        )
        assert high - low == 2.0


def test_the_next_cell_is_marked_while_a_run_goes_on(expected):
    part = first_cells(expected, 1)
    assert figures.tested_next(part) == (((0.0, 2.0),), 0) and figures.tested_next(expected) is None
    assert "tested now" in figures.cells_svg(part, live=True) and "tested now" not in figures.cells_svg(part)


def test_answers_are_marks_and_an_alarm_is_one(expected):
    answers = [Answer((1.0,), True, "<b>", None, None, 5, 12), Answer((1.5,), True, "1", "1", False, 5, 12)]
    words = " ".join(ET.fromstring(figures.cells_svg(expected, answers=answers)).itertext())
    assert "g abstains" in words and "ALARM" in words and "<b>" not in words


def test_the_picture_of_a_stopped_certificate_says_so(failed, expected):
    for certificate, said in ((failed, "ABSTAIN"), (expected, "CERTIFIED 7")):
        words = " ".join(ET.fromstring(certificate_svg(certificate, "data:,", "a <7>")).itertext())
        assert said in words and "spt.defences.DistSPTCells" in words and "stopped" not in words
    assert "stopped" in certificate_svg(first_cells(expected, 1), "data:,", "7")


# --------------------------------------------------------------------------------------------- what is proved by cells only


@pytest.mark.parametrize(("name", "parameter", "unit"), [("scaling", "scale", "log %"), ("shear", "shear", "%")])
def test_scaling_and_shear_have_cells_only(name, parameter, unit):
    app = open_page(transform=name, form="one ball", **{f"{name}_limit": "1"})
    assert_healthy(app)
    assert list(app.segmented_control(key="form").options) == ["cells"]
    certificate = app.session_state["certify_run"].certificate
    assert isinstance(certificate, CellsCertificate) and certificate.verify()
    assert (certificate.transform, certificate.unit, certificate.limit) == (name, unit, 1.0)
    assert certificate.statement() in texts(app).replace("\\", "")
    latex = " ".join(element.value for element in app.latex)
    assert r"\mathrm{" + unit.replace("%", r"\%").replace(" ", r"\ ") + "}" in latex and "px" not in latex


def test_what_is_no_angle_is_drawn_on_a_gauge_positive_to_the_right(expected):
    """The same cells as of a rotation, called a scaling: mirrored, as wide as they can be, and in its unit."""
    scaled = dataclasses.replace(expected, transform="scaling", unit="log %")
    svg = figures.cells_svg(scaled)
    ET.fromstring(svg)
    assert "°" not in svg and "log %" in svg
    dials = [figures._Dial(one, (), one.limit) for one in (expected, scaled)]
    (x, y), (mirrored, same) = (dial.place(2.0, 100.0) for dial in dials)
    assert x < 0 and mirrored == pytest.approx(-x) and same == pytest.approx(y)
    report = certificate_svg(scaled, "data:image/png;base64,", "a digit")
    ET.fromstring(report)
    assert "°" not in report and "±2 log %" in report


# ------------------------------------------------------------------------------------------------------ the ball of a sample


def test_nothing_of_a_ball_is_computed_until_it_is_opened(monkeypatch):
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a ball was taken apart")

    monkeypatch.setattr("spt.ui.certify.ball.ball_anatomy", never)
    app = open_page(cell_sample="2")
    assert_healthy(app)
    assert app.selectbox(key="cell_sample").value == "2" and not app.toggle(key="ball").value
    assert "certify_ball" not in grids(app) and "ball_splits" not in {button.key for button in app.button}


def test_an_opened_ball_says_what_its_radius_is_made_of(expected):
    app = open_page(cell="2", ball="true")
    assert_healthy(app)
    samples = expected.tested()[1].samples
    place = max(samples, key=lambda each: expected.radii[each])
    assert app.selectbox(key="cell_sample").value == str(place - samples.start + 1), "the largest is shown first"
    app.selectbox(key="cell_sample").set_value("3").run()
    assert_healthy(app)
    assert shown_address(app)["cell_sample"] == "3" and shown_address(app)["ball"] == "true"
    place = samples.start + 2
    attacked = DistSPTCells(
        load_classifier("mnist-rotation"), get_transform("rotation"), 30.0, 0.3, 2.0, cell_width=2.0
    ).attacked(load_dataset("digits", shape=(1, 28, 28)).image(7))
    cell, point = torch.tensor([[0.0, 2.0]]), torch.tensor(expected.points[place], dtype=torch.float64)
    found = ball_anatomy(attacked, cell, point)
    text, data = texts(app), grids(app)["certify_ball"]["pictures"]
    assert f"**r = {rounded_up(expected.radii[place])}**" in text and "ALARM" not in text and not app.warning
    for part, words in zip(found.parts, ("what really moves", "what the remainder", "rounding to 8 bits"), strict=True):
        assert f"**{100 * part / found.radius:.3g} %** is {words}" in text
    assert f"distance **{at_least(found.sampled)}**" in text and request_words(found) in text
    shares = [np.frombuffer(base64.b64decode(each["reading"]["values"]), "<f4").sum() for each in data[3:]]
    assert sum(shares) / 10_000 == pytest.approx(sum(found.parts) / found.radius, rel=1e-5)
    assert [each["title"].split(":")[0] for each in data[3:]] == ["what moves", "remainder", "rounding"]


def request_words(found: BallAnatomy) -> str:
    """Where the farthest image was found, as the page says it."""
    return f"at {get_transform('rotation').describe(found.gamma)}."


def test_cutting_a_ball_finer_and_stopping():
    app = open_page(ball="true")
    before = len(app.get("vega_lite_chart"))
    app.button(key="ball_splits").click().run()
    assert_healthy(app)
    assert app.session_state["certify_ball_splits"].status == "done"
    [most] = re.findall(r"with (\d+) it is", texts(app))
    assert 32 <= int(most) <= 34, "splits that end where the outer angle is a quarter turn are one more"
    assert len(app.get("vega_lite_chart")) == before + 1
    # AppTest cannot press a button in mid-run; this is the state that pressing leaves, with two numbers of splits done.
    run, kept_balls = app.session_state["certify_ball_splits"], app.session_state["certify_anatomies"]
    for key in [key for key in kept_balls if key[-1] in (4, 8, 16, 32)]:
        del kept_balls[key]
    run.status = "stopped"
    app.session_state["certify_ball_splits"], app.session_state["certify_anatomies"] = run, kept_balls
    app.run()
    assert_healthy(app)
    [most] = re.findall(r"with (\d+) it is", texts(app))
    assert 2 <= int(most) <= 4 and not app.button(key="ball_splits").disabled
    app.toggle(key="ball").set_value(False).run()
    assert_healthy(app)
    assert "certify_ball" not in grids(app)


def test_an_image_outside_of_its_ball_is_an_alarm_and_another_radius_is_named(monkeypatch):
    def outside(*arguments: Any, **options: Any) -> BallAnatomy:
        found = ball_anatomy(*arguments, **options)
        return dataclasses.replace(found, sampled=1.01 * found.radius, radius=1.005 * found.radius)

    monkeypatch.setattr("spt.ui.certify.ball.ball_anatomy", outside)
    app = open_page(ball="true")
    assert not app.exception and "ALARM" in app.error[0].value
    assert any("Check again" in element.value for element in app.warning)


def test_the_ball_of_a_shift():
    app = open_page(
        transform="translation", classifier="mnist-translation", cell_width="0.25", translation_sigma="1.5", ball="true"
    )
    assert_healthy(app)
    assert "is what really moves" in texts(app) and "remainder allows for" not in texts(app)
    assert "dx " in texts(app).split("It is decided on")[1]


def test_without_smoothing_over_the_parameter_there_is_no_sample_to_open():
    app = open_page(transform="brightness", brightness_limit="1", ball="true")
    assert not app.exception and "ball = true has no control on this page now" in app.warning[0].value
