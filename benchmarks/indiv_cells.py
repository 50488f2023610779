"""Where the radius of received bounds is lost, and what cells, weights and narrow splits win: the second table of indiv.md.

    python benchmarks/indiv_cells.py mnist --images 5
    python benchmarks/indiv_cells.py cifar10 --images 5

Needs the data set in the folder that SPT_DATA names. First test images, rotated by a random angle within ±10° and rounded to 8
bits. Every image's line is printed as it comes, the medians at the end.
"""

import argparse
import statistics
import time
from dataclasses import replace

import torch
from indiv import LIMIT, ROTATION, SCALES, errors

from spt.datasets import load_dataset
from spt.images import to_8_bit
from spt.inverse import Inverse, invert
from spt.preprocessing import Preprocessing
from spt.received_bounds import estimator
from spt.received_bounds.bounds import received_balls
from spt.received_bounds.clusters import find_clusters
from spt.threat_model import ReceivedImage

BETAS = 2
STEPS = estimator.STEPS


def in_the_cell_of(gamma: float, inverse: Inverse) -> Inverse:
    """What explains the image with gamma in the cluster in which it is."""
    [own] = [each for each in find_clusters(inverse) if each.box[0, 0] <= gamma <= each.box[0, 1]][:1]
    return replace(inverse, boxes=own.box[None], lower=own.lower[None], upper=own.upper[None])


def main() -> None:
    """Measure on one data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=SCALES)
    parser.add_argument("--images", type=int, default=5, help="of the test set, from the first on (5)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    preprocessing = Preprocessing(
        vignette="circle", vignette_margin=2, blur_size=5, blur_scale=SCALES[arguments.dataset]
    )
    data, found = load_dataset(arguments.dataset), []
    for index in range(arguments.images):
        generator = torch.Generator().manual_seed(index)
        gamma = LIMIT * (2 * torch.rand(1, 1, dtype=torch.float64, generator=generator) - 1)
        betas = 30 * torch.randn(BETAS, 1, dtype=torch.float64, generator=generator)
        image = data.image(index).double()
        received = ReceivedImage(to_8_bit(ROTATION(image, gamma)[0]), ROTATION, (-LIMIT, LIMIT))
        true = errors(image, received.image, preprocessing, betas, gamma)
        line = {"true error": float(true.median())}
        for name, steps, width, alone in (
            ("one ball, first guess", 0, 0.1, False),
            ("cell, first guess", 0, 0.1, True),
            ("cell, weights", STEPS, 0.1, True),
            ("cell, weights, narrow splits", STEPS, 0.025, True),
        ):
            estimator.STEPS = steps
            estimator.estimator_of.cache_clear()
            started = time.process_time()
            inverse = invert(received, width=width)
            own = in_the_cell_of(float(gamma), inverse) if alone else inverse
            centres, radii = received_balls(own, preprocessing, betas, with_received=not alone)
            shown = preprocessing(ROTATION(image, betas + gamma))
            assert ((shown - centres).flatten(1).norm(dim=1) <= radii).all(), f"{name}: unsound, please report it"
            line |= {name: float(radii.median()), f"{name} [s]": time.process_time() - started}
        found.append(line)
        print(f"image {index}:", ", ".join(f"{name} {value:.3f}" for name, value in line.items()), flush=True)
    names = [name for name in found[0] if not name.endswith("[s]")]
    print("median:", ", ".join(f"{name} {statistics.median(each[name] for each in found):.3f}" for name in names))


if __name__ == "__main__":
    main()
