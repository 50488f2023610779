"""What the page "Interpolation error" shares: its figure, the numbers behind its figures with the settings that made them, as
JSON and CSV, and the command and the Python that compute the displayed bounds.

Numbers are exported as computed, not rounded as on the screen; each says whether it is sampled or proved.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from spt.experiments.files import json_text
from spt.figures.errors import Ball
from spt.ui.interpolation import balls, bounds, refinement, run
from spt.ui.interpolation.request import InterpolationRequest, in_words
from spt.ui.shared.csv_text import csv_text
from spt.ui.shared.exported_code import classifier_name, in_python, in_shell, what_lines_need
from spt.ui.shared.rounding import at_least, at_most
from spt.ui.shared.share import Shared, SharedFile, SharedPicture

COLUMNS = ("figure", "series", "kind", "from", "to", "from_dy", "to_dy", "value")
SAMPLED, PROVED = "sampled (at least)", "proved (at most)"
Row = dict[str, Any]


def settings(request: InterpolationRequest, point: tuple[float, ...]) -> dict[str, Any]:
    """Everything that decides the numbers, as plain values."""
    return {
        "image": request.subject.reference,
        "image_sha256": request.subject.sha256,
        "classifier": request.classifier.name,
        "transform": request.transform.name,
        "unit": request.transform.unit,
        "gamma": list(request.gamma),
        "beta": list(request.beta),
        "gamma_range": list(request.limits),
        "preprocessing": asdict(request.preprocessing),
        "splits": request.splits,
        "attacker": "exact",
        "smoothing_sigma": request.sigma,
        "b_prime": list(point),
        "drawn_samples": balls.DRAWN_SAMPLES,
        "seed": balls.SEED,
    }


@dataclass(frozen=True, eq=False)
class Numbers:
    """What is drawn now, and the settings that made it: nothing here changes any more, so a file can be written later.

    Attributes:
        error: ||e|| at gamma of the controls. axis, norms: sampled over Gamma. bounds: name, splits (M, d, 2) and proved
            values (M,). balls: those around K(b'). places, sampled, proved: the profile over b', by centre.
    """

    settings: dict[str, Any]
    gamma: tuple[float, ...]
    error: float
    axis: np.ndarray
    norms: np.ndarray
    bounds: tuple[tuple[str, np.ndarray, np.ndarray], ...]
    point: tuple[float, ...]
    balls: tuple[Ball, ...]
    places: np.ndarray
    sampled: dict[str, np.ndarray]
    proved: dict[str, list[float]]


def collect(request: InterpolationRequest, point: tuple[float, ...]) -> Numbers:
    """All numbers behind the figures that are known now."""
    axis, norms = run.sampled_norms(request)
    known = balls.known_cloud(request, point).balls if not request.large or balls.is_known(request, point) else ()
    with_profile = balls.profile_is_known(request, point)
    return Numbers(
        settings=settings(request, point),
        gamma=request.gamma,
        error=float(run.difference(request).after.norm()),
        axis=axis,
        norms=norms,
        bounds=tuple(_bounds(request)),
        point=point,
        balls=known,
        places=balls.profile_points(request, point).numpy(),
        sampled=balls.sampled_profile(request, point) if with_profile else {},
        proved={name: list(radii) for name, radii in balls.proved_profile(request, point).items()},
    )


def _bounds(request: InterpolationRequest) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    if request.rotates:
        state = refinement.current(request)
        for name, partition in (("interval", state.interval.known), ("chord", state.chord.known)):
            yield name, partition.splits[:, None], partition.values
        return
    for name, bound in (("vertices", run.known_vertices(request)), ("interval", run.known_interval(request))):
        if bound is not None:
            yield name, np.array([[request.limits] * 2]), bound.values.numpy()


def rows(numbers: Numbers) -> list[Row]:
    """One row for each number."""
    return [
        _row("images", "e at gamma", "exact", numbers.gamma, numbers.gamma, numbers.error),
        *_error_rows(numbers),
        *_ball_rows(numbers),
    ]


def _row(figure: str, series: str, kind: str, low: Sequence[float], high: Sequence[float], value: float) -> Row:
    """One number for parameters from ``low`` to ``high``."""
    ends = [low[0], high[0], *(low[1:] or ("",)), *(high[1:] or ("",))]
    return dict(zip(COLUMNS, (figure, series, kind, *ends, value), strict=True))


def _error_rows(numbers: Numbers) -> Iterator[Row]:
    figure, axis = "error over gamma", numbers.axis.tolist()
    for place, value in zip(product(axis, repeat=numbers.norms.ndim), numbers.norms.flatten().tolist(), strict=True):
        yield _row(figure, "sampled", SAMPLED, place, place, value)
    for name, splits, values in numbers.bounds:
        for split, value in zip(splits, values.tolist(), strict=True):
            yield _row(figure, name, PROVED, split[:, 0].tolist(), split[:, 1].tolist(), value)


def _ball_rows(numbers: Numbers) -> Iterator[Row]:
    for ball in numbers.balls:
        yield _row("K(b')", ball.name, SAMPLED, numbers.point, numbers.point, ball.sampled)
        if ball.proved is not None:
            yield _row("K(b')", ball.name, PROVED, numbers.point, numbers.point, ball.proved)
    places = numbers.places.tolist()
    for kind, found in ((SAMPLED, numbers.sampled), (PROVED, numbers.proved)):
        for name, radii in found.items():
            for place, radius in zip(places, radii, strict=False):  # those proved so far
                yield _row("radius over b'", name, kind, place, place, float(radius))


def as_json(numbers: Numbers) -> str:
    """Settings and numbers as JSON."""
    found = [{name: value for name, value in row.items() if value != ""} for row in rows(numbers)]
    return json_text({"settings": numbers.settings, "numbers": found}, indent=1)


def as_csv(numbers: Numbers) -> str:
    """The settings as lines that begin with #, then one line for each number."""
    return csv_text(numbers.settings, COLUMNS, (tuple(row.values()) for row in rows(numbers)))


def code(request: InterpolationRequest, point: tuple[float, ...]) -> str:
    """Python that prints the displayed numbers: e at gamma, bounds over Gamma on uniform splits, radii of K(b')."""
    load = in_python(request.subject.reference, str(tuple(request.image.shape)))
    arguments = f"attacked, {[request.beta]}"
    if request.rotates:
        bounds = ("interval_bound", "chord_bound")
        calls = [
            f"interval_bound({arguments}, splits={request.splits})",
            f"chord_bound({arguments}, splits={request.splits}, search=Search(tolerance=None))",
        ]
    else:
        bounds = ("interval_bound", "vertex_bound")
        calls = [f"interval_bound({arguments}, splits={request.splits})", f"vertex_bound({arguments})"]
    gamma, beta = (f"torch.tensor([{list(values)}], dtype=torch.float64)" for values in (request.gamma, request.beta))
    lines = [
        *load.before,
        "import torch",
        "",
        f"from spt import AttackedImage, Preprocessing, get_transform, {load.imports}",
        f"from spt.error_bounds import Search, {', '.join(sorted(('interpolation_error', 'sample_bound', *bounds)))}",
        "",
        f"image = {load.expression}.double()",
        f"transform = get_transform({request.transform.name!r})",
        f"preprocessing = {request.preprocessing!r}",
        f"attacked = AttackedImage(image, transform, preprocessing, {request.limits})",
        f"error = interpolation_error(image, transform, preprocessing, {beta}, {gamma})[0]",
        'print("e at gamma:", float(error.norm()))',
        *(f'print("{call.partition("(")[0]}:", float({call}.values))' for call in calls),
        'for centre in ("shifted", "recentred"):',
        f"    ball = sample_bound(attacked, {[point]}, centre=centre, search=Search(tolerance={balls.TOLERANCE}))",
        '    print(f"radius of K(b\'), {centre}:", float(ball.values))',
    ]
    return "\n".join(lines)


def shared(request: InterpolationRequest, point: tuple[float, ...]) -> Shared:
    """All of it, with what is proved by now."""
    numbers = collect(request, point)
    low, high = request.limits
    of = (
        f"{request.subject.caption}, β = {in_words(request, request.beta)}, "
        f"γ from {low:g} to {high:g}{'°' if request.rotates else ' px'}".replace("-", "−")
    )
    return Shared(
        "interpolation_error",
        (
            SharedPicture(
                "The error over Γ",
                "interpolation_error",
                chart=bounds.CHART,
                words=f"{of}. {in_one_line(numbers)}",
            ),
        ),
        (
            SharedFile("Numbers as CSV", "interpolation_error.csv", "text/csv", partial(as_csv, numbers)),
            SharedFile("Numbers as JSON", "interpolation_error.json", "application/json", partial(as_json, numbers)),
        ),
        code(request, point),
        command(request),
        "The command line bounds the error of the classifier’s own P, for a Γ around 0: the Python below has all settings.",
        partial(what_lines_need, request.subject),
    )


def in_one_line(numbers: Numbers) -> str:
    """What the figure shows, in one line: the largest sampled error, and the proved bounds."""
    proved = "".join(
        f", {name} at most {at_most(float(values.max()))}" for name, _, values in numbers.bounds if len(values)
    )
    return f"Largest error: at least {at_least(float(numbers.norms.max()))} (sampled){proved}{' (proved)' if proved else ''}."


def _symmetric(request: InterpolationRequest) -> bool:
    return request.limits[0] == -request.limits[1]


def command(request: InterpolationRequest) -> str:
    """The command line that gives the same bounds; "" where it has no words for the settings."""
    if not _symmetric(request) or request.preprocessing != request.classifier.preprocessing:
        return ""
    beta = " ".join(f"{value:g}" for value in request.beta)
    return (
        f"python -m spt bound --image {in_shell(request.subject.reference)} --classifier {shlex.quote(classifier_name())} "
        f"--transform {request.transform.name} --attacker exact --beta {beta} --limit {request.limits[1]:g} "
        f"--splits {request.splits}"
    )
