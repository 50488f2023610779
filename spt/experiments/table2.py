"""Table 2: BaseSPT. How accurate b is, and b and g under the worst of 100 attacks, three for each image."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from spt.experiments.experiment import Entry, Experiment, Row, Rows, Share, mean


@dataclass(frozen=True)
class Table2(Experiment):
    """BaseSPT against attacks.

    Attributes (see also `Experiment`):
        limit: attack range ± in ° or px.
        parameter_sigma: of g, in ° or px. pixel_sigma: of g; the paper's BaseSPT has none.
        k: attacks tried on each image; keep: how many of the worst are used.
        n_votes: of g; alpha: probability that g's answer is wrong.
    """

    name: ClassVar[str] = "table2"
    title: ClassVar[str] = "Table 2: BaseSPT under attack"
    question: ClassVar[str] = "How often do attacks change the answers of b, and how often those of the smoothed g?"
    note: ClassVar[str] = (
        "The paper's b is trained without pixel noise; ours is trained for the noise of the proofs, which costs some accuracy."
    )
    quick: ClassVar[Mapping[str, Any]] = {"dataset": "digits", "images": 20, "n_votes": 500}

    variants: ClassVar[Mapping[tuple[str, str], Mapping[str, Any]]] = {
        ("any", "translation"): {"limit": 4.0, "parameter_sigma": 1.5},
        ("imagenet-samples", "translation"): {"limit": 20.0, "parameter_sigma": 20.0},
    }

    limit: float = 30.0
    parameter_sigma: float = 30.0
    pixel_sigma: float = 0.0
    k: int = 100
    keep: int = 3
    n_votes: int = 1000
    alpha: float = 0.01

    def measure(self, stage: str, item: int, earlier: Rows, device: str) -> Row:
        from spt.attacks import WorstOfK
        from spt.smoothing import SmoothedClassifier

        classifier, transform, seed = self.load_classifier(device), self.load_transform(), self.seed_of(stage, item)
        image, row = self.picture(stage, item, classifier)
        truth = row["truth"]
        g = SmoothedClassifier(classifier, transform, self.parameter_sigma, self.pixel_sigma)
        b = int(classifier.logits(image[None].to(classifier.device)).argmax())
        attack = WorstOfK(transform, self.limit, self.keep, k=self.k)
        worst = attack(classifier, image, b if truth is None else truth, seed=seed)
        answers, seconds = [], []
        for number, attacked in enumerate(attack.apply(image, worst.points)):
            started = time.perf_counter()
            answers.append(g.predict(attacked, self.n_votes, self.alpha, seed=(seed + number) % (1 << 63)).label)
            seconds.append(time.perf_counter() - started)
        return row | {
            "b": b,
            "points": worst.points.tolist(),
            "b_attacked": worst.predictions.tolist(),
            "g_attacked": answers,
            "seconds": sum(seconds) / len(seconds),
        }

    def summary(self, rows: Rows) -> dict[str, Entry]:
        images = self.counted(rows)
        attacked = len(images) * self.keep

        def right(name: str) -> Share:
            return Share(
                sum(answer == row["truth"] for row in images for answer in row[name]), attacked, dependent=True
            )

        return {
            "images": float(len(images)),
            **self.left_out(rows),
            "Γ": self.within(self.limit),
            "acc. b": Share(sum(row["b"] == row["truth"] for row in images), len(images)),
            "adv. acc. b": right("b_attacked"),
            "adv. acc. g": right("g_attacked"),
            "t [s]": mean(images, "seconds"),
        }
