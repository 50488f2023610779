"""Brightness, contrast and brightness after a rotation on the command line."""

import json

import pytest

from spt.__main__ import main
from spt.recomputation import read_certificate
from tests.test_cli import OWN_F, fail, run

CERTIFY = ("certify", "--defence", "dist-x", "--n0", "20", *OWN_F)


def test_what_is_certified_is_confirmed(capsys, tmp_path):
    path = tmp_path / "proof.json"
    text = run(capsys, *CERTIFY, "--transform", "brightness", "--limit", 4, "--out", path)
    certificate = read_certificate(path.read_text())
    assert (certificate.transform, certificate.unit, certificate.parameter_sigma) == ("brightness", "%", 0.0)
    assert certificate.limit == 4 and certificate.n_total == 20_000 and certificate.label is not None
    assert "within ±4 % changes g's answer" in text and "not smoothed over" in text
    assert "CONFIRMED: computed again" in run(capsys, "verify", path, "--image", "digits:0", *OWN_F)


def test_a_limit_for_each_parameter(capsys):
    arguments = ("--transform", "rotation-brightness", "--limit", 1, 2, "--cell-width", 1, 2, "--json")
    certificate = read_certificate(run(capsys, *CERTIFY, *arguments))
    assert certificate.limit == 1 and certificate.further_axes == ((2.0, 2),) and certificate.first_cells == 2
    assert certificate.verify()


def test_contrast_with_a_width_for_all(capsys):
    certificate = read_certificate(
        run(capsys, *CERTIFY, "--transform", "contrast", "--limit", 2, "--cell-width", 1, "--json")
    )
    assert (certificate.first_cells, certificate.unit) == (4, "log %") and certificate.verify()


def test_votes_and_attacks(capsys):
    assert "digits 0: 0 at brightness 30.00 %" in run(
        capsys, "predict", "--transform", "brightness", "--at", 30, "--n", 100, *OWN_F
    )
    options = ("--transform", "rotation-brightness", "--k", 30, "--n", 100, *OWN_F)
    text = run(capsys, "attack", *options, "--limit", 5, 40)
    assert "The worst of 30 rotations with changes of brightness within angle ±5°, brightness ±40 %" in text
    found = json.loads(run(capsys, "attack", *options, "--json"))
    assert found["limit"] == [30.0, 10.0] and len(found["worst"][0]["parameters"]) == 2
    assert "takes one limit, or one for each of angle, brightness, but got 3" in fail(
        capsys, "attack", *options, "--limit", 1, 2, 3
    )


@pytest.mark.parametrize("transform", ["brightness", "rotation-brightness"])
def test_the_g_that_is_certified_is_asked_without_beta(capsys, transform):
    """It is the default of --g nested, as no other g of that kind is certified."""
    options = ("--transform", transform, "--g", "nested", "--n", 100, *OWN_F)
    text = run(capsys, "attack", *options, "--k", 20)
    assert "over pixel noise N(0, 0.3²), not over" in text and "at most 100 tests for each answer" in text
    answer = read_certificate(run(capsys, "predict", *options, "--json"))
    assert answer.parameter_sigma == 0 and answer.label == 0 and answer.verify()
    assert "proves, without smoothing over it" in fail(capsys, "predict", *options, "--parameter-sigma", 5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--transform", "brightness", "--form", "one-ball"),
            "There is no bound over a whole attack range for brightness, only for",
        ),
        (("--transform", "contrast", "--defence", "indiv"), "There is no inverse for contrast, only for"),
        (
            ("--transform", "contrast", "--parameter-sigma", "5"),
            "proves, without smoothing over it (parameter_sigma 0)",
        ),
        (
            ("--transform", "rotation-brightness", "--limit", "10"),
            "--limit for rotation-brightness takes 2 numbers (angle in °, brightness in %), not 1",
        ),
        (("--transform", "brightness", "--limit", "1", "2"), "--limit for brightness takes one number, not 2"),
        (("--limit", "1", "2"), "--limit for rotation takes one number, not 2"),
        (("--limit", "1", "0"), "--limit: must be a number from 1e-06 to 3600, but is '0'"),
        (
            ("--transform", "brightness", "--cell-width", "1", "2"),
            "--cell-width takes one number for brightness, not 2",
        ),
        (("--transform", "brightness", "--at", "1", "2"), "--at for brightness takes 1 number(s) (brightness), not 2"),
        (("--transform", "sepia"), "Unknown transformation 'sepia'"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_one_sentence(capsys, arguments, sentence):
    assert sentence in fail(capsys, *CERTIFY, *arguments)


def test_help_names_them(capsys):
    with pytest.raises(SystemExit):
        main(["certify", "--help"])
    assert "10 10, in ° and %" in " ".join(capsys.readouterr().out.split())
