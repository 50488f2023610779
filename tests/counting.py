"""An experiment of no cost for tests of how rows are kept; ``python tests/counting.py FOLDER`` runs it in another process, which
prints its tasks."""

import random
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from spt.experiments.experiment import Experiment, Row, Rows
from spt.experiments.running import in_this_process, open_store, run


@dataclass(frozen=True)
class Counting(Experiment):
    """An experiment of no cost: its tasks take a moment, and its rows are known."""

    name: ClassVar[str] = "counting"
    title: ClassVar[str] = "Counting"
    question: ClassVar[str] = "How far does it get?"
    stages: ClassVar[tuple[str, ...]] = ("first", "second")

    images: int = 40
    pause: float = 0.01

    def provenance(self):
        return {"network": "none"}

    def about(self, stage, item):
        return {"image": item}

    def measure(self, stage, item, earlier, device):
        time.sleep(self.pause)
        base = sum(row["value"] for row in earlier["first"]) if stage == "second" else 0
        value = base + random.Random(self.seed_of(stage, item)).randrange(1000)
        return {"image": item, "value": value, "seconds": time.perf_counter()}

    def summary(self, rows):
        return {"images": float(len(rows["second"])), "sum": float(sum(row["value"] for row in rows["second"]))}


def telling(experiment: Experiment, stage: str, items: Iterable[int], earlier: Rows) -> Iterator[tuple[int, Row]]:
    """A scheduler that prints what it does."""
    for item, row in in_this_process()(experiment, stage, items, earlier):
        print(stage, item, flush=True)
        yield item, row


if __name__ == "__main__":
    run(Counting(), open_store(Counting(), Path(sys.argv[1])), telling)
