"""ImageNet's classes, and a folder of photographs of them."""

from spt.datasets.dataset import Dataset
from spt.datasets.storage import data_folder, existing
from spt.datasets.tables import read_labels
from spt.progress import Progress


def load_imagenet_samples(split: str, download: bool, progress: Progress) -> Dataset:
    """The photographs that labels.csv lists, see `spt.datasets.tables.read_labels` for what is accepted and refused."""
    folder, names = data_folder() / "imagenet_samples", imagenet_class_names()
    table = existing("imagenet-samples", folder / "labels.csv", downloadable=False)
    listed = read_labels(table, folder, "file", "index", len(names))
    return Dataset("imagenet-samples", names, listed.files, listed.labels, missing=listed.missing)


def imagenet_class_names() -> tuple[str, ...]:
    """The 1000 classes of ILSVRC-2012 in its order, as torchvision names them."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.DEFAULT.meta["categories"])
