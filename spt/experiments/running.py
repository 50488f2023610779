"""Running an experiment: stage by stage, every task that has no row yet, each row kept as soon as it is there.

Stopped at any moment and run again it goes on. Where the tasks are done is a scheduler's business: this process
(`in_this_process`), or a Dask cluster (`spt.experiments.cluster`).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from spt.experiments.experiment import Experiment, Row, Rows
from spt.experiments.store import Store, difference
from spt.experiments.stored import load_stored
from spt.progress import Progress, silent

Scheduler = Callable[[Experiment, str, list[int], Rows], Iterator[tuple[int, Row]]]
"""Does the items of a stage, in any order, and gives each with its row."""


def in_this_process(device: str = "cpu") -> Scheduler:
    """One task after the other, here."""

    def schedule(experiment: Experiment, stage: str, items: list[int], earlier: Rows) -> Iterator[tuple[int, Row]]:
        for item in items:
            yield item, experiment.measure(stage, item, earlier, device)

    return schedule


def open_store(experiment: Experiment, folder: Path) -> Store:
    """The file of this experiment in a folder of results, with the rows of a table that is stored there.

    ValueError, one sentence, if file or table are of other settings, or the table has more images than are asked for.
    """
    table = folder / f"{experiment.stem}.json"
    stored = load_stored(folder, type(experiment), experiment.stem) if table.is_file() else None
    if stored is not None:
        differ = difference(stored.experiment.identity, experiment.identity)
        if differ:
            raise ValueError(f"{table} holds results of other settings ({differ}): name another folder.")
        if stored.experiment.images > experiment.images:
            raise ValueError(
                f"{table} has {stored.experiment.images} images already: ask for as many at least, or name another folder."
            )
    store = Store(folder / f"{experiment.stem}.sqlite", experiment.identity)
    if stored is not None:
        for stage, rows in stored.rows.items():
            done = store.done(stage)
            for item, row in enumerate(rows):
                if item not in done:
                    store.add(stage, item, experiment.seed_of(stage, item), row)
    return store


def run(
    experiment: Experiment, store: Store, scheduler: Scheduler | None = None, progress: Progress = silent
) -> dict[str, list[Row]]:
    """Do what is not done yet; returns the rows of all stages. ``progress`` is tqdm-shaped and may raise to stop."""
    scheduler = scheduler or in_this_process()
    complete: dict[str, list[Row]] = {}
    for stage in experiment.stages:
        count, done = experiment.items(stage), store.done(stage)
        missing = [item for item in range(count) if item not in done]
        steps = scheduler(experiment, stage, missing, complete) if missing else iter(())
        for item, row in progress(steps, desc=f"{experiment.name}: {stage}", total=len(missing)):
            store.add(stage, item, experiment.seed_of(stage, item), row)
        complete[stage] = rows_of(experiment, store, stage)
    return complete


def rows_of(experiment: Experiment, store: Store, stage: str) -> list[Row]:
    """The rows that a stage has so far, in the order of its items."""
    count = experiment.items(stage)
    return [row for item, row in store.rows(stage).items() if item < count]


def all_rows(experiment: Experiment, store: Store) -> dict[str, list[Row]]:
    """The rows that every stage has so far."""
    return {stage: rows_of(experiment, store, stage) for stage in experiment.stages}
