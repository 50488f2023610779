"""What the page "Interpolation error" found for one setting, to be pinned and compared with another one.

Bounds are proved at every step of a refinement, so a finding has those that were there when it was made, and says how many steps
they took; a link to it has them on uniform splits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spt.ui.interpolation import refinement, run
from spt.ui.interpolation.request import InterpolationRequest
from spt.ui.shared.comparing import Comparison, Finding
from spt.ui.shared.rounding import about, at_least, at_most

Steps = tuple[np.ndarray, np.ndarray]
"""Edges (M + 1,) of neighbouring splits, increasing, and a proved bound on each, (M,)."""


@dataclass(frozen=True, eq=False)
class ErrorFinding:
    """The error over Gamma.

    Attributes:
        error: ||e|| at gamma of the controls. axis, norms: sampled over Gamma.
        bounds: max ||e|| over Gamma, proved, by the name of the bound.
        steps: of one parameter, splits (M, 2) and values (M,) of each bound.
    """

    unit: str
    error: float
    axis: np.ndarray
    norms: np.ndarray
    bounds: dict[str, float]
    steps: dict[str, tuple[np.ndarray, np.ndarray]]

    @property
    def sampled(self) -> float:
        """The largest sampled error."""
        return float(self.norms.max())


def key(request: InterpolationRequest) -> tuple[Any, ...]:
    """All that decides a finding."""
    return (*request.key, request.splits, request.gamma)


def of(request: InterpolationRequest) -> Finding:
    """All that is proved by now."""
    axis, norms = run.sampled_norms(request)
    error = float(run.difference(request).after.norm())
    if request.rotates:
        live = refinement.current(request)
        known = {"interval": live.interval, "chord": live.chord}
        bounds = {name: part.bound for name, part in known.items() if np.isfinite(part.bound)}
        steps = {name: (part.known.splits, part.known.values) for name, part in known.items() if len(part.known.values)}
        waiting = f", {live.waiting} splits without a bound" if live.waiting else ""
        refined = f"after {live.steps} refinement{'s' * (live.steps > 1)}" if live.steps else ""
        mark = f"{refined}{waiting}".removeprefix(", ")
    else:
        found = {"interval": run.known_interval(request), "vertices, exact": run.known_vertices(request)}
        bounds = {name: float(bound.values[0]) for name, bound in found.items() if bound is not None}
        steps, mark = {}, "" if bounds else "only sampled"
    return Finding(key(request), ErrorFinding(request.transform.unit, error, axis, norms, bounds, steps), mark)


def sharpest(steps: dict[str, tuple[np.ndarray, np.ndarray]]) -> Steps | None:
    """On each piece of Gamma the smallest of the bounds that hold there; None unless there is one everywhere."""
    if not steps:
        return None
    edges = np.unique(np.concatenate([splits.ravel() for splits, _ in steps.values()]))
    middles = (edges[:-1] + edges[1:]) / 2
    values = np.full(len(middles), np.inf)
    for splits, bounds in steps.values():
        inside = (splits[:, :1] <= middles) & (middles <= splits[:, 1:])
        values = np.minimum(values, np.where(inside, bounds[:, None], np.inf).min(axis=0))
    return (edges, values) if np.isfinite(values).all() else None


def difference(first: Steps, second: Steps) -> Steps | None:
    """The second bound minus the first one, where both hold; None if they have no piece of Gamma in common."""
    low, high = max(first[0][0], second[0][0]), min(first[0][-1], second[0][-1])
    edges = np.unique(np.concatenate((first[0], second[0], [low, high])))
    edges = edges[(edges >= low) & (edges <= high)]
    if len(edges) < 2:
        return None
    middles = (edges[:-1] + edges[1:]) / 2
    values = [bounds[np.searchsorted(ends, middles, side="right") - 1] for ends, bounds in (first, second)]
    return edges, values[1] - values[0]


def compare(pinned: Finding, now: Finding) -> Comparison:
    """The errors and the bounds of both, over Gamma where there is one parameter."""
    from spt.figures import comparison as figures

    first: ErrorFinding = pinned.content
    second: ErrorFinding = now.content
    numbers = [
        figures.ComparedNumber(
            "‖e‖ at γ", about(first.error), about(second.error), figures.signed(second.error - first.error)
        ),
        figures.ComparedNumber(
            "max ‖e‖, sampled: at least",
            at_least(first.sampled),
            at_least(second.sampled),
            figures.signed(second.sampled - first.sampled),
        ),
    ]
    for name in dict.fromkeys((*first.bounds, *second.bounds)):
        values = (first.bounds.get(name), second.bounds.get(name))
        words = ["not proved" if value is None else at_most(value) for value in values]
        by = figures.signed(values[1] - values[0]) if values[0] is not None and values[1] is not None else ""
        numbers.append(figures.ComparedNumber(f"max ‖e‖, proved ({name}): at most", words[0], words[1], by))
    note = (
        "Both bounds are proved for their own settings. Their difference is that of two bounds: the errors themselves may differ "
        "otherwise."
    )
    return Comparison(numbers, list(_panels(figures, first, second)), note, (_exact(first), _exact(second)))


def _panels(figures: Any, first: ErrorFinding, second: ErrorFinding) -> Iterator[Any]:
    x_title, y_title = f"attack γ, in {first.unit}", "size of the error ‖e(γ)‖"
    if first.norms.ndim == second.norms.ndim == 1:
        yield figures.curves_panel(
            "The sharpest proved bound over Γ",
            [*_curves(figures, first, True), *_curves(figures, second, False)],
            x_title,
            y_title,
        )
        bounds = (sharpest(first.steps), sharpest(second.steps))
        found = None if bounds[0] is None or bounds[1] is None else difference(bounds[0], bounds[1])
        if found is not None:
            curve = figures.Curve("difference of the bounds", False, _points(*found), steps=True)
            yield figures.curves_panel(
                "Now minus pinned", [curve], x_title, "difference of the bounds", difference=True
            )
        return
    names = ["sampled: at least", *(name for name in first.bounds if name in second.bounds)]
    amounts = []
    for name in names:
        sampled = name not in first.bounds
        values = (first.sampled, second.sampled) if sampled else (first.bounds[name], second.bounds[name])
        written = at_least if sampled else at_most
        amounts.append((name if sampled else f"proved ({name}): at most", values, tuple(map(written, values))))
    yield figures.amounts_panel("max ‖e‖ over Γ", amounts)


def _curves(figures: Any, found: ErrorFinding, pinned: bool) -> Iterator[Any]:
    side = figures.SIDES[0 if pinned else 1]
    yield figures.Curve(f"{side}: sampled", pinned, _points(found.axis, found.norms), dotted=True)
    bound = sharpest(found.steps)
    if bound is not None:
        yield figures.Curve(
            f"{side}: proved, at most {at_most(float(bound[1].max()))}", pinned, _points(*bound), steps=True
        )


def _points(at: np.ndarray, values: np.ndarray) -> Sequence[tuple[float, float]]:
    """For a figure; values on pieces between edges hold up to the last one."""
    if len(at) > len(values):
        values = np.append(values, values[-1])
    return list(zip(at.tolist(), values.tolist(), strict=True))


def _exact(found: ErrorFinding) -> dict[str, Any]:
    return {
        "error_at_gamma": found.error,
        "sampled_max": found.sampled,
        "proved_max": found.bounds,
        "unit": found.unit,
        "splits": {
            name: [
                {"from": low, "to": high, "at_most": value}
                for (low, high), value in zip(splits.tolist(), values.tolist(), strict=True)
            ]
            for name, (splits, values) in found.steps.items()
        },
    }
