"""The response area of the page "Votes": f's answers over the whole range of the parameter, with the votes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from spt.figures import votes as figures
from spt.transforms import Parameter
from spt.ui.shared import cache, pixel_grid
from spt.ui.votes.request import VotesRequest
from spt.ui.votes.run import VotesRun

CHART = "response"
"""The key of the figure on the page."""
CURVE_STEPS = {1: 361, 2: 33}
FEW_AT_ONCE = 16
"""A network whose calls have fewer images (`spt.classifiers.Classifier.chunk`) is shown half the steps: its answers take long."""


def area(request: VotesRequest) -> Callable[[VotesRun], None]:
    """Make room for the figure; returns what draws it, with the votes of a run that has ended."""
    st.subheader(f"How f answers over the whole range of {request.transform.name}", anchor=False)
    slot = st.container(key=CHART).empty()
    one_parameter = request.transform.dimensions == 1
    st.caption(
        (
            f"Curves: how probable each class is to f when the image {_done(request)} θ, f(P T_θ x)."
            if one_parameter
            else f"Colours: the class that f finds most probable when the image {_done(request)}, f(P T_θ x); the stronger, "
            "the more probable."
        )
        + " Points: the votes f(P T_β x′), drawn at γ + β."
        + (" Grey band: where two of three votes land, γ ± σ_γ." if one_parameter else "")
        + f" Transformed twice is not quite the same as transformed once by the sum, because both {_loses(request)}: a vote may "
        f"differ from the {'curve' if one_parameter else 'colour'} below it. This difference is what stands between BaseSPT and "
        "a proof."
    )

    def draw(run: VotesRun) -> None:
        slot.plotly_chart(_figure(request, run), alt=alt(request))

    return draw


def _done(request: VotesRequest) -> str:
    """What is done to the image, in words."""
    known = {"rotation": "is turned by any angle", "translation": "is shifted to that place"}
    return known.get(request.transform.name, f"goes through any {request.transform.singular}")


def alt(request: VotesRequest) -> str:
    """What the figure shows, in one sentence."""
    return f"Class probabilities of the base classifier over {request.transform.name}, with the votes as points."


def _figure(request: VotesRequest, run: VotesRun) -> Any:
    transform, steps = request.transform, CURVE_STEPS[request.transform.dimensions]
    steps = steps // 2 + 1 if request.classifier.chunk < FEW_AT_ONCE else steps
    limits = tuple(parameter.limit for parameter in transform.parameters)
    limit = limits if transform.mixed else limits[0]
    values = cache.responses(
        request.subject.sha256,
        request.classifier.fingerprint,
        transform.name,
        limit,
        steps,
        request.classifier,
        transform,
        request.subject.image,
    )
    axis = np.linspace(-limits[0], limits[0], steps)
    votes = run.estimation if run.status != "running" else None
    where = None if votes is None else votes.points.numpy() + np.array(request.gamma)
    classes = None if votes is None else votes.classes.numpy()
    if transform.dimensions == 1:
        parameter = transform.parameters[0]
        points = None if where is None or classes is None else (_on_axis(where[:, 0], parameter), classes)
        return figures.response_curve(
            axis,
            values,
            request.names,
            request.gamma[0],
            parameter.unit,
            parameter.symbol,
            points,
            request.smoothing.parameter_sigma,
            pixel_grid.SAID[parameter.name].lower(),
        )
    first, second = transform.parameters
    points = None if where is None or classes is None else (where, classes)
    return figures.response_map(
        (axis, np.linspace(-limits[1], limits[1], steps)),
        values.reshape(steps, steps, -1),
        request.names,
        (request.gamma[0], request.gamma[1]),
        (first.unit, second.unit) if transform.mixed else first.unit,
        points,
        (first.name, second.name),
    )


def _on_axis(values: np.ndarray, parameter: Parameter) -> np.ndarray:
    """Where votes are drawn: an angle goes round, other parameters end with the axis."""
    limit = parameter.limit
    if parameter.unit == "°":
        return np.asarray((values + limit) % (2 * limit) - limit)
    return values.clip(-limit, limit)


def _loses(request: VotesRequest) -> str:
    """Why two transformations are not one."""
    transform = request.transform
    if transform.linear:
        return "interpolate"
    return "interpolate and clip values to [0, 1]" if transform.mixed else "clip values to [0, 1]"
