"""One cell of a certificate on the page "Certify": where it is, its samples and their votes, and why it was proved or not."""

import math

import pandas as pd
import streamlit as st

from spt.certificates import CellsCertificate, SettledCell, given, rounded_down, rounded_up
from spt.figures import cells as figures
from spt.figures.certificates import samples_specification
from spt.ui.certify import ball
from spt.ui.certify.attack import received
from spt.ui.certify.cells_conclusion import failed_first
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.run import CertifySlots
from spt.ui.shared import pixel_grid, state
from spt.ui.shared.pixel_grid import Picture, Warp
from spt.ui.shared.values import Choice, Switch

MOST_LINKED = 1000
"""Cells that an address can name before there is a certificate."""


def keep_choice() -> None:
    """Where there is no certificate, and none is being made: what the address says of the cell and its sample stays as it is."""
    kind = Choice(tuple(map(str, range(1, MOST_LINKED + 1))))
    for name in ("cell", "cell_sample"):
        state.keep(name, kind, "1", state.value_of(name, kind, "1"))
    state.keep("ball", Switch(), False, state.value_of("ball", Switch(), False))


def choose(certificate: CellsCertificate) -> int:
    """Draw the control, and give the number of the cell, from 0; at first the one that ends the radius."""
    found, failed = figures.kinds(certificate), failed_first(certificate)

    def words(number: str) -> str:
        index = int(number) - 1
        return f"{number}: {figures.place_in_words(certificate, certificate.cells[index])}, {found[index]}"

    chosen = state.select(
        "Cell, in the order of testing (or click one above)",
        [str(number) for number in range(1, len(found) + 1)],
        "1" if failed is None else str(failed + 1),
        key="cell",
        words=words,
        help="A click on a cell of the dial chooses it, too.",
    )
    return int(chosen) - 1


def area(request: CertifyRequest, certificate: CellsCertificate, slots: CertifySlots) -> ball.ChosenBall | None:
    """Draw the controls, and all that is known of the cell; returns the ball that is to be opened."""
    opened = None
    with slots.chart.container():
        number = choose(certificate)
        cell = certificate.tested()[number]
        left, right = st.columns([1.0, 2.2], gap="small")
        with left:
            _show_centre(request, certificate, cell)
        with right:
            st.markdown(outcome(certificate, number))
        if certificate.parameter_sigma > 0:
            _show_samples(request, certificate, number, cell)
            opened = ball.choose(certificate, number)
        st.caption(numbers(certificate, cell))
    return opened


def _show_centre(request: CertifyRequest, certificate: CellsCertificate, cell: SettledCell) -> None:
    """The image that the attacker hands over in the middle of the cell."""
    point = tuple((low + high) / 2 for low, high in cell.bounds)
    where = request.transform.describe(point)
    shown = Picture(
        received(request, point),
        f"at the cell’s centre: {where}",
        f"The image at {where}.",
        warps=(Warp(request.transform.name, point),),
    )
    pixel_grid.show("certify_cell", [shown])


def _show_samples(request: CertifyRequest, certificate: CellsCertificate, number: int, cell: SettledCell) -> None:
    rows = figures.cell_rows(certificate, number)
    farthest = max(abs(value) for place in cell.samples for value in certificate.points[place])
    specification = samples_specification(
        request.transform.dimensions,
        request.transform.unit,
        certificate.parameter_sigma,
        max(row["radius"] for row in rows),
        farthest,
        300,
    )
    alt = f"The {len(rows)} samples b′ of cell {number + 1} with their error radii; {cell.passes} passed their inner test."
    st.vega_lite_chart(pd.DataFrame(rows), specification, alt=alt)


# --------------------------------------------------------------------------------------------------------------------- words


def outcome(certificate: CellsCertificate, number: int) -> str:
    """Why the cell was proved or not, for Markdown."""
    cell, kind = certificate.tested()[number], figures.kinds(certificate)[number]
    if certificate.parameter_sigma == 0:
        return _outcome_of_one(certificate, number, kind)
    passed = f"**{cell.passes}** of {len(cell.samples)} samples pass"
    needed = 100 * certificate.rules.outer_test(cell.level).p0  # percent
    if cell.accepted:
        badge = ":green-badge[proved]" if kind == figures.PROVED else ":green-badge[holds pointwise]"
        rest = (
            "It is part of what the radius rests on."
            if kind == figures.PROVED
            else "It lies beyond the radius, so this is said of each γ in it by itself, not of all together."
        )
        shown = f"that shows that more than {rounded_down(needed)} % do"
        return f"{badge} {passed}: {shown}, and so g answers the same on the whole cell. {rest}"
    pieces = 2 ** len(cell.bounds)
    badge, rest = (
        (":gray-badge[undecided: bisected]", f" It was cut into {pieces} pieces, which get samples of their own.")
        if kind == figures.CUT
        else (":orange-badge[failed]", " It is as narrow as cells get, so nothing beyond it is part of the radius.")
        if number == failed_first(certificate)
        else (":orange-badge[failed]", " It is as narrow as cells get.")
    )
    return f"{badge} {passed}, and it is not shown that more than {rounded_up(needed)} % do. {_why(certificate, cell)}{rest}"


def _outcome_of_one(certificate: CellsCertificate, number: int, kind: str) -> str:
    """`outcome` where nothing is smoothed over parameters: a cell has one ball, and its one test."""
    cell = certificate.tested()[number]
    [place] = cell.samples
    (votes, trials), radius = certificate.inner_votes[place], certificate.radii[place]
    needed, most = 100 * certificate.inner_test(radius).p0, certificate.largest_testable_radius()
    counted = f"**{votes:,}** of {trials:,} votes in the middle of its ball are for {certificate.class_names[certificate.selected]}"
    badges = {
        figures.PROVED: ":green-badge[proved]",
        figures.POINTWISE: ":green-badge[holds pointwise]",
        figures.CUT: ":gray-badge[undecided: bisected]",
        figures.FAILED: ":orange-badge[failed]",
    }
    if cell.accepted:
        return (
            f"{badges[kind]} {counted}: that shows that more than {rounded_down(needed)} % would be, and so the answer is the "
            "same on the whole ball."
        )
    if radius > most:
        votes_at_most = certificate.INNER_LOOKS[-1]
        why = f"the ball has radius {rounded_up(radius)}, and {votes_at_most} votes show nothing beyond {rounded_up(most)}"
    else:
        why = f"it is not shown that more than {rounded_up(needed)} % would be"
    rest = (
        f"It was cut into {2 ** len(cell.bounds)} pieces." if kind == figures.CUT else "It is as narrow as cells get."
    )
    return f"{badges[kind]} {counted}, and {why}. {rest}"


def _why(certificate: CellsCertificate, cell: SettledCell) -> str:
    """What became of the samples that do not pass."""
    passed, most = certificate.passed(), certificate.largest_testable_radius()
    failing = [place for place in cell.samples if not passed[place]]
    if not failing:
        return "They are too few."
    large = [place for place in failing if certificate.radii[place] > most]
    other = [
        place
        for place in failing
        if place not in large and 2 * certificate.inner_votes[place][0] <= certificate.inner_votes[place][1]
    ]
    near = [place for place in failing if place not in large and place not in other]
    votes, parts = certificate.INNER_LOOKS[-1], []
    if large:
        parts.append(
            f"{_radii(certificate, large)}, and no {votes} votes can show anything on a ball larger than {rounded_up(most)} "
            f"({len(large)} samples)"
        )
    if near:
        parts.append(f"{_radii(certificate, near)} and reach beyond what their votes show ({len(near)} samples)")
    if other:
        parts.append(f"in the middle of the balls most votes are for other classes ({len(other)} samples)")
    return f"Of the {len(failing)} that do not: {'; '.join(parts)}.".replace("(1 samples)", "(1 sample)")


def _radii(certificate: CellsCertificate, places: list[int]) -> str:
    radii = sorted(certificate.radii[place] for place in places)
    return f"the balls have radius {rounded_up(radii[len(radii) // 2])}" + (" in the middle" if len(radii) > 1 else "")


def numbers(certificate: CellsCertificate, cell: SettledCell) -> str:
    """The cell in numbers: width, bisections, q₀, the share needed, its balls."""
    rules, unit, sigma = certificate.rules, certificate.unit, certificate.parameter_sigma
    of = "one of the first cells" if cell.parent is None else f"a piece of cell {cell.parent + 1}"
    if sigma == 0:
        [place] = cell.samples
        return (
            f"{figures.place_in_words(certificate, cell.bounds)}, {of}, bisected {cell.level} of at most "
            f"{certificate.bisections} times. All that the classifier can be shown in it lies in one ball of radius "
            f"{rounded_up(certificate.radii[place])}, of which rounding to 8 bits makes {rounded_up(certificate.rounding[place])}."
        )
    reach = math.sqrt(rules.grid.dimensions) * certificate.limit / (certificate.first_cells << cell.level)
    half = given(float(rounded_up(reach, 4)), unit)
    q0 = rounded_up(rules.outer_test(cell.level).p0, 4)
    radii = [certificate.radii[place] for place in cell.samples]
    return (
        f"{figures.bounds_in_words(cell.bounds, unit)}, {of}, bisected {cell.level} of at most {certificate.bisections} times. "
        f"No γ in it is farther than w = {half} from its centre, around which its samples b′ are drawn; moving that far costs "
        "at most "
        f"q₀ = Φ(w/σ_γ) = Φ({half}/{given(sigma, unit)}) = {rounded_up(_q0(certificate, cell.level), 4)}, "
        f"with the inner tests’ level a′ = {certificate.inner_alpha:g} it is q₀ + a′(1 − q₀) = {q0}. Its balls have radius "
        f"{rounded_down(min(radii))} to {rounded_up(max(radii))}."
    )


def _q0(certificate: CellsCertificate, level: int) -> float:
    """Φ(w / σ_γ), as the test has it."""
    a, null = certificate.inner_alpha, certificate.rules.outer_test(level).p0
    return (null - a) / (1 - a)
