"""IndivSPT: sharpness of the bounds for received images, and certificates of attacked MNIST digits; rewrites indiv.md.

    SPT_DATA=... python benchmarks/indiv.py                                # 20 images, then 100 images x 3 attacks
    SPT_DATA=... python benchmarks/indiv.py --images 3 --certified 0       # a quick look at the sharpness alone

Needs MNIST and CIFAR-10 in the folder that SPT_DATA names. Each part is written between its own markers; one that is given 0
images stays as it is.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))  # run from anywhere without installing

from spt.attacks import WorstOfK
from spt.classifiers import load_classifier
from spt.datasets import load_dataset
from spt.defences.individual import IndivSPT
from spt.error_bounds.received import Method, error_hull
from spt.images import to_8_bit
from spt.inverse import invert
from spt.preprocessing import Preprocessing
from spt.statistics import clopper_pearson_lower
from spt.transforms import Rotation

PAGE = Path(__file__).parent / "indiv.md"
ROTATION, LIMIT, BETAS = Rotation(), 10.0, 5
SETS = {"mnist": 2.0, "cifar10": 1.0}  # s of the blur
METHODS: tuple[Method, ...] = ("interval", "kernel", "regularised", "automatic")


def errors(image: Tensor, received: Tensor, preprocessing: Preprocessing, betas: Tensor, gamma: Tensor) -> Tensor:
    """What the receiver would like to know."""
    error = preprocessing(ROTATION(received, betas)) - preprocessing(ROTATION(image, betas + gamma))
    return error.flatten(1).norm(dim=1)


def sharpness(name: str, scale: float, images: int, methods: tuple[Method, ...]) -> list[str]:
    """One row of the first table for each method."""
    data = load_dataset(name)
    preprocessing = Preprocessing(vignette="circle", vignette_margin=2, blur_size=5, blur_scale=scale)
    ratios: dict[Method, list[Tensor]] = {method: [] for method in methods}
    radii: dict[Method, list[Tensor]] = {method: [] for method in methods}
    seconds = dict.fromkeys(methods, 0.0)
    shares, widths = [], []
    for index in range(images):
        generator = torch.Generator().manual_seed(index)
        gamma = LIMIT * (2 * torch.rand(1, 1, dtype=torch.float64, generator=generator) - 1)
        betas = 30 * torch.randn(BETAS, 1, dtype=torch.float64, generator=generator)
        image = data.image(index).double()
        received = to_8_bit(ROTATION(image, gamma)[0])
        inverse = invert(received, ROTATION, (-LIMIT, LIMIT))
        shares.append(inverse.share)
        widths.append(float(inverse.widths.mean()))
        true = errors(image, received, preprocessing, betas, gamma)
        for method in methods:
            start = time.process_time()
            hull = error_hull(received, ROTATION, preprocessing, betas, inverse, method)
            bound, offsets = hull.distances(), hull.centres()
            seconds[method] += time.process_time() - start
            assert (true <= bound).all(), f"{method} is unsound on {name} image {index}: please report it"
            ratios[method].append(bound / true)
            radii[method].append(torch.maximum(offsets.flatten(1).norm(dim=1), hull.distances(offsets)) / true)
        last = ", ".join(f"{method} {ratios[method][-1].mean():.2f}" for method in methods)
        print(f"{name} {index}: {len(inverse.boxes)} splits, {last}", flush=True)
    print(f"{name}: {sum(shares) / images:.1%} of Gamma survives, mean width {sum(widths) / images:.3f}")
    rows = []
    for method in methods:
        ratio, radius = torch.cat(ratios[method]), torch.cat(radii[method])
        rows.append(
            f"| {name} | {method} | {ratio.mean():.2f} | {ratio.median():.2f} | {ratio.max():.2f} | {radius.mean():.2f} | "
            f"{seconds[method] / images / BETAS * 1e3:.0f} |"
        )
    return rows


def certificates(images: int, attacks: int, n_gamma: int, alpha: float, name: str) -> str:
    """The row of the second table: certify the worst attacked copies of the first test images."""
    classifier = load_classifier(name)
    data = load_dataset("mnist", shape=classifier.input_shape)
    defence = IndivSPT(classifier, ROTATION, classifier.parameter_sigma, classifier.pixel_sigma, LIMIT)
    attack = WorstOfK(ROTATION, LIMIT, keep=attacks)
    right = covered = own = 0
    seconds, radii, shares = [], [], []
    for index in range(images):
        image, label = data.image(index), data.label(index)
        points = attack(classifier, image, label, seed=index).points
        for number, received in enumerate(attack.apply(image, points)):
            started = time.perf_counter()
            certificate = defence.certify(received, n_gamma=n_gamma, alpha=alpha, seed=3 * index + number)
            seconds.append(time.perf_counter() - started)
            radii.append(sorted(certificate.radii)[n_gamma // 2])
            shares.append(certificate.share)
            angle = float(points[number].abs())
            right += certificate.label == label
            own += certificate.label == label and certificate.radius > angle
            covered += certificate.label == label and certificate.radius > LIMIT
            print(f"image {index}, {angle:.2f}°: {certificate.explain()} {seconds[-1]:.1f} s", flush=True)
    count = len(seconds)
    lower = (
        clopper_pearson_lower(covered, count, 0.05) if attacks == 1 else None
    )  # attacks on one image are not independent
    return (
        f"| {images} x {attacks} | {n_gamma} | {right / count:.3f} | {own / count:.3f} | {covered / count:.3f}"
        f"{'' if lower is None else f' (≥ {lower:.3f})'} | {sum(radii) / count:.3f} | {sum(shares) / count:.2%} | "
        f"{sorted(seconds)[count // 2]:.2f} |"
    )


def rewrite(part: str, rows: list[str]) -> None:
    """Put a table between its markers."""
    begin, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(begin)[0], text.partition(end)[2]
    PAGE.write_text("\n".join([f"{before}{begin}", *rows, f"{end}{after}"]), encoding="utf-8")
    print("\n".join(rows))


def main() -> None:
    """Run and rewrite the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20, help="for sharpness, of each data set (20)")
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--certified", type=int, default=100, help="images to certify (100)")
    parser.add_argument("--attacks", type=int, default=3, help="worst of 100 attacks kept for each image (3)")
    parser.add_argument("--n-gamma", type=int, default=200)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--classifier", default="mnist-rotation")
    arguments = parser.parse_args()
    if arguments.images:
        methods = tuple(arguments.methods)
        rows = [row for name in arguments.data for row in sharpness(name, SETS[name], arguments.images, methods)]
        head = "| data | method | bound / true error, mean | median | largest | ρ / true error, mean | processor ms for one β |"
        rewrite("sharpness", [head, "|---|---|---|---|---|---|---|", *rows])
    if arguments.certified:
        row = certificates(
            arguments.certified, arguments.attacks, arguments.n_gamma, arguments.alpha, arguments.classifier
        )
        names = ("images x attacks", "n_γ", "certified right", "for the angle applied", "for all of Γ")
        head = f"| {' | '.join(names)} | mean of median ρ | Γ that survives | median s |"
        rewrite("certificates", [head, "|---|---|---|---|---|---|---|---|", row])


if __name__ == "__main__":
    main()
