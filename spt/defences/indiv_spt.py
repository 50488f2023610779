"""IndivSPT: a certificate from a received image alone, without the original and without the attack.

The attacker took some x, applied T_gamma with gamma in Gamma, and sent x' = T_gamma x. g is nested as for DistSPT. CERTIFY
(`IndivSPT.stream`) of the received image x':

    inverse ← which γ in Γ, and which images x, explain x' = T_γ x                         `ReceivingDefence.inverted`
    INCONSISTENT if none does
    c ← the class with most of n0 votes f(P T_β x' + ε)                                    `IndivSPT._select`
    for n_γ samples β ~ N(0, σ_γ² I):                                                      `IndivSPT._betas`
        z, r ← centre and radius of a ball that holds P T_β x' and P T_{β+γ} x of all      `IndivSPT._balls`
            that explains x'
        count votes f(z + ε), ε ~ N(0, σ_ε² I), until a test at level a' shows             `inner_votes`
            Pr_ε(f(z + ε) = c) > Φ(r / σ_ε): then h = c on the ball, and β passes
    m ← LOWERCONFBOUND(how many pass, n_γ, 1 - α)                                          `IndividualCertificate.share_lower_of`
    p_A ← (m - a') / (1 - a'), as a test accepts wrongly with probability at most a'       `IndividualCertificate.p_lower_of`
    R ← σ_γ Φ⁻¹(p_A) if p_A > 1/2, else ABSTAIN                                            `IndividualCertificate.conclude`

Theorem 3.1 gives h = c on the ball: with pixel noise f's answer is kept within σ_ε/2 (Φ⁻¹(p_A) - Φ⁻¹(p_B)); with p_B = 1 - p_A,
as here, within σ_ε Φ⁻¹(p_A). Theorem 3.2 gives R: over parameters it is σ_γ/2 (Φ⁻¹(p_A) - Φ⁻¹(p_B)), and with p_B = 1 - p_A, as
here, σ_γ Φ⁻¹(p_A). The inverse is `spt.inverse`, the balls are `spt.received_bounds.bounds`.

The paper's form has one number E for all samples (`measure`, `certify_with_one_error`; its CERTIFY stands in
`spt.defences.one_error`), with the confidence divided as in the paper: 0.01 = 0.004 for the samples + 0.005 for their inner
tests + 0.001 for rho. Its E is measured for this image, or given beforehand (online: then an image whose own bound is too large is
refused). Source: Fischer, Baader and Vechev 2020 (IndivSPT); derivations: docs/mathematics.md, sections 15 to 18.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from spt import statistics
from spt.certificates.error_level import ErrorLevel, ReceivedErrorLevel, count_exceeding
from spt.certificates.one_error import OneErrorCertificate
from spt.certificates.per_sample import IndividualCertificate
from spt.defences.inner_tests import inner_votes
from spt.defences.one_error import MARGIN, PAPER, SAMPLES_AT_ONCE, OneErrorDefence
from spt.defences.proving_defence import at_least_radius, recorded_points
from spt.defences.receiving_defence import ReceivingDefence
from spt.images import image_digest
from spt.inverse import Inverse
from spt.plain_numbers import alpha_level, real, seed_number, whole
from spt.progress import Progress, silent
from spt.received_bounds.bounds import received_balls, received_bound
from spt.seeds import generators, independent_generators, noise_seeds


@dataclass(frozen=True)
class IndivSPT(OneErrorDefence, ReceivingDefence):
    """IndivSPT with recentred per-sample errors (`certify`, `stream`) or with one E (`certify_with_one_error`).

    Per sample: draw beta ~ N(0, parameter_sigma² I). P A_beta x' and P A_{beta+gamma} x for all that explains x' lie in a
    ball of centre z(beta) and proved radius r(beta). A sample passes if an anytime-valid test shows that h, f smoothed
    over pixel noise, is the class c on the whole ball. Let p be the probability to pass; if p > 1/2 then g(x') = c. For x
    with x' = T_gamma x, h(P A_{b'} x) = c wherever b' - gamma passes, and b' ~ N(0, sigma²) is N(-gamma, sigma²) after
    that shift: by Neyman-Pearson g(x) = c if also |gamma| < parameter_sigma Phi^-1(p).

    With one E: if all explanations keep ||P A_beta x' - P A_{beta+gamma} x|| <= E except with probability rho over beta, and h
    is c on the ball of radius E around P A_beta x' with probability p, then g(x') = c, and g(x) = c if
    |gamma| < parameter_sigma Phi^-1(p - rho); the proof stands at `spt.certificates.one_error.nested_radius`.

    Attributes (see also `ReceivingDefence`):
        inner_alpha: level of each inner test of the per-sample form; corrected for, so it does not add to alpha.
    """

    name: ClassVar[str] = "IndivSPT"
    levels: ClassVar[tuple[type[ErrorLevel], ...]] = (ReceivedErrorLevel,)

    inner_alpha: float = 0.01

    # ---------------------------------------------------------------------------------------------- per-sample errors

    def certify(
        self, received: Tensor, n0: int = 100, *, n_gamma: int = 200, alpha: float = 0.01, seed: int = 0
    ) -> IndividualCertificate:
        """Certify one received image (C, H, W); wrong with probability at most ``alpha`` over the sampling.

        The class is selected from n0 one-level votes; every other sample is fresh. Where nothing explains the image the
        certificate says so (``inconsistent``) and nothing is sampled.
        """
        *_, last = self.stream(received, n0, n_gamma=n_gamma, alpha=alpha, seed=seed)
        return last

    def stream(
        self,
        received: Tensor,
        n0: int = 100,
        *,
        n_gamma: int = 200,
        alpha: float = 0.01,
        seed: int = 0,
        batch_size: int = SAMPLES_AT_ONCE,
        progress: Progress = silent,
    ) -> Iterator[IndividualCertificate]:
        """`certify` as it goes: after each batch of samples what is known so far; only the last one, complete, certifies.

        Every sample has pixel noise of its own, so ``batch_size`` changes how often there is something to see, not what.
        ``progress`` goes round the steps of the inverse and of the bounds, tqdm-shaped; it may raise to cancel.
        """
        started = time.perf_counter()
        n0, n_gamma, batch_size = whole("n0", n0), whole("n_gamma", n_gamma), whole("batch_size", batch_size)
        alpha, seed = alpha_level("alpha", alpha), seed_number(seed)
        image = self.checked(received)
        inverse = self.inverted(image, progress)
        begun = IndividualCertificate(
            **self._about(image, seed),
            **self.measured_for(),
            alpha=alpha,
            inner_alpha=self.inner_alpha,
            n_gamma=n_gamma,
            surviving=_ranges(inverse),
            share=inverse.share,
            split_width=self.split_width,
            refinements=self.refinements,
            method=self.method,
        )
        selection_generator, generator = generators(seed, n0, n_gamma, settings=begun.settings_in_words())
        if not inverse.consistent:
            self.classifier.confirm()
            none = (0,) * len(self.classifier.class_names)
            yield replace(begun, selection_counts=none, seconds=time.perf_counter() - started).conclude()
            return
        selection, selected = self._select(image, n0, selection_generator)
        betas, seeds = self._betas(n_gamma, generator), noise_seeds(n_gamma, generator)
        radii: list[float] = []
        votes: list[tuple[int, int]] = []
        for start in range(0, n_gamma, batch_size):
            batch = slice(start, start + batch_size)
            centres, batch_radii = self._balls(inverse, betas[batch], progress)
            votes += inner_votes(
                self.classifier, centres, batch_radii, selected, self.pixel_sigma, self.inner_alpha, seeds[batch]
            )
            radii += batch_radii.tolist()
            if len(radii) == n_gamma:
                self.classifier.confirm()
            yield replace(
                begun,
                selection_counts=selection,
                selected=selected,
                points=recorded_points(betas[: len(radii)]),
                radii=tuple(radii),
                rounding=(0.0,) * len(radii),  # part of what the inverse leaves open, if any
                inner_votes=tuple(votes),
                seconds=time.perf_counter() - started,
            ).conclude()

    def _balls(self, inverse: Inverse, points: Tensor, progress: Progress) -> tuple[Tensor, np.ndarray]:
        """Centres (N, C, H', W'), float64, and proved radii (N,) around these."""
        preprocessing = self.classifier.preprocessing
        exact, radii = received_balls(inverse, preprocessing, points, method=self.method, progress=progress)
        return exact, at_least_radius(np.zeros(len(radii)), np.asarray(radii))

    # ------------------------------------------------------------------------------------------------------ with one E

    def measure(
        self,
        received: Tensor,
        error: float | None = None,
        *,
        n_choice: int = 100,
        n_test: int = 400,
        alpha_error: float = PAPER.alpha_error,
        seed: int = 0,
        batch_size: int = SAMPLES_AT_ONCE,
        progress: Progress = silent,
    ) -> ReceivedErrorLevel:
        """E of one received image (C, H, W), and rho from n_test betas; look whether the level is ``accepted``.

        Without ``error`` E is 1.1 x the largest proved bound of n_choice betas, and n_test others test it. A given
        ``error`` is the online form: n_choice is not used, and the image is refused where rho is 1/2 or more. It must have
        been fixed beforehand: who tries several E on one image must divide ``alpha_error`` by how many (each is tested on
        betas of its own). Selection, choice, test and votes never share samples.

        rho is wrong with probability at most ``alpha_error`` over the n_test betas. ``progress`` goes round the steps of
        the inverse and of the bounds, tqdm-shaped; it may raise to cancel; ``batch_size`` changes how often. ValueError if
        nothing explains the image.
        """
        started = time.perf_counter()
        n_test, batch_size = whole("n_test", n_test), whole("batch_size", batch_size)
        alpha_error, seed = alpha_level("alpha_error", alpha_error), seed_number(seed)
        n_choice = whole("n_choice", n_choice) if error is None else 0
        error = None if error is None else real("E", error)
        if error is not None and not error > 0:
            raise ValueError(f"E must be positive and finite, but is {error}.")
        if statistics.clopper_pearson_upper(0, n_test, alpha_error) >= 0.5:  # ValueError unless it is a level
            needed = math.floor(math.log(alpha_error) / math.log(0.5)) + 1
            raise ValueError(
                f"{n_test} betas cannot show that less than half of all exceed E: at least {needed} are needed."
            )
        image = self.checked(received)
        inverse = self.inverted(image, progress)
        choice, test = independent_generators(2, f"received error {error!r}", seed, n_choice, n_test)
        largest = None
        if error is None:
            largest = max(self._bounds(inverse, self._betas(n_choice, choice), "choosing E", batch_size, progress))
        level = error if largest is None else MARGIN * largest
        assert level is not None  # E was given or chosen
        bounds = self._bounds(inverse, self._betas(n_test, test), "testing E", batch_size, progress)
        return ReceivedErrorLevel(
            **self.measured_for(),
            error=level,
            margin=None if largest is None else MARGIN,
            largest=largest,
            n_choice=n_choice,
            n_test=n_test,
            rho=statistics.clopper_pearson_upper(count_exceeding(bounds, level), n_test, alpha_error),
            alpha_error=alpha_error,
            seed=seed,
            seconds=time.perf_counter() - started,
            image_sha256=image_digest(image),
            surviving=_ranges(inverse),
            share=inverse.share,
            split_width=self.split_width,
            refinements=self.refinements,
            method=self.method,
            bounds=bounds,
        )

    def certify_with_one_error(
        self,
        received: Tensor,
        level: ReceivedErrorLevel,
        *,
        n0: int = 100,
        n: int = 200,
        budget: statistics.ConfidenceBudget = PAPER,
        seed: int = 0,
        batch_size: int = SAMPLES_AT_ONCE,
        progress: Progress = silent,
    ) -> OneErrorCertificate:
        """Certify one received image (C, H, W) with its E by nested votes; wrong with probability at most ``budget.total``.

        The class is selected from n0 one-level votes; each of n fresh betas must pass an inner test at level alpha_eps / n
        that h is the class within E. ``batch_size`` changes how often ``progress`` moves, not the result. ValueError if E was
        measured for something else or for another image, or if the image was refused (``level.explain()`` says why).
        """
        begun = self._begin(received, level, votes="nested", n=n, budget=budget, seed=seed)
        return self._certify(received, begun, n0=n0, batch_size=batch_size, progress=progress)

    def check_level(self, level: ErrorLevel, image: Tensor, budget: statistics.ConfidenceBudget = PAPER) -> None:
        """ValueError unless this E may be used for this defence, image and budget, and the image was not refused."""
        super().check_level(level, image, budget)
        if isinstance(level, ReceivedErrorLevel) and not level.usable:
            raise ValueError(level.explain())

    def _bounds(
        self, inverse: Inverse, betas: Tensor, step: str, batch_size: int, progress: Progress
    ) -> tuple[float, ...]:
        """Proved bounds of the error over all explanations, for each beta."""
        bounds: list[float] = []
        starts = range(0, len(betas), batch_size)
        for start in progress(starts, desc=step, total=len(starts)):
            part = betas[start : start + batch_size]
            bound = received_bound(inverse, self.classifier.preprocessing, part, method=self.method)
            bounds += bound.values.tolist()
        return tuple(bounds)


def _ranges(inverse: Inverse) -> tuple[tuple[tuple[float, float], ...], ...]:
    """The part of Gamma that survives, as the records have it."""
    return tuple(tuple((low, high) for low, high in box) for box in inverse.surviving.tolist())
