"""Tours in a real Chromium: walked by keys from the list to the end, Back, the presenter layout, and what they point at."""

import re
import urllib.parse
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from spt.bundled import bundled
from spt.ui.tours import known
from spt.ui.tours.vocabulary import PAGES
from tests.browser.test_browser import browser, page, settled, started  # noqa: F401 (two are fixtures)

pytestmark = pytest.mark.browser
STRIP, MARKED = ".st-key-tour", "[data-tour-point]"
WHOLE = "attack-and-defence"
"""The tour that is always walked; the others with --slow."""
SETS = {
    "learn": "see_attack=the+answer",
    "votes": "n=50&pace=fast",
    "interpolation": "splits=20",
    "inverse": "inverse_splits=60",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the stored results that ship."""
    with started(tmp_path_factory.mktemp("server"), SPT_RESULTS=str(bundled("results"))) as address:
        yield address


def at_step(page: Page, number: int, of: int) -> None:  # noqa: F811
    """Wait until the strip says so, and the page is at rest."""
    expect(page.locator(STRIP)).to_contain_text(f"step {number} of {of}")
    expect(page).to_have_url(re.compile(rf"tour_step={number}\b"))
    settled(page)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == WHOLE else pytest.mark.slow) for name in known.SHIPPED]
)
def test_a_tour_is_walked_by_keys(server: str, page: Page, name: str) -> None:  # noqa: F811
    tour = known.find(name)
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{server}/tours")
    page.get_by_role("link", name=tour.title).click()
    for number, step in enumerate(tour.steps, 1):
        at_step(page, number, len(tour.steps))
        assert urllib.parse.urlsplit(page.url).path == f"/{'' if step.page == 'start' else step.page}"
        expect(page.get_by_test_id("stAlert").filter(has_text="In the address")).to_have_count(0)
        strip = page.locator(STRIP).locator("..")
        if step.part is not None:
            expect(page.locator(MARKED)).to_have_count(1)
            where, below = page.locator(MARKED).bounding_box(), strip.bounding_box()
            assert where and below and where["width"] > 50 and where["height"] > 20
            assert 0 <= where["y"] < below["y"] - 20, "it is seen above the strip"
        if step.question:
            expect(page.locator(STRIP).get_by_role("button", name="Answer")).to_be_visible()
        if number < len(tour.steps):
            page.keyboard.press("j")
    assert page.evaluate("history.length") == len(tour.steps) + 2, "an entry a step, the list, and the empty one"
    page.go_back()
    at_step(page, len(tour.steps) - 1, len(tour.steps))
    page.keyboard.press("k")
    at_step(page, len(tour.steps) - 2, len(tour.steps))


def test_a_lecturer_presents_a_step(server: str, page: Page) -> None:  # noqa: F811
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{server}/votes?n=50&pace=fast&tour={WHOLE}&tour_step=6")
    at_step(page, 6, 8)
    usual = (
        page.locator(f"{STRIP} p")
        .filter(has_text="The same 2")
        .evaluate("each => parseFloat(getComputedStyle(each).fontSize)")
    )
    page.get_by_role("button", name="Present").click()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    large = (
        page.locator(f"{STRIP} p")
        .filter(has_text="The same 2")
        .evaluate("each => parseFloat(getComputedStyle(each).fontSize)")
    )
    assert usual <= 17 and large >= 24, (usual, large)
    strip = page.locator(STRIP).locator("..").bounding_box()
    assert strip and strip["y"] > 340 and strip["y"] + strip["height"] <= 721 and strip["width"] > 1100
    page.locator(STRIP).get_by_text("No", exact=True).click()
    settled(page)
    page.get_by_role("button", name="Answer").click()
    expect(page.locator(STRIP)).to_contain_text("You said: No. No. Training")
    expect(page).to_have_url(re.compile("tour_see=true"))
    settled(page)
    page.keyboard.press("PageDown")
    at_step(page, 7, 8)
    expect(page).to_have_url(re.compile("present=true"))
    expect(page.locator(STRIP)).not_to_contain_text("You said")
    page.keyboard.press("PageUp")
    at_step(page, 6, 8)
    page.get_by_role("button", name="Usual layout").click()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    page.get_by_role("button", name="Leave").click()
    expect(page.locator(STRIP)).to_have_count(0)
    expect(page).not_to_have_url(re.compile("tour"))


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_part_is_on_its_page(server: str, page: Page, name: str) -> None:  # noqa: F811
    page.goto(f"{server}/{'' if name == 'start' else name}?{SETS.get(name, '')}")
    settled(page)
    for part in PAGES[name].parts.values():
        expect(page.locator(part.selector).first).to_be_visible()
