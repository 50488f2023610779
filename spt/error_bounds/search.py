"""One best-first search over splits for every bound: refine what decides, stop as soon as the question is answered."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from spt.device_memory import halving_on_oom
from spt.progress import Progress, silent
from spt.threat_model import MEMORY_BUDGET

MAX_EVALUATIONS = 2000
"""Default limit of evaluations for one item: enough for 1 % in practice; the bound is sound wherever it stops."""
NEGLIGIBLE = 0.02
"""Errors below this times the largest pixel are not resolved: the bound may be up to (1 + tolerance) x this."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """How a bound searches: until when it refines its splits, what that may cost, and whether it keeps them.

    Attributes:
        tolerance: refine until the bound is at most (1 + tolerance) x a sampled error (0.02 is 2 %); None to rely on the
            others. (Where the error nearly vanishes but its parts do not, as at beta = 0, no relative tolerance can be
            reached; errors below ``NEGLIGIBLE`` x the largest pixel are therefore not resolved.)
        target: a number or (N,), one for each item: refine only until "maximum <= target?" is decided, see
            `spt.error_bounds.result.ErrorBound`, ``holds``. With a target, ``tolerance`` is ignored.
        max_evaluations: stop refining an item after so many splits; its bound stays sound. None: no limit.
        memory_budget: bytes of working memory to plan for.
        keep_splits: whether the record gets the final partition of Gamma, and the bound of each split.

    ValueError if the tolerance is not positive.
    """

    tolerance: float | None = 0.02
    target: float | Tensor | None = None
    max_evaluations: int | None = MAX_EVALUATIONS
    memory_budget: int = MEMORY_BUDGET
    keep_splits: bool = False

    def __post_init__(self) -> None:
        if self.tolerance is not None and not self.tolerance > 0:
            raise ValueError(f"tolerance must be positive (0.02 is 2 %), but is {self.tolerance}.")


USUAL = Search()
"""Within 2 %."""
NO_REFINEMENT = Search(tolerance=None)
"""Every split of the beginning is bounded once."""


class Splits(ABC):
    """A bounding problem: N items (betas), each with a box Gamma in d parameters cut into cells.

    Cells of level l are the base cells halved l times on each axis; a cell is an integer vector (d,).
    """

    method: str = ""
    """What the record calls the bound."""
    title: str = "bounding"
    """What the progress calls it."""
    items: int
    dimensions: int
    max_level: int = 12
    """Cells of this level are not halved again."""
    cells_at_once: int = 1 << 16
    """Cells in one call of `evaluate` even where memory allows more (a few hundred small images stay in the cache)."""

    @abstractmethod
    def base(self) -> Tensor:
        """(N * K, 1 + d) long: item and cell of every cell of level 0, sorted by item."""

    @abstractmethod
    def evaluate(self, items: Tensor, cells: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        """For M cells: upper bounds (M,), a guess of the largest norm within (M,), and where it is (M, d)."""

    @abstractmethod
    def sample(self, items: Tensor, points: Tensor) -> Tensor:
        """The true norms (M,) at gamma = points (M, d)."""

    @abstractmethod
    def box(self, items: Tensor, cells: Tensor, level: int) -> Tensor:
        """(M, d, 2) the parameters that the cells cover."""

    @abstractmethod
    def bytes_per_cell(self) -> int:
        """Working memory for one cell in `evaluate`."""

    def prepare(self, items: Tensor, cells: Tensor, level: int, memory_budget: int) -> Tensor:
        """Called before each round with all its cells: compute what they share, if it fits into half the budget.

        Returns the order (a permutation) in which to evaluate the cells; neighbours may share work.
        """
        return torch.arange(len(items))


@dataclass
class SearchState:
    """State of a search, one entry for each item."""

    upper: Tensor
    lower: Tensor
    worst: Tensor
    evaluations: Tensor
    splits: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)
    """Retired cells: (items, boxes, bounds)."""


def branch_and_bound(
    problem: Splits,
    search: Search,
    *,
    lower: Tensor | None = None,
    negligible: float = 0.0,
    slack: float = 0.0,
    inflation: float = 1.0,
    progress: Progress = silent,
) -> SearchState:
    """Bound every item from above by refining its splits, all unfinished items at once.

    A cell is finished when its bound is at most (1 + tolerance) x the largest norm sampled so far for its item (or
    ``negligible``, if that is larger), or, with a target, when it is at most that. An item is finished when a sampled norm
    exceeds its target. With neither tolerance nor target every base cell is evaluated once. ``lower`` are norms known to
    occur. Any moment's bounds are sound, so ``max_evaluations`` (for each item) only costs sharpness: the most
    promising cells are refined first.

    In floating point a sampled norm is at most ``inflation`` x (its cell's bound + ``slack``), both of which the caller adds
    to the final bounds. A norm above that proves the bound wrong: ArithmeticError, as for a bound that is not a number. One
    within that, but above the computed bound, counts as the bound, so that ``upper`` is never below ``lower``.
    """
    count, dimensions = problem.items, problem.dimensions
    target = None if search.target is None else torch.as_tensor(search.target, dtype=torch.float64).expand(count)
    tolerance = search.tolerance if target is None else None
    state = SearchState(
        upper=torch.full((count,), -torch.inf, dtype=torch.float64),
        lower=torch.zeros(count, dtype=torch.float64) if lower is None else lower.clone(),
        worst=torch.zeros(count, dimensions, 2, dtype=torch.float64),
        evaluations=torch.zeros(count, dtype=torch.long),
    )
    halves = torch.cartesian_prod(*[torch.arange(2)] * dimensions).reshape(-1, dimensions)
    base = problem.base()
    items, cells = base[:, 0], base[:, 1:]
    parents = torch.full((len(items),), torch.inf, dtype=torch.float64)
    chunk = max(1, min(problem.cells_at_once, search.memory_budget // 2 // problem.bytes_per_cell()))
    for level in range(problem.max_level + 1):
        if not len(items):
            break
        order = problem.prepare(items, cells, level, search.memory_budget)
        items, cells, parents = items[order], cells[order], parents[order]
        title = f"{problem.title}: round {level + 1}, {len(items)} splits"
        bounds, guesses, points = evaluate_in_chunks(problem, items, cells, level, chunk, progress, title)
        if bounds.isnan().any():
            raise ArithmeticError("A bound is not a number; please report the image and the settings.")
        bounds = torch.minimum(bounds, parents)
        state.evaluations += torch.bincount(items, minlength=count)
        if tolerance is not None or target is not None:
            best = _first_best(items, guesses, count)
            found = problem.sample(items[best], points[best])
            _check(found, bounds[best], slack, inflation)
            state.lower[items[best]] = torch.maximum(state.lower[items[best]], found)
        limit = _limit(state, tolerance, target, negligible)
        refine = bounds > limit[items]
        if level == problem.max_level:
            refine[:] = False
        if search.max_evaluations is not None:
            budget = search.max_evaluations - state.evaluations
            refine &= _affordable(items, bounds, refine, budget, len(halves))
        done = ~refine
        _retire(problem, state, items[done], cells[done], bounds[done], level)
        if search.keep_splits and done.any():
            state.splits.append((items[done], problem.box(items[done], cells[done], level), bounds[done]))
        items, cells, parents = items[refine], cells[refine], bounds[refine]
        items = items.repeat_interleave(len(halves))
        parents = parents.repeat_interleave(len(halves))
        cells = (2 * cells[:, None, :] + halves).reshape(-1, dimensions)
    _check(state.lower, state.upper, slack, inflation)
    state.upper = torch.maximum(state.upper, state.lower)
    return state


def _check(found: Tensor, bounds: Tensor, slack: float, inflation: float) -> None:
    """ArithmeticError if something that occurs lies above its bound by more than rounding can explain."""
    wrong = ~(found <= (bounds + slack) * inflation)
    if wrong.any():
        raise ArithmeticError(
            f"A norm of {float(found[wrong][0])!r} occurs where {float(bounds[wrong][0])!r} was to be the bound; "
            "please report the image and the settings."
        )


def _limit(state: SearchState, tolerance: float | None, target: Tensor | None, negligible: float) -> Tensor:
    limit = torch.full_like(state.lower, torch.inf if tolerance is None and target is None else -torch.inf)
    if tolerance is not None:
        limit = state.lower.clamp(min=negligible) * (1 + tolerance) + 1e-9
    if target is not None:
        limit = torch.where(state.lower > target, torch.inf, torch.maximum(limit, target))
    return limit


def _first_best(items: Tensor, guesses: Tensor, count: int) -> Tensor:
    """For each item present the position of its largest guess."""
    order = torch.argsort(guesses, descending=True, stable=True)
    order = order[torch.argsort(items[order], stable=True)]
    first = torch.ones(len(order), dtype=torch.bool)
    first[1:] = items[order][1:] != items[order][:-1]
    return order[first]


def _affordable(items: Tensor, bounds: Tensor, wanted: Tensor, budget: Tensor, children: int) -> Tensor:
    """Of the wanted cells those with the largest bounds of each item, as many as its budget of evaluations allows."""
    key = torch.where(wanted, bounds, -torch.inf)
    order = torch.argsort(key, descending=True, stable=True)
    order = order[torch.argsort(items[order], stable=True)]
    ordered = items[order]
    starts = torch.searchsorted(ordered, ordered)
    rank = torch.empty_like(items)
    rank[order] = torch.arange(len(items)) - starts
    return (rank + 1) * children <= budget[items]


def _retire(problem: Splits, state: SearchState, items: Tensor, cells: Tensor, bounds: Tensor, level: int) -> None:
    if not len(items):
        return
    best = _first_best(items, bounds, problem.items)
    better = best[bounds[best] > state.upper[items[best]]]
    state.upper[items[better]] = bounds[better]
    state.worst[items[better]] = problem.box(items[better], cells[better], level)


def collect_splits(state: SearchState, count: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The final partitions of a search that kept them: boxes (M, d, 2) and bounds (M,) for each item, sorted."""
    items = torch.cat([part[0] for part in state.splits])
    boxes = torch.cat([part[1] for part in state.splits])
    bounds = torch.cat([part[2] for part in state.splits])
    all_boxes, all_bounds = [], []
    for item in range(count):
        mine = (items == item).nonzero()[:, 0]
        order = mine[torch.argsort(boxes[mine, 0, 0], stable=True)]
        all_boxes.append(boxes[order])
        all_bounds.append(bounds[order])
    return tuple(all_boxes), tuple(all_bounds)


def evaluate_in_chunks(
    problem: Splits, items: Tensor, cells: Tensor, level: int, chunk: int, progress: Progress, desc: str
) -> tuple[Tensor, Tensor, Tensor]:
    """`Splits.evaluate` on all cells, ``chunk`` at a time."""
    starts = range(0, len(items), chunk)
    parts = [
        halving_on_oom(
            lambda part: problem.evaluate(items[part], cells[part], level),
            torch.arange(start, min(start + chunk, len(items))),
        )
        for start in progress(starts, desc=desc, total=len(starts))
    ]
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]


class SharedRows:
    """Rows computed from integer keys, once for a whole round where they fit into memory, else when asked for."""

    def __init__(self, compute: Callable[[Tensor], tuple[Tensor, ...]], bytes_per_row: int, work_per_row: int) -> None:
        self.compute, self.bytes_per_row, self.work_per_row = compute, bytes_per_row, work_per_row
        self.keys: Tensor | None = None
        self.rows: tuple[Tensor, ...] = ()

    def prepare(self, keys: Tensor, memory_budget: int) -> None:
        """Forget everything, then compute the rows of all ``keys`` if they fit."""
        self.keys, self.rows = None, ()
        unique = torch.unique(keys)
        if len(unique) * self.bytes_per_row <= memory_budget // 4:
            chunk = max(1, min(256, memory_budget // 4 // self.work_per_row))
            starts = range(0, len(unique), chunk)
            parts = [halving_on_oom(self.compute, unique[i : i + chunk]) for i in starts]
            self.rows = tuple(torch.cat(column) for column in zip(*parts, strict=True))
            self.keys = unique

    def get(self, keys: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Rows and, for each key, which row is its own."""
        if self.keys is not None:
            which = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
            if not torch.equal(self.keys[which], keys):
                raise KeyError("Rows were asked for that were not prepared.")
            return self.rows, which
        unique, which = torch.unique(keys, return_inverse=True)
        return self.compute(unique), which
