"""Table 4 on CIFAR-10, ±10° and ±30°, with the newest certificate and the best classifier that is there.

Rows go to the SQLite files of `spt.experiments` in the folder of results as they come in; a later run goes on. Searches wait for
the host more than for the device, so several processes share it.
"""

import multiprocessing
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

import spt.classifiers
from gpu_parts.run import OutOfTimeError, Run
from spt.classifiers import forget_loaded
from spt.experiments import Table4, configure
from spt.experiments.experiment import Experiment, Row, Rows
from spt.experiments.running import all_rows, in_this_process, open_store
from spt.experiments.running import run as run_experiment
from spt.experiments.tables import as_markdown, beside_the_paper, origin

IMAGES = 500
RANGES: tuple[dict[str, Any], ...] = (
    {"form": "one-ball", "limit": 10.0, "parameter_sigma": 20.0, "n_gamma": 25, "n_more": 100},
    {"form": "one-ball", "limit": 30.0, "parameter_sigma": 40.0, "n_gamma": 50},
)


def use(folder: str) -> None:
    """Let classifiers be looked for in this folder of results; one thread for each process."""
    spt.classifiers.MODELS_FOLDER = Path(folder)
    torch.set_num_threads(1)
    forget_loaded()


def measure(run: Run) -> None:
    """Both ranges, each in its half of the time."""
    trained = (run.out / f"{run.recipe}.safetensors").is_file()
    before = spt.classifiers.MODELS_FOLDER
    folder = str(run.out if trained else before)
    try:
        spt.classifiers.MODELS_FOLDER = Path(folder)
        forget_loaded()
        for left, settings in ((2, RANGES[0]), (1, RANGES[1])):
            settings = settings | ({"n_gamma": 4, "n_more": None, "limit": 1.0 * left} if run.rehearse else {})
            settings |= {
                "classifier": run.recipe if trained else "cifar10-smooth",
                "images": 2 if run.rehearse else IMAGES,
            }
            _table(run, configure(Table4, dataset="cifar10", **settings), run.left / left, folder)
    finally:
        spt.classifiers.MODELS_FOLDER = before
        forget_loaded()


def _table(run: Run, experiment: Experiment, seconds: float, folder: str) -> None:
    store = open_store(experiment, run.out)
    scheduler = in_this_process(run.device)
    if run.workers > 1:
        scheduler = partial(in_processes, run.device, run.workers, folder)
    title = f"Table 4, CIFAR-10, {experiment.within(getattr(experiment, 'limit', 0.0))}, {experiment.classifier}"
    stopped = ""
    try:
        run_experiment(experiment, store, scheduler, run.until(seconds), origin(run.device))
    except OutOfTimeError as error:
        stopped = str(error)
    rows = all_rows(experiment, store)
    count = len(rows["images"])
    if count:
        run.table(title, [], as_markdown(beside_the_paper(experiment, experiment.summary(rows))))
    run.values[experiment.stem] = count
    run.keep()
    if stopped and not count:
        raise OutOfTimeError(f"no row of {experiment.stem}: {stopped}")


def in_processes(
    device: str, workers: int, folder: str, experiment: Experiment, stage: str, items: list[int], earlier: Rows
) -> Iterator[tuple[int, Row]]:
    """A scheduler of `spt.experiments`: so many processes on one device, all of them ended (and their memory free) at the end."""
    with multiprocessing.get_context("spawn").Pool(workers, use, (folder,)) as pool:
        yield from pool.imap_unordered(partial(_row, experiment, stage, earlier, device), items)


def _row(experiment: Experiment, stage: str, earlier: Rows, device: str, item: int) -> tuple[int, Row]:
    return item, experiment.measure(stage, item, earlier, device)
