"""Command line: ``python -m spt <command>``, see ``--help``.

A command is a function that adds its arguments and sets ``run``; `_COMMANDS` lists them. ``run`` takes the arguments
and returns the text for standard output; whatever else is printed meanwhile goes to standard error. Imports that cost
seconds are inside the functions, so that ``--help`` is fast.
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from torch import Tensor

    from spt.certificates import Certificate, DistCertificate
    from spt.classifiers import Classifier
    from spt.smoothing import SmoothedClassifier
    from spt.training import Recipe
    from spt.transforms import Transform

DEFAULT_CLASSIFIER = "mnist-rotation"
EXAMPLES = """examples:
  python -m spt certify --image digits:3
  python -m spt predict --image digits:3 --at 25
  python -m spt attack --image photo.png --invert --limit 45
  python -m spt certify --classifier examples/own_network.py --n 10000 --json
"""


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments like every other mistake of a person: one sentence, by ValueError."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit code 0; 2 for what a person can mend, with one sentence saying what; 130 for Ctrl-C."""
    try:
        arguments = _parser().parse_args(argv)
        with contextlib.redirect_stdout(sys.stderr):
            text: str = arguments.run(arguments)
        print(text)
    except (ValueError, OSError) as error:
        known = isinstance(error, OSError) and error.filename is not None and error.strerror is not None
        message = f"{error.filename}: {error.strerror}" if known and isinstance(error, OSError) else str(error)
        print("error:", " ".join(message.split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m spt",
        description="Certified robustness of image classifiers to rotations and translations, by randomized smoothing.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    for add in _COMMANDS:
        add(commands)
    return parser


def _add(commands: Any, name: str, run: Callable[[argparse.Namespace], str], summary: str) -> _Parser:
    parser: _Parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="write one JSON document instead of text")
    return parser


# ---------------------------------------------------------------------------------------------------- shared arguments


def _number(kind: type[int] | type[float], holds: Callable[[float], bool], wanted: str) -> Callable[[str], float]:
    """A converter for argparse, which shows the message of ArgumentTypeError."""

    def convert(text: str) -> float:
        with contextlib.suppress(ValueError):
            if holds(value := kind(text)):
                return value
        raise argparse.ArgumentTypeError(f"must be {wanted}, but is {text!r}")

    return convert


_count = _number(int, lambda value: value >= 1, "a whole number, at least 1")
_seed = _number(int, lambda value: 0 <= value < 1 << 63, "a whole number, at least 0 and less than 2^63")
_probability = _number(float, lambda value: 0 < value < 1, "a number greater than 0 and less than 1")


def _add_smoothing(parser: _Parser) -> None:
    """The arguments that say which image, which f and which g; read by `_Case`."""
    what = parser.add_argument_group("image")
    what.add_argument(
        "--image",
        default="digits:0",
        metavar="IMAGE",
        help="a picture file, or an image of a data set by its number: digits:3, mnist:17, path/to/data.npz:5 "
        "(default: %(default)s)",
    )
    what.add_argument("--invert", action="store_true", help="swap black and white, for dark ink on light paper")
    what.add_argument(
        "--at",
        nargs="+",
        type=float,
        metavar="VALUE",
        help="transform the image first by these parameters (rotation: angle; translation: dx dy) and round to 8 bits",
    )
    which = parser.add_argument_group("smoothed classifier")
    which.add_argument(
        "--classifier",
        default=os.environ.get("SPT_CLASSIFIER") or DEFAULT_CLASSIFIER,
        metavar="NAME",
        help="a bundled one (see the command list), or your own as path/to/own.py, path/to/own.py:function or "
        "package.module:function (default: the environment variable SPT_CLASSIFIER, else " + DEFAULT_CLASSIFIER + ")",
    )
    which.add_argument(
        "--transform", metavar="NAME", help="default: what the classifier was trained for, else rotation"
    )
    which.add_argument(
        "--parameter-sigma",
        type=float,
        metavar="SIGMA",
        help="noise on the transformation, in ° or px (default: what the classifier was trained for)",
    )
    which.add_argument(
        "--pixel-sigma",
        type=float,
        metavar="SIGMA",
        help="noise on pixels, which are in [0, 1] (default: what the classifier was trained for)",
    )
    cost = parser.add_argument_group("procedure")
    cost.add_argument("--n", type=_count, default=1000, help="votes (default: %(default)s)")
    cost.add_argument(
        "--alpha", type=_probability, default=0.01, help="probability of a wrong statement (default: %(default)s)"
    )
    _add_seed_and_device(cost, seed=0)


def _add_seed_and_device(parser: Any, seed: int | None) -> None:
    parser.add_argument(
        "--seed", type=_seed, default=seed, help="default: " + ("the recipe's" if seed is None else "%(default)s")
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1 (default: %(default)s)")


def _check_device(name: str) -> str:
    import torch

    kind, _, number = name.partition(":")
    known = kind in ("cpu", "cuda") and (number.isdecimal() or name == kind)
    if not known or (kind == "cuda" and int(number or 0) >= torch.cuda.device_count()):
        available = ", ".join(["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))])
        raise ValueError(f"There is no device {name!r} here, only {available}.")
    return name


@dataclass(frozen=True)
class _Case:
    """One image and one smoothed classifier, as the arguments of `_add_smoothing` name them."""

    smoothed: "SmoothedClassifier"
    image: "Tensor"
    label: int | None
    caption: str

    @classmethod
    def read(cls, arguments: argparse.Namespace) -> "_Case":
        """Load what the arguments name; ValueError or OSError if something is not there or does not fit."""
        from spt.classifiers import load_classifier
        from spt.images import to_8_bit
        from spt.smoothing import SmoothedClassifier
        from spt.transforms import get_transform

        classifier = load_classifier(arguments.classifier, _check_device(arguments.device))
        transform = get_transform(arguments.transform or classifier.transform or "rotation")
        trained = transform.name == classifier.transform and classifier.parameter_sigma > 0
        sigma = classifier.parameter_sigma if trained else transform.parameters[0].default_sigma
        smoothed = SmoothedClassifier(
            classifier,
            transform,
            sigma if arguments.parameter_sigma is None else arguments.parameter_sigma,
            classifier.pixel_sigma if arguments.pixel_sigma is None else arguments.pixel_sigma,
        )
        image, label, caption = _read_image(arguments.image, classifier, arguments.invert)
        if arguments.at is not None:
            point = _point(arguments.at, transform)
            image = to_8_bit(transform(image, point)[0])
            caption += f" at {transform.describe(point[0])}"
        return cls(smoothed, image, label, caption)


def _point(values: list[float], transform: "Transform", option: str = "--at") -> "Tensor":
    if len(values) != transform.dimensions:
        names = " ".join(parameter.name for parameter in transform.parameters)
        raise ValueError(
            f"{option} for {transform.name} takes {transform.dimensions} number(s) ({names}), not {len(values)}."
        )
    return transform.as_parameters([values])


def _read_image(name: str, classifier: "Classifier", invert: bool) -> "tuple[Tensor, int | None, str]":
    """Image, true label (None if unknown) and caption, for a picture file or ``dataset:number``."""
    from spt.datasets import DATASETS, load_dataset
    from spt.images import fit_image, read_image, to_8_bit

    dataset_name, separator, number = name.rpartition(":")
    if separator and number.isdecimal():
        dataset = load_dataset(dataset_name, shape=classifier.input_shape)
        image = dataset.image(int(number))
        image = to_8_bit(1 - image) if invert else image
        return image, dataset.label_among(int(number), classifier.class_names), dataset.caption(int(number))
    if not Path(name).is_file():
        raise ValueError(
            f"There is no picture file {name!r}: name a file, or an image of a data set by its number, such as "
            f"digits:0 (data sets: {', '.join(DATASETS)}, or the path of a .npz file or folder)."
        )
    return fit_image(read_image(Path(name)), classifier.input_shape, invert), None, Path(name).name


# --------------------------------------------------------------------------------------------- predict, certify, attack


def _add_predict(commands: Any) -> None:
    _add_smoothing(_add(commands, "predict", _predict, "What the smoothed classifier answers for an image."))


def _predict(arguments: argparse.Namespace) -> str:
    case = _Case.read(arguments)
    prediction = case.smoothed.predict(case.image, arguments.n, arguments.alpha, arguments.seed)
    return prediction.to_json() if arguments.json else f"{case.caption}\n{prediction.explain()}"


def _add_certify(commands: Any) -> None:
    parser = _add(
        commands, "certify", _certify, "What the smoothed classifier answers, and up to which transformation."
    )
    parser.add_argument(
        "--defence",
        choices=["base", "dist-x"],
        default="base",
        help="base: BaseSPT, whose radius is heuristic; dist-x: DistSPT^x, a proof for this image (default: %(default)s)",
    )
    proof = parser.add_argument_group("dist-x")
    proof.add_argument("--limit", type=float, metavar="SIZE", help="attack range ± in ° or px (default: 30 or 1)")
    proof.add_argument("--n-gamma", type=_count, default=200, help="samples of the parameter (default: %(default)s)")
    proof.add_argument("--attacker", choices=["8-bit", "exact"], default="8-bit", help="default: %(default)s")
    parser.add_argument("--n0", type=_count, default=100, help="other votes that choose the class (default: 100)")
    _add_smoothing(parser)


def _certify(arguments: argparse.Namespace) -> str:
    case = _Case.read(arguments)
    certificate: Certificate | DistCertificate
    if arguments.defence == "dist-x":
        from spt.defences import DistSPT

        g, default_limit = case.smoothed, 30.0 if case.smoothed.transform.unit == "°" else 1.0
        limit = default_limit if arguments.limit is None else arguments.limit
        defence = DistSPT(g.classifier, g.transform, g.parameter_sigma, g.pixel_sigma, limit, arguments.attacker)
        certificate = defence.certify(case.image, arguments.n0, arguments.n_gamma, arguments.alpha, arguments.seed)
    else:
        certificate = case.smoothed.certify(case.image, arguments.n0, arguments.n, arguments.alpha, arguments.seed)
    return certificate.to_json() if arguments.json else f"{case.caption}\n{certificate.to_text()}"


def _add_bound(commands: Any) -> None:
    parser = _add(commands, "bound", _bound, "How large the interpolation error is for one beta: sampled and proved.")
    parser.add_argument(
        "--beta", nargs="+", type=float, metavar="VALUE", help="the vote's parameters (default: 20° or 0.5 0.5 px)"
    )
    parser.add_argument("--limit", type=float, metavar="L", help="gamma from -L to L (default: 30° or 1.5 px)")
    parser.add_argument("--attacker", choices=["8-bit", "exact"], default="8-bit", help="default: %(default)s")
    parser.add_argument("--splits", type=_count, default=100, help="of the interval bound (default: %(default)s)")
    _add_smoothing(parser)


def _bound(arguments: argparse.Namespace) -> str:
    from spt.certificates import rounded_down, rounded_up
    from spt.error_bounds import ErrorBound, check_bounded, chord_bound, interval_bound, sampled_error, vertex_bound
    from spt.transforms import Rotation

    case = _Case.read(arguments)
    transform = case.smoothed.transform
    check_bounded(transform)
    rotation = isinstance(transform, Rotation)
    beta = _point(arguments.beta or ([20.0] if rotation else [0.5, 0.5]), transform, "--beta")
    limit = transform.parameters[0].default_sigma if arguments.limit is None else arguments.limit
    where = (case.image, transform, case.smoothed.classifier.preprocessing, beta, (-limit, limit))
    attacker = arguments.attacker
    bounds: list[ErrorBound] = [
        sampled_error(*where, attacker=attacker),
        interval_bound(*where, splits=arguments.splits, naive=True, attacker=attacker),
        interval_bound(*where, splits=arguments.splits, attacker=attacker),
        chord_bound(*where, attacker=attacker) if rotation else vertex_bound(*where, attacker=attacker),
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
        return json.dumps(record, indent=2, ensure_ascii=False)
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


def _add_attack(commands: Any) -> None:
    parser = _add(commands, "attack", _attack, "The transformations that are worst for f, and what g answers there.")
    method = parser.add_mutually_exclusive_group()
    method.add_argument("--k", type=_count, default=100, help="worst of k random transformations (default: 100)")
    method.add_argument("--steps", type=_count, help="instead: a grid of this many steps along each parameter")
    parser.add_argument("--limit", type=float, metavar="L", help="try parameters from -L to L (default: 30° or 1.5 px)")
    parser.add_argument(
        "--label", metavar="CLASS", help="the true class (default: the data set's, else what f answers)"
    )
    _add_smoothing(parser)


def _attack(arguments: argparse.Namespace) -> str:
    from spt.attacks import Grid, WorstOfK
    from spt.certificates import quantity

    case = _Case.read(arguments)
    smoothed, classifier, transform = case.smoothed, case.smoothed.classifier, case.smoothed.transform
    names = classifier.class_names
    limit = transform.parameters[0].default_sigma if arguments.limit is None else arguments.limit
    grid = arguments.steps is not None
    attack = Grid(transform, limit, steps=arguments.steps) if grid else WorstOfK(transform, limit, k=arguments.k)
    clean = int(classifier.logits(case.image[None]).argmax())
    label, known = _true_label(arguments.label, case.label, clean, names)
    result = attack(classifier, case.image, label, arguments.seed)
    attacked = attack.apply(case.image, result.points)
    answers = [smoothed.predict(image, arguments.n, arguments.alpha, arguments.seed) for image in attacked]
    worst = list(zip(result.points.tolist(), result.losses.tolist(), result.predictions.tolist(), answers, strict=True))
    if arguments.json:
        record = {
            "classifier": classifier.name,
            "transform": transform.name,
            "limit": limit,
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
        return json.dumps(record, indent=2, ensure_ascii=False)
    lines = [
        case.caption,
        f"f ({classifier.name}) answers {names[clean]}; {'true' if known else 'taken as true'}: {names[label]}",
        f"The worst of {result.tried} {transform.name}s within ±{quantity(limit, transform.unit)}, 8-bit images:",
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


# ---------------------------------------------------------------------------------------------------------- train, list


def _add_train(commands: Any) -> None:
    parser = _add(commands, "train", _train, "Train a classifier for smoothing and measure it on the test images.")
    parser.add_argument("name", help="a recipe, see the command list")
    parser.add_argument("--epochs", type=_count, help="default: the recipe's")
    parser.add_argument("--threads", type=_count, help="processor threads (default: all cores)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/models"), help="folder for weights and card (%(default)s)"
    )
    parser.add_argument("--checkpoint", type=Path, help="folder for the state after each epoch; a stopped run resumes")
    parser.add_argument("--data", type=Path, help="folder of data sets (default: the environment variable SPT_DATA)")
    parser.add_argument("--download", action="store_true", help="fetch the data set if it is not there")
    _add_seed_and_device(parser, seed=None)


def _train(arguments: argparse.Namespace) -> str:
    import torch
    from tqdm import tqdm

    from spt import training
    from spt.datasets import load_dataset

    recipe = _recipe(arguments)
    device = _check_device(arguments.device)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    if arguments.data is not None:
        os.environ["SPT_DATA"] = str(arguments.data)
    splits = [load_dataset(recipe.dataset, split, None, arguments.download, tqdm) for split in ("train", "test")]
    (images, labels), test = (split.batch(range(len(split))) for split in splits)
    checkpoint = None if arguments.checkpoint is None else arguments.checkpoint / f"{recipe.name}.pt"
    module = training.train(recipe, images, labels, device, checkpoint, progress=tqdm).cpu()
    measured = training.measure(recipe, module, *test)
    accuracies = {precision: measured[precision] for precision in ("float32", "bfloat16")}
    training.write_classifier(recipe, module, list(splits[0].class_names), measured, arguments.out)
    files = [str(arguments.out / f"{recipe.name}.{ending}") for ending in ("safetensors", "json")]
    if arguments.json:
        return json.dumps({"name": recipe.name, "accuracy": accuracies, "files": files}, indent=2)
    lines = [
        f"{recipe.name}: {recipe.epochs} epochs on {len(images):,} images, accuracy on {len(test[0]):,} test images"
    ]
    for precision, values in accuracies.items():
        shares = ", ".join(f"{kind.replace('_', ' ')} {value:.2%}" for kind, value in values.items())
        lines.append(f"  {precision:<9} {shares}")
    return "\n".join([*lines, f"Written: {' and '.join(files)}. In assets/models they are found by name."])


def _recipe(arguments: argparse.Namespace) -> "Recipe":
    from spt.training import RECIPES

    if arguments.name not in RECIPES:
        raise ValueError(f"Unknown recipe {arguments.name!r}: choose one of {', '.join(RECIPES)}.")
    given = {"epochs": arguments.epochs, "seed": arguments.seed}
    return replace(RECIPES[arguments.name], **{key: value for key, value in given.items() if value is not None})


def _add_list(commands: Any) -> None:
    _add(commands, "list", _list, "What there is: classifiers, data sets, transformations, recipes.")


def _list(arguments: argparse.Namespace) -> str:
    from spt.classifiers import bundled_classifiers, read_card
    from spt.datasets import DATASETS
    from spt.training import RECIPES
    from spt.transforms import TRANSFORMS

    cards = {name: read_card(name) for name in bundled_classifiers()}
    keys = ("dataset", "transform", "parameter_sigma", "pixel_sigma", "class_names", "input_shape", "accuracy")
    units = {name: [f"{p.name} ({p.unit})" for p in transform.parameters] for name, transform in TRANSFORMS.items()}
    if arguments.json:
        record = {
            "classifiers": {name: {key: card[key] for key in keys} for name, card in cards.items()},
            "datasets": {name: source.title for name, source in DATASETS.items()},
            "transforms": units,
            "recipes": list(RECIPES),
        }
        return json.dumps(record, indent=2, ensure_ascii=False)
    sections = {
        "Classifiers": {name: _accuracy_in_words(card) for name, card in cards.items()} or {"(none)": ""},
        "Data sets": {name: source.title for name, source in DATASETS.items()},
        "Transformations": {name: ", ".join(parameters) for name, parameters in units.items()},
        "Recipes": {name: f"{recipe.dataset}, {_noise(asdict(recipe))}" for name, recipe in RECIPES.items()},
    }
    return "\n".join(
        f"{title}\n" + "\n".join(f"  {name:<18} {text}".rstrip() for name, text in rows.items())
        for title, rows in sections.items()
    )


def _accuracy_in_words(card: dict[str, Any]) -> str:
    accuracy = card["accuracy"]["float32"]
    clean, noisy = accuracy["clean"], accuracy["parameter_and_pixel_noise"]
    return f"{card['dataset']}, {_noise(card)}; accuracy {clean:.1%}" + (
        f", {noisy:.1%} under noise" if card["transform"] else ""
    )


def _noise(settings: dict[str, Any]) -> str:
    """The training noise of a card or recipe in words."""
    if settings["transform"] is None:
        return "no noise"
    return f"{settings['transform']} σ {settings['parameter_sigma']:g}, pixel σ {settings['pixel_sigma']:g}"


_COMMANDS = (_add_predict, _add_certify, _add_attack, _add_bound, _add_train, _add_list)

if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal without σ must not stop us
    sys.exit(main())
