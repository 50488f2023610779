"""The state of a page: what its controls are set to, kept in one place and written in the page's address.

A run of a page's script is one `of`: within it the controls are drawn by `slider`, `select` and their like below, which take their
value from the state and give it back. When all are drawn the page has a `State`, frozen and complete, and the address says it.

Where a state comes from:

- an address that a person opened (a link, a card, a row of Experiments, Back or Forward) is a whole state: what it does not
  name is the default, never what the session had, and what it says wrongly is named on the page;
- the menu above the pages carries on: what one page sets the next one has.

Beside the controls an address may name a place in a tour (`PLACE`), which stays in it, and with the tab, whatever is set and
wherever one goes, until another one is named, or Back leads to an entry without one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spt.ui.shared import address
from spt.ui.shared.markdown import escape
from spt.ui.shared.values import Choice, Number, Pair, Switch, Texts, plain

SESSION = "page_state"
SHOWN = 40
"""Characters of a wrong value that are shown."""
PLACE = ("tour", "tour_step", "tour_see", "present")
"""What an address says of a tour, see `spt.ui.tours`."""

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
    """A control: its name in the address, its value as the address gives it, and whether this is its default."""

    name: str
    texts: tuple[str, ...]
    is_default: bool


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
        place: what the address says of a tour.
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
    session.turned = page != session.page
    new = session.page is None
    session.whole = new or went or (session.turned and bool(given or place))
    if session.turned:
        session.state, session.opened, session.wrong, session.shown = None, {}, [], {}
    session.page, session.visit, session.drawn, session.renamed = page, visit or session.visit, {}, False
    if session.whole:
        session.open(given)
        session.shown = named
        if new or went or place:
            session.place = place
        session.renamed = place != session.place
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
    if not session.told:
        session.told = True
        session.wrong += [
            f"{_quoted(name, texts)} has no control on this page now{_where(session, name)}"
            for name, texts in session.given.items()
        ]
    _say_what_is_wrong(session)
    _put(session, tuple(session.drawn.values()))


def _put(session: _Session, settings: tuple[Setting, ...]) -> None:
    """Make this the state of the page, and have the address say it; one that names nothing may go on to mean all defaults."""
    session.state = State(session.page or "", settings)
    wanted = session.state.address() | session.place
    all_default = session.whole and not session.shown and all(one.is_default for one in settings)
    if wanted != session.shown and not all_default:
        address.show(session.state.page, wanted, session.visit, session.presets)
        session.shown = wanted


def _say_what_is_wrong(session: _Session) -> None:
    """Say it as long as no control has been moved since the address was opened."""
    if any(session.opened.get(name, one) != one for name, one in session.drawn.items()):
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


def keep(name: str, kind: Kind[T], default: T, value: T) -> T:
    """Take up the value that a control has given."""
    session = _session()
    session.values[name] = value
    session.drawn[name] = Setting(name, tuple(kind.write(value)), value == default)
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


# ---------------------------------------------------------------------------------------------------------------- controls


def slider(
    label: str, low: N, high: N, default: N, step: N, *, key: str, help: str | None = None, where: Any = st
) -> N:
    """A number between two."""
    kind = Number(low, high)
    value_of(key, kind, default)
    return keep(key, kind, default, type(low)(where.slider(label, low, high, step=step, key=key, help=help)))


def range_slider(
    label: str, low: float, high: float, default: tuple[float, float], step: float, *, key: str, help: str | None = None
) -> tuple[float, float]:
    """The two ends of a range."""
    kind = Pair(low, high)
    value_of(key, kind, default)
    first, second = st.slider(label, low, high, default, step, key=key, help=help)
    return keep(key, kind, default, (float(first), float(second)))


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
    return keep(key, kind, default, type(low)(shown))


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
    return keep(key, kind, default, now)


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
    return keep(key, kind, default, int(where.select_slider(label, options, key=key, help=help)))


def choose(
    label: str, options: Sequence[str], default: str, *, key: str, help: str | None = None, where: Any = st
) -> str:
    """One of a few names, all in view."""
    kind = Choice(tuple(options))
    value_of(key, kind, default)
    shown = where.segmented_control(label, list(options), required=True, key=key, help=help)
    return keep(key, kind, default, str(shown))


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
    return keep(key, kind, default, str(shown))


def switch(label: str, default: bool = False, *, key: str, help: str | None = None, where: Any = st) -> bool:
    """On or off."""
    kind = Switch()
    value_of(key, kind, default)
    return keep(key, kind, default, bool(where.toggle(label, key=key, help=help)))
