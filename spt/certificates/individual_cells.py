"""`IndividualCellsCertificate`: IndivSPT with cells, a proof about a received image and its originals, cell by cell."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from spt.certificates.ball_evidence import BallEvidence
from spt.certificates.concluded import Check
from spt.certificates.looks import LOOKS
from spt.certificates.majority_test import MajorityTest
from spt.certificates.ranges import Bounds, joined_ranges, ranges_in_words, share_of_gamma
from spt.certificates.rounding import confidence, given, quantity
from spt.certificates.sample_points import SAME_POINT
from spt.plain_numbers import MOST_SAMPLES
from spt.seeds import generators
from spt.transforms import TRANSFORMS


@dataclass(frozen=True, kw_only=True)
class IndividualCellsCertificate(BallEvidence):
    """IndivSPT with cells: a proof about one received image x' and all the originals that it can come from, with its evidence.

    Guarantee: with probability at least 1 - alpha over the sampling, if ``label`` is not None then g(x') = label, and
    g(x) = label for every image x with pixels in [0, 1] such that x' = T_gamma x for a gamma in Gamma = [-limit, limit]^d
    with |gamma| < radius (rounded to multiples of 1/255 by the attacker named "8-bit"). Neither x nor gamma is known. g is
    the nested smoothed classifier of `spt.defences.IndivSPT`. It holds whenever sampling was stopped, so a certificate that
    is not ``complete`` holds too. ``received_proved`` alone says g(x') = selected, of no original anything.

    Attributes (see also `BallEvidence`):
        cells: where something can explain x', cut into boxes, in the order in which they are tested: the nearest to 0 first. For
            every explanation x' = T_gamma x one of them contains gamma; if there are none x' is ``inconsistent``.
        split_width: of the splits of Gamma that the inverse tested first; refinements, method: see `spt.defences.IndivSPTCells`.
        n_cell: the most samples of a test; n_total: once so many are spent no further test is begun.
        sizes: samples of each test: first of x' itself, beta ~ N(0, sigma²), whose balls hold P A_beta x'; then of one cell
            after the other, beta ~ N(-gamma_i, sigma²), whose balls hold P A_{beta+gamma} x of all its explanations.
        accepted: what follows for each: whether its test shows that most samples pass.
        radius, label: all cells that contain a gamma with |gamma| < radius are accepted, and so is x' itself. Where all are,
            the radius is larger than every |gamma| in Gamma.
    """

    OWN_SETTINGS: ClassVar[tuple[str, ...]] = ("n_cell", "n_total", "split_width", "refinements", "method")

    INNER_LOOKS: ClassVar[tuple[int, ...]] = LOOKS[:12]
    """A sample that 768 votes leave open does not pass: most of what it would take is spent on images that are not certified."""

    cells: tuple[Bounds, ...]
    split_width: float
    refinements: int
    method: str
    n_cell: int
    n_total: int
    sizes: tuple[int, ...] = ()
    accepted: tuple[bool, ...] = ()

    # ----------------------------------------------------------------------------------------------- what follows

    def test(self, number: int) -> MajorityTest:
        """The outer test number 0, of x' itself, or of cell ``number - 1``. Each has the whole level alpha: see `conclude`."""
        reach = 0.0 if number == 0 else reach_of(self.cells[number - 1])
        return MajorityTest.of_reach(reach, self.parameter_sigma, self.alpha, self.inner_alpha, self.n_cell)

    def fewest_to_accept(self) -> int:
        """How many samples accept x' and every cell if all of them pass."""
        widest = max(range(len(self.cells) + 1), key=lambda number: reach_of(self.cells[number - 1]) if number else 0.0)
        return self.test(widest).fewest_to_accept()

    def conclude(self) -> Self:
        """Test x' and then the cells from 0 outwards, each with its own samples, and look how far they are accepted.

        Every test has level alpha, and the certificate as a whole too: what it says of originals it says only if x' itself is
        accepted, and the nearest original with another class is in a cell that does not depend on any vote.
        ValueError if the samples are not those of tests that stop where these do.
        """
        return self.conclude_from(self.passed())

    def conclude_from(self, passed: Sequence[bool]) -> Self:
        """`conclude`, of samples whose outcomes are known."""
        verdicts: list[bool] = []
        for number, samples in enumerate(self.samples()):
            own = passed[samples.start : samples.stop]
            if self._done(verdicts, samples.start):
                raise ValueError("There are samples of more cells than are tested.")
            verdict = self.test(number).verdict(own)
            if verdict is None or verdict[0] != len(own):
                raise ValueError("The samples of a cell do not end where its test stops.")
            verdicts.append(verdict[1])
        proved, radius = sum(verdicts[1:]), 0.0  # the last may have failed
        if verdicts and verdicts[0]:
            radius = nearest(self.cells[proved]) if proved < len(self.cells) else self._beyond
        return dataclasses.replace(
            self,
            accepted=tuple(verdicts),
            radius=radius,
            label=self.selected if radius > 0 else None,
        )

    def _done(self, verdicts: Sequence[bool], spent: int) -> bool:
        """Whether no test follows: one has failed, all are made, or the samples are spent."""
        return self.inconsistent or not all(verdicts) or len(verdicts) > len(self.cells) or spent >= self.n_total

    def samples(self) -> list[range]:
        """Which samples belong to each test."""
        ends = [0, *itertools.accumulate(self.sizes)]
        return [range(low, high) for low, high in itertools.pairwise(ends)]

    @property
    def complete(self) -> bool:
        """Whether no test follows; before that the certificate holds as far as it goes."""
        return self._done(self.accepted, sum(self.sizes))

    @property
    def inconsistent(self) -> bool:
        """Whether nothing explains x': no image with pixels in [0, 1] becomes x' under any gamma in Gamma."""
        return not self.cells

    @property
    def received_proved(self) -> bool:
        """Whether g(x') is proved to be the class selected, whatever is proved of originals."""
        return self.accepted[:1] == (True,)

    @property
    def surviving(self) -> tuple[Bounds, ...]:
        """The ranges of Gamma in which something can explain x'."""
        return joined_ranges(self.cells)

    @property
    def share(self) -> float:
        """Of Gamma that survives."""
        return share_of_gamma(self.cells, self.limit)

    @property
    def _beyond(self) -> float:
        """A radius larger than every |gamma| in Gamma."""
        return math.sqrt(TRANSFORMS[self.transform].dimensions) * self.limit * (1 + 2.0**-40)

    # ------------------------------------------------------------------------------------------------------ checking

    def _checks_of_the_run(self) -> Iterator[Check]:
        dimensions = TRANSFORMS[self.transform].dimensions
        limit = self.limit
        yield "every sample has a point, a radius, a rounding term and inner votes", self._one_of_each()
        yield "no test has fewer than one sample", min(self.sizes, default=1) >= 1 and self.n_cell >= 1
        yield "every sample belongs to a test", sum(self.sizes) == len(self.points)
        yield "there are not more samples than a run can have", len(self.points) <= MOST_SAMPLES
        yield "the class was selected by votes", self.inconsistent or sum(self.selection_counts) > 0
        yield "the smoothing noise is positive", self.parameter_sigma > 0
        yield from self._checks_of_the_settings()
        yield (
            "the cells lie in the attack range",
            all(len(box) == dimensions and all(-limit <= a < b <= limit for a, b in box) for box in self.cells),
        )
        yield "no two cells overlap", not overlapping(self.cells)
        yield "cells are tested from 0 outwards", list(self.cells) == in_order(self.cells)
        yield "the splits have a positive, finite width", 0 < self.split_width < math.inf
        yield "there are no fewer than 0 refinements", self.refinements >= 0
        self.conclude()  # each until its test stops; else ValueError
        yield "the points are those of the seed", self._points_are_those_of_the_seed()
        yield from self._checks_of_the_balls()

    def samples_of(self, number: int, n0: int) -> tuple[Tensor, torch.Generator]:
        """All samples (N, d) that test ``number`` can have in a run with n0 selection votes, and the generator that drew them,
        for their pixel noise. They do not depend on other tests."""
        about = "the received image" if number == 0 else f"cell {self.cells[number - 1]}"
        _, generator = generators(self.seed, n0, self.n_cell, settings=f"{self.settings_in_words()}, {about}")
        transform = TRANSFORMS[self.transform]
        drawn = transform.sample(self.n_cell, self.parameter_sigma, generator)
        return (drawn if number == 0 else drawn - torch.tensor([centre(self.cells[number - 1])]).double()), generator

    def _points_are_those_of_the_seed(self) -> bool:
        n0 = sum(self.selection_counts)
        for number, samples in enumerate(self.samples()):
            drawn = self.samples_of(number, n0)[0].tolist()
            for mine, theirs in zip(self.points[samples.start : samples.stop], drawn, strict=False):
                pairs = zip(mine, theirs, strict=True)
                if not all(abs(found - value) <= SAME_POINT * max(1.0, abs(value)) for found, value in pairs):
                    return False
        return True

    # ------------------------------------------------------------------------------------------------------- in words

    def explain(self) -> str:
        """The outcome in words, with the reason."""
        if self.inconsistent:
            return (
                f"INCONSISTENT WITH Γ: no image with pixels in [0, 1] gives this one by a {self.transform} in "
                f"±{self.limit:.15g} {self.unit} ({self.attacker} images)."
            )
        proved, more = sum(self.accepted[1:]), "" if self.complete else ", more to come"
        count = f"{proved} of {len(self.cells)} cells are proved at confidence {confidence(self.alpha)}{more}"
        name = self.class_names[self.selected]
        if self.label is not None:
            return (
                f"CERTIFIED {name}: g answers {name} here, and on every original that a {self.transform} {self._attacks()} "
                f"turned into this ({count})."
            )
        word = "ABSTAIN" if self.complete else "PROVISIONAL"
        if self.received_proved:
            return f"{word}: g answers {name} here, but that holds of no original so far ({count})."
        return f"{word}: not even g's answer here is certain{more}."

    def _attacks(self) -> str:
        if self.radius >= self._beyond:
            return f"within ±{given(self.limit, self.unit)}"
        return f"of less than {quantity(self.radius, self.unit)}"

    def to_text(self) -> str:
        """The certificate as lines of text for a terminal."""
        own = {
            "defence": "IndivSPT, cells of the received image",
            "explained by": f"{ranges_in_words(self.surviving)} ({self.share:.2%} of Γ), in {len(self.cells)} cells",
            "samples": f"{sum(self.sizes[:1])} of the received image, {sum(self.sizes[1:])} of "
            f"{max(0, len(self.sizes) - 1)} cells; each tested at level {self.alpha:g}",
        }
        return f"{self.explain()}\n{self._as_lines(own)}"


def centre(box: Bounds) -> tuple[float, ...]:
    """gamma_i, in the middle."""
    return tuple((low + high) / 2 for low, high in box)


def reach_of(box: Bounds) -> float:
    """w: no point of a box is farther from its centre; half a diagonal, and what rounding can have moved."""
    largest = max(max(abs(low), abs(high)) for low, high in box)
    halves = ((high - low) / 2 + largest * 2.0**-50 for low, high in box)
    return math.hypot(*halves) * (1 + 2.0**-50)


def nearest(box: Bounds) -> float:
    """The smallest |gamma| in a box, rounded down."""
    distances = [max(low, -high, 0.0) for low, high in box]
    exact = sum(distance > 0 for distance in distances) <= 1
    return math.hypot(*distances) * (1.0 if exact else 1 - 2.0**-50)


def in_order(boxes: Sequence[Bounds]) -> list[Bounds]:
    """Boxes as they are tested: the nearest to 0 first."""
    return sorted(boxes, key=lambda box: (nearest(box), box))


def overlapping(boxes: Sequence[Bounds]) -> bool:
    """Whether two boxes share more than a border."""
    swept = sorted(boxes)
    for place, one in enumerate(swept):
        for other in itertools.islice(swept, place + 1, None):
            if other[0][0] >= one[0][1]:
                break
            if all(max(a[0], b[0]) < min(a[1], b[1]) for a, b in zip(one, other, strict=True)):
                return True
    return False
