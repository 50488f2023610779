"""GTSRB, traffic signs: the whole benchmark, or small copies of a part of it."""

import re
from dataclasses import replace

from spt.datasets.arrays import load_npz
from spt.datasets.dataset import Dataset
from spt.datasets.storage import data_folder, download_with_torchvision, existing
from spt.datasets.tables import read_labels
from spt.progress import Progress

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


SHAPE = (3, 32, 32)


def load_gtsrb(split: str, download: bool, progress: Progress) -> Dataset:
    """The whole benchmark, or 32x32 copies of a part of its test set."""
    folder = data_folder() / "gtsrb"
    pictures = folder / "GTSRB" / ("Training" if split == "train" else "Final_Test/Images")
    subset = folder / "test_subset.npz"
    if download and not pictures.is_dir():
        download_with_torchvision("gtsrb", "GTSRB", progress, split=split)
    if not pictures.is_dir() and split == "test" and subset.is_file():
        data = load_npz(subset)
        if (largest := max(map(int, data.labels))) >= len(GTSRB_CLASSES):
            raise ValueError(
                f"The labels in {subset} must be GTSRB's, 0 to {len(GTSRB_CLASSES) - 1}, but go up to {largest}; name "
                "the file by its path if it is a data set of your own."
            )
        return replace(data, name="gtsrb test subset", class_names=GTSRB_CLASSES)
    existing("gtsrb", pictures)
    if split == "test":
        table = existing("gtsrb", folder / "GT-final_test.csv")
        listed = read_labels(table, pictures, "Filename", "ClassId", len(GTSRB_CLASSES))
        return Dataset("gtsrb test", GTSRB_CLASSES, listed.files, listed.labels, missing=listed.missing, shape=SHAPE)
    files = sorted(file for file in pictures.glob("*/*.ppm") if not file.name.startswith("."))
    for file in files:
        name = file.parent.name
        if not re.fullmatch("[0-9]{5}", name) or int(name) >= len(GTSRB_CLASSES):
            raise ValueError(
                f"{pictures} must have a folder for each class, 00000 to {len(GTSRB_CLASSES) - 1:05}, but {file} is in "
                f"{name!r}; move it away, or fetch the data set again."
            )
    if not files:
        raise ValueError(f"{pictures} has no pictures (.ppm in folders 00000 to 00042); fetch the data set again.")
    return Dataset("gtsrb train", GTSRB_CLASSES, files, [int(file.parent.name) for file in files], shape=SHAPE)
