"""What the radius of one ball of `spt.error_bounds.cell_balls` is made of, pixel by pixel, and how far what occurs comes.

A radius is a sum of weights times norms, sum of w_j ||v_j||, of the vectors of the one place that decides it: of the Bernstein
form of a piece (w are the polynomials where its quadratic is largest), of the end of a rounded part, and of the worst case of
rounding. Each v_j is a sum of parts, none of them negative in any pixel: how far the curve is from the centre, what the remainder
leaves open, and what rounding does. As ||v|| is the sum of v_p² / ||v|| over the pixels p, and v_p that of its parts, part k has
in pixel p the share

    sum of w_j part_kjp v_jp / ||v_j||,

and all shares add up to the radius but for what finite precision adds. Where there is one vector, they are shares of ||v||², too.
Pieces, centres, bounds and the radius are those of `CutCells`, which `cell_balls` is made of; docs/mathematics.md, section 23.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spt.error_bounds.balls import rounded_at_samples, rounding_at_samples
from spt.error_bounds.balls_rotation import quadratic_weights
from spt.error_bounds.cell_balls import (
    ROUNDING_PARTS,
    CutCells,
    PiecesInBalls,
    added_by_rounding,
    lines_of_parts,
)
from spt.error_bounds.sampled import gamma_portions
from spt.images import to_8_bit
from spt.progress import Progress, silent
from spt.threat_model import MEMORY_BUDGET, AttackedImage

SAMPLES = 129
"""Gammas of the cell at which is looked what occurs, about, beside those where pieces end."""
AGREES = 1e-11
"""By how much (relative) the sum of the shares may differ from the bound that the core has computed: rounding."""


@dataclass(frozen=True, eq=False)
class BallAnatomy:
    """One ball, taken apart. Images are (C, H', W') float64 on the CPU.

    Attributes:
        centre: z. radius: r; rounding: as in `CellBalls`.
        moving: shares of r that the curve has: what a gamma of the cell really moves, with rounding where that is known.
        remainder: that the remainder has: what the bound allows for between the ends of a piece or part.
        open_rounding: that rounding to 8 bits has where it is not known what it does.
        precision: what finite precision adds: r less the sum of all shares.
        box: (d, 2) the piece of the cell that decides r. splits: how many pieces the cell was cut into.
        farthest: the image that is farthest from z among those that were tried; gamma: (d,) its place in the cell;
            sampled: its distance, a lower bound of r.
    """

    centre: Tensor
    radius: float
    rounding: float
    moving: Tensor
    remainder: Tensor
    open_rounding: Tensor
    precision: float
    box: Tensor
    splits: int
    farthest: Tensor
    gamma: Tensor
    sampled: float

    @property
    def parts(self) -> tuple[float, float, float]:
        """What of the radius moving, remainder and open rounding are: with ``precision`` they add up to it."""
        return float(self.moving.sum()), float(self.remainder.sum()), float(self.open_rounding.sum())

    @property
    def violated(self) -> bool:
        """Whether something was found outside: this must not happen."""
        return self.sampled > self.radius


@dataclass(frozen=True, eq=False)
class _Terms:
    """Weights (K,), and the parts of K vectors, (K, D) each, none negative."""

    weights: Tensor
    moving: Tensor
    remainder: Tensor
    rounding: Tensor

    def shares(self) -> tuple[Tensor, Tensor, Tensor]:
        """What each part has of the sum of weights times norms, pixel by pixel, (D,) each."""
        vectors = self.moving + self.remainder + self.rounding
        norms = torch.linalg.vector_norm(vectors, dim=1)
        factors = self.weights[:, None] * vectors / torch.where(norms > 0, norms, 1.0)[:, None]
        moving, remainder, rounding = ((part * factors).sum(0) for part in (self.moving, self.remainder, self.rounding))
        return moving, remainder, rounding


def ball_anatomy(
    attacked: AttackedImage,
    cell: Tensor,
    point: Tensor,
    *,
    rounding_parts: int = ROUNDING_PARTS,
    splits: int | None = None,
    samples: int = SAMPLES,
    progress: Progress = silent,
) -> BallAnatomy:
    """The ball of `cell_balls` for one cell (d, 2) and one sample b' (d,), taken apart.

    Args:
        rounding_parts, splits: as there. samples: about how many gammas of the cell are tried, beside the ends of its pieces.

    ArithmeticError if the shares do not add up to what `cell_balls` has computed.
    """
    cut = CutCells(attacked, cell[None], point[None], rounding_parts, splits)
    [some] = cut(MEMORY_BUDGET)
    worst = rounding_at_samples(attacked, cut.samples)
    distance = some.distances.max()[None].cpu()
    rounded = distance.new_tensor([torch.inf]) if some.rounded is None else some.rounded.max()[None].cpu()
    added = added_by_rounding(distance, rounded, worst)
    if 0 < added < worst:
        piece, terms, bound = *_of_part(some), rounded
    else:
        piece, terms = _of_piece(some)
        bound = distance
    shares = terms.shares()
    total = float(sum(share.sum() for share in shares))
    if not abs(total - float(bound)) <= AGREES * float(bound) + 1e-300:
        raise ArithmeticError(
            f"Shares add up to {total!r}, but the bound is {float(bound)!r}; please report the settings."
        )
    channels = len(attacked.pixels)
    moving, remainder, rounding = (cut.window.whole(share[None], channels)[0].cpu() for share in shares)
    if added > 0 and added == worst:
        reached = torch.cat(list(rounded_at_samples(attacked, cut.samples)))[0].square().cpu()
        rounding = rounding + float(worst) * reached / reached.sum()
    radius = float(cut.radii(distance, added))
    centre = cut.window.whole(some.centres, channels)[0]
    gammas = _gammas(cell.double().cpu(), some.pieces.boxes, samples)
    number, sampled = _farthest(attacked, cut.samples[0], gammas, centre, progress)
    return BallAnatomy(
        centre=centre.cpu(),
        radius=radius,
        rounding=float(added),
        moving=moving,
        remainder=remainder,
        open_rounding=rounding,
        precision=radius - float(moving.sum() + remainder.sum() + rounding.sum()),
        box=some.pieces.boxes[piece],
        splits=len(some.distances),
        farthest=shown_images(attacked, cut.samples[0], gammas[number][None])[0].cpu(),
        gamma=gammas[number],
        sampled=sampled,
    )


def _of_piece(some: PiecesInBalls) -> tuple[int, _Terms]:
    """The piece with the largest distance, and the vectors of its Bernstein form."""
    piece = int(some.distances.argmax())
    moving = some.off[piece].abs()
    nothing = torch.zeros_like(moving)
    remainder = nothing.clone()
    if some.pieces.rest is not None:
        remainder[1] = 2 * some.pieces.rest[piece]
    norms = torch.linalg.vector_norm(moving + remainder, dim=1)
    if some.pieces.rest is not None:
        weights = quadratic_weights(*norms)
    else:
        n = norms.unflatten(0, (3, 3))
        along = quadratic_weights(*n)
        weights = (along.T * quadratic_weights(*(along.T * n).sum(0))).flatten()
    return piece, _Terms(weights, moving, remainder, nothing)


def _of_part(some: PiecesInBalls) -> tuple[int, _Terms]:
    """The piece of the rounded part with the largest distance, and the vector at the farther one of its ends."""
    assert some.rounded is not None and some.pieces.rounded is not None
    part = int(some.rounded.argmax())
    ends, spread, bend, rest = (each[part] for each in lines_of_parts(some.off, some.pieces))
    moving, remainder = ends.abs(), bend + rest
    end = int(torch.linalg.vector_norm(moving + (spread + remainder), dim=1).argmax())
    weight = spread.new_ones(1)
    return int(some.pieces.rounded.piece[part]), _Terms(weight, moving[end][None], remainder[None], spread[None])


# ---------------------------------------------------------------------------------------------------------- what occurs


def shown_images(attacked: AttackedImage, point: Tensor, gammas: Tensor) -> Tensor:
    """P A_{b'-gamma} Q(A_gamma x) at gammas (M, d), for one sample b' (d,): (M, C, H', W') float64."""
    gammas = gammas.to(attacked.pixels.device)
    received = attacked.transform(attacked.pixels, gammas)
    if attacked.attacker == "8-bit":
        received = to_8_bit(received)
    return attacked.preprocessing(attacked.transform(received, point.to(gammas) - gammas))


def _gammas(cell: Tensor, boxes: Tensor, samples: int) -> Tensor:
    """(M, d) gammas of a cell: a lattice over it, and the ends of its pieces and their middles, in as many as are few."""
    side = max(3, round(samples ** (1 / len(cell))))
    ends = torch.cat((boxes[..., 0], boxes.mean(dim=-1), boxes[..., 1]))
    axes = []
    for (low, high), own in zip(cell.tolist(), ends.T, strict=True):
        special = torch.unique(own)
        lattice = low + (high - low) * torch.linspace(0, 1, side, dtype=torch.float64)
        axes.append(
            torch.unique(torch.cat((lattice, special if len(special) <= side else special[:0])).clamp(low, high))
        )
    return torch.cartesian_prod(*axes).reshape(-1, len(cell))


def _farthest(
    attacked: AttackedImage, point: Tensor, gammas: Tensor, centre: Tensor, progress: Progress
) -> tuple[int, float]:
    """Which of these gammas shows the image farthest from the centre, and how far that is."""
    found = []
    for some in gamma_portions(attacked, gammas, progress):
        off = shown_images(attacked, point, some) - centre
        found.append(torch.linalg.vector_norm(off.flatten(1), dim=1).cpu())
    distances = torch.cat(found)
    number = int(distances.argmax())
    return number, float(distances[number])
