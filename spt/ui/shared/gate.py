"""The gate around heavy work: few computations at once on a server, the others wait in line, first come first served.

There are two lanes. Short work (votes of a second) never waits behind long work (certificates, bounds): one slot is never
given to long work, and one is kept from short work while long work waits. The gate is a value of this module, which nothing
that Streamlit clears or reruns makes anew.
"""

import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import streamlit as st

Lane = Literal["short", "long"]
LOGGER = logging.getLogger("spt.work")
"""A line for each computation that has ended: what, in which lane, how long it waited and took. No image, no name."""
LOOK = 0.1
"""Seconds between two looks at the place in line, at which a changed control or a closed tab leaves it."""
MOST_WAITING = 200
REMEMBERED = 20
"""Durations of a lane that its estimate is made from."""


class BusyError(ValueError):
    """So many wait that nobody more is let in."""


class Ticket:
    """A place in line, then a slot. `leave` gives either back, whatever happened before, and as often as it is called."""

    def __init__(self, gate: "Gate", lane: Lane) -> None:
        self.gate, self.lane = gate, lane
        self.begun: float | None = None
        self._held = 0
        self._left = False

    def enter(self) -> None:
        """Stand in line; `BusyError` if it is full."""
        self.gate._enter(self)

    def wait(self, seconds: float) -> bool:
        """Whether the slot is there, at the latest after so long."""
        return self.gate._wait(self, seconds)

    @property
    def ahead(self) -> int:
        """How many stand before this one in its lane."""
        return self.gate._ahead(self)

    def hold(self) -> Callable[[], None]:
        """Keep the slot for a thread of this work, too: it is free when the thread has called what this returns, as well."""
        return self.gate._hold(self)

    def leave(self) -> None:
        """Give the place or the slot back (a slot that threads still hold, when the last of them ends)."""
        self.gate._leave(self)


class Gate:
    """Slots for heavy work.

    Args:
        slots: computations at once, at least 2; long work can have all but one, and short work too while long work waits.
        most_waiting: tickets in line, for each lane.
    """

    def __init__(self, slots: int, most_waiting: int = MOST_WAITING) -> None:
        if slots < 2:
            raise ValueError(f"slots must be at least 2, but is {slots}.")
        self.slots, self.most_waiting = slots, most_waiting
        self._changed = threading.Condition()
        self._line: dict[Lane, list[Ticket]] = {"short": [], "long": []}
        self._inside: list[Ticket] = []
        self._taken: dict[Lane, deque[float]] = {lane: deque(maxlen=REMEMBERED) for lane in self._line}

    def ticket(self, lane: Lane) -> Ticket:
        """A ticket that stands nowhere yet."""
        return Ticket(self, lane)

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        with self._changed:
            return self.slots - len(self._inside)

    @property
    def waiting(self) -> dict[Lane, int]:
        """How many stand in each line."""
        with self._changed:
            return {lane: len(line) for lane, line in self._line.items()}

    def seconds_to_wait(self, ticket: Ticket) -> float | None:
        """An estimate from what came before in its lane; None if nothing did."""
        with self._changed:
            taken = self._taken[ticket.lane]
            if not taken or ticket not in self._line[ticket.lane]:
                return None
            return sum(taken) / len(taken) * (self._line[ticket.lane].index(ticket) + 1) / (self.slots - 1)

    # ----------------------------------------------------------------------------------------- what tickets do

    def _enter(self, ticket: Ticket) -> None:
        with self._changed:
            line = self._line[ticket.lane]
            line.append(ticket)
            self._let_in()
            if len(line) > self.most_waiting:
                line.remove(ticket)
                raise BusyError(f"This server is busy: {len(line)} computations wait already. Try again in a minute.")

    def _wait(self, ticket: Ticket, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: ticket in self._inside, seconds)

    def _ahead(self, ticket: Ticket) -> int:
        with self._changed:
            line = self._line[ticket.lane]
            return line.index(ticket) if ticket in line else 0

    def _hold(self, ticket: Ticket) -> Callable[[], None]:
        released = False

        def release() -> None:
            nonlocal released
            with self._changed:
                if not released:
                    released = True
                    ticket._held -= 1
                    self._free_if_left(ticket)

        with self._changed:
            ticket._held += 1
        return release

    def _leave(self, ticket: Ticket) -> None:
        with self._changed:
            ticket._left = True
            for line in self._line.values():
                if ticket in line:
                    line.remove(ticket)
            self._free_if_left(ticket)

    def _free_if_left(self, ticket: Ticket) -> None:
        if ticket._left and ticket._held == 0 and ticket in self._inside:
            self._inside.remove(ticket)
            if ticket.begun is not None:
                self._taken[ticket.lane].append(time.monotonic() - ticket.begun)
        self._let_in()

    def _let_in(self) -> None:
        """Give free slots to those who are next, short work first; one slot is left to long work that waits."""
        long_is_there = bool(self._line["long"]) or any(each.lane == "long" for each in self._inside)
        most_of: dict[Lane, int] = {"short": self.slots - long_is_there, "long": self.slots - 1}
        for lane, most in most_of.items():
            line = self._line[lane]
            while line and len(self._inside) < self.slots and sum(each.lane == lane for each in self._inside) < most:
                ticket = line.pop(0)
                ticket.begun = time.monotonic()
                self._inside.append(ticket)
        self._changed.notify_all()


GATE = Gate(max(2, os.cpu_count() or 2))
_THREAD = threading.local()


def has_slot() -> bool:
    """Whether this thread's script is inside `heavy_work`."""
    return getattr(_THREAD, "ticket", None) is not None


def hold_slot() -> Callable[[], None]:
    """Called in a script, for a thread that it starts: keeps the script's slot, if it has one, until the thread calls what
    this returns. A script that is ended leaves at once, but what it has started goes on to its next step."""
    ticket: Ticket | None = getattr(_THREAD, "ticket", None)
    return (lambda: None) if ticket is None else ticket.hold()


@contextmanager
def heavy_work(lane: Lane, what: str, gate: Gate | None = None) -> Iterator[Ticket]:
    """Work that takes a slot: it begins when there is one; until then the place in line is on the screen. ``what`` it is goes to
    the server's log.

    Whatever ends the script (a changed control, Stop, a closed tab, an error), here or in the work, leaves the line or the slot.
    """
    ticket, asked = (gate or GATE).ticket(lane), time.monotonic()
    before, _THREAD.ticket = getattr(_THREAD, "ticket", None), ticket
    try:
        ticket.enter()
        if not ticket.wait(0):
            place = st.empty()
            while not ticket.wait(LOOK):
                place.caption(in_words(ticket))
            place.empty()
        yield ticket
    finally:
        ticket.leave()
        _THREAD.ticket = before
        _note(ticket, what, asked)


def _note(ticket: Ticket, what: str, asked: float) -> None:
    now = time.monotonic()
    begun = now if ticket.begun is None else ticket.begun
    line = {
        "work": what,
        "lane": ticket.lane,
        "waited_s": round(begun - asked, 2),
        "took_s": round(now - begun, 2),
        "waiting": sum(ticket.gate.waiting.values()),
        "free": ticket.gate.free,
    }
    LOGGER.info("%s", json.dumps(line))


def in_words(ticket: Ticket) -> str:
    """The place in line, and about how long it will take."""
    ahead, seconds = ticket.ahead, ticket.gate.seconds_to_wait(ticket)
    others = "you are next" if not ahead else f"{ahead} before you"
    about = "" if seconds is None else f", about {max(1, round(seconds)):,} s"
    return f"Waiting in line for this server: {others}{about}. Stop, or any control, leaves the line."
