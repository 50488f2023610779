"""IndivSPT with cells: originals are certified cell by cell of what survives of Gamma, and the received image by itself.

The smoothed classifier and the attacker are those of `spt.defences.indiv_spt`. CERTIFY (`IndivSPTCells.stream`) of the received
image x':

    cells ← where in Γ something explains x' = T_γ x, and which images x do there           `IndivSPTCells.cells_of`
    INCONSISTENT if there are none
    c ← the class with most of n0 votes f(P T_β x' + ε)                                     `IndivSPTCells._select`
    for samples β ~ N(0, σ_γ² I), until a test at level α decides:
        count votes f(P T_β x' + ε) until a test at level a' shows that h = c: then β passes
    g(x') = c is proved, if Pr(pass) > 1/2 + a'/2 is shown; else ABSTAIN                    `MajorityTest.verdict`
    for the cell {|γ - γ_i| ≤ w} nearest to 0 that is not tested yet:
        for samples β ~ N(-γ_i, σ_γ² I), until a test at level α decides:
            z, r ← a ball that holds P T_{β+γ} x of all that explains x' with γ in the cell  `received_balls`
            count votes f(z + ε) until a test at level a' shows that h = c on the ball: then β passes
        accepted, if Pr(pass) > q0 + a' (1 - q0) is shown, q0 = Φ(w / σ_γ); else stop
    R ← the smallest |γ| in a cell that is not accepted                                     `IndividualCellsCertificate`

Neither pays |γ|, and no ball has to hold both x' and its originals. Why it proves what it says, and why all tests have the
whole level α: docs/mathematics.md, section 27.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from spt.certificates.individual_cells import IndividualCellsCertificate, in_order
from spt.certificates.ranges import Bounds
from spt.defences.proving_defence import CENTRE_ERROR, at_least_radius
from spt.defences.receiving_defence import ReceivingDefence
from spt.defences.tested_samples import TestedSample, sample_fields, tested_samples
from spt.inverse import Inverse
from spt.plain_numbers import alpha_level, seed_number, whole
from spt.progress import Progress, silent
from spt.received_bounds.bounds import received_balls
from spt.received_bounds.clusters import NARROW, find_clusters
from spt.seeds import generators, noise_seeds

BATCH = 8
FINER = 4
"""Where originals are so little known that bounds are regularised, splits are so many times narrower: balls are a third smaller."""


@dataclass(frozen=True)
class IndivSPTCells(ReceivingDefence):
    """IndivSPT with cells: more is certified than with one ball for all that explains x', and no less surely.

    Two statements, each by samples of its own. The received image: beta ~ N(0, parameter_sigma² I), and h is shown to be
    the class c at P A_beta x'; if most samples pass, g(x') = c. The originals whose gamma lies in a cell: beta ~ N(-gamma_i,
    parameter_sigma² I), and h is shown to be c on a ball around all P A_{beta+gamma} x. As beta + gamma ~ N(gamma - gamma_i,
    ...), x is smoothed around 0: if samples pass with probability more than Phi(w / parameter_sigma), w the largest distance
    from gamma_i in the cell, then g(x) = c. Cells are tested from 0 outwards, each at full level.

    Attributes: see `ReceivingDefence`. Where the inverse leaves pixels wide open, splits are a quarter of ``split_width``.
    """

    name: ClassVar[str] = "IndivSPT with cells"

    def certify(
        self,
        received: Tensor,
        n0: int = 100,
        *,
        n_cell: int = 100,
        n_total: int = 2000,
        alpha: float = 0.01,
        seed: int = 0,
    ) -> IndividualCellsCertificate:
        """Certify one received image (C, H, W); wrong with probability at most ``alpha`` over the sampling.

        The class is selected from n0 one-level votes; every other sample is fresh. A test gets at most n_cell samples, about
        a dozen where all pass; after n_total samples no further one is begun. Where nothing explains the image the
        certificate says so (``inconsistent``) and nothing is sampled.
        """
        *_, last = self.stream(received, n0, n_cell=n_cell, n_total=n_total, alpha=alpha, seed=seed)
        return last

    def stream(
        self,
        received: Tensor,
        n0: int = 100,
        *,
        n_cell: int = 100,
        n_total: int = 2000,
        alpha: float = 0.01,
        seed: int = 0,
        batch_size: int = BATCH,
        progress: Progress = silent,
    ) -> Iterator[IndividualCellsCertificate]:
        """`certify` as it goes: after x' and after each cell what is known so far, which holds whenever one stops.

        The last one is given when the network has answered as before once more (`Classifier.confirm`); who stops earlier calls it.
        Every test has samples and pixel noise of its own, so ``batch_size`` (samples at once, after the first that can decide)
        changes how long it takes, not what is found. ``progress`` goes round the steps of the inverse and the batches, tqdm-shaped;
        it may raise to cancel. ValueError where n_cell samples accept nothing even if all pass.
        """
        started = time.perf_counter()
        n0, n_cell, n_total = whole("n0", n0), whole("n_cell", n_cell), whole("n_total", n_total)
        batch_size, alpha, seed = whole("batch_size", batch_size), alpha_level("alpha", alpha), seed_number(seed)
        image = self.checked(received)
        cells = self.cells_of(image, progress)
        begun = IndividualCellsCertificate(
            **self._about(image, seed),
            **self.measured_for(),
            alpha=alpha,
            inner_alpha=self.inner_alpha,
            cells=tuple(cells),
            split_width=self.split_width,
            refinements=self.refinements,
            method=self.method,
            n_cell=n_cell,
            n_total=n_total,
        )
        fewest = begun.fewest_to_accept()
        if fewest > n_cell:
            raise ValueError(
                f"n_cell = {n_cell} samples accept no cell even if all pass: at this alpha at least {fewest} are needed."
            )
        selection_generator, _ = generators(seed, n0, n_cell, settings=begun.settings_in_words())
        if not cells:
            self.classifier.confirm()
            none = (0,) * len(self.classifier.class_names)
            yield replace(begun, selection_counts=none, seconds=time.perf_counter() - started).conclude()
            return
        selection, selected = self._select(image, n0, selection_generator)
        begun = replace(begun, selection_counts=selection, selected=selected)
        samples = _Samples(self, image, begun, list(cells.values()), progress)
        sizes: list[int] = []
        found: list[TestedSample] = []
        for number in range(len(cells) + 1):
            own = samples.until_decided(number, batch_size)
            sizes.append(len(own))
            found += own
            certificate = replace(
                begun,
                sizes=tuple(sizes),
                **sample_fields(found),
                seconds=time.perf_counter() - started,
            ).conclude_from([sample.passes for sample in found])
            if certificate.complete:
                self.classifier.confirm()
            yield certificate
            if certificate.complete:
                return

    def cells_of(self, received: Tensor, progress: Progress = silent) -> dict[Bounds, Inverse]:
        """The cells of a received image (C, H, W) in the order of testing, each with what explains x' in it. They depend on
        the image and the settings, on no vote."""
        image, found = self.checked(received), {}
        inverse = self.inverted(image, progress)
        if max((cluster.width for cluster in find_clusters(inverse)), default=0.0) > NARROW:
            finer = replace(self, split_width=self.split_width / FINER)
            inverse = finer.inverted(image, progress)
        for cluster in find_clusters(inverse):
            box = tuple((low, high) for low, high in cluster.box.tolist())
            found[box] = replace(inverse, boxes=cluster.box[None], lower=cluster.lower[None], upper=cluster.upper[None])
        return {box: found[box] for box in in_order(list(found))}


class _Samples:
    """Draws the samples of a test, bounds their balls, and makes their inner tests."""

    def __init__(
        self,
        defence: IndivSPTCells,
        image: Tensor,
        begun: IndividualCellsCertificate,
        explanations: Sequence[Inverse],
        progress: Progress,
    ) -> None:
        self.defence, self.image, self.begun = defence, image, begun
        self.explanations, self.progress = explanations, progress

    def until_decided(self, number: int, batch_size: int) -> list[TestedSample]:
        """The samples of a test, up to the one at which it stops."""
        test = self.begun.test(number)
        points, generator = self.begun.samples_of(number, sum(self.begun.selection_counts))
        seeds = noise_seeds(len(points), generator)
        first = test.fewest_to_accept()
        stops = [first, *range(first + batch_size, len(points), batch_size), len(points)]
        found: list[TestedSample] = []
        name = "the received image" if number == 0 else f"cell {number} of {len(self.explanations)}"
        for stop in self.progress(stops, desc=name, total=len(stops)):
            part = slice(len(found), min(stop, len(points)))
            found += self._tested(number, points[part], seeds[part])
            verdict = test.verdict([sample.passes for sample in found])
            if verdict is not None:
                break
        assert verdict is not None  # a test gives up at n_cell samples
        return found[: verdict[0]]

    def _tested(self, number: int, points: Tensor, seeds: Tensor) -> list[TestedSample]:
        balls = self._balls(number, points)
        rounding = [0.0] * len(points)  # it is part of what the inverse leaves open, if any
        return tested_samples(self.defence.classifier, self.begun, points, balls, rounding, seeds)

    def _balls(self, number: int, points: Tensor) -> tuple[Tensor, list[float]]:
        """Centres (N, C, H', W'), float64, and proved radii (N,) around these."""
        defence = self.defence
        preprocessing = defence.classifier.preprocessing
        if number == 0:
            centres = preprocessing(defence.transform(self.image.double(), points))
            return centres, [CENTRE_ERROR * centres[0].numel() ** 0.5] * len(points)
        explained = self.explanations[number - 1]
        centres, radii = received_balls(explained, preprocessing, points, method=defence.method, with_received=False)
        return centres, at_least_radius(np.zeros(len(radii)), radii.numpy()).tolist()
