"""Pixel noise in floating point, such that a vote is the vote of exact arithmetic but for a probability that is counted.

The theorems are about f(z + eps) with real z and eps ~ N(0, sigma² I). Computed in floating point, z + eps is another
random variable, and an f that reads its low-order bits can tell every z from every other (Voracek and Hein, ICLR
2023). So f, as this package defines it, begins by rounding every pixel to the nearest multiple of a grid g (`snap`): it is
a function on real images, it sees no low-order bits, and whoever computes z + eps nearly right gives it exactly the
input of exact arithmetic.

How nearly. z is a float64 tensor, and the statement is about this z. eps = sigma e, with e = sqrt(2) erfinv(2 u - 1) from a
uniform u with 53 bits (`standard_normal`). Couple it with the real uniform U within 2^-52 of u, and let T = Phi^-1(U), which is
N(0, 1). One pixel is snapped differently only if a boundary b (an odd multiple of g / 2) lies between z + sigma T and the
computed sum. With t = (b - z) / sigma and s = sigma / g:

- the computed sum is off by at most sigma d(t), d(t) = 1.2e-14 (|t| + 1) + 2^-51 / sigma: erfinv and the root have a
  relative error below 1e-14 (measured: 2^-53; CUDA's erfinv promises 5 units in the last place), |z| is at most
  `LARGEST_CENTRE`, and the sum is rounded once;
- so U lies within 2^-52 of [Phi(t - d), Phi(t + d)], which has probability at most 2^-51 + 2 d phi(t), up to a factor that
  differs from 1 by less than 1e-12;
- |e| <= 8.3, so there are at most 17 s + 2 boundaries; |T| is larger with probability 1e-16; and as neighbouring t are 1 / s apart
  the sum of phi(t) over boundaries is at most s + 0.4, that of |t| phi(t) at most 0.8 s + 0.5.

Together at most (1 + s)(1e-13 + 1e-15 / sigma) for a pixel; `vote_error` adds this up over all pixels. A vote that f gives to c
with probability p in exact arithmetic is counted for c with a probability within `vote_error` of p, independently of other votes: a
test of p <= p0 is made at p0 + `vote_error`, and no other correction is needed. (At sigma = 0.3: 3e-8 at
28x28 pixels, 5e-6 at 3x224x224.)

The parameters beta are float64 numbers as well, few of them, and drawn with more bits (`accurate_normal`): within 1e-13 of a real
N(0, 1) number T. That needs no probability: what is proved for a sample holds for all real numbers nearby, because every bound on
the images that it can show is inflated by more than such a step moves a pixel (`spt.error_bounds`).

What is assumed: the generator's numbers are uniform and independent, as everywhere where chance is computed.
"""

import math

import torch
from torch import Tensor

GRID = 2.0**-10
"""To whose multiples a network's input is rounded, unless told otherwise: a quarter of a grey level of 8 bits."""
FINEST_GRID, COARSEST_GRID = 2.0**-14, 2.0**-4
LARGEST_CENTRE = 4.0
_SQRT_2 = math.sqrt(2.0)


def is_grid(grid: float) -> bool:
    """Whether this is a power of two from `FINEST_GRID` to `COARSEST_GRID`."""
    return FINEST_GRID <= grid <= COARSEST_GRID and math.frexp(grid)[0] == 0.5


def check_grid(grid: float) -> float:
    """``grid`` itself; ValueError unless `is_grid`."""
    if not is_grid(grid):
        raise ValueError(
            f"grid must be a power of two from 2^-14 to 2^-4, to whose multiples f rounds its input, but is {grid}."
        )
    return float(grid)


def snap(inputs: Tensor, grid: float = GRID) -> Tensor:
    """Every number rounded to the nearest multiple of ``grid``, float32: exact where |number| <= 2^24 grid."""
    return (inputs * (1 / grid)).round_().float().mul_(grid)  # a power of two scales exactly


def standard_normal(shape: tuple[int, ...] | torch.Size, generator: torch.Generator) -> Tensor:
    """Independent N(0, 1) numbers, float64, on the generator's device: `spt.noise` says how exact they are."""
    uniform = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)
    # 2 u - 1 is exact for multiples of 2^-53; u = 0, which would be infinite, stands for 2^-54
    centred = uniform.mul_(2).sub_(1).clamp_(min=2.0**-53 - 1)
    return centred.erfinv_().mul_(_SQRT_2)


def accurate_normal(shape: tuple[int, ...] | torch.Size, generator: torch.Generator) -> Tensor:
    """Independent N(0, 1) numbers, float64, on the generator's device, each within 1e-14 (1 + |T|) of a real N(0, 1) number T
    (but for a probability of 2^-59).

    T = +-Phi^-1(V) for V uniform in (0, 1/2), which has 106 bits here and is rounded to 53 significant ones: T moves by at
    most 2^-53 V / phi(T) <= 2^-52 for that, and by 2^-107 / phi(T) < 2^-49 for the bits that are missing, as V > 2^-60. scipy's
    and torch's Phi^-1 (Cephes) is correct to a few units in the last place.
    """
    high, low = torch.rand((2, *shape), generator=generator, device=generator.device, dtype=torch.float64)
    tail = ((high + low * 2.0**-53) / 2).clamp(min=2.0**-108)
    negative = torch.rand(shape, generator=generator, device=generator.device) < 0.5
    quantile = torch.special.ndtri(tail)
    return torch.where(negative, quantile, -quantile)


def noisy(centres: Tensor, pixel_sigma: float, noise: Tensor) -> Tensor:
    """z + sigma e in float64, for standard normal ``noise``, which is overwritten."""
    return noise.mul_(pixel_sigma).add_(centres)


def vote_error(inputs: int, pixel_sigma: float, grid: float = GRID) -> float:
    """Bound of the probability that a vote is not that of exact arithmetic, for a network of ``inputs`` numbers.

    Derived in the module's docstring, for centres with pixels of at most `LARGEST_CENTRE`; 0 without noise, where nothing is
    said about exact arithmetic.
    """
    if not pixel_sigma > 0:
        return 0.0
    return min(1.0, inputs * (1 + pixel_sigma / grid) * (1e-13 + 1e-15 / pixel_sigma))
