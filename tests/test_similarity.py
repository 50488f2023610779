"""Rotation with scaling: one warp, remainders on pieces of both parameters, balls of cells, and certificates that rest on them."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spt.attacks import Grid
from spt.certificates import CellsCertificate
from spt.datasets import load_dataset
from spt.defences import DistSPTCells
from spt.error_bounds import arcs, similarity
from spt.error_bounds.slice_balls import slice_balls
from spt.images import to_8_bit
from spt.preprocessing import Preprocessing
from spt.recomputation import read_certificate, recompute
from spt.threat_model import AttackedImage
from spt.transforms import Rotation, RotationScaling, Scaling, get_transform
from tests.bound_cases import IMAGES, SHAPES, flat_image, tensor
from tests.oracles import warp_many
from tests.test_cell_balls import photograph

BOTH = RotationScaling()
BLURRED = Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=1.0)
SEEDS = st.integers(0, 1 << 30)
LARGER = ((16, 16), (20, 17), (32, 32))
Piece = tuple[tuple[float, float], tuple[float, float]]


# ------------------------------------------------------------------------------------------------------------- the warp


def test_it_is_one_warp_with_the_laws_of_both() -> None:
    assert BOTH.name == "rotation-scaling" and BOTH.mixed and BOTH.linear and BOTH.dimensions == 2
    assert (BOTH.singular, BOTH.plural) == ("rotation with scaling", "rotations with scalings")
    image = torch.rand(2, 9, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for angle, scale in ((25.0, 0.0), (0.0, 17.0), (-190.0, 0.0), (0.0, -44.0)):
        alone = Rotation()(image, angle) if angle else Scaling()(image, scale)
        assert torch.equal(BOTH(image, [[angle, scale]]), alone)
    twice = Scaling()(Rotation()(image, 25.0), 17.0)
    assert (BOTH(image, [[25.0, 17.0]]) - twice).abs().max() > 0.05, "interpolated once"
    x, y = torch.tensor([[0.3, -1.2, 7.0], [2.0, 5.5, -3.0]], dtype=torch.float64)
    first, second = ((17.0, -30.0), (-42.5, 11.0))
    points = [tuple(torch.tensor([value], dtype=torch.float64) for value in each) for each in (first, second)]
    total = tuple(a + b for a, b in zip(*points, strict=True))
    once = BOTH.source(x, y, total)
    for order in (points, points[::-1]):
        found = BOTH.source(*BOTH.source(x, y, order[0]), order[1])
        assert all(torch.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip(found, once, strict=True))


# ------------------------------------------------------------------------------------------------------------ remainders


def some_piece(shape: tuple[int, int], random: np.random.Generator) -> Piece:
    """As wide as allowed or less, often at 0 or at a quarter turn."""
    widest = similarity._widest(torch.zeros(1, *shape))
    found = []
    for axis, (unit, wide) in enumerate(zip((60.0, 20.0), widest, strict=True)):
        low = random.choice((0.0, unit * random.normal(), 6 * unit * random.normal(), 90.0 * random.integers(-4, 5)))
        if axis == 1 and abs(low) > 80:
            low = 30 * random.normal()
        width = min(wide, 80.0) * random.choice((1.0, random.random(), 1e-6))
        found.append((float(low - width * random.choice((0.0, 0.0, 0.5, 1.0))), float(width)))
    return tuple((low, low + width) for low, width in found)  # type: ignore[return-value]


def assert_remainder(image: np.ndarray, piece: Piece, random: np.random.Generator) -> float:
    """The deviation from the mean of the corners, by the oracle, is within r; the largest share of r that occurs."""
    places = np.concatenate((random.random((40, 2)), [[0.5, 0.5], [0.0, 0.5], [0.5, 0.0], [1.0, 1.0]]))
    low, width = np.array(piece)[:, 0], np.diff(np.array(piece), axis=1)[:, 0]
    shown = warp_many(image[None], "rotation-scaling", low + places * width)
    s, t = places[:, 0, None, None, None], places[:, 1, None, None, None]
    ends = [(a, b) for a in piece[0] for b in piece[1]]
    corners = warp_many(image[None], "rotation-scaling", np.array(ends))
    weights = ((1 - s) * (1 - t), (1 - s) * t, s * (1 - t), s * t)
    mean = sum(weight * corner for weight, corner in zip(weights, corners, strict=True))
    bound = similarity.remainder_of(tensor(image), *piece).numpy() + arcs.PER_PIXEL
    off = np.abs(shown - mean)
    assert (off <= bound).all(), (float((off - bound).max()), piece)
    return float((off / bound).max())


@given(data=st.data())
def test_the_remainder_covers_the_deviation_from_the_corners(data) -> None:
    random = np.random.default_rng(data.draw(SEEDS))
    kind, shape = data.draw(st.sampled_from(IMAGES)), data.draw(st.sampled_from((*SHAPES, *LARGER)))
    image = flat_image(kind, data.draw(st.sampled_from([1, 3])), shape, random)
    for _ in range(4):
        assert_remainder(image, some_piece(shape, random), random)


@pytest.mark.slow
@pytest.mark.parametrize("kind", IMAGES)
def test_the_remainder_covers_the_deviation_on_every_kind_of_image(kind: str) -> None:
    random = np.random.default_rng(0)
    for shape in (*SHAPES, *LARGER):
        for _ in range(60):
            assert_remainder(flat_image(kind, 1, shape, random), some_piece(shape, random), random)


def many_remainders() -> float:
    share = 0.0
    for seed in range(40):
        random = np.random.default_rng(seed)
        image = flat_image(("any pixel", "noise", "checkerboard", "ramp")[seed % 4], 1, (9, 10), random)
        wide = similarity._widest(tensor(image))
        for _ in range(4):
            low = random.random(2) * (80, 30) + (2, -10)
            for widths in (wide, (wide[0], 1e-9), (1e-9, wide[1])):
                piece = tuple((float(a), float(a + w)) for a, w in zip(low, widths, strict=True))
                share = max(share, assert_remainder(image, piece, random))  # type: ignore[arg-type]
    return share


def test_the_remainder_is_not_much_larger_than_need_be() -> None:
    assert many_remainders() > 0.8


@pytest.mark.parametrize("removed", [[0], [1, 2], [3], [4]], ids=str)
@pytest.mark.parametrize("anywhere", [False, True], ids=["along scales", "along angles"])
def test_every_term_of_the_remainder_is_needed(monkeypatch, removed: list[int], anywhere: bool) -> None:
    original = arcs.motion_weights

    def mutilated(*arguments, **options):
        index, factors = original(*arguments, **options)
        if options.get("anywhere", False) == anywhere:
            factors[..., removed] = 0.0
        return index, factors

    monkeypatch.setattr(arcs, "motion_weights", mutilated)
    with pytest.raises(AssertionError):
        many_remainders()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 4), (28, 28), (33, 20), (224, 224)])
def test_pieces_are_as_narrow_as_the_remainder_assumes(shape: tuple[int, int]) -> None:
    """Where a piece reads near the image, all that it reads lies within one pixel along either axis."""
    random, (height, width) = np.random.default_rng(1), shape
    wide = np.array(similarity._widest(torch.zeros(1, *shape)))
    for _ in range(30 if height < 100 else 3):
        low = np.array((random.choice((0.0, 45.0, 360 * random.random())), 40 * random.normal()))
        points = low + wide * np.concatenate((random.random((40, 2)), [[0, 0], [0, 1], [1, 0], [1, 1]]))
        x, y = (axis.numpy() for axis in torch.broadcast_tensors(*BOTH.source(*_grid(shape), _columns(points))))
        near = ((np.abs(x) < (width + 1) / 2) & (np.abs(y) < (height + 1) / 2)).any(axis=0)
        for axis, size in ((x, width), (y, height)):
            assert np.where(near, np.ptp(axis, axis=0), 0.0).max() <= 1
            assert np.where(near, np.abs(axis).max(axis=0), 0.0).max() <= similarity._reach(size)


def _grid(shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    rows, columns = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2 for size in shape)
    return columns[None, None, :], rows[None, :, None]


def _columns(points: np.ndarray) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(column.copy())[:, None, None] for column in points.T)


# ----------------------------------------------------------------------------------------------------------------- balls
# That they hold all that is shown is tried with the other slices: tests/test_paths.py::test_slices_hold_all_that_is_shown.


@pytest.mark.parametrize("what", ["rest", "levels"])
def test_without_its_rest_or_with_wrong_levels_a_ball_is_too_small(monkeypatch, what: str) -> None:
    from tests.bound_cases import PREPROCESSINGS, Seen
    from tests.test_paths import assert_slices

    def many() -> None:
        for seed in range(6):
            random = np.random.default_rng(seed)
            kind = ("noise", "any pixel", "checkerboard")[seed % 3]
            seen = Seen(flat_image(kind, 1, (9, 9), random), "rotation-scaling", PREPROCESSINGS[0])
            low = 40 * random.random((4, 2, 1))
            cells = np.concatenate((low, low + (12.0 if what == "rest" else 0.05)), axis=2)
            assert_slices(seen, cells, "exact" if what == "rest" else "8-bit", random)

    many()
    remainder, known_levels = arcs.remainder, similarity.known_levels
    if what == "rest":
        monkeypatch.setattr(arcs, "remainder", lambda *arguments: 0 * remainder(*arguments))
    else:

        def all_known(*arguments):
            known, level = known_levels(*arguments)
            return torch.ones_like(known), level

        monkeypatch.setattr(similarity, "known_levels", all_known)
    with pytest.raises(AssertionError):
        many()


@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
def test_balls_are_not_much_larger_than_what_occurs(attacker: str) -> None:
    for image in (photograph(), load_dataset("digits").image(3)):
        attacked = AttackedImage(image, BOTH, BLURRED, ((-40, 40), (-40, 40)), attacker=attacker)
        for box in ([(0.0, 0.6), (0.0, 0.6)], [(7.0, 8.0), (-3.0, -2.0)], [(20.0, 20.5), (10.0, 12.0)]):
            ball = slice_balls(attacked, torch.tensor([box], dtype=torch.float64))
            points = torch.cartesian_prod(*(torch.linspace(*axis, 15, dtype=torch.float64) for axis in box))
            images = BOTH(image.double(), points)
            shown = BLURRED(to_8_bit(images) if attacker == "8-bit" else images)
            off = float((shown - ball.centres[0]).flatten(1).norm(dim=1).max())
            assert off <= ball.radii[0] <= 1.25 * off + (0.6 * attacked.rounding if attacker == "8-bit" else 0.0)
        point = slice_balls(attacked, torch.tensor([[[3.0, 3.0], [-5.0, -5.0]]], dtype=torch.float64))
        assert point.radii[0] < 1e-4 + (0.6 * attacked.rounding if attacker == "8-bit" else 0.0)


@pytest.mark.parametrize("shift", [0.0, -0.4])
def test_a_cell_of_too_many_pieces_holds_everything(shift: float) -> None:
    """It is only tried, to find out how narrow cells have to be; it still is a ball of all that is shown."""
    image = (torch.rand(1, 12, 11, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + shift).float()
    box = [(-180.0, 180.0), (-100.0, 100.0)]
    attacked = AttackedImage(image, BOTH, Preprocessing(blur_size=3), box)
    ball = slice_balls(attacked, attacked.box[None])
    generator = torch.Generator().manual_seed(0)
    points = (2 * torch.rand(500, 2, generator=generator, dtype=torch.float64) - 1) * torch.tensor([180.0, 100.0])
    shown = attacked.preprocessing(BOTH(image.double(), points))
    assert ((shown - ball.centres[0]).flatten(1).norm(dim=1) <= ball.radii[0]).all()
    assert ball.radii[0] <= math.sqrt(12 * 11) / 2 * (1.0 if shift == 0 else 1.01)


def test_memory_changes_nothing(monkeypatch) -> None:
    image = torch.rand(3, 9, 8, generator=torch.Generator().manual_seed(3))
    cells = torch.tensor([[[5.0, 9.0], [-4.0, 30.0]]], dtype=torch.float64)
    attacked = AttackedImage(image, BOTH, Preprocessing(blur_size=3), ((-90, 90), (-90, 90)), attacker="8-bit")
    whole = slice_balls(attacked, cells)
    monkeypatch.setattr(similarity, "PIXELS_AT_ONCE", 2 * image.numel())
    parts = slice_balls(attacked, cells)
    assert torch.equal(whole.centres, parts.centres) and torch.equal(whole.radii, parts.radii)


# --------------------------------------------------------------------------------------------------------- certificates


LEFT = torch.tensor([[[0.4, 0.0, 0.0], [0.4, 1.0, 0.0], [0.4, 0.0, 0.0]]])
"""Its left column (1.2) is brighter than its middle (1); made smaller by 10.0 log % or larger by 10.5 it is not."""


@pytest.fixture(scope="module")
def found(columns) -> CellsCertificate:
    defence = DistSPTCells(columns, BOTH, 0.0, 0.03, 16.0, further_limits=(12.0,), cell_width=(4.0, 4.0))
    return defence.certify(LEFT)


def test_the_box_ends_before_the_answer_changes(columns, found: CellsCertificate) -> None:
    assert found.verify() and read_certificate(found.to_json()) == found and recompute(found, columns, LEFT).agrees
    assert found.label is not None and 0 < found.half_widths[1] < 9.96
    points = torch.cartesian_prod(*(torch.linspace(-half, half, 21, dtype=torch.float64) for half in found.half_widths))
    attacked = to_8_bit(BOTH(LEFT, points * (1 - 1e-9)))
    assert (columns.logits(attacked).argmax(dim=1) == found.label).all()
    beyond = BOTH(LEFT, [[0.0, -10.4], [0.0, 11.0]])
    assert (columns.logits(beyond).argmax(dim=1) != found.label).any()
    assert "rotation with scaling of less than angle ±" in found.explain() and " and scale ±" in found.explain()


def test_what_was_tampered_with_does_not_verify(columns, found: CellsCertificate) -> None:
    for change in (
        {"transform": "rotation"},
        {"parameter_sigma": 1.0},
        {"further_axes": ((24.0, found.further_axes[0][1]),)},
        {"further_axes": ()},
        {"radius": 2 * found.radius},
        {"limit": 2 * found.limit},
    ):
        assert not dataclasses.replace(found, **change).verify(), change
    other = dataclasses.replace(found, transform="rotation-brightness")  # has such a box, too, but other balls
    assert not recompute(other, columns, LEFT).agrees


def test_attacks_on_a_digit_within_the_box_find_nothing(mnist_rotation) -> None:
    """The majority under the noise at the worst of a grid of attacks, those at which f is most often wrong."""
    digit = load_dataset("digits").image(3)
    defence = DistSPTCells(mnist_rotation, BOTH, 0.0, 0.3, 2.0, further_limits=(2.0,))
    certificate = defence.certify(digit, n_total=2000)
    assert certificate.label == 3 and certificate.radius > 2 and certificate.verify()
    worst = Grid(BOTH, (2.0, 2.0), steps=11)(mnist_rotation, digit, 3)
    for number, image in enumerate(to_8_bit(BOTH(digit, worst.points))):
        assert defence.predict(image, seed=number, alpha=1e-4).label == 3


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, r"further_limits must have 1 numbers for rotation-scaling, of scale \(log %\), but are \(\)"),
        ({"further_limits": (0.0,)}, "attack range ±0 log % must be positive"),
        ({"further_limits": (1.0,), "parameter_sigma": 5.0}, "no bound of cells with samples for rotation-scaling"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_one_sentence(mnist_rotation, given, sentence: str) -> None:
    settings = {"parameter_sigma": 0.0, "pixel_sigma": 0.3, "limit": 5.0} | given
    with pytest.raises(ValueError, match=sentence):
        DistSPTCells(mnist_rotation, get_transform("rotation-scaling"), **settings)
