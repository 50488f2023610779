"""A pad to draw a digit on, pixel by pixel: pen, eraser, undo, by pointer or by keys. The browser draws; Python is told of every
finished stroke.

A drawing is ink (0 to 255) on a grid four times as fine as MNIST's in either direction, so that it can be centred and scaled as
MNIST's digits were without becoming coarse.
"""

import base64
import binascii
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from spt.ui.shared.components import component

SIDE = 112
"""Points of the fine grid along an axis: 4 for each of 28 pixels."""

_pad = component(__file__)


def show(key: str, png: bytes | None, drawn: Callable[[bytes | None], None]) -> None:
    """The pad, with the drawing of a PNG of `SIDE` x `SIDE` on it (None: empty); ``drawn`` is called with the next one."""

    def changed() -> None:
        given: Any = st.session_state[key].drawn
        if given is not None:
            drawn(as_png(given))

    _pad(key=key, data={"ink": "" if png is None else as_text(png)}, on_drawn_change=changed, height="content")


def as_png(text: Any) -> bytes | None:
    """What the browser has sent as a PNG; None for an empty pad. ValueError for what no pad sends."""
    if text == "":
        return None
    try:
        ink = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (TypeError, ValueError, binascii.Error) as error:
        raise ValueError("What the drawing pad has sent is not a drawing.") from error
    if ink.size != SIDE * SIDE:
        raise ValueError(f"A drawing has {SIDE} x {SIDE} points, but this one has {ink.size}.")
    file = io.BytesIO()
    Image.fromarray(ink.reshape(SIDE, SIDE)).save(file, "PNG")
    return file.getvalue()


def as_text(png: bytes) -> str:
    """A drawing as the browser takes it: `as_png` gives it back."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        return base64.b64encode(picture.convert("L").tobytes()).decode()
