"""Images on the screen: enlarged without smoothing, so that every pixel can be seen."""

import base64

import streamlit as st
from torch import Tensor

from spt.images import to_png

SHOWN_SIDE = 280


def show(image: Tensor, title: str, description: str) -> None:
    """An image (C, H, W), enlarged by a whole number, with its title below and a description for screen readers."""
    factor = max(1, SHOWN_SIDE // max(image.shape[-2:]))
    enlarged = image.repeat_interleave(factor, dim=-1).repeat_interleave(factor, dim=-2)
    st.image(to_png(enlarged), caption=title, width="stretch", alt=description)


def png_data_url(image: Tensor) -> str:
    """An image (C, H, W) as a data URL for a component."""
    return "data:image/png;base64," + base64.b64encode(to_png(image)).decode()
