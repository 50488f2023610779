"""Per-sample balls around K(b') and interval bounds: no image that can be shown lies outside."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_error_bounds import (
    KINDS,
    PREPROCESSINGS,
    ROTATION,
    TRANSLATION,
    angle_ranges,
    angles,
    dense_angles,
    images,
    largest_by_beta,
    make_image,
    preprocessings,
)
from test_error_bounds_translation import shift_boxes, shift_pairs, shift_values

from spt.error_bounds import (
    Search,
    arcs,
    error_norms,
    find_centres,
    interval_bound,
    interval_images,
    paths,
    sample_bound,
)
from spt.error_bounds.balls import centre_weights, rounding_at_samples
from spt.error_bounds.balls_rotation import quadratic_maximum
from spt.interpolation import bilinear
from spt.interval_warp import interpolate, source_boxes
from spt.threat_model import AttackedImage, attacker_rounding

CENTRES = st.sampled_from(["shifted", "recentred"])


def largest_distance(image, transform, preprocessing, found, points, point, gamma):
    """Of every K(b') the largest distance to its centre among the sampled gammas, in the image's type."""
    which = (point[:, None] == points[None]).all(dim=2).double().argmax(dim=1)
    shown = preprocessing(transform(transform(image, gamma), point - gamma)).double()
    distance = (shown - found.centres[which]).flatten(1).norm(dim=1)
    return largest_by_beta(points, point, distance)


def check_rotation(
    image, preprocessing, points, gamma_range, samples, seed, centre="recentred", splits=None, **options
):
    attacked = AttackedImage(image, ROTATION, preprocessing, gamma_range)
    found = sample_bound(attacked, points, centre=centre, splits=splits, search=Search(**options))
    # the outer angle is b' - gamma: its crossings are those of the inner angle, mirrored
    point, gamma = dense_angles(image, points, *gamma_range, samples // 2, seed)
    _, mirrored = dense_angles(image, -points, -gamma_range[1], -gamma_range[0], samples // 2, seed)
    point, gamma = torch.cat((point, point)), torch.cat((gamma, -mirrored))
    distances = largest_distance(image, ROTATION, preprocessing, found, points[:, None], point, gamma)
    assert (distances <= found.values).all(), (distances - found.values).max()


@given(data=st.data())
def test_rotated_samples_stay_within_the_radius(data):
    image = data.draw(images(largest=11))
    preprocessing = data.draw(preprocessings(image))
    points = torch.tensor(data.draw(st.lists(angles, min_size=1, max_size=3)), dtype=torch.float64)
    options = data.draw(
        st.sampled_from(
            [
                {"max_evaluations": 100},
                {"tolerance": None},
                {"tolerance": None, "splits": 40},
                {"tolerance": 0.3, "max_evaluations": 60},
            ]
        )
    )
    centre, seed = data.draw(CENTRES), data.draw(st.integers(0, 9999))
    check_rotation(image, preprocessing, points, data.draw(angle_ranges()), 300, seed, centre=centre, **options)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(9, 9), (20, 20)])
def test_rotated_samples_many(kind, size):
    for seed, preprocessing in enumerate(PREPROCESSINGS[:5]):
        image = make_image(kind, 1, *size, seed).to(torch.float32 if seed % 3 == 2 else torch.float64)
        points = 60 * torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        for gamma_range in ((-30.0, 30.0), (80.0, 95.0)):
            for options in ({"centre": "shifted", "tolerance": None}, {"tolerance": 0.05}):
                check_rotation(image, preprocessing, points, gamma_range, 4000, seed, **options)


def test_rotated_samples_on_the_grid_of_angles():
    step = 90 / paths.cells_for_quarter_turn(10, 11)
    for seed in range(6):
        image = make_image(("pixel", "noise")[seed % 2], 1, 10, 11, seed)
        points = torch.arange(-24, 24, dtype=torch.float64) * step
        gamma_range = (step * (seed % 3), step * (seed % 3 + 1))
        check_rotation(image, PREPROCESSINGS[0], points, gamma_range, 1000, seed, centre="shifted", tolerance=None)


@pytest.mark.parametrize("removed", [[0, 1, 2], [3, 4]])
def test_both_terms_of_the_remainder_are_needed(monkeypatch, removed):

    original = arcs.arc_weights

    def mutilated(*arguments):
        index, factors = original(*arguments)
        factors[..., removed] = 0.0
        return index, factors

    monkeypatch.setattr("spt.error_bounds.balls_rotation.arc_weights", mutilated)
    with pytest.raises((AssertionError, ArithmeticError)):  # the search itself sees some of it
        for seed in range(60):
            image = make_image(("pixel", "checkerboard", "noise")[seed % 3], 1, 9, 9, seed)
            points = torch.tensor([0.5, 12.0, 45.0], dtype=torch.float64)
            middle = float(torch.rand(1, generator=torch.Generator().manual_seed(seed))) * 45
            for half in (0.2, 2.5):
                check_rotation(
                    image,
                    PREPROCESSINGS[1],
                    points,
                    (middle - half, middle + half),
                    400,
                    seed,
                    centre="shifted",
                    tolerance=None,
                )


@given(data=st.data())
def test_translated_samples_stay_within_the_radius(data):
    image = data.draw(images(largest=10))
    preprocessing = data.draw(preprocessings(image))
    points = torch.tensor([data.draw(st.tuples(shift_values, shift_values)) for _ in range(2)], dtype=torch.float64)
    box = data.draw(shift_boxes())
    centre = data.draw(CENTRES)
    tolerance = data.draw(st.sampled_from([None, 0.02]))
    found = sample_bound(
        AttackedImage(image, TRANSLATION, preprocessing, box),
        points,
        centre=centre,
        search=Search(tolerance=tolerance, max_evaluations=60),
    )
    point, gamma = shift_pairs(-points, box, 300, data.draw(st.integers(0, 9999)))
    distances = largest_distance(image, TRANSLATION, preprocessing, found, points, -point, gamma)
    assert (distances <= found.values).all()


@pytest.mark.parametrize(
    ("transform", "points", "gamma_range"),
    [
        (ROTATION, 30 * torch.randn(6, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), (-30, 30)),
        (TRANSLATION, torch.tensor([[0.3, 0.6], [-1.7, 0.45]], dtype=torch.float64), (-2, 2)),
    ],
    ids=["rotation", "translation"],
)
def test_recentring_halves_the_radius_and_decisions_stop_early(transform, points, gamma_range):
    image = make_image("digit", 1, 28, 28, 2)
    preprocessing = PREPROCESSINGS[2]
    shifted = sample_bound(AttackedImage(image, transform, preprocessing, gamma_range), points, centre="shifted")
    recentred = sample_bound(AttackedImage(image, transform, preprocessing, gamma_range), points)
    assert (recentred.values < shifted.values).all()
    assert recentred.values.mean() < 0.8 * shifted.values.mean()
    for found in (shifted, recentred):
        assert (found.values <= 1.02 * found.bound.sampled.clamp(min=0.02) + 1e-5).all()
    for factor, holds in ((1.5, True), (0.9, False)):
        target = factor * recentred.values
        decided = sample_bound(
            AttackedImage(image, transform, preprocessing, gamma_range),
            points,
            centres=recentred.centres,
            search=Search(target=target),
        )
        assert decided.bound.holds is not None
        assert (decided.bound.holds == holds).all()
        assert decided.bound.evaluations.sum() < recentred.bound.evaluations.sum()


def test_sample_bound_does_not_depend_on_the_memory_budget():
    image = make_image("digit", 3, 12, 12, 3)
    points = torch.linspace(-80, 80, 5)
    large = sample_bound(
        AttackedImage(image, ROTATION, PREPROCESSINGS[2], (-20, 30)), points, search=Search(tolerance=0.1)
    )
    small = sample_bound(
        AttackedImage(image, ROTATION, PREPROCESSINGS[2], (-20, 30)),
        points,
        search=Search(tolerance=0.1, memory_budget=1 << 21),
    )
    torch.testing.assert_close(large.values, small.values, rtol=1e-9, atol=1e-9)


def test_centre_weights_approach_the_smallest_ball():
    corners = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.4, 0.4]], dtype=torch.float64)
    weights = centre_weights((corners @ corners.T)[None], steps=400)[0]
    assert weights.sum() == pytest.approx(1.0)
    torch.testing.assert_close(weights @ corners, torch.tensor([1.0, 1.0], dtype=torch.float64), atol=0.05, rtol=0)


@given(coefficients=st.tuples(*[st.floats(0, 10)] * 3))
def test_quadratic_maximum(coefficients):
    first, middle, last = (torch.tensor(value, dtype=torch.float64) for value in coefficients)
    s = torch.linspace(0, 1, 2001, dtype=torch.float64)
    values = first * (1 - s) ** 2 + 2 * middle * s * (1 - s) + last * s**2
    bound = quadratic_maximum(first, middle, last)
    assert values.max() <= bound * (1 + 1e-12) + 1e-300  # subnormal numbers round in the test, too
    assert bound <= values.max() + 1e-4


@pytest.mark.cuda
@pytest.mark.parametrize("transform", [ROTATION, TRANSLATION], ids=["rotation", "translation"])
def test_sample_bound_is_the_same_on_cuda(transform):
    image = make_image("digit", 3, 14, 14, 3)
    points = torch.linspace(-3, 80, 6).reshape(-1, transform.dimensions) / (1 if transform.dimensions == 1 else 40)
    cpu = sample_bound(AttackedImage(image, transform, PREPROCESSINGS[2], (-2, 3)), points)
    cuda = sample_bound(
        AttackedImage(image.cuda(), transform, PREPROCESSINGS[2], (-2, 3)), points, centres=cpu.centres.cuda()
    )
    torch.testing.assert_close(cpu.values, cuda.values, rtol=0.02, atol=1e-6)


def test_a_tiny_range_and_a_distant_sample_keep_their_grids_apart():
    image = make_image("noise", 1, 9, 9, 0)
    points = torch.tensor([9876.5, -9000.0, 12.0], dtype=torch.float64)
    for gamma_range in ((0.0, 1e-20), (5.0, 5.0), (3500.0, 3501.0), (-3600.0, -3500.0)):
        for options in ({"tolerance": None, "splits": 40}, {"target": 0.01, "max_evaluations": 200}):
            check_rotation(image, PREPROCESSINGS[1], points, gamma_range, 300, 0, **options)


def test_a_centre_of_the_wrong_shape_or_name_is_refused():
    image = torch.zeros(1, 8, 8)
    with pytest.raises(ValueError, match="centres must have shape"):
        sample_bound(AttackedImage(image, ROTATION, PREPROCESSINGS[0], (-5, 5)), [1.0], centres=torch.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match="'shifted' or 'recentred'"):
        find_centres(
            AttackedImage(image, ROTATION, PREPROCESSINGS[0], torch.tensor([[-1.0, 1.0]])),
            torch.ones(1, 1),
            centre="middle",
        )


# -------------------------------------------------------------------------------------------------------- intervals


@given(data=st.data())
def test_interval_bound_is_never_below_a_sample(data):
    image = data.draw(images(largest=10))
    preprocessing = data.draw(preprocessings(image))
    betas = torch.tensor(data.draw(st.lists(angles, min_size=1, max_size=2)), dtype=torch.float64)
    gamma_range = data.draw(angle_ranges())
    splits, tolerance = data.draw(st.sampled_from([(1, None), (7, None), (5, 0.5)]))
    naive = data.draw(st.booleans())
    attacked = AttackedImage(image, ROTATION, preprocessing, gamma_range)
    search = Search(tolerance=tolerance, max_evaluations=60)
    bound = interval_bound(attacked, betas, splits=splits, naive=naive, search=search)
    beta, gamma = dense_angles(image, betas, *gamma_range, 300, data.draw(st.integers(0, 9999)))
    norms = error_norms(image, ROTATION, preprocessing, beta, gamma)
    assert (largest_by_beta(betas, beta[:, 0], norms) <= bound.values).all()
    assert bound.lower is not None
    assert bound.upper is not None
    assert (bound.lower <= bound.upper).all()


@pytest.mark.parametrize("naive", [False, True])
def test_interval_images_contain_every_error(naive):
    image = make_image("digit", 1, 12, 12, 1)
    beta, split = 25.0, (10.0, 13.0)
    found = interval_images(AttackedImage(image, ROTATION, PREPROCESSINGS[2], split), beta, split, naive=naive)
    gammas = torch.linspace(*split, 200, dtype=torch.float64)[:, None]
    outer = torch.full_like(gammas, beta)
    twice, once = ROTATION(ROTATION(image, gammas), outer), ROTATION(image, gammas + outer)
    pairs = (
        (found.twice, twice),
        (found.once, once),
        (found.difference, twice - once),
        (found.error, PREPROCESSINGS[2](twice - once)),
    )
    for (low, high), values in pairs:
        assert (low <= values).all()
        assert (values <= high).all()


def test_exact_hull_is_within_the_naive_box_and_matches_the_paper():
    boxes = torch.tensor([[[23.0, 26.0]]], dtype=torch.float64)
    exact, naive = (source_boxes(ROTATION, 6, 6, boxes, flag) for flag in (False, True))
    for tight, loose in zip(exact, naive, strict=True):
        assert ((tight.lower >= loose.lower - 1e-9) & (tight.upper <= loose.upper + 1e-9)).all()
    # pixel (5, 1) of the paper, in pitch 2: row 3, column 5 of a 6x6 image
    for found, expected in ((exact, (4.056, 4.212, 2.874, 3.091)), (naive, (4.06, 4.21, 2.85, 3.11))):
        values = [2 * float(end[0, 3, 5]) for axis in found for end in (axis.lower, axis.upper)]
        assert values == pytest.approx(list(expected), abs=0.005)


@given(data=st.data())
def test_interval_interpolation_contains_points_and_is_attained(data):
    image = data.draw(images(largest=8)).double()
    boxes = torch.tensor([[data.draw(angle_ranges())]], dtype=torch.float64)
    x, y = source_boxes(ROTATION, *image.shape[1:], boxes)
    lower, upper = interpolate(image[None], x, y)
    generator = torch.Generator().manual_seed(0)
    for _ in range(40):
        t, u = torch.rand(2, *x.lower.shape, dtype=torch.float64, generator=generator)
        value = bilinear(image[None], torch.lerp(x.lower, x.upper, t), torch.lerp(y.lower, y.upper, u))
        assert (value >= lower - 1e-12).all()
        assert (value <= upper + 1e-12).all()


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS)
@pytest.mark.parametrize(
    ("transform", "limit"), [(ROTATION, 60.0), (TRANSLATION, 2.5)], ids=["rotation", "translation"]
)
def test_what_rounding_adds_is_never_more_than_the_rounding_term(preprocessing, transform, limit):
    """The attacked image rounded to 8 bits, against the unrounded one: images with large black areas."""
    generator = torch.Generator().manual_seed(7)
    tightest = 1.0
    for trial in range(12):
        image = (
            torch.rand(2, 9, 10, generator=generator) * (torch.rand(2, 9, 10, generator=generator) < 0.04)
        ).double()
        points = transform.sample(20, limit, generator)
        gammas = limit * (2 * torch.rand(20, transform.dimensions, generator=generator, dtype=torch.float64) - 1)
        attacked = transform(image, gammas)
        difference = transform((attacked * 255).round() / 255 - attacked, points - gammas)
        norms = torch.linalg.vector_norm(preprocessing(difference).flatten(1), dim=1)
        rounding = rounding_at_samples(
            AttackedImage(image, transform, preprocessing, (-90, 90), attacker="8-bit"), points
        )
        assert (norms <= rounding).all(), f"trial {trial}"
        largest = attacker_rounding(preprocessing, "8-bit", image)
        assert (rounding <= largest).all()
        tightest = min(tightest, float(rounding.min()) / largest if largest else 1.0)
    assert tightest < 0.9  # black areas are made use of
    assert (
        rounding_at_samples(AttackedImage(image, transform, preprocessing, (-90, 90), attacker="exact"), points) == 0
    ).all()
