"""A tour: one TOML file, read and checked. What is wrong with a file is one sentence with its line.

A file holds text only: its settings are those that an address could have, its words are Markdown without pictures. Nothing in it
is run, and no file is opened that it names.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from spt.ui.tours.vocabulary import PAGES, PagePart, knows

ENDING = ".toml"
MOST_BYTES = 100_000
MOST_STEPS = 40
LENGTHS = {"title": 80, "about": 200, "words": 1200, "question": 300, "answer": 800, "options": 80}
"""The most characters of each text; of options, each."""
MOST_OPTIONS = 6
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_OF_A_TOUR = ("title", "about", "step")
_OF_A_STEP = ("page", "set", "title", "words", "point", "question", "options", "answer")

Settings = dict[str, str | list[str]]


@dataclass(frozen=True)
class TourStep:
    """One step: a page in a state, and words about it.

    Attributes:
        page: in the address. settings: what the address names beside; all else is the default.
        title, words: what is said. point: the name of a part of the page; "" for none.
        question, options, answer: asked before the answer is shown; without options the guess is free. "" and () for none.
    """

    page: str
    settings: Settings
    title: str
    words: str
    point: str = ""
    question: str = ""
    options: tuple[str, ...] = ()
    answer: str = ""

    @property
    def part(self) -> PagePart | None:
        """What is pointed at."""
        return PAGES[self.page].parts[self.point] if self.point else None


@dataclass(frozen=True)
class Tour:
    """A tour.

    Attributes:
        name: in the address, the file's without its ending. title, about: for the list of tours.
        text: the file's, from which `line_of_setting` tells where something stands.
    """

    name: str
    title: str
    about: str
    steps: tuple[TourStep, ...]
    text: str = field(repr=False)

    def line_of_setting(self, number: int, setting: str) -> str | None:
        """Where a setting of a step (its number from 0) stands in the file, in words; None if it does not."""
        if setting not in self.steps[number].settings:
            return None
        return f"line {line_of(self.text, 'step', number, 'set', setting)} of {self.name}{ENDING}"


def read(path: Path) -> Tour:
    """The tour in a file; ValueError, one sentence with the line, if there is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"The tour file {path.name} cannot be read: {error.strerror or error}.") from None
    if not _NAME.fullmatch(path.stem):
        raise ValueError(
            f"The tour file {path.name} needs another name: up to 40 of a to z, 0 to 9 and -, not beginning with -."
        )
    if len(data) > MOST_BYTES:
        raise ValueError(f"The tour file {path.name} has {len(data):,} bytes, more than {MOST_BYTES:,}.")
    return _Reader(path.name, data).tour(path.stem)


# ------------------------------------------------------------------------------------------------------------------ lines


def line_of(text: str, *path: str | int) -> int:
    """The line, from 1, in which a part of a TOML file begins; ``path``: keys and places in arrays, as in ``("step", 2, "words")``.
    1 if there is no such part.

    A part is there once the lines so far are TOML that has it; it begins after the last ones that are TOML without it.
    """
    lines, before = text.splitlines(keepends=True), 0
    for count in range(1, len(lines) + 1):
        try:
            found = tomllib.loads("".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        if _has(found, path):
            return before + 1
        before = count
    return 1


def _has(data: Any, path: tuple[str | int, ...]) -> bool:
    for key in path:
        if isinstance(key, int):
            if not isinstance(data, list) or key >= len(data):
                return False
        elif not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True


# ---------------------------------------------------------------------------------------------------------------- reading


class _Reader:
    """Reads one file, and says where it is wrong."""

    def __init__(self, file: str, data: bytes) -> None:
        self.file = file
        try:
            self.text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            self._fail_at(data[: error.start].count(b"\n") + 1, "this is not text in UTF-8")
        try:
            self.data = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
            said = str(error)[: place.start()] if place else str(error)
            number = place and place[1]
            self._fail_at(
                int(number) if number else max(1, len(self.text.splitlines())), f"{said[:1].lower()}{said[1:]}"
            )
        except RecursionError:
            self._fail_at(1, "this is nested too deeply")

    def _fail_at(self, line: int, what: str) -> NoReturn:
        raise ValueError(f"The tour file {self.file}, line {line}: {' '.join(what.split())}.")

    def _fail(self, what: str, *path: str | int) -> NoReturn:
        self._fail_at(line_of(self.text, *path), what)

    def tour(self, name: str) -> Tour:
        """All of it."""
        self._refuse_others(self.data, _OF_A_TOUR, "a tour")
        title = self._text(self.data, "title")
        about = self._text(self.data, "about")
        steps = self.data.get("step")
        if not isinstance(steps, list) or not steps or not all(isinstance(step, dict) for step in steps):
            self._fail("a tour needs steps, each a table that begins with [[step]]", "step")
        if len(steps) > MOST_STEPS:
            self._fail(f"a tour has at most {MOST_STEPS} steps", "step", MOST_STEPS)
        return Tour(name, title, about, tuple(self._step(step, number) for number, step in enumerate(steps)), self.text)

    def _step(self, data: dict[str, Any], number: int) -> TourStep:
        here = ("step", number)
        text = partial(self._text, data, here=here)
        self._refuse_others(data, _OF_A_STEP, "a step", *here)
        page, point = text("page"), text("point", needed=False)
        if page not in PAGES:
            self._fail(f"page = {_shown(page)} is none of {', '.join(PAGES)}", *here, "page")
        if point and point not in PAGES[page].parts:
            self._fail(
                f"point = {_shown(point)} is no part of the page {page}, which has {', '.join(PAGES[page].parts)}",
                *here,
                "point",
            )
        step = TourStep(
            page,
            dict(self._settings(data.get("set", {}), page, *here, "set")),
            text("title"),
            text("words"),
            point,
            text("question", needed=False),
            self._options(data, here),
            text("answer", needed=False),
        )
        if bool(step.question) != bool(step.answer):
            there, missing = ("question", "answer") if step.question else ("answer", "question")
            self._fail(f"this step has {_a(there)}, but no {missing}", *here, there)
        if step.options and not step.question:
            self._fail("this step has options, but no question", *here, "options")
        return step

    def _refuse_others(self, data: dict[str, Any], known: tuple[str, ...], what: str, *here: str | int) -> None:
        for name in data:
            if name not in known:
                self._fail(f"{_shown(name)} is nothing that {what} has{_meant(name, known)}", *here, name)

    def _text(self, data: dict[str, Any], name: str, here: tuple[str | int, ...] = (), needed: bool = True) -> str:
        value = data.get(name, "")
        if not isinstance(value, str):
            self._fail(f"{name} is no text in quotation marks", *here, name)
        value = value.strip()
        if needed and not value:
            owner = "this step" if here else "the tour"
            self._fail(f"{owner} has no {name}", *here, *([name] if name in data else []))
        self._check(name, value, *here, name)
        return value

    def _check(self, name: str, value: str, *path: str | int) -> None:
        if len(value) > LENGTHS.get(name, 80):
            self._fail(f"{name} has {len(value):,} characters, more than {LENGTHS.get(name, 80):,}", *path)
        if "![" in value:
            self._fail(f"{name} has a picture (![), and a tour has words only", *path)

    def _options(self, data: dict[str, Any], here: tuple[str | int, ...]) -> tuple[str, ...]:
        options = data.get("options", [])
        if not isinstance(options, list) or not all(isinstance(each, str) and each.strip() for each in options):
            self._fail("options is no list of texts in quotation marks", *here, "options")
        if options and not 2 <= len(set(options)) == len(options) <= MOST_OPTIONS:
            self._fail(f"options are 2 to {MOST_OPTIONS} texts, no two of them alike", *here, "options")
        for each in options:
            self._check("options", each, *here, "options")
        return tuple(each.strip() for each in options)

    def _settings(self, data: Any, page: str, *here: str | int) -> Iterator[tuple[str, str | list[str]]]:
        if not isinstance(data, dict):
            self._fail("set is no table of settings", *here)
        for name, value in data.items():
            if not knows(page, name):
                self._fail(
                    f"{_shown(name)} is no setting of the page {page}{_meant(name, PAGES[page].settings)}", *here, name
                )
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(each, str | int | float) for each in values):
                self._fail(f"{name} is no text, number, true or false, nor a list of these", *here, name)
            texts = [_as_in_an_address(each) for each in values]
            if any(len(each) > LENGTHS["title"] for each in texts):
                self._fail(f"{name} has more than {LENGTHS['title']} characters", *here, name)
            yield name, texts if isinstance(value, list) else texts[0]


def _as_in_an_address(value: str | int | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _shown(text: str) -> str:
    return f"“{text if len(text) <= 40 else f'{text[:40]}…'}”"


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _meant(name: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(name, known, 1, 0.7)
    return f" (is {close[0]} meant?)" if close else ""
