"""A person's own picture: what pad and clipboard send, and digits centred as MNIST's are. The pages: tests/browser."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from pages import visit
from spt.datasets import load_dataset
from spt.images import centre_digit, to_png
from spt.ui.shared import draw_pad, exported_code, own_pictures, paste

INK = base64.b64encode(bytes(range(112)) * 112).decode()


def test_a_drawing_comes_back_from_its_file() -> None:
    png = draw_pad.as_png(INK)
    assert png is not None and draw_pad.as_text(png) == INK
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png)))[5], np.arange(112))
    assert draw_pad.as_png("") is None


@pytest.mark.parametrize("text", [None, 7, "not base64!", INK[:-4], INK + INK])
def test_what_no_pad_sends_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"not a drawing|112 x 112"):
        draw_pad.as_png(text)


def test_what_is_pasted_arrives_whole() -> None:
    assert paste.read(base64.b64encode(b"\x89PNG").decode()) == b"\x89PNG"
    with pytest.raises(ValueError, match="damaged"):
        paste.read({"data": 1})


@given(
    left=st.integers(0, 90),
    top=st.integers(0, 90),
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_a_digit_is_centred_and_has_the_size_of_mnist_s(
    left: int, top: int, width: int, height: int, seed: int
) -> None:
    pixels = np.zeros((112, 112), np.uint8)
    ink = np.random.default_rng(seed).integers(60, 256, (height, width))
    pixels[top : top + height, left : left + width] = ink[: 112 - top, : 112 - left]
    found = np.asarray(centre_digit(Image.fromarray(pixels)), float)
    assert found.shape == (28, 28)
    rows, columns = np.flatnonzero(found.max(1)), np.flatnonzero(found.max(0))
    assert max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1 == 20
    for axis, lines in ((1, rows), (0, columns)):
        centre = (found.sum(axis) * (np.arange(28) + 0.5)).sum() / found.sum()
        touches = lines[0] == 0 or lines[-1] == 27  # where all of it stays within only so
        assert abs(centre - 14) <= 0.5 + 1e-9 or touches


def test_digits_of_mnist_are_where_they_would_be_put() -> None:
    """The bundled digits are MNIST's, centred by those who made it: at most one pixel is between them and ours."""
    digits = load_dataset("digits")
    for index in range(0, len(digits), 4):
        pixels = (digits.image(index)[0].numpy() * 255).astype(np.uint8)
        ours = np.asarray(centre_digit(Image.fromarray(pixels)), float)
        shifted = [np.roll(ours, (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        assert min(np.abs(each - pixels).mean() for each in shifted) < 0.2 * pixels.mean(), index


def test_black_and_what_vanishes_stay_black() -> None:
    empty, dot = Image.new("L", (112, 112)), Image.new("L", (4000, 4000))
    dot.putpixel((0, 0), 1)
    dot.putpixel((3999, 3999), 1)
    assert not np.asarray(centre_digit(empty)).any() and not np.asarray(centre_digit(dot)).any()


@pytest.mark.parametrize("source", own_pictures.SOURCES)
def test_a_page_says_how_to_begin_and_that_a_link_is_to_another_s_picture(source: str) -> None:
    app = visit("explore/votes.py", {"source": source, "n": "50", "pace": "fast"})
    assert not app.exception and any("to begin" in each.value for each in app.info)
    app = visit("explore/votes.py", {"source": source, source: "0123456789abcdef", "n": "50", "pace": "fast"})
    assert not app.exception and any("in another browser, or too long ago" in each.value for each in app.info)


def test_the_python_on_a_page_gives_the_result_for_a_picture_of_one_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dark ink on light paper, inverted and scaled by the page: the file that it offers holds what the lines load."""
    offered: list[bytes] = []
    monkeypatch.setattr(exported_code, "to_png", lambda image: offered.append(to_png(image)) or offered[-1])
    digit = Image.fromarray((load_dataset("digits").image(3)[0].numpy() * 255).astype(np.uint8))
    paper = io.BytesIO()
    ImageOps.invert(digit).resize((90, 90)).save(paper, "PNG")
    app = visit("explore/votes.py", {"source": "upload", "invert": "true", "n": "50", "pace": "fast"})
    [uploader] = [each for each in app.file_uploader if each.key == "upload_file"]
    uploader.upload("paper.png", paper.getvalue(), "image/png").run()
    assert not app.exception and offered
    (tmp_path / "picture.png").write_bytes(offered[-1])
    monkeypatch.chdir(tmp_path)
    [code] = [each.value for each in app.code if "fit_image" in each.value]
    exec(compile(code, "page", "exec"), {})
    certificate = app.session_state["votes_run"].certificate
    printed, shown = (
        re.sub(r"[\d.]+ s\b", "", text).strip() for text in (capsys.readouterr().out, certificate.to_text())
    )
    assert certificate is not None and printed == shown
