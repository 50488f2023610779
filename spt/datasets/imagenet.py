"""ImageNet's classes, and a folder of photographs of them."""

import csv
from pathlib import Path

from spt.datasets.dataset import Dataset
from spt.datasets.storage import data_folder, existing
from spt.progress import Progress


def load_imagenet_samples(split: str, download: bool, progress: Progress) -> Dataset:
    """The photographs that labels.csv lists. Raises ValueError if there is no such file."""
    folder = data_folder() / "imagenet_samples"
    with existing("imagenet-samples", folder / "labels.csv", downloadable=False).open(newline="") as table:
        rows = list(csv.DictReader(table))
    files = [folder / Path(row["file"]).name for row in rows]
    return Dataset("imagenet-samples", imagenet_class_names(), files, [int(row["index"]) for row in rows])


def imagenet_class_names() -> tuple[str, ...]:
    """The 1000 classes of ILSVRC-2012 in its order, as torchvision names them."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.DEFAULT.meta["categories"])
