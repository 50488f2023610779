"""An attack on a bound: where within Gamma does what is bounded come nearest to its bound, or above it?

It proves nothing. A bound that it finds violated is wrong; one that it comes near to is sharp.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spt.progress import Progress, silent

ROUNDS = 40
"""Steps of a climb, of which most are halved: to a millionth of the first one and less."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """The place where a bound was nearest to being wrong.

    Attributes:
        gamma: (d,) float64. value: what is bounded there. bound: of the split that holds gamma (the smaller one on an edge).
        tried: number of gammas at which the value was computed.
    """

    gamma: Tensor
    value: float
    bound: float
    tried: int

    @property
    def share(self) -> float:
        """value / bound: above 1, the bound is wrong."""
        return float(_shares(torch.tensor(self.value), torch.tensor(self.bound)))

    @property
    def violated(self) -> bool:
        """Whether the value is above its bound."""
        return self.value > self.bound


def search_for_violation(
    values: Callable[[Tensor], Tensor],
    splits: Tensor,
    bounds: Tensor,
    *,
    samples: int = 8,
    climbs: int = 24,
    seed: int = 0,
    progress: Progress = silent,
) -> Nearest:
    """Sample every split, then climb from where the value is nearest to its bound.

    Args:
        values: what is bounded, at gammas (M, d): (M,).
        splits: (S, d, 2) float64; each bound holds for all gammas of its split, edges included. bounds: (S,).
        samples: uniform draws a split, beside its corners and middle.
        climbs: from how many of the best samples, each of another split, to climb: one step along every axis and back, the best
            is kept, and a step that finds nothing better is halved; `ROUNDS` times, within the split.

    Raises ValueError where there is no split, or their number is not that of the bounds.
    """
    if len(splits) == 0 or len(splits) != len(bounds):
        raise ValueError(f"There must be one bound for each split, but there are {len(bounds)} for {len(splits)}.")
    splits, bounds = splits.double().cpu(), bounds.double().cpu()
    low, high = splits.unbind(-1)
    width, dimensions = high - low, splits.shape[1]
    generator = torch.Generator().manual_seed(seed)
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * dimensions).reshape(
        -1, dimensions
    )
    places = torch.rand(len(splits), samples, dimensions, dtype=torch.float64, generator=generator)
    fixed = torch.cat((corners, torch.full((1, dimensions), 0.5, dtype=torch.float64))).expand(len(splits), -1, -1)
    places = torch.cat((fixed, places), dim=1)
    points = _within(low[:, None] + places * width[:, None], low[:, None], high[:, None])
    found = values(points.reshape(-1, dimensions)).double().cpu().reshape(points.shape[:2])
    tried = found.numel()
    shares = _shares(found, bounds[:, None])
    best, which = shares.max(dim=1)
    chosen = best.topk(min(climbs, len(splits))).indices
    at, value, share = points[chosen, which[chosen]], found[chosen, which[chosen]], best[chosen]
    low, high, bound = low[chosen], high[chosen], bounds[chosen]
    step = width[chosen] / (samples + 2)
    directions = torch.cat((torch.eye(dimensions), -torch.eye(dimensions))).double()
    rows = torch.arange(len(chosen))
    for _ in progress(range(ROUNDS), desc="climbing", total=ROUNDS):
        proposed = _within(at[:, None] + directions * step[:, None], low[:, None], high[:, None])
        there = values(proposed.reshape(-1, dimensions)).double().cpu().reshape(proposed.shape[:2])
        tried += there.numel()
        better, place = _shares(there, bound[:, None]).max(dim=1)
        climbed = better > share
        at = torch.where(climbed[:, None], proposed[rows, place], at)
        value = torch.where(climbed, there[rows, place], value)
        share = torch.where(climbed, better, share)
        step = torch.where(climbed[:, None], step, step / 2)
    top = int(share.argmax())
    return Nearest(at[top], float(value[top]), float(bound[top]), tried)


def _within(points: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(points, low), high)


def _shares(values: Tensor, bounds: Tensor) -> Tensor:
    """values / bounds, where 0 / 0 is 0."""
    return torch.where(values == 0, torch.zeros_like(values), values / bounds)
