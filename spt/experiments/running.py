"""Running an experiment: stage by stage, every task that has no row yet, each row kept as soon as it is there.

Stopped at any moment and run again it goes on, but never with another network or other data: the store knows the network (see
`Experiment.provenance`), every row its image (see `Experiment.about`), and what differs is refused. Machine, number of threads,
version of torch and commit may change: they are noted, and stand in the table. Where the tasks are done is a scheduler's
business: this process (`in_this_process`), or a Dask cluster (`spt.experiments.cluster`). Several processes may run one experiment
in one folder: they share its tasks (`Missing`).
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spt.experiments.experiment import Experiment, Row, Rows
from spt.experiments.store import Store, difference, refuse_other
from spt.experiments.stored import Stored, load_stored
from spt.progress import Progress, silent

Scheduler = Callable[[Experiment, str, Iterable[int], Rows], Iterator[tuple[int, Row]]]
"""Does the items of a stage, in any order, and gives each with its row."""


def in_this_process(device: str = "cpu") -> Scheduler:
    """One task after the other, here."""

    def schedule(experiment: Experiment, stage: str, items: Iterable[int], earlier: Rows) -> Iterator[tuple[int, Row]]:
        for item in items:
            yield item, experiment.measure(stage, item, earlier, device)

    return schedule


class Missing:
    """The tasks of a stage that have no row, each given once, when it is asked for.

    What another process has done meanwhile is left out. They come in order; at random once ``shared`` is set, because another
    process was found at the same task, so that two which go on side by side do not do everything twice.
    """

    def __init__(self, store: Store, stage: str, count: int) -> None:
        self.shared = False
        self._store, self._stage = store, stage
        self._left = set(range(count)) - store.done(stage)

    def __len__(self) -> int:
        return len(self._left)

    def __iter__(self) -> Iterator[int]:
        draw = random.Random()  # no row depends on it
        while self._left:
            item = draw.choice(sorted(self._left)) if self.shared else min(self._left)
            self._left.remove(item)
            yield item
            self._left -= self._store.done(self._stage)


def open_store(experiment: Experiment, folder: Path) -> Store:
    """The file of this experiment in a folder of results, with the rows of a table that is stored there.

    ValueError, one sentence, if file or table are of other settings or of another network, if the table does not say which
    network made it (those written before that was recorded: nothing can be added to them), if it has lost one of its two
    files and there is no file of its rows, or if it has more images than are asked for.
    """
    wanted = experiment.identity | experiment.provenance()
    stored = _table(experiment, folder, wanted)
    store = Store(folder / f"{experiment.stem}.sqlite", wanted)
    if stored is not None:
        store.note(stored.origin)
        for stage, rows in stored.rows.items():
            done = store.done(stage)
            for item, row in enumerate(rows):
                if item not in done:
                    store.add(stage, item, experiment.seed_of(stage, item), row)
    return store


def refuse_fewer(experiment: Experiment, folder: Path) -> None:
    """ValueError, one sentence, if the table in a folder has more images than this experiment, which may be since it began."""
    _table(experiment, folder, experiment.identity | experiment.provenance())


def _table(experiment: Experiment, folder: Path, wanted: Mapping[str, Any]) -> Stored | None:
    """The table of this experiment in a folder of results, None if there is none; ValueError as in `open_store`."""
    table = folder / f"{experiment.stem}.json"
    if not (table.exists() or table.with_suffix(".csv").exists()):
        return None
    try:
        stored = load_stored(folder, type(experiment), experiment.stem)
    except ValueError:
        if not table.with_suffix(".sqlite").is_file():
            raise
        return None  # a run was killed, or is at work, between the two files: all rows are in the file of rows
    refuse_other(table, stored.experiment.identity | stored.provenance, wanted)
    if stored.experiment.images > experiment.images:
        raise ValueError(
            f"{table} has {stored.experiment.images} images already: ask for as many at least, or name another folder."
        )
    return stored


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
        missing = Missing(store, stage, experiment.items(stage))
        steps = scheduler(experiment, stage, missing, complete) if missing else iter(())
        for item, row in progress(steps, desc=f"{experiment.name}: {stage}", total=len(missing)):
            if origin is not None:
                store.note(origin)
                origin = None
            if store.add(stage, item, experiment.seed_of(stage, item), row):
                ours.add((stage, item))
            else:
                missing.shared = True
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
