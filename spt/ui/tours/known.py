"""Which tours there are: those that ship, and a lecturer's own, in the folder that SPT_TOURS names."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from spt.bundled import bundled
from spt.ui.tours.tour import ENDING, Tour, read

VARIABLE = "SPT_TOURS"
SHIPPED = ("lecture", "attack-and-defence", "interpolation-error", "figure-3", "published-e", "debugging")
"""In the order of the list."""
MOST_OWN = 100


@dataclass(frozen=True)
class TourFile:
    """A file of one's own: its tour, or the sentence that says what is wrong with it."""

    tour: Tour | None
    wrong: str = ""


def shipped() -> tuple[Tour, ...]:
    """The tours that ship with the package."""
    return tuple(_read_again(bundled("assets") / "tours" / f"{name}{ENDING}") for name in SHIPPED)


def own() -> tuple[TourFile, ...]:
    """The tours of the folder of one's own, by their files' names; broken ones too, or one sentence about the folder."""
    try:
        files = _own_files()
    except ValueError as error:
        return (TourFile(None, str(error)),)
    found = []
    for path in files:
        try:
            found.append(TourFile(_own(path)))
        except ValueError as error:
            found.append(TourFile(None, str(error)))
    return tuple(found)


def find(name: str) -> Tour:
    """The tour of this name; ValueError, one sentence, if there is none or its file is broken."""
    if name in SHIPPED:
        return _read_again(bundled("assets") / "tours" / f"{name}{ENDING}")
    for path in _own_files():
        if path.stem == name:
            return _own(path)
    shown = name if len(name) <= 40 else f"{name[:40]}…"
    raise ValueError(f"There is no tour {shown} on this server; the page Tours has all.")


def _own(path: Path) -> Tour:
    if path.stem in SHIPPED:
        raise ValueError(f"The tour file {path.name} needs another name: a tour of this name ships with the explorer.")
    return _read_again(path)


def _own_files() -> list[Path]:
    folder = os.environ.get(VARIABLE, "").strip()
    if not folder:
        return []
    if not Path(folder).is_dir():
        raise ValueError(f"{VARIABLE} = {folder} is no folder.")
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix == ENDING and path.is_file())
    except OSError as error:
        raise ValueError(f"{VARIABLE} = {folder} cannot be read: {error.strerror or error}.") from None
    return files[:MOST_OWN]


def _read_again(path: Path) -> Tour:
    """The tour of a file, which is read when it has changed."""
    try:
        known = path.stat()
    except OSError:
        return read(path)
    return _read(path, known.st_mtime_ns, known.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, changed: int, size: int) -> Tour:
    return read(path)
