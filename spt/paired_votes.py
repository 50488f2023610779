"""Two networks on the same votes: how often they agree, and how the shares of a class differ, when both are shown the same draws.

Whether two runs (`spt.smoothing`) were shown the same depends on their seeds and sizes, and on how many votes have their noise
drawn together for each network. Here vote i shows both networks the same beta_i and eps_i, f_1(P_1 T_beta x + eps) and
f_2(P_2 T_beta x + eps), each with its own P, so that where they differ the networks do. The draws are those of no other run: who
has seen two votes may ask for this one.

It certifies nothing: it says how two shares differ, not how far an attack is from changing an answer.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from spt.classifiers import PIXELS_AT_ONCE
from spt.noise import noisy, standard_normal
from spt.plain_numbers import alpha_level, seed_number, whole
from spt.seeds import independent_generators, noise_seeds
from spt.smoothing import SmoothedClassifier
from spt.statistics import binomial_p_value, clopper_pearson_lower, clopper_pearson_upper

MOST_IN_BLOCK = 250


@dataclass(frozen=True)
class PairedShares:
    """How often each of two networks gave one answer, on n votes that both were shown.

    Attributes:
        both, only_first, only_second, neither: how many votes; together n.
    """

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def n(self) -> int:
        """How many votes."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def shares(self) -> tuple[float, float]:
        """Of the votes of the first and of the second network."""
        return (self.both + self.only_first) / self.n, (self.both + self.only_second) / self.n

    @property
    def difference(self) -> float:
        """The second share minus the first one, in which the votes that agree cancel."""
        return (self.only_second - self.only_first) / self.n

    def interval(self, alpha: float) -> tuple[float, float]:
        """Ends between which the difference of the two probabilities lies, but for a probability of alpha over the draws.

        It is Pr(only the second) - Pr(only the first). Each of the two has a Clopper-Pearson interval whose ends err with
        probability alpha / 4 each, so that all four hold together: for every n, and a little wider than need be.
        """
        quarter, n = alpha_level("alpha", alpha) / 4, self.n
        low, high = (
            (clopper_pearson_lower(count, n, quarter), clopper_pearson_upper(count, n, quarter))
            for count in (self.only_first, self.only_second)
        )
        return high[0] - low[1], high[1] - low[0]

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test that both probabilities are equal: given how many votes only one of the two has, a fair coin."""
        differing = self.only_first + self.only_second
        return binomial_p_value(self.only_first, differing) if differing else 1.0


@dataclass(frozen=True, eq=False)
class PairedVotes:
    """The first n votes that both networks were shown.

    Attributes:
        class_names: of both.
        points: (n, d) float64, the parameter beta of each vote.
        classes: (n, 2) int64, the class that the first and the second network gave it.
    """

    class_names: tuple[str, ...]
    points: Tensor
    classes: Tensor

    @property
    def n(self) -> int:
        """How many votes."""
        return len(self.classes)

    @property
    def table(self) -> Tensor:
        """(C, C) int64: how often the first network gave class i and the second one class j."""
        count = len(self.class_names)
        pairs = self.classes[:, 0] * count + self.classes[:, 1]
        return pairs.bincount(minlength=count * count).reshape(count, count)

    @property
    def agreeing(self) -> int:
        """On how many votes both gave the same class."""
        return int(self.table.diagonal().sum())

    def of_class(self, label: int) -> PairedShares:
        """How often each gave this class."""
        first, second = (self.classes == label).unbind(dim=1)
        counts = (first & second, first & ~second, ~first & second, ~first & ~second)
        return PairedShares(*(int(each.sum()) for each in counts))


def paired_votes(
    first: SmoothedClassifier, second: SmoothedClassifier, image: Tensor, n: int, seed: int = 0
) -> Iterator[PairedVotes]:
    """The votes of two smoothed classifiers on the same n draws of beta and eps, as a stream: cumulative after as many as are
    worked on together.

    Args:
        first, second: they differ by their network alone: same transformation, same noise, same classes, images of one shape.
        image: (C, H, W) in [0, 1], what is received.
        n: how many votes; another n gives other draws. seed: of them.

    Raises ValueError, one sentence, where two networks cannot be shown the same.
    """
    n, seed = whole("n", n), seed_number(seed)
    _check_alike(first, second)
    image = image.float().double()
    parameters, pixels = independent_generators(2, "paired votes", seed, n)
    points = first.transform.sample(n, first.parameter_sigma, parameters)
    channels, height, width = first.classifier.network_shape
    size = max(1, min(MOST_IN_BLOCK, PIXELS_AT_ONCE["cpu"] // (channels * height * width)))
    seeds = noise_seeds(math.ceil(n / size), pixels).tolist()
    together = size * max(1, min(first.classifier.chunk, second.classifier.chunk) // size)
    classes = torch.empty((n, 2), dtype=torch.int64)
    for start in range(0, n, together):
        part = slice(start, min(start + together, n))
        drawn = seeds[start // size : math.ceil(part.stop / size)]
        for place, smoothed in enumerate((first, second)):
            classes[part, place] = _answers(smoothed, image, points[part], size, drawn)
        yield PairedVotes(first.classifier.class_names, points[: part.stop], classes[: part.stop].clone())
    first.classifier.confirm()
    second.classifier.confirm()


@torch.inference_mode()
def _answers(smoothed: SmoothedClassifier, image: Tensor, points: Tensor, size: int, seeds: list[int]) -> Tensor:
    """The classes (M,) for M votes. Their noise is drawn on the CPU, which gives every network the same, ``size`` votes with each
    seed, so that it does not depend on how many are worked on together."""
    classifier = smoothed.classifier
    inputs = classifier.preprocessing(smoothed.transform(classifier.check_image(image), points))
    if smoothed.pixel_sigma > 0:
        shape = (size, *inputs.shape[1:])
        blocks = [standard_normal(shape, torch.Generator().manual_seed(seed)) for seed in seeds]
        inputs = noisy(inputs, smoothed.pixel_sigma, torch.cat(blocks)[: len(points)].to(inputs.device))
    return classifier.network_logits(inputs).argmax(dim=1).cpu()


def _check_alike(first: SmoothedClassifier, second: SmoothedClassifier) -> None:
    """ValueError where both cannot be shown the same draws."""

    def noise(smoothed: SmoothedClassifier) -> str:
        return f"{smoothed.transform.name}, {smoothed.parameter_sigma:g} and {smoothed.pixel_sigma:g}"

    if noise(first) != noise(second):
        raise ValueError(
            f"Two networks have the same votes under the same noise only, but it is {noise(first)} and {noise(second)}."
        )
    one, other = first.classifier, second.classifier
    if one.class_names != other.class_names:
        raise ValueError(f"Classifiers {one.name!r} and {other.name!r} do not have the same classes.")
    for what, mine, its in (
        ("takes images", one.input_shape, other.input_shape),
        ("is shown images", one.network_shape, other.network_shape),
    ):
        if mine != its:
            raise ValueError(
                f"Classifier {one.name!r} {what} of shape {mine}, but {other.name!r} of shape {its}: they cannot have the same "
                "votes."
            )
