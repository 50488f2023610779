"""DistSPT with one number E for the interpolation error of an image or of a data distribution: the paper's procedure.

First E is measured (`OneErrorSPT.measure`, `measure_distribution`): chosen from some betas, tested on others. Then an
image is certified with it, by nested votes (the paper's classifier) or by joint ones (another classifier). What is
proved, and why, stands at `spt.certificates.OneErrorCertificate` and the radii next to it. Source: Fischer, Baader and
Vechev 2020, section 4.2 (DistSPT^x, DistSPT^D); the sequential inner tests and the joint votes are section 8 of the
design. Selection, E, rho and votes never share samples, and all sample sizes are fixed beforehand.
"""

import hashlib
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spt import statistics
from spt.certificates.error_level import DistributionErrorLevel, ErrorLevel, ImageErrorLevel
from spt.certificates.one_error import OneErrorCertificate, Votes, radius_for, vote_alpha
from spt.classifiers import Classifier
from spt.datasets import Dataset
from spt.defences.inner_tests import FIRST_LOOK, inner_votes, noise_seeds
from spt.error_bounds import check_bounded
from spt.error_bounds.chord import chord_bound
from spt.error_bounds.record import Attacker, ErrorBound, Progress, silent
from spt.error_bounds.vertices import vertex_bound
from spt.images import image_digest
from spt.smoothing import SmoothedClassifier, generators
from spt.transforms import Rotation, Transform

MARGIN = 1.1  # of E over the largest bound among the betas that choose it
SAMPLES_AT_ONCE = 50
MOST_INNER_VOTES = 1 << 14  # E is larger and the level smaller than with per-sample errors, so tests need more votes
LOOK_AGAIN = 1.25  # times the votes so far, where a test is close to its decision
FUTILITY_ALPHA = 0.01  # gives up early; valid whatever it is
PAPER = statistics.ConfidenceBudget()


@dataclass(frozen=True)
class OneErrorSPT:
    """DistSPT^x and DistSPT^D with one E.

    Attributes:
        limit: Gamma is the box [-limit, limit]^d, in the transformation's unit.
        attacker: "8-bit" (default: the attacked image is rounded to multiples of 1/255; E includes that) or "exact".
    """

    classifier: Classifier
    transform: Transform
    parameter_sigma: float
    pixel_sigma: float
    limit: float
    attacker: Attacker = "8-bit"

    def __post_init__(self) -> None:
        SmoothedClassifier(self.classifier, self.transform, self.parameter_sigma, self.pixel_sigma)
        check_bounded(self.transform)
        if not self.pixel_sigma > 0:
            raise ValueError(f"DistSPT needs pixel noise: pixel_sigma must be positive, but is {self.pixel_sigma}.")
        if not 0 < self.limit < math.inf:
            raise ValueError(f"The attack range ±{self.limit} {self.transform.unit} must be positive and finite.")
        if self.attacker not in ("8-bit", "exact"):
            raise ValueError(f"attacker must be '8-bit' or 'exact', but is {self.attacker!r}.")

    # --------------------------------------------------------------------------------------------------- measuring E

    def measure(
        self,
        image: Tensor,
        n_choice: int = 100,
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
        _at_least_one(n_choice=n_choice, n_test=n_test)
        statistics.clopper_pearson_upper(0, n_test, alpha_error)  # refuses what is no level
        image = self._checked(image)
        choice, test = _independent_generators(2, "image error", seed, n_choice, n_test)
        largest = float(self._bounds(image, self._betas(n_choice, choice), None, progress).values.max())
        error = MARGIN * largest
        exceeding = self._exceeding(image, self._betas(n_test, test), error, progress)
        return ImageErrorLevel(
            **self._settings(),
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
        _at_least_one(images=images, n_test=n_test)
        if error is None:
            _at_least_one(pilot_images=pilot_images, n_choice=n_choice)
        elif not 0 < error < math.inf:
            raise ValueError(f"E must be positive and finite, but is {error}.")
        else:
            pilot_images = n_choice = 0
        _check_can_accept(rho, n_test, image_alpha)
        statistics.clopper_pearson_lower(0, images, alpha_error)  # refuses what is no level
        if pilot_images + images > len(dataset):
            raise ValueError(
                f"{pilot_images} pilot images and {images} others were asked for, but {dataset.name} has {len(dataset)}."
            )
        order, choice, test = _independent_generators(
            3, "distribution error", seed, pilot_images, n_choice, images, n_test
        )
        drawn = torch.randperm(len(dataset), generator=order)[: pilot_images + images].tolist()
        pilots, tested = drawn[:pilot_images], drawn[pilot_images:]
        largest = None
        used: list[str] = []
        betas = self._betas(pilot_images * n_choice, choice)
        for i, index in enumerate(progress(pilots, desc="choosing E", total=len(pilots))):
            image = self._checked(dataset.image(index))
            bound = self._bounds(image, betas[i * n_choice : (i + 1) * n_choice], None, silent).values.max()
            largest = max(largest or 0.0, float(bound))
            used.append(image_digest(image))
        level = error if largest is None else MARGIN * largest
        assert level is not None  # there is an E given or a pilot image
        betas = self._betas(images * n_test, test)
        exceeding = []
        for i, index in enumerate(progress(tested, desc="testing E", total=len(tested))):
            image = self._checked(dataset.image(index))
            exceeding.append(self._exceeding(image, betas[i * n_test : (i + 1) * n_test], level, silent))
            used.append(image_digest(image))
        return DistributionErrorLevel.conclude(
            **self._settings(),
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
        )

    # ----------------------------------------------------------------------------------------------------- certifying

    def certify(
        self,
        image: Tensor,
        level: ErrorLevel,
        votes: Votes = "nested",
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
        started = time.perf_counter()
        if votes not in ("nested", "joint"):
            raise ValueError(f"votes must be 'nested' or 'joint', but is {votes!r}.")
        _at_least_one(n0=n0, n=n, batch_size=batch_size)
        statistics.clopper_pearson_lower(0, n, vote_alpha(votes, budget))  # refuses what is no level
        image = self._checked(image)
        self.check_level(level, image, budget)
        selection_generator, generator = generators(seed, n0, n)
        base = SmoothedClassifier(self.classifier, self.transform, self.parameter_sigma, self.pixel_sigma)
        selection = base.count(image, n0, selection_generator).counts
        selected = max(range(len(selection)), key=lambda index: (selection[index], -index))
        inner: list[tuple[int, int]] = []
        counts: tuple[int, ...] = ()
        if votes == "nested":
            inner = self._nested(image, level.error, selected, n, budget, generator, batch_size, progress)
        else:
            stream = base.votes(image, n, generator, batch_size)
            *_, last = progress(stream, desc="joint votes", total=math.ceil(n / batch_size))
            counts = last.counts
        return OneErrorCertificate.conclude(
            classifier=self.classifier.name,
            classifier_fingerprint=self.classifier.fingerprint,
            class_names=self.classifier.class_names,
            pixel_sigma=self.pixel_sigma,
            image_sha256=image_digest(image),
            seed=seed,
            votes=votes,
            budget=budget,
            level=level,
            selection_counts=selection,
            selected=selected,
            n=n,
            inner_votes=tuple(inner),
            counts=counts,
            seconds=time.perf_counter() - started,
        )

    def largest_radius(
        self, level: ErrorLevel, votes: Votes = "nested", n: int = 200, budget: statistics.ConfidenceBudget = PAPER
    ) -> float:
        """The radius that n samples certify with this E if all of them agree: no outcome gives more."""
        return radius_for(
            votes, statistics.clopper_pearson_lower(n, n, vote_alpha(votes, budget)), level, self.pixel_sigma
        )

    def _nested(
        self,
        image: Tensor,
        error: float,
        label: int,
        n: int,
        budget: statistics.ConfidenceBudget,
        generator: torch.Generator,
        batch_size: int,
        progress: Progress,
    ) -> list[tuple[int, int]]:
        """The inner votes of n fresh betas; (0, 0) for each where even MOST_INNER_VOTES equal votes would not pass."""
        alpha = budget.inner_level(n)
        looks = _looks(statistics.SequentialTest.for_radius(error, self.pixel_sigma, alpha))
        if not looks:
            return [(0, 0)] * n
        betas, seeds = self._betas(n, generator), noise_seeds(n, generator)
        found: list[tuple[int, int]] = []
        starts = range(0, n, batch_size)
        for start in progress(starts, desc="inner tests", total=len(starts)):
            batch = slice(start, start + batch_size)
            centres = self.classifier.preprocessing(self.transform(image, betas[batch]))
            radii = torch.full((len(centres),), error, dtype=torch.float64).numpy()
            found += inner_votes(
                self.classifier, centres, radii, label, self.pixel_sigma, alpha, seeds[batch], FUTILITY_ALPHA, looks
            )  # fmt: skip
        return found

    # --------------------------------------------------------------------------------------------------------- checks

    def _settings(self) -> dict[str, Any]:
        """What an E is measured for."""
        return {
            "transform": self.transform.name,
            "unit": self.transform.unit,
            "parameter_sigma": float(self.parameter_sigma),
            "limit": float(self.limit),
            "attacker": self.attacker,
            "preprocessing": repr(self.classifier.preprocessing),
            "input_shape": self.classifier.input_shape,
        }

    def check_level(self, level: ErrorLevel, image: Tensor, budget: statistics.ConfidenceBudget = PAPER) -> None:
        """ValueError unless this E may be used for this defence, image and budget."""
        for name, wanted in self._settings().items():
            if (found := getattr(level, name)) != wanted:
                raise ValueError(
                    f"This E was measured for another {name.replace('_', ' ')}: {found}, but {wanted} is wanted here."
                )
        if not level.verify():
            raise ValueError("The numbers of this error level do not follow from its counts: measure E again.")
        if not level.covers(image_digest(image)):
            raise ValueError(
                "This E was measured on another image."
                if isinstance(level, ImageErrorLevel)
                else "This image was used to measure E, so it is no fresh one: certify another image."
            )
        if isinstance(level, DistributionErrorLevel) and level.q_lower == 0:
            raise ValueError("q_E of this E is 0, so nothing follows: measure a larger E or on more images.")
        if level.alpha_error > budget.alpha_error:
            raise ValueError(
                f"This E may be wrong with probability {level.alpha_error:g}, but the budget leaves it "
                f"{budget.alpha_error:g}."
            )

    def _checked(self, image: Tensor) -> Tensor:
        image = self.classifier.check_image(image).float()
        if not 0 <= float(image.min()) <= float(image.max()) <= 1:
            raise ValueError(
                f"DistSPT certifies images with values in [0, 1], but this one has {float(image.min()):g} to "
                f"{float(image.max()):g}."
            )
        return image

    # --------------------------------------------------------------------------------------------------------- bounds

    def _betas(self, count: int, generator: torch.Generator) -> Tensor:
        return self.transform.sample(count, self.parameter_sigma, generator)

    def _exceeding(self, image: Tensor, betas: Tensor, error: float, progress: Progress) -> int:
        """How many betas are not proved to stay within E."""
        holds = self._bounds(image, betas, error, progress).holds
        assert holds is not None  # as there is a target
        return int((~holds).sum())

    def _bounds(self, image: Tensor, betas: Tensor, target: float | None, progress: Progress) -> ErrorBound:
        """Bounds of the error over Gamma for each beta: within 2 %, or as far as "at most ``target``?" needs."""
        bound = chord_bound if isinstance(self.transform, Rotation) else vertex_bound
        return bound(
            image, self.transform, self.classifier.preprocessing, betas, (-self.limit, self.limit),
            target=target, attacker=self.attacker, progress=progress,
        )  # fmt: skip


def _looks(test: statistics.SequentialTest) -> tuple[int, ...]:
    """When to ask the tests: early to give up soon, then from where equal votes pass; empty if they never do."""
    blocks = np.arange(FIRST_LOOK, MOST_INNER_VOTES + 1, FIRST_LOOK)
    passes = statistics.mixture_log_wealth(blocks, blocks, test.p0) >= -math.log(test.alpha)
    if test.p0 == 1 or not passes.any():
        return ()
    first = int(passes.argmax())
    early = [FIRST_LOOK << k for k in range(20) if FIRST_LOOK << k < blocks[first]]
    late = [int(blocks[first])]
    while (later := math.ceil(late[-1] * LOOK_AGAIN / FIRST_LOOK) * FIRST_LOOK) <= MOST_INNER_VOTES:
        late.append(later)
    return (*early, *late)


def shared_budget(alpha: float, alpha_error: float | None = None) -> statistics.ConfidenceBudget:
    """``alpha`` divided as in the paper, 4 : 5 : 1; with ``alpha_error`` for an E that is measured already, 4 : 5 of the rest."""
    part = alpha / 10 if alpha_error is None else alpha_error
    if not 0 < part < alpha < 1:
        raise ValueError(f"alpha = {alpha:g} must be less than 1 and more than {part:g}, which E may be wrong with.")
    return statistics.ConfidenceBudget((alpha - part) * 4 / 9, (alpha - part) * 5 / 9, part)


def _check_can_accept(rho: float, n_test: int, image_alpha: float) -> None:
    """ValueError if no outcome of an image's betas shows a probability of at most rho."""
    if not 0 < rho < 0.5:
        raise ValueError(f"rho must be greater than 0 and less than 1/2, but is {rho}.")
    if statistics.clopper_pearson_upper(0, n_test, image_alpha) > rho:
        needed = math.ceil(math.log(image_alpha) / math.log1p(-rho))
        raise ValueError(
            f"{n_test} betas on each image cannot show that at most {rho:g} of all exceed E: at least {needed} are needed."
        )


def _at_least_one(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, but is {size}.")


def _independent_generators(count: int, purpose: str, *key: int) -> list[torch.Generator]:
    """Generators for different samples of one run; other sizes in the key give other samples (`spt.smoothing.generators`).

    Their seeds are distinct in the 32 bits that the CPU's generator keeps.
    """
    digest = hashlib.sha256(repr((purpose, *map(int, key))).encode()).digest()
    first = int.from_bytes(digest[:4])
    return [torch.Generator().manual_seed((first + i) % (1 << 32)) for i in range(count)]
