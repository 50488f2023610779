"""Table 4 with recentred cells and with one ball: rows, settings, and results of before there were cells."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from spt.certificates import CellsCertificate
from spt.defences import DistSPT, DistSPTCells
from spt.experiments import Experiment, configure, get_experiment, open_store, run
from spt.experiments.certified_accuracy import share_of_range
from spt.experiments.store import without_times
from spt.experiments.stored import list_stored, load_stored
from spt.experiments.tables import write_tables

REPOSITORY = Path(__file__).parent.parent
TABLE4 = get_experiment("table4")
FEW: dict[str, Any] = {"images": 2, "first": 2, "limit": 3.0, "n_cell": 40, "n_total": 60, "alpha": 0.02}


def measured(experiment: Experiment, folder: Path) -> list[dict[str, Any]]:
    rows = run(experiment, open_store(experiment, folder))
    write_tables(experiment, rows, folder, "a command")
    return rows["images"]


def about(experiment: Any) -> tuple[Any, ...]:
    classifier = experiment.load_classifier()
    noises = experiment.parameter_sigma, classifier.pixel_sigma
    return classifier, experiment.load_transform(), *noises, experiment.limit, experiment.attacker


def test_a_row_with_cells_is_the_certificate_of_its_image(tmp_path: Path) -> None:
    experiment = configure(TABLE4, "quick", **FEW | {"n_cell": 20, "n_total": 20})
    defence, data = DistSPTCells(*about(experiment)), experiment.load_images((1, 28, 28))
    for item, row in enumerate(measured(experiment, tmp_path)):
        found = defence.certify(
            data.image(2 + item), n_cell=20, n_total=20, alpha=0.02, seed=experiment.seed_of("images", item)
        )
        assert isinstance(found, CellsCertificate)
        assert (row["label"], row["radius"]) == (found.label, found.radius)
        assert (row["samples"], row["cells"]) == (len(found.points), len(found.cells))
        assert row["votes"] == found.network_calls > 0
        assert row["certified share"] == found.radius / 3.0 < 1
        assert min(found.radii) <= row["error"] <= max(found.radii)


def test_a_row_with_one_ball_is_as_before(tmp_path: Path) -> None:
    given = {"images": 1, "limit": 3.0, "form": "one-ball", "n_gamma": 20}
    experiment = configure(TABLE4, "quick", **given)
    [row] = measured(experiment, tmp_path)
    image = experiment.load_images((1, 28, 28)).image(0)
    found = DistSPT(*about(experiment)).certify(image, n_gamma=20, seed=experiment.seed_of("images", 0))
    assert without_times([row]) == [
        {
            **{name: row[name] for name in ("image", "truth", "sha256")},
            "error": sorted(found.radii)[10],
            "label": found.label,
            "radius": found.radius,
            "samples": 20,
        }
    ]


def test_both_forms_lie_side_by_side_and_are_read_again(tmp_path: Path) -> None:
    cells = configure(TABLE4, "quick", **FEW)
    one_ball = configure(TABLE4, "quick", images=1, limit=3.0, form="one-ball", n_gamma=20)
    rows = {each.stem: measured(each, tmp_path) for each in (cells, one_ball)}
    assert list(rows) == list_stored(tmp_path, TABLE4) == ["table4-digits-rotation-3-cells", "table4-digits-rotation-3"]
    for each in (cells, one_ball):
        stored = load_stored(tmp_path, TABLE4, each.stem)
        assert stored.experiment == each and stored.rows["images"] == rows[each.stem]
        assert stored.command == "a command"
    both = [load_stored(tmp_path, TABLE4, each.stem).summary for each in (cells, one_ball)]
    shares = [[name for name in summary if name.startswith("cert. acc.")] for summary in both]
    assert shares[0] == shares[1] == ["cert. acc. 0°"]
    assert {"n_γ", "avg. E", "t [s]"} < set(both[0]) & set(both[1])
    assert both[0]["n_γ"] == sum(row["samples"] for row in rows[cells.stem]) / 2 and both[1]["n_γ"] == 20.0


@pytest.mark.parametrize("stem", list_stored(REPOSITORY / "results", TABLE4))
def test_results_of_before_there_were_cells_are_one_ball(stem: str) -> None:
    stored = load_stored(REPOSITORY / "results", TABLE4, stem)
    if stored.record["settings"]["form"] != "recentred":
        pytest.skip("made since")
    assert stored.experiment.identity["form"] == "one-ball" and stored.experiment.stem == stem
    assert stored.command == f"{stored.record['command']} --set form=one-ball"
    assert stored.summary["n_γ"] == stored.record["line"]["n_γ"]
    assert "n_cell" not in stored.experiment.identity


def test_a_row_that_was_kept_of_another_form_is_refused(tmp_path: Path) -> None:
    open_store(configure(TABLE4, "quick", form="one-ball"), tmp_path)
    open_store(configure(TABLE4, "quick"), tmp_path)
    with pytest.raises(ValueError, match=r"holds results of other settings .*form 'one-ball' instead of 'shifted'"):
        open_store(configure(TABLE4, "quick", form="shifted"), tmp_path)


def test_settings_of_another_form_are_refused() -> None:
    for given, sentence in (
        (
            {"n_gamma": 50},
            "n_gamma = 50 is for the forms one-ball, shifted, one-error and one-error-joint only, not for cells.",
        ),
        ({"n_more": 500}, "n_more = 500 is for the forms one-ball and shifted only, not for cells."),
        ({"form": "one-ball", "n_cell": 50}, "n_cell = 50 is for the form cells only, not for one-ball."),
        ({"form": "one-error", "n_total": 9}, "n_total = 9 is for the form cells only, not for one-error."),
    ):
        with pytest.raises(ValueError) as caught:
            configure(TABLE4, **given)
        assert str(caught.value) == sentence
    for form, n_gamma in (("cells", None), ("one-ball", 50), ("one-error", 50)):
        assert configure(TABLE4, dataset="cifar10", form=form).n_gamma == n_gamma
    assert json.loads(json.dumps(configure(TABLE4).identity))["n_total"] == 500


def test_too_few_samples_of_a_cell_are_refused_before_the_run() -> None:
    with pytest.raises(ValueError, match="n_cell = 5 samples accept no cell even if all pass: at this alpha at least"):
        configure(TABLE4, "quick", limit=3.0, n_cell=5).check()
    configure(TABLE4, "quick", limit=3.0).check()


def test_share_of_the_range() -> None:
    assert [share_of_range(radius, 4.0, 1) for radius in (0.0, 1.0, 4.0, 9.0)] == [0.0, 0.25, 1.0, 1.0]
    axis = [(k + 0.5) / 300 * 8 - 4 for k in range(300)]
    for radius in (0.0, 1.5, 4.0, 5.0, 5.6, 4 * math.sqrt(2), 9.0):
        counted = sum(math.hypot(x, y) < radius for x in axis for y in axis) / 90_000
        assert share_of_range(radius, 4.0, 2) == pytest.approx(counted, abs=2e-3)
