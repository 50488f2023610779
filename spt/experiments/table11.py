"""Table 11: the largest interpolation error with and without blur and vignette."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from spt.experiments.experiment import Cell, Experiment, Row, Rows

if TYPE_CHECKING:
    from spt.preprocessing import Preprocessing

VARIANTS = ("Both", "-V", "-G", "-V-G")


@dataclass(frozen=True)
class Table11(Experiment):
    """Sampled errors of the classifier's own P, and of P without vignette (V), without blur (G), without both.

    Attributes (see also `Experiment`):
        limit: attack range ± in ° or px; parameter_sigma: of the smoothing.
        n_betas: smoothing samples for each image; n_points: attacks for each of them.
    """

    name: ClassVar[str] = "table11"
    title: ClassVar[str] = "Table 11: blur and vignette"
    question: ClassVar[str] = "How large does the interpolation error get without the vignette, and without the blur?"
    note: ClassVar[str] = (
        "Largest errors that were found by sampling: the true maxima are at least as large. The paper's filter has a kernel "
        "that sums to 0.508 (s = 2) or 0.409 (s = 1) instead of 1, which makes its errors with blur smaller by that factor."
    )
    quick: ClassVar[Mapping[str, Any]] = {"dataset": "digits", "images": 20, "n_betas": 20, "n_points": 100}

    limit: float = 30.0
    parameter_sigma: float = 30.0
    n_betas: int = 50
    n_points: int = 300

    def measure(self, stage: str, item: int, earlier: Rows, device: str) -> Row:
        import time

        import torch

        from spt.error_bounds import sampled_error

        classifier, transform = self.load_classifier(device), self.load_transform()
        index, started = self.first + item, time.perf_counter()
        image = self.load_images(classifier.input_shape).image(index).to(classifier.device)
        betas = transform.sample(
            self.n_betas, self.parameter_sigma, torch.Generator().manual_seed(self.seed_of(stage, item))
        )
        gamma_range = [(-self.limit, self.limit)] * transform.dimensions
        errors = {
            name: float(sampled_error(image, transform, p, betas, gamma_range, self.n_points).values.max())
            for name, p in variants(classifier.preprocessing).items()
        }
        return {"image": index} | errors | {"seconds": time.perf_counter() - started}

    def summary(self, rows: Rows) -> dict[str, Cell]:
        images = rows["images"]
        largest: dict[str, Cell] = {name: max((row[name] for row in images), default=None) for name in VARIANTS}
        return {"images": float(len(images)), **largest}


def variants(preprocessing: "Preprocessing") -> dict[str, "Preprocessing"]:
    """P, and P without vignette, without blur, without both."""
    return {
        "Both": preprocessing,
        "-V": replace(preprocessing, vignette=None),
        "-G": replace(preprocessing, blur_size=0),
        "-V-G": replace(preprocessing, vignette=None, blur_size=0),
    }
