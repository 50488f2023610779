"""The rows of an experiment as a table, the image of a chosen row, and links that open it on the other pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from spt.certificates import quantity
from spt.classifiers import Classifier
from spt.datasets import DATASETS, Dataset
from spt.experiments import Experiment, Row
from spt.experiments.experiment import UNITS
from spt.images import to_8_bit
from spt.threat_model import BOUNDS
from spt.transforms import Transform, get_transform
from spt.ui.experiments.request import Result
from spt.ui.shared import cache, controls, failures, own_names, pixel_grid, state
from spt.ui.shared.markdown import escape
from spt.ui.shared.pixel_grid import Picture, Warp
from spt.ui.shared.presets import Parameters
from spt.ui.shared.values import plain

MEANINGS = {
    "image": "number of the image in the data set",
    "truth": "its class; empty if unknown",
    "label": "the class that is certified; empty: ABSTAIN",
    "radius": "up to which size of transformation, in the unit of its parameters",
    "b": "answer of the base classifier",
    "answer": "g’s answer, by votes, without a proof; empty: ABSTAIN",
    "error": "bound on the interpolation error (for many samples their median)",
    "point": "parameters of the attack, in their units",
    "points": "parameters of the attacks, the worst first",
    "b_attacked": "answers of the base classifier for the attacked images",
    "g_attacked": "answers of g for the attacked images",
    "g": "answer of g for the image as it is; empty: ABSTAIN",
    "f": "answer of f, the network that g smooths",
    "f_points": "parameters of the attacks on f, the worst first",
    "f_attacked": "answers of f for the images that were attacked through it",
    "g_attacked_via_f": "answers of g for the images that were attacked through f",
    "surviving": "share of Γ that the received image leaves open",
    "width": "mean width of the bounds of a pixel, after each number of passes",
    "largest": "largest error that was found",
    "certified share": "share of Γ that is certified",
    "samples": "how many b′ were drawn",
    "cells": "how many cells were tested",
    "votes": "how often f was asked",
    "exceeding": "how many samples exceed E",
    "seconds": "time",
}
ATTACKED = {
    "b_attacked": "b under the worst attacks",
    "g_attacked": "g under the worst attacks",
    "f_attacked": "f under the worst attacks on f",
    "g_attacked_via_f": "g under the worst attacks on f",
}
"""Answers to attacks, and whose they are."""
TOLD = (
    *("image", "truth", "label", "radius", "b", "f", "g", "answer", "b_attacked", "g_attacked"),
    *("f_points", "f_attacked", "g_attacked_via_f"),
    *("point", "points", "sha256", "verified", "verified with V"),
)
"""What a row says in sentences of their own, or not at all."""


# ----------------------------------------------------------------------------------------------------------------- table


def choose_stage(result: Result) -> str:
    """Which rows are looked at, where an experiment has several stages."""
    stages = result.experiment.stages
    if len(stages) == 1:
        return stages[0]
    return state.choose(
        "Stage",
        stages,
        stages[-1],
        key=f"{result.experiment.name}_stage",
        help="The steps of this experiment, one after the other; each has a row for each of its images.",
    )


def table_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as people read them: three significant digits, lists as text, no digests."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "sha256"]
    return pd.DataFrame([{name: _readable(row.get(name)) for name in names} for row in rows], columns=names)


def _readable(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(_readable_text(each) for each in value)
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _readable_text(value: Any) -> str:
    if isinstance(value, list):
        inner = ", ".join(_readable_text(each) for each in value)
        return inner if len(value) == 1 else f"({inner})"
    if value is None:
        return "–"
    return f"{value:.3g}".replace("-", "−") if isinstance(value, float) else str(value)


def show_table(rows: Sequence[Row], key: str | None) -> None:
    """All rows; with a key one can be chosen, which sets the control of that name to its number."""
    settings: dict[str, Any] = {
        "hide_index": True,
        "placeholder": "–",
        "height": min(36 * (len(rows) + 1) + 2, 290),
        "column_config": {
            name: st.column_config.Column(help=text)
            for name, text in MEANINGS.items()
            if any(name in row for row in rows)
        },
        "alt": f"{len(rows)} rows, one for each task.",
    }
    if key is None:
        st.dataframe(table_of(rows), **settings)
        return
    table = f"{key}_table"

    def chosen() -> None:
        found = st.session_state[table].selection.rows
        if found:
            state.set(**{key: found[0]})

    st.dataframe(table_of(rows), key=table, on_select=chosen, selection_mode="single-row", **settings)


def choose_row(result: Result) -> None:
    """The table, and below it the image of the chosen row."""
    stage = choose_stage(result)
    rows = result.rows[stage]
    if not rows:
        st.caption("No rows yet.")
        return
    key = f"{result.experiment.name}_row"
    show_table(rows, key)
    number = state.number(
        f"Row (0 to {len(rows) - 1})",
        0,
        len(rows) - 1,
        0,
        key=key,
        width=180,
        help="Which row is shown below; clicking the box before a row chooses it too.",
    )
    show_row(result.experiment, stage, rows, number)


# ------------------------------------------------------------------------------------------------------------- one image


def attack_points(row: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """The attacks that a row tells of, by name; the worst of several only."""
    found: dict[str, tuple[float, ...]] = {}
    for name, value in row.items():
        if name == "points" and value:
            found["worst attack"] = tuple(value[0])
        elif name == "point" and value:
            found["attack"] = tuple(value)
        elif name.startswith("point ") and value:
            found[f"worst within {name.removeprefix('point ')} radius"] = tuple(value)
    return found


def show_row(experiment: Experiment, stage: str, rows: Sequence[Row], index: int) -> None:
    """The image of one row, what it says about it in words, and links."""
    row = rows[index]
    number, split = int(row["image"]), _split(experiment, stage)
    try:
        with failures.faults_refused():
            classifier = cache.classifier(experiment.classifier)
            data = experiment.load_split(split, classifier.input_shape)
            image, caption = cache.image(f"{experiment.dataset} {split}", data, number)
    except ValueError as error:
        st.info(
            f"The image of this row cannot be shown here: {failures.sentence(error)}",
            icon=":material/image_not_supported:",
        )
        if experiment.dataset in DATASETS and DATASETS[experiment.dataset].downloadable and split == "test":
            st.page_link(
                "explore/votes.py",
                label="Download the data set on the page Votes",
                icon=":material/download:",
                query_params={"source": experiment.dataset},
            )
        return
    transform = experiment.load_transform()
    points = attack_points(row)
    name, point = next(iter(reversed(points.items())), ("", None))
    shown = [Picture(image, f"image x: {caption}", f"Image {number} of {data.name}.")]
    if point is not None:
        where, warp = in_words(transform, point), Warp(transform.name, tuple(point))
        moved = to_8_bit(transform(image, [point])[0])
        shown.append(Picture(moved, f"{name}: {where}", f"The attacked image, {where}.", warps=(warp,)))
    images, words = st.columns([len(shown), 2.6], gap="medium")
    with images:
        pixel_grid.show("row_images", shown)
    with words:
        for line in sentences(experiment, row, classifier, data):
            st.markdown(line)
        if split == "test":
            _show_links(Opened(experiment, stage, number, seed_of(experiment, stage, rows, index)), classifier, point)
        else:
            st.caption("The other pages show images of the test split only, so this one has no link.")


def _split(experiment: Experiment, stage: str) -> str:
    return "test" if stage == "images" else str(getattr(experiment, "error_split", "test"))


def in_words(transform: Transform, point: Sequence[float]) -> str:
    """Parameters with name and unit."""
    return ", ".join(
        f"{parameter.name} {value:.3g}{'' if parameter.unit == '°' else ' '}{parameter.unit}".replace("-", "−")
        for parameter, value in zip(transform.parameters, point, strict=True)
    )


def sentences(experiment: Experiment, row: Row, classifier: Classifier, data: Dataset) -> list[str]:
    """What a row says, one thing a line."""
    names = classifier.class_names

    def class_name(label: int | None) -> str:
        if label is None:
            return "ABSTAIN"
        return f"**{escape(names[label])}**" + _mark(label, row.get("truth"))

    lines = []
    if "label" in row:
        lines.append(_verdict(experiment, row, class_name))
    lines += [f"{key} answers {class_name(row[key])} for the image as it is." for key in ("b", "f", "g") if key in row]
    for suffix, which in (("", "without"), (" with V", "with")):
        if f"verified{suffix}" in row:
            badge = (
                ":green-badge[:material/verified: VERIFIED]"
                if row[f"verified{suffix}"]
                else ":gray-badge[not verified]"
            )
            lines.append(f"{badge} {which} a vignette: f answers {class_name(row[f'answer{suffix}'])}")
    if "answer" in row and "verified" not in row:
        lines.append(f"g’s votes answer {class_name(row['answer'])} for the received image (without a proof).")
    for key, told in ATTACKED.items():
        if row.get(key):
            lines.append(f"{told}: {', '.join(class_name(label) for label in row[key])}")
    for key, label in row.items():
        if key.startswith("answer ") and row.get(f"point {key.removeprefix('answer ')}") is not None:
            lines.append(f"worst attack within {key.removeprefix('answer ')} radius: g answers {class_name(label)}")
    rest = [
        f"{escape(key)} {escape(_readable_text(value))}"
        for key, value in row.items()
        if key not in TOLD and not key.startswith(("answer ", "point ")) and value is not None
    ]
    if rest:
        lines.append(" · ".join(rest))
    return lines


def _verdict(experiment: Experiment, row: Row, class_name: Any) -> str:
    unit = UNITS.get(experiment.transform, "").strip()
    if row["label"] is None:
        return ":orange-badge[ABSTAIN] nothing is certified"
    limit, radius = float(getattr(experiment, "limit", float("inf"))), float(row["radius"])
    if experiment.name == "radius":
        return f":violet-badge[HEURISTIC] {class_name(row['label'])}, radius {quantity(radius, unit)}"
    far = f"within {experiment.within(limit)}" if radius > limit else f"for less than {_size(experiment, radius, unit)}"
    return f":green-badge[:material/verified: CERTIFIED] {class_name(row['label'])}, {far}"


def _size(experiment: Experiment, radius: float, unit: str) -> str:
    """A radius with its unit; where Γ is a box of parameters with different units, its size along each."""
    box = experiment.box(radius)
    if isinstance(box, float):
        return quantity(radius, unit)
    pairs = zip(experiment.load_transform().parameters, box, strict=True)
    return " and ".join(f"{each.name} {quantity(half, each.unit)}" for each, half in pairs)


def _mark(label: int, truth: int | None) -> str:
    return "" if truth is None else " ✓" if label == truth else " ✗"


# ----------------------------------------------------------------------------------------------------------------- links


@dataclass(frozen=True)
class Opened:
    """A row that is opened on other pages: its experiment and stage, the number of its image, and the seed of its task."""

    experiment: Experiment
    stage: str
    image: int
    seed: int


def seed_of(experiment: Experiment, stage: str, rows: Sequence[Row], index: int) -> int:
    """The seed that a row was measured with."""
    number = rows[index]["image"]
    tasks = [item for item in range(experiment.items(stage)) if experiment.place(stage, item)[1] == number]
    before = sum(row["image"] == number for row in rows[:index])
    return experiment.seed_of(stage, tasks[min(before, len(tasks) - 1)])


def page_links(opened: Opened, pixel_sigma: float, point: Sequence[float] | None) -> dict[str, Parameters]:
    """For each page that can show the row's image, its settings there: all that the row was measured with, but for g where it is
    smoothed over pixels alone, which Votes has not."""
    experiment, transform = opened.experiment, get_transform(opened.experiment.transform)
    known = BOUNDS.get(transform.name, ())
    image = {
        "source": own_names.label(experiment.dataset),
        controls.image_key(experiment.dataset): str(opened.image),
        "classifier": own_names.label(experiment.classifier),
        "transform": transform.name,
    }
    unsmoothed = getattr(experiment, "parameter_sigma", None) == 0
    sigma = _named(experiment, {f"{transform.name}_sigma": "parameter_sigma"})
    smoothing: Parameters = {} if unsmoothed else sigma
    drawn = _named(experiment, {"alpha": "alpha"}) | {"seed": str(opened.seed)}
    attacker = _named(experiment, {"attacker": "attacker"})
    proof = attacker | _named(experiment, {"n_gamma": "n_gamma"}) | drawn
    proof |= {"certify_pixel_sigma": f"{pixel_sigma:g}"} if pixel_sigma else {}
    limit = getattr(experiment, "limit", None)
    ends = "interp_range" if transform.unit == "°" else "interp_range_px"
    wide: Parameters = {} if limit is None else {ends: [f"{-limit:g}", f"{limit:g}"]}
    own = getattr(experiment, "pixel_sigma", 0.0)
    voted = _named(experiment, {"n": "n_votes"}) | {"pixel_sigma": f"{pixel_sigma if own is None else own:g}"}
    attack: Parameters = {
        parameter.name: f"{value:.10g}" for parameter, value in zip(transform.parameters, point or (), strict=False)
    }
    named = getattr(experiment, "form", "one-ball")
    form = ON_CERTIFY.get(named)
    certified = (
        image | (sigma if "cells" in known else {}) | proof | _named(experiment, {f"{transform.name}_limit": "limit"})
    )
    if transform.mixed:
        further = transform.parameters[1].name
        certified |= _named(experiment, {f"{transform.name}_{further}_limit": "further_limit"})
    sizes = {"n_slices": "n_total"} if unsmoothed else {"n_cell": "n_cell", "n_total": "n_total"}
    certified |= {"form": form, **_named(experiment, sizes)} if form else {}
    received: Parameters = {"indiv_form": ON_INVERSE[named]} if experiment.name == "indiv" else {}
    return {
        "votes": image | smoothing | voted | drawn | attack,
        **({"certify": certified} if form else {}),
        **({"interpolation": image | smoothing | wide | attack} if "whole range" in known else {}),
        **({"inverse": image | smoothing | wide | attack | proof | received} if "inverse" in known else {}),
    }


ON_INVERSE = {"one-ball": "per-sample errors", "cells": "cells"}
"""The forms of IndivSPT, by their names on the page Inverse."""
ON_CERTIFY = {"one-ball": "one ball", "cells": "cells"}
"""The forms that the page Certify has, by their names here; rows of other forms are not opened there."""


def _named(experiment: Experiment, controls_of: Mapping[str, str]) -> Parameters:
    """Controls with the experiment's settings, where it has them."""
    found = {name: getattr(experiment, setting, None) for name, setting in controls_of.items()}
    return {name: plain(value) for name, value in found.items() if value is not None}


TITLES = {
    "votes": ("Votes", ":material/how_to_vote:"),
    "certify": ("Certify", ":material/verified:"),
    "interpolation": ("Interpolation error", ":material/rotate_right:"),
    "inverse": ("Inverse", ":material/explore:"),
}


def _show_links(opened: Opened, classifier: Classifier, point: Sequence[float] | None) -> None:
    experiment = opened.experiment
    if experiment.dataset not in cache.dataset_names():
        variable = own_names.DATASETS
        st.caption(
            f"To open it on the other pages, start the app with {variable} naming {escape(own_names.label(experiment.dataset))}."
        )
        return
    own = getattr(experiment, "pixel_sigma", None)
    pixel_sigma = classifier.pixel_sigma if own is None or not own else float(own)
    with st.container(horizontal=True, gap="small"):
        for page, parameters in page_links(opened, pixel_sigma, point).items():
            title, icon = TITLES[page]
            st.page_link(f"explore/{page}.py", label=title, icon=icon, query_params=parameters, width="content")
    st.caption(
        "Opens this image there with the settings of this row: its Γ, noise, level and seed"
        + ("." if experiment.dataset in DATASETS else "; the data set must still be named.")
    )
