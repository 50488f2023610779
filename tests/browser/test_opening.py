"""The opening in a real Chromium: the picture is there before the core is, and Start's digit turns, drags and pauses."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from spt.ui.shared import first_views
from tests.browser.test_browser import browser, finished, page, started

__all__ = ["browser", "page"]  # fixtures
pytestmark = pytest.mark.browser

SEEN = """
(() => {
  const seen = window.seen = { stored: false, pictures: 0, moved: [] };
  const look = () => {
    const main = document.querySelector("[data-testid=stMain]");
    if (document.querySelector("#first-view")) {
      seen.stored = true;
      seen.pictures = Math.max(seen.pictures, main.querySelectorAll("img, canvas, [data-testid^=stBidiComponent]").length);
    }
    const title = main && main.querySelector("h2");
    if (seen.stored && title && title.innerText) {
      const top = title.getBoundingClientRect().top;
      if (seen.top !== undefined && Math.abs(top - seen.top) > 1) seen.moved.push([seen.top, top]);
      seen.top = top;
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
"""
"""Looks at every frame: whether the stored view was there, with how many pictures, and whether the title moved from then on."""


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[str]:
    """A server that was just started, which nobody has visited, with the stored results that ship."""
    with started(tmp_path, SPT_RESULTS="") as address:
        yield address


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One for all tests that need no fresh one."""
    with started(tmp_path_factory.mktemp("usual"), SPT_RESULTS="") as address:
        yield address


def dial(page: Page) -> tuple[int, str]:
    """The angle, and the page's words for what is answered there."""
    slider = page.get_by_role("slider", name="Angle of the digit")
    return int(slider.get_attribute("aria-valuenow") or 999), slider.get_attribute("aria-valuetext") or ""


def test_the_digit_turns_by_itself_drags_and_pauses(usual: str, page: Page) -> None:
    page.goto(usual)
    slider = page.get_by_role("slider", name="Angle of the digit")
    expect(slider).to_be_visible()
    before = dial(page)[0]
    expect(slider).not_to_have_attribute("aria-valuenow", str(before))  # it turns
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="▶ Turn")).to_be_visible()
    still = dial(page)[0]
    page.wait_for_timeout(500)
    assert dial(page)[0] == still
    slider.focus()
    page.keyboard.press("Home")
    assert dial(page) == (0, "0°: alone 2, vote 2, proved 2")
    page.keyboard.press("ArrowLeft")
    assert dial(page)[0] == 1
    page.keyboard.press("Home")
    box = slider.bounding_box()
    assert box is not None
    middle, radius = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), box["width"] / 4
    page.mouse.move(middle[0], middle[1] - radius)
    page.mouse.down()
    page.mouse.move(middle[0] + radius, middle[1] - radius, steps=5)
    page.mouse.up()
    angle, words = dial(page)
    assert abs(angle + 45) <= 1 and "alone 8" in words and "vote 2" in words
    expect(page.locator("b.wrong")).to_have_text("8 ✗")
    expect(page.locator(f"canvas[aria-label='A handwritten 2, turned by −{-angle}°']")).to_be_visible()


def test_a_person_who_wants_no_motion_has_none(usual: str, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(usual)
    expect(page.get_by_role("button", name="▶ Turn")).to_be_visible()
    page.wait_for_timeout(700)
    assert dial(page)[0] == 0


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == "votes" else pytest.mark.slow) for name in first_views.PAGES],
)
def test_the_picture_is_there_before_the_core_and_nothing_jumps(name: str, fresh: str, page: Page) -> None:
    page.add_init_script(SEEN)
    page.goto(f"{fresh}/{name}", wait_until="commit")
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    expect(page.locator('[data-testid="stApp"]')).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.locator("#first-view")).to_have_count(0)
    seen = page.evaluate("window.seen")
    if not seen["stored"]:
        pytest.skip("the core was there before the visitor")
    assert seen["pictures"] >= 1 and seen["moved"] == []
    expect(page.locator("[data-testid=stSidebar] [data-testid=stNumberInputStepUp]:disabled")).to_have_count(0)


def test_a_link_with_settings_never_shows_the_stored_view(fresh: str, page: Page) -> None:
    page.add_init_script(SEEN)
    page.goto(f"{fresh}/votes?angle=-40&n=500&pace=fast")
    finished(page, 500)
    assert page.evaluate("window.seen.stored") is False
    expect(page.get_by_text("STORED")).to_have_count(0)


@pytest.mark.slow
def test_certify_shows_what_is_stored_and_says_so_until_run_is_pressed(usual: str, page: Page) -> None:
    page.goto(f"{usual}/certify")
    expect(page.get_by_text("computed beforehand, for exactly these settings")).to_be_visible()
    run = page.get_by_role("button", name=re.compile("^(play_arrow )?Run"))
    expect(run).to_be_enabled()
    expect(page.locator("#first-view")).to_have_count(0)
    run.click()
    expect(page.get_by_role("button", name="Run again")).to_be_visible()
    expect(page.get_by_text("CERTIFIED").first).to_be_visible()
    expect(page.get_by_text("computed beforehand")).to_have_count(0)
