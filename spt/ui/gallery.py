"""A gallery of small pictures to click on, as one component: every picture is a button, so the keyboard reaches it."""

from collections.abc import Callable
from typing import Any

import streamlit as st
from torch import Tensor

from spt.ui.pictures import png_data_url

_CSS = """
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(36px, 1fr)); gap: 3px; max-height: 152px;
  overflow-y: auto; padding: 3px; }
button { padding: 0; border: 2px solid transparent; border-radius: 4px; background: none; cursor: pointer; line-height: 0; }
button[aria-pressed="true"] { border-color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
img { width: 100%; aspect-ratio: 1; object-fit: cover; image-rendering: pixelated; border-radius: 2px; }
"""

_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  if (root.dataset.name !== data.name) {
    root.dataset.name = data.name;
    root.replaceChildren(...data.pictures.map((picture, index) => {
      const button = document.createElement("button"), image = document.createElement("img");
      button.type = "button"; image.src = picture.url; image.alt = picture.caption; button.title = picture.caption;
      button.append(image);
      button.onclick = () => setTriggerValue("chosen", index);
      return button;
    }));
  }
  [...root.children].forEach((button, index) => {
    button.onclick = () => setTriggerValue("chosen", index);
    button.setAttribute("aria-pressed", String(index === data.chosen));
  });
}
"""

_gallery = st.components.v2.component("spt_gallery", html='<div class="gallery"></div>', css=_CSS, js=_JS)


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
