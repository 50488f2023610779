"""Stored results: the pairs of files that `spt.experiments.tables.write_tables` wrote, read again."""

import json
import time
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from spt.experiments.experiment import Entry, Experiment, Rows, Share
from spt.experiments.tables import FAMILIES, images_digest, read_csv


@dataclass(frozen=True, eq=False)
class Stored:
    """A result on disk.

    Attributes:
        stem: name of its files. experiment: with the settings it was made with.
        rows: as measured. record: what the JSON file says. csv, json: the files' texts.
        summary: the line of the table, from the rows; as it was written where this machine cannot make it (it may need a
            classifier that is not here).
    """

    stem: str
    experiment: Experiment
    rows: Rows
    record: dict[str, Any]
    csv: str
    json: str
    summary: dict[str, Entry]

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the rows, beside the settings; empty for results that were written before it was recorded."""
        return dict(self.record.get("provenance", {}))

    @property
    def command(self) -> str:
        """What makes it: the command as it was given, and the settings that have another name, or had another default, or were not
        there then and would be others now."""
        now, then = self.experiment.identity, self.record["settings"]
        renamed = [f" --set {name}={now[name]}" for name in then if name in now and then[name] != now[name]]
        usual = {field.name: field.default for field in fields(self.experiment)}
        new = [name for name in now if name not in then and name in usual and now[name] != usual[name]]
        renamed += [f" --set {name}={now[name]}" for name in new]
        return str(self.record.get("command", "")) + "".join(renamed)

    @property
    def origin(self) -> dict[str, Any]:
        """Where the rows come from, see `spt.experiments.tables.origin`."""
        return {name: self.record.get(name) for name in ("commit", "machine", "torch")}


def list_stored(folder: Path, kind: type[Experiment]) -> list[str]:
    """Stems of the results of an experiment in a folder, which need not exist: MNIST first, bundled images last; of results that
    differ in their form only, those first whose form is named ("-cells", "-ordinary": the present defaults).

    One that has lost its JSON or its CSV file is there too, so that `load_stored` says so.
    """
    found = {path.stem for suffix in ("json", "csv") for path in folder.glob(f"{kind.name}-*.{suffix}")}
    bundled = tuple(f"{kind.name}-{name}-" for name in FAMILIES)
    return sorted(
        found, key=lambda stem: (stem.startswith(bundled), not stem.startswith(f"{kind.name}-mnist-"), f"{stem}~")
    )


def load_stored(folder: Path, kind: type[Experiment], stem: str) -> Stored:
    """A stored result; ValueError, one sentence, if its files cannot be read or are of something else."""
    try:
        return _pair(folder, kind, stem)
    except ValueError:
        time.sleep(0.1)  # a run may be between the two
        return _pair(folder, kind, stem)


def _pair(folder: Path, kind: type[Experiment], stem: str) -> Stored:
    path = folder / f"{stem}.json"
    for here, gone in ((path, path.with_suffix(".csv")), (path.with_suffix(".csv"), path)):
        if here.exists() and not gone.exists():
            raise ValueError(f"{here} has lost {gone.name}: a result is both files; restore it, or remove {here.name}.")
    try:
        stamps = tuple(each.stat().st_mtime_ns for each in (path, path.with_suffix(".csv")))
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}.") from error
    return _load(path, kind, stamps)


@lru_cache(maxsize=16)
def _load(path: Path, kind: type[Experiment], stamps: tuple[int, ...]) -> Stored:
    try:
        texts = [each.read_text(encoding="utf-8") for each in (path.with_suffix(".csv"), path)]
        record = json.loads(texts[1])
        settings = dict(record["settings"])
        if settings.pop("experiment") != kind.name or not isinstance(record["line"], dict):
            raise ValueError
        experiment = kind.from_record(settings)
        rows = read_csv(texts[0], kind.stages)
        if record.get("images_sha256") not in (None, images_digest(rows)):
            raise ValueError
        try:
            summary = experiment.summary(rows)
        except (ValueError, OSError):  # a classifier that is not here
            summary = {name: _cell(value) for name, value in record["line"].items()}
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}.") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name} and its CSV file are not a result of {kind.name}.") from error
    return Stored(path.stem, experiment, rows, record, texts[0], texts[1], summary)


def _cell(value: Any) -> Entry:
    """An entry as `spt.experiments.tables.as_record` wrote it; of a share it is not known whether it has an interval."""
    if isinstance(value, dict):
        return Share(int(value["count"]), int(value["of"]), dependent=True)
    return value if isinstance(value, float | int | str) else None
