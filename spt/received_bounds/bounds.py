"""The interpolation error as the receiver of x' = T_gamma x can bound it, knowing neither x nor gamma.

This is docs/mathematics.md, section 16, with the constants of rounding.

Let every x and gamma that explain x' lie in one of a few clusters: gamma in a box and |x - mid| <= rad (`spt.inverse`).
What is known of T_gamma x is |c - A_gamma x| <= delta, c within the attacker's rounding of x'. With any matrix Y that does
not depend on gamma, N(gamma) = Y A_gamma - P A_{beta+gamma} and u = x - mid,

    e = P A_beta x' - P A_{beta+gamma} x = v(gamma) + N(gamma) u + Y (c - A_gamma x),
    v(gamma) = P A_beta x' - Y c + N(gamma) mid.

At one gamma, component p of e is thus within (|N| rad + |Y| delta)_p of v_p. Between two angles g and h let
gamma = (1 - t) g + t h. For each x in the cluster A_gamma x is within r1 of (1 - t) A_g x + t A_h x, and A_{beta+gamma} x
within r2 of its own chord (`spt.received_bounds.clusters`), so e = (1 - t) e_g + t e_h with e_g in the box of middle v(g) and
radius |N(g)| rad + |Y| (delta + r1) + P r2, e_h likewise. Translations need no r: A_gamma x and A_{beta+gamma} x are affine in
each shift between the lines where a shift is an integer, which become nodes. Hence e lies in the convex hull of the boxes
at the nodes of all clusters (`ErrorHull`), and a convex function of e is at most its largest value on one of them.

Methods, sound as any Y is:

- "kernel": Y = P A_beta. Good where the inverse is narrow. Row p of N = P (A_beta A_gamma - A_{beta+gamma}) reads only
  pixels less than ``reach`` from one point: a pixel of P x reads inputs at most s pixels away in either axis, hence sqrt(2) s in
  the plane; the one warp reads less than sqrt(2) away, the other less than 1 in either axis; rotations keep distances. So columns
  of N of pixels 2 ``reach`` apart share no row and can share an image (`probe_images`): |N| rad costs as many warps as these.
  Of translations N is a difference of two products of one-dimensional matrices, and needs none (`spt.received_bounds.separable`).
- "regularised": Y = P A_{beta+m} K, m the middle of the cluster, K = R A^T (A R A^T + D)^-1, A = A_m, R and D diagonal: the best
  linear estimate of x from c if u and c - A x were random and independent, with these variances. It uses what x' says about
  sums of pixels, which the per-pixel inverse forgets. Variances are looked for with which the worst case is known best
  (`spt.received_bounds.estimator`). K A_gamma does not depend on beta: warps only, too.
  (To narrow the inverse with the same K first, by 15 to 40 %, was tried: it does not lower the bound.)
- "automatic": for each cluster one of these.
- "interval", the paper's: Y = 0, and the interval image of T_{beta+gamma} [x] for gamma in a split instead of nodes.

Floating point. With D and TOUCH of `spt.error_bounds.arcs` and pixels in [0, 1]: the absolute errors of the weights in one row of
a warp sum to at most 4 D, remainders lose at most 8 (TOUCH + D), and A, P and their products do not amplify. So row p of N = P
(A_beta A_gamma - A_{beta+gamma}) is off by 12 D in all, however many images its columns are spread over. What passes
through K is amplified by at most its largest absolute row sum k, and a row of K A_gamma is off by 4 D k; K itself may be any
matrix, so that how well its equations are solved does not matter. Every part is then off by at most (16 D + 8 (TOUCH +
D)) (1 + k) = 7e-9 (1 + k), and every component is inflated by `arcs.PER_PIXEL` (1 + k), with the roundings of middles, radii and
sums included; the kernel method counts as k = 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

import torch
from torch import Tensor

from spt.device_memory import halving_on_oom
from spt.error_bounds.arcs import PER_PIXEL
from spt.error_bounds.balls import centre_weights
from spt.interval_warp import interpolate, source_boxes
from spt.intervals import Interval
from spt.inverse import Inverse
from spt.preprocessing import Preprocessing
from spt.progress import Progress, Stopwatch, silent
from spt.received_bounds.clusters import NARROW, Cluster, find_clusters, find_nodes
from spt.received_bounds.estimator import MOST_SHARED, estimator_of
from spt.received_bounds.separable import SeparableMaps
from spt.rounding_slack import float_slack, norm_inflation
from spt.threat_model import MEMORY_BUDGET, Points, ReceivedImage, as_points
from spt.transforms import Transform, Translation

Method = Literal["automatic", "kernel", "regularised", "interval"]
METHODS: tuple[Method, ...] = ("automatic", "kernel", "regularised", "interval")

MOST_PIXELS = 1 << 12
"""The regularised method holds matrices of pixels x pixels, so it is for images of at most this many."""
BETAS_AT_ONCE = 16
"""On a CPU; more do not help."""


@dataclass(frozen=True, eq=False)
class ErrorHull:
    """Boxes whose convex hull contains e = P A_beta x' - P A_{beta+gamma} x for every x and gamma that explain x'.

    Attributes:
        count: N, the number of betas.
        item: (M,) long: which beta a box belongs to, sorted.
        middle, radius: (M, C, H', W') float64: component p of the box is within radius_p of middle_p.
        slack: norm of what floating point can change, to be added to every norm.
        inflation: what a norm's own rounding can change, a factor.
    """

    count: int
    item: Tensor
    middle: Tensor
    radius: Tensor
    slack: float
    inflation: float

    def distances(self, offsets: Tensor | None = None) -> Tensor:
        """(N,) proved upper bounds of ||e - offset|| for each beta, on the CPU; offsets (N, C, H', W'), by default 0."""
        middle = self.middle if offsets is None else self.middle - offsets[self.item]
        norms = torch.linalg.vector_norm((middle.abs() + self.radius).flatten(1), dim=1)
        largest: Tensor = norms.new_zeros(self.count).scatter_reduce_(0, self.item, norms, "amax")
        return (largest.cpu() + self.slack) * self.inflation

    def radii(self, offsets: Tensor, *, with_zero: bool = True) -> Tensor:
        """(N,) proved radii, on the CPU, of balls around the ``offsets`` (N, C, H', W') that hold every e, and 0 if asked for."""
        if not with_zero:
            return self.distances(offsets)
        own = (torch.linalg.vector_norm(offsets.flatten(1), dim=1).cpu() + self.slack) * self.inflation
        return torch.maximum(own, self.distances(offsets))

    def centres(self, *, with_zero: bool = True) -> Tensor:
        """(N, C, H', W') nearly the centre of the smallest ball around the middles of each beta's boxes, and 0 if asked for."""
        order, extra = torch.arange(len(self.item), device=self.item.device), int(with_zero)
        rank = order - torch.searchsorted(self.item, self.item) + extra
        points = self.middle.new_zeros(self.count, int(rank.max()) + 1, self.middle[0].numel())
        points[self.item, rank] = self.middle.flatten(1)
        weights = centre_weights(points @ points.mT, torch.bincount(self.item, minlength=self.count) + extra)
        centres: Tensor = weights[:, None] @ points
        return centres.reshape(self.count, *self.middle.shape[1:])


@dataclass(frozen=True, eq=False)
class ReceivedBound:
    """Bounds of the error over everything that explains the received image.

    Attributes:
        values: (N,) float64 on the CPU, for each beta an upper bound of ||P A_beta x' - P A_{beta+gamma} x||.
        method: see `received_bound`.
        clusters: (S, d, 2) the parts of Gamma that were bounded together.
        evaluations: boxes evaluated.
        seconds: wall-clock time.
    """

    values: Tensor
    method: Method
    clusters: Tensor
    evaluations: int
    seconds: float


def received_bound(
    inverse: Inverse,
    preprocessing: Preprocessing,
    betas: Points,
    *,
    method: Method = "automatic",
    memory_budget: int = MEMORY_BUDGET,
    progress: Progress = silent,
) -> ReceivedBound:
    """Sound upper bounds of ||P A_beta x' - P A_{beta+gamma} x|| over every x and gamma that explain x', for N betas.

    Args:
        inverse: what `spt.inverse.invert` found for x'. Its Gamma and attacker are those of the statement.
        preprocessing: P; betas: (N, d) degrees or pixels, for one parameter (N,) too.
        method: "kernel", "regularised" (images of up to 64x64), "automatic" or "interval"; see the module.

    ValueError if nothing explains the image or an argument is impossible.
    """
    watch = Stopwatch()
    hull = error_hull(inverse, preprocessing, betas, method=method, memory_budget=memory_budget, progress=progress)
    boxes = inverse.boxes if method == "interval" else torch.stack([each.box for each in find_clusters(inverse)])
    return ReceivedBound(hull.distances(), method, boxes, len(hull.item), watch.seconds)


def received_balls(
    inverse: Inverse,
    preprocessing: Preprocessing,
    betas: Points,
    *,
    method: Method = "automatic",
    with_received: bool = True,
    memory_budget: int = MEMORY_BUDGET,
    progress: Progress = silent,
) -> tuple[Tensor, Tensor]:
    """Balls that contain every P A_{beta+gamma} x that can explain x', and P A_beta x' unless ``with_received`` is false, for N
    betas (docs/mathematics.md, sections 17 and 27).

    Returns: centres (N, C, H', W') float64 on the device of x', nearly the best, and proved radii (N,) on the CPU.
    Arguments and errors: `received_bound`.
    """
    hull = error_hull(inverse, preprocessing, betas, method=method, memory_budget=memory_budget, progress=progress)
    offsets = hull.centres(with_zero=with_received)
    shown = preprocessing(inverse.received.transform(inverse.received.pixels, betas))
    return shown - offsets, hull.radii(offsets, with_zero=with_received)


def error_hull(
    inverse: Inverse,
    preprocessing: Preprocessing,
    betas: Points,
    *,
    method: Method = "automatic",
    memory_budget: int = MEMORY_BUDGET,
    progress: Progress = silent,
) -> ErrorHull:
    """What e can be for each beta; arguments and errors: `received_bound`."""
    received = inverse.received
    image, points = received.pixels, as_points(received.transform, betas)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but is {method!r}.")
    if not inverse.consistent:
        raise ValueError("Nothing explains this image, so there is no error to bound: the inverse is empty.")
    if inverse.lower.shape[1:] != image.shape:
        raise ValueError(f"The inverse is of images {tuple(inverse.lower.shape[1:])}, not {tuple(image.shape)}.")
    if method == "regularised" and image[0].numel() > MOST_PIXELS:
        raise ValueError(f"The regularised method is for images of up to {MOST_PIXELS} pixels, not {image[0].numel()}.")
    low, high = received.ends
    problem = _Received(received, (low + high) / 2, (high - low) / 2, preprocessing, points)
    clusters = find_clusters(inverse)
    if method == "interval":
        clusters = tuple(map(Cluster, inverse.boxes, inverse.lower, inverse.upper))
    parts, gain = [], 0.0
    for cluster in progress(clusters, desc="bounding what explains the image", total=len(clusters)):
        boxes = problem.boxes_of(cluster, _chosen(method, cluster, image), memory_budget)
        parts.append(boxes[:3])
        gain = float(boxes[3].max().clamp(min=gain))  # keeps NaN
    item, middle, radius = (torch.cat(column) for column in zip(*parts, strict=True))
    order = torch.argsort(item, stable=True)
    if not all(torch.isfinite(part).all() for part in (middle, radius, torch.tensor(gain))):
        raise ArithmeticError("A bound is not a finite number; please report the image and the settings.")
    slack = float_slack(preprocessing, torch.ones_like(received.image), PER_PIXEL * (1 + gain))
    inflation = norm_inflation(preprocessing, image)
    return ErrorHull(len(points), item[order], middle[order], radius[order], slack, inflation)


def _chosen(method: Method, cluster: Cluster, image: Tensor) -> Method:
    if method != "automatic":
        return method
    return "regularised" if cluster.width > NARROW and image[0].numel() <= MOST_PIXELS else "kernel"


def probe_images(preprocessing: Preprocessing, height: int, width: int) -> Tensor:
    """Images (K, H, W) of zeros and ones that sum to 1, each with its ones so far apart that no row of N meets two."""
    span = float(preprocessing.blur_size // 2)
    if preprocessing.resize is not None:  # a triangle filter
        rows, columns = replace(preprocessing, crop=None).output_size(height, width)
        scale = max(height / rows, width / columns)
        span = span * scale + max(scale, 1.0)
    reach = math.sqrt(2) * span + math.sqrt(2) + 1
    period = math.ceil(2 * reach + 1e-6)
    place = (torch.arange(height) % period)[:, None] * period + torch.arange(width) % period
    found: Tensor = place == torch.unique(place)[:, None, None]
    return found.double()


@dataclass(frozen=True, eq=False)
class _Received:
    """A received image, the middle and radius of what T_gamma x can be, and the betas (N, d)."""

    received: ReceivedImage
    middle: Tensor
    delta: Tensor
    preprocessing: Preprocessing
    betas: Tensor

    @property
    def image(self) -> Tensor:
        """x', (C, H, W)."""
        return self.received.pixels

    @property
    def transform(self) -> Transform:
        """T."""
        return self.received.transform

    def boxes_of(self, cluster: Cluster, method: Method, memory_budget: int) -> tuple[Tensor, ...]:
        """Item, middle and radius of the boxes of one cluster, and by how much roundings are amplified, (pieces,)."""
        pixels = self.image.numel()
        work: Callable[[Tensor], tuple[Tensor, ...]]
        if method == "regularised":
            work, columns = _Regularised(self, cluster).boxes, self.image[0].numel()
        elif method == "kernel" and isinstance(self.transform, Translation) and self._factors is not None:
            work, columns = self._separable(cluster, *self._factors), 1
        elif method == "kernel":
            probes = probe_images(self.preprocessing, *self.image.shape[1:]).to(self.image.device)
            weighted = (cluster.radius[:, None] * probes).flatten(0, 1)
            work, columns = self._kernel(cluster, weighted), len(probes)
        else:
            work, columns = self._interval(cluster), 1
        size = max(1, memory_budget // (8 * 30 * columns * pixels))
        if not self.image.is_cuda:
            size = min(size, BETAS_AT_ONCE)
        items = torch.arange(len(self.betas))
        parts = [halving_on_oom(work, items[i : i + size]) for i in range(0, len(items), size)]
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))

    @cached_property
    def _factors(self) -> tuple[Tensor, Tensor] | None:
        """P as matrices of rows and columns, where it has them."""
        factors = self.preprocessing.factors(*self.image.shape[1:])
        return None if factors is None else (factors[0].to(self.image.device), factors[1].to(self.image.device))

    def _separable(self, cluster: Cluster, rows: Tensor, columns: Tensor) -> Callable[[Tensor], tuple[Tensor, ...]]:
        """The kernel method for translation, where no remainders are: all pairs of a beta and a node at once."""

        def boxes(items: Tensor) -> tuple[Tensor, ...]:
            nodes = find_nodes(self.transform, cluster, self.betas, items)
            betas, place = self.betas[items], torch.searchsorted(items, nodes.item).to(self.image.device)
            maps = SeparableMaps(rows, columns, self.betas[nodes.item], nodes.gamma)
            shown = self.preprocessing(self.transform(self.image - self.middle, betas))[place]
            rest = self.preprocessing(self.transform(self.delta, betas))[place]
            middle, radius = shown + maps.apply(cluster.middle), rest + maps.apply_absolute(cluster.radius)
            return nodes.item.to(rest.device), middle, radius, rest.new_ones(1)

        return boxes

    def _kernel(self, cluster: Cluster, weighted: Tensor) -> Callable[[Tensor], tuple[Tensor, ...]]:
        transform, preprocessing, channels = self.transform, self.preprocessing, len(self.image)
        columns = torch.cat((cluster.middle, weighted))  # for N mid, and for |N| rad
        ones = columns.new_ones(1, len(weighted) // channels)  # a product sums faster than sum()

        @lru_cache(MOST_SHARED)
        def once(gamma: tuple[float, ...]) -> Tensor:
            return transform(columns, torch.tensor([gamma], dtype=torch.float64))[0]

        def boxes(items: Tensor) -> tuple[Tensor, ...]:
            nodes = find_nodes(transform, cluster, self.betas, items)
            middle, radius = [], []
            for item in items:  # images read at the same places are warped faster
                beta, gammas = self.betas[item][None], nodes.gamma[nodes.item == item]
                twice = transform(torch.stack([once(tuple(gamma)) for gamma in gammas.tolist()]), beta)
                image = preprocessing(twice - transform(columns, beta + gammas))
                middle.append(image[:, :channels])
                probes = image[:, channels:].abs().view(len(image), channels, -1, image[0, 0].numel())
                radius.append((ones @ probes).view_as(middle[-1]))
            betas = self.betas[nodes.item]
            known = (self.delta + nodes.inner).expand(len(betas), -1, -1, -1)
            rest = preprocessing(transform(known, betas) + nodes.outer)
            shown = preprocessing(transform(self.image - self.middle, betas))
            return nodes.item.to(rest.device), shown + torch.cat(middle), torch.cat(radius) + rest, rest.new_ones(1)

        return boxes

    def _interval(self, cluster: Cluster) -> Callable[[Tensor], tuple[Tensor, ...]]:
        def boxes(items: Tensor) -> tuple[Tensor, ...]:
            betas = self.betas[items]
            moved = Interval.point(betas) + Interval(cluster.box[:, 0], cluster.box[:, 1])
            split = torch.stack((moved.lower, moved.upper), dim=-1).to(self.image.device)
            x, y = source_boxes(self.transform, self.image.shape[1], self.image.shape[2], split)
            low = self.preprocessing(interpolate(cluster.lower[None], x, y)[0])
            high = self.preprocessing(interpolate(cluster.upper[None], x, y)[1])
            shown = self.preprocessing(self.transform(self.image, betas))
            return items.to(low.device), shown - (low + high) / 2, (high - low) / 2, low.new_ones(1)

        return boxes


class _Regularised:
    """The regularised method on one cluster."""

    def __init__(self, problem: _Received, cluster: Cluster) -> None:
        self.problem, self.cluster = problem, cluster
        self.estimator = estimator_of(cluster, problem.received, problem.preprocessing)

    def boxes(self, items: Tensor) -> tuple[Tensor, ...]:
        """As `_Received.boxes_of`."""
        parts = [self._boxes(int(item)) for item in items]
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))

    def _boxes(self, item: int) -> tuple[Tensor, ...]:
        problem, cluster, estimator = self.problem, self.cluster, self.estimator
        transform, preprocessing = problem.transform, problem.preprocessing
        nodes = find_nodes(transform, cluster, problem.betas, torch.tensor([item]))
        beta, outer = problem.betas[item][None], problem.betas[item][None] + estimator.centre
        moved = beta + nodes.gamma
        y = preprocessing(transform(estimator.matrix.view_as(estimator.unit), outer)[0]).abs()
        radius = torch.einsum("qhw,mcq->mchw", y, (problem.delta + nodes.inner).flatten(2))
        radius = radius + preprocessing(nodes.outer)
        missing = (problem.middle - transform(cluster.middle, nodes.gamma)).flatten(2)
        estimate = (missing @ estimator.matrix).view(-1, *problem.image.shape)
        middle = preprocessing(
            transform(problem.image, beta) - transform(estimate, outer) - transform(cluster.middle, moved)
        )
        columns = []
        for gamma, angle in zip(nodes.gamma.tolist(), moved, strict=True):
            twice = transform(estimator.estimated(tuple(gamma)), outer)
            n = preprocessing(twice - transform(estimator.unit, angle[None]))[0].abs()
            columns.append(torch.einsum("jhw,cj->chw", n, cluster.radius.flatten(1)))
        return nodes.item.to(middle.device), middle, radius + torch.stack(columns), estimator.gain
