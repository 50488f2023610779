"""Rows on disk: one SQLite file for each experiment and setting, to which every finished task is added at once.

A row is there for good when `Store.add` returns (write-ahead log, synchronous). The file knows the settings that its rows
belong to, with what made them (see `Experiment.provenance`), and refuses others. Several processes may add to one file: the
first row of a task stays. Who writes waits for who writes already; reading waits for nobody who keeps to this.
"""

import json
import logging
import math
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from spt.experiments.experiment import Row

LAYOUT = """
CREATE TABLE IF NOT EXISTS settings (id INTEGER PRIMARY KEY CHECK (id = 0), text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS origins (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS rows (
    stage TEXT NOT NULL, item INTEGER NOT NULL, seed INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (stage, item)
) WITHOUT ROWID;
"""

WORD, PATIENCE = 2.0, 300.0
"""Seconds for which another program may hold a file before a warning is logged, and before it is given up."""
LOGGER = logging.getLogger(__name__)


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
        with self._connection() as connection:
            whole = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone() == (3,)
            found = connection.execute("SELECT text FROM settings").fetchone() if whole else None
        if found is None and settings is not None:
            with self._connection(write=True) as connection:
                for statement in LAYOUT.split(";"):
                    connection.execute(statement)
                connection.execute("INSERT OR IGNORE INTO settings VALUES (0, ?)", (_json(settings),))
                found = connection.execute("SELECT text FROM settings").fetchone()
        if found is None:
            raise ValueError(f"{path} has no settings: it is not a file of results.")
        self.settings: dict[str, Any] = self._parsed(found[0])
        refuse_other(path, self.settings, settings or self.settings)

    def add(self, stage: str, item: int, seed: int, row: Row) -> bool:
        """Keep the row of a task; durable on return. False for a task that had a row already, which it keeps.

        ValueError, one sentence, for a value that is no finite number.
        """
        odd = next((name for name, value in row.items() if not _is_finite(value)), None)
        if odd is not None:
            raise ValueError(
                f"Task {item} of {stage} has no finite number for {odd!r}, but {row[odd]}: no row is kept of it."
            )
        with self._connection(write=True) as connection:
            done = connection.execute("INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?)", (stage, item, seed, _json(row)))
            return done.rowcount == 1

    def note(self, origin: Mapping[str, Any]) -> None:
        """Keep where rows come from (machine, versions), each origin once."""
        with self._connection(write=True) as connection:
            connection.execute("INSERT OR IGNORE INTO origins (text) VALUES (?)", (_json(dict(origin)),))

    def origins(self) -> list[dict[str, Any]]:
        """Where its rows come from, in the order in which it was noted."""
        with self._connection() as connection:
            return [self._parsed(text) for (text,) in connection.execute("SELECT text FROM origins ORDER BY number")]

    def rows(self, stage: str) -> dict[int, Row]:
        """The rows of a stage by item, in ascending order."""
        query = "SELECT item, text FROM rows WHERE stage = ? ORDER BY item"
        with self._connection() as connection:
            return {item: self._parsed(text) for item, text in connection.execute(query, (stage,))}

    def done(self, stage: str) -> set[int]:
        """Which tasks of a stage have a row."""
        with self._connection() as connection:
            return {item for (item,) in connection.execute("SELECT item FROM rows WHERE stage = ?", (stage,))}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """As long as this is open no other process adds a row, or is in here."""
        with self._connection(write=True):
            yield

    def _parsed(self, text: str) -> dict[str, Any]:
        """What was kept as text; ValueError, one sentence, if it is damaged."""
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ValueError(f"{self.path} is damaged, or not a file of results: name another folder.")
        return found

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=0.2)
        try:
            self._execute_patiently(connection, "PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    @contextmanager
    def _connection(self, write: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction, one at a time of those that write; what goes wrong is one sentence."""
        try:
            with closing(self._connect()) as connection, connection:
                for statement in ("BEGIN IMMEDIATE",) if write else ("BEGIN", "SELECT count(*) FROM sqlite_master"):
                    self._execute_patiently(connection, statement)
                yield connection
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error

    def _execute_patiently(self, connection: sqlite3.Connection, statement: str) -> None:
        """Execute what has to wait as long as another program writes."""
        begun, said = time.monotonic(), False
        while True:
            try:
                connection.execute(statement)
                return
            except sqlite3.OperationalError as error:
                waited = time.monotonic() - begun
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or waited > PATIENCE:
                    raise
            if waited > WORD and not said:
                LOGGER.warning("%s is in use by another program: waiting for it, at most %.0f s.", self.path, PATIENCE)
                said = True
            time.sleep(0.02)

    def _explained(self, error: sqlite3.DatabaseError) -> Exception:
        """What a person is told: what is written stays."""
        text = str(error)
        if sentence := next((sentence for words, sentence in _SENTENCES.items() if words in text), None):
            return OSError(sentence.format(path=self.path))
        if "not a database" in text:
            return ValueError(f"{self.path} is not a file of results.")
        if "malformed" in text or "no such" in text:
            return ValueError(f"{self.path} is damaged, or not a file of results ({text}): name another folder.")
        return OSError(f"{self.path} cannot be read or written ({text}).")


_SENTENCES = {
    "is full": "The disk is full: {path} keeps what was written; free some space and run it again.",
    "disk I/O error": "The disk that has {path} fails: see whether it is full or gone, and run it again; what was written stays.",
    "readonly": "{path} may be read only: allow to write it and its folder, and run it again; it keeps what was written.",
    "unable to open": "{path} cannot be opened: see whether its folder is still there and may be written, and run it again.",
    "locked": "{path} is in use by another program: wait until that has ended, and run it again; it keeps what was written.",
}
"""What a person can do, by SQLite's own words."""


def difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """In words, where settings that were found differ from those that were wanted; "" where they do not."""
    here, there = json.loads(_json(dict(found))), json.loads(_json(dict(wanted)))
    names = sorted(key for key in here.keys() | there.keys() if here.get(key) != there.get(key))
    return ", ".join(f"{name} {_short(here.get(name))} instead of {_short(there.get(name))}" for name in names)


def refuse_other(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """ValueError, one sentence, if the settings of a file differ from those that are wanted, or do not say what is."""
    said = {name: value for name, value in wanted.items() if name in found}
    differ = difference(found, said)
    if differ:
        raise ValueError(f"{path} holds results of other settings ({differ}): name another folder.")
    if len(said) < len(wanted):
        unsaid = ", ".join(name for name in wanted if name not in found)
        raise ValueError(f"{path} does not say what made its rows (no {unsaid}): name another folder.")


def without_times(rows: Iterable[Row]) -> list[Row]:
    """Rows as they must be equal in every run."""
    return [{key: value for key, value in row.items() if not key.startswith("seconds")} for row in rows]


def _short(value: Any) -> str:
    """A value in words; of a SHA-256 its beginning."""
    return f"{value[:12]}…" if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) else repr(value)


def _is_finite(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
