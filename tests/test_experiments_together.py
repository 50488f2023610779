"""Several processes at one folder of results: runs share the tasks, who finds a file in use waits, and a run that is killed at
any moment, also while it writes its table, goes on."""

import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from spt.__main__ import main
from spt.experiments import EXPERIMENTS, Experiment, Rows, Store, all_rows, configure, open_store, run, store, tables
from spt.experiments.running import Missing
from spt.experiments.store import without_times
from spt.experiments.stored import load_stored
from spt.experiments.tables import read_csv, write_tables
from spt.ui.experiments.run import folder_of, kept_rows
from tests import counting
from tests.counting import Counting

REPOSITORY = Path(__file__).parent.parent
CHEAP = {"n_betas": 3, "n_points": 9}


def cheap(images: int, **given: int) -> Experiment:
    return configure(EXPERIMENTS["bicubic"], "quick", images=images, **CHEAP | given)


def command(experiment: Experiment, folder: Path) -> list[str]:
    """The arguments that run `cheap` experiments."""
    settings = [word for name in CHEAP for word in ("--set", f"{name}={getattr(experiment, name)}")]
    return ["run", "bicubic", "--preset", "quick", "--images", str(experiment.images), *settings, "--out", str(folder)]


def start(experiment: Experiment, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "spt", *command(experiment, folder)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def undisturbed(experiment: Experiment, folder: Path) -> Rows:
    return run(experiment, open_store(experiment, folder))


def assert_same(found: Rows, expected: Rows) -> None:
    assert found.keys() == expected.keys()
    for stage, rows in expected.items():
        assert without_times(found[stage]) == without_times(rows)


def table_in(folder: Path, experiment: Experiment) -> Rows:
    """The rows of the table, which is whole: JSON and CSV are of one another."""
    found = load_stored(folder, type(experiment), experiment.stem)
    assert found.record["line"]["images"] == found.experiment.images == experiment.images
    return found.rows


@contextmanager
def held(path: Path, exclusively: bool = False) -> Iterator[sqlite3.Connection]:
    """Another program writes, or will not even let others read."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        if exclusively:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        yield connection


class TestTwoRuns:
    def test_they_share_the_tasks(self, tmp_path):
        """Each row is there once, as a single run has it, and little is done twice."""
        words = [sys.executable, counting.__file__, str(tmp_path / "both")]
        both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        done = [process.communicate(timeout=120)[0].splitlines() for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert {*done[0], *done[1]} == {f"{stage} {item}" for stage in Counting.stages for item in range(40)}
        assert len(done[0]) + len(done[1]) < 120, "tasks were done twice"
        expected = undisturbed(replace(Counting(), pause=0.0), tmp_path / "one")
        assert_same(all_rows(Counting(), open_store(Counting(), tmp_path / "both")), expected)

    def test_in_lockstep_they_still_share(self, tmp_path):
        """Two runs that begin every task at the same moment, as in the same second on two processors alike."""
        experiment, done = Counting(images=30, pause=0.0), []
        results = open_store(experiment, tmp_path)
        steps = [Missing(results, "first", 30) for _ in range(2)]
        each = [iter(missing) for missing in steps]
        while True:
            items = [next(missing, None) for missing in each]
            if items == [None, None]:
                break
            for missing, item in zip(steps, items, strict=True):
                if item is not None:
                    done.append(item)
                    missing.shared |= not results.add("first", item, 0, {"image": item})
        assert set(done) == set(range(30)) and len(done) < 45
        assert not list(Missing(results, "first", 30))

    def test_each_task_is_given_once_though_nobody_does_it(self, tmp_path):
        """As a cluster asks: for all of them at the beginning."""
        missing = Missing(open_store(Counting(), tmp_path), "first", 40)
        assert len(missing) == 40 and list(missing) == list(range(40)) and not list(missing)

    def test_two_commands_and_the_page(self, tmp_path, monkeypatch):
        """Both end well with the same table, that of a single run; the page only ever sees whole rows, and no fewer."""
        monkeypatch.setenv("SPT_RUNS", str(tmp_path / "runs"))
        experiment = cheap(20)
        folder = folder_of(experiment)
        both = [start(experiment, folder) for _ in range(2)]
        seen = [0]
        while any(process.poll() is None for process in both):
            rows = kept_rows(experiment)["images"]
            assert all({"image", "bilinear", "bicubic"} <= row.keys() for row in rows)
            seen.append(len(rows))
            time.sleep(0.05)
        said = [process.communicate() for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        assert said[0][0] == said[1][0] and "ours, digits" in said[0][0]
        assert seen == sorted(seen) and len(kept_rows(experiment)["images"]) == 20
        assert_same(table_in(folder, experiment), undisturbed(experiment, tmp_path / "one"))
        assert {path.suffix for path in folder.iterdir()} <= {".csv", ".json", ".sqlite", ".sqlite-wal", ".sqlite-shm"}

    def test_one_of_fewer_images_does_not_write_over_the_table_of_more(self, tmp_path, monkeypatch, capsys):
        few, more = cheap(2), cheap(4)

        def overtaken(*arguments, **given):
            rows = run(*arguments, **given)
            write_tables(more, undisturbed(more, tmp_path), tmp_path, "")
            return rows

        monkeypatch.setattr("spt.experiments.run", overtaken)
        assert main(command(few, tmp_path)) == 2
        assert "has 4 images already: ask for as many at least" in capsys.readouterr().err
        assert len(table_in(tmp_path, more)["images"]) == 4


class TestFileInUse:
    def test_many_open_a_new_file_at_once(self, tmp_path):
        failures = []

        def open_and_add(path: Path, number: int) -> None:
            barrier.wait()
            try:
                Store(path, {"a": 1}).add("images", number, 0, {"image": number})
            except Exception as error:
                failures.append(error)

        for turn in range(10):
            barrier, path = threading.Barrier(8), tmp_path / f"{turn}.sqlite"
            threads = [threading.Thread(target=open_and_add, args=(path, number)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not failures
            assert Store(path).done("images") == set(range(8))

    @pytest.mark.parametrize(("exclusively", "reads"), [(False, False), (True, False), (True, True)])
    def test_who_has_to_wait_says_so(self, tmp_path, monkeypatch, caplog, exclusively, reads):
        monkeypatch.setattr(store, "WORD", 0.1)
        kept = Store(tmp_path / "a.sqlite", {"a": 1})
        done = []
        with caplog.at_level(logging.WARNING), held(kept.path, exclusively) as other:
            act = (lambda: kept.rows("images")) if reads else (lambda: kept.add("images", 0, 5, {"value": 1}))
            thread = threading.Thread(target=lambda: done.append(act()))
            thread.start()
            until = time.monotonic() + 60
            while not caplog.messages and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(0.3)
            assert not done
            other.execute("COMMIT")
            if exclusively:
                other.close()
            thread.join(60)
        assert done == [{} if reads else True] and kept.rows("images") == ({} if reads else {0: {"value": 1}})
        assert caplog.messages == [f"{kept.path} is in use by another program: waiting for it, at most 300 s."]

    def test_who_waited_too_long_says_one_sentence(self, tmp_path, monkeypatch, capsys, caplog):
        """The command ends with it, no row is lost, and run again it goes on."""
        monkeypatch.setattr(store, "WORD", 0.1)
        monkeypatch.setattr(store, "PATIENCE", 0.5)
        experiment = cheap(3)
        kept = open_store(experiment, tmp_path)
        undisturbed(cheap(2), tmp_path)
        before = kept.rows("images")
        with held(kept.path):
            assert main(command(experiment, tmp_path)) == 2
        assert capsys.readouterr().err.splitlines()[-1] == (
            f"error: {kept.path} is in use by another program: wait until that has ended, and run it again; it keeps what was "
            "written."
        )
        assert "waiting for it" in caplog.text
        assert kept.rows("images") == before and len(before) == 2
        assert main(command(experiment, tmp_path)) == 0
        assert table_in(tmp_path, experiment)["images"][:2] == list(before.values())
        assert_same(table_in(tmp_path, experiment), undisturbed(experiment, tmp_path / "one"))

    def test_who_reads_does_not_wait(self, tmp_path, monkeypatch):
        monkeypatch.setattr(store, "PATIENCE", 0.0)
        experiment = Counting(images=3, pause=0.0)
        rows = undisturbed(experiment, tmp_path)
        with held(tmp_path / f"{experiment.stem}.sqlite"):
            assert all_rows(experiment, open_store(experiment, tmp_path)) == rows

    def test_a_wait_that_ends_soon_is_not_mentioned(self, tmp_path, caplog):
        kept = Store(tmp_path / "a.sqlite", {"a": 1})
        with held(kept.path) as other:
            threading.Timer(0.3, other.execute, ["COMMIT"]).start()
            assert kept.add("images", 0, 5, {"value": 1})
        assert not caplog.messages


class TestKilled:
    @pytest.mark.parametrize("before", [0, 2])
    def test_between_the_two_files_of_a_table(self, tmp_path, monkeypatch, before):
        """The table is written again, whether there was one of fewer images or none."""
        if before:
            assert main(command(cheap(before), tmp_path)) == 0
        experiment, write = cheap(4), tables.write_together

        def killed(files):
            write({path: text for path, text in files.items() if path.suffix == ".csv"})
            raise SystemExit("killed")

        monkeypatch.setattr(tables, "write_together", killed)
        with pytest.raises(SystemExit):
            main(command(experiment, tmp_path))
        monkeypatch.undo()
        with pytest.raises(ValueError, match=r"has lost|are not a result of"):
            table_in(tmp_path, experiment)
        measured = []
        monkeypatch.setattr(type(experiment), "measure", lambda *arguments: measured.append(arguments))
        assert main(command(experiment, tmp_path)) == 0 and not measured
        monkeypatch.undo()
        assert_same(table_in(tmp_path, experiment), undisturbed(experiment, tmp_path / "one"))

    def test_a_reader_waits_for_the_second_file(self, tmp_path, monkeypatch):
        experiment = cheap(2)
        rows = undisturbed(experiment, tmp_path)
        _, record = write_tables(experiment, rows, tmp_path, "")
        text = record.read_text(encoding="utf-8")
        record.unlink()
        monkeypatch.setattr("spt.experiments.stored.time.sleep", lambda _: record.write_text(text, encoding="utf-8"))
        assert load_stored(tmp_path, type(experiment), experiment.stem).rows == rows

    @pytest.mark.slow
    def test_the_command_twenty_times_at_random_moments(self, tmp_path):
        """SIGKILL from the first moment to the last, each time started again until all is there: the table and the rows are
        those of a run that nobody disturbed."""
        experiment = cheap(20, n_betas=20, n_points=100)
        begun = time.monotonic()
        process = start(experiment, tmp_path / "one")
        assert process.communicate()[0] and process.returncode == 0
        duration = time.monotonic() - begun
        expected = read_csv(
            (tmp_path / "one" / f"{experiment.stem}.csv").read_text(encoding="utf-8"), experiment.stages
        )
        assert len(expected["images"]) == 20
        moments, kills, whole = random.Random(0), 0, 0
        while kills < 20:
            folder, count = tmp_path / f"killed {whole}", 0
            while True:
                process = start(experiment, folder)
                if kills < 20:
                    time.sleep(moments.uniform(0.0, 1.1 * duration))
                    process.send_signal(signal.SIGKILL)
                out, error = process.communicate()
                kills += process.returncode == -signal.SIGKILL
                if process.returncode == 0:
                    break
                assert process.returncode == -signal.SIGKILL, error
                if (folder / f"{experiment.stem}.sqlite").is_file():
                    rows = all_rows(experiment, open_store(experiment, folder))["images"]
                    assert len(rows) >= count, "a row was lost"
                    count = len(rows)
            whole += 1
            assert "ours, digits" in out
            assert_same(table_in(folder, experiment), expected)
            assert_same(all_rows(experiment, open_store(experiment, folder)), expected)
            print(f"{kills} kills, whole {whole} times")
