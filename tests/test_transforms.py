"""Rotation and translation: conventions by hand, numpy and scipy as references, what composes and what does not."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from spt.interpolation import bilinear, pixel_grid
from spt.transforms import Rotation, Translation

rotation, translation = Rotation(), Translation()

LETTER = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])


def apply(transform, image: np.ndarray, *point: float, dtype=torch.float64) -> np.ndarray:
    return transform(torch.from_numpy(image).to(dtype)[None], [list(point)])[0, 0].numpy()


def random_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width))


class TestRotationByHand:
    def test_quarter_turn_is_counter_clockwise(self):
        expected = [[3, 6, 9], [2, 5, 8], [1, 4, 7]]
        assert np.allclose(apply(rotation, LETTER, 90.0), expected, rtol=0, atol=1e-13)
        assert np.array_equal(expected, np.rot90(LETTER, k=1))

    def test_negative_quarter_turn_is_clockwise(self):
        assert np.allclose(apply(rotation, LETTER, -90.0), [[7, 4, 1], [8, 5, 2], [9, 6, 3]], rtol=0, atol=1e-13)

    def test_small_positive_angle_lifts_the_right(self):
        image = np.zeros((3, 3))
        image[1, 2] = 1.0
        turned = apply(rotation, image, 20.0)
        assert turned[0, 2] > 0.1 and turned[2, 2] == 0.0

    def test_eighth_turn(self):
        """At 45 degrees the middle of a side reads half way to a corner, and the corners read beyond the border."""
        turned = apply(rotation, LETTER, 45.0)
        s = math.sqrt(0.5)
        # output (row 0, column 1) is p = (0, -1); its source is (s, -s): between centre, top, right and the corner
        assert turned[0, 1] == pytest.approx((1 - s) ** 2 * 5 + s * (1 - s) * (2 + 6) + s * s * 3, abs=1e-13)
        # output (0, 0) is p = (-1, -1); its source is (0, -sqrt 2), 0.41 pixels above pixel 2
        assert turned[0, 0] == pytest.approx((2 - math.sqrt(2)) * 2, abs=1e-13)
        assert turned[1, 1] == 5.0

    @pytest.mark.parametrize("size", [2, 5, 28, 33, 224])
    @pytest.mark.parametrize("k", [-1, 1, 2, 3, 4])
    def test_multiples_of_90_degrees(self, size, k):
        image = random_image(size, size)
        assert np.abs(apply(rotation, image, 90.0 * k) - np.rot90(image, k)).max() < 1e-12
        single = apply(rotation, image.astype(np.float32), 90.0 * k, dtype=torch.float32)
        assert np.abs(single - np.rot90(image, k)).max() < 1e-6

    def test_half_turn_of_a_rectangle(self):
        image = random_image(6, 11)
        assert np.abs(apply(rotation, image, 180.0) - image[::-1, ::-1]).max() < 1e-13

    def test_quarter_turn_of_a_rectangle_keeps_the_size_and_cuts_the_ends(self):
        turned = apply(rotation, np.ones((3, 5)), 90.0)
        assert turned.shape == (3, 5)
        assert np.allclose(turned, [[0, 1, 1, 1, 0]] * 3, rtol=0, atol=1e-13)


class TestTranslationByHand:
    def test_dx_moves_right(self):
        assert apply(translation, LETTER, 1.0, 0.0).tolist() == [[0, 1, 2], [0, 4, 5], [0, 7, 8]]

    def test_dy_moves_down(self):
        assert apply(translation, LETTER, 0.0, 1.0).tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]

    def test_both_negative(self):
        assert apply(translation, LETTER, -1.0, -2.0).tolist() == [[8, 9, 0], [0, 0, 0], [0, 0, 0]]

    def test_half_a_pixel(self):
        assert apply(translation, LETTER, 0.5, 0.0).tolist() == [[0.5, 1.5, 2.5], [2, 4.5, 5.5], [3.5, 7.5, 8.5]]

    def test_quarter_of_a_pixel(self):
        expected = [[0.75, 1.5, 2.25], [3.25, 4.25, 5.25], [6.25, 7.25, 8.25]]
        assert apply(translation, LETTER, 0.0, 0.25).tolist() == expected

    def test_beyond_the_border_is_black(self):
        assert apply(translation, LETTER, 3.0, 0.0).tolist() == [[0, 0, 0]] * 3
        assert apply(translation, LETTER, 2.75, 0.0)[:, 2].tolist() == [0.25, 1.0, 1.75]

    def test_one_pixel(self):
        assert apply(translation, np.ones((1, 1)), 0.25, -0.5).tolist() == [[0.75 * 0.5]]


class TestAgainstScipy:
    @pytest.mark.parametrize(("height", "width"), [(28, 28), (17, 30), (32, 9), (1, 6)])
    @pytest.mark.parametrize("degrees", [0.3, -12.0, 30.0, 45.0, 77.7, 151.0])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_rotation(self, height, width, degrees, dtype):
        image = random_image(height, width)
        radians = math.radians(degrees)
        # affine_transform maps output (row, column) to input (row, column); (y, x) instead of (x, y)
        turn = np.array([[math.cos(radians), math.sin(radians)], [-math.sin(radians), math.cos(radians)]])
        centre = (np.array(image.shape) - 1) / 2
        expected = ndimage.affine_transform(image, turn, centre - turn @ centre, order=1, mode="grid-constant", cval=0)
        assert np.abs(apply(rotation, image, degrees, dtype=dtype) - expected).max() < 1e-6

    @pytest.mark.parametrize(("height", "width"), [(28, 28), (17, 30), (32, 9), (6, 1)])
    @pytest.mark.parametrize("shift", [(0.3, 0.0), (-1.5, 2.25), (7.9, -0.01), (3.0, 4.0)])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_translation(self, height, width, shift, dtype):
        image = random_image(height, width)
        dx, dy = shift
        expected = ndimage.shift(image, (dy, dx), order=1, mode="grid-constant", cval=0)
        assert np.abs(apply(translation, image, dx, dy, dtype=dtype) - expected).max() < 1e-6

    def test_sampling_anywhere(self):
        image = random_image(9, 14)
        generator = np.random.default_rng(1)
        x, y = generator.uniform(-9, 9, (1, 20, 25)), generator.uniform(-7, 7, (1, 20, 25))
        expected = ndimage.map_coordinates(image, [y[0] + 4, x[0] + 6.5], order=1, mode="grid-constant", cval=0)
        sampled = bilinear(torch.from_numpy(image)[None, None], torch.from_numpy(x), torch.from_numpy(y))
        assert sampled.shape == (1, 1, 20, 25)
        assert np.abs(sampled[0, 0].numpy() - expected).max() < 1e-6


def test_pixel_grid():
    x, y = pixel_grid(3, 4)
    assert x.tolist() == [[-1.5, -0.5, 0.5, 1.5]]
    assert y.tolist() == [[-1.0], [0.0], [1.0]]


class TestComposition:
    def test_translations_by_whole_pixels_compose_exactly(self):
        image = np.zeros((20, 20))
        image[6:14, 6:14] = random_image(8, 8)  # far enough from the border that nothing is lost
        for first, second in [((2, -3), (1, 4)), ((-5, 5), (5, -5)), ((0, 3), (-2, 0))]:
            twice = apply(translation, apply(translation, image, *first), *second)
            assert np.array_equal(twice, apply(translation, image, first[0] + second[0], first[1] + second[1]))

    def test_translations_by_parts_of_pixels_do_not_compose(self):
        image = random_image(20, 20)
        twice = apply(translation, apply(translation, image, 0.5, 0.0), 0.5, 0.0)
        assert np.abs(twice - apply(translation, image, 1.0, 0.0))[:, 2:-2].max() > 0.1

    @pytest.mark.parametrize(("first", "second"), [(10.0, 20.0), (30.0, -30.0), (7.0, 38.0)])
    def test_rotations_do_not_compose(self, first, second):
        """The interpolation error that the whole project is about is plainly there, away from the border as well."""
        image = random_image(28, 28)
        error = np.abs(apply(rotation, apply(rotation, image, first), second) - apply(rotation, image, first + second))
        assert error[9:19, 9:19].max() > 0.1

    def test_quarter_turns_compose(self):
        image = random_image(28, 28)
        twice = apply(rotation, apply(rotation, image, 90.0), 90.0)
        assert np.abs(twice - apply(rotation, image, 180.0)).max() < 1e-12

    def test_full_turn(self):
        image = random_image(28, 28)
        assert np.abs(apply(rotation, image, 25.0) - apply(rotation, image, 25.0 - 360.0)).max() < 1e-12


def test_sampling_is_continuous_at_the_border():
    """The interpolant falls to 0 linearly over one pixel beyond the border."""
    for beyond in (0.0, 1e-9, 0.25, 0.999, 1.0, 1.5):
        moved = apply(translation, np.ones((4, 4)), beyond, 0.0)
        assert moved[:, 0] == pytest.approx(np.full(4, max(0.0, 1 - beyond)), abs=1e-12)


def test_gradient_reaches_the_image():
    """Attacks on pixels may want it: the gradient of a linear map is its transposed matrix."""
    image = torch.rand(1, 6, 6, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(1, 1, 6, 6, dtype=torch.float64)
    (rotation(image, 33.0) * weights).sum().backward()
    direct = (rotation(image.detach(), 33.0) * weights).sum()
    assert (image.grad * image.detach()).sum() == pytest.approx(float(direct), abs=1e-12)
