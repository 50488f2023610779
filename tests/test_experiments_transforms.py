"""Tables 2 and 4 for every transformation that is certified: settings, rows, lines, files, and what the page makes of a row."""

import math
from pathlib import Path
from typing import Any

import pytest

from spt.attacks import WorstOfK
from spt.defences import DistSPTCells
from spt.experiments import configure, get_experiment, open_store, run
from spt.experiments.certified_accuracy import accuracies, share_of_range
from spt.experiments.experiment import Share
from spt.experiments.stored import list_stored, load_stored
from spt.experiments.tables import write_tables
from spt.threat_model import BOUNDS, bounded_transforms
from spt.transforms import get_transform
from spt.ui.experiments import rows as page_rows
from spt.ui.experiments.figure import figure_of
from spt.ui.experiments.request import make_result
from tests.pages import visit

TABLE2, TABLE4 = get_experiment("table2"), get_experiment("table4")
FURTHER = [name for name in TABLE4.transforms if name not in ("rotation", "translation")]


def small(transform: str, **given: Any) -> Any:
    """Table 4 on one image and a range that takes a second."""
    limits = {"limit": 2.0} | ({"further_limit": 3.0} if get_transform(transform).mixed else {})
    return configure(TABLE4, "quick", transform=transform, **limits | {"images": 1, "first": 3} | given)


def test_all_that_is_certified_has_settings() -> None:
    assert set(TABLE4.transforms) == set(BOUNDS) == set(TABLE2.transforms)
    for name in BOUNDS:
        for dataset in ("digits", "mnist", "cifar10", "natural"):
            table4, table2 = configure(TABLE4, "full", dataset, name), configure(TABLE2, "full", dataset, name)
            for experiment in (table4, table2):
                assert (experiment.further_limit is not None) == get_transform(name).mixed
            assert table4.parameter_sigma == 0 or name in bounded_transforms("cells")
            assert table4.n_total == (20_000 if table4.parameter_sigma == 0 else 500) and table2.parameter_sigma > 0


@pytest.mark.parametrize("transform", FURTHER)
def test_a_row_is_the_certificate_of_its_image(transform: str, tmp_path: Path) -> None:
    experiment = small(transform)
    experiment.check()
    rows = run(experiment, open_store(experiment, tmp_path))
    [row] = rows["images"]
    classifier = experiment.load_classifier()
    further = () if experiment.further_limit is None else (experiment.further_limit,)
    defence = DistSPTCells(
        classifier, get_transform(transform), 0.0, classifier.pixel_sigma, 2.0, further_limits=further
    )
    image = experiment.load_images((1, 28, 28)).image(3)
    found = defence.certify(image, n_cell=100, n_total=20_000, seed=experiment.seed_of("images", 0))
    assert (row["label"], row["radius"]) == (found.label, found.radius) and found.label == row["truth"] == 3
    assert (row["samples"], row["cells"], row["votes"]) == (len(found.points), len(found.cells), found.network_calls)
    assert row["certified share"] == 1.0 and found.radius > 2.0
    write_tables(experiment, rows, tmp_path, "a command")
    assert list_stored(tmp_path, TABLE4) == [experiment.stem]
    stored = load_stored(tmp_path, TABLE4, experiment.stem)
    assert stored.experiment == experiment and stored.rows["images"] == [row]
    shares = [cell.value for name, cell in stored.summary.items() if name.startswith("cert. acc.")]
    assert shares and set(shares) == {1.0} and stored.summary["Γ"] == experiment.within(2.0)


def test_sizes_of_a_box_are_shares_of_it() -> None:
    experiment = small("rotation-brightness")
    assert experiment.stem == "table4-digits-rotation-brightness-2-3-cells"
    assert experiment.within(2.0) == "angle ±2°, brightness ±3 %" and experiment.box(1.0) == (1.0, 1.5)
    columns = accuracies([-1.0, 0.5, 1.0, 2.0], "rotation-brightness", 2.0, box=True)
    counts = {name: cell.count for name, cell in columns.items() if isinstance(cell, Share)}
    assert counts == {"cert. acc. 0 % of Γ": 3, "cert. acc. 50 % of Γ": 2, "cert. acc. 100 % of Γ": 1}
    assert [share_of_range(radius, 2.0, 2, box=True) for radius in (0.0, 1.0, 2.0, 9.0)] == [0.0, 0.25, 1.0, 1.0]
    row = {"image": 3, "truth": 3, "label": 3, "radius": 1.0, "certified share": 0.25, "error": 0.1, "seconds": 1.0}
    row |= {"samples": 9, "cells": 9, "votes": 90}
    figure, words = figure_of(make_result(experiment, {"images": [row]})) or (None, "")
    assert figure is not None and max(figure.data[-1].x) == 100 and "cert. acc. 50 % of Γ" in words
    said = page_rows.sentences(experiment, row, experiment.load_classifier(), experiment.load_images((1, 28, 28)))
    assert "for less than angle 1.00° and brightness 1.50 %" in said[0]


def test_identities_of_earlier_rows_stay() -> None:
    """What has no second range is not another experiment because others have one."""
    for kind in (TABLE2, TABLE4):
        assert "further_limit" not in configure(kind).identity
    assert small("rotation-brightness").identity["further_limit"] == 3.0


@pytest.mark.parametrize("transform", ["contrast", "rotation-brightness"])
def test_table2_attacks_within_the_box(transform: str) -> None:
    experiment = configure(TABLE2, "quick", transform=transform, images=1, n_votes=50, k=20)
    experiment.check()
    row = experiment.measure("images", 0, {}, "cpu")
    attack = WorstOfK(get_transform(transform), experiment.box(experiment.limit), k=20)
    plain, image = experiment.load_classifier(name="mnist-plain"), experiment.load_images((1, 28, 28)).image(0)
    assert row["points"] == attack(plain, image, 0, seed=experiment.seed_of("images", 0)).points.tolist()
    assert max(abs(point[-1]) for point in row["points"]) <= (50 if transform == "contrast" else 20)


@pytest.mark.parametrize(
    ("kind", "given", "sentence"),
    [
        (TABLE4, {"transform": "rotation", "further_limit": 3.0}, r"further_limits must have 0 numbers for rotation"),
        (TABLE2, {"transform": "shear", "further_limit": 3.0}, r"further_limit = 3 is for .* not for shear"),
        (
            TABLE2,
            {"transform": "rotation-brightness", "further_limit": None},
            r"further_limit is the attack range of rotation-brightness's second parameter, brightness in %",
        ),
        (TABLE4, {"transform": "rotation-brightness", "further_limit": None}, r"must have 1 numbers .* \(%\), but are"),
        (TABLE4, {"transform": "brightness", "parameter_sigma": 3.0}, "without smoothing over it"),
        (TABLE4, {"transform": "brightness", "form": "one-ball"}, "parameter_sigma must be positive, but is 0"),
        (TABLE4, {"parameter_sigma": -1.0}, "parameter_sigma must be a number from 0 to 3600, but is -1"),
        (TABLE2, {"parameter_sigma": 0.0}, "parameter_sigma must be a number from 1e-06 to 3600, but is 0"),
        (
            TABLE4,
            {"further_limit": math.inf, "transform": "rotation-brightness"},
            "further_limit must be a number from",
        ),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_one_sentence(kind: Any, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        configure(kind, "quick", **given).check()


@pytest.mark.parametrize("transform", ["scaling", "rotation-brightness"])
def test_a_row_opens_with_what_it_was_measured_with(transform: str) -> None:
    experiment = small(transform, **({} if transform == "scaling" else {"limit": 1.0, "further_limit": 1.5}))
    row = experiment.measure("images", 0, {}, "cpu")
    opened = page_rows.Opened(experiment, "images", 3, experiment.seed_of("images", 0))
    links = page_rows.page_links(opened, experiment.load_classifier().pixel_sigma, None)
    assert list(links) == ["votes", "certify"]
    app = visit("explore/certify.py", links["certify"], timeout=240)
    assert not app.exception and not app.error and not app.session_state["page_state"].wrong
    certificate = app.session_state["certify_run"].certificate
    assert (certificate.label, certificate.radius) == (row["label"], row["radius"])
    assert (len(certificate.cells), certificate.network_calls) == (row["cells"], row["votes"])
