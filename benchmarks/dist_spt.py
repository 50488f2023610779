"""Certified accuracy of DistSPT^x on MNIST test images: ``python benchmarks/dist_spt.py --images 200 --limit 30 50``.

Needs MNIST in the folder that SPT_DATA names. Rewrites the table of dist_spt.md between its markers.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))  # run from anywhere without installing

from spt import load_classifier, load_dataset
from spt.defences import DistSPT
from spt.statistics import clopper_pearson_lower
from spt.transforms import Rotation

TABLE = Path(__file__).parent / "dist_spt.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"


def run(limit: float, images: int, n_gamma: int, alpha: float, name: str) -> str:
    """One row of the table: certify the first test images and count."""
    classifier = load_classifier(name)
    data = load_dataset("mnist", shape=classifier.input_shape)
    defence = DistSPT(classifier, Rotation(), classifier.parameter_sigma, classifier.pixel_sigma, limit)
    angles = [angle for angle in (0, 10, 20, 30, 50) if angle <= limit]
    counts, seconds, radii = dict.fromkeys(angles, 0), [], []
    for index in range(images):
        started = time.perf_counter()
        certificate = defence.certify(data.image(index), n_gamma=n_gamma, alpha=alpha, seed=index)
        seconds.append(time.perf_counter() - started)
        radii.append(sorted(certificate.radii)[n_gamma // 2])
        if certificate.label == data.label(index):
            for angle in angles:
                counts[angle] += certificate.radius > angle
        print(f"±{limit:g}° image {index}: {certificate.explain()} {seconds[-1]:.1f} s", flush=True)
    shares = [f"{counts[angle] / images:.3f}" if angle in counts else "–" for angle in (0, 10, 20, 30, 50)]
    lower = clopper_pearson_lower(counts[angles[-1]], images, 0.05)
    median = sorted(seconds)[len(seconds) // 2]
    return (
        f"| ±{limit:g}° | {images} | {n_gamma} | {' | '.join(shares)} | {lower:.3f} | "
        f"{sum(radii) / len(radii):.3f} | {median:.2f} |"
    )


def main() -> None:
    """Run and rewrite the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--limit", type=float, nargs="+", default=[30.0, 50.0])
    parser.add_argument("--n-gamma", type=int, default=200)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--classifier", default="mnist-rotation")
    arguments = parser.parse_args()
    rows = [
        run(limit, arguments.images, arguments.n_gamma, arguments.alpha, arguments.classifier)
        for limit in arguments.limit
    ]
    table = "\n".join(
        [
            "| Γ | images | n_γ | 0° | 10° | 20° | 30° | 50° | last, 95 % lower bound | mean of median ρ | median s/image |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *rows,
        ]
    )
    text = TABLE.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    TABLE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    print(table, f"torch {torch.__version__}", sep="\n")


if __name__ == "__main__":
    main()
