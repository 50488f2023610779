"""Links, the menu, controls, presets, Back and Forward in a real Chromium: the address bar says the whole state of a page, and each
step of the history finds what was there."""

import random
import re
import urllib.parse
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from spt.ui.shared.address import VISIT
from tests.browser.test_browser import browser, page, server, settled  # noqa: F401
from tests.pictures import odd_pictures

pytestmark = pytest.mark.browser
CHEAP = "n=50&pace=fast&rotation_limit=1&splits=10&inverse_splits=10&inverse_refinements=0"
MENU = {"Votes": "votes", "Certify": "certify", "Interpolation error": "interpolation", "Inverse": "inverse"}


@dataclass(frozen=True)
class Seen:
    """What a page is set to, as a person sees it: its address, and the values of its sliders and numbers."""

    page: str
    settings: frozenset[tuple[str, str]]
    values: tuple[str, ...]


def seen(tab: Page) -> Seen:
    """The state of the page when its script has ended, and wrote its own address: none that Back or Forward has just led to."""
    before, now = None, _seen(tab)
    while now != before:
        tab.wait_for_timeout(400)
        before, now = now, _seen(tab)
    return now


def _seen(tab: Page) -> Seen:
    expect(tab).not_to_have_url(re.compile(rf"[?&]{VISIT}="))
    settled(tab)
    values = tab.locator('[data-testid="stSidebar"] :is(input[type=range], [role=slider], input[type=number])')
    found = values.evaluate_all("(all) => all.map((one) => one.value ?? one.getAttribute('aria-valuenow'))")
    address = urllib.parse.urlsplit(tab.url)
    return Seen(address.path, frozenset(urllib.parse.parse_qsl(address.query)), tuple(map(str, found)))


def open_by_menu(tab: Page, title: str) -> None:
    """Click a page's title above the pages."""
    tab.get_by_test_id("stTopNavLink").filter(has_text=re.compile(f"^{title}$")).click()
    tab.wait_for_url(re.compile(rf"/{MENU[title]}\b"))


def move_a_slider(tab: Page, numbers: random.Random) -> None:
    """Move the first slider by a few steps."""
    settled(tab)
    slider = tab.locator('[data-testid="stSidebar"] :is(input[type=range], [role=slider])').first
    slider.focus()
    for _ in range(numbers.randint(1, 4)):
        slider.press(numbers.choice(("ArrowLeft", "ArrowRight")))


@pytest.mark.parametrize("walk", [pytest.param(walk, marks=[pytest.mark.slow] if walk else []) for walk in range(10)])
def test_back_and_forward_find_what_was_there(server: str, page: Page, walk: int) -> None:  # noqa: F811
    numbers, entries = random.Random(walk), []
    page.goto(f"{server}/votes?{CHEAP}&digits_image={numbers.randrange(40)}&angle={numbers.randint(-60, 60)}")
    for step in range(3):
        if step:
            here = next(title for title, name in MENU.items() if f"/{name}" in page.url)
            open_by_menu(page, numbers.choice([title for title in MENU if title != here]))
            seen(page)
        if not step or numbers.random() < 0.7:
            move_a_slider(page, numbers)
        entries.append(seen(page))
    assert page.evaluate("history.length") == len(entries) + 1, "one entry a page, and the empty one"
    steps = [-1, -1, 1, 1] if walk % 2 else [-1, 1, -1, -1]
    at = len(entries) - 1
    for step in steps:
        page.evaluate(f"history.go({step})")
        at += step
        page.wait_for_url(lambda url, at=at: urllib.parse.urlsplit(url).path == entries[at].page)
        assert seen(page) == entries[at], (walk, at)


def test_the_menu_carries_on_after_back_and_through_start(server: str, page: Page) -> None:  # noqa: F811
    page.goto(f"{server}/votes?n=50&pace=fast&angle=40&digits_image=3")
    first = seen(page)
    open_by_menu(page, "Inverse")
    seen(page)
    page.go_back()
    page.wait_for_url(re.compile("/votes"))
    assert seen(page) == first
    page.get_by_test_id("stTopNavLink").filter(has_text="Start").click()
    page.wait_for_url(f"{server}/")
    assert seen(page).settings == frozenset()
    open_by_menu(page, "Interpolation error")
    now = seen(page)
    assert {("angle", "40"), ("digits_image", "3")} <= now.settings and now.page == "/interpolation"
    assert page.evaluate("history.length") == 4, "one entry a page"


def test_a_preset_is_an_entry_of_its_own(server: str, page: Page) -> None:  # noqa: F811
    page.goto(f"{server}/inverse?inverse_splits=10&inverse_refinements=0&angle=12")
    first = seen(page)
    page.get_by_role("button", name="The paper’s Figure 3").click()
    page.wait_for_url(re.compile("attacker=exact"))
    second = seen(page)
    assert "visit" not in dict(second.settings)
    page.go_back()
    page.wait_for_url(re.compile("angle=12"))
    assert seen(page) == first
    page.go_forward()
    page.wait_for_url(re.compile("attacker=exact"))
    assert seen(page) == second


@pytest.mark.slow
def test_a_card_opens_its_own_example_after_another_one(server: str, page: Page) -> None:  # noqa: F811
    page.goto(server)
    page.get_by_role("link", name="The angle that fools it").click()
    page.wait_for_url(re.compile("angle=-54"))
    page.get_by_test_id("stTopNavLink").filter(has_text="Start").click()
    page.get_by_role("link", name="Rotations do not compose").click()
    expect(page.get_by_role("heading", name="Interpolation error:")).to_be_visible()
    settled(page)
    expect(page.get_by_role("spinbutton", name=re.compile("^Image number"))).to_have_value("7")
    expect(page.get_by_role("slider", name=re.compile("γ")).first).to_have_value("25")
    assert "mnist-plain" not in page.url


def test_an_upload_survives_other_pages_and_loading_its_page_anew(server: str, page: Page) -> None:  # noqa: F811
    page.goto(f"{server}/votes?{CHEAP}&source=upload")
    settled(page)
    chooser = page.locator('[data-testid="stSidebar"] input[type="file"]')
    chooser.set_input_files({"name": "cmyk.jpg", "mimeType": "image/jpeg", "buffer": odd_pictures()["cmyk.jpg"]})
    expect(page.get_by_text("Your picture: cmyk.jpg").first).to_be_visible()
    open_by_menu(page, "Inverse")
    expect(page.get_by_text("Your picture: cmyk.jpg").first).to_be_visible()
    open_by_menu(page, "Votes")
    expect(page.get_by_text("Your picture: cmyk.jpg").first).to_be_visible()
    assert re.fullmatch("[0-9a-f]{16}", dict(seen(page).settings)["upload"])
    page.reload()
    expect(page.get_by_text("Your picture: cmyk.jpg").first).to_be_visible()


def test_a_link_to_an_upload_of_another_browser_says_so(server: str, page: Page) -> None:  # noqa: F811
    page.goto(f"{server}/votes?{CHEAP}&source=upload&upload=0123456789abcdef")
    expect(page.get_by_text("uploaded in another browser").first).to_be_visible()
