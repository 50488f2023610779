"""The experiment indiv with cells and with one ball: rows, settings, and results of before there were cells."""

from pathlib import Path
from typing import Any

import pytest
import torch

from spt.attacks import WorstOfK
from spt.defences import IndivSPT, IndivSPTCells
from spt.experiments import Experiment, configure, get_experiment, open_store, run
from spt.experiments.stored import list_stored, load_stored
from spt.experiments.tables import write_tables

REPOSITORY = Path(__file__).parent.parent
INDIV = get_experiment("indiv")
FEW: dict[str, Any] = {"images": 1, "first": 2, "limit": 3.0, "k": 4, "n_votes": 100}


def measured(experiment: Experiment, folder: Path) -> list[dict[str, Any]]:
    rows = run(experiment, open_store(experiment, folder))
    write_tables(experiment, rows, folder, "a command")
    return rows["images"]


def received_by(experiment: Any) -> torch.Tensor:
    classifier, data = experiment.load_classifier(), experiment.load_images((1, 28, 28))
    attack = WorstOfK(experiment.load_transform(), experiment.limit, experiment.keep, k=experiment.k)
    image = data.image(experiment.first)
    points = attack(
        classifier, image, data.label(experiment.first), seed=experiment.seed_of("attack", experiment.first)
    ).points
    return attack.apply(image, points)[0]


def test_rows_of_both_forms_are_the_certificates_of_their_images(tmp_path: Path) -> None:
    cells = configure(INDIV, "quick", **FEW, n_cell=40)
    one_ball = configure(INDIV, "quick", **FEW, form="one-ball", n_gamma=20)
    rows = {each.stem: measured(each, tmp_path) for each in (cells, one_ball)}
    assert list(rows) == ["indiv-digits-rotation-3-cells", "indiv-digits-rotation-3"]
    assert sorted(rows) == sorted(list_stored(tmp_path, INDIV))
    for each in (cells, one_ball):
        stored = load_stored(tmp_path, INDIV, each.stem)
        assert stored.experiment == each and stored.rows["images"] == rows[each.stem]
        assert stored.command == "a command"
    [row], defence = rows[cells.stem], cells.defence("cpu")  # type: ignore[attr-defined]
    assert isinstance(defence, IndivSPTCells)
    found = defence.certify(received_by(cells), n_cell=40, seed=cells.seed_of("images", 0))
    assert (row["label"], row["radius"], row["surviving"]) == (found.label, found.radius, found.share)
    assert (row["samples"], row["cells"]) == (len(found.points), len(found.cells))
    assert row["votes"] == found.network_calls and row["received"] == found.selected
    assert min(found.radii[found.sizes[0] :]) <= row["error"] <= max(found.radii)
    [row], defence = rows[one_ball.stem], one_ball.defence("cpu")  # type: ignore[attr-defined]
    assert isinstance(defence, IndivSPT)
    one = defence.certify(received_by(one_ball), n_gamma=20, seed=one_ball.seed_of("images", 0))
    assert (row["label"], row["radius"], row["error"]) == (one.label, one.radius, sorted(one.radii)[10])
    assert set(row) & {"samples", "cells", "votes", "received"} == set()
    both = [load_stored(tmp_path, INDIV, each.stem).summary for each in (cells, one_ball)]
    assert set(both[0]) - set(both[1]) == {"g(x′) certified and correct", "n_γ", "cells", "votes"}


@pytest.mark.parametrize("stem", list_stored(REPOSITORY / "results", INDIV))
def test_results_of_before_there_were_cells_are_one_ball(stem: str) -> None:
    stored = load_stored(REPOSITORY / "results", INDIV, stem)
    if "form" in stored.record["settings"]:
        pytest.skip("made since")
    assert stored.experiment.identity["form"] == "one-ball" and stored.experiment.stem == stem
    assert stored.command == f"{stored.record['command']} --set form=one-ball"
    assert "n_cell" not in stored.experiment.identity and stored.experiment.identity["n_gamma"] == 200


def test_settings_of_another_form_are_refused() -> None:
    for given, sentence in (
        ({"n_gamma": 50}, "n_gamma = 50 is for the form one-ball only, not for cells."),
        ({"form": "one-ball", "n_cell": 50}, "n_cell = 50 is for the form cells only, not for one-ball."),
        ({"form": "one-ball", "n_total": 9}, "n_total = 9 is for the form cells only, not for one-ball."),
    ):
        with pytest.raises(ValueError) as caught:
            configure(INDIV, **given)
        assert str(caught.value) == sentence
    assert configure(INDIV).identity["n_total"] == 2000 and configure(INDIV, form="one-ball").n_gamma == 200  # type: ignore[attr-defined]
