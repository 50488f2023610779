"""Data sets from folders with one folder of pictures for each class."""

import hashlib
import os
from pathlib import Path

from spt.datasets.dataset import Dataset
from spt.datasets.imagenet import imagenet_class_names

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff")
SPLITS = {"train": ("train",), "test": ("test", "val")}  # the first that is there
SYSTEM_FOLDERS = ("__macosx", "@eadir", "$recycle.bin", "system volume information")
# SHA-256 of the WordNet ids of ILSVRC-2012's 1000 classes, in order, with a space between two.
IMAGENET_IDS_SHA256 = "791ce0333040dd249d13133f90d28ef0263ffc01e5de0afd85b3e32048d7d456"


def load_class_folders(path: Path, split: str) -> Dataset:
    """Pictures in one folder for each class, classes and files in the order of their names (of their characters' codes).

    The class folders are in ``path``, or, if it has folders ``train``, ``test`` or ``val`` that hold folders, in there:
    ``train`` for the split "train"; ``test``, or where there is none ``val``, for the split "test"; the data set's name
    says which. A class folder counts although it is empty, and may be a link.

    What counts as a picture: everything in a class folder that has one of the `SUFFIXES`, in small or capital letters.
    A file that turns out to be no picture keeps its number, and so do all others; it is refused when it is asked for.
    What is hidden (its name begins with a dot, such as macOS's ``._x.png``) and folders of operating systems
    (``__MACOSX``, ``@eaDir``) never count.

    Raises ValueError, one sentence, where the split is not there, where there are no pictures, and where class folders
    hold folders with pictures, because it is not clear which class these have.
    """
    known = {name: path / name for names in SPLITS.values() for name in names}
    there = [name for name, folder in known.items() if folder.is_dir() and _contents(folder)[0]]
    chosen = next((name for name in SPLITS[split] if name in there), None)
    if there and chosen is None:
        raise ValueError(
            f"{path} has no {split!r} split: there are class folders in {' and '.join(there)}, but none in "
            f"{' or '.join(SPLITS[split])}; ask for the other split, or name the folder that has the class folders."
        )
    root = path if chosen is None else path / chosen
    folders, _ = _contents(root)
    files = []
    for folder in folders:
        inner_folders, pictures = _contents(folder)
        files.append(pictures)
        if nested := next(filter(None, map(_first_picture, inner_folders)), None):
            raise ValueError(
                f"{root} must have one folder of pictures for each class, but {nested} is in a folder in one; move it to "
                f"{folder}, or name the folder that has the class folders."
            )
    if not any(files):
        raise ValueError(
            f"{root} has no pictures in class folders; put them into {root}/<class>/ as {', '.join(SUFFIXES)}."
        )
    class_names = tuple(folder.name for folder in folders)
    if hashlib.sha256(" ".join(class_names).encode(errors="surrogateescape")).hexdigest() == IMAGENET_IDS_SHA256:
        class_names = imagenet_class_names()
    labels = [label for label, group in enumerate(files) for _ in group]
    name = path.name if path.name not in ("", "..") else path.resolve().name
    return Dataset(
        name if chosen is None else f"{name}/{chosen}", class_names, [file for group in files for file in group], labels
    )


def _contents(path: Path) -> tuple[list[Path], list[Path]]:
    """The folders (or links to folders) and what has a picture's name in a folder, in order, without what is hidden."""
    folders, pictures = [], []
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders += [path / entry.name] if entry.name.lower() not in SYSTEM_FOLDERS else []
            elif Path(entry.name).suffix.lower() in SUFFIXES:
                pictures.append(path / entry.name)
    return folders, pictures


def _first_picture(path: Path) -> Path | None:
    """Some picture in a folder or in the folders in it; links to folders in it are not followed."""
    folders, pictures = _contents(path)
    inner = (_first_picture(folder) for folder in folders if not folder.is_symlink())
    return pictures[0] if pictures else next(filter(None, inner), None)
