"""Where data sets are on this machine, and how they get there."""

import os
from http.client import HTTPException
from pathlib import Path
from typing import Any

from spt.progress import Progress


def data_folder() -> Path:
    """Where data sets are looked for and downloaded to: the environment variable SPT_DATA, else ./data."""
    return Path(os.environ.get("SPT_DATA") or "data")


def existing(name: str, path: Path, downloadable: bool = True) -> Path:
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


def download_with_torchvision(name: str, torchvision_name: str, progress: Progress, **settings: Any) -> None:
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
