"""IndivSPT with cells: how often it is wrong, balls against sampled originals, and evidence that proves it."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BrightestColumn
from test_error_bounds import PREPROCESSINGS, make_image

from spt import statistics
from spt.certificates import IndividualCellsCertificate
from spt.certificates.individual_cells import in_order, nearest, overlapping, reach_of
from spt.certificates.majority_test import MajorityTest
from spt.certificates.ranges import Bounds, joined_ranges
from spt.classifiers import Classifier
from spt.datasets import load_dataset
from spt.defences import IndivSPT, IndivSPTCells
from spt.defences import indiv_spt_cells as module
from spt.images import to_8_bit
from spt.inverse import invert
from spt.received_bounds.bounds import METHODS, received_balls
from spt.recomputation import read_certificate, recompute
from spt.threat_model import ReceivedImage
from spt.transforms import Rotation, Transform, Translation

# ------------------------------------------------------------------------------------------------------ false certificates

LINE: tuple[Bounds, ...] = tuple(((low, low + 0.2),) for low in (-0.1, 1.3, -1.9, 2.5, -4.1, 7.7))
WIDE: tuple[Bounds, ...] = (((-1.0, 1.0),), ((2.0, 6.0),), ((-9.0, -4.0),))
PLANE: tuple[Bounds, ...] = (((-0.1, 0.1), (0.0, 0.2)), ((0.3, 0.5), (0.1, 0.3)), ((-0.9, -0.5), (0.7, 0.9)))


def truth_of(cell: Bounds | None, sigma: float, inner_alpha: float) -> float:
    """The largest probability to pass where g answers another class, written down anew: q = Phi(w / sigma), and errors of tests."""
    half = 0.0 if cell is None else math.hypot(*((high - low) / 2 for low, high in cell))
    q = 0.5 * (1 + math.erf(half / sigma / math.sqrt(2)))
    return q + inner_alpha * (1 - q)


class KnownSamples:
    """Stands in for balls and inner tests: a sample of x' (number 0) or of cell number - 1 passes with a probability that is known,
    that of the null hypothesis for all that are ``bad`` and ``good`` for all others. All else is the procedure itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cells: tuple[Bounds, ...], bad: set[int], good: float) -> None:
        self.cells = in_order(cells)
        self.bad, self.good, self.random = bad, good, np.random.default_rng(0)
        monkeypatch.setattr(module.IndivSPTCells, "cells_of", lambda *_: dict.fromkeys(self.cells))
        monkeypatch.setattr(module.IndivSPTCells, "_select", lambda *_: ((0, 0, 100), 2))
        monkeypatch.setattr(module._Samples, "_tested", lambda *given: self.tested(*given))
        monkeypatch.setattr(Classifier, "confirm", lambda _: None)

    def tested(self, samples: Any, number: int, points: torch.Tensor, seeds: torch.Tensor) -> list[Any]:
        begun, cell = samples.begun, self.cells[number - 1] if number else None
        chance = truth_of(cell, begun.parameter_sigma, begun.inner_alpha) if number in self.bad else self.good
        return [
            module.TestedSample(tuple(point), 1e-6, 0.0, (32, 32) if passes else (0, 32), bool(passes))
            for point, passes in zip(points.tolist(), self.random.random(len(points)) < chance, strict=True)
        ]

    def false(self, found: IndividualCellsCertificate) -> bool:
        """Whether it says something of x', or of originals in a bad cell, that is not so."""
        if 0 in self.bad:
            return found.received_proved or found.label is not None
        return found.radius > min((nearest(self.cells[k - 1]) for k in self.bad), default=math.inf)


SETTINGS: dict[str, tuple[tuple[Bounds, ...], set[int], float, dict[str, Any]]] = {
    "x' itself": (LINE, {0}, 30.0, {}),
    "the nearest originals": (LINE, {1}, 30.0, {}),
    "originals after others": (LINE, {4}, 30.0, {}),
    "the last": (LINE, {6}, 30.0, {"n_cell": 200}),
    "x' and all originals": (LINE, {0, 1, 2, 3, 4, 5, 6}, 30.0, {}),
    "all originals": (LINE, {1, 2, 3, 4, 5, 6}, 30.0, {"batch_size": 1}),
    "wide cells": (WIDE, {2}, 5.0, {"alpha": 0.1}),
    "two dimensions": (PLANE, {3}, 1.5, {}),
}


def false_certificates(name: str, runs: int, good: float, monkeypatch: pytest.MonkeyPatch) -> tuple[int, float]:
    """How many of so many runs say something false, and what alpha they had."""
    cells, bad, sigma, sizes = SETTINGS[name]
    known = KnownSamples(monkeypatch, cells, bad, good)
    classifier = Classifier("columns", BrightestColumn(), ("left", "middle", "right"), (1, 3, 3))
    transform: Transform = Translation() if len(cells[0]) == 2 else Rotation()
    defence = IndivSPTCells(classifier, transform, sigma, 0.4, limit=10.0 if len(cells[0]) == 1 else 1.0)
    image, sizes = torch.zeros(1, 3, 3), {"alpha": 0.05, "n_cell": 60} | sizes
    wrong = 0
    for seed in range(runs):
        *_, last = defence.stream(image, seed=seed, **sizes)
        wrong += known.false(last)
    return wrong, sizes["alpha"]


@pytest.mark.parametrize("name", SETTINGS)
def test_it_is_wrong_no_more_often_than_alpha(name, monkeypatch):
    """Whatever is bad is exactly at its threshold, the worst that can be."""
    wrong, alpha = false_certificates(name, 120, 0.97, monkeypatch)
    assert statistics.clopper_pearson_lower(wrong, 120, 1e-6) <= alpha


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("good", [1.0, 0.9])
def test_it_is_wrong_no_more_often_than_alpha_in_many_runs(name, good, monkeypatch):
    wrong, alpha = false_certificates(name, 5000, good, monkeypatch)
    assert statistics.clopper_pearson_upper(wrong, 5000, 0.001) <= alpha


def test_the_simulation_notices_a_test_that_forgets_the_width_of_cells(monkeypatch):
    monkeypatch.setattr("spt.certificates.individual_cells.reach_of", lambda _: 0.0)
    wrong, alpha = false_certificates("wide cells", 120, 0.97, monkeypatch)
    assert statistics.clopper_pearson_lower(wrong, 120, 1e-6) > alpha


def test_the_simulation_notices_a_radius_over_a_cell_that_failed(monkeypatch):
    monkeypatch.setattr("spt.certificates.individual_cells.nearest", lambda box: nearest(box) + 3)
    wrong, alpha = false_certificates("originals after others", 120, 0.97, monkeypatch)
    assert statistics.clopper_pearson_lower(wrong, 120, 1e-6) > alpha


def test_every_test_has_the_whole_level_and_the_null_hypothesis_of_its_width():
    for cell in (None, *LINE, *WIDE, *PLANE):
        reach = 0.0 if cell is None else reach_of(cell)
        test = MajorityTest.of_reach(reach, 5.0, 0.05, 0.02, 60).test
        assert test.alpha == 0.05 and truth_of(cell, 5.0, 0.02) <= test.p0 <= truth_of(cell, 5.0, 0.02) + 1e-9


# ------------------------------------------------------------------------------------------------------------------- cells


def test_cells_are_taken_from_0_outwards_and_hold_all_their_points():
    for cells in (LINE, WIDE, PLANE):
        found = in_order(cells)
        assert sorted(found) == sorted(cells) and not overlapping(cells)
        distances = []
        for cell in found:
            axes = [torch.linspace(low, high, 41, dtype=torch.float64).tolist() for low, high in cell]
            centre = [(low + high) / 2 for low, high in cell]
            points = list(itertools.product(*axes))
            assert max(math.dist(point, centre) for point in points) <= reach_of(cell)
            assert nearest(cell) <= min(math.hypot(*point) for point in points) + 1e-12
            distances.append(nearest(cell))
        assert distances == sorted(distances)
    assert overlapping((((0.0, 1.0),), ((0.9, 2.0),))) and not overlapping((((0.0, 1.0),), ((1.0, 2.0),)))
    assert overlapping((((0.0, 1.0), (0.0, 1.0)), ((0.5, 2.0), (0.5, 2.0))))
    assert not overlapping((((0.0, 1.0), (0.0, 1.0)), ((0.5, 2.0), (1.0, 2.0))))
    assert joined_ranges((((0.0, 1.0),), ((-1.0, 0.0),), ((2.0, 3.0),))) == (((-1.0, 1.0),), ((2.0, 3.0),))


def originals(received: ReceivedImage, image: torch.Tensor, gamma: torch.Tensor, count: int) -> list[Any]:
    """(x, gamma) that explain a received 8-bit image: what was sent, and what random changes of it leave explanations."""
    generator = torch.Generator().manual_seed(0)
    found = [(image.double(), gamma)]
    pixels = received.pixels.float()
    for trial in range(20 * count):
        x, at = found[-1 - int(torch.randint(min(4, len(found)), (), generator=generator))]
        change = torch.randn(image.shape, dtype=torch.float64, generator=generator)
        change = change * (torch.rand(image.shape, generator=generator) < (0.02, 0.1, 1.0)[trial % 3])
        moved = (x + 10.0 ** -(2 + trial % 4) * change).clamp(0, 1)
        turned = at + 10.0 ** -(3 + trial % 5) * torch.randn(gamma.shape, dtype=torch.float64, generator=generator)
        if torch.equal(to_8_bit(received.transform(moved, turned)[0]).float(), pixels):
            found.append((moved, turned))
    return found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("transform", "gamma"), [(Rotation(), (6.3,)), (Translation(), (0.3, -0.1))], ids=["rotation", "translation"]
)
def test_every_original_is_in_the_ball_of_its_cell(method, transform, gamma):
    """Zero tolerance, with the original itself and others that become the same received image."""
    image, at = make_image("digit", 1, 12, 12, 1).float(), torch.tensor([gamma], dtype=torch.float64)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(144, 2))
    classifier = Classifier("none", network, ("a", "b"), (1, 12, 12), PREPROCESSINGS[2])
    limit, sigma = (10.0, 30.0) if transform.dimensions == 1 else (0.4, 1.5)
    defence = IndivSPTCells(classifier, transform, sigma, 0.3, limit, split_width=0.2, method=method)
    sent = to_8_bit(transform(image, at)[0])
    explained = originals(ReceivedImage(sent, transform, (-limit, limit)), image, at, 15)
    cells = defence.cells_of(sent)
    inside: set[int] = set()
    for cell, inverse in cells.items():
        mine = [
            (number, x, g)
            for number, (x, g) in enumerate(explained)
            if all(low <= value <= high for (low, high), value in zip(cell, g[0].tolist(), strict=True))
        ]
        if not mine:
            continue
        betas = transform.sample(6, sigma, torch.Generator().manual_seed(1)) - at
        centres, radii = received_balls(inverse, PREPROCESSINGS[2], betas, method=method, with_received=False)
        for number, x, g in mine:
            shown = PREPROCESSINGS[2](transform(x, betas + g))
            assert ((shown - centres).flatten(1).norm(dim=1) <= radii).all()
            inside.add(number)
    assert len(inside) == len(explained) > 3  # each is in a cell, or on the border of two


def test_splits_are_narrower_where_pixels_are_wide_open():
    """Of a texture more than of a digit: there a ball is sharp for angles near the middle of its cell only."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(144, 2))
    classifier = Classifier("none", network, ("a", "b"), (1, 12, 12), PREPROCESSINGS[2])
    defence = IndivSPTCells(classifier, Rotation(), 30.0, 0.3, 5.2, split_width=0.1)
    image = 0.2 + 0.6 * make_image("noise", 1, 12, 12, 1).float()
    cells = defence.cells_of(to_8_bit(Rotation()(image, [[5.01]])[0]))
    widths = {cell: float(inverse.widths.mean()) for cell, inverse in cells.items()}
    far = {cell: width for cell, width in widths.items() if cell[0][1] > 4.5}
    assert any(low <= 5.01 <= high for ((low, high),) in far)
    assert all(width > 0.1 and cell[0][1] - cell[0][0] < 0.026 for cell, width in far.items())


def test_balls_of_cells_are_smaller_than_one_ball_for_all():
    image, at = make_image("digit", 1, 20, 20, 3).float(), torch.tensor([[-6.33]], dtype=torch.float64)
    betas = torch.tensor([[25.0], [-40.0], [3.0]], dtype=torch.float64)
    received = ReceivedImage(to_8_bit(Rotation()(image, at)[0]), Rotation(), (-10, 10))
    inverse = invert(received)
    ends = [inverse.boxes[:, 0, 0] <= -6.33, inverse.boxes[:, 0, 1] >= -6.33]
    [[place]] = (ends[0] & ends[1]).nonzero().tolist()
    mine = slice(place, place + 1)
    one = dataclasses.replace(inverse, boxes=inverse.boxes[mine], lower=inverse.lower[mine], upper=inverse.upper[mine])
    _, whole = received_balls(inverse, PREPROCESSINGS[2], betas)
    _, own = received_balls(one, PREPROCESSINGS[2], betas, with_received=False)
    assert (own < 0.6 * whole).all()


# ------------------------------------------------------------------------------------------------------------ certificates


@pytest.fixture(scope="module")
def received(digits_image: torch.Tensor) -> torch.Tensor:
    return to_8_bit(Rotation()(digits_image, 4.0)[0])


@pytest.fixture(scope="module")
def digits_image() -> torch.Tensor:
    return load_dataset("digits").image(3)


@pytest.fixture(scope="module")
def defence(mnist_rotation: Classifier) -> IndivSPTCells:
    return IndivSPTCells(mnist_rotation, Rotation(), 30.0, 0.3, 8.0)


@pytest.fixture(scope="module")
def certificate(defence: IndivSPTCells, received: torch.Tensor) -> IndividualCellsCertificate:
    return defence.certify(received)


def without_time(certificate: IndividualCellsCertificate) -> IndividualCellsCertificate:
    return dataclasses.replace(certificate, seconds=0.0)


def test_a_digit_end_to_end(certificate, defence, digits_image):
    assert certificate.label == 3 and certificate.radius > certificate.limit and certificate.complete
    assert certificate.verify() and certificate.received_proved and certificate.covers_attack((4.0,))
    assert any(low <= 4.0 <= high for ((low, high),) in certificate.surviving) and certificate.share < 0.1
    assert (
        len(certificate.points) == sum(certificate.sizes) < 60 and len(certificate.sizes) == len(certificate.cells) + 1
    )
    assert "CERTIFIED 3: g answers 3 here, and on every original that a rotation within ±8° turned" in (
        certificate.explain()
    )
    assert "each tested at level 0.01" in certificate.to_text() and "explained by" in certificate.to_text()
    assert defence.predict(digits_image).label == 3


def test_samples_are_around_minus_gamma(certificate):
    """beta + gamma is around 0 for an original in the cell; those of x' are around 0."""
    points = torch.tensor(certificate.points)
    for number, (samples, cell) in enumerate(
        zip(certificate.samples(), (((0.0, 0.0),), *certificate.cells), strict=True)
    ):
        drawn, _ = certificate.samples_of(number, 100)
        assert torch.equal(points[samples.start : samples.stop].double(), drawn[: len(samples)].float().double())
        wanted = -sum(cell[0]) / 2
        assert abs(float(drawn.mean()) - wanted) < 5 * 30 / math.sqrt(len(drawn))
    far = dataclasses.replace(certificate, cells=(((599.0, 601.0),),), limit=700.0)
    assert abs(float(far.samples_of(1, 100)[0].mean()) + 600) < 15


def test_it_holds_whenever_it_is_stopped(defence, received, certificate, mnist_rotation):
    parts = list(defence.stream(received, batch_size=3))
    assert without_time(parts[-1]) == without_time(certificate)
    assert [part.complete for part in parts] == [False] * (len(parts) - 1) + [True]
    first = parts[0]
    assert first.received_proved and first.label is None and first.radius == 0 and first.verify()
    assert "PROVISIONAL: g answers 3 here, but that holds of no original so far" in first.explain()
    second = parts[1]
    assert second.label == 3 and second.radius == nearest(certificate.cells[1]) and second.verify()
    assert recompute(second, mnist_rotation, received).agrees


def test_an_original_of_another_class_is_never_covered(columns):
    """Shifted by 0.6 pixels the middle column is the right one: g changes its answer, and the original is not covered."""
    image = torch.zeros(1, 3, 3)
    image[0, :, 1] = 1.0
    defence = IndivSPTCells(columns, Translation(), 0.1, 0.1, 0.65, split_width=0.05)
    sent = to_8_bit(Translation()(image, [[0.6, 0.0]])[0])
    found = defence.certify(sent, n_total=300)
    assert found.received_proved and found.selected == 2 and found.radius <= 0.6 and found.verify()


def test_x_itself_may_be_certain_where_no_original_is(columns):
    image = torch.zeros(1, 3, 3)
    image[0, :, 1] = 1.0
    sent = to_8_bit(Translation()(image, [[0.3, 0.0]])[0])
    coarse: dict[str, Any] = {"split_width": 0.8, "refinements": 0, "method": "interval"}
    found = IndivSPTCells(columns, Translation(), 0.1, 0.1, 0.4, **coarse).certify(sent)
    assert found.received_proved and found.label is None and found.radius == 0 and found.verify()
    assert found.explain().startswith("ABSTAIN: g answers middle here, but that holds of no original")
    unsure = IndivSPTCells(columns, Translation(), 3.0, 0.1, 0.3).certify(sent)
    assert not unsure.received_proved and unsure.label is None and len(unsure.sizes) == 1 and unsure.verify()
    assert unsure.explain() == "ABSTAIN: not even g's answer here is certain."


def test_inconsistent_with_gamma(defence, received, monkeypatch):
    monkeypatch.setattr(IndivSPTCells, "cells_of", lambda *_: {})
    [found] = defence.stream(received)
    assert found.inconsistent and found.complete and found.label is None and found.verify()
    assert found.explain().startswith("INCONSISTENT WITH Γ") and "nothing" in found.to_text()
    assert IndividualCellsCertificate.from_json(found.to_json()) == found
    assert not dataclasses.replace(found, label=1).verify()


def test_one_ball_certifies_no_more(certificate, mnist_rotation, received):
    one = IndivSPT(mnist_rotation, Rotation(), 30.0, 0.3, 8.0).certify(received, n_gamma=30)
    assert one.label == certificate.label and one.surviving == certificate.surviving
    assert math.isclose(one.share, certificate.share, rel_tol=1e-9)
    cells = certificate.samples()[2]
    assert max(certificate.radii[cells.start : cells.stop]) < sorted(one.radii)[15]


# ---------------------------------------------------------------------------------------------------------------- evidence


def test_there_and_back(certificate):
    text = certificate.to_json()
    assert text.isascii() and type(read_certificate(text)) is IndividualCellsCertificate
    assert read_certificate(text) == certificate and read_certificate(text).verify()


@pytest.mark.parametrize(
    "change",
    [
        {"radius": 13.0},
        {"label": 1},
        {"label": None},
        {"selected": 1},
        {"limit": 24.0},
        {"alpha": 0.02},
        {"inner_alpha": 0.02},
        {"parameter_sigma": 31.0},
        {"parameter_sigma": 0.0},
        {"pixel_sigma": 0.31},
        {"attacker": "exact"},
        {"n_cell": 99},
        {"n_total": 499},
        {"split_width": 0.2},
        {"split_width": 0.0},
        {"refinements": 9},
        {"method": "kernel"},
        {"seed": 1},
        {"sizes": (100,)},
        {"sizes": ()},
        {"accepted": (True,) * 5},
        {"accepted": (False,) * 3},
        {"cells": ()},
        {"cells": (((-0.1, 0.1),),)},
        {"cells": (((-0.1, 0.1),), ((-0.1, 0.1),))},
        {"cells": (((3.0, 4.0),), ((-0.1, 0.1),))},
        {"cells": (((-0.1, 0.1),), ((3.0, 9.0),))},
        {"points": ()},
        {"preprocessing": "Preprocessing()"},
        {"unit": "px"},
        {"transform": "translation"},
    ],
    ids=str,
)
def test_nothing_can_be_changed_without_a_trace(certificate, change):
    changed = dataclasses.replace(certificate, **change)
    assert not changed.verify()
    try:
        concluded = changed.conclude()
    except (ValueError, KeyError, IndexError):
        return  # nothing can be concluded from it
    again = {"radius", "label", "accepted"} >= set(change)
    assert concluded == certificate if again else not concluded.verify()


def test_dropped_samples_and_tests_are_found(certificate):
    sizes, fields = certificate.sizes, ("points", "radii", "rounding", "inner_votes")
    first = {name: getattr(certificate, name)[sizes[0] :] for name in fields}
    assert not refreshed(certificate, sizes=sizes[1:], **first)
    assert not refreshed(certificate, sizes=(sizes[0] + sizes[1], *sizes[2:]))
    last = {name: getattr(certificate, name)[:-1] for name in fields}
    assert not refreshed(certificate, sizes=(*sizes[:-1], sizes[-1] - 1), **last)
    swapped = (certificate.points[1], certificate.points[0], *certificate.points[2:])
    assert not refreshed(certificate, points=swapped)
    failed = [(0, 32)] * sizes[0] + list(certificate.inner_votes[sizes[0] :])
    assert not refreshed(certificate, inner_votes=tuple(failed))


def refreshed(certificate: IndividualCellsCertificate, **changes: Any) -> bool:
    """Whether changed evidence verifies after all conclusions were drawn anew."""
    try:
        return dataclasses.replace(certificate, **changes).conclude().verify()
    except ValueError:
        return False


def test_computed_again(certificate, mnist_rotation, received):
    found = recompute(certificate, mnist_rotation, received)
    assert found.agrees and without_time(found.again) == without_time(certificate), found.to_text()
    forged = dataclasses.replace(certificate, radii=tuple(radius * 0.999 for radius in certificate.radii)).conclude()
    assert forged.verify() and recompute(forged, mnist_rotation, received).outcome == "not confirmed"
    cells = (*certificate.cells[:-1], ((7.7, 7.8),))
    forged = dataclasses.replace(certificate, cells=cells)
    points = [forged.samples_of(number, 100)[0][:size] for number, size in enumerate(forged.sizes)]
    forged = dataclasses.replace(forged, points=tuple(map(tuple, torch.cat(points).tolist()))).conclude()
    assert forged.verify() and recompute(forged, mnist_rotation, received).outcome == "not confirmed"


# --------------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split_width": 0.0}, "split_width must be positive"),
        ({"refinements": -1}, "refinements must be 0 or more"),
        ({"method": "magic"}, "method must be one of automatic"),
        ({"limit": 0.0}, "attack range ±0 ° must be positive"),
        ({"parameter_sigma": 0.0}, "parameter_sigma must be positive, but is 0"),
        ({"pixel_sigma": 0.0}, "IndivSPT with cells needs pixel noise"),
        ({"inner_alpha": 1.0}, "inner_alpha must be between 0 and 1"),
        ({"attacker": "clumsy"}, "attacker must be"),
    ],
    ids=str,
)
def test_bad_settings(defence, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(defence, **changes)


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
def test_bad_calls(defence, received, sizes, message):
    with pytest.raises(ValueError, match=message):
        defence.certify(received, **sizes)


def test_images_beyond_the_range_are_refused(defence, received):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        defence.certify(2 * received)
