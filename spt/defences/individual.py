"""IndivSPT: a certificate from a received image alone, without the original and without the attack.

The attacker took some x, applied T_gamma with gamma in Gamma, and sent x' = T_gamma x. The inverse (`spt.inverse`) finds
which gammas and images explain x'; for each smoothing sample a ball holds everything the classifier can be shown
(`spt.error_bounds.received`). Source: Fischer, Baader and Vechev 2020 (IndivSPT); sections 5, 7, 8 and 9 of the design.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spt import statistics
from spt.certificates.individual import IndividualCertificate
from spt.classifiers import Classifier
from spt.defences.inner_tests import inner_votes, noise_seeds
from spt.error_bounds import check_bounded
from spt.error_bounds.received import METHODS, Method, received_balls
from spt.error_bounds.record import Attacker, Progress, silent
from spt.images import image_digest
from spt.inverse import Inverse, invert
from spt.smoothing import SmoothedClassifier, generators
from spt.transforms import Transform

SAMPLES_AT_ONCE = 50


@dataclass(frozen=True)
class IndivSPT:
    """IndivSPT with recentred per-sample errors.

    Draw beta ~ N(0, parameter_sigma² I). P A_beta x' and P A_{beta+gamma} x for all that explains x' lie in a ball of centre
    z(beta) and proved radius rho(beta). A sample passes if an anytime-valid test shows that h, f smoothed over pixel noise,
    is the class c on the whole ball. Let q be the probability to pass; if q > 1/2 then g(x') = c. For x with x' = T_gamma x,
    h(P A_{b'} x) = c wherever b' - gamma passes, and b' ~ N(0, sigma²) is N(-gamma, sigma²) after that shift: by
    Neyman-Pearson g(x) = c if also |gamma| < parameter_sigma Phi^-1(q).

    Attributes:
        limit: Gamma is the box [-limit, limit]^d, in the transformation's unit.
        attacker: "8-bit" (default: x' was rounded to multiples of 1/255) or "exact".
        inner_alpha: level of each inner test; corrected for, so it does not add to alpha.
        split_width: of the splits of Gamma that the inverse tests; refinements: its passes over what survives.
        method: of the bounds, see `spt.error_bounds.received`.
    """

    classifier: Classifier
    transform: Transform
    parameter_sigma: float
    pixel_sigma: float
    limit: float
    attacker: Attacker = "8-bit"
    inner_alpha: float = 0.01
    split_width: float = 0.1
    refinements: int = 10
    method: Method = "automatic"

    def __post_init__(self) -> None:
        SmoothedClassifier(self.classifier, self.transform, self.parameter_sigma, self.pixel_sigma)
        check_bounded(self.transform)
        if not self.pixel_sigma > 0:
            raise ValueError(f"IndivSPT needs pixel noise: pixel_sigma must be positive, but is {self.pixel_sigma}.")
        if not 0 < self.limit < float("inf"):
            raise ValueError(f"The attack range ±{self.limit} {self.transform.unit} must be positive and finite.")
        if self.attacker not in ("8-bit", "exact"):
            raise ValueError(f"attacker must be '8-bit' or 'exact', but is {self.attacker!r}.")
        if not 0 < self.inner_alpha < 1:
            raise ValueError(f"inner_alpha must be between 0 and 1, but is {self.inner_alpha}.")
        if not 0 < self.split_width < float("inf"):
            raise ValueError(f"split_width must be positive and finite, but is {self.split_width}.")
        if self.refinements < 0:
            raise ValueError(f"refinements must be 0 or more, but is {self.refinements}.")
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, but is {self.method!r}.")

    def certify(
        self, received: Tensor, n0: int = 100, n_gamma: int = 200, alpha: float = 0.01, seed: int = 0
    ) -> IndividualCertificate:
        """Certify one received image (C, H, W); wrong with probability at most ``alpha`` over the sampling.

        The class is selected from n0 one-level votes; every other sample is fresh. Where nothing explains the image the
        certificate says so (``inconsistent``) and nothing is sampled.
        """
        *_, last = self.stream(received, n0, n_gamma, alpha, seed)
        return last

    def stream(
        self,
        received: Tensor,
        n0: int = 100,
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
        if min(batch_size, n0) < 1:
            raise ValueError(f"batch_size and n0 must be at least 1, but are {batch_size} and {n0}.")
        statistics.clopper_pearson_lower(0, n_gamma, alpha)  # refuses what is no level and no sample size
        image = self.classifier.check_image(received).float()
        inverse = invert(
            image, self.transform, (-self.limit, self.limit), self.split_width, self.refinements, self.attacker,
            progress=progress,
        )  # fmt: skip
        selection_generator, generator = generators(seed, n0, n_gamma)
        base = SmoothedClassifier(self.classifier, self.transform, self.parameter_sigma, self.pixel_sigma)
        classes = len(self.classifier.class_names)
        selection = base.count(image, n0, selection_generator).counts if inverse.consistent else (0,) * classes
        selected = max(range(classes), key=lambda index: (selection[index], -index))
        points = self.transform.sample(n_gamma, self.parameter_sigma, generator)
        seeds = noise_seeds(n_gamma, generator)
        radii: list[float] = []
        votes: list[tuple[int, int]] = []
        for start in range(0, n_gamma if inverse.consistent else 1, batch_size):
            batch = slice(start, start + batch_size)
            if inverse.consistent:
                centres, rho = self._balls(image, points[batch], inverse, progress)
                votes += inner_votes(
                    self.classifier, centres, rho, selected, self.pixel_sigma, self.inner_alpha, seeds[batch]
                )
                radii += rho.tolist()
            yield IndividualCertificate.conclude(
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
                split_width=self.split_width,
                surviving=tuple(tuple(map(tuple, box)) for box in inverse.surviving.tolist()),
                share=inverse.share,
                selection_counts=selection,
                selected=selected,
                n_gamma=n_gamma,
                points=tuple(tuple(point) for point in points[: len(radii)].tolist()),
                radii=tuple(radii),
                inner_votes=tuple(votes),
                seconds=time.perf_counter() - started,
            )

    def _balls(self, image: Tensor, points: Tensor, inverse: Inverse, progress: Progress) -> tuple[Tensor, np.ndarray]:
        """Centres (N, C, H', W') as the network takes them, float32, and proved radii (N,) around these."""
        exact, radii = received_balls(
            image, self.transform, self.classifier.preprocessing, points, inverse, self.method, progress=progress
        )
        centres = exact.float()
        moved = torch.linalg.vector_norm((centres.double() - exact).flatten(1), dim=1).cpu()
        return centres, np.asarray((radii + moved) * (1 + 1e-12))
