"""Faults that tests bring about, each in every way in which it occurs: damaged files of a bundled classifier, too little memory."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from spt.bundled import bundled
from spt.classifiers import forget_loaded

VICTIM = "mnist-rotation"
"""The bundled classifier that is damaged."""
NO_MEMORY = {
    "Python": MemoryError(),
    "numpy": MemoryError("Unable to allocate 8.00 PiB for an array"),
    "torch": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."
    ),
    "CUDA": torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    "thread": RuntimeError("can't start new thread"),
}


def without(name: str) -> Callable[[dict[str, Any]], None]:
    """A card that lacks a field."""
    return lambda card: card.pop(name)


def having(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """A card with other values."""
    return lambda card: card.update(fields)


CARDS: dict[str, str | bytes | Callable[[dict[str, Any]], None]] = {
    "broken JSON": '{"network": ',
    "no text": b"\xff\xfe\x00",
    "a list": "[1, 2]",
    "no network": without("network"),
    "no sha256": without("sha256"),
    "no grid": without("grid"),
    "another sha256": having(sha256="0" * 64),
    "sha256 of another type": having(sha256=7),
    "names of another type": having(class_names=5),
    "too few names": having(class_names=["one", "two"]),
    "noise of another type": having(parameter_sigma="wide"),
    "unknown transformation": having(transform="squeeze"),
    "unknown network": having(network={"architecture": "none"}),
    "unknown preprocessing": having(preprocessing={"sharpness": 3}),
}
WEIGHTS = ("cut", "cut, as the card says", "empty", "gone")


def copy_of_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundled classifiers that may be damaged, which is the one that is used."""
    copied = Path(shutil.copytree(bundled("assets") / "models", folder / "models"))
    monkeypatch.setattr("spt.classifiers.MODELS_FOLDER", copied)
    forget_loaded()
    return copied


def damage(models: Path, kind: str) -> None:
    """Damage card or weights of one of them."""
    card, weights = models / f"{VICTIM}.json", models / f"{VICTIM}.safetensors"
    content = weights.read_bytes()
    if kind in CARDS:
        how = CARDS[kind]
        if callable(how):
            fields = json.loads(card.read_text(encoding="utf-8"))
            how(fields)
            how = json.dumps(fields)
        card.write_bytes(how.encode() if isinstance(how, str) else how)
    elif kind == "gone":
        weights.unlink()
    else:
        weights.write_bytes(b"" if kind == "empty" else content[: len(content) // 2])
    if kind == "cut, as the card says":
        fields = json.loads(card.read_text(encoding="utf-8"))
        fields["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
        card.write_text(json.dumps(fields), encoding="utf-8")
    forget_loaded()
