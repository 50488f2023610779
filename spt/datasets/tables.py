"""Tables of pictures and their classes (.csv), with every mistake in them named by its line."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Listed:
    """Pictures that a table lists.

    Attributes:
        files: where they should be.
        labels: their classes.
        missing: for those that are not there, by position, a sentence that says so.
    """

    files: list[Path]
    labels: list[int]
    missing: dict[int, str]


def read_labels(table: Path, pictures: Path, file_column: str, label_column: str, classes: int) -> Listed:
    """The pictures in a folder that a table lists, with their classes.

    The table is UTF-8 text, with or without byte order mark, whose first line names the columns, which commas, semicolons
    or tabs separate; empty lines count nothing. Labels are whole numbers below ``classes`` ("207.0" is one). File names are
    relative to the folder ``pictures``. A picture that is not there keeps its number, so that taking one away does not
    renumber the others.

    Raises ValueError, one sentence with the table and the line, for anything else.
    """
    listed = Listed([], [], {})
    seen: dict[str, int] = {}
    for line, (name, label) in _rows(table, (file_column, label_column)):
        where = f"{table}, line {line}:"
        if not re.fullmatch(r"[0-9]{1,9}(\.0*)?", label) or int(float(label)) >= classes:
            raise ValueError(
                f"{where} {label_column} must be a whole number from 0 to {classes - 1}, but is {label!r}."
            )
        path = Path(name)
        if not name or path.is_absolute() or path.drive or ".." in path.parts:
            raise ValueError(f"{where} {file_column} must name a file in {pictures}, but is {name!r}.")
        if name in seen:
            raise ValueError(f"{where} {file_column} {name!r} is in line {seen[name]} already; take one of them away.")
        seen[name] = line
        if not (pictures / path).is_file():
            listed.missing[len(listed.files)] = (
                f"{where} there is no file {pictures / path}; put the picture back there."
            )
        listed.files.append(pictures / path)
        listed.labels.append(int(float(label)))
    if not listed.files:
        raise ValueError(f"{table} lists no pictures; each needs a line with its {file_column} and {label_column}.")
    return listed


def _rows(table: Path, columns: tuple[str, str]) -> Iterator[tuple[int, tuple[str, str]]]:
    """The values of two columns and the number of the line that they are in, for each row."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{table} is not text in UTF-8; save it as that (in Excel: CSV UTF-8).") from error
    header = next(filter(None, map(str.strip, io.StringIO(text))), "")
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    positions: list[int] = []
    names: list[str] = []
    try:
        for row in reader:
            values = [value.strip() for value in row]
            if not any(values):
                continue
            if not positions:
                names = values
                for column in columns:
                    if names.count(column) != 1:
                        times = "is no column" if column not in names else f"are {names.count(column)} columns"
                        raise ValueError(
                            f"{table}, line {reader.line_num}: the first line must name the columns {' and '.join(columns)}, "
                            f"but there {times} {column!r} in {', '.join(names)}."
                        )
                    positions.append(names.index(column))
                continue
            if len(values) < len(names) or any(values[len(names) :]):
                raise ValueError(
                    f"{table}, line {reader.line_num}: there must be {len(names)} values as in the first line, "
                    f"but there are {len(values)}; put quotation marks around values with a {delimiter!r}."
                )
            yield reader.line_num, (values[positions[0]], values[positions[1]])
    except csv.Error as error:
        raise ValueError(f"{table}, line {reader.line_num}: it is no row of values ({error}).") from error
