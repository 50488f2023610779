"""The page "Certify", driven by Streamlit's AppTest, and its figures: what is on the screen is what the core says."""

import dataclasses
import json
import re
import statistics
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from spt import get_transform, load_classifier, load_dataset
from spt.certificates import DistCertificate, quantity, rounded_down, rounded_up
from spt.certificates.answer import Answer
from spt.defences import DistSPT, DistSPTCells
from spt.figures import certificates as figures
from spt.figures.certificates import certificate_svg, certified_range, outcomes, sample_rows
from spt.ui.shared.markdown import escape
from spt.ui.shared.presets import PRESETS
from spt.ui.shared.session import PageRun
from tests.pages import assert_healthy, texts, visit

SMALL = {"form": "one ball", "n_gamma": "20", "rotation_limit": "2", "translation_limit": "0.25"}


def open_page(page: str = "explore/certify.py", **parameters: str) -> AppTest:
    """The page after its first run: few samples and a small attack range unless ``parameters`` say otherwise."""
    return visit(page, SMALL | parameters, timeout=240)


@pytest.fixture(scope="module")
def expected() -> DistCertificate:
    """The core's certificate for the page's first view."""
    classifier = load_classifier("mnist-rotation")
    image = load_dataset("digits", shape=classifier.input_shape).image(7)
    return DistSPT(classifier, get_transform("rotation"), 30.0, 0.3, 2.0).certify(image, n_gamma=20)


@pytest.fixture
def page() -> Iterator[AppTest]:
    """The page with its first result."""
    app = open_page()
    assert_healthy(app)
    yield app


def test_the_first_view_certifies_without_a_click_and_its_numbers_are_the_core_s(page, expected):
    run = page.session_state["certify_run"]
    assert run.status == "done" and run.certificate.verify()
    shown, core = (dataclasses.replace(c, seconds=0, radii=()) for c in (run.certificate, expected))
    assert shown == core
    assert run.certificate.radii == pytest.approx(expected.radii, rel=1e-9)
    text = texts(page)
    assert "CERTIFIED" in text and "PROVISIONAL" not in text and "ABSTAIN" not in text
    assert quantity(expected.radius, "°") in text and rounded_down(expected.p_lower, 4) in text
    assert "confidence 0.99" in text and "8 bits" in text
    assert "20 of 20 samples" in page.get("progress")[0].proto.text


def test_every_control_leads_to_another_case_and_back_to_the_kept_result(page):
    run = page.session_state["certify_run"]
    for kind, key, value in [
        ("slider", "rotation_limit", 3.0),
        ("segmented_control", "attacker", "exact"),
        ("slider", "rotation_sigma", 20.0),
        ("slider", "certify_pixel_sigma", 0.35),
        ("select_slider", "n_gamma", 50),
        ("number_input", "n0", 50),
        ("number_input", "alpha", 0.02),
        ("text_input", "seed_typed", "1"),
        ("number_input", "digits_image", 8),
        ("selectbox", "classifier", "mnist-translation"),
        ("segmented_control", "transform", "translation"),
    ]:
        before = getattr(page, kind)(key=key).value
        getattr(page, kind)(key=key).set_value(value).run()
        assert_healthy(page)
        other = page.session_state["certify_run"]
        assert other.key != run.key and other.status == "idle" and other.certificate is None, key
        assert "No run for these settings" in texts(page) and ":green-badge" not in texts(page), key
        getattr(page, kind)(key=key).set_value(before).run()
        assert_healthy(page)
        back = page.session_state["certify_run"]
        assert back.key == run.key and back.certificate == run.certificate, key
        assert "CERTIFIED" in texts(page)


def test_run_starts_a_run(page):
    page.text_input(key="seed_typed").set_value("3").run()
    page.button(key="certify_start").click().run()
    assert_healthy(page)
    run = page.session_state["certify_run"]
    assert run.status == "done" and run.certificate.seed == 3
    assert "CERTIFIED" in texts(page)


def test_a_stopped_run_is_provisional_and_certifies_nothing(page):
    run = page.session_state["certify_run"]
    # AppTest cannot press a button in mid-run; this is the state that pressing leaves.
    part = {"points": 5, "radii": 5, "inner_votes": 5}
    first = {name: getattr(run.certificate, name)[:count] for name, count in part.items()}
    run.certificate, run.status = dataclasses.replace(run.certificate, **first).conclude(), "stopped"
    page.session_state["certify_run"] = run
    page.run()
    assert_healthy(page)
    assert "PROVISIONAL" in texts(page) and "5 of 20 samples" in texts(page)
    assert "CERTIFIED" not in texts(page) and not page.get("plotly_chart")
    assert [each.key for each in page.get("download_button")] == ["share_python"], "lines that run it to its end"
    page.button(key="certify_start").click().run()
    assert "CERTIFIED" in texts(page) and "PROVISIONAL" not in texts(page)


def test_translation():
    app = open_page(transform="translation", classifier="mnist-translation", translation_sigma="0.5")
    assert_healthy(app)
    certificate = app.session_state["certify_run"].certificate
    assert certificate.transform == "translation" and certificate.limit == 0.25 and certificate.verify()
    assert certificate.label is not None
    app.button(key="certify_attack").click().run()
    assert_healthy(app)
    (answers,) = app.session_state["certify_answers"].values()
    assert all(certificate.covers_attack(answer.point) == answer.inside for answer in answers)


def test_the_certified_g_is_asked_inside_and_outside_and_its_links_show_these_images(page):
    assert "No attack on this certificate yet" in texts(page)
    page.button(key="certify_attack").click().run()
    assert_healthy(page)
    certificate = page.session_state["certify_run"].certificate
    (answers,) = page.session_state["certify_answers"].values()
    assert {answer.inside for answer in answers} == {True, False} and len(answers) <= 8
    assert [answer.point for answer in answers[:2]] == [(2.0,), (-2.0,)] and all(a.inside for a in answers[:2])
    assert all(certificate.covers_attack(answer.point) == answer.inside for answer in answers)
    assert "nested one" in texts(page) and texts(page).count("survived") >= 3 and "one-level" not in texts(page)
    links = [element.proto for element in page.get("page_link")]
    assert len(links) == len(answers) - 2  # not of the two at the border
    parameters = dict(part.split("=") for part in links[0].query_string.split("&"))
    assert float(parameters["angle"]) == pytest.approx(answers[2].point[0])
    votes = open_page("explore/votes.py", pace="fast", **parameters)
    assert_healthy(votes)
    assert f"f answers **{answers[2].base}**" in texts(votes)
    page.text_input(key="seed_typed").set_value("9").run()
    assert "survived" not in texts(page)


def test_the_answers_of_an_attack_are_those_of_predict_and_of_the_python_below(capsys):
    page = open_page(attacker="exact")
    page.button(key="certify_attack").click().run()
    assert_healthy(page)
    (answers,) = page.session_state["certify_answers"].values()
    [code] = [block.value for block in page.code if "defence.predict(" in block.value]
    exec(compile(code, "page", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(answers)
    for line, answer in zip(printed, answers, strict=True):
        said = f"PREDICT {answer.smoothed}" if answer.smoothed else "ABSTAIN"
        assert line.startswith(f"{answer.point} {said}: {answer.passes} of {answer.samples} samples")


def test_the_certificate_can_be_checked_again(page):
    certificate = page.session_state["certify_run"].certificate
    assert "The record agrees with itself ✓" in texts(page) and "cannot tell" in texts(page)
    page.button(key="certify_own_start").click().run()
    assert_healthy(page)
    text = texts(page)
    assert "CONFIRMED" in text and "NOT CONFIRMED" not in text and "differs ✗" not in text
    assert "- inner tests: 20 tests" in text and "Taken on trust" in text
    assert escape(f"class 7, radius {certificate.radius:.6g}") in text
    page.text_input(key="seed_typed").set_value("4").run()
    assert "CONFIRMED" not in texts(page)


def given(app: AppTest, name: str, content: bytes) -> AppTest:
    """The page after a certificate was uploaded to it."""
    [uploader] = [each for each in app.file_uploader if each.key == f"{name}_certificate"]
    uploader.upload("certificate.json", content, "application/json").run()
    assert not app.exception
    return app


def test_a_certificate_from_a_file_is_checked_against_the_screen(page, expected):
    fields = json.loads(expected.to_json())
    given(page, "certify", json.dumps(fields).encode())
    assert_healthy(page)
    page.button(key="certify_file_start").click().run()
    assert_healthy(page)
    assert "CONFIRMED" in texts(page) and "NOT CONFIRMED" not in texts(page)
    page.number_input(key="digits_image").set_value(8).run()
    assert "CONFIRMED" not in texts(page)
    page.button(key="certify_file_start").click().run()
    assert "NOT CONFIRMED" in texts(page) and "so nothing more was computed" in texts(page)
    assert "**Computed again, differs ✗**\n\n- image: sha256" in texts(page)
    page.number_input(key="digits_image").set_value(7).run()
    votes = [list(pair) for pair in fields["inner_votes"]]
    votes[0] = [64, 64] if votes[0] != [64, 64] else [32, 32]
    given(page, "certify", json.dumps(fields | {"inner_votes": votes}).encode())
    if "The record agrees with itself ✓" in texts(page):
        page.button(key="certify_file_start").click().run()
        assert "NOT CONFIRMED" in texts(page)
    given(page, "certify", json.dumps(fields | {"radius": fields["radius"] * 2}).encode())
    assert "NOT A CERTIFICATE" in texts(page) and "It proves nothing" in texts(page)
    page.button(key="certify_file_start").click().run()
    assert "NOT CONFIRMED" in texts(page)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b"{}",
        b'{"centre": 1}',
        b"[" * 100_000,
        b'{"level": {"p_lower": 1}}',
        b'{"level": 3}',
        b'{"heuristic": NaN}',
    ],
)
def test_what_is_no_certificate_is_one_sentence(page, content: bytes):
    given(page, "certify", content)
    assert len(page.error) == 1 and "\n" not in page.error[0].value and "This" in page.error[0].value
    assert "CERTIFIED" in texts(page)


def test_a_check_that_would_count_too_many_votes_is_refused(page, expected):
    many = dataclasses.replace(expected, selection_counts=tuple(10**9 * n for n in expected.selection_counts))
    given(page, "certify", many.to_json().encode())
    page.button(key="certify_file_start").click().run()
    assert not page.exception
    assert len(page.error) == 1 and "a page counts at most" in page.error[0].value


def test_a_check_can_be_stopped(page):
    page.session_state["check_run"] = PageRun(("certify_own", "of other settings"))
    page.run()
    assert_healthy(page)
    assert "CONFIRMED" not in texts(page) and page.button(key="certify_own_start")


def test_a_successful_attack_inside_is_an_alarm_with_a_link(page):
    key = page.session_state["certify_run"].key
    page.session_state["certify_answers"] = {key: [Answer((1.0,), True, "1", "1", False, 12, 12)]}
    page.run()
    assert not page.exception
    assert len(page.error) == 1 and "ALARM" in page.error[0].value
    assert "probability at most 0.02 = 0.01 (the certificate) + 1 × 0.01" in page.error[0].value
    assert ":red-badge[ALARM]" in texts(page) and len(page.get("page_link")) == 1


def test_abstain_says_why_and_offers_no_attack():
    app = open_page(certify_pixel_sigma="0.02", rotation_sigma="90", seed="5")
    assert_healthy(app)
    assert app.session_state["certify_run"].certificate.label is None
    text = texts(app)
    assert ":orange-badge[ABSTAIN]" in text and "not above 1/2" in text and "CERTIFIED" not in text
    assert "no inner test can pass an error radius above" in text
    assert "certify_attack" not in {button.key for button in app.button}


def test_without_pixel_noise_there_is_one_clear_sentence():
    app = open_page(certify_pixel_sigma="0")
    assert not app.exception
    assert len(app.error) == 1 and "DistSPT needs pixel noise" in app.error[0].value
    assert "CERTIFIED" not in texts(app)


def test_invalid_url_values_fall_back_to_defaults(page):
    app = open_page(attacker="quantum", alpha="7", rotation_sigma="-1", certify_pixel_sigma="none", seed="-3")
    assert_healthy(app)
    assert app.session_state["certify_run"].key == page.session_state["certify_run"].key


# --------------------------------------------------------------------------------------------------------------- figures


@pytest.mark.parametrize("value", [0.0, 0.1, 0.12301, 1 / 3, 12.345, 1e-7, 99.99])
def test_error_radii_are_rounded_up(value: float):
    assert value <= float(rounded_up(value)) <= value * 1.01


def test_rows_are_the_evidence(expected):
    rows = sample_rows(expected)
    assert [row["x"] for row in rows] == [point[0] for point in expected.points]
    assert [row["radius"] for row in rows] == list(expected.radii)
    assert all(float(row["radius_shown"]) >= row["radius"] for row in rows)
    assert [row["outcome"] for row in rows] == list(outcomes(expected))
    assert outcomes(expected).count(figures.PASSED) == expected.passes


def changed(certificate: DistCertificate, **fields: Any) -> DistCertificate:
    return dataclasses.replace(certificate, **fields)


def test_the_dial_shows_the_range_within_gamma(expected):
    whole = certified_range(expected)
    assert [bar.name for bar in whole.data] == ["certified"] and whole.data[0].width == (4.0,)
    some = certified_range(changed(expected, limit=50.0, radius=20.0), [Answer((30.0,), False, "1", None, None, 5, 12)])
    assert some.data[0].width == (40.0,) and list(some.data[1].theta) == [-35.0, 35.0]
    assert some.data[2].name == "g abstains"
    none = certified_range(changed(expected, label=None, radius=0.0))
    assert "certified" not in [bar.name for bar in none.data]


@pytest.mark.parametrize("radius", [0.5, 1.2, 2.0])
def test_the_disc_is_the_part_of_the_box_within_the_radius(expected, radius: float):
    plane = changed(expected, points=((0.0, 0.0),), limit=1.0, radius=radius, unit="px", transform="translation")
    figure = certified_range(plane)
    x, y = (np.asarray(figure.data[1][axis]) for axis in "xy")
    assert (np.maximum(abs(x), abs(y)) <= 1).all() and (np.hypot(x, y) <= radius + 1e-12).all()
    border = (np.hypot(x, y) > radius - 1e-9) | (np.maximum(abs(x), abs(y)) > 1 - 1e-9)
    assert border.all()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"label": None, "radius": 0.0, "p_lower": 0.3},
        {"limit": 180.0, "radius": 170.0},
        {"points": ((0.1, 0.2),), "unit": "px", "transform": "translation", "limit": 1.0, "radius": 0.61239},
        {"class_names": tuple(f"<b>&{i}'\"" for i in range(10))},
    ],
)
def test_the_picture_is_well_formed_and_says_what_is_certified(expected, fields: dict[str, Any]):
    certificate = changed(expected, **fields)
    root = ET.fromstring(certificate_svg(certificate, "data:image/png;base64,AA==", "a <7> & more"))
    words = " ".join(root.itertext())
    assert ("CERTIFIED" in words) == (certificate.label is not None)
    assert ("ABSTAIN" in words) == (certificate.label is None)
    assert certificate.image_sha256[:32] in words
    if certificate.label is not None:
        assert quantity(certificate.radius, certificate.unit) in words and certificate.class_name in words
    for number in re.findall(r"less than ([0-9.]+)", words):
        assert float(number) <= certificate.radius


def test_the_labels_of_the_dial_never_exceed_the_radius(expected):
    for radius in (0.4567, 3.999, 15.6789, 49.99, 170.06):
        dial = certified_range(changed(expected, limit=max(50.0, radius + 1), radius=radius)).layout.polar.angularaxis
        texts = dict(zip(dial.tickvals, dial.ticktext, strict=True))
        label = texts.get(radius, texts[0.0])
        assert 0.98 * radius <= float(label.strip("±°")) <= radius


def test_there_is_no_picture_of_a_provisional_certificate(expected):
    with pytest.raises(ValueError, match="provisional"):
        certificate_svg(changed(expected, n_gamma=21), "data:,", "7")


@pytest.mark.slow
def test_the_photograph_of_the_preset_is_certified() -> None:
    """What the card on the start page says, by the core with the page's settings."""
    chosen = next(preset for preset in PRESETS if preset.title == "A proof for a photograph").parameters
    classifier = load_classifier(str(chosen["classifier"]))
    image = load_dataset(str(chosen["source"]), shape=classifier.input_shape).image(int(str(chosen["natural_image"])))
    sigma, limit = float(str(chosen["certify_pixel_sigma"])), float(str(chosen["rotation_limit"]))
    certificate = DistSPTCells(classifier, get_transform("rotation"), 30.0, sigma, limit).certify(image)
    assert certificate.class_name == "bird" and certificate.radius > limit and certificate.verify()
    assert 0.6 < statistics.median(certificate.radii) / sigma < 1.4


def test_the_certificate_before_this_one_stays_dimmed_and_says_what_it_is_for() -> None:
    app = open_page()
    statement = app.session_state["certify_run"].certificate.statement()
    assert "EARLIER" not in texts(app)
    app.slider(key="rotation_limit").set_value(3.0).run()
    app.text_input(key="seed_typed").set_value("4").run()
    assert_healthy(app)
    (line,) = [element.value for element in app.markdown if "EARLIER" in element.value]
    assert "Γ = ±2° (now ±3°), the seed 0 (now 4)" in line and statement in line.replace("\\", "")
    assert ":green-badge" not in line, "it proves nothing for what the controls say"
    app.button(key="certify_start").click().run()
    assert_healthy(app)
    assert app.session_state["certify_run"].status == "done" and "EARLIER" not in texts(app)
    app.slider(key="rotation_limit").set_value(2.0).run()
    (line,) = [element.value for element in app.markdown if "EARLIER" in element.value]
    assert "Γ = ±3° (now ±2°)" in line and "seed" not in line
