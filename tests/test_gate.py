"""The gate around heavy work: no slot is ever lost, first come first served, short work never behind long work."""

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from spt.progress import silent
from spt.ui.shared import background, gate
from spt.ui.shared.gate import BusyError, Gate, Ticket, heavy_work

INTERLEAVINGS = 10_000


class Ended(BaseException):
    """What Streamlit ends a script with: a rerun, Stop, a closed tab. Not an Exception, as there."""


class Place:
    """A placeholder whose every call may end the script, as a Streamlit call may."""

    def __init__(self, ends: Callable[[], None]) -> None:
        self.ends = ends

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given, **named: self.ends()


class Streamlit(threading.local):
    """What the gate calls of Streamlit; each thread is a session of its own."""

    def __init__(self, empty: Callable[[], Place]) -> None:
        self.empty, self.session_state = empty, dict[str, Any]()


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How likely a Streamlit call is to end the script, in a list of one number that a test may change."""
    chance, numbers = [0.0], random.Random(0)

    def ends() -> None:
        if numbers.random() < chance[0]:
            raise Ended

    def empty() -> Place:
        ends()
        return Place(ends)

    monkeypatch.setattr(gate, "st", Streamlit(empty))
    monkeypatch.setattr(background.st, "empty", empty)
    monkeypatch.setattr(gate, "LOOK", 0.0005)
    monkeypatch.setattr(background, "POLL", 0.0005)
    return chance


def test_no_slot_is_lost_whatever_ends_a_script(ending: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight visitors at once, ten thousand scripts: each may end at every Streamlit call, by an error, or in a thread; half of
    them are drawings, and they rest and give way."""
    ending[0] = 0.1
    own, inside, most, lock = Gate(3), [0, 0], [0, 0], threading.Lock()
    monkeypatch.setattr(gate, "GATE", own)

    def script(numbers: random.Random) -> None:
        if numbers.random() < 0.5:
            with gate.drawing():
                if numbers.random() < 0.8:
                    compute(numbers)
        else:
            compute(numbers)

    def compute(numbers: random.Random) -> None:
        lane: gate.Lane = numbers.choice(["short", "long"])
        with heavy_work(lane, "test", own) as work:
            if numbers.random() < 0.2:
                work.rest(0.0002)
            for _ in silent(range(2)):
                pass
            with lock:
                inside[lane == "long"] += 1
                most[:] = [max(most[0], sum(inside)), max(most[1], inside[1])]
            try:
                kind = numbers.random()
                if kind < 0.1:
                    raise ValueError("a network that fails")
                if kind < 0.2:
                    raise Ended
            finally:
                with lock:
                    inside[lane == "long"] -= 1
            if kind < 0.4:
                background.in_background(lambda progress: list(progress(range(3))), "work")

    def visitor(seed: int) -> None:
        numbers = random.Random(seed)
        for _ in range(INTERLEAVINGS // 8):
            with contextlib.suppress(Ended, ValueError):
                script(numbers)

    threads = [threading.Thread(target=visitor, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until = time.monotonic() + 10  # threads of scripts that were ended give their slot back at their next step
    while own.free < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert own.free == 3 and own.waiting == {"drawing": 0, "short": 0, "long": 0}
    assert most[0] <= 3 and most[1] <= 2


def test_a_waiter_and_a_holder_that_go_together_leave_all_slots(ending: list[float]) -> None:
    """What lost a slot for ever: a Streamlit call between taking the slot and the work ends the script."""
    own = Gate(2)
    with heavy_work("long", "test", own):
        ending[0] = 1.0
        with pytest.raises(Ended), heavy_work("long", "test", own):
            pytest.fail("there is no second slot for long work")
        assert own.waiting["long"] == 0
    assert own.free == 2


def entered(own: Gate, lane: gate.Lane) -> Ticket:
    ticket = own.ticket(lane)
    ticket.enter()
    return ticket


def test_a_script_that_ends_leaves_its_slot_to_what_it_has_started(ending: list[float]) -> None:
    """The thread goes on to its next step: until then nobody else gets its slot."""
    own, goes_on = Gate(2), threading.Event()

    def compute(progress: Any) -> None:
        ending[0] = 1.0  # the script ends at its next look at this
        goes_on.wait(30)

    with pytest.raises(Ended), heavy_work("long", "test", own):
        background.in_background(compute, "work")
    ending[0] = 0.0
    assert own.free == 1 and not entered(own, "long").wait(0.05)
    goes_on.set()
    until = time.monotonic() + 10
    while own.waiting["long"] and time.monotonic() < until:
        time.sleep(0.01)
    assert own.waiting["long"] == 0 and own.free == 1, "the next one has it"


def test_what_computes_in_the_background_takes_a_slot(ending: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    own = Gate(2)
    monkeypatch.setattr(gate, "GATE", own)
    assert background.in_background(lambda progress: own.free, "work") == 1 and own.free == 2


def test_first_come_first_served_in_each_lane() -> None:
    own = Gate(2)
    first, second, third = (entered(own, "long") for _ in range(3))
    assert first.wait(0) and not second.wait(0) and not third.wait(0)
    assert (second.ahead, third.ahead) == (0, 1)
    second.leave()
    assert third.ahead == 0 and not third.wait(0)
    first.leave()
    assert third.wait(0)
    third.leave()
    assert own.free == 2


def test_short_work_never_waits_behind_long_work() -> None:
    own = Gate(3)
    long = [entered(own, "long") for _ in range(5)]
    short = entered(own, "short")
    assert short.wait(0) and sum(ticket.wait(0) for ticket in long) == 2
    another = entered(own, "short")
    assert not another.wait(0)
    long[0].leave()
    assert another.wait(0) and not long[2].wait(0), "short work comes first"


def test_long_work_does_not_wait_for_ever_behind_short_work() -> None:
    own = Gate(2)
    first = entered(own, "short")
    assert entered(own, "short").wait(0), "without long work, short work may have all slots"
    long = entered(own, "long")
    later = entered(own, "short")
    first.leave()
    assert long.wait(0) and not later.wait(0)


def test_a_full_line_of_long_work_refuses_no_short_work() -> None:
    own = Gate(2, most_waiting=1)
    assert [entered(own, "long").wait(0) for _ in range(2)] == [True, False]
    with pytest.raises(BusyError, match="busy: 1 computations wait already"):
        own.ticket("long").enter()
    assert entered(own, "short").wait(0)


def test_a_slot_is_kept_until_its_thread_has_ended() -> None:
    own = Gate(2)
    ticket = entered(own, "long")
    release = ticket.hold()
    ticket.leave()
    ticket.leave()
    assert own.free == 1
    release()
    release()
    assert own.free == 2


def test_a_full_line_is_one_sentence() -> None:
    own = Gate(2, most_waiting=2)
    kept = [entered(own, "long") for _ in range(3)]
    with pytest.raises(BusyError, match="busy: 2 computations wait already"):
        own.ticket("long").enter()
    for ticket in kept:
        ticket.leave()
    assert own.free == 2
    with pytest.raises(ValueError, match="slots must be at least 2, but is 1"):
        Gate(1)


def test_the_place_in_line_is_said_with_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(gate.time, "monotonic", lambda: now[0])
    own = Gate(2)
    first = entered(own, "long")
    second, third = entered(own, "long"), entered(own, "long")
    assert gate.in_words(second).endswith("you are next.")
    now[0] = 12.0
    first.leave()
    assert "you are next, about 12 s." in gate.in_words(third)
    fourth = entered(own, "long")
    assert "1 before you, about 24 s." in gate.in_words(fourth)


def test_the_gate_of_the_server_is_not_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    import streamlit as st

    before: Any = gate.GATE
    st.cache_resource.clear()
    st.cache_data.clear()
    with heavy_work("long", "test"):
        assert gate.GATE is before and before.free == before.slots - 1
    assert before.free == before.slots


def test_the_log_has_a_line_for_each_computation(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="spt.work"), heavy_work("long", "certificate", Gate(2), n_gamma=200):
        pass
    line = json.loads(caplog.messages[-1])
    assert (
        line.keys() == {"work", "lane", "n_gamma", "waited_s", "took_s", "waiting", "free"} and line["n_gamma"] == 200
    )
    assert (line["work"], line["lane"], line["waiting"], line["free"]) == ("certificate", "long", 0, 2)


# ---------------------------------------------------------------------------------------------- drawings, and slices of work


def test_a_run_that_waits_twice_has_two_buttons_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit refuses a second button of one key in a run."""

    class Told(Place):
        keys: ClassVar[list[str]] = []

        def __init__(self) -> None:
            super().__init__(lambda: None)

        def container(self, **settings: Any) -> "Told":
            return self

        def empty(self) -> "Told":
            return self

        def button(self, label: str, key: str, **settings: Any) -> None:
            assert label == "Leave the line"
            self.keys.append(key)

    monkeypatch.setattr(gate, "UNTOLD", 0.0)
    monkeypatch.setattr(gate, "LOOK", 0.001)
    own = Gate(2)
    for _ in range(2):
        other = entered(own, "long")
        threading.Timer(0.05, other.leave).start()
        with heavy_work("long", "test", own, place=Told()):
            pass
    assert len(Told.keys) == len(set(Told.keys)) == 2


def test_drawing_comes_before_short_work_but_not_for_ever() -> None:
    own = Gate(2)
    busy = [own.ticket("drawing", asked=0.0) for _ in range(2)]
    short, early, late = own.ticket("short", 10.0), own.ticket("drawing", 11.0), own.ticket("drawing", 13.0)
    for ticket in (*busy, short, late, early):
        ticket.enter()
    order = []
    for ticket in (busy[0], early, short):
        ticket.leave()
        order.append([each.wait(0) for each in (early, short, late)])
    assert order == [[True, False, False], [False, True, False], [False, False, True]]


def test_long_work_gives_way_to_quick_work_between_two_slices_and_keeps_one_slot() -> None:
    own = Gate(4)
    long = [entered(own, "long") for _ in range(4)]
    assert not long[0].gives_way(), "nothing quick waits"
    first = entered(own, "short")
    second = entered(own, "drawing")
    assert first.wait(0) and not second.wait(0)
    assert long[0].gives_way() and second.wait(0) and not long[0].wait(0)
    third, fourth = entered(own, "drawing"), entered(own, "drawing")
    assert long[1].gives_way() and third.wait(0)
    assert not long[2].gives_way() and long[2].wait(0) and not fourth.wait(0), "one slot is left to long work"
    for ticket in (first, second, third, fourth):
        ticket.leave()
    assert long[0].wait(0) and long[1].wait(0) and not long[3].wait(0), "at their old places"


def test_work_that_has_left_gives_no_way_and_takes_no_slot_again() -> None:
    own = Gate(3)
    gone, other = entered(own, "long"), entered(own, "long")
    quick = [entered(own, "drawing") for _ in range(2)]
    assert other.gives_way() and quick[1].wait(0)
    gone.leave()
    other.leave()
    other.come_back()
    assert not gone.gives_way() and own.working == {"drawing": 2, "short": 0, "long": 0}
    assert own.waiting == {"drawing": 0, "short": 0, "long": 0}


def test_parts_of_two_works_take_turns() -> None:
    own = Gate(2)
    one, other = entered(own, "long"), entered(own, "long")
    one.go_last()
    assert other.wait(0) and not one.wait(0)
    other.go_last()
    assert one.wait(0) and not other.wait(0)


def test_who_rests_has_no_slot(ending: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    own, free = Gate(2), []
    monkeypatch.setattr(gate.time, "sleep", lambda seconds: free.append(own.free))
    with heavy_work("short", "votes", own) as work:
        assert own.free == 1
        work.rest(0.05)
        assert free == [2] and own.free == 1


def test_heavy_work_takes_the_place_of_the_drawing_it_is_in(
    ending: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Gate(2)
    monkeypatch.setattr(gate, "GATE", own)
    with gate.drawing():
        assert own.working == {"drawing": 1, "short": 0, "long": 0} and not gate.has_slot()
        with heavy_work("long", "test"):
            assert own.working == {"drawing": 0, "short": 0, "long": 1} and gate.has_slot()
        assert own.working == {"drawing": 1, "short": 0, "long": 0} and not gate.has_slot()
        with gate.drawing():  # a fragment's first run
            assert own.working["drawing"] == 1
    assert own.free == 2 and gate.ASKED not in gate.st.session_state


def test_who_stands_in_line_steps_aside_and_comes_back_once() -> None:
    """A page goes on after a work that failed, with its drawing in line, begins the next one, which fails, too: the drawing then
    stood in line twice, was let in twice, and left once."""
    own = Gate(2)
    busy = [entered(own, "drawing") for _ in range(2)]
    drawing = entered(own, "drawing")
    for _ in range(3):
        drawing.step_aside()
        assert own.waiting["drawing"] == 0
        drawing.come_back()
        drawing.come_back()
        assert own.waiting["drawing"] == 1
    for ticket in busy:
        ticket.leave()
    assert own.working["drawing"] == 1
    drawing.leave()
    assert own.free == 2


def test_a_part_of_a_long_run_is_what_the_others_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(gate.time, "monotonic", lambda: now[0])
    own = Gate(2)
    run = entered(own, "long")
    for _ in range(5):
        now[0] += 10.0
        run.go_last()
    waits = entered(own, "long")
    assert "you are next, about 10 s." in gate.in_words(waits) and run.worked == 50.0


def test_a_drawing_that_is_replaced_keeps_its_place(ending: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who drags does not go to the end of the line with every move."""
    own = Gate(2)
    monkeypatch.setattr(gate, "GATE", own)
    busy = [entered(own, "drawing") for _ in range(2)]
    gate.st.session_state[gate.ASKED] = first = time.monotonic() - 5
    before = own.ticket("drawing", first + 1)
    before.enter()
    ending[0] = 1.0
    with pytest.raises(Ended), gate.drawing():
        pytest.fail("there is no slot")
    assert gate.st.session_state[gate.ASKED] == first
    busy[0].leave()
    busy[1].leave()
    before.leave()
    ending[0] = 0.0
    with gate.drawing():
        assert gate.ASKED not in gate.st.session_state


def test_steps_of_loops_give_way(ending: list[float]) -> None:
    """A drawing that comes while a certificate computes has a slot at the next step of whatever loop it is in."""
    own = Gate(3)
    entered(own, "long")
    with heavy_work("long", "certificate", own):
        fast = [entered(own, "drawing") for _ in range(2)]
        assert fast[0].wait(0) and not fast[1].wait(0)

        def go() -> None:
            assert fast[1].wait(30)
            fast[1].leave()

        thread = threading.Thread(target=go)
        thread.start()
        assert list(silent(range(3))) == [0, 1, 2]
        thread.join(30)
        assert not thread.is_alive()
