"""The start of the server: its log, one thread a computation, answers sent at once, and the core loaded while the browser is still
opening."""

import asyncio
import contextlib
import gc
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy  # noqa: F401  (for the first visit: Streamlit needs it, and Pillow, for the icon in the tab)
import PIL.Image  # noqa: F401
import streamlit as st

from spt.ui.server import no_delay
from spt.ui.shared import core
from spt.ui.shared.gate import LOGGER

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: as many computations as cores, a thread each

SWITCH_WHILE_LOADING = 0.0005
"""Seconds for which the importing thread has the interpreter to itself: whoever serves the first visitor asks for it a hundred
times, and would else wait 0.005 s each time."""


def load_core() -> None:
    """Import what the pages need (first what all of them need, torch above all), and tell Python's garbage collector that it
    stays: to look through all of torch's objects takes a quarter of a second, in which nobody is served."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_WHILE_LOADING)
    try:
        with contextlib.suppress(ValueError):  # then each page says so
            core.load()
            core.load_the_rest()
            gc.collect()
            gc.freeze()
    finally:
        sys.setswitchinterval(usual)


def log_work() -> None:
    """Write a line for each computation of a page to the server's log (`spt.ui.shared.gate.LOGGER`)."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    LOGGER.handlers, LOGGER.level, LOGGER.propagate = [handler], logging.INFO, False


@asynccontextmanager
async def prepare(server: st.App) -> AsyncIterator[None]:
    """When the server starts, load the core in the background."""
    log_work()
    no_delay.send_at_once(asyncio.get_running_loop())
    threading.Thread(target=load_core, daemon=True).start()
    yield
