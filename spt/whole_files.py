"""Files that are whole or not there at all."""

import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8) under another name and rename it: a reader finds all of it, or what was there before.

    OSError, which names the file, if it cannot be written.
    """
    target = path.resolve()
    data = content.encode() if isinstance(content, str) else content
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        if target.exists() and not target.is_file():  # a pipe or a terminal
            target.write_bytes(data)
            return
        try:
            part.write_bytes(data)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(
            error.errno, f"this file could not be written ({error.strerror}); nothing there has changed", str(path)
        ) from error
