"""A page whose server was started anew says so: which session the browser offers decides. In a real browser: tests/browser."""

import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from spt.ui.shared import restarts
from tests.pages import SCRIPT, assert_healthy


def visited(page: str, header: str | None, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page, opened by a browser that connects with this header."""
    headers = {} if header is None else {"Sec-WebSocket-Protocol": header}
    monkeypatch.setattr(ContextProxy, "headers", property(lambda _: headers))
    app = AppTest.from_file(SCRIPT, default_timeout=120)
    app.switch_page(page)
    app.query_params.update({"pace": "fast", "n": "50"})
    app.run()
    assert_healthy(app)
    return app


def lines(app: AppTest) -> list[str]:
    """What the page says in boxes."""
    return [each.value for each in app.info]


def test_a_session_that_the_server_never_had_is_of_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    app = visited("explore/votes.py", "streamlit, token, an-old-session", monkeypatch)
    assert lines(app) == [
        "The server was started anew: this page begins again with the settings in its address; what a button had started waits for "
        "its button again."
    ]
    app.run()
    assert len(lines(app)) == 1  # a run of the script that nobody asked for does not remove it
    monkeypatch.setattr(restarts, "SHOWN", 0.0)
    assert lines(app.run()) == []
    app = visited("explore/experiments.py", "streamlit, token, an-old-session", monkeypatch)
    monkeypatch.undo()
    assert "“Go on” continues" in lines(app.run())[0]


def test_a_session_that_the_server_forgot_was_away_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "_SESSIONS", {"an-old-session"})
    app = visited("explore/start.py", "streamlit, token, an-old-session", monkeypatch)
    assert len(lines(app)) == 1 and lines(app)[0].startswith("The connection was lost for too long: this page begins")


@pytest.mark.parametrize("header", [None, "", "streamlit", "streamlit, token", "streamlit, token, "])
def test_a_new_visitor_is_told_nothing(header: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(visited("explore/start.py", header, monkeypatch)) == []


def test_a_session_that_goes_on_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "_SESSIONS", set())
    app = visited("explore/start.py", None, monkeypatch)
    [own] = restarts._SESSIONS
    monkeypatch.setattr(ContextProxy, "headers", property(lambda _: {"Sec-WebSocket-Protocol": f"streamlit, t, {own}"}))
    assert lines(app.run()) == []
