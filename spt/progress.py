"""How long computations tell of their progress, and how they are cancelled: a function shaped like ``tqdm``; and their time."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[..., Iterable[Any]]
"""Called as ``progress(items, desc=..., total=...)`` like ``tqdm``; returns an iterable over ``items``. It may raise to
cancel: nothing here catches that."""


_between: ContextVar[Callable[[], None] | None] = ContextVar("between_steps", default=None)


@contextmanager
def between_steps(call: Callable[[], None]) -> Iterator[None]:
    """Within, in this thread, ``call`` is called before each step of every loop whose progress is `silent`, however deep: it may
    wait, so that other work is done first, or raise to cancel."""
    token = _between.set(call)
    try:
        yield
    finally:
        _between.reset(token)


def step() -> None:
    """What loops without a progress function call before each step, so that `between_steps` has its turn."""
    call = _between.get()
    if call is not None:
        call()


def silent(items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterable[Any]:
    """The default progress: it tells nothing, and takes part in `between_steps`."""
    return items if _between.get() is None else _with_steps(items)


def _with_steps(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        step()
        yield item


@dataclass
class Stopwatch:
    """Seconds since it was made."""

    start: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Wall-clock time since then."""
        return time.perf_counter() - self.start
