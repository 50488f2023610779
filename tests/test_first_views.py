"""What is stored in assets/first_views: equal to a fresh computation, shown only where it belongs, and without torch.

What differs from one machine to another: a network's last digits, which can tip a vote that is nearly level (f rounds its input
to a grid, so few do), times, and the last digit of what is rounded to three digits. Hence the tolerances here.
"""

import base64
import io
import json
import lzma
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf.json_format import MessageToDict
from PIL import Image

from assets import make_first_views as make
from spt import load_classifier, load_dataset
from spt.certificates import CellsCertificate, rounded_down
from spt.images import image_digest
from spt.ui.certify import stored as stored_certificate
from spt.ui.shared import core, first_views, stored_results
from spt.ui.start import turning
from spt.ui.votes import stored as stored_votes
from tests.pages import assert_healthy, texts, visit

REPOSITORY = Path(__file__).parent.parent
TIPPED = 5
"""Votes of 1,000 that may go to another class on another machine."""
PROCESS_OWN = ("/json/name", "/json/frames/name")
"""In the data of components: a hash that each process has its own of."""
AGAIN = "run python assets/make_first_views.py"


def kept_proof() -> CellsCertificate:
    """The certificate beside it."""
    return CellsCertificate.from_json(lzma.decompress((first_views.FOLDER / make.PROOF).read_bytes()).decode())


@pytest.fixture
def stored() -> Iterator[dict[str, Any]]:
    """The turning digit, with networks that compute as they did for it."""
    with make.computing_in(make.RECORDED):
        yield turning.example()


# ---------------------------------------------------------------------------------------------------------- the turning digit


def test_the_same_network_is_fooled_alone_and_holds_in_the_vote_at_all_angles(stored):
    truth = stored["truth"]
    data = load_dataset("digits")
    assert truth == data.class_names[data.label(int(stored["image"].partition(":")[2]))]
    assert stored["angles"] == list(range(-180, 180))
    assert turning.wrong(stored["alone"], truth) > 100
    assert set(stored["voted"]) == {truth}
    assert set(stored["trained_alone"]) == {truth}
    assert stored["fingerprint"] == load_classifier(stored["network"]).fingerprint, AGAIN


def test_the_answers_of_the_networks_alone_are_theirs(stored):
    assert make.answers_alone(stored["network"]) == stored["alone"], AGAIN
    assert make.answers_alone(stored["trained"]) == stored["trained_alone"], AGAIN


@pytest.mark.parametrize("frame", range(0, 360, 45))
def test_the_votes_are_those_of_a_fresh_count(stored, frame):
    answer, votes = make.vote(stored["network"], frame)
    assert answer == stored["voted"][frame] and abs(votes - stored["votes"][frame]) <= TIPPED, AGAIN


@pytest.mark.slow
def test_all_votes_are_those_of_a_fresh_count(stored):
    for frame in range(360):
        answer, votes = make.vote(stored["network"], frame)
        assert answer == stored["voted"][frame] and abs(votes - stored["votes"][frame]) <= TIPPED, AGAIN


def test_the_pictures_are_the_turned_digit(stored):
    fresh = np.asarray(Image.open(io.BytesIO(make.sprite(make.turned()))), dtype=int)
    kept = np.asarray(Image.open(first_views.FOLDER / turning.SHEET), dtype=int)
    assert np.abs(fresh - kept).max() <= 1, AGAIN  # a value between two levels may be rounded to either


def test_the_proof_is_one_and_is_shown_rounded_down(stored):
    proof = kept_proof()
    assert proof.verify() and proof.complete and proof.class_name == stored["proved"] == stored["truth"]
    assert stored["reach"] == float(rounded_down(proof.reach)) <= proof.reach
    assert stored["proof"] == {name: getattr(proof, name) for name in stored["proof"]}
    classifier = load_classifier(stored["network"])
    image = load_dataset("digits", shape=classifier.input_shape).image(int(stored["image"].partition(":")[2]))
    assert (proof.classifier_fingerprint, proof.image_sha256) == (classifier.fingerprint, image_digest(image)), AGAIN


@pytest.mark.slow
def test_the_proof_is_that_of_a_fresh_run(stored):
    fresh, proof = make.certificate(), kept_proof()
    assert fresh.class_name == proof.class_name and fresh.reach == pytest.approx(proof.reach, abs=1)
    first = min(fresh.sizes[0], proof.sizes[0])
    assert fresh.radii[:first] == pytest.approx(proof.radii[:first], rel=1e-3)


def test_start_says_what_is_stored(stored):
    app = visit("explore/start.py", {})
    assert_healthy(app)
    shown = texts(app)
    alone = sum(answer != stored["truth"] for answer in stored["alone"])
    assert f"wrong at **{alone}** of 360 angles" in shown and "at **360** of 360 angles" in shown
    assert f"less than **{stored['reach']:.3g}°**" in shown and "STORED" in shown
    (component,) = [one for one in app.get("bidi_component") if one.key == "turning"]
    given = json.loads(component.proto.bytes)
    assert (given["alone"], given["voted"], given["reach"]) == (stored["alone"], stored["voted"], stored["reach"])


# ------------------------------------------------------------------------------------------------------------- stored results


def test_certify_shows_the_stored_certificate_until_run_is_pressed():
    app = visit("explore/certify.py", {})
    assert_healthy(app)
    run = app.session_state["certify_run"]
    assert run.stored and run.certificate.verify() and "STORED" in texts(app)
    assert app.button(key="certify_start").label == "Run"
    kept = run.certificate
    app.button(key="certify_start").click().run(timeout=120)
    assert_healthy(app)
    live = app.session_state["certify_run"]
    assert not live.stored and live.status == "done" and "STORED" not in texts(app)
    assert live.certificate.label == kept.label and live.certificate.accepted == kept.accepted, AGAIN
    assert np.median(live.certificate.radii) == pytest.approx(np.median(kept.radii), rel=0.02), AGAIN


def test_votes_shows_the_stored_vote_until_run_is_pressed():
    app = visit("explore/votes.py", {})
    assert_healthy(app)
    kept = app.session_state["votes_run"]
    assert kept.stored and kept.certificate.verify() and "STORED" in texts(app)
    app.segmented_control(key="pace").set_value("fast").run()
    app.button(key="again").click().run()
    assert_healthy(app)
    live = app.session_state["votes_run"]
    assert not live.stored and "STORED" not in texts(app)
    assert np.abs(np.subtract(live.certificate.counts, kept.certificate.counts)).max() <= TIPPED, AGAIN
    assert live.estimation.points.equal(kept.estimation.points)


@pytest.mark.parametrize(
    ("page", "parameters"),
    [
        ("certify", {"rotation_limit": "5", "seed": "1"}),
        ("certify", {"rotation_limit": "5", "digits_image": "3"}),
        ("votes", {"seed": "1", "pace": "fast"}),
        ("votes", {"angle": "24.5", "pace": "fast"}),
        ("votes", {"classifier": "mnist-plain", "pace": "fast"}),
    ],
)
def test_other_settings_are_computed(page, parameters):
    app = visit(f"explore/{page}.py", parameters, timeout=120)
    assert_healthy(app)
    assert not app.session_state[f"{page}_run"].stored and "STORED" not in texts(app)


class Asked:
    """A request: what a stored result is looked up by."""

    def __init__(self, file: str) -> None:
        self.classifier = load_classifier("mnist-rotation")
        self.file = stored_results.file_of(file, self.classifier)
        key = json.loads(first_views.read(self.file) or "")["key"]
        assert key[-2:] == [self.classifier.device.type, self.classifier.number_format]
        self.key = tuple(key[:-2])


@pytest.mark.parametrize("file", [stored_votes.NAME, stored_certificate.NAME])
def test_a_stored_result_belongs_to_its_key_alone(file):
    asked = Asked(file)
    assert stored_results.find(file, asked.key, asked.classifier) is not None
    for number, part in enumerate(asked.key):
        changed = (*asked.key[:number], f"{part}?", *asked.key[number + 1 :])
        assert stored_results.find(file, changed, asked.classifier) is None
    assert stored_results.find("nothing", asked.key, asked.classifier) is None


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"format": 0}'])
def test_a_damaged_file_is_as_none(damage, tmp_path, monkeypatch):
    asked = Asked(stored_votes.NAME)
    (tmp_path / asked.file).write_text(damage)
    monkeypatch.setattr(first_views, "FOLDER", tmp_path)
    assert stored_results.find("votes", asked.key, asked.classifier) is None


def test_a_certificate_that_says_more_than_its_evidence_is_not_shown(tmp_path, monkeypatch):
    name = Asked(stored_certificate.NAME).file
    file = json.loads(first_views.read(name) or "")
    file["content"]["radius"] *= 1.5
    (tmp_path / name).write_text(json.dumps(file))
    monkeypatch.setattr(first_views, "FOLDER", tmp_path)
    app = visit("explore/certify.py", {}, timeout=120)
    assert_healthy(app)
    assert not app.session_state["certify_run"].stored


# ---------------------------------------------------------------------------------------------------------------- first views


def test_what_draws_the_first_views_does_not_import_torch():
    """Nor numpy, which takes a tenth of a second: the script that every visit runs, Start, and all that is stored."""
    code = (
        "import sys, pathlib, streamlit as st\n"
        "before = set(sys.modules)\n"
        "from spt.ui.shared import address, core, failures, first_views, gate, restarts\n"
        "from spt.ui.start import page, turning\n"
        "turning.example(), turning._sheet()\n"
        "views = [first_views.View.unpacked((first_views.FOLDER / f'{name}.xz').read_bytes()) for name in first_views.PAGES]\n"
        "assert all(view.messages for view in views)\n"
        "print(sorted({'torch', 'scipy', 'plotly', 'spt.classifiers', 'spt.ui.shared.controls'} & (set(sys.modules) - before)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_what_is_stored_is_small():
    assert sum(file.stat().st_size for file in first_views.FOLDER.iterdir()) < 1_000_000


def test_a_view_is_of_this_network_and_version_only(monkeypatch):
    file = (first_views.FOLDER / "votes.xz").read_bytes()
    assert first_views.View.unpacked(file).messages
    monkeypatch.setattr(first_views, "belongs_to", lambda: "first view of something else\n")
    with pytest.raises(ValueError, match="another network"):
        first_views.View.unpacked(file)


@pytest.fixture
def no_core(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A server whose core is not loaded yet; how often the stored view was shown, by page."""
    shown: list[str] = []
    show = first_views._show
    loaded: list[bool] = []
    monkeypatch.setattr(core, "is_loaded", lambda: bool(loaded))
    monkeypatch.setattr(core, "load", lambda: loaded.append(True))
    monkeypatch.setattr(first_views, "_show", lambda page: shown.append(page) or show(page))
    return shown


def test_the_stored_view_is_shown_once_in_the_default_state(no_core):
    app = visit("explore/certify.py", {})
    assert_healthy(app)
    assert no_core == ["certify"]
    app.run()
    assert no_core == ["certify"] and "first-view" not in str([element.proto for element in app.main])


def test_a_core_that_cannot_be_loaded_is_said_in_one_sentence(no_core, monkeypatch):
    def load() -> None:
        raise ValueError("The explorer cannot be loaded.")

    monkeypatch.setattr(core, "load", load)
    app = visit("explore/certify.py", {})
    assert no_core == ["certify"]
    assert not app.exception and [element.value for element in app.error] == ["The explorer cannot be loaded."]


@pytest.mark.parametrize("parameters", [{"seed": "1", "pace": "fast"}, {"digits_image": "3", "pace": "fast"}])
def test_an_address_with_settings_never_shows_the_default_state_s_view(no_core, parameters):
    assert_healthy(visit("explore/votes.py", parameters))
    assert no_core == []


@pytest.mark.parametrize("variable", first_views.OWN)
def test_a_server_with_settings_of_its_own_has_views_of_its_own(no_core, variable, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, str(tmp_path))
    visit("explore/certify.py", {})
    assert no_core == []


@pytest.mark.parametrize("page", first_views.PAGES)
def test_the_stored_view_is_what_the_page_draws(page):
    fresh, kept = make.recorded(page), first_views.View.unpacked((first_views.FOLDER / f"{page}.xz").read_bytes())
    drawn, stored_ones = (
        [
            (list(message.metadata.delta_path), MessageToDict(message.delta))
            for message in view.messages
            if message.delta.new_element.WhichOneof("type") != "empty"  # some are what a spinner left that was there
        ]
        for view in (fresh, kept)
    )
    assert [path for path, _ in drawn] == [path for path, _ in stored_ones], AGAIN
    for (path, one), (_, other) in zip(drawn, stored_ones, strict=True):
        for where, a, b in differing(one, other, str(path)):
            assert where.endswith(PROCESS_OWN) or alike(a, b), (
                f"{where}: {str(a)[:300]!r} is stored as {str(b)[:300]!r}; {AGAIN}"
            )


def differing(one: Any, other: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """The leaves of two JSON values that are not equal."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from differing(one[name], other[name], f"{where}/{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differing(a, b, f"{where}/{number}")
    elif isinstance(one, str) and isinstance(other, str) and one[:1] == other[:1] == "{":
        yield from differing(json.loads(one), json.loads(other), where)
    elif one != other:
        yield where, one, other


_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")
_SECONDS = re.compile(r"[\d.]+ m?s\b")
_IDENTITY = re.compile(r"\$\$ID-[0-9a-f]{32}")  # of the folder that the explorer is started from


def alike(one: Any, other: Any) -> bool:
    """Equal but for times, numbers within one unit of their third digit, and pixels within one level."""
    if isinstance(one, float | int) and isinstance(other, float | int):
        return bool(np.isclose(one, other, rtol=1e-3, atol=1e-6))
    if not (isinstance(one, str) and isinstance(other, str)):
        return False
    if one.startswith("data:image/png") and other.startswith("data:image/png"):
        a, b = (
            np.asarray(Image.open(io.BytesIO(base64.b64decode(each.partition(",")[2]))), int) for each in (one, other)
        )
        return a.shape == b.shape and int(np.abs(a - b).max()) <= 1
    if len(one) > 200 and re.fullmatch(r"[A-Za-z0-9+/=]+", one):
        return _same_table(base64.b64decode(one), base64.b64decode(other))
    one, other = (_IDENTITY.sub("$$ID", _SECONDS.sub("s", each)) for each in (one, other))
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(np.isclose(float(a.replace(",", "")), float(b.replace(",", "")), rtol=0.011) for a, b in pairs)


def _same_table(one: bytes, other: bytes) -> bool:
    """Arrow tables, or packed 32-bit numbers, that are alike."""
    try:
        tables = [pa.ipc.open_stream(each).read_pandas() for each in (one, other)]
    except pa.ArrowInvalid:
        a, b = (np.frombuffer(each, "<f4") for each in (one, other))
        return len(a) == len(b) and bool(np.allclose(a, b, atol=1e-5))
    first, second = tables
    if list(first.columns) != list(second.columns) or len(first) != len(second):
        return False
    return all(alike(a, b) or a == b for name in first for a, b in zip(first[name], second[name], strict=True))
