"""What an experiment is: frozen settings, tasks that each give one row, and the line of the table that the rows make.

This file imports nothing heavy, so that the page and the command line can list experiments at once.
"""

import dataclasses
import hashlib
import importlib.util
import typing
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from spt.experiments.settings import Range, checked, from_text, in_words

if TYPE_CHECKING:
    from torch import Tensor

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


LEFT_OUT = "left out, of unknown class"
"""The column that counts images that do not count, see `Experiment.left_out`."""

UNITS = {
    "rotation": "°",
    "translation": " px",
    "scaling": " log %",
    "shear": " %",
    "brightness": " %",
    "contrast": " log %",
}
"""Of transformations whose parameters all have one."""

Entry = Share | float | str | None
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
    ("imagenet-samples", "rotation"): "imagenet-lite0",
    ("imagenet-samples", "translation"): "imagenet-lite0",
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
        images: how many images, from number ``first`` on, every ``every``-th one.
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
    transforms: ClassVar[tuple[str, ...]] = ("rotation", "translation")
    """Transformations that the experiment has settings and a bundled classifier for."""
    ranges: ClassVar[Mapping[str, Range]] = {}
    """What a setting may be otherwise than `spt.experiments.settings.RANGES` says."""
    classifiers: ClassVar[Mapping[tuple[str, str], str]] = DEFAULT_CLASSIFIERS
    """Which classifier a data set and transformation get, if none is named."""
    quick: ClassVar[Mapping[str, Any]] = {}
    """What the preset "quick" changes: a few minutes on bundled images."""
    note: ClassVar[str] = ""
    """What one has to know to compare with the paper."""
    labelled: ClassVar[bool] = True
    """Whether answers are compared with the class of the image; images without one are then left out and counted."""
    version: ClassVar[int] = 1
    """Of what the rows say: a change of the code that changes them raises it, and rows of other versions are refused."""

    dataset: str = "mnist"
    transform: str = "rotation"
    classifier: str = "mnist-rotation-fine"
    images: int = 1000
    first: int = 0
    every: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """ValueError, one sentence that names the setting, for a value of another type or out of range."""
        types = typing.get_type_hints(type(self))
        for each in dataclasses.fields(self):
            value = checked(each.name, getattr(self, each.name), types[each.name], self.ranges.get(each.name))
            object.__setattr__(self, each.name, value)
        for less, more in (("keep", "k"), ("min_width", "width")):
            low, high = getattr(self, less, 0), getattr(self, more, 0)
            if low > high:
                raise ValueError(f"{less} must be at most {more} = {in_words(high)}, but is {in_words(low)}.")

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
    def summary(self, rows: Rows) -> dict[str, Entry]:
        """The line of the table, as far as there are rows."""

    def certified(self, rows: Rows) -> Sequence[float] | None:
        """For each case the size of transformation up to which it is certified and right, -1 for neither; None where
        the experiment certifies nothing."""
        return None

    # ------------------------------------------------------------------------------------------------ what all have

    @classmethod
    def from_record(cls, settings: Mapping[str, Any]) -> Self:
        """The experiment with settings as a record has them, also one of an earlier version; names it lacks are passed over."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in settings.items() if name in known})

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that decide what a row says: all but how many images there are, and a range that there is not."""
        settings = dataclasses.asdict(self)
        return {"experiment": self.name} | {
            name: value
            for name, value in settings.items()
            if name != "images" and (name, value) != ("further_limit", None)
        }

    @property
    def stem(self) -> str:
        """Name of its files: experiment, data set, transformation and attack range."""
        limits = [getattr(self, name, None) for name in ("limit", "further_limit")]
        parts = (self.name, self.dataset, self.transform, *(f"{limit:g}" for limit in limits if limit is not None))
        return "-".join(part.replace("/", "_") for part in parts)

    def seed_of(self, stage: str, item: int) -> int:
        """The seed of one task: a hash of its name, so that tasks are independent of each other."""
        digest = hashlib.sha256(repr((self.seed, self.name, stage, item)).encode()).digest()
        return int.from_bytes(digest[:7])

    def check(self) -> None:
        """ValueError, one sentence, if the data set, the classifier or the transformation is not there or does not fit."""
        self.load_transform()
        classifier = self.load_classifier()
        data = self.load_images(classifier.input_shape)
        data.image(self.first)
        if self.labelled and all(data.label_among(index, classifier.class_names) is None for index in self.numbers):
            raise ValueError(
                f"None of the {self.images} images of {data.name} has a class of the classifier {classifier.name}, so no "
                f"answer could be right: the data set has {_some(data.class_names)}, the classifier "
                f"{_some(classifier.class_names)}; name the classes alike."
            )

    @property
    def numbers(self) -> range:
        """The numbers, in their data set, of the images that are asked for."""
        return range(self.first, self.first + self.every * self.images, self.every)

    def place(self, stage: str, item: int) -> tuple[str, int]:
        """Which image a task is of: split of the data set, and number in it."""
        return "test", self.numbers[item]

    def picture(self, stage: str, item: int, classifier: "Classifier") -> "tuple[Tensor, Row]":
        """The image of a task in the classifier's shape, on the CPU, and what its row says of it: ``image``, its number;
        ``truth``, its class among the classifier's, None where none fits (only in the last stage); ``sha256`` of its values."""
        from spt.images import image_digest

        split, number = self.place(stage, item)
        shape = classifier.input_shape
        data = self.load_images(shape) if split == "test" else self.load_split(split, shape)
        image = data.image(number)
        row: Row = {"image": number}
        if stage == self.stages[-1]:
            row |= {"truth": data.label_among(number, classifier.class_names)}
        return image, row | {"sha256": image_digest(image)}

    def about(self, stage: str, item: int) -> Row:
        """What the row of a task must say of its image; a row that says something else is of other data."""
        return self.picture(stage, item, self.load_classifier())[1]

    def provenance(self) -> dict[str, Any]:
        """What decides the rows besides settings and images, as plain values: the network, its code if it is a person's own,
        the pixel noise that it was trained for if that is taken, and the version of the rows."""
        classifier = self.load_classifier()
        dtypes = sorted({str(value.dtype).removeprefix("torch.") for value in classifier.module.parameters()})
        return {
            "classifier_sha256": classifier.fingerprint,
            "classifier_code_sha256": own_code(self.classifier),
            "number_format": ", ".join(dtypes),
            "trained_pixel_sigma": classifier.pixel_sigma if getattr(self, "pixel_sigma", 0.0) is None else None,
            "rows_version": self.version,
        }

    def counted(self, rows: Rows) -> list[Row]:
        """The rows of the last stage that count: where classes are compared, those of images whose class is known."""
        return [row for row in rows[self.stages[-1]] if not self.labelled or row["truth"] is not None]

    def left_out(self, rows: Rows) -> dict[str, Entry]:
        """The column that says how many images do not count, because the classifier has no class of theirs; none, if all do."""
        without = {row["image"] for row in rows[self.stages[-1]]} - {row["image"] for row in self.counted(rows)}
        return {LEFT_OUT: float(len(without))} if without else {}

    def box(self, limit: float) -> float | tuple[float, ...]:
        """The range ± ``limit`` of the first parameter, with what belongs to it of the second where their units differ."""
        further: float | None = getattr(self, "further_limit", None)
        return limit if further is None else (limit, further * (limit / getattr(self, "limit")))  # noqa: B009

    def within(self, limit: float) -> str:
        """An attack range as people write it; of a box of parameters with different units its size is that of the first."""
        box = self.box(limit)
        return (
            f"±{limit:g}{UNITS.get(self.transform, '')}" if box == limit else self.load_transform().describe_range(box)
        )

    def load_transform(self) -> "Transform":
        """The transformation."""
        from spt.transforms import get_transform

        return get_transform(self.transform)

    def load_classifier(self, device: str = "cpu", name: str | None = None) -> "Classifier":
        """The classifier of that name (default: the one of the settings), loaded once a process."""
        from spt.classifiers import load_classifier

        own_code(name or self.classifier)  # as it is when it is loaded
        return load_classifier(name or self.classifier, device)

    def load_images(self, shape: tuple[int, int, int] | None) -> "Dataset":
        """The data set in the shape that the classifier takes; ValueError if it has fewer images than asked for."""
        data = self.load_split("test", shape)
        if self.numbers[-1] >= len(data):
            each = f", one in {self.every}," if self.every > 1 else ""
            raise ValueError(
                f"{data.name} has {len(data)} images, so from number {self.first} on{each} there are "
                f"{len(range(self.first, len(data), self.every))}, not {self.images}."
            )
        return data

    def load_split(self, split: str, shape: tuple[int, int, int] | None) -> "Dataset":
        """A split of the data set, loaded once a process."""
        return _dataset(self.dataset, split, shape)


@lru_cache(maxsize=16)
def own_code(name: str) -> str | None:
    """SHA-256 of the Python file that a person's own classifier comes from, which may change what the network does though
    its weights stay; None for a bundled one."""
    location = name if name.endswith(".py") else name.rpartition(":")[0]
    if not location:
        return None
    path: str | None = location
    if not location.endswith(".py"):
        try:
            found = importlib.util.find_spec(location)
        except Exception:  # whatever a package raises when it is looked into; loading it says so
            return None
        path = found.origin if found else None
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path and Path(path).is_file() else None


def _some(names: Sequence[str]) -> str:
    """A few names of many."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


@lru_cache(maxsize=4)
def _dataset(name: str, split: str, shape: tuple[int, int, int] | None) -> "Dataset":
    from spt.datasets import load_dataset

    return load_dataset(name, split, shape)


def configure(
    kind: type[Experiment], preset: str = "full", dataset: str | None = None, transform: str | None = None, **given: Any
) -> Experiment:
    """The experiment with the settings of a preset for this data set and transformation, and what is ``given`` besides.

    ValueError, one sentence, for an unknown preset or setting, or a value of the wrong type or out of range.
    """
    if preset not in ("full", "quick"):
        raise ValueError(f"Unknown preset {preset!r}: choose full or quick.")
    settings = dict(kind.quick) if preset == "quick" else {}
    types = typing.get_type_hints(kind)
    known: dict[str, Any] = {each.name: each.default for each in dataclasses.fields(kind)}
    dataset = str(settings.get("dataset", known["dataset"]) if dataset is None else dataset)
    transform = str(settings.get("transform", known["transform"]) if transform is None else transform)
    classifier = kind.classifiers.get((dataset, transform))
    named = {"dataset": dataset, "transform": transform} | ({"classifier": classifier} if classifier else {})
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise ValueError(f"{kind.name} has no setting {unknown[0]!r}; it has {', '.join(known)}.")
    chosen = settings | dict(kind.settings_for(dataset, transform)) | named | given
    if classifier is None and "classifier" not in given:
        _refuse_unknown(dataset, transform)
        raise ValueError(f"No classifier for {transform} of {dataset} is bundled: name one with --classifier.")
    return kind(**{name: from_text(value, types[name]) for name, value in chosen.items()})


def _refuse_unknown(dataset: str, transform: str) -> None:
    """ValueError, listing the known ones, if there is no such data set or transformation."""
    from spt.datasets import DATASETS, load_dataset
    from spt.transforms import get_transform

    get_transform(transform)
    if dataset not in DATASETS:
        load_dataset(dataset)
