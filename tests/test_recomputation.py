"""A certificate that was changed is found out: what is cheap by verify(), the rest by doing the work again."""

import contextlib
import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from conftest import short_id
from hypothesis import given
from hypothesis import strategies as st

from spt.certificates import (
    CellsCertificate,
    Certificate,
    DistCertificate,
    IndividualCertificate,
    NestedPrediction,
    OneErrorCertificate,
)
from spt.certificates.cell_walk import CellWalk
from spt.certificates.fields import fields_are_typed, has_type
from spt.certificates.looks import LOOKS, can_have_stopped
from spt.classifiers import Classifier
from spt.datasets import load_dataset
from spt.defences import DistSPT, DistSPTCells, IndivSPT, OneErrorSPT, shared_budget
from spt.images import to_8_bit
from spt.recomputation import AnyCertificate, read_certificate, recompute
from spt.seeds import generators
from spt.smoothing import SmoothedClassifier
from spt.statistics import SequentialTest, clopper_pearson_lower
from spt.transforms import TRANSFORMS, Rotation, Translation


@pytest.fixture(scope="module")
def digit() -> torch.Tensor:
    return load_dataset("digits").image(3)


@pytest.fixture(scope="module")
def received(digit) -> torch.Tensor:
    return to_8_bit(Rotation()(digit, 4.0)[0])


@pytest.fixture(scope="module")
def certificates(mnist_rotation, digit, received) -> dict[str, tuple[AnyCertificate, torch.Tensor]]:
    """One of every kind, small, with its image."""
    settings = (mnist_rotation, Rotation(), 30.0, 0.3)
    budget = shared_budget(0.05)
    one, indiv = OneErrorSPT(*settings, 5.0), IndivSPT(*settings, 5.0)
    level = one.measure(digit, n_choice=5, n_test=60, alpha_error=budget.alpha_error)
    many = one.measure(digit, n_choice=5, n_test=60, alpha_error=budget.alpha_error, seed=2)
    found = indiv.measure(received, n_choice=5, n_test=20, alpha_error=budget.alpha_error)
    return {
        "base": (SmoothedClassifier(*settings).certify(digit, 50, 200), digit),
        "dist": (DistSPT(*settings, 5.0).certify(digit, n_gamma=30), digit),
        "looks": (DistSPT(*settings, 5.0).certify(digit, n_gamma=60, first_looks=(20,)), digit),
        "cells": (DistSPTCells(*settings, 5.0, cell_width=5.0).certify(digit), digit),
        "indiv": (indiv.certify(received, n_gamma=12), received),
        "nested": (one.certify(digit, level, n=25, budget=budget), digit),
        "joint": (one.certify(digit, many, votes="joint", n=600, budget=budget), digit),
        "received": (indiv.certify_with_one_error(received, found, n=12, budget=budget), received),
    }


KINDS = ("base", "dist", "looks", "cells", "indiv", "nested", "joint", "received")
CLASSES = {
    "base": Certificate,
    "dist": DistCertificate,
    "looks": DistCertificate,
    "cells": CellsCertificate,
    "indiv": IndividualCertificate,
    "nested": OneErrorCertificate,
    "joint": OneErrorCertificate,
    "received": OneErrorCertificate,
}


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back_through_ascii(certificates, kind):
    certificate, _ = certificates[kind]
    text = certificate.to_json()
    assert text.isascii() and type(read_certificate(text)) is CLASSES[kind]
    assert read_certificate(text) == certificate and read_certificate(text).verify() and certificate.verify()


def renamed(certificate: AnyCertificate) -> AnyCertificate:
    names = tuple(f"not {name}" for name in certificate.class_names)
    return dataclasses.replace(certificate, class_names=names)


def with_samples_redrawn(certificate: AnyCertificate) -> AnyCertificate:
    """As a forger would who knows how samples follow from the settings."""
    if isinstance(certificate, CellsCertificate):
        return with_cells_redrawn(certificate)
    about = getattr(certificate, "level", certificate)
    n, looks = getattr(certificate, "n", None) or certificate.n_gamma, getattr(certificate, "first_looks", ())
    settings = certificate.settings_in_words()
    _, generator = generators(certificate.seed, sum(certificate.selection_counts), n, looks, settings)
    drawn = TRANSFORMS[about.transform].sample(n, about.parameter_sigma, generator).tolist()
    return dataclasses.replace(certificate, points=tuple(map(tuple, drawn[: len(certificate.points)])))


def with_cells_redrawn(certificate: CellsCertificate) -> CellsCertificate:
    walk, points = CellWalk(certificate.rules), []
    for size, accepted in zip(certificate.sizes, certificate.accepted, strict=True):
        drawn, _ = certificate.samples_of(walk.settle(accepted, size), sum(certificate.selection_counts))
        points += map(tuple, drawn[:size].tolist())
    return dataclasses.replace(certificate, points=tuple(points))


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_of_another_name_is_found_out(certificates, mnist_rotation, kind):
    """Names are what a person reads: they are settings of the samples, and compared at last."""
    certificate, image = certificates[kind]
    forged = renamed(certificate)
    assert forged.verify() == (kind == "base")
    assert not recompute(forged, mnist_rotation, image).agrees
    if kind != "base":
        forged = with_samples_redrawn(forged)
    found = recompute(forged, mnist_rotation, image)
    assert forged.verify() and not found.agrees and found.outcome == "not confirmed"
    [line] = [line for line in found.lines if line.subject == "all fields"]
    assert line.verdict == "differs" and "class_names" in line.detail


@pytest.mark.parametrize("change", [{"preprocessing": "Preprocessing()"}, {"input_shape": (1, 29, 28)}], ids=short_id)
def test_an_error_of_something_else_is_a_line(certificates, mnist_rotation, change):
    certificate, image = certificates["nested"]
    forged = dataclasses.replace(certificate, level=dataclasses.replace(certificate.level, **change))
    assert not forged.verify()
    found = recompute(with_samples_redrawn(forged), mnist_rotation, image)
    assert (
        not found.agrees and found.lines[-1].subject == "settings" and "measured for another" in found.lines[-1].detail
    )


def test_an_attack_range_that_was_widened_with_all_that_follows_is_found_out(certificates, mnist_rotation):
    certificate, image = certificates["dist"]
    forged = with_samples_redrawn(dataclasses.replace(certificate, limit=50.0))
    assert forged.verify()
    found = recompute(forged, mnist_rotation, image)
    assert {line.subject for line in found.lines if line.verdict == "differs"} >= {"balls"} and not found.agrees


def test_what_was_not_computed_again_is_not_called_confirmed(certificates, mnist_rotation):
    certificate, image = certificates["dist"]
    found = recompute(dataclasses.replace(certificate, device="cuda"), mnist_rotation, image)
    assert found.outcome == "confirmed in part" and not found.agrees and found.excepted == ("device",)
    assert found.to_text().startswith("CONFIRMED IN PART: what was computed again is the same, but not device.")


@pytest.mark.parametrize("kind", KINDS)
def test_other_programs_may_write_whole_numbers_without_a_point(certificates, kind):
    certificate, _ = certificates[kind]

    def shorter(value):
        if isinstance(value, dict):
            return {key: shorter(each) for key, each in value.items()}
        if isinstance(value, list):
            return list(map(shorter, value))
        return int(value) if isinstance(value, float) and value.is_integer() else value

    text = json.dumps(shorter(json.loads(certificate.to_json())))
    assert text != certificate.to_json() and read_certificate(text) == certificate and read_certificate(text).verify()


def test_a_prediction_is_computed_again_too(mnist_rotation, digit):
    prediction = DistSPT(mnist_rotation, Rotation(), 30.0, 0.3, 5.0).predict(digit)
    assert read_certificate(prediction.to_json()) == prediction
    assert recompute(prediction, mnist_rotation, digit).agrees
    for change in (
        {"image_sha256": "0" * 64},
        {"parameter_sigma": 29.0},
        {"class_names": tuple("abcdefghij")},
        {"seed": 3},
    ):
        assert not dataclasses.replace(prediction, **change).verify()


def test_a_heuristic_cannot_be_called_a_proof(certificates):
    certificate, _ = certificates["base"]
    for change in (
        {"defence": "DistSPT^x", "heuristic": False},
        {"heuristic": False},
        {"unit": "rad"},
        {"defence": "none"},
    ):
        assert not dataclasses.replace(certificate, **change).verify()


@pytest.mark.parametrize("kind", KINDS)
def test_computed_again_everything_agrees(certificates, kind, mnist_rotation):
    certificate, image = certificates[kind]
    seen = []

    def progress(items, desc="", total=None):
        seen.append(desc)
        return items

    found = recompute(certificate, mnist_rotation, image, progress)
    assert found.agrees and found.to_text().startswith("CONFIRMED"), found.to_text()
    assert dataclasses.replace(found.again, seconds=0.0) == dataclasses.replace(certificate, seconds=0.0)
    verdicts = {line.subject: line.verdict for line in found.lines}
    assert verdicts["chance"] == "on trust" and verdicts["image"] == verdicts["classifier"] == "agrees"
    assert seen or kind == "base"
    record = json.loads(found.to_json())
    assert record["confirmed"] and len(record["lines"]) == len(found.lines)


def test_another_image_or_classifier_is_noticed_first(certificates, mnist_rotation, received):
    certificate, image = certificates["dist"]
    other = recompute(certificate, mnist_rotation, received)
    assert not other.agrees and other.again is None
    assert {line.subject for line in other.lines if line.verdict == "differs"} == {"image"}
    twin = Classifier(
        mnist_rotation.name,
        mnist_rotation.module,
        mnist_rotation.class_names,
        (1, 28, 28),
        mnist_rotation.preprocessing,
        grid=2**-9,
    )
    found = recompute(certificate, twin, image)
    assert {line.subject for line in found.lines if line.verdict == "differs"} == {"classifier"}
    assert "NOT CONFIRMED: 1 of" in found.to_text()


FORGED = {
    "smaller balls": lambda c: {"radii": tuple(radius * 0.9 for radius in c.radii)},
    "no rounding": lambda c: {"rounding": (0.0,) * len(c.rounding)},
    "no balls": lambda c: {"rounding": (0.0,) * len(c.rounding), "radii": (1e-8,) * len(c.radii)},
    "better votes": lambda c: {"inner_votes": ((512, 512), *c.inner_votes[1:])},
    "another selection": lambda c: {
        "selection_counts": (sum(c.selection_counts), *[0] * (len(c.class_names) - 1)),
        "selected": 0,
    },
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_evidence_that_verifies_is_found_by_doing_it_again(certificates, mnist_rotation, name):
    """Conclusions are drawn anew from the changed evidence, so nothing but the work can tell."""
    certificate, image = certificates["dist"]
    forged = dataclasses.replace(certificate, **FORGED[name](certificate)).conclude()
    found = recompute(forged, mnist_rotation, image)
    assert not found.agrees
    if forged.verify():
        assert any(line.verdict == "differs" for line in found.lines[1:]), found.to_text()


EDITED = [
    {"limit": 180.0},
    {"pixel_sigma": 1e9},
    {"pixel_sigma": 0.31},
    {"parameter_sigma": 31.0},
    {"attacker": "exact"},
    {"image_sha256": "0" * 64},
    {"classifier_fingerprint": "0" * 64},
    {"grid": 2.0**-9},
    {"seed": 1},
    {"alpha": 0.02},
    {"inner_alpha": 0.02},
    {"n_gamma": 31},
    {"centre": "shifted"},
    {"preprocessing": "Preprocessing()"},
    {"unit": "px"},
    {"transform": "translation"},
]


@pytest.mark.parametrize("change", EDITED, ids=short_id)
def test_settings_cannot_be_changed_without_a_trace(certificates, change):
    """The samples follow from the settings: with others they are not those of the seed."""
    certificate, _ = certificates["dist"]
    assert not dataclasses.replace(certificate, **change).verify()
    try:
        redrawn = dataclasses.replace(certificate, **change).conclude()
    except (ValueError, KeyError):
        return  # nothing can be concluded from it
    assert not redrawn.verify()


def samples(count: int, **fields: object) -> dict:
    return {name: (value,) * count for name, value in fields.items()}


@pytest.mark.parametrize(
    "change",
    [
        lambda n: samples(n, radii=0.0),
        lambda n: samples(n, radii=-1.0),
        lambda n: samples(n, rounding=0.2),
        lambda n: samples(n, inner_votes=(10**9, 10**9)),
        lambda n: samples(n, inner_votes=(31, 31)),
        lambda n: samples(n, inner_votes=(33, 32)),
        lambda n: samples(n, inner_votes=(-1, 32)),
        lambda n: samples(n, inner_votes=(2048, 2048)),
        lambda n: {"points": tuple((float(i),) for i in range(n))},
    ],
)
def test_samples_that_no_run_can_have(certificates, change):
    certificate, _ = certificates["dist"]
    changed = dataclasses.replace(certificate, **change(len(certificate.radii)))
    assert not changed.verify()
    with contextlib.suppress(ValueError):
        assert not changed.conclude().verify()


WRONG = [None, "", "x", -1, 10**400, math.nan, math.inf, -math.inf, True, (), (1,), ((),), {}, [], 1j, b"x", object()]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_raises_whatever_stands_in_a_field(certificates, kind):
    certificate, _ = certificates[kind]
    for field in dataclasses.fields(certificate):
        own = getattr(certificate, field.name)
        for value in WRONG:
            if type(value) is type(own) and value == own:
                continue
            found = dataclasses.replace(certificate, **{field.name: value}).verify()
            free = field.name in ("classifier", "seed", "class_names", "image_sha256", "classifier_fingerprint")
            free = (free and kind == "base") or field.name in ("device", "number_format", "seconds")
            free = free or (kind == "base" and field.name in ("transform", "parameter_sigma"))
            assert found is False or (found is True and free), (field.name, value)


@given(st.integers(0, 400), st.integers(0, 400), st.sampled_from(LOOKS[:6]))
def test_a_count_can_have_stopped_exactly_if_a_path_leads_there(first, second, look):
    """Against all paths through the looks, one by one."""
    test = SequentialTest.for_radius(0.3, 0.3, 0.01, 0.01)
    open_counts = {0: {0}}
    for before, after in zip((0, *LOOKS), LOOKS[:6], strict=False):
        reached = {k + more for k in open_counts[before] for more in range(after - before + 1)}
        open_counts[after] = {k for k in reached if test.decide(k, after).value == "continue"}
        stopped = reached - open_counts[after]
        if after == look:
            k = first % (look + 1)
            assert can_have_stopped((k, look), test, LOOKS) == (k in stopped)
            assert not can_have_stopped((k, look - 1), test, LOOKS)


def test_types_of_fields():
    assert has_type(1.5, float) and has_type(1, float) and not has_type(True, float) and not has_type(math.nan, float)
    assert has_type(1, int) and not has_type(1.0, int) and not has_type(True, int) and not has_type(np.int64(1), int)
    assert has_type(((1.0, 2.0),), tuple[tuple[float, ...], ...]) and not has_type([1.0], tuple[float, ...])
    assert has_type(None, int | None) and has_type(3, int | None) and not has_type("3", int | None)
    assert has_type((1, 2, 3), tuple[int, int, int]) and not has_type((1, 2), tuple[int, int, int])
    assert not fields_are_typed(dataclasses.make_dataclass("R", [("a", int)])("1"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "JSON object is expected"),
        ("[" * 100_000, "no JSON"),
        ("{}", "not a certificate of BaseSPT"),
        ('{"centre": 1}', "an earlier version wrote it"),
        ('{"heuristic": true, "more": 1}', "an earlier version wrote it, or it was changed|has a field"),
    ],
)
def test_what_is_no_certificate_is_refused_with_a_sentence(text, message):
    with pytest.raises(ValueError, match=message):
        read_certificate(text)


@pytest.mark.parametrize("value", [3, None, [], {}, "level"])
def test_a_certificate_whose_level_is_none_is_refused(certificates, value):
    fields = json.loads(certificates["nested"][0].to_json()) | {"level": value}
    with pytest.raises(ValueError, match=r"budget or error level is none|is no"):
        read_certificate(json.dumps(fields))


def test_a_certificate_with_an_unknown_field_is_refused(certificates):
    fields = json.loads(certificates["dist"][0].to_json()) | {"blessed": True}
    with pytest.raises(ValueError, match="has a field 'blessed'"):
        read_certificate(json.dumps(fields))


# -------------------------------------------------------------------------------------------------------- nested PREDICT


def test_the_nested_g_answers_with_its_statement(mnist_rotation, digit):
    defence = DistSPT(mnist_rotation, Rotation(), 30.0, 0.3, 30.0)
    found = defence.predict(digit)
    assert found.label == 3 and found.verify() and found.explain().startswith("PREDICT 3: 12 of 12 samples show h = 3")
    assert NestedPrediction.from_json(found.to_json()) == found
    assert dataclasses.replace(defence.predict(digit), seconds=0.0) == dataclasses.replace(found, seconds=0.0)
    one, indiv = (
        OneErrorSPT(mnist_rotation, Rotation(), 30.0, 0.3, 30.0),
        IndivSPT(mnist_rotation, Rotation(), 30.0, 0.3, 5.0),
    )
    assert one.predict(digit).label == indiv.predict(digit).label == 3


def test_it_abstains_where_h_is_divided(columns, bright_pixel):
    """The bright pixel moves by N(0, 2²): h is "middle" for less than half of all dx."""
    defence = DistSPT(columns, Translation(), 2.0, 0.05, 1.0)
    found = defence.predict(bright_pixel)
    assert found.label is None and found.verify() and "does not show a majority" in found.explain()


def test_it_is_wrong_at_most_as_often_as_it_says(threshold_classifier):
    """h is "bright" with probability just below 1/2 over beta, whatever the votes: PREDICT must hardly ever say "bright"."""
    grey = torch.full((1, 1, 1), 0.5)  # f's votes are level there, so no test should pass but by error
    defence = DistSPT(threshold_classifier(0.5), Rotation(), 10.0, 0.25, 5.0)
    answers = [defence.predict(grey, n0=10, n=24, alpha=0.05, inner_alpha=0.05, seed=seed).label for seed in range(100)]
    wrong = sum(label is not None for label in answers)
    assert clopper_pearson_lower(wrong, 100, 1e-4) <= 0.05


def test_bad_sizes_of_a_prediction(mnist_rotation, digit):
    defence = DistSPT(mnist_rotation, Rotation(), 30.0, 0.3, 30.0)
    for change, message in (
        ({"n": 0}, "n must be at least 1"),
        ({"n0": 1.5}, "n0 must be a whole number"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises(ValueError, match=message):
            defence.predict(digit, **change)
