"""The line of a table beside the paper's, as text and as files that can be kept."""

import csv
import hashlib
import io
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from spt.bundled import bundled, is_checkout
from spt.experiments.experiment import LEFT_OUT, Entry, Experiment, Row, Rows, Share
from spt.experiments.files import json_text
from spt.whole_files import write_together

FAMILIES = {"digits": "mnist", "natural": "cifar10", "imagenet-samples": "imagenet"}
"""Under which data set of the paper the bundled images and samples are compared."""


@dataclass(frozen=True)
class PaperLine:
    """A line of a table of the paper.

    Attributes:
        dataset, transform: what it is about. cells: its numbers, under our names.
        caveat: why a number may not hold, "" if nothing is known against it.
    """

    dataset: str
    transform: str
    cells: Mapping[str, float | str]
    caveat: str


@lru_cache(maxsize=1)
def _paper() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "paper.json").read_text(encoding="utf-8"))
    return found


def paper_source() -> str:
    """Where the paper's numbers are from."""
    return str(_paper()["source"])


def paper_lines(experiment: Experiment, every: bool = False) -> list[PaperLine]:
    """The paper's lines of this table on the same kind of images and transformation; all with ``every``."""
    family = FAMILIES.get(experiment.dataset, experiment.dataset)
    return [
        PaperLine(row["dataset"], row["transform"], row["cells"], _paper()["caveats"].get(row["caveat"], ""))
        for row in _paper()["rows"]
        if row["table"] == experiment.name
        and (every or (row["dataset"], row["transform"]) == (family, experiment.transform))
    ]


def as_text(cell: Entry) -> str:
    """An entry with three significant digits; a share with its Clopper-Pearson 95 % interval."""
    if cell is None:
        return "–"
    if isinstance(cell, Share):
        band = cell.band()
        return (f"{cell.value:.3f}" + (f" [{band[0]:.3f}, {band[1]:.3f}]" if band else "")) if cell.of else "–"
    return f"{cell:.3g}" if isinstance(cell, float | int) and not isinstance(cell, bool) else str(cell)


def beside_the_paper(experiment: Experiment, summary: Mapping[str, Entry]) -> list[dict[str, str]]:
    """The rows of a table: ours, then the paper's; columns are ours first."""
    lines = paper_lines(experiment)
    columns = list(dict.fromkeys([*summary, *(name for line in lines for name in line.cells)]))
    ours = {"": f"ours, {experiment.dataset}"} | {name: as_text(summary.get(name)) for name in columns}
    paper = [
        {"": f"paper, {line.dataset}"} | {name: as_text(line.cells.get(name)) for name in columns} for line in lines
    ]
    return [ours, *paper]


def as_markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """A table in Markdown."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([row[name] for name in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_csv(rows: Rows) -> str:
    """All rows, stage by stage; values other than numbers and texts as JSON."""
    names = list(dict.fromkeys(name for stage in rows.values() for row in stage for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, ["stage", *names], lineterminator="\n")
    writer.writeheader()
    for stage, each in rows.items():
        writer.writerows({"stage": stage} | {name: _plain(value) for name, value in row.items()} for row in each)
    return text.getvalue()


def as_record(
    experiment: Experiment, rows: Rows, command: str, device: str, origins: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """What has to be known about a table: settings, what made its rows, line, command, commit, machine.

    ``origins`` are those of the rows (see `Store.origins`), where there are several one after the other; none: this process.
    """
    summary = experiment.summary(rows)
    origins = origins or [origin(device)]
    return {
        "experiment": experiment.name,
        "title": experiment.title,
        "settings": experiment.identity | {"images": experiment.images},
        "provenance": experiment.provenance(),
        "images_sha256": images_digest(rows),
        "line": {
            name: {"count": cell.count, "of": cell.of} if isinstance(cell, Share) else cell
            for name, cell in summary.items()
        },
        "command": command,
        **{
            name: "; ".join(dict.fromkeys(str(each[name]) for each in origins if each.get(name))) or None
            for name in ("commit", "machine", "torch")
        },
    }


def origin(device: str = "cpu", where: str | None = None) -> dict[str, str | None]:
    """Where rows that are measured now come from: commit, machine (or ``where``), version of torch."""
    import torch

    return {"commit": commit(), "machine": where or machine(device), "torch": torch.__version__.split("+")[0]}


def images_digest(rows: Rows) -> str | None:
    """SHA-256 of the digests of all images that rows are of, in their order; None if a row has none."""
    found = [row.get("sha256") for stage in rows.values() for row in stage]
    return None if None in found else hashlib.sha256(" ".join(map(str, found)).encode()).hexdigest()


def write_tables(
    experiment: Experiment,
    rows: Rows,
    folder: Path,
    command: str,
    device: str = "cpu",
    origins: Sequence[Mapping[str, Any]] = (),
) -> list[Path]:
    """Write ``<stem>.csv`` (the rows) and ``<stem>.json`` (the line and how it was made): both, or neither."""
    record = json_text(as_record(experiment, rows, command, device, origins), indent=2) + "\n"
    files = {
        folder / f"{experiment.stem}{suffix}": text for suffix, text in ((".csv", as_csv(rows)), (".json", record))
    }
    write_together(files)
    return list(files)


def left_out_in_words(summary: Mapping[str, Entry]) -> str:
    """A sentence on the images that a line leaves out; "" where it counts all."""
    left_out = summary.get(LEFT_OUT)
    if not isinstance(left_out, float):
        return ""
    images = f"{left_out:g} image" + ("" if left_out == 1 else "s")
    return f"Left out: {images} whose class is not known, or is none of the classifier's; the shares are of the others."


def commit() -> str | None:
    """The commit of this copy of the code, with "+" if files differ from it; None for an installed package, which may lie within
    somebody else's repository."""
    if not is_checkout():
        return None
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", "spt", "assets/models")
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed else "")


def machine(device: str = "cpu") -> str:
    """This machine in words."""
    import torch

    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    threads = torch.get_num_threads()
    return f"{platform.machine()}, {threads} thread{'' if threads == 1 else 's'}, {platform.system()}"


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(bundled("pages").parent), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def _plain(value: Any) -> Any:
    return json_text(value) if isinstance(value, list | dict | bool) or value is None else value


def read_csv(text: str, stages: Sequence[str]) -> dict[str, list[Row]]:
    """The rows that `as_csv` wrote; LookupError or ValueError for a text that is none of its."""
    rows: dict[str, list[Row]] = {stage: [] for stage in stages}
    for line in csv.DictReader(io.StringIO(text)):
        stage = line.pop("stage")
        rows[stage].append({name: _value(name, value) for name, value in line.items() if value != ""})
    return rows


def _value(name: str, text: str) -> Any:
    if name == "sha256":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
