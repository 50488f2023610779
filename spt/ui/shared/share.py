"""The menu "Share", beside the title of every page: the link to what is seen, and what the page offers of it, in one order and in
the same words everywhere: pictures, numbers, the command, the Python.

The button is there from the beginning; what a page has to offer comes by `offer`, when its run has ended, as a function that makes
it: nothing is made, nor sent, until somebody opens the menu. Nothing here imports torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from spt.ui.shared import failures, uploads
from spt.ui.shared.components import component

MENU = "share_menu"
"""The key of the menu, which says whether it is open."""
WAIT = "There is something to share when the run has ended."
OFFERED, _PLACE = "share_offered", "share_place"
_YOURS = "The {} is kept for your browser only: the link shows others that it is yours, not the {}."
_OWN = {name: _YOURS.format(what, what) for name, what in uploads.OWN.items()}

_part = component(__file__)


@dataclass(frozen=True)
class SharedPicture:
    """A figure as PNG and SVG.

    Attributes:
        title: what it shows. file: its name, without ending.
        svg: the figure, if `spt.figures` draws it as SVG; "" for a chart that the browser has drawn, which then is what has the
            key ``chart`` on the page. words: what stands below such a chart: what it is of.
    """

    title: str
    file: str
    svg: str = ""
    chart: str = ""
    words: str = ""


@dataclass(frozen=True)
class SharedFile:
    """Numbers as a file: what the button says, the file's name and kind, and what makes it when it is asked for."""

    label: str
    file: str
    kind: str
    make: Callable[[], str | bytes]


@dataclass(frozen=True)
class Shared:
    """What a page offers. What is None is not there yet.

    Attributes:
        stem: what the page's Python is called as a file, without ending.
        lines_need: draws what a person must know, or save, before command and Python can be run.
        without_command: why there is none.
    """

    stem: str
    pictures: tuple[SharedPicture, ...] | None
    files: tuple[SharedFile, ...] | None
    python: str
    command: str = ""
    without_command: str = ""
    lines_need: Callable[[], None] = lambda: None


def menu(with_more: bool) -> None:
    """Draw the button that opens it. Without ``with_more`` there is the link, and nothing else comes."""
    st.session_state.pop(OFFERED, None)
    _menu(with_more)


def offer(make: Callable[[], Shared]) -> None:
    """Say what there is to share of what is on the page now."""
    st.session_state[OFFERED] = make
    _fill(st.session_state[_PLACE], bool(st.session_state.get(MENU)))


@st.fragment
def _menu(with_more: bool) -> None:
    with (
        st.popover("Share", key=MENU, on_change="rerun", type="tertiary", icon=":material/share:") as opened,
        st.container(key="share"),
    ):
        st.markdown("**Link** to what is seen")
        _part(key="share_link", data={"kind": "link", "own": _OWN}, height="content")
        if with_more:
            st.session_state[_PLACE] = st.empty()
            _fill(st.session_state[_PLACE], bool(opened.open))


def _fill(place: Any, opened: bool) -> None:
    """Draw what is offered there, if the menu is open; as long as nothing is, say so, for one who opens it while a run goes on."""
    make = st.session_state.get(OFFERED)
    if make is None:
        place.caption(WAIT)
    elif not opened:
        place.empty()
    else:
        with place.container(), failures.in_one_sentence():
            _draw(make())


def _draw(shared: Shared) -> None:
    st.markdown("**Picture**")
    if shared.pictures:
        _part(
            key="share_pictures",
            data={"kind": "pictures", "pictures": [_of(each) for each in shared.pictures]},
            height="content",
        )
    else:
        st.caption(WAIT)
    st.markdown("**Numbers**")
    if shared.files:
        with st.container(horizontal=True, gap="small"):
            for number, file in enumerate(shared.files):
                _download(file.label, file.make, file.file, file.kind, f"share_file_{number}")
    else:
        st.caption(WAIT)
    shared.lines_need()
    st.markdown("**Command**")
    if shared.command:
        st.code(shared.command, language="bash", wrap_lines=True)
        _copy("command", shared.command)
    else:
        st.caption(shared.without_command)
    st.markdown("**Python**, which prints these numbers")
    st.code(shared.python, language="python", wrap_lines=True)
    with st.container(horizontal=True, gap="small"):
        _copy("Python", shared.python)
        _download("Save as .py", shared.python, f"{shared.stem}.py", "text/x-python", "share_python")


def _of(picture: SharedPicture) -> dict[str, str]:
    chart = f".st-key-{picture.chart} :is([data-testid='stVegaLiteChart'], [data-testid='stPlotlyChart'])"
    return {
        "title": picture.title,
        "file": picture.file,
        "svg": picture.svg,
        "selector": chart,
        "words": f"SPT Explorer: {picture.words}",
    }


def _copy(what: str, text: str) -> None:
    _part(
        key=f"share_copy_{what.lower()}",
        data={"kind": "copy", "label": f"Copy the {what}", "text": text},
        height="content",
    )


def _download(label: str, data: Any, file: str, kind: str, key: str) -> None:
    st.download_button(label, data, file, kind, key=key, icon=":material/download:", on_click="ignore")
