"""`Estimator`: what the regularised method knows of one cluster whatever beta is, computed once."""

from functools import lru_cache

import torch
from torch import Tensor

from spt.preprocessing import Preprocessing
from spt.received_bounds.clusters import Cluster
from spt.received_bounds.weights import tuned_weights
from spt.threat_model import ReceivedImage
from spt.transforms import Rotation, Transform

NOISE = 5.0
"""Standard deviation of c - A x that the first estimate assumes, in units of delta: 3 to 10 are about equally good."""
MOST_SHARED = 8
"""Nodes of gamma for which what does not depend on beta is kept."""
MOST_TUNED = 1 << 10
"""Pixels of an image for which weights are looked for: a step costs their number cubed."""
STEPS = 5
TURNED_BY, MOVED_BY = (11.25, 33.75, 56.25, 78.75), ((0.5, 0.5), (0.25, 0.75), (0.75, 0.25), (0.5, 0.0))
"""Where the images are shown for which weights are looked for: they serve all betas."""
LEAST_SQUARE = 1e-12
"""Of the sides of a box: what is known exactly has a finite weight."""


class Estimator:
    """The linear estimate K (c - A mid) of x - mid, A = A_m with m the middle of the cluster.

    K = R A^T (A R A^T + D)^-1, with R and D the inverses of weights of the pixels of x - mid and of c - A x: any are sound.
    Matrices are transposed, so that a row is an image: of ``matrix`` the column of K of one received pixel.

    Attributes:
        unit: (J, H, W), each one pixel; centre: (1, d), m; gain: (1,) the largest absolute row sum of K.
    """

    def __init__(self, cluster: Cluster, received: ReceivedImage, preprocessing: Preprocessing) -> None:
        image, self.transform = received.pixels, received.transform
        low, high = received.ends
        self.unit = torch.eye(image[0].numel(), dtype=torch.float64, device=image.device).view(-1, *image.shape[1:])
        self.centre = cluster.box.mean(dim=1)[None]
        warp = self._warp(self.centre)
        unknown = cluster.radius.square().sum(0).flatten().clamp(min=LEAST_SQUARE)
        noise = ((high - low) / 2).square().sum(0).flatten().clamp(min=LEAST_SQUARE)
        weights = 1 / unknown, 1 / (NOISE**2 * noise)
        if len(self.unit) <= MOST_TUNED:
            points = _shown_at(self.transform, self.centre)
            shown = torch.stack([preprocessing(self.transform(self.unit, p[None]))[0].flatten(1).mT for p in points])
            shown = shown[:, shown.abs().amax((0, 2)) > 0]
            weights = tuned_weights(warp.mT, shown, unknown, noise, weights, STEPS)
        variance, error = (1 / each for each in weights)
        weighted = warp.mT * variance
        self.matrix = torch.linalg.solve(weighted @ warp + torch.diag(error), weighted)
        self.gain = self.matrix.abs().sum(0).amax(0, keepdim=True)
        self.estimated = lru_cache(MOST_SHARED)(self._estimated)

    def _warp(self, gamma: Tensor) -> Tensor:
        """A_gamma, transposed: (J, J)."""
        warped: Tensor = self.transform(self.unit, gamma)[0].flatten(1)
        return warped

    def _estimated(self, gamma: tuple[float, ...]) -> Tensor:
        """K A_gamma."""
        moved: Tensor = self._warp(torch.tensor([gamma], dtype=torch.float64)) @ self.matrix
        return moved.view_as(self.unit)


def _shown_at(transform: Transform, centre: Tensor) -> Tensor:
    """Parameters (T, d) at which the image is shown."""
    if isinstance(transform, Rotation):
        return torch.tensor(TURNED_BY, dtype=torch.float64)[:, None]
    return centre.round() + torch.tensor(MOVED_BY, dtype=torch.float64)[:, : centre.shape[1]]


@lru_cache(maxsize=4)
def estimator_of(cluster: Cluster, received: ReceivedImage, preprocessing: Preprocessing) -> Estimator:
    """The same for all betas of a run, and so computed once."""
    return Estimator(cluster, received, preprocessing)
