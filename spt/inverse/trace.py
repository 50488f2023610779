"""How the bounds of one original pixel come about in one split: every step of one pass, as data for a page or a notebook.

Positions (x, y) are centred; ``pitch`` is their unit: 1 for pixels, 2 for the paper's grid, on which pixels are 2 apart.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from spt.interval_warp import source_boxes
from spt.inverse.constraints import Constraints, axis_ends, find_constraints
from spt.threat_model import ReceivedImage

Ends = tuple[float, float]


@dataclass(frozen=True)
class Corner:
    """The corner of the part of the box in a cell that decides one end of q.

    With weights (own, across, along, diagonal) that sum to 1, p' the end of ``Step.value`` and the others the opposite ends
    of ``Cell.others``: ``value = (p' - across * p_h - along * p_v - diagonal * p_d) / own``, rounded outward.
    """

    x: float
    y: float
    weights: tuple[float, float, float, float]
    value: float


@dataclass(frozen=True)
class Cell:
    """A cell that the source box meets, and what p' says about the original pixel if it was interpolated there.

    Attributes:
        x, y: the cell.
        part_x, part_y: the part of the box in it.
        neighbours: positions of the pixels next to the original one: across, along, diagonal.
        others: what is known of them before this pass; (0, 0) outside the frame.
        lower, upper: the deciding corners; q = [lower.value, upper.value].
    """

    x: Ends
    y: Ends
    part_x: Ends
    part_y: Ends
    neighbours: tuple[Ends, Ends, Ends]
    others: tuple[Ends, Ends, Ends]
    lower: Corner
    upper: Corner


@dataclass(frozen=True)
class Step:
    """One received pixel that constrains the original one.

    Attributes:
        row, column: the received pixel in the array, and ``x, y`` its position.
        value: the interval of its true value: received, with what the attacker's rounding can have changed.
        box_x, box_y: where it can have been read.
        cells: the cells that this box meets.
        union: the hull of what these say.
        known: the intersection of all unions so far (lower > upper: nothing is left).
    """

    row: int
    column: int
    x: float
    y: float
    value: Ends
    box_x: Ends
    box_y: Ends
    cells: tuple[Cell, ...]
    union: Ends
    known: Ends


@dataclass(frozen=True)
class Trace:
    """All steps for one original pixel, in the order of the received pixels.

    Attributes:
        row, column, channel: the original pixel in the array, and ``x, y`` its position.
        pitch: the unit of all positions.
        start: what was known of it before the pass.
    """

    row: int
    column: int
    channel: int
    x: float
    y: float
    pitch: float
    start: Ends
    steps: tuple[Step, ...]

    @property
    def result(self) -> Ends:
        """What is known after the pass: the same as `refine` finds."""
        return self.steps[-1].known if self.steps else self.start

    def cut(self, step: Step) -> float:
        """By how much a constraint alone shortens the interval that was known before: a share of it, 0 to 1."""
        low, high = self.start
        if high <= low:
            return 0.0
        left = max(0.0, min(high, step.union[1]) - max(low, step.union[0]))
        return 1 - left / (high - low)


def trace(
    received: ReceivedImage,
    row: int,
    column: int,
    *,
    channel: int = 0,
    previous: tuple[Tensor, Tensor] | None = None,
    naive: bool = False,
    pitch: float = 1.0,
) -> Trace:
    """One pass over one original pixel, for all of Gamma as one split.

    Args:
        received: x', T, the split as its Gamma, and the attacker.
        row, column, channel: the original pixel.
        previous: lower and upper images (C, H, W) before this pass; by default all pixels are in [0, 1].
        naive: as for `spt.inverse.invert`.
        pitch: unit of the positions: 1 for pixels, 2 for the paper's grid.

    Raises ValueError if there is no such pixel.
    """
    image = received.pixels
    channels, height, width = image.shape
    if not (0 <= row < height and 0 <= column < width and 0 <= channel < channels):
        raise ValueError(f"There is no pixel ({row}, {column}) of channel {channel} in an image {tuple(image.shape)}.")
    known = (torch.zeros_like(image), torch.ones_like(image)) if previous is None else previous
    if any(end.shape != image.shape for end in known):
        raise ValueError(f"previous must be two images of shape {tuple(image.shape)}.")
    low, high = (end.flatten(1) for end in received.ends)
    one = slice(channel, channel + 1)
    view = _View((low[one], high[one]), (known[0][channel].double(), known[1][channel].double()), pitch)
    boxes = received.box[None].to(image.device)
    target = (row + 1) * (width + 2) + column + 1
    x, y = source_boxes(received.transform, height, width, boxes, naive)
    reach = [torch.stack(axis_ends(axis, size)).flatten(1) for axis, size in ((x, width), (y, height))]
    found = {}
    for group in find_constraints(received.transform, boxes, height, width, naive=naive):
        mine = group.keep(group.target == target)
        for i, position in enumerate(mine.received.tolist()):
            found[position] = mine.keep(torch.tensor([i], device=image.device))
    steps: list[Step] = []
    start = view.known(target)
    for position in sorted(found):
        before = steps[-1].known if steps else start
        steps.append(view.step(found[position], reach[0][:, position], reach[1][:, position], before))
    own = view.place(target)
    return Trace(row, column, channel, *own, pitch, start, tuple(steps))


@dataclass(frozen=True, eq=False)
class _View:
    """One channel: received ends (1, H * W) each, and what is known of the original, (H, W) each."""

    received: tuple[Tensor, Tensor]
    images: tuple[Tensor, Tensor]
    pitch: float

    @property
    def ringed(self) -> tuple[Tensor, Tensor]:
        """What is known with the ring, (1, 1, P) each."""
        lower, upper = (torch.nn.functional.pad(image, (1, 1, 1, 1)).reshape(1, 1, -1) for image in self.images)
        return lower, upper

    def known(self, position: int) -> Ends:
        """What is known of an original pixel."""
        lower, upper = self.ringed
        return float(lower[0, 0, position]), float(upper[0, 0, position])

    def place(self, position: int) -> Ends:
        """(x, y) of an original pixel, given by its position with the ring."""
        height, width = self.images[0].shape
        row, column = divmod(position, width + 2)
        return (column - (width + 1) / 2) * self.pitch, (row - (height + 1) / 2) * self.pitch

    def step(self, one: Constraints, columns: Tensor, rows: Tensor, before: Ends) -> Step:
        """The step of one received pixel, whose source box in array positions is given."""
        height, width = self.images[0].shape
        low, high = one.ends(self.received, *self.ringed)
        position = int(one.received)
        row, column = divmod(position, width)
        box_x, box_y = (
            tuple((end - (size - 1) / 2) * self.pitch for end in ends.tolist())
            for ends, size in ((columns, width), (rows, height))
        )
        value = (float(self.received[0][0, position]), float(self.received[1][0, position]))
        cells = {}
        for k in range(len(one.across)):
            cells[int(one.diagonal[k])] = self.cell(one, k, (float(low[0, k]), float(high[0, k])), value, box_x, box_y)
        union = float(low.min()), float(high.max())
        return Step(
            row,
            column,
            *((column - (width - 1) / 2) * self.pitch, (row - (height - 1) / 2) * self.pitch),
            value,
            box_x,
            box_y,
            tuple(cells.values()),
            union,
            (max(before[0], union[0]), min(before[1], union[1])),
        )

    def cell(self, one: Constraints, k: int, q: Ends, value: Ends, box_x: Ends, box_y: Ends) -> Cell:
        """Cell k of a constraint, which says q."""
        across, along, diagonal = int(one.across[k]), int(one.along[k]), int(one.diagonal[k])
        others = self.known(across), self.known(along), self.known(diagonal)
        neighbours = self.place(across), self.place(along), self.place(diagonal)
        own, opposite = self.place(int(one.target)), neighbours[2]
        cell_x, cell_y = ((min(a, b), max(a, b)) for a, b in zip(own, opposite, strict=True))
        corners = []
        for a, b in itertools.product((one.low_a, one.high_a), (one.low_b, one.high_b)):
            s, t = (float(ratio[k] / (1 + ratio[k])) for ratio in (a, b))
            x, y = own[0] + s * (opposite[0] - own[0]), own[1] + t * (opposite[1] - own[1])
            corners.append((x, y, ((1 - s) * (1 - t), s * (1 - t), (1 - s) * t, s * t)))

        def decide(end: int) -> Corner:
            def quotient(weights: tuple[float, float, float, float]) -> float:
                taken = sum(w * each[1 - end] for w, each in zip(weights[1:], others, strict=True))
                return (value[end] - taken) / weights[0]

            choose = max if end else min
            return Corner(*choose(corners, key=lambda corner: quotient(corner[2])), q[end])

        return Cell(
            cell_x,
            cell_y,
            (max(box_x[0], cell_x[0]), min(box_x[1], cell_x[1])),
            (max(box_y[0], cell_y[0]), min(box_y[1], cell_y[1])),
            neighbours,
            others,
            decide(0),
            decide(1),
        )
