"""A gallery of small pictures to click on, as one component: every picture is a button, so the keyboard reaches it."""

from collections.abc import Callable
from typing import Any

import streamlit as st
from torch import Tensor

from spt.ui.shared.components import component
from spt.ui.shared.pictures import png_data_url

_gallery = component(__file__)


def show(name: str, pictures: list[tuple[Tensor, str]], chosen: int, choose: Callable[[int], None]) -> None:
    """Pictures (image (C, H, W), caption) with ``chosen`` framed; ``choose`` is called with the index of a clicked one."""
    key = f"gallery_{name}"

    def clicked() -> None:
        index: Any = st.session_state[key].chosen
        if index is not None:
            choose(int(index))

    data = {
        "name": name,
        "chosen": chosen,
        "pictures": [{"url": png_data_url(image), "caption": caption} for image, caption in pictures],
    }
    _gallery(key=key, data=data, on_chosen_change=clicked, height="content")
