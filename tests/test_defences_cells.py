"""DistSPT with recentred cells: how often its radius is wrong, attacks inside it, and evidence that proves it."""

import dataclasses
import itertools
import math
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from spt import statistics
from spt.certificates import CellsCertificate
from spt.certificates.cell_walk import CellGrid, CellRules, CellWalk, GammaCell, level_share
from spt.classifiers import Classifier
from spt.datasets import load_dataset
from spt.defences import DistSPT, DistSPTCells
from spt.defences.dist_spt_cells import settled_cells
from spt.error_bounds.balls import sample_bound
from spt.error_bounds.slice_balls import slice_balls
from spt.images import to_8_bit
from spt.preprocessing import Preprocessing
from spt.recomputation import read_certificate, recompute
from spt.threat_model import AttackedImage
from spt.transforms import Parameter, Rotation, Transform, Translation

LINE = CellGrid(limit=10.0, dimensions=1, first_cells=8, bisections=3)
PLANE = CellGrid(limit=1.0, dimensions=2, first_cells=4, bisections=2)


def rules_of(grid: CellGrid, **changes: Any) -> CellRules:
    return CellRules(
        grid, **{"parameter_sigma": 12.0, "alpha": 0.05, "inner_alpha": 0.05, "n_cell": 60, "n_total": 10**6} | changes
    )


# ------------------------------------------------------------------------------------------------------ false certificates


class KnownCells:
    """Samples of cells whose probability to pass is known: that of the null hypothesis in every cell that contains ``bad``, a cell
    at the floor, and ``good`` in all others. The walk and the tests are those of certificates."""

    def __init__(self, rules: CellRules, bad: GammaCell, good: float, seed: int) -> None:
        chain = [bad]
        while (parent := rules.grid.parent(chain[-1])) is not None:
            chain.append(parent)
        self.null = {cell: truth_of(rules, cell.level) for cell in chain}
        self.good, self.random = good, np.random.default_rng(seed)

    def __call__(self, wanted):
        return [
            (self.random.random(stop - start) < self.null.get(cell, self.good)).tolist() for cell, start, stop in wanted
        ]


def truth_of(rules: CellRules, level: int) -> float:
    """The largest probability to pass with a bad gamma in the cell, written down anew: q = Phi(w / sigma), and errors of tests."""
    half = rules.grid.limit / (rules.grid.first_cells * 2**level) * math.sqrt(rules.grid.dimensions)
    q = 0.5 * (1 + math.erf(half / rules.parameter_sigma / math.sqrt(2)))
    return q + rules.inner_alpha * (1 - q)


def false_radii(rules: CellRules, bad: GammaCell, runs: int, good: float = 0.97) -> int:
    """In how many runs the radius is larger than the smallest |gamma| in ``bad``."""
    wrong = 0
    for seed in range(runs):
        walk = CellWalk(rules)
        draw = KnownCells(rules, bad, good, seed)
        passed: dict[GammaCell, list[bool]] = {}

        def noted(wanted, draw=draw, passed=passed):
            found = draw(wanted)
            for (cell, _, _), new in zip(wanted, found, strict=True):
                passed[cell] = passed.get(cell, []) + new
            return found

        for cell, size in settled_cells(rules, noted):
            _, accepted = rules.verdict(cell.level, passed[cell][:size])
            assert walk.settle(accepted, size) == cell
        wrong += walk.radius > rules.grid.nearest(bad)
    return wrong


SETTINGS = {
    "in the first cell": (rules_of(LINE), GammaCell(3, (32,))),
    "after others, cut three times": (rules_of(LINE), GammaCell(3, (47,))),
    "at the end": (rules_of(LINE), GammaCell(3, (0,))),
    "not cut": (rules_of(dataclasses.replace(LINE, bisections=0)), GammaCell(0, (5,))),
    "wide cells": (rules_of(LINE, parameter_sigma=1.5), GammaCell(3, (40,))),
    "many samples": (rules_of(LINE, n_cell=150, alpha=0.1), GammaCell(3, (44,))),
    "two dimensions": (rules_of(PLANE, parameter_sigma=1.5), GammaCell(2, (9, 11))),
    "every cell": (rules_of(LINE, every_cell=True), GammaCell(3, (50,))),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_radius_is_wrong_no_more_often_than_alpha(name):
    """Every cell that contains the bad gamma is exactly at its threshold, the worst that can be."""
    rules, bad = SETTINGS[name]
    assert statistics.clopper_pearson_lower(false_radii(rules, bad, 250), 250, 1e-6) <= rules.alpha


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("good", [1.0, 0.9])
def test_the_radius_is_wrong_no_more_often_than_alpha_in_many_runs(name, good):
    rules, bad = SETTINGS[name]
    wrong = false_radii(rules, bad, 5000, good)
    assert statistics.clopper_pearson_upper(wrong, 5000, 0.001) <= rules.alpha


class Forgets(CellRules):
    """Tests cells as if all of their attacks were at the centre."""

    def outer_test(self, level: int) -> statistics.SequentialTest:
        null = (1 + self.inner_alpha) / 2
        return statistics.SequentialTest(null, self.level_alpha, 0.05)


def test_the_simulation_notices_a_test_that_forgets_the_width_of_cells():
    rules = Forgets(LINE, 3.0, 0.05, 0.05, 60, 10**6)
    assert statistics.clopper_pearson_lower(false_radii(rules, GammaCell(3, (44,)), 250), 250, 1e-6) > rules.alpha


class Ends(CellWalk):
    """A radius that forgets cells which failed at the floor."""

    @property
    def radius(self) -> float:
        return self.rules.grid.beyond if self.done else super().radius


def test_the_simulation_notices_a_radius_over_a_gap(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "CellWalk", Ends)
    rules, bad = SETTINGS["every cell"]
    assert statistics.clopper_pearson_lower(false_radii(rules, bad, 100), 100, 1e-6) > rules.alpha


@pytest.mark.parametrize("grid", [LINE, PLANE])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 1e-7, 0.3])
def test_no_point_is_tested_at_more_than_alpha(grid, alpha):
    """Over all levels of bisection, as each level has one cell with the point."""
    rules = rules_of(grid, alpha=alpha)
    levels = [rules.outer_test(level).alpha for level in range(grid.bisections + 1)]
    assert alpha * (1 - 1e-12) <= math.fsum(levels) <= alpha and sum(levels) <= alpha
    assert all(level_share(alpha, n) * n <= alpha for n in range(1, 22))


def test_the_null_hypothesis_of_a_cell():
    rules = rules_of(LINE, parameter_sigma=3.0)
    for level in range(4):
        null = rules.outer_test(level).p0
        assert truth_of(rules, level) <= null <= truth_of(rules, level) + 1e-9


# ------------------------------------------------------------------------------------------------------------- the walk


@pytest.mark.parametrize("grid", [LINE, PLANE, CellGrid(7.3, 1, 6, 2), CellGrid(0.7, 2, 3, 1)])
def test_cells_fill_gamma_and_pieces_fill_their_cell(grid):
    levels = [grid.first()]
    for _ in range(grid.bisections):
        levels.append([piece for cell in levels[-1] for piece in grid.pieces(cell)])
    assert not grid.pieces(levels[-1][0])
    for cells in levels:
        for axis in range(grid.dimensions):
            ends = sorted({grid.bounds(cell)[axis] for cell in cells})
            assert ends[0][0] == -grid.limit and ends[-1][1] == grid.limit
            assert all(low[1] == high[0] for low, high in itertools.pairwise(ends))
        assert len(set(map(grid.bounds, cells))) == len(cells) == len({b for c in cells for b in [grid.bounds(c)]})
        for cell in cells:
            corners = list(itertools.product(*grid.bounds(cell)))
            assert max(math.dist(corner, grid.centre(cell)) for corner in corners) <= grid.reach(cell.level)
            nearest = [max(low, -high, 0.0) for low, high in grid.bounds(cell)]
            assert grid.nearest(cell) <= math.hypot(*nearest)
            parent = grid.parent(cell)
            if parent is not None:
                assert cell in grid.pieces(parent)
                assert all(
                    a[0] <= b[0] <= b[1] <= a[1] for a, b in zip(grid.bounds(parent), grid.bounds(cell), strict=True)
                )


@pytest.mark.parametrize("grid", [LINE, PLANE])
@pytest.mark.parametrize("every_cell", [False, True])
def test_only_a_complete_prefix_is_a_radius(grid, every_cell):
    """Against the definition, after each verdict: no cell that is not accepted comes nearer to 0 than the radius."""
    random = np.random.default_rng(1)
    for _ in range(15):
        walk, accepted, leaves = CellWalk(rules_of(grid, every_cell=every_cell)), [], []
        rate = random.random()
        while not walk.done:
            assert walk.upcoming(1) == walk.upcoming(3)[:1]
            hit = bool(random.random() < rate)
            cell = walk.settle(hit, 12)
            (accepted if hit else leaves).append(cell)
            covered = {leaf for cell in accepted for leaf in below(grid, cell)}
            missing = [leaf for cell in grid.first() for leaf in below(grid, cell) if leaf not in covered]
            least = min(map(grid.nearest, missing), default=math.inf)
            assert walk.radius <= least and (walk.radius == least or not missing or not walk.done or every_cell)
            if not missing:
                assert walk.radius > math.hypot(*[grid.limit] * grid.dimensions)
        if not every_cell and leaves and leaves[-1].level == grid.bisections:
            assert walk.radius == grid.nearest(leaves[-1])
        with pytest.raises(ValueError, match="more cells than are tested"):
            walk.settle(True, 12)


def below(grid: CellGrid, cell: GammaCell) -> list[GammaCell]:
    """The cells at the floor that make up a cell."""
    pieces = grid.pieces(cell)
    return [leaf for piece in pieces for leaf in below(grid, piece)] if pieces else [cell]


def test_a_walk_ends_when_its_samples_are_spent():
    walk = CellWalk(rules_of(LINE, n_total=30))
    for expected in (0.0, 2.5, 2.5):
        assert not walk.done
        walk.settle(True, 12)
        assert walk.radius == expected
    assert walk.done and walk.upcoming(1)
    with pytest.raises(ValueError, match="more cells than are tested"):
        walk.settle(True, 12)


def test_sides_are_gone_through_alternately():
    walk = CellWalk(rules_of(LINE))
    order = [LINE.bounds(walk.settle(True, 12))[0] for _ in range(8)]
    assert order == [(0, 2.5), (-2.5, 0), (2.5, 5), (-5, -2.5), (5, 7.5), (-7.5, -5), (7.5, 10), (-10, -7.5)] or (
        [tuple(sorted(map(abs, cell))) for cell in order]
        == [(0, 2.5), (0, 2.5), (2.5, 5), (2.5, 5), (5, 7.5), (5, 7.5), (7.5, 10), (7.5, 10)]
    )


@pytest.mark.parametrize(("batch_size", "cells_at_once"), [(1, 1), (3, 2), (50, 7)])
def test_verdicts_do_not_depend_on_what_is_drawn_at_once(batch_size, cells_at_once):
    """Each cell has samples of its own, and its test is asked after every one of them."""
    rules = rules_of(LINE)

    def draw(wanted):
        chances = ((cell, np.random.default_rng([cell.level, *cell.index]).random(60)) for cell, _, _ in wanted)
        shares = {cell: (0.45 if cell.index[0] % 3 else 0.9) for cell, _, _ in wanted}
        return [
            (values[start:stop] < shares[cell]).tolist()
            for (cell, values), (_, start, stop) in zip(chances, wanted, strict=True)
        ]

    usual = list(settled_cells(rules, draw))
    assert list(settled_cells(rules, draw, batch_size=batch_size, cells_at_once=cells_at_once)) == usual
    assert len(usual) > 1 and max(size for _, size in usual) > rules.fewest_to_accept(0)


# ---------------------------------------------------------------------------------------------------------- certificates


@pytest.fixture(scope="module")
def digit() -> torch.Tensor:
    return load_dataset("digits").image(3)


@pytest.fixture(scope="module")
def turning(mnist_rotation: Classifier) -> DistSPTCells:
    """Rotations of a digit by up to 12°, in four cells."""
    return DistSPTCells(mnist_rotation, Rotation(), 30.0, 0.3, 12.0, cell_width=6.0)


@pytest.fixture(scope="module")
def turned(turning: DistSPTCells, digit: torch.Tensor) -> CellsCertificate:
    return turning.certify(digit)


@pytest.fixture
def shifting(columns: Classifier) -> DistSPTCells:
    """The brightest column of a 3x3 image, shifted by up to 0.6 pixels: by more than 0.5 the answer is another."""
    return DistSPTCells(columns, Translation(), 0.2, 0.1, 0.6, cell_width=0.3, cell_floor=0.075)


@pytest.fixture
def bright_column() -> torch.Tensor:
    image = torch.zeros(1, 3, 3)
    image[0, :, 1] = 1.0
    return image


def without_time(certificate: CellsCertificate) -> CellsCertificate:
    return dataclasses.replace(certificate, seconds=0.0)


def test_a_digit_is_certified_within_the_whole_range(turned):
    assert turned.label == 3 and turned.complete and turned.radius > turned.limit and turned.verify()
    assert turned.accepted == (True,) * 4 and turned.levels == (0,) * 4 and turned.parents == (-1,) * 4
    assert {bounds for [bounds] in turned.cells} == {(-12.0, -6.0), (-6.0, 0.0), (0.0, 6.0), (6.0, 12.0)}
    assert len(turned.points) == sum(turned.sizes) <= 4 * 20
    assert turned.covers_attack((12.0,)) and not turned.covers_attack((12.1,)) and turned.reach == 12.0
    assert "no rotation within ±12° changes g's answer" in turned.explain() and not turned.pointwise
    assert "cells        4 of 6°, cut down to 0.75°; each tested at level 0.0025" in turned.to_text()


def test_samples_lie_around_the_centres_of_their_cells(turned):
    """b' ~ N(gamma_i, sigma² I): in all of the samples of a few seeds."""
    offsets = []
    for seed in range(40):
        other = dataclasses.replace(turned, seed=seed)
        for cell in turned.rules.grid.first():
            points, _ = other.samples_of(cell, 100)
            offsets += (points - torch.tensor(turned.rules.grid.centre(cell))).flatten().tolist()
    assert abs(np.mean(offsets)) < 5 * 30 / math.sqrt(len(offsets))
    assert np.std(offsets) == pytest.approx(30, rel=0.03)


def test_the_radius_ends_before_g_changes(shifting, bright_column, columns):
    certificate = shifting.certify(bright_column, n_cell=60)
    assert 0.1 <= certificate.radius < 0.5 and certificate.label == 1 and certificate.verify()
    assert max(certificate.levels) == 2 and set(certificate.accepted) == {True, False}
    generator = torch.Generator().manual_seed(3)
    one_ball = DistSPT(columns, Translation(), 0.2, 0.1, 0.6)
    for trial in range(20):
        direction = torch.randn(2, generator=generator, dtype=torch.float64)
        gamma = direction / direction.norm() * certificate.radius * float(torch.rand(1, generator=generator)) ** 0.25
        assert certificate.covers_attack(gamma.tolist())
        attacked = to_8_bit(shifting.transform(bright_column, gamma[None])[0])
        assert one_ball.predict(attacked, seed=trial, alpha=1e-4).label in (None, certificate.label)


def test_attacks_on_a_digit_do_not_change_g(turning, turned, digit):
    """At the worst of many attacks: those at which f is most often wrong under the noise."""
    attacks = Rotation().grid(turned.limit, 49)
    images = torch.stack([to_8_bit(image) for image in turning.transform(digit, attacks)])
    counts = []
    for number, image in enumerate(images):
        generator = torch.Generator().manual_seed(number)
        noise = turning.pixel_sigma * torch.randn(20, *image.shape, generator=generator)
        shown = turning.classifier.preprocessing(turning.transform(image.double(), turning._betas(20, generator)))
        counts.append(int((turning.classifier.network_logits(shown + noise).argmax(dim=1) == 3).sum()))
    for number in np.argsort(counts)[:3]:
        assert turning.predict(images[number], alpha=1e-4, seed=int(number)).label == 3


def test_a_stream_says_what_holds_so_far(shifting, bright_column):
    parts = list(shifting.stream(bright_column, n_cell=60))
    assert [len(part.cells) for part in parts] == list(range(1, len(parts) + 1))
    assert all(part.verify() for part in parts[:: len(parts) // 3]) and [part.complete for part in parts[:-1]] == [
        False
    ] * (len(parts) - 1)
    radii = [part.radius for part in parts]
    assert radii == sorted(radii) and parts[0].radius == 0 and parts[0].label is None
    assert parts[0].explain().startswith("PROVISIONAL") and "more to come" in parts[-2].explain()
    assert parts[-1].complete and "more to come" not in parts[-1].explain()


def test_a_run_ends_when_its_samples_are_spent(turning, digit, turned):
    short = turning.certify(digit, n_total=sum(turned.sizes[:3]))
    assert len(short.cells) == 3 and short.complete and short.radius == 6.0 and short.verify()
    assert "more to come" not in short.explain()


def test_batches_change_nothing(shifting, bright_column):
    *_, usual = shifting.stream(bright_column, n_cell=60)
    *_, other = shifting.stream(bright_column, n_cell=60, batch_size=3, cells_at_once=1)
    assert other.radii == pytest.approx(usual.radii, rel=1e-9)
    assert dataclasses.replace(other, seconds=0, radii=()) == dataclasses.replace(usual, seconds=0, radii=())


def test_same_seed_same_certificate(turning, turned, digit):
    assert without_time(turning.certify(digit)) == without_time(turned)
    other = turning.certify(digit, seed=1)
    assert other.points[0] != turned.points[0] and other.verify()


def test_a_cell_does_not_depend_on_the_others(columns, bright_column, shifting):
    """So that cells drawn in advance, and dropped, change nothing."""
    usual = shifting.certify(bright_column, n_cell=60)
    grid, n0 = usual.rules.grid, sum(usual.selection_counts)
    firsts = {usual.samples_of(cell, n0)[0][0] for cell in (*grid.first(), *grid.pieces(grid.first()[0]))}
    assert len(firsts) == len(grid.first()) + 4


def test_beyond_the_first_failure_cells_hold_pointwise_only(columns, bright_column):
    """Moved down the column stays in the middle: so far from 0, cells are proved that are no part of a prefix."""
    defence = DistSPTCells(columns, Translation(), 0.0, 0.1, 0.8, cell_width=0.2, cell_floor=0.1, every_cell=True)
    every = defence.certify(bright_column)
    first = dataclasses.replace(defence, every_cell=False).certify(bright_column)
    assert every.complete and every.verify() and len(every.cells) > len(first.cells) and 0 < every.radius < 0.5
    assert every.covers_attack((0.0, 0.1)) and not every.covers_attack((0.0, 0.75))
    assert every.pointwise and "not of all together" in every.to_text()
    assert len({len(every.cells), len(every.tested())}) == 1
    counts = Counter((cell.accepted, cell.certified) for cell in every.tested())
    assert set(counts) == {(True, True), (True, False), (False, False)}
    for cell in every.tested():
        nearest = math.hypot(*(max(low, -high, 0.0) for low, high in cell.bounds))
        assert cell.certified == (cell.accepted and nearest < every.radius)
        assert (cell.parent is None) == (cell.level == 0) and cell.passes <= len(cell.samples)


def test_too_wide_a_cell_abstains_and_says_so(columns, bright_column):
    defence = DistSPTCells(columns, Translation(), 3.0, 0.1, 0.8, cell_width=0.8, cell_floor=0.8)
    found = defence.certify(bright_column, n_cell=40)
    assert found.label is None and found.radius == 0 and found.complete and found.verify()
    assert found.explain().startswith("ABSTAIN") and found.class_name is None and not found.covers_attack((0.0, 0.0))
    assert found.statement().startswith("Nothing is certified")


def test_the_first_cells_depend_on_the_geometry_alone(mnist_rotation, digit):
    defence = DistSPTCells(mnist_rotation, Rotation(), 30.0, 0.3, 30.0)
    assert defence.first_cells(digit) == 8  # reach of 3.75°: a quarter of 30° or less, and small balls
    assert dataclasses.replace(defence, parameter_sigma=3.0).first_cells(digit) >= 64
    assert dataclasses.replace(defence, pixel_sigma=0.02).first_cells(digit) > 8
    assert dataclasses.replace(defence, cell_width=7.0).first_cells(digit) == 9
    floored = dataclasses.replace(defence, parameter_sigma=3.0, cell_floor=5.0)
    assert 60 / floored.first_cells(digit) >= 5.0


# -------------------------------------------------------------------------------------------- without smoothing over beta


def test_recentred_balls_do_not_contain_what_a_classifier_without_beta_is_shown():
    """For sigma_gamma = 0 the ball of b' = gamma_i is not enough: K(gamma_i) turns back what the attack has turned."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 12, 12, generator=generator, dtype=torch.float64)
    attacked = AttackedImage(image, Rotation(), Preprocessing(), (20.0, 26.0))
    recentred = sample_bound(attacked, [[23.0]])
    shown = Rotation()(image, torch.linspace(20, 26, 50, dtype=torch.float64)[:, None])
    distances = (shown - recentred.centres[0]).flatten(1).norm(dim=1)
    assert float(distances.max()) > 1.1 * float(recentred.values[0])
    sliced = slice_balls(attacked, torch.tensor([[[20.0, 26.0]]], dtype=torch.float64))
    assert float((shown - sliced.centres[0]).flatten(1).norm(dim=1).max()) <= sliced.radii[0]


@pytest.mark.parametrize("transform", [Rotation(), Translation()])
@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
def test_slices_hold_what_is_shown(transform, attacker):
    """Against dense samples, cells across multiples of 90° and integers among them; and they are no larger than need be."""
    generator = torch.Generator().manual_seed(1)
    for trial in range(12):
        image = torch.rand(1 + trial % 2, 9, 8, generator=generator)
        low = (torch.rand(transform.dimensions, generator=generator) - 0.5) * (200 if transform.dimensions == 1 else 4)
        width = [0.5, 4.0, 20.0][trial % 3] * (1 if transform.dimensions == 1 else 0.1)
        cell = torch.stack((low, low + width), dim=-1).double()
        if trial == 5 and transform.dimensions == 1:
            cell = torch.tensor([[88.0, 93.0]], dtype=torch.float64)
        attacked = AttackedImage(image, transform, Preprocessing(blur_size=3, blur_scale=1.0), cell, attacker=attacker)
        balls = slice_balls(attacked, cell[None])
        axes = [torch.linspace(*ends.tolist(), 41 if len(cell) == 2 else 400, dtype=torch.float64) for ends in cell]
        images = transform(image.double(), torch.cartesian_prod(*axes).reshape(-1, len(cell)))
        images = torch.round(images * 255) / 255 if attacker == "8-bit" else images
        distance = float((attacked.preprocessing(images) - balls.centres[0]).flatten(1).norm(dim=1).max())
        assert distance <= balls.radii[0] <= 1.35 * distance + balls.rounding[0] + 1e-3


def test_without_beta_another_g_is_certified_and_called_so(mnist_rotation, digit):
    defence = DistSPTCells(mnist_rotation, Rotation(), 0.0, 0.3, 3.0)
    found = defence.certify(digit)
    assert found.label == 3 and found.radius > 3 and found.verify() and set(found.sizes) == {1}
    assert found.points == tuple(found.rules.grid.centre(cell) for cell in order_of(found))
    assert "another g than that of other forms" in found.to_text() and "smoothed over N(0" not in found.to_text()
    assert recompute(found, mnist_rotation, digit).agrees
    assert {test.alpha for test in map(found.inner_test, found.radii)} == {found.rules.level_alpha}
    answer = defence.predict(digit)
    assert answer.label == 3 and answer.verify() and set(answer.points) == {(0.0,)}
    assert len(set(answer.inner_votes)) >= 1 and "not smoothed over" in answer.to_text()
    assert recompute(answer, mnist_rotation, digit).agrees
    with_beta = dataclasses.replace(answer, parameter_sigma=1.0)
    assert with_beta.failed_check() == "the points can be samples"


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_predict_without_beta_is_wrong_no_more_often_than_alpha(threshold_classifier, share):
    """h is "dark" by a margin that vanishes: PREDICT says "bright", which is selected half of the time, in at most alpha of all
    runs; where h is "bright" it is found."""
    image = torch.full((1, 1, 1), 0.5 + share)
    defence = DistSPTCells.of_any_range(threshold_classifier(0.5), Rotation(), 0.0, 0.25)
    labels = [defence.predict(image, n=30, alpha=0.1, inner_alpha=0.1, seed=seed).label for seed in range(40)]
    if share:
        assert labels.count(1) > 20 and labels.count(0) == 0
    else:
        assert statistics.clopper_pearson_lower(labels.count(1), 40, 1e-4) <= 0.1


def order_of(certificate: CellsCertificate) -> list[GammaCell]:
    walk = CellWalk(certificate.rules)
    return list(map(walk.settle, certificate.accepted, certificate.sizes))


def test_without_beta_the_radius_ends_before_the_answer_changes(columns, bright_column):
    defence = DistSPTCells(columns, Translation(), 0.0, 0.1, 0.8, cell_width=0.1, cell_floor=0.05)
    found = defence.certify(bright_column)
    assert found.verify() and 0.2 < found.radius < 0.5


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_without_beta_the_false_rate_stays_below_alpha(threshold_classifier, share):
    """h(x) is "dark" by a margin that vanishes: the one test of each cell accepts "bright" in at most alpha of all runs."""
    classifier = threshold_classifier(0.5)
    image = torch.full((1, 1, 1), 0.5 + share)  # the 8-bit attacker can reach 0.5 - 1/510 where share is 0
    defence = DistSPTCells(classifier, Rotation(), 0.0, 0.25, 5.0, cell_width=5.0, cell_floor=5.0)
    certificates = [defence.certify(image, alpha=0.1, seed=seed) for seed in range(100)]
    wrong = sum(certificate.label is not None for certificate in certificates)
    if share:
        assert wrong > 0  # true ones
    else:
        assert statistics.clopper_pearson_lower(wrong, 100, 1e-4) <= 0.1


# --------------------------------------------------------------------------------------------------------------- evidence


def test_there_and_back(turned):
    text = turned.to_json()
    assert text.isascii() and type(read_certificate(text)) is CellsCertificate
    assert read_certificate(text) == turned and read_certificate(text).verify()


@pytest.mark.parametrize(
    "change",
    [
        {"radius": 13.0},
        {"label": 1},
        {"selected": 1},
        {"limit": 24.0},
        {"alpha": 0.02},
        {"inner_alpha": 0.02},
        {"parameter_sigma": 31.0},
        {"parameter_sigma": 0.0},
        {"pixel_sigma": 0.31},
        {"attacker": "exact"},
        {"first_cells": 2},
        {"first_cells": 0},
        {"bisections": 2},
        {"bisections": 99},
        {"n_cell": 99},
        {"n_total": 499},
        {"every_cell": True},
        {"seed": 1},
        {"sizes": (100,)},
        {"sizes": ()},
        {"accepted": (True,) * 5},
        {"accepted": (False,) * 4},
        {"levels": (1,) * 4},
        {"parents": (0,) * 4},
        {"cells": ()},
        {"points": ()},
        {"preprocessing": "Preprocessing()"},
        {"unit": "px"},
        {"transform": "translation"},
    ],
    ids=str,
)
def test_nothing_can_be_changed_without_a_trace(turned, change):
    changed = dataclasses.replace(turned, **change)
    assert not changed.verify()
    try:
        concluded = changed.conclude()
    except (ValueError, KeyError):
        return  # nothing can be concluded from it
    again = {"radius", "label", "accepted", "levels", "parents", "cells"} >= set(change)
    assert concluded == turned if again else not concluded.verify()


def test_evidence_of_no_walk_is_refused(turned, shifting, bright_column):
    """Dropped samples, dropped or swapped cells, cells beyond the end, other votes and smaller balls."""
    found = shifting.certify(bright_column, n_cell=60)
    failed = found.accepted.index(False)
    for certificate in (turned, found):
        assert certificate.verify()
        sizes = certificate.sizes
        fields = ("points", "radii", "rounding", "inner_votes")
        first = {name: getattr(certificate, name)[sizes[0] :] for name in fields}
        assert not refreshed(certificate, sizes=sizes[1:], **first)
        assert not refreshed(certificate, sizes=(sizes[0] + sizes[1], *sizes[2:]))
        last = {name: getattr(certificate, name)[:-1] for name in fields}
        assert not refreshed(certificate, sizes=(*sizes[:-1], sizes[-1] - 1), **last)
        assert (
            not refreshed(certificate, radii=tuple(radius / 2 for radius in certificate.radii))
            or min(r / 2 - a for r, a in zip(certificate.radii, certificate.rounding, strict=True)) > 0
        )
        swapped = (certificate.points[1], certificate.points[0], *certificate.points[2:])
        assert not refreshed(certificate, points=swapped)
    start = sum(found.sizes[:failed])
    better = list(found.inner_votes)
    better[start : start + found.sizes[failed]] = [(512, 512)] * found.sizes[failed]
    assert not refreshed(found, inner_votes=tuple(better))


def refreshed(certificate: CellsCertificate, **changes: Any) -> bool:
    """Whether changed evidence verifies after all conclusions were drawn anew."""
    try:
        return dataclasses.replace(certificate, **changes).conclude().verify()
    except ValueError:
        return False


def test_computed_again(turned, mnist_rotation, digit):
    seen = []

    def progress(items, desc="", total=None):
        seen.append(desc)
        return items

    found = recompute(turned, mnist_rotation, digit, progress)
    assert found.agrees and without_time(found.again) == without_time(turned) and seen, found.to_text()
    for change in ({"radii": tuple(radius * 0.999 for radius in turned.radii)}, {"class_names": tuple("abcdefghij")}):
        forged = dataclasses.replace(turned, **change)
        points = [
            forged.samples_of(cell, 100)[0][:size] for cell, size in zip(order_of(turned), turned.sizes, strict=True)
        ]
        forged = dataclasses.replace(forged, points=tuple(map(tuple, torch.cat(points).tolist()))).conclude()
        assert forged.verify() and recompute(forged, mnist_rotation, digit).outcome == "not confirmed"


def test_a_run_that_was_stopped_is_computed_again_too(turning, mnist_rotation, digit):
    stream = turning.stream(digit)
    next(stream)
    second = next(stream)
    assert second.radius == 6.0 and second.label == 3 and not second.complete and second.verify()
    assert recompute(second, mnist_rotation, digit).agrees


# -------------------------------------------------------------------------------------------------------------- bad input


class Squeeze(Transform):
    """A transformation without a bound."""

    name = "squeeze"
    parameters = (Parameter("squeeze", "γ", "%", 50.0, 10.0, 1.0),)

    def source(self, x, y, parameters):
        return x * (1 + parameters[0] / 100), y

    def __repr__(self):
        return "Squeeze()"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell_floor": 0.0}, "cell_floor must be positive, as cells of no width never fill Γ, but is 0"),
        ({"cell_floor": -1.0}, "cell_floor must be positive, as cells of no width never fill Γ, but is -1"),
        ({"cell_width": 0.0}, "cell_width must be positive"),
        ({"cell_width": math.nan}, "cell_width must be a finite number, but is nan"),
        ({"cell_width": 1e-9}, "are not between 1 and 100,000 in all"),
        ({"limit": 0.0}, "attack range ±0 ° must be positive"),
        ({"parameter_sigma": -1.0}, "parameter_sigma must be positive, but is -1"),
        ({"pixel_sigma": 0.0}, "DistSPT with cells needs pixel noise"),
        ({"parameter_sigma": 0.0, "pixel_sigma": 0.0}, "needs pixel noise"),
        ({"parameter_sigma": 0.0, "pixel_sigma": 1e9}, "pixel_sigma must be from 0 to 100"),
        ({"inner_alpha": 1.0}, "inner_alpha must be between 0 and 1"),
        ({"transform": Squeeze()}, "There is no bound for squeeze"),
        ({"attacker": "clumsy"}, "attacker must be"),
    ],
    ids=str,
)
def test_bad_settings(turning, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(turning, **changes)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_cell": 0}, "n_cell must be at least 1"),
        ({"n_cell": 5}, "n_cell = 5 samples accept no cell even if all pass: at this alpha at least 1"),
        ({"n_total": 0}, "n_total must be at least 1"),
        ({"n0": 0}, "n0 must be at least 1"),
        ({"alpha": 0.0}, "alpha must be greater than 0"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
    ids=str,
)
def test_bad_calls(turning, digit, sizes, message):
    with pytest.raises(ValueError, match=message):
        turning.certify(digit, **sizes)


def test_images_beyond_the_range_are_refused(turning, digit):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        turning.certify(2 * digit)
