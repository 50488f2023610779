"""What the page "Inverse" found for one received image, to be pinned and compared with another one: how wide the intervals are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spt.certificates import rounded_up
from spt.figures.errors import signed_picture, unsigned_picture
from spt.ui.inverse.images import WIDTH_SCALE
from spt.ui.inverse.request import InverseRequest
from spt.ui.inverse.run import Found
from spt.ui.shared import pixel_grid
from spt.ui.shared.comparing import Comparison, Finding
from spt.ui.shared.full_preprocessing import full_preprocessing

DIFFERENCE_SCALE = 0.5
"""Blue and red from here on, of the difference of two widths."""


@dataclass(frozen=True, eq=False)
class Widths:
    """How wide the intervals are over all that survives.

    Attributes:
        passes: (number, mean, median over all values, share of Gamma that survives) after each pass; where nothing survives
            without mean and median.
        width: (C, H, W) after the last pass that something survived.
        inside: mean over the pixels that P keeps. splits: how many survive. consistent: whether any does.
    """

    passes: tuple[tuple[int, float | None, float | None, float], ...]
    width: Tensor
    inside: float
    splits: int
    consistent: bool


def key(request: InverseRequest) -> tuple[Any, ...]:
    """All that decides a finding."""
    return (*request.key, full_preprocessing(request.classifier, request.transform))


def of(request: InverseRequest, found: Found) -> Finding:
    """The finding of a result."""
    rows: list[tuple[int, float | None, float | None, float]] = []
    width = torch.ones_like(request.received, dtype=torch.float64)
    for one in found.passes:
        hull = one.hulls[0]
        if hull is None:
            rows.append((one.number, None, None, one.share))
            continue
        width = (hull[1] - hull[0]).cpu()
        rows.append((one.number, float(width.mean()), float(width.median()), one.share))
    seen = full_preprocessing(request.classifier, request.transform).mask(*width.shape[1:]).bool()
    widths = Widths(
        tuple(rows), width, float(width[:, seen].mean()), len(found.passes[-1].boxes), found.last.consistent
    )
    return Finding(key(request), widths)


def compare(pinned: Finding, now: Finding) -> Comparison:
    """Widths per pass, and their maps."""
    from spt.figures import comparison as figures

    first: Widths = pinned.content
    second: Widths = now.content
    numbers = []

    def add(name: str, value: Callable[[Widths], float], written: Callable[[float], str], unit: str = "") -> None:
        one, other = value(first), value(second)
        numbers.append(figures.ComparedNumber(name, written(one), written(other), figures.signed(other - one, unit)))

    add("survives of Γ", lambda one: 100 * one.passes[-1][3], lambda share: f"{rounded_up(share)} %", "points")
    add("splits left", lambda one: one.splits, lambda count: f"{count:,.0f}")
    add("mean width inside", lambda one: one.inside, rounded_up)
    add("mean width, all", lambda one: float(one.width.mean()), rounded_up)
    add("median width, all", lambda one: float(one.width.median()), rounded_up)
    panels = [_per_pass(figures, first, second), _maps(figures, first, second)]
    note = "Widths are upper minus lower bound of each original value, over all that survives."
    if not (first.consistent and second.consistent):
        note += " Where nothing survives, they are those before the last split died."
    return Comparison(numbers, panels, note, (_exact(first), _exact(second)))


def _per_pass(figures: Any, first: Widths, second: Widths) -> Any:
    curves = []
    for side, widths in zip(figures.SIDES, (first, second), strict=True):
        for place, name in ((1, "mean"), (2, "median")):
            points = [(one[0], one[place]) for one in widths.passes if one[place] is not None]
            curves.append(figures.Curve(f"{side}: {name}", side == figures.SIDES[0], points, dotted=name == "median"))
    return figures.curves_panel(
        "Width after each pass", curves, "pass", "width", dotted="dotted: the median; else the mean"
    )


def _maps(figures: Any, first: Widths, second: Widths) -> Any:
    pictures = [
        (
            f"{side}: dark 0, yellow {WIDTH_SCALE:g} and more",
            pixel_grid.png_data_url(unsigned_picture(one.width.numpy(), WIDTH_SCALE)),
        )
        for side, one in zip(figures.SIDES, (first, second), strict=True)
    ]
    words = "Maps of the widths"
    caption = "images of two sizes have no difference pixel by pixel"
    if first.width.shape == second.width.shape:
        colours = signed_picture((second.width - first.width).numpy(), DIFFERENCE_SCALE)
        caption = f"now − pinned: blue −{DIFFERENCE_SCALE:g}, red +{DIFFERENCE_SCALE:g}"
        pictures.append((caption, pixel_grid.png_data_url(colours)))
        words += ", and of their difference"
    else:
        pictures.append((caption, ""))
    return figures.pictures_panel(words, pictures, f"{words}; {caption}.")


def _exact(widths: Widths) -> dict[str, Any]:
    names = ("pass", "mean_width", "median_width", "share")
    return {
        "consistent": widths.consistent,
        "splits": widths.splits,
        "mean_width": float(widths.width.mean()),
        "median_width": float(widths.width.median()),
        "mean_width_inside": widths.inside,
        "passes": [dict(zip(names, one, strict=True)) for one in widths.passes],
        "width": widths.width.tolist(),
    }
