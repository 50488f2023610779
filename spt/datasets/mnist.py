"""MNIST and Fashion-MNIST: files in the IDX format, and whether they are the published ones."""

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spt.datasets.arrays import dataset_from_arrays
from spt.datasets.dataset import Dataset
from spt.datasets.storage import data_folder, download_with_torchvision, existing
from spt.progress import Progress

FASHION_MNIST_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


# Git's object ids (git hash-object) of the published files, unpacked: a file is told from the other data set's by what is
# in it, however it was zipped again.
PUBLISHED: Mapping[str, tuple[str, str]] = {
    "bbce27659e0fc2b7ed2a64c127849380a477099b": ("MNIST", "train-images-idx3"),
    "d6b4c5db3b52063d543fb397aede09aba0dc5234": ("MNIST", "train-labels-idx1"),
    "1170b2cae98de7a524b163fcc379ac8f00925b12": ("MNIST", "t10k-images-idx3"),
    "d1c3a970612bbd2df47a3c0697f82bd394abc450": ("MNIST", "t10k-labels-idx1"),
    "ff2f5a96367a3c1656f09c93649f07143ff8b11e": ("FashionMNIST", "train-images-idx3"),
    "30424ca2ea876655f5bba14f9f07132769687975": ("FashionMNIST", "train-labels-idx1"),
    "37bac79bc6f002d965f363e0b20514904504a4d9": ("FashionMNIST", "t10k-images-idx3"),
    "2195a4d0957e013db98d03e51697e2315816cce2": ("FashionMNIST", "t10k-labels-idx1"),
}

_ids: dict[tuple[str, int, int], str] = {}  # by path, size and time of change


def load_mnist(
    name: str, folder: str, class_names: tuple[str, ...], split: str, download: bool, progress: Progress
) -> Dataset:
    """MNIST's files or those of a data set in its format, in a folder named as torchvision's class for it.

    The name of the data set says so if they are not the published ones. Raises ValueError if files are missing or damaged,
    or if one is a published file of the other data set or split.
    """
    raw, prefix = data_folder() / folder / "raw", "train" if split == "train" else "t10k"

    def find(part: str) -> Path:
        plain = raw / f"{prefix}-{part}-ubyte"
        return zipped if not plain.is_file() and (zipped := plain.with_name(plain.name + ".gz")).is_file() else plain

    if download and not (find("images-idx3").is_file() and find("labels-idx1").is_file()):
        download_with_torchvision(name, folder, progress, train=split == "train")
    arrays, others = {"class_names": np.array(class_names)}, []
    for key, part, dimensions in (("images", "images-idx3", 3), ("labels", "labels-idx1", 1)):
        file = existing(name, find(part))
        content = _content(file)
        published = PUBLISHED.get(_object_id(file, content))
        if published is None:
            others.append(key)
        elif published != (folder, f"{prefix}-{part}"):
            raise ValueError(
                f"{file} is not what its name says but {published[0]}'s {published[1]}; move it to "
                f"{data_folder() / published[0] / 'raw'} and give it that name, and put {folder}'s own file here."
            )
        arrays[key] = _read_idx(file, content, dimensions)
    what = f" (not the published {others[0] if len(others) == 1 else 'files'})" if others else ""
    return dataset_from_arrays(f"{name} {split}{what}", raw, arrays)


def _content(file: Path) -> bytes:
    """What is in a file, unpacked."""
    try:
        return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{file} cannot be read ({error}); delete it and fetch it again.") from error


def _object_id(file: Path, content: bytes) -> str:
    """Git's object id of a file's content, computed once in a process until the file changes."""
    facts = file.stat()
    key = (str(file.resolve()), facts.st_size, facts.st_mtime_ns)
    if key not in _ids:
        digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
        digest.update(content)
        _ids[key] = digest.hexdigest()
    return _ids[key]


def _read_idx(file: Path, content: bytes, dimensions: int) -> np.ndarray:
    """A file in the IDX format: magic number 0x800 + dimensions, sizes (32 bits each, big-endian), unsigned bytes."""
    try:
        magic, *sizes = struct.unpack(f">{dimensions + 1}I", content[: 4 * dimensions + 4])
    except struct.error as error:
        raise ValueError(f"{file} cannot be read ({error}); delete it and fetch it again.") from error
    values = np.frombuffer(content, np.uint8, offset=4 * dimensions + 4)
    if magic != 0x800 + dimensions or len(values) != math.prod(sizes):
        raise ValueError(
            f"{file} is damaged: its magic number {magic:#x}, sizes {sizes} and {len(values)} values do not agree; "
            "delete it and fetch it again."
        )
    return values.reshape(sizes)
