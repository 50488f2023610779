"""Attacks within certificates with cells: whether the g that was certified ever answers otherwise inside a certified radius.

    SPT_DATA=folder python benchmarks/attacked_cells.py folder/table4-mnist-rotation-50-cells.csv --images 100

Every image of a result of table 4 with cells that has a radius is attacked: of 1000 parameter points drawn inside it, rounded to
8 bits as an attacker would, those are kept at which f is wrong most often under the noise of g (a few votes each), and g itself
is asked there (PREDICT, alpha = 1e-4). One answer other than the certified class contradicts the certificate; at most alpha of
the certificates may be wrong. Each image's result is appended to runs/attacked_cells.jsonl, so a run that was stopped goes on.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from spt.classifiers import Classifier
from spt.defences import DistSPTCells
from spt.experiments import get_experiment
from spt.experiments.stored import Stored, load_stored
from spt.experiments.table4 import Table4
from spt.images import to_8_bit
from spt.noise import noisy, standard_normal

ATTACKS, VOTES, ASKED = 1000, 10, 3
RESULTS = Path(__file__).parent.parent / "runs" / "attacked_cells.jsonl"


def inside(count: int, radius: float, limit: float, dimensions: int, generator: torch.Generator) -> torch.Tensor:
    """Points of Gamma with |gamma| < radius, uniform, (count, d)."""
    found = torch.empty(0, dimensions, dtype=torch.float64)
    while len(found) < count:
        points = (2 * torch.rand(count, dimensions, dtype=torch.float64, generator=generator) - 1) * min(radius, limit)
        found = torch.cat((found, points[points.norm(dim=1) < radius]))
    return found[:count]


@torch.inference_mode()
def votes_for(defence: DistSPTCells, images: torch.Tensor, label: int, generator: torch.Generator) -> torch.Tensor:
    """How many of a few one-level votes each image gets for the class, (N,)."""
    classifier: Classifier = defence.classifier
    counts = torch.zeros(len(images), dtype=torch.int64)
    for _ in range(VOTES):
        betas = defence.transform.sample(len(images), defence.parameter_sigma, generator)
        shown = classifier.preprocessing(defence.transform(images.double(), betas))
        shown = noisy(shown, defence.pixel_sigma, standard_normal(tuple(shown.shape), generator))
        answers = [classifier.network_logits(part).argmax(dim=1) for part in torch.split(shown, classifier.chunk)]
        counts += (torch.cat(answers) == label).cpu()
    return counts


def attacked(stored: Stored, row: dict[str, Any], pixel_sigma: float | None) -> dict[str, Any]:
    """The worst points inside the radius of one image, and what g answers there."""
    experiment = stored.experiment
    assert isinstance(experiment, Table4)
    classifier, transform = experiment.load_classifier(), experiment.load_transform()
    sigma = classifier.pixel_sigma if pixel_sigma is None else pixel_sigma
    defence = DistSPTCells(
        classifier, transform, experiment.parameter_sigma, sigma, experiment.limit, experiment.attacker
    )
    generator = torch.Generator().manual_seed(row["image"])
    image = experiment.load_images(classifier.input_shape).image(row["image"])
    points = inside(ATTACKS, row["radius"], experiment.limit, transform.dimensions, generator)
    images = to_8_bit(transform(image.double(), points)).float()
    votes = votes_for(defence, images, row["label"], generator)
    worst = votes.argsort(stable=True)[:ASKED]
    answers = [defence.predict(images[i], alpha=1e-4, seed=row["image"]).label for i in worst.tolist()]
    return {
        "result": stored.stem,
        "image": row["image"],
        "radius": row["radius"],
        "label": row["label"],
        "points": points[worst].tolist(),
        "votes": votes[worst].tolist(),
        "answers": answers,
    }


def main() -> None:
    """Attack the images that were not attacked before, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, help="the CSV file of a result of table 4 with cells")
    parser.add_argument("--images", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    stored = load_stored(arguments.result.parent, get_experiment("table4"), arguments.result.stem)
    certified = [row for row in stored.rows["images"] if row["label"] is not None and row["radius"] > 0]
    RESULTS.parent.mkdir(exist_ok=True)
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.is_file() else []
    known = {(line["result"], line["image"]): line for line in map(json.loads, lines)}
    found = []
    for row in certified[: arguments.images]:
        line = known.get((stored.stem, row["image"]))
        if line is None:
            line = attacked(stored, row, stored.experiment.pixel_sigma)  # type: ignore[attr-defined]
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        found.append(line)
    asked = [(line, answer) for line in found for answer in line["answers"]]
    other = sorted({line["image"] for line, answer in asked if answer not in (None, line["label"])})
    print(
        f"{stored.stem}: {len(found)} images, {ATTACKS:,} attacks each inside their radii, g asked at the worst {ASKED} of each"
    )
    print(f"as certified: {sum(answer == line['label'] for line, answer in asked)} of {len(asked)}")
    print(f"undecided: {sum(answer is None for _, answer in asked)}")
    print(f"certificates contradicted: {len(other)} {other or ''}")


if __name__ == "__main__":
    main()
