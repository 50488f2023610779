"""What axe-core (https://github.com/dequelabs/axe-core) finds on every page: all expanders open, both themes, three widths."""

import time
from collections.abc import Iterator
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.test_browser import PATIENCE, browser, server, settled  # noqa: F401 (two are fixtures)

pytestmark = pytest.mark.browser
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
PAGES = {
    "start": "",
    "learn": "learn?see_attack=the+answer",
    "tours": "tours",
    "tour": "votes?pace=fast&n=50&tour=lecture&tour_step=4",
    "votes": "votes?pace=fast&n=50",
    "certify": "certify?rotation_limit=4",
    "one ball": "certify?form=one+ball&n_gamma=50&rotation_limit=10",
    "interpolation": "interpolation?splits=20",
    "inverse": "inverse?inverse_splits=60",
    "experiments": "experiments",
}
SIZES = ((1440, 900), (1280, 720), (400, 850))
GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(23, 22, 20)"}
FOLDED = "details:not([open]) > summary"
NOT_MADE = """[...document.querySelectorAll("[data-testid=stMain] details")]
    .some((each) => !each.open || each.innerText.length < 60)"""
WHAT_COUNTS = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
    .filter((rule) => ["serious", "critical"].includes(rule.impact))
    .flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 200)} (${node.failureSummary})`))"""


@pytest.fixture(scope="module")
def visitor(browser: Browser) -> Iterator[Page]:  # noqa: F811
    """One page of one visitor, for all tests here."""
    page = browser.new_page(color_scheme="light", reduced_motion="reduce")
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


def in_colours(page: Page, scheme: str) -> None:
    """Change the theme of the system, which Streamlit follows."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    until = time.monotonic() + PATIENCE / 1000
    while page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") != GROUNDS[scheme]:
        assert time.monotonic() < until, f"not {scheme}"
        page.wait_for_timeout(50)


def opened(page: Page, address: str) -> None:
    """Open a page and all its expanders, and wait until it has drawn them."""
    page.goto(address)
    page.locator('[data-testid="stHeading"]').first.wait_for()
    settled(page)
    until = time.monotonic() + 2 * PATIENCE / 1000
    while (left := page.locator(FOLDED).count()) or page.evaluate(NOT_MADE):
        assert time.monotonic() < until, "what is folded is not made"
        if left:
            page.locator(FOLDED).first.dispatch_event("click")
            opening = time.monotonic() + 5
            while page.locator(FOLDED).count() >= left and time.monotonic() < opening:
                page.wait_for_timeout(50)
        page.wait_for_timeout(100)
        settled(page)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in ("one ball", "tours") else []) for name in PAGES]
)
def test_axe_finds_nothing_serious(
    server: str,  # noqa: F811
    visitor: Page,
    name: str,
    request: pytest.FixtureRequest,
) -> None:
    """On a projector in both themes, and on a telephone in the light; with --slow at every width in both. Then with Share open."""
    opened(visitor, f"{server}/{PAGES[name]}")
    visitor.evaluate(AXE)
    found: dict[str, list[str]] = {}

    def look(where: str) -> None:
        for violation in visitor.evaluate(WHAT_COUNTS):
            found.setdefault(violation, []).append(where)

    for scheme in GROUNDS:
        in_colours(visitor, scheme)
        usual = [size for size in SIZES if size[0] in ((1280, 400) if scheme == "light" else (1280,))]
        for width, height in SIZES if request.config.getoption("--slow") else usual:
            visitor.set_viewport_size({"width": width, "height": height})
            visitor.wait_for_timeout(500)
            look(f"{scheme} {width}")
    if name == "votes" or request.config.getoption("--slow"):
        visitor.get_by_role("button", name="Share").click()
        visitor.get_by_role("textbox", name="Link to what is seen").wait_for()
        settled(visitor)
        for scheme in GROUNDS:
            in_colours(visitor, scheme)
            look(f"Share, {scheme}")
    assert not found, "\n".join(f"{violation} [{', '.join(where)}]" for violation, where in found.items())
