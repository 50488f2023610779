"""The cells of a certificate as a picture, in the colours of the page's theme."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from spt.certificates import CellsCertificate
from spt.certificates.answer import Answer
from spt.figures.cells import cells_svg


def draw(
    place: Any, certificate: CellsCertificate, alt: str, answers: Sequence[Answer] = (), live: bool = False
) -> None:
    """Draw them, which one may do again and again; ``live``: with the one that is tested next."""
    ink = "#fafafa" if st.context.theme.type == "dark" else "#262730"
    place.image(cells_svg(certificate, answers=answers, live=live, ink=ink), alt=alt, width="stretch")
