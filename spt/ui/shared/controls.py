"""The controls that pages share, in the order of thought: image, classifier, transformation, smoothing, statistics.

Each control's key is its name in the address (`spt.ui.shared.state`), so that a view can be shared and survives a change of page.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from torch import Tensor

from spt.certificates.rounding import computed_in_words
from spt.classifiers import Classifier
from spt.datasets import DATASETS
from spt.images import image_digest
from spt.threat_model import Attacker, Bounding, bounded_transforms
from spt.transforms import TRANSFORMS, Transform
from spt.ui.shared import cache, failures, own_names, own_onnx, own_pictures, pixel_grid, state
from spt.ui.shared.markdown import escape

MOST_IN_GALLERY = 100
MOST_SEED = 2**63 - 1
Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Subject:
    """The image a page is about.

    Attributes:
        image: (C, H, W), fitted to the classifier.
        sha256: its digest.
        label: index of its true class among the classifier's, None if unknown.
        caption: one line on where it comes from.
        reference: what `python -m spt` calls it, None for uploads.
    """

    image: Tensor
    sha256: str
    label: int | None
    caption: str
    reference: str | None


def choose_classifier() -> Classifier:
    """Which base classifier f; stops the page with one sentence if it cannot be loaded."""
    names = cache.classifier_names()
    name = state.select(
        "Classifier f",
        [*names, own_onnx.CHOICE] if own_onnx.most_bytes() else names,
        "mnist-rotation" if "mnist-rotation" in names else names[0],
        words=lambda each: own_onnx.LABEL if each == own_onnx.CHOICE else own_names.label(each),
        named=own_names.label,
        key="classifier",
        help="The base classifier f whose answers are voted on. Your own: choose an ONNX file here, or start the app with the "
        f"environment variable {own_names.CLASSIFIERS}=path/to/file.py (see the README).",
    )
    if name == own_onnx.CHOICE:
        classifier = own_onnx.choose()
    else:
        with failures.in_one_sentence():
            classifier = cache.classifier(name)
    st.caption(where_it_answers(classifier))
    return classifier


def where_it_answers(classifier: Classifier) -> str:
    """On what device and in which numbers f computes: elsewhere it may answer otherwise, which makes it another f."""
    computed = computed_in_words(classifier.device.type, classifier.number_format, classifier.grid)
    return f"Answers on {computed}."


def choose_image(classifier: Classifier, shape_for: Callable[[str], Shape] | None = None) -> Subject:
    """Which image x, from the gallery, a data set, a file or the camera, fitted to the classifier's input, or to the shape
    that ``shape_for`` gives for the chosen source (it may draw a control)."""
    sources = [*cache.dataset_names(), *own_pictures.SOURCES]
    source = state.select(
        "Image x from",
        sources,
        sources[0],
        words=own_names.label,
        named=own_names.label,
        key="source",
        help="Bundled samples (digits, natural), a data set, your own picture (upload, or paste it anywhere), the camera, or a "
        "drawing that you make here. Your own folders and .npz files: start the app with the environment variable "
        f"{own_names.DATASETS} (see the README).",
    )
    own_pictures.listen_to_the_clipboard()
    shape = classifier.input_shape if shape_for is None else shape_for(source)
    try:
        with failures.faults_refused():
            if source in own_pictures.SOURCES:
                image, caption = own_pictures.choose(source, shape)
                return Subject(image, image_digest(image), None, caption, None)
            return _from_dataset(source, classifier, shape)
    except ValueError as error:
        st.error(failures.sentence(error))
        if source in DATASETS and DATASETS[source].downloadable and st.button("Download it now", key="download"):
            _download(source, shape)
        state.stop()


def _from_dataset(name: str, classifier: Classifier, shape: Shape) -> Subject:
    data = cache.dataset(name, shape, download=False)
    key = image_key(name)
    index = state.number(
        f"Image number (0 to {len(data) - 1})",
        0,
        len(data) - 1,
        min(7, len(data) - 1),
        key=key,
        help="Which image of the collection, counted from 0.",
    )
    if len(data) <= MOST_IN_GALLERY:
        thumbnails = cache.thumbnails(name, len(data))
        pixel_grid.show_gallery(f"gallery_{key}", thumbnails, index, lambda chosen: state.set(**{key: chosen}))
    image, caption = cache.image(name, data, index)
    label = data.label_among(index, classifier.class_names)
    return Subject(image, image_digest(image), label, caption, f"{name}:{index}")


def image_key(name: str) -> str:
    """The key, and the name in the address, of the image number of a data set: the last part of its name, with a digest of
    all of it where another that can be chosen ends alike."""
    last = Path(name).name
    alike = {other for other in cache.dataset_names() if Path(other).name == last} - {name}
    if name in DATASETS or not alike:
        return f"{last}_image"
    return f"{last}-{hashlib.sha256(name.encode()).hexdigest()[:8]}_image"


def _download(name: str, shape: Shape) -> None:
    with failures.in_one_sentence(), st.spinner(f"Downloading {name} …"):
        cache.dataset(name, shape, download=True)
    cache.dataset.clear()
    st.rerun()


def choose_transform(classifier: Classifier, bounded: Bounding | None = None) -> Transform:
    """Which transformation T; ``bounded``: only those for which there is that bound."""
    name = state.choose(
        "Transformation T",
        bounded_transforms(bounded) if bounded else tuple(TRANSFORMS),
        "rotation",
        key="transform",
        help="The family of transformations that an attacker applies and that the votes are smoothed over.",
    )
    transform = TRANSFORMS[name]
    if classifier.transform not in (None, transform.name):
        st.caption(f"⚠ {escape(classifier.name)} was trained for {classifier.transform}.")
    return transform


def choose_parameters(transform: Transform) -> tuple[float, ...]:
    """The attack parameters gamma: one slider each."""
    return tuple(
        state.slider(
            f"Attack: {pixel_grid.SAID[parameter.name].lower()} {parameter.symbol}, in {parameter.unit}",
            -parameter.limit,
            parameter.limit,
            _FIRST_VALUES.get(parameter.name, 0.0),
            parameter.step,
            key=parameter.name,
            help=f"The transformation {parameter.symbol} of the attacker; 0 changes nothing. "
            + (
                "Arrow keys move it by 1°, with Shift by 0.1°."
                if parameter.unit == "°"
                else "Arrow keys move it by one step."
            ),
        )
        for parameter in transform.parameters
    )


_FIRST_VALUES = {"angle": 25.0, "dx": 1.0, "scale": 10.0, "shear": 10.0, "brightness": 20.0, "contrast": -40.0}


@dataclass(frozen=True)
class Smoothing:
    """The noise of the smoothed classifier: parameter_sigma in the transformation's unit, pixel_sigma for [0, 1]."""

    parameter_sigma: float
    pixel_sigma: float


def choose_parameter_sigma(transform: Transform, what: str, *, from_zero: bool = False) -> float:
    """The standard deviation of the smoothing in the transformation's unit, ``from_zero`` or from one step on; ``what`` is drawn
    with it, in words."""
    first = transform.parameters[0]
    return state.slider(
        f"Smoothing noise σ_γ, in {' and '.join(dict.fromkeys(each.unit for each in transform.parameters))}",
        0.0 if from_zero else first.step,
        first.limit / 2,
        first.default_sigma,
        first.step,
        key=f"{transform.name}_sigma",
        help=what,
    )


def choose_attacker(what: str) -> Attacker:
    """Whether the attacked image is rounded; ``what`` that means, in words."""
    chosen = state.choose("Attacker", ("8-bit", "exact"), "8-bit", key="attacker", help=what)
    return "exact" if chosen == "exact" else "8-bit"


def choose_smoothing(transform: Transform) -> Smoothing:
    """The noise that g is smoothed with."""
    sigma = choose_parameter_sigma(transform, "Each vote transforms the received image by β ~ N(0, σ_γ²) once more.")
    pixel_sigma = state.slider(
        "Strength of the pixel noise σ_ε",
        0.0,
        1.0,
        0.0,
        0.05,
        key="pixel_sigma",
        help="Standard deviation of Gaussian noise added to every pixel after preprocessing; images lie in [0, 1].",
    )
    return Smoothing(sigma, pixel_sigma)


@dataclass(frozen=True)
class Statistics:
    """What a run costs and how sure it is."""

    n0: int
    n: int
    alpha: float
    seed: int


def choose_statistics() -> Statistics:
    """n, and behind "Advanced" n0, alpha and the seed."""
    n = state.pick(
        "Number of votes n",
        [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000],
        1000,
        key="n",
        help="Votes that the bound rests on. More votes: a tighter bound and a larger radius.",
    )
    with st.expander("Advanced"):
        n0, alpha, seed = choose_selection_level_seed("Each statement", "votes")
    return Statistics(n0, n, alpha, seed)


def choose_selection_level_seed(what: str, drawn: str) -> tuple[int, float, int]:
    """n0, alpha and the seed; ``what`` may be wrong, and what the seed draws, in words."""
    n0 = state.number(
        "Selection votes n₀",
        1,
        10000,
        100,
        key="n0",
        help="Other votes, used only to choose the class that is then certified.",
    )
    alpha = state.number(
        "Failure probability α",
        0.0001,
        0.5,
        0.01,
        0.001,
        format="%g",
        key="alpha",
        help=f"{what} is wrong with probability at most α over the sampling.",
    )
    return n0, alpha, choose_seed(f"The same seed gives the same {drawn}.")


def choose_seed(what: str) -> int:
    """The seed of all random numbers; ``what`` it decides, in words."""
    return state.typed_number("Seed", 0, MOST_SEED, 0, key="seed", help=what)


def choose_range(transform: Transform, what: str, both: str) -> tuple[float, float]:
    """The two ends of Gamma, for every parameter, and what Gamma is in words (``both``: added where there are two
    parameters); of a single point the page stops with one sentence."""
    rotates, unit = transform.dimensions == 1, transform.unit
    most, usual = (180.0, 30.0) if rotates else (4.0, 2.0)
    low, high = state.range_slider(
        f"Attack range Γ, in {unit}",
        -most,
        most,
        (-usual, usual),
        1.0 if rotates else 0.5,
        key="interp_range" if rotates else "interp_range_px",
        help=what + ("." if rotates else f", {both}."),
    )
    if low == high:
        st.error("Γ is a single point: drag its two ends apart.")
        state.stop()
    return low, high
