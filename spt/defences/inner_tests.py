"""Inner tests: whether h, the classifier smoothed over pixel noise, is constant on a ball, decided with few votes.

h(z) = argmax_c Pr_eps(f(z + eps) = c). If Pr_eps(f(z + eps) = c) > Phi(radius / pixel_sigma) then h = c on the ball of
that radius around z (theorem 3.1). An anytime-valid test (section 8 of the design) stops each centre as soon as its
votes decide.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spt import statistics
from spt.classifiers import Classifier

FIRST_LOOK, MOST_INNER_VOTES = 32, 2048
LOOKS = (32, 64, 96, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024, 1280, 1536, 2048)
CHUNKS_AT_ONCE = 16  # of the network: votes whose noise is held in memory together


def inner_test(
    radius: float, pixel_sigma: float, alpha: float, futility_alpha: float | None = None
) -> statistics.SequentialTest:
    """The test whose acceptance shows h constant within ``radius``; futility at the same level unless another is given."""
    return statistics.SequentialTest.for_radius(radius, pixel_sigma, alpha, futility_alpha or alpha)


def noise_seeds(count: int, generator: torch.Generator) -> Tensor:
    """(count,) seeds for the pixel noise of as many centres.

    They are distinct, also in the 32 bits that the CPU's generator keeps: no two centres share their noise.
    """
    first_seed = int(torch.randint(1 << 32, (), generator=generator))
    return (first_seed + torch.arange(count)) % (1 << 32)


@torch.inference_mode()
def count_votes(
    classifier: Classifier, centres: Tensor, votes: int, label: int, pixel_sigma: float, seeds: Tensor
) -> np.ndarray:
    """How many of ``votes`` (a multiple of FIRST_LOOK) noisy copies of each centre (N, C, H', W') get ``label``: (N,)."""
    noise = [torch.Generator(classifier.device).manual_seed(seed) for seed in seeds.tolist()]
    return _count(classifier, centres, np.arange(len(centres)), votes, label, pixel_sigma, noise)


@torch.inference_mode()
def inner_votes(
    classifier: Classifier,
    centres: Tensor,
    radii: np.ndarray,
    label: int,
    pixel_sigma: float,
    alpha: float,
    seeds: Tensor,
    futility_alpha: float | None = None,
    looks: Sequence[int] = LOOKS,
) -> list[tuple[int, int]]:
    """For each centre (votes for ``label``, votes) where its test stopped: accepted, futile, or at the cap.

    Args:
        centres: (N, C, H', W') as the network takes them; radii: (N,); seeds: (N,) of `noise_seeds`.
        alpha: level of each test; futility_alpha: at which it gives up (only saves votes), by default the same.
        looks: numbers of votes at which the tests are asked, increasing multiples of FIRST_LOOK; the last is the cap.

    What a centre gets depends on itself and its seed alone, not on the others.
    """
    noise = [torch.Generator(classifier.device).manual_seed(seed) for seed in seeds.tolist()]
    count = len(centres)
    null = np.array([inner_test(radius, pixel_sigma, alpha).p0 for radius in radii])
    successes, trials = np.zeros(count, np.int64), np.zeros(count, np.int64)
    active = np.arange(count)
    for before, look in itertools.pairwise((0, *looks)):
        if len(active):
            successes[active] += _count(classifier, centres, active, look - before, label, pixel_sigma, noise)
            trials[active] = look
            active = active[undecided(successes[active], trials[active], null[active], alpha, futility_alpha)]
    return list(zip(successes.tolist(), trials.tolist(), strict=True))


def _count(
    classifier: Classifier,
    centres: Tensor,
    active: np.ndarray,
    draw: int,
    label: int,
    pixel_sigma: float,
    noise: list[torch.Generator],
) -> np.ndarray:
    """How many of ``draw`` votes, a multiple of FIRST_LOOK, each active centre gets for ``label``.

    Noise is drawn in blocks of FIRST_LOOK votes of one centre, so what a centre gets does not depend on the others.
    """
    blocks = np.repeat(active, draw // FIRST_LOOK)
    at_once = max(1, CHUNKS_AT_ONCE * classifier.chunk // FIRST_LOOK)
    hits = []
    for start in range(0, len(blocks), at_once):
        part = blocks[start : start + at_once].tolist()
        inputs = centres[part].repeat_interleave(FIRST_LOOK, dim=0)
        shape = (FIRST_LOOK, *inputs.shape[1:])
        noises = [torch.randn(shape, generator=noise[i], device=inputs.device, dtype=inputs.dtype) for i in part]
        inputs += pixel_sigma * torch.cat(noises)
        hits.append(classifier.network_logits(inputs).argmax(dim=1) == label)
    return np.asarray(torch.cat(hits).reshape(len(active), draw).sum(dim=1).cpu())


def undecided(
    successes: np.ndarray, trials: np.ndarray, null: np.ndarray, alpha: float, futility_alpha: float | None = None
) -> np.ndarray:
    """(N,) whether neither acceptance nor futility is reached."""
    possible = null < 1
    accepted = statistics.mixture_log_wealth(successes, trials, np.where(possible, null, 0.5)) >= -np.log(alpha)
    against = statistics.mixture_log_wealth(trials - successes, trials, np.where(possible, 1 - null, 0.5))
    futile = against >= -np.log(futility_alpha or alpha)
    return np.asarray(possible & ~accepted & ~futile)
