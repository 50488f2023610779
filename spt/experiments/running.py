"""Running an experiment: stage by stage, every task that has no row yet, each row kept as soon as it is there.

Stopped at any moment and run again it goes on, but never with another network or other data: the store knows the network (see
`Experiment.provenance`), every row its image (see `Experiment.about`), and what differs is refused. Machine, number of threads,
version of torch and commit may change: they are noted, and stand in the table. Where the tasks are done is a scheduler's
business: this process (`in_this_process`), or a Dask cluster (`spt.experiments.cluster`).
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spt.experiments.experiment import Experiment, Row, Rows
from spt.experiments.store import Store, difference, refuse_other
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

    ValueError, one sentence, if file or table are of other settings or of another network, if the table does not say which
    network made it (those written before that was recorded: nothing can be added to them), if it has lost one of its two
    files, or if it has more images than are asked for.
    """
    table = folder / f"{experiment.stem}.json"
    there = table.exists() or table.with_suffix(".csv").exists()
    stored = load_stored(folder, type(experiment), experiment.stem) if there else None
    provenance = experiment.provenance()
    wanted = experiment.identity | provenance
    if stored is not None:
        refuse_other(table, stored.experiment.identity | stored.provenance, wanted)
        if stored.experiment.images > experiment.images:
            raise ValueError(
                f"{table} has {stored.experiment.images} images already: ask for as many at least, or name another folder."
            )
    store = Store(folder / f"{experiment.stem}.sqlite", wanted)
    if stored is not None:
        store.note(stored.origin)
        for stage, rows in stored.rows.items():
            done = store.done(stage)
            for item, row in enumerate(rows):
                if item not in done:
                    store.add(stage, item, experiment.seed_of(stage, item), row)
    return store


def run(
    experiment: Experiment,
    store: Store,
    scheduler: Scheduler | None = None,
    progress: Progress = silent,
    origin: Mapping[str, Any] | None = None,
) -> dict[str, list[Row]]:
    """Measure the rows that are missing; returns the rows of all stages. ``progress`` is tqdm-shaped and may raise to stop.

    ``origin`` (machine, versions) is noted in the store if a row is added. ValueError, one sentence, if a row that was there, or
    that another process added meanwhile, is of another image than its task has here.
    """
    scheduler = scheduler or in_this_process()
    complete: dict[str, list[Row]] = {}
    ours = check_rows(experiment, store)
    for stage in experiment.stages:
        count, done = experiment.items(stage), store.done(stage)
        missing = [item for item in range(count) if item not in done]
        steps = scheduler(experiment, stage, missing, complete) if missing else iter(())
        for item, row in progress(steps, desc=f"{experiment.name}: {stage}", total=len(missing)):
            if origin is not None:
                store.note(origin)
                origin = None
            if store.add(stage, item, experiment.seed_of(stage, item), row):
                ours.add((stage, item))
        check_rows(experiment, store, ours)
        complete[stage] = rows_of(experiment, store, stage)
    return complete


def check_rows(experiment: Experiment, store: Store, known: set[tuple[str, int]] | None = None) -> set[tuple[str, int]]:
    """ValueError, one sentence, if a row is of another image than its task has now; returns which rows were checked.

    Those in ``known`` (stage and item) are taken to be right; the set grows by the others.
    """
    known = set() if known is None else known
    for stage in experiment.stages:
        count = experiment.items(stage)
        for item, row in store.rows(stage).items():
            if item >= count or (stage, item) in known:
                continue
            about = experiment.about(stage, item)
            if unsaid := [name for name in about if name not in row]:
                raise ValueError(
                    f"{store.path} does not say which image row {item} of {stage} is of (no {', '.join(unsaid)}): name another "
                    "folder."
                )
            if differ := difference({name: row[name] for name in about}, about):
                raise ValueError(
                    f"{store.path} was measured on other data: row {item} of {stage} has {differ}, which {experiment.dataset} "
                    "has now; name another folder."
                )
            known.add((stage, item))
    return known


def rows_of(experiment: Experiment, store: Store, stage: str) -> list[Row]:
    """The rows that a stage has so far, in the order of its items."""
    count = experiment.items(stage)
    return [row for item, row in store.rows(stage).items() if item < count]


def all_rows(experiment: Experiment, store: Store) -> dict[str, list[Row]]:
    """The rows that every stage has so far."""
    return {stage: rows_of(experiment, store, stage) for stage in experiment.stages}
