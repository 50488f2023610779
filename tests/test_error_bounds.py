"""Soundness of the bounds on the interpolation error: no sampled error above a bound, with zero tolerance."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spt.device_memory import halving_on_oom
from spt.error_bounds import Search, arcs, paths
from spt.error_bounds.chord import chord_bound
from spt.error_bounds.sampled import error_norms, sampled_error
from spt.preprocessing import Preprocessing
from spt.threat_model import AttackedImage, attacker_rounding
from spt.transforms import Rotation, Translation

ROTATION, TRANSLATION = Rotation(), Translation()
PREPROCESSINGS = (
    Preprocessing(),
    Preprocessing(vignette="circle", vignette_margin=1),
    Preprocessing(vignette="circle", vignette_margin=2, blur_size=5, blur_scale=2.0),
    Preprocessing(blur_size=3, blur_scale=1.0),
    Preprocessing(vignette="rectangle", vignette_margin=2, blur_size=5, blur_scale=1.0),
    Preprocessing(resize=7, crop=6),
    Preprocessing(resize=19, crop=9, vignette="circle", vignette_margin=1, blur_size=3),
)
SPECIAL_ANGLES = (-180.0, -90.0, -45.0, 0.0, 45.0, 90.0, 135.0, 180.0, 270.0, 360.0)


def make_image(kind: str, channels: int, height: int, width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (channels, height, width)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None, :]
    if kind == "noise":
        return torch.rand(shape, dtype=torch.float64, generator=generator)
    if kind == "binary":
        return (torch.rand(shape, dtype=torch.float64, generator=generator) > 0.5).double()
    if kind == "pixel":
        image = torch.zeros(shape, dtype=torch.float64)
        image.view(-1)[int(torch.randint(image.numel(), (1,), generator=generator))] = 1.0
        return image
    if kind == "checkerboard":
        return ((rows + columns) % 2).double().expand(shape).clone()
    if kind == "stripes":
        return (columns % 2).double().expand(shape).clone()
    if kind == "white":
        return torch.ones(shape, dtype=torch.float64)
    # a digit-like stroke: an ellipse and a bar with soft edges
    x, y = columns - (width - 1) / 2, rows - (height - 1) / 2
    a, b, c = (torch.rand(3, generator=generator, dtype=torch.float64) * 0.4 + 0.3).tolist()
    ring = (torch.hypot(x / (a * width / 1.4), y / (b * height / 1.4)) - 0.8).abs()
    bar = (c * x + (1 - c) * y).abs() / 3
    return (1.5 - 6 * torch.minimum(ring, bar)).clamp(0, 1).double().expand(shape).clone()


KINDS = ("noise", "binary", "pixel", "checkerboard", "stripes", "white", "digit")


@st.composite
def images(draw, largest: int = 13) -> torch.Tensor:
    height = draw(st.integers(3, largest))
    width = draw(st.sampled_from([height, height, draw(st.integers(3, largest))]))
    image = make_image(
        draw(st.sampled_from(KINDS)), draw(st.sampled_from([1, 1, 3])), height, width, draw(st.integers(0, 9999))
    )
    return image.to(draw(st.sampled_from([torch.float64, torch.float64, torch.float32])))


@st.composite
def preprocessings(draw, image: torch.Tensor) -> Preprocessing:
    fitting = [p for p in PREPROCESSINGS if fits(p, image)]
    return draw(st.sampled_from(fitting))


def fits(preprocessing: Preprocessing, image: torch.Tensor) -> bool:
    try:
        preprocessing.output_size(*image.shape[1:])
    except ValueError:
        return False
    return True


angles = st.one_of(
    st.floats(-200, 200), st.sampled_from(SPECIAL_ANGLES), st.sampled_from(SPECIAL_ANGLES).map(lambda a: a + 1e-9)
)


@st.composite
def angle_ranges(draw) -> tuple[float, float]:
    low = draw(angles)
    return low, low + draw(st.one_of(st.floats(0, 6), st.floats(0, 60), st.sampled_from([0.0, 1e-9, 45.0, 90.0])))


def crossing_angles(height: int, width: int, seed: int, count: int) -> torch.Tensor:
    """Angles at which randomly chosen pixels cross lines of the pixel grid."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(width, (count,), generator=generator) - (width - 1) / 2
    y = torch.randint(height, (count,), generator=generator) - (height - 1) / 2
    radius, phase = torch.hypot(x, y).double(), torch.atan2(y.double(), x.double())
    line = torch.randint(width, (count,), generator=generator) - (width - 1) / 2
    turn = torch.acos((line / radius.clamp(min=1e-9)).clamp(-1, 1).double())
    sign = torch.randint(2, (count,), generator=generator) * 2 - 1
    horizontal = torch.randint(2, (count,), generator=generator) * (math.pi / 2)
    return torch.rad2deg(turn * sign + horizontal - phase)


def dense_angles(image: torch.Tensor, betas: torch.Tensor, low: float, high: float, count: int, seed: int):
    """Pairs (beta, gamma): uniform gammas, end points, multiples of 45°, crossings of either rotation, and beside."""
    generator = torch.Generator().manual_seed(seed)
    beta = betas[torch.randint(len(betas), (count,), generator=generator)]
    gamma = low + (high - low) * torch.rand(count, dtype=torch.float64, generator=generator)
    crossing = crossing_angles(*image.shape[1:], seed, count)
    special = 45.0 * torch.randint(-8, 9, (count,), generator=generator).double()
    kind = torch.randint(7, (count,), generator=generator)
    for index, candidate in enumerate((crossing, crossing - beta, special, special - beta)):
        shifted = candidate + 360 * torch.round((gamma - candidate) / 360)
        shifted = shifted + 1e-6 * torch.randint(-1, 2, (count,), generator=generator)
        gamma = torch.where((kind == index) & (shifted >= low) & (shifted <= high), shifted, gamma)
    gamma = torch.where(kind == 5, torch.where(gamma > (low + high) / 2, high, low), gamma)
    return beta[:, None], gamma.clamp(low, high)[:, None]


def largest_by_beta(betas: torch.Tensor, beta: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
    largest = torch.zeros(len(betas), dtype=torch.float64)
    for index, value in enumerate(betas):
        mine = norms[(beta == value).all(dim=1)] if beta.ndim == 2 else norms[beta == value]
        largest[index] = mine.max() if len(mine) else 0.0
    return largest


def check_chord(image, preprocessing, betas, gamma_range, samples, seed, splits=None, **options) -> None:
    attacked = AttackedImage(image, ROTATION, preprocessing, gamma_range)
    bound = chord_bound(attacked, betas, splits=splits, search=Search(**options))
    beta, gamma = dense_angles(image, betas, *gamma_range, samples, seed)
    norms = error_norms(image, ROTATION, preprocessing, beta, gamma)
    largest = largest_by_beta(betas, beta[:, 0], norms)
    assert (largest <= bound.values).all(), (largest - bound.values).max()
    assert (bound.sampled <= bound.values).all()


@given(data=st.data())
def test_chord_bound_is_never_below_a_sample(data):
    image = data.draw(images())
    preprocessing = data.draw(preprocessings(image))
    betas = torch.tensor(data.draw(st.lists(angles, min_size=1, max_size=4)), dtype=torch.float64)
    options = data.draw(
        st.sampled_from(
            [
                {"max_evaluations": 200},
                {"tolerance": 0.3, "max_evaluations": 100},
                {"tolerance": None},
                {"tolerance": None, "splits": 40},
                {"max_evaluations": 40},
            ]
        )
    )
    check_chord(image, preprocessing, betas, data.draw(angle_ranges()), 400, data.draw(st.integers(0, 9999)), **options)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(9, 9), (28, 28), (16, 11)])
def test_chord_bound_million_samples(kind, size):
    for seed, preprocessing in enumerate(PREPROCESSINGS[:5]):
        generator = torch.Generator().manual_seed(seed)
        image = make_image(kind, 1, *size, seed).to(torch.float32 if seed % 3 == 2 else torch.float64)
        betas = 60 * torch.randn(8, dtype=torch.float64, generator=generator)
        for gamma_range in ((-30.0, 30.0), (80.0, 95.0)):
            for options in ({}, {"tolerance": None}):
                check_chord(image, preprocessing, betas, gamma_range, 3000, seed, **options)


@given(data=st.data())
def test_arc_remainder_covers_the_deviation_from_the_chord(data):
    image = data.draw(images())
    assert_remainders(image.double(), data.draw(angles), data.draw(st.integers(0, 9999)))


def assert_remainders(image: torch.Tensor, start: float, seed: int) -> None:
    """Pixel by pixel |T_theta x - chord| <= r on splits that begin at ``start`` and just beside it."""
    height, width = image.shape[1:]
    widest = 90 / paths.cells_for_quarter_turn(height, width)
    generator = torch.Generator().manual_seed(seed)
    begin = start + torch.cat((torch.zeros(6), torch.rand(14, generator=generator) * 90)).double()
    stop = begin + widest * torch.cat((torch.ones(4), torch.rand(16, generator=generator))).double()
    index, factors = arcs.arc_weights(begin, stop, height, width)
    bound = arcs.remainder(arcs.differences(image[None]), None, index, factors, (height, width))
    chord = arcs.rotated(image[None], begin), arcs.rotated(image[None], stop)
    for t in torch.rand(25, dtype=torch.float64, generator=generator):
        value = arcs.rotated(image[None], begin + t * (stop - begin))
        deviation = (value - torch.lerp(*chord, t)).abs()
        assert (deviation <= bound + arcs.PER_PIXEL).all()


@pytest.mark.parametrize("removed", [[0, 1, 2], [3, 4], [3], [4], [0], [1, 2]])
def test_every_term_of_the_remainder_is_needed(monkeypatch, removed):
    """The soundness test above fails when a term is left out: it can see such a mistake."""
    original = arcs.arc_weights

    def mutilated(*arguments):
        index, factors = original(*arguments)
        factors[..., removed] = 0.0
        return index, factors

    monkeypatch.setattr(arcs, "arc_weights", mutilated)
    with pytest.raises(AssertionError):
        for seed in range(20):
            for kind in KINDS:
                assert_remainders(make_image(kind, 1, 9, 9, seed), 10.0 * seed, seed)


@pytest.mark.parametrize("removed", [[0, 1, 2], [3, 4]])
def test_chord_bound_needs_both_terms(monkeypatch, removed):
    from spt.error_bounds import chord

    original = arcs.arc_weights

    def mutilated(*arguments):
        index, factors = original(*arguments)
        factors[..., removed] = 0.0
        return index, factors

    monkeypatch.setattr(chord, "arc_weights", mutilated)
    with pytest.raises(AssertionError):
        for seed in range(60):
            image = make_image(("pixel", "checkerboard", "noise")[seed % 3], 1, 9, 9, seed)
            betas = torch.tensor([0.5, 12.0, 45.0])
            crossing = float(crossing_angles(9, 9, seed, 1))
            for half in (0.05, 2.5):
                gamma_range = (crossing - half, crossing + half)
                check_chord(image, PREPROCESSINGS[1], betas, gamma_range, 300, seed, tolerance=None)


def test_chord_bound_with_betas_on_the_grid_of_angles():
    """Then beta plus the ends of a split round to either side of a node (once a bound was too small by 0.08)."""
    step = 90 / paths.cells_for_quarter_turn(10, 11)
    for seed in range(6):
        image = make_image(("pixel", "noise")[seed % 2], 1, 10, 11, seed)
        betas = torch.arange(-24, 24, dtype=torch.float64) * step
        gamma_range = (step * (seed % 3), step * (seed % 3 + 1))
        check_chord(image, PREPROCESSINGS[0], betas, gamma_range, 2000, seed, tolerance=None)


def test_chord_bound_decides_both_ways_and_early():
    image = make_image("digit", 1, 28, 28, 0)
    preprocessing = PREPROCESSINGS[2]
    betas = 30 * torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sharp = chord_bound(AttackedImage(image, ROTATION, preprocessing, (-30, 30)), betas, search=Search(tolerance=0.005))
    assert (sharp.values <= 1.01 * sharp.sampled + 1e-6).all()
    easy = chord_bound(
        AttackedImage(image, ROTATION, preprocessing, (-30, 30)), betas, search=Search(target=2 * sharp.values)
    )
    below = chord_bound(
        AttackedImage(image, ROTATION, preprocessing, (-30, 30)), betas, search=Search(target=0.9 * sharp.values)
    )
    assert easy.holds is not None
    assert below.holds is not None
    assert easy.holds.all()
    assert not below.holds.any()
    assert (easy.evaluations < sharp.evaluations).all()
    assert (below.evaluations < sharp.evaluations).all()


@pytest.mark.cuda
def test_chord_bound_is_the_same_on_cuda():
    image = make_image("digit", 3, 14, 14, 3)
    betas = torch.linspace(-80, 80, 7)
    cpu = chord_bound(AttackedImage(image, ROTATION, PREPROCESSINGS[2], (-20, 30)), betas)
    cuda = chord_bound(AttackedImage(image.cuda(), ROTATION, PREPROCESSINGS[2], (-20, 30)), betas)
    torch.testing.assert_close(cpu.values, cuda.values, rtol=1e-6, atol=1e-6)


def test_running_out_of_device_memory_halves_the_chunk():
    sizes = []

    def work(part: torch.Tensor) -> tuple[torch.Tensor]:
        sizes.append(len(part))
        if len(part) > 3:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return (part * 2,)

    assert torch.equal(halving_on_oom(work, torch.arange(10))[0], 2 * torch.arange(10))
    assert max(sizes) == 10
    with pytest.raises(torch.cuda.OutOfMemoryError):
        halving_on_oom(lambda part: work(torch.arange(4)), torch.arange(1))


def test_bound_does_not_depend_on_the_memory_budget():
    image = make_image("digit", 3, 12, 12, 3)
    betas = torch.linspace(-80, 80, 7)
    large = chord_bound(AttackedImage(image, ROTATION, PREPROCESSINGS[2], (-20, 30)), betas)
    small = chord_bound(
        AttackedImage(image, ROTATION, PREPROCESSINGS[2], (-20, 30)), betas, search=Search(memory_budget=1 << 20)
    )
    torch.testing.assert_close(large.values, small.values, rtol=1e-12, atol=1e-12)


def test_splits_cover_gamma_and_explain_the_bound():
    image = make_image("digit", 1, 12, 12, 3)
    bound = chord_bound(
        AttackedImage(image, ROTATION, PREPROCESSINGS[1], (-20, 30)), [10.0, -70.0], search=Search(keep_splits=True)
    )
    for boxes, values, value, worst in zip(bound.splits, bound.split_values, bound.values, bound.worst, strict=True):
        assert boxes[0, 0, 0] == -20
        assert boxes[-1, 0, 1] == 30
        assert torch.equal(boxes[1:, 0, 0], boxes[:-1, 0, 1])
        assert values.max() == value
        assert torch.equal(boxes[values.argmax()], worst)


def test_eight_bit_attacker_is_covered():
    image = make_image("noise", 1, 12, 12, 5)
    preprocessing = PREPROCESSINGS[2]
    betas = torch.tensor([5.0, 33.0])
    bound = chord_bound(
        AttackedImage(image, ROTATION, preprocessing, (-10, 10), attacker="8-bit"),
        betas,
        search=Search(tolerance=0.001),
    )
    inside = int(preprocessing.mask(12, 12).sum())
    assert 0 < bound.rounding <= math.sqrt(inside) / 510 * (1 + 1e-8)
    gammas = torch.linspace(-10, 10, 401, dtype=torch.float64)[:, None]
    attacked = (ROTATION(image, gammas) * 255).round() / 255
    for beta, value in zip(betas, bound.values, strict=True):
        seen = preprocessing(ROTATION(attacked, beta.reshape(1, 1)) - ROTATION(image, gammas + beta))
        assert (seen.flatten(1).norm(dim=1) <= value).all()


def test_rounding_term_of_the_bundled_sizes():
    circle = Preprocessing(vignette="circle", vignette_margin=2, blur_size=5, blur_scale=2.0)
    for channels, size, by_counting in ((1, 28, 0.040), (3, 32, 0.081)):
        inside = int(circle.mask(size, size).sum())
        assert math.sqrt(inside * channels) / 510 == pytest.approx(by_counting, abs=0.001)
        term = attacker_rounding(circle, "8-bit", torch.zeros(channels, size, size))
        assert 0.9 * by_counting < term < by_counting
    assert attacker_rounding(circle, "exact", torch.zeros(3, 32, 32)) == 0.0


def test_progress_can_cancel_and_sees_totals():
    calls = []

    class Cancelled(BaseException):
        pass

    def progress(items, desc="", total=None):
        calls.append((desc, total))
        if len(calls) == 2:
            raise Cancelled
        return items

    with pytest.raises(Cancelled):
        chord_bound(
            AttackedImage(make_image("digit", 1, 12, 12, 0), ROTATION, Preprocessing(), (-30, 30)),
            [10.0],
            progress=progress,
        )
    assert "round 2" in calls[1][0]
    assert all(total >= 1 for _, total in calls)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma_range": (30, -30)}, "low to high"),
        ({"gamma_range": (0, math.inf)}, "finite"),
        ({"gamma_range": (1, 2, 3)}, "gamma_range must be"),
        ({"betas": []}, "At least one"),
        ({"betas": [math.nan]}, "finite"),
        ({"betas": [2e4]}, "lose too many digits"),
        ({"gamma_range": (0, 1e5)}, "not supported"),
        ({"image": torch.full((1, 8, 8), 1e-30)}, "largest pixel"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
        ({"splits": 0}, "splits must be at least 1"),
        ({"target": torch.ones(3)}, "target must be"),
        ({"attacker": "7-bit"}, "attacker must be"),
        ({"image": torch.zeros(1, 1, 8, 8)}, "One image"),
        ({"image": torch.zeros(1, 8, 8, dtype=torch.uint8)}, "floating point"),
        ({"image": torch.full((1, 8, 8), math.nan)}, "not finite"),
        ({"transform": TRANSLATION, "betas": [[0.0, 1.0]]}, "for rotations"),
    ],
)
def test_bad_arguments_raise_clear_errors(options, message):
    settings = {
        "image": torch.zeros(1, 8, 8),
        "transform": ROTATION,
        "preprocessing": Preprocessing(),
        "gamma_range": (-10, 10),
        "attacker": "exact",
    }
    given = {name: options.get(name, value) for name, value in settings.items()}
    how = {name: options[name] for name in ("tolerance", "target") if name in options}
    with pytest.raises(ValueError, match=message):
        chord_bound(
            AttackedImage(**given),
            options.get("betas", [1.0]),
            splits=options.get("splits"),
            search=Search(**how),
        )


def test_sampled_error_is_a_labelled_lower_bound():
    image = make_image("digit", 1, 14, 14, 1)
    lower = sampled_error(AttackedImage(image, ROTATION, PREPROCESSINGS[2], (-30, 30)), [20.0, -75.0], points=301)
    upper = chord_bound(AttackedImage(image, ROTATION, PREPROCESSINGS[2], (-30, 30)), [20.0, -75.0])
    assert not lower.is_upper
    assert upper.is_upper
    assert (lower.values <= upper.values).all()
    gammas = torch.tensor([[-5.0], [7.5]], dtype=torch.float64)
    chosen = sampled_error(AttackedImage(image, ROTATION, PREPROCESSINGS[2], (-30, 30)), [20.0], points=gammas)
    norms = error_norms(image, ROTATION, PREPROCESSINGS[2], torch.full((2, 1), 20.0), gammas)
    assert chosen.values[0] == norms.max()
    assert chosen.worst[0, 0, 0] == gammas[norms.argmax(), 0]
