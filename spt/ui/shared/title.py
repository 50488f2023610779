"""The top of a page: its question, how to read it, folded, the menu Share, and one sentence."""

import streamlit as st

from spt.ui.shared import share

_PLACE = "place_below_the_title"


def show(question: str, sentence: str, reading: str = "") -> None:
    """Draw it, with a place below for `say`.

    Args:
        sentence: fits into one line of a projector where there is ``reading``, which has all else; a page without computes nothing,
            and has its link alone to share.
    """
    with st.container(key="title", horizontal=True, vertical_alignment="center", gap="small"):
        st.header(question, anchor=False, width="content")
        if reading:
            with st.popover("How to read this page", type="tertiary", icon=":material/menu_book:"):
                st.markdown(reading)
        share.menu(with_more=bool(reading))
    st.markdown(sentence)
    st.session_state[_PLACE] = st.empty()


def say(words: str) -> None:
    """Say below the title, in the main area, what a person has to do before there is anything to see."""
    st.session_state[_PLACE].info(words, icon=":material/arrow_back:")
