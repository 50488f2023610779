"""What a page looks like on paper, in a real Chromium."""

import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_browser import PATIENCE, browser, page, server, settled  # noqa: F401 (three are fixtures)

pytestmark = pytest.mark.browser
LAID_OUT = """() => {
    const main = document.querySelector("[data-testid=stMainBlockContainer]").getBoundingClientRect();
    const parts = [...document.querySelectorAll("[data-testid=stMain] :is([data-testid=stBidiComponentIsolated], figure, table)")];
    const boxes = parts.map((each) => each.getBoundingClientRect()).filter((box) => box.height > 0);
    return { beside: boxes.filter((box) => box.right > main.right + 1).length, main: main.height,
        paper: document.documentElement.scrollHeight / 0.8,
        pictures: boxes.filter((box) => box.top < 700 && box.height > 100).length };
}"""


@pytest.mark.parametrize(
    "address",
    [
        "votes?n=50&pace=fast",
        pytest.param("certify", marks=pytest.mark.slow),
        pytest.param("interpolation?splits=20", marks=pytest.mark.slow),
        pytest.param("inverse?inverse_splits=60", marks=pytest.mark.slow),
        pytest.param("experiments", marks=pytest.mark.slow),
    ],
)
def test_all_of_a_page_is_on_paper_and_nothing_but_it(server: str, page: Page, address: str) -> None:  # noqa: F811
    page.goto(f"{server}/{address}")
    expect(page.locator('[data-testid="stHeading"]').first).to_be_visible()
    settled(page)
    page.set_viewport_size({"width": 1047, "height": 718})  # an A4 page on its side, less its margins
    page.emulate_media(media="print")
    for gone in ("stSidebar", "stHeader"):
        expect(page.get_by_test_id(gone)).to_be_hidden()
    until = time.monotonic() + PATIENCE / 1000
    while not (found := page.evaluate(LAID_OUT))["pictures"]:  # components measure their new place
        assert time.monotonic() < until, found
        page.wait_for_timeout(100)
    assert not found["beside"]
    assert found["paper"] > found["main"] > 700, "more than a screen, and no part of it in a frame that scrolls"
