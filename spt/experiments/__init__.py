"""The experiments of the paper, one file each: settings, tasks, and the line of the table.

`EXPERIMENTS` lists them; `configure` makes one from a preset, `run` does its tasks and keeps every row on disk, `tables`
sets its line beside the paper's. A new experiment is one file with a subclass of `Experiment`, and its line here.
"""

from spt.experiments.bicubic import Bicubic
from spt.experiments.experiment import Entry, Experiment, Row, Rows, Share, configure
from spt.experiments.indiv import Individual
from spt.experiments.radius import Radius
from spt.experiments.refinement import InverseRefinement
from spt.experiments.running import all_rows, open_store, run
from spt.experiments.store import Store
from spt.experiments.table2 import Table2
from spt.experiments.table3 import Table3
from spt.experiments.table4 import Table4
from spt.experiments.table11 import Table11
from spt.experiments.table12 import Table12

EXPERIMENTS: dict[str, type[Experiment]] = {
    kind.name: kind
    for kind in (Table2, Table3, Table4, Individual, Table11, Table12, InverseRefinement, Radius, Bicubic)
}


def get_experiment(name: str) -> type[Experiment]:
    """The experiment called ``name``; ValueError lists the known ones."""
    if name not in EXPERIMENTS:
        raise ValueError(f"Unknown experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]


__all__ = [
    "EXPERIMENTS",
    "Entry",
    "Experiment",
    "Row",
    "Rows",
    "Share",
    "Store",
    "all_rows",
    "configure",
    "get_experiment",
    "open_store",
    "run",
]
