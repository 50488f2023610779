"""How pages compute: on one thread, and where it takes long in the background with progress and Stop."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import streamlit as st
import torch

from spt.progress import Progress, between_steps
from spt.ui.shared.failures import exits_refused
from spt.ui.shared.gate import current_ticket, has_slot, heavy_work

Result = TypeVar("Result")
ALL_THREADS = torch.get_num_threads()
POLL = 0.1  # seconds between two updates, at which a changed control or Stop takes over


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: these tensors are small, and on a busy machine a second thread waits more than it works
    (measured with 2 cores, busy: one thread is 5 to 40 times as fast as two)."""
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(ALL_THREADS)


class _Cancelled(Exception):
    """Raised in the background when nobody waits for the result any more."""


def in_background(compute: Callable[[Progress], Result], label: str, expected_seconds: float | None = None) -> Result:
    """What ``compute`` returns, computed by a thread while a progress bar runs.

    ``compute`` is given a progress function as bounds take it. If the script ends here, because a control was changed
    or Stop was pressed, the thread ends at its next step. The bar shows the steps of the present loop; with
    ``expected_seconds`` it shows the time, up to nearly its end, and the text names the loop. It takes a slot of the gate, if
    the script has none, keeps it until the thread has ended, and gives way between two steps.
    """
    with contextlib.nullcontext() if has_slot() else heavy_work("long", label):
        return _in_background(compute, label, expected_seconds)


def _in_background(compute: Callable[[Progress], Result], label: str, expected_seconds: float | None) -> Result:
    cancelled, started = threading.Event(), time.monotonic()
    ticket = current_ticket()
    assert ticket is not None
    results: list[Result] = []
    failures: list[Exception] = []
    step: dict[str, Any] = {"done": 0, "of": 1, "what": ""}

    def check() -> None:
        if cancelled.is_set():
            raise _Cancelled

    step_ends = partial(ticket.slice_ends, check)

    def progress(items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterator[Any]:
        for done, item in enumerate(items):
            step_ends()
            step.update(done=done, of=max(1, total or 1), what=desc)
            yield item

    bar = st.empty()
    release = ticket.hold()  # nothing between this and the thread's start can end the script

    def run() -> None:
        try:
            with one_thread(), exits_refused(), between_steps(step_ends):
                results.append(compute(progress))
        except _Cancelled:
            pass
        except Exception as error:  # handed to the script below
            failures.append(error)
        finally:
            release()

    try:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
    except BaseException:
        release()
        raise
    try:
        while thread.is_alive():
            seconds = time.monotonic() - started
            share, text = step["done"] / step["of"], f"{label} … {seconds:.0f} s"
            if expected_seconds is not None:
                share = min(0.97, seconds / max(expected_seconds, 0.1))
                text += f" of about {max(1, math.ceil(expected_seconds)):,} s"
                text += f" · {step['what']}, step {step['done'] + 1:,} of {step['of']:,}" if step["what"] else ""
            bar.progress(share, text=text)
            thread.join(POLL)
    finally:
        cancelled.set()
    bar.empty()
    if failures:
        raise failures[0]
    return results[0]
