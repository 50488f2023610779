"""A class of N people on one server, by Streamlit's own websocket protocol: how long they wait; the tables of reliability.md.

    python benchmarks/load.py                       # starts a server of its own, N = 1, 10, 30, 60: about ten minutes
    python benchmarks/load.py --people 5 --seconds 30
    python benchmarks/load.py --checkout ../older   # the same people before another version's server
    python benchmarks/load.py --leaving             # how soon the work of a closed tab ends

Each person opens the page Votes with a picture of their own, drags the angle (several moves a second), lets go and waits for the
vote, looks at it, and begins again; at the end each asks for one certificate. The angle below each image that comes back is
compared with the one that this person set. Only servers of this machine are asked.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.explorer_server import REPOSITORY, ExplorerServer, is_healthy

PAGE = Path(__file__).parent / "reliability.md"
MOVES, BETWEEN_MOVES = 5, 0.25  # a drag: moves, seconds between two
LOOKS = 5.0  # seconds that a person looks at a result, on average
VOTES = 200
CERTIFICATE = {"form": "one ball", "n_gamma": "40", "rotation_limit": "5", "pace": "fast"}
STARVED = 120.0  # seconds after which a person has waited in vain
HEALTH = 0.25  # seconds between two questions for the server's health


@dataclass
class Measured:
    """What all people of one class met with.

    Attributes:
        images: seconds from the last move of a drag to the moved image.
        votes: seconds from the last move to the end of the vote. certificates: from the question to the certificate.
        asked, answered: when each certificate was asked for and there, by person.
        starved: who waited in vain. foreign: values on a screen that another person asked for.
        health: seconds to an answer of ``/_stcore/health``. memory: of the server, in bytes: before, at most, at the end.
    """

    images: list[float] = field(default_factory=list)
    votes: list[float] = field(default_factory=list)
    certificates: list[float] = field(default_factory=list)
    asked: dict[int, float] = field(default_factory=dict)
    answered: dict[int, float] = field(default_factory=dict)
    starved: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    @property
    def overtaken(self) -> int:
        """Pairs of certificates that were answered in another order than they were asked for, by more than a second."""
        people = [person for person in self.answered if person in self.asked]
        return sum(
            self.asked[one] + 1 < self.asked[other] and self.answered[one] > self.answered[other] + 1
            for one in people
            for other in people
        )


class Tab:
    """A browser tab as the server sees it: a websocket that takes the state of the controls and sends what to draw."""

    def __init__(self, address: str) -> None:
        self.address = address.replace("http://", "ws://") + "/_stcore/stream"
        self.page_hash, self.page, self.query = "", "", ""
        self.sliders: dict[str, str] = {}
        self.buttons: dict[str, str] = {}
        self.moved: dict[str, list[float]] = {}
        self._socket: Any = None

    async def open(self) -> None:
        """Connect."""
        self._socket = await websockets.connect(self.address, subprotocols=["streamlit"], max_size=None)  # type: ignore[list-item]

    async def close(self) -> None:
        """Close the tab."""
        if self._socket is not None:
            await self._socket.close()

    async def go(self, page: str, parameters: dict[str, str]) -> None:
        """Open a page by its address."""
        self.page, self.page_hash, self.moved = page, "", {}
        self.query = "&".join(f"{name}={value}" for name, value in parameters.items())
        await self._run()

    async def move(self, slider: str, value: float) -> None:
        """Move a slider (by the beginning of its label) to a value."""
        identity = next(each for label, each in self.sliders.items() if label.startswith(slider))
        self.moved[identity] = [value]
        await self._run()

    async def press(self, button: str) -> None:
        """Press a button (by its label)."""
        await self._run(self.buttons[button])

    async def _run(self, pressed: str = "") -> None:
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_script_hash = self.page_hash
        message.rerun_script.page_name = "" if self.page_hash else self.page
        for identity, values in self.moved.items():
            state = message.rerun_script.widget_states.widgets.add()
            state.id = identity
            state.double_array_value.data.extend(values)
        if pressed:
            state = message.rerun_script.widget_states.widgets.add()
            state.id, state.trigger_value = pressed, True
        await self._socket.send(message.SerializeToString())

    async def message(self) -> ForwardMsg:
        """The next thing to draw."""
        found = ForwardMsg()
        found.ParseFromString(await self._socket.recv())
        if found.WhichOneof("type") == "navigation":
            self.page_hash = found.navigation.page_script_hash
        if found.WhichOneof("type") == "delta":
            element = found.delta.new_element
            if element.WhichOneof("type") == "slider":
                self.sliders[element.slider.label] = element.slider.id
            if element.WhichOneof("type") == "button":
                self.buttons[element.button.label] = element.button.id
        return found


class Person:
    """Somebody who drags, waits, looks, and at the end asks for a certificate."""

    def __init__(self, number: int, address: str, measured: Measured, until: float) -> None:
        self.number, self.measured, self.until = number, measured, until
        self.random, self.tab = random.Random(number), Tab(address)
        self.picture = number % 10
        self._angle: float | None = None

    async def attend(self) -> None:
        """The whole visit; the tab is closed at the end."""
        await asyncio.sleep(self.random.uniform(0, 5))
        try:
            await self.tab.open()
            await self.tab.go(
                "votes", {"pace": "fast", "n": str(VOTES), "digits_image": str(self.picture), "seed": str(self.number)}
            )
            await self._end("the page Votes")
            while time.monotonic() < self.until:
                await self._drag()
                await asyncio.sleep(self.random.expovariate(1 / LOOKS))
            await self._certificate()
        except (TimeoutError, websockets.WebSocketException, OSError) as error:
            self.measured.failed.append(f"person {self.number}: {type(error).__name__} {error}")
        finally:
            await self.tab.close()

    async def _drag(self) -> None:
        for step in range(MOVES):
            last = step == MOVES - 1
            self._angle = float(self.random.randrange(-60, 61))
            began = time.monotonic()
            await self.tab.move("Attack: turned by", self._angle)
            try:
                took = await asyncio.wait_for(self._image(began), STARVED if last else BETWEEN_MOVES)
                if last:  # of the others only the quick ones would count
                    self.measured.images.append(took)
                else:
                    await asyncio.sleep(max(0.0, BETWEEN_MOVES - took))
            except TimeoutError:
                if last:
                    self.measured.starved.append(f"person {self.number}: image")
                    return
        if await self._end("votes"):
            self.measured.votes.append(time.monotonic() - began)

    async def _image(self, began: float) -> float:
        """Wait for the moved image: its caption says the angle."""
        while True:
            found = await self.tab.message()
            if (caption := _caption_of_received(found)) and self._is_mine(caption):
                return time.monotonic() - began

    def _is_mine(self, caption: str) -> bool:
        return self._angle is not None and f"{abs(self._angle):.2f}°" in caption

    async def _end(self, what: str, until: Callable[[ForwardMsg], bool] | None = None) -> bool:
        """Wait for the end of the script, or of what ``until`` sees; False if that is in vain."""
        try:
            await asyncio.wait_for(self._ended(until), STARVED)
        except TimeoutError:
            self.measured.starved.append(f"person {self.number}: {what}")
            return False
        return True

    async def _ended(self, until: Callable[[ForwardMsg], bool] | None) -> None:
        done = False
        while True:
            found = await self.tab.message()
            kind = found.WhichOneof("type")
            if kind == "delta":
                element = found.delta.new_element
                if element.WhichOneof("type") == "exception":
                    self.measured.failed.append(f"person {self.number}: {element.exception.message}")
                if element.WhichOneof("type") == "alert" and element.alert.format == 1:
                    self.measured.failed.append(f"person {self.number}: {element.alert.body}")
                caption = _caption_of_received(found)
                if caption and self._angle is not None and not self._is_mine(caption):
                    self.measured.foreign.append(f"person {self.number} at {self._angle:g}: {caption}")
                done = done or (until is not None and until(found))
            finished = kind == "script_finished" and found.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
            if finished and (until is None or done):
                return

    async def _certificate(self) -> None:
        self._angle = None
        began = self.measured.asked[self.number] = time.monotonic()
        await self.tab.go("certify", CERTIFICATE | {"digits_image": str(self.picture), "seed": str(self.number)})
        if await self._end("certificate", _is_conclusion):
            self.measured.answered[self.number] = time.monotonic()
            self.measured.certificates.append(time.monotonic() - began)


def _caption_of_received(found: ForwardMsg) -> str | None:
    """The words below the moved image, None if this is something else."""
    element = found.delta.new_element if found.WhichOneof("type") == "delta" else None
    if element is None or element.WhichOneof("type") != "bidi_component":
        return None
    content = element.bidi_component
    pictures = json.loads(content.json or content.mixed.json or "{}").get("pictures", [])
    captions = [str(picture["title"]) for picture in pictures if "title" in picture]
    return next((caption for caption in captions if caption.startswith("received")), None)


def _is_conclusion(found: ForwardMsg) -> bool:
    element = found.delta.new_element
    if element.WhichOneof("type") != "markdown":
        return False
    return any(word in element.markdown.body for word in ("CERTIFIED", "ABSTAIN"))


# ------------------------------------------------------------------------------------------------------------ the server


@contextmanager
def server(checkout: Path) -> Iterator[tuple[str, int]]:
    """A freshly started server of the code in ``checkout``; its address and the number of its process."""
    with tempfile.TemporaryDirectory() as folder:
        one = ExplorerServer(checkout, SPT_RUNS=folder)
        try:
            one.start()
            yield one.address, one.process.pid
        finally:
            one.stop()


def _memory(process: int) -> int:
    """In bytes, as Linux tells it."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _watch(address: str, process: int, measured: Measured) -> None:
    """Ask for the server's health, and look at its memory, again and again."""
    while True:
        began = time.monotonic()
        if not await asyncio.to_thread(is_healthy, address):
            measured.failed.append("the server does not answer")
        measured.health.append(time.monotonic() - began)
        measured.memory.append(_memory(process))
        await asyncio.sleep(HEALTH)


async def attend(people: int, seconds: float, address: str, process: int) -> Measured:
    """A class of so many people for so long; certificates come after that."""
    measured = Measured()
    first = Person(people, address, measured, 0.0)  # what only the first visitor of a server waits for
    await first.attend()
    measured = Measured(memory=[_memory(process)])
    watching = asyncio.create_task(_watch(address, process, measured))
    until = time.monotonic() + seconds
    await asyncio.gather(*(Person(number, address, measured, until).attend() for number in range(people)))
    watching.cancel()
    await asyncio.sleep(5)
    measured.memory.append(_memory(process))
    return measured


# ------------------------------------------------------------------------------------------------------------ a closed tab

_PHOTOGRAPH = {"source": "natural", "natural_image": "6", "classifier": "cifar10-smooth"}
_SHIFT = {"transform": "translation", "classifier": "mnist-translation"}
LONG_WORK: dict[str, tuple[str, dict[str, str], str]] = {
    "votes": ("votes", {"n": "100000", "pace": "fast"}, ""),
    "votes on a photograph": ("votes", _PHOTOGRAPH | {"n": "20000", "pixel_sigma": "0.25", "pace": "fast"}, ""),
    "certificate, ±30°": ("certify", {"form": "one ball", "n_gamma": "1000", "classifier": "mnist-rotation-fine"}, ""),
    "certificate of a photograph, ±30°": (
        "certify",
        _PHOTOGRAPH | {"form": "one ball", "n_gamma": "1000", "rotation_limit": "30"},
        "",
    ),
    "certificate, ±2 px": ("certify", _SHIFT | {"form": "one ball", "n_gamma": "1000", "translation_limit": "2"}, ""),
    "radii of balls": ("interpolation", {"splits": "20"}, "Prove these radii"),
    "radii of balls of a photograph": ("interpolation", _PHOTOGRAPH | {"splits": "20"}, "Prove these radii"),
    "inverse of a photograph": (
        "inverse",
        _PHOTOGRAPH | {"inverse_size": "64 × 64", "inverse_splits": "3000", "inverse_refinements": "20"},
        "",
    ),
    "certificate of a received image": ("inverse", {"inverse_splits": "600"}, "Certify"),
    "run of table4": ("experiments", {"experiment": "table4", "results": "quick"}, "Run"),
    "run of indiv": ("experiments", {"experiment": "indiv", "results": "quick"}, "Run"),
    "run of refinement": ("experiments", {"experiment": "refinement", "results": "quick"}, "Run"),
    "run of table12": ("experiments", {"experiment": "table12", "results": "quick"}, "Run"),
}
"""Work that takes longer than a person waits: page, address, and the button that starts it."""
MOMENTS = (2.0, 5.0)  # seconds after its beginning at which the tab is closed


async def leave(address: str, work: str, after: float) -> float:
    """Begin a work, close the tab so many seconds later: seconds until nothing is computed or waits; NaN if it had ended."""
    page, parameters, button = LONG_WORK[work]
    tab = Tab(address)
    await tab.open()
    await tab.go(page, parameters)
    if button:
        await asyncio.wait_for(_read(tab, lambda: button in tab.buttons), STARVED)
        await asyncio.sleep(0.5)
        await tab.press(button)
    reading = asyncio.create_task(_read(tab, lambda: False))
    began = time.monotonic()
    while not await asyncio.to_thread(_long_work, address):
        if time.monotonic() - began > 30:
            raise SystemExit(f"{work} has not begun.")
        await asyncio.sleep(0.05)
    await asyncio.sleep(after)
    reading.cancel()
    busy = await asyncio.to_thread(_long_work, address)
    closed = time.monotonic()
    await tab.close()
    while await asyncio.to_thread(_long_work, address):
        await asyncio.sleep(0.01)
    return time.monotonic() - closed if busy else float("nan")


async def _read(tab: Tab, until: Callable[[], bool]) -> None:
    while not until():
        await tab.message()


def _long_work(address: str) -> int:
    """Computations that have a slot or wait for one."""
    with urllib.request.urlopen(f"{address}/status", timeout=STARVED) as answer:
        found = json.load(answer)
    return sum(found[kind][lane] for kind in ("working", "waiting") for lane in ("short", "long"))


def measure_leaving(works: Sequence[str]) -> list[tuple[str, ...]]:
    """Rows: work, and the seconds until it had ended, for each moment."""
    rows = []
    for work in works:
        with server(REPOSITORY) as (address, _):
            found = [asyncio.run(leave(address, work, after)) for after in MOMENTS]
        rows.append((work, *(f"{seconds:.2f}" if seconds == seconds else "had ended" for seconds in found)))
        print(" | ".join(rows[-1]), flush=True)
    return rows


# ------------------------------------------------------------------------------------------------------------- the table

HEADINGS = (
    "people",
    "image p50 / p95",
    "votes p50 / p95",
    "certificate p50 / p95",
    "health p95 / most",
    "starved",
    "overtaken",
    "foreign",
    "failed",
    "memory before / most / after",
)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which so many percent of the values are; NaN of none."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=100, method="inclusive")[round(100 * share) - 1]


def row(people: int, measured: Measured) -> tuple[str, ...]:
    """The figures as a row of the table, in seconds and MB."""

    def pair(values: Sequence[float]) -> str:
        return f"{percentile(values, 0.5):.2f} / {percentile(values, 0.95):.2f} ({len(values)})"

    memory = [measured.memory[0], max(measured.memory), measured.memory[-1]]
    return (
        str(people),
        pair(measured.images),
        pair(measured.votes),
        pair(measured.certificates),
        f"{percentile(measured.health, 0.95):.2f} / {max(measured.health):.2f}",
        str(len(measured.starved)),
        str(measured.overtaken),
        str(len(measured.foreign)),
        str(len(measured.failed)),
        " / ".join(f"{value / 2**20:,.0f}" for value in memory),
    )


def table(rows: Sequence[tuple[str, ...]], headings: Sequence[str] = HEADINGS) -> str:
    """The rows as Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (headings, ("---",) * len(headings), *rows))


def rewrite(page: Path, name: str, text: str) -> None:
    """Put ``text`` between the marks of that name on the page."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{page.name} has no marks {begin} … {end}.")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def main() -> None:
    """Measure and print, or rewrite the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, nargs="+", default=[1, 10, 30, 60])
    parser.add_argument("--seconds", type=float, default=60, help="of dragging and voting, before the certificates")
    parser.add_argument("--checkout", type=Path, default=REPOSITORY, help="whose server is asked")
    parser.add_argument("--leaving", nargs="*", metavar="WORK", help="how soon the work of a closed tab ends")
    parser.add_argument(
        "--table", help="the table of reliability.md to rewrite: before, after, leaving; else print only"
    )
    options = parser.parse_args()
    if options.leaving is not None:
        rows = measure_leaving(options.leaving or list(LONG_WORK))
        headings = ("work", *(f"closed after {after:g} s" for after in MOMENTS))
        print(table(rows, headings))
        if options.table:
            rewrite(PAGE, options.table, table(rows, headings))
        return
    rows = []
    for people in options.people:
        with server(options.checkout.resolve()) as (address, process):
            measured = asyncio.run(attend(people, options.seconds, address, process))
        rows.append(row(people, measured))
        print(table(rows[-1:]), *measured.starved, *measured.foreign[:3], *measured.failed[:5], sep="\n", flush=True)
    if options.table:
        rewrite(PAGE, options.table, table(rows))


if __name__ == "__main__":
    main()
