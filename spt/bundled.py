"""Where what ships with the package is: weights, samples, stored results, the explorer's pages."""

from importlib.resources import files
from pathlib import Path


def bundled(name: str) -> Path:
    """The folder or file ``name`` that ships with the package: assets, results, app.py, pages.

    In an installed package it is inside of it; in a copy of the repository, where these stand at the top level, beside it.
    """
    package = Path(str(files("spt")))
    inside = package / "explorer" / name if name in ("app.py", "pages") else package / name
    return inside if inside.exists() else package.parent / name


def is_checkout() -> bool:
    """Whether this is a copy of the repository rather than an installed package."""
    return not (Path(str(files("spt"))) / "explorer").exists()
