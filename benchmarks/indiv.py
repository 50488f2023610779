"""Bounds for received images against the true error of the attack that was made; one table of indiv.md for each data set.

    python benchmarks/indiv.py mnist --images 20
    python benchmarks/indiv.py cifar10 --images 20 --methods automatic

Needs the data set in the folder that SPT_DATA names. Every image's result is appended to runs/indiv.jsonl, so a run that was
stopped goes on; the table of that name in indiv.md is rewritten between its markers. Certificates of received images are an
experiment: python -m spt run indiv.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from spt.datasets import load_dataset
from spt.images import to_8_bit
from spt.inverse import invert
from spt.preprocessing import Preprocessing
from spt.received_bounds.bounds import METHODS, error_hull
from spt.threat_model import ReceivedImage
from spt.transforms import Rotation

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
            inverse = invert(ReceivedImage(received, ROTATION, (-LIMIT, LIMIT)))
            true = errors(image, received, preprocessing, betas, gamma)
            started = time.process_time()
            hull = error_hull(inverse, preprocessing, betas, method=method)
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
    head = "| method | images | bound / true error, mean | median | largest | r / true error, mean | processor ms for one β |"
    return [head, "|---" * 7 + "|", *rows]


def main() -> None:
    """Measure on one data set and rewrite its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=SCALES)
    parser.add_argument("--images", type=int, default=20, help="of the test set, from the first on (20)")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, help="of the bound (all)")
    parser.add_argument("--threads", type=int, default=1, help="of the processor (1: tensors are small)")
    parser.add_argument("--dry", action="store_true", help="leave indiv.md as it is")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    table = "\n".join(sharpness(arguments.dataset, arguments))
    print(table)
    if not arguments.dry:
        begin, end = f"<!-- {arguments.dataset} -->", f"<!-- end of {arguments.dataset} -->"
        text = PAGE.read_text(encoding="utf-8")
        before, after = text.partition(begin)[0], text.partition(end)[2]
        PAGE.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
