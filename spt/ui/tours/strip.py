"""The strip at the lower edge of a page that is a step of a tour: what is said here, the question, and the way on.

It is drawn first of all: a person can go on while the page is still computing. What a tour says comes from a file, so titles and
options are escaped; words, questions and answers are Markdown, in which Streamlit shows HTML as text.
"""

import streamlit as st

from spt.ui.shared import failures, state, steps
from spt.ui.shared.markdown import escape
from spt.ui.tours import known, pointer
from spt.ui.tours.tour import Settings, Tour, TourStep
from spt.ui.tours.vocabulary import PAGES

NEXT, BACK = "j", "k"
"""Keys. In the presenter layout Page Down and Page Up as well, which remote controls send, see `pointer`."""
PRESENT = "present"
START = "start"
"""The page whose address names none."""
_TO_ANOTHER_PAGE = "tour_to_another_page"
"""In the session: where a button leads that was just pressed; only a script can change the page, a callback cannot."""


def place_of(tour: Tour, number: int, present: bool = False) -> dict[str, str]:
    """What the address says of a tour at a step (from 0)."""
    place = {"tour": tour.name, "tour_step": str(number + 1)}
    return place | {PRESENT: "true"} if present else place


def address_of(tour: Tour, number: int, present: bool = False) -> Settings:
    """All that the address of a step names."""
    return tour.steps[number].settings | place_of(tour, number, present)


def script_of(step: TourStep) -> str:
    """The page of a step, as Streamlit names it."""
    return f"explore/{step.page}.py"


def show(page: str) -> None:
    """The strip, if this tab is in a tour; ``page``: the open one, as in its address."""
    place, page = state.place(), page or START
    if "tour" not in place:
        return
    if _TO_ANOTHER_PAGE in st.session_state:
        state.open_page(*st.session_state.pop(_TO_ANOTHER_PAGE))
    with st.container(key="tour", gap="small"):
        try:
            tour = known.find(place["tour"])
            number = _number(tour, place.get("tour_step", "1"))
        except ValueError as error:
            st.warning(escape(failures.without_folders(str(error))), icon=":material/signpost:")
            st.button("Leave the tour", key="tour_leave", icon=":material/close:", on_click=state.go, args=({},))
            return
        _show(tour, number, page, place)


def _number(tour: Tour, text: str) -> int:
    """The step, from 0."""
    if not text.isdecimal() or not 1 <= int(text[:9]) <= len(tour.steps):
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise ValueError(f"The tour “{tour.title}” has steps 1 to {len(tour.steps)}, but none {shown}.")
    return int(text) - 1


def _show(tour: Tour, number: int, page: str, place: dict[str, str]) -> None:
    step, here = tour.steps[number], page == tour.steps[number].page
    presents = place.get(PRESENT) == "true"
    head = "tour_presents" if presents else "tour_head"  # which `screen.css` finds the layout by
    with st.container(key=head, horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"**{escape(tour.title)}**  ·  step {number + 1} of {len(tour.steps)}",
            width="stretch" if here else "content",
        )
        if not here:
            _go_button("Go to this step", "here", tour, number, page, presents)
        _go_button(steps.BACK, "back", tour, number - 1, page, presents, BACK)
        _go_button(steps.NEXT, "next", tour, number + 1, page, presents, NEXT)
        other = {name: text for name, text in place.items() if name != PRESENT}
        st.button(
            "Usual layout" if presents else "Present",
            key="tour_present",
            icon=":material/close_fullscreen:" if presents else ":material/present_to_all:",
            help="Small again, with the side bar."
            if presents
            else "Large type, without the side bar, for a lecture hall.",
            on_click=state.go,
            args=(other if presents else other | {PRESENT: "true"},),
        )
        st.button("Leave", key="tour_leave", icon=":material/close:", on_click=state.go, args=({},))
    if not here:
        st.caption(f"This step is on the page {PAGES[step.page].title}.")
        return
    state.cite(lambda name: tour.line_of_setting(number, name))
    with st.container(key="tour_words", gap="small"):
        if step.question:
            left, right = st.columns([1.5, 1], gap="medium")
        else:
            left = right = st.container()
        with left:
            st.markdown(
                f"**{escape(step.title)}.** {step.words}"
                if step.title[-1] not in ".?!"
                else f"**{escape(step.title)}** {step.words}"
            )
            if step.part is not None:
                st.caption(f":material/ads_click: Look at {step.part.words}.")
        if step.question:
            with right:
                _ask(tour, number, place)
    pointer.show(f"{tour.name} {number}", step.part, presents)


def _go_button(
    label: str, name: str, tour: Tour, number: int, page: str, present: bool, key: str | None = None
) -> None:
    """A button to a step, switched off if there is none."""
    there = 0 <= number < len(tour.steps)
    steps.button(label, f"tour_{name}", there, _go, (tour, number, page, present), key)


def _go(tour: Tour, number: int, page: str, present: bool) -> None:
    step, address = tour.steps[number], address_of(tour, number, present)
    if step.page == page:
        state.open_here(address)
    else:
        st.session_state[_TO_ANOTHER_PAGE] = (script_of(step), "" if step.page == START else step.page, address)


def _ask(tour: Tour, number: int, place: dict[str, str]) -> None:
    """The question, a guess, and the answer once it is asked for."""
    step, key = tour.steps[number], f"tour_guess_{tour.name}_{number}"
    st.markdown(step.question)
    if place.get("tour_see") == "true":
        guess = st.session_state.get(f"{key}_said")
        said = f"You said: {escape(guess)}. " if guess else ""
        st.markdown(f":material/lightbulb: {said}{step.answer}")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if step.options:
            st.radio("Your guess", step.options, None, escape, key=key, horizontal=True, label_visibility="collapsed")
        else:
            st.text_input("Your guess", key=key, max_chars=80, placeholder="Your guess", label_visibility="collapsed")
        st.button("Answer", key="tour_answer", icon=":material/lightbulb:", on_click=_answer, args=(place, key))


def _answer(place: dict[str, str], key: str) -> None:
    st.session_state[f"{key}_said"] = st.session_state.get(key)
    state.go(place | {"tour_see": "true"})
