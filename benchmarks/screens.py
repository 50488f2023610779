"""Photographs every page of the explorer: wide, on a projector and on a telephone, light and dark.

    python -m benchmarks.screens [page ...]

Writes what is seen without scrolling into the folder screens of docs, as <page>-<width>-<theme>.webp, and the long pictures of
README and docs/pages.md. Needs a Chromium, named by CHROMIUM or installed as chromium. About four minutes.
"""

import os
import shutil
import sys
import time
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.explorer_server import ExplorerServer

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / "docs" / "screens"
SIZES = ((1440, 900), (1280, 720), (400, 850))
ADDRESSES = {
    "start": "",
    "votes": "votes",
    "certify": "certify",
    "interpolation": "interpolation",
    "inverse": "inverse",
    "experiments": "experiments",
}
LONG = {"votes": "screenshot.png"} | {
    name: f"screenshot-{name}.png" for name in ("interpolation", "certify", "inverse", "experiments")
}
LONGEST = 1900
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def wait_until_still(page: Page, patience: float = 120.0) -> None:
    """Wait until the page's script has ended and its figures are drawn."""
    until = time.monotonic() + patience
    still = 0
    while still < 4:
        if time.monotonic() > until:
            raise TimeoutError(f"{page.url} goes on after {patience:g} s.")
        state = page.evaluate("document.querySelector('[data-testid=stApp]')?.dataset.testScriptState")
        still = still + 1 if state == "notRunning" else 0
        page.wait_for_timeout(400)


def photograph(browser: Browser, server: str, name: str, theme: str) -> None:
    """All pictures of one page in one theme."""
    context = browser.new_context(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    page = context.new_page()
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    page.goto(f"{server}/{ADDRESSES[name]}")
    wait_until_still(page)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1500)
        picture = Image.open(BytesIO(page.screenshot()))
        picture.save(FOLDER / f"{name}-{width}-{theme}.webp", quality=80, method=6)
    if theme == "light" and name in LONG:
        page.set_viewport_size({"width": 1280, "height": LONGEST})
        page.wait_for_timeout(1500)
        ends = page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight")
        picture = Image.open(BytesIO(page.screenshot())).crop((0, 0, 1280, min(LONGEST, int(ends) + 20)))
        picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(
            REPOSITORY / "assets" / LONG[name], optimize=True
        )
    context.close()


def main() -> None:
    """Photograph the pages that are named, or all."""
    names = sys.argv[1:] or list(ADDRESSES)
    FOLDER.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    server = ExplorerServer()
    server.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
            for name in names:
                for theme in ("light", "dark"):
                    photograph(browser, server.address, name, theme)
                    print(name, theme)
            browser.close()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
