"""MNIST and Fashion-MNIST: files in the IDX format."""

import gzip
import math
import struct
import zlib
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


def load_mnist(
    name: str, folder: str, class_names: tuple[str, ...], split: str, download: bool, progress: Progress
) -> Dataset:
    """MNIST's files or those of a data set in its format, in a folder named as torchvision's class for it."""
    raw, prefix = data_folder() / folder / "raw", "train" if split == "train" else "t10k"

    def find(part: str) -> Path:
        plain = raw / f"{prefix}-{part}-ubyte"
        return zipped if not plain.is_file() and (zipped := plain.with_name(plain.name + ".gz")).is_file() else plain

    if download and not (find("images-idx3").is_file() and find("labels-idx1").is_file()):
        download_with_torchvision(name, folder, progress, train=split == "train")
    images, labels = (_read_idx(existing(name, find(part)), n) for part, n in (("images-idx3", 3), ("labels-idx1", 1)))
    arrays = {"images": images, "labels": labels, "class_names": np.array(class_names)}
    return dataset_from_arrays(f"{name} {split}", raw, arrays)


def _read_idx(file: Path, dimensions: int) -> np.ndarray:
    """A file in the IDX format: magic number 0x800 + dimensions, sizes (32 bits each, big-endian), unsigned bytes."""
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        magic, *sizes = struct.unpack(f">{dimensions + 1}I", content[: 4 * dimensions + 4])
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise ValueError(f"{file} cannot be read ({error}); delete it and fetch it again.") from error
    values = np.frombuffer(content, np.uint8, offset=4 * dimensions + 4)
    if magic != 0x800 + dimensions or len(values) != math.prod(sizes):
        raise ValueError(
            f"{file} is damaged: its magic number {magic:#x}, sizes {sizes} and {len(values)} values do not agree; "
            "delete it and fetch it again."
        )
    return values.reshape(sizes)
