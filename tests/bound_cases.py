"""What bounds are compared on with an independent oracle: images whose errors have flat maxima, ranges, gammas worth trying.

For the tests and for ``benchmarks/soundness.py``. Everything that is compared with a bound is numpy (`oracles`); of the package
only the bounds themselves are called.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spt.error_bounds import Search, chord_bound, interval_bound, sample_bound, vertex_bound
from spt.inverse import invert
from spt.preprocessing import Preprocessing
from spt.received_bounds.bounds import METHODS, received_balls, received_bound
from spt.threat_model import AttackedImage, ReceivedImage
from spt.transforms import TRANSFORMS
from tests.oracles import preprocessing_matrix, warp_many

IMAGES = (
    "stripes across",
    "stripes along",
    "stripes oblique",
    "wide stripes",
    "corner pixel",
    "edge pixel",
    "middle pixel",
    "any pixel",
    "dark pixel",
    "constant",
    "black",
    "checkerboard",
    "coarse checkerboard",
    "half",
    "cross",
    "ramp",
    "noise",
    "binary",
    "sparse",
)
SHAPES = ((1, 1), (1, 5), (2, 2), (3, 3), (4, 7), (5, 5), (6, 4), (8, 8), (9, 9), (7, 10))
PREPROCESSINGS = (
    Preprocessing(),
    Preprocessing(blur_size=3),
    Preprocessing(blur_size=5, blur_scale=1.0),
    Preprocessing(vignette="circle", vignette_margin=1),
    Preprocessing(vignette="circle", vignette_margin=1, blur_size=3),
    Preprocessing(vignette="rectangle", vignette_margin=1, blur_size=3, blur_scale=1.0),
    Preprocessing(vignette="rectangle", vignette_margin=2),
    Preprocessing(vignette="circle", vignette_margin=9),  # nothing is inside
)
RANGES = ("symmetric", "narrow", "tiny", "point", "one-sided", "wide", "at a quarter turn", "far")
UNITS = {
    "rotation": (30.0, 90.0),
    "translation": (1.5, 1.0),
    "scaling": (20.0, 0.0),
    "shear": (20.0, 0.0),
    "rotation-scaling": (20.0, 90.0),
}
"""Of each transformation: a usual size of its parameters, and how far apart its special values are, 0 where only 0 is one."""
ERRORS = {
    "rotation": ("chord", "interval", "naive interval"),
    "translation": ("vertices", "interval", "naive interval"),
}
OPTIONS = (
    {"tolerance": None},
    {"max_evaluations": 60},
    {"tolerance": 0.3, "max_evaluations": 40},
    {"target": 0.05, "max_evaluations": 60},
)
"""How far a search goes, and where it stops."""
CENTRES = ("shifted", "recentred", "given")


def flat_image(kind: str, channels: int, shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """(C, H, W) in [0, 1]: a pattern times a brightness, which is 1 in half of all cases."""
    height, width = shape
    rows, columns = np.mgrid[:height, :width]
    pattern = np.zeros((channels, height, width))
    period = int(random.integers(2, 5))
    inside = {
        "corner pixel": (random.choice((0, height - 1)), random.choice((0, width - 1))),
        "edge pixel": (0, random.integers(width)),
        "middle pixel": (height // 2, width // 2),
        "any pixel": (random.integers(height), random.integers(width)),
    }
    inside["dark pixel"] = inside["any pixel"]
    patterns = {
        "stripes across": rows % 2,
        "stripes along": columns % 2,
        "stripes oblique": (rows + columns) % period == 0,
        "wide stripes": columns // period % 2,
        "constant": np.ones(shape),
        "black": np.zeros(shape),
        "checkerboard": (rows + columns) % 2,
        "coarse checkerboard": (rows // 2 + columns // 2) % 2,
        "half": columns < width / 2,
        "cross": (rows == height // 2) | (columns == width // 2),
        "ramp": (rows + columns) / max(1, height + width - 2),
        "noise": random.random(pattern.shape),
        "binary": random.integers(0, 2, pattern.shape),
        "sparse": random.random(pattern.shape) < 0.08,
    }
    if kind in inside:
        pattern[:, inside[kind][0], inside[kind][1]] = 1
    else:
        pattern[:] = patterns[kind]
    if kind == "dark pixel":
        pattern = 1 - pattern
    return pattern * random.choice((1.0, 1.0, 0.5, 0.0232, 0.01 + 0.99 * random.random()))


def gamma_box(kind: str, name: str, random: np.random.Generator) -> np.ndarray:
    """(d, 2)."""
    dimensions = TRANSFORMS[name].dimensions
    unit, whole = UNITS[name]
    widths = {
        "narrow": 0.05,
        "tiny": 10.0 ** random.integers(-16, -2),
        "point": 0.0,
        "wide": 4.0,
        "at a quarter turn": 0.1,
        "far": 0.1,
    }
    width = widths.get(kind, 1.0) * unit * random.uniform(0.2, 1, dimensions)
    low = unit * random.normal(size=dimensions)
    if kind == "symmetric":
        return np.stack((-width, width), axis=1)
    if kind == "one-sided":
        low = np.zeros(dimensions)
    if kind == "at a quarter turn":
        low = whole * random.integers(-4, 5, dimensions) - width * random.choice((0.0, 1.0, random.random()))
    if kind == "far":
        low = random.choice((-1, 1)) * random.uniform(1000, 3590, dimensions)
    return np.stack((low, low + width), axis=1)


def some_points(name: str, count: int, box: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(N, d) betas or samples b': drawn, whole, halves, those that undo a gamma of the range, and many turns away."""
    unit, whole = UNITS[name]
    points = unit * random.normal(size=(count, len(box)))
    kind = random.integers(0, 5, count)[:, None]
    points = np.where(kind == 1, whole / 2 * np.round(points / (whole or np.inf) * 4), points)
    points = np.where(kind == 2, random.choice((-1.0, 1.0)) * random.choice(box.T, count), points)
    points = np.where(kind == 3, np.round(points * 4) / 4, points)
    return (
        points + 360.0 * random.integers(-17, 18, points.shape)
        if name == "rotation" and random.random() < 0.1
        else points
    )


def gammas_to_try(
    name: str,
    shape: tuple[int, int],
    box: np.ndarray,
    offsets: list[np.ndarray],
    count: int,
    random: np.random.Generator,
) -> np.ndarray:
    """(count, d) in the box: uniform, the ends, and where gamma or offset ± gamma is special, exactly and just beside: multiples
    of 45° and angles where a pixel crosses a line of the grid; multiples of half a pixel."""
    low, high = box[:, 0], box[:, 1]
    gammas = low + (high - low) * random.random((count, len(box)))
    kind = random.integers(0, 6, (count, len(box)))
    if name in ("scaling", "shear"):
        x, y = (random.integers(size, size=(count, 1)) - (size - 1) / 2 for size in shape[::-1])
        line = random.integers(max(shape) + 1, size=(count, 1)) - random.choice((max(shape) / 2, (max(shape) - 1) / 2))
        if name == "scaling":
            crossing = 100 * np.log(np.maximum(np.abs(random.choice((x, y))), 1e-9) / np.maximum(np.abs(line), 1e-9))
        else:
            crossing = 100 * (line - x) / np.where(y == 0, 1.0, y)
        special, period = np.where(kind == 1, crossing, 0.0), 0.0
    elif name in ("rotation", "rotation-scaling"):
        height, width = shape
        x, y = (random.integers(size, size=(count, 1)) - (size - 1) / 2 for size in (width, height))
        line = random.integers(max(shape) + 1, size=(count, 1)) - random.choice((max(shape) / 2, (max(shape) - 1) / 2))
        radius, grown = np.maximum(np.hypot(x, y), 1e-9), 1.0
        if name == "rotation-scaling":
            kind[:, 1] = np.where(
                kind[:, 0] == 1, 4, kind[:, 1]
            )  # a pixel crosses a line by one of them, the other is any
            grown = np.exp(gammas[:, 1:] / 100)
        turn = np.degrees(np.arccos(np.clip(line * grown / radius, -1, 1)))
        crossing = turn * random.choice((-1, 1), (count, 1)) - np.degrees(np.arctan2(y, x))
        crossing = crossing + 90 * random.integers(0, 4, (count, 1))
        special = np.where(kind[:, :1] == 1, crossing, 45.0 * random.integers(-9, 10, (count, 1)))
        period = 360.0
        if name == "rotation-scaling":
            across = np.abs(radius * np.cos(np.radians(gammas[:, :1]) + np.arctan2(y, x)))
            scaled = 100 * np.log(np.maximum(across, 1e-9) / np.maximum(np.abs(line), 1e-9))
            special = np.concatenate((special, np.where(kind[:, 1:] == 1, scaled, 0.0)), axis=1)
            period = np.array([360.0, 0.0])
    else:
        special, period = 0.5 * random.integers(-9, 10, (count, len(box))), 1.0
    signs = random.choice((-1.0, 1.0), special.shape)
    shift = np.stack([np.zeros(len(box)), *offsets])[random.integers(0, len(offsets) + 1, count)]
    special = signs * (special - shift)
    special = special + period * np.round((gammas - special) / np.where(np.asarray(period) > 0, period, np.inf))
    special = special + random.choice((0.0, 0.0, 1e-9, -1e-9, 1e-4), special.shape)
    gammas = np.where((kind <= 2) & (special >= low) & (special <= high), special, gammas)
    gammas = np.where(kind == 3, np.where(random.random(gammas.shape) < 0.5, low, high), gammas)
    return np.clip(gammas, low, high)


@dataclass
class Seen:
    """What a classifier sees, by the oracle: P T x for one image and P, in float64 or rounded to float32 after each step."""

    image: np.ndarray
    name: str
    preprocessing: Preprocessing
    single: bool = False

    def __post_init__(self) -> None:
        self.image = self.rounded(self.image)

    def rounded(self, images: np.ndarray) -> np.ndarray:
        return images.astype(np.float32).astype(np.float64) if self.single else images

    def after(self, images: np.ndarray) -> np.ndarray:
        """P, (K, C * H * W)."""
        p = self.preprocessing
        whole = preprocessing_matrix(*images.shape[-2:], p.vignette, p.vignette_margin, p.blur_size, p.blur_scale)
        return self.rounded((images.reshape(*images.shape[:2], -1) @ whole.T).reshape(len(images), -1))

    def warped(self, images: np.ndarray, *summands: np.ndarray) -> np.ndarray:
        return self.rounded(warp_many(images, self.name, *summands))

    def errors(self, beta: np.ndarray, gammas: np.ndarray) -> np.ndarray:
        """||P (A_beta A_gamma - A_{beta+gamma}) x||, (K,)."""
        image, betas = self.image[None], np.broadcast_to(beta, gammas.shape)
        twice = self.warped(self.warped(image, gammas), betas)
        return np.linalg.norm(self.after(twice) - self.after(self.warped(image, betas, gammas)), axis=1)

    def distances(self, point: np.ndarray, centre: np.ndarray, gammas: np.ndarray) -> np.ndarray:
        """||P A_{b'-gamma} A_gamma x - z||, (K,)."""
        twice = self.warped(self.warped(self.image[None], gammas), np.broadcast_to(point, gammas.shape), -gammas)
        return np.linalg.norm(self.after(twice) - centre.reshape(-1), axis=1)


Comparison = tuple[np.ndarray, Callable[[int, np.ndarray], np.ndarray]]
"""Bounds (N,), and for item i the errors (K,) at gammas (K, d)."""


def tensor(numbers: np.ndarray, single: bool = False) -> Tensor:
    return torch.from_numpy(numbers.copy()).to(torch.float32 if single else torch.float64)


def attacked_image(seen: Seen, box: np.ndarray) -> AttackedImage:
    """The image, and all gammas in the box (d, 2)."""
    return AttackedImage(tensor(seen.image, seen.single), TRANSFORMS[seen.name], seen.preprocessing, tensor(box))


def compare_errors(bound: str, seen: Seen, betas: np.ndarray, box: np.ndarray, **options) -> Comparison:
    """A bound of the interpolation error for each beta."""
    attacked = attacked_image(seen, box)
    if bound == "chord":
        found = chord_bound(attacked, tensor(betas), search=Search(**options))
    elif bound == "vertices":
        found = vertex_bound(attacked, tensor(betas))
    else:
        splits, search = 12 if seen.name == "rotation" else 3, Search(**{"tolerance": None} | options)
        naive = bound == "naive interval"
        found = interval_bound(attacked, tensor(betas), splits=splits, naive=naive, search=search)
    assert (found.sampled <= found.values).all()
    return found.values.numpy(), lambda item, gammas: seen.errors(betas[item], gammas)


def compare_samples(
    centre: str, seen: Seen, points: np.ndarray, box: np.ndarray, random: np.random.Generator, **options
) -> Comparison:
    """Radii of K(b') for each b', around the centres that the bound chooses or around given ones."""
    if centre == "given":
        near = seen.after(seen.warped(seen.image[None], points + random.choice((0.0, 0.1))))
        near = near + random.choice((0.0, 1e-9, 0.3, 50.0)) * random.random(near.shape)
        around = {"centres": tensor(near.reshape(len(points), *seen.image.shape))}
    else:
        around = {"centre": centre}
    found = sample_bound(attacked_image(seen, box), tensor(points), search=Search(**options), **around)
    assert (found.bound.sampled <= found.values).all()
    centres = found.centres.numpy()
    return found.values.numpy(), lambda item, gammas: seen.distances(points[item], centres[item], gammas)


def compare_received(
    method: str, seen: Seen, betas: np.ndarray, gamma: np.ndarray, box: np.ndarray, attacker: str, width: float
) -> tuple[np.ndarray, np.ndarray, bool]:
    """What was received of the image at one gamma (by the oracle), inverted, and bounded: bounds and errors (3 N,), the error of
    `received_bound` and the two distances of `received_balls` for each beta; and whether the inverse holds image and gamma."""
    assert method in METHODS
    transform = TRANSFORMS[seen.name]
    sent = seen.warped(seen.image[None], gamma[None])[0].clip(0, 1)
    if attacker == "8-bit":
        sent = seen.rounded(np.round(255 * sent) / 255)
    received = tensor(sent, seen.single)
    inverse = invert(ReceivedImage(received, transform, tensor(box), attacker=attacker), width=width, refinements=2)
    boxes, lower, upper = (part.numpy() for part in (inverse.boxes, inverse.lower, inverse.upper))
    here = ((boxes[..., 0] <= gamma) & (gamma <= boxes[..., 1])).all(axis=1)
    held = bool((here & ((lower <= seen.image) & (seen.image <= upper)).all(axis=(1, 2, 3))).any())
    if not held:
        return np.zeros(0), np.zeros(0), False
    points = tensor(betas)
    bound = received_bound(inverse, seen.preprocessing, points, method=method).values.numpy()
    centres, radii = received_balls(inverse, seen.preprocessing, points, method=method)
    shown = seen.after(seen.warped(sent[None], betas))
    true = seen.after(seen.warped(seen.image[None], betas, np.broadcast_to(gamma, betas.shape)))
    flat = centres.numpy().reshape(len(betas), -1)
    errors = [np.linalg.norm(difference, axis=1) for difference in (shown - true, shown - flat, true - flat)]
    return np.concatenate((bound, radii.numpy(), radii.numpy())), np.concatenate(errors), True
