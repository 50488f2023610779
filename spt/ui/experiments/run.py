"""Quick runs: an experiment in the background, each row kept on disk as it comes, with Stop.

A worker thread holds plain data and an Event and makes no Streamlit call. It takes its turn in the line of the server for each
row. When it is stopped, its page is left or its tab is closed, it ends at the next step of the row that it is at, which is dropped.
Its rows are in a folder of this user, one for each setting, network, data set and version of the code, so a run that was stopped
goes on where it was.
"""

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import streamlit as st

from spt import faults
from spt.experiments import Experiment, Rows, all_rows, open_store, run
from spt.experiments.running import check_rows, in_this_process
from spt.experiments.tables import commit
from spt.progress import between_steps
from spt.ui.shared import gate
from spt.ui.shared.background import one_thread
from spt.ui.shared.session import Key, tab_is_open

RUNS_VARIABLE = "SPT_RUNS"


def folder_of(experiment: Experiment) -> Path:
    """Where the rows of a quick run are: in the folder that SPT_RUNS names, else in this user's cache folder."""
    named, cache = os.environ.get(RUNS_VARIABLE), os.environ.get("XDG_CACHE_HOME")
    folder = Path(named) if named else Path(cache or Path.home() / ".cache") / "spt-explorer" / "runs"
    identity = repr(
        (sorted(experiment.identity.items()), _made_from(replace(experiment, images=1)), _version(), device())
    )
    return folder / hashlib.sha256(identity.encode()).hexdigest()[:16]


@lru_cache(maxsize=64)
def _made_from(experiment: Experiment) -> str:
    """The network and the first image, by their digests: with others a run begins anew; ValueError if they are not there."""
    return repr((experiment.provenance(), experiment.about(experiment.stages[-1], 0)))


@lru_cache(maxsize=64)
def _checked(folder: Path) -> set[tuple[str, int]]:
    """Which rows in a folder were found to be of the images that are here."""
    return set()


@lru_cache(maxsize=1)
def _version() -> str | None:
    return commit()


@lru_cache(maxsize=1)
def device() -> str:
    """Where quick runs compute."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def key_of(experiment: Experiment) -> Key:
    """Everything that decides a run, as plain values."""
    return (*sorted(experiment.identity.items()), experiment.images)


def kept_rows(experiment: Experiment) -> Rows:
    """The rows of a quick run so far; ValueError or OSError where they cannot be read."""
    folder = folder_of(experiment)
    if not (folder / f"{experiment.stem}.sqlite").is_file():
        return {stage: [] for stage in experiment.stages}
    store = open_store(experiment, folder)
    check_rows(experiment, store, _checked(folder))
    return all_rows(experiment, store)


class _Stopped(Exception):
    """Raised in the worker when it is to end."""


class Worker:
    """One run in the background."""

    def __init__(self, experiment: Experiment, after: "Worker | None" = None) -> None:
        self.key = key_of(experiment)
        self.stage, self.done, self.missing = "", 0, 0  # of the stage it is at
        self.failure: Exception | None = None
        self.begun = self.started = time.monotonic()
        self._stop, self._tab_is_open = threading.Event(), tab_is_open()
        self._ticket = gate.GATE.ticket("long")
        self._experiment, self._folder, self._device = experiment, folder_of(experiment), device()
        self._after: threading.Thread | None = after._thread if after else None
        self._thread: threading.Thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether rows are still to come from it."""
        return self._thread.is_alive() and not self._stop.is_set()

    @property
    def ended(self) -> bool:
        """Whether its thread has ended: a worker that was stopped goes on to the next step of the row that it is at."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End at the next step; the present row is dropped, those before it are kept."""
        self._stop.set()

    @property
    def waits(self) -> bool:
        """Whether it has to wait for others on this server."""
        return not self._ticket.has_slot

    @property
    def place_in_line(self) -> str:
        """Where it stands, in words."""
        return gate.in_words(self._ticket)

    def seconds_left(self) -> float | None:
        """An estimate for the stage it is at, None as long as there is none."""
        if not self.done:
            return None
        return (time.monotonic() - self.started) / self.done * (self.missing - self.done)

    def _check(self) -> None:
        if self._stop.is_set() or not self._tab_is_open():
            raise _Stopped

    def _progress(self, items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterator[Any]:
        self.stage, self.done, self.missing, self.started = desc.rpartition(": ")[2], 0, total or 0, time.monotonic()
        self._check()
        for item in items:
            yield item  # the row is kept when this goes on
            self.done += 1
            self._check()
            self._ticket.go_last()
            self._ticket.wait_for_slot(self._check)

    def _run(self) -> None:
        try:
            if self._after:
                self._after.join()
            self._ticket.enter()
            self._ticket.wait_for_slot(self._check)
            with one_thread(), between_steps(partial(self._ticket.slice_ends, self._check)):
                store = open_store(self._experiment, self._folder)
                run(self._experiment, store, in_this_process(self._device), self._progress)
        except _Stopped:
            pass
        except Exception as error:  # handed to the page
            faults.let_go(error)
            self.failure = error
        finally:
            self._ticket.leave()
            kind = self._experiment
            gate.note(self._ticket, "experiment", self.begun, {"experiment": kind.stem, "images": kind.images})


# ------------------------------------------------------------------------------------------------- the session's worker


def current(experiment: Experiment) -> Worker | None:
    """The worker of this experiment, if the last one started is; a worker of anything else is told to stop."""
    worker = st.session_state.get("experiment_worker")
    if not isinstance(worker, Worker):
        return None
    if worker.key != key_of(experiment):
        worker.stop()
        return None
    return worker


def start(experiment: Experiment) -> None:
    """Start a run, or go on with it."""
    before = st.session_state.get("experiment_worker")
    if isinstance(before, Worker):
        before.stop()
    st.session_state["experiment_worker"] = Worker(experiment, before if isinstance(before, Worker) else None)


def stop() -> None:
    """Stop the session's run, if there is one."""
    worker = st.session_state.get("experiment_worker")
    if isinstance(worker, Worker):
        worker.stop()
