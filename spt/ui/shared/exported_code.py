"""How exported lines load an image: Python, and the command line."""

import shlex
from dataclasses import dataclass

from spt.ui.shared import state


@dataclass(frozen=True)
class Loading:
    """Python that loads an image: names to import from spt, lines that come first, and the expression."""

    imports: str
    before: tuple[str, ...]
    expression: str


def in_python(reference: str | None, shape: str) -> Loading:
    """For an image that `python -m spt` calls ``reference`` (None: a person's own picture), fitted to ``shape``, an
    expression. The number comes after the last colon: a folder may have colons of its own."""
    if reference is None:
        invert = ", invert=True" if state.value("invert") else ""
        load = f"fit_image(read_image(Path('picture.png')), {shape}{invert})"
        return Loading("fit_image, read_image", ("from pathlib import Path", ""), load)
    name, _, index = reference.rpartition(":")
    return Loading("load_dataset", (), f"load_dataset({name!r}, shape={shape}).image({index})")


def in_shell(reference: str | None) -> str:
    """The same for the command line."""
    return shlex.quote(reference or "picture.png")
