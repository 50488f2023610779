"""What is known of K(b') on the pieces that a cell of Gamma is cut into: what `spt.error_bounds.cell_balls` puts balls around.

On a piece, t in [0, 1]^d its parameters, the classifier is shown f(t) with |f(t) - c(t)| <= 4 t (1 - t) ``rest`` in every
pixel; c has degree 2 in each parameter and is given by its control vectors, c(t) = sum of B_i(t) ``controls``_i with Bernstein
polynomials B_i >= 0 that sum to 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spt.preprocessing import Preprocessing

VALUES_AT_ONCE = 1 << 20
"""Numbers in the warped images that a processor evaluates at once; more do not fit into its caches."""
CUDA_VALUES_AT_ONCE = 1 << 25


@dataclass(frozen=True, eq=False)
class RoundedParts:
    """What rounding to 8 bits changes on R parts of pieces: the shown image moves by ``shown`` ± ``spread`` in every pixel.

    Attributes:
        piece: (R,) long, on the CPU: to which piece a part belongs; the parts of a piece follow one another.
        start, stop: (R,) float64, in [0, 1]: where the part begins and ends on its piece (of one parameter).
        shown, spread: (R, D).
    """

    piece: Tensor
    start: Tensor
    stop: Tensor
    shown: Tensor
    spread: Tensor


@dataclass(frozen=True, eq=False)
class Pieces:
    """T pieces of the cells of some pairs, all pieces of each of these pairs.

    Attributes:
        owner: (T,) long, on the CPU: the pair; the pieces of a pair follow one another.
        boxes: (T, d, 2) float64, on the CPU: what part of the pair's cell each is.
        controls: (T, 3^d, D) float64 on the image's device, over the pixels of a `Window`; the last parameter is fastest.
        rest: (T, D), for d = 1; None where f is c.
        rounded: what the attacker's rounding does, where that was asked for.
    """

    owner: Tensor
    boxes: Tensor
    controls: Tensor
    rest: Tensor | None = None
    rounded: RoundedParts | None = None


class Window:
    """The smallest rectangle of P x that holds all inside the vignette: beyond it everything shown is 0."""

    def __init__(self, preprocessing: Preprocessing, image: Tensor) -> None:
        self.height, self.width = preprocessing.output_size(image.shape[1], image.shape[2])
        kept = preprocessing.mask(self.height, self.width)
        self.rows, self.columns = (_extent(kept.any(dim=axis)) for axis in (1, 0))

    def inner(self, shown: Tensor) -> Tensor:
        """Of images (M, K, C, H', W') what is in the window, (M, K, D)."""
        return shown[..., self.rows, self.columns].flatten(2)

    def whole(self, inner: Tensor, channels: int) -> Tensor:
        """Images (M, C, H', W') of what is in the window, (M, D)."""
        rows, columns = (part.stop - part.start for part in (self.rows, self.columns))
        images = inner.new_zeros(len(inner), channels, self.height, self.width)
        images[..., self.rows, self.columns] = inner.reshape(len(inner), channels, rows, columns)
        return images


def _extent(kept: Tensor) -> slice:
    """From the first to the last that is kept."""
    places = kept.nonzero()[:, 0].tolist()
    return slice(places[0], places[-1] + 1) if places else slice(0, 0)


def values_at_once(image: Tensor) -> int:
    """Numbers in the warped images that are evaluated at once on the device of this image."""
    return CUDA_VALUES_AT_ONCE if image.is_cuda else VALUES_AT_ONCE


def repeated(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For groups of so many members: of every member its group and its number in the group."""
    group = torch.arange(len(counts)).repeat_interleave(counts)
    return group, torch.arange(len(group)) - (counts.cumsum(0) - counts)[group]


def members(counts: Tensor) -> Tensor:
    """(G, K) positions of the members of G groups that follow one another; the first again where there are fewer than K."""
    number = torch.arange(int(counts.max()))
    return (counts.cumsum(0) - counts)[:, None] + torch.where(number < counts[:, None], number, 0)
