"""Laws that every transformation keeps. One more entry in TRANSFORMS runs through all of them (and needs an oracle).

Those of `linear` warps are for them only; a transformation that changes values has laws of its own in
``tests/test_value_changes.py``.
"""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import spt.transforms
from spt.transforms import TRANSFORMS, Transform, get_transform
from tests import oracles

pytestmark = pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
SIZES = [(1, 1), (1, 5), (5, 1), (2, 2), (3, 3), (4, 7), (8, 5), (28, 28), (33, 32)]


def random_images(count: int, height: int, width: int, channels: int = 2, dtype=torch.float64, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, height, width, generator=generator, dtype=torch.float64).to(dtype)


def random_points(transform: Transform, count: int, seed: int = 1):
    """From next to nothing to far beyond what controls offer, and the whole limits themselves."""
    generator = torch.Generator().manual_seed(seed)
    limits = torch.tensor([parameter.limit for parameter in transform.parameters], dtype=torch.float64)
    points = (2 * torch.rand(count, transform.dimensions, generator=generator, dtype=torch.float64) - 1) * limits
    points[: count // 4] *= 0.02
    points[-1] = limits
    return points


def weights(transform: Transform, point: torch.Tensor, height: int, width: int) -> np.ndarray:
    """A_gamma as a matrix."""

    def warp(units: np.ndarray) -> np.ndarray:
        return transform(torch.from_numpy(units)[:, None], point[None])[:, 0].numpy()

    return oracles.matrix(warp, height, width)


def of_linear_ones(test):
    """A law that only linear transformations have."""

    @functools.wraps(test)
    def checked(transform):
        if not transform.linear:
            pytest.skip(f"{transform.name} is not linear in the image")
        test(transform)

    return checked


def test_registered_under_its_name(transform):
    assert get_transform(transform.name) is transform
    assert transform.dimensions == len(transform.parameters) >= 1
    assert transform.unit == transform.parameters[0].unit


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_identity_is_exact(transform, dtype):
    for height in range(1, 34):
        # Black and white: whatever leaks from a white neighbour into a black pixel is visible, however little.
        images = random_images(2, height, height + 3, dtype=dtype).round()
        assert torch.equal(transform(images, transform.identity()), images)
    large = random_images(1, 224, 225, dtype=dtype)
    assert torch.equal(transform(large, transform.identity()), large)


@of_linear_ones
def test_linear(transform):
    for height, width in SIZES:
        first, second = random_images(1, height, width, seed=2), random_images(1, height, width, seed=3)
        points = random_points(transform, 9)
        combined = transform(2.5 * first - 0.75 * second, points)
        assert torch.allclose(
            combined, 2.5 * transform(first, points) - 0.75 * transform(second, points), rtol=0, atol=1e-13
        )


@of_linear_ones
def test_rows_of_the_matrix(transform):
    for height, width in SIZES[:-2]:
        for point in random_points(transform, 9):
            rows = weights(transform, point, height, width)
            assert (rows >= 0).all()
            assert ((rows != 0).sum(axis=1) <= 4).all()
            assert (rows.sum(axis=1) <= 1 + 1e-12).all()


@of_linear_ones
def test_never_amplifies(transform):
    for height, width in SIZES:
        difference = 2 * random_images(1, height, width, seed=4) - 1
        warped = transform(difference, random_points(transform, 20))
        assert (warped.abs().amax(dim=(2, 3)) <= difference.abs().amax(dim=(2, 3)) + 1e-12).all()


@st.composite
def image_and_point(draw, dimensions: int, limits: tuple[float, ...]):
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    image = draw(arrays(np.float64, (height, width), elements=st.floats(0, 1, width=32)))
    coordinate = [
        st.one_of(st.floats(-limit, limit), st.sampled_from([0.0, 0.5, 1.0, -1.0, limit])) for limit in limits
    ]
    return image, [draw(coordinate[i]) for i in range(dimensions)]


@given(data=st.data())
def test_agrees_with_the_oracle(transform, data):
    limits = tuple(parameter.limit for parameter in transform.parameters)
    image, point = data.draw(image_and_point(transform.dimensions, limits))
    expected = oracles.TRANSFORMS[transform.name](image, *point)
    exact = transform(torch.from_numpy(image)[None], [point])[0, 0]
    assert np.abs(exact.numpy() - expected).max() <= 1e-12
    single = transform(torch.from_numpy(image)[None].float(), [point])[0, 0]
    assert single.dtype == torch.float32
    assert np.abs(single.double().numpy() - expected).max() <= 1e-6


@pytest.mark.parametrize(("height", "width"), [(28, 28), (31, 20), pytest.param(224, 224, marks=pytest.mark.slow)])
def test_agrees_with_the_oracle_on_larger_images(transform, height, width):
    image = random_images(1, height, width, channels=1)[0]
    for point in random_points(transform, 4):
        expected = oracles.TRANSFORMS[transform.name](image[0].numpy(), *point.tolist())
        assert np.abs(transform(image, point[None])[0, 0].numpy() - expected).max() <= 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pairing(transform, dtype):
    image = random_images(1, 6, 9, dtype=dtype)
    points = random_points(transform, 11)
    together = transform(image, points)
    assert together.shape == (11, 2, 6, 9)
    assert torch.equal(together, transform(image[0], points))  # (C, H, W) is one image
    assert torch.equal(together, transform(image.expand(11, 2, 6, 9), points))
    assert torch.equal(together, torch.cat([transform(image, point[None]) for point in points]))

    images = random_images(11, 6, 9, dtype=dtype)
    assert torch.equal(transform(images, points[:1]), torch.cat([transform(x, points[:1]) for x in images]))
    one_to_one = transform(images, points)
    for k in range(11):
        assert torch.equal(one_to_one[k], transform(images[k], points[k : k + 1])[0])


@pytest.mark.parametrize("at_once", [1, 6 * 9, 3 * 6 * 9 + 5, 11 * 6 * 9])
def test_chunks_do_not_matter(transform, at_once, monkeypatch):
    image, images, points = random_images(1, 6, 9), random_images(11, 6, 9), random_points(transform, 11)
    whole = [transform(image, points), transform(images, points), transform(images, points[:1])]
    monkeypatch.setattr(spt.transforms, "POINTS_AT_ONCE", at_once)
    sizes = []
    once = type(transform)._transformed
    monkeypatch.setattr(
        type(transform), "_transformed", lambda self, x, p: (sizes.append(max(len(x), len(p))), once(self, x, p))[1]
    )
    parts = [transform(image, points), transform(images, points), transform(images, points[:1])]
    assert max(sizes) <= max(1, at_once // 54) and sum(sizes) == 33  # memory is what the chunks are for
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_nothing_to_do(transform):
    assert transform(torch.zeros(0, 1, 4, 5), transform.identity()).shape == (0, 1, 4, 5)
    assert transform(torch.zeros(1, 4, 5), torch.empty(0, transform.dimensions)).shape == (0, 1, 4, 5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_type_follows_the_images(transform, dtype):
    images = random_images(3, 5, 5, dtype=dtype)
    for points in (random_points(transform, 3), random_points(transform, 3).float()):
        warped = transform(images, points)
        assert warped.dtype == dtype
        exact = transform(images.double(), points)
        assert torch.allclose(warped.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-7)


def test_device_follows_the_images(transform):
    warped = transform(torch.zeros(3, 1, 5, 5, device="meta"), random_points(transform, 3))
    assert warped.device.type == "meta"


@pytest.mark.cuda
def test_same_on_cuda(transform):
    images, points = random_images(8, 9, 12), random_points(transform, 8)
    warped = transform(images.cuda(), points)
    assert warped.device.type == "cuda"
    assert torch.allclose(warped.cpu(), transform(images, points), rtol=0, atol=1e-12)


def test_input_is_left_alone(transform):
    images, points = random_images(3, 5, 5), random_points(transform, 3)
    kept = images.clone(), points.clone()
    transform(images, points).zero_()
    transform(images, transform.identity()).zero_()
    assert torch.equal(images, kept[0]) and torch.equal(points, kept[1])


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 1), (6, 6)])
def test_any_finite_parameter(transform, size):
    images = torch.ones(1, 1, *size)
    for value in (1e6, 1e19, 1e300, 1.7e308):
        points = torch.full((2, transform.dimensions), value, dtype=torch.float64) * torch.tensor([[1.0], [-1.0]])
        warped = transform(images, points)
        assert torch.isfinite(warped).all() and warped.min() >= 0 and warped.max() <= 1 + 1e-6


class TestSample:
    def test_is_normal(self, transform):
        from scipy import stats

        points = transform.sample(4000, 7.5, torch.Generator().manual_seed(5))
        assert points.shape == (4000, transform.dimensions) and points.dtype == torch.float64
        for axis in points.T:
            assert stats.kstest(axis.numpy() / 7.5, "norm").pvalue > 1e-3
        correlation = np.atleast_2d(np.corrcoef(points.T.numpy()))
        assert np.abs(correlation - np.eye(transform.dimensions)).max() < 0.06

    def test_from_the_generator_only(self, transform):
        torch.manual_seed(0)
        state = torch.get_rng_state()
        first = transform.sample(50, 2.0, torch.Generator().manual_seed(3))
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(1)
        assert torch.equal(first, transform.sample(50, 2.0, torch.Generator().manual_seed(3)))
        assert not torch.equal(first, transform.sample(50, 2.0, torch.Generator().manual_seed(4)))

    def test_generator_moves_on(self, transform):
        generator = torch.Generator().manual_seed(3)
        first, second = transform.sample(50, 2.0, generator), transform.sample(50, 2.0, generator)
        assert not torch.isclose(first, second).any()

    def test_scales_with_sigma(self, transform):
        one = transform.sample(50, 1.0, torch.Generator().manual_seed(3))
        assert torch.equal(transform.sample(50, 4.0, torch.Generator().manual_seed(3)), 4 * one)


def test_grid(transform):
    points = transform.grid(3.0, 5)
    assert points.shape == (5**transform.dimensions, transform.dimensions) and points.dtype == torch.float64
    assert points[0].tolist() == [-3.0] * transform.dimensions
    assert points[-1].tolist() == [3.0] * transform.dimensions
    assert sorted({point[0] for point in points.tolist()}) == [-3.0, -1.5, 0.0, 1.5, 3.0]
    assert len({tuple(point) for point in points.tolist()}) == len(points)


class TestErrors:
    def test_shape_of_parameters(self, transform):
        wrong = torch.zeros(3, transform.dimensions + 1)
        with pytest.raises(ValueError, match=rf"{transform.name}.*\(3, {transform.dimensions + 1}\)"):
            transform(torch.zeros(1, 4, 4), wrong)
        with pytest.raises(ValueError, match=transform.parameters[0].name):
            transform.as_parameters(torch.zeros(1, 1, transform.dimensions))

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_parameters_that_are_not_finite(self, transform, value):
        point = [0.0] * (transform.dimensions - 1) + [value]
        with pytest.raises(ValueError, match=str(value)):
            transform(torch.zeros(1, 4, 4), [point])

    def test_pairing(self, transform):
        with pytest.raises(ValueError, match=r"2 images.*3 parameter points"):
            transform(torch.zeros(2, 1, 4, 4), torch.zeros(3, transform.dimensions))

    @pytest.mark.parametrize("shape", [(4, 4), (1, 1, 1, 4, 4), ()])
    def test_shape_of_images(self, transform, shape):
        with pytest.raises(ValueError, match=r"\(C, H, W\)"):
            transform(torch.zeros(shape), transform.identity())

    def test_integer_images(self, transform):
        with pytest.raises(ValueError, match="uint8"):
            transform(torch.zeros(1, 4, 4, dtype=torch.uint8), transform.identity())

    def test_unknown_name(self, transform):
        with pytest.raises(ValueError, match=rf"'squeeze'.*{transform.name}"):
            get_transform("squeeze")


def test_numbers_and_sequences_as_parameters(transform):
    if transform.dimensions == 1:
        assert transform.as_parameters(2.0).tolist() == [[2.0]]
        assert transform.as_parameters([1.0, 2.0]).tolist() == [[1.0], [2.0]]
    else:
        values = [float(i) for i in range(transform.dimensions)]
        assert transform.as_parameters(values).tolist() == [values]
    assert transform.as_parameters(transform.identity()).shape == (1, transform.dimensions)


def test_describe(transform):
    text = transform.describe([-1.25] * transform.dimensions)
    assert text.count("−1.25") == transform.dimensions and transform.unit in text
    assert all(parameter.name in text for parameter in transform.parameters)
