"""Cached access to classifiers, data sets and pictures.

Cache keys are plain values: names, SHA-256 digests, numbers. Images and classifiers are passed as underscore arguments,
because Streamlit hashes large arrays from a sample only.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from spt import own_files
from spt.classifiers import Classifier, bundled_classifiers, load_classifier
from spt.classifiers import onnx_classifier as load_onnx
from spt.datasets import DATASETS, Dataset, load_dataset
from spt.images import centre_digit, decode_image, fit_image
from spt.onnx_networks import OnnxDescription, device_here
from spt.onnx_trial import OnnxTrial, try_out
from spt.response import response
from spt.transforms import Transform
from spt.ui.shared import own_names
from spt.ui.shared.gate import has_slot, heavy_work

Found = TypeVar("Found")


def classifier_names() -> list[str]:
    """The bundled classifiers and those that the environment variable SPT_CLASSIFIER names (separated by commas)."""
    return [*bundled_classifiers(), *own_names.named(own_names.CLASSIFIERS)]


def dataset_names() -> list[str]:
    """The known data sets and those that the environment variable SPT_DATASET names: folders or .npz files."""
    return [*DATASETS, *own_names.named(own_names.DATASETS)]


def classifier(name: str) -> Classifier:
    """The classifier of that name, on the GPU if there is one; a person's own file anew whenever it was edited."""
    return _classifier(name, own_files.stamp(name) if own_files.is_own(name) else ())


@st.cache_resource(show_spinner="Loading the classifier …", max_entries=8)
def _classifier(name: str, stamp: tuple[tuple[str, int, int], ...]) -> Classifier:
    return load_classifier(name, device_here() if own_files.is_onnx(name) else _device())


@st.cache_resource(show_spinner="Opening the data set …", max_entries=8)
def dataset(name: str, shape: tuple[int, int, int], download: bool) -> Dataset:
    """The test split of a data set with its images fitted to ``shape``."""
    return load_dataset(name, shape=shape, download=download)


class _NoSlotError(Exception):
    """Something is not in the cache, and has to be computed within the gate."""


def _needs_slot() -> None:
    """Called first by a cached function that decodes pictures: what is in the cache is had without."""
    if not has_slot():
        raise _NoSlotError


def _decoding(cached: Callable[..., Found], *arguments: Any, what: str = "picture") -> Found:
    """What a cached function of files returns; within the gate, if it is not in the cache."""
    try:
        return cached(*arguments)
    except _NoSlotError:
        with heavy_work("short", what):
            return cached(*arguments)


def sha256(data: bytes) -> str:
    """The digest under which what is made of a file is kept."""
    return hashlib.sha256(data).hexdigest()


def onnx_trial(digest: str, shape: tuple[int, ...] | None, most_bytes: int, data: bytes) -> OnnxTrial:
    """How the ONNX file with that digest did in a process of its own, see `spt.onnx_trial`."""
    return _decoding(_onnx_trial, digest, shape, most_bytes, data, what="network")


@st.cache_data(show_spinner="Trying the network …", max_entries=64)
def _onnx_trial(digest: str, shape: tuple[int, ...] | None, most_bytes: int, _data: bytes) -> OnnxTrial:
    _needs_slot()
    return try_out(_data, shape, most_bytes)


def onnx_classifier(name: str, digest: str, description: OnnxDescription, data: bytes) -> Classifier:
    """The network in the ONNX file with that digest, on the GPU if there is one and onnxruntime can use it."""
    return _decoding(_onnx_classifier, name, digest, description.to_toml(), data, what="network")


@st.cache_resource(show_spinner="Loading the network …", max_entries=8)
def _onnx_classifier(name: str, digest: str, description: str, _data: bytes) -> Classifier:
    _needs_slot()
    return load_onnx(name, _data, OnnxDescription.read(description)).to(device_here())


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def thumbnails(name: str, count: int) -> list[tuple[Tensor, str]]:
    """All images of a small collection, at most 48 pixels high, with their captions: grey for a file that cannot be read,
    so that the others can still be chosen."""
    return _decoding(_thumbnails, name, count)


@st.cache_resource(show_spinner=False, max_entries=4)
def _thumbnails(name: str, count: int) -> list[tuple[Tensor, str]]:
    _needs_slot()
    shape = (1, 28, 28) if name == "digits" else (3, 48, 48)
    small = load_dataset(name, shape=shape)

    def picture(index: int) -> tuple[Tensor, str]:
        try:
            return small.image(index), small.caption(index)
        except ValueError:
            return torch.full(shape, 0.5), f"{small.caption(index)}: cannot be read"

    return [picture(index) for index in range(count)]


def image(name: str, data: Dataset, index: int) -> tuple[Tensor, str]:
    """An image of the data set of that name, and its caption; a file is read anew whenever it was edited."""
    source = data.pictures[index]
    if not isinstance(source, Path) or index in data.missing:
        return data.image(index), data.caption(index)
    try:
        facts = source.stat()
    except OSError:
        return data.image(index), data.caption(index)  # which says what is wrong with the file
    return _decoding(_image, name, data.shape, index, str(source), (facts.st_mtime_ns, facts.st_size), data)


@st.cache_data(show_spinner=False, max_entries=16)
def _image(
    name: str, shape: tuple[int, int, int] | None, index: int, file: str, stamp: tuple[int, int], _data: Dataset
) -> tuple[Tensor, str]:
    _needs_slot()
    return _data.image(index), _data.caption(index)


def decoded(
    sha256: str, shape: tuple[int, int, int], invert: bool, data: bytes, centred: bool = False
) -> tuple[Tensor, str]:
    """The uploaded picture with that digest as an image of ``shape``, and a remark on how it was read (perhaps empty);
    ``centred``: as MNIST's digits are."""
    return _decoding(_decoded, sha256, shape, invert, centred, data)


@st.cache_data(show_spinner=False, max_entries=16)
def _decoded(sha256: str, shape: tuple[int, int, int], invert: bool, centred: bool, _data: bytes) -> tuple[Tensor, str]:
    _needs_slot()
    picture, remark = decode_image(_data)
    return fit_image(centre_digit(picture) if centred else picture, shape, invert), remark


@st.cache_data(show_spinner=False, max_entries=64)
def responses(
    image_sha256: str,
    fingerprint: str,
    transform_name: str,
    limit: float | tuple[float, ...],
    steps: int,
    _classifier: Classifier,
    _transform: Transform,
    _image: Tensor,
) -> np.ndarray:
    """f's class probabilities on the grid of ``steps`` points an axis: (steps^d, classes)."""
    return np.asarray(response(_classifier, _transform, _image, _transform.grid(limit, steps)))
