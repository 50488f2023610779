"""Transformations per second against torchvision and kornia, and votes per second; rewrites throughput.md.

    python benchmarks/throughput.py            # about two minutes on a quiet machine
    python benchmarks/throughput.py --rounds 3 # a quick look

Contestants take turns within each round, so that what else the machine does meets all of them; numbers are medians
over the rounds, ratios are medians of the ratios within a round.
"""

import argparse
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torchvision
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as vision

from spt import (
    Classifier,
    Rotation,
    SmoothedClassifier,
    bundled_classifiers,
    classifiers,
    get_transform,
    load_classifier,
)
from spt.noise import noisy, standard_normal

try:
    import kornia
    from kornia.geometry.transform import rotate as kornia_rotate
except ImportError:
    kornia = None

PAGE = Path(__file__).parent / "throughput.md"
SHAPES = {"28×28": (1000, 1, 28, 28), "3×224×224": (16, 3, 224, 224)}
NAMES = ("spt", "torchvision", "kornia")
VOTES = 2000

Run = Callable[[], Tensor]


def timed(contestants: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contestant in each round; the order is turned by one from round to round."""
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for run in contestants.values():
        run()
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            started = time.perf_counter()
            contestants[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all columns but the first two are numbers."""
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# -------------------------------------------------------------------------------------------------- (a) transformations


def cases(images: Tensor, angles: Tensor) -> dict[str, dict[str, Run]]:
    """Who rotates how: N images by N angles, N images by one angle, one image by N angles."""
    rotation, degrees, one = Rotation(), angles.flatten().tolist(), angles[:1]

    def by_torchvision(batch: Tensor, angle: float) -> Tensor:
        return vision.rotate(batch, angle, InterpolationMode.BILINEAR)  # without fill: zeros, and no blending

    each = {
        "spt": lambda: rotation(images, angles),
        "torchvision": lambda: torch.stack([by_torchvision(x, a) for x, a in zip(images, degrees, strict=True)]),
    }
    same = {"spt": lambda: rotation(images, one), "torchvision": lambda: by_torchvision(images, degrees[0])}
    many = {
        "spt": lambda: rotation(images[0], angles),
        "torchvision": lambda: torch.stack([by_torchvision(images[0], a) for a in degrees]),
    }
    if kornia is not None:
        single, repeated = angles.flatten().float(), images[:1].expand(len(images), -1, -1, -1)
        each["kornia"] = lambda: kornia_rotate(images, single)
        same["kornia"] = lambda: kornia_rotate(images, single[0])
        many["kornia"] = lambda: kornia_rotate(repeated, single)
    return {
        "N images, N angles": each,
        "N images, one angle": same,
        "one image, N angles": many,
    }


def exact(image: Tensor, degrees: float) -> Tensor:
    """The rotated image (C, H, W) by the textbook formula in float64, written independently of what is measured."""
    channels, height, width = image.shape
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x = torch.arange(width, dtype=torch.float64)[None, :] - (width - 1) / 2
    y = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    column, row = cosine * x - sine * y + (width - 1) / 2, sine * x + cosine * y + (height - 1) / 2
    result = torch.zeros(channels, height, width, dtype=torch.float64)
    for r in (row.floor(), row.floor() + 1):
        for c in (column.floor(), column.floor() + 1):
            weight = (1 - (row - r).abs()) * (1 - (column - c).abs())
            inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            pixels = image.double()[:, r.long().clamp(0, height - 1), c.long().clamp(0, width - 1)]
            result += torch.where(inside, weight, 0.0) * pixels
    return result


def measure_transformations(rounds: int) -> tuple[str, str]:
    """The tables of the first section: speed, deviation."""
    speeds, deviations = [], []
    for shape_name, shape in SHAPES.items():
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(shape, generator=generator)
        angles = Rotation().sample(shape[0], 30.0, generator)
        for case, contestants in cases(images, angles).items():
            seconds = timed(contestants, rounds)
            medians = {name: shape[0] / statistics.median(values) for name, values in seconds.items()}
            ratios = {
                name: statistics.median(other / own for other, own in zip(values, seconds["spt"], strict=True))
                for name, values in seconds.items()
            }
            row = [f"{case}, N = {shape[0]}", shape_name]
            row += [f"{medians[name]:,.0f}" if name in medians else "–" for name in NAMES]
            row += [f"{ratios[name]:.2f}" if name in ratios else "–" for name in NAMES[1:]]
            speeds.append(row)
            print(" | ".join(row), flush=True)
        truth = torch.stack([exact(x, a) for x, a in zip(images, angles.flatten().tolist(), strict=True)])
        rotate_each = cases(images, angles)["N images, N angles"]
        largest = {name: float((rotate() - truth).abs().max()) for name, rotate in rotate_each.items()}
        deviations.append(
            ["largest deviation", shape_name, *(f"{largest[name]:.0e}" if name in largest else "–" for name in NAMES)]
        )
        print(" | ".join(deviations[-1]), flush=True)
    head = ["case", "image", *(f"{name} /s" for name in NAMES), *(f"spt ÷ {name}" for name in NAMES[1:])]
    return table(head, speeds), table(["", "image", *NAMES], deviations)


# ------------------------------------------------------------------------------------------------------------ (b) votes


def stages(name: str) -> tuple[dict[str, Run], int]:
    """All votes, and each stage of them alone, on chunks of the classifier's size; and the number of votes."""
    classifier = load_classifier(name)
    transform = get_transform(classifier.transform or "rotation")
    sigma = classifier.parameter_sigma or transform.parameters[0].default_sigma
    smoothed = SmoothedClassifier(classifier, transform, sigma, classifier.pixel_sigma)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(classifier.input_shape, generator=generator)
    chunks = math.ceil(VOTES / classifier.chunk)
    points = transform.sample(classifier.chunk, sigma, generator)
    transformed = transform(image.double(), points)
    inputs = classifier.preprocessing(transformed)

    def times(run: Run) -> Run:
        def all_chunks() -> Tensor:
            return [run() for _ in range(chunks)][-1]

        return all_chunks

    parts = {
        "all": lambda: smoothed.count(image, chunks * classifier.chunk, torch.Generator().manual_seed(0)).classes,
        "transformation": times(lambda: transform(image.double(), points)),
        "P": times(lambda: classifier.preprocessing(transformed)),
        "network": times(lambda: classifier.network_logits(inputs)),
    }
    if classifier.pixel_sigma > 0:
        parts["pixel noise"] = times(
            lambda: noisy(inputs, smoothed.pixel_sigma, standard_normal(inputs.shape, generator))
        )
    return parts, chunks * classifier.chunk


def measure_votes(rounds: int) -> str:
    """The table of the second section."""
    names = ("transformation", "P", "pixel noise", "network")
    rows = []
    for name in bundled_classifiers():
        contestants, votes = stages(name)
        seconds = {part: statistics.median(values) for part, values in timed(contestants, rounds).items()}
        micro = {part: value / votes * 1e6 for part, value in seconds.items()}
        classifier = load_classifier(name)
        rest = micro["all"] - sum(micro.get(part, 0.0) for part in names)
        row = [name, f"{classifier.transform or 'rotation'}, {'×'.join(map(str, classifier.input_shape))}"]
        row += [f"{votes / seconds['all']:,.0f}", f"{micro['all']:.0f}"]
        row += [*(f"{micro[part]:.1f}" if part in micro else "–" for part in names), f"{rest:.1f}"]
        rows.append(row)
        print(" | ".join(row), flush=True)
    head = ["classifier", "case", "votes /s", "µs a vote", *(f"{part} µs" for part in names), "rest µs"]
    return table(head, rows)


# ------------------------------------------------------------------------------------------------------------- (c) calls


def measure_calls(rounds: int) -> str:
    """The table of the third section: calls of the network of a few images on a processor, against calls of a whole chunk."""
    usual, rows = classifiers.IMAGES_IN_A_CALL, []
    for name in ("mnist-rotation", "cifar10-smooth", "cifar10-resnet-fine"):
        classifier = load_classifier(name)
        images = torch.rand(2 * classifier.chunk, *classifier.input_shape)

        def answers(count: int, size: int, classifier: Classifier = classifier, images: Tensor = images) -> Tensor:
            classifiers.IMAGES_IN_A_CALL = size
            return classifier.logits(images[:count])

        row = [name, f"{usual} against {classifier.chunk}"]
        for count in (1, len(images)):
            contestants = {str(size): partial(answers, count, size) for size in (usual, classifier.chunk)}
            seconds = timed(contestants, rounds)
            few, whole = seconds[str(usual)], seconds[str(classifier.chunk)]
            ratio = statistics.median(b / a for a, b in zip(few, whole, strict=True))
            row += [f"{1000 * statistics.median(few) / count:.2f}", f"{ratio:.2f}"]
        classifiers.IMAGES_IN_A_CALL = usual
        rows.append(row)
        print(" | ".join(row), flush=True)
    return table(
        ["classifier", "images in a call", "one image, ms", "times as fast", "of many, ms each", "times as fast"], rows
    )


def write(section: str, text: str) -> None:
    """Replace what stands between the two markers of a section of the page."""
    page = PAGE.read_text(encoding="utf-8")
    start, end = f"<!-- {section}: written by throughput.py -->", f"<!-- end of {section} -->"
    before, _, rest = page.partition(start)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{PAGE.name} has no section between {start} and {end}.")
    PAGE.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: all cores")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    torch.set_num_threads(arguments.threads)
    if kornia is None:
        print('kornia is not installed (pip install -e ".[bench]"): its columns stay empty.')
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    versions += f", kornia {kornia.__version__}" if kornia is not None else ""
    system = f"Python {platform.python_version()}, {torch.get_num_threads()} thread(s), {rounds} rounds"
    if hasattr(os, "getloadavg"):
        system += f", load average at the start {os.getloadavg()[0]:.1f}"
    with torch.inference_mode():
        transformations, deviations = measure_transformations(rounds)
        votes = measure_votes(rounds)
        calls = measure_calls(rounds)
    write("versions", f"Measured with {versions}, {system}.")
    write("transformations", transformations)
    write("deviations", deviations)
    write("votes", votes)
    write("calls", calls)


if __name__ == "__main__":
    main()
