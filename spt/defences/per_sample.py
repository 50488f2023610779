"""DistSPT for one image: a certificate against every attack gamma in Gamma, with the interpolation error accounted for.

The smoothed classifier is nested: h(z) = argmax_c Pr_eps(f(z + eps) = c) over pixel noise, and
g(x) = argmax_c Pr_beta(h(P T_beta x) = c) over parameters. Source: Fischer, Baader and Vechev 2020 (DistSPT^x); the
per-sample radii and the sequential inner tests are sections 7 and 8 of the design.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spt import statistics
from spt.certificates import DistCertificate
from spt.classifiers import Classifier
from spt.error_bounds.record import Attacker, Progress, silent
from spt.error_bounds.samples import sample_bound
from spt.images import image_digest
from spt.smoothing import SmoothedClassifier, generators
from spt.transforms import Transform

SAMPLES_AT_ONCE = 50
BALLS_AT_ONCE = 100
TOLERANCE = 0.2  # of the radii; tighter ones cost more evaluations than they gain certificates
FIRST_LOOK, MOST_INNER_VOTES = 32, 2048
CHUNKS_AT_ONCE = 16  # of the network: votes whose noise is held in memory together


@dataclass(frozen=True)
class DistSPT:
    """DistSPT^x with recentred per-sample errors: the defence whose certificates are proofs.

    Draw b' ~ N(0, parameter_sigma² I). All that h can be shown when beta + gamma lands on b' lies in a ball of centre
    z(b') and radius rho(b'), proved by `spt.error_bounds.sample_bound`. A sample passes if an anytime-valid test shows
    Pr_eps(f(z + eps) = c) > Phi(rho / pixel_sigma), hence h = c on the whole ball. With q the probability to pass,
    g(T_gamma x) = c for every gamma in Gamma with |gamma| < parameter_sigma Phi^-1(q) (Neyman-Pearson).

    Attributes:
        limit: Gamma is the box [-limit, limit]^d, in the transformation's unit.
        attacker: "8-bit" (default: the attacked image is rounded to multiples of 1/255) or "exact".
        inner_alpha: level a' of each inner test; corrected for, so it does not add to alpha.
    """

    classifier: Classifier
    transform: Transform
    parameter_sigma: float
    pixel_sigma: float
    limit: float
    attacker: Attacker = "8-bit"
    inner_alpha: float = 0.01

    def __post_init__(self) -> None:
        SmoothedClassifier(self.classifier, self.transform, self.parameter_sigma, self.pixel_sigma)
        if not self.pixel_sigma > 0:
            raise ValueError(f"DistSPT needs pixel noise: pixel_sigma must be positive, but is {self.pixel_sigma}.")
        if not 0 < self.limit < float("inf"):
            raise ValueError(f"The attack range ±{self.limit} {self.transform.unit} must be positive and finite.")
        if not 0 < self.inner_alpha < 1:
            raise ValueError(f"inner_alpha must be between 0 and 1, but is {self.inner_alpha}.")

    def certify(
        self, image: Tensor, n0: int = 100, n_gamma: int = 200, alpha: float = 0.01, seed: int = 0
    ) -> DistCertificate:
        """Certify one image (C, H, W); wrong with probability at most ``alpha`` over the sampling.

        The class is selected from n0 one-level votes; every other sample is fresh.
        """
        *_, last = self.stream(image, n0, n_gamma, alpha, seed)
        return last

    def stream(
        self,
        image: Tensor,
        n0: int = 100,
        n_gamma: int = 200,
        alpha: float = 0.01,
        seed: int = 0,
        batch_size: int = SAMPLES_AT_ONCE,
        progress: Progress = silent,
    ) -> Iterator[DistCertificate]:
        """`certify` as it goes: after each batch of samples what is known so far; only the last one, complete, certifies.

        Every sample has pixel noise of its own, so ``batch_size`` changes how often there is something to see, not what.
        ``progress`` goes round the steps of the error bounds, tqdm-shaped; it may raise to cancel.
        """
        started = time.perf_counter()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, but is {batch_size}.")
        statistics.clopper_pearson_lower(0, n_gamma, alpha)  # refuses what is no level and no sample size
        image = self.classifier.check_image(image).float()
        if not 0 <= float(image.min()) <= float(image.max()) <= 1:
            raise ValueError(
                f"DistSPT certifies images with values in [0, 1], but this one has {float(image.min()):g} to "
                f"{float(image.max()):g}."
            )
        selection_generator, generator = generators(seed, n0, n_gamma)
        base = SmoothedClassifier(self.classifier, self.transform, self.parameter_sigma, self.pixel_sigma)
        selection = base.count(image, n0, selection_generator).counts
        selected = max(range(len(selection)), key=lambda index: (selection[index], -index))
        points = self.transform.sample(n_gamma, self.parameter_sigma, generator)
        # Distinct seeds, also in the 32 bits that the CPU's generator keeps: no two samples share their noise.
        first_seed = int(torch.randint(1 << 32, (), generator=generator))
        noise_seeds = (first_seed + torch.arange(n_gamma)) % (1 << 32)
        block = batch_size * max(1, BALLS_AT_ONCE // batch_size)
        radii: list[float] = []
        votes: list[tuple[int, int]] = []
        for start in range(0, n_gamma, batch_size):
            batch = slice(start, start + batch_size)
            if not start % block:  # bounds are faster in large blocks, which share what they compute
                block_centres, block_rho = self._balls(image, points[start : start + block], progress)
            within = slice(start % block, start % block + batch_size)
            centres, rho, seeds = block_centres[within], block_rho[within], noise_seeds[batch]
            votes += self._inner_tests(centres, rho, selected, seeds)
            radii += rho.tolist()
            yield DistCertificate.conclude(
                classifier=self.classifier.name,
                classifier_fingerprint=self.classifier.fingerprint,
                class_names=self.classifier.class_names,
                transform=self.transform.name,
                unit=self.transform.unit,
                parameter_sigma=self.parameter_sigma,
                pixel_sigma=self.pixel_sigma,
                limit=self.limit,
                attacker=self.attacker,
                image_sha256=image_digest(image),
                seed=seed,
                alpha=alpha,
                inner_alpha=self.inner_alpha,
                selection_counts=selection,
                selected=selected,
                n_gamma=n_gamma,
                points=tuple(tuple(point) for point in points[: len(radii)].tolist()),
                radii=tuple(radii),
                inner_votes=tuple(votes),
                seconds=time.perf_counter() - started,
            )

    def _balls(self, image: Tensor, points: Tensor, progress: Progress) -> tuple[Tensor, np.ndarray]:
        """Centres (N, C, H', W') as the network takes them, float32, and proved radii (N,) around these."""
        ball = sample_bound(
            image, self.transform, self.classifier.preprocessing, points, (-self.limit, self.limit),
            tolerance=TOLERANCE, attacker=self.attacker, progress=progress,
        )  # fmt: skip
        centres = ball.centres.float()
        rounding = torch.linalg.vector_norm((centres.double() - ball.centres).flatten(1), dim=1).cpu()
        return centres, np.asarray((ball.values + rounding) * (1 + 1e-12))

    @torch.inference_mode()
    def _inner_tests(
        self, centres: Tensor, radii: np.ndarray, label: int, noise_seeds: Tensor
    ) -> list[tuple[int, int]]:
        """For each centre (votes for ``label``, votes) where its test stopped: accepted, futile, or at the cap."""
        noise = [torch.Generator(self.classifier.device).manual_seed(seed) for seed in noise_seeds.tolist()]
        count = len(centres)
        null = np.array([inner_test(radius, self.pixel_sigma, self.inner_alpha).p0 for radius in radii])
        successes, trials = np.zeros(count, np.int64), np.zeros(count, np.int64)
        active, draw = np.arange(count), FIRST_LOOK
        while len(active) and trials[active[0]] < MOST_INNER_VOTES:
            successes[active] += self._count(centres, active, draw, label, noise)
            trials[active] += draw
            active = active[_undecided(successes[active], trials[active], null[active], self.inner_alpha)]
            draw = int(trials.max())  # look at 32, 64, 128, ... votes
        return list(zip(successes.tolist(), trials.tolist(), strict=True))

    def _count(
        self, centres: Tensor, active: np.ndarray, draw: int, label: int, noise: list[torch.Generator]
    ) -> np.ndarray:
        """How many of ``draw`` votes, a multiple of FIRST_LOOK, each active centre gets for ``label``.

        Noise is drawn in blocks of FIRST_LOOK votes of one centre, so what a centre gets does not depend on the others.
        """
        blocks = np.repeat(active, draw // FIRST_LOOK)
        at_once = max(1, CHUNKS_AT_ONCE * self.classifier.chunk // FIRST_LOOK)
        hits = []
        for start in range(0, len(blocks), at_once):
            part = blocks[start : start + at_once].tolist()
            inputs = centres[part].repeat_interleave(FIRST_LOOK, dim=0)
            shape = (FIRST_LOOK, *inputs.shape[1:])
            noises = [torch.randn(shape, generator=noise[i], device=inputs.device, dtype=inputs.dtype) for i in part]
            inputs += self.pixel_sigma * torch.cat(noises)
            hits.append(self.classifier.network_logits(inputs).argmax(dim=1) == label)
        return np.asarray(torch.cat(hits).reshape(len(active), draw).sum(dim=1).cpu())


def inner_test(radius: float, pixel_sigma: float, alpha: float) -> statistics.SequentialTest:
    """The test whose acceptance shows h constant within ``radius``; futility at the same level."""
    return statistics.SequentialTest.for_radius(radius, pixel_sigma, alpha, futility_alpha=alpha)


def _undecided(successes: np.ndarray, trials: np.ndarray, null: np.ndarray, alpha: float) -> np.ndarray:
    """(N,) whether neither acceptance nor futility is reached."""
    threshold = -np.log(alpha)
    possible = null < 1
    accepted = statistics.mixture_log_wealth(successes, trials, np.where(possible, null, 0.5)) >= threshold
    futile = statistics.mixture_log_wealth(trials - successes, trials, np.where(possible, 1 - null, 0.5)) >= threshold
    return np.asarray(possible & ~accepted & ~futile)
