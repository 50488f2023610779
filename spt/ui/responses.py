"""The response area of the page "Votes": f's answers over the whole range of the parameter, with the votes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from spt.figures import votes as figures
from spt.ui import cache
from spt.ui.view import Run, View

CURVE_STEPS = {1: 361, 2: 33}


def area(view: View) -> Callable[[Run], None]:
    """Make room for the figure; returns what draws it, with the votes of a run that has ended."""
    st.subheader(f"How f answers over the whole range of {view.transform.name}", anchor=False)
    slot = st.empty()
    st.caption(
        "Curves: f(P T_θ x) for every θ. Points: the votes f(P T_β x′), drawn at γ + β. Transformed twice is not quite the "
        "same as transformed once by the sum, because both interpolate: a vote may differ from the curve below it. This "
        "difference is what stands between BaseSPT and a proof."
    )

    def draw(run: Run) -> None:
        slot.plotly_chart(_figure(view, run), alt=_alt(view))

    return draw


def _alt(view: View) -> str:
    return f"Class probabilities of the base classifier over {view.transform.name}, with the votes as points."


def _figure(view: View, run: Run) -> Any:
    transform, steps = view.transform, CURVE_STEPS[view.transform.dimensions]
    limit = transform.parameters[0].limit
    values = cache.responses(
        view.subject.sha256,
        view.classifier.fingerprint,
        transform.name,
        limit,
        steps,
        view.classifier,
        transform,
        view.subject.image,
    )
    axis = np.linspace(-limit, limit, steps)
    votes = run.estimation if run.status != "running" else None
    where = None if votes is None else votes.points.numpy() + np.array(view.gamma)
    classes = None if votes is None else votes.classes.numpy()
    if transform.dimensions == 1:
        points = None if where is None or classes is None else ((where[:, 0] + limit) % (2 * limit) - limit, classes)
        parameter = transform.parameters[0]
        return figures.response_curve(
            axis,
            values,
            view.names,
            view.gamma[0],
            parameter.unit,
            parameter.symbol,
            points,
            view.smoothing.parameter_sigma,
        )
    points = None if where is None or classes is None else (where, classes)
    return figures.response_map(
        axis, values.reshape(steps, steps, -1), view.names, (view.gamma[0], view.gamma[1]), transform.unit, points
    )
