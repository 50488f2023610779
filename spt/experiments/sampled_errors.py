"""What experiments on sampled interpolation errors share: their settings, and the largest errors of one image."""

import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spt.experiments.experiment import Experiment, Row, Rows

if TYPE_CHECKING:
    from torch import Tensor

    from spt.preprocessing import Preprocessing
    from spt.transforms import Transform


@dataclass(frozen=True)
class SampledErrors(Experiment):
    """The largest errors that are found on each image; all are lower bounds of the true maxima.

    Attributes (see also `Experiment`):
        limit: attack range ± in ° or px; parameter_sigma: of the smoothing.
        n_betas: smoothing samples for each image; n_points: attacks for each of them, on a lattice.
    """

    labelled: ClassVar[bool] = False

    limit: float = 30.0
    parameter_sigma: float = 30.0
    n_betas: int = 50
    n_points: int = 300

    @abstractmethod
    def errors(
        self, image: "Tensor", transform: "Transform", preprocessing: "Preprocessing", betas: "Tensor", gammas: "Tensor"
    ) -> dict[str, float]:
        """The largest error of each kind for a float64 image (C, H, W), betas (N, d) and gammas (M, d)."""

    def measure(self, stage: str, item: int, earlier: Rows, device: str) -> Row:
        import torch

        from spt.error_bounds.sampled import gamma_lattice

        classifier, transform = self.load_classifier(device), self.load_transform()
        started = time.perf_counter()
        image, row = self.picture(stage, item, classifier)
        image = image.double().to(classifier.device)
        generator = torch.Generator().manual_seed(self.seed_of(stage, item))
        betas = transform.sample(self.n_betas, self.parameter_sigma, generator)
        gamma_range = torch.tensor([[-self.limit, self.limit]] * transform.dimensions, dtype=torch.float64)
        found = self.errors(
            image, transform, classifier.preprocessing, betas, gamma_lattice(gamma_range, self.n_points)
        )
        return row | found | {"seconds": time.perf_counter() - started}
