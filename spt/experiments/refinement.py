"""Refinement of the inverse: how the constraints, and the error that they bound, shrink with each pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from spt.experiments.experiment import Entry, Experiment, Row, Rows

PASSES = (0, 1, 2, 3, 5, 10)


@dataclass(frozen=True)
class InverseRefinement(Experiment):
    """One attacked copy of each image is inverted with more and more passes.

    Attributes (see also `Experiment`):
        limit: attack range ± in ° or px; parameter_sigma: of the smoothing.
        split_width: of the inverse; n_betas: smoothing samples whose error is bounded.
        method: of the bound: "interval", the paper's, or "automatic", ours (see `spt.received_bounds.bounds`).
    """

    name: ClassVar[str] = "refinement"
    title: ClassVar[str] = "Error against refinement"
    question: ClassVar[str] = "What does each refinement pass of the inverse gain?"
    note: ClassVar[str] = (
        "The paper refines 10 times. Ours drops splits that nothing explains, so most is gained in few passes."
    )
    labelled: ClassVar[bool] = False
    quick: ClassVar[Mapping[str, Any]] = {"dataset": "digits", "images": 10}
    version: ClassVar[int] = 2  # sharper bounds where the inverse leaves pixels wide open

    limit: float = 10.0
    parameter_sigma: float = 30.0
    split_width: float = 0.1
    n_betas: int = 5
    method: Literal["interval", "automatic", "kernel"] = "interval"

    def measure(self, stage: str, item: int, earlier: Rows, device: str) -> Row:
        import time

        import torch

        from spt.images import to_8_bit
        from spt.inverse import invert
        from spt.received_bounds.bounds import received_bound
        from spt.threat_model import ReceivedImage

        classifier, transform = self.load_classifier(device), self.load_transform()
        started = time.perf_counter()
        image, about = self.picture(stage, item, classifier)
        image = image.to(classifier.device)
        generator = torch.Generator().manual_seed(self.seed_of(stage, item))
        uniform = torch.rand(1, transform.dimensions, dtype=torch.float64, generator=generator)
        gamma = self.limit * (2 * uniform - 1)
        betas = transform.sample(self.n_betas, self.parameter_sigma, generator)
        received = ReceivedImage(to_8_bit(transform(image, gamma)[0]), transform, (-self.limit, self.limit))
        row: Row = about | {"point": gamma[0].tolist(), "width": [], "error": [], "surviving": []}
        for passes in PASSES:
            inverse = invert(received, width=self.split_width, refinements=passes)
            bound = received_bound(inverse, classifier.preprocessing, betas, method=self.method)
            row["width"].append(float(inverse.widths.mean()))
            row["error"].append(float(bound.values.mean()))
            row["surviving"].append(inverse.share)
        return row | {"seconds": time.perf_counter() - started}

    def summary(self, rows: Rows) -> dict[str, Entry]:
        images = rows["images"]
        count = len(images)
        columns: dict[str, Entry] = {"images": float(count)}
        for number, passes in enumerate(PASSES):
            columns[f"E, {passes} passes"] = sum(row["error"][number] for row in images) / count if count else None
        for passes in (PASSES[0], PASSES[-1]):
            number = PASSES.index(passes)
            columns[f"width, {passes} passes"] = sum(row["width"][number] for row in images) / count if count else None
        return columns
