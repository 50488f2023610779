"""How every refined bound ends: search, then add once what finite precision and the attacker's rounding can change."""

from dataclasses import replace

import torch
from torch import Tensor

from spt.error_bounds.result import ErrorBound
from spt.error_bounds.search import NEGLIGIBLE, Search, Splits, branch_and_bound, collect_splits
from spt.progress import Progress, Stopwatch
from spt.rounding_slack import norm_inflation
from spt.threat_model import AttackedImage


def bounded(
    problem: Splits,
    attacked: AttackedImage,
    search: Search,
    *,
    slack: float,
    rounding: float | Tensor,
    lower: Tensor | None = None,
    progress: Progress,
) -> ErrorBound:
    """Refine the splits of ``problem`` as ``search`` says, and record the bounds.

    Slack and rounding term are added once, and the norms' own rounding is covered.

    Args:
        slack: `spt.rounding_slack.float_slack`, a norm; rounding: the attacker's term, a number or (N,): the bounds of an
            item's splits get the term of that item.
        lower: (N,) errors known to occur.
    """
    watch, target = Stopwatch(), search.target
    inflation = norm_inflation(attacked.preprocessing, attacked.image)
    goal = _target(target, problem.items, slack + rounding, inflation)
    state = branch_and_bound(
        problem,
        replace(search, target=goal),
        lower=lower,
        negligible=NEGLIGIBLE * float(attacked.pixels.abs().max()),
        slack=slack,
        inflation=inflation,
        progress=progress,
    )
    additions = (slack + torch.as_tensor(rounding, dtype=torch.float64)).expand(len(state.upper))
    values = (state.upper + additions) * inflation
    boxes, bounds = collect_splits(state, len(values)) if search.keep_splits else ((), ())
    return ErrorBound(
        values=values,
        sampled=state.lower + rounding,
        method=problem.method,
        is_upper=True,
        attacker=attacked.attacker,
        rounding=rounding,
        evaluations=state.evaluations,
        seconds=watch.seconds,
        worst=state.worst,
        holds=None if target is None else values <= torch.as_tensor(target, dtype=torch.float64),
        splits=boxes,
        split_values=tuple((bound + more) * inflation for bound, more in zip(bounds, additions, strict=bool(bounds))),
    )


def _target(target: float | Tensor | None, count: int, additions: float | Tensor, inflation: float) -> Tensor | None:
    """The target for the search, (N,), less what is added to its bounds afterwards."""
    if target is None:
        return None
    goal = torch.as_tensor(target, dtype=torch.float64).cpu()
    if goal.ndim and goal.shape != (count,):
        raise ValueError(f"target must be a number or one for each of the {count} points, but is {tuple(goal.shape)}.")
    return (goal / inflation - additions - 1e-12).expand(count)
