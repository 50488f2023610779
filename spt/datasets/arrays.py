"""Data sets from .npz files and other arrays, with every mistake in them named."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from spt.datasets.dataset import Dataset

MAX_NPZ_BYTES = 4_000_000_000  # unpacked
MAX_CLASSES = 100_000


def load_npz(path: Path) -> Dataset:
    """A data set from a .npz file; nothing in it is unpickled.

    Keys: ``images``, uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3); ``labels``, whole numbers (N,) from 0;
    ``class_names``, strings, one for each class (by default "0", "1", ...); ``bit_exact``, booleans (N,), False for
    images that are lossy copies of the data set's own, which their captions then say. Other keys are ignored. Raises
    ValueError, one sentence, if it is not so.
    """
    return dataset_from_arrays(path.stem, path, read_npz(path, ("images", "labels")))


def read_npz(path: Path, required: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays that `load_npz` knows. Raises ValueError if a required one is missing or one is no plain array."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_NPZ_BYTES:
            raise ValueError(f"it unpacks to {size / 1e9:.1f} GB, and at most {MAX_NPZ_BYTES / 1e9:.0f} GB are read")
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in required if name not in file.files]
            if missing:
                raise ValueError(f"it has no {' and no '.join(missing)}, only {', '.join(file.files) or 'nothing'}")
            return {name: file[name] for name in ("images", "labels", "class_names", "bit_exact") if name in file.files}
    except Exception as error:  # what numpy and zipfile raise on hostile bytes is open-ended
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        reason += "; save numbers and strings as arrays of their own type" if "Object arrays" in reason else ""
        raise ValueError(f"{path} cannot be read as a data set of plain arrays: {reason}.") from error


def dataset_from_arrays(name: str, path: Path, arrays: Mapping[str, np.ndarray]) -> Dataset:
    """A data set from the arrays described at `load_npz`, which came from that file."""
    images, labels = arrays["images"], arrays["labels"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise ValueError(
            f"The images in {path} must be uint8 of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), "
            f"but are {images.dtype} {images.shape}; scale values to 0..255 and put channels last."
        )
    if 0 in images.shape:
        raise ValueError(f"There are no images in {path}: their shape is {images.shape}.")
    count = len(images)
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise ValueError(
            f"The labels in {path} must be {count} whole numbers, one for each image, "
            f"but are {labels.dtype} {labels.shape}; save them as integers, with labels.astype(int)."
        )
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        raise ValueError(
            f"The labels in {path} must count from 0, but go from {labels.min()} to {labels.max()}; leave out what has no class."
        )
    names = arrays.get("class_names", np.arange(int(labels.max()) + 1).astype(str))
    if names.dtype.kind != "U" or names.ndim != 1 or len(names) <= labels.max():
        raise ValueError(
            f"The class_names in {path} must be {labels.max() + 1} strings or more, one for each class, "
            f"but are {names.dtype} {names.shape}; save them with np.array([...], dtype=str)."
        )
    exact = arrays.get("bit_exact", np.ones(count, dtype=bool))
    if exact.dtype != bool or exact.shape != (count,):
        raise ValueError(f"bit_exact in {path} must be {count} booleans, but is {exact.dtype} {exact.shape}.")
    notes = {int(i): "lossy copy of the original" for i in np.flatnonzero(~exact)}
    pictures = images if images.ndim == 4 else images[..., None]
    return Dataset(name, tuple(names.tolist()), pictures, labels.astype(np.int64), notes=notes)
