"""How long computations tell of their progress, and how they are cancelled: a function shaped like ``tqdm``; and their time."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[..., Iterable[Any]]
"""Called as ``progress(items, desc=..., total=...)`` like ``tqdm``; returns an iterable over ``items``. It may raise to
cancel: nothing here catches that."""


def silent(items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterable[Any]:
    """The default progress: none."""
    return items


@dataclass
class Stopwatch:
    """Seconds since it was made."""

    start: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Wall-clock time since then."""
        return time.perf_counter() - self.start
