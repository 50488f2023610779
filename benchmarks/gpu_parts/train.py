"""A residual network for CIFAR-10 under rotation and pixel noise, by a recipe like cifar10-resnet, in as many visits as it takes.

The state is kept in pieces of less than 16 MiB, beside the results; a later run that finds them goes on. The number of epochs
is decided at the first visit (from the images per second measured there, unless it is given) and kept, for the learning
rate falls over all of them.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gpu_parts.run import LARGEST_FILE, OutOfTimeError, Run, write
from spt import training
from spt.datasets import load_dataset
from spt.recipes import RECIPES, Recipe

RESERVE = 20.0
"""Seconds for measuring and writing in the end."""
TINY: dict[str, Any] = {"widths": [4, 8], "blocks": [1, 1]}


def measure(run: Run) -> None:
    """Train, go on training, or measure and write what is trained."""
    torch.backends.cudnn.benchmark = True
    recipe = RECIPES[run.recipe]
    train, test = (load_dataset(recipe.dataset, split) for split in ("train", "test"))
    images, labels = train.batch(range(200 if run.rehearse else len(train)))
    shown, truth = test.batch(range(20 if run.rehearse else len(test)))
    if run.rehearse:
        recipe = replace(recipe, network=recipe.network | TINY, batch_size=50, epochs=2)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / f"{run.recipe}.pt"
        epochs = run.epochs or run.values.get("epochs")
        if join(run.recipe, run.out, state) and run.values.get("epochs") == epochs:
            run.values["visits"] = run.values.get("visits", 1) + 1
        else:
            state.unlink(missing_ok=True)
            rate = images_per_second(run, recipe, images, labels)
            fit = int(0.9 * (run.left - RESERVE) * rate / len(images))
            run.values = {"epochs": epochs or max(1, min(recipe.epochs, fit)), "visits": 1, "images /s": round(rate)}
        recipe = replace(recipe, epochs=run.values["epochs"])
        module = _train(run, recipe, images, labels, state)
    measured = training.measure(recipe, module, shown.to(run.device), truth.to(run.device))
    training.write_classifier(recipe, module.cpu(), list(train.class_names), measured, run.out)
    for piece in pieces(run.recipe, run.out):
        piece.unlink()
    run.values["accuracy"] = {kind: measured[kind] for kind in ("float32", "bfloat16")}
    report(run, recipe, "trained")


def _train(run: Run, recipe: Recipe, images: torch.Tensor, labels: torch.Tensor, state: Path) -> torch.nn.Module:
    """Until it is trained, or time is over: then the state is kept."""

    def epochs(steps: Iterable[int], desc: str, total: int) -> Iterator[int]:
        for epoch in steps:
            if run.left < RESERVE:
                raise OutOfTimeError(f"{epoch} of {recipe.epochs} epochs are done")
            start = time.monotonic()
            yield epoch
            run.values["epochs done"] = epoch + 1
            run.values["images /s, in training"] = round(len(images) / (time.monotonic() - start))
            report(run, recipe, "under way")

    last = time.monotonic()

    def keep(path: Path) -> None:
        nonlocal last
        if time.monotonic() - last >= 30:
            cut(run.recipe, path, run.out)
            last = time.monotonic()

    try:
        return training.train(recipe, images, labels, run.device, state, epochs, 30.0, keep)
    except OutOfTimeError:
        if state.is_file():
            cut(run.recipe, state, run.out)
        raise


def images_per_second(run: Run, recipe: Recipe, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Of training, from a few steps after a few that do not count."""
    few = recipe.batch_size * (2 if run.rehearse else 40)
    short = replace(recipe, epochs=1, finishing_epochs=0)
    for _ in range(2):
        start = time.perf_counter()
        training.train(short, images[:few], labels[:few], run.device)
        run.wait()
        seconds = time.perf_counter() - start
    return min(few, len(images)) / seconds


def report(run: Run, recipe: Recipe, state: str) -> None:
    """What training is at."""
    rows = [["what", "value"], ["state", state]]
    rows += [[name, json.dumps(value)] for name, value in run.values.items()]
    noise = f"rotation σ {recipe.parameter_sigma:g}°, pixel noise σ {recipe.pixel_sigma:g}"
    attack = f"SmoothAdv radius {recipe.adversarial_radius:g}, {recipe.adversarial_steps} steps"
    run.table(f"Training {recipe.name}", rows, f"{noise}, consistency {recipe.consistency:g}, {attack}.")


# -------------------------------------------------------------------------------------------------- the state in pieces


def pieces(name: str, folder: Path) -> list[Path]:
    """The files of a state, in their order."""
    return sorted(folder.glob(f"{name}.state.*"))


def cut(name: str, state: Path, folder: Path) -> None:
    """Keep a state as files of less than 16 MiB, the first with the checksum of the whole."""
    content = state.read_bytes()
    content = hashlib.sha256(content).digest() + content
    parts = [content[i : i + LARGEST_FILE] for i in range(0, len(content), LARGEST_FILE)]
    files = [folder / f"{name}.state.{number:02}" for number in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        write(file, part)
    for other in set(pieces(name, folder)) - set(files):
        other.unlink()


def join(name: str, folder: Path, state: Path) -> bool:
    """Put a state together; False if there is none, or it is not whole (stopped while it was written)."""
    content = b"".join(piece.read_bytes() for piece in pieces(name, folder) if piece.suffix != ".part")
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        return False
    state.write_bytes(content[32:])
    return True
