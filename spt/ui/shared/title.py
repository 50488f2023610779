"""The top of a page: its question, one sentence, and how to read it, folded."""

import streamlit as st

_PLACE = "place_below_the_title"


def show(question: str, sentence: str, reading: str) -> None:
    """Draw it, with a place below for `say`; ``sentence`` fits into one line of a projector, all else is ``reading``."""
    with st.container(key="title", horizontal=True, vertical_alignment="center", gap="small"):
        st.header(question, anchor=False, width="content")
        with st.popover("How to read this page", type="tertiary", icon=":material/menu_book:"):
            st.markdown(reading)
    st.markdown(sentence)
    st.session_state[_PLACE] = st.empty()


def say(words: str) -> None:
    """Say below the title, in the main area, what a person has to do before there is anything to see."""
    st.session_state[_PLACE].info(words, icon=":material/arrow_back:")
