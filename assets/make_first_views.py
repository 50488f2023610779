"""Makes assets/first_views: what the explorer shows before torch is imported, and results that take long to compute.

    python assets/make_first_views.py [start] [results] [pages]

- start: the turning digit of the page Start (start.json, start.png), and the certificate beside it (proof.json.xz);
- results: what Votes and Certify show at first (votes.json, certify.json), until Run computes it anew;
- pages: the first view of every other page as its script draws it (one .xz each), see `spt.ui.shared.first_views`.

To be run whenever a page, a bundled network or a sample changes: tests/test_first_views.py compares all of it with a fresh
computation, and says so. About two minutes.
"""

from __future__ import annotations

import io
import json
import lzma
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import streamlit as st
import torch
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from spt import DistSPTCells, Rotation, SmoothedClassifier, load_classifier, load_dataset, networks  # noqa: E402
from spt.certificates import CellsCertificate, rounded_down  # noqa: E402
from spt.classifiers import forget_loaded  # noqa: E402
from spt.images import to_8_bit  # noqa: E402
from spt.ui.shared import first_views  # noqa: E402

IMAGE, ALONE, TRAINED = "digits:22", "mnist-plain", "mnist-rotation"
SIGMA, VOTES, VOTE_ALPHA = 40.0, 1000, 0.001
PROOF_SIGMA, PIXEL_SIGMA, LIMIT, ALPHA, SEED = 10.0, 0.07, 30.0, 0.01, 0
CELL_SAMPLES, ALL_SAMPLES = 200, 3000
ANGLES = range(-180, 180)
PROOF = "proof.json.xz"
FRAMES_ACROSS = 20
FORMATS = {"float32": False, "bfloat16": True}
"""What processors are fast with: in bfloat16 only some, see `spt.networks.has_fast_bfloat16`."""
RECORDED = "bfloat16"
_PLAIN = dict.fromkeys(first_views.OWN, "") | {"SPT_DATA": "no data set here"}
"""A server without settings of its own."""


def write(name: str, content: str | bytes) -> None:
    """A file of the folder."""
    first_views.FOLDER.mkdir(exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    (first_views.FOLDER / name).write_bytes(data)
    print(f"{name}: {len(data):,} bytes")


@contextmanager
def computing_in(number_format: str) -> Iterator[None]:
    """Networks compute in these numbers, whatever this processor is fast with; nothing is in a cache."""
    with patch.object(networks, "has_fast_bfloat16", lambda: FORMATS[number_format]):
        _forget()
        yield
    _forget()


def _forget() -> None:
    forget_loaded()
    st.cache_data.clear()
    st.cache_resource.clear()


# ---------------------------------------------------------------------------------------------------------- the turning digit


def turned() -> torch.Tensor:
    """The digit at every angle of `ANGLES`, in 8 bits: (N, 1, 28, 28)."""
    data = load_dataset("digits", shape=load_classifier(ALONE).input_shape)
    angles = torch.tensor(list(ANGLES), dtype=torch.float64)
    return to_8_bit(Rotation()(data.image(int(IMAGE.partition(":")[2])), angles))


def answers_alone(network: str) -> list[str]:
    """What a network answers for each of them by itself."""
    classifier = load_classifier(network)
    return [classifier.class_names[int(label)] for label in classifier.logits(turned()).argmax(dim=1)]


def vote(network: str, frame: int) -> tuple[str, int]:
    """The answer of PREDICT for one of them ("–" where it abstains), and how many votes the class with most of them has."""
    smoothed = SmoothedClassifier(load_classifier(network), Rotation(), SIGMA)
    prediction = smoothed.predict(turned()[frame], VOTES, VOTE_ALPHA, seed=frame)
    return prediction.class_name or "–", max(prediction.counts)


def certificate() -> CellsCertificate:
    """The proof beside it, of a vote of the same network."""
    classifier = load_classifier(ALONE)
    image = load_dataset("digits", shape=classifier.input_shape).image(int(IMAGE.partition(":")[2]))
    return DistSPTCells(classifier, Rotation(), PROOF_SIGMA, PIXEL_SIGMA, LIMIT).certify(
        image, 100, n_cell=CELL_SAMPLES, n_total=ALL_SAMPLES, alpha=ALPHA, seed=SEED
    )


def sprite(frames: torch.Tensor) -> bytes:
    """All frames as one PNG, `FRAMES_ACROSS` in a row."""
    pixels = (frames[:, 0] * 255).round().byte().numpy()
    rows = len(pixels) // FRAMES_ACROSS
    sheet = pixels.reshape(rows, FRAMES_ACROSS, 28, 28).transpose(0, 2, 1, 3).reshape(rows * 28, FRAMES_ACROSS * 28)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(sheet)).save(file, "PNG", optimize=True)
    return file.getvalue()


def make_start() -> None:
    """The turning digit."""
    with computing_in(RECORDED):
        _make_start()


def _make_start() -> None:
    data = load_dataset("digits")
    voted = [vote(ALONE, frame) for frame in range(len(ANGLES))]
    proof = certificate()
    assert proof.label is not None and proof.verify()
    found = {
        "image": IMAGE,
        "truth": data.class_names[data.label(int(IMAGE.partition(":")[2])) or 0],
        "angles": list(ANGLES),
        "network": ALONE,
        "fingerprint": load_classifier(ALONE).fingerprint,
        "alone": answers_alone(ALONE),
        "voted": [answer for answer, _ in voted],
        "votes": [count for _, count in voted],
        "n": VOTES,
        "alpha": VOTE_ALPHA,
        "sigma": SIGMA,
        "trained": TRAINED,
        "trained_alone": answers_alone(TRAINED),
        "proved": proof.class_name,
        "reach": float(rounded_down(proof.reach)),
        "proof": {name: getattr(proof, name) for name in ("parameter_sigma", "pixel_sigma", "alpha")},
    }
    write("start.json", json.dumps(found, ensure_ascii=False, separators=(",", ":")))
    write("start.png", sprite(turned()))
    write(PROOF, lzma.compress(proof.to_json().encode(), preset=9))


# ------------------------------------------------------------------------------------------------------------ the pages' runs


def state_after_visit(page: str) -> Any:
    """The session's state after a page was opened in its default state, with nothing stored."""
    from tests.pages import assert_healthy, visit

    with patch.object(first_views, "FOLDER", Path("nothing is stored here")), patch.dict(os.environ, _PLAIN):
        app = visit(f"explore/{page}.py", {}, timeout=300, unfolded=False)
    assert_healthy(app)
    return app.session_state


def make_results() -> None:
    """The default runs of Votes and Certify, in both kinds of numbers that processors are fast with."""
    for number_format in FORMATS:
        with computing_in(number_format):
            _make_results()


def _make_results() -> None:
    from spt.ui.certify import stored as stored_certificate
    from spt.ui.shared import stored_results
    from spt.ui.votes import stored as stored_votes

    network = load_classifier(TRAINED)
    vote_run = state_after_visit("votes")["votes_run"]
    names = ("selection", "estimation", "prediction", "certificate")
    found = stored_votes.StoredVotes(**{name: getattr(vote_run, name) for name in names})  # type: ignore[typeddict-item]
    write(stored_results.file_of(stored_votes.NAME, network), stored_votes.as_text(vote_run.key, network, found))
    run = state_after_visit("certify")["certify_run"]
    write(
        stored_results.file_of(stored_certificate.NAME, network),
        stored_certificate.as_text(run.key, network, run.certificate),
    )


# --------------------------------------------------------------------------------------------------------- the pages' first views


@contextmanager
def watched() -> Iterator[tuple[list[Any], dict[str, tuple[bytes, str]]]]:
    """While a page runs in AppTest: the messages that it sends to the browser, and the files that these name."""
    from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
    from streamlit.testing.v1 import app_test, local_script_runner

    messages: list[Any] = []
    files: dict[str, tuple[bytes, str]] = {}
    parse = local_script_runner.parse_tree_from_messages

    def noted(sent: Any) -> Any:
        messages[:] = sent
        return parse(sent)

    class Storage(MemoryMediaFileStorage):
        def load_and_get_id(self, path_or_data: Any, mimetype: str, *others: Any) -> str:
            number = super().load_and_get_id(path_or_data, mimetype, *others)
            if isinstance(path_or_data, bytes):
                files[self.get_url(number)] = (path_or_data, mimetype)
            return number

    with (
        patch.object(local_script_runner, "parse_tree_from_messages", noted),
        patch.object(app_test, "MemoryMediaFileStorage", Storage),
    ):
        yield messages, files


def recorded(page: str) -> first_views.View:
    """The first view of a page, as its script draws it in the default state on a server that nobody has visited."""
    from tests.pages import assert_healthy, visit

    with computing_in(RECORDED), watched() as (messages, files), patch.dict(os.environ, _PLAIN):
        app = visit(f"explore/{page}.py", {}, timeout=300, unfolded=False)
    assert_healthy(app)
    return first_views.View.of(messages, files)


def make_pages() -> None:
    """The first views of all pages but Start."""
    for page in first_views.PAGES:
        write(f"{page}.xz", recorded(page).packed())


PARTS: dict[str, Callable[[], None]] = {"start": make_start, "results": make_results, "pages": make_pages}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
    print(f"together {sum(file.stat().st_size for file in first_views.FOLDER.iterdir()):,} bytes")
