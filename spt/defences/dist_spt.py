"""DistSPT for one image: a certificate against every attack gamma in Gamma, with the interpolation error accounted for.

The smoothed classifier is nested: h(z) = argmax_c Pr_eps(f(z + eps) = c) over pixel noise, and
g(x) = argmax_c Pr_beta(h(P T_beta x) = c) over parameters. CERTIFY (`DistSPT.stream`) of an image x:

    c ← the class with most of n0 votes f(P T_β x + ε)                                     `DistSPT._select`
    for n_γ samples b' ~ N(0, σ_γ² I):                                                     `DistSPT._betas`
        z, r ← centre and radius of a ball that holds P T_{b'-γ} T_γ x for all γ in Γ      `DistSPT._balls`
        count votes f(z + ε), ε ~ N(0, σ_ε² I), until a test at level a' shows             `inner_votes`
            Pr_ε(f(z + ε) = c) > Φ(r / σ_ε): then h = c on the ball, and b' passes
    m ← LOWERCONFBOUND(how many pass, n_γ, 1 - α)                                          `DistCertificate.share_lower_of`
    p_A ← (m - a') / (1 - a'), as a test accepts wrongly with probability at most a'       `DistCertificate.p_lower_of`
    R ← σ_γ Φ⁻¹(p_A) if p_A > 1/2, else ABSTAIN                                            `DistCertificate.conclude`

Theorem 3.1 gives h = c on the ball: with pixel noise f's answer is kept within σ_ε/2 (Φ⁻¹(p_A) - Φ⁻¹(p_B)); with p_B = 1 - p_A,
as here, within σ_ε Φ⁻¹(p_A). Theorem 3.2 gives R: over parameters it is σ_γ/2 (Φ⁻¹(p_A) - Φ⁻¹(p_B)), and with p_B = 1 - p_A, as
here, σ_γ Φ⁻¹(p_A). No rho is subtracted: every sample's own error is bounded, so that none exceeds its bound. (The record calls p_A
``p_lower``; it is not the paper's q_E.)

Source: Fischer, Baader and Vechev 2020 (DistSPT^x); per-sample radii and sequential inner tests: docs/mathematics.md,
sections 9 and 18.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from spt import statistics
from spt.certificates import DistCertificate
from spt.certificates.per_sample import looks_hold, passes_needed, radius_of
from spt.defences.inner_tests import count_votes, inner_votes
from spt.defences.proving_defence import ProvingDefence, at_least_radius, recorded_points
from spt.error_bounds.balls import find_centres, rounding_at_samples, sample_bound
from spt.error_bounds.search import NEGLIGIBLE, Search
from spt.plain_numbers import alpha_level, seed_number, whole
from spt.progress import Progress, silent
from spt.seeds import generators, noise_seeds

SAMPLES_AT_ONCE = 50
BALLS_AT_ONCE = 100
FINEST, COARSEST = 1.1, 2.0  # radii of the balls, in sampled ones: finer cost more than they gain certificates
PILOT_VOTES, PILOT_ALPHA, HOPELESS_ALPHA = 64, 0.2, 0.01


@dataclass(frozen=True)
class DistSPT(ProvingDefence):
    """DistSPT^x with per-sample errors: the defence whose certificates are proofs.

    Draw b' ~ N(0, parameter_sigma² I). All that h can be shown when beta + gamma lands on b' lies in a ball of centre
    z(b') and radius r(b'), proved by `spt.error_bounds.sample_bound`. A sample passes if an anytime-valid test shows
    Pr_eps(f(z + eps) = c) > Phi(r(b') / pixel_sigma), hence h = c on the whole ball. With p_A the probability to pass,
    g(T_gamma x) = c for every gamma in Gamma with |gamma| < parameter_sigma Phi^-1(p_A) (Neyman-Pearson).

    Attributes (see also `ProvingDefence`):
        inner_alpha: level a' of each inner test; corrected for, so it does not add to alpha.
        centre: of each ball: "recentred" (its radius is nearly the smallest) or "shifted" (z = P A_{b'} x).
    """

    name: ClassVar[str] = "DistSPT"

    inner_alpha: float = 0.01
    centre: Literal["recentred", "shifted"] = "recentred"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.centre not in ("recentred", "shifted"):
            raise ValueError(f"centre must be 'recentred' or 'shifted', but is {self.centre!r}.")
        if not 0 < self.inner_alpha < 1:
            raise ValueError(f"inner_alpha must be between 0 and 1, but is {self.inner_alpha}.")

    def certify(
        self,
        image: Tensor,
        n0: int = 100,
        *,
        n_gamma: int = 200,
        alpha: float = 0.01,
        seed: int = 0,
        first_looks: Sequence[int] = (),
    ) -> DistCertificate:
        """Certify one image (C, H, W); wrong with probability at most ``alpha`` over the sampling.

        The class is selected from n0 one-level votes; every other sample is fresh. With ``first_looks``, such as (200,)
        for n_gamma = 1000, sampling stops after so many samples if they cover Gamma or show that more would not; every
        look costs an equal share of alpha.
        """
        *_, last = self.stream(image, n0, n_gamma=n_gamma, alpha=alpha, seed=seed, first_looks=first_looks)
        return last

    def stream(
        self,
        image: Tensor,
        n0: int = 100,
        *,
        n_gamma: int = 200,
        alpha: float = 0.01,
        seed: int = 0,
        batch_size: int = SAMPLES_AT_ONCE,
        progress: Progress = silent,
        first_looks: Sequence[int] = (),
    ) -> Iterator[DistCertificate]:
        """`certify` as it goes: after each batch of samples what is known so far; only the last one, complete, certifies.

        Every sample has pixel noise of its own, so ``batch_size`` changes how often there is something to see, not what.
        ``progress`` goes round the steps of the error bounds, tqdm-shaped; it may raise to cancel.
        """
        started = time.perf_counter()
        n0, n_gamma, batch_size = whole("n0", n0), whole("n_gamma", n_gamma), whole("batch_size", batch_size)
        alpha, seed = alpha_level("alpha", alpha), seed_number(seed)
        first_looks = tuple(whole("each of first_looks", look) for look in first_looks)
        if not looks_hold(first_looks, n_gamma):
            raise ValueError(
                f"first_looks must ascend, from at least 1 to less than n_gamma = {n_gamma}, but are {tuple(first_looks)}."
            )
        image = self.checked(image)
        begun = DistCertificate(
            **self._about(image, seed),
            **self.measured_for(),
            alpha=alpha,
            inner_alpha=self.inner_alpha,
            centre=self.centre,
            n_gamma=n_gamma,
            first_looks=first_looks,
        )
        selection_generator, generator = generators(seed, n0, n_gamma, first_looks, begun.settings_in_words())
        selection, selected = self._select(image, n0, selection_generator)
        samples = self._betas(n_gamma, generator)
        seeds, pilot_seeds = noise_seeds(2 * n_gamma, generator).chunk(2)
        radii: list[float] = []
        rounding: list[float] = []
        votes: list[tuple[int, int]] = []
        for block, batches in blocks_of(n_gamma, batch_size, first_looks):
            centres, block_radii, added = self._balls(
                image, samples[block], label=selected, pilot_seeds=pilot_seeds[block], progress=progress
            )
            for batch in batches:
                part = slice(batch.start - block.start, batch.stop - block.start)
                part_radii = block_radii[part]
                votes += inner_votes(
                    self.classifier,
                    centres[part],
                    part_radii,
                    selected,
                    self.pixel_sigma,
                    self.inner_alpha,
                    seeds[batch],
                )
                radii += part_radii.tolist()
                rounding += added[part].tolist()
                certificate = replace(
                    begun,
                    selection_counts=selection,
                    selected=selected,
                    points=recorded_points(samples[: batch.stop]),
                    radii=tuple(radii),
                    rounding=tuple(rounding),
                    inner_votes=tuple(votes),
                    seconds=time.perf_counter() - started,
                ).conclude()
                if certificate.complete:
                    self.classifier.confirm()
                yield certificate
                if certificate.complete:
                    return

    def largest_radius(self, n_gamma: int, alpha: float) -> float:
        """The radius that n_gamma samples certify if all of them pass: no outcome gives more."""
        sigma = self.parameter_sigma
        return radius_of(n_gamma, n_gamma, alpha=alpha, inner_alpha=self.inner_alpha, parameter_sigma=sigma)

    def passes_needed(self, radius: float, n_gamma: int, *, alpha: float) -> int | None:
        """How many of n_gamma samples must pass to certify more than ``radius``; None if all are too few."""
        sigma = self.parameter_sigma
        return passes_needed(radius, n_gamma, alpha=alpha, inner_alpha=self.inner_alpha, parameter_sigma=sigma)

    def _balls(
        self, image: Tensor, points: Tensor, *, label: int, pilot_seeds: Tensor, progress: Progress
    ) -> tuple[Tensor, np.ndarray, np.ndarray]:
        """Centres (N, C, H', W'), float64, proved radii (N,) around these, and what the attacker's rounding adds to them, (N,).

        Radii are refined only as far as the inner test will need. How far that is depends on votes of its own noise
        (``pilot_seeds``), never on those of the inner tests: given the radius, an inner test is what it says.
        """
        attacked = self.attacked(image)
        exact, least = find_centres(attacked, points, centre=self.centre)
        votes = count_votes(self.classifier, exact, PILOT_VOTES, label, self.pixel_sigma, pilot_seeds)
        rounding = np.asarray(rounding_at_samples(attacked, points))
        target = radii_to_aim_at(votes, self.pixel_sigma, np.asarray(least.clamp(min=NEGLIGIBLE)), rounding)
        search = Search(target=torch.from_numpy(target))
        ball = sample_bound(attacked, points, centre=self.centre, centres=exact, search=search, progress=progress)
        return exact, at_least_radius(rounding, np.asarray(ball.values)), rounding


def blocks_of(n: int, batch_size: int, first_looks: Sequence[int]) -> Iterator[tuple[slice, list[slice]]]:
    """Samples whose balls are bounded together, which is faster, as they share what they compute; and the batches in which
    each of these blocks is tested. None goes across a look."""
    block_size = batch_size * max(1, BALLS_AT_ONCE // batch_size)
    start = 0
    while start < n:
        look = min(each for each in (*first_looks, n) if each > start)
        end = min(start + block_size, look)
        yield slice(start, end), [slice(at, min(at + batch_size, end)) for at in range(start, end, batch_size)]
        start = end


def radii_to_aim_at(votes: np.ndarray, pixel_sigma: float, least: np.ndarray, rounding: np.ndarray) -> np.ndarray:
    """How small the radius of each ball should be proved to be, (N,): as large as its inner test can probably stand.

    Args:
        votes: (N,) of PILOT_VOTES that each centre gave the class; least: (N,) distances that occur in its ball;
            rounding: (N,) what the attacker's rounding adds.

    Never finer than FINEST and never coarser than COARSEST times what occurs; infinite, so that no work is done, where
    the inner test will probably fail whatever is proved.
    """
    from scipy.special import ndtri

    within_reach = [statistics.clopper_pearson_lower(int(count), PILOT_VOTES, PILOT_ALPHA) for count in votes]
    at_most = [statistics.clopper_pearson_upper(int(count), PILOT_VOTES, HOPELESS_ALPHA) for count in votes]
    reach, limit = pixel_sigma * ndtri(within_reach), pixel_sigma * ndtri(at_most)
    aim = np.clip(reach, FINEST * least + rounding, COARSEST * least + rounding)
    return np.where(limit < least + rounding, np.inf, aim)
