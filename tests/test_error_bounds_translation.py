"""The vertex bound for translation: sound, and exact."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_error_bounds import KINDS, PREPROCESSINGS, TRANSLATION, images, largest_by_beta, make_image, preprocessings

from spt.error_bounds import error_norms, interval_bound, sampled_error, vertex_bound
from spt.error_bounds.vertices import kinks
from spt.preprocessing import Preprocessing
from spt.threat_model import AttackedImage

shift_values = st.one_of(st.floats(-4, 4), st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0, 1.0 + 1e-9]))


@st.composite
def shift_boxes(draw) -> list[tuple[float, float]]:
    axes = []
    for _ in range(2):
        low = draw(shift_values)
        axes.append((low, low + draw(st.sampled_from([0.0, 1e-9, 0.3, 1.0, 2.5]))))
    return axes


def shift_pairs(betas, box, count, seed):
    """Pairs of (beta, gamma): uniform, and with coordinates on the lines where dx or beta + dx is an integer."""
    generator = torch.Generator().manual_seed(seed)
    limits = torch.tensor(box, dtype=torch.float64)
    beta = betas[torch.randint(len(betas), (count,), generator=generator)]
    uniform = torch.rand(count, 2, dtype=torch.float64, generator=generator)
    gamma = limits[:, 0] + uniform * (limits[:, 1] - limits[:, 0])
    kind = torch.randint(5, (count, 2), generator=generator)
    for index, line in enumerate((gamma.round(), (gamma + beta).round() - beta, gamma.round() + 1e-9)):
        inside = (line >= limits[:, 0]) & (line <= limits[:, 1])
        gamma = torch.where((kind == index) & inside, line, gamma)
    return beta, gamma


def check_vertices(image, preprocessing, betas, box, samples, seed):
    bound = vertex_bound(AttackedImage(image, TRANSLATION, preprocessing, box), betas)
    beta, gamma = shift_pairs(betas, box, samples, seed)
    norms = error_norms(image, TRANSLATION, preprocessing, beta, gamma)
    assert (largest_by_beta(betas, beta, norms) <= bound.values).all()
    at_worst = error_norms(image, TRANSLATION, preprocessing, betas, bound.worst[:, :, 0])
    tolerance = 1e-9 if image.dtype == torch.float64 else 1e-3
    torch.testing.assert_close(bound.values, at_worst, rtol=0, atol=tolerance)


@given(data=st.data())
def test_vertex_bound_is_never_below_a_sample_and_is_attained(data):
    image = data.draw(images())
    preprocessing = data.draw(preprocessings(image))
    pairs = st.tuples(shift_values, shift_values)
    betas = torch.tensor(data.draw(st.lists(pairs, min_size=1, max_size=3)), dtype=torch.float64)
    check_vertices(image, preprocessing, betas, data.draw(shift_boxes()), 300, data.draw(st.integers(0, 9999)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_vertex_bound_many_samples(kind, dtype):
    for seed, preprocessing in enumerate(PREPROCESSINGS[:5]):
        image = make_image(kind, 1, 14, 14, seed).to(dtype)
        betas = 1.5 * torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        check_vertices(image, preprocessing, betas, [(-2.0, 2.0), (-2.0, 2.0)], 4000, seed)


def test_vertex_bound_equals_brute_force_over_vertices():
    image = make_image("digit", 1, 20, 20, 0)
    preprocessing = PREPROCESSINGS[4]
    beta = torch.tensor([[0.37, -1.81]], dtype=torch.float64)
    values = [
        sorted({-2.0, 2.0, *range(-2, 3), *[k - b for k in range(-5, 6) if -2 < k - b < 2]}) for b in beta[0].tolist()
    ]
    vertices = torch.tensor([(x, y) for x in values[0] for y in values[1]], dtype=torch.float64)
    norms = error_norms(image, TRANSLATION, preprocessing, beta.expand(len(vertices), 2), vertices)
    bound = vertex_bound(AttackedImage(image, TRANSLATION, preprocessing, (-2, 2)), beta)
    assert len(vertices) == bound.evaluations[0] == 81
    assert bound.values[0] == pytest.approx(float(norms.max()), abs=1e-9)
    sampled = sampled_error(AttackedImage(image, TRANSLATION, preprocessing, (-2, 2)), beta, points=1600)
    assert 0.9 * bound.values[0] < sampled.values[0] <= bound.values[0]


def test_a_missing_kind_of_line_would_be_noticed(monkeypatch):
    from spt.error_bounds import vertices

    monkeypatch.setattr(vertices, "kinks", lambda low, high, offset: kinks(low, high, 0.0))
    image = make_image("noise", 1, 9, 9, 0)
    betas = torch.tensor([[0.4, 0.3]], dtype=torch.float64)
    with pytest.raises(AssertionError):
        check_vertices(image, Preprocessing(), betas, [(-2.0, 2.0), (-2.0, 2.0)], 2000, 0)


@pytest.mark.parametrize(
    ("low", "high", "offset", "expected"),
    [(-1, 1, 0.25, [-1, -0.75, 0, 0.25, 1]), (0.5, 0.5, 0.0, [0.5]), (0.1, 0.9, 0.5, [0.1, 0.5, 0.9])],
)
def test_kinks(low, high, offset, expected):
    assert kinks(low, high, offset).tolist() == expected


@given(data=st.data())
def test_interval_bound_for_translation_is_never_below_a_sample(data):
    image = data.draw(images(largest=9))
    preprocessing = data.draw(preprocessings(image))
    betas = torch.tensor([data.draw(st.tuples(shift_values, shift_values))], dtype=torch.float64)
    box = data.draw(shift_boxes())
    bound = interval_bound(
        AttackedImage(image, TRANSLATION, preprocessing, box), betas, splits=data.draw(st.integers(1, 4))
    )
    beta, gamma = shift_pairs(betas, box, 300, 0)
    assert error_norms(image, TRANSLATION, preprocessing, beta, gamma).max() <= bound.values[0]
    exact = vertex_bound(AttackedImage(image, TRANSLATION, preprocessing, box), betas)
    assert bound.values[0] >= exact.values[0] - 1e-6


def test_vertex_bound_decides():
    image = make_image("digit", 1, 12, 12, 0)
    bound = vertex_bound(AttackedImage(image, TRANSLATION, Preprocessing(), (-1, 1)), [[0.5, 0.5]])
    value = float(bound.values[0])
    for target, holds in ((value * 1.01, True), (value * 0.99, False)):
        decided = vertex_bound(AttackedImage(image, TRANSLATION, Preprocessing(), (-1, 1)), [[0.5, 0.5]], target=target)
        assert decided.holds is not None
        assert bool(decided.holds[0]) is holds
    with pytest.raises(ValueError, match="for translations"):
        from spt.transforms import Rotation

        vertex_bound(AttackedImage(image, Rotation(), Preprocessing(), (-1, 1)), [1.0])
    assert math.isfinite(value)
