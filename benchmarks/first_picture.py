"""How long a visitor waits for the first picture of each page, and until a control answers.

    python benchmarks/first_picture.py [--runs 5] [--pages start votes ...] [--markdown FILE]

Cold: the server's process was just started, and this is its first visit, as soon as it answers. Warm: the second visit of that
server, with nothing in the browser's cache either. Both times begin with the navigation and are taken in the page itself, at the
frame in which the thing was there:

- picture: an image, canvas or drawing of the page's main area, loaded, at least 40 pixels wide;
- answers: a control was used as soon as it was there (the image number's "+" in the sidebar, on the page Start the button Pause,
  on the page Experiments the button quick), and what it changes has changed: the first image (its caption), the button,
  the page.

To be run on a quiet machine: the load of the last minute is printed with the table. Needs playwright and Chromium (CHROMIUM names
another than /usr/bin/chromium).
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.explorer_server import ExplorerServer

PAGES = ("start", "votes", "certify", "interpolation", "inverse", "experiments")
PATIENCE = 40.0
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
WATCH = (Path(__file__).parent / "first_picture.js").read_text(encoding="utf-8")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def visit(browser: Any, address: str) -> dict[str, float]:
    """Milliseconds until the picture and until the control has answered, in a new browser profile."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(address, wait_until="commit")
    until = time.monotonic() + PATIENCE
    seen: dict[str, float] = {}
    while len({"picture", "answers"} & seen.keys()) < 2 and time.monotonic() < until:
        page.wait_for_timeout(100)
        seen = page.evaluate("window.seen")
    context.close()
    return seen


def address_of(page: str) -> str:
    """Start is at the address itself."""
    return "" if page == "start" else page


def measure(browser: Any, page: str) -> tuple[dict[str, float], dict[str, float]]:
    """The first and the second visit of a fresh server."""
    server = ExplorerServer()
    server.start()
    try:
        first = visit(browser, f"{server.address}/{address_of(page)}")
        time.sleep(2)
        return first, visit(browser, f"{server.address}/{address_of(page)}")
    finally:
        server.stop()


def in_words(values: list[float]) -> str:
    """Median and worst, in seconds."""
    if any(value == float("inf") for value in values):
        return "never"
    return f"{statistics.median(values) / 1000:.2f} / {max(values) / 1000:.2f}"


def table(runs: int, pages: list[str]) -> str:
    """The table as Markdown: median / worst in seconds."""
    lines = [
        "| page | cold: picture | cold: answers | warm: picture | warm: answers |",
        "|---|---|---|---|---|",
    ]
    with chromium() as browser:
        for page in pages:
            found = [measure(browser, page) for _ in range(runs)]
            cells = [
                in_words([run[visited].get(what, float("inf")) for run in found])
                for visited in (0, 1)
                for what in ("picture", "answers")
            ]
            lines.append(f"| {page} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--pages", nargs="+", default=list(PAGES), choices=PAGES)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    before = os.getloadavg()[0]
    found = table(options.runs, options.pages)
    load = f"Load of the last minute: {before:.1f} before, {os.getloadavg()[0]:.1f} after; {os.cpu_count()} cores."
    print(load)
    if options.markdown:
        options.markdown.write_text(f"{found}\n\n{load}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
