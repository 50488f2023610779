"""The controls of the page "Experiments" and what they choose: an experiment, and stored results of it or a quick run."""

import os
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from spt.bundled import bundled
from spt.datasets import DATASETS
from spt.experiments import EXPERIMENTS, Entry, Experiment, Rows, configure, get_experiment
from spt.experiments.stored import Stored, list_stored, load_stored
from spt.ui.shared import cache, failures, own_names, state
from spt.ui.shared.controls import choose_seed

RESULTS_VARIABLE = "SPT_RESULTS"
STORED, QUICK = "stored", "quick"
DEFAULT = "default"


@dataclass(frozen=True, eq=False)
class ExperimentRequest:
    """What the controls say.

    Attributes:
        kind: the experiment. source: STORED or QUICK.
        experiment: with its settings. stored: the stored result, None for a quick run.
        given: for a quick run, the settings that differ from the preset's, by name.
    """

    kind: type[Experiment]
    source: str
    experiment: Experiment
    stored: Stored | None
    given: dict[str, str | int]


@dataclass(frozen=True, eq=False)
class Result:
    """Rows, and the line that they make; ``of`` is how many rows there are to be."""

    experiment: Experiment
    rows: Rows
    summary: dict[str, Entry]
    done: int
    of: int

    @property
    def complete(self) -> bool:
        """Whether all rows are there; a result that is not is provisional."""
        return self.done >= self.of


def make_result(experiment: Experiment, rows: Rows, summary: dict[str, Entry] | None = None) -> Result:
    """The result that rows make."""
    done = sum(len(rows[stage]) for stage in experiment.stages)
    of = sum(experiment.items(stage) for stage in experiment.stages)
    return Result(experiment, rows, experiment.summary(rows) if summary is None else summary, done, of)


def results_folder() -> Path:
    """Where stored results are: the folder that SPT_RESULTS names, else those that ship with the package."""
    named = os.environ.get(RESULTS_VARIABLE)
    return Path(named) if named else bundled("results")


def title_of(kind: type[Experiment]) -> str:
    """The title as it is printed, with raised letters."""
    return kind.title.replace("^x", "ˣ").replace("^D", "ᴰ")


def choose_kind() -> type[Experiment]:
    """Which experiment: the control of the page's main area, with the question that it asks."""
    left, right = st.columns([1, 1.6], gap="medium", vertical_alignment="bottom")
    kind = get_experiment(
        state.select(
            "Experiment",
            tuple(EXPERIMENTS),
            "table4",
            key="experiment",
            words=lambda name: title_of(EXPERIMENTS[name]),
            help="A table or figure of the paper, or a question that it leaves open.",
            where=left,
        )
    )
    right.markdown(f"**{kind.question}**")
    return kind


def choose(kind: type[Experiment]) -> ExperimentRequest | None:
    """The other controls, in the order of thought; None where no result can be chosen (the page then says why)."""
    stems = list_stored(results_folder(), kind)
    source = state.choose(
        "Results",
        (STORED, QUICK),
        STORED if stems else QUICK,
        key="results",
        help="stored: measured before, in the folder results/, on all the images that were asked for. quick: a small run of "
        "the same code on bundled images, here and now.",
    )
    try:
        with failures.faults_refused():
            if source == QUICK:
                return _choose_quick(kind)
            if not stems:
                return None
            return _choose_stored(kind, stems)
    except ValueError as error:
        st.error(failures.sentence(error))
        state.stop()


def _choose_stored(kind: type[Experiment], stems: list[str]) -> ExperimentRequest:
    names = {stem.removeprefix(f"{kind.name}-"): stem for stem in stems}
    name = state.select(
        "Data set, transformation and range",
        tuple(names),
        next(iter(names)),
        key=f"{kind.name}_result",
        help="Which of the stored results of this experiment.",
    )
    stored = load_stored(results_folder(), kind, names[name])
    return ExperimentRequest(kind, STORED, stored.experiment, stored, {})


def _choose_quick(kind: type[Experiment]) -> ExperimentRequest:
    given: dict[str, str | int] = {}
    usual = configure(kind, "quick")
    datasets = [usual.dataset, *(name for name in cache.dataset_names() if name not in DATASETS)]
    if len(datasets) > 1:
        dataset = state.select(
            "Data set",
            datasets,
            datasets[0],
            words=own_names.label,
            named=own_names.label,
            key="experiment_dataset",
            help=f"Bundled digits, or what the environment variable {own_names.DATASETS} names.",
        )
        given |= {"dataset": dataset} if dataset != usual.dataset else {}
    transform = state.choose(
        "Transformation T",
        kind.transforms,
        "rotation",
        key="transform",
        help="The family of transformations that an attacker applies; g is smoothed over it, too, unless σ_γ is 0.",
    )
    given |= {"transform": transform} if transform != usual.transform else {}
    classifier = state.select(
        "Classifier f",
        [DEFAULT, *cache.classifier_names()],
        DEFAULT,
        words=own_names.label,
        named=own_names.label,
        key="experiment_classifier",
        help="default: the bundled network that was trained for this experiment. Your own: start the app with the "
        f"environment variable {own_names.CLASSIFIERS} (see the README).",
    )
    given |= {"classifier": classifier} if classifier != DEFAULT else {}
    images = state.number(
        "Images",
        1,
        1000,
        usual.images,
        key=f"{kind.name}_images",
        help="How many images, from the first on. With more of them, the run goes on with those that are missing.",
    )
    given |= {"images": images} if images != usual.images else {}
    seed = choose_seed("The same seed gives the same rows; another one begins anew.")
    given |= {"seed": seed} if seed else {}
    return ExperimentRequest(kind, QUICK, configure(kind, "quick", **given), None, given)  # type: ignore[arg-type]
