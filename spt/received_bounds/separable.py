"""The linear map N = P (A_beta A_gamma - A_{beta+gamma}) of translations, from one-dimensional matrices.

A translation is the product of one along y and one along x, and so is P without a circular vignette. With F the matrix of
P along an axis and S(d) that of a translation, T = F S(beta) S(gamma) and O = F S(beta + gamma) give row (u, v) of N: its
weight at pixel (i, j) is T_y[u, i] T_x[v, j] - O_y[u, i] O_x[v, j]. These are 0 but in a small window that moves with u and
v, found from the matrices themselves. So |N| rad is summed over the window, exact but for rounding, and no image is warped.
Floating point: as in `spt.error_bounds.vertices`.
"""

import torch
from torch import Tensor

from spt.error_bounds.vertices import shifts

WEIGHTS_AT_ONCE = 1 << 18
"""So that what is summed stays in the caches."""


class SeparableMaps:
    """N at M pairs (beta, gamma) of translations, (M, 2) each, for P = ``rows`` x ``columns``^T."""

    def __init__(self, rows: Tensor, columns: Tensor, betas: Tensor, gammas: Tensor) -> None:
        self.size = (len(rows), len(columns))
        self.y, self.x = _Axis(rows, betas[:, 1], gammas[:, 1]), _Axis(columns, betas[:, 0], gammas[:, 0])

    def apply(self, image: Tensor) -> Tensor:
        """N image, (M, C, H', W'), of an image (C, H, W)."""
        moved = self.y.twice[:, None] @ image @ self.x.twice[:, None].mT
        return self._framed(moved - self.y.once[:, None] @ image @ self.x.once[:, None].mT)

    def apply_absolute(self, image: Tensor) -> Tensor:
        """|N| image, (M, C, H', W'), of an image (C, H, W)."""
        if not self.y.places or not self.x.places:
            return image.new_zeros(len(self.y.twice), len(image), *self.size)
        (tops, *y_weights), (lefts, *x_weights) = self.y.windows(), self.x.windows()
        (above, below), (before, after) = self.y.outside(tops), self.x.outside(lefts)
        padded = torch.nn.functional.pad(image, (before, after, above, below))
        shifted = padded.unfold(1, self.y.places, 1).unfold(2, self.x.places, 1)  # (C, top, left, U, V)
        amount = tops.shape[1] * lefts.shape[1] * self.y.places * self.x.places
        count = max(1, WEIGHTS_AT_ONCE // max(1, amount))
        parts = []
        for some in (slice(i, i + count) for i in range(0, len(tops), count)):
            twice, once = (
                y[some, :, None, :, None] * x[some, None, :, None] for y, x in zip(y_weights, x_weights, strict=True)
            )
            pixels = shifted[:, tops[some, :, None] + above, lefts[some, None] + before]
            parts.append((pixels * (twice - once).abs_()).sum(dim=(2, 3)).transpose(0, 1))
        return self._framed(torch.cat(parts))

    def _framed(self, values: Tensor) -> Tensor:
        """With the rows and columns that P blackens."""
        whole = values.new_zeros(*values.shape[:2], *self.size)
        whole[:, :, self.y.kept[:, None], self.x.kept] = values
        return whole


class _Axis:
    """One axis: T and O, (M, U, size), of the U neighbouring places that P does not blacken (``kept``)."""

    def __init__(self, matrix: Tensor, betas: Tensor, gammas: Tensor) -> None:
        self.kept = matrix.ne(0).any(dim=1).nonzero()[:, 0]
        matrix, self.size = matrix[self.kept], matrix.shape[1]
        self.places = len(self.kept)
        betas, gammas = betas.to(matrix.device), gammas.to(matrix.device)
        self.twice = matrix @ shifts(self.size, betas) @ shifts(self.size, gammas)
        self.once = matrix @ shifts(self.size, betas + gammas)

    def windows(self) -> tuple[Tensor, Tensor, Tensor]:
        """``first`` (M, w): place u has its weights at u + first[m, k], all of them; and these of T and O, (M, w, U)."""
        there = ((self.twice != 0) | (self.once != 0)).mT  # (M, size, U)
        offsets = torch.arange(self.size, device=there.device)[:, None] - torch.arange(self.places, device=there.device)
        far = 2 * self.size + self.places
        least = offsets.where(there, far).flatten(1).amin(1)
        most = offsets.where(there, -far).flatten(1).amax(1)
        least = least.where(most >= least, 0)  # where all weights are 0
        width = max(1, int((most - least).max()) + 1)
        first = least[:, None] + torch.arange(width, device=there.device)
        index = first[..., None] + torch.arange(self.places, device=there.device)
        inside = (index >= 0) & (index < self.size)
        index = index.clamp(0, self.size - 1)
        twice, once = (weights.mT.gather(1, index).where(inside, 0.0) for weights in (self.twice, self.once))
        return first, twice, once

    def outside(self, first: Tensor) -> tuple[int, int]:
        """How far the windows reach beyond either end of the image."""
        return max(0, -int(first.min())), max(0, int(first.max()) + self.places - self.size)
