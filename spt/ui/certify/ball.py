"""The ball of one sample of a cell on the page "Certify": its centre, the farthest image found in it, and what its radius is made
of, pixel by pixel and with more splits. Nothing of it is computed until it is opened."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from spt.certificates import CellsCertificate, rounded_up
from spt.defences.proving_defence import at_least_radius
from spt.error_bounds.anatomy import BallAnatomy, ball_anatomy
from spt.figures import errors as figures
from spt.figures.cells import bounds_in_words
from spt.progress import Progress
from spt.recomputation import SAME_RADIUS
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.run import CertifySlots
from spt.ui.shared import background, pixel_grid, state
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.pixel_grid import Picture, Reading
from spt.ui.shared.rounding import at_least
from spt.ui.shared.session import CurrentRun, Key, PageRun, SessionResults
from spt.ui.shared.signed import SCALE, signed

LARGE = 3 * 64 * 64
"""Image values from which a ball takes seconds."""
SAMPLES, LARGE_SAMPLES = 129, 25
"""Gammas of the cell that are tried."""
SPLITS, SPLITS_ALONG_AXES = (1, 2, 4, 8, 16, 32), (1, 2, 4)
SHARE = 10_000
"""Pixels are read in parts of the radius of which so many are all of it."""
ANATOMIES = SessionResults("certify_anatomies", 32)


@dataclass(frozen=True)
class ChosenBall:
    """One sample of a certificate: ``number`` of its cell and ``sample`` in it, from 0, and ``place`` among all samples."""

    certificate: CellsCertificate
    number: int
    sample: int

    @property
    def place(self) -> int:
        """Its place among all samples of the certificate."""
        return self.certificate.tested()[self.number].samples.start + self.sample

    @property
    def point(self) -> tuple[float, ...]:
        """b′."""
        return self.certificate.points[self.place]

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """The cell."""
        return self.certificate.cells[self.number]


def choose(certificate: CellsCertificate, number: int) -> ChosenBall | None:
    """Draw the controls; the sample whose ball is to be opened. At first it is the one with the largest ball."""
    samples, passed = certificate.tested()[number].samples, certificate.passed()
    largest = max(samples, key=lambda place: certificate.radii[place]) - samples.start

    def words(choice: str) -> str:
        place = samples.start + int(choice) - 1
        where = ", ".join(f"{value:.4g}".replace("-", "−") for value in certificate.points[place])
        outcome = "passed" if passed[place] else "did not pass"
        return f"{choice}: b′ = {where} {certificate.unit}, radius {rounded_up(certificate.radii[place])}, {outcome}"

    left, right = st.columns([1.5, 1], vertical_alignment="bottom")
    chosen = state.select(
        "Sample of this cell",
        [str(each + 1) for each in range(len(samples))],
        str(largest + 1),
        key="cell_sample",
        words=words,
        help="At first the one with the largest ball.",
        where=left,
    )
    opened = state.switch(
        "Open its ball",
        key="ball",
        help="Its centre, the farthest image found in it, and where its radius comes from, pixel by pixel.",
        where=right,
    )
    return ChosenBall(certificate, number, int(chosen) - 1) if opened else None


# ------------------------------------------------------------------------------------------------------------- computing


def _compute(request: CertifyRequest, chosen: ChosenBall, splits: int | None, progress: Progress) -> BallAnatomy:
    return ball_anatomy(
        request.in_cells.attacked(request.subject.image),
        torch.tensor(chosen.bounds, dtype=torch.float64),
        torch.tensor(chosen.point, dtype=torch.float64),
        splits=splits,
        samples=LARGE_SAMPLES if _is_large(request) else SAMPLES,
        progress=progress,
    )


def _key(request: CertifyRequest, chosen: ChosenBall, splits: int | None) -> Key:
    return (*request.key, chosen.bounds, chosen.point, splits)


def _is_large(request: CertifyRequest) -> bool:
    return request.subject.image.numel() > LARGE


def _anatomy(request: CertifyRequest, chosen: ChosenBall, splits: int | None = None) -> BallAnatomy:
    """The ball taken apart, in the background the first time; any control ends this."""

    def compute(progress: Progress) -> BallAnatomy:
        return _compute(request, chosen, splits, progress)

    def found() -> Any:
        lane = "long" if _is_large(request) else "short"
        with heavy_work(lane, "ball taken apart", transform=request.transform.name):  # type: ignore[arg-type]
            return background.in_background(compute, "Taking the ball apart")

    anatomy: BallAnatomy = ANATOMIES.once(_key(request, chosen, splits), found)
    return anatomy


def _close() -> None:
    state.set(ball=False)


# --------------------------------------------------------------------------------------------------------------- drawing


def area(request: CertifyRequest, chosen: ChosenBall, slots: CertifySlots) -> None:
    """Draw it."""
    with slots.ball.container():
        st.subheader(f"The ball of sample {chosen.sample + 1} of cell {chosen.number + 1}", anchor=False)
        stop = st.empty()
        if _is_large(request) and _key(request, chosen, None) not in ANATOMIES:
            stop.button("Stop", key="ball_stop", icon=":material/stop_circle:", on_click=_close)
        anatomy = _anatomy(request, chosen)
        stop.empty()
        _say_what_differs(chosen, anatomy)
        st.markdown(in_words(request, chosen, anatomy))
        pixel_grid.show("certify_ball", _pictures(request, anatomy))
        st.caption(
            "After P, as the classifier gets them. The radius is shared among pixels by the squares of how far they can be apart, "
            "and in each pixel among its parts: all shares of the three maps together are the radius, but for "
            f"{_percent(anatomy.precision / _whole(anatomy))} for finite precision. *What moves*: the curve through the cell, with "
            "grey levels where rounding is known; *remainder*: what the bound allows for between two places on it; *rounding*: "
            "grey levels that are not known. The farthest image is sampled; what is proved is the radius."
        )
        _splits_area(request, chosen, anatomy)


def _say_what_differs(chosen: ChosenBall, anatomy: BallAnatomy) -> None:
    """Alarms: something outside of the ball, or another radius than the certificate's."""
    recorded = chosen.certificate.radii[chosen.place]
    [here] = at_least_radius(np.array([anatomy.rounding]), np.array([anatomy.radius])).tolist()
    if anatomy.violated or anatomy.sampled > recorded:
        st.error(
            f"ALARM: an image at distance {anatomy.sampled!r} from the centre was found, outside of the ball, {recorded!r}. "
            "This must not happen: please report it with the link of this page.",
            icon=":material/emergency_home:",
        )
    if abs(here - recorded) > SAME_RADIUS * recorded:
        st.warning(
            f"The certificate says {recorded!r}, but here the radius is {here!r}: *Check again* below says what else differs.",
            icon=":material/warning:",
        )


def in_words(request: CertifyRequest, chosen: ChosenBall, anatomy: BallAnatomy) -> str:
    """What dominates, where it is decided, and how near to the radius something was found; for Markdown."""
    whole = _whole(anatomy)
    names = ("what really moves", "what the remainder allows for", "rounding to 8 bits that is not known")
    shares = sorted(zip((part / whole for part in anatomy.parts), names, strict=True), reverse=True)
    made = ", ".join(f"**{_percent(share)}** is {name}" for share, name in shares if share > 0)
    unit, splits = chosen.certificate.unit, anatomy.splits
    pieces = f"one of its {splits:,} pieces" if splits > 1 else "it is one piece"
    box = tuple((float(low), float(high)) for low, high in anatomy.box)
    where, point = (request.transform.describe(each) for each in (anatomy.gamma, chosen.point))
    return (
        f":blue-badge[PROVED] At b′ = {point.removeprefix('angle ')} all that can be shown for this cell is within "
        f"**r = {rounded_up(chosen.certificate.radii[chosen.place])}** of the centre: {made or 'nothing moves'}. "
        f"It is decided on {bounds_in_words(box, unit)} of the cell ({pieces}).  \n"
        f":gray-badge[SAMPLED] The farthest image found is at distance **{at_least(anatomy.sampled)}**, "
        f"{_percent(anatomy.sampled / whole)} of r, at {where}."
    )


def _whole(anatomy: BallAnatomy) -> float:
    """The radius to divide by: of a black image it is 0."""
    return anatomy.radius or 1.0


def _percent(share: float) -> str:
    return "less than 0.1 %" if 0 < share < 0.001 else f"{100 * share:.3g} %"


def _pictures(request: CertifyRequest, anatomy: BallAnatomy) -> list[Picture]:
    where, whole = request.transform.describe(anatomy.gamma), _whole(anatomy)
    maps = [part.sum(dim=0, keepdim=True) / whole for part in _maps(anatomy)]
    scale = max(float(each.max()) for each in maps) or 1.0
    named = zip(("what moves", "remainder", "rounding"), maps, anatomy.parts, strict=True)
    return [
        Picture(anatomy.centre, "centre of the ball", "The image in the centre of the ball."),
        Picture(anatomy.farthest, f"farthest found: {where}", f"The image at {where}, the farthest found in the ball."),
        signed(
            anatomy.farthest - anatomy.centre, f"farthest less centre (red: +{SCALE:g})", "Their signed difference."
        ),
        *(
            Picture(
                figures.unsigned_picture(each.numpy(), scale),
                f"{name}: {_percent(part / whole)} of r (yellow: {_percent(scale)} in a pixel)",
                f"Share of the radius of every pixel: {name}.",
                Reading(f"{name}, in 1/{SHARE:,} of r:", SHARE * each),
            )
            for name, each, part in named
        ),
    ]


def _maps(anatomy: BallAnatomy) -> tuple[Tensor, Tensor, Tensor]:
    return anatomy.moving, anatomy.remainder, anatomy.open_rounding


# ------------------------------------------------------------------------------------------------------- with more splits

SHRINKING = CurrentRun("certify_ball_splits", PageRun)


def _start(key: Key) -> None:
    SHRINKING.put(PageRun(key))


def _splits_area(request: CertifyRequest, chosen: ChosenBall, anatomy: BallAnatomy) -> None:
    """How the radius shrinks as the cell is cut into more pieces: on demand, one number of splits after the other."""
    key = _key(request, chosen, None)
    left, right = st.columns([1, 2.4], vertical_alignment="center")
    button, chart, working = left.empty(), st.empty(), st.container()
    run = SHRINKING.of(key)
    numbers = SPLITS if request.transform.dimensions == 1 else SPLITS_ALONG_AXES
    said = right.empty()
    said.caption(
        f"The certificate’s ball has {anatomy.splits:,} piece{'s' if anatomy.splits > 1 else ''}: as many as pay. More of them "
        "leave less to the remainder; what moves, stays."
    )
    if run is None or run.status != "running":
        button.button(
            "Cut it finer",
            key="ball_splits",
            icon=":material/content_cut:",
            on_click=_start,
            args=(key,),
            disabled=run is not None and run.status == "done",
            width="stretch",
            help=f"The same ball with {', '.join(map(str, numbers))} splits.",
        )
    else:
        button.button(
            "Stop", key="ball_splits_stop", icon=":material/stop_circle:", on_click=SHRINKING.stop, width="stretch"
        )
    if run is None:
        return
    found: list[tuple[int, BallAnatomy]] = []
    for splits in numbers:
        if run.status != "running" and _key(request, chosen, splits) not in ANATOMIES:
            break
        with working:
            cut = _anatomy(request, chosen, splits)
        pieces = cut.splits if request.transform.dimensions == 1 else splits
        if not found or pieces > found[-1][0]:
            found.append((pieces, cut))
            _draw_splits(request, chart, found, anatomy)
            said.caption(
                f"With {anatomy.splits:,} pieces, as in the certificate, the radius is {rounded_up(anatomy.radius, 4)}; with "
                f"{cut.splits:,} it is {rounded_up(cut.radius, 4)}, of which the remainder is {rounded_up(cut.parts[1], 4)}. "
                "Dashed: the certificate’s number. Each has a centre of its own; no radius around it is below the farthest image."
            )
    if run.status == "running":
        run.status = "done"
        button.button(
            "Cut it finer", key="ball_splits_done", icon=":material/content_cut:", disabled=True, width="stretch"
        )


def _draw_splits(
    request: CertifyRequest, chart: Any, found: list[tuple[int, BallAnatomy]], anatomy: BallAnatomy
) -> None:
    one = request.transform.dimensions == 1
    at = np.array([pieces for pieces, _ in found], dtype=float)
    radii, sampled, allowed = (
        np.array(values)
        for values in (
            [cut.radius for _, cut in found],
            [cut.sampled for _, cut in found],
            [cut.parts[1] for _, cut in found],
        )
    )
    series = [
        figures.Series("radius (proved)", figures.CHORD, at, radii, proved=True, points=True),
        figures.Series("of it the remainder", figures.INTERVAL, at, allowed, proved=True, points=True),
        figures.Series("farthest found (sampled)", figures.SAMPLED, at, sampled, proved=False, points=True),
    ]
    specification = figures.lines_specification(
        series,
        "pieces of the cell" if one else "pieces of the cell along each axis",
        "distance",
        (float(at[0]), float(max(at[-1], 2 * at[0], anatomy.splits if one else 0))),
        1.1 * float(radii.max()) or 1.0,
        marked=float(anatomy.splits) if one else None,
        height=330,
        counts=[pieces for pieces, _ in found],
    )
    alt = (
        f"The radius with {int(at[0])} to {int(at[-1])} pieces: from {rounded_up(radii[0])} to {rounded_up(radii[-1])}."
    )
    chart.vega_lite_chart(pd.DataFrame(figures.series_rows(series)), specification, alt=alt)
