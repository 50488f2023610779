"""Photographs every page of the explorer: wide, on a projector and on a telephone, light and dark.

    python -m benchmarks.screens [page ...]

Writes what is seen without scrolling into the folder screens of docs, as <page>-<width>-<theme>.webp, and the long pictures of
README and docs/pages.md; "opening" writes the README's first picture, the digit of the start page as it turns, as
assets/opening.gif. Needs a Chromium, named by CHROMIUM or installed as chromium. About four minutes.
"""

import os
import shutil
import sys
import time
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.explorer_server import ExplorerServer

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / "docs" / "screens"
SIZES = ((1440, 900), (1280, 720), (400, 850))
ADDRESSES = {
    "start": "",
    "learn": "learn",
    "tours": "tours",
    "votes": "votes",
    "certify": "certify",
    "interpolation": "interpolation",
    "inverse": "inverse",
    "experiments": "experiments",
    "comparing": "votes?classifier=mnist-rotation&angle=40&n=500&pace=fast&pin="
    + quote("classifier=mnist-plain&angle=40&n=500&pace=fast"),
}
LONG = {"votes": "screenshot.png"} | {
    name: f"screenshot-{name}.png" for name in ("interpolation", "certify", "inverse", "experiments", "comparing")
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


OPENING = "opening"
ANGLES = (*range(0, 66, 3), *range(63, -66, -3), *range(-63, 0, 3))
"""Degrees of its frames: there, back and to the other side, so that it goes on where it began."""
FRAME = 90  # milliseconds


def film(browser: Browser, server: str) -> None:
    """The README's first picture: the example of the start page, turned by its own keys."""
    context = browser.new_context(color_scheme="light", reduced_motion="reduce", viewport={"width": 900, "height": 900})
    page = context.new_page()
    page.goto(server)
    wait_until_still(page)
    dial = page.locator(".turning .dial")
    dial.press("Home")
    box = page.locator(".turning").bounding_box()
    assert box is not None, "the start page shows its example"
    clip = {"x": box["x"] - 10, "y": box["y"] - 10, "width": box["width"] + 20, "height": box["height"] + 20}
    at, frames = 0, []
    for angle in ANGLES:
        while at != angle:
            dial.press("ArrowLeft" if angle > at else "ArrowRight")
            at += 1 if angle > at else -1
        assert dial.get_attribute("aria-valuenow") == str(angle)
        page.evaluate("document.activeElement.blur()")  # no frame of the keyboard's
        frames.append(Image.open(BytesIO(page.screenshot(clip=clip))).convert("RGB"))
    context.close()
    colours = frames[0].quantize(64)
    few = [frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames]
    few[0].save(
        REPOSITORY / "assets" / "opening.gif",
        save_all=True,
        append_images=few[1:],
        duration=FRAME,
        loop=0,
        optimize=True,
    )


def main() -> None:
    """Photograph the pages that are named, or all, and the opening."""
    names = sys.argv[1:] or [*ADDRESSES, OPENING]
    FOLDER.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    server = ExplorerServer()
    server.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
            for name in names:
                if name == OPENING:
                    film(browser, server.address)
                    print(name)
                    continue
                for theme in ("light", "dark"):
                    photograph(browser, server.address, name, theme)
                    print(name, theme)
            browser.close()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
