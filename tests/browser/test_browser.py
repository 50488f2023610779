"""What a person sees, in a real Chromium: a fresh server, deep links, uploads, sliders, a whole run, Stop.

With SPT_SCREENSHOTS=folder the pages are photographed there (the README's picture comes from this run).
"""

import contextlib
import json
import os
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect, sync_playwright

from benchmarks.explorer_server import ExplorerServer
from tests.hostile_names import CALLS_OUT, hostile
from tests.pictures import bad_pictures, odd_pictures

pytestmark = pytest.mark.browser
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE = 120_000  # milliseconds; a slow machine must not fail a test
expect.set_options(timeout=PATIENCE)


@contextlib.contextmanager
def started(folder: Path, **environment: str) -> Iterator[str]:
    """A freshly started server; its address."""
    own = {"SPT_RUNS": str(folder / "runs"), "SPT_RESULTS": str(folder / "results")}
    server = ExplorerServer(**(own | environment))
    try:
        server.start()
        yield server.address
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server of all tests that need no other."""
    with started(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for all tests here."""
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield instance
        instance.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new visitor's page; fails the test if Streamlit shows an exception, the page logs a script error, or anything is asked
    of another machine, or would be if the server's policy did not forbid it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="no-preference")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    outside: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: outside.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("request", lambda request: outside.append(request.url) if _is_outside(request.url) else None)
    try:
        yield page
        assert page.locator('[data-testid="stException"]').count() == 0
        assert page.get_by_text("BidiComponent Error").count() == 0
        assert errors == [] and outside == []
    finally:
        context.close()


def _is_outside(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname
    return host not in (None, "localhost", "127.0.0.1")


def test_the_browser_itself_refuses_to_call_out(browser: Browser, server: str) -> None:
    """Should a name ever slip through as markup: pictures, scripts, frames and questions of other machines are not even tried."""
    page = browser.new_page()
    page.goto(server)
    refused = page.evaluate("""async () => {
        const seen = []
        document.addEventListener("securitypolicyviolation", event => seen.push(event.effectiveDirective))
        for (const kind of ["img", "script", "iframe"]) {
            const element = document.createElement(kind)
            element.src = "http://other.invalid/p"
            document.body.append(element)
        }
        await fetch("http://other.invalid/p").catch(() => {})
        await new Promise(resolve => setTimeout(resolve, 500))
        return seen.sort()
    }""")
    page.close()
    assert refused == ["connect-src", "frame-src", "img-src", "script-src-elem"]


def settled(page: Page) -> None:
    """Wait until the page's script has ended: what is there then is not of an earlier run, and stays where it is."""
    app = page.locator('[data-testid="stApp"]')
    expect(app).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(100)  # it is so for a moment between two runs, too
    expect(app).to_have_attribute("data-test-script-state", "notRunning")


def finished(page: Page, n: int) -> None:
    """Wait until the run has ended with all n votes and its conclusions are drawn."""
    expect(page.get_by_text(f"{n:,} of {n:,} votes").first).to_be_visible()
    expect(page.get_by_role("button", name="Run again")).to_be_visible()
    settled(page)


def press_at_once(button: Locator, patience: float = PATIENCE) -> None:
    """Press a button that is there for a short time, on a page that may be moving: as soon as it exists, wherever it is."""
    button.dispatch_event("click", timeout=patience)


def start_and_stop(page: Page) -> None:
    """Start a run and stop it by its button; once more if the run was over before (a machine that is too fast, or busy)."""
    for _ in range(5):
        page.get_by_role("button", name="Run again").click()
        press_at_once(page.get_by_role("button", name="Stop"))
        settled(page)
        expect(page.get_by_role("button", name="Run again")).to_be_visible()
        if page.get_by_text("stopped after").is_visible():
            return
    raise AssertionError("five runs ended, and Stop stopped none of them")


def photograph(page: Page, name: str) -> None:
    """A picture of the whole page, if pictures are asked for."""
    folder = os.environ.get("SPT_SCREENSHOTS")
    if folder:
        width = page.viewport_size["width"] if page.viewport_size else 1280
        height = page.evaluate(
            "document.querySelector('[data-testid=stMain] .block-container, [data-testid=stMain]').scrollHeight"
        )
        page.set_viewport_size({"width": width, "height": min(int(height) + 80, 3000)})
        page.wait_for_timeout(1500)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_a_link_to_a_page_is_the_first_visit_of_a_fresh_server(server: str, page: Page) -> None:
    page.goto(f"{server}/votes?angle=-40&n=500&pace=fast")
    expect(page.get_by_role("heading", name="Votes: what does")).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    finished(page, 500)
    expect(page.get_by_test_id("stSidebar").get_by_role("slider", name="Attack: turned by γ")).to_have_value("-40")
    expect(page.get_by_text("Page not found")).to_have_count(0)


def test_the_start_page_leads_on(server: str, page: Page) -> None:
    page.goto(server)
    expect(page.get_by_role("heading", name="How far can you turn")).to_be_visible()
    expect(page.get_by_role("slider", name="Angle of the digit")).to_be_visible()
    photograph(page, "start")
    page.get_by_role("link", name="Votes").first.click()
    expect(page.get_by_role("heading", name="Votes: what does")).to_be_visible()


def watch_run(page: Page) -> dict[str, float]:
    """Press "Run again" and look at every painted frame: distinct progress lines, blank charts, frames, seconds."""
    page.evaluate(
        """() => {
          const seen = window.watched = { lines: [], frames: 0, blank: 0, start: 0, end: 0 };
          const look = () => {
            const line = document.querySelector('[data-testid="stProgress"]')?.innerText;
            if (line && seen.lines.at(-1) !== line) {
              seen.lines.push(line);
              if (seen.lines.length === 2) seen.start = performance.now();
              seen.end = performance.now();
            }
            const chart = document.querySelectorAll('[data-testid="stVegaLiteChart"]')[1];
            seen.frames += 1;
            if (seen.lines.length > 2 && !chart?.querySelector('canvas, svg')) seen.blank += 1;
            requestAnimationFrame(look);
          };
          requestAnimationFrame(look);
        }"""
    )
    page.get_by_role("button", name="Run again").click()
    until = (
        time.monotonic() + PATIENCE / 1000
    )  # no wait_for_function: it compiles text, which the page's policy forbids
    while not page.evaluate("window.watched.lines.length > 5 && window.watched.lines.at(-1).startsWith('1,000')"):
        assert time.monotonic() < until, "the run did not end"
        page.wait_for_timeout(50)
    finished(page, 1000)
    found: dict[str, float] = page.evaluate(
        "({...window.watched, lines: window.watched.lines.length, seconds: (window.watched.end - window.watched.start) / 1000})"
    )
    return found


def test_the_votes_come_in_live_without_flicker_and_run_to_the_end(server: str, page: Page) -> None:
    page.goto(f"{server}/votes?seed=1")
    finished(page, 1000)
    expect(page.get_by_text("PREDICT", exact=True).first).to_be_visible()
    expect(page.get_by_text("HEURISTIC", exact=True).first).to_be_visible()
    expect(page.locator('[data-testid="stVegaLiteChart"]')).to_have_count(2)
    expect(page.locator('[data-testid="stPlotlyChart"] .main-svg').first).to_be_visible()
    seen = watch_run(page)
    print(
        f"{seen['lines']} progress lines in {seen['seconds']:.1f} s, {seen['blank']} of {seen['frames']} frames blank"
    )
    assert seen["lines"] >= 10
    assert seen["blank"] <= 0.05 * seen["frames"]
    photograph(page, "votes")


def test_stop_works_at_once_and_leaves_a_provisional_result(server: str, page: Page) -> None:
    page.goto(f"{server}/votes?n=10000")
    finished(page, 10_000)
    start_and_stop(page)
    expect(page.get_by_text("PROVISIONAL", exact=True)).to_be_visible()
    expect(page.get_by_text("stopped after")).to_be_visible()
    expect(page.get_by_text("CERTIFY", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Run again").click()
    finished(page, 10_000)


def test_moving_the_slider_changes_the_address_and_the_result(server: str, page: Page) -> None:
    page.goto(f"{server}/votes?n=200&pace=fast")
    finished(page, 200)
    slider = page.get_by_test_id("stSidebar").get_by_role("slider", name="Attack: turned by γ")
    slider.focus()
    for value in ("24.9", "24.8", "24.7"):
        slider.press("Shift+ArrowLeft")
        expect(slider).to_have_value(value)
    page.wait_for_url(re.compile(r"angle=24\.7"))
    finished(page, 200)
    expect(page.get_by_text("angle 24.70°").first).to_be_visible()
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    finished(page, 200)
    expect(page.get_by_text("angle 24.70°").first).to_be_visible()


def test_a_click_in_the_gallery_chooses_the_image(server: str, page: Page) -> None:
    page.goto(f"{server}/votes?n=200&pace=fast")
    finished(page, 200)
    page.get_by_role("option").nth(3).click()
    page.wait_for_url(re.compile("digits_image=3"))
    finished(page, 200)
    expect(page.get_by_text("digits 3: 3").first).to_be_visible()


def test_uploading_a_picture_and_a_bad_one(server: str, page: Page) -> None:
    page.goto(f"{server}/votes?n=200&pace=fast&source=upload")
    expect(page.get_by_text("Choose a picture to begin.").first).to_be_visible()
    settled(page)
    chooser = page.locator('[data-testid="stSidebar"] input[type="file"]')
    chooser.set_input_files({"name": "cmyk.jpg", "mimeType": "image/jpeg", "buffer": odd_pictures()["cmyk.jpg"]})
    finished(page, 200)
    expect(page.get_by_text("your picture").first).to_be_visible()
    chooser.set_input_files({"name": "bomb.png", "mimeType": "image/png", "buffer": bad_pictures()["bomb.png"]})
    expect(page.get_by_text("too many pixels")).to_be_visible()
    settled(page)
    chooser.set_input_files({"name": "one.png", "mimeType": "image/png", "buffer": odd_pictures()["one.png"]})
    finished(page, 200)


def test_the_attack_finds_an_angle_and_judges_g(server: str, page: Page) -> None:
    page.goto(f"{server}/votes?n=500&pace=fast&classifier=mnist-plain&rotation_range=60")
    finished(page, 500)
    page.get_by_role("button", name=re.compile("^Attack")).click()
    expect(page.get_by_text("The three worst:")).to_be_visible()
    finished(page, 500)
    expect(page.get_by_text(re.compile("g holds here|g does not hold here|g does not decide")).first).to_be_visible()
    photograph(page, "attack")


@pytest.mark.parametrize(
    ("name", "heading"),
    [pytest.param("certify", "Certify: how far", marks=pytest.mark.slow), ("interpolation", "Interpolation error")],
)
def test_the_other_pages_open_from_a_link(server: str, page: Page, name: str, heading: str) -> None:
    page.goto(f"{server}/{name}")
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    shown = '[data-testid="stPlotlyChart"], [data-testid="stVegaLiteChart"], .cells-dial svg'
    expect(page.locator(shown).first).to_be_visible()
    if name == "certify":
        expect(page.get_by_text("No rotation within ±30°").first).to_be_visible(timeout=3 * PATIENCE)
    settled(page)
    photograph(page, name)


def test_a_click_on_the_dial_chooses_a_cell(server: str, page: Page) -> None:
    page.goto(f"{server}/certify?rotation_limit=4&cell_width=4")
    expect(page.get_by_text("2 of 2 cells are proved").first).to_be_visible(timeout=3 * PATIENCE)
    settled(page)
    expect(page.get_by_text("at the cell’s centre: angle −2.00°").first).to_be_visible()
    page.locator('.cells-dial [data-cell="2"]').click()
    expect(page.get_by_text("at the cell’s centre: angle 2.00°").first).to_be_visible()
    expect(page).to_have_url(re.compile("cell=2"))
    settled(page)
    photograph(page, "cells")


def test_a_certificate_is_checked_again_and_a_changed_file_is_not_confirmed(server: str, page: Page) -> None:
    page.goto(f"{server}/certify?rotation_limit=2")
    expect(page.get_by_text("No rotation within ±2°").first).to_be_visible(timeout=3 * PATIENCE)
    settled(page)
    page.get_by_text("Check: is this certificate true").click()
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("computed again from this image")).to_be_visible()
    expect(page.get_by_text("Computed again, agrees")).to_be_visible()
    expect(page.get_by_text("Taken on trust, as")).to_be_visible()
    expect(page.get_by_text("Computed again, differs")).to_have_count(0)
    settled(page)
    photograph(page, "check")
    page.get_by_role("button", name="Share").click()
    with page.expect_download(timeout=PATIENCE) as download:
        page.get_by_role("button", name="Certificate as JSON").click()
    record = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    page.keyboard.press("Escape")
    changed = json.dumps(record | {"image_sha256": "0" * 64}).encode()
    page.locator('input[type="file"]').set_input_files(
        {"name": "certificate.json", "mimeType": "application/json", "buffer": changed}
    )
    expect(page.get_by_text("NOT A CERTIFICATE")).to_be_visible()  # its samples are not those of such an image
    expect(page.get_by_text("computed again from this image")).to_be_visible()


@pytest.mark.slow
def test_a_check_can_be_stopped(server: str, page: Page) -> None:
    page.goto(f"{server}/votes?n=10000&pace=fast")
    finished(page, 10_000)
    page.get_by_text("Check: are these numbers true").click()
    page.get_by_role("button", name="Check again").click()
    press_at_once(page.get_by_role("button", name="Stop the check"))
    expect(page.get_by_role("button", name="Check again")).to_be_visible()
    settled(page)
    expect(page.get_by_text("computed again from this image")).to_have_count(0)


def test_refining_is_live_and_can_be_stopped(server: str, page: Page) -> None:
    page.goto(
        f"{server}/interpolation?source=natural&classifier=cifar10-smooth"
    )  # bounds of a digit are refined too soon
    settled(page)
    chord = page.get_by_text("PROVED: chord").locator("xpath=ancestor::p")
    before = chord.inner_text()
    for _ in range(5):  # once more if all 60 refinements were over before Stop was pressed
        page.get_by_role("button", name="Refine").click()
        expect(chord).not_to_have_text(before)  # the first refinements may improve what is not shown
        with contextlib.suppress(TimeoutError):
            press_at_once(page.get_by_role("button", name="Stop"), patience=3000)
        expect(page.get_by_role("button", name="Refine")).to_be_visible()
        settled(page)
        refinements = int(page.get_by_text(re.compile("^[0-9]+ refinements")).inner_text().split()[0])
        assert 0 < refinements <= 60 and chord.inner_text() != before
        page.get_by_role("button", name="Start over").click()
        expect(chord).to_have_text(before)
        if refinements < 60:
            break
    assert refinements < 60


@pytest.mark.slow
def test_presets_of_the_interpolation_page_set_the_controls(server: str, page: Page) -> None:
    page.goto(f"{server}/interpolation?beta=-70&splits=10")
    settled(page)
    page.get_by_role("button", name="Translation is exact").click()
    expect(page.get_by_text("PROVED: vertices, exact")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Rotations do not compose").click()
    expect(page.get_by_text("by γ = 25.00°, then β = 20.00°")).to_be_visible()
    expect(page.get_by_text("(40 splits").first).to_be_visible()
    expect(page.get_by_role("slider", name="Vote: turned by β")).to_have_value("20")


def test_the_numbers_can_be_downloaded(server: str, page: Page) -> None:
    page.goto(f"{server}/interpolation")
    settled(page)
    page.get_by_role("button", name="Share").click()
    for name, beginning in (("JSON", "{"), ("CSV", "# image:")):
        button = page.get_by_role("button", name=f"Numbers as {name}")
        expect(button).to_be_visible()
        settled(page)
        with page.expect_download(timeout=PATIENCE) as download:
            button.click()
        assert Path(download.value.path()).read_text(encoding="utf-8").startswith(beginning)


def test_pointing_at_a_pixel_shows_what_it_reads(server: str, page: Page) -> None:
    page.goto(f"{server}/interpolation")
    grid = page.locator(".st-key-enclosure .pixel-grid")
    words = grid.locator(".words")
    expect(words).to_contain_text("interpolation cell")  # of the pixel whose interval is the widest
    settled(page)
    grid.locator("canvas").nth(3).hover(position={"x": 3, "y": 3})
    expect(words).to_contain_text("Pixel row 0, column 0: ")
    expect(words).to_contain_text("interpolation cell")
    page.locator(".st-key-moved_images canvas").nth(2).hover(position={"x": 3, "y": 3})  # linked: the same size
    expect(words).to_contain_text("Pixel row 0, column 0: ")


def test_a_click_on_a_pixel_explains_it(server: str, page: Page) -> None:
    page.goto(f"{server}/inverse")
    grid = page.locator(".st-key-inverse_pixels .pixel-grid")
    canvas = grid.locator("canvas").last
    words = grid.locator(".words")
    expect(words).to_contain_text("Chosen pixel row 8, column 10")
    expect(grid.locator(".pass")).to_contain_text("pass 14")
    settled(page)
    box = canvas.bounding_box()
    assert box is not None
    canvas.hover(position={"x": box["width"] * 14.5 / 28, "y": box["height"] * 8.5 / 28})
    expect(words).to_contain_text("Pixel row 8, column 14: original [")
    expect(words).to_contain_text("✓ inside")
    canvas.click(position={"x": box["width"] * 14.5 / 28, "y": box["height"] * 8.5 / 28})
    page.wait_for_url(re.compile("inverse_column=14"))
    settled(page)
    expect(page.get_by_text("p(8, 14) in")).to_be_visible()
    expect(page.locator(".drawing svg").first).to_be_visible()
    expect(page.locator(".katex-display").first).to_be_visible()
    photograph(page, "inverse")
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_text(re.compile("^After [0-9] of [0-9] steps"))).to_be_visible()
    page.get_by_role("button", name="The paper’s Figure 3").click()
    expect(page.get_by_text("Step 2: c(5, 1)")).to_be_visible()


def test_a_quick_run_of_an_experiment_can_be_stopped(server: str, page: Page) -> None:
    page.goto(f"{server}/experiments?experiment=bicubic&bicubic_images=40&results=quick")
    settled(page)
    page.get_by_role("button", name="Run").click()
    bar = page.locator('[data-testid="stProgress"]')
    expect(bar).to_contain_text("PROVISIONAL")
    expect(bar).to_contain_text(re.compile(r"\b([2-9]|[1-3][0-9]) of 40 rows"))
    press_at_once(page.get_by_role("button", name="Stop"))
    expect(page.get_by_text("stopped after")).to_be_visible()
    expect(page.get_by_text("PROVISIONAL", exact=True).first).to_be_visible()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    expect(page.locator('[data-testid="stPlotlyChart"] .main-svg').first).to_be_visible()
    settled(page)
    photograph(page, "experiments")


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), pytest.param(1280, "dark", marks=pytest.mark.slow)])
def test_narrow_and_dark(server: str, browser: Browser, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{server}/votes?n=200&pace=fast")
    finished(page, 200)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    background = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    light = sum(int(value) for value in re.findall(r"\d+", background)[:3]) > 384
    assert light == (scheme == "light")
    photograph(page, f"votes-{width}-{scheme}")
    context.close()


# --------------------------------------------------------------------------------------------------------- names of others


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("votes", {"pace": "fast", "n": "50"}),
        pytest.param("certify", {"rotation_limit": "1"}, marks=pytest.mark.slow),
        pytest.param("interpolation", {"splits": "10"}, marks=pytest.mark.slow),
        pytest.param("inverse", {"inverse_splits": "10"}, marks=pytest.mark.slow),
        pytest.param("experiments", {"results": "quick"}, marks=pytest.mark.slow),
    ],
)
def test_names_that_call_out_are_text(name: str, more: dict[str, str], page: Page, tmp_path: Path) -> None:
    """Class names, a data set and its pictures with markup of every kind: on no page anything is asked of another machine (the
    page sees to that), and the names stand there as they are. What a page says, for all of them: tests/test_names_of_others.py."""
    network, pictures = hostile(tmp_path)
    with started(tmp_path, SPT_CLASSIFIER=str(network), SPT_DATASET=str(pictures)) as address:
        query = {"classifier": str(network), "source": str(pictures), "experiment_dataset": str(pictures)} | more
        page.goto(f"{address}/{name}?{urllib.parse.urlencode(query)}")
        expect(page.locator('[data-testid="stHeading"]').first).to_be_visible()
        settled(page)
        assert page.locator('[data-testid="stException"]').count() == 0
        if name == "votes":
            finished(page, 50)
            expect(page.get_by_text(CALLS_OUT).first).to_be_visible()


def _queue(server: str) -> dict[str, dict[str, int]]:
    with urllib.request.urlopen(f"{server}/status", timeout=60) as answer:
        found: dict[str, dict[str, int]] = json.load(answer)
    return found


def _wait_for_queue(server: str, working: int, waiting: int) -> None:
    """Wait until so much long work is at it and waits."""
    until = time.monotonic() + PATIENCE / 1000
    while (_queue(server)["working"]["long"], _queue(server)["waiting"]["long"]) != (working, waiting):
        assert time.monotonic() < until, _queue(server)
        time.sleep(0.1)


def test_the_line_is_seen_left_and_entered_again_and_a_closed_tab_frees_its_place(
    browser: Browser, page: Page, tmp_path: Path
) -> None:
    with started(tmp_path) as server:
        slots = int(_queue(server)["slots"])  # type: ignore[call-overload]
        long = f"{server}/certify?form=one+ball&n_gamma=1000&rotation_limit=30&classifier=mnist-rotation-fine"
        others = [browser.new_page() for _ in range(slots - 1)]
        for number, other in enumerate(others):
            other.goto(f"{long}&seed={number + 1}")
            _wait_for_queue(server, number + 1, 0)
        page.goto(f"{server}/certify?form=one+ball&n_gamma=20&rotation_limit=5&seed=100")
        expect(page.get_by_text("Waiting in line for this server: you are next")).to_be_visible()
        _wait_for_queue(server, slots - 1, 1)
        photograph(page, "waiting")
        page.get_by_role("button", name="Leave the line").click()
        expect(page.get_by_text("You left the line, so this was not computed.")).to_be_visible()
        _wait_for_queue(server, slots - 1, 0)
        settled(page)
        page.get_by_role("button", name="Stand in line again").click()
        expect(page.get_by_text("Waiting in line for this server")).to_be_visible()
        _wait_for_queue(server, slots - 1, 1)
        for other in others:
            other.close()
        expect(page.get_by_text("20 of 20 samples").first).to_be_visible()
        expect(page.get_by_text("CERTIFIED").first).to_be_visible()
        _wait_for_queue(server, 0, 0)
