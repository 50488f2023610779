"""What is written: JSON that every terminal and every reader takes, and files that are whole or not there at all."""

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


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8) under another name and rename it: a reader finds all of it, or what was there before."""
    path = path.resolve()
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():  # a pipe or a terminal
        path.write_bytes(data)
        return
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


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
