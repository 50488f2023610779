"""What all parts share: how long they may take, on which device, and where what they find is kept.

Everything found is in gpu.json, and again, to be read, in gpu.md. Both are written anew with every table, to a temporary name
that is then renamed: a run that is killed keeps what it had found.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

LARGEST_FILE = 15 << 20
"""Bytes: what is kept is in files of less than 16 MiB each."""

WRONG = "What went wrong"

Rows = list[list[str]]


class OutOfTimeError(Exception):
    """The part's share of the time is over; what is found so far stays."""


def write(path: Path, content: bytes) -> None:
    """Under a temporary name first, which is then renamed."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    temporary.replace(path)


class Results:
    """The file gpu.json of a folder: a record for each part."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "gpu.json"

    def read(self) -> dict[str, Any]:
        """All records by part."""
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else {}

    def put(self, part: str, record: dict[str, Any]) -> None:
        """Replace the record of a part, here and in gpu.md."""
        records = self.read() | {part: record}
        write(self.path, (json.dumps(records, indent=1, ensure_ascii=False) + "\n").encode())
        write(self.path.with_suffix(".md"), as_markdown(records).encode())


def as_markdown(records: dict[str, Any]) -> str:
    """All records as a page."""
    lines = []
    for part, record in records.items():
        state = "complete" if record["done"] else f"not complete: {record['stopped'] or 'stopped'}"
        lines += [f"## {part}", "", f"{record['machine']}. {record['seconds']:.0f} s, {state}.", ""]
        for section in record["sections"]:
            lines += [f"### {section['title']}", ""] + ([section["text"], ""] if section["text"] else [])
            if section["rows"]:
                width = len(section["rows"][0])
                table = [section["rows"][0], ["---"] + ["---:"] * (width - 1), *section["rows"][1:]]
                lines += ["| " + " | ".join(row) + " |" for row in table] + [""]
    return "\n".join(lines)


@dataclass
class Run:
    """One part on its way.

    Attributes:
        part: its name; out: the folder of results; device: "cuda" or "cpu".
        rehearse: whether all sizes are tiny.
        deadline: of `time.monotonic`, by which the part should be through.
        recipe: what is trained, a key of `spt.recipes.RECIPES`.
        epochs: of training, None for as many as there is time for; workers: processes for the tables.
        sections, values: what is found: tables to be read, and plain values by name.
    """

    part: str
    out: Path
    device: str
    rehearse: bool
    deadline: float
    recipe: str = "cifar10-resnet"
    epochs: int | None = None
    workers: int = 1
    sections: list[dict[str, Any]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.results = Results(self.out)
        before = self.results.read().get(self.part, {"values": {}, "sections": []})
        self.values = before["values"]  # what was found before stays until it is found again
        self.sections = [section for section in before["sections"] if section["title"] != WRONG]

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.deadline - time.monotonic()

    @property
    def on_gpu(self) -> bool:
        """Whether the device is one that is waited for."""
        return self.device.startswith("cuda")

    def table(self, title: str, rows: Rows, text: str = "") -> None:
        """Add a table (its first row is the head), or put it in the place of one of that title, and keep it at once."""
        section = {"title": title, "text": text, "rows": rows}
        titles = [each["title"] for each in self.sections]
        if title in titles:
            self.sections[titles.index(title)] = section
        else:
            self.sections.append(section)
        self.keep()
        print(f"{self.part}: {title}: {rows[-1] if rows else text.splitlines()[-1:]}", flush=True)

    def keep(self, done: bool = False, stopped: str = "") -> None:
        """Write what is found so far."""
        seconds = time.monotonic() - self.started
        record = {"done": done, "stopped": stopped, "seconds": seconds, "machine": machine(self.device)}
        self.results.put(self.part, record | {"values": self.values, "sections": self.sections})

    def until(self, seconds: float) -> Callable[..., Iterator[Any]]:
        """A tqdm-shaped progress that raises `OutOfTimeError` after so many seconds, or at the deadline."""
        end = min(self.deadline, time.monotonic() + seconds)

        def progress(steps: Iterable[Any], desc: str = "", total: int = 0) -> Iterator[Any]:
            for step in steps:
                if time.monotonic() > end:
                    raise OutOfTimeError(f"out of time in {desc}")
                yield step

        return progress

    def wait(self, device: str | None = None) -> None:
        """Until the device has done what it was told."""
        if (device or self.device).startswith("cuda"):
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], Any], at_least: float, device: str | None = None) -> float:
        """Median time of one call, after one that does not count; repeated for ``at_least`` seconds, up to 50 times."""
        work()
        self.wait(device)
        taken: list[float] = []
        while not taken or (sum(taken) < at_least and len(taken) < 50 and self.left > 0):
            start = time.perf_counter()
            work()
            self.wait(device)
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)


def machine(device: str) -> str:
    """In words, what it was measured on."""
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
    if not device.startswith("cuda"):
        return f"Processor only, {torch.get_num_threads()} threads, {where}"
    memory = torch.cuda.get_device_properties(device).total_memory / 2**30
    return f"{torch.cuda.get_device_name(device)}, {memory:.0f} GiB; {where}, CUDA {torch.version.cuda}"
