"""Names with paths, which the person who starts the server gives, on a real browser's screen and in its address."""

import urllib.parse
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.test_browser import browser, finished, page, settled, started  # noqa: F401 (two are fixtures)

pytestmark = pytest.mark.browser


def test_a_path_is_neither_on_the_screen_nor_in_the_address_and_an_old_address_works(
    page: Page,  # noqa: F811
    tmp_path: Path,
) -> None:
    folder, other = tmp_path / "my data" / "pets", tmp_path / "other" / "cats"
    for where, brightness in ((folder, 60), (other, 200)):
        (where / "seven").mkdir(parents=True)
        for number in range(2):
            Image.new("L", (28, 28), brightness + number).save(where / "seven" / f"{number}.png")
    with started(tmp_path, SPT_DATASET=f"{folder},{other}") as address:
        page.goto(f"{address}/votes?{urllib.parse.urlencode({'source': str(folder), 'n': 50, 'pace': 'fast'})}")
        finished(page, 50)
        chosen = page.get_by_role("combobox", name="Image x from")
        expect(chosen).to_have_value("…/pets")
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).query)
        assert asked["source"] == ["…/pets"]
        assert str(tmp_path) not in page.locator('[data-testid="stSidebar"]').inner_text()
        chosen.click()
        page.get_by_role("option", name="…/cats").click()
        expect(page.get_by_text("original x: cats")).to_be_visible()
        settled(page)
        assert urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).query)["source"] == ["…/cats"]
        page.reload()
        expect(page.get_by_text("original x: cats")).to_be_visible()
        expect(chosen).to_have_value("…/cats")
