"""IndivSPT: certificates of attacked MNIST digits, and sharpness of the bounds for received images; one table of indiv.md each.

    python benchmarks/indiv.py rotation --images 100             # +-10 degrees, the 3 worst of 100 attacks on each image
    python benchmarks/indiv.py translation --images 100          # +-1 px, with mnist-translation
    python benchmarks/indiv.py sharpness-mnist --images 20       # every method against the true error
    python benchmarks/indiv.py sharpness-cifar10 --images 20 --methods automatic

Needs MNIST and CIFAR-10 in the folder that SPT_DATA names. Every image's result is appended to runs/indiv.jsonl, so a run
that was stopped goes on; the table of that name in indiv.md is rewritten between its markers.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parent.parent))  # run from anywhere without installing

from spt.attacks import WorstOfK
from spt.classifiers import load_classifier
from spt.datasets import load_dataset
from spt.defences import IndivSPT
from spt.error_bounds.received import METHODS, error_hull
from spt.images import to_8_bit
from spt.inverse import invert
from spt.preprocessing import Preprocessing
from spt.statistics import clopper_pearson_lower
from spt.transforms import Rotation, get_transform

PAGE = Path(__file__).parent / "indiv.md"
RESULTS = Path(__file__).parent.parent / "runs" / "indiv.jsonl"
ROTATION, LIMIT, BETAS = Rotation(), 10.0, 5
SCALES = {"mnist": 2.0, "cifar10": 1.0}  # s of the blur
Result = dict[str, Any]


def results_of(setting: Result, images: int, compute: Callable[[int], Result]) -> list[Result]:
    """The results of the first images, as far as possible from the file of results."""
    known = {}
    if RESULTS.is_file():
        records = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
        known = {record["image"]: record for record in records if record["setting"] == setting}
    RESULTS.parent.mkdir(exist_ok=True)
    for index in tqdm(range(images), desc=" ".join(map(str, setting.values()))[:60]):
        if index not in known:
            known[index] = {"setting": setting, "image": index} | compute(index)
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(known[index]) + "\n")
    return [known[index] for index in range(images)]


# ---------------------------------------------------------------------------------------------------------- certificates


def certificates(transform_name: str, limit: float, classifier_name: str, arguments: argparse.Namespace) -> list[str]:
    """Certify the worst attacked copies of the first MNIST test images."""
    classifier = load_classifier(classifier_name)
    data = load_dataset("mnist", shape=classifier.input_shape)
    transform = get_transform(transform_name)
    defence = IndivSPT(classifier, transform, classifier.parameter_sigma, classifier.pixel_sigma, limit)
    attack = WorstOfK(transform, limit, keep=arguments.attacks)
    setting = {
        "transform": transform_name, "limit": limit, "classifier": classifier_name, "fingerprint": classifier.fingerprint,
        "attacks": arguments.attacks, "n_gamma": arguments.n_gamma, "alpha": arguments.alpha,
    }  # fmt: skip

    def compute(index: int) -> Result:
        image, label = data.image(index), data.label(index)
        points = attack(classifier, image, label, seed=index).points
        found = []
        for number, received in enumerate(attack.apply(image, points)):
            seed, started = arguments.attacks * index + number, time.process_time()
            certificate = defence.certify(received, n_gamma=arguments.n_gamma, alpha=arguments.alpha, seed=seed)
            found.append(
                {
                    "attack": points[number].tolist(), "label": certificate.label, "radius": certificate.radius,
                    "rho": sorted(certificate.radii)[arguments.n_gamma // 2], "share": certificate.share,
                    "seconds": time.process_time() - started,
                }
            )  # fmt: skip
        return {"truth": label, "certificates": found}

    results = results_of(setting, arguments.images, compute)
    found = [one | {"right": one["label"] == result["truth"]} for result in results for one in result["certificates"]]
    corner = limit * transform.dimensions**0.5
    counts = {
        "right": sum(one["right"] for one in found),
        "own": sum(one["right"] and one["radius"] > torch.tensor(one["attack"]).norm() for one in found),
        "covered": sum(one["right"] and one["radius"] > corner for one in found),
    }
    n = len(found)
    # several attacks on one image are not independent
    lower = f" (≥ {clopper_pearson_lower(counts['covered'], n, 0.05):.3f})" if arguments.attacks == 1 else ""
    names = ("images x attacks", "n_γ", "certified right", "for the attack made", "for all of Γ", "mean of median ρ")
    return [
        f"| {' | '.join(names)} | Γ that survives | median processor s |",
        "|---" * 8 + "|",
        f"| {arguments.images} x {arguments.attacks} | {arguments.n_gamma} | "
        + " | ".join(f"{count / n:.3f}" for count in counts.values())
        + f"{lower} | {sum(one['rho'] for one in found) / n:.3f} | {sum(one['share'] for one in found) / n:.2%} | "
        f"{sorted(one['seconds'] for one in found)[n // 2]:.2f} |",
    ]


def rotation(arguments: argparse.Namespace) -> list[str]:
    """Certificates for +-10 degrees."""
    return certificates("rotation", LIMIT, "mnist-rotation", arguments)


def translation(arguments: argparse.Namespace) -> list[str]:
    """Certificates for +-1 px on both axes; all of Gamma is covered where the radius exceeds its corners' distance."""
    return certificates("translation", 1.0, "mnist-translation", arguments)


# ------------------------------------------------------------------------------------------------------------- sharpness


def errors(image: Tensor, received: Tensor, preprocessing: Preprocessing, betas: Tensor, gamma: Tensor) -> Tensor:
    """What the receiver would like to know."""
    error = preprocessing(ROTATION(received, betas)) - preprocessing(ROTATION(image, betas + gamma))
    return error.flatten(1).norm(dim=1)


def sharpness(name: str, arguments: argparse.Namespace) -> list[str]:
    """One row for each method: its bounds against the true error."""
    data = load_dataset(name)
    preprocessing = Preprocessing(vignette="circle", vignette_margin=2, blur_size=5, blur_scale=SCALES[name])
    rows = []
    for method in arguments.methods:

        def compute(index: int, method: Any = method) -> Result:
            generator = torch.Generator().manual_seed(index)
            gamma = LIMIT * (2 * torch.rand(1, 1, dtype=torch.float64, generator=generator) - 1)
            betas = 30 * torch.randn(BETAS, 1, dtype=torch.float64, generator=generator)
            image = data.image(index).double()
            received = to_8_bit(ROTATION(image, gamma)[0])
            inverse = invert(received, ROTATION, (-LIMIT, LIMIT))
            true = errors(image, received, preprocessing, betas, gamma)
            started = time.process_time()
            hull = error_hull(received, ROTATION, preprocessing, betas, inverse, method)
            bound, offsets = hull.distances(), hull.centres()
            seconds = time.process_time() - started
            assert (true <= bound).all(), f"{method} is unsound on {name} image {index}: please report it"
            radius = torch.maximum(offsets.flatten(1).norm(dim=1), hull.distances(offsets))
            return {"ratios": (bound / true).tolist(), "radii": (radius / true).tolist(), "seconds": seconds / BETAS}

        results = results_of({"sharpness": name, "method": method}, arguments.images, compute)
        ratios, radii = (torch.tensor([each for one in results for each in one[key]]) for key in ("ratios", "radii"))
        rows.append(
            f"| {method} | {arguments.images} | {ratios.mean():.2f} | {ratios.median():.2f} | {ratios.max():.2f} | "
            f"{radii.mean():.2f} | {sum(one['seconds'] for one in results) / len(results) * 1e3:.0f} |"
        )
    head = "| method | images | bound / true error, mean | median | largest | ρ / true error, mean | processor ms for one β |"
    return [head, "|---" * 7 + "|", *rows]


TASKS: dict[str, Callable[[argparse.Namespace], list[str]]] = {
    "rotation": rotation,
    "translation": translation,
    "sharpness-mnist": lambda arguments: sharpness("mnist", arguments),
    "sharpness-cifar10": lambda arguments: sharpness("cifar10", arguments),
}


def main() -> None:
    """Run one task and rewrite its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--images", type=int, default=20, help="of the test set, from the first on (20)")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, help="for sharpness")
    parser.add_argument("--attacks", type=int, default=3, help="worst of 100 attacks kept for each image (3)")
    parser.add_argument("--n-gamma", type=int, default=200)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--threads", type=int, default=1, help="of the processor (1: tensors are small)")
    parser.add_argument("--dry", action="store_true", help="leave indiv.md as it is")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    table = "\n".join(TASKS[arguments.task](arguments))
    print(table)
    if not arguments.dry:
        begin, end = f"<!-- {arguments.task} -->", f"<!-- end of {arguments.task} -->"
        text = PAGE.read_text(encoding="utf-8")
        before, after = text.partition(begin)[0], text.partition(end)[2]
        PAGE.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
