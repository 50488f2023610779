"""The images of the page "Inverse" as one component: linked hovering, a click that chooses a pixel, and an animation over the
passes. Everything in it is computed here; the browser draws, and rounds the numbers under the pointer outward.
"""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from spt.figures import errors as error_figures
from spt.figures import inverse as inverse_figures
from spt.ui.inverse.request import InverseRequest
from spt.ui.inverse.run import Found, Pass, received_interval
from spt.ui.shared.components import component
from spt.ui.shared.pictures import png_data_url

WIDTH_SCALE = 0.5  # yellow from here on: fixed, so that colours can be compared

_pixels = component(__file__)


def show(
    request: InverseRequest,
    found: Found,
    part: int,
    number: int,
    chosen: tuple[int, int],
    choose: Callable[[int, int], None],
) -> None:
    """The images after pass ``number`` on a part of Gamma, with ``chosen`` (row, column) framed; ``choose`` is called with
    a clicked pixel."""
    key = "inverse_pixels"

    def clicked() -> None:
        pixel: Any = st.session_state[key].chosen
        if pixel is not None:
            choose(int(pixel[0]), int(pixel[1]))

    _pixels(
        key=key,
        data=contents(request, found, part, number) | {"chosen": list(chosen)},
        on_chosen_change=clicked,
        height="content",
    )


def contents(request: InverseRequest, found: Found, part: int, number: int) -> dict[str, Any]:
    """What the component is given (without the chosen pixel)."""
    channels, height, width = request.received.shape
    hull = found.passes[number].hulls[part]
    low, high = (None, None) if hull is None else (_packed(hull[0], -1), _packed(hull[1], 1))
    received = received_interval(request)
    original = request.original
    return {
        "name": f"{hash((request.key, part)):x}",
        "width": width,
        "height": height,
        "channels": channels,
        "scale": WIDTH_SCALE,
        "received": png_data_url(request.received.float()),
        "original": None if original is None else png_data_url(original.float()),
        "low": low,
        "high": high,
        "truth": None if original is None else _packed(original, 0),
        "receivedLow": _packed(received[0], -1),
        "receivedHigh": _packed(received[1], 1),
        "frames": [_frame(request, found, part, one) for one in found.passes],
        "frame": number,
        "truthWords": _truth(request, found),
    }


def _truth(request: InverseRequest, found: Found) -> str:
    if found.inside is None:
        return ""
    count = f"{request.received.numel():,}"
    return f"the true original: all {count} values inside ✓" if found.inside else "the true original"


def _frame(request: InverseRequest, found: Found, part: int, one: Pass) -> dict[str, str]:
    hull = one.hulls[part]
    if hull is None:  # nothing is left: show what was left before
        hull = found.passes[one.number - 1].hulls[part]
    assert hull is not None
    widths = error_figures.unsigned_picture((hull[1] - hull[0]).clamp(min=0).numpy(), WIDTH_SCALE)
    boxes = [[(low, high) for low, high in box] for box in one.surviving.tolist()]
    return {
        "lower": png_data_url(hull[0].clamp(0, 1).float()),
        "upper": png_data_url(hull[1].clamp(0, 1).float()),
        "width": png_data_url(torch.from_numpy(widths).float()),
        "dial": inverse_figures.surviving_svg(request.gamma_range, boxes, request.transform.unit, request.gamma),
        "words": one.what,
    }


def _packed(values: Tensor, side: int) -> str:
    """float32 in base64, rounded down (side -1), up (1) or to nearest (0)."""
    exact = values.double().numpy()
    packed = exact.astype("<f4")
    if side:
        wrong = (packed > exact) if side < 0 else (packed < exact)
        packed = np.where(wrong, np.nextafter(packed, np.float32(side * np.inf)), packed).astype("<f4")
    return base64.b64encode(np.ascontiguousarray(packed).tobytes()).decode()
