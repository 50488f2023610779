"""Table 2: BaseSPT. How accurate b and g are, and how they stand under the worst of 100 attacks, three for each image."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from spt.experiments.experiment import Entry, Experiment, Row, Rows, Share, mean, own_code
from spt.experiments.table4 import Table4

if TYPE_CHECKING:
    from torch import Tensor

    from spt.classifiers import Classifier
    from spt.smoothing import SmoothedClassifier

ORDINARY = {"mnist": "mnist-plain", "digits": "mnist-plain", "cifar10": "cifar10-plain", "natural": "cifar10-plain"}
"""Networks that were trained without transformations and noise, by data set: what b is where nothing else is said. For data
sets that are not here one network is both, b and f."""
VIA_F = "adv. acc. g via f"
"""The column of g under the attacks on f."""


@dataclass(frozen=True)
class Table2(Experiment):
    """BaseSPT against attacks.

    b is attacked by itself; g smooths f, the ``classifier``, over the parameter. The attacks on b are shown to g too, as in
    the paper; where b is another network than f, also those on f, which are the stronger ones against g.

    Attributes (see also `Experiment`):
        ordinary: name of b; None: b is f itself.
        limit: attack range ± in the unit of the parameters; further_limit: that of the second one where its unit is another one.
        parameter_sigma: of g, in the unit of the parameters. pixel_sigma: of g; the paper's BaseSPT has none.
        k: attacks tried on each image; keep: how many of the worst are used.
        n_votes: of g; alpha: probability that g's answer is wrong.
    """

    name: ClassVar[str] = "table2"
    title: ClassVar[str] = "Table 2: BaseSPT under attack"
    question: ClassVar[str] = "How often do attacks change the answers of b, and how often those of the smoothed g?"
    note: ClassVar[str] = (
        "b is an ordinary network, as in the paper. g smooths f, here a network that was trained with rotations or shifts: from b "
        "to g it is training that makes a difference as well as smoothing, and the columns of f tell them apart. Where there are "
        "no such columns, b is f itself."
    )
    quick: ClassVar[Mapping[str, Any]] = {"dataset": "digits", "images": 20, "n_votes": 500}
    version: ClassVar[int] = 2

    variants: ClassVar[Mapping[tuple[str, str], Mapping[str, Any]]] = {
        ("any", "translation"): {"limit": 4.0, "parameter_sigma": 1.5},
        ("imagenet-samples", "translation"): {"limit": 20.0, "parameter_sigma": 20.0},
        ("any", "scaling"): {"limit": 35.67, "parameter_sigma": 15.0},
        ("any", "shear"): {"limit": 30.0, "parameter_sigma": 15.0},
        ("any", "brightness"): {"limit": 30.0, "parameter_sigma": 10.0},
        ("any", "contrast"): {"limit": 50.0, "parameter_sigma": 20.0},
        ("any", "rotation-brightness"): {"limit": 30.0, "further_limit": 20.0, "parameter_sigma": 20.0},
        ("any", "rotation-scaling"): {"limit": 30.0, "further_limit": 20.0, "parameter_sigma": 15.0},
    }
    transforms: ClassVar[tuple[str, ...]] = Table4.transforms
    classifiers: ClassVar[Mapping[tuple[str, str], str]] = {
        **Table4.classifiers,
        ("cifar10", "rotation"): "cifar10-rotation",
        ("natural", "rotation"): "cifar10-rotation",
    }

    ordinary: str | None = None
    limit: float = 30.0
    further_limit: float | None = None
    parameter_sigma: float = 30.0
    pixel_sigma: float = 0.0
    k: int = 100
    keep: int = 3
    n_votes: int = 1000
    alpha: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ordinary == self.classifier:
            object.__setattr__(self, "ordinary", None)

    @classmethod
    def settings_for(cls, dataset: str, transform: str) -> Mapping[str, Any]:
        """See `Experiment.settings_for`; with the ordinary network, where the data set has one."""
        return {**super().settings_for(dataset, transform), "ordinary": ORDINARY.get(dataset)}

    @property
    def stem(self) -> str:
        """See `Experiment.stem`; results with an ordinary b lie beside those where b is f."""
        return super().stem if self.ordinary is None else f"{super().stem}-ordinary"

    def provenance(self) -> dict[str, Any]:
        """See `Experiment.provenance`; and the ordinary network, if it is another one."""
        if self.ordinary is None:
            return super().provenance()
        b = self.load_classifier(name=self.ordinary)
        return super().provenance() | {
            "ordinary_sha256": b.fingerprint,
            "ordinary_code_sha256": own_code(self.ordinary),
        }

    def check(self) -> None:
        """See `Experiment.check`; and that b and f name the same classes, and take images of the same shape."""
        super().check()
        self._check_box()
        if self.ordinary is None:
            return
        b, f = self.load_classifier(name=self.ordinary), self.load_classifier()
        for what in ("class_names", "input_shape"):
            if getattr(b, what) != getattr(f, what):
                raise ValueError(
                    f"ordinary = {self.ordinary} has other {what.replace('_', ' ')} than the classifier {f.name}: name an "
                    "ordinary network for these images, or none, so that the classifier is attacked itself."
                )

    def _check_box(self) -> None:
        transform = self.load_transform()
        if transform.mixed != (self.further_limit is not None):
            raise ValueError(
                f"further_limit is the attack range of {transform.name}'s second parameter, {transform.parameters[1].name} in "
                f"{transform.parameters[1].unit}, and must be given."
                if transform.mixed
                else f"further_limit = {self.further_limit:g} is for transformations whose parameters have different units, not "
                f"for {transform.name}."
            )

    def measure(self, stage: str, item: int, earlier: Rows, device: str) -> Row:
        from spt.smoothing import SmoothedClassifier

        f, seed = self.load_classifier(device), self.seed_of(stage, item)
        image, row = self.picture(stage, item, f)
        b = f if self.ordinary is None else self.load_classifier(device, self.ordinary)
        g = SmoothedClassifier(f, self.load_transform(), self.parameter_sigma, self.pixel_sigma)
        row |= self._attacked(b, g, image, row["truth"], seed, ("b", "points", "b_attacked", "g_attacked"))
        if self.ordinary is not None:
            row |= self._attacked(f, g, image, row["truth"], seed, ("f", "f_points", "f_attacked", "g_attacked_via_f"))
        started = time.perf_counter()
        row["g"] = self._vote(g, image, seed, len(row["g_attacked"]))
        return row | {"seconds": time.perf_counter() - started}

    def _attacked(
        self,
        network: "Classifier",
        g: "SmoothedClassifier",
        image: "Tensor",
        truth: int | None,
        seed: int,
        names: tuple[str, str, str, str],
    ) -> Row:
        """What ``network`` answers for the image, the worst attacks on it, and what it and g answer to these, under ``names``."""
        from spt.attacks import WorstOfK

        answer = int(network.logits(image[None].to(network.device)).argmax())
        attack = WorstOfK(self.load_transform(), self.box(self.limit), self.keep, k=self.k)
        worst = attack(network, image, answer if truth is None else truth, seed=seed)
        votes = [self._vote(g, each, seed, number) for number, each in enumerate(attack.apply(image, worst.points))]
        return dict(zip(names, (answer, worst.points.tolist(), worst.predictions.tolist(), votes), strict=True))

    def _vote(self, g: "SmoothedClassifier", image: "Tensor", seed: int, number: int) -> int | None:
        """The answer of g, None for ABSTAIN; images with the same number share their β."""
        return g.predict(image, self.n_votes, self.alpha, seed=(seed + number) % (1 << 63)).label

    def summary(self, rows: Rows) -> dict[str, Entry]:
        images = self.counted(rows)

        def alone(name: str) -> Share:
            return Share(sum(row[name] == row["truth"] for row in images), len(images))

        def attacked(name: str) -> Share:
            right = sum(answer == row["truth"] for row in images for answer in row[name])
            return Share(right, len(images) * self.keep, dependent=True)

        measured = {name for row in images for name in row}
        return {
            "images": float(len(images)),
            **self.left_out(rows),
            "Γ": self.within(self.limit),
            "acc. b": alone("b"),
            "adv. acc. b": attacked("b_attacked"),
            **({"acc. g": alone("g")} if "g" in measured or not images else {}),
            "adv. acc. g": attacked("g_attacked"),
            **({} if self.ordinary is None else self._of_f(alone, attacked)),
            "t [s]": mean(images, "seconds"),
        }

    def _of_f(self, alone: Callable[[str], Share], attacked: Callable[[str], Share]) -> dict[str, Entry]:
        """The columns of f, where it is another network than b."""
        return {"acc. f": alone("f"), "adv. acc. f": attacked("f_attacked"), VIA_F: attacked("g_attacked_via_f")}
