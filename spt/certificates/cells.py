"""`CellsCertificate`: DistSPT^x with recentred cells, a proof about every attack on one image, cell by cell."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from spt import statistics
from spt.certificates.ball_evidence import BallEvidence
from spt.certificates.cell_walk import CellGrid, CellRules, CellWalk, GammaCell
from spt.certificates.concluded import Check
from spt.certificates.fields import read_fields
from spt.certificates.looks import LOOKS
from spt.certificates.ranges import Bounds, ranges_in_words
from spt.certificates.rounding import confidence, given, quantity
from spt.certificates.sample_points import SAME_POINT
from spt.plain_numbers import MOST_SAMPLES
from spt.seeds import generators
from spt.transforms import TRANSFORMS


@dataclass(frozen=True)
class SettledCell:
    """One cell as a certificate found it.

    Attributes:
        bounds: (lower, upper) along each axis; level: how often it was cut; parent: number of the cell that it is a piece of,
            None for one of the first.
        samples: which samples of the certificate are its own; passes: how many of them pass.
        accepted: whether its test showed g constant on it.
        certified: whether it is part of what the certificate's radius rests on; an accepted cell that is not holds pointwise only.
    """

    bounds: Bounds
    level: int
    parent: int | None
    samples: range
    passes: int
    accepted: bool
    certified: bool


@dataclass(frozen=True, kw_only=True)
class CellsCertificate(BallEvidence):
    """DistSPT^x with recentred cells: a proof about every attack gamma in Gamma on one image, with its whole evidence.

    Guarantee: with probability at least 1 - alpha over the sampling, if ``label`` is not None then g(T_gamma x) = label for
    every gamma in Gamma = [-limit, limit]^d with |gamma| < radius, for the attacker named, where g is the nested smoothed
    classifier of `spt.defences.DistSPT`; where ``parameter_sigma`` is 0, of pixel noise only: another g. It holds whenever
    sampling was stopped, so a certificate that is not ``complete`` holds too, and more cells may enlarge its radius.

    Cells that are accepted without being part of the radius hold pointwise: of any one gamma, fixed beforehand, it is false
    with probability at most alpha that it lies in an accepted cell and g(T_gamma x) is another class. Nothing is said of
    several such gamma at once.

    Where the parameters have different units (rotation, then brightness) there is a limit for each, and |gamma| is the
    largest |gamma_k| limit_1 / limit_k: the guarantee is about every gamma in Gamma with |gamma_k| < `half_widths`[k] for all k.

    Attributes (see also `BallEvidence`):
        further_axes: (limit, first cells) of each parameter after the first, where units differ; ``limit``, ``unit``,
            ``radius`` and ``first_cells`` are those of the first parameter.
        first_cells, bisections, n_cell, n_total, every_cell: see `spt.certificates.cell_walk.CellGrid` and `CellRules`.
        sizes: samples of each cell, in the order of testing; points, radii, rounding and inner_votes are those of the first
            cell, then those of the second, ... The samples of cell i are b' ~ N(gamma_i, parameter_sigma² I).
        cells, levels, parents, accepted: what follows for each: its bounds, how often it was cut, the number of the cell
            that it is a piece of (-1 for one of the first), and what its test said.
        radius, label: all cells that contain a gamma with |gamma| < radius are accepted; nothing is certified where it is 0.
            Where all of Gamma is accepted the radius is larger than every |gamma| in it.
    """

    OWN_SETTINGS: ClassVar[tuple[str, ...]] = ("first_cells", "bisections", "n_cell", "n_total", "every_cell")

    INNER_LOOKS: ClassVar[tuple[int, ...]] = LOOKS[:7]
    """A sample that 256 votes leave open does not pass: a smaller cell costs less than more votes."""

    first_cells: int
    bisections: int
    n_cell: int
    n_total: int
    every_cell: bool = False
    further_axes: tuple[tuple[float, int], ...] = ()
    sizes: tuple[int, ...] = ()
    cells: tuple[Bounds, ...] = ()
    levels: tuple[int, ...] = ()
    parents: tuple[int, ...] = ()
    accepted: tuple[bool, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The record that `to_json` wrote; ValueError, one sentence, if the text is none."""
        return cls(**read_fields(text, cls, later=("further_axes",)))

    # ----------------------------------------------------------------------------------------------- what follows

    @property
    def rules(self) -> CellRules:
        """How the cells were tested."""
        dimensions = TRANSFORMS[self.transform].dimensions
        grid = CellGrid(self.limit, dimensions, self.first_cells, self.bisections, self.further_axes)
        return CellRules(
            grid,
            self.parameter_sigma,
            self.alpha,
            self.inner_alpha,
            n_cell=self.n_cell,
            n_total=self.n_total,
            every_cell=self.every_cell,
        )

    def inner_test(self, radius: float) -> statistics.SequentialTest:
        """The test of one sample; without smoothing over parameters it is that of the cell, at the cell's level."""
        alpha = self.inner_alpha if self.parameter_sigma > 0 else self.rules.level_alpha
        return statistics.SequentialTest.for_radius(radius, self.pixel_sigma, alpha, alpha, self.vote_error)

    def conclude(self) -> Self:
        """Go through the cells with the samples that pass. ValueError if these are not samples of such a walk."""
        return self.conclude_from(self.passed())

    def conclude_from(self, passed: Sequence[bool]) -> Self:
        """`conclude` for who knows already which samples pass."""
        cells, verdicts, walk = self._walked(passed)
        numbers = {cell: number for number, cell in enumerate(cells)}
        parents = (walk.rules.grid.parent(cell) for cell in cells)
        return dataclasses.replace(
            self,
            cells=tuple(map(walk.rules.grid.bounds, cells)),
            levels=tuple(cell.level for cell in cells),
            parents=tuple(-1 if parent is None else numbers[parent] for parent in parents),
            accepted=tuple(verdicts),
            radius=walk.radius,
            label=self.selected if walk.radius > 0 else None,
        )

    def _walked(self, passed: Sequence[bool]) -> tuple[list[GammaCell], list[bool], CellWalk]:
        walk = CellWalk(self.rules)
        cells, verdicts = [], []
        for samples in self._samples():
            own = passed[samples.start : samples.stop]
            if walk.done:
                raise ValueError("There are samples of more cells than are tested.")
            verdict = walk.rules.verdict(walk.upcoming(1)[0].level, own)
            if verdict is None or verdict[0] != len(own):
                raise ValueError("The samples of a cell do not end where its test stops.")
            verdicts.append(verdict[1])
            cells.append(walk.settle(verdict[1], len(own)))
        return cells, verdicts, walk

    def _samples(self) -> list[range]:
        """Which samples belong to each cell."""
        ends = [0]
        for size in self.sizes:
            ends.append(ends[-1] + size)
        return [range(low, high) for low, high in itertools.pairwise(ends)]

    def _settled(self) -> tuple[list[GammaCell], CellWalk]:
        """The cells in the order of testing, as the verdicts in the record have it, and the walk as it stands then."""
        walk = CellWalk(self.rules)
        return [walk.settle(accepted, size) for accepted, size in zip(self.accepted, self.sizes, strict=True)], walk

    @property
    def complete(self) -> bool:
        """Whether the walk is done; before that the certificate holds as far as it goes."""
        return self._settled()[1].done

    @property
    def half_widths(self) -> tuple[float, ...]:
        """Where the parameters have different units: the box of which all is certified reaches so far along each."""
        if self.label is None:
            return (0.0,) * len(self.rules.grid.limits)
        depth = self._settled()[1].depth
        return tuple(limit if depth is None else limit * depth for limit in self.rules.grid.limits)

    def covers_attack(self, gamma: Sequence[float]) -> bool:
        """Whether the certificate speaks of this attack: inside Gamma, and nearer than the radius, or within `half_widths`."""
        if not self.further_axes:
            return super().covers_attack(gamma)
        if self.label is None or len(gamma) != len(self.rules.grid.limits):
            return False
        pairs = list(zip(map(abs, gamma), self.half_widths, strict=True))
        whole = self.radius >= self.rules.grid.beyond
        return all(value <= half if whole else value < half for value, half in pairs)

    def tested(self) -> tuple[SettledCell, ...]:
        """The cells, in the order of testing."""
        passed, grid = self.passed(), self.rules.grid
        found = []
        for number, (samples, cell) in enumerate(zip(self._samples(), self._settled()[0], strict=True)):
            bounds, accepted = self.cells[number], self.accepted[number]
            certified = accepted and self.label is not None and grid.nearest(cell) < min(self.radius, grid.beyond)
            parent = None if self.parents[number] < 0 else self.parents[number]
            passes = sum(passed[samples.start : samples.stop])
            found.append(SettledCell(bounds, self.levels[number], parent, samples, passes, accepted, certified))
        return tuple(found)

    @property
    def pointwise(self) -> tuple[Bounds, ...]:
        """Accepted cells that reach beyond the radius: there each gamma by itself is certified, not all of them together."""
        grid = self.rules.grid
        return tuple(
            bounds
            for bounds, cell, accepted in zip(self.cells, self._settled()[0], self.accepted, strict=True)
            if accepted and grid.beyond_radius(cell, self.radius)
        )

    # ------------------------------------------------------------------------------------------------------ checking

    def _checks_of_the_run(self) -> Iterator[Check]:
        yield "every sample has a point, a radius, a rounding term and inner votes", self._one_of_each()
        yield "no cell has fewer than one sample", min(self.sizes, default=1) >= 1
        yield "every sample belongs to a cell", sum(self.sizes) == len(self.points)
        yield "there are not more samples than a run can have", len(self.points) <= MOST_SAMPLES and self.n_cell >= 1
        yield "the class was selected by votes", sum(self.selection_counts) > 0
        yield "the smoothing noise is not negative", self.parameter_sigma >= 0
        yield "there are balls for these attacks", self._there_are_balls()
        yield from self._checks_of_the_settings()
        cells, _, _ = self._walked(self.passed())  # from 0 outwards, each until its test stops; else ValueError
        yield "the points are those of the seed", self._points_are_those_of_the_seed(cells)
        yield from self._checks_of_the_balls()

    def settings_in_words(self) -> str:
        """What decides the samples besides the seed and the sizes, for `spt.seeds.generators`."""
        axes = f", further axes {self.further_axes}" if self.further_axes else ""
        return super().settings_in_words() + axes

    def samples_of(self, cell: GammaCell, n0: int) -> tuple[Tensor, torch.Generator]:
        """All samples (N, d) that a cell can have in a run with n0 selection votes, and the generator that drew them, for
        their pixel noise. They do not depend on other cells; without smoothing over parameters there is one, gamma_i."""
        rules = self.rules
        settings = f"{self.settings_in_words()}, cell {cell.level} {cell.index}"
        _, generator = generators(self.seed, n0, self.n_cell, settings=settings)
        centre = torch.tensor([rules.grid.centre(cell)], dtype=torch.float64)
        if rules.parameter_sigma == 0:
            return centre, generator
        return centre + TRANSFORMS[self.transform].sample(self.n_cell, self.parameter_sigma, generator), generator

    def _there_are_balls(self) -> bool:
        """Whether each axis has its limit where units differ, and nothing is smoothed over a change of values."""
        known = TRANSFORMS[self.transform]
        axes = known.dimensions - 1 if known.mixed else 0
        return len(self.further_axes) == axes and (self.parameter_sigma == 0 or (known.linear and not axes))

    def _points_are_those_of_the_seed(self, cells: Sequence[GammaCell]) -> bool:
        n0 = sum(self.selection_counts)
        for cell, samples in zip(cells, self._samples(), strict=True):
            drawn, _ = self.samples_of(cell, n0)
            for mine, theirs in zip(self.points[samples.start : samples.stop], drawn.tolist(), strict=False):
                pairs = zip(mine, theirs, strict=True)
                if not all(abs(found - value) <= SAME_POINT * max(1.0, abs(value)) for found, value in pairs):
                    return False
        return True

    # ------------------------------------------------------------------------------------------------------- in words

    def explain(self) -> str:
        """The outcome in words, with the reason."""
        count = f"{sum(self.accepted)} of {len(self.cells)} cells are proved"
        more = "" if self.complete else ", more to come"
        if self.label is None:
            return f"{'ABSTAIN' if self.complete else 'PROVISIONAL'}: {count}{more}; none is certain around 0."
        return (
            f"CERTIFIED {self.class_name}: no {TRANSFORMS[self.transform].singular} {self._attacks()} changes g's answer "
            f"({count} at confidence {confidence(self.alpha)}{more})."
        )

    def statement(self) -> str:
        """What the certificate says, in one short sentence."""
        if self.label is None:
            return "Nothing is certified: no cell is proved on every side of 0."
        attack = TRANSFORMS[self.transform].singular
        return f"No {attack} {self._attacks()} changes g's answer (confidence {confidence(self.alpha)})."

    @property
    def reach_in_words(self) -> str:
        """How far it reaches so far: 12.5°, or angle 5.00° and brightness 10.0 % where units differ."""
        if not self.further_axes:
            return quantity(self.reach, self.unit)
        pairs = zip(TRANSFORMS[self.transform].parameters, self.half_widths, strict=True)
        return " and ".join(f"{each.name} {quantity(half, each.unit)}" for each, half in pairs)

    def _attacks(self) -> str:
        whole = self.radius >= self.rules.grid.beyond
        if self.further_axes:
            shown = self.rules.grid.limits if whole else self.half_widths
            words = given if whole else quantity
            pairs = zip(TRANSFORMS[self.transform].parameters, shown, strict=True)
            box = " and ".join(f"{each.name} ±{words(half, each.unit)}" for each, half in pairs)
            return f"within {box}" if whole else f"of less than {box}"
        return (
            f"within ±{given(self.limit, self.unit)}" if whole else f"of less than {quantity(self.radius, self.unit)}"
        )

    def _widths(self, bisections: int) -> str:
        """The size of cells after so many bisections, in words."""
        grid, parameters = self.rules.grid, TRANSFORMS[self.transform].parameters
        sizes = [
            given(2 * limit / (parts << bisections), each.unit)
            for limit, parts, each in zip(grid.limits, grid.parts, parameters, strict=True)
        ]
        return " × ".join(sizes if self.further_axes else sizes[:1])

    def to_text(self) -> str:
        """The certificate as lines of text for a terminal."""
        rules = self.rules
        first, floor = f"{math.prod(rules.grid.parts)} of {self._widths(0)}", self._widths(self.bisections)
        own = {
            "defence": "DistSPT^x, recentred cells",
            "cells": f"{first}, cut down to {floor}; each tested at level {rules.level_alpha:g}",
            "samples": f"{len(self.points)} of {len(self.cells)} cells",
        }
        if self.further_axes:
            own["attacker"] = (
                f"Γ = {TRANSFORMS[self.transform].describe_range(rules.grid.limits)}, {self.attacker} images"
            )
        if self.pointwise:
            own["pointwise"] = (
                f"{ranges_in_words(self.pointwise)}: proved of each gamma there by itself, not of all together"
            )
        return f"{self.explain()}\n{self._as_lines(own)}"

    def _smoothed_over(self) -> str:
        if self.parameter_sigma > 0:
            return super()._smoothed_over()
        return "not smoothed over: g is the majority over pixel noise only, another g than that of other forms"
