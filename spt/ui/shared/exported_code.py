"""How the lines that a page shares load an image and a network: Python, and the command line."""

import shlex
from dataclasses import dataclass

import streamlit as st

from spt.images import to_png
from spt.ui.shared import own_onnx, state
from spt.ui.shared.controls import Subject

OWN = "picture.png"
"""What a person's own picture is called in them; `what_lines_need` offers this file."""


@dataclass(frozen=True)
class Loading:
    """Python that loads an image: names to import from spt, lines that come first, and the expression."""

    imports: str
    before: tuple[str, ...]
    expression: str


def classifier_name() -> str:
    """The name by which the classifier on the page is loaded; of a visitor's ONNX file its own, without a folder."""
    return own_onnx.chosen_file() or str(state.value("classifier"))


def in_python(reference: str | None, shape: str) -> Loading:
    """For an image that `python -m spt` calls ``reference`` (None: a person's own picture), fitted to ``shape``, an
    expression. The number comes after the last colon: a folder may have colons of its own."""
    if reference is None:
        load = f"fit_image(read_image(Path({OWN!r})), {shape})"
        return Loading("fit_image, read_image", ("from pathlib import Path", ""), load)
    name, _, index = reference.rpartition(":")
    return Loading("load_dataset", (), f"load_dataset({name!r}, shape={shape}).image({index})")


def in_shell(reference: str | None) -> str:
    """The same for the command line."""
    return shlex.quote(reference or OWN)


def what_lines_need(subject: Subject) -> None:
    """Draw what a person must have before command and Python can be run: the files of a picture and a network of their own."""
    if subject.reference is None:
        _offer_own_image(subject)
    own_onnx.say_what_is_needed()


def _offer_own_image(subject: Subject) -> None:
    """The file that the lines load, with every value of the image, however the picture was cut, inverted or centred."""
    st.download_button(
        f"The image as {OWN}, which the lines below load",
        to_png(subject.image),
        OWN,
        "image/png",
        key="own_image_png",
        icon=":material/image:",
        on_click="ignore",
    )
