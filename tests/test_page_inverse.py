"""The page "Inverse", driven by Streamlit's AppTest, and its figures: what is on the screen is what the core says."""

import base64
import csv
import io
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from spt import get_transform, load_classifier, load_dataset
from spt.certificates import IndividualCellsCertificate, OneErrorCertificate, rounded_up
from spt.certificates.error_level import ErrorLevel, ReceivedErrorLevel
from spt.defences import IndivSPT
from spt.figures import errors as error_figures
from spt.figures import inverse as inverse_figures
from spt.images import to_8_bit
from spt.inverse import Inverse, Trace, invert, trace
from spt.received_bounds.bounds import received_bound
from spt.threat_model import ReceivedImage
from spt.ui.inverse import export, images
from spt.ui.inverse.certificate_request import CELLS, ONE_ERROR, ONLINE, PER_SAMPLE, IndividualOutcome, Plan
from spt.ui.inverse.error_bound import Bounded
from spt.ui.inverse.one_pixel import first_place
from spt.ui.inverse.request import InverseRequest
from spt.ui.inverse.run import EVERYTHING, Found
from spt.ui.shared import pixel_grid
from spt.ui.shared.presets import INVERSE
from spt.ui.shared.procedure import Procedure
from spt.ui.shared.session import PageRun
from tests.pages import assert_healthy, texts, visit

ROTATION = get_transform("rotation")


def open_page(**parameters: str | list[str]) -> AppTest:
    """The page after its first run."""
    return visit("explore/inverse.py", parameters, timeout=240)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def expected() -> Inverse:
    """The core's inverse for the page's first view."""
    image = load_dataset("digits").image(7)
    return invert(ReceivedImage(to_8_bit(ROTATION(image, [25.0])[0]), ROTATION, (-30, 30)), width=0.1, refinements=10)


@pytest.fixture
def page() -> Iterator[AppTest]:
    """The page with its first result."""
    app = open_page()
    assert_healthy(app)
    yield app


def result(app: AppTest) -> Found:
    """What the page has computed last."""
    found: Found = list(app.session_state["inverse_results"].values())[-1]
    return found


def latex(app: AppTest) -> str:
    return "\n".join(element.value for element in app.latex)


def test_the_first_view_needs_no_click_and_its_numbers_are_the_core_s(page, expected):
    found, text = result(page), texts(page)
    assert found.last.surviving.tolist() == expected.surviving.tolist()
    assert torch.equal(found.last.lower, expected.lower) and torch.equal(found.last.upper, expected.upper)
    assert found.inside and "all 784 values of the true original lie inside" in text
    assert f"only **{rounded_up(100 * expected.share)} %** can explain" in text
    assert "[24.9, 25.1]°" in text and "γ = 0 always can" in text
    first, seventh = page.metric[0], page.metric[1]
    assert first.value == f"{rounded_up(100 * expected.share)} %" and seventh.value == str(len(expected.boxes))
    row, column = first_place(28, 28)
    image = load_dataset("digits").image(7)
    one = trace(
        ReceivedImage(to_8_bit(ROTATION(image, [25.0])[0]), ROTATION, found.splits_of(found.part_at((25.0,)))[0]),
        row,
        column,
    )
    assert f"p({row}, {column}) in **{inverse_figures.interval(one.result)}**" in text


def test_every_control_leads_to_another_inverse(page):
    keys = set(page.session_state["inverse_results"])
    for kind, key, value in [
        ("slider", "angle", 20.0),
        ("slider", "interp_range", (-26.0, 31.0)),
        ("select_slider", "inverse_splits", 120),
        ("select_slider", "inverse_refinements", 2),
        ("segmented_control", "attacker", "exact"),
        ("toggle", "inverse_naive", True),
        ("number_input", "digits_image", 3),
    ]:
        getattr(page, kind)(key=key).set_value(value).run()
        assert_healthy(page)
        now = set(page.session_state["inverse_results"])
        assert len(now - keys) == 1, key
        keys |= now
    assert result(page).inside


def test_the_refinement_slider_goes_through_the_passes(page):
    found = result(page)
    shares = [one.share for one in found.passes]
    assert shares == sorted(shares, reverse=True) and shares[0] == 1 and shares[-1] < 0.01
    widths = []
    for number in (0, 1, 3, found.passes[-1].number):
        page.slider(key="inverse_pass").set_value(number).run()
        assert_healthy(page)
        assert page.metric[0].value == f"{rounded_up(100 * shares[number])} %"
        widths.append(float(page.metric[3].value))
    assert widths == sorted(widths, reverse=True) and widths[0] == 1


def test_the_parts_that_survive_can_be_looked_at_one_by_one(page):
    box = page.selectbox(key="inverse_part")
    assert len(box.options) == 3 and "[24.9, 25.1]°" in box.value
    inside = float(page.metric[2].value)
    box.set_value(EVERYTHING).run()
    assert_healthy(page)
    assert float(page.metric[2].value) > inside


def test_a_pixel_is_chosen_and_its_steps_are_gone_through(page):
    page.number_input(key="inverse_row").set_value(8).run()
    page.number_input(key="inverse_column").set_value(14).run()
    assert_healthy(page)
    count = page.slider(key="inverse_step").value
    assert count > 1 and f"After {count} of {count} steps: p(8, 14)" in texts(page)
    widths = []
    for step in reversed(range(count)):
        page.button(key="inverse_back").click().run()
        assert_healthy(page)
        assert f"After {step} of {count} steps" in texts(page)
        low, high = re.search(r"p\(8, 14\) in \*\*\[(.*), (.*)\]\*\*", texts(page)).groups()
        widths.append(float(high) - float(low))
    assert widths == sorted(widths) and widths[-1] == 1
    assert page.button(key="inverse_back").disabled
    page.button(key="inverse_next").click().run()
    assert f"After 1 of {count} steps" in texts(page) and "Step 1: c(" in texts(page) and r"\ge" in latex(page)
    before = result(page)
    page.slider(key="inverse_before").set_value(5).run()
    assert_healthy(page)
    assert result(page) is before  # only the figure changes


def test_a_small_photograph_with_a_network_that_crops():
    """P's crop of 224 pixels is left out where the picture has 32."""
    few = {"inverse_splits": "10", "inverse_refinements": "1", "interp_range": ["4", "6"]}
    app = open_page(source="natural", classifier="imagenet-lite0", angle="5", natural_image="3", **few)
    assert_healthy(app)
    assert result(app).inside and "3,072 values" in texts(app) and "takes images of 3×256×256" in texts(app)


def test_a_photograph_of_32_pixels_and_a_crop():
    few = {"inverse_splits": "30", "inverse_refinements": "2", "interp_range": ["4", "7"]}
    app = open_page(source="natural", angle="5", natural_image="3", **few)
    assert_healthy(app)
    assert result(app).inside and "3,072 values" in texts(app) and "takes images of 1×28×28" in texts(app)
    first = texts(app)
    app.segmented_control(key="inverse_channel").set_value("blue").run()
    assert_healthy(app)
    assert texts(app) != first
    app.segmented_control(key="inverse_size").set_value("crop 48 × 48").run()
    assert_healthy(app)
    assert result(app).last.lower.shape[1:] == (3, 48, 48) and result(app).inside
    app.segmented_control(key="inverse_size").set_value("f’s input").run()
    assert_healthy(app)
    assert result(app).last.lower.shape[1:] == (1, 28, 28) and app.button(key="indiv_start")


def test_the_address_holds_the_part_the_split_and_the_pixel():
    app = open_page(
        inverse_part=EVERYTHING,
        inverse_split="[−0.1, 0]°",
        inverse_row="10",
        inverse_column="9",
        inverse_pass="2",
        inverse_step="1",
    )
    assert_healthy(app)
    assert app.selectbox(key="inverse_part").value == EVERYTHING
    assert app.selectbox(key="inverse_split").value == "[−0.1, 0]°"
    assert app.slider(key="inverse_pass").value == 2 and "steps: p(10, 9)" in texts(app) and "After 1 of" in texts(app)
    app.slider(key="angle").set_value(10.0).run()
    assert_healthy(app)
    lost = open_page(inverse_part="γ in [7, 9]°", inverse_split="[7, 8]°", inverse_row="99", inverse_pass="40")
    assert_healthy(lost)
    assert "[24.9, 25.1]°" in lost.selectbox(key="inverse_part").value and "p(8, 10)" in texts(lost)


def test_translation():
    app = open_page(transform="translation", classifier="mnist-translation", dx="0.5", dy="0.25", inverse_splits_px="5")
    assert_healthy(app)
    found = result(app)
    assert found.inside and found.last.boxes.shape[1:] == (2, 2)
    assert "(dx and dy)" in texts(app)


def preset(number: int) -> AppTest:
    app = open_page(**INVERSE[number].parameters)
    assert_healthy(app)
    return app


def test_the_preset_of_figure_3_shows_its_numbers():
    app = preset(1)
    text, formulas = texts(app), latex(app)
    assert "Step 2: c(5, 1)" in text and "[4.055, 4.212] × [2.852, 3.113]" in text and "p′(5, 1) = 0.9" in text
    assert r"\ge 0.731" in formulas and r"\ge 0.726" in formulas
    assert r"\le 2.42" in formulas and r"\le 2.47" in formulas
    assert "Hull over the 2 cells: [0.726, 2.47]" in text and "together **[0.726, 1]**" in text
    found = re.findall(r"&= \\frac\{([0-9][^{}]*)\}\{([0-9.]+)\} \\\\\[5pt\] &\\ge ([0-9.]+)", formulas)
    assert len(found) == 2
    for lower in found:
        numerator = eval(lower[0].replace(r"\cdot", "*"))  # the formula holds with the numbers in it
        assert numerator / float(lower[1]) == pytest.approx(float(lower[2]), abs=2e-3)


def test_a_preset_is_a_button_that_sets_the_controls(page):
    page.button(key="preset_1").click().run()
    assert_healthy(page)
    assert r"\ge 0.731" in latex(page)
    page.button(key="preset_0").click().run()
    assert_healthy(page)
    assert "[24.9, 25.1]°" in texts(page)


def test_an_image_that_no_gamma_can_have_produced_says_where():
    app = preset(4)
    text = texts(app)
    assert "INCONSISTENT WITH Γ" in text and "by a rotation in [5, 20]°" in text and "nothing to certify" in text
    row, column = map(int, re.search(r"pixel row (\d+), column (\d+)", text).groups())
    died = result(app).contradiction
    assert died is not None and (row, column) == (died.row, died.column)
    assert f"at least {inverse_figures.at_least(died.lower)}" in text
    assert f"p({row}, {column}) would have to be at least" in text  # this pixel is shown at once
    app.number_input(key="inverse_row").set_value(0).run()
    assert "would have to be at least" not in texts(app).partition("Why?")[2]
    app.button(key="inverse_to_contradiction").click().run()
    assert_healthy(app)
    assert f"p({row}, {column}) would have to be at least" in texts(app) and "no γ in this split" in texts(app)


def test_an_attack_outside_gamma_is_named():
    app = open_page(angle="20", interp_range=["-10", "10"])
    assert_healthy(app)
    assert "outside Γ: the receiver’s assumption is wrong" in texts(app)


def test_a_gamma_that_is_a_point_is_one_clear_sentence():
    app = open_page(interp_range=["5", "5"])
    assert not app.exception and "Γ is a single point" in app.error[0].value


def test_a_stopped_inverse_waits(page):
    page.slider(key="angle").set_value(11.0)
    key = next(iter(page.session_state["inverse_results"]))
    page.session_state["inverse_results"].clear()
    page.slider(key="angle").set_value(25.0)
    page.session_state["inverse_run"] = PageRun(
        key, "stopped"
    )  # AppTest cannot press a button in mid-run; this is what it leaves
    page.run()
    assert_healthy(page)
    assert "STOPPED" in texts(page) and "PROVED" not in texts(page)
    page.button(key="inverse_again").click().run()
    assert_healthy(page)
    assert "PROVED" in texts(page)


# -------------------------------------------------------------------------------------------------------------- IndivSPT


def test_bounds_by_method_are_the_core_s(page, expected):
    classifier = load_classifier("mnist-rotation")
    for method in ("interval", "kernel"):
        bound = received_bound(expected, classifier.preprocessing, [[20.0]], method=method)
        assert f"‖e‖ ≤ **{rounded_up(float(bound.values))}**" in texts(page)
    truth = float(re.search(r"‖e‖ = ([0-9.]+)", texts(page)).group(1))
    assert 0.2 < truth < float(bound.values)
    before = texts(page)
    page.slider(key="beta").set_value(5.0).run()
    assert_healthy(page)
    assert texts(page) != before


def test_the_certificate():
    app = open_page(angle="2", interp_range=["-3", "3"], inverse_splits="30", n_gamma="20")
    assert_healthy(app)
    assert "CERTIFIED" not in texts(app)
    app.button(key="indiv_start").click().run()
    assert_healthy(app)
    (certificate,) = app.session_state["inverse_certificates"].values()
    assert certificate.verify() and certificate.complete and certificate.limit == 3.0
    assert certificate.class_name == "7" and "CERTIFIED] g answers **7** ✓" in texts(app)
    assert "the original is proved to get this class, too" in texts(app)
    checked_again(app, "- balls: 20 radii bounded again")
    app.text_input(key="seed_typed").set_value("5").run()
    assert "CERTIFIED" not in texts(app)


def checked_again(app: AppTest, line: str) -> None:
    """Press "Check again": the certificate is confirmed, and this line says how."""
    app.button(key="inverse_own_start").click().run()
    assert_healthy(app)
    assert "CONFIRMED" in texts(app) and "NOT CONFIRMED" not in texts(app) and line in texts(app)


def test_the_certificate_in_cells():
    app = certified(CELLS)
    (certificate,) = app.session_state["inverse_certificates"].values()
    assert isinstance(certificate, IndividualCellsCertificate) and certificate.verify() and certificate.complete
    assert certificate.class_name == "7" and certificate.limit == 3.0
    proved = f"Proved are x′ and {len(certificate.cells)} of {len(certificate.cells)} cells of what survives"
    assert "CERTIFIED] g answers **7** ✓" in texts(app) and proved in texts(app)
    assert "the original is proved to get this class, too" in texts(app)
    checked_again(app, "- tests: g's answer to the image and")
    (python,) = (block.value for block in app.code if "IndivSPTCells" in block.value)
    names: dict[str, object] = {}
    exec(python, names)  # the exported lines give the same certificate
    again = names["certificate"]
    assert isinstance(again, IndividualCellsCertificate) and replace(again, seconds=0.0) == replace(
        certificate, seconds=0.0
    )


def test_a_check_with_one_error_warns_where_the_record_does_not_say_how_it_was_made():
    app = certified(ONLINE, indiv_error="0.4", inverse_refinements="2")
    assert "this run used 2: its E may differ" in texts(app)


QUICK = {
    "angle": "2",
    "interp_range": ["-3", "3"],
    "inverse_splits": "30",
    "n_gamma": "20",
    "rotation_sigma": "10",
    "indiv_betas": "50",
}


def certified(form: str, **parameters: str | list[str]) -> AppTest:
    """The page after a whole run of one form of the certificate."""
    app = open_page(**(QUICK | {"indiv_form": form} | parameters))  # type: ignore[arg-type]
    assert_healthy(app)
    assert "inverse_certificates" not in app.session_state and "No run for these settings" in texts(app)
    app.button(key="indiv_start").click().run()
    assert_healthy(app)
    return app


def without_seconds(certificate: OneErrorCertificate) -> OneErrorCertificate:
    return replace(certificate, seconds=0.0, level=replace(certificate.level, seconds=0.0))


def test_the_certificate_with_one_error_measured_on_the_image():
    app = certified(ONE_ERROR, angle="0.5", interp_range=["-1", "1"], inverse_splits="10", rotation_sigma="5")
    (certificate,) = app.session_state["inverse_certificates"].values()
    assert isinstance(certificate, OneErrorCertificate) and certificate.verify() and certificate.class_name == "7"
    level, text = certificate.level, texts(app)
    assert (level.n_test, level.n_choice, level.limit, certificate.n) == (50, 100, 1.0, 20)
    assert f"MEASURED] E = **{rounded_up(level.error)}**" in text and f"ρ ≤ **{rounded_up(level.rho)}**" in text
    assert "CERTIFIED] g answers **7** ✓" in text and "the original is proved to get this class, too" in text
    assert "0.01 = 0.004 (samples) + 0.005 (inner tests) + 0.001 (E)" in text
    (python,) = (block.value for block in app.code if "certify_with_one_error" in block.value)
    names: dict[str, object] = {}
    exec(python, names)  # the exported lines give the same certificate
    again = names["certificate"]
    assert isinstance(again, OneErrorCertificate) and without_seconds(again) == without_seconds(certificate)


@pytest.mark.slow
def test_the_certificate_with_one_error_fixed_beforehand():
    app = certified(ONLINE, indiv_error="0.4")
    (certificate,) = app.session_state["inverse_certificates"].values()
    level = certificate.level
    assert certificate.verify() and (level.error, level.largest) == (0.4, None)
    own = f"the largest of these β, is **{rounded_up(level.own_bound)}**"
    assert "ACCEPTED] E = 0.4:" in texts(app) and own in texts(app) and "CERTIFIED] g" in texts(app)
    assert any("measure(received, error=0.4, n_test=50" in block.value for block in app.code)
    checked_again(app, "- error E: E = 0.4")
    app.number_input(key="indiv_error").set_value(0.45).run()  # of another E this run says nothing
    assert_healthy(app)
    assert "ACCEPTED" not in texts(app) and "CERTIFIED" not in texts(app) and "No run for these" in texts(app)
    app.segmented_control(key="indiv_form").set_value(PER_SAMPLE).run()
    assert "ACCEPTED" not in texts(app) and "CERTIFIED" not in texts(app)
    app.segmented_control(key="indiv_form").set_value(ONLINE).run()
    app.number_input(key="indiv_error").set_value(0.4).run()
    assert_healthy(app)
    assert "ACCEPTED" in texts(app) and "CERTIFIED] g" in texts(app)


def test_an_error_fixed_beforehand_that_is_too_small_is_refused():
    app = certified(ONLINE, indiv_error="0.01")
    (level,) = app.session_state["inverse_certificates"].values()
    assert isinstance(level, ReceivedErrorLevel) and level.verify() and not level.usable
    assert "REFUSED] E = 0.01 is too small" in texts(app) and f"is **{rounded_up(level.own_bound)}**" in texts(app)
    assert "CERTIFIED" not in texts(app) and "Nothing is certified" in texts(app)


def test_a_stopped_certificate_belongs_to_its_settings():
    app = certified(ONLINE, indiv_error="0.01")
    (key,) = app.session_state["inverse_certificates"]
    app.session_state["inverse_certificates"].clear()
    app.session_state["indiv_certificate_run"] = PageRun(
        key, "stopped"
    )  # AppTest cannot press a button in mid-run; this is what it leaves
    app.run()
    assert "The run was stopped" in texts(app) and "REFUSED" not in texts(app)
    app.number_input(key="indiv_error").set_value(0.5).run()
    assert "The run was stopped" not in texts(app) and "No run for these" in texts(app)


def test_without_pixel_noise_there_is_one_clear_sentence():
    app = open_page(certify_pixel_sigma="0", inverse_refinements="0")
    assert not app.exception and len(app.error) == 1 and "IndivSPT needs pixel noise" in app.error[0].value


# ---------------------------------------------------------------------------------------------------- figures and export


def request_of(image: torch.Tensor, **changes: object) -> InverseRequest:
    from spt.images import image_digest
    from spt.ui.shared.controls import Subject

    subject = Subject(image, image_digest(image), None, "made up", "digits:7")
    settings = {"gamma": (4.0,), "limits": (-5.0, 5.0), "splits": 10, "refinements": 1, "attacker": "8-bit"}
    settings |= {"naive": False, "pitch": 1.0} | changes
    return InverseRequest(load_classifier("mnist-rotation"), subject, ROTATION, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def small() -> tuple[InverseRequest, Found]:
    from spt.progress import silent
    from spt.ui.inverse.run import compute

    request = request_of(load_dataset("digits").image(7))
    return request, compute(request, silent)


def test_of_passes_that_take_much_memory_only_the_hull_is_kept(small, monkeypatch):
    from spt.progress import silent
    from spt.ui.inverse import run

    request, found = small
    monkeypatch.setattr(run, "MOST_VALUES", 784)
    other = run.compute(request, silent)
    assert torch.equal(other.last.lower, found.last.lower)
    for one, two in zip(found.passes, other.passes, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.hulls[0], two.hulls[0], strict=True))
        assert all((b[0] <= a[0]).all() and (b[1] >= a[1]).all() for a, b in zip(one.hulls, two.hulls, strict=True))


def test_exports_hold_the_inverse(small):
    request, found = small
    record = json.loads(export.as_json(request, found, None))
    assert record["surviving"] == found.last.surviving.tolist() and record["original_inside"]
    lines = [line for line in export.as_csv(request, found).splitlines() if not line.startswith("#")]
    rows = [row for row in csv.DictReader(io.StringIO("\n".join(lines))) if row["part"] == EVERYTHING]
    assert len(rows) == 784
    lower = np.array([float(row["lower"]) for row in rows]).reshape(1, 28, 28)
    assert np.array_equal(lower, found.last.hull[0].numpy())
    with np.load(io.BytesIO(export.as_npz(request, found))) as file:
        assert np.array_equal(file["lower"], found.last.lower.numpy()) and len(file["boxes"]) == len(found.last.boxes)


def test_the_export_of_a_refused_image_says_why(small):
    request, found = small
    defence = IndivSPT(request.classifier, ROTATION, 10.0, 0.3, 5.0, split_width=1.0, refinements=1)
    level = defence.measure(request.received, error=0.001, n_test=10)
    procedure = Procedure(parameter_sigma=10.0, pixel_sigma=0.3, n_gamma=20, n0=100, alpha=0.01, seed=0)
    outcome = IndividualOutcome(Plan(procedure, one_error=True, error=0.001, n_test=10), 5.0, level)
    bounded = Bounded((20.0,), request.classifier.preprocessing, {}, None, outcome)
    record = json.loads(export.as_json(request, found, bounded))
    assert "certificate" not in record and ErrorLevel.from_json(json.dumps(record["refused"])) == level


def test_the_exported_code_and_command_compute_the_same(small, capsys, tmp_path):
    from spt.__main__ import main

    request, found = small
    names: dict[str, object] = {}
    exec(export.code(request, found.parts[0]), names)
    inverse = names["inverse"]
    assert isinstance(inverse, Inverse) and torch.equal(inverse.lower, found.last.lower)
    command = export.command(request)
    assert command is not None
    arguments = command.replace("inverse.npz", str(tmp_path / "out.npz")).split()[3:]
    assert main(arguments) == 0
    with np.load(tmp_path / "out.npz") as file:
        assert np.array_equal(file["upper"], found.last.upper.numpy())


def test_numbers_for_pointing_are_rounded_outward(small):
    request, found = small
    shown = pixel_grid.contents("images", images.pictures(request, found, 0, found.passes[-1].number))["pictures"]
    reading = shown[1]["reading"]
    lower, upper = (np.frombuffer(base64.b64decode(reading[name]), "<f4").astype(float) for name in ("low", "high"))
    exact = [end.flatten().numpy() for end in found.last.hull]
    assert (lower <= exact[0]).all() and (upper >= exact[1]).all()
    assert max(abs(lower - exact[0]).max(), abs(upper - exact[1]).max()) < 1e-6
    assert all(len(one["urls"]) == len(found.passes) for one in (shown[1], shown[2], shown[4]))
    assert len(shown[3]["svg"]) == len(found.passes) and all(dial.startswith("<svg") for dial in shown[3]["svg"])


@pytest.fixture(scope="module")
def papers_trace() -> Trace:
    received = torch.zeros(1, 8, 8, dtype=torch.float64)
    received[0, 4, 6] = 0.9
    return trace(ReceivedImage(received, ROTATION, (23, 26), attacker="exact"), 5, 5, naive=True, pitch=2)


def words(svg: str) -> str:
    return " ".join(ET.fromstring(svg).itertext())


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_the_figures_are_well_formed_and_name_what_they_show(papers_trace, done: int):
    figure = inverse_figures.constraints_svg(papers_trace, done)
    assert all(f"({x}, {y})" in words(figure) for x in (1, 3, 5) for y in (1, 3, 5)) and "5, 1" in words(figure)
    filled = figure.count('fill-opacity="0.95"')
    assert filled == done
    steps = inverse_figures.steps_svg(papers_trace, done, 0.9)
    assert len(re.findall(r"c\(", words(steps))) == done
    ET.fromstring(inverse_figures.steps_svg(papers_trace, done, None))


def test_cuts_are_shares_and_have_colours(papers_trace):
    shares = [papers_trace.cut(step) for step in papers_trace.steps]
    assert all(0 <= share <= 1 for share in shares) and max(shares) > 0.7
    assert inverse_figures.cut_colour(0.0) == "#00224e" and inverse_figures.cut_colour(1.0) == "#fee838"


def test_positions_in_pixels_are_row_and_column():
    one = trace(ReceivedImage(torch.zeros(1, 8, 6), ROTATION, (23, 26)), 5, 2)
    assert inverse_figures.index_of(one, one.x, one.y) == "5, 2"
    for step in one.steps:
        assert inverse_figures.index_of(one, step.x, step.y) == f"{step.row}, {step.column}"


@pytest.mark.parametrize("error", [0.01, 0.3, 0.5, 7.0])
def test_bars_of_bounds_are_on_one_side_of_the_error(error: float):
    bounds = (0.1, 0.3, np.nextafter(0.3, 1), 0.5, 0.7, 0.30001)
    bars = error_figures.level_bars(bounds, error)
    assert sum(bar["count"] for bar in bars) == len(bounds)
    assert all((bar["outcome"] == "at most E") == (bar["to"] <= error * (1 + 1e-9)) for bar in bars)
    assert sum(bar["count"] for bar in bars if bar["outcome"] == "exceeds E") == sum(not b <= error for b in bounds)
    assert len(error_figures.level_specification(error)["layer"]) == 2


@pytest.mark.parametrize("value", [0.7260487, 0.0, 1.0, -0.0449, -17.99, 2.41959, 1e-7, 0.9999999])
def test_shown_bounds_are_rounded_outward(value: float):
    low, high = (
        float(text.replace("−", "-")) for text in (inverse_figures.at_least(value), inverse_figures.at_most(value))
    )
    assert low <= value <= high and math.isclose(low, high, rel_tol=0.02, abs_tol=1e-9)


def test_ranges_are_rounded_outward_but_for_rounding_errors():
    assert inverse_figures.range_in_words([(24.9 - 1e-14, 25.1 + 1e-14)], "°") == "[24.9, 25.1]°"
    assert inverse_figures.range_in_words([(-0.12345, 0.12345), (0, 1)], "px") == "[−0.124, 0.124] × [0, 1] px"


def test_the_dial_shows_the_share():
    dial = inverse_figures.surviving_svg([(-30.0, 30.0)], [[(-0.1, 0.1)], [(24.9, 25.1)]], "°", [25.0])
    assert "0.667 %" in words(dial) and "true γ = 25°" in words(dial) and dial.count('fill="#E69F00"') == 4
    nothing = inverse_figures.surviving_svg([(5.0, 20.0)], [], "°", None)
    assert "nothing" in words(nothing) and "γ unknown" in words(nothing)
    plane = inverse_figures.surviving_svg([(-2.0, 2.0)] * 2, [[(0.0, 0.4), (0.0, 0.4)]], "px", [0.1, 0.2])
    assert "dx across" in words(plane) and plane.count('fill="#E69F00"') == 1
    ET.fromstring(inverse_figures.surviving_svg([(-180.0, 180.0)], [[(-180.0, 180.0)]], "°", None))
