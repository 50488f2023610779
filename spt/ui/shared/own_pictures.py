"""A person's own picture as the image of the pages: a file, one from the clipboard, the camera's, or drawn here."""

import hashlib

import streamlit as st
from torch import Tensor

from spt.ui.shared import cache, draw_pad, paste, state, title, uploads
from spt.ui.shared.markdown import escape

UPLOAD, CAMERA, DRAWING = SOURCES = uploads.PICTURES
Shape = tuple[int, int, int]
_HOW_TO_BEGIN = {
    UPLOAD: "Choose a picture to begin. On the left (on a telephone: under *Controls*), at **Picture**, press *Upload*, drop a "
    "file of at most 20 MB there, or paste a picture. It stays on the machine that runs this app.",
    CAMERA: "Take a picture to begin. On the left (on a telephone: under *Controls*) allow the browser to use the camera, and "
    "press *Take photo*.",
    DRAWING: "Draw a digit to begin. On the left (on a telephone: under *Controls*) is a pad: draw on it with the mouse, a finger "
    "or a pen. It stays on the machine that runs this app.",
}
"""What the main area says as long as there is no picture."""
_ELSEWHERE = {
    UPLOAD: uploads.elsewhere("a picture that was uploaded", "Choose it again here."),
    CAMERA: uploads.elsewhere("a picture that was taken", "Take another one here."),
    DRAWING: uploads.elsewhere("a drawing that was made", "Draw it again here."),
}


def choose(source: str, shape: Shape) -> tuple[Tensor, str]:
    """The picture of that source, fitted to the shape, and where it comes from in words; stops the page while there is none."""
    digest = state.value_of(source, uploads.DIGEST, "")
    if source == DRAWING:
        centred = _drawn(digest)
    else:
        centred = False
        _received(source)
    state.keep(source, uploads.DIGEST, "", digest, "Your picture")
    invert = source != DRAWING and state.switch(
        "Dark ink on light paper",
        key="invert",
        help="Swaps black and white: MNIST's digits are light on black.",
    )
    upload = uploads.find(digest)
    if upload is None:
        st.info((_ELSEWHERE if digest else _HOW_TO_BEGIN)[source].split(". ")[0] + ".")
        title.say(_ELSEWHERE[source] if digest else _HOW_TO_BEGIN[source])
        state.stop()
    image, remark = cache.decoded(hashlib.sha256(upload.data).hexdigest(), shape, invert, upload.data, centred)
    if source == DRAWING:
        st.caption("Your drawing stays chosen on the other pages.")
        return image, "your drawing"
    st.caption(f"Your picture: {escape(upload.name)}. It stays chosen on the other pages; another one takes its place.")
    return image, f"your picture ({'; '.join(filter(None, (upload.name, remark)))})"


def _received(source: str) -> None:
    """Where a file or a photograph comes in."""
    key = f"{source}_file"

    def changed() -> None:
        file = st.session_state[key]
        state.set(**{source: uploads.keep(file.name, file.getvalue()) if file else ""})

    if source == UPLOAD:
        st.file_uploader(
            "Picture",
            type=["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"],
            key=key,
            on_change=changed,
            help="PNG, JPEG, WebP, BMP, GIF or TIFF, at most 20 MB. It stays on the machine that runs this app.",
        )
    else:
        st.camera_input("Picture", key=key, on_change=changed)


def _drawn(digest: str) -> bool:
    """The pad, with the drawing of that digest on it; whether to centre and scale what is drawn."""

    def drawn(png: bytes | None) -> None:
        state.set(**{DRAWING: "" if png is None else uploads.keep("drawing.png", png)})

    before = uploads.find(digest)
    draw_pad.show("draw_pad", None if before is None else before.data, drawn)
    return state.switch(
        "Centre and scale it like MNIST’s digits",
        True,
        key="centred",
        help="The longer side of the ink becomes 20 of 28 pixels, and its centre of mass the middle: so were the digits made that "
        "the networks for digits have learned from.",
    )


def listen_to_the_clipboard() -> None:
    """A picture that is pasted anywhere on the page becomes its image; where files come in, a button does it too."""

    def pasted(data: bytes) -> None:
        state.set(source=UPLOAD, **{UPLOAD: uploads.keep("pasted", data)})

    paste.listen("paste", state.value("source") == UPLOAD, pasted)
