"""The buttons Back and Next between the steps of what is told in steps: the page Learn, and tours."""

from collections.abc import Callable
from typing import Any

import streamlit as st

BACK, NEXT = "Back", "Next"
ICONS = {BACK: ":material/arrow_back:", NEXT: ":material/arrow_forward:"}


def button(
    label: str, key: str, there: bool, go: Callable[..., None], args: tuple[Any, ...], shortcut: str | None = None
) -> None:
    """A button to a step, switched off if the step is not ``there``; ``go`` is called with ``args``.

    Args:
        label: BACK or NEXT, or that of another way to a step.
    """
    st.button(
        label,
        key=key,
        icon=ICONS.get(label, ":material/undo:"),
        type="primary" if label == NEXT else "secondary",
        disabled=not there,
        on_click=go if there else None,
        args=args if there else None,
        shortcut=shortcut,
    )
