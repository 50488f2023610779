"""Files that are whole or not there at all."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8) under another name and rename it: a reader finds all of it, or what was there before.

    OSError, which names the file, if it cannot be written.
    """
    write_together({path: content})


def write_together(contents: Mapping[Path, str | bytes]) -> None:
    """As `write_whole`, several files that belong together: none is renamed before all are written."""
    parts: list[tuple[Path, Path]] = []
    path = Path()
    try:
        for path, content in contents.items():
            data, target = content.encode() if isinstance(content, str) else content, path.resolve()
            if target.exists() and not target.is_file():  # a pipe or a terminal
                target.write_bytes(data)
                continue
            part = target.with_name(f"{target.name}.{os.getpid()}.part")
            parts.append((part, target))
            part.write_bytes(data)
        for part, target in parts:
            part.replace(target)
    except BaseException as error:
        for part, _ in parts:
            with contextlib.suppress(OSError):
                part.unlink()
        if isinstance(error, OSError):
            words = f"this file could not be written ({error.strerror}); nothing there has changed"
            raise OSError(error.errno, words, str(path)) from error
        raise
