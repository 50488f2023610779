"""DistSPT with cells beside one ball for the whole attack range, on the first test images; rewrites the table of cells.md.

    SPT_DATA=folder python benchmarks/cells.py --images 20
    SPT_DATA=folder python benchmarks/cells.py --images 20 --settings cifar10-10 --forms cells

Each image's result is appended to runs/cells.jsonl, so a run that was stopped goes on, and the table shows what is there. Rows of
one ball come from results/, where they were committed with the same settings; --forms one-ball computes them again.
"""

import argparse
import csv
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spt.classifiers import load_classifier
from spt.datasets import load_dataset
from spt.defences import DistSPT, DistSPTCells
from spt.transforms import Rotation

HERE = Path(__file__).parent
PAGE, RESULTS = HERE / "cells.md", HERE.parent / "runs" / "cells.jsonl"
BEGIN, END = "<!-- cells -->", "<!-- end of cells -->"
Result = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What is certified, with which noises; the committed rows of one ball, and its numbers of samples."""

    classifier: str
    dataset: str
    limit: float
    parameter_sigma: float
    pixel_sigma: float
    looks: tuple[int, int]
    committed: str = ""


SETTINGS = {
    "mnist-30": Setting("mnist-rotation", "mnist", 30.0, 30.0, 0.3, (200, 1000)),
    "mnist-fine-30": Setting("mnist-rotation-fine", "mnist", 30.0, 25.0, 0.175, (200, 1000)),
    "mnist-fine-50": Setting(
        "mnist-rotation-fine", "mnist", 50.0, 40.0, 0.175, (200, 1000), "table4-mnist-rotation-50.csv"
    ),
    "cifar10-10": Setting("cifar10-smooth", "cifar10", 10.0, 20.0, 0.15, (25, 100), "table4-cifar10-rotation-10.csv"),
}


def computed(name: str, form: str, index: int) -> Result:
    """One image, certified now."""
    setting = SETTINGS[name]
    classifier = load_classifier(setting.classifier)
    data = load_dataset(setting.dataset, shape=classifier.input_shape)
    about = (classifier, Rotation(), setting.parameter_sigma, setting.pixel_sigma, setting.limit)
    started = time.process_time()
    if form == "one-ball":
        first, most = setting.looks
        found = DistSPT(*about).certify(data.image(index), n_gamma=most, first_looks=(first,))
    else:
        found = DistSPTCells(*about).certify(data.image(index))
    return {
        "setting": name,
        "form": form,
        "image": index,
        "truth": int(data.labels[index]),
        "label": found.label,
        "radius": found.radius,
        "samples": len(found.points),
        "votes": found.network_calls,
        "seconds": time.process_time() - started,
    }


def committed(name: str) -> list[Result]:
    """The rows of one ball that are in results/."""
    setting = SETTINGS[name]
    if not setting.committed:
        return []
    lines = (HERE.parent / "results" / setting.committed).read_text(encoding="utf-8").splitlines()
    rows = [row for row in csv.DictReader(lines) if row["stage"] == "images"]
    return [
        {
            "setting": name,
            "form": "one-ball, committed",
            "image": int(row["image"]),
            "truth": int(row["truth"]),
            "label": int(row["label"]) if row["label"] not in ("", "null") else None,
            "radius": float(row["radius"]),
            "samples": int(row["samples"]),
            "votes": None,
            "seconds": None,
        }
        for row in rows
    ]


def row_of(results: list[Result]) -> str:
    """One row of the table: results of one form on the same images."""
    setting, first = SETTINGS[results[0]["setting"]], results[0]
    right = [result for result in results if result["label"] == result["truth"]]
    whole = sum(result["radius"] > setting.limit for result in right)
    medians = [
        "–" if first[key] is None else f"{statistics.median(result[key] for result in results):,.{digits}f}"
        for key, digits in (("samples", 0), ("votes", 0), ("seconds", 1))
    ]
    mean = "–" if first["seconds"] is None else f"{statistics.mean(result['seconds'] for result in results):.1f}"
    cells = [setting.classifier, f"±{setting.limit:g}°", f"{setting.parameter_sigma:g}°, {setting.pixel_sigma:g}"]
    cells += [first["form"], str(len(results)), str(sum(result["radius"] > 0 for result in right)), str(whole)]
    return f"| {' | '.join([*cells, *medians, mean])} |"


def known() -> list[Result]:
    """What was computed before."""
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()] if RESULTS.is_file() else []


def table() -> str:
    """All that is known, settings and forms in order; one ball on the images that cells were tried on."""
    head = "| classifier | Γ | σ_γ, σ_ε | form | images | certified and right | in all of Γ | samples | votes | s | s, mean |"
    lines = [head, "|---" * 11 + "|"]
    for name in SETTINGS:
        rows = [result for result in known() if result["setting"] == name]
        tried = {result["image"] for result in rows if result["form"] == "cells"}
        for form in ("one-ball, committed", "one-ball", "cells"):
            found = [row for row in (*committed(name), *rows) if row["form"] == form and row["image"] in tried]
            lines += [row_of(found)] if found else []
    return "\n".join(lines)


def main() -> None:
    """Compute what is missing, and rewrite the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--settings", nargs="*", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--forms", nargs="+", choices=["cells", "one-ball"], default=["cells"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.parent.mkdir(exist_ok=True)
    have = {(result["setting"], result["form"], result["image"]) for result in known()}
    for index in range(arguments.images):
        for name in arguments.settings:
            for form in arguments.forms:
                if (name, form, index) not in have:
                    with RESULTS.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(computed(name, form, index)) + "\n")
    print(table())
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
