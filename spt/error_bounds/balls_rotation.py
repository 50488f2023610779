"""Distance of K(b') to a centre, for rotation: the chord bound when the image that is warped moves too.

This is docs/mathematics.md, section 10, with the constants of rounding.

For one smoothing sample b' the classifier can be shown f(gamma) = P A_phi y(gamma), phi = b' - gamma, y(gamma) = T_gamma x.
Take a split [a, b] of Gamma, t = (gamma - a) / (b - a), and a cell [s_0, s_1] of a grid of angles phi, u the position
of phi in it. Both gamma and phi vary, but one at a time:

    y(gamma) = (1 - t) y_a + t y_b + d,                      |d| <= r1, the remainder of T_gamma x on [a, b]
    A_phi y_a = (1 - u) A_{s_0} y_a + u A_{s_1} y_a + d_a,   |d_a| <= r_a, the remainder of T_phi y_a on [s_0, s_1]

and the same for y_b. As A_phi is linear, f(gamma) = F(t, u) + P [(1 - t) d_a + t d_b + A_phi d] with the bilinear

    F(t, u) = (1 - t) (1 - u) F_{a0} + (1 - t) u F_{a1} + t (1 - u) F_{b0} + t u F_{b1},   F_{aj} = P A_{s_j} y_a.

Main part. On the split, u is an affine (decreasing) function of t, so from (t0, u0) to (t1, u1) F is a quadratic curve
whose Bernstein form has the control vectors F(t0, u0), [F(t0, u1) + F(t1, u0)] / 2 and F(t1, u1). With n_0, n_1,
n_2 their distances to the centre z, ||F - z|| <= n_0 (1 - s)² + 2 n_1 s (1 - s) + n_2 s² for s in [0, 1], as the weights are
non-negative and sum to 1; `quadratic_maximum` is the largest value of that.

Rest. P and A_phi are non-negative, so by convexity in t the two first remainders add at most max(||P r_a||, ||P r_b||). And
|A_phi d| <= A_phi r1, to which the chord argument applies again, now to the image r1: A_phi r1 is at most
(1 - u) A_{s_0} r1 + u A_{s_1} r1 + r', r' the remainder of T_phi r1; so it adds at most
max(||P A_{s_0} r1||, ||P A_{s_1} r1||) + ||P r'||.

No derivative of the product is taken, so nothing has to be assumed about y'(gamma). Splits end at multiples of 90°
(gamma) and the grid contains them (phi); where phi crosses an angle of the grid, the split is bounded in two parts. All vectors
F and all remainders belong to pairs of an angle gamma and an angle phi on two grids: samples b' share them.

Floating point: as in `spt.error_bounds.arcs`, with its own count of interpolations there. t and u are off by rounding
divided by the width of the split or cell; that moves F by no more than rounding moves an image, as F changes by no more
than its sources move on the split or cell. Distances come from Gram matrices G of differences v to z: n² = w'G w, where the
weights w are non-negative (up to rounding) and sum to 1. When n is far smaller than the differences the squares cancel. With
u = 2^-53, an entry of G over D pixels is off by at most (D + 2) u max|v|², w by 8 u, and the sums over 6 x 6 terms by 12 u: in
all by less than (D + 64) u of the largest diagonal entry; twice that is added to n² before the root. A vignette's
outside, where f is 0 and a given centre may not be, is added as a square; the rounding of norms is left to
`spt.rounding_slack.norm_inflation`.
"""

import math

import torch
from torch import Tensor

from spt.error_bounds.arcs import arc_weights, differences, remainder, rotated
from spt.error_bounds.chord import AngleSplits, cells_at_once
from spt.error_bounds.search import SharedRows
from spt.progress import step
from spt.rounding_slack import inside_vignette
from spt.threat_model import AttackedImage


def quadratic_maximum(first: Tensor, middle: Tensor, last: Tensor) -> Tensor:
    """Largest value on [0, 1] of the quadratic with these (non-negative) Bernstein coefficients, rounded upward.

    With a the smaller and b the larger of middle - first and middle - last, both positive, the largest value is the larger
    end + a² / (a + b), taken at 1 / (1 + b / a); it is never above ``middle`` and never below the ends, the larger of which
    it is where middle is not above both. Nothing cancels: a and b are rounded once each (by u = 2^-53 relative;
    subtraction does not underflow), so that a² / (a + b) = a / (1 + b / a) is off by at most 3 u from these and 3 u from its own
    three operations; two more operations follow, and 16 u are added. Where b / a overflows the term is below 2^-1024, and
    a subnormal number is rounded by less: 8 x the smallest normal number is added.
    """
    limits = torch.finfo(middle.dtype)
    ends = torch.maximum(first, last)
    near, far = middle - ends, middle - torch.minimum(first, last)
    inside = (ends + near / (1 + far / near)) * (1 + 8 * limits.eps) + 8 * limits.tiny
    return torch.where(middle <= ends, ends, torch.minimum(inside, middle))


def quadratic_weights(first: Tensor, middle: Tensor, last: Tensor) -> Tensor:
    """The Bernstein polynomials (..., 3) where that quadratic is largest: their sum with the coefficients is `quadratic_maximum`,
    but for its rounding upward."""
    near, far = middle - first, middle - last
    inside = (near > 0) & (far > 0)
    t = torch.where(inside, near / torch.where(inside, near + far, 1.0), (last > first).to(middle))
    return torch.stack(((1 - t) ** 2, 2 * t * (1 - t), t**2), dim=-1)


class MovingArcSplits(AngleSplits):
    """Distance of K(b') to fixed centres on splits of gamma, for N samples b'."""

    method = "moving chord"

    def __init__(self, attacked: AttackedImage, points: Tensor, centres: Tensor, quarter: int) -> None:
        super().__init__(len(points), attacked.box, quarter)
        image, preprocessing = attacked.pixels, attacked.preprocessing
        self.image, self.preprocessing, self.centres = image, preprocessing, centres
        self.points = torch.remainder(points, 360)  # the same rotation
        self.inside = inside_vignette(preprocessing, image)
        self.inner_centres = centres.flatten(1)[:, self.inside]
        outside = centres.flatten(1).clone()  # where f vanishes a given centre may not: part of every distance
        outside[:, self.inside] = 0
        self.outside = outside.square().sum(1).cpu()
        self.maps = differences(image[None])
        self.level = 0
        self.turns = math.ceil(float(attacked.box.abs().max()) / 90) + 6  # |b' - gamma| < 90° x turns, with room
        while (self.cells << self.max_level) * 2 * self._offset(self.max_level) >= 1 << 62:  # keys of pairs are int64
            self.max_level -= 1
        self.cells_at_once = cells_at_once(image)
        size = image.numel()
        self.inner = SharedRows(self._inner, 16 * size, 400 * size)
        self.arcs = SharedRows(self._arcs, 48 * size // len(image), 400 * size)
        self.pairs = SharedRows(self._pairs, 8 * size, 1600 * size)

    def _offset(self, level: int) -> int:
        """Added to the grid's node numbers of a level, it makes them positive; twice it is beyond all of them."""
        return self.turns * (self.quarter << level)

    def bytes_per_cell(self) -> int:
        return 8 * 30 * self.image.numel()

    def sample(self, items: Tensor, points: Tensor) -> Tensor:
        chunk = max(1, (1 << 28) // (8 * 20 * self.image.numel()))
        parts = []
        for i in range(0, len(items), chunk):
            step()
            which, gamma = items[i : i + chunk], points[i : i + chunk, 0]
            shown = self.preprocessing(rotated(rotated(self.image[None], gamma), self.points[which] - gamma))
            parts.append(torch.linalg.vector_norm((shown - self.centres[which]).flatten(1), dim=1).cpu())
        return torch.cat(parts)

    def prepare(self, items: Tensor, cells: Tensor, level: int, memory_budget: int) -> Tensor:
        """Compute the rows that the splits share; returns an order that keeps neighbouring samples together."""
        self.level = level
        keys, _, grid_cells = self._keys(items, cells[:, 0])
        self.inner.prepare(torch.cat((cells[:, 0], cells[:, 0] + 1)), memory_budget // 2)
        self.arcs.prepare(grid_cells, memory_budget // 4)
        self.pairs.prepare(keys.flatten(), memory_budget)
        return torch.argsort(self.points[items], stable=True)

    def _remainder_weights(self, start: Tensor, stop: Tensor) -> tuple[Tensor, Tensor]:
        return arc_weights(start.to(self.image.device), stop.to(self.image.device), *self.image.shape[1:])

    def _inner(self, nodes: Tensor) -> tuple[Tensor]:
        """y at nodes of gamma and r1 on the splits that begin there (any split at the last node), (n, 2 C, H, W)."""
        begin = nodes.clamp(max=(self.cells << self.level) - 1)
        index, factors = self._remainder_weights(self.node(begin, self.level), self.node(begin + 1, self.level))
        rest = remainder(self.maps, None, index, factors, (self.image.shape[1], self.image.shape[2]))
        return (torch.cat((rotated(self.image[None], self.node(nodes, self.level)), rest), dim=1),)

    def _arcs(self, grid_cells: Tensor) -> tuple[Tensor, Tensor]:
        nodes = grid_cells - self._offset(self.level)
        return self._remainder_weights(self.grid(nodes, self.level), self.grid(nodes + 1, self.level))

    def _pairs(self, keys: Tensor) -> tuple[Tensor, ...]:
        """For nodes (gamma, phi): F (n, pixels) and the norms (n,) of P r, P A_phi r1, P r' for the cell from phi on."""
        offset = self._offset(self.level)
        node, grid_cell = keys // (2 * offset), keys % (2 * offset)
        device = self.image.device
        (inner,), which = self.inner.get(node)
        used, image_of = torch.unique(which, return_inverse=True)
        images = inner[used.to(device)]
        (index, factors), arc = self.arcs.get(grid_cell)
        warped = rotated(images[image_of.to(device)], self.grid(grid_cell - offset, self.level))
        rest = remainder(
            differences(images),
            image_of.to(device),
            index[arc.to(device)],
            factors[arc.to(device)],
            (self.image.shape[1], self.image.shape[2]),
        )
        channels = len(self.image)
        seen, unseen = self.preprocessing(warped), self.preprocessing(rest)
        norms = [
            torch.linalg.vector_norm(part.flatten(1), dim=1).cpu()
            for part in (unseen[:, :channels], seen[:, channels:], unseen[:, channels:])
        ]
        return seen[:, :channels].flatten(1)[:, self.inside], *norms

    def _keys(self, items: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Keys (M, 6) of the pairs (a, q+1), (a, q), (b, q+1), (b, q), (a, q'), (b, q'); whether q' = q - 1; (q, q')."""
        begin, end = self.node(cell, self.level), self.node(cell + 1, self.level)
        upper, _ = self.on_grid(self.points[items] - begin, self.level)
        lower, _ = self.on_grid(self.points[items] - end, self.level)
        lower = torch.maximum(lower, upper - 1)
        angles = torch.stack((upper + 1, upper, upper + 1, upper, lower, lower), dim=1) + self._offset(self.level)
        nodes = torch.stack((cell, cell, cell + 1, cell + 1, cell, cell + 1), dim=1)
        return nodes * (2 * self._offset(self.level)) + angles, lower < upper, angles

    def evaluate(self, items: Tensor, cells: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        device = self.image.device
        keys, crosses, angles = self._keys(items, cells[:, 0])
        (shown, still, inner, inner_rest), row = self.pairs.get(keys.flatten())
        row = row.reshape(-1, 6)
        vectors = shown[row.to(device)] - self.inner_centres[items.to(device)][:, None]
        gram = (vectors @ vectors.mT).cpu()
        begin, end = self.node(cells[:, 0], level), self.node(cells[:, 0] + 1, level)
        width = (end - begin).clamp(min=1e-300)
        grid = self.grid(angles[:, 1] - self._offset(level), level)
        scale = (self.quarter << level) / 90.0
        first_u = (self.points[items] - begin - grid) * scale
        last_u = (self.points[items] - end - self.grid(angles[:, 4] - self._offset(level), level)) * scale
        t = torch.where(crosses, (self.points[items] - begin - grid) / width, 1.0).clamp(0, 1)
        t = torch.where(end > begin, t, 1.0)
        between_u = torch.where(crosses, 0.0, last_u)
        zero, one = torch.zeros_like(t), torch.ones_like(t)
        upper, lower = (1, 0, 3, 2), (4, 1, 5, 3)  # F_{a0}, F_{a1}, F_{b0}, F_{b1} among the six vectors
        weights = torch.stack(
            (
                _bilinear(zero, first_u, upper),
                (_bilinear(zero, between_u, upper) + _bilinear(t, first_u, upper)) / 2,
                _bilinear(t, between_u, upper),
                (_bilinear(t, last_u, lower) + _bilinear(one, one, lower)) / 2,
                _bilinear(one, last_u, lower),
            ),
            dim=1,
        )
        cancelled = (len(self.inside) + 64) * 2.0**-52 * gram.diagonal(dim1=1, dim2=2).amax(1)
        squares = ((weights @ gram) * weights).sum(-1) + cancelled[:, None]
        n = (squares.clamp(min=0) + self.outside[items, None]).sqrt()
        rest = [
            torch.maximum(still[row[:, a]], still[row[:, b]])
            + torch.maximum(inner[row[:, a]], inner[row[:, above]])
            + inner_rest[row[:, a]]
            for a, b, above in ((1, 3, 0), (4, 5, 1))
        ]
        bound = quadratic_maximum(n[:, 0], n[:, 1], n[:, 2]) + rest[0]
        second = quadratic_maximum(n[:, 2], n[:, 3], n[:, 4]) + rest[1]
        bound = torch.where(crosses, torch.maximum(bound, second), bound)
        values = torch.stack((n[:, 0], n[:, 2], torch.where(crosses, n[:, 4], 0.0)))
        places = torch.stack((begin, begin + t * (end - begin), end))
        guess, best = values.max(dim=0)
        return bound, guess, places.gather(0, best[None])[0, :, None]


def _bilinear(t: Tensor, u: Tensor, places: tuple[int, int, int, int]) -> Tensor:
    """Weights (M, 6) of F(t, u) with F_{a0}, F_{a1}, F_{b0}, F_{b1} at the given places."""
    weights = torch.zeros(len(t), 6, dtype=torch.float64)
    parts = ((1 - t) * (1 - u), (1 - t) * u, t * (1 - u), t * u)
    for place, part in zip(places, parts, strict=True):
        weights[:, place] = part
    return weights
