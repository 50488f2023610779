"""The command attack."""

import argparse
from dataclasses import asdict
from typing import Any

from spt.commands.answers import add_g, in_words, predict
from spt.commands.arguments import GivenImage, add_command, add_smoothing, checked_number, size
from spt.experiments.files import json_text
from spt.experiments.settings import ATTACKS, Range


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = add_command(
        commands, "attack", _attack, "The transformations that are worst for f, and what g answers there."
    )
    method = parser.add_mutually_exclusive_group()
    method.add_argument(
        "--k", type=checked_number(int, ATTACKS), default=100, help="worst of k random transformations (default: 100)"
    )
    method.add_argument(
        "--steps",
        type=checked_number(int, Range(2, 1_000_000)),
        help="instead: a grid of this many steps along each parameter",
    )
    parser.add_argument(
        "--limit",
        type=size,
        nargs="+",
        metavar="L",
        help="try parameters from -L to L, one L for all or one for each (default: 30°, 1.5 px, else that of the smoothing noise)",
    )
    parser.add_argument(
        "--label", metavar="CLASS", help="the true class (default: the data set's, else what f answers)"
    )
    add_g(parser)
    add_smoothing(parser)


def _attack(arguments: argparse.Namespace) -> str:
    from spt.attacks import Grid, WorstOfK

    case = GivenImage.read(arguments)
    smoothed, classifier, transform = case.smoothed, case.smoothed.classifier, case.smoothed.transform
    names = classifier.class_names
    given = [each.default_sigma for each in transform.parameters] if arguments.limit is None else arguments.limit
    limit = given[0] if len(set(given)) == 1 else tuple(given)
    grid = arguments.steps is not None
    if grid and arguments.steps**transform.dimensions > ATTACKS.most:
        raise ValueError(
            f"--steps {arguments.steps} along each of {transform.dimensions} parameters makes more than {ATTACKS.most} attacks."
        )
    attack = Grid(transform, limit, steps=arguments.steps) if grid else WorstOfK(transform, limit, k=arguments.k)
    clean = int(classifier.logits(case.image[None]).argmax())
    label, known = _true_label(arguments.label, case.label, clean, names)
    result = attack(classifier, case.image, label, arguments.seed)
    attacked = attack.apply(case.image, result.points)
    answers = [predict(smoothed, image, arguments) for image in attacked]
    worst = list(zip(result.points.tolist(), result.losses.tolist(), result.predictions.tolist(), answers, strict=True))
    if arguments.json:
        record = {
            "classifier": classifier.name,
            "transform": transform.name,
            "limit": limit,
            "g": arguments.g,
            "tried": result.tried,
            "label": label,
            "label_known": known,
            "clean_prediction": clean,
            "fooled": result.fooled,
            "worst": [
                {"parameters": point, "loss": loss, "prediction": prediction, "smoothed": asdict(answer)}
                for point, loss, prediction, answer in worst
            ],
        }
        return json_text(record, indent=2)
    asked = in_words(smoothed, arguments)
    lines = [
        case.caption,
        f"f ({classifier.name}) answers {names[clean]}; {'true' if known else 'taken as true'}: {names[label]}",
        asked,
        f"The worst of {result.tried} {transform.plural} within {transform.describe_range(limit)}, 8-bit images:",
    ]
    for point, loss, prediction, answer in worst:
        lines.append(f"  {transform.describe(point)}: f answers {names[prediction]}, loss {loss:.3g}")
        lines.append(f"    g: {answer.explain()}")
    return "\n".join([*lines, "f is fooled." if result.fooled else "f is not fooled."])


def _true_label(given: str | None, known: int | None, clean: int, names: tuple[str, ...]) -> tuple[int, bool]:
    if given is not None and given not in names:
        more = "" if len(names) <= 20 else f" and {len(names) - 20} more"
        raise ValueError(f"There is no class {given!r}: choose one of {', '.join(names[:20])}{more}.")
    if given is not None:
        return names.index(given), True
    return (clean, False) if known is None else (known, True)
