"""What an experiment is: frozen settings, tasks that each give one row, and the line of the table that the rows make.

This file imports nothing heavy, so that the page and the command line can list experiments at once.
"""

import dataclasses
import hashlib
import typing
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from spt.classifiers import Classifier
    from spt.datasets import Dataset
    from spt.transforms import Transform

Row = dict[str, Any]
"""What one task measured, as plain values; names that begin with "seconds" are times and differ from run to run."""

Rows = Mapping[str, Sequence[Row]]
"""The rows of the stages that are complete, in the order of their items."""


def mean(rows: Sequence[Row], name: str) -> float | None:
    """The mean of a column; None where there are no rows."""
    return sum(row[name] for row in rows) / len(rows) if rows else None


def pixel_noise(given: float | None, classifier: "Classifier") -> float:
    """The pixel noise of a setting, where None is what the classifier was trained for."""
    return classifier.pixel_sigma if given is None else given


@dataclass(frozen=True)
class Share:
    """A share that was counted: of ``of`` cases ``count`` have the property; ``dependent`` if some are of one image."""

    count: int
    of: int
    dependent: bool = False

    @property
    def value(self) -> float:
        """The share itself; 0 where there is no case."""
        return self.count / self.of if self.of else 0.0

    def band(self, alpha: float = 0.05) -> tuple[float, float] | None:
        """Two-sided Clopper-Pearson interval with confidence 1 - alpha; None where there is none."""
        from spt.statistics import clopper_pearson_lower, clopper_pearson_upper

        if not self.of or self.dependent:
            return None
        return (
            clopper_pearson_lower(self.count, self.of, alpha / 2),
            clopper_pearson_upper(self.count, self.of, alpha / 2),
        )


UNITS = {"rotation": "°", "translation": " px"}

Cell = Share | float | str | None
"""An entry of a table; None where there is nothing."""


DEFAULT_CLASSIFIERS = {
    ("digits", "rotation"): "mnist-rotation-fine",
    ("digits", "translation"): "mnist-translation",
    ("mnist", "rotation"): "mnist-rotation-fine",
    ("mnist", "translation"): "mnist-translation",
    ("cifar10", "rotation"): "cifar10-smooth",
    ("cifar10", "translation"): "cifar10-smooth",
    ("natural", "rotation"): "cifar10-smooth",
    ("natural", "translation"): "cifar10-smooth",
    ("imagenet-samples", "rotation"): "spt.torchvision_networks:resnet50",
    ("imagenet-samples", "translation"): "spt.torchvision_networks:resnet50",
}


@dataclass(frozen=True)
class Experiment(ABC):
    """A table or figure of the paper, ready to run: its settings are the fields, whose defaults are the paper's.

    A subclass says in ``stages`` which steps it has, one after the other, how many tasks each has (`items`), and what
    one task measures (`measure`). Tasks of one stage are independent of each other and of the order: each has a seed of
    its own (`seed_of`), so the rows do not depend on who computes them, or when.

    Attributes:
        dataset: name for `spt.datasets.load_dataset`; split "test".
        transform: name of the transformation.
        classifier: name for `spt.classifiers.load_classifier`.
        images: how many images, from number ``first`` on.
        seed: of everything drawn.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    question: ClassVar[str]
    stages: ClassVar[tuple[str, ...]] = ("images",)
    variants: ClassVar[Mapping[tuple[str, str], Mapping[str, Any]]] = {
        ("any", "translation"): {"limit": 1.0, "parameter_sigma": 1.5}
    }
    """What the paper, or we, set otherwise for a data set (or any) and a transformation."""
    classifiers: ClassVar[Mapping[tuple[str, str], str]] = DEFAULT_CLASSIFIERS
    """Which classifier a data set and transformation get, if none is named."""
    quick: ClassVar[Mapping[str, Any]] = {}
    """What the preset "quick" changes: a few minutes on bundled images."""
    note: ClassVar[str] = ""
    """What one has to know to compare with the paper."""

    dataset: str = "mnist"
    transform: str = "rotation"
    classifier: str = "mnist-rotation-fine"
    images: int = 1000
    first: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("images", *(name for name in vars(self) if name.startswith("n_"))):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, but is {getattr(self, name)}.")
        for name in ("first", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, but is {getattr(self, name)}.")

    # ------------------------------------------------------------------------------------------- what a subclass gives

    @classmethod
    def settings_for(cls, dataset: str, transform: str) -> Mapping[str, Any]:
        """What is set otherwise for this data set and transformation than the defaults say."""
        return cls.variants.get((dataset, transform)) or cls.variants.get(("any", transform)) or {}

    def items(self, stage: str) -> int:
        """How many tasks a stage has."""
        return self.images

    @abstractmethod
    def measure(self, stage: str, item: int, earlier: Rows, device: str) -> Row:
        """Do one task; ``earlier`` has the rows of the stages before."""

    @abstractmethod
    def summary(self, rows: Rows) -> dict[str, Cell]:
        """The line of the table, as far as there are rows."""

    def certified(self, rows: Rows) -> Sequence[float] | None:
        """For each case the size of transformation up to which it is certified and right, -1 for neither; None where
        the experiment certifies nothing."""
        return None

    # ------------------------------------------------------------------------------------------------ what all have

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that decide what a row says: all but how many images there are."""
        return {"experiment": self.name} | {k: v for k, v in dataclasses.asdict(self).items() if k != "images"}

    @property
    def stem(self) -> str:
        """Name of its files: experiment, data set, transformation and attack range."""
        limit: float | None = getattr(self, "limit", None)
        parts = (self.name, self.dataset, self.transform, *([] if limit is None else [f"{limit:g}"]))
        return "-".join(part.replace("/", "_") for part in parts)

    def seed_of(self, stage: str, item: int) -> int:
        """The seed of one task: a hash of its name, so that tasks are independent of each other."""
        digest = hashlib.sha256(repr((self.seed, self.name, stage, item)).encode()).digest()
        return int.from_bytes(digest[:7])

    def check(self) -> None:
        """ValueError, one sentence, if the data set, the classifier or the transformation is not there or does not fit."""
        self.load_transform()
        self.load_images(self.load_classifier().input_shape).image(self.first)

    def within(self, limit: float) -> str:
        """An attack range as people write it."""
        return f"±{limit:g}{UNITS.get(self.transform, '')}"

    def load_transform(self) -> "Transform":
        """The transformation."""
        from spt.transforms import get_transform

        return get_transform(self.transform)

    def load_classifier(self, device: str = "cpu", name: str | None = None) -> "Classifier":
        """The classifier of that name (default: the one of the settings), loaded once a process."""
        from spt.classifiers import load_classifier

        return load_classifier(name or self.classifier, device)

    def load_images(self, shape: tuple[int, int, int] | None) -> "Dataset":
        """The data set in the shape that the classifier takes; ValueError if it has fewer images than asked for."""
        data = self.load_split("test", shape)
        if self.first + self.images > len(data):
            raise ValueError(
                f"{data.name} has {len(data)} images, so from number {self.first} on there are "
                f"{max(0, len(data) - self.first)}, not {self.images}."
            )
        return data

    def load_split(self, split: str, shape: tuple[int, int, int] | None) -> "Dataset":
        """A split of the data set, loaded once a process."""
        return _dataset(self.dataset, split, shape)


@lru_cache(maxsize=4)
def _dataset(name: str, split: str, shape: tuple[int, int, int] | None) -> "Dataset":
    from spt.datasets import load_dataset

    return load_dataset(name, split, shape)


def configure(
    kind: type[Experiment], preset: str = "full", dataset: str | None = None, transform: str | None = None, **given: Any
) -> Experiment:
    """The experiment with the settings of a preset for this data set and transformation, and what is ``given`` besides.

    ValueError, one sentence, for an unknown preset or setting, or a value of the wrong type.
    """
    if preset not in ("full", "quick"):
        raise ValueError(f"Unknown preset {preset!r}: choose full or quick.")
    settings = dict(kind.quick) if preset == "quick" else {}
    types = typing.get_type_hints(kind)
    known: dict[str, Any] = {each.name: each.default for each in dataclasses.fields(kind)}
    dataset = str(dataset or settings.get("dataset") or known["dataset"])
    transform = str(transform or settings.get("transform") or known["transform"])
    classifier = kind.classifiers.get((dataset, transform))
    named = {"dataset": dataset, "transform": transform} | ({"classifier": classifier} if classifier else {})
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise ValueError(f"{kind.name} has no setting {unknown[0]!r}; it has {', '.join(known)}.")
    chosen = named | dict(kind.settings_for(dataset, transform)) | settings | named | given
    if classifier is None and "classifier" not in given:
        _refuse_unknown(dataset, transform)
        raise ValueError(f"No classifier for {transform} of {dataset} is bundled: name one with --classifier.")
    return kind(**{name: _typed(name, value, types[name]) for name, value in chosen.items()})


def _refuse_unknown(dataset: str, transform: str) -> None:
    """ValueError, listing the known ones, if there is no such data set or transformation."""
    from spt.datasets import DATASETS, load_dataset
    from spt.transforms import get_transform

    get_transform(transform)
    if dataset not in DATASETS:
        load_dataset(dataset)


def _typed(name: str, value: Any, kind: Any) -> Any:
    """A setting given as text, as a value of the field's type."""
    if not isinstance(value, str):
        return value
    options = [each for each in (typing.get_args(kind) or (kind,)) if each is not type(None)]
    if value == "none" and type(None) in typing.get_args(kind):
        return None
    if all(isinstance(option, str) for option in options):
        if value not in options:
            raise ValueError(f"{name} must be one of {', '.join(options)}, but is {value!r}.")
        return value
    try:
        return options[0](value)
    except ValueError:
        raise ValueError(f"{name} must be of type {options[0].__name__}, but is {value!r}.") from None
