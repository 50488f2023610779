"""Certified accuracy of DistSPT^x on MNIST test images: what it is, what each step gives, and whether it holds.

    python benchmarks/dist_spt.py accuracy --images 200      # the goal: +-30 and +-50 degrees
    python benchmarks/dist_spt.py steps --images 50          # one E, joint votes, shifted, recentred
    python benchmarks/dist_spt.py noise --images 50          # the choice of classifier and pixel noise
    python benchmarks/dist_spt.py attack --images 100        # worst of 1000 attacks inside the certified radius

Needs MNIST in the folder that SPT_DATA names. Every image's result is appended to runs/dist_spt.jsonl, so a run that was
stopped goes on; the table of that name in dist_spt.md is rewritten between its markers.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parent.parent))  # run from anywhere without installing

from spt import load_classifier, load_dataset
from spt.attacks import WorstOfK
from spt.classifiers import Classifier
from spt.defences import DistSPT, OneErrorSPT
from spt.statistics import clopper_pearson_lower
from spt.transforms import Rotation

TABLES = Path(__file__).parent / "dist_spt.md"
RESULTS = Path(__file__).parent.parent / "runs" / "dist_spt.jsonl"
ANGLES = (0, 10, 20, 30, 50)
STEPS = ("one E", "one E, joint votes", "shifted", "recentred")


@dataclass(frozen=True)
class Setting:
    """What is certified, and how: one row of a table."""

    classifier: str
    pixel_sigma: float
    parameter_sigma: float
    limit: float
    step: str = "recentred"
    n_gamma: int = 200
    alpha: float = 0.01

    def certify(self, classifier: Classifier, image: torch.Tensor, seed: int) -> dict[str, Any]:
        """One certificate, in numbers: label, radius, the radius of error that the median sample had to stand, seconds."""
        started = time.perf_counter()
        settings = (classifier, Rotation(), self.parameter_sigma, self.pixel_sigma, self.limit)
        if self.step in ("shifted", "recentred"):
            found = DistSPT(*settings, centre=self.step).certify(
                image, n_gamma=self.n_gamma, alpha=self.alpha, seed=seed
            )
            error = sorted(found.radii)[len(found.radii) // 2]
        else:
            defence = OneErrorSPT(*settings)
            level = defence.measure(image, seed=seed)
            votes, n = ("joint", 2000) if "joint" in self.step else ("nested", self.n_gamma)
            found = defence.certify(image, level, votes, n=n, seed=seed)
            error = level.error
        return {"label": found.label, "radius": found.radius, "error": error, "seconds": time.perf_counter() - started}


def results_of(setting: Setting, images: int) -> list[dict[str, Any]]:
    """The results of the first test images, as far as possible from the file of results."""
    classifier = load_classifier(setting.classifier)
    data = load_dataset("mnist", shape=classifier.input_shape)
    key = dataclasses.asdict(setting) | {"fingerprint": classifier.fingerprint}
    known = {}
    if RESULTS.is_file():
        records = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
        known = {record["image"]: record for record in records if record["setting"] == key}
    RESULTS.parent.mkdir(exist_ok=True)
    for index in tqdm(range(images), desc=f"{setting.step} ±{setting.limit:g}°, σ_ε {setting.pixel_sigma:g}"):
        if index not in known:
            found = setting.certify(classifier, data.image(index), index)
            known[index] = {"setting": key, "image": index, "truth": data.label(index)} | found
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(known[index]) + "\n")
    return [known[index] for index in range(images)]


def row_of(setting: Setting, images: int) -> str:
    """A row of a table: certified accuracy at each angle of Gamma."""
    results = results_of(setting, images)
    right = [result for result in results if result["label"] == result["truth"]]
    angles = [angle for angle in ANGLES if angle <= setting.limit]
    counts = {angle: sum(result["radius"] > angle for result in right) for angle in angles}
    shares = [f"{counts[angle] / images:.3f}" if angle in counts else "–" for angle in ANGLES]
    lower = clopper_pearson_lower(counts[angles[-1]], images, 0.05)
    middle = [sorted(result[name] for result in results)[images // 2] for name in ("error", "seconds")]
    noise = f"{setting.pixel_sigma:g} | {setting.parameter_sigma:g}°"
    cells = [setting.step, setting.classifier, noise, f"±{setting.limit:g}°", str(images), *shares]
    return f"| {' | '.join(cells)} | {lower:.3f} | {middle[0]:.3f} | {middle[1]:.1f} |"


def table_of(settings: list[Setting], images: int) -> str:
    """A table of certified accuracies."""
    head = "| step | classifier | σ_ε | σ_γ | Γ | images | 0° | 10° | 20° | 30° | 50° | 95 % bound of the last | error | s |"
    return "\n".join([head, "|---" * 14 + "|", *(row_of(setting, images) for setting in settings)])


def accuracy(arguments: argparse.Namespace) -> str:
    """The goal's table."""
    return table_of([arguments.setting(limit=limit) for limit in (30.0, 50.0)], arguments.images)


def steps(arguments: argparse.Namespace) -> str:
    """The contribution of each step, +-30 degrees."""
    return table_of([arguments.setting(limit=30.0, step=step) for step in STEPS], arguments.images)


def noise(arguments: argparse.Namespace) -> str:
    """Certified accuracy against pixel noise, for both classifiers, +-30 degrees."""
    rows = [
        arguments.setting(limit=30.0, classifier=name, pixel_sigma=sigma)
        for name in ("mnist-rotation", "mnist-rotation-fine")
        for sigma in (0.15, 0.2, 0.25, 0.3, 0.4)
    ]
    return table_of(rows, arguments.images)


def attack(arguments: argparse.Namespace) -> str:
    """Whether g keeps its certified class at the three worst of 1000 attacks inside the certified radius, +-30 degrees."""
    setting = arguments.setting(limit=30.0)
    classifier = load_classifier(setting.classifier)
    data = load_dataset("mnist", shape=classifier.input_shape)
    certified = attacked = changed = 0
    for index, result in enumerate(tqdm(results_of(setting, arguments.images), desc="attacks")):
        if result["label"] is None:
            continue
        certified += 1
        reach = min(result["radius"], setting.limit) * (1 - 1e-9)
        search = WorstOfK(Rotation(), reach, k=1000)
        worst = search(classifier, data.image(index), result["label"], seed=index)
        for which, image in enumerate(search.apply(data.image(index), worst.points)):
            attacked += 1
            changed += nested_answer(classifier, setting, image, seed=3 * index + which) != result["label"]
    return (
        "| images | certified | attacked images | g answers another class | allowed: α × certified |\n"
        "|---|---|---|---|---|\n"
        f"| {arguments.images} | {certified} | {attacked} | {changed} | {setting.alpha * certified:.1f} |"
    )


@torch.inference_mode()
def nested_answer(classifier: Classifier, setting: Setting, image: torch.Tensor, seed: int, n: int = 200) -> int:
    """g's answer at an image by plain sampling of both levels: n betas, 64 votes each."""
    generator = torch.Generator().manual_seed(seed)
    betas = Rotation().sample(n, setting.parameter_sigma, generator)
    shown = classifier.preprocessing(Rotation()(image, betas))
    noisy = shown[:, None] + setting.pixel_sigma * torch.randn(n, 64, *shown.shape[1:], generator=generator)
    votes = classifier.network_logits(noisy.flatten(0, 1)).argmax(1).reshape(n, 64)
    return int(votes.mode(dim=1).values.mode().values)


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
    parser.add_argument("--n-gamma", type=int, default=200)
    parser.add_argument("--classifier", default="mnist-rotation-fine")
    parser.add_argument("--pixel-sigma", type=float, help="default: the classifier's")
    parser.add_argument("--parameter-sigma", type=float, default=30.0)
    parser.add_argument("--threads", type=int, help="processor threads (default: all cores)")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    defaults = {
        "classifier": arguments.classifier,
        "pixel_sigma": arguments.pixel_sigma or load_classifier(arguments.classifier).pixel_sigma,
        "parameter_sigma": arguments.parameter_sigma,
        "n_gamma": arguments.n_gamma,
    }
    arguments.setting = lambda **changes: Setting(**(defaults | changes))
    table = TASKS[arguments.task](arguments)
    print(table)
    begin, end = f"<!-- {arguments.task} -->", f"<!-- end of {arguments.task} -->"
    text = TABLES.read_text(encoding="utf-8")
    before, after = text.partition(begin)[0], text.partition(end)[2]
    TABLES.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
