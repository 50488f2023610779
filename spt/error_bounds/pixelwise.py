"""A bound on one split of Gamma, pixel by pixel, beside the largest that is found there: how loose it is, and where.

Of the chord bound it is the remainder: on a split e(gamma) is within P A_beta r1 + P r2 of what is linear in gamma, its chord
(`spt.error_bounds.chord`), in every pixel; r2 is that of the cell of the other grid in which beta + gamma lies. Of the interval
bound it is the larger end of the enclosure of e (`spt.error_bounds.interval`). Both come from what makes the bounds themselves.
What floating point can change in a pixel, `PER_PIXEL` of the largest one, is part of them: no value that is found may be above.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from spt.error_bounds.arcs import PER_PIXEL, rotated
from spt.error_bounds.chord import ErrorSplits, cells_for, require_rotation
from spt.error_bounds.interval import interval_images
from spt.error_bounds.sampled import gamma_lattice, gamma_portions, interpolation_error
from spt.progress import Progress, silent
from spt.threat_model import AttackedImage, Points, Range, as_points, as_range

SAMPLES = 257
"""About so many gammas of the split are tried."""


@dataclass(frozen=True, eq=False)
class SplitPixels:
    """A bound on one split, pixel by pixel. Images are (C, H', W') float64 on the CPU.

    Attributes:
        bound: proved, for every gamma in the split. found: the largest among the gammas that were tried.
        ratio: in every pixel the largest found / bound, each gamma with the bound that holds for it: above 1 the bound is wrong.
        gamma: (d,) where the largest ratio was found. tried: how many gammas.
        norm: what of the bound on ||e|| it makes: the norms of both remainders, or all of it.
    """

    bound: Tensor
    found: Tensor
    ratio: Tensor
    gamma: Tensor
    tried: int
    norm: float

    @property
    def violated(self) -> bool:
        """Whether something was found above its bound: this must not happen."""
        return bool(self.ratio.max() > 1)


def split_pixels(
    attacked: AttackedImage,
    beta: Points,
    split: Range,
    method: Literal["chord", "interval"],
    *,
    samples: int = SAMPLES,
    progress: Progress = silent,
) -> SplitPixels:
    """The remainder of the chord bound at ``beta`` on one split, and how far e is from its chord; or the interval bound, and |e|.

    Args:
        split: (low, high), or one such pair for each parameter.

    ValueError for the chord bound of what is no rotation.
    """
    box, betas = as_range(attacked.transform, split), as_points(attacked.transform, beta)[:1]
    if method == "interval":
        return _of_interval(attacked, betas, box, samples, progress)
    require_rotation(attacked.transform, "chord bound")
    return _of_chord(attacked, betas, box, samples, progress)


def _of_interval(attacked: AttackedImage, betas: Tensor, box: Tensor, samples: int, progress: Progress) -> SplitPixels:
    low, high = interval_images(attacked, betas, box).error
    bound = torch.maximum(-low, high).clamp(min=0)
    largest = _Largest(bound)
    for some in gamma_portions(attacked, gamma_lattice(box, samples), progress):
        largest.take(_errors(attacked, betas, some).abs(), bound.expand(len(some), *bound.shape), some)
    return largest.result(bound, float(torch.linalg.vector_norm(bound)))


def _of_chord(attacked: AttackedImage, betas: Tensor, box: Tensor, samples: int, progress: Progress) -> SplitPixels:
    beta, channels, preprocessing = betas[:, 0], len(attacked.pixels), attacked.preprocessing
    on_split = AttackedImage(attacked.image, attacked.transform, preprocessing, box, attacker=attacked.attacker)
    splits = ErrorSplits(on_split, beta, cells_for(on_split, 1))
    rows, columns = preprocessing.output_size(*attacked.pixels.shape[1:])
    slack = PER_PIXEL * float(attacked.pixels.abs().max()) * preprocessing.mask(rows, columns).to(attacked.pixels)
    gammas, found, norm = gamma_lattice(box, samples), None, 0.0
    for cell in range(splits.cells):  # several only where a multiple of 90° lies inside
        nodes = torch.tensor([cell, cell + 1])
        (inner,) = splits.inner_images(nodes)
        warped = preprocessing(rotated(inner, beta.expand(2)))
        ends, inner_rest = warped[:, :channels], warped[0, channels:]
        begin, end = splits.node(nodes, 0)
        own = gammas[(gammas[:, 0] >= begin) & (gammas[:, 0] <= end)]
        for some in gamma_portions(attacked, own, progress):
            grid_cell, place = splits.on_grid(beta + some[:, 0], 0)
            known, which = torch.unique(torch.cat((grid_cell, grid_cell + 1)), return_inverse=True)
            once, once_rest = splits.outer_images(known)
            left, right = which.chunk(2)
            t = ((some[:, 0] - begin) / (end - begin).clamp(min=1e-300)).clamp(0, 1)
            chord = _between(ends[0], ends[1], t) - _between(once[left], once[right], place)
            bound = inner_rest + once_rest[left] + slack
            found = found or _Largest(bound[0])
            found.take((_errors(attacked, betas, some) - chord).abs(), bound, some)
            outer = torch.linalg.vector_norm(once_rest[left].flatten(1), dim=1)
            norm = max(norm, float(torch.linalg.vector_norm(inner_rest) + outer.max()))
    assert found is not None
    return found.result(found.bound, norm)


def _between(first: Tensor, last: Tensor, place: Tensor) -> Tensor:
    return torch.lerp(first, last, place.to(first)[:, None, None, None])


def _errors(attacked: AttackedImage, betas: Tensor, gammas: Tensor) -> Tensor:
    """e at gammas (M, d), (M, C, H', W')."""
    transform, preprocessing = attacked.transform, attacked.preprocessing
    return interpolation_error(attacked.pixels, transform, preprocessing, betas.expand(len(gammas), -1), gammas)


class _Largest:
    """The largest found, bound, and ratio of every pixel among all that is taken."""

    def __init__(self, like: Tensor) -> None:
        self.bound, self.found, self.ratio = (torch.zeros_like(like) for _ in range(3))
        self.gamma: Tensor | None = None
        self.tried = 0

    def take(self, found: Tensor, bound: Tensor, gammas: Tensor) -> None:
        """Values found and their bounds, (M, C, H', W'), at gammas (M, d)."""
        ratios = torch.where(found == 0, 0.0, found / bound)
        largest = ratios.flatten(1).amax(dim=1)
        if self.gamma is None or largest.max() > self.ratio.max():
            self.gamma = gammas[int(largest.argmax())]
        self.bound = torch.maximum(self.bound, bound.amax(dim=0))
        self.found = torch.maximum(self.found, found.amax(dim=0))
        self.ratio = torch.maximum(self.ratio, ratios.amax(dim=0))
        self.tried += len(gammas)

    def result(self, bound: Tensor, norm: float) -> SplitPixels:
        """What has been taken."""
        assert self.gamma is not None
        return SplitPixels(bound.cpu(), self.found.cpu(), self.ratio.cpu(), self.gamma, self.tried, norm)
