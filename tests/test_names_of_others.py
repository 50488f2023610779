"""Names from a person's own files are text everywhere: in Markdown, in plotly's and in SVG figures."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hostile_names import NAMES, hostile

from pages import texts, visit
from spt.figures import votes as figures
from spt.figures.style import plain
from spt.ui.shared.markdown import escape

MARKUP = re.compile(r"(?<!\\)!\[|(?<!\\)\]\(|(?<!\\)<(img|script|a |image|/text|b>)|(?<!\\)\[r\]:")
"""What Markdown would follow: unescaped beginnings of pictures, links and HTML."""


@pytest.mark.parametrize("name", NAMES)
def test_escaped_names_hold_no_markup(name: str) -> None:
    assert MARKUP.search(name) or "#" in name or "$" in name or "&" in name
    found = escape(name)
    assert not MARKUP.search(found) and "\n" not in found
    assert not re.search(r"(?<!\\)[$`*_#:|~]", found)
    assert "<" not in plain(name) and "%{" not in plain(name)


def test_figures_show_names_as_text() -> None:
    probabilities = np.full((361, len(NAMES)), 1 / len(NAMES))
    axis = np.linspace(-180, 180, 361)
    figure = figures.response_curve(axis, probabilities, NAMES, 0.0, "°", "γ", None, 30.0)
    for trace in figure.data:
        assert "<" not in (trace.name or "").replace("<extra></extra>", "").replace("<br>", "")
        assert "%{x}</a>" not in (trace.hovertemplate or "")
    ET.fromstring(f"<text>{plain(NAMES[1])}</text>")


@pytest.mark.parametrize("page", ["votes", "certify", "interpolation", "inverse", "experiments"])
def test_no_page_follows_what_a_name_holds(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, pictures = hostile(tmp_path)
    monkeypatch.setenv("SPT_CLASSIFIER", str(network))
    monkeypatch.setenv("SPT_DATASET", str(pictures))
    few = {"n": "50", "pace": "fast", "n_gamma": "20", "rotation_limit": "1", "splits": "10", "inverse_splits": "10"}
    own = {"classifier": str(network), "source": str(pictures), "results": "quick", "experiment_dataset": str(pictures)}
    app = visit(f"explore/{page}.py", own | few, timeout=120)
    assert not app.exception, [element.value for element in app.exception]
    said = [texts(app), *(element.value for element in (*app.error, *app.info, *app.warning, *app.subheader))]
    captions = [caption.caption for images in app.get("image") for caption in images.proto.imgs]
    assert captions or page == "experiments"
    for text in (*said, *captions):
        assert not MARKUP.search(text), text
    if page == "votes":
        assert escape(NAMES[0]) in said[0]
