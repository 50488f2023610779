"""Presets as buttons on their own page: each sets the controls as its link would."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from spt.ui.shared.presets import Preset


def show(presets: Sequence[Preset], whole_numbers: Callable[[str], bool]) -> None:
    """A row of buttons; ``whole_numbers`` says for which controls a number is an int."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Presets", width="content")
        for number, preset in enumerate(presets):
            st.button(
                preset.title,
                key=f"preset_{number}",
                icon=preset.icon,
                help=preset.text,
                on_click=_set,
                args=(preset, whole_numbers),
            )


def _set(preset: Preset, whole_numbers: Callable[[str], bool]) -> None:
    """Set the controls. (A link to the page that is open already changes nothing back to a default, as Streamlit leaves
    defaults out of the address.)"""
    for name, value in preset.parameters.items():
        st.session_state[name] = control_value(value, whole_numbers(name))


def control_value(value: str | list[str], whole: bool) -> Any:
    """What a control holds, from its value in the address."""
    if isinstance(value, list):
        return tuple(float(end) for end in value)
    if value in ("true", "false"):
        return value == "true"
    if whole and value.lstrip("-").isdecimal():
        return int(value)
    try:
        return float(value)
    except ValueError:
        return value
