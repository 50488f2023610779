"""The exact maximum of the interpolation error for translation (docs/mathematics.md, section 8).

Bilinear interpolation at c - d is affine in the shift d while d stays between two integers. So T_gamma x is affine in dx
and in dy between integers, T_{beta+gamma} x between the shifts at which beta + gamma is an integer, and A_beta and P do
not depend on gamma: on each cell of the grid made by these lines and the ends of Gamma every component of e is affine
in dx for fixed dy and vice versa. The norm is then convex along each axis, so it is largest at a vertex of the grid.

Floating point (u = 2^-53, sides of at most S = 4096 pixels, |gamma| <= 3600; shifts by more than S + 1 give exactly 0).
A weight 1 - |distance| is off by at most u S from the rounding of a position and, in T_{beta+gamma}, by as much from that
of beta + gamma. A row of a matrix has two weights, so a warp along one axis is off by 2 u S max|x|, or 4 u S max|x| in
T_{beta+gamma}: at most 16 u S max|x| = 7.3e-12 max|x| in all. A vertex may be off its line, or a line next to an end of Gamma be
left out, by u S; as the slope of a component jumps there by at most 4 max|x| on either axis, what lies between is above the
vertices by at most 8 u S max|x| = 3.7e-12 max|x|. Sums of at most two weighted pixels and of the taps of P add less
than 1e-13 max|x| (their weights sum to 1). Together less than `PER_PIXEL` max|x| in each component; the
norm's own rounding is `spt.rounding_slack.norm_inflation`.
"""

import math

import torch
from torch import Tensor

from spt.device_memory import halving_on_oom
from spt.error_bounds.result import ErrorBound
from spt.preprocessing import Preprocessing
from spt.progress import Progress, Stopwatch, silent
from spt.rounding_slack import float_slack, norm_inflation
from spt.threat_model import MEMORY_BUDGET, AttackedImage, Points, as_points
from spt.transforms import Transform, Translation

PER_PIXEL = 2e-11


def shifts(size: int, offsets: Tensor) -> Tensor:
    """The one-dimensional translations (M, size, size): row r of matrix m reads position r - offsets[m]."""
    positions = torch.arange(size, dtype=torch.float64, device=offsets.device)
    distance = positions[:, None] - offsets[:, None, None] - positions[None, :]
    return (1 - distance.abs()).clamp(min=0)


def kinks(low: float, high: float, offset: float) -> Tensor:
    """The ends of [low, high] and what lies between them: the integers and the numbers that are integers plus
    ``offset``, sorted."""
    values = [low, high, *range(math.floor(low) + 1, math.ceil(high))]
    shift = math.floor(low - offset) + 1
    values += [k + offset for k in range(shift, shift + math.ceil(high - low) + 1) if low < k + offset < high]
    return torch.tensor(sorted(set(values)), dtype=torch.float64)


def require_translation(transform: Transform, what: str) -> None:
    """ValueError unless the transformation is a translation."""
    if not isinstance(transform, Translation):
        raise ValueError(f"The {what} is for translations, but the transformation is {transform.name}.")


def _axis(size: int, beta: float, gammas: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Along one axis, for every gamma: both translations one after the other, and at once."""
    offset = torch.full((1,), beta, dtype=torch.float64, device=device)
    moved = gammas.to(device)
    return shifts(size, offset) @ shifts(size, moved), shifts(size, moved + offset)


def vertex_bound(
    attacked: AttackedImage,
    betas: Points,
    *,
    target: float | Tensor | None = None,
    memory_budget: int = MEMORY_BUDGET,
    progress: Progress = silent,
) -> ErrorBound:
    """The maximum over gamma in Gamma of ||e(beta, gamma)|| for translations, exact up to 2e-11 a pixel.

    Args:
        betas: (N, 2) pixels.
        target: if given, ``holds`` says for each beta whether the maximum is at most this.

    Returns: `ErrorBound`, method "vertices"; ``worst`` is the maximising vertex.
    """
    watch = Stopwatch()
    require_translation(attacked.transform, "vertex bound")
    points, box = as_points(attacked.transform, betas), attacked.box
    best, where, counts = [], [], []
    for beta in progress(points, desc="vertex bound", total=len(points)):
        axes = [kinks(float(box[i, 0]), float(box[i, 1]), -float(beta[i])) for i in range(2)]
        norms = _norms(attacked.pixels, attacked.preprocessing, beta, axes, memory_budget)
        index = int(norms.argmax())
        best.append(float(norms[index]))
        where.append(torch.stack((axes[0][index % len(axes[0])], axes[1][index // len(axes[0])])))
        counts.append(len(norms))
    sampled = torch.tensor(best, dtype=torch.float64) + attacked.rounding
    slack = float_slack(attacked.preprocessing, attacked.image, PER_PIXEL)
    values = (sampled + slack) * norm_inflation(attacked.preprocessing, attacked.image)
    return ErrorBound(
        values=values,
        sampled=sampled,
        method="vertices",
        is_upper=True,
        attacker=attacked.attacker,
        rounding=attacked.rounding,
        evaluations=torch.tensor(counts),
        seconds=watch.seconds,
        worst=torch.stack(where)[:, :, None].expand(-1, -1, 2).clone(),
        holds=None if target is None else values <= torch.as_tensor(target, dtype=torch.float64),
    )


def _norms(image: Tensor, preprocessing: Preprocessing, beta: Tensor, axes: list[Tensor], memory_budget: int) -> Tensor:
    """||e|| at all vertices, dx fastest."""
    channels, height, width = image.shape
    twice_x, once_x = _axis(width, float(beta[0]), axes[0], image.device)
    twice_y, once_y = _axis(height, float(beta[1]), axes[1], image.device)
    columns = len(axes[0])

    def norms(part: Tensor) -> tuple[Tensor]:
        y, x = part // columns, part % columns
        moved = (twice_y[y, None] @ image) @ twice_x[x, None].mT - (once_y[y, None] @ image) @ once_x[x, None].mT
        return (torch.linalg.vector_norm(preprocessing(moved).flatten(1), dim=1).cpu(),)

    chunk = max(1, memory_budget // (8 * 10 * channels * height * width))
    total = torch.arange(columns * len(axes[1]))
    return torch.cat([halving_on_oom(norms, total[i : i + chunk])[0] for i in range(0, len(total), chunk)])
