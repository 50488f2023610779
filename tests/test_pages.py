"""Every page and widget path, driven by Streamlit's AppTest (no browser): what is on the screen and that it is right."""

import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from spt import Certificate, SmoothedClassifier, get_transform, load_classifier, load_dataset
from spt.certificates import quantity
from spt.images import image_digest, to_8_bit
from spt.ui.shared import folded, share
from spt.ui.shared.cache import thumbnails
from spt.ui.shared.controls import image_key, where_it_answers
from spt.ui.shared.presets import PRESETS
from spt.ui.votes import export
from tests.pages import SCRIPT, assert_healthy, texts, titles, visit
from tests.pictures import bad_pictures, odd_pictures

NUMBER_OF_VOTES = "200"


def open_page(page: str = "explore/votes.py", **parameters: str) -> AppTest:
    """The page after its first run, in a fast pace and with few votes unless ``parameters`` say otherwise."""
    return visit(page, {"pace": "fast", "n": NUMBER_OF_VOTES} | parameters)


@pytest.fixture
def votes_page() -> Iterator[AppTest]:
    """The votes page with its first result."""
    app = open_page()
    assert_healthy(app)
    yield app


def test_start_page_shows_the_example_without_a_click() -> None:
    app = open_page("explore/start.py")
    assert_healthy(app)
    assert "Training gives accuracy" in texts(app)
    assert [element.key for element in app.get("bidi_component")] == ["page_keys", "share_link", "turning"]


def test_what_is_folded_is_made_when_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    shared = export.shared
    monkeypatch.setattr(export, "shared", lambda *given: made.append(given) or shared(*given))
    app = AppTest.from_file(SCRIPT, default_timeout=60).switch_page("explore/votes.py")
    app.query_params.update({"pace": "fast", "n": "50"})
    app.run()
    assert not made and not app.code and "Cohen, Rosenfeld" not in texts(app)
    app.session_state[share.MENU] = True
    app.run()
    assert len(made) == 1 and len(app.code) == 2 and "Cohen, Rosenfeld" not in texts(app)
    app.session_state[folded.HOW] = True
    app.run()
    assert "Cohen, Rosenfeld" in texts(app) and app.latex
    assert_healthy(app)


def preset(title: str) -> AppTest:
    """The page of a preset, as its link opens it, at full length."""
    chosen = next(preset for preset in PRESETS if preset.title == title)
    app = open_page(chosen.page, **({"n": "1000"} | chosen.parameters))
    assert_healthy(app)
    return app


@pytest.mark.parametrize(
    ("title", "answer", "truth"),
    [
        ("The angle that fools it", "8", "2"),
        ("A shift that fools it", "8", "4"),
        ("A shepherd that becomes a bloodhound", "bloodhound", "German shepherd"),
    ],
)
def test_presets_that_fool_f_and_not_g(title: str, answer: str, truth: str) -> None:
    app = preset(title)
    assert f"f answers **{answer}** ✗ wrong" in texts(app)
    assert app.session_state["votes_run"].prediction.class_name == truth


def test_preset_abstain() -> None:
    run = preset("Abstain: too few samples").session_state["votes_run"]
    assert run.prediction.label is None and run.certificate.label is None


def test_votes_page_concludes_without_a_click(votes_page: AppTest) -> None:
    shown = texts(votes_page)
    assert "**PREDICT**" in shown and "**CERTIFY**" in shown and "HEURISTIC" in shown
    assert "200 of 200 votes" in votes_page.get("progress")[0].proto.text


def test_numbers_on_the_page_are_those_of_the_core(votes_page: AppTest) -> None:
    classifier = load_classifier("mnist-rotation")
    image = load_dataset("digits", shape=classifier.input_shape).image(7)
    rotation = get_transform("rotation")
    received = to_8_bit(rotation(image, [25.0])[0])
    expected = SmoothedClassifier(classifier, rotation, 30.0).certify(received, 100, 200, 0.01, seed=0)
    run = votes_page.session_state["votes_run"]
    assert run.certificate.counts == expected.counts
    assert run.certificate.radius == expected.radius
    assert quantity(expected.radius, "°") in texts(votes_page)
    shown = Certificate.from_json(run.certificate.to_json())
    assert shown.verify() and json.loads(shown.to_json())["counts"] == list(expected.counts)


def test_moving_the_slider_replaces_the_result(votes_page: AppTest) -> None:
    before = votes_page.session_state["votes_run"]
    votes_page.slider(key="angle").set_value(-100.0).run()
    assert_healthy(votes_page)
    after = votes_page.session_state["votes_run"]
    assert after.key != before.key
    assert after.status == "done" and after.certificate.image_sha256 != before.certificate.image_sha256


@pytest.mark.parametrize(
    ("key", "kind", "value"),
    [
        ("rotation_sigma", "slider", 10.0),
        ("pixel_sigma", "slider", 0.3),
        ("n", "select_slider", 100),
        ("n0", "number_input", 20),
        ("alpha", "number_input", 0.05),
        ("seed_typed", "text_input", "5"),
        ("digits_image", "number_input", 3),
        ("classifier", "selectbox", "mnist-plain"),
    ],
)
def test_every_control_leads_to_a_new_run(votes_page: AppTest, key: str, kind: str, value: object) -> None:
    before = votes_page.session_state["votes_run"].key
    getattr(votes_page, kind)(key=key).set_value(value).run()
    assert_healthy(votes_page)
    run = votes_page.session_state["votes_run"]
    assert run.key != before and run.status == "done"


def test_translation(votes_page: AppTest) -> None:
    votes_page.segmented_control(key="transform").set_value("translation").run()
    assert_healthy(votes_page)
    assert {slider.key for slider in votes_page.slider} >= {"dx", "dy", "translation_sigma", "translation_range"}
    assert "px" in texts(votes_page)
    assert "trained for rotation" in texts(votes_page)


def test_the_view_is_restored_from_its_url() -> None:
    app = open_page(transform="translation", dx="2.5", dy="-1", classifier="mnist-translation", seed="3")
    assert_healthy(app)
    key = app.session_state["votes_run"].key
    assert (2.5, -1.0) in key and "translation" in key
    assert app.text_input(key="seed_typed").value == "3"
    assert app.selectbox(key="classifier").value == "mnist-translation"


def test_invalid_url_values_fall_back_to_defaults() -> None:
    app = open_page(angle="sideways", n="-5", transform="squeeze")
    assert_healthy(app)
    assert app.slider(key="angle").value == 25.0


def test_stop_leaves_a_provisional_result(votes_page: AppTest) -> None:
    run = votes_page.session_state["votes_run"]
    run.certificate = run.prediction = None
    # AppTest cannot press a button in mid-run (the browser test does); this is the state that pressing leaves.
    run.status = "stopped"
    votes_page.session_state["votes_run"] = run
    votes_page.run()
    assert_healthy(votes_page)
    assert "PROVISIONAL" in texts(votes_page) and "CERTIFY" not in texts(votes_page)
    votes_page.button(key="again").click().run()
    assert "**CERTIFY**" in texts(votes_page)


def test_attack_moves_the_slider_and_judges_g() -> None:
    app = open_page(classifier="mnist-plain", rotation_range="60")
    app.button(key="attack_button").click().run()
    assert_healthy(app)
    (result,) = app.session_state["attacks"].values()
    assert result.fooled
    assert app.slider(key="angle").value == pytest.approx(float(result.points[0, 0]))
    shown = texts(app)
    assert "**fools f**" in shown
    assert "**g answers" in shown or "g does not decide" in shown
    app.button(key="attack_2").click().run()
    assert_healthy(app)
    assert app.slider(key="angle").value == pytest.approx(float(result.points[2, 0]))


def test_attack_of_other_controls_is_not_shown() -> None:
    app = open_page(classifier="mnist-plain")
    app.button(key="attack_button").click().run()
    app.number_input(key="digits_image").set_value(2).run()
    assert_healthy(app)
    assert "No attack has been run" in texts(app)


def test_abstaining_gives_the_reason_and_the_number_needed() -> None:
    app = open_page(n="50", alpha="0.0001", angle="100", digits_image="6", pixel_sigma="0.9", classifier="mnist-plain")
    assert_healthy(app)
    shown = texts(app)
    assert "ABSTAIN" in shown
    assert "would be needed" in shown or "no number of samples" in shown or "level" in shown


def test_a_photograph_is_a_photograph() -> None:
    """With the network that knows ImageNet's classes; P is its crop, and is said to be."""
    app = open_page(source="natural", natural_image="0", classifier="imagenet-lite0", n="50", pace="fast")
    assert_healthy(app)
    assert "g answers giant panda" in texts(app) and "P x′: crop 224" in titles(app)


def test_natural_pictures_work_with_a_digit_classifier() -> None:
    app = open_page(source="natural", natural_image="2")
    assert_healthy(app)
    classifier = load_classifier("mnist-rotation")
    expected = image_digest(load_dataset("natural", shape=classifier.input_shape).image(2))
    assert expected in app.session_state["votes_run"].key
    assert app.session_state["votes_run"].status == "done"


def test_a_missing_data_set_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPT_DATA", str(tmp_path))
    app = open_page(source="gtsrb")
    assert not app.exception
    assert len(app.error) == 1 and "gtsrb is not here yet" in app.error[0].value
    assert app.button(key="download")


def test_own_network_and_own_data_from_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    own = str(Path(__file__).parent.parent / "examples" / "own_network.py")
    monkeypatch.setenv("SPT_CLASSIFIER", own)
    app = open_page(classifier=own)
    assert_healthy(app)
    assert app.selectbox(key="classifier").value == own
    assert app.session_state["votes_run"].status == "done"


def test_a_broken_own_network_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def classifier():\n    raise RuntimeError('no weights')\n")
    monkeypatch.setenv("SPT_CLASSIFIER", str(broken))
    app = open_page(classifier=str(broken))
    assert not app.exception
    assert len(app.error) == 1 and "no weights" in app.error[0].value


def test_a_page_goes_on_after_an_own_network_was_mended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("def classifier():\n    raise RuntimeError('no weights')\n")
    monkeypatch.setenv("SPT_CLASSIFIER", str(own))
    app = open_page(classifier=str(own))
    own.write_text((Path(__file__).parent.parent / "examples" / "own_network.py").read_text())
    app.button(key="try_again").click().run()
    assert_healthy(app)
    assert app.session_state["votes_run"].status == "done"


def test_a_picture_that_cannot_be_read_is_grey_in_the_gallery(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8), "red").save(tmp_path / name / "good.png")
    (tmp_path / "dog" / "bad.png").write_bytes(b"no picture")
    monkeypatch.setenv("SPT_DATASET", str(tmp_path))
    pictures = thumbnails(str(tmp_path), 3)
    assert ["cannot be read" in caption for _, caption in pictures] == [False, True, False]
    assert torch.equal(pictures[1][0], torch.full((3, 48, 48), 0.5))
    app = open_page(source=str(tmp_path), classifier="cifar10-smooth", **{f"{tmp_path.name}_image": "2"})
    assert_healthy(app)


def upload(name: str, content: bytes, **parameters: str) -> AppTest:
    """The votes page after uploading a file."""
    app = open_page(source="upload", **parameters)
    assert "Choose a picture" in app.info[0].value
    app.file_uploader[0].upload(name, content, "image/png").run()
    return app


@pytest.mark.parametrize("name", odd_pictures())
def test_odd_uploads_work(name: str) -> None:
    app = upload(name, odd_pictures()[name])
    assert_healthy(app)
    assert app.session_state["votes_run"].status == "done"


@pytest.mark.parametrize("name", bad_pictures())
def test_bad_uploads_are_one_sentence_and_the_app_keeps_running(name: str) -> None:
    app = upload(name, bad_pictures()[name])
    assert not app.exception
    assert len(app.error) == 1 and "\n" not in app.error[0].value
    app.selectbox(key="source").set_value("digits").run()
    assert_healthy(app)
    assert app.session_state["votes_run"].status == "done"


def test_the_caption_says_how_an_upload_was_read() -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((28, 28), 200, np.uint16)).save(file, "PNG")
    app = upload("deep.png", file.getvalue())
    assert_healthy(app)
    assert "your picture (deep.png; 16-bit values 200 to 200, read as 0 to 255)" in titles(app)


def folder_of_pictures(folder: Path, count: int) -> str:
    """A folder of one class with that many pictures."""
    (folder / "seven").mkdir(parents=True)
    for number in range(count):
        Image.new("L", (28, 28), 40 * number).save(folder / "seven" / f"{number}.png")
    return str(folder)


def test_folders_of_the_same_name_have_image_numbers_of_their_own_and_paths_may_have_colons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (folder_of_pictures(tmp_path / f"{name}: mine" / "pets", 4) for name in "ab")
    alone = folder_of_pictures(tmp_path / "cats", 2)
    monkeypatch.setenv("SPT_DATASET", ",".join((first, second, alone)))
    assert image_key(first) != image_key(second)
    assert image_key(alone) == "cats_image" and image_key("digits") == "digits_image"
    app = open_page(source=first)
    app.number_input(key=image_key(first)).set_value(3).run()
    app.selectbox(key="source").set_value(second).run()
    assert_healthy(app)
    app.number_input(key=image_key(second)).set_value(1).run()
    assert_healthy(app)
    [python] = [block.value for block in app.code if block.language == "python"]
    assert f"load_dataset({second!r}, shape=classifier.input_shape).image(1)" in python
    exec(compile(python, "page", "exec"), {})
    assert app.session_state["votes_run"].certificate.explain() in capsys.readouterr().out
    [line] = [block.value for block in app.code if block.language == "bash"]
    assert shlex.split(line)[5] == f"{second}:1"


def test_where_f_answers_stands_under_the_classifier(votes_page: AppTest) -> None:
    assert where_it_answers(load_classifier("mnist-rotation")) in [element.value for element in votes_page.caption]
    assert "cpu" in texts(votes_page) and "multiples of 2^-10" in texts(votes_page)


def test_the_votes_can_be_checked_again(votes_page: AppTest) -> None:
    votes_page.button(key="votes_own_start").click().run()
    assert_healthy(votes_page)
    shown = texts(votes_page)
    assert "CONFIRMED" in shown and "NOT CONFIRMED" not in shown and "its radius stays a heuristic" in shown
    counts = votes_page.session_state["votes_run"].certificate.counts
    assert f"- votes: 200 votes {counts}" in shown.replace("\\", "")


def test_the_code_on_the_page_gives_its_certificate(votes_page: AppTest, capsys: pytest.CaptureFixture[str]) -> None:
    [code] = [block.value for block in votes_page.code if block.language == "python"]
    exec(compile(code, "page", "exec"), {})
    assert votes_page.session_state["votes_run"].certificate.explain() in capsys.readouterr().out
