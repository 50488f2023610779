"""Experiments: rows survive being killed, do not depend on who computes them, and make the right line of the table."""

import json
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from spt import statistics
from spt.__main__ import main
from spt.classifiers import bundled_classifiers
from spt.experiments import EXPERIMENTS, Experiment, Share, Store, all_rows, configure, get_experiment, open_store, run
from spt.experiments.certified_accuracy import accuracies, reach
from spt.experiments.experiment import DEFAULT_CLASSIFIERS
from spt.experiments.store import without_times
from spt.experiments.stored import load_stored
from spt.experiments.table2 import ORDINARY
from spt.experiments.tables import (
    as_csv,
    as_markdown,
    as_record,
    as_text,
    beside_the_paper,
    paper_lines,
    read_csv,
    write_tables,
)
from tests import counting
from tests.counting import Counting

REPOSITORY = Path(__file__).parent.parent
SMALL = {
    "table2": {"images": 2, "n_votes": 100},
    "table3": {"images": 2, "n_pilot": 2, "n_choice": 3, "n_images": 10, "n_betas": 100, "n_gamma": 20, "limit": 1.0},
    "table4": {"images": 2, "first": 2, "limit": 1.0, "n_cell": 40, "n_total": 60},
    "indiv": {"images": 2, "n_cell": 40, "limit": 2.0, "n_votes": 100},
    "table11": {"images": 2, "n_betas": 5, "n_points": 30},
    "refinement": {"images": 1, "limit": 2.0, "n_betas": 2},
    "radius": {"images": 2, "n_votes": 100},
    "table12": {"images": 2, "limit": 1.0},
    "bicubic": {"images": 2, "n_betas": 4, "n_points": 20},
}


def small(name: str) -> Experiment:
    return configure(EXPERIMENTS[name], "quick", **SMALL[name])


class TestRunning:
    def test_a_run_gives_a_row_for_each_task(self, tmp_path):
        experiment = Counting(pause=0)
        rows = run(experiment, open_store(experiment, tmp_path))
        assert [row["image"] for row in rows["second"]] == list(range(40))
        assert rows == all_rows(experiment, open_store(experiment, tmp_path))

    def test_what_is_done_is_not_done_again(self, tmp_path):
        calls = []

        @dataclass(frozen=True)
        class Watched(Counting):
            def measure(self, stage, item, earlier, device):
                calls.append((stage, item))
                return super().measure(stage, item, earlier, device)

        experiment = Watched(images=5, pause=0)
        first = run(experiment, open_store(experiment, tmp_path))
        assert len(calls) == 10
        assert run(experiment, open_store(experiment, tmp_path)) == first
        assert len(calls) == 10

    def test_more_images_go_on(self, tmp_path):
        @dataclass(frozen=True)
        class OneStage(Counting):
            stages: ClassVar[tuple[str, ...]] = ("first",)

        few = OneStage(images=3, pause=0)
        first = run(few, open_store(few, tmp_path))["first"]
        more = replace(few, images=6)
        second = run(more, open_store(more, tmp_path))["first"]
        assert second[:3] == first and len(second) == 6
        assert run(few, open_store(few, tmp_path))["first"] == first

    def test_stopping_keeps_what_is_done(self, tmp_path):
        def stopping(items, desc="", total=None):
            for number, item in enumerate(items):
                if number == 7:
                    raise KeyboardInterrupt
                yield item

        experiment = Counting(pause=0)
        store = open_store(experiment, tmp_path)
        with pytest.raises(KeyboardInterrupt):
            run(experiment, store, progress=stopping)
        assert len(store.done("first")) == 7 and not store.done("second")
        whole = run(experiment, store)
        other = run(experiment, open_store(experiment, tmp_path / "other"))
        for stage in experiment.stages:
            assert without_times(whole[stage]) == without_times(other[stage])

    def test_killed_at_random_moments(self, tmp_path):
        """SIGKILL 20 times: the next run goes on, and in the end the rows are those of a run that nobody killed."""
        command = [sys.executable, counting.__file__, str(tmp_path / "results")]
        moments = random.Random(0)
        kills, runs, counts = 0, 0, [0]
        while kills < 20:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            runs += 1
            path = tmp_path / "results" / "counting-mnist-rotation.sqlite"
            deadline = time.monotonic() + 60
            while not path.is_file() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(moments.uniform(0.0, 0.25))
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            counts.append(len(Store(path).done("first")) + len(Store(path).done("second")))
            if counts[-1] == 80:  # done before all kills: from the beginning, with the rest of the kills
                path.unlink()
                counts = [0]
            assert counts == sorted(counts), "a row was lost"
            assert runs < 60
        assert subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0
        experiment = Counting()
        found = all_rows(experiment, open_store(experiment, tmp_path / "results"))
        expected = run(replace(experiment, pause=0.0), open_store(replace(experiment, pause=0.0), tmp_path / "quiet"))
        for stage in experiment.stages:
            assert without_times(found[stage]) == without_times(expected[stage])

    def test_tasks_have_seeds_of_their_own(self):
        experiment = Counting()
        seeds = {experiment.seed_of(stage, item) for stage in experiment.stages for item in range(1000)}
        assert len(seeds) == 2000
        assert replace(experiment, seed=1).seed_of("first", 0) not in seeds


class TestStore:
    def test_other_settings_are_refused(self, tmp_path):
        open_store(Counting(), tmp_path)
        with pytest.raises(ValueError, match=r"other settings \(seed 0 instead of 3\)"):
            open_store(Counting(seed=3), tmp_path)

    def test_a_stored_table_goes_on_without_its_file_of_rows(self, tmp_path):
        """As in a fresh copy of the repository, which has tables but no SQLite files."""
        experiment = Counting(images=10, pause=0)
        rows = run(experiment, open_store(experiment, tmp_path))
        write_tables(experiment, rows, tmp_path, "")
        (tmp_path / f"{experiment.stem}.sqlite").unlink()
        longer = replace(experiment, images=15)
        assert all_rows(longer, open_store(longer, tmp_path)) == rows
        with pytest.raises(ValueError, match=r"\.json has 10 images already: ask for as many at least"):
            open_store(replace(experiment, images=5), tmp_path)
        with pytest.raises(ValueError, match=r"\.json holds results of other settings \(seed 0 instead of 3\)"):
            open_store(replace(experiment, seed=3), tmp_path)

    def test_the_first_row_of_a_task_stays(self, tmp_path):
        store = Store(tmp_path / "a.sqlite", {"a": 1})
        store.add("images", 0, 5, {"value": 1})
        store.add("images", 0, 5, {"value": 2})
        assert store.rows("images") == {0: {"value": 1}}

    def test_what_is_no_file_of_results(self, tmp_path):
        path = tmp_path / "a.sqlite"
        path.write_text("no database " * 100)
        with pytest.raises(ValueError, match="is not a file of results"):
            Store(path, {"a": 1})
        with pytest.raises(ValueError, match="There are no results"):
            Store(tmp_path / "b.sqlite")

    @pytest.mark.parametrize("change", ["UPDATE settings SET text = '{'", "UPDATE rows SET text = '[]'"])
    def test_a_damaged_file_is_one_sentence(self, tmp_path, change):
        store = Store(tmp_path / "a.sqlite", {"a": 1})
        assert store.add("images", 0, 5, {"value": 1}) and not store.add("images", 0, 5, {"value": 2})
        with sqlite3.connect(store.path) as connection:
            connection.execute(change)
        connection.close()
        with pytest.raises(ValueError, match="is damaged, or not a file of results"):
            Store(store.path).rows("images")
        store.path.write_bytes(store.path.read_bytes()[:5000])
        with pytest.raises((ValueError, OSError), match=r"a\.sqlite "):
            Store(store.path).rows("images")

    def test_a_full_disk(self, tmp_path, monkeypatch):
        """The message is clear, and what was written stays."""
        store = Store(tmp_path / "a.sqlite", {"a": 1})
        store.add("images", 0, 5, {"value": 1})
        connect = Store._connect

        def small(self):
            connection = connect(self)
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")
            return connection

        monkeypatch.setattr(Store, "_connect", small)
        with pytest.raises(OSError, match=r"The disk is full: .* keeps what was written"):
            store.add("images", 1, 5, {"value": "x" * 100_000})
        monkeypatch.undo()
        assert store.rows("images") == {0: {"value": 1}}
        store.add("images", 1, 5, {"value": 2})
        assert len(store.rows("images")) == 2

    def test_rows_are_durable(self, tmp_path):
        store = Store(tmp_path / "a.sqlite", {"a": 1})
        connection = store._connect()
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
        connection.close()

    def test_values_that_are_no_numbers_are_refused(self, tmp_path):
        store = Store(tmp_path / "a.sqlite", {"a": 1})
        for value in (float("nan"), [1.0, [float("inf")]]):
            with pytest.raises(ValueError, match=r"Task 4 of images has no finite number for 'error', but .*(nan|inf)"):
                store.add("images", 4, 0, {"image": 4, "error": value})
        assert not store.done("images")

    def test_layout_is_plain(self, tmp_path):
        store = Store(tmp_path / "a.sqlite", {"a": 1})
        store.add("images", 3, 17, {"value": 1})
        connection = sqlite3.connect(tmp_path / "a.sqlite")
        assert connection.execute("SELECT stage, item, seed, text FROM rows").fetchall() == [
            ("images", 3, 17, '{"value": 1}')
        ]
        connection.close()


class TestConfigure:
    @pytest.mark.parametrize("name", EXPERIMENTS)
    def test_presets(self, name):
        kind = get_experiment(name)
        assert configure(kind).dataset == "mnist" and configure(kind).images == 1000
        quick = configure(kind, "quick")
        assert quick.dataset in ("digits", "natural") and quick.images <= 20
        assert configure(kind, "quick", images="3").images == 3
        json.dumps(quick.identity)

    def test_the_papers_settings(self):
        table4 = configure(EXPERIMENTS["table4"], form="one-ball")
        assert (table4.limit, table4.parameter_sigma, table4.n_gamma, table4.alpha) == (50, 30, 200, 0.01)
        cifar = configure(EXPERIMENTS["table4"], dataset="cifar10", form="one-ball")
        assert (cifar.limit, cifar.parameter_sigma, cifar.n_gamma) == (30, 40, 50)
        table2 = configure(EXPERIMENTS["table2"], transform="translation")
        assert (table2.limit, table2.k, table2.keep, table2.n_votes, table2.alpha) == (4, 100, 3, 1000, 0.01)
        assert table2.classifier == DEFAULT_CLASSIFIERS["mnist", "translation"]

    def test_wrong_settings(self):
        kind = EXPERIMENTS["table4"]
        for given, message in (
            ({"no_such": 1}, "table4 has no setting 'no_such'"),
            ({"n_gamma": "many"}, "n_gamma must be a whole number from 1 to 10000000, but is 'many'"),
            (
                {"form": "round"},
                "form must be one of cells, one-ball, shifted, one-error, one-error-joint, but is 'round'",
            ),
            ({"images": 0}, "images must be a whole number from 1 to 10000000, but is 0"),
            ({"seed": -1}, "seed must be a whole number from 0 to 9223372036854775807, but is -1"),
        ):
            with pytest.raises(ValueError, match=message):
                configure(kind, **given)
        assert configure(kind, pixel_sigma="none").pixel_sigma is None
        assert configure(kind, pixel_sigma="0.25").pixel_sigma == 0.25
        with pytest.raises(ValueError, match="Unknown preset 'slow'"):
            configure(kind, "slow")
        with pytest.raises(ValueError, match="No classifier for rotation of fashion-mnist is bundled"):
            configure(kind, dataset="fashion-mnist")
        with pytest.raises(ValueError, match="Unknown experiment 'table5': choose one of table2, "):
            get_experiment("table5")

    def test_default_classifiers_are_bundled(self):
        names = {name for kind in EXPERIMENTS.values() for name in kind.classifiers.values()} | set(ORDINARY.values())
        assert names <= set(bundled_classifiers())

    def test_too_many_images(self):
        with pytest.raises(ValueError, match="digits has 40 images, so from number 30 on there are 10, not 20"):
            configure(EXPERIMENTS["bicubic"], "quick", first=30).check()
        with pytest.raises(ValueError, match="digits has 40 images, so from number 3 on, one in 9, there are 5, not 6"):
            configure(EXPERIMENTS["bicubic"], "quick", first=3, every=9, images=6).check()

    @pytest.mark.parametrize("name", EXPERIMENTS)
    def test_one_in_several(self, name):
        experiment = replace(small(name), images=4, first=2, every=9)
        last = experiment.stages[-1]
        found = [experiment.place(last, item)[1] for item in range(experiment.items(last))]
        assert sorted(set(found)) == [2, 11, 20, 29] and len(found) % 4 == 0


class TestQuickPresets:
    @pytest.mark.parametrize(
        "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "table3" else []) for name in EXPERIMENTS]
    )
    def test_on_a_handful_of_images(self, name, tmp_path):
        experiment = small(name)
        experiment.check()
        rows = run(experiment, open_store(experiment, tmp_path))
        assert {stage: len(each) for stage, each in rows.items()} == {
            stage: experiment.items(stage) for stage in experiment.stages
        }
        summary = experiment.summary(rows)
        assert summary["images"] == experiment.images
        assert all(0 <= cell.count <= cell.of for cell in summary.values() if isinstance(cell, Share))
        table = beside_the_paper(experiment, summary)
        assert as_markdown(table).count("\n") == len(table) + 1
        for path in write_tables(experiment, rows, tmp_path, "a command"):
            assert path.is_file()
        assert read_csv((tmp_path / f"{experiment.stem}.csv").read_text(encoding="utf-8"), experiment.stages) == rows
        experiment.summary({stage: [] for stage in experiment.stages})  # nothing there yet is no mistake

    def test_rows_follow_from_the_seed(self, tmp_path):
        experiment = small("radius")
        rows = [run(experiment, open_store(experiment, tmp_path / name))["images"] for name in "ab"]
        assert without_times(rows[0]) == without_times(rows[1])
        other = replace(experiment, seed=1)
        assert without_times(run(other, open_store(other, tmp_path / "c"))["images"]) != without_times(rows[0])

    def test_translation(self, tmp_path):
        for name in ("table2", "table11", "bicubic"):
            experiment = configure(EXPERIMENTS[name], "quick", transform="translation", **SMALL[name])
            rows = run(experiment, open_store(experiment, tmp_path))
            assert len(rows["images"]) == experiment.images


class TestWhatIsMeasured:
    def test_table3_never_certifies_an_image_that_measured_e(self):
        from spt.experiments.table3 import _drawn

        experiment = configure(EXPERIMENTS["table3"], "quick")
        drawn = _drawn(experiment)
        assert len(set(drawn)) == experiment.n_pilot + experiment.n_images
        assert min(drawn) >= experiment.first + experiment.images
        assert replace(experiment, images=9).identity != experiment.identity

    def test_table2_attacks_an_ordinary_b_beside_f(self):
        """b is another network than the one under g: what concerns f is what is measured where f is attacked itself."""
        from spt.attacks import WorstOfK

        beside = configure(EXPERIMENTS["table2"], "quick", n_votes=100)
        assert (beside.ordinary, beside.classifier) == ("mnist-plain", "mnist-rotation-fine")
        itself = replace(beside, ordinary=None)
        row, other = (each.measure("images", 7, {}, "cpu") for each in (beside, itself))
        assert [row[name] for name in ("f", "f_points", "f_attacked", "g_attacked_via_f", "g")] == [
            other[name] for name in ("b", "points", "b_attacked", "g_attacked", "g")
        ]
        assert row["points"] != row["f_points"]
        plain, image = beside.load_classifier(name="mnist-plain"), beside.load_images((1, 28, 28)).image(7)
        worst = WorstOfK(beside.load_transform(), 30.0)(plain, image, 7, seed=beside.seed_of("images", 7))
        assert row["truth"] == 7 and row["points"] == worst.points.tolist()
        assert row["b_attacked"] == worst.predictions.tolist()

    def test_table2_with_one_network_has_no_columns_of_f(self):
        table2 = EXPERIMENTS["table2"]
        plain = configure(table2, classifier="mnist-plain")
        assert plain.ordinary is None and plain.stem == "table2-mnist-rotation-30"
        assert configure(table2).stem == "table2-mnist-rotation-30-ordinary"
        assert configure(table2, dataset="imagenet-samples").ordinary is None
        rows = {"images": [{"image": 0, "truth": 1, "b": 1, "b_attacked": [1, 2, 2], "g_attacked": [1, None, 1]}]}
        rows["images"][0]["seconds"] = 1.0  # a row as it was before g voted on the image itself
        assert list(plain.summary(rows)) == ["images", "Γ", "acc. b", "adv. acc. b", "adv. acc. g", "t [s]"]
        rows["images"][0] |= {"g": None, "f": 1, "f_attacked": [1, 1, 2], "g_attacked_via_f": [1, 1, 1]}
        line = configure(table2).summary(rows)
        shares = {name: cell.count for name, cell in line.items() if isinstance(cell, Share)}
        assert shares == {
            "acc. b": 1,
            "adv. acc. b": 1,
            "acc. g": 0,
            "adv. acc. g": 2,
            "acc. f": 1,
            "adv. acc. f": 2,
            "adv. acc. g via f": 3,
        }

    def test_table2_refuses_an_ordinary_network_for_other_images(self):
        with pytest.raises(
            ValueError, match=r"ordinary = cifar10-plain has other class names than the classifier mnist"
        ):
            configure(EXPERIMENTS["table2"], "quick", ordinary="cifar10-plain").check()
        with pytest.raises(ValueError, match="Unknown classifier 'nobody'"):
            configure(EXPERIMENTS["table2"], "quick", ordinary="nobody").check()

    def test_bicubic_warp_is_exact_for_a_quarter_turn_and_for_whole_pixels(self):
        from spt.experiments.bicubic import warp_bicubic
        from spt.transforms import Rotation, Translation

        image = torch.rand(1, 2, 9, 9, dtype=torch.float64)
        turned = warp_bicubic(image, Rotation(), torch.tensor([[90.0]], dtype=torch.float64))
        torch.testing.assert_close(turned, image.rot90(1, (-2, -1)))
        shifted = warp_bicubic(image, Translation(), torch.tensor([[1.0, 2.0]], dtype=torch.float64))
        torch.testing.assert_close(shifted[..., 2:, 1:], image[..., :-2, :-1])

    def test_bicubic_warp_is_the_cubic_convolution(self):
        """Keys' kernel with a = -0.75, by hand for half a pixel."""
        from spt.experiments.bicubic import warp_bicubic
        from spt.transforms import Translation

        def kernel(x):
            a = -0.75
            if x <= 1:
                return (a + 2) * x**3 - (a + 3) * x**2 + 1
            return a * (x**3 - 5 * x**2 + 8 * x - 4)

        image = 0.4 + 0.2 * torch.rand(1, 1, 9, 9, dtype=torch.float64)  # not cut to [0, 1]
        shifted = warp_bicubic(image, Translation(), torch.tensor([[0.5, 0.0]], dtype=torch.float64))
        expected = sum(kernel(abs(k - 0.5)) * image[..., 2 + k : 7 + k] for k in (-1, 0, 1, 2))
        torch.testing.assert_close(shifted[..., 3:8], expected)

    def test_bicubic_error_is_zero_where_nothing_is_attacked(self):
        from spt.experiments.bicubic import bicubic_error_norms
        from spt.preprocessing import Preprocessing
        from spt.transforms import Rotation

        image = torch.rand(1, 15, 15, dtype=torch.float64)
        betas = torch.tensor([[20.0], [20.0], [90.0]], dtype=torch.float64)
        gammas = torch.tensor([[0.0], [7.0], [90.0]], dtype=torch.float64)
        errors = bicubic_error_norms(image, Rotation(), Preprocessing(), betas, gammas)
        assert errors[0] < 1e-9 and errors[1] > 0.1 and errors[2] < 1e-9

    def test_table11_switches_off_what_it_says(self):
        from spt.experiments.table11 import variants
        from spt.preprocessing import Preprocessing

        made = variants(Preprocessing(vignette="circle", vignette_margin=2, blur_size=5))
        assert {name: (p.vignette is None, p.blur_size == 0) for name, p in made.items()} == {
            "Both": (False, False),
            "-V": (True, False),
            "-G": (False, True),
            "-V-G": (True, True),
        }

    def test_certified_accuracy(self):
        rows = [
            {"label": 3, "truth": 3, "radius": 40.0},
            {"label": 3, "truth": 3, "radius": 10.0},
            {"label": 2, "truth": 3, "radius": 40.0},
            {"label": None, "truth": 3, "radius": 0.0},
        ]
        reaches = [reach(row, 30.0) for row in rows]
        assert reaches == [30.0, math.nextafter(10.0, 0.0), -1.0, -1.0]
        shares = accuracies(reaches, "rotation", 30.0)
        assert {name: cell.count for name, cell in shares.items()} == {
            "cert. acc. 0°": 2,
            "cert. acc. 10°": 1,  # radius 10 holds for less than 10 only
            "cert. acc. 20°": 1,
            "cert. acc. 30°": 1,
        }


class TestTables:
    def test_the_papers_numbers(self):
        lines = paper_lines(configure(EXPERIMENTS["table4"]))
        assert [line.cells["cert. acc. 50°"] for line in lines] == [0.82]
        assert "not proved" in lines[0].caveat
        paper = {"table2": 6, "table3": 8, "table4": 5, "indiv": 1, "table11": 3, "table12": 3}
        for name, count in paper.items():
            assert len(paper_lines(configure(EXPERIMENTS[name]), every=True)) == count

    def test_paper_columns_are_ours(self, tmp_path):
        """A number of the paper stands under the same heading as ours."""
        for name in EXPERIMENTS:
            experiment = configure(EXPERIMENTS[name])
            ours = set(experiment.summary({stage: [] for stage in experiment.stages}))
            for line in paper_lines(experiment):
                assert set(line.cells) <= ours, name

    def test_share(self):
        low, high = Share(9, 10).band()
        assert low == statistics.clopper_pearson_lower(9, 10, 0.025)
        assert high == statistics.clopper_pearson_upper(9, 10, 0.025)
        assert Share(0, 0).band() is None and Share(3, 6, dependent=True).band() is None
        assert as_text(Share(3, 6, dependent=True)) == "0.500"
        assert as_text(Share(9, 10)) == f"0.900 [{low:.3f}, {high:.3f}]"
        assert [as_text(cell) for cell in (None, 0.12345, 1000.0, "±30°", Share(0, 0))] == [
            "–",
            "0.123",
            "1e+03",
            "±30°",
            "–",
        ]

    def test_csv_round_trip(self):
        rows = {"images": [{"image": 0, "truth": None, "points": [[1.5]], "label": 3}, {"image": 1, "text": "a,b"}]}
        assert read_csv(as_csv(rows), ["images"]) == rows


RESULTS = sorted((REPOSITORY / "results").glob("*.json"))


class TestCommittedResults:
    def test_there_are_some(self):
        assert RESULTS

    @pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
    def test_the_line_follows_from_the_rows(self, path):
        record = json.loads(path.read_text(encoding="utf-8"))
        stored = load_stored(path.parent, get_experiment(record["experiment"]), path.stem)
        line = as_record(stored.experiment, stored.rows, "", "cpu")["line"]
        rounded = {
            name: pytest.approx(cell, rel=1e-12) if isinstance(cell, float) else cell for name, cell in line.items()
        }
        assert record["line"] == rounded  # Python 3.12 adds floats with less rounding than 3.11
        assert stored.experiment.images == len({row["image"] for row in stored.rows["images"]})
        assert record["command"].startswith(f"python -m spt run {record['experiment']} ") and record["commit"]
        assert record["machine"] and str(Path.home()) not in path.read_text(encoding="utf-8")


class TestCommand:
    def test_run(self, tmp_path, capsys):
        arguments = [
            "run",
            "bicubic",
            "--preset",
            "quick",
            "--images",
            "2",
            "--set",
            "n_betas=3",
            "--set",
            "n_points=9",
        ]
        assert main([*arguments, "--out", str(tmp_path)]) == 0
        text = capsys.readouterr().out
        assert "Bicubic interpolation (sampled)" in text and "ours, digits" in text
        record = json.loads((tmp_path / "bicubic-digits-rotation-30.json").read_text(encoding="utf-8"))
        assert record["command"] == f"python -m spt {' '.join(arguments)}"
        assert record["settings"]["n_betas"] == 3 and record["line"]["images"] == 2
        assert main([*arguments, "--out", str(tmp_path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["line"] == record["line"]
        assert main([*arguments, "--seed", "4", "--out", str(tmp_path)]) == 2
        assert "other settings (seed 0 instead of 4)" in capsys.readouterr().err

    def test_mistakes(self, tmp_path, capsys):
        out = ["--out", str(tmp_path)]
        for arguments, message in (
            (["table5"], "Unknown experiment 'table5'"),
            (["table4", "--dataset", "nowhere", "--classifier", "mnist-rotation"], "There is no data set 'nowhere'"),
            (["table4", "--preset", "quick", "--classifier", "nobody"], "Unknown classifier 'nobody'"),
            (["table4", "--preset", "quick", "--transform", "squeeze"], "squeeze"),
            (["table4", "--preset", "quick", "--set", "n_gamma"], "--set takes NAME=VALUE"),
            (["bicubic", "--preset", "quick", "--scheduler", "here"], "must be local or an address"),
            (["bicubic", "--preset", "quick", "--device", "tpu"], "There is no device 'tpu'"),
        ):
            assert main(["run", *arguments, *out]) == 2
            assert message in capsys.readouterr().err
        assert not list(tmp_path.glob("*.csv"))


class TestCluster:
    def test_two_workers_one_of_which_dies(self, tmp_path):
        """Nothing is lost or counted twice, and the rows are those of one process."""
        distributed = pytest.importorskip("distributed")
        from spt.experiments.cluster import scheduler_of

        experiment = Counting(images=30, pause=0.05)
        serial = run(replace(experiment, pause=0.0), open_store(replace(experiment, pause=0.0), tmp_path / "serial"))
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, protocol="tcp"
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            victims = list(client.run(os.getpid).values())
            killed = []

            def killing(items, desc="", total=None):
                for number, item in enumerate(items):
                    yield item
                    if number == 5 and not killed:
                        killed.append(victims[0])
                        os.kill(victims[0], signal.SIGKILL)

            store = open_store(experiment, tmp_path / "cluster")
            found = run(experiment, store, scheduler_of(client, "cpu", 1), killing)
        assert killed
        for stage in experiment.stages:
            assert without_times(found[stage]) == without_times(serial[stage])

    def test_real_tasks_on_two_workers(self, tmp_path):
        pytest.importorskip("distributed")
        from spt.experiments.cluster import on_cluster

        experiment = small("table11")
        serial = run(experiment, open_store(experiment, tmp_path / "serial"))
        with on_cluster("local", workers=2) as scheduler:
            found = run(experiment, open_store(experiment, tmp_path / "cluster"), scheduler)
        assert without_times(found["images"]) == without_times(serial["images"])

    def test_no_scheduler_there(self):
        pytest.importorskip("distributed")
        from spt.experiments.cluster import on_cluster

        nobody = "tcp://127.0.0.1:9"
        with (
            pytest.raises(ValueError, match=f"There is no Dask scheduler at {nobody}"),
            on_cluster(nobody, timeout=2.0),
        ):
            pass
