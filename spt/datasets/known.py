"""The data sets that have names, and `load_dataset`, which finds these and a person's own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from spt.bundled import bundled
from spt.datasets.arrays import load_npz
from spt.datasets.cifar10 import load_cifar10
from spt.datasets.dataset import Dataset, Shape
from spt.datasets.folders import load_class_folders
from spt.datasets.gtsrb import load_gtsrb
from spt.datasets.imagenet import load_imagenet_samples
from spt.datasets.mnist import FASHION_MNIST_CLASSES, load_mnist
from spt.progress import Progress, silent

SAMPLES_FOLDER = bundled("assets") / "samples"

Loader = Callable[[str, bool, Progress], Dataset]


@dataclass(frozen=True)
class Source:
    """A data set that `load_dataset` knows by name: what it is, its splits, and whether it can be downloaded."""

    title: str
    splits: tuple[str, ...]
    downloadable: bool
    load: Loader


def load_dataset(
    name: str | Path,
    split: str = "test",
    shape: Shape | None = None,
    download: bool = False,
    progress: Progress = silent,
) -> Dataset:
    """The data set of that name (see `DATASETS`), or that folder of pictures, or that .npz file.

    Args:
        name: a key of `DATASETS`; or a folder with one folder of pictures for each class (if it has folders ``train``
            and ``test`` or ``val``, the class folders are in there, see `spt.datasets.folders.load_class_folders`); or a
            .npz file, see `load_npz`.
        split: "train" or "test". A .npz file and a folder without such folders have one set for both. The name of the
            data set says which folder was read.
        shape: (C, H, W) for every image, see `spt.images.fit_image`; None leaves them as they are.
        download: fetch a data set that is not in `data_folder()` yet, through torchvision (MNIST 12 MB,
            Fashion-MNIST 31 MB, CIFAR-10 170 MB, GTSRB 280 MB).
        progress: tqdm-shaped callable over files; silent by default.

    Raises ValueError, one sentence, for an unknown name, a split that it does not have, and files that are missing
    or not as they should be.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', but is {split!r}.")
    try:
        dataset = _find(name, split, download, progress)
    except OSError as error:
        raise ValueError(f"{error.filename or name} cannot be read ({error.strerror or error}).") from error
    return dataset if shape is None else replace(dataset, shape=shape)


def _find(name: str | Path, split: str, download: bool, progress: Progress) -> Dataset:
    """What `load_dataset` loads, with pictures as they are. Raises ValueError as that does, or OSError."""
    source = DATASETS.get(str(name))
    if source is not None:
        if split not in source.splits:
            raise ValueError(f"{name} has no {split!r} split, only {', '.join(map(repr, source.splits))}.")
        return source.load(split, download, progress)
    if str(name) and Path(name).is_dir():
        return load_class_folders(Path(name), split)
    if Path(name).suffix.lower() == ".npz" and Path(name).is_file():
        return load_npz(Path(name))
    raise ValueError(
        f"There is no data set {str(name)!r}; known are {', '.join(DATASETS)}, "
        "and paths of .npz files and of folders with one folder of pictures for each class."
    )


def _load_digits(split: str, download: bool, progress: Progress) -> Dataset:
    return replace(load_npz(SAMPLES_FOLDER / "digits.npz"), name="digits")


def _load_natural(split: str, download: bool, progress: Progress) -> Dataset:
    listed = SAMPLES_FOLDER / "natural.json"
    try:
        samples = json.loads(listed.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{listed} is damaged: it is no JSON; restore it.") from error
    class_names = tuple(sorted({sample["label"] for sample in samples} - {None}))
    return Dataset(
        "natural",
        class_names,
        [SAMPLES_FOLDER / sample["file"] for sample in samples],
        [None if sample["label"] is None else class_names.index(sample["label"]) for sample in samples],
        notes={i: "{title}; by {author}; {licence}".format(**sample) for i, sample in enumerate(samples)},
        aliases={i: sample["cifar10"] for i, sample in enumerate(samples) if sample["cifar10"]},
    )


_load_digit_mnist = partial(load_mnist, "mnist", "MNIST", tuple("0123456789"))
_load_fashion_mnist = partial(load_mnist, "fashion-mnist", "FashionMNIST", FASHION_MNIST_CLASSES)

DATASETS: Mapping[str, Source] = {
    "digits": Source("Handwritten digits, 28x28 grey, bundled", ("test",), False, _load_digits),
    "natural": Source("Photographs, 320x320 RGB, bundled", ("test",), False, _load_natural),
    "mnist": Source("MNIST digits, 28x28 grey", ("train", "test"), True, _load_digit_mnist),
    "fashion-mnist": Source("Fashion-MNIST clothing, 28x28 grey", ("train", "test"), True, _load_fashion_mnist),
    "cifar10": Source("CIFAR-10, 32x32 RGB", ("train", "test"), True, load_cifar10),
    "gtsrb": Source("GTSRB traffic signs, 32x32 RGB", ("train", "test"), True, load_gtsrb),
    "imagenet-samples": Source("ImageNet, one photograph of a class, RGB", ("test",), False, load_imagenet_samples),
}
