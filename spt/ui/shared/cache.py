"""Cached access to classifiers, data sets and pictures, and the gate around heavy work.

Cache keys are plain values: names, SHA-256 digests, numbers. Images and classifiers are passed as underscore arguments,
because Streamlit hashes large arrays from a sample only.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from spt import own_files
from spt.classifiers import Classifier, bundled_classifiers, load_classifier
from spt.datasets import DATASETS, Dataset, load_dataset
from spt.images import decode_image, fit_image
from spt.response import response
from spt.transforms import Transform

OWN_CLASSIFIERS_VARIABLE = "SPT_CLASSIFIER"
OWN_DATASETS_VARIABLE = "SPT_DATASET"
HEAVY_RUNS_AT_ONCE = 2


def classifier_names() -> list[str]:
    """The bundled classifiers and those that the environment variable SPT_CLASSIFIER names (separated by commas)."""
    return [*bundled_classifiers(), *_setting(OWN_CLASSIFIERS_VARIABLE)]


def dataset_names() -> list[str]:
    """The known data sets and those that the environment variable SPT_DATASET names: folders or .npz files."""
    return [*DATASETS, *_setting(OWN_DATASETS_VARIABLE)]


def _setting(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def classifier(name: str) -> Classifier:
    """The classifier of that name, on the GPU if there is one; a person's own file anew whenever it was edited."""
    return _classifier(name, own_files.stamp(name) if own_files.is_own(name) else ())


@st.cache_resource(show_spinner="Loading the classifier …", max_entries=8)
def _classifier(name: str, stamp: tuple[tuple[str, int, int], ...]) -> Classifier:
    import torch

    return load_classifier(name, "cuda" if torch.cuda.is_available() else "cpu")


@st.cache_resource(show_spinner="Opening the data set …", max_entries=8)
def dataset(name: str, shape: tuple[int, int, int], download: bool) -> Dataset:
    """The test split of a data set with its images fitted to ``shape``."""
    return load_dataset(name, shape=shape, download=download)


@st.cache_resource(show_spinner=False, max_entries=4)
def thumbnails(name: str, count: int) -> list[tuple[Tensor, str]]:
    """All images of a small collection, at most 48 pixels high, with their captions: grey for a file that cannot be read,
    so that the others can still be chosen."""
    shape = (1, 28, 28) if name == "digits" else (3, 48, 48)
    small = load_dataset(name, shape=shape)

    def picture(index: int) -> tuple[Tensor, str]:
        try:
            return small.image(index), small.caption(index)
        except ValueError:
            return torch.full(shape, 0.5), f"{small.caption(index)}: cannot be read"

    return [picture(index) for index in range(count)]


@st.cache_data(show_spinner=False, max_entries=16)
def decoded(sha256: str, shape: tuple[int, int, int], invert: bool, _data: bytes) -> tuple[Tensor, str]:
    """The uploaded picture with that digest as an image of ``shape``, and a remark on how it was read (perhaps empty)."""
    picture, remark = decode_image(_data)
    return fit_image(picture, shape, invert), remark


@st.cache_data(show_spinner=False, max_entries=64)
def responses(
    image_sha256: str,
    fingerprint: str,
    transform_name: str,
    limit: float,
    steps: int,
    _classifier: Classifier,
    _transform: Transform,
    _image: Tensor,
) -> np.ndarray:
    """f's class probabilities on the grid of ``steps`` points an axis: (steps^d, classes)."""
    return np.asarray(response(_classifier, _transform, _image, _transform.grid(limit, steps)))


@st.cache_resource
def _gate() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(HEAVY_RUNS_AT_ONCE)


@contextmanager
def heavy_work() -> Iterator[None]:
    """At most two heavy runs at once on this server; the others wait, and can be stopped while they do."""
    gate = _gate()
    if not gate.acquire(blocking=False):
        waiting = st.empty()
        while not gate.acquire(blocking=False):
            waiting.caption("Waiting for other runs on this server to end …")
            time.sleep(0.1)
        waiting.empty()
    try:
        yield
    finally:
        gate.release()
