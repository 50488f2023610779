"""What the tests of all pages share: opening one in AppTest, reading it, and seeing that nothing went wrong."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

SCRIPT = str(Path(__file__).parent.parent / "pages" / "navigation.py")


def visit(page: str, parameters: dict[str, str], timeout: float = 60) -> AppTest:
    """The page (relative to pages/) after its first run with these parameters in its address."""
    app = AppTest.from_file(SCRIPT, default_timeout=timeout)
    app.switch_page(page)
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
