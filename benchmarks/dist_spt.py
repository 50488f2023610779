"""Certified accuracy of DistSPT^x on MNIST test images: what it is, what each step gives, and whether it holds.

    python benchmarks/dist_spt.py accuracy --images 200      # the goal: +-30 and +-50 degrees
    python benchmarks/dist_spt.py steps --images 10          # one E, joint votes, shifted, recentred
    python benchmarks/dist_spt.py noise --images 10          # the choice of classifier and of both noises
    python benchmarks/dist_spt.py attack --images 100        # worst of 1000 attacks inside the certified radius

Needs MNIST in the folder that SPT_DATA names, and the extra cluster for more than one worker. Every row is the
experiment table4 with other settings; it keeps each image's result in runs/, so a run that was stopped goes on. The table of
that name in dist_spt.md is rewritten between its markers.
"""

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from spt import load_classifier, load_dataset
from spt.attacks import WorstOfK
from spt.classifiers import Classifier
from spt.defences import DistSPT
from spt.experiments import EXPERIMENTS, configure, open_store, run
from spt.experiments.cluster import on_cluster
from spt.experiments.running import in_this_process
from spt.experiments.table4 import Table4
from spt.statistics import clopper_pearson_lower
from spt.transforms import Rotation

TABLES = Path(__file__).parent / "dist_spt.md"
RUNS = Path(__file__).parent.parent / "runs" / "dist_spt"
ANGLES = (0, 10, 20, 30, 50)
GOALS: tuple[dict[str, Any], ...] = (
    {"limit": 30.0, "parameter_sigma": 25.0, "pixel_sigma": 0.175, "n_more": 1000},
    {"limit": 50.0, "parameter_sigma": 40.0, "pixel_sigma": 0.175, "n_more": 1000},
)
FORMS = {"one-error": "one E", "one-error-joint": "one E, joint votes", "shifted": "shifted", "one-ball": "recentred"}


def experiment_of(arguments: argparse.Namespace, **changes: Any) -> Table4:
    """The experiment of one row of a table."""
    given = {
        "form": "one-ball",
        "classifier": arguments.classifier,
        "parameter_sigma": arguments.parameter_sigma,
        "n_gamma": arguments.n_gamma,
        "images": arguments.images,
        "first": arguments.first,
    } | changes
    if given.get("pixel_sigma") is None:
        given["pixel_sigma"] = load_classifier(given["classifier"]).pixel_sigma
    experiment = configure(EXPERIMENTS["table4"], **given)
    assert isinstance(experiment, Table4)
    return experiment


def results_of(experiment: Table4, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of an experiment, as far as possible from the runs before."""
    fingerprint = load_classifier(experiment.classifier).fingerprint[:8]
    settings = (
        experiment.pixel_sigma,
        experiment.parameter_sigma,
        experiment.limit,
        experiment.n_gamma,
        experiment.first,
    )
    settings += (experiment.n_more or 0, experiment.first)
    name = f"{experiment.form}-{experiment.classifier}-{fingerprint}-{'-'.join(f'{value:g}' for value in settings)}"
    scheduling = on_cluster("local", arguments.workers) if arguments.workers > 1 else nullcontext(in_this_process())
    with scheduling as scheduler:
        return run(experiment, open_store(experiment, RUNS / name), scheduler, tqdm)["images"]


def row_of(experiment: Table4, arguments: argparse.Namespace) -> str:
    """A row of a table: certified accuracy at each angle of Gamma."""
    results = results_of(experiment, arguments)
    images = len(results)
    right = [result for result in results if result["label"] == result["truth"]]
    angles = [angle for angle in ANGLES if angle <= experiment.limit]
    counts = {angle: sum(result["radius"] > angle for result in right) for angle in angles}
    shares = [f"{counts[angle] / images:.3f}" if angle in counts else "–" for angle in ANGLES]
    lower = clopper_pearson_lower(counts[angles[-1]], images, 0.05)
    middle = [sorted(result[name] for result in results)[images // 2] for name in ("error", "seconds")]
    mean = sum(result["seconds"] for result in results) / images
    noise = f"{experiment.pixel_sigma:g} | {experiment.parameter_sigma:g}°"
    samples = f"{experiment.n_gamma}" + (f" to {experiment.n_more}" if experiment.n_more else "")
    cells = [
        FORMS[experiment.form],
        experiment.classifier,
        noise,
        samples,
        f"±{experiment.limit:g}°",
        str(images),
        *shares,
    ]
    return f"| {' | '.join(cells)} | {lower:.3f} | {middle[0]:.3f} | {middle[1]:.1f} | {mean:.1f} |"


def table_of(experiments: list[Table4], arguments: argparse.Namespace) -> str:
    """A table of certified accuracies."""
    head = "| step | classifier | σ_ε | σ_γ | n_γ | Γ | images | 0° | 10° | 20° | 30° | 50° | 95 % bound of the last | error "
    head += "| s, median | s, mean |"
    return "\n".join([head, "|---" * 16 + "|", *(row_of(experiment, arguments) for experiment in experiments)])


def accuracy(arguments: argparse.Namespace) -> str:
    """The goal's table: 200 samples, 1000 where these leave it open; noises chosen on the test images 1000 to 1099."""
    return table_of([experiment_of(arguments, **setting) for setting in GOALS], arguments)


def steps(arguments: argparse.Namespace) -> str:
    """The contribution of each step, +-30 degrees."""
    return table_of([experiment_of(arguments, limit=30.0, form=form) for form in FORMS], arguments)


def noise(arguments: argparse.Namespace) -> str:
    """Certified accuracy against both noises, for both classifiers, +-30 degrees."""
    pairs = [(sigma, 30.0) for sigma in (0.15, 0.2, 0.3, 0.4)] + [(0.2, sigma) for sigma in (15.0, 20.0, 40.0)]
    choices = [("mnist-rotation-fine", *pair) for pair in pairs] + [
        ("mnist-rotation", s, 30.0) for s in (0.2, 0.3, 0.4)
    ]
    experiments = [
        experiment_of(arguments, limit=30.0, classifier=name, pixel_sigma=pixel, parameter_sigma=parameter)
        for name, pixel, parameter in choices
    ]
    return table_of(experiments, arguments)


def attack(arguments: argparse.Namespace) -> str:
    """Whether g keeps its certified class at the three worst of 1000 attacks inside the certified radius, +-30 degrees."""
    setting = experiment_of(arguments, **GOALS[0])
    classifier = load_classifier(setting.classifier)
    data = load_dataset("mnist", shape=classifier.input_shape)
    certified = attacked = changed = abstained = 0
    for index, result in enumerate(tqdm(results_of(setting, arguments), desc="attacks")):
        if result["label"] is None:
            continue
        certified += 1
        reach = min(result["radius"], setting.limit) * (1 - 1e-9)
        search = WorstOfK(Rotation(), reach, k=1000)
        worst = search(classifier, data.image(index), result["label"], seed=index)
        for which, image in enumerate(search.apply(data.image(index), worst.points)):
            attacked += 1
            answer = nested_answer(classifier, setting, image, seed=3 * index + which)
            changed += answer not in (None, result["label"])
            abstained += answer is None
    return (
        "| images | certified | attacked images | g answers another class | abstains | allowed: α × certified |\n"
        "|---|---|---|---|---|---|\n"
        f"| {arguments.images} | {certified} | {attacked} | {changed} | {abstained} | {setting.alpha * certified:.1f} |"
    )


def nested_answer(classifier: Classifier, setting: Table4, image: torch.Tensor, seed: int) -> int | None:
    """The nested g's answer at an image, wrong with probability at most 0.001; None where it abstains."""
    assert setting.pixel_sigma is not None  # see experiment_of
    defence = DistSPT(classifier, Rotation(), setting.parameter_sigma, setting.pixel_sigma, setting.limit)
    return defence.predict(image, n=500, alpha=0.001, seed=seed).label


TASKS: dict[str, Callable[[argparse.Namespace], str]] = {
    "accuracy": accuracy,
    "steps": steps,
    "noise": noise,
    "attack": attack,
}


def main() -> None:
    """Run one task and rewrite its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first image (0)")
    parser.add_argument("--n-gamma", type=int, default=200)
    parser.add_argument("--classifier", default="mnist-rotation-fine")
    parser.add_argument("--parameter-sigma", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=1, help="processes (1, with all processor cores)")
    arguments = parser.parse_args()
    table = TASKS[arguments.task](arguments)
    print(table)
    begin, end = f"<!-- {arguments.task} -->", f"<!-- end of {arguments.task} -->"
    text = TABLES.read_text(encoding="utf-8")
    before, after = text.partition(begin)[0], text.partition(end)[2]
    TABLES.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
