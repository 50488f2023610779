"""The tasks of an experiment on Dask distributed: worker processes here, or a cluster that is named by its address.

Workers compute, this process alone writes: a worker that dies loses only the tasks it held, which others do again; none is
counted twice. A worker whose classifier or image is not the one that it is here is refused, in the task. Needs the optional
package `distributed` (the extra cluster), on the workers too.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from spt.experiments.experiment import Experiment, Row, Rows
from spt.experiments.running import Scheduler
from spt.experiments.store import difference

DEATHS = 10
"""How many workers may die with a task before it is blamed."""


@contextmanager
def on_cluster(
    address: str, workers: int | None = None, device: str = "cpu", timeout: float = 20.0
) -> Iterator[Scheduler]:
    """A scheduler on the cluster at ``address`` (tcp://...), or on worker processes of this machine ("local").

    Each worker does one task at a time. With ``device`` "cuda" a local cluster has one worker for each GPU, which
    sees only its own. ValueError, one sentence, if Dask is not installed or the cluster cannot be reached.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ValueError(
            "--scheduler needs Dask, here and on the workers: pip install 'distributed>=2025.1'."
        ) from error
    dask.config.set({"distributed.scheduler.allowed-failures": DEATHS})
    local = address == "local"
    if not local and not address.startswith(("tcp://", "tls://")):
        raise ValueError(f"The scheduler must be local or an address such as tcp://host:8786, but is {address!r}.")
    threads = None
    with ExitStack() as opened:
        try:
            if local:
                count = workers or (_gpus() if device.startswith("cuda") else _processors())
                threads = max(1, _processors() // count)
                cluster = LocalCluster(n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None)
                address = opened.enter_context(cluster).scheduler_address
            client = opened.enter_context(Client(address, timeout=timeout))
        except OSError as error:
            raise ValueError(f"There is no Dask scheduler at {address}: {error}.") from error
        yield scheduler_of(client, device, threads)


def scheduler_of(client: Any, device: str = "cpu", threads: int | None = None) -> Scheduler:
    """A scheduler on the workers of a Dask client; ``threads`` for each, None as they are."""
    from distributed import as_completed

    def schedule(experiment: Experiment, stage: str, items: Iterable[int], earlier: Rows) -> Iterator[tuple[int, Row]]:
        here = experiment.provenance()
        futures = [
            client.submit(
                _measure,
                experiment,
                stage,
                item,
                earlier,
                device,
                threads,
                here | experiment.about(stage, item),
                pure=False,
            )
            for item in items
        ]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            client.cancel(futures)

    return schedule


def _measure(
    experiment: Experiment,
    stage: str,
    item: int,
    earlier: Rows,
    device: str,
    threads: int | None,
    expected: dict[str, Any],
) -> tuple[int, Row]:
    """One task on a worker, with its share of the processors; local workers share the GPUs by their number.

    ``expected`` is what the classifier and the image are where the run was started; ValueError if they are others here.
    """
    import torch
    from distributed import get_worker

    if threads is not None:
        torch.set_num_threads(threads)
        number = get_worker().name
        if device == "cuda" and isinstance(number, int):
            device = f"cuda:{number % _gpus()}"
    differ = difference(experiment.provenance() | experiment.about(stage, item), expected)
    if differ:
        raise ValueError(
            f"The worker {get_worker().address} has another classifier or other data than this machine ({differ}): give all "
            "the same files and the same SPT_DATA."
        )
    return item, experiment.measure(stage, item, earlier, device)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpus() -> int:
    import torch

    return max(1, torch.cuda.device_count())
