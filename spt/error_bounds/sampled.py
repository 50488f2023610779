"""The interpolation error at given or drawn gamma: a lower bound of its maximum, never more."""

from collections.abc import Iterable

import torch
from torch import Tensor

from spt.device_memory import halving_on_oom
from spt.error_bounds.result import ErrorBound
from spt.preprocessing import Preprocessing
from spt.progress import Progress, Stopwatch, silent
from spt.threat_model import MEMORY_BUDGET, AttackedImage, Points, as_points
from spt.transforms import Transform

PIXELS_AT_ONCE = 1 << 20


def interpolation_error(
    image: Tensor, transform: Transform, preprocessing: Preprocessing, betas: Tensor, gammas: Tensor
) -> Tensor:
    """e(beta, gamma) = P (A_beta A_gamma - A_{beta+gamma}) x for M pairs (M, d), one to one: (M, C, H', W').

    In the floating type and on the device of the image; every warp rounds to that type.
    """
    twice = transform(transform(image, gammas), betas)
    return preprocessing(twice) - preprocessing(transform(image, betas + gammas))


def error_norms(
    image: Tensor,
    transform: Transform,
    preprocessing: Preprocessing,
    betas: Tensor,
    gammas: Tensor,
    *,
    memory_budget: int = MEMORY_BUDGET,
) -> Tensor:
    """||e(beta, gamma)|| for M pairs, (M,) float64 on the CPU, as many at once as the memory budget allows."""
    chunk = max(1, memory_budget // (12 * 8 * max(1, image.numel())))

    def norms(part: Tensor) -> tuple[Tensor]:
        error = interpolation_error(image, transform, preprocessing, betas[part], gammas[part])
        return (torch.linalg.vector_norm(error.double().flatten(1), dim=1).cpu(),)

    indices = torch.arange(len(betas))
    parts = [halving_on_oom(norms, indices[i : i + chunk])[0] for i in range(0, len(betas), chunk)]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)


def gamma_lattice(gamma_range: Tensor, points: int) -> Tensor:
    """About ``points`` gammas (M, d) on a regular lattice over Gamma, its end points included."""
    side = max(2, round(points ** (1 / len(gamma_range))))
    axes = [torch.linspace(float(low), float(high), side, dtype=torch.float64) for low, high in gamma_range]
    return torch.cartesian_prod(*axes).reshape(-1, len(gamma_range))


def gamma_portions(attacked: AttackedImage, gammas: Tensor, progress: Progress) -> Iterable[Tensor]:
    """The gammas (M, d), as many at once as are quickly done, with progress."""
    portions = torch.split(gammas, max(1, PIXELS_AT_ONCE // attacked.pixels.numel()))
    return progress(portions, desc="sampling", total=len(portions))


def sampled_error(
    attacked: AttackedImage,
    betas: Points,
    *,
    points: int | Tensor = 1000,
    generator: torch.Generator | None = None,
    memory_budget: int = MEMORY_BUDGET,
    progress: Progress = silent,
) -> ErrorBound:
    """The largest error among sampled gammas, for each beta: a lower bound of the true maximum.

    Args:
        betas: (N, d) degrees or pixels, for one parameter (N,) too.
        points: how many gammas (a regular lattice over Gamma, or uniform draws when ``generator`` is given), or the
            gammas themselves, (M, d), all within Gamma.

    With the 8-bit attacker the whole rounding term is added, so that values compare with those of the upper bounds.
    """
    watch = Stopwatch()
    transform, box = attacked.transform, attacked.box
    centres = as_points(transform, betas)
    if isinstance(points, Tensor):
        gammas = transform.as_parameters(points).cpu()
        if ((gammas < box[:, 0]) | (gammas > box[:, 1])).any():
            raise ValueError(f"Some of the given gammas lie outside gamma_range {box.tolist()}.")
    elif points < 1:
        raise ValueError(f"points must be at least 1, but is {points}.")
    elif generator is None:
        gammas = gamma_lattice(box, points)
    else:
        uniform = torch.rand(points, transform.dimensions, dtype=torch.float64, generator=generator)
        gammas = box[:, 0] + uniform * (box[:, 1] - box[:, 0])
    best, where = [], []
    image, preprocessing = attacked.image, attacked.preprocessing
    for beta in progress(centres, desc="sampling", total=len(centres)):
        same = beta.expand_as(gammas)
        norms = error_norms(image, transform, preprocessing, same, gammas, memory_budget=memory_budget)
        index = int(norms.argmax())
        best.append(float(norms[index]))
        where.append(gammas[index])
    values = torch.tensor(best, dtype=torch.float64) + attacked.rounding
    return ErrorBound(
        values=values,
        sampled=values,
        method="sampled",
        is_upper=False,
        attacker=attacked.attacker,
        rounding=attacked.rounding,
        evaluations=torch.full((len(centres),), len(gammas)),
        seconds=watch.seconds,
        worst=torch.stack(where)[:, :, None].expand(-1, -1, 2).clone(),
    )
