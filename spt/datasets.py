"""Labelled pictures: bundled samples, MNIST and its kin, folders of pictures and .npz files.

`load_dataset` finds the known ones by name in `data_folder()`, which holds any of these layouts:

- ``MNIST/raw`` and ``FashionMNIST/raw``: the IDX files as torchvision unpacks them, or still gzipped (.gz);
- ``cifar-10-batches-py``: CIFAR-10 as torchvision downloads it; or
  ``cifar10/test.npz``, ``cifar10/train_labels.npz`` and ``cifar10/train/00.webp`` ... ``49.webp``: the .npz files as
  described at `load_npz` (the second without images; an optional ``bit_exact``, boolean, says which pictures are the
  original ones), each lossless mosaic 25 rows of 40 tiles, tile k of mosaic s being train picture 1000 s + k;
- ``gtsrb/GTSRB`` and ``gtsrb/GT-final_test.csv`` as torchvision downloads them; or ``gtsrb/test_subset.npz``;
- ``imagenet_samples``: pictures and ``labels.csv`` with columns ``file`` and ``index`` (ImageNet class, 0..999).

Nothing here unpickles, with one exception: torchvision reads its CIFAR-10 files so, after checking their MD5.
"""

import csv
import gzip
import json
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from spt.images import FORMATS, fit_image, image_from_pixels, read_image
from spt.progress import Progress, silent

SAMPLES_FOLDER = Path(__file__).parent.parent / "assets" / "samples"
MAX_NPZ_BYTES = 4_000_000_000  # unpacked
MAX_CLASSES = 100_000
UNKNOWN_LABEL = -100  # in tensors of labels: what torch's losses ignore
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")

Shape = tuple[int, int, int]
Loader = Callable[[str, bool, Progress], "Dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures with labels; files are read when their image is asked for.

    Attributes:
        name: what people see, such as "mnist test".
        class_names: what the labels mean.
        pictures: uint8 (N, H, W, C), or N files.
        labels: for each picture its position in class_names, or None where no class fits.
        shape: (C, H, W) to which `spt.images.fit_image` brings every picture, or None to leave them as they are.
        notes: for some pictures a remark (title, author) that belongs into their caption.
        aliases: for some pictures another name of their class, in another list of classes.
    """

    name: str
    class_names: tuple[str, ...]
    pictures: np.ndarray | Sequence[Path]
    labels: Sequence[int | None] | np.ndarray
    shape: Shape | None = None
    notes: Mapping[int, str] = field(default_factory=dict)
    aliases: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pictures)

    def image(self, index: int) -> Tensor:
        """The image at a position: float32 (C, H, W), values k/255. Raises ValueError if it cannot be read."""
        self._check(index)
        source = self.pictures[index]
        if isinstance(source, Path):
            picture = read_image(source, formats=(*FORMATS, "PPM"))
        else:
            picture = Image.fromarray(source[..., 0] if source.shape[-1] == 1 else source)
        return fit_image(picture, self.shape or (len(picture.getbands()), picture.height, picture.width))

    def label(self, index: int) -> int | None:
        """The class of the image at a position, as a position in class_names; None where no class fits."""
        self._check(index)
        label = self.labels[index]
        return None if label is None else int(label)

    def label_among(self, index: int, class_names: Sequence[str]) -> int | None:
        """The class of the image at a position, as a position in a classifier's class names.

        With the same class names this is `label`; otherwise names are compared letter by letter, aliases too. None
        where the classifier has no class of that name, or two.
        """
        label = self.label(index)
        if tuple(class_names) == self.class_names:
            return label
        names = {self.aliases.get(index), None if label is None else self.class_names[label]}
        found = [position for position, name in enumerate(class_names) if name in names]
        return found[0] if len(found) == 1 else None

    def caption(self, index: int) -> str:
        """One line on the image at a position: data set, number, class and note."""
        label = self.label(index)
        caption = f"{self.name} {index}" if label is None else f"{self.name} {index}: {self.class_names[label]}"
        return f"{caption} ({self.notes[index]})" if index in self.notes else caption

    def batch(self, indices: Iterable[int]) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) and labels (N,), int64, `UNKNOWN_LABEL` where there is none.

        Raises ValueError where images differ in shape: load the data set with a ``shape`` then.
        """
        chosen = list(indices)
        labels = [UNKNOWN_LABEL if (label := self.label(i)) is None else label for i in chosen]
        array = self.pictures if isinstance(self.pictures, np.ndarray) else None
        if array is not None and self.shape in (None, (array.shape[3], *array.shape[1:3])):
            images = image_from_pixels(array[np.array(chosen, dtype=np.int64)])
        else:
            single = [self.image(i) for i in chosen]
            shapes = sorted({tuple(image.shape) for image in single})
            if len(shapes) != 1:
                raise ValueError(
                    f"A batch has images of one shape, but these {len(single)} images of {self.name} have the shapes "
                    f"{shapes}; load the data set with a shape, such as shape=(3, 224, 224)."
                )
            images = torch.stack(single)
        return images, torch.tensor(labels, dtype=torch.int64)

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise ValueError(f"{self.name} has images 0 to {len(self) - 1}, but number {index} was asked for.")


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
            and ``val`` or ``test``, the class folders are in there); or a .npz file, see `load_npz`.
        split: "train" or "test". A .npz file and a folder without such folders have one set for both.
        shape: (C, H, W) for every image, see `spt.images.fit_image`; None leaves them as they are.
        download: fetch a data set that is not in `data_folder()` yet, through torchvision (MNIST 12 MB,
            Fashion-MNIST 31 MB, CIFAR-10 170 MB, GTSRB 280 MB).
        progress: tqdm-shaped callable over files; silent by default.

    Raises ValueError, one sentence, for an unknown name, a split that it does not have, and files that are missing
    or not as they should be.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', but is {split!r}.")
    source = DATASETS.get(str(name))
    if source is not None:
        if split not in source.splits:
            raise ValueError(f"{name} has no {split!r} split, only {', '.join(map(repr, source.splits))}.")
        dataset = source.load(split, download, progress)
    elif str(name) and Path(name).is_dir():
        dataset = _load_folder(Path(name), split)
    elif Path(name).suffix == ".npz" and Path(name).is_file():
        dataset = load_npz(Path(name))
    else:
        raise ValueError(
            f"There is no data set {str(name)!r}; known are {', '.join(DATASETS)}, "
            "and paths of .npz files and of folders with one folder of pictures for each class."
        )
    return dataset if shape is None else replace(dataset, shape=shape)


def data_folder() -> Path:
    """Where data sets are looked for and downloaded to: the environment variable SPT_DATA, else ./data."""
    return Path(os.environ.get("SPT_DATA") or "data")


def load_npz(path: Path) -> Dataset:
    """A data set from a .npz file; nothing in it is unpickled.

    Keys: ``images``, uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3); ``labels``, whole numbers (N,) from 0;
    ``class_names``, strings, one for each class (by default "0", "1", ...); ``bit_exact``, booleans (N,), False for
    images that are lossy copies of the data set's own, which their captions then say. Other keys are ignored. Raises
    ValueError, one sentence, if it is not so.
    """
    return _from_arrays(path.stem, path, _read_npz(path, ("images", "labels")))


def _read_npz(path: Path, required: Sequence[str]) -> dict[str, np.ndarray]:
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
        raise ValueError(f"{path} cannot be read as a data set of plain arrays: {reason}.") from error


def _from_arrays(name: str, path: Path, arrays: Mapping[str, np.ndarray]) -> Dataset:
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
            f"but are {labels.dtype} {labels.shape}."
        )
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        raise ValueError(f"The labels in {path} must count from 0, but go from {labels.min()} to {labels.max()}.")
    names = arrays.get("class_names", np.arange(int(labels.max()) + 1).astype(str))
    if names.dtype.kind != "U" or names.ndim != 1 or len(names) <= labels.max():
        raise ValueError(
            f"The class_names in {path} must be {labels.max() + 1} strings or more, one for each class, "
            f"but are {names.dtype} {names.shape}."
        )
    exact = arrays.get("bit_exact", np.ones(count, dtype=bool))
    if exact.dtype != bool or exact.shape != (count,):
        raise ValueError(f"bit_exact in {path} must be {count} booleans, but is {exact.dtype} {exact.shape}.")
    notes = {int(i): "lossy copy of the original" for i in np.flatnonzero(~exact)}
    pictures = images if images.ndim == 4 else images[..., None]
    return Dataset(name, tuple(names.tolist()), pictures, labels.astype(np.int64), notes=notes)


def _load_folder(path: Path, split: str) -> Dataset:
    """Pictures in one folder for each class, classes and files in the order of their names."""
    subfolders = ("train",) if split == "train" else ("val", "test")
    root = next((path / sub for sub in subfolders if (path / sub).is_dir()), path)
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    files = [[file for file in sorted(folder.iterdir()) if file.suffix.lower() in SUFFIXES] for folder in folders]
    if not any(files):
        raise ValueError(
            f"{root} has no pictures in class folders; put them into {root}/<class>/ as {', '.join(SUFFIXES)}."
        )
    class_names = tuple(folder.name for folder in folders)
    if len(folders) == 1000 and all(re.fullmatch(r"n\d{8}", name) for name in class_names):
        class_names = _imagenet_class_names()  # in the order of the WordNet ids that name the folders
    labels = [label for label, group in enumerate(files) for _ in group]
    return Dataset(path.name, class_names, [file for group in files for file in group], labels)


def _imagenet_class_names() -> tuple[str, ...]:
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.DEFAULT.meta["categories"])


def _load_digits(split: str, download: bool, progress: Progress) -> Dataset:
    return replace(load_npz(SAMPLES_FOLDER / "digits.npz"), name="digits")


def _load_natural(split: str, download: bool, progress: Progress) -> Dataset:
    samples = json.loads((SAMPLES_FOLDER / "natural.json").read_text(encoding="utf-8"))
    class_names = tuple(sorted({sample["label"] for sample in samples} - {None}))
    return Dataset(
        "natural",
        class_names,
        [SAMPLES_FOLDER / sample["file"] for sample in samples],
        [None if sample["label"] is None else class_names.index(sample["label"]) for sample in samples],
        notes={i: "{title}; by {author}; {licence}".format(**sample) for i, sample in enumerate(samples)},
        aliases={i: sample["cifar10"] for i, sample in enumerate(samples) if sample["cifar10"]},
    )


def _load_mnist(
    name: str, folder: str, class_names: tuple[str, ...], split: str, download: bool, progress: Progress
) -> Dataset:
    """MNIST's files or those of a data set in its format, in a folder named as torchvision's class for it."""
    raw, prefix = data_folder() / folder / "raw", "train" if split == "train" else "t10k"

    def find(part: str) -> Path:
        plain = raw / f"{prefix}-{part}-ubyte"
        return zipped if not plain.is_file() and (zipped := plain.with_name(plain.name + ".gz")).is_file() else plain

    if download and not (find("images-idx3").is_file() and find("labels-idx1").is_file()):
        _download(name, folder, progress, train=split == "train")
    images, labels = (_read_idx(_existing(name, find(part)), n) for part, n in (("images-idx3", 3), ("labels-idx1", 1)))
    arrays = {"images": images, "labels": labels, "class_names": np.array(class_names)}
    return _from_arrays(f"{name} {split}", raw, arrays)


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


def _load_cifar10(split: str, download: bool, progress: Progress) -> Dataset:
    original, folder = data_folder() / "cifar-10-batches-py", data_folder() / "cifar10"
    npz = folder / ("test.npz" if split == "test" else "train_labels.npz")
    if download and not npz.is_file() and not original.is_dir():
        _download("cifar10", "CIFAR10", progress)
    if original.is_dir():
        from torchvision.datasets import CIFAR10

        try:  # checks the MD5 of all its files before it unpickles one
            data = CIFAR10(str(data_folder()), train=split == "train")
        except RuntimeError as error:
            raise ValueError(f"{original} is incomplete or damaged; delete it and fetch it again.") from error
        arrays = {"images": data.data, "labels": np.array(data.targets), "class_names": np.array(data.classes)}
        return _from_arrays(f"cifar10 {split}", original, arrays)
    if not folder.is_dir():
        _existing("cifar10", original)
    arrays = _read_npz(_existing("cifar10", npz), ("images", "labels") if split == "test" else ("labels",))
    if split == "train":
        files = [folder / "train" / f"{number:02}.webp" for number in range(len(arrays["labels"]) // 1000)]
        steps = progress(files, desc="Reading cifar10", total=len(files))
        arrays["images"] = np.concatenate([_read_mosaic(_existing("cifar10", file)) for file in steps])
    return _from_arrays(f"cifar10 {split}", npz, arrays)


def _read_mosaic(file: Path) -> np.ndarray:
    """The 1000 tiles of a picture of 25 rows of 40 tiles: uint8 (1000, 32, 32, 3)."""
    pixels = np.asarray(read_image(file))
    if pixels.shape != (800, 1280, 3):
        raise ValueError(f"{file} must be an RGB picture of 1280 x 800 pixels, but its array is {pixels.shape}.")
    return pixels.reshape(25, 32, 40, 32, 3).swapaxes(1, 2).reshape(1000, 32, 32, 3)


def _load_gtsrb(split: str, download: bool, progress: Progress) -> Dataset:
    """The whole benchmark, or 32x32 copies of a part of its test set."""
    folder = data_folder() / "gtsrb"
    pictures = folder / "GTSRB" / ("Training" if split == "train" else "Final_Test/Images")
    subset = folder / "test_subset.npz"
    if download and not pictures.is_dir():
        _download("gtsrb", "GTSRB", progress, split=split)
    if not pictures.is_dir() and split == "test" and subset.is_file():
        return replace(load_npz(subset), name="gtsrb test subset", class_names=GTSRB_CLASSES)
    _existing("gtsrb", pictures)
    if split == "train":
        files = sorted(pictures.glob("*/*.ppm"))
        labels = [int(file.parent.name) for file in files]
    else:
        with _existing("gtsrb", folder / "GT-final_test.csv").open(newline="") as table:
            rows = list(csv.DictReader(table, delimiter=";"))
        files = [pictures / row["Filename"] for row in rows]
        labels = [int(row["ClassId"]) for row in rows]
    return Dataset(f"gtsrb {split}", GTSRB_CLASSES, files, labels, shape=(3, 32, 32))


def _load_imagenet_samples(split: str, download: bool, progress: Progress) -> Dataset:
    folder = data_folder() / "imagenet_samples"
    with _existing("imagenet-samples", folder / "labels.csv", downloadable=False).open(newline="") as table:
        rows = list(csv.DictReader(table))
    files = [folder / Path(row["file"]).name for row in rows]
    return Dataset("imagenet-samples", _imagenet_class_names(), files, [int(row["index"]) for row in rows])


def _existing(name: str, path: Path, downloadable: bool = True) -> Path:
    """The path. Raises ValueError, saying what can be done, if there is nothing."""
    if not path.exists():
        remedy = (
            "download it (--download, a button in the app, or load_dataset(..., download=True) in Python), or set"
            if downloadable
            else "set"
        )
        raise ValueError(
            f"{name} is not here yet: there is no {path}; {remedy} the environment variable SPT_DATA to the folder "
            "that has it (layouts: see spt.datasets)."
        )
    return path


def _download(name: str, torchvision_name: str, progress: Progress, **settings: Any) -> None:
    """Downloads with torchvision, which checks what it got. Raises ValueError if that fails."""
    import torchvision.datasets

    steps = (torchvision_name,)
    for step in progress(steps, desc=f"Downloading {name}", total=1):
        try:
            getattr(torchvision.datasets, step)(str(data_folder()), download=True, **settings)
        except (OSError, RuntimeError, HTTPException) as error:
            raise ValueError(
                f"{name} could not be downloaded to {data_folder()} ({type(error).__name__}); check the network and "
                "that the folder can be written, or set the environment variable SPT_DATA to a folder that has it."
            ) from error


FASHION_MNIST_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

# The benchmark numbers its signs 0 to 42 and has no official names.
GTSRB_CLASSES = (
    *(f"Speed limit {limit}" for limit in (20, 30, 50, 60, 70, 80)),
    *("End of speed limit 80", "Speed limit 100", "Speed limit 120", "No passing", "No passing for trucks"),
    *("Priority at next intersection", "Priority road", "Yield", "Stop", "No vehicles", "No trucks", "No entry"),
    *("General caution", "Dangerous curve left", "Dangerous curve right", "Double curve", "Bumpy road"),
    *("Slippery road", "Road narrows on the right", "Road work", "Traffic signals", "Pedestrians"),
    *("Children crossing", "Bicycles crossing", "Beware of ice or snow", "Wild animals crossing"),
    *("End of all limits", "Turn right ahead", "Turn left ahead", "Ahead only", "Go straight or right"),
    *("Go straight or left", "Keep right", "Keep left", "Roundabout mandatory", "End of no passing"),
    "End of no passing for trucks",
)

_load_digit_mnist = partial(_load_mnist, "mnist", "MNIST", tuple("0123456789"))
_load_fashion_mnist = partial(_load_mnist, "fashion-mnist", "FashionMNIST", FASHION_MNIST_CLASSES)

DATASETS: Mapping[str, Source] = {
    "digits": Source("Handwritten digits, 28x28 grey, bundled", ("test",), False, _load_digits),
    "natural": Source("Photographs, 320x320 RGB, bundled", ("test",), False, _load_natural),
    "mnist": Source("MNIST digits, 28x28 grey", ("train", "test"), True, _load_digit_mnist),
    "fashion-mnist": Source("Fashion-MNIST clothing, 28x28 grey", ("train", "test"), True, _load_fashion_mnist),
    "cifar10": Source("CIFAR-10, 32x32 RGB", ("train", "test"), True, _load_cifar10),
    "gtsrb": Source("GTSRB traffic signs, 32x32 RGB", ("train", "test"), True, _load_gtsrb),
    "imagenet-samples": Source("ImageNet, one photograph of a class, RGB", ("test",), False, _load_imagenet_samples),
}
