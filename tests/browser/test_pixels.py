"""The pixel grid in a real Chromium: values under the pointer, linked pixels, dragging with its preview, keys, export."""

import io
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from spt.datasets import load_dataset
from spt.images import to_8_bit
from spt.transforms import Rotation
from tests.browser.test_browser import PATIENCE, browser, page, server  # noqa: F401

pytestmark = pytest.mark.browser
IMAGES = ".st-key-votes_images .pixel-grid"
QUICK = "votes?n=50&pace=fast"


def opened(tab: Page, address: str, grid: str = IMAGES) -> Locator:
    """A page's pixel grid, when the page is done."""
    tab.goto(address)
    images = tab.locator(grid)
    expect(images.locator("canvas").first).to_be_visible(timeout=PATIENCE)
    expect(tab.locator('[data-testid="stApp"]')).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=PATIENCE
    )
    return images


def middle_of(canvas: Locator, row: int, column: int, size: int = 28) -> dict[str, float]:
    """The middle of a pixel, on the canvas."""
    box = canvas.bounding_box()
    assert box is not None
    return {"x": (column + 0.5) * box["width"] / size, "y": (row + 0.5) * box["height"] / size}


def pixels_of(canvas: Locator) -> np.ndarray:
    """What is drawn: (H, W, 4) of the canvas's own pixels."""
    found: Any = canvas.evaluate(
        "c => [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]"
    )
    width, height, values = found
    return np.array(values, dtype=np.uint8).reshape(height, width, 4)


def levels_of(canvas: Locator, size: int = 28) -> np.ndarray:
    """The grey levels that are seen, one for each pixel of the image."""
    drawn = pixels_of(canvas)
    factor = drawn.shape[0] // size
    return drawn[factor // 2 :: factor, factor // 2 :: factor, 0].astype(int)


def preview_of(images: Locator) -> str | None:
    found: str | None = images.evaluate("grid => grid.dataset.preview ?? null")
    return found


def without_preview(tab: Page, images: Locator) -> None:
    """Wait until Python's images are there."""
    until = time.monotonic() + PATIENCE / 1000
    while preview_of(images) is not None:
        assert time.monotonic() < until, "the preview stays"
        tab.wait_for_timeout(20)


def digit(angle: float) -> np.ndarray:
    """The grey levels of digit 7, turned and rounded by Python."""
    image = load_dataset("digits", shape=(1, 28, 28)).image(7)
    return np.asarray((to_8_bit(Rotation()(image, [angle])[0])[0] * 255).round()).astype(int)


def test_the_value_under_the_pointer_is_pythons_and_its_source_is_marked(server: str, page: Page) -> None:  # noqa: F811
    images = opened(page, f"{server}/{QUICK}")
    original, received, preprocessed = (images.locator("canvas").nth(k) for k in range(3))
    words = images.locator(".words")
    expect(words).to_contain_text("Point at a pixel")
    before = [pixels_of(canvas) for canvas in (original, received, preprocessed)]
    received.hover(position=middle_of(received, 9, 14))
    value = digit(25.0)[9, 14] / 255
    expect(words).to_contain_text(f"Pixel row 9, column 14: received x′ {value:.3f}")
    angle, x, y = np.radians(25.0), 14 - 13.5, 9 - 13.5
    column, row = (
        np.cos(angle) * x - np.sin(angle) * y + 13.5,
        np.sin(angle) * x + np.cos(angle) * y + 13.5,
    )
    expect(words).to_contain_text(f"at row {row:.3f}, column {column:.3f}")
    after = [pixels_of(canvas) for canvas in (original, received, preprocessed)]
    for old, new, where in zip(before, after, [(row, column), (9, 14), (9, 14)], strict=True):
        changed = np.argwhere((old != new).any(axis=2))
        factor = old.shape[0] / 28
        assert np.abs(changed.mean(axis=0) / factor - 0.5 - np.array(where)).max() < 0.5, (
            "marked there, and nowhere else"
        )
        assert (changed.max(axis=0) - changed.min(axis=0) < 4 * factor).all()
    page.mouse.move(5, 5)
    expect(words).to_contain_text("Point at a pixel")


def test_dragging_turns_the_image_and_python_answers_with_the_same(server: str, page: Page) -> None:  # noqa: F811
    images = opened(page, f"{server}/{QUICK}")
    canvas = images.locator("canvas.moves")
    box, before = canvas.bounding_box(), None
    while box != before:  # until nothing above it moves any more
        page.wait_for_timeout(400)
        box, before = canvas.bounding_box(), box
    assert box is not None
    middle, far = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), 0.4 * box["width"]
    badge = images.locator(".badge").nth(1)
    expect(badge).to_be_hidden()
    page.mouse.move(middle[0] + far, middle[1])
    page.mouse.down()
    page.mouse.move(middle[0] + far * np.cos(0.3), middle[1] - far * np.sin(0.3))
    expect(badge).to_be_visible()
    expect(badge).to_have_text("preview")
    # A hand's movements at 120 a second, sent in the page itself, so that frames can be counted.
    seen: Any = canvas.evaluate(
        """async (canvas, [x, y, far]) => {
            const grid = canvas.closest(".pixel-grid"), began = performance.now(), first = Number(grid.dataset.painted);
            for (let k = 0; k < 120; k++) {
                const turn = 0.3 + k / 120;
                canvas.onpointermove({ clientX: x + far * Math.cos(turn), clientY: y - far * Math.sin(turn) });
                await new Promise((done) => setTimeout(done, 8));
            }
            return { frames: Number(grid.dataset.painted) - first, seconds: (performance.now() - began) / 1000 };
        }""",
        [*middle, far],
    )
    print(f"{seen['frames']} frames in {seen['seconds']:.2f} s: {seen['frames'] / seen['seconds']:.0f} a second")
    assert seen["frames"] > 5
    page.wait_for_timeout(100)
    angle = float(preview_of(images) or "nan")
    assert 25 + 60 < angle < 25 + 85
    turned = levels_of(canvas)
    assert np.abs(turned - digit(angle)).max() <= 1
    page.mouse.up()
    without_preview(page, images)
    expect(badge).to_be_hidden()
    page.wait_for_url(re.compile(rf"angle={re.escape(f'{angle:g}')}"))
    assert np.abs(levels_of(canvas) - turned).max() <= 1
    expect(page.locator('[data-testid="stSidebar"]').get_by_role("slider", name="Attack: turned by γ")).to_have_value(
        f"{angle:g}"
    )


def test_keys_turn_by_a_degree_and_by_a_tenth(server: str, page: Page) -> None:  # noqa: F811
    images = opened(page, f"{server}/{QUICK}&angle=10")
    turning = images.get_by_role("slider").first
    turning.focus()
    expect(turning).to_have_attribute("aria-valuetext", "Turned by 10.0° (γ)")
    turning.press("ArrowRight")
    turning.press("Shift+ArrowRight")
    expect(turning).to_have_attribute("aria-valuetext", "Turned by 11.1° (γ)")
    without_preview(page, images)
    page.wait_for_url(re.compile(r"angle=11\.1"))
    beside = images.locator("input[type=range]")
    beside.focus()
    beside.press("ArrowLeft")
    page.wait_for_url(re.compile(r"angle=10\.1"))
    expect(beside).to_have_value("10.1")


def test_a_grid_is_one_stop_with_arrow_keys_zoom_and_a_choice(server: str, page: Page) -> None:  # noqa: F811
    images = opened(
        page, f"{server}/inverse?inverse_splits=10&inverse_refinements=0", ".st-key-inverse_pixels .pixel-grid"
    )
    group, words = images.locator("[role=group]"), images.locator(".words")
    expect(words).to_contain_text("Chosen pixel row 8, column 10")
    group.focus()
    group.press("ArrowDown")
    expect(words).to_contain_text(re.compile("^Pixel row"))
    original = images.locator("canvas").last
    whole = pixels_of(original)
    group.press("+")
    expect(images).to_have_class(re.compile("zoomed"))
    assert (pixels_of(original) != whole).any()
    group.press("0")
    expect(images).not_to_have_class(re.compile("zoomed"))
    original.hover(position=middle_of(original, 5, 6))
    group.press("ArrowRight")
    expect(words).to_contain_text("Pixel row 5, column 7")
    group.press("Enter")
    page.wait_for_url(re.compile("inverse_column=7"))
    group.press("Escape")
    expect(words).to_contain_text("Chosen pixel row 5, column 7")


def test_the_gallery_is_one_stop(server: str, page: Page) -> None:  # noqa: F811
    opened(page, f"{server}/{QUICK}")
    gallery = page.get_by_role("listbox", name="Images to choose from")
    gallery.focus()
    expect(gallery.get_by_role("option", selected=True)).to_have_count(1)
    gallery.press("ArrowRight")
    gallery.press("Enter")
    page.wait_for_url(re.compile("digits_image=8"))
    expect(gallery.get_by_role("option", selected=True).locator("img")).to_have_attribute("alt", "digits 8: 8")
    gallery.press("Tab")
    assert not gallery.evaluate("list => list.getRootNode().activeElement === list")


def test_images_are_saved_with_whole_pixels(server: str, page: Page) -> None:  # noqa: F811
    images = opened(page, f"{server}/{QUICK}")
    for name, end in (("Save the images as PNG", ".png"), ("Save the images with their marks as SVG", ".svg")):
        with page.expect_download(timeout=PATIENCE) as download:
            images.get_by_role("button", name=name).click()
        assert download.value.suggested_filename == f"votes_images-angle25{end}"
        content = Path(download.value.path()).read_bytes()
        if end == ".png":
            saved = np.asarray(Image.open(io.BytesIO(content)))
            assert saved.shape[:2] == (560, 3 * 560 + 2 * 16)
            assert np.array_equal(saved[10::20, 576 + 10 : 576 + 560 : 20, 0].astype(int), digit(25.0))
        else:
            assert content.startswith(b"<svg") and content.count(b"<image ") == 3


@pytest.mark.parametrize("width", [pytest.param(1280, marks=pytest.mark.slow), 400])
def test_images_lie_side_by_side(server: str, browser: Browser, width: int) -> None:  # noqa: F811
    context = browser.new_context(viewport={"width": width, "height": 850})
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    images = opened(tab, f"{server}/{QUICK}")
    boxes = [images.locator("canvas").nth(k).bounding_box() for k in range(3)]
    assert len({round(box["y"]) for box in boxes if box}) == 1
    sizes: Any = images.locator("canvas").first.evaluate(
        "c => [c.width / 28, c.getBoundingClientRect().width / c.width]"
    )
    assert sizes[0] == int(sizes[0]) and sizes[1] == pytest.approx(1)
    print(json.dumps(boxes))
    context.close()
