"""The page "Tours": the list of all tours, each with where it begins."""

import os

import streamlit as st

from spt.ui.shared import failures
from spt.ui.shared.markdown import escape
from spt.ui.tours import known, strip
from spt.ui.tours.tour import Tour

ACROSS = 3


def show() -> None:
    """The whole page below its introduction."""
    _cards(known.shipped())
    if not os.environ.get(known.VARIABLE, "").strip():
        st.caption(
            f"Your own: one file each, in the folder that the environment variable {known.VARIABLE} names (docs/own-tours.md)."
        )
        return
    st.subheader("Of this server", anchor=False)
    listed = known.own()
    _cards(tuple(each.tour for each in listed if each.tour is not None))
    for each in listed:
        if each.tour is None:
            st.warning(escape(failures.without_folders(each.wrong)), icon=":material/draft:")
    if not listed:
        st.caption("The folder has no tours yet.")


def _cards(tours: tuple[Tour, ...]) -> None:
    for first in range(0, len(tours), ACROSS):
        for column, tour in zip(st.columns(ACROSS), tours[first : first + ACROSS], strict=False):
            with column.container(border=True, height="stretch"):
                st.page_link(
                    strip.script_of(tour.steps[0]),
                    label=f"**{escape(tour.title)}**",
                    icon=":material/tour:",
                    query_params=strip.address_of(tour, 0),
                )
                st.markdown(f"{escape(tour.about)} {len(tour.steps)} steps.")
