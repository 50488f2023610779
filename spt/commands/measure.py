"""The command measure: E of a data distribution, for certify --defence dist-d."""

import argparse
from pathlib import Path
from typing import Any

from spt.commands.arguments import (
    add_classifier,
    add_command,
    add_download,
    add_noise,
    add_seed_and_device,
    count,
    error_size,
    probability,
    read_smoothed,
    size,
    visible_progress,
)
from spt.experiments.files import check_file
from spt.whole_files import write_whole


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = add_command(
        commands, "measure", _measure, "One bound E of the interpolation error for a data distribution (DistSPT^D)."
    )
    parser.add_argument("--out", type=Path, default=Path("error.json"), help="file to write (default: %(default)s)")
    data = parser.add_argument_group("data set, whose images stand for the distribution")
    data.add_argument(
        "--dataset",
        default="digits",
        metavar="NAME",
        help="or the path of a .npz file or folder (default: %(default)s)",
    )
    data.add_argument("--split", choices=["train", "test"], default="test", help="default: %(default)s")
    add_download(data)
    what = parser.add_argument_group("error")
    what.add_argument("--limit", type=size, metavar="SIZE", help="attack range ± in ° or px (default: 30 or 1)")
    what.add_argument("--attacker", choices=["8-bit", "exact"], default="8-bit", help="default: %(default)s")
    what.add_argument(
        "--rho", type=probability, default=0.02, help="share of votes that may exceed E (default: %(default)s)"
    )
    what.add_argument("--level", type=error_size, metavar="E", help="this E, instead of one from pilot images")
    cost = parser.add_argument_group("procedure")
    cost.add_argument("--pilot", type=count, default=10, help="images that choose E (default: %(default)s)")
    cost.add_argument("--images", type=count, default=20, help="other images that test E (default: %(default)s)")
    cost.add_argument("--betas", type=count, default=250, help="votes that test E on each image (default: %(default)s)")
    cost.add_argument(
        "--alpha", type=probability, default=0.001, help="probability that q_E is wrong (default: %(default)s)"
    )
    add_seed_and_device(cost, seed=0)
    add_noise(add_classifier(parser))


def _measure(arguments: argparse.Namespace) -> str:
    from spt.datasets import load_dataset
    from spt.defences import OneErrorSPT

    check_file(arguments.out, "--out")
    g, progress = read_smoothed(arguments), visible_progress()
    limit = arguments.limit or (30.0 if g.transform.unit == "°" else 1.0)
    if not g.pixel_sigma > 0:
        raise ValueError("DistSPT needs pixel noise: --pixel-sigma must be positive, but is 0.")
    defence = OneErrorSPT(g.classifier, g.transform, g.parameter_sigma, g.pixel_sigma, limit, arguments.attacker)
    dataset = load_dataset(
        arguments.dataset, arguments.split, g.classifier.input_shape, download=arguments.download, progress=progress
    )
    level = defence.measure_distribution(
        dataset,
        rho=arguments.rho,
        error=arguments.level,
        pilot_images=arguments.pilot,
        images=arguments.images,
        n_test=arguments.betas,
        alpha_error=arguments.alpha,
        seed=arguments.seed,
        progress=progress,
    )
    write_whole(arguments.out, level.to_json() + "\n")
    return level.to_json() if arguments.json else f"{level.to_text()}\nWritten: {arguments.out}"
