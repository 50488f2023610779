"""Distance of K(b') to a centre, for translation: Bernstein control vectors and halving (docs/mathematics.md, section 11).

f(gamma) = P A_{b'-gamma} A_gamma x is separable: along x the two warps together are the matrix K(dx) = R(b'_x - dx) R(dx) with R
the one-dimensional translation. R(d) is affine in d between integers, so while neither dx nor b'_x - dx passes an integer
K(dx) is quadratic, and on [a, b] its Bernstein form has the control matrices K(a), [R(b'_x - a) R(b) + R(b'_x - b) R(a)] / 2
and K(b). So f has 3 x 3 control vectors, f = sum of B_i B_j f_ij with Bernstein polynomials that are non-negative and sum
to 1; with n_ij the distances of the control vectors to z, ||f - z|| <= sum of B_i B_j n_ij, and the largest value of that
quadratic is bounded along one axis, then along the other. Halving a cell on both axes converges quadratically.

Floating point. As in `spt.error_bounds.vertices`: with a rounded b'_x - dx a control vector is off by at most 12 u S max|x|,
and where a line is off its place, f by what is derived there: less than `vertices.PER_PIXEL` max|x| in each component. The bound is
the largest value of sums of the n_ij with non-negative weights that sum to 1, so it moves by no more than they do, and
`quadratic_maximum` rounds up.
"""

import torch
from torch import Tensor

from spt.error_bounds.balls_rotation import quadratic_maximum
from spt.error_bounds.search import Splits
from spt.error_bounds.vertices import kinks, shifts
from spt.progress import step
from spt.threat_model import AttackedImage
from spt.transforms import Translation


class BernsteinSplits(Splits):
    """Distance of K(b') to fixed centres on cells of (dx, dy), for N samples b'."""

    method = "Bernstein"
    cells_at_once = 128

    def __init__(self, attacked: AttackedImage, points: Tensor, centres: Tensor) -> None:
        self.items, self.dimensions = len(points), 2
        self.image, self.preprocessing = attacked.pixels, attacked.preprocessing
        self.points, self.centres = points, centres
        limits = attacked.box.tolist()
        edges = [[kinks(limits[axis][0], limits[axis][1], float(point[axis])) for axis in range(2)] for point in points]
        edges = [[torch.cat((axis, axis)) if len(axis) == 1 else axis for axis in both] for both in edges]
        self.counts = torch.tensor([[len(axis) - 1 for axis in both] for both in edges])
        self.edges = torch.zeros(self.items, 2, int(self.counts.max()) + 1, dtype=torch.float64)
        for item, both in enumerate(edges):
            for axis in range(2):
                self.edges[item, axis, : len(both[axis])] = both[axis]

    def base(self) -> Tensor:
        rows = [
            torch.cartesian_prod(torch.tensor([item]), torch.arange(int(x)), torch.arange(int(y)))
            for item, (x, y) in enumerate(self.counts)
        ]
        return torch.cat(rows)

    def box(self, items: Tensor, cells: Tensor, level: int) -> Tensor:
        parts = 1 << level
        whole = cells >> level
        begin = torch.gather(self.edges[items], 2, whole[:, :, None])[:, :, 0]
        end = torch.gather(self.edges[items], 2, whole[:, :, None] + 1)[:, :, 0]
        fraction = (cells - whole * parts).double() / parts
        low = begin + (end - begin) * fraction
        high = torch.where(fraction + 1 / parts == 1, end, begin + (end - begin) * (fraction + 1 / parts))
        return torch.stack((low, high), dim=-1)

    def bytes_per_cell(self) -> int:
        return 8 * 50 * self.image.numel()

    def sample(self, items: Tensor, points: Tensor) -> Tensor:
        chunk = max(1, (1 << 28) // (8 * 20 * self.image.numel()))
        transform = Translation()
        parts = []
        for i in range(0, len(items), chunk):
            step()
            which, gamma = items[i : i + chunk], points[i : i + chunk]
            shown = self.preprocessing(transform(transform(self.image, gamma), self.points[which] - gamma))
            parts.append(torch.linalg.vector_norm((shown - self.centres[which]).flatten(1), dim=1).cpu())
        return torch.cat(parts)

    def evaluate(self, items: Tensor, cells: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor]:
        boxes = self.box(items, cells, level)
        columns = self._controls(items, boxes, 0, self.image.shape[2])[:, None, :, None]
        rows = self._controls(items, boxes, 1, self.image.shape[1])[:, :, None]
        moved = rows[:, :, :, None] @ self.image
        shown = self.preprocessing(moved @ columns.mT)
        centres = self.centres[items.to(self.image.device)][:, None, None]
        n = torch.linalg.vector_norm((shown - centres).flatten(3), dim=3).cpu()
        along_x = quadratic_maximum(n[:, :, 0], n[:, :, 1], n[:, :, 2])
        bound = quadratic_maximum(along_x[:, 0], along_x[:, 1], along_x[:, 2])
        corners = n[:, ::2, ::2].flatten(1)
        guess, best = corners.max(dim=1)
        places = torch.stack((boxes[:, 0].gather(1, (best % 2)[:, None]), boxes[:, 1].gather(1, (best // 2)[:, None])))
        return bound, guess, places[:, :, 0].T

    def _controls(self, items: Tensor, boxes: Tensor, axis: int, size: int) -> Tensor:
        """The three control matrices of K on each cell, (M, 3, size, size)."""
        device = self.image.device
        low, high, total = (
            boxes[:, axis, 0].to(device),
            boxes[:, axis, 1].to(device),
            self.points[items, axis].to(device),
        )
        inner_low, inner_high = shifts(size, low), shifts(size, high)
        outer_low, outer_high = shifts(size, total - low), shifts(size, total - high)
        middle = (outer_low @ inner_high + outer_high @ inner_low) / 2
        return torch.stack((outer_low @ inner_low, middle, outer_high @ inner_high), dim=1)
