"""The page "Learn", driven by Streamlit's AppTest: every step asks first, and what it then shows is what the core says."""

import re

import pytest
import torch
from scipy import stats
from streamlit.testing.v1 import AppTest

from spt import AttackedImage, Rotation, SmoothedClassifier, load_classifier, load_dataset, to_8_bit
from spt.error_bounds import error_norms, interpolation_error, interval_bound
from spt.response import response
from spt.ui.learn import guarantee
from spt.ui.learn.lesson import ALONE, IMAGE, PREPARED, TRUTH
from spt.ui.learn.page import STEPS
from tests.pages import assert_healthy, grids, shown_address, texts, visit

NUMBER = r"(\d+(?:\.\d+)?)"


@pytest.fixture(scope="module")
def digit() -> torch.Tensor:
    return load_dataset("digits", shape=(1, 28, 28)).image(IMAGE)


def opened(step: str, **parameters: str) -> AppTest:
    """The page at a step, after its answer was asked for."""
    app = visit("explore/learn.py", {"step": step, f"see_{step}": "the answer"} | parameters)
    assert_healthy(app)
    return app


def found(pattern: str, app: AppTest) -> list[float]:
    """The numbers that a sentence of the page says."""
    match = re.search(pattern, texts(app))
    assert match, texts(app)
    return [float(text.replace(",", "")) for text in match.groups()]


def first_wrong(digit: torch.Tensor) -> int:
    network = load_classifier(ALONE)
    angles = torch.arange(0, 181, dtype=torch.float64)[:, None]
    answers = response(network, Rotation(), digit, angles).argmax(dim=1)
    return int((answers != TRUTH).nonzero()[0])


@pytest.mark.parametrize("name", STEPS)
def test_a_step_asks_before_it_shows(name: str) -> None:
    app = visit("explore/learn.py", {"step": name})
    assert_healthy(app)
    assert "Take home" not in texts(app) and "Guess first" in app.info[0].value
    assert app.subheader[0].value.endswith("?") and not app.latex
    app.segmented_control(key=f"see_{name}").set_value("the answer").run()
    assert_healthy(app)
    assert STEPS[name].take_home in texts(app) and app.latex and not app.info
    assert any(re.match(r"[*$]", caption.value) for caption in app.caption), "symbols are explained"
    assert shown_address(app)[f"see_{name}"] == "the answer"


def test_one_goes_through_the_steps_and_guesses_are_made_anew() -> None:
    app = visit("explore/learn.py", {})
    for name in list(STEPS)[1:]:
        app.button(key="learn_go_next").click().run()
        assert_healthy(app)
        assert shown_address(app) == {"step": name} and "Guess first" in app.info[0].value
    assert app.button(key="learn_go_next").disabled
    app.button(key="learn_go_back").click().run()
    assert shown_address(app) == {"step": list(STEPS)[-2]}


def test_the_attack(digit: torch.Tensor) -> None:
    app = opened("attack", guess_angle="75")
    wrong = first_wrong(digit)
    assert found(
        rf"At your {NUMBER}° the network reads \*\*7\*\*. It reads 2 up to {NUMBER}° and \*\*7 at {NUMBER}°", app
    ) == [
        75,
        wrong - 1,
        wrong,
    ]


def test_the_vote(digit: torch.Tensor) -> None:
    app = opened("vote", guess_votes="7")
    angle = first_wrong(digit)
    received = to_8_bit(Rotation()(digit.double(), [[angle]])[0]).float()
    smoothed = SmoothedClassifier(load_classifier(ALONE), Rotation(), 40.0)
    certificate = smoothed.certify(received, n=1000, alpha=0.01, seed=0)
    votes = smoothed.predict(received, 1000, 0.01, seed=0).counts[TRUTH]
    assert found(r"\*\*(\d+) of 1,000\*\* \(you said (\d+)\)", app) == [votes, 7]
    (radius,) = found(rf"turn by less than {NUMBER}°", app)
    assert 0 < radius <= certificate.radius < radius + 0.1


def test_two_turns(digit: torch.Tensor) -> None:
    app = opened("twice", there_and_back="20")
    back = Rotation()(Rotation()(digit.double(), [[20.0]]), [[-20.0]])[0] - digit
    assert found(r"\*\*(\d+) pixels\*\*", app) == [int((back.abs() > 0.1).sum())]
    preprocessing = load_classifier(PREPARED).preprocessing
    points = torch.tensor([[-20.0], [20.0]], dtype=torch.float64)
    error = interpolation_error(digit.double(), Rotation(), preprocessing, points[:1], points[1:])
    assert app.latex[0].value.endswith(f"{float(error.norm()):.3f}\n$$")
    assert "you said" not in texts(opened("twice", there_and_back="0")).lower() and len(grids(app)) == 2


def test_the_bound_holds(digit: torch.Tensor) -> None:
    app = opened("bound", guess_error="0.5")
    seen, proved = found(rf"reaches \*\*{NUMBER}\*\*, and it is proved that it never exceeds \*\*{NUMBER}\*\*", app)
    preprocessing = load_classifier(PREPARED).preprocessing
    gammas = torch.linspace(-30, 30, 5001, dtype=torch.float64)[:, None]
    norms = error_norms(digit.double(), Rotation(), preprocessing, torch.full_like(gammas, -15.0), gammas)
    assert 0.98 * float(norms.max()) <= seen <= float(norms.max()) <= proved
    attacked = AttackedImage(digit, Rotation(), preprocessing, (-30.0, 30.0))
    assert proved < float(interval_bound(attacked, [[-15.0]], splits=60).values[0]), "the chord bound is the better one"
    assert "between" in texts(app)
    (share,) = found(rf"≈ \*\*{NUMBER}%\*\*, of that noise", app)
    sigma = load_classifier(PREPARED).pixel_sigma
    assert stats.norm.ppf(share / 100) * sigma >= proved > stats.norm.ppf(share / 100 - 0.002) * sigma


def test_the_received_picture() -> None:
    app = opened("received")
    (remains,) = found(rf"\*\*{NUMBER}°\*\* of 60°", app)
    assert 0 < remains < 1 and "[12.4, 12.6]°" in texts(app)


def test_the_guarantee_is_the_stored_proof() -> None:
    proof = guarantee.certificate()
    assert proof.verify() and proof.label == TRUTH
    assert "Not quite" in texts(opened("guarantee"))
    app = opened("guarantee", guess_guarantee=guarantee.VOTE)
    (reach,) = found(rf"less than \*\*{NUMBER}°\*\*", app)
    assert "**Right.**" in texts(app) and reach <= proof.reach < reach + 0.1
    assert guarantee.STEP.link().parameters["rotation_limit"] == f"{proof.limit:g}"


@pytest.mark.parametrize("name", STEPS)
def test_its_link_opens_a_page_in_its_state(name: str) -> None:
    opened(name)
    link = STEPS[name].link()
    if name == "guarantee":
        return  # computed live it takes a minute; its parameters are looked at above
    app = visit(
        link.page, {key: str(text) for key, text in link.parameters.items() if isinstance(text, str)}, timeout=120
    )
    assert_healthy(app)
    assert not app.warning, [element.value for element in app.warning]
