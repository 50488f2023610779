"""Two runs of a page side by side: one that was pinned, and the one that the controls ask for now.

A page makes a `ComparisonRoom` before its run begins, and tells it at the end what it found. Nothing is compared that is not there:
of a run that goes on, or was stopped where stopping leaves no result, the room says so. What is pinned is kept with its settings
and its key, as they were when its button was drawn, so that no result is shown for settings that it is not of. The address names
the pinned settings (`spt.ui.shared.state`).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from spt.ui.shared import state
from spt.ui.shared.markdown import escape
from spt.ui.shared.state import Setting, State

if TYPE_CHECKING:
    from spt.figures.comparison import ComparedNumber, Panel

SAME = "Both are the same run so far: change a setting, and both are shown here."
NOTHING = "what differs decides nothing on this page, so both have the same result"


@dataclass(frozen=True, eq=False)
class Finding:
    """What a run found.

    Attributes:
        key: all that decides it. content: the page's own.
        mark: what is to be known of it, in words, such as "stored" or "stopped"; "" for a run that was watched to its end.
    """

    key: tuple[Any, ...]
    content: Any
    mark: str = ""


@dataclass(frozen=True, eq=False)
class PinnedFinding:
    """A finding and the settings that it is of; ``beside``: names of those that decide nothing of what is compared."""

    finding: Finding
    settings: State
    beside: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a page makes of two of its findings.

    Attributes:
        numbers: for people. panels: of the figure. note: what the numbers do not say.
        exact: the numbers of each as they were computed, for JSON, and those of both ``together``. below: draws what stands below.
    """

    numbers: Sequence["ComparedNumber"]
    panels: Sequence["Panel"]
    note: str
    exact: tuple[dict[str, Any], dict[str, Any]]
    together: dict[str, Any] = field(default_factory=dict)
    below: Callable[[], None] = lambda: None


Compare = Callable[[Finding, Finding], Comparison]
Find = Callable[[], Finding]


def say_what_waits() -> None:
    """While the pinned run of a link is going on: why the page is not yet as the link says; drawn above the page."""
    pin = state.pinned()
    if pin is None or pin.rest is None or pin.result is not None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="pin_waits"):
        st.markdown(
            ":material/keep: **This link compares two runs.** The pinned one comes first, here; then the other one opens, and both "
            "stand side by side.",
            width="stretch",
        )
        st.button("Leave the pinned run out", key="pin_leave", icon=":material/keep_off:", on_click=state.unpin)


@dataclass(eq=False)
class ComparisonRoom:
    """Where a page compares.

    Attributes:
        title: of the figure. key: of the run now. settings: what decides it, and ``beside``: what does not.
        buttons: where the button that pins it is.
        area: where both are shown. body: of the area, what depends on the run now.
    """

    title: str
    key: tuple[Any, ...]
    settings: State
    beside: Sequence[str]
    buttons: Any
    area: Any
    body: Any = field(default=None)

    def begin(self) -> None:
        """Before the run: nothing of an earlier comparison stays on the screen."""
        self.buttons.empty()
        pinned = _pinned()
        if pinned is None:
            return
        with self.area:
            st.subheader("Pinned and now", anchor=False)
            differs = differences(pinned.settings, self.settings, self.beside)
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**What differs:** {escape('; '.join(differs) or 'no setting')}", width="stretch")
                st.button("Unpin", key="unpin", icon=":material/keep_off:", on_click=state.unpin)
            self.body = st.empty()
            self.body.caption(":gray-badge[PROVISIONAL] The run now has no result yet: nothing is compared.")

    def end(
        self, find: Find | None, why_not: str, compare: Compare, begin_next: Callable[[], None] | None = None
    ) -> None:
        """After the run.

        Args:
            find: gives what it found; None if nothing that can be compared, and ``why_not``, in Markdown.
            compare: what the page makes of two findings. begin_next: called before the other run of a link is opened.
        """
        pin = state.pinned()
        if pin is not None and pin.rest is not None:
            if find is not None:
                _pin(self.settings, self.beside, find)
                if begin_next is not None:
                    begin_next()
                st.rerun()
            return
        pinned = _pinned()
        now = None if pinned is None or find is None else PinnedFinding(find(), self.settings, self.beside)
        if find is not None:
            self._offer(find, pinned, now)
        if pinned is None or self.body is None:
            return
        with self.body.container():
            if now is None:
                st.markdown(f":gray-badge[PROVISIONAL] {why_not}")
            elif _alike(pinned, now):
                st.caption(SAME if _same_settings(pinned, now) else f"Here {NOTHING}.")
            else:
                self._show(pinned, now, compare)

    def _offer(self, find: Find, pinned: PinnedFinding | None, now: PinnedFinding | None) -> None:
        """The button that pins the run now."""
        same = pinned is not None and now is not None and _alike(pinned, now) and _same_settings(pinned, now)
        row = self.buttons.container(horizontal=True, vertical_alignment="center")
        row.button(
            "Pinned" if same else "Pin this run",
            key="pin_run",
            icon=":material/keep:",
            disabled=same,
            on_click=_pin,
            args=(self.settings, self.beside, find),
            help="Keep this run, change any setting, and see both: what differs, both results and their difference. The address "
            "then has both.",
        )
        if pinned is not None and not same:
            row.caption("Pinned and now: see below.")

    def _show(self, pinned: PinnedFinding, now: PinnedFinding, compare: Compare) -> None:
        from spt.figures.comparison import panel_svg

        found = compare(pinned.finding, now.finding)
        heads = [
            f"{name}{f' ({side.finding.mark})' if side.finding.mark else ''}"
            for name, side in (("pinned", pinned), ("now", now))
        ]
        rows = [[each.name, each.pinned, each.now, each.difference] for each in found.numbers]
        lines = [["", *heads, "now − pinned"], ["---"] * 4, *rows]
        ink = "#fafafa" if st.context.theme.type == "dark" else "#262730"
        left, right = st.columns(2, gap="medium")
        left.markdown("\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines))
        left.caption(f"Orange, hollow or dashed: pinned. Blue: now. {escape(found.note)}")
        for place, panel in enumerate(found.panels):
            if place % 2:
                left, right = st.columns(2, gap="medium")
            column = left if place % 2 else right
            column.image(panel_svg(panel, ink), alt=panel.words, width="stretch")
        self._offer_files(pinned, now, found)
        found.below()

    def _offer_files(self, pinned: PinnedFinding, now: PinnedFinding, found: Comparison) -> None:
        from spt.figures.comparison import comparison_svg

        differs = differences(pinned.settings, now.settings, now.beside)
        settings = (in_words(pinned), in_words(now))
        figure = (self.title, differs, settings, found.numbers, found.panels, found.note)
        with st.container(horizontal=True):
            st.button("Swap", key="pin_swap", icon=":material/swap_horiz:", on_click=_swap, args=(pinned, now))
            st.download_button(
                "Both as one figure (SVG)",
                lambda: comparison_svg(*figure),
                "comparison.svg",
                "image/svg+xml",
                key="pin_svg",
                icon=":material/image:",
                on_click="ignore",
            )
            st.download_button(
                "Both as JSON",
                lambda: as_json(differs, pinned, now, found),
                "comparison.json",
                "application/json",
                key="pin_json",
                icon=":material/data_object:",
                on_click="ignore",
            )


def make_room(
    title: str, key: tuple[Any, ...], buttons: Any, beside: Sequence[str] = (), settings: State | None = None
) -> ComparisonRoom:
    """Make room here for a comparison.

    Args:
        title: of the figure. key: all that decides the run. buttons: a placeholder for the button that pins it.
        beside: names of settings that decide nothing of what is compared.
        settings: what the run is decided by; if None the controls drawn so far.
    """
    return ComparisonRoom(title, key, settings or state.drawn(), beside, buttons, st.container(key="comparison"))


def _pinned() -> PinnedFinding | None:
    """The run of this page that is pinned, if its result is here."""
    pin = state.pinned()
    return pin.result if pin is not None and pin.rest is None and isinstance(pin.result, PinnedFinding) else None


def _alike(pinned: PinnedFinding, now: PinnedFinding) -> bool:
    return (pinned.finding.key, pinned.finding.mark) == (now.finding.key, now.finding.mark)


def _cell(text: str) -> str:
    """A cell of a table in Markdown."""
    return text if text == "---" else escape(text)


def _same_settings(pinned: PinnedFinding, now: PinnedFinding) -> bool:
    return not differences(pinned.settings, now.settings, now.beside)


def _pin(settings: State, beside: Sequence[str], find: Find) -> None:
    state.pin(settings, PinnedFinding(find(), settings, beside))


def _swap(pinned: PinnedFinding, now: PinnedFinding) -> None:
    state.pin(now.settings, now)
    state.open_here(pinned.settings.address())


# ------------------------------------------------------------------------------------------------------------------- words


def differences(before: State, now: State, beside: Sequence[str] = ()) -> list[str]:
    """What differs between two states of a page, but for settings ``beside``: each control by its label, with both values as it
    shows them; then the controls that only one of them has."""
    old, new = ({one.name: one for one in each.settings if one.name not in beside} for each in (before, now))
    found = []
    for name, setting in new.items():
        if name in old and old[name] != setting:
            label, unit = _label(setting)
            found.append(f"{label} {_value(old[name])}{unit} → {_value(setting)}{unit}")
    for side, mine, other in (("pinned", old, new), ("now", new, old)):
        alone = [_in_words(setting) for name, setting in mine.items() if name not in other]
        found += [f"only {side}: {', '.join(alone)}"] if alone else []
    return found


def _in_words(setting: Setting) -> str:
    """A control and its value."""
    label, unit = _label(setting)
    return f"{label} {_value(setting)}{unit}"


def _label(setting: Setting) -> tuple[str, str]:
    """A control's label without what is in brackets, and the unit that it names."""
    name, _, unit = (setting.label.partition(" (")[0] or setting.name).partition(", in ")
    return name, f"{'' if unit in ('', '°') else ' '}{unit}"


def _value(setting: Setting) -> str:
    if setting.shown:
        return setting.shown
    numbers = [f"−{text[1:]}" if text[:1] == "-" and text[1:2].isdigit() else text for text in setting.texts]
    return " to ".join(numbers) or "none"


def in_words(side: PinnedFinding) -> str:
    """All settings of a run, and what is to be known of it."""
    words = [_in_words(each) for each in side.settings.settings]
    return " · ".join([*words, *([side.finding.mark] if side.finding.mark else [])])


def as_json(differs: Sequence[str], pinned: PinnedFinding, now: PinnedFinding, found: Comparison) -> str:
    """Both settings, what differs, and the numbers of both as they were computed."""
    sides = {
        name: {
            "settings": {
                each.name: each.texts[0] if len(each.texts) == 1 else each.texts for each in side.settings.settings
            },
            "mark": side.finding.mark,
            "numbers": numbers,
        }
        for (name, side), numbers in zip((("pinned", pinned), ("now", now)), found.exact, strict=True)
    }
    record = {"page": now.settings.page, "differs": list(differs), **sides, **found.together}
    return json.dumps(record, ensure_ascii=False, indent=1) + "\n"
