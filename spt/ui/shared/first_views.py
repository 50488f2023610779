"""The first view of each page, stored: shown while a server that was just started still loads torch.

It is what the page's script sent to the browser in its default state, element by element (`assets/make_first_views.py` records
it), with every picture in it and every control switched off. Sent again at the same places, it is replaced in place when the core
is loaded and the page runs: nothing jumps. Nothing here imports torch or numpy.

A view belongs to the default state, to the network and the samples that it was recorded with, and to Streamlit's version; for
anything else the page waits for the core, as it always did.
"""

import base64
import contextlib
import hashlib
import lzma
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import streamlit as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner import get_script_run_ctx

from spt.bundled import bundled
from spt.ui.shared import core, state
from spt.ui.shared.components import pictures_first, style

FOLDER = bundled("assets") / "first_views"
PAGES = ("learn", "votes", "certify", "interpolation", "inverse", "experiments")
FORMAT = 1
OWN = ("SPT_CLASSIFIER", "SPT_DATASET", "SPT_RESULTS")
"""Settings of a server that change what the default state shows."""
SHOWN = "first_view_shown"
"""In the session: once is enough, also where the core cannot be loaded."""
_MAIN = 0
"""The main area, at the beginning of an element's path."""
_PICTURES = "spt_pixel_grid"
"""The component that draws pictures, see `spt.ui.shared.pixel_grid`."""
_CHARTS = ("vega_lite_chart", "plotly_chart")
"""Elements that are sent last, with room for them in their places: the browser compiles their code for a while."""
_BELONGS_TO = ("models/mnist-rotation.safetensors", "samples/digits.npz")
"""What the default state shows, in assets."""


@dataclass(frozen=True)
class View:
    """The messages of a page's elements, in the order of drawing."""

    messages: tuple[ForwardMsg, ...]

    @staticmethod
    def of(sent: Iterable[ForwardMsg], files: Mapping[str, tuple[bytes, str]]) -> "View":
        """The view that a script sent: its elements alone, switched off, with its pictures (``files``: bytes and type by their
        address) in them, and charts after all else."""
        kept, charts = [], []
        for message in sent:
            if message.WhichOneof("type") != "delta" or message.delta.WhichOneof("type") not in (
                "new_element",
                "add_block",
            ):
                continue  # others come and go, such as spinners
            own = ForwardMsg()
            own.delta.CopyFrom(message.delta)
            own.metadata.delta_path[:] = message.metadata.delta_path
            own.metadata.active_script_hash = message.metadata.active_script_hash
            own.delta.fragment_id = ""
            if own.delta.WhichOneof("type") == "new_element":
                _stand_alone(own.delta.new_element, files)
            elif own.delta.add_block.WhichOneof("type") == "expandable":
                own.delta.add_block.expandable.id = ""  # opening it tells the server nothing
            if own.delta.new_element.WhichOneof("type") in _CHARTS:
                charts.append(own)
                own = ForwardMsg.FromString(own.SerializeToString())
                own.delta.new_element.Clear()
                own.delta.new_element.empty.SetInParent()
            kept.append(own)
        return View((*kept, *charts))

    def packed(self) -> bytes:
        """As a file: what it belongs to, then each message with its length."""
        parts = [belongs_to().encode()]
        for message in self.messages:
            data = message.SerializeToString()
            parts.append(struct.pack("<I", len(data)) + data)
        return lzma.compress(b"".join(parts), preset=9)

    @staticmethod
    def unpacked(file: bytes) -> "View":
        """The view in a file; ValueError if it belongs to anything else than what is here."""
        data, known = lzma.decompress(file), belongs_to().encode()
        if not data.startswith(known):
            raise ValueError("The stored view is of another network, image or version.")
        at, messages = len(known), []
        while at < len(data):
            (length,) = struct.unpack_from("<I", data, at)
            messages.append(ForwardMsg.FromString(data[at + 4 : at + 4 + length]))
            at += 4 + length
        return View(tuple(messages))


def _stand_alone(element: Any, files: Mapping[str, tuple[bytes, str]]) -> None:
    """Pictures as data in the element, and its control switched off."""
    kind = element.WhichOneof("type")
    content = getattr(element, kind)
    if kind == "imgs":
        for image in (each for each in content.imgs if not each.url.startswith("data:")):
            data, mimetype = files[image.url]
            image.url = f"data:{mimetype};base64,{base64.b64encode(data).decode()}"
    if kind == "download_button":
        content.url = content.deferred_file_id = ""
    if hasattr(content, "disabled"):
        content.disabled = True


@lru_cache(maxsize=1)
def belongs_to() -> str:
    """What a view is of, as one line: the format, Streamlit's version, and digests of the network and of the samples."""
    digest = hashlib.sha256()
    for name in _BELONGS_TO:
        digest.update((bundled("assets") / name).read_bytes())
    return f"first view {FORMAT} {st.__version__} {digest.hexdigest()}\n"


def read(name: str) -> str | None:
    """The text of a stored result; None if there is none."""
    try:
        return (FOLDER / name).read_text(encoding="utf-8")
    except OSError:
        return None


def load_core(page: str) -> None:
    """Load the core, which the page Start does not need; until it is there the page's stored view is on the screen, if its address
    names the default state. Then the script begins again, and draws the page itself over it."""
    if page not in PAGES or core.is_loaded():
        return
    default = not st.query_params and not any(os.environ.get(name) for name in OWN)
    if default and SHOWN not in st.session_state and _show(page):
        st.session_state[SHOWN] = True
        with contextlib.suppress(ValueError):  # the next run says so
            core.load()
        st.session_state.pop(state.SESSION, None)  # the page itself is the tab's first
        st.rerun()
    core.load()


def _show(page: str) -> bool:
    """Send the stored view of a page to the browser; whether there is one."""
    context = get_script_run_ctx()
    try:
        view = View.unpacked((FOLDER / f"{page}.xz").read_bytes())
    except (OSError, ValueError, lzma.LZMAError):
        return False
    if context is None:
        return False
    for message in view.messages:
        root, place = message.metadata.delta_path[:2]
        if root in context.cursors and place < context.cursors[root].index:
            continue  # this script has drawn it already
        with context.run_with_active_hash(message.metadata.active_script_hash):
            context.enqueue(message)
        if root == _MAIN and message.delta.new_element.bidi_component.component_name == _PICTURES:
            pictures_first()
    last = max(message.metadata.delta_path[1] for message in view.messages if message.metadata.delta_path[0] == _MAIN)
    context.enqueue(_said_to_be_stored(last + 1))
    return True


def _said_to_be_stored(place: int) -> ForwardMsg:
    """The line that says what is on the screen: over it, below all elements, so that none is moved by it."""
    message = ForwardMsg()
    message.metadata.delta_path[:] = [_MAIN, place]
    message.delta.new_element.html.body = style(__file__) + (
        '<div id="first-view" role="status"><b>STORED</b> The first view of this page, computed beforehand. The page itself is '
        "loading …</div>"
    )
    return message
