"""Two runs side by side in a real Chromium: pin one, change the network, send the address to somebody else."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_browser import browser, finished, page, server, settled  # noqa: F401 (three are fixtures)

pytestmark = pytest.mark.browser


def both(page: Page) -> list[str]:  # noqa: F811
    """What differs, and the row of the votes, as they are seen."""
    area = page.locator(".st-key-comparison")
    expect(area.get_by_role("button", name="Both as JSON")).to_be_visible()
    settled(page)
    expect(area.get_by_role("img", name=re.compile("^Votes"))).to_be_visible()
    return [
        area.locator("p", has_text="What differs").inner_text(),
        area.get_by_role("row", name=re.compile("^votes")).inner_text(),
    ]


def test_a_run_is_pinned_compared_and_sent_to_somebody_else(server: str, browser: Browser, page: Page) -> None:  # noqa: F811
    page.goto(f"{server}/votes?n=200&pace=fast")
    finished(page, 200)
    page.get_by_role("button", name="Pin this run").click()
    expect(page).to_have_url(re.compile(r"pin=n%3D200%26pace%3Dfast"))
    settled(page)
    page.get_by_role("combobox", name=re.compile("Classifier f")).click()
    page.get_by_role("option", name="mnist-plain", exact=True).click()
    seen = both(page)
    assert seen[0] == "What differs: Classifier f mnist-rotation → mnist-plain" and "195 of 200" in seen[1]
    context = browser.new_context()
    other = context.new_page()
    other.goto(page.url)
    assert both(other) == seen and other.url == page.url
    page.get_by_role("button", name="Unpin").click()
    expect(page.get_by_role("heading", name="Pinned and now")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("pin="))
    context.close()
