"""Which g answers, for the commands that ask it: the one-level one of BaseSPT, or the nested one that proofs are about."""

import argparse
from typing import TYPE_CHECKING, Any

from spt.commands.arguments import visible_progress

if TYPE_CHECKING:
    from torch import Tensor

    from spt.certificates import NestedPrediction, Prediction
    from spt.smoothing import SmoothedClassifier

WHICH = ("one-level", "nested")


def add_g(parser: Any) -> None:
    """The option that names g; read by `predict`."""
    parser.add_argument(
        "--g",
        choices=WHICH,
        default="one-level",
        help="one-level: majority of f over parameters and pixel noise together (BaseSPT); nested: the one that dist-x, dist-d "
        "and indiv certify, which needs pixel noise (default: %(default)s). With --parameter-sigma 0 both are the majority over "
        "pixel noise alone",
    )


def predict(
    smoothed: "SmoothedClassifier", image: "Tensor", arguments: argparse.Namespace
) -> "Prediction | NestedPrediction":
    """PREDICT of the g that was named, from at most --n votes or samples, wrong with probability at most --alpha."""
    if arguments.g == "one-level":
        return smoothed.predict(image, arguments.n, arguments.alpha, arguments.seed)
    from spt.defences import DistSPTCells

    if not smoothed.pixel_sigma > 0:
        raise ValueError("--g nested needs pixel noise: --pixel-sigma must be positive, but is 0.")
    g = smoothed.classifier, smoothed.transform, smoothed.parameter_sigma, smoothed.pixel_sigma
    defence = DistSPTCells.of_any_range(*g)
    sizes = {"n": arguments.n, "alpha": arguments.alpha, "seed": arguments.seed}
    return defence.predict(image, progress=visible_progress(), **sizes)


def in_words(smoothed: "SmoothedClassifier", arguments: argparse.Namespace) -> str:
    """What the g that was named is, and from how much its answers come."""
    from spt.certificates import given

    transform = smoothed.transform
    units = dict.fromkeys(parameter.unit for parameter in transform.parameters)
    sigmas = " and ".join(f"({given(smoothed.parameter_sigma, unit)})²" for unit in units)
    beta = f"{transform.plural} β ~ N(0, {sigmas})"
    pixels = f"pixel noise N(0, {smoothed.pixel_sigma:g}²)"
    if smoothed.parameter_sigma == 0:
        votes = f"at most {arguments.n} tests" if arguments.g == "nested" else f"{arguments.n} votes"
        return f"g is the majority of f's answers over {pixels}, not over {transform.plural}; {votes} for each answer"
    if arguments.g == "nested":
        return f"g is the majority over {beta} of h, the majority of f's answers over {pixels}; at most {arguments.n} β each"
    over = f"{beta} and {pixels}" if smoothed.pixel_sigma else beta
    return f"g is the majority of f's answers over {over}; {arguments.n} votes for each answer"
