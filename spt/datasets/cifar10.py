"""CIFAR-10, in torchvision's layout or as .npz files and mosaics."""

from pathlib import Path

import numpy as np

from spt.datasets.arrays import dataset_from_arrays, read_npz
from spt.datasets.dataset import Dataset
from spt.datasets.storage import data_folder, download_with_torchvision, existing
from spt.images import read_image
from spt.progress import Progress


def load_cifar10(split: str, download: bool, progress: Progress) -> Dataset:
    """A split of CIFAR-10. Raises ValueError if its files are missing or damaged."""
    original, folder = data_folder() / "cifar-10-batches-py", data_folder() / "cifar10"
    npz = folder / ("test.npz" if split == "test" else "train_labels.npz")
    if download and not npz.is_file() and not original.is_dir():
        download_with_torchvision("cifar10", "CIFAR10", progress)
    if original.is_dir():
        from torchvision.datasets import CIFAR10

        try:  # checks the MD5 of all its files before it unpickles one
            data = CIFAR10(str(data_folder()), train=split == "train")
        except RuntimeError as error:
            raise ValueError(f"{original} is incomplete or damaged; delete it and fetch it again.") from error
        arrays = {"images": data.data, "labels": np.array(data.targets), "class_names": np.array(data.classes)}
        return dataset_from_arrays(f"cifar10 {split}", original, arrays)
    if not folder.is_dir():
        existing("cifar10", original)
    arrays = read_npz(existing("cifar10", npz), ("images", "labels") if split == "test" else ("labels",))
    if split == "train":
        files = [folder / "train" / f"{number:02}.webp" for number in range(len(arrays["labels"]) // 1000)]
        steps = progress(files, desc="Reading cifar10", total=len(files))
        arrays["images"] = np.concatenate([_read_mosaic(existing("cifar10", file)) for file in steps])
    return dataset_from_arrays(f"cifar10 {split}", npz, arrays)


def _read_mosaic(file: Path) -> np.ndarray:
    """The 1000 tiles of a picture of 25 rows of 40 tiles: uint8 (1000, 32, 32, 3)."""
    pixels = np.asarray(read_image(file))
    if pixels.shape != (800, 1280, 3):
        raise ValueError(f"{file} must be an RGB picture of 1280 x 800 pixels, but its array is {pixels.shape}.")
    return pixels.reshape(25, 32, 40, 32, 3).swapaxes(1, 2).reshape(1000, 32, 32, 3)
