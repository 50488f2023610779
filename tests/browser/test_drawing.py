"""A digit that is drawn on the page, and a picture that is pasted, in a real Chromium."""

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_browser import browser, finished, page, server, settled  # noqa: F401 (three are fixtures)

pytestmark = pytest.mark.browser
PASTE = """(text) => {
    const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0)), pasted = new DataTransfer();
    pasted.items.add(new File([bytes], "picture.png", { type: "image/png" }));
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: pasted, bubbles: true, cancelable: true }));
}"""


def test_a_digit_is_drawn_taken_back_and_seen_on_all_pages(server: str, page: Page) -> None:  # noqa: F811
    page.goto(f"{server}/votes?source=drawing&n=50&pace=fast")
    expect(page.get_by_text("Draw a digit to begin").first).to_be_visible()
    settled(page)
    pad = page.locator(".pad canvas")
    box = pad.bounding_box()
    assert box is not None

    def stroke(*points: tuple[float, float]) -> None:
        for number, (x, y) in enumerate(points):
            page.mouse.move(box["x"] + x / 28 * box["width"], box["y"] + y / 28 * box["height"], steps=6)
            if not number:
                page.mouse.down()
        page.mouse.up()

    stroke((4, 5), (14, 5), (9, 19))
    finished(page, 50)
    expect(page.get_by_text("original x: your drawing").first).to_be_visible()
    expect(page.get_by_text("g answers 7")).to_be_visible()
    first = page.url
    assert re.search(r"[?&]drawing=[0-9a-f]{16}", first)
    stroke((5, 22), (24, 22))
    expect(page).not_to_have_url(first)
    page.get_by_role("button", name="Undo").click()
    expect(page).to_have_url(first)
    drawing = re.search(r"drawing=[0-9a-f]{16}", first)
    assert drawing is not None
    page.get_by_test_id("stTopNavLink").filter(has_text="Interpolation error").click()
    expect(page).to_have_url(re.compile(f"/interpolation.*{drawing[0]}"))
    page.reload()
    expect(page.get_by_text("twice: by γ").first).to_be_visible()
    expect(page.get_by_text("Your drawing stays chosen")).to_be_visible()
    expect(page.get_by_role("button", name="Clear")).to_be_enabled()


def test_a_picture_that_is_pasted_anywhere_is_the_image(server: str, page: Page) -> None:  # noqa: F811
    page.goto(f"{server}/votes?n=50&pace=fast")
    finished(page, 50)
    settled(page)
    icon = Path(__file__).parents[2] / "assets" / "icon.png"
    page.evaluate(PASTE, base64.b64encode(icon.read_bytes()).decode())
    expect(page.get_by_text("Your picture: pasted.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"source=upload&upload=[0-9a-f]{16}"))
    expect(page.get_by_role("button", name="Paste a picture")).to_be_visible()
