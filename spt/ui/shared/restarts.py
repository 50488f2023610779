"""A server that was ended and started again while a browser stayed open: the browser connects anew by itself and runs its page
in a new session, which has nothing of the old one but the address. The page then says so: at once if a run was going on, else when
a control is next used (until then the browser asks for nothing, and what it shows still holds).

Streamlit's frontend offers its last session when it connects, as the third part of the header Sec-WebSocket-Protocol (see
``streamlit.web.server.starlette.starlette_websocket``). What is offered to a new session, and was never one of this process,
is of a server before it; one of this process was forgotten because its browser was away for too long (two minutes).
"""

import time

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

BEGUN = "session_begun"
SHOWN = 60.0  # seconds of a session in which the line is drawn: a run of the script that nobody asked for does not remove it
_SESSIONS: set[str] = set()
"""All that this process has had."""


def say(page: str) -> None:
    """Draw the line, on the page of this address, if this session begins in the place of one that is gone."""
    context = get_script_run_ctx()
    own = context.session_id if context else ""
    if BEGUN not in st.session_state:
        st.session_state[BEGUN] = (time.monotonic(), _why(own, _offered()))
    _SESSIONS.add(own)
    begun, why = st.session_state[BEGUN]
    if why and time.monotonic() - begun < SHOWN:
        st.info(f"{why}: {_what_happens(page)}", icon=":material/restart_alt:")


def _offered() -> str:
    """The session that the browser had when it connected; "" for a new visitor."""
    parts = st.context.headers.get("Sec-WebSocket-Protocol", "").split(",")
    return parts[2].strip() if len(parts) > 2 else ""


def _why(own: str, offered: str) -> str:
    if offered in ("", own):
        return ""
    return "The connection was lost for too long" if offered in _SESSIONS else "The server was started anew"


def _what_happens(page: str) -> str:
    if page == "experiments":
        return "the rows of a quick run are kept, and “Go on” continues with the next one."
    return (
        "this page begins again with the settings in its address; what a button had started waits for its button again."
    )
