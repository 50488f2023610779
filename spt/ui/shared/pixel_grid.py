"""Images on the screen, pixel by pixel: one component for every image, heatmap and gallery of the explorer.

The images of one mount are one message to the browser, so that images of two states are never seen side by side. There every
pixel is drawn crisply; the pixel under the pointer is marked in all images (in a transformed one and its original: where it is
read), and its values are said with no question to the server. Images can be zoomed, chosen in by a click, and saved as PNG or
SVG. One that a `Control` moves can be dragged: the browser transforms it by the formula of `spt.interpolation`, calls that
a preview, and asks Python for the image when the drag has ended.

Nothing here imports torch: images are arrays, or tensors on the CPU.

In the browser the event ``spt:moved`` of the document, with the mount's key and the control's values, follows a control; the
event ``spt:move`` with the same sets it.
"""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import streamlit as st
from PIL import Image

from spt.ui.shared import state
from spt.ui.shared.components import component, pictures_first

Array = Any
"""What numpy makes an array of without copying much: an array, or a tensor on the CPU."""
Pixels = np.ndarray[Any, Any]
Kind = str
SAID = {
    "angle": "Turned by",
    "dx": "Shifted right by",
    "dy": "Shifted down by",
    "scale": "Enlarged by",
    "shear": "Sheared to the right by",
    "brightness": "Brighter by",
    "contrast": "Contrast raised by",
}

_grid = component(__file__)


@dataclass(frozen=True, eq=False)
class Reading:
    """What is said of a pixel.

    Attributes:
        words: what the numbers are; alone if there are none.
        values: (C, H, W), said to the nearest. ends: two of them, a lower and an upper bound, said rounded outward.
        truth: (C, H, W), said beside the ends, with whether it is between them.
    """

    words: str
    values: Array | None = None
    ends: tuple[Array, Array] | None = None
    truth: Array | None = None


@dataclass(frozen=True)
class Warp:
    """One transformation that an image has gone through: by ``added``, and by the values of the mount's control as well?"""

    kind: Kind
    added: tuple[float, ...]
    by_control: bool = False


@dataclass(frozen=True)
class Shape:
    """Lines over an image, in pixels: (column, row) of points, where (0, 0) is the middle of the upper left pixel; or a circle
    around the first point."""

    points: tuple[tuple[float, float], ...]
    radius: float = 0.0
    colour: str = "#E69F00"
    dashed: bool = False
    closed: bool = False


@dataclass(frozen=True, eq=False)
class Sources:
    """Where each pixel of another image (number ``of`` in the mount) reads this one while parameters go through a range.

    Attributes:
        arcs: (H * W, points, 2), column and row. boxes: (H * W, 4), least and largest column, least and largest row.
        ends: (C, H, W) each, bounds of the values that are read. first: number of the pixel that is shown at first.
    """

    of: int
    arcs: Pixels
    boxes: Pixels
    ends: tuple[Array, Array]
    first: int = 0


@dataclass(frozen=True, eq=False)
class Picture:
    """An image of a mount.

    Attributes:
        image: (C, H, W), colours in [0, 1]. title: its caption, plain text. alt: what one who cannot see it needs.
        reading: what is said of its pixels; None: the image's own values, after the title up to its first colon.
        warps: what it has gone through, so that pixels find their sources.
        preview: how the browser shows it while the control moves: by the warps, rounded as a file or not; "": dimmed, if its
            warps or what else it shows depend on the control.
        shapes: drawn over it. sources: arcs that the pixels of another image have in this one.
        frames: images that it shows one after the other instead, see `Frames`.
    """

    image: Array
    title: str
    alt: str
    reading: Reading | None = None
    warps: tuple[Warp, ...] = ()
    preview: Literal["", "8-bit", "exact"] = ""
    depends: bool = False
    shapes: tuple[Shape, ...] = ()
    sources: Sources | None = None
    frames: tuple[Array, ...] = ()


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure of ours among the images: SVG text, one for each of the mount's frames or one for all."""

    svg: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class Frames:
    """Images that are shown one after the other, up to number ``at``.

    Attributes:
        name: they begin anew when it changes. words: said of each. label: of the button that shows them again.
    """

    name: str
    words: tuple[str, ...]
    at: int
    label: str


@dataclass(frozen=True)
class Axis:
    """One parameter of a control: its name, what is said before its value, its symbol, unit and range (±limit)."""

    name: str
    words: str
    symbol: str
    unit: str
    limit: float
    step: float
    value: float


@dataclass(frozen=True, eq=False)
class Control:
    """What a person moves by dragging an image, or by the sliders below it.

    Attributes:
        image: (C, H, W), what is moved. move: called with the new values; None: nobody is told.
        plays: values that it goes through by itself, there and back (one parameter).
        badge: what a preview is called; "" where all that is shown is the browser's anyway.
    """

    kind: Kind
    axes: tuple[Axis, ...]
    image: Array
    move: Callable[[tuple[float, ...]], None] | None
    plays: tuple[float, ...] = ()
    badge: str = "preview"


def control_of(transform: Any, values: Sequence[float], image: Array) -> Control:
    """The control of a `spt.transforms.Transform`, which moves the controls named as its parameters."""
    axes = tuple(
        Axis(each.name, SAID[each.name], each.symbol, each.unit, each.limit, each.step, float(value))
        for each, value in zip(transform.parameters, values, strict=True)
    )

    def move(found: tuple[float, ...]) -> None:
        state.set(**{axis.name: value for axis, value in zip(axes, found, strict=True)})

    return Control(transform.name, axes, image, move)


def show(
    key: str,
    pictures: Sequence[Picture | Drawing],
    *,
    chosen: tuple[int, int] | None = None,
    choose: Callable[[int, int], None] | None = None,
    control: Control | None = None,
    frames: Frames | None = None,
) -> None:
    """Images side by side.

    Args:
        chosen: row and column of the pixel that is framed, in images that went through no warp.
        choose: called with row and column, in such an image, of a pixel that is clicked.
    """
    answered = f"{key}_answered"

    def clicked() -> None:
        pixel: Any = st.session_state[key].chosen
        if pixel is not None and choose is not None:
            choose(int(pixel[0]), int(pixel[1]))

    def moved() -> None:
        found: Any = st.session_state[key].moved
        if found is not None and control is not None and control.move is not None:
            st.session_state[answered] = int(found["serial"])
            if len(found["values"]) == len(control.axes):  # else of a transformation that was left
                control.move(_within(control, found["values"]))

    data = contents(key, pictures, control, frames)
    if control is not None:
        data["control"]["answered"] = st.session_state.get(answered, 0)
    data |= {"chosen": None if chosen is None else list(chosen), "choosable": choose is not None}
    _grid(key=key, data=data, on_chosen_change=clicked, on_moved_change=moved, height="content")
    pictures_first()


def show_gallery(key: str, pictures: Sequence[tuple[Array, str]], chosen: int, choose: Callable[[int], None]) -> None:
    """Small pictures (image, caption), of which one is chosen: by a click, or by arrow keys and Enter."""

    def clicked() -> None:
        index: Any = st.session_state[key].chosen
        if index is not None:
            choose(int(index))

    data = {
        "kind": "gallery",
        "chosen": chosen,
        "pictures": [{"url": png_data_url(image), "caption": caption} for image, caption in pictures],
    }
    _grid(key=key, data=data, on_chosen_change=clicked, on_moved_change=lambda: None, height="content")


def _within(control: Control, values: Sequence[Any]) -> tuple[float, ...]:
    """Values as the control takes them, whatever the browser has sent."""
    return tuple(
        min(max(float(value), -axis.limit), axis.limit) for axis, value in zip(control.axes, values, strict=True)
    )


# -------------------------------------------------------------------------------------------------- what the browser is given


def contents(
    key: str, pictures: Sequence[Picture | Drawing], control: Control | None = None, frames: Frames | None = None
) -> dict[str, Any]:
    """What the component is given, without what is chosen."""
    given = [_drawing(each) if isinstance(each, Drawing) else _picture(each) for each in pictures]
    said: dict[int, int] = {}  # a reading of several images is sent once
    for number, each in enumerate(pictures):
        if isinstance(each, Picture) and each.reading is not None:
            first = said.setdefault(id(each.reading), number)
            if first != number:
                given[number]["reading"] = {"of": first}
    return {
        "kind": "images",
        "key": key,
        "pictures": given,
        "control": None if control is None else _control(control, pictures),
        "frames": None if frames is None else {**vars(frames), "words": list(frames.words)},
    }


def _drawing(drawing: Drawing) -> dict[str, Any]:
    return {"kind": "drawing", "title": drawing.title, "svg": list(drawing.svg)}


def _picture(picture: Picture) -> dict[str, Any]:
    image = pixels(picture.image)
    reading = picture.reading or Reading(picture.title.split(":")[0], values=image)
    same = (reading.values is image or reading.values is picture.image) and is_eight_bit(image)
    sources = picture.sources
    return {
        "kind": "image",
        "title": picture.title,
        "alt": picture.alt,
        "urls": [png_data_url(each) for each in picture.frames or (image,)],
        "size": list(image.shape),
        "reading": {
            "words": reading.words,
            "eightBit": same,
            "channels": _channels(reading, image),
            "values": None if reading.values is None or same else packed(reading.values, 0),
            "low": None if reading.ends is None else packed(reading.ends[0], -1),
            "high": None if reading.ends is None else packed(reading.ends[1], 1),
            "truth": None if reading.truth is None else packed(reading.truth, 0),
        },
        "warps": [vars(warp) for warp in picture.warps],
        "preview": picture.preview,
        "depends": picture.depends or any(warp.by_control for warp in picture.warps),
        "shapes": [vars(shape) for shape in picture.shapes],
        "sources": None
        if sources is None
        else {
            "of": sources.of,
            "first": sources.first,
            "points": sources.arcs.shape[1],
            "arcs": packed(sources.arcs, 0),
            "boxes": packed(sources.boxes, 0),
            "low": packed(sources.ends[0], -1),
            "high": packed(sources.ends[1], 1),
        },
    }


def _channels(reading: Reading, image: Pixels) -> int:
    said = reading.values if reading.ends is None else reading.ends[0]
    return len(image) if said is None else len(said)


def _control(control: Control, pictures: Sequence[Picture | Drawing]) -> dict[str, Any]:
    shown = [
        number for number, each in enumerate(pictures) if isinstance(each, Picture) and each.image is control.image
    ]
    image = pixels(control.image)
    exact = is_eight_bit(image)
    return {
        "kind": control.kind,
        "axes": [vars(axis) for axis in control.axes],
        "base": shown[0] if shown and exact else None,
        "url": png_data_url(image) if exact and not shown else None,
        "image": None if exact else packed(image, 0),
        "size": list(image.shape),
        "plays": list(control.plays),
        "badge": control.badge,
        "tells": control.move is not None,
        "answered": 0,
    }


def pixels(image: Array) -> Pixels:
    """An image as an array."""
    return image if isinstance(image, np.ndarray) else np.asarray(image)


def is_eight_bit(image: Pixels) -> bool:
    """Whether all values are multiples of 1/255 in [0, 1], but for what float32 makes of them."""
    scaled = image.astype(np.float64) * 255
    return bool(np.abs(scaled - scaled.round()).max() < 1e-4 and scaled.min() > -0.5 and scaled.max() < 255.5)


def png_data_url(image: Array) -> str:
    """An image (C, H, W) as a PNG in a data URL, rounded to 8 bits; what lies outside [0, 1] is clipped."""
    values = np.rint(pixels(image).astype(np.float32).clip(0, 1) * np.float32(255)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)).save(file, "PNG", compress_level=3)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def packed(values: Array, side: int) -> str:
    """float32 in base64, rounded down (side -1), up (1) or to nearest (0)."""
    exact = pixels(values).astype(np.float64)
    found = exact.astype("<f4")
    if side:
        wrong = (found > exact) if side < 0 else (found < exact)
        found = np.where(wrong, np.nextafter(found, np.float32(side * np.inf)), found).astype("<f4")
    return base64.b64encode(np.ascontiguousarray(found).tobytes()).decode()
