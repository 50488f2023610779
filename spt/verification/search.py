"""Deterministic verification of a classifier against all attacks gamma in Gamma: the role of DeepG in table 12.

Gamma is cut into splits. For each, all images that the attacker can make are enclosed, and the margins of the label over every
other class bounded from below; a split with positive bounds is verified, others are halved. No smoothing, no sampling:
a verified range is a proof. Source: Balunovic et al., Certifying Geometric Robustness of Neural Networks (2019).

This is no case of `spt.error_bounds.search.branch_and_bound`, which looks for the largest value: it halves cells on all axes, keeps
a cell's bound where its parts' are worse, refines where that bound is largest and ends at a value above the target. Here splits
are halved across their widest axis down to a width, in the order of Gamma, margins are recorded as they are bounded (-inf where
something overflowed), and a counterexample ends nothing: the share that holds is asked for. What is left is a loop of four lines.
"""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from spt.classifiers import MODELS_FOLDER, Classifier, load_classifier, read_card
from spt.error_bounds.paths import cells_for_quarter_turn
from spt.images import to_8_bit
from spt.networks import build_network, fuse_batch_norm
from spt.progress import Progress, Stopwatch, silent
from spt.threat_model import AttackedImage, Attacker, as_range, check_bounded
from spt.transforms import Rotation
from spt.verification.enclosures import enclose
from spt.verification.line_enclosure import LineEnclosure
from spt.verification.network import Layer, forward, least, read_network

Method = Literal["ibp", "crown-ibp", "crown"]
METHODS: tuple[Method, ...] = ("ibp", "crown-ibp", "crown")
VALUES_AT_ONCE = 1 << 15
"""Pixels of all splits that are bounded together: the rows of CROWN need a few thousand times as much memory."""


@dataclass(frozen=True, kw_only=True)
class Splitting:
    """How Gamma is cut.

    Attributes:
        width: largest splits to begin with, in the parameters' unit; min_width: splits are not halved below it.
        max_evaluations: no split is halved once so many were bounded.

    ValueError if the widths are not positive, finite and in this order, or nothing may be evaluated.
    """

    width: float = 1.0
    min_width: float = 0.05
    max_evaluations: int = 5000

    def __post_init__(self) -> None:
        if not 0 < self.min_width <= self.width < math.inf:
            raise ValueError(f"Widths must be positive and min_width = {self.min_width} at most width = {self.width}.")
        if self.max_evaluations < 1:
            raise ValueError(f"max_evaluations must be at least 1, but is {self.max_evaluations}.")


USUAL = Splitting()


@dataclass(frozen=True)
class Verification:
    """What was proved about f(P T_gamma x) for gamma in [-limit, limit]^d.

    For every gamma in a verified split, f answers ``label`` for x transformed by gamma (in exact arithmetic or as this
    package computes it), and rounded to 8 bits if the attacker does. f is the float32 network (`in_float32`) after P and after
    rounding to its grid, in real arithmetic and in every float32 evaluation described in `spt.verification.network`; nothing is
    said about bfloat16.

    Attributes:
        label: class index. transform: its name. limit: of each parameter, in its unit.
        attacker: "exact" or "8-bit". method: of the bounds.
        verified: whether every split is verified, so no attack in Gamma changes the answer.
        share: volume of the verified splits in that of Gamma.
        evaluations: number of splits that were bounded, halved ones included.
        seconds: wall-clock time.
        counterexample: a gamma for which f, as evaluated, answers another class; None if none was met.
        splits: the final partition of Gamma: for each split (low, high) of every parameter.
        margins: for each split a lower bound of min over other classes of (label's logit - other logit).
    """

    label: int
    transform: str
    limit: float
    attacker: Attacker
    method: Method
    verified: bool
    share: float
    evaluations: int
    seconds: float
    counterexample: tuple[float, ...] | None
    splits: tuple[tuple[tuple[float, float], ...], ...] = field(repr=False)
    margins: tuple[float, ...] = field(repr=False)

    @property
    def decisions(self) -> tuple[bool, ...]:
        """For each split whether its margin is positive."""
        return tuple(margin > 0 for margin in self.margins)


def in_float32(name: str) -> Classifier:
    """The bundled classifier ``name`` with its network in float32 on every processor, as it is verified."""
    from safetensors.torch import load

    classifier = load_classifier(name)
    module = build_network(**read_card(name)["network"])
    module.load_state_dict(load((MODELS_FOLDER / f"{name}.safetensors").read_bytes()))
    return replace(classifier, module=fuse_batch_norm(module, half=False))


def margin_bounds(layers: list[Layer], enclosure: LineEnclosure, label: int, *, method: Method = "crown-ibp") -> Tensor:
    """Lower bounds (M,) of min over j != label of (logit of label - logit j) on each set.

    "ibp" goes forward only; "crown-ibp" goes back through all layers between the forward bounds; "crown" first
    sharpens those bounds by going back from each ReLU, where "crown-ibp" did not suffice. Each is at least as large as
    the one before it, because the better of both is taken.
    """
    last, steps = forward(layers, enclosure)
    classes = last.lower.shape[1]
    if not 0 <= label < classes:
        raise ValueError(f"Label {label} is not one of the {classes} classes.")
    if classes == 1:
        return torch.full((len(enclosure),), math.inf, dtype=torch.float64)
    others = [j for j in range(classes) if j != label]
    rows = last.lower.new_zeros(len(enclosure), len(others), classes)
    rows[:, :, label] = 1.0
    rows[:, torch.arange(len(others)), others] = -1.0
    bounds = least(steps, rows, last, backward=method != "ibp").amin(1)
    unsure = (~(bounds > 0)).nonzero()[:, 0]
    if method == "crown" and len(unsure):
        last, steps = forward(layers, enclosure[unsure], refine=True)
        bounds[unsure] = torch.maximum(bounds[unsure], least(steps, rows[unsure], last).amin(1))
    return bounds.cpu()


def verify(
    classifier: Classifier,
    attacked: AttackedImage,
    label: int,
    *,
    method: Method = "crown-ibp",
    splitting: Splitting = USUAL,
    progress: Progress = silent,
) -> Verification:
    """Try to prove that f answers ``label`` for every gamma in Gamma; see `Verification` for the statement.

    Args:
        classifier: a float32 network of supported layers (see `in_float32` and `read_network`).
        attacked: an image of the classifier's shape, with its P, and Gamma = [-limit, limit]^d.
        method: of the bounds, see `margin_bounds`.
        progress: called once for each round of splits.

    Every split is sampled at its middle (to begin with at its corners too) in search of a counterexample.
    """
    watch = Stopwatch()
    attacked = replace(attacked, image=classifier.check_image(attacked.image))
    check_bounded(attacked.transform, "whole range")
    if attacked.preprocessing != classifier.preprocessing:
        raise ValueError(
            f"The attacked image is shown through {attacked.preprocessing}, but the classifier through "
            f"{classifier.preprocessing}."
        )
    if not 0 <= label < len(classifier.class_names):
        raise ValueError(f"Label {label} is not one of the {len(classifier.class_names)} classes.")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but is {method!r}.")
    limit = _limit(attacked)
    claim = _Claim(classifier, read_network(classifier.module), attacked, label, method)
    boxes = _first_splits(attacked, splitting.width)
    volume = (boxes[..., 1] - boxes[..., 0]).prod(dim=1).sum()
    counterexample = claim.counterexample(boxes.transpose(1, 2).flatten(0, 1))
    done: list[tuple[Tensor, Tensor]] = []
    evaluations = 0
    while len(boxes):
        margins = claim.margins(boxes, progress)
        evaluations += len(boxes)
        failed = ~(margins > 0)
        if counterexample is None:
            counterexample = claim.counterexample(boxes[failed].mean(dim=-1))
        widest = (boxes[..., 1] - boxes[..., 0]).amax(dim=1)
        halved = failed & (widest / 2 >= splitting.min_width)
        affordable = max(0, (splitting.max_evaluations - evaluations) // 2)
        halved &= halved.cumsum(0) <= affordable
        done.append((boxes[~halved], margins[~halved]))
        boxes = _halves(boxes[halved])
    splits, bounds = (torch.cat(parts) for parts in zip(*done, strict=True))
    for axis in reversed(range(attacked.transform.dimensions)):
        order = splits[:, axis, 0].argsort(stable=True)
        splits, bounds = splits[order], bounds[order]
    sizes = (splits[..., 1] - splits[..., 0]).prod(dim=1)
    verified = bool((bounds > 0).all())
    return Verification(
        label=label,
        transform=attacked.transform.name,
        limit=limit,
        attacker=attacked.attacker,
        method=method,
        verified=verified,
        share=1.0 if verified else float(sizes[bounds > 0].sum() / volume),
        evaluations=evaluations,
        seconds=watch.seconds,
        counterexample=counterexample,
        splits=tuple(tuple((low, high) for low, high in split) for split in splits.tolist()),
        margins=tuple(bounds.tolist()),
    )


def _limit(attacked: AttackedImage) -> float:
    """Of Gamma = [-limit, limit]^d; ValueError if it is none, or a point."""
    limit = float(attacked.box[0, 1])
    if not limit > 0 or not torch.equal(attacked.box, as_range(attacked.transform, (-limit, limit))):
        raise ValueError(f"Gamma must be from -limit to limit for every parameter, but is {attacked.box.tolist()}.")
    return limit


def _first_splits(attacked: AttackedImage, width: float) -> Tensor:
    """Splits (M, d, 2) of Gamma that are at most ``width`` wide and that the enclosures allow."""
    transform, (low, high) = attacked.transform, attacked.box[0].tolist()
    pieces = math.ceil((high - low) / width)
    if pieces**transform.dimensions > 1_000_000:
        raise ValueError(f"width = {width:g} cuts ±{high:g} into {pieces**transform.dimensions} splits: too many.")
    ends = [low, high]
    if isinstance(transform, Rotation):  # multiples of 90° are ends, and no pixel moves by more than one pixel
        ends[1:1] = [90.0 * k for k in range(math.floor(low / 90) + 1, math.ceil(high / 90))]
        width = min(width, 90 / cells_for_quarter_turn(attacked.image.shape[1], attacked.image.shape[2]))
    counts = [max(1, math.ceil((end - begin) / width * (1 - 1e-12))) for begin, end in itertools.pairwise(ends)]
    axes = [
        begin + (end - begin) * torch.arange(count, dtype=torch.float64) / count
        for (begin, end), count in zip(itertools.pairwise(ends), counts, strict=True)
    ]
    edges = torch.cat((*axes, torch.tensor([high], dtype=torch.float64)))
    pairs = torch.stack((edges[:-1], edges[1:]), dim=1)
    which = torch.cartesian_prod(*[torch.arange(len(pairs))] * transform.dimensions).reshape(-1, transform.dimensions)
    return pairs[which]


def _halves(boxes: Tensor) -> Tensor:
    """Each box (M, d, 2) cut in two across its widest axis; both share the cut exactly."""
    rows = torch.arange(len(boxes))
    axis = (boxes[..., 1] - boxes[..., 0]).argmax(dim=1)
    first, second = boxes.clone(), boxes.clone()
    first[rows, axis, 1] = second[rows, axis, 0] = boxes[rows, axis].mean(dim=1)
    return torch.cat((first, second))


@dataclass(frozen=True, eq=False)
class _Claim:
    """That f answers ``label`` whatever the attacker does to the image."""

    classifier: Classifier
    layers: list[Layer]
    attacked: AttackedImage
    label: int
    method: Method

    def margins(self, boxes: Tensor, progress: Progress) -> Tensor:
        """Lower bounds of the label's margin on splits (M, d, 2), (M,)."""
        size = max(1, VALUES_AT_ONCE // self.attacked.image.numel())
        parts: Iterable[Tensor] = torch.split(boxes, size)
        found = []
        for part in progress(parts, desc=f"verifying {len(boxes)} splits", total=-(-len(boxes) // size)):
            enclosure = enclose(self.attacked, part, grid=self.classifier.grid)
            found.append(margin_bounds(self.layers, enclosure, self.label, method=self.method))
        return torch.cat(found)

    def counterexample(self, points: Tensor) -> tuple[float, ...] | None:
        """The first point of (K, d) for which the classifier, as evaluated, answers another class."""
        for part in torch.split(points, self.classifier.chunk):
            images = self.attacked.transform(self.attacked.image, part)
            sent = to_8_bit(images) if self.attacked.attacker == "8-bit" else images
            predictions = self.classifier.logits(sent).argmax(1).cpu()
            wrong = (predictions != self.label).nonzero()[:, 0]
            if len(wrong):
                return tuple(part[wrong[0]].tolist())
        return None
