"""What is written: JSON that every terminal and every reader takes; and whether a file could be written at all."""

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON in ASCII, whatever the terminal can show; null for NaN and infinity, which JSON does not have."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_file(path: Path, option: str) -> None:
    """Before the work: ValueError, one sentence, if the file that ``option`` names could not be written."""
    if path.is_dir():
        raise ValueError(f"{option} {path} is a folder: name a file.")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"{option} {path} may not be written: name another file.")
    if path.exists() and not path.is_file():
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise ValueError(f"{option} {path} cannot be written: there is no folder {folder}; make it first.")
    _try(folder, option)


def check_folder(path: Path, option: str) -> None:
    """Before the work: ValueError, one sentence, if the folder that ``option`` names, which need not exist, could not be
    made, or nothing can be written there."""
    nearest = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
    if not nearest.is_dir():
        raise ValueError(f"{option} {path} cannot be a folder: {nearest} is a file.")
    _try(nearest, option)


def _try(folder: Path, option: str) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"{option}: nothing can be written in {folder} ({error.strerror}): name another.") from error
