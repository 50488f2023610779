"""The start page's live example: a digit that turns by itself, with the answers of f and of g beside it.

Everything is computed once by the real classifiers and cached; the browser only plays it.
"""

import base64
from typing import Any

import numpy as np
import streamlit as st
import torch

from spt.datasets import load_dataset
from spt.images import to_8_bit
from spt.smoothing import SmoothedClassifier
from spt.transforms import Rotation
from spt.ui.shared import cache
from spt.ui.shared.components import component
from spt.ui.shared.controls import where_it_answers

DIGIT, ORDINARY, SMOOTHED = 7, "mnist-plain", "mnist-rotation"
LIMIT, STEP, VOTES, ALPHA, SIGMA = 70, 2, 200, 0.01, 30.0

_turning_digit = component(__file__)


@st.cache_data(show_spinner="A digit is being turned …")
def example(fingerprints: tuple[str, str]) -> dict[str, Any]:
    """The turned digit's frames, f's and g's answers for each ("–" where g abstains), and the heuristic radius at 0°.

    ``fingerprints`` of the two classifiers make the cache forget what other weights answered.
    """
    ordinary, base = cache.classifier(ORDINARY), cache.classifier(SMOOTHED)
    data = load_dataset("digits", shape=base.input_shape)
    image, rotation = data.image(DIGIT), Rotation()
    angles = torch.arange(-LIMIT, LIMIT + STEP, STEP, dtype=torch.float64)
    frames = to_8_bit(rotation(image, angles))
    smoothed = SmoothedClassifier(base, rotation, SIGMA)
    predictions = [smoothed.predict(frame, VOTES, ALPHA, seed=number) for number, frame in enumerate(frames)]
    answers = ordinary.logits(frames).argmax(dim=1).tolist()
    return {
        "frames": base64.b64encode((frames * 255).round().byte().numpy().tobytes()).decode(),
        "angles": np.asarray(angles).tolist(),
        "base": [ordinary.class_names[answer] for answer in answers],
        "smoothed": [prediction.class_name or "–" for prediction in predictions],
        "truth": data.class_names[data.label(DIGIT) or 0],
        "radius": smoothed.certify(image, 100, 1000, ALPHA).radius,
    }


def show() -> None:
    """The turning digit and one sentence on what is seen."""
    shown = example((cache.classifier(ORDINARY).fingerprint, cache.classifier(SMOOTHED).fingerprint))
    _turning_digit(key="turning", data=shown)
    wrong = sum(answer != shown["truth"] for answer in shown["base"])
    held = sum(answer == shown["truth"] for answer in shown["smoothed"])
    total = len(shown["angles"])
    st.caption(
        f"A handwritten {shown['truth']}, turned by up to ±{LIMIT}°. The ordinary network ({ORDINARY}) is wrong at {wrong} of "
        f"{total} angles; the smoothed classifier (votes of {SMOOTHED}, n = {VOTES}) is right at {held}. Violet: the radius that "
        f"BaseSPT reports at 0°, {shown['radius']:.3g}° – a heuristic, not yet a proof. "
        + where_it_answers(cache.classifier(SMOOTHED))
    )
