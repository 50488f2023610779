"""The radius that BaseSPT shows, against attacks: is it true in practice, although nothing proves it?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from spt.experiments.experiment import Entry, Experiment, Row, Rows, Share, mean


@dataclass(frozen=True)
class Radius(Experiment):
    """For each image BaseSPT's radius, and g's answers at the worst attacks within it and around it.

    Attributes (see also `Experiment`):
        limit: attacks never go further, in ° or px.
        parameter_sigma, pixel_sigma: of g.
        n_votes: of the radius and of each answer; alpha: probability that one is wrong.
        k: attacks tried within each share of the radius; the worst of them is shown to g.
    """

    name: ClassVar[str] = "radius"
    title: ClassVar[str] = "BaseSPT's radius against attacks"
    question: ClassVar[str] = "Does g keep its class within the radius that BaseSPT shows, which is only a heuristic?"
    note: ClassVar[str] = (
        "Survived attacks are evidence, not proof. Rotations do not compose, so nothing is guaranteed."
    )
    labelled: ClassVar[bool] = False
    quick: ClassVar[Mapping[str, Any]] = {"dataset": "digits", "images": 20, "n_votes": 500}

    variants: ClassVar[Mapping[tuple[str, str], Mapping[str, Any]]] = {
        ("any", "translation"): {"limit": 6.0, "parameter_sigma": 1.5}
    }

    limit: float = 90.0
    parameter_sigma: float = 30.0
    pixel_sigma: float = 0.0
    n_votes: int = 1000
    alpha: float = 0.01
    k: int = 100

    def measure(self, stage: str, item: int, earlier: Rows, device: str) -> Row:
        import time

        from spt.attacks import WorstOfK
        from spt.smoothing import SmoothedClassifier

        classifier, transform, seed = self.load_classifier(device), self.load_transform(), self.seed_of(stage, item)
        started = time.perf_counter()
        image, row = self.picture(stage, item, classifier)
        g = SmoothedClassifier(classifier, transform, self.parameter_sigma, self.pixel_sigma)
        shown = g.certify(image, n=self.n_votes, alpha=self.alpha, seed=seed)
        row |= {"label": shown.label, "radius": shown.radius}
        for number, part in enumerate(PARTS):
            reach = min(part * shown.radius, self.limit)
            answer = point = None
            if shown.label is not None and reach > 0:
                # a box whose corners are within the radius: the radius is a length
                attack = WorstOfK(transform, reach / transform.dimensions**0.5, 1, k=self.k)
                worst = attack(classifier, image, shown.label, seed=seed)
                attacked = attack.apply(image, worst.points)[0]
                answer = g.predict(attacked, self.n_votes, self.alpha, seed=seed + 1 + number).label
                point = worst.points[0].tolist()
            row |= {f"answer {part:g}": answer, f"point {part:g}": point}
        return row | {"seconds": time.perf_counter() - started}

    def summary(self, rows: Rows) -> dict[str, Entry]:
        images = [row for row in rows["images"] if row["label"] is not None]
        count = len(images)
        columns: dict[str, Entry] = {"images": float(len(rows["images"])), "with a radius": float(count)}
        columns["mean radius"] = mean(images, "radius")
        for part in PARTS:
            kept = sum(row[f"answer {part:g}"] == row["label"] for row in images)
            changed = sum(row[f"answer {part:g}"] not in (None, row["label"]) for row in images)
            columns[f"kept at ≤ {part:g} radius"] = Share(kept, count)
            columns[f"changed at ≤ {part:g} radius"] = Share(changed, count)
        return columns


PARTS = (0.5, 0.95, 1.25)
