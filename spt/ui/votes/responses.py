"""The response area of the page "Votes": f's answers over the whole range of the parameter, with the votes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from spt.figures import votes as figures
from spt.ui.shared import cache
from spt.ui.votes.request import VotesRequest
from spt.ui.votes.run import VotesRun

CURVE_STEPS = {1: 361, 2: 33}
FEW_AT_ONCE = 16
"""A network whose calls have fewer images (`spt.classifiers.Classifier.chunk`) is shown half the steps: its answers take long."""


def area(request: VotesRequest) -> Callable[[VotesRun], None]:
    """Make room for the figure; returns what draws it, with the votes of a run that has ended."""
    st.subheader(f"How f answers over the whole range of {request.transform.name}", anchor=False)
    slot = st.empty()
    one_parameter = request.transform.dimensions == 1
    st.caption(
        (
            "Curves: how probable each class is to f when the image is transformed by any θ, f(P T_θ x)."
            if one_parameter
            else "Colours: the class that f finds most probable when the image is shifted to that place, f(P T_θ x); the stronger, "
            "the more probable."
        )
        + " Points: the votes f(P T_β x′), drawn at γ + β."
        + (" Grey band: where two of three votes land, γ ± σ_γ." if one_parameter else "")
        + " Transformed twice is not quite the same as transformed once by the sum, because both interpolate: a vote may differ "
        f"from the {'curve' if one_parameter else 'colour'} below it. This difference is what stands between BaseSPT and a proof."
    )

    def draw(run: VotesRun) -> None:
        slot.plotly_chart(_figure(request, run), alt=_alt(request))

    return draw


def _alt(request: VotesRequest) -> str:
    return f"Class probabilities of the base classifier over {request.transform.name}, with the votes as points."


def _figure(request: VotesRequest, run: VotesRun) -> Any:
    transform, steps = request.transform, CURVE_STEPS[request.transform.dimensions]
    steps = steps // 2 + 1 if request.classifier.chunk < FEW_AT_ONCE else steps
    limit = transform.parameters[0].limit
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
    axis = np.linspace(-limit, limit, steps)
    votes = run.estimation if run.status != "running" else None
    where = None if votes is None else votes.points.numpy() + np.array(request.gamma)
    classes = None if votes is None else votes.classes.numpy()
    if transform.dimensions == 1:
        parameter = transform.parameters[0]
        if where is not None and parameter.unit == "°":
            where = (where + limit) % (2 * limit) - limit  # a whole turn
        points = None if where is None or classes is None else (where[:, 0], classes)
        return figures.response_curve(
            axis,
            values,
            request.names,
            request.gamma[0],
            parameter.unit,
            parameter.symbol,
            points,
            request.smoothing.parameter_sigma,
        )
    points = None if where is None or classes is None else (where, classes)
    return figures.response_map(
        axis,
        values.reshape(steps, steps, -1),
        request.names,
        (request.gamma[0], request.gamma[1]),
        transform.unit,
        points,
    )
