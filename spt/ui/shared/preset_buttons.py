"""Presets as buttons on their own page: each opens a whole state, as its link would."""

from collections.abc import Sequence

import streamlit as st

from spt.ui.shared import state
from spt.ui.shared.presets import Preset


def show(presets: Sequence[Preset]) -> None:
    """A row of buttons."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Presets", width="content")
        for number, preset in enumerate(presets):
            st.button(
                preset.title,
                key=f"preset_{number}",
                icon=preset.icon,
                help=preset.text,
                on_click=state.open_here,
                args=(preset.parameters,),
            )
