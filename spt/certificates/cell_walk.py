"""Cells of Gamma, and how they are gone through: which is tested next, at which level, and what follows from the verdicts.

No image and no classifier: whoever has for each cell a list of samples that pass or do not (a defence, a record that is
verified, a simulation) has everything here. Why it proves what it says: docs/mathematics.md, section 24.
"""

import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from spt import statistics
from spt.certificates.majority_test import MajorityTest

MOST_CELLS = 100_000
MOST_BISECTIONS = 20


@dataclass(frozen=True, order=True)
class GammaCell:
    """A box of Gamma: of the equal parts into which bisection number ``level`` cuts each axis, number ``index[k]`` on axis k."""

    level: int
    index: tuple[int, ...]


@dataclass(frozen=True)
class CellGrid:
    """All cells that a run can test: Gamma = [-limit, limit]^d in ``first_cells`` parts along each axis, each of which can be
    halved, along all axes, ``bisections`` times. It is fixed before anything is tested.

    Where the axes have different units ``further`` has limit L_k and parts of each axis after the first. Then |gamma| is
    the largest |gamma_k| L_1 / L_k: what is nearer than some radius is a smaller box of the shape of Gamma.

    ValueError for a grid that nobody can go through.
    """

    limit: float
    dimensions: int
    first_cells: int
    bisections: int
    further: tuple[tuple[float, int], ...] = ()

    def __post_init__(self) -> None:
        if self.further and len(self.further) != self.dimensions - 1:
            raise ValueError(f"{len(self.further)} further axes and the first are not {self.dimensions}.")
        if not all(0 < limit < math.inf for limit in self.limits):
            raise ValueError(f"Each limit of Γ must be positive and finite, but they are {self.limits}.")
        if not (min(self.parts) >= 1 and math.prod(self.parts) <= MOST_CELLS):
            along = " and ".join(map(str, self.parts if self.further else self.parts[:1]))
            each = "the" if self.further else f"each of {self.dimensions}"
            raise ValueError(f"{along} cells along {each} axes are not between 1 and {MOST_CELLS:,} in all.")
        if not 0 <= self.bisections <= MOST_BISECTIONS:
            raise ValueError(f"Cells are bisected 0 to {MOST_BISECTIONS} times, not {self.bisections}.")

    @property
    def limits(self) -> tuple[float, ...]:
        """The limit of Gamma along each axis."""
        return (self.limit, *(limit for limit, _ in self.further)) if self.further else (self.limit,) * self.dimensions

    @property
    def parts(self) -> tuple[int, ...]:
        """Into how many parts each axis is cut at first."""
        if self.further:
            return (self.first_cells, *(parts for _, parts in self.further))
        return (self.first_cells,) * self.dimensions

    def first(self) -> list[GammaCell]:
        """The cells to begin with."""
        return [GammaCell(0, index) for index in itertools.product(*map(range, self.parts))]

    def pieces(self, cell: GammaCell) -> list[GammaCell]:
        """The 2^d cells into which a cell is cut; none at the floor."""
        if cell.level == self.bisections:
            return []
        halves = ((2 * i, 2 * i + 1) for i in cell.index)
        return [GammaCell(cell.level + 1, index) for index in itertools.product(*halves)]

    def parent(self, cell: GammaCell) -> GammaCell | None:
        """The cell of which this is a piece; None for one of the first."""
        return None if cell.level == 0 else GammaCell(cell.level - 1, tuple(i // 2 for i in cell.index))

    def bounds(self, cell: GammaCell) -> tuple[tuple[float, float], ...]:
        """(lower, upper) along each axis. Neighbours share their ends, also across levels: each end is the same quotient,
        rounded once, times the limit."""
        return tuple(
            (limit * low, limit * high) for limit, (low, high) in zip(self.limits, self._quotients(cell), strict=True)
        )

    def _quotients(self, cell: GammaCell) -> list[tuple[float, float]]:
        """`bounds` as parts of the limits."""
        parts = [count << cell.level for count in self.parts]
        return [((2 * i - n) / n, (2 * (i + 1) - n) / n) for i, n in zip(cell.index, parts, strict=True)]

    def centre(self, cell: GammaCell) -> tuple[float, ...]:
        """gamma_i, in the middle."""
        return tuple((low + high) / 2 for low, high in self.bounds(cell))

    def reach(self, level: int) -> float:
        """w: no point of a cell of this level is farther from its centre; half a diagonal, and what rounding can have moved.
        ValueError where axes have different units: they have no diagonal."""
        if self.further:
            raise ValueError(
                "Cells whose axes have different units have no diagonal, so nothing is smoothed over them."
            )
        half = self.limit * (1 / (self.first_cells << level) + 2.0**-40)
        return math.sqrt(self.dimensions) * half * (1 + 2.0**-50)

    def nearest(self, cell: GammaCell) -> float:
        """The smallest |gamma| in a cell, rounded down."""
        if self.further:
            return self.limit * self.depth(cell)
        distances = [max(low, -high, 0.0) for low, high in self.bounds(cell)]
        exact = sum(distance > 0 for distance in distances) <= 1
        return math.hypot(*distances) * (1.0 if exact else 1 - 2.0**-50)

    def depth(self, cell: GammaCell) -> float:
        """The largest s <= 1 for which no gamma in the cell has |gamma_k| < s L_k along every axis k, with L_k s as computed."""
        return max(max(low, -high, 0.0) for low, high in self._quotients(cell))

    def beyond_radius(self, cell: GammaCell, radius: float) -> bool:
        """Whether some gamma in a cell has |gamma| > radius."""
        if self.further:
            return max(max(-low, high) for low, high in self._quotients(cell)) * self.limit > radius
        return math.hypot(*(max(-low, high) for low, high in self.bounds(cell))) > radius

    @property
    def beyond(self) -> float:
        """A radius larger than every |gamma| in Gamma."""
        return (1.0 if self.further else math.sqrt(self.dimensions)) * self.limit * (1 + 2.0**-40)


@dataclass(frozen=True)
class CellRules:
    """How each cell is tested.

    Attributes:
        parameter_sigma: of the samples b' ~ N(gamma_i, sigma² I); 0: one ball a cell, and its inner test is all there is.
        alpha: of the whole; a cell and all it is cut into share it equally, level by level.
        inner_alpha: with which a sample without the property passes.
        n_cell: the most samples of a cell.
        n_total: once so many samples are spent the walk ends; what was shown until then holds.
        every_cell: go on beyond the first cell that fails at the floor.
    """

    grid: CellGrid
    parameter_sigma: float
    alpha: float
    inner_alpha: float
    n_cell: int
    n_total: int
    every_cell: bool = False

    @property
    def level_alpha(self) -> float:
        """The level of each cell's test. For any point the cells that contain it (one for each level of bisection) may be
        tested one after the other: their levels sum to at most alpha."""
        return level_share(self.alpha, self.grid.bisections + 1)

    def outer_test(self, level: int) -> statistics.SequentialTest:
        """The test of a cell. ValueError where parameter_sigma is 0: then there is none."""
        return MajorityTest.of_reach(
            self.grid.reach(level), self.parameter_sigma, self.level_alpha, self.inner_alpha, self.most_samples(level)
        ).test

    def most_samples(self, level: int) -> int:
        """The most samples of a cell: above the floor half of n_cell, as pieces may be shown with fewer."""
        if self.parameter_sigma == 0:
            return 1
        return self.n_cell if level == self.grid.bisections else max(1, self.n_cell // 2)

    def fewest_to_accept(self, level: int) -> int:
        """How many samples accept a cell if all of them pass (`MOST_UNANIMOUS` where it is not fewer)."""
        if self.parameter_sigma == 0:
            return 1
        return MajorityTest(self.outer_test(level), self.most_samples(level)).fewest_to_accept()

    def verdict(self, level: int, passed: Sequence[bool]) -> tuple[int, bool] | None:
        """After how many samples the test of a cell stopped, and whether it accepted; None if it wants more than these.

        It is asked after every sample, so that the verdict does not depend on how many were drawn at once.
        """
        if self.parameter_sigma == 0:
            return (1, passed[0]) if passed else None
        return MajorityTest(self.outer_test(level), self.most_samples(level)).verdict(passed)


class CellWalk:
    """A run through the cells, from 0 outwards: the open ones, and what has been shown so far.

    The cell tested next is the open one nearest to 0. If it is accepted it is done; if not it is cut into pieces, which are
    open from then on; at the floor it has failed, and the walk ends (with ``every_cell`` it goes on). `radius` is valid at
    any time.
    """

    def __init__(self, rules: CellRules) -> None:
        self.rules = rules
        self._spent = 0
        self._failed: list[tuple[float, GammaCell]] = []
        self._open = list(_opening(rules.grid))

    @property
    def done(self) -> bool:
        """Whether nothing is left to test, or no samples to test it with."""
        return not self._open or self._spent >= self.rules.n_total

    def upcoming(self, count: int) -> list[GammaCell]:
        """The next cells to be tested, as things stand: the first is, the others if those before them do not end the walk."""
        return [cell for _, cell in heapq.nsmallest(count, self._open)]

    def settle(self, accepted: bool, samples: int) -> GammaCell:
        """The verdict on the next cell, which is returned, and what it took. ValueError if there is none."""
        if self.done:
            raise ValueError("There are verdicts on more cells than are tested.")
        self._spent += samples
        nearest, cell = heapq.heappop(self._open)
        if not accepted:
            pieces = self.rules.grid.pieces(cell)
            for piece in pieces:
                heapq.heappush(self._open, (self.rules.grid.nearest(piece), piece))
            if not pieces:
                self._failed.append((nearest, cell))
                if not self.rules.every_cell:
                    self._open.clear()
        return cell

    @property
    def radius(self) -> float:
        """All cells that contain a gamma with |gamma| < radius are accepted."""
        ends = [min(cells)[0] for cells in (self._failed, self._open[:1]) if cells]
        return min(ends, default=self.rules.grid.beyond)

    @property
    def depth(self) -> float | None:
        """The largest s for which all cells are accepted that contain a gamma with |gamma_k| < s L_k along every axis k (see
        `CellGrid.depth`); None where all of Gamma is accepted."""
        missing = [cell for _, cell in (*self._failed, *self._open)]
        return min(map(self.rules.grid.depth, missing), default=None)


def level_share(alpha: float, levels: int) -> float:
    """alpha divided equally, rounded so that the parts sum to at most alpha, in whatever order they are added."""
    part = alpha / levels
    while math.fsum([part] * levels) > alpha or part * levels > alpha:
        part = math.nextafter(part, 0.0)
    return part


@lru_cache(maxsize=8)
def _opening(grid: CellGrid) -> tuple[tuple[float, GammaCell], ...]:
    """The first cells, with the smallest |gamma| in each, from 0 outwards: a heap."""
    return tuple(sorted((grid.nearest(cell), cell) for cell in grid.first()))
