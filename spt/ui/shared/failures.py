"""What a page says where the core refuses (a ValueError): one sentence, at whatever moment; its trace is in the server's log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from spt.ui.shared.markdown import escape

_LOGGER = logging.getLogger(__name__)


def sentence(error: Exception) -> str:
    """The error as one line of Markdown: file names, class names and what networks raise may hold any character."""
    _LOGGER.warning("shown on a page: %s", error, exc_info=error)
    return escape(" ".join(str(error).split())) or "This failed, and the error says nothing more."


@contextmanager
def in_one_sentence(place: Any = None, *leftovers: Any) -> Iterator[None]:
    """Whatever within raises ValueError ends the script's run with one sentence, in ``place`` or where the page has got to;
    ``leftovers`` are placeholders that then mean nothing any more."""
    try:
        with exits_refused():
            yield
    except ValueError as error:
        for each in leftovers:
            each.empty()
        with st.container() if place is None else place.container():
            st.error(sentence(error))
            st.button("Try again", help="Once the file, the network or the connection is mended.", key="try_again")
        st.stop()


@contextmanager
def exits_refused() -> Iterator[None]:
    """A person's own network that ends the program, while it answers, ends a run only."""
    try:
        yield
    except SystemExit as error:
        raise ValueError(
            f"The classifier's own code ended the program (exit {error.code!r}) instead of answering."
        ) from error
