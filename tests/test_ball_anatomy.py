"""A ball taken apart: its parts add up to the radius that is certified, and nothing that occurs is above what is allowed for it."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spt import DistSPTCells, get_transform, load_classifier, load_dataset
from spt.error_bounds import anatomy as anatomy_module
from spt.error_bounds.anatomy import BallAnatomy, ball_anatomy, shown_images
from spt.error_bounds.arcs import PER_PIXEL
from spt.error_bounds.balls import rounding_at_samples
from spt.error_bounds.balls_rotation import quadratic_maximum, quadratic_weights
from spt.error_bounds.cell_balls import ROUNDING_PARTS, CutCells, cell_balls
from spt.images import to_8_bit
from spt.rounding_slack import norm_inflation
from spt.threat_model import MEMORY_BUDGET, AttackedImage
from spt.transforms import TRANSFORMS, Rotation
from tests.bound_cases import IMAGES, PREPROCESSINGS, RANGES, SHAPES, Seen, flat_image, gamma_box, some_points, tensor
from tests.test_cell_balls import NAMES, PLAIN, SEEDS, attack, shown_distances, some_cells

PATH_NAMES = ("rotation", "scaling", "shear")


def assert_adds_up(attacked: AttackedImage, cell: np.ndarray, point: np.ndarray, **options: int) -> BallAnatomy:
    """The anatomy of one ball: the radius of `cell_balls`, bit by bit, and its parts with what finite precision adds."""
    found = ball_anatomy(attacked, tensor(cell), tensor(point), samples=40, **options)
    ball = cell_balls(attacked, tensor(cell)[None], tensor(point)[None], **options)
    assert found.radius == float(ball.radii) and found.rounding == float(ball.rounding)
    assert torch.equal(found.centre, ball.centres[0].cpu())
    maps = found.moving, found.remainder, found.open_rounding
    assert all((each >= 0).all() and each.shape == found.centre.shape for each in maps)
    assert sum(found.parts) + found.precision == pytest.approx(found.radius, rel=1e-14)
    cut = CutCells(attacked, tensor(cell)[None], tensor(point)[None], ROUNDING_PARTS, None)
    inflated = (found.radius + cut.slack) * (norm_inflation(attacked.preprocessing, attacked.image) - 1)
    assert found.precision == pytest.approx(cut.slack, abs=inflated + 1e-11 * found.radius + 1e-300)
    assert found.sampled <= found.radius and not found.violated
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
@given(data=st.data())
def test_the_parts_add_up_to_the_radius_and_nothing_is_outside(name, attacker, data):
    random = np.random.default_rng(data.draw(SEEDS))
    kind, shape = data.draw(st.sampled_from(IMAGES)), data.draw(st.sampled_from(SHAPES))
    image = flat_image(kind, data.draw(st.sampled_from([1, 3])), shape, random)
    seen = Seen(image, name, data.draw(st.sampled_from(PREPROCESSINGS)), data.draw(st.booleans()))
    box = gamma_box(data.draw(st.sampled_from(RANGES)), name, random)
    [cell], [point] = some_cells(name, box, 1, random), some_points(name, 1, box, random)
    splits = data.draw(st.sampled_from([None, None, 1, 3]))
    attacked = attack(seen, box, attacker)
    found = assert_adds_up(attacked, cell, point, splits=splits)
    [distance] = shown_distances(seen, point, found.centre.numpy(), found.gamma.numpy()[None], attacker == "8-bit")
    if attacker == "exact" or name == "translation":  # else a grey level may be rounded the other way
        assert distance == pytest.approx(
            found.sampled, abs=(2e-6 if seen.single else 1e-8) * np.sqrt(found.centre.numel())
        )
    low, high = tensor(cell).T
    assert (found.gamma >= low).all() and (found.gamma <= high).all()
    assert (found.box[:, 0] >= low).all() and (found.box[:, 1] <= high).all()


@given(
    triples=st.lists(st.tuples(*[st.floats(0, 10)] * 3), min_size=1, max_size=20),
    equal=st.sampled_from([None, (0, 1), (1, 2), (0, 2)]),
)
def test_the_weights_are_those_of_the_largest_value(triples, equal):
    columns = list(torch.tensor(triples, dtype=torch.float64).T)
    if equal is not None:
        columns[equal[0]] = columns[equal[1]]
    weights = quadratic_weights(*columns)
    assert (weights >= 0).all() and torch.allclose(weights.sum(-1), torch.ones(len(triples), dtype=torch.float64))
    found = (weights * torch.stack(columns, dim=-1)).sum(-1)
    torch.testing.assert_close(found, quadratic_maximum(*columns), rtol=1e-12, atol=1e-300)


# ------------------------------------------------------------------------------------------------- each part is what it says


def noise(seed: int, name: str = "rotation", attacker: str = "exact", kind: str = "noise") -> AttackedImage:
    image = flat_image(kind, 1, (9, 9), np.random.default_rng(seed))
    limit = 4.0 if name == "translation" else 30.0
    return AttackedImage(tensor(image), TRANSFORMS[name], PLAIN, (-limit, limit), attacker=attacker)


def test_of_one_wide_piece_the_remainder_is_a_part_and_of_narrow_ones_it_is_none():
    cell, point = np.array([[0.0, 6.0]]), np.array([11.3])
    wide, narrow = (assert_adds_up(noise(1), cell, point, splits=splits) for splits in (1, 64))
    assert wide.splits == 1 and narrow.splits == 64 and wide.radius > narrow.radius
    assert wide.parts[1] > 0.1 * wide.radius and narrow.parts[1] < 1e-3 * narrow.radius
    assert wide.parts[2] == narrow.parts[2] == 0


def test_rounding_that_is_known_and_its_worst_case():
    cell, point = np.array([[3.0, 3.2]]), np.array([11.3])
    known = assert_adds_up(noise(2, attacker="8-bit"), cell, point)
    worst = assert_adds_up(noise(2, attacker="8-bit"), cell, point, rounding_parts=0)
    assert 0 < known.parts[2] < worst.parts[2]
    assert worst.parts[2] == pytest.approx(worst.rounding) and worst.rounding == float(
        rounding_at_samples(noise(2, attacker="8-bit"), tensor(point)[None])
    )
    shift = assert_adds_up(noise(2, "translation", "8-bit"), np.array([[0.1, 0.4], [-0.2, 0.0]]), np.array([0.3, 0.7]))
    assert shift.parts[1] == 0 and shift.parts[2] == pytest.approx(shift.rounding) and shift.rounding > 0


def test_a_black_image_has_no_radius_to_share():
    found = assert_adds_up(noise(0, attacker="8-bit", kind="black"), np.array([[0.0, 1.0]]), np.array([3.0]))
    assert found.radius == found.sampled == sum(found.parts) == 0


@pytest.mark.parametrize("name", PATH_NAMES)
@given(seed=SEEDS, width=st.sampled_from([0.05, 0.5, 2.0]), kind=st.sampled_from(IMAGES))
def test_what_occurs_is_within_remainder_and_open_rounding_in_every_pixel(name, seed, width, kind):
    """|f(t) - c(t)| <= 4 t (1 - t) rest on pieces, and rounding moves what is shown by ``shown`` ± ``spread`` on parts."""
    random = np.random.default_rng(seed)
    attacked = noise(seed, name, "8-bit", kind)
    low = 20 * random.random()
    point = tensor(low + 20 * random.normal(size=1))
    cut = CutCells(attacked, torch.tensor([[[low, low + width]]], dtype=torch.float64), point[None], 4, 1)
    [some] = cut(MEMORY_BUDGET)
    pieces, rounded = some.pieces, some.pieces.rounded
    exact = AttackedImage(attacked.image, attacked.transform, PLAIN, attacked.gamma_range)
    slack = PER_PIXEL * float(attacked.pixels.max())
    t = torch.cat(
        (torch.tensor([0.0, 0.5, 1.0]), torch.rand(9, generator=torch.Generator().manual_seed(seed)))
    ).double()
    weights = torch.stack(((1 - t) ** 2, 2 * t * (1 - t), t**2), dim=1)
    for piece, box in enumerate(pieces.boxes[:, 0]):
        gammas = (box[0] + t * (box[1] - box[0]))[:, None]
        away = shown_images(exact, point, gammas).flatten(1) - weights @ pieces.controls[piece]
        assert (away.abs() <= (4 * t * (1 - t))[:, None] * pieces.rest[piece] + slack).all()
    for part, piece in enumerate(rounded.piece.tolist()):
        begin, end = pieces.boxes[piece, 0]
        ends = [begin + (end - begin) * place for place in (rounded.start[part], rounded.stop[part])]
        gammas = (ends[0] + t * (ends[1] - ends[0]))[:, None]
        received = attacked.transform(attacked.pixels, gammas)
        change = attacked.transform(to_8_bit(received) - received, point - gammas).flatten(1)
        assert ((change - rounded.shown[part]).abs() <= rounded.spread[part] + slack).all()


def test_shares_that_do_not_add_up_are_refused(monkeypatch):
    monkeypatch.setattr(anatomy_module, "quadratic_weights", lambda *norms: quadratic_weights(*norms).flip(-1) * 0.99)
    with pytest.raises(ArithmeticError, match="add up"):
        ball_anatomy(noise(3), torch.tensor([[0.0, 4.0]]), torch.tensor([20.0]))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"splits": 0}, "splits must be at least 1, but is 0"),
        ({"rounding_parts": -1}, "rounding_parts must be at least 0"),
    ],
)
def test_impossible_options_are_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        ball_anatomy(noise(3), torch.tensor([[0.0, 4.0]]), torch.tensor([20.0]), **options)


# ------------------------------------------------------------------------------------------------------- of a certificate


def test_it_is_the_radius_that_is_certified():
    """To the last bits, which depend on the samples that were computed beside it."""
    classifier = load_classifier("mnist-rotation")
    image = load_dataset("digits", shape=classifier.input_shape).image(7)
    defence = DistSPTCells(classifier, get_transform("rotation"), 30.0, 0.3, 2.0, cell_width=2.0)
    certificate, attacked = defence.certify(image), defence.attacked(image)
    for cell in certificate.tested():
        for place in cell.samples[::4]:
            point = np.array(certificate.points[place])
            found = ball_anatomy(attacked, torch.tensor(cell.bounds, dtype=torch.float64), tensor(point))
            assert found.radius == pytest.approx(certificate.radii[place], rel=1e-12)
            assert found.rounding == pytest.approx(certificate.rounding[place], abs=1e-12)
            assert sum(found.parts) + found.precision == pytest.approx(certificate.radii[place], rel=1e-12)
            assert 0.5 * found.radius < found.sampled <= certificate.radii[place]
            assert found.parts[0] > found.parts[2] > 0


def test_more_splits_leave_less_to_the_remainder_and_nothing_below_what_occurs():
    cell, point = torch.tensor([[0.0, 6.0]], dtype=torch.float64), torch.tensor([-40.0], dtype=torch.float64)
    image = load_dataset("digits").image(3)
    attacked = AttackedImage(image, Rotation(), PLAIN, (-10, 10), attacker="8-bit")
    found = [ball_anatomy(attacked, cell, point, splits=splits) for splits in (1, 2, 4, 8, 16, 32)]
    assert [each.splits for each in found] == [2, 2, 4, 8, 16, 32], "the remainders need two"
    radii = [each.radius for each in found]
    assert all(second <= 1.02 * first for first, second in itertools.pairwise(radii)) and radii[-1] < radii[0]
    assert found[-1].parts[1] < 0.1 * found[0].parts[1]
    assert all(each.sampled <= each.radius for each in found)


def test_the_example_of_the_documentation(capsys):
    text = (Path(__file__).parent.parent / "docs" / "checking.md").read_text(encoding="utf-8")
    [code] = [each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "ball_anatomy" in each]
    exec(compile(code, "checking.md", "exec"), {})
    shares = [float(number) for number in re.findall(r"^\w+ (0\.\d+)$", capsys.readouterr().out, re.MULTILINE)]
    assert len(shares) == 3 and sum(shares) == pytest.approx(1, abs=0.002) and shares[0] > 0.7
