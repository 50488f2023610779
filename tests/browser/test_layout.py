"""What is seen without scrolling: on a projector title, picture and main figure of every page; on a telephone a picture with its
control, also beside the sheet of all controls. And what keys do on every page."""

import re
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect

from tests.browser.test_browser import PATIENCE, browser, server, settled  # noqa: F401 (two are fixtures)

pytestmark = pytest.mark.browser
PROJECTOR, TELEPHONE = {"width": 1280, "height": 720}, {"width": 400, "height": 850}
MAIN = '[data-testid="stMain"]'
ADDRESSES = {
    "learn": "learn?see_attack=the+answer",
    "votes": "votes?pace=fast&n=50",
    "certify": "certify?rotation_limit=4",
    "one ball": "certify?form=one+ball&n_gamma=50&rotation_limit=10",
    "interpolation": "interpolation?splits=20",
    "inverse": "inverse?inverse_splits=60",
    "experiments": "experiments",
}
FIGURES = {
    "learn": f'{MAIN} [data-testid="stPlotlyChart"]',
    "votes": f'{MAIN} [data-testid="stVegaLiteChart"] >> nth=1',
    "certify": f"{MAIN} .cells-dial svg",
    "one ball": f'{MAIN} [data-testid="stPlotlyChart"] >> nth=0',
    "interpolation": f'{MAIN} [data-testid="stVegaLiteChart"] >> nth=0',
    "inverse": f"{MAIN} .drawing svg >> nth=0",
    "experiments": f'{MAIN} [data-testid="stTable"] >> nth=0',
}
"""What each page is about, beside its pictures."""
CONTROLS = {
    "learn": f'{MAIN} [data-testid="stSlider"]',
    "certify": f'{MAIN} [data-testid="stSlider"]',
    "one ball": f'{MAIN} [data-testid="stSlider"]',
    "experiments": f'{MAIN} [data-testid="stSelectbox"]',
}
"""The main control of a page, where it is not the image's own."""


@pytest.fixture(scope="module")
def visitor(browser: Browser) -> Iterator[Page]:  # noqa: F811
    """One page of one visitor, for all tests here."""
    page = browser.new_page(reduced_motion="reduce")
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


def opened(page: Page, address: str, size: dict[str, int]) -> None:
    """Open a page and wait until it is drawn."""
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.goto(address)
    page.locator('[data-testid="stHeading"]').first.wait_for()
    settled(page)


def place(thing: Locator) -> FloatRect:
    """Where it is, once it is there and has come to rest."""
    thing.wait_for()
    until, before = time.monotonic() + PATIENCE / 1000, None
    while (found := thing.bounding_box()) is None or found != before:
        assert time.monotonic() < until
        before = found
        thing.page.wait_for_timeout(200)
    return found


def is_in_view(where: FloatRect, size: dict[str, int], below: float = 0) -> bool:
    """Whether all of it is; ``below``: what is covered at the lower edge."""
    return (
        where["x"] >= -1
        and where["y"] >= 0
        and where["x"] + where["width"] <= size["width"] + 1
        and where["y"] + where["height"] <= size["height"] - below + 1
    )


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "votes" else pytest.mark.slow) for name in ADDRESSES]
)
def test_a_projector_shows_title_picture_and_figure(server: str, visitor: Page, name: str) -> None:  # noqa: F811
    opened(visitor, f"{server}/{ADDRESSES[name]}", PROJECTOR)
    title = place(visitor.locator(f"{MAIN} h2").first)
    assert title["y"] < 110 and is_in_view(title, PROJECTOR)
    figure = place(visitor.locator(FIGURES[name]))
    assert is_in_view(figure, PROJECTOR), figure
    if name != "experiments":
        picture = place(visitor.locator(f"{MAIN} .pixel-grid canvas").first)
        assert is_in_view(picture, PROJECTOR) and picture["width"] >= 120, picture


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == "votes" else pytest.mark.slow) for name in ADDRESSES if name != "learn"],
)
def test_a_telephone_shows_picture_and_control_with_the_sheet_too(server: str, visitor: Page, name: str) -> None:  # noqa: F811
    opened(visitor, f"{server}/{ADDRESSES[name]}", TELEPHONE)
    for scrolls in ("document.documentElement", f"document.querySelector('{MAIN}')"):
        assert visitor.evaluate(f"{scrolls}.scrollWidth - {scrolls}.clientWidth") <= 0
    sheet, opener = visitor.get_by_test_id("stSidebar"), visitor.get_by_test_id("stExpandSidebarButton")
    expect(sheet).to_be_hidden()
    button = place(opener)
    assert is_in_view(button, TELEPHONE) and button["y"] > 700 and button["height"] >= 40
    opener.click()
    opened_sheet = place(sheet)
    assert opened_sheet["width"] == TELEPHONE["width"] and opened_sheet["height"] <= 0.46 * TELEPHONE["height"]
    assert visitor.get_by_test_id("stSidebarContent").evaluate("each => each.scrollHeight > each.clientHeight")
    if name != "experiments":
        picture = place(visitor.locator(f"{MAIN} .pixel-grid canvas").first)
        assert is_in_view(picture, TELEPHONE, below=opened_sheet["height"]), picture
    control = place(visitor.locator(CONTROLS.get(name, f"{MAIN} .sliders input")).first)
    assert is_in_view(control, TELEPHONE, below=opened_sheet["height"]), control
    visitor.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
    expect(sheet).to_be_hidden()
    expect(opener).to_be_visible()


@pytest.mark.parametrize(
    ("name", "in_a_row"),
    [
        ("votes", 3),
        pytest.param("interpolation", 2, marks=pytest.mark.slow),
        pytest.param("inverse", 3, marks=pytest.mark.slow),
    ],
)
def test_pictures_stand_side_by_side_on_a_telephone(server: str, visitor: Page, name: str, in_a_row: int) -> None:  # noqa: F811
    opened(visitor, f"{server}/{ADDRESSES[name]}", TELEPHONE)
    pictures = visitor.locator(f"{MAIN} .pixel-grid canvas")
    places = [place(pictures.nth(number)) for number in range(in_a_row)]
    assert len({where["y"] for where in places}) == 1
    assert all(left["x"] + left["width"] <= right["x"] for left, right in pairwise(places))


def test_an_empty_upload_says_what_to_do_where_the_eye_is(server: str, visitor: Page) -> None:  # noqa: F811
    opened(visitor, f"{server}/votes?source=upload", PROJECTOR)
    said = visitor.locator(MAIN).get_by_text("Choose a picture to begin.")
    assert is_in_view(place(said), PROJECTOR)


# -------------------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=pytest.mark.slow if "?" in path else []) for path in ("", *ADDRESSES.values())]
)
def test_words_and_symbols_are_one_key_away(server: str, visitor: Page, path: str) -> None:  # noqa: F811
    opened(visitor, f"{server}/{path}", PROJECTOR)
    button, words = visitor.get_by_role("button", name="Words and symbols"), visitor.get_by_role("dialog")
    button.wait_for()
    expect(words).to_have_count(0)
    visitor.keyboard.press("?")
    expect(words.get_by_text("smoothed classifier", exact=True)).to_be_visible()
    assert is_in_view(place(words), PROJECTOR)
    visitor.keyboard.press("?")
    expect(words).to_have_count(0)
    button.click()
    expect(words).to_be_visible()
    visitor.keyboard.press("Escape")
    expect(words).to_have_count(0)


def test_a_question_mark_that_is_typed_opens_nothing(server: str, visitor: Page) -> None:  # noqa: F811
    opened(visitor, f"{server}/votes?pace=fast&n=50", PROJECTOR)
    visitor.get_by_role("combobox", name="Classifier f").focus()
    visitor.keyboard.press("?")
    visitor.wait_for_timeout(200)
    expect(visitor.get_by_role("dialog")).to_have_count(0)
    visitor.keyboard.press("Escape")


def test_arrows_turn_by_one_degree_and_with_shift_by_a_tenth(server: str, visitor: Page) -> None:  # noqa: F811
    opened(visitor, f"{server}/votes?pace=fast&n=50&angle=12.5", PROJECTOR)
    slider = visitor.get_by_test_id("stSidebar").get_by_role("slider", name=re.compile("Attack: turned by γ"))
    slider.focus()
    for key, value in (
        ("ArrowRight", "13.5"),
        ("Shift+ArrowRight", "13.6"),
        ("ArrowDown", "12.6"),
        ("Shift+ArrowLeft", "12.5"),
        ("ArrowUp", "13.5"),
    ):
        visitor.keyboard.press(key)
        expect(slider).to_have_value(value)
        expect(visitor).to_have_url(re.compile(f"angle={value}(&|$)"))
    settled(visitor)
    expect(visitor.locator(MAIN).get_by_text("13.50°").first).to_be_visible()


def test_the_keyboard_is_seen(server: str, visitor: Page) -> None:  # noqa: F811
    opened(visitor, f"{server}/votes?pace=fast&n=50", PROJECTOR)
    visitor.keyboard.press("Tab")
    for _ in range(12):
        visitor.keyboard.press("Tab")
        drawn = visitor.evaluate(
            """() => {
                let at = document.activeElement
                while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement
                const seen = [at, at.parentElement, at.closest("label, [data-baseweb], [role=group], div")]
                return seen.some((each) => each && (getComputedStyle(each).outlineStyle !== "none"
                    || getComputedStyle(each).boxShadow !== "none" || getComputedStyle(each).borderColor !== "rgba(0, 0, 0, 0)"))
            }"""
        )
        assert drawn
