"""The area "Can the bounds be broken?" of the page "Interpolation error": an attack on each bound that the page shows."""

from dataclasses import dataclass
from functools import partial

import streamlit as st
import torch
from torch import Tensor

from spt.error_bounds import Nearest, error_norms, search_for_violation
from spt.progress import Progress
from spt.ui.interpolation import bounds, refinement, run
from spt.ui.interpolation.request import InterpolationRequest
from spt.ui.interpolation.run import RESULTS
from spt.ui.shared.rounding import at_least, at_most
from spt.ui.shared.session import Key


@dataclass(frozen=True, eq=False)
class StandingBound:
    """A bound as it stands: its name and colour on the page, its splits (S, d, 2) and the bound of each, (S,)."""

    name: str
    colour: str
    splits: Tensor
    values: Tensor


def standing(request: InterpolationRequest) -> list[StandingBound]:
    """The bounds that are proved by now."""
    if request.rotates:
        live = refinement.current(request)
        known = (("interval", "orange", live.interval.known), ("chord", "blue", live.chord.known))
        return [
            StandingBound(name, colour, torch.from_numpy(each.splits)[:, None], torch.from_numpy(each.values))
            for name, colour, each in known
            if len(each.values)
        ]
    found = []
    if (interval := run.known_interval(request)) is not None:
        found.append(StandingBound("interval", "orange", interval.splits[0], interval.split_values[0]))
    if (exact := run.known_vertices(request)) is not None:
        found.append(StandingBound("vertices, exact", "blue", request.attacked.box[None], exact.values[:1]))
    return found


def search(request: InterpolationRequest, bounded: StandingBound, progress: Progress) -> Nearest:
    """The attack on one bound."""
    beta = torch.tensor([request.beta], dtype=torch.float64)

    def norms(gammas: Tensor) -> Tensor:
        return error_norms(request.image, request.transform, request.preprocessing, beta.expand_as(gammas), gammas)

    samples, climbs = (2, 4) if request.large else (8, 24)
    return search_for_violation(
        norms, bounded.splits, bounded.values, samples=samples, climbs=climbs, progress=progress
    )


def _key(request: InterpolationRequest, bounded: StandingBound) -> Key:
    return ("violation", *request.key, bounded.name, len(bounded.values), float(bounded.values.sum()))


def area(request: InterpolationRequest) -> None:
    """Draw it. Bounds that are refined further are attacked anew."""
    st.subheader("Can a bound be broken?", anchor=False)
    left, right = st.columns([1, 2.2], vertical_alignment="center")
    asked = left.button(
        "Search for a violation",
        key="search_violation",
        icon=":material/bolt:",
        width="stretch",
        help="Samples γ in every split, then climbs from where the error is nearest to its bound. One error above its bound would "
        "show that the bound is wrong; finding none proves nothing, the bounds do.",
    )
    attacked = standing(request)
    if not attacked:
        right.caption("Nothing is proved yet: there is no bound to attack.")
        return
    if asked:
        for each in attacked:
            label = f"Searching for an error above the {each.name} bound"
            RESULTS.in_background(_key(request, each), partial(search, request, each), label)
    lines = []
    nearest: Nearest | None = None
    for each in attacked:
        found: Nearest | None = RESULTS.get(_key(request, each))
        if found is not None:
            lines.append(in_words(request, each, found))
            nearest = found if nearest is None or found.share > nearest.share else nearest
    if nearest is None:
        right.caption("Every split has its own bound. The search attacks each of them, as they stand now.")
        return
    right.markdown("  \n".join(lines))
    left.button(
        "Go to the nearest",
        key="to_nearest",
        icon=":material/my_location:",
        width="stretch",
        on_click=bounds.go_to,
        args=(request, nearest.gamma.tolist()),
    )


def in_words(request: InterpolationRequest, bounded: StandingBound, found: Nearest) -> str:
    """What an attack has found."""
    where = request.transform.describe(found.gamma)
    splits = f"{len(bounded.values)} split{'s' if len(bounded.values) > 1 else ''}"
    if found.violated:
        return (
            f":red-badge[VIOLATED: {bounded.name}] ‖e‖ = **{found.value!r}** at {where} is above the bound "
            f"**{found.bound!r}** of its split. This must not happen: please report it with the link of this page."
        )
    share = f"{100 * found.share:.4g} %" if found.share < 0.99995 else "99.99 % or more"
    return (
        f":{bounded.colour}-badge[{bounded.name}] nearest at {where}: ‖e‖ ≥ **{at_least(found.value)}** where ≤ "
        f"**{at_most(found.bound)}** is proved, {share} of the bound ({splits}, {found.tried:,} γ tried). No violation found."
    )
