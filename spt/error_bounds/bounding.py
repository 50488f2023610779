"""How every refined bound ends: search, then add once what finite precision and the attacker's rounding can change."""

import torch
from torch import Tensor

from spt.error_bounds.result import ErrorBound
from spt.error_bounds.search import NEGLIGIBLE, SearchState, Splits, collect_splits, search
from spt.preprocessing import Preprocessing
from spt.progress import Progress, Stopwatch
from spt.rounding_slack import norm_inflation
from spt.threat_model import Attacker


def bounded(
    problem: Splits,
    image: Tensor,
    preprocessing: Preprocessing,
    slack: float,
    rounding: float | Tensor,
    method: str,
    desc: str,
    attacker: Attacker,
    watch: Stopwatch,
    tolerance: float | None,
    target: float | Tensor | None,
    max_evaluations: int | None,
    memory_budget: int,
    progress: Progress,
    keep_splits: bool,
    lower: Tensor | None = None,
) -> ErrorBound:
    """Refine ``problem`` to its tolerance or target (which overrides it) and record the bounds.

    Args:
        slack: `spt.rounding_slack.float_slack`; rounding: the attacker's term, a number or one for each item.
        method: for the record; desc: for the progress.
        lower: (N,) errors known to occur. The others: see `spt.error_bounds.chord_bound`.
    """
    inflation = norm_inflation(preprocessing, image)
    goal = as_target(target, problem.items, slack + rounding, inflation)
    state = search(
        problem,
        tolerance=None if goal is not None else check_tolerance(tolerance),
        target=goal,
        slack=slack,
        inflation=inflation,
        lower=lower,
        negligible=NEGLIGIBLE * float(image.detach().double().abs().max()),
        max_evaluations=max_evaluations,
        memory_budget=memory_budget,
        progress=progress,
        keep_splits=keep_splits,
        desc=desc,
    )
    return as_bound(state, method, attacker, rounding, slack, inflation, target, watch, keep_splits)


def check_tolerance(tolerance: float | None) -> float | None:
    """ValueError unless the tolerance is None or positive."""
    if tolerance is not None and not tolerance > 0:
        raise ValueError(f"tolerance must be positive (0.02 is 2 %), but is {tolerance}.")
    return tolerance


def as_target(target: float | Tensor | None, count: int, additions: float | Tensor, inflation: float) -> Tensor | None:
    """The target for the search, (N,), less what is added to its bounds afterwards (see `as_bound`)."""
    if target is None:
        return None
    goal = torch.as_tensor(target, dtype=torch.float64).cpu()
    if goal.ndim and goal.shape != (count,):
        raise ValueError(f"target must be a number or one for each of the {count} points, but is {tuple(goal.shape)}.")
    return (goal / inflation - additions - 1e-12).expand(count)


def as_bound(
    state: SearchState,
    method: str,
    attacker: Attacker,
    rounding: float | Tensor,
    slack: float,
    inflation: float,
    target: float | Tensor | None,
    watch: Stopwatch,
    keep_splits: bool = False,
) -> ErrorBound:
    """The record of a finished search, with slack and rounding term added once and the norms' own rounding covered.

    ``rounding`` is a number or (N,): the bounds of an item's splits get the term of that item.
    """
    additions = (slack + torch.as_tensor(rounding, dtype=torch.float64)).expand(len(state.upper))
    values = (state.upper + additions) * inflation
    boxes, bounds = collect_splits(state, len(values)) if keep_splits else ((), ())
    return ErrorBound(
        values=values,
        sampled=state.lower + rounding,
        method=method,
        is_upper=True,
        attacker=attacker,
        rounding=rounding,
        evaluations=state.evaluations,
        seconds=watch.seconds,
        worst=state.worst,
        holds=None if target is None else values <= torch.as_tensor(target, dtype=torch.float64),
        splits=boxes,
        split_values=tuple((bound + more) * inflation for bound, more in zip(bounds, additions, strict=bool(bounds))),
    )
