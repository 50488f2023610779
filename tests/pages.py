"""What the tests of all pages share: opening one in AppTest, reading it, and seeing that nothing went wrong."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from spt.ui.shared import address, components, folded, share, state
from spt.ui.shared.state import State

_VISITS = itertools.count(1)
components.HEAD_START = 0  # no browser draws anything here
SCRIPT = str(Path(__file__).parent.parent / "pages" / "navigation.py")


def visit(page: str, parameters: dict[str, str], timeout: float = 60, unfolded: bool = True) -> AppTest:
    """The page (relative to pages/) after its first run with these parameters in its address; ``unfolded``: what is folded on it
    is open."""
    app = AppTest.from_file(SCRIPT, default_timeout=timeout)
    app.switch_page(page)
    for key in (folded.HOW, folded.CODE, share.MENU):
        app.session_state[key] = unfolded
    for name, value in parameters.items():
        app.query_params[name] = value
    return app.run()


def texts(app: AppTest) -> str:
    """All Markdown and captions on the page, in one string."""
    return "\n".join(element.value for element in [*app.markdown, *app.caption])


def assert_healthy(app: AppTest) -> None:
    """No exception and no error message on the page."""
    assert not app.exception, [element.value for element in app.exception]
    assert not app.error, [element.value for element in app.error]


def follow(app: AppTest, page: str, parameters: Mapping[str, str | list[str]]) -> AppTest:
    """Click a link to a page (relative to pages/) in the open browser tab; no parameters: the menu above the pages."""
    app.switch_page(page)
    app.query_params.clear()
    app.query_params.update(parameters)
    return app.run()


def menu(app: AppTest, page: str) -> AppTest:
    """Go to another page by the menu."""
    return follow(app, f"explore/{page}.py", {})


def go_back(app: AppTest, page: str, parameters: Mapping[str, str | list[str]]) -> AppTest:
    """What the browser's Back does that leads to an entry of a page with these parameters; see spt/ui/shared/address.js."""
    return follow(app, f"explore/{page}.py", {**parameters, address.VISIT: str(next(_VISITS))})


def state_of(app: AppTest) -> State:
    """The state of the open page."""
    found = app.session_state[state.SESSION].state
    assert isinstance(found, State)
    return found


def shown_address(app: AppTest) -> dict[str, str | list[str]]:
    """What the address bar shows."""
    return {name: value for name, value in app.query_params.items() if name != address.VISIT}


def downloads(app: AppTest) -> set[str]:
    """What the numbers that the menu Share offers are called."""
    return {each.proto.label for each in app.get("download_button")} - {"Save as .py"}


def grids(app: AppTest) -> dict[str, dict[str, Any]]:
    """What the page's pixel grids were given, by their keys."""
    given = [json.loads(element.proto.json) for element in app.get("bidi_component") if element.proto.json]
    return {data["key"]: data for data in given if isinstance(data, dict) and data.get("kind") == "images"}


def titles(app: AppTest) -> str:
    """The titles of all images on the page, a line each."""
    return "\n".join(picture["title"] for data in grids(app).values() for picture in data["pictures"])
