"""P: vignettes by hand, the blur against a direct sum, resizing against torch, and the bounds that certificates use."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from spt.preprocessing import Preprocessing
from tests import oracles

ROTATION = Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=2.0)
TRANSLATION = Preprocessing(vignette="rectangle", vignette_margin=4.0, blur_size=5, blur_scale=2.0)
WITHOUT_RESIZING = [
    Preprocessing(),
    ROTATION,
    TRANSLATION,
    Preprocessing(blur_size=5, blur_scale=1.0),
    Preprocessing(blur_size=9, blur_scale=40.0),
    Preprocessing(vignette="circle"),
    Preprocessing(crop=7, vignette="circle", vignette_margin=1.0, blur_size=3),
]
WITH_RESIZING = [
    Preprocessing(resize=6),
    Preprocessing(resize=19),
    Preprocessing(resize=30),
    Preprocessing(resize=8, crop=7, vignette="circle", vignette_margin=0.5, blur_size=3, blur_scale=1.0),
]
ALL = WITHOUT_RESIZING + WITH_RESIZING


def matrix(preprocessing: Preprocessing, height: int, width: int) -> np.ndarray:
    return oracles.matrix(lambda units: preprocessing(torch.from_numpy(units)).numpy(), height, width)


def random_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width))


class TestKernel:
    @pytest.mark.parametrize("scale", [1.0, 2.0, 0.3, 17.0])
    @pytest.mark.parametrize("size", [1, 3, 5, 11])
    def test_sums_to_one(self, size, scale):
        """The published engine's kernel sums to 0.508 (scale 2) or 0.409 (scale 1); ours must not."""
        kernel = Preprocessing(blur_size=size, blur_scale=scale).kernel()
        assert kernel.shape == (size,) and kernel.dtype == torch.float64
        assert abs(math.fsum(kernel.tolist()) - 1) <= 1e-15
        assert (kernel > 0).all() and torch.equal(kernel, kernel.flip(0))

    def test_by_hand(self):
        weights = [math.exp(-2), math.exp(-0.5), 1.0, math.exp(-0.5), math.exp(-2)]
        expected = [weight / sum(weights) for weight in weights]
        assert Preprocessing(blur_size=5, blur_scale=2.0).kernel().tolist() == pytest.approx(expected, abs=1e-16)

    @pytest.mark.parametrize("size", [0, 1])
    def test_no_blur(self, size):
        image = torch.rand(1, 4, 5)
        assert torch.equal(Preprocessing(blur_size=size)(image), image)


class TestBlur:
    @pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (9, 14), (28, 28)])
    @pytest.mark.parametrize(("size", "scale"), [(3, 1.0), (5, 2.0), (5, 1.0)])
    def test_against_the_direct_sum(self, height, width, size, scale):
        image = random_image(height, width)
        expected = oracles.blur(image, size, scale)
        blurred = Preprocessing(blur_size=size, blur_scale=scale)(torch.from_numpy(image)[None])
        assert np.abs(blurred[0].numpy() - expected).max() < 1e-14
        single = Preprocessing(blur_size=size, blur_scale=scale)(torch.from_numpy(image)[None].float())
        assert single.dtype == torch.float32
        assert np.abs(single[0].numpy() - expected).max() < 1e-6

    def test_one_bright_pixel_spreads_the_kernel(self):
        image = torch.zeros(1, 7, 7, dtype=torch.float64)
        image[0, 3, 3] = 1
        kernel = Preprocessing(blur_size=5, blur_scale=2.0).kernel()
        blurred = Preprocessing(blur_size=5, blur_scale=2.0)(image)[0]
        assert torch.allclose(blurred[1:6, 1:6], torch.outer(kernel, kernel), rtol=0, atol=1e-16)
        assert float(blurred.sum()) == pytest.approx(1, abs=1e-15)
        assert blurred[0].sum() == blurred[:, 6].sum() == 0


class TestVignette:
    def test_circle_on_mnist(self):
        """28x28, margin 2: pixels with x² + y² <= 11.5², counted row by row."""
        mask = ROTATION.mask(28, 28)
        by_hand = [0, 0, 0, 10, 12, 16, 18, 18, 20, 22, 22, 22, 22, 22]  # y = 13.5, 12.5, ..., 0.5
        assert mask.sum(dim=1).tolist() == by_hand + by_hand[::-1]
        assert int(mask.sum()) == 2 * sum(by_hand) == 408

    def test_small_circle_by_hand(self):
        mask = Preprocessing(vignette="circle").mask(5, 5)
        assert mask.int().tolist() == [[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [1] * 5, [0, 1, 1, 1, 0], [0, 0, 1, 0, 0]]

    def test_rectangle_on_mnist(self):
        mask = TRANSLATION.mask(28, 28)
        expected = torch.zeros(28, 28, dtype=torch.bool)
        expected[4:24, 4:24] = True
        assert torch.equal(mask, expected) and int(mask.sum()) == 20 * 20

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (7, 7), (8, 13), (32, 32), (33, 20)])
    @pytest.mark.parametrize("margin", [0.0, 1.0, 2.0, 4.0])
    def test_against_loops(self, height, width, margin):
        circle = Preprocessing(vignette="circle", vignette_margin=margin).mask(height, width)
        assert np.array_equal(circle.numpy(), oracles.circle_vignette(height, width, margin))
        rectangle = Preprocessing(vignette="rectangle", vignette_margin=margin).mask(height, width)
        assert np.array_equal(rectangle.numpy(), oracles.rectangle_vignette(height, width, int(margin)))

    def test_none_keeps_all(self):
        assert Preprocessing().mask(3, 4).all()

    def test_the_circle_is_turned_onto_itself(self):
        mask = ROTATION.mask(28, 28)
        assert torch.equal(mask, mask.rot90())

    def test_the_circle_hides_what_rotation_loses(self):
        """No pixel inside ever reads beyond the border: that is what the vignette is for."""
        from spt.transforms import Rotation

        inside = ROTATION.mask(28, 28)
        turned = Rotation()(torch.ones(1, 28, 28), torch.linspace(-180, 180, 73))
        assert (turned[:, 0][:, inside] > 1 - 1e-6).all()


class TestOrder:
    def test_vignette_blur_vignette(self):
        image = random_image(12, 15)
        mask = oracles.circle_vignette(12, 15, 2.0)
        expected = oracles.blur(image * mask, 5, 2.0) * mask
        result = ROTATION(torch.from_numpy(image)[None])[0].numpy()
        assert np.abs(result - expected).max() < 1e-14
        assert np.abs(oracles.blur(image, 5, 2.0) * mask - expected).max() > 0.01  # the first vignette matters
        assert np.abs(oracles.blur(image * mask, 5, 2.0) - expected).max() > 0.01  # and so does the second

    def test_resize_crop_vignette_blur(self):
        image = torch.from_numpy(random_image(20, 31))[None]
        whole = Preprocessing(resize=14, crop=12, vignette="rectangle", vignette_margin=1.0, blur_size=3)(image)
        resized = Preprocessing(resize=14)(image)
        assert resized.shape == (1, 14, 22)
        cropped = resized[:, 1:13, 5:17]
        expected = Preprocessing(vignette="rectangle", vignette_margin=1.0, blur_size=3)(cropped)
        assert torch.allclose(whole, expected, rtol=0, atol=1e-15)

    def test_channels_and_images_stay_apart(self):
        images = torch.rand(4, 3, 11, 9, dtype=torch.float64)
        together = ROTATION(images)
        for n in range(4):
            for c in range(3):
                assert torch.allclose(together[n, c], ROTATION(images[n, c]), rtol=0, atol=1e-15)


class TestCrop:
    @pytest.mark.parametrize(("size", "crop", "first"), [(6, 4, 1), (7, 3, 2), (5, 5, 0), (28, 20, 4)])
    def test_is_centred(self, size, crop, first):
        image = torch.arange(size * size, dtype=torch.float64).reshape(1, size, size)
        expected = image[:, first : first + crop, first : first + crop]
        assert torch.equal(Preprocessing(crop=crop)(image), expected)

    def test_odd_rest_goes_to_the_right_and_the_bottom(self):
        image = torch.arange(25.0).reshape(1, 5, 5)
        assert Preprocessing(crop=2)(image).tolist() == [[[6.0, 7.0], [11.0, 12.0]]]

    def test_rectangle(self):
        assert Preprocessing(crop=3).output_size(4, 9) == (3, 3)
        assert Preprocessing(crop=3)(torch.zeros(2, 4, 9)).shape == (2, 3, 3)


class TestResize:
    @pytest.mark.parametrize("old", [(28, 28), (20, 33), (50, 37), (5, 5)])
    @pytest.mark.parametrize("short", [7, 20, 45])
    def test_against_torch(self, old, short):
        image = torch.from_numpy(random_image(*old))[None, None]
        resized = Preprocessing(resize=short)(image)
        expected = functional.interpolate(
            image, size=tuple(resized.shape[-2:]), mode="bilinear", antialias=True, align_corners=False
        )
        assert (resized - expected).abs().max() < 1e-12

    def test_short_side(self):
        assert Preprocessing(resize=10).output_size(20, 41) == (10, 20)
        assert Preprocessing(resize=10).output_size(43, 20) == (22, 10)
        assert Preprocessing(resize=10).output_size(7, 7) == (10, 10)
        assert Preprocessing(resize=1).output_size(1000, 1) == (1000, 1)

    def test_halving_by_hand(self):
        image = torch.tensor([[0.0, 1.0, 2.0, 3.0]], dtype=torch.float64).expand(4, 4)
        # weights of the triangle of half-width 2 around 0.5 and 2.5, without what lies outside
        expected = [(0.75 * 0 + 0.75 * 1 + 0.25 * 2) / 1.75, (0.25 * 1 + 0.75 * 2 + 0.75 * 3) / 1.75]
        assert Preprocessing(resize=2)(image)[0].tolist() == pytest.approx(expected, abs=1e-15)

    def test_same_size_changes_nothing(self):
        image = torch.rand(1, 9, 12)
        assert torch.equal(Preprocessing(resize=9)(image), image)

    def test_gradient_after_inference(self):
        """Matrices that were first made under inference_mode serve where gradients are wanted as well."""
        preprocessing = Preprocessing(resize=17)
        with torch.inference_mode():
            preprocessing(torch.rand(1, 23, 29, dtype=torch.float64))
        image = torch.rand(1, 23, 29, dtype=torch.float64, requires_grad=True)
        preprocessing(image).sum().backward()
        assert float(image.grad.sum()) == pytest.approx(17 * 21, abs=1e-9)


@pytest.mark.parametrize("preprocessing", ALL)
@pytest.mark.parametrize(("height", "width"), [(12, 12), (9, 14)])
class TestBounds:
    def test_rows(self, preprocessing, height, width):
        weights = matrix(preprocessing, height, width)
        assert (weights >= 0).all()
        assert weights.sum(axis=1).max() <= 1 + 1e-12

    def test_norm(self, preprocessing, height, width):
        norm = np.linalg.svd(matrix(preprocessing, height, width), compute_uv=False)[0]
        bound = preprocessing.norm_bound(height, width)
        assert norm <= bound + 1e-12
        if preprocessing.resize is None:
            assert bound == 1.0
        elif preprocessing.vignette is None:
            assert bound <= 1.25 * norm  # sound and not useless

    def test_linear(self, preprocessing, height, width):
        first, second = (torch.from_numpy(random_image(height, width, seed))[None] for seed in (1, 2))
        combined = preprocessing(3 * first - second)
        assert torch.allclose(combined, 3 * preprocessing(first) - preprocessing(second), rtol=0, atol=1e-13)

    def test_output_size(self, preprocessing, height, width):
        image = torch.zeros(2, 3, height, width)
        assert preprocessing(image).shape == (2, 3, *preprocessing.output_size(height, width))


def test_norm_without_resizing_is_reached():
    """||P|| <= 1 is not slack by much: a smooth image passes nearly unchanged."""
    assert np.linalg.svd(matrix(ROTATION, 28, 28), compute_uv=False)[0] > 0.9


def test_enlarging_amplifies_the_norm():
    """Twice the pixels hold twice the squares: here 1 would be no bound."""
    assert Preprocessing(resize=24).norm_bound(12, 12) > 1.5
    assert np.linalg.svd(matrix(Preprocessing(resize=24), 12, 12), compute_uv=False)[0] > 1.5


@pytest.mark.parametrize("preprocessing", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_type_follows_the_images(preprocessing, dtype):
    image = torch.rand(1, 12, 12, dtype=torch.float64)
    result = preprocessing(image.to(dtype))
    assert result.dtype == dtype
    assert torch.allclose(result.double(), preprocessing(image), rtol=0, atol=1e-6)
    assert preprocessing(image.to("meta")).device.type == "meta"


def test_is_a_plain_value():
    assert Preprocessing(vignette="circle") == Preprocessing(vignette="circle") != Preprocessing()
    assert {Preprocessing(): 1}[Preprocessing()] == 1
    assert eval(repr(ROTATION)) == ROTATION


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resize": 0}, "resize.*0"),
        ({"crop": -3}, "crop.*-3"),
        ({"vignette": "square"}, "'circle', 'rectangle'.*'square'"),
        ({"vignette_margin": -1.0}, "vignette_margin.*-1"),
        ({"vignette_margin": math.nan}, "vignette_margin.*nan"),
        ({"blur_size": 4}, "odd.*4"),
        ({"blur_size": -1}, "-1"),
        ({"blur_size": 3, "blur_scale": 0.0}, "blur_scale.*0"),
        ({"blur_scale": math.nan}, "blur_scale.*nan"),
    ],
)
def test_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**settings)


def test_crop_larger_than_the_image():
    with pytest.raises(ValueError, match=r"4x9.*5"):
        Preprocessing(crop=5)(torch.zeros(1, 4, 9))


def test_vignette_that_keeps_nothing():
    """Legal (a very large margin): black, not an error and not NaN."""
    for shape in ("circle", "rectangle"):
        result = Preprocessing(vignette=shape, vignette_margin=50.0, blur_size=5)(torch.ones(1, 6, 6))
        assert torch.equal(result, torch.zeros(1, 6, 6))
