"""What it costs that f rounds its input to a grid and that pixel noise is float64; rewrites noise.md.

    SPT_DATA=folder python benchmarks/noise.py            # some minutes
    SPT_DATA=folder python benchmarks/noise.py --rounds 3 --images 500

Speed: votes at one centre with noise as `spt.noise` makes it, against noise drawn and added in float32 and given to the network
as it is. Both take turns within each round; ratios are medians of the ratios within a round. Accuracy: the share of test images
that f answers rightly under its own noise, with and without rounding, on the same noise.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from spt.classifiers import Classifier, bundled_classifiers, load_classifier, read_card
from spt.datasets import load_dataset
from spt.noise import noisy, snap, standard_normal, vote_error
from spt.transforms import get_transform

PAGE = Path(__file__).parent / "noise.md"
BLOCK = 32  # votes that share one generator, as in the inner tests
CHUNKS = 8


def float64_votes(classifier: Classifier, centre: Tensor, generator: torch.Generator, blocks: int) -> Tensor:
    """Votes as the inner tests count them."""
    shape = (BLOCK, *centre.shape)
    inputs = torch.cat(
        [noisy(centre, classifier.pixel_sigma, standard_normal(shape, generator)) for _ in range(blocks)]
    )
    return classifier.network_logits(inputs).argmax(1)


def float32_votes(classifier: Classifier, centre: Tensor, generator: torch.Generator, blocks: int) -> Tensor:
    """The same number of votes with noise in float32, and no rounding."""
    single, shape = centre.float(), (BLOCK, *centre.shape)
    inputs = torch.cat(
        [single + classifier.pixel_sigma * torch.randn(shape, generator=generator) for _ in range(blocks)]
    )
    parts = [classifier.module(part) for part in torch.split(inputs, classifier.chunk)]
    return torch.cat(parts).argmax(1)


def speed(name: str, rounds: int) -> list[str]:
    """A row of the first table."""
    classifier = load_classifier(name)
    blocks = max(1, CHUNKS * classifier.chunk // BLOCK)
    centre = torch.rand(classifier.network_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    runs: list[Callable[..., Tensor]] = [float64_votes, float32_votes]
    seconds: dict[str, list[float]] = {run.__name__: [] for run in runs}
    for number in range(rounds + 1):
        for run in runs if number % 2 else runs[::-1]:
            generator = torch.Generator().manual_seed(number)
            started = time.perf_counter()
            run(classifier, centre, generator, blocks)
            seconds[run.__name__].append(time.perf_counter() - started)
    own, other = (seconds[run.__name__][1:] for run in runs)  # the first round warms up
    ratio = statistics.median(b / a for a, b in zip(own, other, strict=True))
    votes = blocks * BLOCK
    error = vote_error(centre.numel(), classifier.pixel_sigma, classifier.grid)
    return [
        name,
        f"{votes / statistics.median(own):,.0f}",
        f"{votes / statistics.median(other):,.0f}",
        f"{ratio:.2f}",
        f"{error:.0e}",
    ]


@torch.inference_mode()
def accuracy(name: str, images: int) -> list[str]:
    """A row of the second table."""
    classifier, card = load_classifier(name), read_card(name)
    data = load_dataset(card["dataset"], "test", classifier.input_shape)
    pixels, labels = data.batch(range(min(images, len(data))))
    generator = torch.Generator().manual_seed(1)
    transform = get_transform(classifier.transform or "rotation")
    right = [0, 0, 0]
    for part, truth in zip(torch.split(pixels, 250), torch.split(labels, 250), strict=True):
        points = transform.sample(len(part), classifier.parameter_sigma, generator)
        inputs = classifier.preprocessing(transform(part.double(), points))
        inputs = noisy(inputs, classifier.pixel_sigma, standard_normal(inputs.shape, generator))
        answers = [classifier.module(each).argmax(1) for each in (inputs.float(), snap(inputs, classifier.grid))]
        for which, answer in enumerate(answers):
            right[which] += int((answer == truth).sum())
        right[2] += int((answers[0] != answers[1]).sum())
    count = len(pixels)
    return [name, f"{count:,}", *(f"{100 * value / count:.2f} %" for value in (right[1], right[0])), str(right[2])]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Measure and rewrite the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21, help="default: %(default)s")
    parser.add_argument("--images", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    names = [name for name in bundled_classifiers() if load_classifier(name).pixel_sigma > 0]
    tables = {
        "speed": table(
            ["classifier", "votes /s", "votes /s, float32 noise", "ratio", "vote error"],
            [speed(name, arguments.rounds) for name in names],
        ),
        "accuracy": table(
            ["classifier", "test images", "rounded to the grid", "not rounded", "other answers"],
            [accuracy(name, arguments.images) for name in names],
        ),
    }
    page = PAGE.read_text(encoding="utf-8")
    for section, text in tables.items():
        start, end = f"<!-- {section}: written by noise.py -->", f"<!-- end of {section} -->"
        before, _, rest = page.partition(start)
        page = f"{before}{start}\n{text}\n{end}{rest.partition(end)[2]}"
        print(text)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
