"""What goes wrong in a person's own network is one clear sentence, on every page and at whatever moment: no traceback."""

import sys
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from spt import load_classifier
from tests.pages import texts, visit

HEAD = """
import sys
import torch
from torch import nn
from spt.classifiers import Classifier

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(28 * 28, 10)
        nn.init.zeros_(self.layer.weight)

    def forward(self, images):
        {body}
        return self.layer(images.flatten(1)) + 5 * images.flatten(1)[:, :10]

def classifier():
    {first}
    return Classifier("own *net*", Net(), {names}, (1, 28, 28))
"""
NAMES = "tuple('0123456789')"
NOISE_RAISES = "if images.min() < -0.6:\n            raise RuntimeError('the *noise* is\\nloud')"
NOISE_GIVES_NAN = "images = images + 0 * (images + 0.6).sqrt()"
DROPOUT = "images = nn.functional.dropout(images + 0.1, 0.5, training=True)"
PAGES = {
    "explore/votes.py": {"pace": "fast", "n": "200", "pixel_sigma": "0.5", "angle": "0"},
    "explore/certify.py": {"n_gamma": "20", "rotation_limit": "2", "certify_pixel_sigma": "0.5"},
    "explore/inverse.py": {
        "inverse_splits": "30",
        "inverse_refinements": "0",
        "certify_pixel_sigma": "0.5",
        "n_gamma": "20",
    },
    "explore/interpolation.py": {"splits": "10"},
}


def own(folder: Path, body: str = "pass", first: str = "pass", names: str = NAMES) -> str:
    """A file with a network of that kind."""
    path = folder / "own.py"
    path.write_text(HEAD.format(body=body, first=first, names=names))
    return str(path)


def opened(page: str, network: str, monkeypatch: pytest.MonkeyPatch, **more: str) -> AppTest:
    """The page with that network, and ``more`` in its address."""
    monkeypatch.setenv("SPT_CLASSIFIER", network)
    app = visit(page, PAGES[page] | {"classifier": network} | more, timeout=240)
    assert not app.exception
    return app


def the_sentence(app: AppTest) -> str:
    """The only error on the page, one line."""
    assert not app.exception, [element.value for element in app.exception]
    assert len(app.error) == 1, [element.value for element in app.error]
    said: str = app.error[0].value
    assert "\n" not in said and "Traceback" not in said
    return said


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ({"body": DROPOUT}, "own"),
        ({"names": "'ab'"}, "class\\_names"),
        ({"first": "sys.exit(3)"}, "ended the program"),
        ({"first": "raise KeyError('two\\nlines *here*')"}, "KeyError"),
        ({"body": "raise RuntimeError('no *weights*\\nhere')"}, "no \\*weights\\* here"),
    ],
)
def test_what_is_no_classifier_is_said_where_it_is_chosen(page, kind, says, tmp_path, monkeypatch):
    app = opened(page, own(tmp_path, **kind), monkeypatch)
    assert says in the_sentence(app)
    if "names" in kind:
        app.selectbox(key="classifier").set_value("mnist-rotation").run()
        assert not app.exception and not app.error


@pytest.mark.parametrize(
    ("body", "says"), [(NOISE_RAISES, "the \\*noise\\* is loud"), (NOISE_GIVES_NAN, "answers NaN for")]
)
class TestUnderNoise:
    """A network that answers images, and fails where they are noisy."""

    def test_votes(self, body, says, tmp_path, monkeypatch):
        app = opened("explore/votes.py", own(tmp_path, body), monkeypatch)
        assert says in the_sentence(app)
        assert "Base classifier f answers" in texts(app) and "stop" not in {button.key for button in app.button}
        app.slider(key="pixel_sigma").set_value(0.0).run()
        assert not app.exception and not app.error and app.session_state["votes_run"].status == "done"
        app.button(key="attack_button").click().run()
        assert not app.exception and not app.error

    @pytest.mark.parametrize("form", ["one ball", "cells"])
    def test_certify(self, body, says, form, tmp_path, monkeypatch):
        app = opened("explore/certify.py", own(tmp_path, body), monkeypatch, form=form)
        assert says in the_sentence(app)
        assert app.session_state["certify_run"].status == "failed" and "CERTIFIED" not in texts(app)
        app.run()
        assert says in the_sentence(app)
        app.button(key="certify_start").click().run()
        assert says in the_sentence(app)

    def test_inverse(self, body, says, tmp_path, monkeypatch):
        app = opened("explore/inverse.py", own(tmp_path, body), monkeypatch)
        assert not app.error
        app.button(key="indiv_start").click().run()
        assert says in the_sentence(app) and "indiv_running" not in app.session_state
        app.run()
        assert says in the_sentence(app)


ASKED_TO_FAIL = "getattr(sys, 'spt_test_fails', False)"
FAILS_LATER = f"images = 0 * images\n        if {ASKED_TO_FAIL}:\n            raise RuntimeError('now *it* fails')"


def test_a_network_that_fails_later_is_a_sentence_in_attack_and_check(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "spt_test_fails", False, raising=False)
    app = opened("explore/certify.py", own(tmp_path, FAILS_LATER), monkeypatch)
    assert not app.error and app.session_state["certify_run"].certificate.label is not None
    monkeypatch.setattr(sys, "spt_test_fails", True)
    app.button(key="certify_attack").click().run()
    assert "now \\*it\\* fails" in the_sentence(app) and "CERTIFIED" in texts(app)
    monkeypatch.setattr(sys, "spt_test_fails", False)
    app.button(key="certify_attack").click().run()
    assert not app.exception and not app.error
    monkeypatch.setattr(sys, "spt_test_fails", True)
    app.button(key="certify_own_start").click().run()
    assert "now \\*it\\* fails" in the_sentence(app)


def test_a_network_whose_weights_change_is_a_sentence(tmp_path, monkeypatch):
    network = own(tmp_path)
    app = opened("explore/votes.py", network, monkeypatch)
    assert not app.error
    with torch.no_grad():
        load_classifier(network).module.layer.bias.add_(1)
    app.text_input(key="seed_typed").set_value("1").run()
    assert "changed since it was made" in the_sentence(app)


def test_a_network_that_ends_the_program_while_it_answers_is_a_sentence(tmp_path, monkeypatch):
    for page in ("explore/votes.py", "explore/certify.py", "explore/inverse.py"):
        app = opened(page, own(tmp_path, NOISE_RAISES.replace("raise RuntimeError", "sys.exit")), monkeypatch)
        if page == "explore/inverse.py":
            app.button(key="indiv_start").click().run()
        assert "ended the program" in the_sentence(app)


def test_whatever_a_page_raises_is_a_sentence(monkeypatch):
    def refuse(kind: object) -> None:
        raise ValueError("two\nlines, *stars*")

    monkeypatch.setattr("spt.ui.experiments.request.choose", refuse)
    app = visit("explore/experiments.py", {})
    assert the_sentence(app) == "two lines, \\*stars\\*"


def test_a_network_that_fails_later_is_a_sentence_on_votes(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "spt_test_fails", False, raising=False)
    app = opened("explore/votes.py", own(tmp_path, FAILS_LATER), monkeypatch)
    assert not app.error
    monkeypatch.setattr(sys, "spt_test_fails", True)
    app.text_input(key="seed_typed").set_value("1").run()
    assert "now \\*it\\* fails" in the_sentence(app)
    monkeypatch.setattr(sys, "spt_test_fails", False)
    app.run()
    assert not app.exception and not app.error
