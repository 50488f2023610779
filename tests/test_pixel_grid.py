"""The pixel grid: its browser's formulas against the core's, what it is given, and what pages do with what it sends."""

import base64
import io
import json
import shutil
import subprocess
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import REPOSITORY
from PIL import Image

from spt.images import to_8_bit
from spt.transforms import TRANSFORMS, Rotation, Scaling, Shear, Transform, Translation, get_transform
from spt.ui.shared import pixel_grid
from spt.ui.shared.pixel_grid import Picture, Reading, Sources, Warp
from tests.pages import assert_healthy, grids, visit

ROTATION, TRANSLATION = Rotation(), Translation()
POINTS: list[tuple[Transform, tuple[float, ...]]] = [
    *((ROTATION, (angle,)) for angle in (0.0, 0.1, 25.0, 90.0, 117.3, 180.0, -15.5, -90.0, -163.2, 270.0)),
    *(
        (TRANSLATION, shift)
        for shift in ((0.0, 0.0), (1.25, 0.5), (-2.05, 3.3), (-0.45, -7.95), (6.0, -1.0), (40.0, 0.3))
    ),
    *((Scaling(), (log_percent,)) for log_percent in (0.0, 0.5, 26.5, -35.7, 100.0, -100.0)),
    *((Shear(), (percent,)) for percent in (0.0, 0.5, 30.0, -41.5, 100.0)),
    *((get_transform("brightness"), (percent,)) for percent in (0.0, 12.5, -33.0, 100.0)),
    *((get_transform("contrast"), (log_percent,)) for log_percent in (0.0, 30.5, -80.0)),
    *((get_transform("rotation-brightness"), point) for point in ((25.0, 0.0), (-117.3, 20.5), (90.0, -45.0))),
    *((get_transform("rotation-scaling"), point) for point in ((25.0, 0.0), (-117.3, 20.5), (90.0, -45.0), (0.0, 8.0))),
]
SIZES = [(1, 28, 28), (3, 17, 23), (1, 8, 5), (1, 1, 7)]


def in_the_browser(cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the component's script makes of cases, in node."""
    done = subprocess.run(
        ["node", "tests/pixel_grid.mjs"],
        cwd=REPOSITORY,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def eight_bit_image(size: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randint(0, 256, size, generator=torch.Generator().manual_seed(seed)).float() / 255


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
class TestTheBrowsersFormulas:
    def test_it_turns_and_shifts_as_python_does(self) -> None:
        """All four quadrants, odd, even and long images, whole and broken pixels; rounded, the same grey levels."""
        images = {size: eight_bit_image(size, number) for number, size in enumerate(SIZES)}
        tried = [(size, transform, point) for size in SIZES for transform, point in POINTS]
        cases = [
            {
                "image": images[size].double().flatten().tolist(),
                "size": size,
                "kind": transform.name,
                "values": point,
                "ends": [],
            }
            for size, transform, point in tried
        ]
        differing = total = 0
        for (size, transform, point), found in zip(tried, in_the_browser(cases), strict=True):
            image = images[size]
            exact = transform(image.double(), [point])[0].flatten().numpy()
            assert np.abs(np.array(found["warped"]) - exact).max() < 1e-6, (size, transform.name, point)
            rounded = (to_8_bit(transform(image, [point])[0]) * 255).round().flatten().numpy()
            assert np.abs(np.array(found["levels"]) - rounded).max() <= 1
            differing += int((np.array(found["levels"]) != rounded).sum())
            total += rounded.size
        assert differing <= total / 10_000  # halves of a grey level, which floating point decides
        print(f"{differing} of {total} grey levels differ")

    def test_pixels_find_their_source_where_python_reads_it(self) -> None:
        cases = [
            {"image": [0.0], "size": (1, 1, 1), "kind": transform.name, "values": point, "ends": []}
            for transform, point in POINTS
        ]
        where = torch.tensor([[[1.5]], [[-2.0]]], dtype=torch.float64)
        for (transform, point), found in zip(POINTS, in_the_browser(cases), strict=True):
            parameters = tuple(torch.tensor([[value]], dtype=torch.float64) for value in point)
            expected = [float(axis) for axis in transform.source(where[0], where[1], parameters)]
            assert found["source"] == pytest.approx(expected, abs=1e-9)

    def test_the_image_follows_the_pointer(self) -> None:
        """What was under the pointer before a drag is under it after that."""
        for kind, transform in TRANSFORMS.items():
            if not transform.linear:
                continue  # nothing moves, or also as a rotation
            last, here = (3.0, -4.0), (4.5, -4.0 if kind == "shear" else -6.0)
            [found] = in_the_browser(
                [
                    {
                        "image": [0.0],
                        "size": (1, 1, 1),
                        "kind": kind,
                        "values": [0.0, 0.0],
                        "ends": [],
                        "drag": [last, here],
                    }
                ]
            )
            point = tuple(torch.tensor([[value]], dtype=torch.float64) for value in found["dragged"])
            read = [float(axis) for axis in transform.source(*(torch.tensor([[v]]).double() for v in here), point)]
            along = 1.5 if kind == "rotation" else 1.0  # a turn keeps the distance to the middle
            assert read == pytest.approx([along * value for value in last], abs=1e-9)

    def test_ends_are_said_rounded_outward(self) -> None:
        ends = [(0.1234, 0.1236), (0.0, 1.0), (-0.00049, 0.00049), (0.5, 0.5), (-2.71828, -0.0001)]
        [found] = in_the_browser(
            [{"image": [0.0], "size": (1, 1, 1), "kind": "rotation", "values": [0.0], "ends": ends}]
        )
        for (low, high), said in zip(ends, found["ends"], strict=True):
            least, most = (float(text.replace("−", "-")) for text in said)
            assert least <= low + 1e-8 and high - 1e-8 <= most and most - least <= high - low + 0.002


class TestWhatTheBrowserIsGiven:
    def test_an_image_of_8_bits_is_its_png_alone(self) -> None:
        image = eight_bit_image((3, 5, 4), 0)
        [shown] = pixel_grid.contents("key", [Picture(image, "x: a <name>", "alt")])["pictures"]
        assert shown["reading"]["words"] == "x" and shown["reading"]["eightBit"] and shown["reading"]["values"] is None
        png = Image.open(io.BytesIO(base64.b64decode(shown["urls"][0].partition(",")[2])))
        assert np.array_equal(np.asarray(png), (image * 255).round().byte().movedim(0, -1).numpy())

    def test_other_values_come_along_as_they_are(self) -> None:
        image, values = torch.rand(3, 4, 6, dtype=torch.float64), torch.rand(1, 4, 6, dtype=torch.float64) - 0.5
        first, second = pixel_grid.contents(
            "key", [Picture(image, "x", "alt"), Picture(image, "y", "alt", Reading("e", values))]
        )["pictures"]
        assert not first["reading"]["eightBit"] and first["size"] == [3, 4, 6]
        read = np.frombuffer(base64.b64decode(second["reading"]["values"]), "<f4")
        assert np.abs(read - values.flatten().numpy()).max() < 1e-7 and second["reading"]["channels"] == 1

    def test_bounds_are_rounded_outward(self) -> None:
        values = torch.rand(1000, dtype=torch.float64).reshape(1, 10, 100)
        low, high = (
            np.frombuffer(base64.b64decode(pixel_grid.packed(values, side)), "<f4").astype(float) for side in (-1, 1)
        )
        exact = values.flatten().numpy()
        assert (low <= exact).all() and (exact <= high).all() and (high - low).max() < 2e-7

    def test_the_image_that_is_moved_is_sent_once(self) -> None:
        image = eight_bit_image((1, 6, 6), 1)
        moved = Picture(image, "x′", "alt", warps=(Warp("rotation", (0.0,), True),), preview="8-bit")
        control = pixel_grid.control_of(ROTATION, (12.0,), image)
        given = pixel_grid.contents("key", [Picture(image, "x", "alt"), moved], control)["control"]
        assert given["base"] == 0 and given["url"] is None and given["image"] is None
        assert given["axes"][0]["words"] == "Turned by" and given["axes"][0]["value"] == 12
        alone = pixel_grid.contents("key", [Picture(image + 0, "x", "alt")], control)["control"]
        assert alone["base"] is None and alone["url"].startswith("data:image/png")

    def test_a_reading_of_several_images_is_sent_once(self) -> None:
        image = eight_bit_image((1, 4, 4), 3)
        reading = Reading("original", ends=(image, image))
        given = pixel_grid.contents("key", [Picture(image, title, "alt", reading) for title in "ab"])["pictures"]
        assert given[1]["reading"] == {"of": 0} and given[0]["reading"]["low"]

    def test_sources_of_pixels(self) -> None:
        arcs, boxes, ends = np.zeros((4, 3, 2)), np.zeros((4, 4)), (np.zeros((1, 2, 2)), np.ones((1, 2, 2)))
        picture = Picture(np.zeros((1, 2, 2)), "x", "alt", sources=Sources(0, arcs, boxes, ends))
        [shown] = pixel_grid.contents("key", [picture])["pictures"]
        assert shown["sources"]["points"] == 3 and len(base64.b64decode(shown["sources"]["arcs"])) == 4 * 3 * 2 * 4

    def test_a_photograph_takes_less_than_300_kilobytes(self) -> None:
        """One of 3 x 224 x 224: a PNG each for x, x' and P x'; values of 32 bits would be 800."""
        image = torch.nn.functional.interpolate(eight_bit_image((1, 3, 28, 28), 2), size=224, mode="bicubic")[0]
        image = to_8_bit(image.clamp(0, 1))
        assert len(json.dumps(pixel_grid.contents("key", [Picture(image, "x", "alt")]))) < 300_000


def test_what_the_browser_sends_moves_the_sliders() -> None:
    app = visit("explore/votes.py", {"n": "50", "pace": "fast"})
    assert_healthy(app)
    shown = grids(app)["votes_images"]
    assert shown["control"]["axes"][0]["value"] == 25 and [one["preview"] for one in shown["pictures"]] == [
        "",
        "8-bit",
        "",
    ]
    assert all(one["alt"] for one in shown["pictures"])
    app.slider(key="angle").set_value(-40.0).run()
    assert grids(app)["votes_images"]["control"]["axes"][0]["value"] == -40


def test_what_is_sent_is_handed_on_within_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    session: dict[str, Any] = {}
    given: dict[str, Any] = {}
    monkeypatch.setattr(pixel_grid, "st", SimpleNamespace(session_state=session))
    monkeypatch.setattr(pixel_grid.state, "set", lambda **values: session.update(values))
    monkeypatch.setattr(pixel_grid, "_grid", given.update)
    image, chosen = eight_bit_image((1, 6, 6), 1), []
    pictures, control = [Picture(image, "x", "alt")], pixel_grid.control_of(TRANSLATION, (0.0, 0.0), image)

    def draw() -> None:
        pixel_grid.show("key", pictures, control=control, choose=lambda row, column: chosen.append((row, column)))

    draw()
    assert given["data"]["control"]["answered"] == 0 and given["data"]["choosable"]
    session["key"] = SimpleNamespace(moved={"serial": 3, "values": [99, "-3"]}, chosen=[2, 5])
    given["on_moved_change"]()
    given["on_chosen_change"]()
    assert (session["dx"], session["dy"]) == (8.0, -3.0) and chosen == [(2, 5)]
    draw()
    assert given["data"]["control"]["answered"] == 3, "which ends the browser's preview"


@pytest.mark.parametrize("page", ["votes", "interpolation", "inverse"])
def test_pages_for_translations_have_two_axes(page: str) -> None:
    app = visit(
        f"explore/{page}.py",
        {"transform": "translation", "n": "50", "pace": "fast", "inverse_splits_px": "2", "inverse_refinements": "0"},
    )
    assert_healthy(app)
    [axes] = [data["control"]["axes"] for data in grids(app).values() if data["control"]]
    assert [axis["name"] for axis in axes] == ["dx", "dy"]
