"""The page "Learn" in a real Chromium, from the first question to the last answer."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_browser import browser, page, server, settled  # noqa: F401

pytestmark = pytest.mark.browser
ANSWERS = {
    "attack": "It reads 2 up to",
    "vote": "Alone the network is wrong at",
    "twice": "differ by more than a tenth",
    "bound": "it is proved that it never exceeds",
    "received": "can explain this picture",
    "guarantee": "The sampling that showed it errs",
}


def test_the_story_is_walked_by_keys_and_each_step_is_an_entry_of_the_history(server: str, page: Page) -> None:  # noqa: F811
    page.goto(f"{server}/learn")
    for number, (name, said) in enumerate(ANSWERS.items(), 1):
        expect(page.get_by_role("heading", name=re.compile(rf"^{number}\. "))).to_be_visible()
        settled(page)
        assert page.get_by_text(said).count() == 0
        page.get_by_role("radio", name="the answer").click()
        expect(page.get_by_text(said).first).to_be_visible()
        expect(page).to_have_url(re.compile(rf"see_{name}=the\+answer"))
        settled(page)
        if number < len(ANSWERS):
            page.keyboard.press("n")
    page.go_back()
    expect(page.get_by_role("heading", name=re.compile(r"^5\. "))).to_be_visible()
    expect(page.get_by_text(ANSWERS["received"]).first).to_be_visible()
