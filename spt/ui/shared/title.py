"""The top of a page: its question, one sentence, and how to read it, folded."""

import streamlit as st


def show(question: str, sentence: str, reading: str) -> None:
    """Draw it; ``sentence`` fits into one line of a projector, all else is ``reading``."""
    with st.container(key="title", horizontal=True, vertical_alignment="center", gap="small"):
        st.header(question, anchor=False, width="content")
        with st.popover("How to read this page", type="tertiary", icon=":material/menu_book:"):
            st.markdown(reading)
    st.markdown(sentence)
