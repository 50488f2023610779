"""Data sets from folders with one folder of pictures for each class."""

import re
from pathlib import Path

from spt.datasets.dataset import Dataset
from spt.datasets.imagenet import imagenet_class_names

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def load_class_folders(path: Path, split: str) -> Dataset:
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
        class_names = imagenet_class_names()  # in the order of the WordNet ids that name the folders
    labels = [label for label, group in enumerate(files) for _ in group]
    return Dataset(path.name, class_names, [file for group in files for file in group], labels)
