"""The command predict."""

import argparse
from typing import Any

from spt.commands.answers import add_g, predict
from spt.commands.arguments import GivenImage, add_command, add_smoothing


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = add_command(commands, "predict", _predict, "What the smoothed classifier answers for an image.")
    add_g(parser)
    add_smoothing(parser)


def _predict(arguments: argparse.Namespace) -> str:
    case = GivenImage.read(arguments)
    prediction = predict(case.smoothed, case.image, arguments)
    return prediction.to_json() if arguments.json else f"{case.caption}\n{prediction.explain()}"
