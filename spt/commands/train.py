"""The command train."""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from spt.commands.arguments import (
    add_command,
    add_download,
    add_seed_and_device,
    check_device,
    checked_number,
    small_count,
)
from spt.experiments.files import check_folder, json_text
from spt.experiments.settings import Range

if TYPE_CHECKING:
    from spt.recipes import Recipe


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = add_command(
        commands, "train", _train, "Train a classifier for smoothing and measure it on the test images."
    )
    parser.add_argument("name", help="a recipe, see the command list")
    parser.add_argument("--epochs", type=small_count, help="default: the recipe's")
    parser.add_argument(
        "--threads", type=checked_number(int, Range(1, 1024)), help="processor threads (default: all cores)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/models"), help="folder for weights and card (%(default)s)"
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="folder for the state after each epoch and each minute; a stopped run resumes"
    )
    parser.add_argument("--data", type=Path, help="folder of data sets (default: the environment variable SPT_DATA)")
    add_download(parser)
    add_seed_and_device(parser, seed=None)


def _train(arguments: argparse.Namespace) -> str:
    import torch
    from tqdm import tqdm

    from spt import training
    from spt.datasets import load_dataset

    recipe = _recipe(arguments)
    device = check_device(arguments.device)
    check_folder(arguments.out, "--out")
    if arguments.checkpoint is not None:
        check_folder(arguments.checkpoint, "--checkpoint")
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    if arguments.data is not None:
        os.environ["SPT_DATA"] = str(arguments.data)
    splits = [load_dataset(recipe.dataset, split, None, arguments.download, tqdm) for split in ("train", "test")]
    (images, labels), test = (split.batch(range(len(split))) for split in splits)
    checkpoint = None if arguments.checkpoint is None else arguments.checkpoint / f"{recipe.name}.pt"
    module = training.train(recipe, images, labels, device, checkpoint, progress=tqdm)
    measured = training.measure(recipe, module, *(part.to(device) for part in test))
    module = module.cpu()
    accuracies = {precision: measured[precision] for precision in ("float32", "bfloat16")}
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = [f"{recipe.name}.{ending}" for ending in ("safetensors", "json")]
    with TemporaryDirectory(dir=arguments.out) as part:
        training.write_classifier(recipe, module, list(splits[0].class_names), measured, Path(part))
        for name in names:
            (Path(part) / name).replace(arguments.out / name)
    files = [str(arguments.out / name) for name in names]
    if arguments.json:
        return json_text({"name": recipe.name, "accuracy": accuracies, "files": files}, indent=2)
    lines = [
        f"{recipe.name}: {recipe.epochs} epochs on {len(images):,} images, accuracy on {len(test[0]):,} test images"
    ]
    for precision, values in accuracies.items():
        shares = ", ".join(f"{kind.replace('_', ' ')} {value:.2%}" for kind, value in values.items())
        lines.append(f"  {precision:<9} {shares}")
    return "\n".join([*lines, f"Written: {' and '.join(files)}. In assets/models they are found by name."])


def _recipe(arguments: argparse.Namespace) -> "Recipe":
    from spt.recipes import RECIPES

    if arguments.name not in RECIPES:
        raise ValueError(f"Unknown recipe {arguments.name!r}: choose one of {', '.join(RECIPES)}.")
    given = {"epochs": arguments.epochs, "seed": arguments.seed}
    return replace(RECIPES[arguments.name], **{key: value for key, value in given.items() if value is not None})
