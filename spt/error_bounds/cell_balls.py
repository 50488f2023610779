"""Balls on narrow cells of Gamma, one for each pair of a cell and a sample b': a fixed number of splits, and no search.

This is docs/mathematics.md, section 23.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from spt.error_bounds import arcs, vertices
from spt.error_bounds.balls import centre_weights, rounding_at_samples
from spt.error_bounds.balls_rotation import quadratic_maximum
from spt.error_bounds.cell_pieces import Pieces, Window, members
from spt.error_bounds.cell_pieces_paths import PathPieces
from spt.error_bounds.cell_pieces_translation import TranslationPieces
from spt.error_bounds.paths import PATHS
from spt.progress import step
from spt.rounding_slack import float_slack, norm_inflation
from spt.threat_model import MEMORY_BUDGET, AttackedImage, as_points, check_bounded

CENTRE_STEPS = 60
ROUNDING_PARTS = 16
"""Parts of a cell on which the attacker's rounding is looked at."""


@dataclass(frozen=True, eq=False)
class CellBalls:
    """A ball for each of N pairs of a cell of Gamma and a sample b'.

    For every gamma in the cell ||P A_{b'-gamma} Q(A_gamma x) - z|| <= r, in exact arithmetic and for any evaluation in the image's
    floating type; Q is the attacker's rounding to multiples of 1/255, or nothing: balls for the 8-bit attacker hold for both.

    Attributes:
        centres: (N, C, H', W') float64, on the image's device: z.
        radii: (N,) float64, on the CPU: r, with the attacker's rounding.
        rounding: (N,) what of it the exact attacker would not need around the same centre: 0 for him.
    """

    centres: Tensor
    radii: Tensor
    rounding: Tensor


@dataclass(frozen=True, eq=False)
class PiecesInBalls:
    """The pieces of G pairs around the centres of the pairs' balls.

    Attributes:
        pairs: (G,) which pairs. counts: (G,) how many pieces each has.
        centres: (G, D), over the pixels of a `Window`. off: (T, 3^d, D), the control vectors less the centre.
        distances: (T,) upper bounds of ||f - z||, one for each piece.
        rounded: (R,) upper bounds of the distance of what is rounded, one for each part of a piece; None where that was not asked
            for.
    """

    pieces: Pieces
    pairs: Tensor
    counts: Tensor
    centres: Tensor
    off: Tensor
    distances: Tensor
    rounded: Tensor | None


class CutCells:
    """N pairs of a cell and a sample b', cut into pieces: what `cell_balls` and `spt.error_bounds.anatomy` both look at.

    Attributes:
        samples: (N, d). window: of P x.
    """

    def __init__(
        self, attacked: AttackedImage, cells: Tensor, points: Tensor, rounding_parts: int, splits: int | None
    ) -> None:
        check_bounded(attacked.transform, "cells")
        self.attacked = attacked
        self.samples = as_points(attacked.transform, points)
        boxes = _as_cells(attacked, cells, len(self.samples))
        if rounding_parts < 0:
            raise ValueError(f"rounding_parts must be at least 0, but is {rounding_parts}.")
        if splits is not None and splits < 1:
            raise ValueError(f"splits must be at least 1, but is {splits}.")
        self.window = Window(attacked.preprocessing, attacked.pixels)
        self._cut: PathPieces | TranslationPieces
        if attacked.transform.name in PATHS:
            parts = rounding_parts if attacked.attacker == "8-bit" else 0
            self._cut, per_pixel = PathPieces(attacked, boxes, self.samples, parts, splits), arcs.PER_PIXEL
        else:
            self._cut, per_pixel = TranslationPieces(attacked, boxes, self.samples, splits), vertices.PER_PIXEL
        self.slack = float_slack(attacked.preprocessing, attacked.image, per_pixel)

    def __call__(self, memory_budget: int) -> Iterator[PiecesInBalls]:
        """Some pairs after the others, each with all its pieces."""
        for pieces in self._cut(memory_budget):
            step()
            pairs, counts = torch.unique_consecutive(pieces.owner, return_counts=True)
            centres = _centres(pieces, counts)
            off = pieces.controls - centres.repeat_interleave(counts.to(centres.device), dim=0)[:, None]
            rounded = None if pieces.rounded is None else _rounded_distances(off, pieces)
            yield PiecesInBalls(pieces, pairs, counts, centres, off, _distances(off, pieces), rounded)

    def radii(self, distances: Tensor, rounding: Tensor) -> Tensor:
        """The radii (N,) that are proved, from distances and what rounding adds to them: with what finite precision can change."""
        attacked = self.attacked
        radii = (distances + self.slack + rounding) * norm_inflation(attacked.preprocessing, attacked.image)
        if not torch.isfinite(radii).all():
            raise ArithmeticError("A radius is not a number; please report the image and the settings.")
        return radii


def cell_balls(
    attacked: AttackedImage,
    cells: Tensor,
    points: Tensor,
    *,
    rounding_parts: int = ROUNDING_PARTS,
    splits: int | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> CellBalls:
    """Balls around {P A_{b'-gamma} Q(A_gamma x) : gamma in the cell}, for N pairs of a cell and a sample b'.

    What depends on the cell alone is computed once for equal cells. The ball of a pair does not depend on the other pairs, but for
    the rounding of sums (of less than 1e-12), which its radius covers.

    Args:
        attacked: image, transformation, P, attacker; its Gamma must contain the cells.
        cells: (N, d, 2) float64, [lower, upper] end of each parameter, in degrees or pixels. A cell may be wide; the
            number of splits is chosen for narrow ones, though (a degree or two).
        points: (N, d) the sample b' of each pair, in degrees or pixels.
        rounding_parts: in how many parts of a cell the 8-bit attacker's rounding is looked at, 0 for its
            worst case (which is taken for translation).
        splits: into how many splits (along each axis) a cell is cut, if the bound needs no more; None: as many as pay.

    ValueError if there is no bound for the transformation, shapes or numbers are impossible, or a cell is not in Gamma.
    """
    cut = CutCells(attacked, cells, points, rounding_parts, splits)
    pixels, samples, window = attacked.pixels, cut.samples, cut.window
    centres = pixels.new_empty(len(samples), len(pixels), window.height, window.width)
    distances, rounded = torch.zeros(2, len(samples), dtype=torch.float64)
    rounded.fill_(torch.inf)
    for some in cut(memory_budget):
        centres[some.pairs.to(pixels.device)] = window.whole(some.centres, len(pixels))
        distances[some.pairs] = _largest(some.distances, some.counts)
        if some.rounded is not None:
            rounded[some.pairs] = _largest(some.rounded, _parts_of(some.pieces, some.counts))
    rounding = added_by_rounding(distances, rounded, rounding_at_samples(attacked, samples))
    return CellBalls(centres, cut.radii(distances, rounding), rounding)


def added_by_rounding(distances: Tensor, rounded: Tensor, worst: Tensor) -> Tensor:
    """(N,) what rounding adds to distances, from those of what is rounded (infinite where not known), and its worst case."""
    return torch.minimum(worst, (rounded - distances).clamp(min=0))


def _as_cells(attacked: AttackedImage, cells: Tensor, count: int) -> Tensor:
    """Cells as (N, d, 2) float64 on the CPU; ValueError unless there is one for each of ``count`` samples, within Gamma."""
    transform, gamma = attacked.transform, attacked.box
    boxes = torch.as_tensor(cells, dtype=torch.float64).cpu()
    if boxes.shape != (count, transform.dimensions, 2):
        raise ValueError(f"cells must have shape {(count, transform.dimensions, 2)}, but have {tuple(boxes.shape)}.")
    if not torch.isfinite(boxes).all():
        raise ValueError(f"Cells must be finite numbers, but one is {_first(boxes, ~torch.isfinite(boxes))}.")
    if (boxes[..., 0] > boxes[..., 1]).any():
        raise ValueError(
            f"Cells must go from low to high, but one is {_first(boxes, boxes[..., :1] > boxes[..., 1:])}."
        )
    outside = (boxes < gamma[:, :1]) | (boxes > gamma[:, 1:])
    if outside.any():
        raise ValueError(f"The cell {_first(boxes, outside)} is not within gamma_range {gamma.tolist()}.")
    return boxes


def _first(boxes: Tensor, wrong: Tensor) -> list[list[float]]:
    found: list[list[float]] = boxes[wrong.flatten(1).any(dim=1)][0].tolist()
    return found


def _centres(pieces: Pieces, counts: Tensor) -> Tensor:
    """(G, D) nearly the centres of the smallest balls around what is shown at the ends and middles of pieces, or, where
    rounding is looked at, in the middles of its parts."""
    controls, rounded = pieces.controls, pieces.rounded
    if rounded is None:
        one = controls.new_tensor([[1, 0, 0], [0.25, 0.5, 0.25], [0, 0, 1]])
        values = (one if controls.shape[1] == 3 else torch.kron(one, one)) @ controls
    else:
        weights = _at((rounded.start + rounded.stop) / 2).to(controls)
        values = ((weights[:, None] @ controls[rounded.piece.to(controls.device)])[:, 0] + rounded.shown)[:, None]
        counts = _parts_of(pieces, counts)
    vectors = values[members(counts).to(controls.device)].flatten(1, 2)
    centred = vectors - vectors[:, :1]
    own = (counts * values.shape[1]).to(controls.device)
    weights = centre_weights(centred @ centred.mT, own, steps=CENTRE_STEPS)
    return (weights[:, None] @ vectors)[:, 0]


def _at(t: Tensor) -> Tensor:
    """Bernstein polynomials of degree 2 at t: (M, 3)."""
    return torch.stack(((1 - t) ** 2, 2 * t * (1 - t), t**2), dim=1)


def _parts_of(pieces: Pieces, counts: Tensor) -> Tensor:
    """How many parts each group of so many pieces has."""
    assert pieces.rounded is not None
    parts = torch.bincount(pieces.rounded.piece, minlength=len(pieces.owner))
    ends = torch.cat((parts.new_zeros(1), parts.cumsum(0)))[torch.cat((counts.new_zeros(1), counts.cumsum(0)))]
    return ends.diff()


def _largest(bounds: Tensor, counts: Tensor) -> Tensor:
    """The largest of each group."""
    largest: Tensor = bounds.cpu()[members(counts)].amax(dim=1)
    return largest


def _distances(off: Tensor, pieces: Pieces) -> Tensor:
    """(T,) upper bounds of ||f - z|| on the pieces, ``off`` being controls - z.

    |f - z| <= sum of B_i |off_i| + 4 t (1 - t) rest in every pixel, and 4 t (1 - t) is twice the middle Bernstein polynomial. The
    norm of a sum with weights B_i is at most the sum of norms with these weights, a polynomial again.
    """
    if pieces.rest is None:
        n = torch.linalg.vector_norm(off, dim=2).unflatten(1, (3, 3))
        along = quadratic_maximum(n[:, 0], n[:, 1], n[:, 2])
        return quadratic_maximum(along[:, 0], along[:, 1], along[:, 2])
    ends = torch.linalg.vector_norm(off[:, ::2], dim=2)
    middle = torch.linalg.vector_norm(off[:, 1].abs() + 2 * pieces.rest, dim=1)
    return quadratic_maximum(ends[:, 0], middle, ends[:, 1])


def lines_of_parts(off: Tensor, pieces: Pieces) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each part [s, t] of a piece, on which what is rounded, less z, is near a line: its ends (R, 2, D), and what is left open
    in every pixel, (R, D): by rounding, by the bend of the curve, and by the remainder.

    The quadratic curve is within (t - s)² |q| / 4 of the line between its ends, q the second difference of the control vectors.
    """
    rounded, rest = pieces.rounded, pieces.rest
    assert rounded is not None and rest is not None
    piece, start, stop = rounded.piece.to(off.device), rounded.start, rounded.stop
    bent = (off[:, 0] - 2 * off[:, 1] + off[:, 2]).abs()
    arched = torch.where(
        (start < 0.5) & (stop > 0.5), 1.0, torch.maximum(4 * start * (1 - start), 4 * stop * (1 - stop))
    )
    ends = torch.stack((_at(start), _at(stop)), dim=1).to(off) @ off[piece]
    bend = ((stop - start) ** 2 / 4).to(off)[:, None] * bent[piece]
    return ends + rounded.shown[:, None], rounded.spread, bend, arched.to(off)[:, None] * rest[piece]


def _rounded_distances(off: Tensor, pieces: Pieces) -> Tensor:
    """(R,) the same for what is rounded, on the parts of pieces: f + change - z is within W, the sum of what is left open, of a
    line in every pixel, and || |v| + W || is convex in v: largest at an end."""
    ends, spread, bend, rest = lines_of_parts(off, pieces)
    norms: Tensor = torch.linalg.vector_norm(ends.abs_() + (spread + bend + rest)[:, None], dim=2)
    return norms.amax(dim=1)
