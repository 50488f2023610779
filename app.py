"""SPT Explorer: start it with ``streamlit run app.py``.

The server is told to run pages/navigation.py for each visit, rather than this file: with a folder named ``pages`` beside the
script it runs, Streamlit would answer the first visitor of a link to a page with "Page not found".
"""

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st


def load_core() -> None:
    """Import what the pages need (torch above all) while the browser is still opening."""
    import spt.ui.votes.page  # noqa: F401


def log_work() -> None:
    """Write a line for each computation of a page to the server's log (`spt.ui.shared.gate.LOGGER`)."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logger = logging.getLogger("spt.work")
    logger.handlers, logger.level, logger.propagate = [handler], logging.INFO, False


@asynccontextmanager
async def warm_up(server: st.App) -> AsyncIterator[None]:
    """When the server starts, load the core in the background."""
    log_work()
    threading.Thread(target=load_core, daemon=True).start()
    yield


app = st.App("pages/navigation.py", lifespan=warm_up)
