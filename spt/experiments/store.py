"""Rows on disk: one SQLite file for each experiment and setting, to which every finished task is added at once.

A row is there for good when `Store.add` returns (write-ahead log, synchronous). The file knows the settings that its rows
belong to and refuses others. Several processes may add to one file: the first row of a task stays.
"""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from spt.experiments.experiment import Row

LAYOUT = """
CREATE TABLE IF NOT EXISTS settings (id INTEGER PRIMARY KEY CHECK (id = 0), text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
    stage TEXT NOT NULL, item INTEGER NOT NULL, seed INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (stage, item)
) WITHOUT ROWID;
"""


class Store:
    """The rows of one experiment, kept in ``path``.

    Opening with ``settings`` creates the file, or checks that it has these; without, it must be there. ValueError, one
    sentence, if the file is of other settings or is none of ours.
    """

    def __init__(self, path: Path, settings: dict[str, Any] | None = None) -> None:
        self.path = path
        if settings is None and not path.is_file():
            raise ValueError(f"There are no results in {path}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(self._connect()) as connection, connection:
                connection.executescript(LAYOUT)
                if settings is not None:
                    connection.execute("INSERT OR IGNORE INTO settings VALUES (0, ?)", (_json(settings),))
                found = connection.execute("SELECT text FROM settings").fetchone()
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error
        if found is None:
            raise ValueError(f"{path} has no settings: it is not a file of results.")
        self.settings: dict[str, Any] = json.loads(found[0])
        differ = difference(self.settings, settings or self.settings)
        if differ:
            raise ValueError(f"{path} holds results of other settings ({differ}): name another folder.")

    def add(self, stage: str, item: int, seed: int, row: Row) -> None:
        """Keep the row of a task; durable on return. A task that has a row already keeps it."""
        try:
            with closing(self._connect()) as connection, connection:
                connection.execute("INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?)", (stage, item, seed, _json(row)))
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error

    def rows(self, stage: str) -> dict[int, Row]:
        """The rows of a stage by item, in ascending order."""
        query = "SELECT item, text FROM rows WHERE stage = ? ORDER BY item"
        with closing(self._connect()) as connection:
            return {item: json.loads(text) for item, text in connection.execute(query, (stage,))}

    def done(self, stage: str) -> set[int]:
        """Which tasks of a stage have a row."""
        with closing(self._connect()) as connection:
            return {item for (item,) in connection.execute("SELECT item FROM rows WHERE stage = ?", (stage,))}

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.DatabaseError as error:
            connection.close()
            raise self._explained(error) from error
        return connection

    def _explained(self, error: sqlite3.DatabaseError) -> Exception:
        """What a person is told: what is written stays."""
        text = str(error)
        if "full" in text:
            return OSError(f"The disk is full: {self.path} keeps what was written; free some space and run it again.")
        if "not a database" in text:
            return ValueError(f"{self.path} is not a file of results.")
        return OSError(f"{self.path} cannot be written: {text}.")


def difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """In words, where settings that were found differ from those that were wanted; "" where they do not."""
    here, there = json.loads(_json(found)), json.loads(_json(wanted))
    names = sorted(key for key in here.keys() | there.keys() if here.get(key) != there.get(key))
    return ", ".join(f"{name} {here.get(name)!r} instead of {there.get(name)!r}" for name in names)


def without_times(rows: Iterable[Row]) -> list[Row]:
    """Rows as they must be equal in every run."""
    return [{key: value for key, value in row.items() if not key.startswith("seconds")} for row in rows]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
