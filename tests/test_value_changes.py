"""Transformations that change values: their laws, and balls around what they can show, with zero tolerance."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spt.error_bounds import value_balls
from spt.error_bounds.path_pieces import moved
from spt.error_bounds.paths import PATHS
from spt.error_bounds.slice_balls import slice_balls
from spt.images import to_8_bit
from spt.preprocessing import Preprocessing
from spt.threat_model import AttackedImage
from spt.transforms import (
    TRANSFORMS,
    Brightness,
    Composition,
    Contrast,
    Rotation,
    RotationBrightness,
    Transform,
    Translation,
    ValueChange,
)
from tests import oracles

CHANGES = [transform for transform in TRANSFORMS.values() if not transform.linear]
of_each = pytest.mark.parametrize("transform", CHANGES, ids=[transform.name for transform in CHANGES])
PLAIN = [transform for transform in CHANGES if isinstance(transform, ValueChange)]


class RotationContrast(Composition):
    """Not offered, but the same bounds hold for it."""

    steps = (Rotation(), Contrast())


class Levels(ValueChange):
    """Contrast and brightness together: both parameters move every pixel."""

    name = "levels"
    parameters = (Contrast.parameters[0], Brightness.parameters[0])

    def gain_and_offset(self, parameters):
        gain = (parameters[0] / 100).clamp(-700, 700).exp()
        return gain, parameters[1] / 100


def random_images(count: int, seed: int, dtype=torch.float64) -> torch.Tensor:
    return torch.rand(count, 2, 7, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def random_points(transform: Transform, count: int) -> torch.Tensor:
    limits = torch.tensor([parameter.limit for parameter in transform.parameters], dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    return (2 * torch.rand(count, transform.dimensions, generator=generator, dtype=torch.float64) - 1) * limits


# ------------------------------------------------------------------------------------------------------------------- laws


@of_each
def test_what_comes_out_is_an_image(transform):
    found = transform(random_images(1, 0), random_points(transform, 50))
    assert found.min() >= 0 and found.max() <= 1 and (found == 1).any()


@of_each
def test_increases_with_the_image(transform):
    first, second = random_images(1, 0), random_images(1, 1)
    for point in random_points(transform, 20):
        lower, upper = (
            transform(each, point[None]) for each in (torch.minimum(first, second), torch.maximum(first, second))
        )
        assert (lower <= upper + 1e-12).all()


@pytest.mark.parametrize("transform", PLAIN, ids=lambda transform: transform.name)
def test_no_difference_grows_by_more_than_the_gain(transform):
    first, second, points = random_images(1, 0), random_images(1, 1), random_points(transform, 50)
    gain, _ = transform.gain_and_offset(tuple(points.T))
    grown = (transform(first, points) - transform(second, points)).abs()
    assert (grown <= gain[:, None, None, None] * (first - second).abs() + 1e-12).all()


@pytest.mark.parametrize("transform", PLAIN, ids=lambda transform: transform.name)
def test_monotone_in_the_parameter_and_sums_where_nothing_is_clipped(transform):
    points = torch.linspace(-100, 100, 201, dtype=torch.float64)[:, None]
    found = transform(random_images(1, 0), points)
    assert (found.diff(dim=0) >= 0).all()
    middle = 0.4 + 0.1 * random_images(1, 0)
    for beta, gamma in ((5.0, -12.0), (-20.0, 20.0), (7.0, 11.0)):
        twice = transform(transform(middle, [gamma]), [beta])
        assert torch.allclose(twice, transform(middle, [beta + gamma]), rtol=0, atol=1e-12)


def test_a_brightness_after_a_rotation_also_changes_what_came_in_from_outside():
    found = RotationBrightness()(torch.zeros(1, 9, 9), [[45.0, 30.0], [45.0, -30.0]])
    assert torch.equal(found[0], torch.full((1, 9, 9), 0.3)) and not found[1].any()


def test_a_composition_has_the_parameters_of_its_steps():
    both = RotationBrightness()
    assert both.name == "rotation-brightness" and both.mixed and both.dimensions == 2 and not both.linear
    assert [parameter.symbol for parameter in both.parameters] == ["γ₁", "γ₂"]
    assert both.describe([12.5, -3]) == "angle 12.50°, brightness −3.00 %"
    assert both.describe_range((10, 20)) == "angle ±10°, brightness ±20 %" and Rotation().describe_range(30) == "±30°"
    assert both.plural == "rotations with changes of brightness" and not Translation().mixed

    class Twice(Composition):
        steps = (Translation(), Rotation())

    images, points = random_images(1, 0), torch.tensor([[1.0, -0.5, 20.0]], dtype=torch.float64)
    assert Twice.linear and Twice().name == "translation-rotation"
    assert torch.equal(Twice()(images, points), Rotation()(Translation()(images, [[1.0, -0.5]]), [20.0]))
    x, y = Twice().source(torch.tensor(2.0), torch.tensor(1.0), tuple(points[0]))
    turned_x, turned_y = Rotation().source(torch.tensor(2.0), torch.tensor(1.0), (points[0, 2],))
    assert (float(x), float(y)) == pytest.approx((float(turned_x) - 1.0, float(turned_y) + 0.5))


# ------------------------------------------------------------------------------------------------------------------ bounds


def shown_at(attacked: AttackedImage, points: torch.Tensor) -> torch.Tensor:
    """What a classifier is shown, by the slow oracle, one image at a time."""
    rows = []
    for point in points.tolist():
        image = np.stack([oracle_of(attacked.transform)(each.double().numpy(), *point) for each in attacked.image])
        if attacked.attacker == "8-bit":
            image = np.round(image * 255) / 255
        rows.append(attacked.preprocessing(torch.from_numpy(image)))
    return torch.stack(rows)


def oracle_of(transform: Transform):
    """Written from the definition, also of compositions and changes that are not offered."""
    if isinstance(transform, RotationContrast):
        return lambda image, degrees, log: oracles.stretch(oracles.rotate(image, degrees), log)
    if isinstance(transform, Levels):
        return lambda image, log, percent: oracles.change_values(
            image, lambda value: value * math.exp(log / 100) + percent / 100
        )
    return oracles.TRANSFORMS[transform.name]


def distances(shown: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
    return (shown - centre).flatten(1).norm(dim=1)


@st.composite
def situations(draw, transform: Transform):
    """An image, often with pixels that are black, white or on a level, a cell anywhere, of any width, and samples in it."""
    side = draw(st.integers(2, 6))
    element = st.one_of(st.integers(0, 255).map(lambda level: level / 255), st.sampled_from([0.0, 1.0]))
    image = draw(arrays(np.float64, (1, side, side), elements=element))
    cell, points = [], []
    for parameter in transform.parameters:
        turn = parameter.unit == "°"
        low = draw(st.floats(-60, 60) if not turn else st.floats(-180, 180))
        width = draw(st.sampled_from([0.0, 0.2, 100 / 255, 1.0, 5.0, 12.0]))
        low = (
            round(low * 2.55) / 2.55 if draw(st.booleans()) and not turn else low
        )  # at a level, so that many pixels step at once
        cell.append((low, low + width))
        points.append(draw(st.lists(st.floats(0, 1), min_size=6, max_size=6).map(lambda each: [0.0, 1.0, 0.5, *each])))
    shares = torch.tensor(points, dtype=torch.float64).T
    box = torch.tensor(cell, dtype=torch.float64)
    samples = box[:, 0] + shares * (box[:, 1] - box[:, 0])
    blur = draw(st.sampled_from([0, 3]))
    preprocessing = Preprocessing(vignette=draw(st.sampled_from([None, "circle"])), blur_size=blur, blur_scale=1.0)
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    attacker = draw(st.sampled_from(["exact", "8-bit"]))
    return (
        AttackedImage(torch.from_numpy(image).to(dtype), transform, preprocessing, box, attacker=attacker),
        box,
        samples,
    )


@pytest.mark.parametrize(
    "transform",
    [Brightness(), Contrast(), RotationBrightness(), RotationContrast(), Levels()],
    ids=lambda transform: transform.name,
)
@given(data=st.data())
def test_nothing_that_is_shown_lies_outside(transform, data):
    """Zero tolerance, against the oracle in float64 and against the attack as it is made in the image's type."""
    attacked, box, samples = data.draw(situations(transform))
    balls = value_balls.value_balls(attacked, box[None])
    centre, radius = balls.centres[0], float(balls.radii[0])
    assert (distances(shown_at(attacked, samples), centre) <= radius).all()
    handed = transform(attacked.image, samples)
    handed = to_8_bit(handed) if attacked.attacker == "8-bit" else handed
    assert (distances(attacked.preprocessing(handed).double(), centre) <= radius).all()
    exact = transform(attacked.pixels, samples)
    assert (distances(attacked.preprocessing(exact), centre) <= radius - float(balls.rounding[0])).all()
    assert 0 <= float(balls.rounding[0]) <= attacked.rounding


@pytest.mark.parametrize("transform", PLAIN, ids=lambda transform: transform.name)
@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
def test_the_ball_of_a_change_of_values_is_the_smallest(transform, attacker):
    """Both ends of the cell lie on its border, opposite each other, with clipping; and rounding adds less than by itself,
    though the ball also holds what is not rounded."""
    image = (random_images(1, 5)[0] * 255).round() / 255
    for low, high in ((-3.0, 2.0), (10.05, 12.35), (40.0, 70.0), (-90.0, -60.0)):
        attacked = AttackedImage(image, transform, Preprocessing(blur_size=3), (low, high), attacker=attacker)
        ball = value_balls.value_balls(attacked, attacked.box[None])
        first, last = shown_at(attacked, torch.tensor([[low], [high]], dtype=torch.float64))
        between = float((first - last).norm()) / 2
        assert between <= ball.radii[0] <= between + (1e-5 if attacker == "exact" else 0.9 * attacked.rounding)


@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
@pytest.mark.parametrize("size", [(1, 28), (3, 32)])
def test_not_much_larger_than_what_occurs_after_a_rotation(attacker, size):
    """On smooth images, as pictures are, and cells as certificates have them."""
    channels, side = size
    coarse = torch.rand(1, channels, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    image = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")[0].clamp(0, 1)
    preprocessing = Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5)
    for box in ([(3.0, 4.0), (5.0, 6.0)], [(-9.0, -8.5), (-3.0, -2.5)], [(0.0, 0.625), (0.0, 1.25)]):
        attacked = AttackedImage(image, RotationBrightness(), preprocessing, box, attacker=attacker)
        ball = value_balls.value_balls(attacked, attacked.box[None])
        points = torch.cartesian_prod(*(torch.linspace(*axis, 9, dtype=torch.float64) for axis in box))
        images = attacked.transform(attacked.pixels, points)
        shown = preprocessing(to_8_bit(images) if attacker == "8-bit" else images)
        occurs = float(distances(shown, ball.centres[0]).max())
        assert occurs <= ball.radii[0] <= 1.35 * occurs + (0.6 * attacked.rounding if attacker == "8-bit" else 0)


@pytest.mark.parametrize("low", [0.0, 40.3, 90.0, 267.0])
def test_pieces_hold_the_image_in_between(low):
    """With the remainder; without it some pixel is not held."""
    image = random_images(1, 9)[0]
    ends, rest = moved(PATHS["rotation"], image, low, low + 3.0, 4)
    angles = torch.linspace(low, low + 3, 300, dtype=torch.float64)
    found = PATHS["rotation"].warped(image[None], angles)
    piece = ((angles[:, None] > torch.linspace(low, low + 3, len(ends), dtype=torch.float64)[1:-1]).sum(dim=1)).clamp(
        max=len(rest) - 1
    )
    for share, held in ((1.0, True), (0.0, False)):
        below, above = value_balls._between(ends, share * rest)
        inside = (below[piece] - 1e-9 <= found) & (found <= above[piece] + 1e-9)
        assert bool(inside.all()) == held


def test_a_cell_of_no_width_and_a_level_at_its_middle():
    """At 50 % of a level every pixel of an 8-bit image is at the border of two levels: both are held."""
    image = (random_images(1, 4)[0] * 255).round().clamp(0, 254) / 255
    half = 50 / 255
    attacked = AttackedImage(image.float(), Brightness(), Preprocessing(), (half, half), attacker="8-bit")
    ball = value_balls.value_balls(attacked, attacked.box[None])
    for step in (0.0, 1.0):
        assert distances((image + step / 255)[None], ball.centres[0]).max() <= ball.radii[0]


# ---------------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
def test_images_out_of_range_are_refused(attacker):
    for low, high in ((-0.1, 0.5), (0.2, 1.5)):
        image = torch.linspace(low, high, 16).reshape(1, 4, 4)
        with pytest.raises(ValueError, match=rf"image in \[0, 1\], but this one has {low:g} to {high:g}"):
            AttackedImage(image, Brightness(), Preprocessing(), (-1, 1), attacker=attacker)


def test_cells_without_balls_are_refused():
    class Twice(Composition):
        steps = (Brightness(), Brightness())

    image = torch.full((1, 4, 4), 0.5)
    with pytest.raises(
        ValueError, match="no bound for brightness-brightness: neither a change of values nor one after a path"
    ):
        value_balls.value_balls(AttackedImage(image, Twice(), Preprocessing(), (-1, 1)), torch.zeros(1, 2, 2))
    with pytest.raises(
        ValueError, match="There is no bound for brightness-brightness, only for rotation, translation, sca"
    ):
        slice_balls(AttackedImage(image, Twice(), Preprocessing(), (-1, 1)), torch.zeros(1, 2, 2))
    with pytest.raises(
        ValueError, match=r"rotation-brightness takes one limit, or one for each of angle, brightness, but"
    ):
        RotationBrightness().limits((1.0, 2.0, 3.0))


def test_cells_together_are_cells_one_by_one():
    image = random_images(1, 2)[0]
    cells = torch.tensor(
        [[a, b] for a, b in itertools.product(((0.0, 1.0), (1.0, 2.0)), ((-2.0, 0.0), (0.0, 2.0)))], dtype=torch.float64
    )
    attacked = AttackedImage(image, RotationBrightness(), Preprocessing(), ((0, 2), (-2, 2)), attacker="8-bit")
    together = slice_balls(attacked, cells)
    for number, cell in enumerate(cells):
        alone = slice_balls(attacked, cell[None])
        assert torch.equal(alone.radii[0], together.radii[number])
        assert torch.equal(alone.centres[0], together.centres[number])
