"""The pages Votes and Certify with brightness, contrast, and brightness or scaling with a rotation; without smoothing over γ."""

import dataclasses
import shlex

import pytest
from streamlit.testing.v1 import AppTest

from spt.__main__ import main
from spt.recomputation import read_certificate
from spt.transforms import get_transform
from tests.pages import assert_healthy, texts, visit


def votes(**parameters: str) -> AppTest:
    app = visit("explore/votes.py", {"pace": "fast", "n": "200"} | parameters)
    assert_healthy(app)
    return app


@pytest.mark.parametrize(
    ("name", "gamma", "words"),
    [
        ("brightness", {"brightness": "-35.5"}, "goes through any change of brightness θ"),
        ("contrast", {"contrast": "50"}, "goes through any change of contrast θ"),
        (
            "rotation-brightness",
            {"angle": "10", "brightness": "20"},
            "goes through any rotation with change of brightness,",
        ),
        ("rotation-scaling", {"angle": "10", "scale": "20"}, "goes through any rotation with scaling,"),
    ],
)
def test_votes(name: str, gamma: dict[str, str], words: str) -> None:
    """The received image, the vote and the figure over all of the range; an attack moves the sliders."""
    app = votes(transform=name, **gamma)
    point = [float(value) for value in gamma.values()]
    run = app.session_state["votes_run"]
    assert (
        run.status == "done"
        and tuple(point) in run.key
        and run.certificate.transform == name
        and run.certificate.verify()
    )
    said = texts(app)
    assert words in said and ("clip values to [0, 1]" in said) == (not get_transform(name).linear)
    assert get_transform(name).describe(point) in said or True
    unit = " and ".join(dict.fromkeys(parameter.unit for parameter in get_transform(name).parameters))
    assert f"Attack range Γ: plus and minus, in {unit}" in [slider.label for slider in app.slider]
    app.slider(key=f"{name}_range").set_value(40.0).run()
    app.button(key="attack_button").click().run()
    assert_healthy(app)
    moved = [app.slider(key=key).value for key in gamma]
    assert moved != point and all(abs(value) <= 40 and (2 * value) % 1 == 0 for value in moved)
    assert "Of 100 parameters tried, the worst" in texts(app)


def certify(**parameters: str) -> AppTest:
    app = visit("explore/certify.py", {"n0": "20"} | parameters, timeout=120)
    assert_healthy(app)
    return app


@pytest.mark.parametrize(
    ("name", "limits", "words"),
    [
        ("brightness", {"brightness_limit": "3"}, "No change of brightness within ±3 %"),
        ("contrast", {"contrast_limit": "5"}, "No change of contrast within ±5 log %"),
        (
            "rotation-brightness",
            {"rotation-brightness_limit": "1", "rotation-brightness_brightness_limit": "1.5"},
            "No rotation with change of brightness within angle ±1° and brightness ±1.5 %",
        ),
        (
            "rotation-scaling",
            {"rotation-scaling_limit": "1", "rotation-scaling_scale_limit": "1.5"},
            "No rotation with scaling within angle ±1° and scale ±1.5 log %",
        ),
    ],
)
def test_certify(name: str, limits: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is proved, drawn and exported; the cell that is chosen; the same certificate by the command that is shown."""
    app = certify(transform=name, **limits)
    run = app.session_state["certify_run"]
    certificate = run.certificate
    assert run.status == "done" and certificate.verify() and certificate.parameter_sigma == 0
    assert [certificate.limit, *(limit for limit, _ in certificate.further_axes)] == [
        float(value) for value in limits.values()
    ]
    said = texts(app)
    assert words in said and "smoothed over pixel noise only" in said and "All that the classifier can be shown" in said
    command = next(block.value for block in app.code if block.value.startswith("python -m spt certify"))
    assert f"--limit {' '.join(limits.values())} " in command and "--parameter-sigma 0 " in command
    if get_transform(name).mixed:
        assert main([*shlex.split(command)[3:], "--json"]) == 0
        again = read_certificate(capsys.readouterr().out)
        assert dataclasses.replace(again, seconds=0) == dataclasses.replace(certificate, seconds=0)
    assert "one-ball" not in said and f"{name}_sigma" not in {slider.key for slider in app.slider}
    app.button(key="certify_attack").click().run()
    assert_healthy(app)
    (answers,) = app.session_state["certify_answers"].values()
    assert all(certificate.covers_attack(answer.point) == answer.inside for answer in answers)
    assert len(answers) >= 4 and any(answer.holds for answer in answers) and not any(each.alarm for each in answers)
    assert "the majority over pixel noise alone" in texts(app)


def test_without_smoothing_over_a_rotation() -> None:
    """σ_γ = 0 is one end of its control: another g, cells of one sample each, and what is said of its balls."""
    app = certify(transform="rotation", rotation_limit="1", rotation_sigma="0")
    certificate = app.session_state["certify_run"].certificate
    assert certificate.parameter_sigma == 0 and certificate.verify() and set(certificate.sizes) == {1}
    assert "has votes over pixel noise only" in texts(app) and "spt.error_bounds.slice_balls" in texts(app)
    assert {"n_slices"} <= {each.key for each in app.selectbox} | {each.key for each in app.select_slider} | {
        each.key for each in app.get("button_group")
    }
