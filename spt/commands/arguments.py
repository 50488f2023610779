"""What commands share: arguments for one image and one smoothed classifier, and how they are read."""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from spt.experiments.settings import COUNT, PASSES, PIXEL_SIGMA, PROBABILITY, SEED, SIZE, SMALLEST, Range
from spt.own_files import is_onnx

if TYPE_CHECKING:
    from torch import Tensor

    from spt.smoothing import SmoothedClassifier
    from spt.transforms import Transform

DEFAULT_CLASSIFIER = "mnist-rotation"
N = 1000
"""Votes, where nothing else is said."""
NEGATIVE_NUMBER = re.compile(r"-((\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[+-]?\d+)?|inf(inity)?|nan)$", re.IGNORECASE)


class Parser(argparse.ArgumentParser):
    """Reports wrong arguments like every other mistake of a person: one sentence, by ValueError.

    Whatever Python reads as a negative number (-5., -.5, -1e1, -inf) is a value, never an option.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._negative_number_matcher = NEGATIVE_NUMBER

    def error(self, message: str) -> NoReturn:
        """A wrong argument, as ValueError."""
        raise ValueError(f"{message}; see {self.prog} --help")


def add_command(commands: Any, name: str, run: Callable[[argparse.Namespace], str], summary: str) -> Parser:
    """A new command with the option --json, run by ``run``, which returns what goes to standard output."""
    parser: Parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="write one JSON document instead of text")
    return parser


def checked_number(kind: type[int] | type[float], wanted: Range) -> Callable[[str], float]:
    """A converter for argparse, which shows the message of ArgumentTypeError; numbers out of range would take all memory,
    or mean nothing, and are refused before any work."""

    def convert(text: str) -> float:
        with contextlib.suppress(ValueError):
            if (value := kind(text)) in wanted:
                return value
        shown = text if len(text) <= 30 else f"{text[:30]}…"
        raise argparse.ArgumentTypeError(
            f"must be a {'whole ' if kind is int else ''}number {wanted}, but is {shown!r}"
        )

    return convert


count = checked_number(int, COUNT)
small_count = checked_number(int, Range(1, 10_000))
passes = checked_number(int, PASSES)
seed_number = checked_number(int, SEED)
probability = checked_number(float, PROBABILITY)
size = checked_number(float, SIZE)
error_size = checked_number(float, Range(SMALLEST, 1e6))
pixel_noise = checked_number(float, PIXEL_SIGMA)
parameter = checked_number(float, Range(-10_000.0, 10_000.0))


def parameter_noise(text: str) -> float:
    """A converter for argparse: a `size`, or 0, which leaves votes over pixel noise alone."""
    with contextlib.suppress(ValueError):
        if float(text) == 0:
            return 0.0
    return size(text)


def add_smoothing(parser: Parser) -> None:
    """The arguments that say which image, which f and which g; read by `GivenImage`."""
    add_image(parser)
    add_noise(add_classifier(parser))
    cost = parser.add_argument_group("procedure")
    cost.add_argument("--n", type=count, default=N, help=f"votes (default: {N})")
    cost.add_argument(
        "--alpha", type=probability, default=0.01, help="probability of a wrong statement (default: %(default)s)"
    )
    add_seed_and_device(cost, seed=0)


def add_image(parser: Parser) -> None:
    """The arguments that say which image."""
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
        type=parameter,
        metavar="VALUE",
        help="transform the image first by these parameters (rotation: angle; translation: dx dy; scaling: scale; shear: shear) "
        "and round to 8 bits",
    )
    add_download(what)


def add_download(parser: Any) -> None:
    """The option that lets a data set be fetched."""
    parser.add_argument("--download", action="store_true", help="fetch the data set if it is not there")


def add_classifier(parser: Parser, title: str = "smoothed classifier") -> Any:
    """The arguments that say which f and which transformation; read by `read_smoothed`. Returns their group."""
    which = parser.add_argument_group(title)
    which.add_argument(
        "--classifier",
        metavar="NAME",
        help="a bundled one (see the command list), or your own as path/to/model.onnx, path/to/own.py, path/to/own.py:function "
        "or package.module:function (default: the first that the environment variable SPT_CLASSIFIER names, else "
        + DEFAULT_CLASSIFIER
        + ")",
    )
    which.add_argument(
        "--transform", metavar="NAME", help="default: what the classifier was trained for, else rotation"
    )
    return which


def add_noise(which: Any) -> None:
    """The arguments that say which g; read by `read_smoothed`."""
    which.add_argument(
        "--parameter-sigma",
        type=parameter_noise,
        metavar="SIGMA",
        help="noise on the transformation, in the unit of its parameters (default: what the classifier was trained for); 0: g is "
        "the majority over pixel noise alone",
    )
    which.add_argument(
        "--pixel-sigma",
        type=pixel_noise,
        metavar="SIGMA",
        help="noise on pixels, which are in [0, 1] (default: what the classifier was trained for)",
    )


def add_seed_and_device(parser: Any, seed: int | None) -> None:
    """The options --seed and --device; ``seed`` None leaves it to the recipe."""
    parser.add_argument(
        "--seed", type=seed_number, default=seed, help="default: " + ("the recipe's" if seed is None else "%(default)s")
    )
    add_device(parser)


def add_device(parser: Any) -> None:
    """The option --device; read by `check_device`."""
    parser.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda or cuda:1 (default: auto, which is cuda where there is one, else cpu)",
    )


def check_device(name: str, classifier: str = "") -> str:
    """The name of a device that is there, of "auto" the one that this is here (for the network that ``classifier`` names);
    ValueError if it is not."""
    import torch

    from spt.onnx_networks import device_here

    if name == "auto" and is_onnx(classifier):
        return device_here()
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    known = name == "cpu" or (kind == "cuda" and (number.isdecimal() or name == kind))
    if not known or (kind == "cuda" and int(number[:9] or 0) >= torch.cuda.device_count()):
        available = ", ".join(["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))])
        raise ValueError(f"There is no device {name!r} here, only {available}.")
    return name


@dataclass(frozen=True)
class GivenImage:
    """One image and one smoothed classifier, as the arguments of `add_smoothing` name them."""

    smoothed: "SmoothedClassifier"
    image: "Tensor"
    label: int | None
    caption: str

    @classmethod
    def read(cls, arguments: argparse.Namespace) -> "GivenImage":
        """Load what the arguments name; ValueError or OSError if something is not there or does not fit."""
        smoothed = read_smoothed(arguments)
        transform = smoothed.transform
        classifier = smoothed.classifier
        image, label, caption = read_picture(
            arguments.image, classifier.input_shape, arguments.invert, arguments.download, classifier.class_names
        )
        if arguments.at is not None:
            image, caption = transformed(image, caption, arguments.at, transform)
        return cls(smoothed, image, label, caption)


def default_classifier() -> str:
    """The first of those that SPT_CLASSIFIER names (separated by commas, as the app takes them), which is said if there are
    several; else the bundled default."""
    names = [name.strip() for name in os.environ.get("SPT_CLASSIFIER", "").split(",") if name.strip()]
    if len(names) > 1:
        print(f"note: of the classifiers in SPT_CLASSIFIER the first is taken, {names[0]}", file=sys.stderr)
    return names[0] if names else DEFAULT_CLASSIFIER


def read_smoothed(arguments: argparse.Namespace) -> "SmoothedClassifier":
    """The g that the arguments of `add_classifier` name, with the noise that f was trained for where they name none."""
    from spt.classifiers import load_classifier
    from spt.smoothing import SmoothedClassifier
    from spt.transforms import get_transform

    name = default_classifier() if arguments.classifier is None else arguments.classifier
    classifier = load_classifier(name, check_device(arguments.device, name))
    transform = get_transform(
        (classifier.transform or "rotation") if arguments.transform is None else arguments.transform
    )
    trained = transform.name == classifier.transform and classifier.parameter_sigma > 0
    sigma = classifier.parameter_sigma if trained else transform.parameters[0].default_sigma
    if getattr(arguments, "g", None) == "nested" and only_slices(transform):
        sigma = 0.0  # the only g of that kind that is certified
    return SmoothedClassifier(
        classifier,
        transform,
        sigma if arguments.parameter_sigma is None else arguments.parameter_sigma,
        classifier.pixel_sigma if arguments.pixel_sigma is None else arguments.pixel_sigma,
    )


def only_slices(transform: "Transform") -> bool:
    """Whether the transformation is certified without smoothing over it only, if at all."""
    from spt.threat_model import bounded_transforms

    return transform.mixed or transform.name in set(bounded_transforms("slices")) - set(bounded_transforms("cells"))


def transformed(image: "Tensor", caption: str, values: list[float], transform: "Transform") -> tuple["Tensor", str]:
    """The image after the transformation that --at names, in 8 bits, and its caption."""
    from spt.images import to_8_bit

    point = parameter_point(values, transform)
    return to_8_bit(transform(image, point)[0]), f"{caption} at {transform.describe(point[0])}"


def parameter_point(values: list[float], transform: "Transform", option: str = "--at") -> "Tensor":
    """The parameters given with an option as a point (1, d); ValueError if there are too many or too few."""
    if len(values) != transform.dimensions:
        names = " ".join(parameter.name for parameter in transform.parameters)
        raise ValueError(
            f"{option} for {transform.name} takes {transform.dimensions} number(s) ({names}), not {len(values)}."
        )
    return transform.as_parameters([values])


def read_picture(
    name: str, shape: tuple[int, int, int] | None, invert: bool, download: bool, class_names: tuple[str, ...] = ()
) -> "tuple[Tensor, int | None, str]":
    """Image, true label among ``class_names`` (None if unknown) and caption, for a picture file or ``dataset:number``.

    A file of exactly that name comes first, so that colons in names of files do no harm; only the last colon separates
    a number from a data set. ``shape`` None leaves the image as it is. The caption says what had to be decided to read
    the picture, see `spt.images.decode_image`. Raises ValueError, one sentence, for what is neither.
    """
    from spt.datasets import DATASETS, load_dataset
    from spt.images import decode_image, fit_image, to_8_bit

    path, (dataset_name, separator, number) = Path(name), name.rpartition(":")
    if path.is_file() and path.suffix.lower() != ".npz":
        picture, remark = decode_image(path)
        fitted = shape or (len(picture.getbands()), picture.height, picture.width)
        return fit_image(picture, fitted, invert), None, f"{path.name} ({remark})" if remark else path.name
    if separator and number.removeprefix("-").isdecimal() and not (path.is_dir() and not _names_data(dataset_name)):
        dataset = load_dataset(dataset_name, shape=shape, download=download, progress=visible_progress())
        image = dataset.image(int(number))
        image = to_8_bit(1 - image) if invert else image
        return image, dataset.label_among(int(number), class_names), dataset.caption(int(number))
    if name and (path.is_dir() or path.is_file()):
        raise ValueError(f"{name!r} is no picture file but a data set: name one of its images by its number, {name}:0.")
    raise ValueError(
        f"There is no picture file {name!r}: name a file, or an image of a data set by its number, such as "
        f"digits:0 (data sets: {', '.join(DATASETS)}, or the path of a .npz file or folder)."
    )


def _names_data(name: str) -> bool:
    """Whether there is a data set of that name, or a file or folder that may be one."""
    from spt.datasets import DATASETS

    return name in DATASETS or (name != "" and Path(name).exists())


def visible_progress() -> Callable[..., Any]:
    """tqdm, silent where standard error is not a terminal."""
    from tqdm import tqdm

    return partial(tqdm, disable=None, leave=False)
