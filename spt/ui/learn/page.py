"""The page "Learn": one step at a time, a question first, then what is so."""

import streamlit as st

from spt.ui.learn import attack, bound, guarantee, received, twice, vote
from spt.ui.learn.lesson import Lesson
from spt.ui.shared import failures, state, steps

STEPS: dict[str, Lesson] = {
    each.name: each for each in (attack.STEP, vote.STEP, twice.STEP, bound.STEP, received.STEP, guarantee.STEP)
}
QUESTION, ANSWER = "the question", "the answer"


def show() -> None:
    """The whole page below the title."""
    name = state.choose("Step", tuple(STEPS), attack.STEP.name, key="step")
    step, number = STEPS[name], list(STEPS).index(name) + 1
    st.subheader(f"{number}. {step.title}", anchor=False)
    left, right = st.columns([1, 1.4], gap="large")
    with failures.in_one_sentence():
        with left:
            guess = step.ask()
            shown = state.choose("Then see", (QUESTION, ANSWER), QUESTION, key=f"see_{name}") == ANSWER
        state.write()
        with right:
            if shown:
                step.show(guess)
                st.markdown(f"**Take home.** {step.take_home}")
                link = step.link()
                st.page_link(link.page, label=link.label, icon=":material/arrow_forward:", query_params=link.parameters)
            else:
                st.info("Guess first, then choose **the answer**.", icon=":material/psychology_alt:")
    _show_neighbours(list(STEPS), number - 1)


def _show_neighbours(names: list[str], at: int) -> None:
    """The buttons to the step before and the one after."""
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for label, number, key in ((steps.BACK, at - 1, "p"), (steps.NEXT, at + 1, "n")):
            there = 0 <= number < len(names)
            to = {"step": names[number]} if there else {}
            steps.button(label, f"learn_go_{label.lower()}", there, state.open_here, (to,), key)
