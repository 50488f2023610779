"""DistSPT with one number E for the interpolation error of an image or of a data distribution: the paper's procedure.

First E is measured (`OneErrorSPT.measure`, `measure_distribution`): chosen from some betas, tested on others. Then an
image is certified with it, by nested votes (the paper's classifier) or by joint ones (another classifier). What is
proved, and why, stands at `spt.certificates.OneErrorCertificate` and the radii next to it. Source: Fischer, Baader and
Vechev 2020, section 4.2 (DistSPT^x, DistSPT^D); derivations: docs/mathematics.md, sections 12 to 14 and 18.
Selection, E, rho and votes never share samples, and all sample sizes are fixed beforehand.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spt import statistics
from spt.certificates.error_level import DistributionErrorLevel, ErrorLevel, ImageErrorLevel
from spt.certificates.one_error import OneErrorCertificate, VoteKind
from spt.datasets import Dataset
from spt.defences.one_error import MARGIN, PAPER, SAMPLES_AT_ONCE, OneErrorDefence
from spt.error_bounds.chord import chord_bound
from spt.error_bounds.result import ErrorBound
from spt.error_bounds.search import Search
from spt.error_bounds.vertices import vertex_bound
from spt.images import image_digest
from spt.plain_numbers import alpha_level, real, seed_number, whole
from spt.progress import Progress, silent
from spt.seeds import independent_generators
from spt.transforms import Rotation


@dataclass(frozen=True)
class OneErrorSPT(OneErrorDefence):
    """DistSPT^x and DistSPT^D with one E; its attributes are those of `ProvingDefence`."""

    name: ClassVar[str] = "DistSPT"
    levels: ClassVar[tuple[type[ErrorLevel], ...]] = (ImageErrorLevel, DistributionErrorLevel)

    # --------------------------------------------------------------------------------------------------- measuring E

    def measure(
        self,
        image: Tensor,
        n_choice: int = 100,
        *,
        n_test: int = 400,
        alpha_error: float = PAPER.alpha_error,
        seed: int = 0,
        progress: Progress = silent,
    ) -> ImageErrorLevel:
        """E of one image (C, H, W) for DistSPT^x: 1.1 x the largest proved bound of n_choice betas; rho from n_test others.

        rho is wrong with probability at most ``alpha_error`` over the n_test betas. Joint votes need a small rho:
        n_test of a few thousand. ``progress`` goes round the steps of the bounds, tqdm-shaped; it may raise to cancel.
        """
        started = time.perf_counter()
        n_choice, n_test = whole("n_choice", n_choice), whole("n_test", n_test)
        alpha_error, seed = alpha_level("alpha_error", alpha_error), seed_number(seed)
        image = self.checked(image)
        choice, test = independent_generators(2, "image error", seed, n_choice, n_test)
        largest = self.largest_error(image, n_choice, generator=choice, progress=progress)
        error = MARGIN * largest
        exceeding = self.count_exceeding(image, error, n_test=n_test, generator=test, progress=progress)
        return ImageErrorLevel(
            **self.measured_for(),
            error=error,
            margin=MARGIN,
            largest=largest,
            n_choice=n_choice,
            n_test=n_test,
            rho=statistics.clopper_pearson_upper(exceeding, n_test, alpha_error),
            alpha_error=alpha_error,
            seed=seed,
            seconds=time.perf_counter() - started,
            image_sha256=image_digest(image),
            exceeding=exceeding,
        )

    def measure_distribution(
        self,
        dataset: Dataset,
        rho: float = 0.02,
        *,
        error: float | None = None,
        pilot_images: int = 10,
        n_choice: int = 100,
        images: int = 100,
        n_test: int = 250,
        image_alpha: float = 0.01,
        alpha_error: float = PAPER.alpha_error,
        seed: int = 0,
        progress: Progress = silent,
    ) -> DistributionErrorLevel:
        """E and q_E of the distribution that the images of a data set stand for: DistSPT^D.

        Without ``error`` E is 1.1 x the largest proved bound of n_choice betas on each of the pilot images. Then other
        images, n_test betas each, are accepted or not (level ``image_alpha``), and q_E is bounded from the share
        accepted; wrong with probability at most ``alpha_error``. Images are drawn without replacement. A given ``error``
        must not have been chosen by looking at these images; there are no pilot images then.
        """
        started = time.perf_counter()
        images, n_test = whole("images", images), whole("n_test", n_test)
        alpha_error, seed, rho = alpha_level("alpha_error", alpha_error), seed_number(seed), real("rho", rho)
        pilot_images = whole("pilot_images", pilot_images) if error is None else 0
        n_choice = whole("n_choice", n_choice) if error is None else 0
        error = None if error is None else real("E", error)
        if error is not None and not error > 0:
            raise ValueError(f"E must be positive and finite, but is {error}.")
        _check_can_accept(rho, n_test, image_alpha=image_alpha)
        statistics.clopper_pearson_lower(0, images, alpha_error)  # ValueError unless it is a level
        if pilot_images + images > len(dataset):
            raise ValueError(
                f"{pilot_images} pilot images and {images} others were asked for, but {dataset.name} has {len(dataset)}."
            )
        order, choice, test = independent_generators(
            3, "distribution error", seed, pilot_images, n_choice, images, n_test
        )
        drawn = distinct(dataset, torch.randperm(len(dataset), generator=order).tolist(), count=pilot_images + images)
        pilots, tested = drawn[:pilot_images], drawn[pilot_images:]
        largest = None
        used: list[str] = []
        for index in progress(pilots, desc="choosing E", total=len(pilots)):
            image = self.checked(dataset.image(index))
            largest = max(largest or 0.0, self.largest_error(image, n_choice, generator=choice))
            used.append(image_digest(image))
        level = error if largest is None else MARGIN * largest
        assert level is not None  # there is an E given or a pilot image
        exceeding = []
        for index in progress(tested, desc="testing E", total=len(tested)):
            image = self.checked(dataset.image(index))
            exceeding.append(self.count_exceeding(image, level, n_test=n_test, generator=test))
            used.append(image_digest(image))
        return DistributionErrorLevel(
            **self.measured_for(),
            error=level,
            margin=None if largest is None else MARGIN,
            largest=largest,
            n_choice=n_choice,
            n_test=n_test,
            rho=rho,
            alpha_error=alpha_error,
            seed=seed,
            seconds=time.perf_counter() - started,
            dataset=dataset.name,
            pilot_sha256=tuple(used[:pilot_images]),
            image_sha256=tuple(used[pilot_images:]),
            exceeding=tuple(exceeding),
            image_alpha=image_alpha,
        ).conclude()

    def largest_error(
        self, image: Tensor, n_choice: int, *, generator: torch.Generator, progress: Progress = silent
    ) -> float:
        """The largest proved bound of n_choice betas on one image: what E is chosen from."""
        return float(self._bounds(self.checked(image), self._betas(n_choice, generator), None, progress).values.max())

    def count_exceeding(
        self, image: Tensor, error: float, *, n_test: int, generator: torch.Generator, progress: Progress = silent
    ) -> int:
        """How many of n_test betas are not proved to stay within E on one image: what tests E."""
        holds = self._bounds(self.checked(image), self._betas(n_test, generator), error, progress).holds
        assert holds is not None  # as there is a target
        return int((~holds).sum())

    # ----------------------------------------------------------------------------------------------------- certifying

    def certify(
        self,
        image: Tensor,
        level: ErrorLevel,
        *,
        votes: VoteKind = "nested",
        n0: int = 100,
        n: int = 200,
        budget: statistics.ConfidenceBudget = PAPER,
        seed: int = 0,
        batch_size: int = SAMPLES_AT_ONCE,
        progress: Progress = silent,
    ) -> OneErrorCertificate:
        """Certify one image (C, H, W) with E as it was measured; wrong with probability at most ``budget.total``.

        The class is selected from n0 one-level votes. Nested: each of n fresh betas must pass an inner test at level
        alpha_eps / n that h is the class within E. Joint: n fresh votes (a few thousand) of beta and pixel noise together.
        ``batch_size`` changes how often ``progress`` moves, not the result. ValueError if E was measured for something
        else, or is about images other than this one.
        """
        begun = self._begin(image, level, votes=votes, n=n, budget=budget, seed=seed)
        return self._certify(image, begun, n0=n0, batch_size=batch_size, progress=progress)

    # --------------------------------------------------------------------------------------------------------- bounds

    def _bounds(self, image: Tensor, betas: Tensor, target: float | None, progress: Progress) -> ErrorBound:
        """Bounds of the error over Gamma for each beta: within 2 %, or as far as "at most ``target``?" needs."""
        attacked = self.attacked(image)
        if isinstance(self.transform, Rotation):
            return chord_bound(attacked, betas, search=Search(target=target), progress=progress)
        return vertex_bound(attacked, betas, target=target, progress=progress)


def distinct(dataset: Dataset, order: Sequence[int], *, count: int) -> list[int]:
    """The first ``count`` numbers of different images: a picture that is there twice must not test itself."""
    chosen: dict[str, int] = {}
    for index in order:
        if len(chosen) == count:
            break
        chosen.setdefault(image_digest(dataset.image(index)), index)
    if len(chosen) < count:
        raise ValueError(f"{count} different images were asked for, but {dataset.name} has {len(chosen)} only.")
    return list(chosen.values())


def shared_budget(alpha: float, alpha_error: float | None = None) -> statistics.ConfidenceBudget:
    """``alpha`` divided as in the paper, 4 : 5 : 1; with ``alpha_error`` for an E that is measured already, 4 : 5 of the rest."""
    part = alpha / 10 if alpha_error is None else alpha_error
    if not 0 < part < alpha < 1:
        raise ValueError(f"alpha = {alpha:g} must be less than 1 and more than {part:g}, which E may be wrong with.")
    samples, inner = (alpha - part) * 4 / 9, (alpha - part) * 5 / 9
    while math.fsum((samples, inner, part)) > alpha:  # rounding
        inner = math.nextafter(inner, 0.0)
    return statistics.ConfidenceBudget(samples, inner, part)


def _check_can_accept(rho: float, n_test: int, *, image_alpha: float) -> None:
    """ValueError if no outcome of an image's betas shows a probability of at most rho."""
    if not 0 < rho < 0.5:
        raise ValueError(f"rho must be greater than 0 and less than 1/2, but is {rho}.")
    if statistics.clopper_pearson_upper(0, n_test, image_alpha) > rho:
        needed = math.ceil(math.log(image_alpha) / math.log1p(-rho))
        raise ValueError(
            f"{n_test} betas on each image cannot show that at most {rho:g} of all exceed E: at least {needed} are needed."
        )
