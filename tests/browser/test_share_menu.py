"""The menu Share in a real Chromium: opened by the keyboard, its link opened by another visitor, its pictures looked at."""

import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_browser import PATIENCE, browser, page, server, settled  # noqa: F401 (three are fixtures)

pytestmark = pytest.mark.browser
ATTACK = "Attack: turned by γ, in °"
SVG = "{http://www.w3.org/2000/svg}"


def saved(menu: Locator, button: str) -> bytes:
    """What a button of the menu saves."""
    with menu.page.expect_download(timeout=PATIENCE) as download:
        menu.get_by_role("button", name=button).click()
    assert download.value.suggested_filename.endswith(button[-3:].lower())
    return Path(download.value.path()).read_bytes()


@pytest.mark.parametrize(
    ("address", "moved", "picture", "drawn"),
    [
        ("votes?n=50&pace=fast&angle=20", "angle=21", "The votes", "votes of 50"),
        pytest.param(
            "inverse?inverse_splits=10&inverse_refinements=0&angle=20",
            "angle=21",
            "What survives of Γ",
            "true γ = 21°",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_link_and_pictures_by_the_keyboard(
    server: str,  # noqa: F811
    browser: Browser,  # noqa: F811
    page: Page,  # noqa: F811
    address: str,
    moved: str,
    picture: str,
    drawn: str,
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{server}/{address}")
    settled(page)
    page.get_by_test_id("stSidebar").get_by_role("slider", name=ATTACK).press("ArrowRight")  # by one degree
    expect(page).to_have_url(re.compile(moved))
    settled(page)
    page.get_by_role("button", name="Share").press("Enter")
    menu = page.get_by_test_id("stPopoverBody")
    expect(menu.get_by_role("textbox", name="Link to what is seen")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(menu.get_by_role("button", name="Copy the link")).to_have_text("Copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    expect(menu.get_by_text("Python, which prints these numbers")).to_be_visible()

    svg = saved(menu, f"{picture} as SVG")
    figure = ET.fromstring(svg)
    assert figure.tag == f"{SVG}svg" and drawn in re.sub(r"\s+", " ", " ".join(figure.itertext()))
    png = Image.open(io.BytesIO(saved(menu, f"{picture} as PNG")))
    assert png.size == (2 * float(figure.attrib["width"]), 2 * float(figure.attrib["height"]))
    assert len(png.convert("RGB").getcolors(10**6) or []) > 3, "something is drawn on it"

    menu.get_by_role("button", name="Copy the Python").click()
    expect(menu.get_by_role("button", name="Copy the Python")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("from spt import")
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    expect(page.get_by_role("button", name="Share")).to_be_focused()

    context = browser.new_context()
    stranger = context.new_page()
    stranger.goto(link)
    expect(stranger.get_by_test_id("stSidebar").get_by_role("slider", name=ATTACK)).to_have_value("21")
    assert stranger.url == link
    context.close()
