"""The command bound."""

import argparse
from typing import Any

from spt.commands.arguments import (
    GivenImage,
    add_classifier,
    add_command,
    add_device,
    add_image,
    parameter,
    parameter_point,
    size,
    small_count,
)
from spt.experiments.files import json_text


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = add_command(
        commands, "bound", _bound, "How large the interpolation error is for one beta: sampled and proved."
    )
    parser.add_argument(
        "--beta", nargs="+", type=parameter, metavar="VALUE", help="the vote's parameters (default: 20° or 0.5 0.5 px)"
    )
    parser.add_argument("--limit", type=size, metavar="L", help="gamma from -L to L (default: 30° or 1.5 px)")
    parser.add_argument("--attacker", choices=["8-bit", "exact"], default="8-bit", help="default: %(default)s")
    parser.add_argument("--splits", type=small_count, default=100, help="of the interval bound (default: %(default)s)")
    add_image(parser)
    add_device(add_classifier(parser, "network, whose preprocessing P is before it"))
    parser.set_defaults(parameter_sigma=None, pixel_sigma=None)  # the error has no noise


def _bound(arguments: argparse.Namespace) -> str:
    from spt.certificates import rounded_down, rounded_up
    from spt.error_bounds import ErrorBound, chord_bound, interval_bound, sampled_error, vertex_bound
    from spt.threat_model import AttackedImage, check_bounded
    from spt.transforms import Rotation

    case = GivenImage.read(arguments)
    transform = case.smoothed.transform
    check_bounded(transform, "whole range")
    rotation = isinstance(transform, Rotation)
    beta = parameter_point(arguments.beta or ([20.0] if rotation else [0.5, 0.5]), transform, "--beta")
    limit = transform.parameters[0].default_sigma if arguments.limit is None else arguments.limit
    attacker, preprocessing = arguments.attacker, case.smoothed.classifier.preprocessing
    attacked = AttackedImage(case.image, transform, preprocessing, (-limit, limit), attacker=attacker)
    bounds: list[ErrorBound] = [
        sampled_error(attacked, beta),
        interval_bound(attacked, beta, splits=arguments.splits, naive=True),
        interval_bound(attacked, beta, splits=arguments.splits),
        chord_bound(attacked, beta) if rotation else vertex_bound(attacked, beta),
    ]
    if arguments.json:
        record = {
            "transform": transform.name,
            "beta": beta[0].tolist(),
            "limit": limit,
            "attacker": attacker,
            "bounds": [
                {
                    "method": bound.method,
                    "proved": bound.is_upper,
                    "value": float(bound.values[0]),
                    "evaluations": int(bound.evaluations[0]),
                    "seconds": bound.seconds,
                }
                for bound in bounds
            ],
        }
        return json_text(record, indent=2)
    lines = [
        case.caption,
        f"Largest ||e(beta, gamma)|| for beta = {transform.describe(beta[0])}, gamma in ±{limit:g} {transform.unit}, "
        f"{attacker} attacker:",
    ]
    for bound in bounds:
        value, evaluations = float(bound.values[0]), int(bound.evaluations[0])
        shown = f"≤ {rounded_up(value)}  proved" if bound.is_upper else f"≥ {rounded_down(value)}  sampled"
        lines.append(f"  {bound.method:<15} {shown:<18} {evaluations} evaluations, {bound.seconds:.2f} s")
    return "\n".join(lines)
