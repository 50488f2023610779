"""Names from a person's own files are text everywhere: in Markdown, in plotly's and in SVG figures."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_names import NAMES, hostile

from pages import grids, texts, visit
from spt.classifiers import Classifier
from spt.defences import DistSPT
from spt.figures import votes as figures
from spt.figures.certificates import certificate_svg
from spt.figures.style import plain
from spt.transforms import Translation
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
    votes = (np.zeros(20), np.arange(20) % len(NAMES))
    curve = figures.response_curve(axis, probabilities, NAMES, 0.0, "°", "γ", votes, 30.0)
    square = np.full((5, 5, len(NAMES)), 1 / len(NAMES))
    square[0, 0, 0] = square[2, 2, 1] = 0.9
    chart = figures.response_map(axis[:5], square, NAMES, (0.0, 0.0), "px", (np.zeros((20, 2)), votes[1]))
    assert len(curve.data) > len(NAMES) and len(chart.data) > 2
    for trace in (*curve.data, *chart.data):
        assert "<" not in (trace.name or "").replace("<extra></extra>", "").replace("<br>", "")
        assert "%{x}</a>" not in (trace.hovertemplate or "")


def test_a_certificate_s_picture_shows_names_as_text(columns: Classifier) -> None:
    image = torch.zeros(columns.input_shape)
    image[..., 0] = 1
    named = replace(columns, class_names=NAMES[: len(columns.class_names)])
    certificate = DistSPT(named, Translation(), 0.1, 0.4, 0.05).certify(image, n_gamma=20)
    picture = certificate_svg(certificate, "data:image/png;base64,", NAMES[1])
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(picture).iter()}
    assert certificate.selected is not None and not tags & {"script", "a", "img"}
    assert NAMES[certificate.selected][:20] in "".join(ET.fromstring(picture).itertext())


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
    assert grids(app) or page == "experiments"  # whose titles are text in the browser, see tests/browser
    if page == "votes":
        app.button(key="attack_button").click().run()
        assert not app.exception and "Of 100 parameters tried" in texts(app)
        said.append(texts(app))
    said += [element.label for element in (*app.button, *app.expander, *app.metric, *app.tabs)]
    for text in said:
        assert not MARKUP.search(text), text
    if page == "votes":
        assert escape(NAMES[0]) in said[0]
