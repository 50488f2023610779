"""What a page says where the core refuses (a ValueError) or the machine fails it (memory, disk, files): one sentence, at whatever
moment; its trace is in the server's log, and no folder of the server is on the screen."""

import gc
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from spt import faults
from spt.bundled import bundled
from spt.ui.shared import state
from spt.ui.shared.markdown import escape

_LOGGER = logging.getLogger(__name__)
NAMING = ("SPT_CLASSIFIER", "SPT_DATASET", "SPT_RESULTS", "SPT_RUNS", "SPT_DATA", "SPT_TOURS")
"""Environment variables that hold paths; the first two several, separated by commas."""
_PART = r"[^\s/\\'\"()<>|:;,]+"


def sentence(error: Exception) -> str:
    """The error as one line of Markdown: file names, class names and what networks raise may hold any character."""
    _LOGGER.warning("shown on a page: %s", error, exc_info=error)
    said = faults.in_words(error) or str(error)
    return escape(without_folders(said)) or "This failed, and the error says nothing more."


def without_folders(text: str) -> str:
    """The text with every path on the server's disk cut down to its last part."""
    for name in _paths_that_are_named():  # they may hold spaces, and be relative
        text = re.sub(rf"{re.escape(name)}[/\\](?:{_PART}[/\\])*(?={_PART})", "", text)
        text = text.replace(name, re.split(r"[/\\]", name)[-1])
    text = re.sub(r"(['\"])(?:[A-Za-z]:)?[/\\](?:[^'\"\n]*[/\\])?(?=[^'\"/\\]+\1)", r"\1", text)
    return re.sub(rf"(?<![^\s'\"(\[=,])(?:[A-Za-z]:)?[/\\](?:{_PART}[/\\])*(?=[\w.])", "", text)


def _paths_that_are_named() -> list[str]:
    """Paths in the server's settings, and its usual folders, the longest first."""
    named = [each.strip() for variable in NAMING for each in os.environ.get(variable, "").split(",")]
    usual = (Path.cwd(), Path.home(), Path(tempfile.gettempdir()), bundled("assets").parent)
    paths = {each.rstrip("/\\") for each in (*named, *map(str, usual))}
    return sorted((each for each in paths if re.search(r"[^/\\][/\\]|[/\\][^/\\]", each)), key=len, reverse=True)


@contextmanager
def in_one_sentence(place: Any = None, *leftovers: Any) -> Iterator[None]:
    """Whatever within is refused or fails ends the script's run with one sentence, in ``place`` or where the page has got to;
    ``leftovers`` are placeholders that then mean nothing any more."""
    try:
        with faults_refused():
            yield
    except ValueError as error:
        for each in leftovers:
            each.empty()
        with st.container() if place is None else place.container():
            st.error(sentence(error))
            st.button("Try again", help="Once the file, the network or the connection is mended.", key="try_again")
        state.stop()


@contextmanager
def beside_the_rest() -> Iterator[None]:
    """As `in_one_sentence`, around a part that the rest of the page does not need: the script goes on."""
    try:
        with faults_refused():
            yield
    except ValueError as error:
        st.error(sentence(error))


@contextmanager
def faults_refused() -> Iterator[None]:
    """What goes wrong with the machine within (see `spt.faults`), and a network that ends the program, is a ValueError, too."""
    refusal: str | None = None
    try:
        with exits_refused():
            yield
    except Exception as error:
        refusal = faults.in_words(error)
        if refusal is None or (isinstance(error, ValueError) and not faults.out_of_memory(error)):
            raise
        faults.let_go(error)
    if refusal is not None:
        gc.collect()
        raise ValueError(refusal)


@contextmanager
def exits_refused() -> Iterator[None]:
    """A person's own network that ends the program, while it answers, ends a run only."""
    try:
        yield
    except SystemExit as error:
        raise ValueError(
            f"The classifier's own code ended the program (exit {error.code!r}) instead of answering."
        ) from error
