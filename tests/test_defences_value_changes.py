"""Certificates for brightness, contrast and brightness after a rotation: what they claim against what is true, and evidence."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch

from spt import statistics
from spt.attacks import Grid, WorstOfK
from spt.certificates import CellsCertificate
from spt.certificates.cell_walk import CellGrid, CellRules, CellWalk, GammaCell
from spt.classifiers import Classifier
from spt.datasets import load_dataset
from spt.defences import DistSPT, DistSPTCells
from spt.images import to_8_bit
from spt.recomputation import read_certificate, recompute
from spt.transforms import Brightness, Contrast, Rotation, RotationBrightness, get_transform
from tests.conftest import LeftHalf

BOX = CellGrid(10.0, 2, 4, 2, ((0.3, 6),))
BOTH = RotationBrightness()


# ------------------------------------------------------------------------------------------------ cells of different widths


def rules_of(grid: CellGrid, **changes) -> CellRules:
    settings = {"parameter_sigma": 0.0, "alpha": 0.3, "inner_alpha": 0.05, "n_cell": 1, "n_total": 10**6}
    return CellRules(grid, **settings | changes)


def below(grid: CellGrid, cell: GammaCell) -> list[GammaCell]:
    """The cells at the floor that make up a cell."""
    pieces = grid.pieces(cell)
    return [leaf for piece in pieces for leaf in below(grid, piece)] if pieces else [cell]


@pytest.mark.parametrize(
    "grid", [BOX, CellGrid(50.0, 2, 3, 1, ((20.0, 2),)), CellGrid(1.0, 3, 2, 1, ((0.1, 3), (7.0, 1)))]
)
def test_cells_fill_a_box_of_any_shape(grid):
    assert grid.limits == (grid.limit, *(limit for limit, _ in grid.further)) and len(grid.first()) == math.prod(
        grid.parts
    )
    levels = [grid.first(), [piece for cell in grid.first() for piece in grid.pieces(cell)]]
    for cells in levels:
        for axis, limit in enumerate(grid.limits):
            ends = sorted({grid.bounds(cell)[axis] for cell in cells})
            assert ends[0][0] == -limit and ends[-1][1] == limit
            assert all(low[1] == high[0] for low, high in itertools.pairwise(ends))
        for cell in cells:
            shares = [
                max(low, -high, 0.0) / limit for limit, (low, high) in zip(grid.limits, grid.bounds(cell), strict=True)
            ]
            assert grid.depth(cell) == pytest.approx(max(shares), abs=1e-12)
            assert grid.nearest(cell) == grid.limit * grid.depth(cell) < grid.beyond
    with pytest.raises(ValueError, match="different units have no diagonal"):
        grid.reach(0)


@pytest.mark.parametrize("every_cell", [False, True])
def test_only_a_complete_box_is_a_radius(every_cell):
    """Against the definition, after each verdict: whatever is in the box lies in accepted cells only, to the last digit."""
    random = np.random.default_rng(1)
    for _ in range(12):
        walk, accepted = CellWalk(rules_of(BOX, every_cell=every_cell)), []
        rate, before = random.random(), 0.0
        while not walk.done:
            cell = walk.settle(bool(random.random() < rate), 1)
            accepted += [cell] if not any(cell == other for _, other in (*walk._failed, *walk._open)) else []
            depth = walk.depth
            assert walk.radius == (BOX.beyond if depth is None else BOX.limit * depth) >= before
            before = walk.radius
            if depth is None:
                continue
            half = [math.nextafter(limit * depth, 0) for limit in BOX.limits] if depth else [0.0, 0.0]
            missing = [other for _, other in (*walk._failed, *walk._open)]
            for other in missing if depth else ():
                inside = [
                    low <= value and -value <= high for value, (low, high) in zip(half, BOX.bounds(other), strict=True)
                ]
                assert not all(inside), (other, half)


def test_the_radius_is_wrong_no_more_often_than_alpha():
    """Every cell with the bad gamma is accepted with the probability that its level allows; all others are accepted."""
    bad = GammaCell(2, (9, 18))
    chain = [bad, BOX.parent(bad), BOX.parent(BOX.parent(bad))]
    rules, random = rules_of(BOX), np.random.default_rng(0)
    wrong = 0
    for _ in range(600):
        walk = CellWalk(rules)
        while not walk.done:
            [cell] = walk.upcoming(1)
            walk.settle(cell not in chain or random.random() < rules.level_alpha, 1)
        wrong += walk.radius > BOX.nearest(bad)
    assert statistics.clopper_pearson_upper(wrong, 600, 1e-4) <= rules.alpha + 0.1 and wrong > 60
    assert statistics.clopper_pearson_lower(wrong, 600, 1e-6) <= rules.alpha


def test_grids_that_make_no_sense():
    for change, message in (
        ({"further": ((1.0, 2), (1.0, 2))}, "2 further axes and the first are not 2"),
        ({"further": ((0.0, 2),)}, r"positive and finite, but they are \(10.0, 0.0\)"),
        ({"further": ((1.0, 0),)}, "4 and 0 cells along the axes are not between 1 and 100,000"),
        ({"further": ((1.0, 99_999),)}, "4 and 99999 cells along the axes"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(BOX, **change)


# ------------------------------------------------------------------------------------------------------- claims and truth


@pytest.fixture(scope="module")
def corner() -> Classifier:
    """Class "bright" where the upper left pixel of a 3x3 image is at least 0.5: h and f agree, whatever the noise is."""
    return Classifier("corner", LeftHalf(0.5), ("dark", "bright"), (1, 3, 3))


@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
@pytest.mark.parametrize(
    ("transform", "limit", "truth"), [(Brightness(), 60.0, 30.0), (Contrast(), 80.0, 100 * math.log(0.8 / 0.5))]
)
def test_the_radius_ends_before_the_answer_changes(threshold_classifier, transform, limit, truth, attacker):
    image = torch.full((1, 1, 1), 0.8)
    found = DistSPTCells(threshold_classifier(0.5), transform, 0.0, 0.1, limit, attacker).certify(image)
    assert found.verify() and found.complete and found.label == 1
    assert 0.7 * truth < found.radius < truth + 0.2
    attack = Grid(transform, math.nextafter(found.radius, 0), keep=1, eight_bit=attacker == "8-bit", steps=2001)
    assert not attack(threshold_classifier(0.5), image, 1).fooled
    wider = dataclasses.replace(attack, limit=truth + 1)
    assert wider(threshold_classifier(0.5), image, 1).fooled
    assert "no change of" in found.explain() and found.reach == found.radius


@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
@pytest.mark.parametrize("further", [20.0, 60.0])
def test_the_box_ends_before_the_answer_changes(corner, attacker, further):
    """A corner that turns out of the image is darker, and a brightness that follows makes up for it or not."""
    image = torch.full((1, 3, 3), 0.9)
    defence = DistSPTCells(corner, BOTH, 0.0, 0.1, 40.0, attacker, further_limits=(further,), cell_width=(5.0, 10.0))
    found = defence.certify(image, n_total=3000)
    assert found.verify() and found.complete and found.label == 1 and 0 < found.radius < 40
    turn, bright = found.half_widths
    assert (turn, bright) == pytest.approx((found.radius, found.radius * further / 40)) and turn > 5
    inside = (math.nextafter(turn, 0), -math.nextafter(bright, 0))
    assert (
        found.covers_attack(inside) and not found.covers_attack((turn, 0.0)) and not found.covers_attack((0.0, bright))
    )
    assert not found.covers_attack((0.0,))
    eight_bit = attacker == "8-bit"
    for attack in (
        Grid(BOTH, tuple(map(abs, inside)), keep=1, eight_bit=eight_bit, steps=41),
        WorstOfK(BOTH, tuple(map(abs, inside)), keep=1, eight_bit=eight_bit, k=1000),
    ):
        assert not attack(corner, image, 1).fooled
    assert Grid(BOTH, (40.0, further), keep=1, eight_bit=eight_bit, steps=41)(corner, image, 1).fooled
    assert "no rotation with change of brightness of less than angle ±" in found.explain()
    cells = {20.0: "64 of 5° × 10 %", 60.0: "192 of 5° × 10 %"}[further]
    assert (
        f"Γ = angle ±40°, brightness ±{further:g} %" in found.to_text() and f"cells        {cells}, " in found.to_text()
    )


@pytest.mark.parametrize("transform", [Brightness(), BOTH], ids=["brightness", "rotation-brightness"])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_the_false_rate_stays_below_alpha(threshold_classifier, transform, share):
    """h(x) is "dark" by a margin that vanishes: the one test of each cell accepts "bright" in at most alpha of all runs."""
    image, mixed = torch.full((1, 1, 1), 0.5 + share), transform.mixed
    further = {"further_limits": (1.0,)} if mixed else {}
    defence = DistSPTCells(
        threshold_classifier(0.5), transform, 0.0, 0.25, 1.0, cell_width=1.0, cell_floor=1.0, **further
    )
    certificates = [defence.certify(image, alpha=0.1, seed=seed) for seed in range(40)]
    wrong = sum(certificate.label == 1 for certificate in certificates)
    if share:
        assert wrong > 0  # true ones
    else:
        assert statistics.clopper_pearson_lower(wrong, 40, 1e-4) <= 0.1


def test_attacks_on_a_digit_do_not_change_the_answer(mnist_rotation):
    """At the worst of many attacks within the box: those at which f is most often wrong under the noise."""
    digit = load_dataset("digits").image(3)
    defence = DistSPTCells(mnist_rotation, BOTH, 0.0, 0.3, 2.0, further_limits=(3.0,))
    found = defence.certify(digit, n_total=2000)
    assert found.label == 3 and found.radius > 2 and found.verify() and found.half_widths == (2.0, 3.0)
    assert found.covers_attack((2.0, -3.0)) and not found.covers_attack((2.0, -3.1))
    assert "within angle ±2° and brightness ±3 %" in found.statement()
    images = to_8_bit(BOTH(digit, BOTH.grid((2.0, 3.0), 7)))
    generator = torch.Generator().manual_seed(0)
    counts = []
    for image in images:
        noise = 0.3 * torch.randn(16, *image.shape, generator=generator)
        shown = mnist_rotation.preprocessing(image.double()) + noise
        counts.append(int((mnist_rotation.network_logits(shown).argmax(dim=1) == 3).sum()))
    worst = images[int(np.argmin(counts))]
    noise = 0.3 * torch.randn(300, *worst.shape, generator=generator)
    votes = mnist_rotation.network_logits(mnist_rotation.preprocessing(worst.double()) + noise).argmax(dim=1)
    assert statistics.clopper_pearson_lower(int((votes == 3).sum()), 300, 1e-4) > 0.5


# --------------------------------------------------------------------------------------------------------------- evidence


@pytest.fixture(scope="module")
def found(corner) -> CellsCertificate:
    defence = DistSPTCells(
        corner, BOTH, 0.0, 0.1, 20.0, further_limits=(10.0,), cell_width=(10.0, 5.0), every_cell=True
    )
    return defence.certify(torch.full((1, 3, 3), 0.9), n_total=3000)


def test_there_and_back(found):
    again = read_certificate(found.to_json())
    assert again == found and again.verify() and isinstance(again, CellsCertificate)
    assert json.loads(found.to_json())["further_axes"] == [[10.0, 4]] and found.further_axes == ((10.0, 4),)
    assert {cell.certified for cell in found.tested()} == {True} or found.pointwise
    for cell, bounds in zip(found.tested(), found.cells, strict=True):
        assert cell.bounds == bounds


def test_records_of_before_have_no_further_axes(corner):
    before = DistSPTCells(corner, Rotation(), 0.0, 0.1, 2.0, cell_width=2.0).certify(torch.full((1, 3, 3), 0.9))
    fields = json.loads(before.to_json())
    assert fields.pop("further_axes") == []
    assert read_certificate(json.dumps(fields)) == before and before.verify()
    del fields["every_cell"]
    with pytest.raises(ValueError, match="has no 'every_cell'"):
        read_certificate(json.dumps(fields))


@pytest.mark.parametrize(
    "change",
    [
        {"further_axes": ()},
        {"further_axes": ((20.0, 4),)},
        {"further_axes": ((10.0, 8),)},
        {"further_axes": ((10.0, 4), (10.0, 4))},
        {"further_axes": ((-10.0, 4),)},
        {"parameter_sigma": 1.0},
        {"transform": "translation"},
        {"transform": "brightness"},
        {"limit": 40.0},
        {"radius": 41.0},
    ],
    ids=str,
)
def test_nothing_can_be_changed_without_a_trace(found, change):
    changed = dataclasses.replace(found, **change)
    assert not changed.verify()
    try:
        concluded = changed.conclude()
    except (ValueError, KeyError):
        return
    assert concluded == found or not concluded.verify()


def test_computed_again(found, corner):
    image = torch.full((1, 3, 3), 0.9)
    again = recompute(found, corner, image)
    assert again.agrees, again.to_text()
    parts = list(DistSPTCells(corner, Brightness(), 0.0, 0.1, 20.0, cell_width=0.5).stream(torch.full((1, 3, 3), 0.9)))
    assert len(parts[-1].cells) == 80 and [len(part.cells) for part in parts] == [*range(1, 65), *range(66, 81, 2)]
    assert parts[9].verify() and not parts[9].complete and recompute(parts[70], corner, image).agrees
    assert parts[-1].complete and recompute(parts[-1], corner, image).agrees


def test_cells_at_once_change_nothing(corner):
    image = torch.full((1, 3, 3), 0.9)
    defence = DistSPTCells(corner, BOTH, 0.0, 0.1, 30.0, further_limits=(30.0,), cell_width=(15.0, 15.0))
    one, many = ([*defence.stream(image, n_total=500, cells_at_once=n)][-1] for n in (1, 50))
    assert dataclasses.replace(one, seconds=0) == dataclasses.replace(many, seconds=0)


def test_the_axis_that_matters_is_cut(corner):
    """Brightness moves every pixel, and more than a turn by a tenth of a degree: its axis gets more cells."""
    image = torch.full((1, 3, 3), 0.5)
    defence = DistSPTCells(corner, BOTH, 0.0, 0.05, 0.5, further_limits=(20.0,))
    grid = defence.first_grid(image)
    assert grid.parts[1] > 4 * grid.parts[0] and grid.further == ((20.0, grid.parts[1]),)
    other = dataclasses.replace(defence, limit=40.0, further_limits=(0.1,)).first_grid(image)
    assert other.parts[0] > 4 * other.parts[1]
    assert dataclasses.replace(defence, cell_width=(0.25, 4.0)).first_grid(image).parts == (4, 10)
    assert dataclasses.replace(defence, cell_width=0.5).first_grid(image).parts == (2, 80)


# -------------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"parameter_sigma": 5.0},
            "no bound of cells with samples for rotation-brightness, .* proves, without smoothing over it",
        ),
        (
            {"transform": "brightness", "further_limits": (), "parameter_sigma": 2.0},
            "samples for brightness, .* without smoothing over",
        ),
        ({"further_limits": ()}, r"must have 1 numbers for rotation-brightness, of brightness \(%\), but are \(\)"),
        ({"further_limits": (1.0, 2.0)}, r"must have 1 numbers .* but are \(1.0, 2.0\)"),
        ({"further_limits": (0.0,)}, "attack range ±0 % must be positive"),
        ({"further_limits": (math.nan,)}, "further_limits must be a finite number, but is nan"),
        ({"transform": "translation"}, r"must have 0 numbers for translation, but are \(20.0,\)"),
        ({"cell_width": (1.0, 0.0)}, "cell_width must be positive, .* but is 0"),
        ({"cell_width": (1.0, 2.0, 3.0)}, "takes one limit, or one for each of angle, brightness, but got 3"),
    ],
    ids=str,
)
def test_bad_settings(corner, changes, message):
    settings = {
        "transform": "rotation-brightness",
        "parameter_sigma": 0.0,
        "pixel_sigma": 0.1,
        "limit": 10.0,
        "further_limits": (20.0,),
    }
    with pytest.raises(ValueError, match=message):
        given = settings | changes
        DistSPTCells(corner, **given | {"transform": get_transform(given["transform"])})


def test_other_forms_say_what_can_be_done(corner):
    for transform in (Brightness(), Contrast(), BOTH):
        with pytest.raises(
            ValueError, match=r"no bound over a whole .* proves, without smoothing over it \(parameter_sigma 0\)"
        ):
            DistSPT(corner, transform, 1.0, 0.1, 10.0)
    assert DistSPT(corner, Rotation(), 1.0, 0.1, 10.0).limit == 10
