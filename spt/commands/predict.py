"""The command predict."""

import argparse
from typing import Any

from spt.commands.arguments import Case, add_command, add_smoothing


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    add_smoothing(add_command(commands, "predict", _predict, "What the smoothed classifier answers for an image."))


def _predict(arguments: argparse.Namespace) -> str:
    case = Case.read(arguments)
    prediction = case.smoothed.predict(case.image, arguments.n, arguments.alpha, arguments.seed)
    return prediction.to_json() if arguments.json else f"{case.caption}\n{prediction.explain()}"
