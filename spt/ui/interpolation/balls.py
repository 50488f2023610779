"""The area "per sample" of the page "Interpolation error": the set K(b'), its balls, and the radius profile over b'.

K(b') = {P A_{b'-gamma} A_gamma x : gamma in Gamma} is all that the classifier can be shown when a vote lands on b'.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
import torch

from spt.certificates import given
from spt.error_bounds import Search, find_centres, sample_bound
from spt.error_bounds.balls import gammas_for_centre
from spt.figures import errors as figures
from spt.progress import Progress, silent
from spt.ui.interpolation.request import InterpolationRequest, in_words
from spt.ui.interpolation.run import RESULTS
from spt.ui.shared import background, state
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.rounding import at_least, at_most
from spt.ui.shared.session import CurrentState, Key, SessionResults

CENTRES: tuple[Literal["shifted", "recentred"], ...] = ("shifted", "recentred")
COLOURS = {"shifted": figures.SHIFTED, "recentred": figures.RECENTRED}
CLOUD_POINTS, PROFILE_POINTS, DRAWN_SAMPLES = 121, 49, 500
TOLERANCE = 0.1
SEED = 0
PROVED = SessionResults("proved_clouds", 64)
FIGURES = SessionResults("plane_figures", 2)


def _key(request: InterpolationRequest) -> Key:
    """What decides K(b'): beta and gamma of the controls do not."""
    return (request.subject.sha256, request.transform.name, request.preprocessing, request.limits)


@dataclass(frozen=True, eq=False)
class Cloud:
    """Samples of K(b') in the plane of their principal axes (K, 2), their gammas (K, d), the share of their variance in
    that plane, and the shifted and the recentred ball."""

    points: np.ndarray
    gammas: np.ndarray
    share: float
    balls: tuple[figures.Ball, ...]


def _sample_cloud(request: InterpolationRequest, point: tuple[float, ...]) -> Cloud:
    transform, preprocessing = request.transform, request.preprocessing
    sample = torch.tensor([point], dtype=torch.float64)
    gammas = gammas_for_centre(transform, sample, request.attacked.box, CLOUD_POINTS)[0, :CLOUD_POINTS]
    shown = preprocessing(transform(transform(request.image, gammas), sample - gammas)).flatten(1)
    mean = shown.mean(dim=0)
    _, sizes, directions = torch.linalg.svd(shown - mean, full_matrices=False)
    directions = directions[:2]
    balls = []
    for centre in CENTRES:
        found, farthest = find_centres(request.attacked, sample, centre=centre)
        distance = max(float(farthest[0]), float((shown - found[0].flatten()).norm(dim=1).max()))
        where = ((found[0].flatten() - mean) @ directions.T).numpy()
        balls.append(figures.Ball(centre, COLOURS[centre], where, distance, None))
    squares = sizes.square()
    share = float(squares[:2].sum() / squares.sum().clamp(min=1e-300))
    return Cloud(((shown - mean) @ directions.T).numpy(), gammas.numpy(), share, tuple(balls))


@st.cache_data(show_spinner=False, max_entries=64)
def _cloud(key: Key, point: tuple[float, ...], _request: InterpolationRequest) -> Cloud:
    return _sample_cloud(_request, point)


def _radius(
    request: InterpolationRequest,
    point: torch.Tensor,
    centre: Literal["shifted", "recentred"],
    touch: Callable[[], object],
) -> float:
    """A proved radius of K(b') at one b', (1, d), around the centre that `find_centres` finds.

    ``touch`` is called often while computing: a Streamlit call there lets a new run take over.
    """

    def progress(items: Iterable[Any], desc: str = "", total: int | None = None) -> Iterator[Any]:
        for item in items:
            touch()
            yield item

    def compute(progress: Progress) -> float:
        search = Search(tolerance=TOLERANCE)
        bound = sample_bound(request.attacked, point, centre=centre, search=search, progress=progress)
        return float(bound.values[0])

    if request.large:
        where = in_words(request, point[0].tolist())
        return background.in_background(compute, f"Proving the {centre} radius at b′ = {where}")
    return compute(progress)


def cloud(request: InterpolationRequest, point: tuple[float, ...]) -> Cloud:
    """K(b') at one b', with sampled radii only."""
    if request.large:
        found: Cloud = RESULTS.in_background(
            ("cloud", *_key(request), point), lambda progress: _sample_cloud(request, point), "Sampling K(b′)"
        )
        return found
    return _cloud(_key(request), point, request)


def proved_cloud(request: InterpolationRequest, point: tuple[float, ...], touch: Callable[[], object]) -> Cloud:
    """K(b') at one b', with its proved radii, which take longer and are kept in the session."""
    sample = torch.tensor([point], dtype=torch.float64)
    radii = PROVED.once(
        (_key(request), point), lambda: tuple(_radius(request, sample, centre, touch) for centre in CENTRES)
    )
    found = cloud(request, point)
    balls = tuple(replace(ball, proved=radius) for ball, radius in zip(found.balls, radii, strict=True))
    return replace(found, balls=balls)


def is_known(request: InterpolationRequest, point: tuple[float, ...]) -> bool:
    """Whether the balls at one b' have been proved."""
    return (_key(request), point) in PROVED


def profile_is_known(request: InterpolationRequest, point: tuple[float, ...]) -> bool:
    """Whether the sampled profile is there at once."""
    return not request.large or ("profile", *_key(request), point[1:], request.sigma) in RESULTS


def known_cloud(request: InterpolationRequest, point: tuple[float, ...]) -> Cloud:
    """K(b') at one b' with its proved radii, if these are known, else with sampled ones only."""
    return proved_cloud(request, point, lambda: None) if is_known(request, point) else cloud(request, point)


def proved_profile(request: InterpolationRequest, point: tuple[float, ...]) -> dict[str, list[float]]:
    """The radii along `profile_points` that have been proved so far, shifted and recentred."""
    return _profile(request, point).proved


def profile_points(request: InterpolationRequest, point: tuple[float, ...]) -> torch.Tensor:
    """b' along the first parameter over ±3 sigma (the others as chosen), (PROFILE_POINTS, d)."""
    reach = 3 * request.sigma
    axis = torch.linspace(-reach, reach, PROFILE_POINTS, dtype=torch.float64)
    points = torch.tensor([point], dtype=torch.float64).repeat(PROFILE_POINTS, 1)
    points[:, 0] = axis
    return points


def _sample_profile(
    request: InterpolationRequest, others: tuple[float, ...], progress: Progress = silent, portion: int = PROFILE_POINTS
) -> dict[str, np.ndarray]:
    points = torch.split(profile_points(request, (0.0, *others)), portion)
    found: dict[str, list[np.ndarray]] = {centre: [] for centre in CENTRES}
    for part in progress(points, total=len(points)):
        for centre in CENTRES:
            _, radii = find_centres(request.attacked, part, centre=centre)
            found[centre].append(radii.numpy())
    return {centre: np.concatenate(parts) for centre, parts in found.items()}


@st.cache_data(show_spinner="Sampling the profile …", max_entries=32)
def _sampled_profile(
    key: Key, others: tuple[float, ...], sigma: float, _request: InterpolationRequest
) -> dict[str, np.ndarray]:
    return _sample_profile(_request, others)


def sampled_profile(request: InterpolationRequest, point: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Sampled radii (lower bounds) along `profile_points`, shifted and recentred."""
    if request.large:
        found: dict[str, np.ndarray] = RESULTS.in_background(
            ("profile", *_key(request), point[1:], request.sigma),
            lambda progress: _sample_profile(request, point[1:], progress, portion=1),
            "Sampling the radius over b′",
        )
        return found
    return _sampled_profile(_key(request), point[1:], request.sigma, request)


@dataclass
class Profile:
    """The state of the live proof of the profile, kept in the session: radii proved so far, by centre."""

    key: Key
    proved: dict[str, list[float]]
    running: bool = False

    @property
    def done(self) -> bool:
        """Whether all radii are proved."""
        return all(len(radii) == PROFILE_POINTS for radii in self.proved.values())


PROFILE = CurrentState("radius_profile", Profile)


def _profile(request: InterpolationRequest, point: tuple[float, ...]) -> Profile:
    key = (*_key(request), point[1:], request.sigma)
    return PROFILE.of(key) or PROFILE.put(Profile(key, {centre: [] for centre in CENTRES}))


def _set_running(profile: Profile, running: bool) -> None:
    profile.running = running


def area(request: InterpolationRequest) -> tuple[tuple[float, ...], Callable[[], None]]:
    """Controls for b', the set K(b') in a plane, and the profile over b'; returns b', and what goes on proving."""
    st.subheader("Better: one ball for each vote b′ = β + γ", anchor=False)
    st.caption(
        "A vote at b′ may be shown any image of K(b′). Certify f at a **centre** with a radius that covers K(b′), and no "
        "global E is needed. The image at γ = 0 (shifted) lies at the rim; a centre in the middle nearly halves the radius."
    )
    point = _choose_point(request)
    if request.large and not state.switch("Compute balls for this large image (slow)", key="large_balls"):
        return point, lambda: None
    left, right = st.columns(2, gap="large")
    with left:
        finish_plane = _plane_area(request, point)
    with right:
        finish_profile = _profile_area(request, point)

    def finish() -> None:
        finish_plane()
        finish_profile()

    return point, finish


def _choose_point(request: InterpolationRequest) -> tuple[float, ...]:
    columns = st.columns(2 if not request.rotates else [1, 1])
    if request.rotates:
        limits = [("sample", "Landing point b′", 120.0, 20.0, 1.0)]
    else:
        limits = [
            ("sample_dx", "Landing point b′₁, to the right", 6.0, 0.3, 0.05),
            ("sample_dy", "Landing point b′₂, down", 6.0, 0.7, 0.05),
        ]
    return tuple(
        state.slider(
            f"{label}, in {request.transform.unit}",
            -limit,
            limit,
            value,
            step,
            key=key,
            help="Where the vote lands: the sum of the attacker's γ and the vote's β.",
            where=column,
        )
        for column, (key, label, limit, value, step) in zip(columns, limits, strict=False)
    )


def _plane_area(request: InterpolationRequest, point: tuple[float, ...]) -> Callable[[], None]:
    """Draw K(b') with what is known; returns what proves and draws the rest."""
    numbers, chart, note, working = st.empty(), st.empty(), st.empty(), st.empty()

    def draw(found: Cloud) -> None:
        lines = [f"**K(b′) at b′ = {in_words(request, point)}**", *map(_ball_in_words, found.balls)]
        numbers.markdown("  \n".join(lines))
        figure = _plane(request, point, found)
        alt = f"K(b′) in the plane of its principal axes. {' '.join(map(_ball_in_words, found.balls))}"
        chart.plotly_chart(figure, alt=alt)

    def write_note() -> None:
        found = cloud(request, point)
        note.caption(
            f"{len(found.points)} samples of K(b′) in the plane of their first two principal axes ({found.share:.0%} of "
            "their variance). Crosses: centres. Solid: proved radius; dotted: largest sampled distance."
        )

    write_note()
    if is_known(request, point):
        draw(proved_cloud(request, point, write_note))
        return lambda: None
    draw(cloud(request, point))

    def finish() -> None:
        with working.container(), heavy_work("short", "balls of a sample", transform=request.transform.name):
            found = proved_cloud(request, point, write_note)
        draw(found)

    return finish


def _plane(request: InterpolationRequest, point: tuple[float, ...], found: Cloud) -> go.Figure:
    """K(b') in its plane; the last figures are kept, as gamma and beta of the controls do not change them."""

    def draw() -> go.Figure:
        colours = found.gammas[:, 0] if request.rotates else np.hypot(found.gammas[:, 0], found.gammas[:, 1])
        title = "attack γ, in °" if request.rotates else "size of the attack |γ|, in px"
        return figures.plane(found.points, colours, title, found.balls, line=request.rotates)

    return FIGURES.once((_key(request), point, tuple(ball.proved for ball in found.balls)), draw)


def _ball_in_words(ball: figures.Ball) -> str:
    if ball.proved is None:
        return f"**{ball.name}**: {at_least(ball.sampled)} ≤ radius :gray-badge[SAMPLED] proving …"
    return f"**{ball.name}**: {at_least(ball.sampled)} ≤ radius ≤ **{at_most(ball.proved)}** :blue-badge[PROVED]"


def _profile_area(request: InterpolationRequest, point: tuple[float, ...]) -> Callable[[], None]:
    """Draw the profile with what is known; returns what goes on proving it."""
    if request.large and not state.switch("Radius over b′ as well (a minute)", key="large_profile"):
        return lambda: None
    profile = _profile(request, point)
    where = profile_points(request, point)[:, 0].numpy()
    sampled = sampled_profile(request, point)
    reach = (float(where[0]), float(where[-1]))
    most = 1.3 * max(float(radii.max()) for radii in sampled.values()) or 1.0
    generator = torch.Generator().manual_seed(SEED)
    votes = request.transform.sample(DRAWN_SAMPLES, request.sigma, generator)[:, 0].numpy()
    bars = figures.histogram_bars(votes, reach, 0.45 * most)
    unit, name = request.transform.unit, "landing point b′" if request.rotates else "landing point b′₁"
    st.markdown(f"**Radius over {name}**, and where {DRAWN_SAMPLES} votes land (σ_γ = {given(request.sigma, unit)})")
    chart, button, progress, working = st.empty(), st.empty(), st.empty(), st.empty()
    marked = point[0] if reach[0] <= point[0] <= reach[1] else None

    def draw() -> None:
        series = profile_series(where, sampled, profile.proved)
        specification = figures.lines_specification(
            series, f"{name}, in {unit}", "radius of K(b′)", reach, most, marked, bars, height=380
        )
        alt = (
            f"Radius over b′: shifted up to {sampled['shifted'].max():.3g}, recentred {sampled['recentred'].max():.3g}."
        )
        chart.vega_lite_chart(pd.DataFrame(figures.series_rows(series)), specification, alt=alt)

    def standing() -> None:
        button.button(
            "Prove these radii",
            key="prove_profile",
            icon=":material/verified:",
            on_click=_set_running,
            args=(profile, True),
            disabled=profile.done,
        )
        if profile.done:
            medians = ", ".join(f"{name} {at_most(float(np.median(r)))}" for name, r in profile.proved.items())
            progress.caption(f"All {PROFILE_POINTS} radii are proved. Median over the range: {medians}.")
        else:
            progress.caption("Dotted: sampled, a lower bound of each radius. Grey bars: the votes.")

    draw()
    if not profile.running:
        standing()
        return lambda: None
    button.button(
        "Stop", key="stop_profile", icon=":material/stop_circle:", on_click=_set_running, args=(profile, False)
    )

    def finish() -> None:
        try:
            with heavy_work("long", "balls", place=progress):
                _prove(request, point, profile, draw, progress, working)
        except Exception:  # the page says it; it is not to begin again by itself
            profile.running = False
            raise
        profile.running = False
        standing()

    return finish


def _prove(
    request: InterpolationRequest,
    point: tuple[float, ...],
    profile: Profile,
    draw: Callable[[], None],
    progress: Any,
    working: Any,
) -> None:
    points = profile_points(request, point)

    def touch() -> None:
        done = len(profile.proved["recentred"])
        progress.progress(done / PROFILE_POINTS, text=f"{done} of {PROFILE_POINTS} values of b′ proved")

    while not profile.done:
        for centre in CENTRES:
            index = len(profile.proved[centre])
            if index < PROFILE_POINTS:
                with working.container():
                    radius = _radius(request, points[index : index + 1], centre, touch)
                if len(profile.proved[centre]) == index:  # else another run of the script was faster
                    profile.proved[centre].append(radius)
        touch()
        draw()


def profile_series(
    where: np.ndarray, sampled: dict[str, np.ndarray], proved: dict[str, list[float]]
) -> list[figures.Series]:
    """Sampled radii, and the proved ones as far as they go."""
    series = []
    for centre in CENTRES:
        radii = np.array(proved[centre])
        if len(radii):
            series.append(
                figures.Series(f"{centre} (proved)", COLOURS[centre], where[: len(radii)], radii, proved=True)
            )
        series.append(figures.Series(f"{centre} (sampled)", COLOURS[centre], where, sampled[centre], proved=False))
    return series
