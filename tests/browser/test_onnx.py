"""A network of one's own in an ONNX file, in a real browser: dropped onto the page, fed as the form says, kept when the page is
loaded anew and on the other pages, and shown to nobody else by a link."""

import re
import urllib.parse
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_browser import browser, finished, page, server, settled  # noqa: F401 (three are fixtures)

pytestmark = pytest.mark.browser
NETWORK = Path(__file__).parent.parent / "networks" / "torch-small.onnx"
HOSTILE = "</script><img src=x onerror=alert(1)>![a](http://other.invalid/p)"


def settings(page: Page) -> dict[str, list[str]]:  # noqa: F811
    return urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).query)


def test_a_network_is_dropped_fed_voted_with_and_kept(page: Page, server: str, browser: Browser) -> None:  # noqa: F811
    page.goto(f"{server}/votes?source=natural&n=50&pace=fast")
    finished(page, 50)
    sidebar = page.locator('[data-testid="stSidebar"]')
    page.get_by_role("combobox", name="Classifier f").click()
    page.get_by_role("option", name="your own (ONNX file)").click()
    expect(sidebar.get_by_text("Choose an ONNX file to begin.")).to_be_visible()
    sidebar.locator('input[type="file"]').first.set_input_files(NETWORK)
    expect(sidebar.get_by_text("torch-small.onnx: input 3 × 16 × 16, 5 classes")).to_be_visible()
    finished(page, 50)
    expect(sidebar.get_by_text(re.compile(r"^P x \+ ε, σ_ε = 0.25: \d \(\d+%\)$"))).to_be_visible()

    sidebar.get_by_text("How it is fed").click()
    sidebar.get_by_role("textbox", name="Class names").fill(f"cat, dog, horse, ship, {HOSTILE}")
    sidebar.get_by_role("textbox", name="Black and white are").fill("0, 255")
    sidebar.get_by_role("button", name="Feed it this way").click()
    answers = re.compile(r"^P x: (cat|dog|horse|ship|</script>.*) \(\d+%\)$")
    expect(sidebar.get_by_text(answers)).to_be_visible()
    finished(page, 50)
    asked = settings(page)
    assert asked["classifier"] == ["onnx"] and {"network", "network_about"} <= set(asked)

    page.reload()
    finished(page, 50)
    expect(sidebar.get_by_text(answers)).to_be_visible()
    page.get_by_role("link", name="Interpolation error").first.click()
    settled(page)
    expect(sidebar.get_by_text(answers)).to_be_visible()
    assert settings(page)["network_about"] == asked["network_about"]

    other = browser.new_context()
    stranger = other.new_page()
    stranger.goto(f"{server}/votes?{urllib.parse.urlencode(asked, doseq=True)}")
    expect(stranger.get_by_text("This link is to a network that was uploaded in another browser").first).to_be_visible()
    other.close()
