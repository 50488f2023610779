"""The start of the server: its log, one thread a computation, answers sent at once, and the core loaded as soon as nobody is
being served."""

import asyncio
import contextlib
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy  # noqa: F401  (for the first visit: Streamlit needs it, and Pillow, for the icon in the tab)
import PIL.Image  # noqa: F401
import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from spt.ui.server import no_delay
from spt.ui.shared import core
from spt.ui.shared.gate import LOGGER

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: as many computations as cores, a thread each

SWITCH_WHILE_LOADING = 0.0005
"""Seconds for which the importing thread has the interpreter to itself: whoever serves the first visitor asks for it a hundred
times, and would else wait 0.005 s each time."""

QUIET, LONGEST = 0.7, 5.0
"""Seconds without a request after which the core is loaded, and after which it is in any case. While it is, files are served half
as fast; a visitor who comes first has the first view of a page sooner, and the core not later."""


class Requests:
    """ASGI middleware that knows when the last request came."""

    last = time.monotonic()

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note it, and pass everything on."""
        Requests.last = time.monotonic()
        await self.app(scope, receive, send)


def wait_until_it_is_quiet() -> None:
    """Until no request has come for `QUIET` seconds; at most `LONGEST`."""
    end = time.monotonic() + LONGEST
    while (left := min(Requests.last + QUIET, end) - time.monotonic()) > 0:
        time.sleep(left)


def load_core() -> None:
    """When nobody is being served, import what the pages need (first what all of them need, torch above all), and tell Python's
    garbage collector that it stays: to look through all of torch's objects takes a quarter of a second, in which nobody is."""
    wait_until_it_is_quiet()
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
    Requests.last = time.monotonic()
    threading.Thread(target=load_core, daemon=True).start()
    yield


MIDDLEWARE = Middleware(Requests)
