"""Bounds for a received image: no error of anything that explains it is above, with zero tolerance."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import torch
from conftest import short_id
from hypothesis import given
from hypothesis import strategies as st
from test_error_bounds import KINDS, PREPROCESSINGS, ROTATION, TRANSLATION, fits, make_image

from spt.images import to_8_bit
from spt.inverse import Inverse, invert
from spt.preprocessing import Preprocessing
from spt.received_bounds import bounds as received_bounds
from spt.received_bounds import clusters, estimator
from spt.received_bounds.bounds import METHODS, error_hull, probe_images, received_balls, received_bound
from spt.received_bounds.clusters import find_clusters
from spt.received_bounds.separable import SeparableMaps
from spt.received_bounds.weights import tuned_weights
from spt.threat_model import ReceivedImage
from spt.transforms import Rotation

BLURRED = PREPROCESSINGS[2]


def explained(transform, image, gamma, splits, half_width, attacker, seed) -> tuple[torch.Tensor, Inverse]:
    """A received image, and splits (S, d, 2) each with a box of images, of whose pixels the true one is an end or within."""
    attacked = transform(image, gamma)[0]
    sent = to_8_bit(attacked) if attacker == "8-bit" else attacked.clamp(0, 1)
    generator = torch.Generator().manual_seed(seed)
    shape = (len(splits), *image.shape)
    below, above = half_width * torch.rand(2, *shape, dtype=torch.float64, generator=generator)
    kind = torch.randint(5, shape, generator=generator)
    below, above = torch.where(kind < 2, 0.0, below), torch.where((kind == 2) | (kind == 3), 0.0, above)
    lower, upper = (image.double() - below).clamp(min=0), (image.double() + above).clamp(max=1)
    gamma_range = torch.stack((splits[..., 0].amin(0), splits[..., 1].amax(0)), dim=-1)
    received = ReceivedImage(sent, transform, gamma_range, attacker=attacker)
    return sent, Inverse(received, splits, lower, upper, 1, 1, 0.0, None)


def split_around(transform, gamma, width, seed, more=0):
    """Touching splits of the width around gamma and ``more`` next to it (rotation)."""
    generator = torch.Generator().manual_seed(seed)
    low = gamma[0] - width * torch.rand(transform.dimensions, dtype=torch.float64, generator=generator)
    splits = torch.stack((low, low + width), dim=-1)[None]
    splits[..., 1] = torch.maximum(splits[..., 1], gamma[0])  # rounding
    steps = width * torch.arange(more + 1, dtype=torch.float64)
    if transform.dimensions == 1 and more:
        ends = torch.cat((splits[0, 0, :1], splits[0, 0, 1:] + steps))
        splits = torch.stack((ends[:-1], ends[1:]), dim=-1)[:, None]
    return splits


def errors(transform, preprocessing, sent, image, betas, gamma):
    """||P A_beta x' - P A_{beta+gamma} x|| as it would be computed, in the image's type."""
    shown, true = preprocessing(transform(sent, betas)), preprocessing(transform(image, betas + gamma))
    return (shown.double() - true.double()).flatten(1).norm(dim=1)


def check_bound(transform, preprocessing, image, gamma, betas, sent, inverse, method) -> None:
    bound = received_bound(inverse, preprocessing, betas, method=method)
    true = errors(transform, preprocessing, sent, image, betas, gamma)
    assert (true <= bound.values).all(), (method, (true - bound.values).max())


def check_balls(transform, preprocessing, image, gamma, betas, sent, inverse, method) -> None:
    centres, radii = received_balls(inverse, preprocessing, betas, method=method)
    for angles, pixels in ((betas, sent), (betas + gamma, image)):
        distance = (preprocessing(transform(pixels, angles)).double() - centres).flatten(1).norm(dim=1)
        assert (distance <= radii).all(), (method, (distance - radii).max())


def check(*arguments) -> None:
    check_bound(*arguments)
    check_balls(*arguments)


def random_gamma(transform, seed, limit):
    generator = torch.Generator().manual_seed(seed)
    gamma = limit * (2 * torch.rand(1, transform.dimensions, dtype=torch.float64, generator=generator) - 1)
    betas = torch.randn(5, transform.dimensions, dtype=torch.float64, generator=generator)
    special = torch.tensor([[0.0], [90.0]], dtype=torch.float64) if transform.dimensions == 1 else torch.zeros(2, 2)
    scale = 30 if transform.dimensions == 1 else 1.5
    return gamma, torch.cat((scale * betas, special - gamma * (seed % 2)))


@given(data=st.data())
def test_no_error_is_above_the_bound(data):
    transform = data.draw(st.sampled_from([ROTATION, ROTATION, TRANSLATION]))
    height, width = data.draw(st.integers(3, 9)), data.draw(st.integers(3, 9))
    seed = data.draw(st.integers(0, 9999))
    image = make_image(data.draw(st.sampled_from(KINDS)), data.draw(st.sampled_from([1, 3])), height, width, seed)
    image = image.to(data.draw(st.sampled_from([torch.float64, torch.float32])))
    preprocessing = data.draw(st.sampled_from([p for p in PREPROCESSINGS if fits(p, image)]))
    gamma, betas = random_gamma(transform, seed, data.draw(st.sampled_from([0.0, 0.3, 10.0])))
    splits = split_around(transform, gamma, data.draw(st.sampled_from([0.0, 0.05, 0.4, 1.5])), seed, seed % 4)
    half_width = data.draw(st.sampled_from([0.0, 1e-3, 0.05, 1.0]))
    attacker = data.draw(st.sampled_from(["exact", "8-bit"]))
    sent, inverse = explained(transform, image, gamma, splits, half_width, attacker, seed)
    check(transform, preprocessing, image, gamma, betas, sent, inverse, data.draw(st.sampled_from(METHODS)))


@pytest.mark.parametrize("method", ["kernel", "regularised"])
def test_it_is_nearly_attained(method):
    """One gamma and one image explain what was received: the bound is the error."""
    image = make_image("noise", 1, 8, 8, 0)
    gamma, betas = torch.tensor([[4.0]], dtype=torch.float64), torch.tensor([[20.0], [-33.0]], dtype=torch.float64)
    splits = torch.tensor([[[4.0, 4.0]]], dtype=torch.float64)
    sent, inverse = explained(ROTATION, image, gamma, splits, 0.0, "exact", 0)
    true = errors(ROTATION, BLURRED, sent, image, betas, gamma)
    bound = received_bound(inverse, BLURRED, betas, method=method).values
    assert (bound < true * 1.001 + 2e-6).all()


def test_bound_without_remainders_fails(monkeypatch):
    """Between the nodes the images bend: a hull of the nodes alone does not contain the errors."""
    zero = lambda maps, which, index, factors, shape: torch.zeros(len(index), maps.shape[3], *shape).double()  # noqa: E731
    monkeypatch.setattr(clusters, "remainder", zero)
    monkeypatch.setattr(clusters, "NODE_SPACING", 10.0)
    image = make_image("checkerboard", 1, 9, 9, 0)
    with pytest.raises(AssertionError):
        for seed in range(40):
            gamma, betas = random_gamma(ROTATION, seed, 10.0)
            sent, inverse = explained(
                ROTATION, image, gamma, split_around(ROTATION, gamma, 4.0, seed), 0.0, "exact", seed
            )
            check(ROTATION, Preprocessing(), image, gamma, betas, sent, inverse, "kernel")


@pytest.mark.parametrize(
    ("forgotten", "kind", "half_width"), [("images", "checkerboard", 0.3), ("rounding", "noise", 0)]
)
def test_a_bound_without_one_of_its_parts_fails(forgotten, kind, half_width, monkeypatch):
    if forgotten == "images":
        monkeypatch.setattr(
            received_bounds, "probe_images", lambda preprocessing, *shape: torch.zeros(1, *shape).double()
        )
    else:
        monkeypatch.setattr(ReceivedImage, "ends", property(lambda image: [image.pixels] * 2))
    with pytest.raises(AssertionError):
        for seed in range(40):
            image = make_image(kind, 1, 9, 9, seed)
            gamma, betas = random_gamma(ROTATION, seed, 10.0)
            splits = gamma[:, :, None].expand(1, 1, 2)
            sent, inverse = explained(ROTATION, image, gamma, splits, half_width, "8-bit", seed)
            check(ROTATION, BLURRED, image, gamma, betas, sent, inverse, "kernel")


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS)
@pytest.mark.parametrize("transform", [ROTATION, TRANSLATION], ids=["rotation", "translation"])
def test_probe_images_give_the_absolute_row_sums(preprocessing, transform):
    """|N| rad with probe images equals the sum over single pixels, computed one by one."""
    shape = (24, 20)
    weights = torch.rand(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    unit = torch.eye(24 * 20, dtype=torch.float64).view(-1, *shape)
    scale = 1.0 if transform.dimensions == 1 else 0.1
    points = scale * torch.tensor([[7.3, 21.0], [-52.0, 5.5]], dtype=torch.float64)
    for gamma, beta in points[:, : transform.dimensions].split(1), points[:, -transform.dimensions :].split(1):

        def columns(images, gamma=gamma, beta=beta):
            return preprocessing(transform(transform(images, gamma), beta) - transform(images, beta + gamma))

        probes = probe_images(preprocessing, *shape)
        assert torch.equal(probes.sum(0), torch.ones(shape, dtype=torch.float64))
        found = columns(probes * weights).abs().sum(1)
        true = columns(unit * weights).abs().sum(1)
        torch.testing.assert_close(found, true, rtol=0, atol=1e-10)
    assert len(probe_images(BLURRED, 64, 64)) == 11 * 11


SEPARABLE = [p for p in PREPROCESSINGS if p.vignette != "circle" and p.resize is None]


@pytest.mark.parametrize("shape", [(1, 12, 12), (2, 9, 14)])
@pytest.mark.parametrize(
    "preprocessing", [*SEPARABLE, Preprocessing(vignette="rectangle", vignette_margin=9)], ids=short_id
)
def test_one_dimensional_matrices_give_the_absolute_row_sums(preprocessing, shape):
    """N and |N| of translations equal those of warped single pixels, also beyond the frame and exactly on the grid."""
    factors = preprocessing.factors(*shape[1:])
    assert factors is not None
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(shape, dtype=torch.float64, generator=generator)
    betas = torch.cat(
        (3 * torch.randn(20, 2, dtype=torch.float64, generator=generator), torch.zeros(1, 2), 40 * torch.ones(1, 2))
    )
    gammas = torch.cat(
        (torch.randn(19, 2, dtype=torch.float64, generator=generator), 1 - betas[19:20], torch.ones(2, 2))
    )
    maps = SeparableMaps(*factors, betas, gammas)
    signed, absolute = maps.apply(image), maps.apply_absolute(image)
    unit = torch.eye(shape[1] * shape[2], dtype=torch.float64).view(-1, *shape[1:])
    for k, (beta, gamma) in enumerate(zip(betas[:, None], gammas[:, None], strict=True)):
        columns = preprocessing(TRANSLATION(TRANSLATION(unit, gamma), beta) - TRANSLATION(unit, beta + gamma))[0]
        for found, rows in ((signed, columns), (absolute, columns.abs())):
            true = torch.einsum("chw,hwuv->cuv", image, rows.unflatten(0, shape[1:]))
            torch.testing.assert_close(found[k], true, rtol=0, atol=1e-12)


def test_of_a_circle_there_are_no_one_dimensional_matrices():
    assert Preprocessing(vignette="circle").factors(8, 8) is None and Preprocessing(resize=4).factors(8, 8) is None
    rows, columns = Preprocessing(crop=4, vignette="rectangle", vignette_margin=1, blur_size=3).factors(8, 9)
    image = torch.rand(2, 8, 9, dtype=torch.float64)
    expected = Preprocessing(crop=4, vignette="rectangle", vignette_margin=1, blur_size=3)(image)
    torch.testing.assert_close(rows @ image @ columns.T, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("attacker", ["8-bit", "exact"])
def test_with_the_inverse_itself_on_a_digit(attacker):
    image = make_image("digit", 1, 20, 20, 3).float()
    gamma, betas = torch.tensor([[-6.33]], dtype=torch.float64), torch.tensor([[25.0], [-40.0], [3.0]]).double()
    attacked = ROTATION(image, gamma)[0]
    sent = to_8_bit(attacked) if attacker == "8-bit" else attacked
    inverse = invert(ReceivedImage(sent, ROTATION, (-10, 10), attacker=attacker))
    true = errors(ROTATION, BLURRED, sent, image, betas, gamma)
    for method in METHODS:
        check(ROTATION, BLURRED, image, gamma, betas, sent, inverse, method)
    bound = received_bound(inverse, BLURRED, betas)
    assert (bound.values <= 1.6 * true).all()
    _, radii = received_balls(inverse, BLURRED, betas)
    assert (radii < 0.8 * bound.values).all()  # recentring
    assert bound.clusters[..., 0].min() >= -10 and bound.evaluations > 6 and bound.seconds > 0


def test_regularising_helps_where_the_inverse_is_wide():
    image = make_image("noise", 1, 12, 12, 1)
    gamma, betas = torch.tensor([[5.0]], dtype=torch.float64), torch.tensor([[20.0]], dtype=torch.float64)
    splits = torch.tensor([[[4.98, 5.02]]], dtype=torch.float64)
    _, inverse = explained(ROTATION, image, gamma, splits, 0.5, "8-bit", 0)
    bounds = {name: float(received_bound(inverse, BLURRED, betas, method=name).values) for name in METHODS}
    assert bounds["regularised"] < 0.7 * bounds["kernel"] < 0.7 * bounds["interval"]
    assert bounds["automatic"] == bounds["regularised"]


def test_narrow_splits_are_joined_and_wide_ones_are_not():
    image, gamma = make_image("noise", 1, 6, 6, 1), torch.tensor([[5.05]], dtype=torch.float64)
    splits = torch.tensor([[[5 + k / 10, 5 + (k + 1) / 10]] for k in range(5)], dtype=torch.float64)
    splits[..., 0, 0][1:] = splits[..., 0, 1][:-1]
    _, narrow = explained(ROTATION, image, gamma, splits, 0.02, "exact", 0)
    _, wide = explained(ROTATION, image, gamma, splits, 1.0, "exact", 0)
    assert [len(find_clusters(each)) for each in (narrow, wide)] == [2, 5]
    joined = find_clusters(narrow)[0]
    assert torch.equal(joined.lower, narrow.lower[:3].amin(0)) and torch.equal(joined.upper, narrow.upper[:3].amax(0))


def test_it_does_not_depend_on_the_memory_budget():
    image = make_image("digit", 1, 10, 10, 1)
    gamma, betas = random_gamma(ROTATION, 3, 10.0)
    _, inverse = explained(ROTATION, image, gamma, split_around(ROTATION, gamma, 0.1, 3), 0.3, "8-bit", 3)
    for method in METHODS:
        large, small = (
            received_bound(inverse, BLURRED, betas, method=method, memory_budget=budget).values
            for budget in (1 << 30, 1)
        )
        torch.testing.assert_close(large, small, rtol=1e-12, atol=1e-12)


def test_hull_items_are_sorted_and_complete():
    image = make_image("digit", 1, 10, 10, 1)
    gamma, betas = random_gamma(ROTATION, 3, 10.0)
    _, inverse = explained(ROTATION, image, gamma, split_around(ROTATION, gamma, 0.4, 3), 0.3, "8-bit", 3)
    hull = error_hull(inverse, BLURRED, betas, method="kernel")
    assert hull.item.unique().tolist() == list(range(len(betas))) and (hull.item.diff() >= 0).all()
    assert (hull.radius >= 0).all() and hull.slack > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, "automatic, kernel"),
        ({"betas": []}, "beta"),
        ({"inverse": torch.zeros(1, 8, 9)}, "inverse is of images"),
    ],
)
def test_bad_input_is_refused(change, message):
    image = torch.zeros(1, 8, 8)
    inverse = invert(ReceivedImage(image, ROTATION, (-1, 1)))
    if "inverse" in change:
        inverse = replace(inverse, received=replace(inverse.received, image=change["inverse"]))
    with pytest.raises(ValueError, match=message):
        received_bound(inverse, BLURRED, change.get("betas", [1.0]), method=change.get("method", "automatic"))


def test_an_empty_inverse_and_too_large_an_image_are_refused(monkeypatch):
    image = torch.zeros(1, 8, 8)
    inverse = invert(ReceivedImage(image, ROTATION, (-1, 1)))
    empty = replace(inverse, boxes=inverse.boxes[:0], lower=inverse.lower[:0], upper=inverse.upper[:0])
    with pytest.raises(ValueError, match="Nothing explains"):
        received_bound(empty, BLURRED, [1.0])
    monkeypatch.setattr(received_bounds, "MOST_PIXELS", 50)
    with pytest.raises(ValueError, match="up to 50 pixels"):
        received_bound(inverse, BLURRED, [1.0], method="regularised")
    assert received_bound(inverse, BLURRED, [1.0]).values > 0


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("transform", [ROTATION, TRANSLATION], ids=["rotation", "translation"])
def test_no_error_is_above_the_bound_many(transform, method):
    """More than 10^5 triples of image, gamma and beta in all."""
    triples, limit = 0, 10.0 if isinstance(transform, Rotation) else 2.0
    for seed in range(260):
        image = make_image(KINDS[seed % len(KINDS)], 1, 5 + seed % 5, 5 + seed % 7, seed)
        image = image.to((torch.float64, torch.float32)[seed % 2])
        fitting = [p for p in PREPROCESSINGS if fits(p, image)]
        gamma, _ = random_gamma(transform, seed, limit)
        scale = 30 if transform.dimensions == 1 else 1.5
        generator = torch.Generator().manual_seed(seed)
        betas = scale * torch.randn(60, transform.dimensions, dtype=torch.float64, generator=generator)
        splits = split_around(transform, gamma, (0.1, 0.0, 0.5, 3.0)[seed % 4], seed, seed % 3)
        attacker = ("8-bit", "exact")[seed % 2]
        sent, inverse = explained(
            transform, image, gamma, splits, (0.0, 0.01, 0.3, 1.0)[(seed // 4) % 4], attacker, seed
        )
        one = (check_bound, check_balls)[seed // 2 % 2]
        one(transform, fitting[seed % len(fitting)], image, gamma, betas, sent, inverse, method)
        triples += len(betas)
    assert triples * len(METHODS) * 2 > 1e5


@pytest.mark.cuda
@pytest.mark.parametrize("method", METHODS)
def test_it_is_the_same_on_cuda(method):
    image = make_image("digit", 3, 12, 12, 1)
    gamma, betas = random_gamma(ROTATION, 3, 10.0)
    sent, inverse = explained(ROTATION, image, gamma, split_around(ROTATION, gamma, 0.4, 3), 0.3, "8-bit", 3)
    received = replace(inverse.received, image=sent.cuda())
    there = replace(inverse, received=received, lower=inverse.lower.cuda(), upper=inverse.upper.cuda())
    cpu = received_bound(inverse, BLURRED, betas, method=method).values
    cuda = received_bound(there, BLURRED, betas, method=method).values
    torch.testing.assert_close(cpu, cuda, rtol=1e-5, atol=1e-6)


def extreme_originals(received, inverse, gamma, shown, count):
    """Originals (count, H, W) of one channel that explain a received image with gamma, found by linear programs: each the
    farthest in a direction of what is shown (Q, J), the next direction being where that led."""
    height, width = received.image.shape[1:]
    unit = torch.eye(height * width, dtype=torch.float64).view(-1, height, width)
    warp = scipy.sparse.csr_matrix(received.transform(unit, gamma)[0].flatten(1).T.numpy())
    low, high = (end[0].flatten().numpy() for end in received.ends)
    limits = np.stack([end[0, 0].flatten().numpy() for end in (inverse.lower, inverse.upper)], 1)
    middle, found = shown.numpy() @ limits.mean(1), []
    direction = shown.numpy() @ np.random.default_rng(0).standard_normal(len(unit))
    for _ in range(count):
        best = scipy.optimize.linprog(
            -shown.numpy().T @ direction,
            A_ub=scipy.sparse.vstack([warp, -warp]),
            b_ub=np.concatenate([high - 1e-9, 1e-9 - low]),
            bounds=limits,
        )
        found.append(torch.from_numpy(best.x).view(height, width))
        direction = shown.numpy() @ best.x - middle
    return torch.stack(found)


@pytest.fixture(scope="module")
def textured() -> tuple[torch.Tensor, torch.Tensor, Inverse]:
    """A texture, turned by 5° and rounded to 8 bits, the angle known to 0.01°, and what the inverse leaves open."""
    gamma = torch.tensor([[5.0]], dtype=torch.float64)
    image = 0.2 + 0.6 * make_image("noise", 1, 14, 14, 1).float()
    received = ReceivedImage(to_8_bit(ROTATION(image, gamma)[0]), ROTATION, (4.995, 5.005))
    return image, gamma, invert(received, width=0.01)


@pytest.mark.parametrize("method", ["regularised", "kernel"])
def test_no_extreme_original_is_outside(textured, method):
    """Zero tolerance, with originals at the border of what explains the image."""
    _, gamma, inverse = textured
    betas = torch.tensor([[21.0], [-33.0]], dtype=torch.float64)
    centres, radii = received_balls(inverse, BLURRED, betas, method=method, with_received=False)
    unit = torch.eye(14 * 14, dtype=torch.float64).view(-1, 14, 14)
    for beta, centre, radius in zip(betas, centres, radii, strict=True):
        shown = BLURRED(ROTATION(unit, beta + gamma))[0].flatten(1).T
        originals = extreme_originals(inverse.received, inverse, gamma, shown, 6)
        distances = (BLURRED(ROTATION(originals, beta + gamma)[0]) - centre).flatten(1).norm(dim=1)
        assert (distances <= radius).all() and distances.max() > 0.01
        if method == "regularised":
            assert radius < 4 * distances.max()


def test_weights_make_the_bound_of_a_texture_smaller(textured, monkeypatch):
    _, _, inverse = textured
    betas = torch.tensor([[21.0], [-33.0], [4.0]], dtype=torch.float64)
    _, tuned = received_balls(inverse, BLURRED, betas, method="regularised", with_received=False)
    monkeypatch.setattr(estimator, "STEPS", 0)
    _, first = received_balls(replace(inverse), BLURRED, betas, method="regularised", with_received=False)
    assert (tuned < 0.8 * first).all()


def test_the_same_clusters_and_estimates_serve_all_betas(textured):
    _, _, inverse = textured
    assert find_clusters(inverse) is find_clusters(inverse)
    [cluster] = find_clusters(inverse)
    assert estimator.estimator_of(cluster, inverse.received, BLURRED) is estimator.estimator_of(
        cluster, inverse.received, BLURRED
    )


def test_weights_of_an_impossible_estimate_are_the_first_ones():
    """Where nothing can be solved with them, and where there is nothing to learn."""
    warp, shown = torch.zeros(3, 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[None]
    side, bad = torch.ones(3, dtype=torch.float64), torch.full((3,), torch.nan, dtype=torch.float64)
    assert tuned_weights(warp, shown, side, side, (bad, bad), 3) == (bad, bad)
    found = tuned_weights(warp, shown, side, side, (side, side), 3)
    assert all(torch.isfinite(each).all() and (each > 0).all() for each in found)
