"""Pictures from the clipboard: pasted with the keyboard anywhere on a page, or by a button."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import streamlit as st

from spt.ui.shared.components import component

_paste = component(__file__)


def listen(key: str, with_button: bool, pasted: Callable[[bytes], None]) -> None:
    """Call ``pasted`` with the content of a picture's file that is pasted; what is too large for one message is refused there."""

    def changed() -> None:
        given: Any = st.session_state[key].pasted
        if given is not None:
            pasted(read(given))

    with st.container(key="paste_button" if with_button else "paste_unseen"):  # unseen: it takes no room
        _paste(key=key, data={"button": with_button}, on_pasted_change=changed, height="content")


def read(text: Any) -> bytes:
    """What the browser has sent; ValueError for what no page of ours sends."""
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise ValueError("What was pasted has arrived damaged.") from error
