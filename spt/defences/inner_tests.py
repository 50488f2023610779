"""Inner tests: whether h, the classifier smoothed over pixel noise, is constant on a ball, decided with few votes.

h(z) = argmax_c Pr_eps(f(z + eps) = c). If Pr_eps(f(z + eps) = c) > Phi(radius / pixel_sigma) then h = c on the ball of
that radius around z (theorem 3.1). An anytime-valid test stops each centre as soon as its votes decide
(docs/mathematics.md, sections 2 and 18). Votes are those of exact arithmetic but for a probability that is counted (`spt.noise`).

Where a device runs out of memory, fewer blocks of noise are held together, down to one. Blocks are drawn one by one, and a
generator whose noise was lost is set back, so that votes do not depend on this; nor does the network, whose calls keep their size.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spt import statistics
from spt.certificates.looks import FIRST_LOOK, LOOKS, undecided
from spt.classifiers import Classifier
from spt.device_memory import halving_on_oom
from spt.noise import LARGEST_CENTRE, noisy, standard_normal, vote_error

CHUNKS_AT_ONCE = 16
"""Chunks of the network whose noise is held in memory together."""
PIXELS_AT_ONCE = 1 << 24
"""Of these chunks, in float64."""


def inner_test(
    radius: float, pixel_sigma: float, alpha: float, futility_alpha: float | None = None, vote_error: float = 0.0
) -> statistics.SequentialTest:
    """The test whose acceptance shows h constant within ``radius``; futility at the same level unless another is given.

    ``vote_error`` is added to the null hypothesis' probability: see `spt.noise`.
    """
    return statistics.SequentialTest.for_radius(radius, pixel_sigma, alpha, futility_alpha or alpha, vote_error)


def error_of_votes(classifier: Classifier, pixel_sigma: float) -> float:
    """`spt.noise.vote_error` of this classifier."""
    return vote_error(math.prod(classifier.network_shape), pixel_sigma, classifier.grid)


@torch.inference_mode()
def count_votes(
    classifier: Classifier, centres: Tensor, votes: int, label: int, pixel_sigma: float, seeds: Tensor
) -> np.ndarray:
    """How many of ``votes`` (a multiple of FIRST_LOOK) noisy copies of each centre (N, C, H', W') get ``label``: (N,)."""
    _check_centres(centres)
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
        centres: (N, C, H', W') float64, around which the balls are; radii: (N,); seeds: (N,) of `noise_seeds`.
        alpha: level of each test; futility_alpha: at which it gives up (only saves votes), by default the same.
        looks: numbers of votes at which the tests are asked, increasing multiples of FIRST_LOOK; the last is the cap.

    What a centre gets depends on itself and its seed alone, not on the others.
    """
    _check_centres(centres)
    noise = [torch.Generator(classifier.device).manual_seed(seed) for seed in seeds.tolist()]
    count = len(centres)
    error = error_of_votes(classifier, pixel_sigma)
    null = np.array([inner_test(radius, pixel_sigma, alpha, vote_error=error).p0 for radius in radii])
    successes, trials = np.zeros(count, np.int64), np.zeros(count, np.int64)
    active = np.arange(count)
    for before, look in itertools.pairwise((0, *looks)):
        if len(active):
            successes[active] += _count(classifier, centres, active, look - before, label, pixel_sigma, noise)
            trials[active] = look
            active = active[undecided(successes[active], trials[active], null[active], alpha, futility_alpha)]
    return list(zip(successes.tolist(), trials.tolist(), strict=True))


def _check_centres(centres: Tensor) -> None:
    """ValueError unless these are centres for which `spt.noise` counts what floating point changes."""
    if centres.dtype != torch.float64:
        raise ValueError(f"Centres of inner tests must be float64, but are {centres.dtype}.")
    if len(centres) and not float(centres.abs().amax()) <= LARGEST_CENTRE:
        raise ValueError(
            f"Pixels of a centre must be at most {LARGEST_CENTRE:g}, but one is {float(centres.abs().amax())}."
        )


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
    most = min(CHUNKS_AT_ONCE * classifier.chunk, PIXELS_AT_ONCE // centres[0].numel())
    at_once = max(1, most // FIRST_LOOK)
    shape = (FIRST_LOOK, *centres.shape[1:])

    def hits(part: Tensor) -> tuple[Tensor]:
        chosen = part.tolist()
        before = {i: noise[i].get_state() for i in chosen}
        try:
            inputs = torch.cat([noisy(centres[i], pixel_sigma, standard_normal(shape, noise[i])) for i in chosen])
            return (classifier.network_logits(inputs).argmax(dim=1) == label,)
        except torch.cuda.OutOfMemoryError:
            for i, state in before.items():
                noise[i].set_state(state)
            raise

    parts = [halving_on_oom(hits, part)[0] for part in torch.split(torch.from_numpy(blocks), at_once)]
    return np.asarray(torch.cat(parts).reshape(len(active), draw).sum(dim=1).cpu())
