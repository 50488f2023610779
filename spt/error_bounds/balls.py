"""Per-sample error: a centre and a radius for everything the classifier can be shown at one smoothing sample.

Why such balls certify: docs/mathematics.md, section 9.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from spt.device_memory import halving_on_oom
from spt.error_bounds import arcs, vertices
from spt.error_bounds.balls_rotation import MovingArcSplits
from spt.error_bounds.balls_translation import BernsteinSplits
from spt.error_bounds.chord import cells_for
from spt.error_bounds.paths import PATHS
from spt.error_bounds.refined import bounded
from spt.error_bounds.result import SampleBound
from spt.error_bounds.sampled import gamma_lattice
from spt.error_bounds.search import USUAL, Search, Splits
from spt.interpolation import pixel_grid
from spt.progress import Progress, Stopwatch, silent, step
from spt.rounding_slack import float_slack, norm_inflation
from spt.threat_model import MEMORY_BUDGET, AttackedImage, Points, as_points, check_bounded
from spt.transforms import POINTS_AT_ONCE, Rotation, Transform

CENTRE_STEPS = 150
CENTRE_SAMPLES = 40
WITHIN = 2.9
"""Pixels along each axis around a place, in which the attacker's rounding is looked for."""
UNDERFLOW = 1e-150
"""A square is rounded by at most 2^-1075 where it is subnormal: given centres can be as small as that."""
KRONECKER = (0.7548776662466927, 0.5698402909980532)  # powers of the inverse plastic number


def centre_weights(gram: Tensor, counts: Tensor | None = None, steps: int = CENTRE_STEPS) -> Tensor:
    """Weights (N, K) of nearly the centre of the smallest ball around K vectors with Gram matrices (N, K, K).

    Of problem n only the first ``counts[n]`` vectors count where that is given; the others must be equal to one of these, and
    change nothing.

    Badoiu and Clarkson (2003): move 1 / (i + 1) of the way to the farthest vector; after i steps the radius is within
    a factor 1 + O(1 / sqrt(i)) of the smallest.
    """
    count, size = gram.shape[:2]
    if counts is None:
        counts = torch.full((count,), size, device=gram.device)
    own = torch.arange(size, device=gram.device) < counts[:, None]
    weights = own.to(gram.dtype) / counts[:, None]
    squares = gram.diagonal(dim1=1, dim2=2)
    rows = torch.arange(count, device=gram.device)
    for number in range(2, steps + 2):
        farthest = (squares - 2 * (gram @ weights[:, :, None])[:, :, 0]).argmax(dim=1)
        weights = weights * (1 - 1 / number)
        weights[rows, farthest] += 1 / number
    return weights


def gammas_for_centre(transform: Transform, points: Tensor, gamma_range: Tensor, samples: int) -> Tensor:
    """(N, K, d) gammas at which K(b') is sampled: spread over Gamma, and those nearest to gamma = 0 and gamma = b', where
    the image is interpolated once only (for rotation also a multiple of 90° away).

    Translations by whole pixels are all alike, so for these a lattice would be a bad choice: a Kronecker sequence.
    """
    low, high = gamma_range[:, 0], gamma_range[:, 1]
    if isinstance(transform, Rotation):
        spread = gamma_lattice(gamma_range, samples)
    else:
        steps = torch.arange(1, samples + 1, dtype=torch.float64)[:, None]
        spread = low + (high - low) * ((steps * torch.tensor(KRONECKER[: len(low)])) % 1)
    lattice = spread.expand(len(points), -1, -1)
    once = [torch.zeros_like(points), points]
    if isinstance(transform, Rotation):
        middle = gamma_range.mean(dim=1)
        once = [point - 90 * torch.round((point - middle) / 90) for point in once]
    return torch.cat((lattice, *[point.clamp(low, high)[:, None] for point in once]), dim=1)


def find_centres(
    attacked: AttackedImage,
    points: Tensor,
    *,
    centre: Literal["shifted", "recentred"] = "recentred",
    samples: int = CENTRE_SAMPLES,
    memory_budget: int = MEMORY_BUDGET,
) -> tuple[Tensor, Tensor]:
    """For N samples b', (N, d) float64: centres z(b') (N, C, H', W'), and the largest sampled distance (N,) of K(b') to
    them."""
    pixels, transform, preprocessing = attacked.pixels, attacked.transform, attacked.preprocessing
    gammas = gammas_for_centre(transform, points, attacked.box, samples)
    size = gammas.shape[1]

    def centres(part: Tensor) -> tuple[Tensor, Tensor]:
        gamma = gammas[part].flatten(0, 1)
        outer = points[part].repeat_interleave(size, dim=0) - gamma
        attacked_images = transform(pixels, gamma)
        step()
        twice = transform(attacked_images, outer)
        step()
        shown = preprocessing(twice)
        vectors = shown.reshape(len(part), size, -1)
        if centre == "shifted":
            z = preprocessing(transform(pixels, points[part])).flatten(1)
        else:
            centred = vectors - vectors[:, :1]
            weights = centre_weights(centred @ centred.mT)
            z = (weights[:, None] @ vectors)[:, 0]
        distance = torch.linalg.vector_norm(vectors - z[:, None], dim=2).amax(dim=1)
        return z.reshape(len(part), *shown.shape[1:]), distance.cpu()

    if centre not in ("shifted", "recentred"):
        raise ValueError(f"centre must be 'shifted' or 'recentred', but is {centre!r}.")
    chunk = max(1, min(64, memory_budget // (8 * 15 * size * max(1, pixels.numel()))))
    indices = torch.arange(len(points))
    parts = [halving_on_oom(centres, indices[i : i + chunk]) for i in range(0, len(points), chunk)]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def rounding_at_samples(attacked: AttackedImage, points: Tensor) -> Tensor:
    """(N,) what rounding the attacked image to 8 bits can add to the radius at each sample b', (N, d); 0 for "exact".

    As `attacker_rounding`, but where A_gamma x is exactly 0 it stays 0. Pixel p of A_{b'-gamma} d reads d within one
    pixel (on each axis) of a point, and d is not 0 there only if A_gamma x is not: if x is not 0 within one pixel of
    where that pixel reads x. Where A_gamma reads for pixels one apart lies less than ``stretch`` apart on each axis, for
    translations 1 and for rotations sqrt(2), so this x lies less than 1 + stretch from where A_{b'} reads for p: while that is
    below 3, among the 6 x 6 pixels around that point.
    """
    largest = attacked.rounding
    if largest == 0:
        return torch.zeros(len(points), dtype=torch.float64)
    if _reaches_far(attacked):
        return torch.full((len(points),), largest, dtype=torch.float64)
    norms = [torch.linalg.vector_norm(part.flatten(1), dim=1).cpu() for part in rounded_at_samples(attacked, points)]
    return (torch.cat(norms) / 510 * (1 + 1e-9) * norm_inflation(attacked.preprocessing, attacked.pixels)).clamp(
        max=largest
    )


def rounded_at_samples(attacked: AttackedImage, points: Tensor) -> Iterator[Tensor]:
    """Where that can be, a few samples b' at once: P of an image, (n, C, H', W'), that is 1 where A_gamma x may be rounded."""
    image, preprocessing = attacked.pixels, attacked.preprocessing
    if _reaches_far(attacked):
        yield preprocessing(torch.ones_like(image)).expand(len(points), -1, -1, -1)
        return
    height, width = image.shape[1:]
    bright = functional.pad((image != 0).double()[None], (4, 4, 4, 4))
    near = functional.max_pool2d(bright, 6, stride=1)[0]  # pixel (r, c): rows r - 4 to r + 1 of x
    x, y = pixel_grid(height, width, image.device)
    for part in torch.split(points.to(image.device), max(1, POINTS_AT_ONCE // image[0].numel())):
        columns, rows = attacked.transform.source(x, y, tuple(part[:, i, None, None] for i in range(part.shape[1])))
        column = (columns + (width + 3) / 2).floor().clamp(0, near.shape[2] - 1).long()
        row = (rows + (height + 3) / 2).floor().clamp(0, near.shape[1] - 1).long()
        yield preprocessing(near[:, row, column].transpose(0, 1))


def _reaches_far(attacked: AttackedImage) -> bool:
    """Whether pixels that are one apart may be read so far apart that those 6 x 6 are not enough."""
    path = PATHS.get(attacked.transform.name)
    return path is not None and not 1 + path.stretch(*attacked.box[0].tolist()) < WITHIN


def sample_bound(
    attacked: AttackedImage,
    points: Points,
    *,
    centre: Literal["shifted", "recentred"] = "recentred",
    centres: Tensor | None = None,
    splits: int | None = None,
    search: Search = USUAL,
    progress: Progress = silent,
) -> SampleBound:
    """Balls around K(b') = {P A_{b'-gamma} A_gamma x : gamma in Gamma} for N samples b' = beta + gamma.

    h keeps its class over K(b') if it is certified at ``centres`` with a pixel radius of at least ``values``.

    Args:
        points: (N, d) the samples b' in degrees or pixels.
        centre: "recentred" (nearly the smallest ball) or "shifted" (z = P A_{b'} x).
        centres: (N, C, H', W') centres from an earlier call, instead of new ones.
        splits: number of uniform splits to begin with (rotation).
        search: its target is usually the pixel radius that the inner test certifies at each centre.
    """
    watch = Stopwatch()
    check_bounded(attacked.transform, "whole range")
    rotates = isinstance(attacked.transform, Rotation)
    samples = as_points(attacked.transform, points)
    if centres is None:
        found, lower = find_centres(attacked, samples, centre=centre, memory_budget=search.memory_budget)
    else:
        found, lower = _given_centres(attacked, samples, centres), torch.zeros(len(samples), dtype=torch.float64)
    problem: Splits
    if rotates:
        problem = MovingArcSplits(attacked, samples[:, 0], found, cells_for(attacked, splits))
    else:
        problem = BernsteinSplits(attacked, samples, found)
    problem.title = f"{centre} bound"
    per_pixel = arcs.PER_PIXEL if rotates else vertices.PER_PIXEL
    slack = float_slack(attacked.preprocessing, attacked.image, per_pixel)
    if centres is not None and bool(found.any()):
        slack += UNDERFLOW * math.sqrt(found[0].numel())
    rounding = rounding_at_samples(attacked, samples)
    bound = bounded(problem, attacked, search, slack=slack, rounding=rounding, lower=lower, progress=progress)
    return SampleBound(centres=found, bound=replace(bound, seconds=watch.seconds), centre=centre)


def _given_centres(attacked: AttackedImage, points: Tensor, centres: Tensor) -> Tensor:
    """Centres in float64 on the image's device; ValueError unless there is one of finite numbers for each sample."""
    pixels = attacked.pixels
    found = centres.detach().to(pixels)
    shape = (len(points), len(pixels), *attacked.preprocessing.output_size(pixels.shape[1], pixels.shape[2]))
    if found.shape != shape:
        raise ValueError(f"centres must have shape {shape}, but have {tuple(centres.shape)}.")
    if not torch.isfinite(found).all():
        raise ValueError("The centres contain values that are not finite numbers.")
    return found
