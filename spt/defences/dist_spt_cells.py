"""DistSPT for one image with recentred cells: what is paid for is a cell of attacks, not the whole attack range.

The smoothed classifier is that of `spt.defences.dist_spt`. CERTIFY (`DistSPTCells.stream`) of an image x:

    c ← the class with most of n0 votes f(P T_β x + ε)                                       `DistSPTCells._select`
    cut Γ into cells of a width that depends on x and the settings only                      `DistSPTCells.first_cells`
    for the cell {|γ - γ_i| ≤ w} nearest to 0 that is open, until none is:                   `settled_cells`
        for samples b' ~ N(γ_i, σ_γ² I), until a test at level α / (1 + bisections) decides:
            z, r ← a ball that holds P T_{b'-γ} T_γ x for all γ in the cell                  `cell_balls`
            count votes f(z + ε) until a test at level a' shows that h = c on the ball: then b' passes
        accepted, if Pr(pass) > q0 + a' (1 - q0) is shown, q0 = Φ(w / σ_γ)                   `CellRules.verdict`
        else cut the cell into pieces, which are open; at the floor stop
    R ← the smallest |γ| in a cell that is not accepted                                      `CellWalk.radius`

Why it proves what it says, and why cells need no union bound: docs/mathematics.md, section 24.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from spt.certificates.cell_walk import MOST_CELLS, CellGrid, CellRules, CellWalk, GammaCell
from spt.certificates.cells import CellsCertificate
from spt.classifiers import Classifier
from spt.defences.proving_defence import LARGEST_LIMIT, ProvingDefence, at_least_radius
from spt.defences.tested_samples import TestedSample, sample_fields, tested_samples
from spt.error_bounds.cell_balls import CellBalls, cell_balls
from spt.error_bounds.slice_balls import slice_balls
from spt.noise import noisy, standard_normal
from spt.plain_numbers import alpha_level, real, seed_number, whole
from spt.progress import Progress, silent
from spt.seeds import generators, noise_seeds
from spt.smoothing import SmoothedClassifier
from spt.threat_model import AttackedImage, Bounding
from spt.transforms import Transform

BATCH, CELLS_AT_ONCE, SLICES_AT_ONCE, BALLS_AT_ONCE = 8, 4, 32, 32
BISECTIONS = 3
PIXEL_SHARE, PARAMETER_SHARE = 0.8, 0.25
"""The first cells are so narrow that their balls are at most the first share of the pixel noise, so that most inner tests stop at
their first look, and that they reach at most the second share of the parameter noise from their centres."""
PILOT_OFFSET = 0.6
"""Of two samples around the centre of a cell, in parameter noises."""

Draw = Callable[[Sequence[tuple[GammaCell, int, int]]], Sequence[Sequence[bool]]]
"""Whether samples number ``start`` to ``stop`` of each (cell, start, stop) pass."""


@dataclass(frozen=True)
class DistSPTCells(ProvingDefence):
    """DistSPT^x with recentred cells: more is certified than with one ball for all of Gamma, and no less surely.

    For a cell of Gamma with centre gamma_i draw b' ~ N(gamma_i, parameter_sigma² I). All that h can be shown when beta + gamma
    lands on b', gamma in the cell, lies in a ball with a proved radius; the sample passes if an anytime-valid test shows h
    constant on it. If samples pass with probability more than Phi(w / parameter_sigma), w the largest distance from gamma_i
    in the cell, then g(T_gamma x) = c on the cell (Neyman-Pearson). Cells are tested from 0 outwards, each at full level: the
    bad gamma nearest to 0 lies in one of them, and no radius beyond it is stated unless that one is accepted wrongly.

    With ``parameter_sigma`` 0 the cells are enumerated: one ball around {P T_gamma x : gamma in the cell}, one test. This
    certifies another g, which is smoothed over pixels only. Brightness, contrast and compositions can only be certified so.

    Attributes (see also `ProvingDefence`):
        further_limits: of each parameter after the first where the parameters have different units (rotation, then
            brightness); ``limit`` is that of the first. Then |gamma| is the largest |gamma_k| limit_1 / limit_k.
        inner_alpha: level a' of each inner test; corrected for, so it does not add to alpha.
        cell_width: of the first cells, along all axes or one for each; None: chosen from the image (see
            `first_grid`), never from votes.
        cell_floor: no cell is cut into pieces narrower than this along the first axis; None: the first cells are
            bisected three times.
        every_cell: go on beyond the first cell that fails at the floor; what is accepted there holds pointwise only.
    """

    name: ClassVar[str] = "DistSPT with cells"

    inner_alpha: float = 0.05
    cell_width: float | tuple[float, ...] | None = None
    cell_floor: float | None = None
    every_cell: bool = False
    further_limits: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_further_limits()
        if not 0 < self.inner_alpha < 1:
            raise ValueError(f"inner_alpha must be between 0 and 1, but is {self.inner_alpha}.")
        widths = self.cell_width if isinstance(self.cell_width, tuple) else (self.cell_width,)
        for name, value in (*(("cell_width", width) for width in widths), ("cell_floor", self.cell_floor)):
            if value is not None and not real(name, value) > 0:
                raise ValueError(f"{name} must be positive, as cells of no width never fill Γ, but is {value:g}.")
        if self.cell_width is not None:
            self._grid_of_widths(self.cell_width)

    @classmethod
    def of_any_range(
        cls, classifier: Classifier, transform: Transform, parameter_sigma: float, pixel_sigma: float
    ) -> Self:
        """The defence with a range of attacks that is as good as any other: for `predict`, as g does not depend on it."""
        further = (1.0,) * (transform.dimensions - 1) if transform.mixed else ()
        return cls(classifier, transform, parameter_sigma, pixel_sigma, limit=1.0, further_limits=further)

    def _check_further_limits(self) -> None:
        """Makes numbers of them; ValueError unless there is one for each parameter that needs one."""
        parameters = self.transform.parameters if self.transform.mixed else self.transform.parameters[:1]
        if len(self.further_limits) != len(parameters) - 1:
            names = " and ".join(f"{each.name} ({each.unit})" for each in parameters[1:])
            raise ValueError(
                f"further_limits must have {len(parameters) - 1} numbers for {self.transform.name}"
                f"{f', of {names}' if names else ''}, but are {self.further_limits}."
            )
        numbers = tuple(real("further_limits", limit) for limit in self.further_limits)
        object.__setattr__(self, "further_limits", numbers)
        for limit, each in zip(numbers, parameters[1:], strict=True):
            if not 0 < limit <= LARGEST_LIMIT:
                raise ValueError(
                    f"The attack range ±{limit:g} {each.unit} must be positive and at most {LARGEST_LIMIT:g}."
                )

    @property
    def limits(self) -> tuple[float, ...]:
        """The limit of each parameter."""
        return (self.limit, *self.further_limits) if self.further_limits else self.transform.limits(self.limit)

    def attacked(self, image: Tensor) -> AttackedImage:
        """The image (C, H, W) with the attacks against which something is proved."""
        box = [(-limit, limit) for limit in self.limits]
        return AttackedImage(image, self.transform, self.classifier.preprocessing, box, attacker=self.attacker)

    def _noises(self) -> tuple[float, float]:
        if real("parameter_sigma", self.parameter_sigma) != 0:
            return super()._noises()
        return 0.0, SmoothedClassifier(self.classifier, self.transform, 1.0, self.pixel_sigma).pixel_sigma

    def _bounding(self) -> Bounding:
        return "cells" if self.parameter_sigma > 0 else "slices"

    def _select(self, image: Tensor, n0: int, generator: torch.Generator) -> tuple[tuple[int, ...], int]:
        """n0 one-level votes for each class, without β where nothing is smoothed over it, and the class that got most."""
        if self.parameter_sigma > 0:
            return super()._select(image, n0, generator)
        z = self.classifier.preprocessing(image.double())
        noise = torch.Generator(self.classifier.device).manual_seed(
            int(torch.randint(1 << 32, (), generator=generator))
        )
        shape = (self.classifier.chunk, *z.shape)
        votes: list[int] = []
        while len(votes) < n0:
            logits = self.classifier.network_logits(noisy(z, self.pixel_sigma, standard_normal(shape, noise)))
            votes += logits.argmax(dim=1).tolist()
        counts = np.bincount(votes[:n0], minlength=len(self.classifier.class_names)).tolist()
        return tuple(counts), int(np.argmax(counts))

    # ------------------------------------------------------------------------------------------------------- certifying

    def certify(
        self,
        image: Tensor,
        n0: int = 100,
        *,
        n_cell: int = 100,
        n_total: int = 500,
        alpha: float = 0.01,
        seed: int = 0,
    ) -> CellsCertificate:
        """Certify one image (C, H, W); wrong with probability at most ``alpha`` over the sampling.

        The class is selected from n0 one-level votes; every other sample is fresh. A cell gets at most n_cell samples (above the
        floor half of that), a dozen where all pass; after n_total samples no further cell is begun.
        """
        *_, last = self.stream(image, n0, n_cell=n_cell, n_total=n_total, alpha=alpha, seed=seed)
        return last

    def stream(
        self,
        image: Tensor,
        n0: int = 100,
        *,
        n_cell: int = 100,
        n_total: int = 500,
        alpha: float = 0.01,
        seed: int = 0,
        batch_size: int = BATCH,
        cells_at_once: int | None = None,
        progress: Progress = silent,
    ) -> Iterator[CellsCertificate]:
        """`certify` as it goes: after each cell what is known so far, which holds whenever one stops. Without smoothing over
        parameters, where cells are many and take one sample each, after each thirtieth part of those so far.

        The last one is given when the network has answered as before once more (`Classifier.confirm`); who stops earlier calls it.

        Every cell has samples and pixel noise of its own, so ``batch_size`` (samples of a cell at once, after the first that
        can decide) and ``cells_at_once`` (cells tried before it is known whether they are needed) change how long it takes,
        not what is found. ``progress`` goes round the batches, tqdm-shaped; it may raise to cancel.
        """
        started = time.perf_counter()
        n0, n_cell, batch_size = whole("n0", n0), whole("n_cell", n_cell), whole("batch_size", batch_size)
        alpha, seed = alpha_level("alpha", alpha), seed_number(seed)
        at_once = whole(
            "cells_at_once", cells_at_once or (CELLS_AT_ONCE if self.parameter_sigma > 0 else SLICES_AT_ONCE)
        )
        n_total, image = whole("n_total", n_total), self.checked(image)
        rules = self.rules(image, n_cell=n_cell, n_total=n_total, alpha=alpha)
        begun = CellsCertificate(
            **self._about(image, seed),
            **self.measured_for(),
            alpha=alpha,
            inner_alpha=self.inner_alpha,
            first_cells=rules.grid.first_cells,
            further_axes=rules.grid.further,
            bisections=rules.grid.bisections,
            n_cell=n_cell,
            n_total=n_total,
            every_cell=self.every_cell,
        )
        selection_generator, _ = generators(seed, n0, n_cell, settings=begun.settings_in_words())
        selection, selected = self._select(image, n0, selection_generator)
        begun = replace(begun, selection_counts=selection, selected=selected)
        samples = _CellSamples(self, self.attacked(image), begun, progress)
        sizes: list[int] = []
        found: list[TestedSample] = []
        walk = CellWalk(begun.rules)
        for cell, size in settled_cells(begun.rules, samples, batch_size=batch_size, cells_at_once=at_once):
            sizes.append(size)
            found += samples.tested[cell][:size]
            verdict = begun.rules.verdict(cell.level, [sample.passes for sample in found[-size:]])
            walk.settle(verdict is not None and verdict[1], size)
            step = 1 if self.parameter_sigma > 0 else max(1, len(sizes) // 32)
            if len(sizes) % step and not walk.done:
                continue
            certificate = replace(
                begun,
                sizes=tuple(sizes),
                **sample_fields(found),
                seconds=time.perf_counter() - started,
            ).conclude_from([sample.passes for sample in found])
            if walk.done:
                self.classifier.confirm()
            yield certificate

    def rules(self, image: Tensor, *, n_cell: int, n_total: int, alpha: float) -> CellRules:
        """How the cells of an image are tested; ValueError where n_cell samples accept no cell even if all pass."""
        rules = CellRules(
            self.first_grid(image),
            self.parameter_sigma,
            alpha,
            self.inner_alpha,
            n_cell=n_cell,
            n_total=n_total,
            every_cell=self.every_cell,
        )
        fewest = rules.fewest_to_accept(rules.grid.bisections)
        if fewest > n_cell:
            raise ValueError(
                f"n_cell = {n_cell} samples accept no cell even if all pass: at this alpha at least {fewest} are needed."
            )
        return rules

    def first_cells(self, image: Tensor) -> int:
        """Into how many parts Gamma is cut along its first axis at first: see `first_grid`."""
        return self.first_grid(image).first_cells

    def first_grid(self, image: Tensor) -> CellGrid:
        """The cells to begin with; they depend on the image and the settings, not on votes.

        Without a ``cell_width``: 2, 4, 8, ... parts along each axis until half of the balls of a few cells are at most PIXEL_SHARE
        of the pixel noise, and cells reach no farther than PARAMETER_SHARE of the parameter noise. Where axes have different
        units only that one is halved which makes the balls smallest.
        """
        if self.cell_width is not None:
            return self._grid_of_widths(self.cell_width)
        image, parts = self.checked(image), (2,) * (1 + len(self.further_limits))
        while max(parts) < 512 and math.prod(self._uncut(self._finer(parts)[0]).parts) <= MOST_CELLS:
            grid = self._uncut(parts)
            near = self.parameter_sigma == 0 or grid.reach(0) <= PARAMETER_SHARE * self.parameter_sigma
            if near and self._are_small(self._tried(image, grid)):
                break
            if self.cell_floor is not None and self.limit / parts[0] < self.cell_floor:
                break
            finer = self._finer(parts)
            if len(finer) > 1:
                finer.sort(key=lambda each: float(self._tried(image, self._uncut(each)).radii.median()))
            parts = finer[0]
        return self._cut(self._uncut(parts))

    def _tried(self, image: Tensor, grid: CellGrid) -> CellBalls:
        """The balls of three cells (and two samples in each): around 0, at the end, and between."""
        attacked = self.attacked(image)
        numbers = [(parts // 2, (parts // 2 + parts - 1) // 2, parts - 1) for parts in grid.parts]
        cells = [GammaCell(0, index) for index in sorted(set(zip(*numbers, strict=True)))]
        boxes = torch.tensor([grid.bounds(cell) for cell in cells], dtype=torch.float64)
        if self.parameter_sigma == 0:
            return slice_balls(attacked, boxes)
        centres = torch.tensor([grid.centre(cell) for cell in cells], dtype=torch.float64)
        offset = PILOT_OFFSET * self.parameter_sigma
        return cell_balls(attacked, boxes.repeat(2, 1, 1), torch.cat((centres - offset, centres + offset)))

    def _are_small(self, balls: CellBalls) -> bool:
        """Whether half of them are within PIXEL_SHARE of the pixel noise, or within half of that not counting the attacker's
        rounding, which narrower cells may not change."""
        whole, small = float(balls.radii.median()), PIXEL_SHARE * self.pixel_sigma
        return whole <= small or float((balls.radii - balls.rounding).median()) <= small / 2

    def _finer(self, parts: tuple[int, ...]) -> list[tuple[int, ...]]:
        """These numbers of parts with one of them doubled."""
        return [(*parts[:axis], 2 * parts[axis], *parts[axis + 1 :]) for axis in range(len(parts))]

    def _uncut(self, parts: tuple[int, ...]) -> CellGrid:
        """The grid with so many parts along its axes (one number where all have the same), without bisections."""
        further = tuple(zip(self.further_limits, parts[1:], strict=True))
        return CellGrid(self.limit, self.transform.dimensions, parts[0], 0, further)

    def _cut(self, grid: CellGrid) -> CellGrid:
        """The same, halved as often as the floor allows."""
        bisections, width = BISECTIONS, 2 * self.limit / grid.first_cells
        if self.cell_floor is not None:
            bisections = max(0, min(20, math.floor(math.log2(width / self.cell_floor * (1 + 1e-9)))))
        return replace(grid, bisections=bisections)

    def _grid_of_widths(self, width: float | tuple[float, ...]) -> CellGrid:
        """The grid whose first cells are at most so wide, halved as often as the floor allows."""
        widths = self.transform.limits(width)[: 1 + len(self.further_limits)]
        pairs = zip((self.limit, *self.further_limits), widths, strict=True)
        return self._cut(self._uncut(tuple(max(1, math.ceil(2 * limit / each * (1 - 1e-9))) for limit, each in pairs)))


def settled_cells(
    rules: CellRules, draw: Draw, *, batch_size: int = BATCH, cells_at_once: int = CELLS_AT_ONCE
) -> Iterator[tuple[GammaCell, int]]:
    """Go through the cells from 0 outwards: each with the number of its samples at which its test stopped.

    ``draw`` may be asked for samples of cells that are not needed in the end, and for more of a cell than its test needs: neither
    are looked at, so that a verdict depends on a cell's own samples alone.
    """
    walk = CellWalk(rules)
    passed: dict[GammaCell, list[bool]] = {}
    while not walk.done:
        wanted = []
        for place, cell in enumerate(walk.upcoming(cells_at_once)):
            own = passed.setdefault(cell, [])
            if not own or (place == 0 and rules.verdict(cell.level, own) is None):  # more only where it is needed
                stop = len(own) + (batch_size if own else rules.fewest_to_accept(cell.level))
                wanted.append((cell, len(own), min(stop, rules.most_samples(cell.level))))
        for (cell, _, _), found in zip(wanted, draw(wanted) if wanted else (), strict=True):
            passed[cell] += found
        while not walk.done:
            [first] = walk.upcoming(1)
            verdict = rules.verdict(first.level, passed.get(first, []))
            if verdict is None:
                break
            size, accepted = verdict
            walk.settle(accepted, size)
            yield first, size


class _CellSamples:
    """Draws samples of cells, bounds their balls, makes their inner tests, and keeps all of it."""

    def __init__(
        self, defence: DistSPTCells, attacked: AttackedImage, begun: CellsCertificate, progress: Progress
    ) -> None:
        self.defence, self.attacked, self.begun, self.progress = defence, attacked, begun, progress
        self.drawn: dict[GammaCell, tuple[Tensor, Tensor]] = {}
        self.tested: dict[GammaCell, list[TestedSample]] = {}

    def __call__(self, wanted: Sequence[tuple[GammaCell, int, int]]) -> list[list[bool]]:
        points, seeds, boxes = [], [], []
        for cell, start, stop in wanted:
            all_points, all_seeds = self._drawn(cell)
            points.append(all_points[start:stop])
            seeds.append(all_seeds[start:stop])
            boxes += [self.begun.rules.grid.bounds(cell)] * (stop - start)
        found = iter(self._tested(torch.cat(points), torch.cat(seeds), torch.tensor(boxes, dtype=torch.float64)))
        answers = []
        for cell, start, stop in wanted:
            own = list(itertools.islice(found, stop - start))
            self.tested.setdefault(cell, []).extend(own)
            answers.append([sample.passes for sample in own])
        return answers

    def _tested(self, points: Tensor, seeds: Tensor, boxes: Tensor) -> list[TestedSample]:
        """Samples (N, d) of cells (N, d, 2), with what their inner tests said."""
        begun, classifier = self.begun, self.defence.classifier
        centres, radii, added = [], [], []
        parts = torch.split(torch.arange(len(points)), BALLS_AT_ONCE)
        for part in self.progress(parts, desc="cells", total=len(parts)):
            if begun.parameter_sigma > 0:
                balls = cell_balls(self.attacked, boxes[part], points[part])
            else:
                balls = slice_balls(self.attacked, boxes[part])
            centres.append(balls.centres)
            rounding = balls.rounding.numpy()
            radii += at_least_radius(rounding, balls.radii.numpy()).tolist()
            added += rounding.tolist()
        return tested_samples(classifier, begun, points, (torch.cat(centres), radii), added, seeds)

    def _drawn(self, cell: GammaCell) -> tuple[Tensor, Tensor]:
        """All samples that a cell can have, and the seeds of their pixel noise."""
        if cell not in self.drawn:
            points, generator = self.begun.samples_of(cell, sum(self.begun.selection_counts))
            self.drawn[cell] = points, noise_seeds(len(points), generator)
        return self.drawn[cell]
