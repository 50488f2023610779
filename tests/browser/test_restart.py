"""A server that is killed and started again while a browser stays open, in a real Chromium."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.explorer_server import ExplorerServer
from tests.browser.test_browser import PATIENCE, browser  # noqa: F401 (one is a fixture)

# slow: of a server that was killed a browser asks more and more rarely, at last once a minute
pytestmark = [pytest.mark.browser, pytest.mark.slow]
LINE = "The server was started anew"
NOTICED = 240_000
"""Milliseconds in which a browser finds the new server: it asks after 0.5 s, then waits twice as long each time, up to a minute."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ExplorerServer]:
    """A server of this test alone."""
    started = ExplorerServer(SPT_RUNS=str(tmp_path / "runs"), SPT_RESULTS=str(tmp_path / "results"))
    started.start()
    yield started
    with contextlib.suppress(ProcessLookupError):
        started.kill()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:  # noqa: F811
    """A new visitor's page, with no exception on it at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    try:
        yield page
        assert page.locator('[data-testid="stException"]').count() == 0
    finally:
        context.close()


def test_a_run_begins_again_and_the_page_says_why(server: ExplorerServer, page: Page) -> None:
    """The run is so long that a busy browser has drawn the page, and the server is gone, before it ends."""
    address = f"{server.address}/votes?n=50000&classifier=mnist-rotation-fine&angle=12&digits_image=3"
    page.goto(address, wait_until="commit")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()  # all scripts are there
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    assert page.get_by_text(LINE).count() == 0
    server.kill()
    server.start()
    expect(page.get_by_text(LINE)).to_be_visible(timeout=NOTICED)
    expect(page.get_by_text(re.compile(r"^\d[\d,]* of 50,000 votes")).first).to_be_visible()
    assert "angle=12" in page.url and "digits_image=3" in page.url
    expect(page.get_by_role("slider", name="Attack: turned by γ")).to_have_value("12")


def test_a_page_without_a_run_says_it_when_a_control_is_used(server: ExplorerServer, page: Page) -> None:
    page.goto(f"{server.address}/votes?n=50&pace=fast")
    again = page.get_by_role("button", name="Run again")
    expect(again).to_be_visible()
    expect(page.locator('[data-testid="stApp"]')).to_have_attribute("data-test-script-state", "notRunning")
    server.kill()
    server.start()
    until = time.monotonic() + NOTICED / 1000
    while page.get_by_text(LINE).count() == 0:  # until the browser has noticed, it sends nothing
        assert time.monotonic() < until
        again.click()
        page.wait_for_timeout(1000)
    expect(again).to_be_visible()


def test_rows_of_an_experiment_are_kept_and_it_goes_on(server: ExplorerServer, page: Page) -> None:
    page.goto(f"{server.address}/experiments?experiment=table11&results=quick")
    page.get_by_role("button", name=re.compile("^Run")).click()
    some = re.compile(r"[2-9]\d* of \d+ rows|1\d+ of \d+ rows")
    expect(page.get_by_text(some).first).to_be_visible()
    server.kill()
    before = _rows(page)
    server.start()
    expect(page.get_by_text(LINE)).to_be_visible(timeout=NOTICED)
    expect(page.get_by_text("“Go on” continues")).to_be_visible()
    expect(page.get_by_text(re.compile(r"stopped after \d+ of"))).to_be_visible()
    kept = _rows(page)
    assert kept >= before
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    until = time.monotonic() + NOTICED / 1000
    while _rows(page) <= kept:
        assert time.monotonic() < until
        page.wait_for_timeout(500)


def _rows(page: Page) -> int:
    """How many rows the page says are there."""
    found = re.search(r"(\d+) of \d+ rows", page.inner_text("body")) or re.search(
        r"all (\d+) rows", page.inner_text("body")
    )
    return int(found[1]) if found else 0
