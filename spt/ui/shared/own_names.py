"""Classifiers and data sets that the person who starts the server names in its environment, mostly by paths: on the screen, and in
a page's address, they have the last part of these only. Exported commands have all of it: they are for that person."""

import hashlib
import os
import re

CLASSIFIERS, DATASETS = "SPT_CLASSIFIER", "SPT_DATASET"
"""Environment variables; each may name several, separated by commas."""


def named(variable: str) -> list[str]:
    """What an environment variable names."""
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def label(name: str) -> str:
    """What a name is on the screen: of a path "…/" and its last part, with a digest where another one ends alike."""
    last = _last(name)
    if last == name:
        return name
    alike = {other for other in named(CLASSIFIERS) + named(DATASETS) if _last(other) == last} - {name}
    return f"…/{last}" + (f" ({hashlib.sha256(name.encode()).hexdigest()[:8]})" if alike else "")


def _last(name: str) -> str:
    return re.split(r"[/\\]", name.rstrip("/\\"))[-1]
