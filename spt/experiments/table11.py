"""Table 11: the largest interpolation error with and without blur and vignette."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from spt.experiments.experiment import Entry, Rows
from spt.experiments.sampled_errors import SampledErrors

if TYPE_CHECKING:
    from torch import Tensor

    from spt.preprocessing import Preprocessing
    from spt.transforms import Transform

VARIANTS = ("Both", "-V", "-G", "-V-G")


@dataclass(frozen=True)
class Table11(SampledErrors):
    """Errors with the classifier's own P, and with P without vignette (V), without blur (G), without both."""

    name: ClassVar[str] = "table11"
    title: ClassVar[str] = "Table 11: blur and vignette"
    question: ClassVar[str] = "How large does the interpolation error get without the vignette, and without the blur?"
    note: ClassVar[str] = (
        "Largest errors that were found by sampling: the true maxima are at least as large. The paper's filter has a kernel "
        "that sums to 0.508 (s = 2) or 0.409 (s = 1) instead of 1, which makes its errors with blur smaller by that factor."
    )
    quick: ClassVar[Mapping[str, Any]] = {"dataset": "digits", "images": 20, "n_betas": 20, "n_points": 100}

    def errors(
        self, image: "Tensor", transform: "Transform", preprocessing: "Preprocessing", betas: "Tensor", gammas: "Tensor"
    ) -> dict[str, float]:
        from spt.error_bounds import sampled_error
        from spt.threat_model import AttackedImage

        attacked = {
            name: AttackedImage(image, transform, p, (-self.limit, self.limit))
            for name, p in variants(preprocessing).items()
        }
        return {name: float(sampled_error(each, betas, points=gammas).values.max()) for name, each in attacked.items()}

    def summary(self, rows: Rows) -> dict[str, Entry]:
        images = rows["images"]
        largest: dict[str, Entry] = {name: max((row[name] for row in images), default=None) for name in VARIANTS}
        return {"images": float(len(images)), **largest}


def variants(preprocessing: "Preprocessing") -> dict[str, "Preprocessing"]:
    """P, and P without vignette, without blur, without both."""
    return {
        "Both": preprocessing,
        "-V": replace(preprocessing, vignette=None),
        "-G": replace(preprocessing, blur_size=0),
        "-V-G": replace(preprocessing, vignette=None, blur_size=0),
    }
