"""Quick runs: an experiment in the background, each row kept on disk as it comes, with Stop.

A worker thread holds plain data and an Event and makes no Streamlit call. The page looks at it while it is open; when nobody
has looked for some seconds the worker ends by itself, after the row that it is at. Its rows are in a folder of this user, one
for each setting, network, data set and version of the code, so a run that was stopped goes on where it was.
"""

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from spt.experiments import Experiment, Rows, all_rows, open_store, run
from spt.experiments.running import check_rows, in_this_process
from spt.experiments.tables import commit
from spt.ui.shared.background import one_thread
from spt.ui.shared.session import Key

RUNS_VARIABLE = "SPT_RUNS"
UNSEEN = 10.0  # seconds after which a run that nobody looks at ends
AT_ONCE = threading.BoundedSemaphore(1)  # runs on this server


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
        self.waits = True
        self.failure: Exception | None = None
        self.begun = self.started = self.seen = time.monotonic()
        self._stop = threading.Event()
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
        """Whether its thread has ended: a worker that was stopped finishes the row that it is at."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End after the present row, which is kept."""
        self._stop.set()

    def look(self) -> None:
        """Tell the worker that somebody looks at it."""
        self.seen = time.monotonic()

    def seconds_left(self) -> float | None:
        """An estimate for the stage it is at, None as long as there is none."""
        if not self.done:
            return None
        return (time.monotonic() - self.started) / self.done * (self.missing - self.done)

    def _check(self) -> None:
        if self._stop.is_set() or time.monotonic() - self.seen > UNSEEN:
            raise _Stopped

    def _progress(self, items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterator[Any]:
        self.stage, self.done, self.missing, self.started = desc.rpartition(": ")[2], 0, total or 0, time.monotonic()
        self._check()
        for item in items:
            yield item  # the row is kept when this goes on
            self.done += 1
            self._check()

    def _run(self) -> None:
        try:
            if self._after:
                self._after.join()
            while not AT_ONCE.acquire(timeout=0.1):
                self._check()
            try:
                self.waits = False
                with one_thread():
                    store = open_store(self._experiment, self._folder)
                    run(self._experiment, store, in_this_process(self._device), self._progress)
            finally:
                AT_ONCE.release()
        except _Stopped:
            pass
        except Exception as error:  # handed to the page
            self.failure = error


# ------------------------------------------------------------------------------------------------- the session's worker


def current(experiment: Experiment) -> Worker | None:
    """The worker of this experiment, if the last one started is; a worker of anything else is told to stop."""
    worker = st.session_state.get("experiment_worker")
    if not isinstance(worker, Worker):
        return None
    if worker.key != key_of(experiment):
        worker.stop()
        return None
    worker.look()
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
