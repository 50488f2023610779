"""Every bound against an independent oracle in float64, where errors have flat maxima: zero tolerance."""

import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spt.error_bounds import Attacker, Search, error_norms, interval_bound, interval_images, sample_bound, vertex_bound
from spt.error_bounds.balls_rotation import quadratic_maximum
from spt.error_bounds.search import SharedRows, Splits, branch_and_bound
from spt.inverse import invert
from spt.preprocessing import Preprocessing
from spt.received_bounds.bounds import METHODS
from spt.threat_model import AttackedImage, ReceivedImage
from spt.transforms import TRANSFORMS, Rotation, Translation
from tests import oracles
from tests.bound_cases import (
    CENTRES,
    ERRORS,
    IMAGES,
    OPTIONS,
    PREPROCESSINGS,
    RANGES,
    SHAPES,
    Seen,
    attacked_image,
    compare_errors,
    compare_received,
    compare_samples,
    flat_image,
    gamma_box,
    gammas_to_try,
    some_points,
    tensor,
)

SEEDS = st.integers(0, 1 << 30)


# ------------------------------------------------------------------------------------------------- the oracle itself


@pytest.mark.parametrize("name", ERRORS)
def test_the_vectorised_oracle_is_the_slow_one(name):
    random = np.random.default_rng(3)
    for shape in SHAPES[2:]:
        images = random.random((4, 2, *shape))
        points = some_points(name, 4, gamma_box("wide", name, random), random)
        parts = random.random(points.shape)
        for found in (oracles.warp_many(images, name, points), oracles.warp_many(images, name, points - parts, parts)):
            for i, channel in np.ndindex(4, 2):
                expected = oracles.TRANSFORMS[name](images[i, channel], *points[i])
                np.testing.assert_allclose(found[i, channel], expected, rtol=0, atol=1e-12)
        p = PREPROCESSINGS[4]
        mask = oracles.circle_vignette(*shape, 1)
        expected = oracles.blur(images[0, 0] * mask, 3, 2.0) * mask
        seen = Seen(images[0], name, p).after(images)[0].reshape(2, *shape)[0]
        np.testing.assert_allclose(seen, expected, rtol=0, atol=1e-15)


def test_quarter_turns_of_the_oracle_are_exact():
    image = np.random.default_rng(0).random((1, 1, 6, 6))
    for quarter in range(-9, 10):
        turned = oracles.warp_many(image, "rotation", np.array([[90.0 * quarter - 17.3]]), np.array([[17.3]]))
        np.testing.assert_allclose(turned[0, 0], np.rot90(image[0, 0], quarter), rtol=0, atol=1e-13)


# ----------------------------------------------------------------------------------------------------------- quadratics


def exact_maximum(first: float, middle: float, last: float) -> Fraction:
    """Of the quadratic with these Bernstein coefficients on [0, 1]."""
    f, m, end = Fraction(first), Fraction(middle), Fraction(last)
    return f + (m - f) ** 2 / (2 * m - f - end) if m > max(f, end) else max(f, end)


def assert_quadratics(triples: np.ndarray) -> None:
    found = quadratic_maximum(*torch.from_numpy(triples.T.copy())).tolist()
    for triple, value in zip(triples.tolist(), found, strict=True):
        exact = exact_maximum(*triple)
        assert Fraction(value) >= exact, triple
        assert Fraction(value) <= exact * (1 + Fraction(1, 10**14)) + Fraction(1, 10**306), triple


def test_quadratics_whose_coefficients_nearly_tie():
    value, above = 0.0232, float(np.nextafter(0.0232, 1))
    assert float(quadratic_maximum(*torch.tensor([value, above, value], dtype=torch.float64))) >= value
    random = np.random.default_rng(0)
    sizes = 10.0 ** random.integers(-300, 300, 2000)
    for size in (np.ones(2000), sizes, np.full(2000, 1e-310), np.full(2000, 1e308)):
        middle = size * random.random(2000)
        ends = [middle * (1 - 10.0 ** random.uniform(-17, 0, 2000)) for _ in range(2)]
        assert_quadratics(np.stack((ends[0], middle, ends[1]), axis=1))


values = st.one_of(st.floats(0, 10), st.sampled_from([0.0, 5e-324, 2.3e-308, 1e-160, 0.0232, 1.0, 1e150, 1.7e308]))


def beside(value: float, steps: int) -> float:
    """The number so many neighbours above (below if negative), at least 0."""
    for _ in range(abs(steps)):
        value = max(0.0, math.nextafter(value, math.copysign(math.inf, steps)))
    return min(value, 1.7e308)


@given(first=values, middle=values, last=values, steps=st.tuples(st.integers(-3, 3), st.integers(-3, 3)))
def test_quadratic_maximum_is_never_below_the_exact_one(first, middle, last, steps):
    ties = [beside(middle, step) for step in steps]
    assert_quadratics(np.array([[first, middle, last], [ties[0], middle, ties[1]], [first, middle, ties[0]]]))


# ---------------------------------------------------------------------------------------------- bounds against the oracle


@st.composite
def seen_images(draw, name: str) -> tuple[Seen, np.ndarray, np.random.Generator]:
    """Something to look at, a range, and random numbers for the rest."""
    random = np.random.default_rng(draw(SEEDS))
    image = flat_image(
        draw(st.sampled_from(IMAGES)), draw(st.sampled_from([1, 1, 3])), draw(st.sampled_from(SHAPES)), random
    )
    seen = Seen(image, name, draw(st.sampled_from(PREPROCESSINGS)), draw(st.sampled_from([False, False, True])))
    return seen, gamma_box(draw(st.sampled_from(RANGES)), name, random), random


def assert_bounds(comparison, seen, points, box, signs, random, count: int = 200) -> None:
    bounds, errors = comparison
    for item, point in enumerate(points):
        gammas = gammas_to_try(seen.name, seen.image.shape[1:], box, [sign * point for sign in signs], count, random)
        largest = errors(item, gammas).max()
        assert largest <= bounds[item], (largest - bounds[item], largest)


@pytest.mark.parametrize(("name", "bound"), [(name, bound) for name in ERRORS for bound in ERRORS[name]])
@given(data=st.data(), options=st.sampled_from(OPTIONS))
def test_no_error_is_above_its_bound(name, bound, data, options):
    seen, box, random = data.draw(seen_images(name))
    betas = some_points(name, 2, box, random)
    assert_bounds(compare_errors(bound, seen, betas, box, **options), seen, betas, box, (1, -1), random)


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("centre", CENTRES)
@given(data=st.data(), options=st.sampled_from(OPTIONS))
def test_no_distance_is_above_its_radius(name, centre, data, options):
    seen, box, random = data.draw(seen_images(name))
    points = some_points(name, 2, box, random)
    assert_bounds(compare_samples(centre, seen, points, box, random, **options), seen, points, box, (1, -1), random)


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("method", METHODS)
@given(data=st.data(), attacker=st.sampled_from(["exact", "8-bit"]))
def test_no_original_is_lost_and_no_error_is_above_the_bound_of_the_receiver(name, method, data, attacker):
    seen, box, random = data.draw(seen_images(name))
    assert_received(seen, box, random, method, attacker)


def assert_received(seen: Seen, box: np.ndarray, random: np.random.Generator, method: str, attacker: Attacker) -> None:
    box[:, 1] = np.minimum(box[:, 1], box[:, 0] + (2.0 if seen.name == "rotation" else 0.5))
    gamma = gammas_to_try(seen.name, seen.image.shape[1:], box, [], 1, random)[0]
    betas = some_points(seen.name, 2, np.stack((-gamma, -gamma), axis=1), random)
    width = 0.5 if seen.name == "rotation" else 0.25
    bounds, errors, held = compare_received(method, seen, betas, gamma, box, attacker, width)
    assert held
    assert (errors <= bounds).all(), (errors - bounds).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("kind", IMAGES)
def test_every_bound_on_every_kind_of_image(name, kind):
    for seed, shape in enumerate(SHAPES):
        random = np.random.default_rng(seed)
        for preprocessing, range_kind in zip(PREPROCESSINGS, RANGES, strict=True):
            seen = Seen(flat_image(kind, 1 + 2 * (seed % 2), shape, random), name, preprocessing, seed % 3 == 2)
            box = gamma_box(range_kind, name, random)
            points = some_points(name, 2, box, random)
            for bound in ERRORS[name]:
                comparison = compare_errors(bound, seen, points, box, max_evaluations=60)
                assert_bounds(comparison, seen, points, box, (1, -1), random, 1000)
            for centre in CENTRES:
                comparison = compare_samples(centre, seen, points, box, random, max_evaluations=60)
                assert_bounds(comparison, seen, points, box, (1, -1), random, 1000)
            assert_received(seen, box, random, METHODS[seed % len(METHODS)], ("exact", "8-bit")[seed % 2])


# ------------------------------------------------------------------------------------------------ bounds that were wrong


@pytest.mark.parametrize("corner", [(0, 0), (0, 7), (7, 0), (7, 7)])
def test_one_bright_corner_pixel(corner):
    """The bound was 0.000977 where 0.001507 occurs: the same distance at all three control points, up to rounding."""
    image = np.zeros((1, 8, 8))
    image[0][corner] = 1.0
    seen = Seen(image, "rotation", Preprocessing(blur_size=3))
    points, box = np.array([[115.5]]), np.array([[40.0, 42.0]])
    comparison = compare_samples("shifted", seen, points, box, np.random.default_rng(0))
    assert comparison[0][0] > 0.001507
    assert_bounds(comparison, seen, points, box, (1, -1), np.random.default_rng(1), 2000)


@pytest.mark.parametrize("kind", ["stripes across", "stripes along", "checkerboard", "corner pixel", "constant"])
def test_flat_images_and_small_translations(kind):
    for seed in range(12):
        random = np.random.default_rng(seed)
        seen = Seen(flat_image(kind, 1, (8, 8), random), "translation", PREPROCESSINGS[seed % 3])
        width = 10.0 ** random.integers(-12, 0)
        points, box = random.normal(size=(2, 2)), np.array([[-width, width]] * 2)
        for centre in ("shifted", "given"):
            comparison = compare_samples(centre, seen, points, box, random, max_evaluations=60)
            assert_bounds(comparison, seen, points, box, (1, -1), random)


def test_stripes_moved_by_less_than_a_millionth_of_a_millionth():
    """Bounds of cells were 1.0 where 1.80 occurs."""
    image = np.zeros((1, 8, 8))
    image[:, :, 1::2] = 1.0
    seen = Seen(image, "translation", Preprocessing())
    points = np.array([[-1.3223242909730102, -1.150304233096566]])
    box = np.array([[-1.9072872736127016, -1.9072872736126993], [-0.18222558947135983, -0.18222558947135784]])
    centres = seen.after(seen.warped(image[None], points)).reshape(1, 1, 8, 8)
    search = Search(tolerance=None, keep_splits=True)
    found = sample_bound(attacked_image(seen, box), tensor(points), centres=tensor(centres), search=search).bound
    largest = seen.distances(points[0], centres, box.T).max()
    assert largest > 1.80
    assert found.values[0] >= largest
    assert (found.split_values[0] > 1.80).all()


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("size", [0.1, 1e-3, 1e30, 1e-200])
def test_with_nothing_inside_the_vignette_a_distance_to_a_given_centre_is_rounded_up(name, size):
    random = np.random.default_rng(5)
    seen = Seen(random.random((1, 9, 9)), name, PREPROCESSINGS[-1])
    points, box = (
        some_points(name, 5, gamma_box("symmetric", name, random), random),
        gamma_box("symmetric", name, random),
    )
    centres = size * random.random((5, 1, 9, 9))
    found = sample_bound(
        attacked_image(seen, box),
        tensor(points),
        centres=tensor(centres),
    )
    for value, centre in zip(found.values.tolist(), centres, strict=True):
        square = sum(Fraction(pixel) ** 2 for pixel in centre.flatten().tolist())
        assert Fraction(value) ** 2 >= square
    black = sample_bound(
        attacked_image(seen, box),
        tensor(points),
        centres=tensor(0 * centres),
    )
    assert (black.values == 0).all()
    with pytest.raises(ValueError, match="not finite"):
        sample_bound(
            attacked_image(seen, box),
            tensor(points),
            centres=tensor(centres * np.nan),
        )


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_splits_of_several_items_have_the_term_of_their_own_item(name, count):
    """Rounding to 8 bits adds another term to each item; it was spread over the splits instead."""
    image = np.zeros((1, 13, 13))
    image[0, 0, :2] = 1.0
    preprocessing = Preprocessing(blur_size=3)
    points = {"rotation": [[3.0], [45.0], [130.0]], "translation": [[0.3, 0.6], [3.7, -5.2], [-1.4, 2.2]]}[name][:count]
    found = sample_bound(
        AttackedImage(tensor(image), TRANSFORMS[name], preprocessing, (-3, 3), attacker="8-bit"),
        points,
        search=Search(tolerance=None, keep_splits=True),
    ).bound
    assert len(found.splits) == len(found.split_values) == count
    terms = found.rounding
    assert isinstance(terms, torch.Tensor)
    assert count == 1 or len(set(terms.tolist())) > 1
    for boxes, bounds, value, term in zip(found.splits, found.split_values, found.values, terms, strict=True):
        assert len(boxes) == len(bounds) > 1
        assert bounds.max() == pytest.approx(float(value), rel=1e-12)
        assert (bounds >= term).all()


# ------------------------------------------------------------------------------------------- a search that knows better


class FalseBounds(Splits):
    """One cell whose bound is ``bound`` and in which a norm of 1 occurs."""

    items, dimensions = 1, 1

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def base(self):
        return torch.zeros(1, 2, dtype=torch.long)

    def evaluate(self, items, cells, level):
        return (
            torch.full((len(items),), self.bound).double(),
            torch.ones(len(items)).double(),
            torch.zeros(len(items), 1),
        )

    def sample(self, items, points):
        return torch.ones(len(items)).double()

    def box(self, items, cells, level):
        return torch.zeros(len(items), 1, 2, dtype=torch.float64)

    def bytes_per_cell(self):
        return 1


@pytest.mark.parametrize("known", [None, torch.ones(1, dtype=torch.float64)])
def test_a_search_refuses_a_bound_below_what_occurs(known):
    tolerance = 0.1 if known is None else None
    with pytest.raises(ArithmeticError, match="please report"):
        branch_and_bound(FalseBounds(0.9), Search(tolerance=tolerance), lower=known, slack=0.05)
    within = branch_and_bound(FalseBounds(0.9), Search(tolerance=tolerance), lower=known, slack=0.11)
    assert within.upper.tolist() == within.lower.tolist() == [1.0]  # never below it
    with pytest.raises(ArithmeticError, match="not a number"):
        branch_and_bound(FalseBounds(float("nan")), Search(tolerance=tolerance), lower=known)


def test_rows_that_were_not_prepared_are_not_taken_for_others():
    rows = SharedRows(lambda keys: (keys.double(),), 8, 8)
    rows.prepare(torch.tensor([4, 2, 9]), 1 << 20)
    (values,), which = rows.get(torch.tensor([9, 2]))
    assert values[which].tolist() == [9.0, 2.0]
    for absent in (3, 10):
        with pytest.raises(KeyError):
            rows.get(torch.tensor([2, absent]))


def test_splits_narrower_than_rounding_keep_their_ends_in_order():
    image = torch.zeros(1, 3, 3, dtype=torch.float64)
    for low in np.random.default_rng(0).normal(size=20):
        high = math.nextafter(math.nextafter(low, 9), 9)
        found = invert(
            ReceivedImage(image, Translation(), ((low, high), (0.0, 0.0))), width=(high - low) / 40, refinements=0
        )
        assert (found.boxes[..., 0] <= found.boxes[..., 1]).all()
        assert found.boxes[0, 0, 0] == low
        assert found.boxes[-1, 0, 1] == high


def test_large_angles_and_shifts_keep_their_bounds():
    image = tensor(np.random.default_rng(2).random((1, 7, 7)))
    betas, gamma_range = torch.tensor([[9999.7, -3600.3]], dtype=torch.float64), ((3599.2, 3600.0), (3598.9, 3599.4))
    bound = vertex_bound(AttackedImage(image, Translation(), PREPROCESSINGS[1], gamma_range), -betas.flip(1))
    assert (bound.sampled <= bound.values).all()
    points = torch.tensor([[9993.1], [-9990.0]], dtype=torch.float64)
    for naive in (False, True):
        found = interval_bound(
            AttackedImage(image, Rotation(), PREPROCESSINGS[1], (3590, 3591)), points, splits=5, naive=naive
        )
        gammas = torch.linspace(3590, 3591, 300, dtype=torch.float64)[:, None]
        for point, value in zip(points, found.values, strict=True):
            assert (error_norms(image, Rotation(), PREPROCESSINGS[1], point.expand_as(gammas), gammas) <= value).all()


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("naive", [False, True])
def test_interval_images_contain_the_error_of_every_pixel(name, naive):
    for seed in range(40):
        random = np.random.default_rng(seed)
        image = flat_image(IMAGES[seed % len(IMAGES)], 1, SHAPES[seed % len(SHAPES)], random)
        seen = Seen(image, name, PREPROCESSINGS[seed % len(PREPROCESSINGS)])
        box = gamma_box(RANGES[seed % len(RANGES)], name, random)
        box[:, 1] = np.minimum(box[:, 1], box[:, 0] + 3)
        beta = some_points(name, 1, box, random)
        found = interval_images(
            attacked_image(seen, box),
            tensor(beta),
            tensor(box),
            naive=naive,
        )
        gammas = gammas_to_try(name, image.shape[1:], box, [beta[0]], 200, random)
        betas = np.broadcast_to(beta, gammas.shape)
        twice, once = seen.warped(seen.warped(image[None], gammas), betas), seen.warped(image[None], betas, gammas)
        for (low, high), values in (
            (found.twice, twice),
            (found.once, once),
            (found.difference, twice - once),
            (found.error, (seen.after(twice) - seen.after(once)).reshape(-1, *image.shape)),
        ):
            assert (low.numpy() <= values).all()
            assert (values <= high.numpy()).all()


def test_the_long_run_writes_its_page(tmp_path):
    page = tmp_path / "look.md"
    script = Path(__file__).parent.parent / "benchmarks" / "soundness.py"
    subprocess.run([sys.executable, str(script), "--quick", "--page", str(page)], check=True, capture_output=True)
    assert "| all |" in page.read_text()
    assert "## Violations" not in page.read_text()
