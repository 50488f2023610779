"""The state of a page: what its controls are set to, kept in one place and written in the page's address.

A run of a page's script is one `of`: within it the controls are drawn by `slider`, `select` and their like below, which take their
value from the state and give it back. When all are drawn the page has a `State`, frozen and complete, and the address says it.

Where a state comes from:

- an address that a person opened (a link, a card, a row of Experiments, Back or Forward) is a whole state: what it does not
  name is the default, never what the session had, and what it says wrongly is named on the page;
- the menu above the pages carries on: what one page sets the next one has.

Beside the controls an address may name a place in a tour (`PLACE`), which stays in it, and with the tab, whatever is set and
wherever one goes, until another one is named, or Back leads to an entry without one.

And it may name a pinned run (`PIN`), with which another one of the page is compared (`spt.ui.shared.comparing`): all that an
address of its settings names, as one text. An address with one whose result is not here opens these settings first, as if they
were its own, and what it names beside them when that run has its result: so whatever an address may say of a run, and whatever is
wrong with it, is the same for a pinned one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spt.ui.shared import address
from spt.ui.shared.markdown import escape
from spt.ui.shared.values import Choice, Number, OneText, Pair, Switch, Texts, plain

SESSION = "page_state"
SHOWN = 40
"""Characters of a wrong value that are shown."""
PLACE = ("tour", "tour_step", "tour_see", "present")
"""What an address says of a tour, see `spt.ui.tours`."""
PIN = "pin"
"""What an address says of a pinned run."""
WITH_PIN = ("votes", "certify", "interpolation", "inverse")
"""The pages that have runs to compare."""

Parameters = dict[str, str | list[str]]
T = TypeVar("T")
N = TypeVar("N", int, float)


class Kind(Protocol[T]):
    """What the value of a control can be, see `spt.ui.shared.values`."""

    def read(self, texts: Texts) -> T:
        """The value that an address gives; ValueError, a clause, if it gives none."""

    def holds(self, value: Any) -> bool:
        """Whether a control can have it."""

    def write(self, value: T) -> Texts:
        """As an address gives it."""


@dataclass(frozen=True)
class Setting:
    """A control: its name in the address, its value as the address gives it, and whether this is its default; its label, and its
    value as it is shown ("" for the texts of the address)."""

    name: str
    texts: tuple[str, ...]
    is_default: bool
    label: str = field(default="", compare=False)
    shown: str = field(default="", compare=False)


@dataclass(frozen=True)
class State:
    """A page, and what all of its controls are set to."""

    page: str
    settings: tuple[Setting, ...] = ()

    def address(self) -> Parameters:
        """What the address names: all that is not the default; where everything is, the first setting nevertheless, as an
        address that names nothing carries on."""
        named = [one for one in self.settings if not one.is_default] or list(self.settings[:1])
        return {one.name: one.texts[0] if len(one.texts) == 1 else list(one.texts) for one in named}


@dataclass
class Pin:
    """The run of a page that others are compared with.

    Attributes:
        given: what an address of its settings names.
        result: what it found, None until it has.
        rest: what the address that it came with names beside it, until that is opened; else None.
    """

    given: dict[str, Texts]
    result: Any = None
    rest: dict[str, Texts] | None = None


@dataclass
class _Session:
    """What the tab of a browser keeps between two runs of a script.

    Attributes:
        values: of the controls of all pages, by name.
        given: what the address says of controls that have not been drawn since it was opened.
        made: what each control's value had to be, and its default, when it was last drawn.
        wrong: what the address said wrongly, in words. told: whether its names that no control has are among it.
        page, state: the page (None before the first run), and its state as far as it is known.
        shown: what the address bar names. opened: what the controls were set to by the address, as far as they were drawn.
        visit, presets: see `address`.
        drawn: the controls of this run. whole: whether it began with an address that is a whole state.
        turned: whether the run before was of another page.
        renamed: whether the address has to be written anew: it has the path of a file where it should have a label, or not the
            place.
        place: what the address says of a tour. pins: the pinned runs, by page.
        written: where what the address says of a control was written, in words; None if nobody knows.
        line: where what is wrong is said.
    """

    values: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Texts] = field(default_factory=dict)
    made: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    told: bool = False
    page: str | None = None
    state: State | None = None
    shown: Parameters = field(default_factory=dict)
    opened: dict[str, Setting] = field(default_factory=dict)
    visit: str = ""
    presets: int = 0
    drawn: dict[str, Setting] = field(default_factory=dict)
    whole: bool = False
    turned: bool = True
    renamed: bool = False
    place: dict[str, str] = field(default_factory=dict)
    pins: dict[str, Pin] = field(default_factory=dict)
    written: Callable[[str], str | None] = field(default=lambda name: None)
    line: DeltaGenerator | None = None

    def open(self, given: Mapping[str, Texts]) -> None:
        """Take a whole state: what is not given becomes the default."""
        for name in self.made:
            for key in (name, f"{name}_typed"):
                st.session_state.pop(key, None)
        self.values, self.made, self.wrong, self.opened, self.told = {}, {}, [], {}, False
        self.given = dict(given)
        self.written = lambda name: None

    def open_with_pin(self, given: dict[str, Texts], pin: Texts | None) -> None:
        """Take a whole state, and what is said of a pinned run: this one first, unless its result is here."""
        page = self.page or ""
        before = self.pins.pop(page, None)
        if pin is None:
            return self.open(given)
        try:
            pinned = _PINNED.read(pin)
        except ValueError as error:
            self.open(given)
            self.wrong = [f"{_quoted(PIN, pin)} {escape(str(error))}, so no run is pinned here"]
            return None
        if before is not None and before.result is not None and before.given == pinned:
            self.pins[page] = before
            return self.open(given)
        self.pins[page] = Pin(pinned, rest=given)
        return self.open(pinned)

    def open_rest(self) -> None:
        """If the pinned run of an address has its result now: take the state that the address names beside it."""
        pin = self.pins.get(self.page or "")
        if pin is not None and pin.rest is not None and pin.result is not None:
            wrong, rest, pin.rest = self.wrong, pin.rest, None
            self.open(rest)
            self.wrong = [f"of the pinned run {each}" for each in wrong]

    @property
    def moved(self) -> bool:
        """Whether a control has been moved since the address was opened."""
        return any(self.opened.get(name, one) != one for name, one in self.drawn.items())


_PINNED = OneText()


def _session() -> _Session:
    found: _Session = st.session_state.setdefault(SESSION, _Session())
    return found


# ---------------------------------------------------------------------------------------------------- one run of a script


@contextmanager
def of(page: str) -> Iterator[None]:
    """A run of the script of a page, named as in its address."""
    _begin(page)
    yield
    _finish()


def _begin(page: str) -> None:
    session = _session()
    session.line = st.empty()
    given, visit = address.read()
    named: Parameters = {name: texts if len(texts) > 1 else texts[0] for name, texts in given.items()}
    went = visit not in ("", session.visit)  # Back or Forward
    place = {name: given.pop(name)[-1] for name in PLACE if name in given}
    pin = given.pop(PIN, None) if page in WITH_PIN else None
    session.turned = page != session.page
    new = session.page is None
    session.whole = new or went or (session.turned and bool(given or place or pin))
    if session.turned:
        session.pins = {name: pin for name, pin in session.pins.items() if pin.rest is None}  # what waits is left
        session.state, session.opened, session.wrong, session.shown = None, {}, [], {}
    session.page, session.visit, session.drawn, session.renamed = page, visit or session.visit, {}, False
    if session.whole:
        session.open_with_pin(given, pin)
        session.shown = named
        if new or went or place:
            session.place = place
        session.renamed = place != session.place
    session.open_rest()
    if went:
        address.show(page, named, visit, session.presets)  # without its number


def write() -> None:
    """Say in the address what the controls drawn so far are set to, when the others may come late."""
    session = _session()
    _say_what_is_wrong(session)
    if session.whole and not session.renamed:
        return  # the address says it already
    before = session.state.settings if session.state else ()
    rest = [one for one in before if one.name not in session.drawn]
    rest += [Setting(name, tuple(texts), False) for name, texts in session.given.items()]
    _put(session, tuple(session.drawn.values()) + tuple(rest))


def stop() -> NoReturn:
    """End this run of the script, of which all has been drawn that there is; in place of ``st.stop``, after which nothing more
    reaches the browser, its address neither."""
    write()
    st.stop()


def _finish() -> None:
    session = _session()
    _say_what_has_no_control(session)
    _say_what_is_wrong(session)
    _put(session, tuple(session.drawn.values()))


def _say_what_has_no_control(session: _Session) -> None:
    if not session.told:
        session.told = True
        session.wrong += [
            f"{_quoted(name, texts)} has no control on this page now{_where(session, name)}"
            for name, texts in session.given.items()
        ]


def _put(session: _Session, settings: tuple[Setting, ...]) -> None:
    """Make this the state of the page, and have the address say it; one that names nothing may go on to mean all defaults, and
    one that leads from a pinned run to another one stays until it has."""
    session.state = State(session.page or "", settings)
    pin = session.pins.get(session.state.page)
    if pin is not None and pin.rest is not None:
        if not session.moved:
            return
        del session.pins[session.state.page]
        pin = None
    wanted = session.state.address() | session.place | ({} if pin is None else {PIN: _PINNED.write(pin.given)[0]})
    all_default = session.whole and not session.shown and all(one.is_default for one in settings)
    if wanted != session.shown and not all_default:
        address.show(session.state.page, wanted, session.visit, session.presets)
        session.shown = wanted


def _say_what_is_wrong(session: _Session) -> None:
    """Say it as long as no control has been moved since the address was opened."""
    if session.moved:
        session.wrong = []
    session.opened |= {name: one for name, one in session.drawn.items() if name not in session.opened}
    if session.line is None:
        return
    if not session.wrong:
        session.line.empty()
    else:
        session.line.warning(f"In the address: {'; '.join(session.wrong)}.", icon=":material/link_off:")


def _where(session: _Session, name: str) -> str:
    where = session.written(name)
    return f" ({escape(where)})" if where else ""


def _quoted(name: str, texts: Sequence[str]) -> str:
    words = []
    for text in (name, *texts):
        shown = "".join(character if character.isprintable() else " " for character in text)
        words.append(escape(shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"))
    return f"{words[0]} = {' and '.join(words[1:])}"


# ------------------------------------------------------------------------------------------------------------------ values


def value_of(name: str, kind: Kind[T], default: T) -> T:
    """The value of a control, before it is drawn; the drawing then has the same."""
    session, basis = _session(), (kind, default)
    before = session.made.get(name, basis)
    if name in session.given:
        value = _read(session, name, kind, default)
    else:
        value = st.session_state[name] if name in st.session_state else session.values.get(name, default)
        if value == before[1] != default:  # what was the default follows it
            value = default
    if not kind.holds(value):
        value = default
    if session.turned or before != basis or name not in st.session_state or st.session_state[name] != value:
        st.session_state[name] = value
    session.made[name] = basis
    return value


def _read(session: _Session, name: str, kind: Kind[T], default: T) -> T:
    texts = session.given.pop(name)
    try:
        value = kind.read(texts)
        session.renamed |= isinstance(kind, Choice) and kind.write(value) != texts
        return value
    except ValueError as error:
        used = plain(" to ".join(kind.write(default)))
        session.wrong.append(
            f"{_quoted(name, texts)} {escape(str(error))}, so it is {escape(used)} here{_where(session, name)}"
        )
        return default


def keep(name: str, kind: Kind[T], default: T, value: T, label: str = "", shown: str = "") -> T:
    """Take up the value that a control has given; ``label`` and ``shown``: how people find both on the page."""
    session = _session()
    session.values[name] = value
    session.drawn[name] = Setting(name, tuple(kind.write(value)), value == default, label, shown)
    return value


def value(name: str) -> Any:
    """The value of a control that this run has drawn; None for others."""
    session = _session()
    return session.values[name] if name in session.drawn else None


def is_given(name: str) -> bool:
    """Whether the address that led here named a control that has not been drawn yet, or the person has set it."""
    session = _session()
    return name in session.given or session.values.get(name) not in (None, session.made.get(name, (None, None))[1])


def set(**values: Any) -> None:
    """Set controls, in a callback or before they are drawn."""
    session = _session()
    for name, value in values.items():
        session.given.pop(name, None)
        session.values[name] = st.session_state[name] = value


def reset(*names: str) -> None:
    """Give controls their defaults, in a callback or before they are drawn."""
    session = _session()
    for name in names:
        session.given.pop(name, None)
        session.values.pop(name, None)
        session.made.pop(name, None)
        st.session_state.pop(name, None)


def open_here(parameters: Mapping[str, str | list[str]]) -> None:
    """What a link to the open page with these parameters would do; to be called in a callback."""
    session = _session()
    given = {name: [text] if isinstance(text, str) else text for name, text in parameters.items()}
    place = {name: given.pop(name)[-1] for name in PLACE if name in given}
    pin, kept = given.pop(PIN, None), session.pins.get(session.page or "")
    if pin is not None or place or (kept is not None and kept.rest is not None):
        session.open_with_pin(given, pin)
    else:  # another state of the page is something to compare with
        session.open(given)
    session.place = place or session.place
    session.presets += 1


def open_page(script: str, page: str, parameters: Parameters) -> NoReturn:
    """What a link to another page with these parameters would do; not to be called in a callback.

    Args:
        script: of the page. page: as in its address.
    """
    session = _session()
    address.open_page(script, page, parameters, session.visit, session.presets)


# -------------------------------------------------------------------------------------------------------------- in a tour


def place() -> dict[str, str]:
    """Where in a tour this tab is, as the address says it; empty if in none."""
    return dict(_session().place)


def go(place: Mapping[str, str]) -> None:
    """Be there in a tour, in this entry of the browser's history; to be called in a callback."""
    _session().place = dict(place)


def cite(written: Callable[[str], str | None]) -> None:
    """Say where what the address says of each control was written, in words (None: nowhere that is known), should it be wrong;
    to be called before controls are drawn."""
    _session().written = written


# ---------------------------------------------------------------------------------------------------------- a pinned run


def drawn() -> State:
    """What the controls drawn so far are set to; before the long work begins: all that decides it."""
    session = _session()
    return State(session.page or "", tuple(session.drawn.values()))


def pinned() -> Pin | None:
    """The run that others of the open page are compared with."""
    session = _session()
    return session.pins.get(session.page or "")


def pin(state: State, result: Any) -> None:
    """Compare with the run of this state of the open page from now on; to be called in a callback. Of an address that waits for
    it: once it has its result, and without a callback; the next run of the script then opens what the address names beside it."""
    session = _session()
    before = session.pins.get(state.page)
    given = {name: [text] if isinstance(text, str) else text for name, text in state.address().items()}
    session.pins[state.page] = Pin(given, result, None if before is None else before.rest)
    _say_what_has_no_control(session)


def unpin() -> None:
    """Compare with none any more; to be called in a callback. Of an address that waits for the pinned run: open what it names
    beside it."""
    session = _session()
    before = session.pins.pop(session.page or "", None)
    if before is not None and before.rest is not None:
        session.open(before.rest)


# ---------------------------------------------------------------------------------------------------------------- controls


def slider(
    label: str, low: N, high: N, default: N, step: N, *, key: str, help: str | None = None, where: Any = st
) -> N:
    """A number between two."""
    kind = Number(low, high)
    value_of(key, kind, default)
    chosen = type(low)(where.slider(label, low, high, step=step, key=key, help=help))
    return keep(key, kind, default, chosen, label)


def range_slider(
    label: str, low: float, high: float, default: tuple[float, float], step: float, *, key: str, help: str | None = None
) -> tuple[float, float]:
    """The two ends of a range."""
    kind = Pair(low, high)
    value_of(key, kind, default)
    first, second = st.slider(label, low, high, default, step, key=key, help=help)
    return keep(key, kind, default, (float(first), float(second)), label)


def number(
    label: str,
    low: N,
    high: N,
    default: N,
    step: N | None = None,
    *,
    key: str,
    help: str | None = None,
    where: Any = st,
    **looks: Any,
) -> N:
    """A number that is typed; ``looks``: width and format."""
    kind = Number(low, high)
    value_of(key, kind, default)
    shown = where.number_input(label, low, high, step=step, key=key, help=help, **looks)
    return keep(key, kind, default, type(low)(shown), label)


def typed_number(label: str, low: int, high: int, default: int, *, key: str, help: str | None = None) -> int:
    """A whole number of any size, which browsers would round; what is no such number is named, and the last one holds."""
    kind, typed = Number(low, high), f"{key}_typed"
    now = value_of(key, kind, default)
    if _session().turned or st.session_state.get(f"{key}_shown") != now or typed not in st.session_state:
        st.session_state[typed] = str(now)
    try:
        now = kind.read([st.text_input(label, key=typed, help=help)])
    except ValueError as error:
        st.warning(f"{_quoted(label, [st.session_state[typed]])} {escape(str(error))}.")
    st.session_state[key] = st.session_state[f"{key}_shown"] = now
    return keep(key, kind, default, now, label)


def pick(
    label: str, options: Sequence[int], default: int, *, key: str, help: str | None = None, where: Any = st
) -> int:
    """One of several whole numbers in order; an address may give any between the first and the last one."""
    asked = _session().given.get(key, [str(_session().values.get(key, default))])
    try:
        options = sorted({*options, Number(min(options), max(options)).read(asked)})
    except ValueError:
        options = list(options)
    kind = Choice(tuple(options))
    value_of(key, kind, default)
    return keep(key, kind, default, int(where.select_slider(label, options, key=key, help=help)), label)


def choose(
    label: str, options: Sequence[str], default: str, *, key: str, help: str | None = None, where: Any = st
) -> str:
    """One of a few names, all in view."""
    kind = Choice(tuple(options))
    value_of(key, kind, default)
    shown = where.segmented_control(label, list(options), required=True, key=key, help=help)
    return keep(key, kind, default, str(shown), label)


def select(
    label: str,
    options: Sequence[str],
    default: str,
    *,
    key: str,
    help: str | None = None,
    words: Callable[[str], str] = str,
    named: Callable[[str], str] = str,
    where: Any = st,
) -> str:
    """One of many names, shown as their ``words`` say, and in the address as ``named`` says."""
    kind = Choice(tuple(options), named)
    value_of(key, kind, default)
    shown = where.selectbox(label, list(options), format_func=words, key=key, help=help)
    return keep(key, kind, default, str(shown), label, words(str(shown)))


def switch(label: str, default: bool = False, *, key: str, help: str | None = None, where: Any = st) -> bool:
    """On or off."""
    kind = Switch()
    value_of(key, kind, default)
    on = bool(where.toggle(label, key=key, help=help))
    return keep(key, kind, default, on, label, "on" if on else "off")
