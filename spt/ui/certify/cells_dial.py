"""The certified range of the page "Certify": a dial or a plane; of cells one can be chosen by a click."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from spt.certificates import CellsCertificate
from spt.certificates.answer import Answer
from spt.figures import certificates as figures
from spt.figures.cells import cells_svg
from spt.ui.certify.run import Proof
from spt.ui.shared import cells_picture, state
from spt.ui.shared.components import component

_cells = component(__file__)


def draw_range(place: Any, certificate: Proof, alt: str, answers: Sequence[Answer] = ()) -> None:
    """Draw the range with g's answers; cells as they are, without choosing one."""
    if isinstance(certificate, CellsCertificate):
        cells_picture.draw(place, certificate, alt, answers)
    else:
        place.plotly_chart(figures.certified_range(certificate, answers), alt=alt)


def show(place: Any, certificate: CellsCertificate, answers: Sequence[Answer]) -> None:
    """Draw the cells, with g's answers; a click chooses the cell that the control names otherwise."""

    def clicked() -> None:
        number: Any = st.session_state["certify_cells"].chosen
        if number is not None and 1 <= int(number) <= len(certificate.cells):
            state.set(cell=str(int(number)))

    chosen = state.value("cell")
    with place.container():
        svg = cells_svg(certificate, None if chosen is None else int(chosen) - 1, answers)
        _cells(key="certify_cells", data={"svg": svg}, on_chosen_change=clicked, height="content")
