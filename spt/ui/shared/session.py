"""What a session keeps between two runs of a page's script: results under keys of plain values, and the run that is going on.

A key holds everything that decides a result, so what is kept is shown only under the settings that it belongs to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from spt.progress import Progress
from spt.ui.shared import background

Key = tuple[Any, ...]


def tab_is_open() -> Callable[[], bool]:
    """Called in a script: what tells, in any thread and at any time, whether this session's browser tab is still there."""
    context = get_script_run_ctx()
    if context is None or not exists():
        return lambda: True  # no server: a test
    session, server = context.session_id, get_instance()
    return lambda: server.is_active_session(session)


class SessionResults:
    """Results of this session, by key; of more than ``most`` the oldest are forgotten.

    Args:
        name: in the session's state. most: how many are kept.
    """

    def __init__(self, name: str, most: int) -> None:
        self.name, self.most = name, most

    def _kept(self) -> dict[Key, Any]:
        kept: dict[Key, Any] = st.session_state.get(self.name, {})
        return kept

    def __contains__(self, key: Key) -> bool:
        return key in self._kept()

    def get(self, key: Key) -> Any:
        """The result under a key, None if there is none."""
        return self._kept().get(key)

    def keep(self, key: Key, result: Any) -> None:
        """Keep a result, as the newest one."""
        kept: dict[Key, Any] = st.session_state.setdefault(self.name, {})
        kept.pop(key, None)
        while len(kept) >= self.most:
            del kept[next(iter(kept))]
        kept[key] = result

    def forget(self, key: Key) -> None:
        """Forget the result under a key, if there is one."""
        self._kept().pop(key, None)

    def once(self, key: Key, compute: Callable[[], Any]) -> Any:
        """What ``compute`` gives, computed once for each key."""
        if key not in self:
            self.keep(key, compute())
        return self.get(key)

    def in_background(self, key: Key, compute: Callable[[Progress], Any], label: str) -> Any:
        """As `once`, computed by `background.in_background`: with a progress bar, ended by Stop or a changed control."""
        return self.once(key, lambda: background.in_background(compute, label))


Status = Literal["idle", "running", "stopped", "failed", "done"]


@dataclass
class PageRun:
    """A run that a page started, and how it stands; subclasses add what has come in.

    Attributes:
        key: all that decides the run. status: a run that is "idle" waits for its button.
        failure: why it failed, for Markdown.
    """

    key: Key
    status: Status = "running"
    failure: str = ""


class _Keyed(Protocol):
    @property
    def key(self) -> Key: ...


State = TypeVar("State", bound=_Keyed)


class CurrentState(Generic[State]):
    """The one state of a kind that a session has: the newest, which belongs to the settings of its key.

    Args:
        name: in the session's state. kind: its class.
    """

    def __init__(self, name: str, kind: type[State]) -> None:
        self.name, self.kind = name, kind

    def last(self) -> State | None:
        """The state, whatever settings it belongs to."""
        state = st.session_state.get(self.name)
        return state if isinstance(state, self.kind) else None

    def of(self, key: Key) -> State | None:
        """The state, if it belongs to these settings."""
        state = self.last()
        return state if state is not None and state.key == key else None

    def put(self, state: State) -> State:
        """Make this the state."""
        st.session_state[self.name] = state
        return state

    def forget(self) -> None:
        """Have none."""
        st.session_state.pop(self.name, None)


Run = TypeVar("Run", bound=PageRun)


class CurrentRun(CurrentState[Run]):
    """The one run of a kind that a session has."""

    def stop(self) -> None:
        """What the button Stop does: the script that the run is in ends, and what has come in stays."""
        run = self.last()
        if run is not None and run.status == "running":
            run.status = "stopped"
