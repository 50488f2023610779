"""The gate around all that pages compute: few computations at once on a server, the others wait in line, first come first served.

There are three lanes. *Drawing* is a run of a page's script, some tenths of a second; *short* work is a vote of a second; *long*
work is a certificate or a bound. Drawing and short work are quick: they never wait behind long work, as one slot is never given to
long work; and one slot is kept from quick work while long work is there. Work is done in slices: between two of them it gives way
to what is quicker and waits. The gate is a value of this module, which nothing that Streamlit clears or reruns makes anew.
"""

import bisect
import itertools
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import streamlit as st

from spt.progress import between_steps
from spt.ui.shared import state

Lane = Literal["drawing", "short", "long"]
LANES: tuple[Lane, ...] = ("drawing", "short", "long")
HEAD_START = 2.0
"""Seconds that drawing is let in before short work that came earlier; short work that has waited longer comes first."""
LOGGER = logging.getLogger("spt.work")
"""A line for each computation that has ended: what, its settings, in which lane, how long it waited and took. No image."""
LOOK = 0.1
"""Seconds between two looks at the place in line, at which a changed control or a closed tab leaves it."""
UNTOLD = 1.0
"""Seconds of waiting after which the place in line is on the screen."""
MOST_WAITING = 200
REMEMBERED = 20
"""Durations of a lane that its estimate is made from."""
LEFT, ASKED = "left_the_line", "asked_to_draw"
"""In the session's state: that the button that leaves the line was pressed; when a run asked that was not let in yet."""


class BusyError(ValueError):
    """So many wait that nobody more is let in."""


class Ticket:
    """A place in line, then a slot. `leave` gives either back, whatever happened before, and as often as it is called.

    Args:
        asked: when it was asked for, in `time.monotonic`: its place in line; now if None.
    """

    def __init__(self, gate: "Gate", lane: Lane, asked: float | None = None) -> None:
        self.gate, self.lane = gate, lane
        self.asked = time.monotonic() if asked is None else asked
        self.begun: float | None = None
        self.worked = self._remembered = 0.0
        self._since = 0.0
        self._held = 0
        self._left = False

    @property
    def rank(self) -> float:
        """The smaller, the earlier it is let in, within the quick lanes or the long one."""
        return self.asked + (HEAD_START if self.lane == "short" else 0.0)

    def enter(self) -> None:
        """Stand in line; `BusyError` if it is full."""
        self.gate._enter(self)

    def wait(self, seconds: float) -> bool:
        """Whether the slot is there, at the latest after so long."""
        return self.gate._wait(self, seconds)

    @property
    def has_slot(self) -> bool:
        """Whether the slot is there now."""
        return self.wait(0)

    def wait_for_slot(self, look: Callable[[], None]) -> None:
        """Wait until the slot is there; ``look`` is called again and again meanwhile, and may raise to end this."""
        while not self.wait(LOOK):
            look()

    def slice_ends(self, look: Callable[[], None] = lambda: None) -> None:
        """Between two slices of work: ``look``, then give way to what is quicker, if some waits, and wait for the slot again."""
        look()
        if self.gives_way():
            self.wait_for_slot(look)

    @property
    def ahead(self) -> int:
        """How many stand before this one."""
        return self.gate._ahead(self)

    def gives_way(self) -> bool:
        """Between two slices of work: give the slot to what is quicker and waits, if it is this work's turn to do so. If True,
        this stands in line again, at its old place, and goes on when `wait` says so."""
        return self.gate._gives_way(self)

    def step_aside(self) -> None:
        """Give the slot back for as long as nothing is computed (a pause, a look), and stand in line again at the old place with
        `come_back`."""
        self.gate._step_aside(self)

    def come_back(self) -> None:
        """Stand in line again after `step_aside`."""
        self.gate._enter(self)

    def go_last(self) -> None:
        """Give the slot back and stand at the end of the line: between two parts of a work that has many."""
        self.gate._step_aside(self)
        self.gate._part_ends(self)
        self.asked = time.monotonic()
        self.gate._enter(self)

    def hold(self) -> Callable[[], None]:
        """Keep the slot for a thread of this work, too: it is free when the thread has called what this returns, as well."""
        return self.gate._hold(self)

    def leave(self) -> None:
        """Give the place or the slot back (a slot that threads still hold, when the last of them ends)."""
        self.gate._leave(self)


class Gate:
    """Slots for what is computed.

    Args:
        slots: computations at once, at least 2; long work can have all but one, and quick work too while long work is there.
        most_waiting: tickets in line, for each lane.
    """

    def __init__(self, slots: int, most_waiting: int = MOST_WAITING) -> None:
        if slots < 2:
            raise ValueError(f"slots must be at least 2, but is {slots}.")
        self.slots, self.most_waiting = slots, most_waiting
        self._changed = threading.Condition()
        self._quick: list[Ticket] = []
        self._long: list[Ticket] = []
        self._inside: list[Ticket] = []
        self._taken: dict[Lane, deque[float]] = {lane: deque(maxlen=REMEMBERED) for lane in LANES}

    def ticket(self, lane: Lane, asked: float | None = None) -> Ticket:
        """A ticket that stands nowhere yet."""
        return Ticket(self, lane, asked)

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        with self._changed:
            return self.slots - len(self._inside)

    @property
    def waiting(self) -> dict[Lane, int]:
        """How many stand in each line."""
        with self._changed:
            return {lane: sum(each.lane == lane for each in (*self._quick, *self._long)) for lane in LANES}

    @property
    def working(self) -> dict[Lane, int]:
        """How many of each lane have a slot."""
        with self._changed:
            return {lane: sum(each.lane == lane for each in self._inside) for lane in LANES}

    def seconds_to_wait(self, ticket: Ticket) -> float | None:
        """An estimate from what came before in its lane; None if nothing did."""
        with self._changed:
            taken, line = self._taken[ticket.lane], self._line_of(ticket)
            if not taken or ticket not in line:
                return None
            return sum(taken) / len(taken) * (line.index(ticket) + 1) / (self.slots - 1)

    # ----------------------------------------------------------------------------------------- what tickets do

    def _line_of(self, ticket: Ticket) -> list[Ticket]:
        return self._long if ticket.lane == "long" else self._quick

    def _enter(self, ticket: Ticket) -> None:
        with self._changed:
            line = self._line_of(ticket)
            if ticket._left or ticket in self._inside or ticket in line:
                return
            bisect.insort(line, ticket, key=lambda each: each.rank)
            self._let_in()
            standing = sum(each.lane == ticket.lane for each in line)
            if standing > self.most_waiting and ticket in line and ticket.begun is None:
                line.remove(ticket)
                raise BusyError(
                    f"This server is busy: {standing - 1} computations wait already. Try again in a minute."
                )

    def _wait(self, ticket: Ticket, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: ticket in self._inside, seconds)

    def _ahead(self, ticket: Ticket) -> int:
        with self._changed:
            line = self._line_of(ticket)
            return line.index(ticket) if ticket in line else 0

    def _gives_way(self, ticket: Ticket) -> bool:
        with self._changed:
            if ticket._left or ticket not in self._inside or not self._quick:
                return False
            if ticket.lane == "long":
                if self._inside_of(long=True) == 1:
                    return False
            elif ticket.rank <= self._quick[0].rank:
                return False
            self._take_out(ticket)
            bisect.insort(self._line_of(ticket), ticket, key=lambda each: each.rank)
            self._let_in()
            return ticket not in self._inside

    def _step_aside(self, ticket: Ticket) -> None:
        with self._changed:
            line = self._line_of(ticket)
            if ticket in line:
                line.remove(ticket)
            if ticket in self._inside:
                self._take_out(ticket)
            self._let_in()

    def _hold(self, ticket: Ticket) -> Callable[[], None]:
        released = False

        def release() -> None:
            nonlocal released
            with self._changed:
                if not released:
                    released = True
                    ticket._held -= 1
                    self._end_if_left(ticket)

        with self._changed:
            ticket._held += 1
        return release

    def _leave(self, ticket: Ticket) -> None:
        with self._changed:
            ticket._left = True
            line = self._line_of(ticket)
            if ticket in line:
                line.remove(ticket)
            self._end_if_left(ticket)

    def _end_if_left(self, ticket: Ticket) -> None:
        if ticket._left and ticket._held == 0 and ticket in self._inside:
            self._take_out(ticket)
            self._part_ends(ticket)
        self._let_in()

    def _part_ends(self, ticket: Ticket) -> None:
        """Remember how long it had a slot since its last part."""
        with self._changed:
            self._taken[ticket.lane].append(ticket.worked - ticket._remembered)
            ticket._remembered = ticket.worked

    def _take_out(self, ticket: Ticket) -> None:
        self._inside.remove(ticket)
        ticket.worked += time.monotonic() - ticket._since

    def _let_in(self) -> None:
        """Give free slots to those who are next, quick work first; one slot is left to long work."""
        long_is_there = bool(self._long) or any(each.lane == "long" for each in self._inside)
        for line, most in ((self._quick, self.slots - long_is_there), (self._long, self.slots - 1)):
            while line and len(self._inside) < self.slots and self._inside_of(line is self._long) < most:
                ticket = line.pop(0)
                ticket._since = time.monotonic()
                if ticket.begun is None:
                    ticket.begun = ticket._since
                self._inside.append(ticket)
        self._changed.notify_all()

    def _inside_of(self, long: bool) -> int:
        return sum((each.lane == "long") == long for each in self._inside)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


GATE = Gate(max(2, cores()))
_THREAD = threading.local()
"""Of a script's thread: the ``ticket`` that it has, the ``place`` on the screen of its drawing, whether it ``left`` the line."""
_WAITS = itertools.count()


class Work:
    """What a script has begun, or waits to begin: its ticket, and the place on the screen where it says how it stands in line."""

    def __init__(self, ticket: Ticket, place: Any) -> None:
        self.ticket, self.place = ticket, place
        self._words: Any = None

    def wait(self, told: bool = True) -> None:
        """Wait for the slot; each look is a Streamlit call, at which a changed control, Stop or a closed tab ends the script."""
        began = time.monotonic()
        while not self.ticket.wait(LOOK):
            if not told or time.monotonic() - began < UNTOLD:
                (getattr(_THREAD, "place", None) or self.place).empty()
            else:
                self._tell()
        if self._words is not None:
            self.place.empty()
            self._words = None

    def _tell(self) -> None:
        if self._words is None:
            told = self.place.container(horizontal=True, vertical_alignment="center")
            self._words = told.empty()
            key = f"leave_the_line_{next(_WAITS)}"  # one run of a script may wait several times
            told.button("Leave the line", key=key, on_click=_leave_the_line, icon=":material/logout:")
        self._words.caption(in_words(self.ticket))

    def slice_ends(self) -> None:
        """Between two slices of the work: give way to what is quicker, if some waits. Without a look at the session: this may be
        within a cached function, where Streamlit allows no call."""
        self.ticket.slice_ends()

    def rest(self, seconds: float) -> None:
        """Let so much time pass, without a slot."""
        self.ticket.step_aside()
        time.sleep(seconds)
        self.ticket.come_back()
        self.wait(told=False)


def _leave_the_line() -> None:
    st.session_state[LEFT] = True


@contextmanager
def drawing() -> Iterator[None]:
    """A run of a page's script: it begins when there is a slot. One that is replaced by the next, as a control is dragged, ends
    before it computes anything, and the next one stands at its place. Within another it is that one."""
    if getattr(_THREAD, "ticket", None) is not None:
        yield
        return
    ticket = GATE.ticket("drawing", st.session_state.setdefault(ASKED, time.monotonic()))
    _THREAD.left = st.session_state.pop(LEFT, False)
    _THREAD.ticket, _THREAD.place = ticket, st.empty()
    try:
        ticket.enter()
        Work(ticket, _THREAD.place).wait(told=False)
        st.session_state.pop(ASKED, None)
        yield
    finally:
        ticket.leave()
        _THREAD.ticket = _THREAD.place = None
        _THREAD.left = False


def has_slot() -> bool:
    """Whether this thread's script is inside `heavy_work`."""
    ticket: Ticket | None = getattr(_THREAD, "ticket", None)
    return ticket is not None and ticket.lane != "drawing"


def current_ticket() -> Ticket | None:
    """The ticket of `heavy_work` that this thread's script is in, None if it is in none."""
    return _THREAD.ticket if has_slot() else None


@contextmanager
def heavy_work(
    lane: Lane, what: str, gate: Gate | None = None, place: Any = None, **settings: str | float | bool
) -> Iterator[Work]:
    """Work that takes a slot, in place of that of the drawing that it is in: it begins when there is one; until then the place in
    line is on the screen, in ``place`` (an `st.empty`) or where the page has got to. ``what`` it is, and its ``settings``, go to
    the server's log.

    Whatever ends the script (a changed control, Stop, a closed tab, an error), here or in the work, leaves the line or the slot.
    In loops with a progress function it gives way between two steps.
    """
    if getattr(_THREAD, "left", False):
        _say_that_it_left(st.empty() if place is None else place)
    ticket, asked = (gate or GATE).ticket(lane), time.monotonic()
    before: Ticket | None = getattr(_THREAD, "ticket", None)
    _THREAD.ticket = ticket
    try:
        if before is not None:
            before.step_aside()
        work = Work(ticket, st.empty() if place is None else place)
        ticket.enter()
        work.wait()
        with between_steps(work.slice_ends):
            yield work
    finally:
        ticket.leave()
        _THREAD.ticket = before
        note(ticket, what, asked, settings)
        if before is not None:
            before.come_back()
    if before is not None and before.lane == "drawing":
        Work(before, _THREAD.place).wait(told=False)


def _say_that_it_left(place: Any) -> None:
    with place.container():
        st.info("You left the line, so this was not computed.", icon=":material/logout:")
        st.button("Stand in line again", key="enter_the_line", icon=":material/login:")
    state.stop()


def note(ticket: Ticket, what: str, asked: float, settings: Mapping[str, str | float | bool]) -> None:
    """A line in the server's log for work that has ended, or was left."""
    begun = time.monotonic() if ticket.begun is None else ticket.begun
    line = {
        "work": what,
        "lane": ticket.lane,
        **settings,
        "waited_s": round(begun - asked, 2),
        "took_s": round(ticket.worked, 2),
        "waiting": sum(ticket.gate.waiting.values()),
        "free": ticket.gate.free,
    }
    LOGGER.info("%s", json.dumps(line))


def in_words(ticket: Ticket) -> str:
    """The place in line, and about how long it will take."""
    ahead, seconds = ticket.ahead, ticket.gate.seconds_to_wait(ticket)
    others = "you are next" if not ahead else f"{ahead} before you"
    about = "" if seconds is None else f", about {max(1, round(seconds)):,} s"
    return f"Waiting in line for this server: {others}{about}."
