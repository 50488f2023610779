"""Randomized smoothing over transformation parameters: votes as a stream, PREDICT and CERTIFY.

Source: Cohen, Rosenfeld and Kolter 2019 (the procedures), Fischer, Baader and Vechev 2020 (BaseSPT).

Where a device runs out of memory, images are transformed in halves. Noise is drawn for a whole chunk in one call (a GPU's
generator gives other numbers in two), and the network sees whole chunks or nothing: in calls of another size its last digits
may differ, so that it would be another f from then on. A chunk that does not fit is therefore an error, not a smaller chunk.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor

from spt import statistics
from spt.certificates import Certificate, Prediction
from spt.certificates.base_spt import top_two, top_two_votes
from spt.certificates.concluded import most_votes
from spt.classifiers import Classifier
from spt.device_memory import halving_on_oom
from spt.images import image_digest
from spt.noise import noisy, standard_normal
from spt.plain_numbers import LARGEST_SIGMA, alpha_level, real, seed_number, whole
from spt.seeds import generators
from spt.transforms import Transform


@dataclass(frozen=True)
class Votes:
    """The first n votes of a run, cumulative.

    Attributes:
        counts: votes for each class.
        points: (n, d) float64, the parameter beta of each vote, in drawing order.
        classes: (n,) int64, the class each vote went to.
    """

    counts: tuple[int, ...]
    points: Tensor
    classes: Tensor

    @property
    def n(self) -> int:
        """Number of votes so far."""
        return len(self.classes)


class EvidenceFields(TypedDict):
    """The fields of `spt.certificates.VoteEvidence`."""

    defence: str
    classifier: str
    classifier_fingerprint: str
    class_names: tuple[str, ...]
    transform: str
    unit: str
    parameter_sigma: float
    pixel_sigma: float
    image_sha256: str
    seed: int
    alpha: float
    counts: tuple[int, ...]
    grid: float
    device: str
    number_format: str


@dataclass(frozen=True)
class SmoothedClassifier:
    """BaseSPT: g(x) = argmax_c Pr(f(P T_beta x + eps) = c).

    beta ~ N(0, parameter_sigma² I) and eps ~ N(0, pixel_sigma² I) are independent; f rounds what it is shown to its grid.
    The object says what g is; the calls say what a procedure costs. ``parameter_sigma`` has the transformation's unit;
    ``pixel_sigma`` 0 means no pixel noise. With ``parameter_sigma`` 0 every beta is 0, and g is the majority over pixel
    noise alone, the one that cells without smoothing over parameters certify: it can be asked (`predict`), but has no radius.
    """

    classifier: Classifier
    transform: Transform
    parameter_sigma: float
    pixel_sigma: float = 0.0

    def __post_init__(self) -> None:
        for name in ("parameter_sigma", "pixel_sigma"):
            object.__setattr__(self, name, real(name, getattr(self, name)))
        if not self.parameter_sigma >= 0:
            raise ValueError(f"parameter_sigma must be positive, but is {self.parameter_sigma}.")
        if not 0 <= self.pixel_sigma <= LARGEST_SIGMA:
            raise ValueError(
                f"pixel_sigma must be from 0 to {LARGEST_SIGMA:g} (pixels are in [0, 1]), but is {self.pixel_sigma}."
            )
        if self.parameter_sigma == self.pixel_sigma == 0:
            raise ValueError(
                "parameter_sigma and pixel_sigma are both 0, so there is nothing to vote over: g would be f."
            )

    def votes(self, image: Tensor, n: int, generator: torch.Generator, batch_size: int = 250) -> Iterator[Votes]:
        """SAMPLEUNDERNOISE as a stream: cumulative votes after every ``batch_size`` samples and after all n.

        All parameters are drawn in one call, and the network always sees the same fixed chunks, so the votes depend
        on the generator's state and n alone, not on ``batch_size``. Works on the classifier's device; the yielded
        tensors are on the CPU.
        """
        n, batch_size = whole("n", n), whole("batch_size", batch_size)
        image = self.classifier.check_image(image).float().double()  # what image_digest identifies
        points = self.transform.sample(n, self.parameter_sigma, generator)
        noise_seed = int(torch.randint(1 << 62, (), generator=generator))
        return self._stream(image, points, noise_seed, batch_size)

    def _stream(self, image: Tensor, points: Tensor, noise_seed: int, batch_size: int) -> Iterator[Votes]:
        n, chunk = len(points), self.classifier.chunk
        classes = torch.empty(n, dtype=torch.int64)
        counts = torch.zeros(len(self.classifier.class_names), dtype=torch.int64)
        shown = 0
        for start in range(0, n, chunk):
            stop = min(start + chunk, n)
            classes[start:stop] = self._vote(image, points[start:stop], noise_seed + start // chunk)
            while shown < n and min(shown + batch_size, n) <= stop:
                reached = min(shown + batch_size, n)
                counts += classes[shown:reached].bincount(minlength=len(counts))
                shown = reached
                yield Votes(tuple(counts.tolist()), points[:shown], classes[:shown])

    @torch.inference_mode()
    def _vote(self, image: Tensor, points: Tensor, noise_seed: int) -> Tensor:
        def shown(part: Tensor) -> tuple[Tensor]:
            return (self.classifier.preprocessing(self.transform(image, part)),)

        (inputs,) = halving_on_oom(shown, points)
        if self.pixel_sigma > 0:
            generator = torch.Generator(inputs.device).manual_seed(noise_seed % (1 << 63))
            noise = standard_normal((self.classifier.chunk, *inputs.shape[1:]), generator)[: len(points)]
            inputs = noisy(inputs, self.pixel_sigma, noise)
        return self.classifier.network_logits(inputs).argmax(dim=1).cpu()

    def count(self, image: Tensor, n: int, generator: torch.Generator) -> Votes:
        """All n votes at once."""
        *_, last = self.votes(image, n, generator, batch_size=n)
        return last

    def predict(self, image: Tensor, n: int = 1000, alpha: float = 0.001, seed: int = 0) -> Prediction:
        """PREDICT: the class of g, or ABSTAIN; wrong with probability at most ``alpha``.

            counts ← SAMPLEUNDERNOISE(f, x, n)                                          `count`
            c_A, c_B ← the two classes with most votes, n_A and n_B of them
            c_A if BINOMPVALUE(n_A, n_A + n_B, 1/2) ≤ α, else ABSTAIN                    `conclude_prediction`

        Source: Cohen, Rosenfeld and Kolter 2019, proposition 2.
        """
        alpha, seed = alpha_level("alpha", alpha), seed_number(seed)
        votes = self.count(image, n, generators(seed, 0, n)[1])
        return self.conclude_prediction(image, votes, alpha, seed)

    def certify(self, image: Tensor, n0: int = 100, n: int = 1000, alpha: float = 0.001, seed: int = 0) -> Certificate:
        """CERTIFY: the class of g and a radius, or ABSTAIN; see `Certificate`.

            counts0 ← SAMPLEUNDERNOISE(f, x, n0); c_A ← the class with most of them      `count`
            counts ← SAMPLEUNDERNOISE(f, x, n), other samples                            `count`
            p_A ← LOWERCONFBOUND(counts[c_A], n, 1 - α)                                  `conclude_certificate`
            c_A with radius R = σ Φ⁻¹(p_A) if p_A > 1/2, else ABSTAIN

        Theorem 3.2 (theorem 3.1 is the same for pixel noise alone): if c_A has probability at least p_A, and any other class
        at most p_B, then g keeps its answer for |gamma| < σ/2 (Φ⁻¹(p_A) - Φ⁻¹(p_B)). With p_B = 1 - p_A, as here, that is
        σ Φ⁻¹(p_A). It holds for transformations that compose. Interpolated ones do not, so this radius is a heuristic.
        """
        if self.parameter_sigma == 0:
            raise ValueError(
                "CERTIFY states a radius of parameter_sigma Φ⁻¹(p), which needs a parameter_sigma above 0."
            )
        alpha, seed, n0, n = alpha_level("alpha", alpha), seed_number(seed), whole("n0", n0), whole("n", n)
        started = time.perf_counter()
        selection_generator, estimation_generator = generators(seed, n0, n)
        selection = self.count(image, n0, selection_generator)
        estimation = self.count(image, n, estimation_generator)
        return self.conclude_certificate(image, selection, estimation, alpha, seed, time.perf_counter() - started)

    def conclude_prediction(self, image: Tensor, votes: Votes, alpha: float, seed: int) -> Prediction:
        """PREDICT's conclusion from votes of this g that were not looked at before to decide on n."""
        self.classifier.confirm()
        evidence = self._evidence(image, votes, alpha, seed)
        c_a, _ = top_two(votes.counts)
        n_a, n_b = top_two_votes(votes.counts)
        p_value = statistics.binomial_p_value(n_a, n_a + n_b)
        return Prediction(**evidence, label=c_a if p_value <= alpha else None, p_value=p_value)

    def conclude_certificate(
        self, image: Tensor, selection: Votes, estimation: Votes, alpha: float, seed: int, seconds: float
    ) -> Certificate:
        """CERTIFY's conclusion from two independent sets of votes of this g, of sizes fixed beforehand."""
        self.classifier.confirm()
        evidence = self._evidence(image, estimation, alpha, seed)
        c_a = most_votes(selection.counts)
        p_a = statistics.clopper_pearson_lower(estimation.counts[c_a], estimation.n, alpha)
        return Certificate(
            **evidence,
            selection_counts=selection.counts,
            selected=c_a,
            label=c_a if p_a > 0.5 else None,
            p_lower=p_a,
            radius=statistics.certified_radius(p_a, self.parameter_sigma),
            heuristic=True,
            seconds=seconds,
        )

    def _evidence(self, image: Tensor, votes: Votes, alpha: float, seed: int) -> EvidenceFields:
        return {
            "defence": "BaseSPT",
            "classifier": self.classifier.name,
            "classifier_fingerprint": self.classifier.fingerprint,
            "class_names": self.classifier.class_names,
            "transform": self.transform.name,
            "unit": self.transform.unit,
            "parameter_sigma": self.parameter_sigma,
            "pixel_sigma": self.pixel_sigma,
            "image_sha256": image_digest(image),
            "seed": seed_number(seed),
            "alpha": alpha_level("alpha", alpha),
            "counts": votes.counts,
            "grid": self.classifier.grid,
            "device": self.classifier.device.type,
            "number_format": self.classifier.number_format,
        }
