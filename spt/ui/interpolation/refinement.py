"""The live refinement of the page "Interpolation error": splits of Gamma, halved where their bounds are largest.

Refined bounds are proved at every step, so those of a stopped run may be shown.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from spt.error_bounds import (
    ErrorBound,
    chord_bound,
    interval_bound,
)
from spt.ui.interpolation import run
from spt.ui.interpolation.request import InterpolationRequest
from spt.ui.shared.session import CurrentState, Key

NARROWEST = 0.02  # degrees; narrower splits are not halved any more


@dataclass(frozen=True, eq=False)
class Partition:
    """Gamma cut into splits (M, 2), increasing, with a proved bound for each, (M,). One parameter."""

    splits: np.ndarray
    values: np.ndarray

    @staticmethod
    def unbounded(limits: tuple[float, float], count: int) -> "Partition":
        """Uniform splits about which nothing is known yet: every bound is infinite."""
        edges = np.linspace(*limits, count + 1)
        return Partition(np.stack((edges[:-1], edges[1:]), axis=1), np.full(count, np.inf))

    @staticmethod
    def of(bound: ErrorBound) -> "Partition":
        """The partition that a bound with one beta has kept."""
        return Partition(bound.splits[0][:, 0].numpy(), bound.split_values[0].numpy())

    @property
    def bound(self) -> float:
        """Proved for all of Gamma: the largest of its splits."""
        return float(self.values.max())

    @property
    def known(self) -> "Partition":
        """The splits that have a bound (those of a large image get theirs one after the other)."""
        finite = np.isfinite(self.values)
        return self if finite.all() else Partition(self.splits[finite], self.values[finite])

    def at(self, gamma: float) -> int:
        """Which split holds gamma (the nearest one if none does)."""
        return int(np.clip(np.searchsorted(self.splits[:, 0], gamma, side="right") - 1, 0, len(self.values) - 1))

    def refined(
        self, request: InterpolationRequest, method: Literal["interval", "chord"], count: int, above: float
    ) -> "Partition":
        """The ``count`` splits with the largest bounds, of those ``above`` a value, halved and bounded anew; a split
        without any bound is bounded as it is."""
        wide = (self.splits[:, 1] - self.splits[:, 0] > NARROWEST) & (self.values > above)
        chosen = [index for index in np.argsort(-self.values, kind="stable") if wide[index]][:count]
        if not chosen:
            return self
        keep = np.setdiff1d(np.arange(len(self.values)), chosen)
        splits, values = [self.splits[keep]], [self.values[keep]]
        for index in chosen:
            bound = interval_bound if method == "interval" else chord_bound
            attacked = replace(request.attacked, gamma_range=self.splits[index].tolist())
            pieces = 2 if np.isfinite(self.values[index]) else 1
            part = Partition.of(bound(attacked, [request.beta], splits=pieces, search=run.UNIFORM))
            splits.append(part.splits)
            values.append(np.minimum(part.values, self.values[index]))
        all_splits, all_values = np.concatenate(splits), np.concatenate(values)
        order = np.argsort(all_splits[:, 0], kind="stable")
        return Partition(all_splits[order], all_values[order])


INTERVAL_AT_ONCE, CHORD_AT_ONCE = 3, 1
INTERVAL_GOAL, CHORD_GOAL = 1.05, 1.005  # refinement ends at these multiples of the largest sampled error
STEPS_A_PRESS = 60


@dataclass
class LiveRefinement:
    """The state of the live refinement for one request, kept in the session; sound at every moment."""

    key: Key
    chord: Partition
    interval: Partition
    sampled: float
    steps: int = 0
    remaining: int = field(default=0)

    @property
    def waiting(self) -> int:
        """How many splits have no bound yet, of both partitions."""
        return sum(int(np.isinf(partition.values).sum()) for partition in (self.chord, self.interval))

    @property
    def done(self) -> bool:
        """Whether both bounds have reached their goals."""
        return self.chord.bound <= self.sampled * CHORD_GOAL and self.interval.bound <= self.sampled * INTERVAL_GOAL

    def advance(self, request: InterpolationRequest) -> None:
        """One refinement: halve the worst splits of both partitions; of a large image, bound the next split without a
        bound, first for the chord bound, which is the faster one."""
        chord, interval = self.chord, self.interval
        bounded_before = self.waiting == 0
        if bounded_before or np.isinf(chord.bound):
            chord = chord.refined(request, "chord", CHORD_AT_ONCE, self.sampled * CHORD_GOAL)
        if bounded_before or chord is self.chord:
            at_once = 1 if request.large else INTERVAL_AT_ONCE
            interval = interval.refined(request, "interval", at_once, self.sampled * INTERVAL_GOAL)
        self.chord, self.interval, self.remaining = chord, interval, self.remaining - 1
        self.steps += bounded_before


REFINEMENT = CurrentState("error_refinement", LiveRefinement)


def current(request: InterpolationRequest) -> LiveRefinement:
    """The refinement that belongs to the request: the session's, or a new one from uniform splits (of a large image
    without any bound: these are computed one after the other, when asked for)."""
    key = (*request.key, request.splits)
    state = REFINEMENT.of(key)
    if state is None:
        largest = float(run.sampled_norms(request)[1].max())
        if request.large:
            first = second = Partition.unbounded(request.limits, request.splits)
        else:
            first, second = Partition.of(run.chord(request)), Partition.of(run.interval(request))
        state = REFINEMENT.put(LiveRefinement(key, first, second, largest))
    return state
