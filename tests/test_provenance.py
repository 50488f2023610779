"""What made the rows of an experiment: another network, other data or other classes are refused or said, never mixed."""

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from spt.__main__ import main
from spt.classifiers import forget_loaded
from spt.experiments import EXPERIMENTS, Experiment, Share, Store, all_rows, configure, open_store, run
from spt.experiments.experiment import LEFT_OUT, _dataset, own_code
from spt.experiments.running import in_this_process
from spt.experiments.stored import list_stored, load_stored
from spt.experiments.tables import as_record, images_digest, left_out_in_words, write_tables
from spt.images import image_digest

RESULTS = Path(__file__).parent.parent / "results"
NETWORK = """
import torch
from spt import Classifier

class Own(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.eye(4)[:, :, None] * {weight})

    def forward(self, images):
        return {sign} * (images.reshape(len(images), 1, 4) * self.weight[None, :, :, 0]).sum(-1)

def classifier():
    return Classifier("own", Own(), {names!r}, (1, 2, 2), pixel_sigma={sigma})
"""


def forget() -> None:
    """As a new process, which has loaded nothing."""
    forget_loaded()
    for cache in (own_code, _dataset):
        cache.cache_clear()


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Makes an own network and data set, in the same files each time, and the experiment on them; forgets the ones before."""

    def make(
        name: str = "table2",
        weight: float = 1.0,
        sign: int = 1,
        sigma: float = 0.3,
        names: tuple[str, ...] = tuple("abcd"),
        image: int | None = None,
        label: int | None = None,
        count: int = 4,
        **given: Any,
    ) -> Experiment:
        (tmp_path / "own.py").write_text(NETWORK.format(weight=weight, sign=sign, sigma=sigma, names=names))
        pixels = np.zeros((count, 2, 2), np.uint8)
        pixels.reshape(count, 4)[np.arange(count), np.arange(count) % 4] = 200
        labels = np.arange(count) % 4
        if image is not None:
            pixels[image] += 1
        if label is not None:
            labels[label] = 3 - labels[label]
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)  # it does not notice changes within a second
        np.savez(tmp_path / "data.npz", images=pixels, labels=labels, class_names=np.array(list("abcd")))
        forget()
        sizes: dict[str, Any] = {
            "table2": {"n_votes": 20, "k": 3, "keep": 1},
            "table4": {"form": "one-ball", "n_gamma": 2, "limit": 1.0},
        }
        settings = {"images": 3, "classifier": str(tmp_path / "own.py")} | sizes.get(name, {}) | given
        return configure(EXPERIMENTS[name], "full", str(tmp_path / "data.npz"), **settings)

    yield make
    forget()


class TestAnotherNetwork:
    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"weight": 2.0}, r"classifier_sha256 [0-9a-f]{12}… instead of [0-9a-f]{12}…"),
            (
                {"sign": -1},
                r"classifier_code_sha256 .* classifier_sha256 [0-9a-f]{12}… instead of [0-9a-f]{12}…",
            ),  # the weights are the same, but not the answers
            ({"sigma": 0.5}, r"classifier_code_sha256 .*trained_pixel_sigma 0.3 instead of 0.5"),
        ],
    )
    def test_an_edited_own_network_is_refused(self, made, tmp_path, change, sentence):
        name = "table4" if "sigma" in change else "table2"
        experiment = made(name)
        run(experiment, open_store(experiment, tmp_path / "out"))
        other = made(name, **change)
        assert other == experiment
        with pytest.raises(ValueError, match=rf"holds results of other settings \(.*{sentence}") as caught:
            open_store(other, tmp_path / "out")
        assert str(caught.value).count(". ") == 0 and "name another folder" in str(caught.value)
        open_store(made(name), tmp_path / "out")  # and the one that made them goes on

    def test_a_table_knows_its_network_without_its_file_of_rows(self, made, tmp_path):
        experiment = made()
        store = open_store(experiment, tmp_path / "out")
        write_tables(experiment, run(experiment, store), tmp_path / "out", "")
        store.path.unlink()
        assert len(all_rows(experiment, open_store(made(), tmp_path / "out"))["images"]) == 3
        store.path.unlink()
        with pytest.raises(ValueError, match=r"\.json holds results of other settings \(classifier_code_sha256"):
            open_store(made(weight=2.0), tmp_path / "out")

    def test_rows_of_another_version_are_refused(self, made, tmp_path, monkeypatch):
        open_store(made(), tmp_path / "out")
        monkeypatch.setattr(EXPERIMENTS["table2"], "version", 3)
        with pytest.raises(ValueError, match="rows_version 2 instead of 3"):
            open_store(made(), tmp_path / "out")

    def test_another_ordinary_network_is_refused(self, made, tmp_path):
        other = tmp_path / "other.py"
        experiment = made()
        shutil.copy(experiment.classifier, other)
        run(beside := replace(experiment, ordinary=str(other)), open_store(beside, tmp_path / "out"))
        assert beside.provenance()["ordinary_sha256"] == beside.provenance()["classifier_sha256"]
        assert beside.stem == f"{experiment.stem}-ordinary"
        other.write_text(other.read_text().replace("* 1.0", "* 2.0"))
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)  # it does not notice changes within a second
        forget()
        with pytest.raises(ValueError, match=r"\(ordinary_code_sha256 .*ordinary_sha256 [0-9a-f]{12}… instead of"):
            open_store(beside, tmp_path / "out")

    @pytest.mark.parametrize("name", EXPERIMENTS)
    def test_what_every_experiment_says(self, name):
        experiment = configure(EXPERIMENTS[name], "quick")
        found = experiment.provenance()
        assert found["classifier_sha256"] == experiment.load_classifier().fingerprint
        assert found["classifier_code_sha256"] is None and found["number_format"] in ("float32", "bfloat16")
        if name == "table12":
            assert found["number_format"] == "float32"
        about = experiment.about(experiment.stages[-1], 1)
        data = experiment.load_images(experiment.load_classifier().input_shape)
        number = 0 if name == "indiv" and experiment.keep > 1 else 1
        assert about == {"image": number, "truth": data.label(number), "sha256": image_digest(data.image(number))}


class TestOtherData:
    @pytest.mark.parametrize(
        ("change", "sentence"),
        [({"image": 1}, "row 1 of images has sha256 "), ({"label": 2}, "row 2 of images has truth 2 instead of 1")],
    )
    def test_edited_data_are_refused(self, made, tmp_path, change, sentence):
        experiment = made()
        run(experiment, open_store(experiment, tmp_path / "out"))
        other = made(images=4, **change)
        with pytest.raises(ValueError, match=f"was measured on other data: {sentence}"):
            run(other, open_store(other, tmp_path / "out"))
        assert len(open_store(other, tmp_path / "out").done("images")) == 3  # before any work

    def test_what_was_not_measured_may_change_and_more_images_go_on(self, made, tmp_path):
        experiment = made()
        rows = run(experiment, open_store(experiment, tmp_path / "out"))["images"]
        longer = made(images=5, image=4, count=6)
        assert run(longer, open_store(longer, tmp_path / "out"))["images"][:3] == rows

    def test_the_images_that_measure_one_e_for_all(self, tmp_path):
        """Which ones are drawn depends on all of the data set."""
        experiment = configure(
            EXPERIMENTS["table3"],
            "quick",
            images=2,
            n_pilot=2,
            n_choice=3,
            n_images=16,
            n_betas=250,
            n_gamma=5,
            limit=2.0,
        )
        rows = run(experiment, open_store(experiment, tmp_path))
        wrong = rows["test"][0] | {"sha256": "0" * 64}
        store = Store(tmp_path / "other" / f"{experiment.stem}.sqlite", experiment.identity | experiment.provenance())
        store.add("test", 0, 0, wrong)
        with pytest.raises(ValueError, match="row 0 of test has sha256 000000000000… instead of"):
            run(experiment, open_store(experiment, tmp_path / "other"))

    def test_rows_that_another_process_adds_meanwhile_are_looked_at(self, made, tmp_path):
        experiment = made()

        def beside_another(each, stage, items, earlier):
            store.add(stage, 2, 0, {"image": 2, "truth": 2, "sha256": "0" * 64})
            yield from in_this_process()(each, stage, items, earlier)

        store = open_store(experiment, tmp_path / "out")
        with pytest.raises(ValueError, match="row 2 of images has sha256 000000000000… instead of"):
            run(experiment, store, beside_another)

    def test_the_command_refuses_in_one_sentence(self, made, tmp_path, capsys):
        def command(**change: Any) -> list[str]:
            experiment = made(**change)
            return [
                *(
                    "run",
                    "table2",
                    "--dataset",
                    experiment.dataset,
                    "--classifier",
                    experiment.classifier,
                    "--images",
                    "2",
                ),
                *("--set", "n_votes=20", "--set", "k=3", "--set", "keep=1", "--out", str(tmp_path / "out")),
            ]

        assert main(command()) == 0
        capsys.readouterr()
        for change in ({"image": 0}, {"weight": 3.0}):
            assert main(command(**change)) == 2
            error = capsys.readouterr().err
            assert error.startswith("error: ") and error.count("\n") == 1 and "name another folder" in error


class TestResultsOfBefore:
    """Those in results/ were made before networks and images were recorded."""

    def test_they_load_but_nothing_is_added_to_them(self, tmp_path):
        for path in RESULTS.glob("table11-*"):
            shutil.copy(path, tmp_path)
        [stem] = list_stored(tmp_path, EXPERIMENTS["table11"])
        stored = load_stored(tmp_path, EXPERIMENTS["table11"], stem)
        assert stored.provenance == {} and stored.summary["images"] == 200
        with pytest.raises(
            ValueError, match=r"does not say what made its rows \(no classifier_sha256, .*name another folder"
        ):
            open_store(replace(stored.experiment, images=300), tmp_path)
        assert not list(tmp_path.glob("*.sqlite"))

    def test_nor_to_their_files_of_rows(self, made, tmp_path):
        experiment = made()
        Store(tmp_path / f"{experiment.stem}.sqlite", experiment.identity)
        with pytest.raises(ValueError, match="does not say what made its rows"):
            open_store(experiment, tmp_path)

    def test_a_row_that_does_not_say_its_image_is_refused(self, made, tmp_path):
        experiment = made()
        open_store(experiment, tmp_path).add("images", 0, 0, {"image": 0, "truth": 0})
        with pytest.raises(ValueError, match=r"does not say which image row 0 of images is of \(no sha256\)"):
            run(experiment, open_store(experiment, tmp_path))


class TestRecord:
    def test_it_says_what_made_the_rows_and_where(self, made, tmp_path):
        experiment = made()
        store = open_store(experiment, tmp_path)
        rows = run(experiment, store, origin={"machine": "one", "commit": "abc", "torch": "2"})
        longer = made(images=4)
        rows = run(longer, open_store(longer, tmp_path), origin={"machine": "other", "commit": "abc", "torch": "2"})
        run(longer, open_store(longer, tmp_path), origin={"machine": "idle", "commit": "abc", "torch": "2"})
        _, path = write_tables(longer, rows, tmp_path, "a command", origins=store.origins())
        record = json.loads(path.read_text())
        assert record["provenance"] == longer.provenance() and record["images_sha256"] == images_digest(rows)
        assert (record["machine"], record["commit"]) == ("one; other", "abc")
        assert all(len(row["sha256"]) == 64 for row in rows["images"])
        stored = load_stored(tmp_path, EXPERIMENTS["table2"], longer.stem)
        assert stored.rows == rows and stored.provenance == longer.provenance()

    def test_a_pair_of_files_that_are_not_of_one_run(self, made, tmp_path):
        experiment = made()
        csv, _ = write_tables(experiment, run(experiment, open_store(experiment, tmp_path)), tmp_path, "")
        csv.write_text("\n".join(csv.read_text().splitlines()[:-1]) + "\n")
        with pytest.raises(ValueError, match="are not a result of table2"):
            load_stored(tmp_path, EXPERIMENTS["table2"], experiment.stem)

    @pytest.mark.parametrize("lost", ["csv", "json"])
    def test_half_a_result_is_one_sentence(self, made, tmp_path, lost):
        experiment = made()
        write_tables(experiment, run(experiment, open_store(experiment, tmp_path / "x")), tmp_path, "")
        (tmp_path / f"{experiment.stem}.{lost}").unlink()
        assert list_stored(tmp_path, EXPERIMENTS["table2"]) == [experiment.stem]
        for asked in (
            lambda: load_stored(tmp_path, EXPERIMENTS["table2"], experiment.stem),
            lambda: open_store(experiment, tmp_path),
        ):
            with pytest.raises(ValueError, match=rf"has lost {experiment.stem}\.{lost}: a result is both files"):
                asked()


@dataclass(frozen=True)
class Named(Experiment):
    """An experiment whose network is what an environment variable says."""

    name: ClassVar[str] = "named"
    title: ClassVar[str] = "Named"
    question: ClassVar[str] = "Which one?"

    images: int = 2

    def provenance(self):
        return {"network": os.environ.get("SPT_TEST_NETWORK", "none")}

    def about(self, stage, item):
        return {"image": item, "sha256": os.environ.get("SPT_TEST_IMAGE", "none")}

    def measure(self, stage, item, earlier, device):
        return self.about(stage, item)

    def summary(self, rows):
        return {"images": float(len(rows["images"]))}


@pytest.mark.parametrize("what", ["NETWORK", "IMAGE"])
def test_a_worker_with_another_network_or_other_data_is_refused(tmp_path, monkeypatch, what):
    pytest.importorskip("distributed")
    from spt.experiments.cluster import on_cluster

    experiment = Named()
    with on_cluster("local", workers=1) as scheduler:
        rows = run(experiment, open_store(experiment, tmp_path / "alike"), scheduler)
        assert len(rows["images"]) == 2
        monkeypatch.setenv(f"SPT_TEST_{what}", "another")  # here, not in the worker
        store = open_store(experiment, tmp_path / "other")
        with pytest.raises(
            ValueError, match=r"The worker tcp://\S+ has another classifier or other data .*instead of 'another'"
        ):
            run(experiment, store, scheduler)
        assert not store.done("images")


class TestClassesThatTheClassifierLacks:
    @pytest.mark.parametrize("name", ["table2", "table3", "table4", "indiv"])
    def test_where_none_fits_nothing_is_measured(self, made, name):
        experiment = made(name, names=("w", "x", "y", "z"))
        with pytest.raises(
            ValueError, match=r"None of the 3 images of data has a class of the classifier own.*has a, b, c, d"
        ):
            experiment.check()
        if name == "table2":
            made(name).check()

    @pytest.mark.parametrize("name", ["table11", "bicubic", "refinement", "radius"])
    def test_where_no_class_is_needed_none_has_to_fit(self, made, name):
        made(name, names=("w", "x", "y", "z")).check()

    def test_images_of_unknown_class_are_left_out_and_counted(self, made, tmp_path, capsys):
        experiment = made("table4", names=("a", "x", "c", "z"), images=4)
        rows = run(experiment, open_store(experiment, tmp_path))
        assert [row["truth"] for row in rows["images"]] == [0, None, 2, None]
        summary = experiment.summary(rows)
        assert summary["images"] == 2.0 and summary[LEFT_OUT] == 2.0
        share = summary["cert. acc. 0°"]
        assert isinstance(share, Share) and share.of == 2 and len(experiment.certified(rows) or ()) == 2
        assert left_out_in_words(summary).startswith("Left out: 2 images whose class is not known")
        assert as_record(experiment, rows, "", "cpu")["line"][LEFT_OUT] == 2.0

    @pytest.mark.parametrize("name", ["table2", "table3", "table4", "indiv", "table12"])
    def test_every_line_says_so(self, name):
        from tests.test_page_experiments import some_rows

        experiment = configure(EXPERIMENTS[name], "quick", images=4)
        rows = some_rows(experiment)
        assert LEFT_OUT not in experiment.summary(rows)
        rows["images"][1] |= {"truth": None}
        summary = experiment.summary(rows)
        assert (summary["images"], summary[LEFT_OUT]) == (3.0, 1.0)
        assert all(cell.of <= 9 for cell in summary.values() if isinstance(cell, Share))

    def test_on_the_command_line(self, made, tmp_path, capsys):
        experiment = made("table2", names=("a", "x", "c", "z"), images=4)
        command = [
            "run",
            "table2",
            "--dataset",
            experiment.dataset,
            "--classifier",
            experiment.classifier,
            "--images",
            "4",
        ]
        command += ["--set", "n_votes=20", "--set", "k=3", "--set", "keep=1", "--out", str(tmp_path / "out")]
        assert main(command) == 0
        text = capsys.readouterr().out
        assert LEFT_OUT in text and "Left out: 2 images whose class is not known" in text
        made("table2", names=("w", "x", "y", "z"))
        assert main([*command[:-1], str(tmp_path / "none")]) == 2
        assert "None of the 4 images of data has a class of the classifier own" in capsys.readouterr().err
        assert not (tmp_path / "none").exists()
