"""Transformations of one parameter as paths of pixels: remainders, slices, and defences that rest on them, by the oracle."""

import dataclasses
import itertools
import math
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spt.attacks import Grid
from spt.certificates import CellsCertificate
from spt.classifiers import Classifier
from spt.datasets import load_dataset
from spt.defences import DistSPT, DistSPTCells, IndivSPT, OneErrorSPT
from spt.error_bounds import arcs, interval_bound, sample_bound
from spt.error_bounds import slice_balls as slices
from spt.error_bounds.arcs import remainder
from spt.error_bounds.known_rounding import known_levels
from spt.error_bounds.paths import PATHS, PixelPath
from spt.error_bounds.slice_balls import slice_balls
from spt.images import to_8_bit
from spt.preprocessing import Preprocessing
from spt.recomputation import read_certificate, recompute
from spt.threat_model import AttackedImage, ReceivedImage
from spt.transforms import TRANSFORMS, Scaling, Shear
from spt.verification import verify
from tests.bound_cases import IMAGES, PREPROCESSINGS, RANGES, SHAPES, Seen, flat_image, gamma_box, gammas_to_try, tensor
from tests.oracles import warp_many
from tests.test_cell_balls import attack, photograph, some_cells

NEW = ("scaling", "shear")
SEEDS = st.integers(0, 1 << 30)
LARGER = ((16, 16), (20, 17), (32, 32))
BLURRED = Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=1.0)


# ------------------------------------------------------------------------------------------------------------ remainders


def some_split(path: PixelPath, height: int, width: int, random: np.random.Generator) -> tuple[float, float]:
    """As wide as allowed or less, often at 0 or at a kink, and never with a node inside."""
    unit = 60.0 if path.transform.name == "rotation" else 20.0
    low = random.choice((0.0, unit * random.normal(), 10 * unit * random.normal()))
    widest = min(path.widest(height, width), 30.0)
    kinks = path.kinks(low - widest, low + widest, height, width)
    low = float(random.choice((low, *kinks[:3])))
    high = low + widest * random.choice((1.0, random.random(), 1e-6))
    return low, min([high, *path.nodes(low, high)])


def assert_remainders(name: str, image: np.ndarray, split: tuple[float, float], random: np.random.Generator) -> float:
    """The deviation from the chord, by the oracle, is within both forms of the remainder; the largest share of it that occurs."""
    path, (low, high), shape = PATHS[name], split, image.shape[1:]
    ends = torch.tensor([[low], [high]], dtype=torch.float64)
    maps = arcs.differences(tensor(image)[None])
    places = np.concatenate((random.random(30), [0.0, 0.5, 1.0]))
    shown = warp_many(image[None], name, (low + places * (high - low))[:, None])
    first, last = (warp_many(image[None], name, np.array([[end]])) for end in split)
    off = np.abs(shown - first - places[:, None, None, None] * (last - first))
    share = 0.0
    for anywhere in (False, True):
        weights = arcs.arc_weights(*ends, *shape, path=path, anywhere=anywhere)
        rest = arcs.remainder(maps, None, *weights, shape).numpy()
        factor = 4 * places * (1 - places) if anywhere else np.ones_like(places)
        bound = factor[:, None, None, None] * rest + arcs.PER_PIXEL
        assert (off <= bound).all(), (float((off - bound).max()), split)
        share = max(share, float((off / bound).max()))
    return share


WARPS = [name for name, transform in TRANSFORMS.items() if transform.linear]


@pytest.mark.parametrize("name", PATHS)
@given(data=st.data())
def test_the_remainder_covers_the_deviation_from_the_chord(name, data):
    random = np.random.default_rng(data.draw(SEEDS))
    kind, shape = data.draw(st.sampled_from(IMAGES)), data.draw(st.sampled_from((*SHAPES, *LARGER)))
    image = flat_image(kind, data.draw(st.sampled_from([1, 3])), shape, random)
    for _ in range(4):
        assert_remainders(name, image, some_split(PATHS[name], *shape, random), random)


@pytest.mark.slow
@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("kind", IMAGES)
def test_the_remainder_covers_the_deviation_on_every_kind_of_image(name, kind):
    random = np.random.default_rng(0)
    for shape in (*SHAPES, *LARGER):
        for _ in range(60):
            assert_remainders(name, flat_image(kind, 1, shape, random), some_split(PATHS[name], *shape, random), random)


def many_remainders(name: str) -> float:
    share = 0.0
    for seed in range(40):
        random = np.random.default_rng(seed)
        image = flat_image(("any pixel", "noise", "checkerboard", "ramp")[seed % 4], 1, (9, 10), random)
        path = PATHS[name]
        for low in 30 * random.random(3) + 2:
            share = max(share, assert_remainders(name, image, (low, low + path.widest(9, 10)), random))
    return share


@pytest.mark.parametrize(
    ("name", "removed"), [("scaling", [0]), ("scaling", [1, 2]), ("scaling", [3]), ("scaling", [4]), ("shear", [3])]
)
def test_every_term_of_the_remainder_is_needed(monkeypatch, name, removed):
    original = arcs.arc_weights

    def mutilated(*arguments, **options):
        index, factors = original(*arguments, **options)
        factors[..., removed] = 0.0
        return index, factors

    assert many_remainders(name) > 0.9  # and none is much larger than need be
    monkeypatch.setattr(arcs, "arc_weights", mutilated)
    with pytest.raises(AssertionError):
        many_remainders(name)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 4), (28, 28), (33, 20)])
def test_what_a_path_says_of_speeds_and_widths(name, shape):
    """Against differences of sources: where the image is, hulls, speeds, travel and the widest split are right."""
    path, random = PATHS[name], np.random.default_rng(2)
    widest = min(path.widest(*shape), 30.0)
    for low in (0.0, -40.0, 25.0 * float(random.normal())):
        high = min([low + widest, *path.nodes(low, low + widest)])
        ends = [path.sources(*shape, torch.tensor([end], dtype=torch.float64)) for end in (low, high)]
        places = torch.linspace(low, high, 200, dtype=torch.float64)
        moved = path.sources(*shape, places)
        near = torch.ones_like(moved[0], dtype=torch.bool)
        for axis, size in zip(moved, shape[::-1], strict=True):
            near &= axis.abs() <= (size + 1) / 2
        for axis, motion in zip(moved, path.motions(*ends), strict=True):
            speed = axis.diff(dim=0).abs() / (places.diff()[:, None, None] * path.unit)
            assert (axis >= motion.low - 1e-9).all() and (axis <= motion.high + 1e-9).all()
            assert (torch.where(near[1:], speed, 0.0) <= motion.speed + 1e-6).all()
            both = near.any(dim=0)
            assert float(torch.where(both, axis.amax(dim=0) - axis.amin(dim=0), 0.0).max()) <= 1.0 + 1e-9
        middle = path.sources(*shape, torch.tensor([(low + high) / 2], dtype=torch.float64))
        travel = path.travel(*middle, torch.tensor([high - low], dtype=torch.float64))
        along = sum(axis.diff(dim=0).abs() for axis in moved) / (places.diff()[:, None, None] * path.unit)
        assert (torch.where(near[1:], along, 0.0) <= travel + 1e-6).all()
        fastest = path.fastest(*shape) / path.unit
        assert torch.where(near[1:], along, 0.0).max() <= math.sqrt(2) * fastest + 1e-6


def test_between_its_kinks_a_shear_is_affine():
    path, random = PATHS["shear"], np.random.default_rng(3)
    image = random.random((1, 9, 12))
    edges = [-60.0, *path.kinks(-60.0, 60.0, 9, 12), 60.0]
    assert len(edges) == 9 and 0.0 in edges
    for low, high in itertools.pairwise(edges):
        places = np.linspace(low, high, 7)[:, None]
        shown = warp_many(image[None], "shear", places)
        assert np.abs(np.diff(shown, n=2, axis=0)).max() < 1e-12
    assert len(path.kinks(-60.0, 60.0, 224, 224)) == 1  # where they are many, only 0


# ---------------------------------------------------------------------------------------------------------------- slices


def assert_slices(seen: Seen, cells: np.ndarray, attacker: str, random: np.random.Generator) -> None:
    """No image that can be shown lies outside; by the oracle, at dense and special gammas, rounded or not."""
    box = np.stack((cells[..., 0].min(axis=0), cells[..., 1].max(axis=0)), axis=1)
    attacked = attack(seen, box, attacker)
    found = slice_balls(attacked, tensor(cells))
    assert (found.rounding >= 0).all() and (found.rounding <= attacked.rounding).all()
    for cell, centre, radius in zip(cells, found.centres.numpy(), found.radii.tolist(), strict=True):
        gammas = gammas_to_try(seen.name, seen.image.shape[1:], cell, [], 120, random)
        gammas[:2] = cell.T
        shown = seen.warped(seen.image[None], gammas)
        for images in (shown, seen.rounded(np.round(255 * shown) / 255))[: 1 + (attacker == "8-bit")]:
            largest = float(np.linalg.norm(seen.after(images) - centre.reshape(-1), axis=1).max())
            assert largest <= radius, (largest - radius, largest, cell.tolist())


@pytest.mark.parametrize("name", WARPS)
@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
@given(data=st.data())
def test_slices_hold_all_that_is_shown(name, attacker, data):
    random = np.random.default_rng(data.draw(SEEDS))
    kind, shape = data.draw(st.sampled_from(IMAGES)), data.draw(st.sampled_from(SHAPES))
    image = flat_image(kind, data.draw(st.sampled_from([1, 1, 3])), shape, random)
    seen = Seen(image, name, data.draw(st.sampled_from(PREPROCESSINGS)), data.draw(st.sampled_from([False, True])))
    box = gamma_box(data.draw(st.sampled_from(RANGES)), name, random)
    assert_slices(seen, some_cells(name, box, 3, random), attacker, random)


@pytest.mark.slow
@pytest.mark.parametrize("name", WARPS)
@pytest.mark.parametrize("kind", IMAGES)
def test_slices_on_every_kind_of_image(name, kind):
    for seed, shape in enumerate((*SHAPES, *LARGER)):
        random = np.random.default_rng(seed)
        for preprocessing, range_kind in zip(PREPROCESSINGS, RANGES, strict=True):
            seen = Seen(flat_image(kind, 1 + 2 * (seed % 2), shape, random), name, preprocessing, seed % 3 == 2)
            cells = some_cells(name, gamma_box(range_kind, name, random), 4, random)
            assert_slices(seen, cells, ("exact", "8-bit")[seed % 2], random)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("what", ["rest", "levels"])
def test_without_its_rest_or_with_wrong_levels_a_slice_is_too_small(monkeypatch, name, what):
    def many() -> None:
        for seed in range(6):
            random = np.random.default_rng(seed)
            seen = Seen(
                flat_image(("noise", "any pixel", "checkerboard")[seed % 3], 1, (9, 9), random), name, PREPROCESSINGS[0]
            )
            low = 40 * random.random((4, 1, 1))
            cells = np.concatenate((low, low + (12.0 if what == "rest" else 0.05)), axis=2)
            assert_slices(seen, cells, "exact" if what == "rest" else "8-bit", random)

    many()
    if what == "rest":
        if name == "shear":
            monkeypatch.setattr(PATHS[name], "kinks", lambda *_: [])
        monkeypatch.setattr(arcs, "remainder", lambda *arguments: 0 * remainder(*arguments))
    else:

        def rounded_down(*arguments):
            known, level = known_levels(*arguments)
            return known, level - known * 0.4 / 255

        monkeypatch.setattr(slices, "known_levels", rounded_down)
    with pytest.raises(AssertionError):
        many()


@pytest.mark.parametrize("name", PATHS)
def test_slices_are_not_much_larger_than_what_occurs(name):
    transform = TRANSFORMS[name]
    for image, limit in ((photograph(), 1.2), (load_dataset("digits").image(3), 1.2)):
        attacked = AttackedImage(image, transform, BLURRED, (-40, 40))
        cells = torch.tensor([[[-1.0, 1.0]], [[7.0, 8.0]], [[20.0, 25.0]]], dtype=torch.float64)
        found, rounded = (
            slice_balls(attacked, cells),
            slice_balls(dataclasses.replace(attacked, attacker="8-bit"), cells),
        )
        for number, cell in enumerate(cells):
            images = transform(image.double(), torch.linspace(*cell[0].tolist(), 101, dtype=torch.float64))
            off = (BLURRED(images) - found.centres[number]).flatten(1).norm(dim=1).max()
            assert off <= found.radii[number] <= limit * off
        worst = AttackedImage(image, transform, BLURRED, (-40, 40), attacker="8-bit").rounding
        assert (rounded.radii <= (found.radii + worst) * 1.001).all()
        assert rounded.rounding[1] < 0.9 * worst
        assert slice_balls(attacked, torch.tensor([[[3.0, 3.0]]], dtype=torch.float64)).radii < 1e-4


# -------------------------------------------------------------------------------------------------- the transformations


@pytest.mark.parametrize("name", PATHS)
def test_parameters_add_in_the_plane(name):
    transform, points = TRANSFORMS[name], torch.tensor([[0.3, -1.2, 7.0], [2.0, 5.5, -3.0]], dtype=torch.float64)
    first, second = (torch.tensor([value], dtype=torch.float64) for value in (17.0, -42.5))
    twice = transform.source(*transform.source(*points, (first,)), (second,))
    once = transform.source(*points, (first + second,))
    assert all(torch.allclose(a, b, rtol=0, atol=1e-13) for a, b in zip(twice, once, strict=True))


def test_scaling_by_hand():
    image = torch.zeros(1, 5, 5)
    image[0, 2, 2], image[0, 2, 3] = 1.0, 0.5
    larger = Scaling()(image, 100 * math.log(2))[0, 0]
    assert larger[2].tolist() == pytest.approx([0.0, 0.5, 1.0, 0.75, 0.5]) and larger[:, 2].tolist() == pytest.approx(
        [0.0, 0.5, 1.0, 0.5, 0.0]
    )
    smaller = Scaling()(image, -100 * math.log(2))[0, 0]
    assert smaller[2].tolist() == pytest.approx([0.0, 0.0, 1.0, 0.0, 0.0])
    assert Scaling().describe([100 * math.log(2)]) == "scale 69.31 log % (×2)"


def test_a_limit_in_percent_contains_both_ends():
    """What others call ±p %."""
    assert Scaling.limit_for(30) == pytest.approx(35.6674943938733) and Scaling.limit_for(0) == 0
    for percent in np.linspace(0.1, 99.9, 200):
        limit, share = Decimal(Scaling.limit_for(float(percent))), Decimal(float(percent)) / 100
        assert -limit <= 100 * (1 - share).ln() and 100 * (1 + share).ln() <= limit <= -100 * (1 - share).ln() * (
            1 + Decimal("3e-15")
        )
    for percent in (-1.0, 100.0, math.nan):
        with pytest.raises(ValueError, match="A factor is changed by 0 to less than 100 %"):
            Scaling.limit_for(percent)


def test_shear_by_hand():
    image = torch.zeros(1, 3, 3)
    image[0, :, 1] = 1.0
    assert Shear()(image, 100.0)[0, 0].tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]  # leans to the right
    assert Shear()(image, -50.0)[0, 0].tolist() == [[0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5]]


# --------------------------------------------------------------------------------------------------------- certificates

LEFT = torch.tensor([[[0.4, 0.0, 0.0], [0.4, 1.0, 0.0], [0.4, 0.0, 0.0]]])
"""Its left column (1.2) is brighter than its middle (1); made smaller by 10.0 log % or larger by 10.5 it is not."""
ENDS = torch.tensor([[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
"""Its middle column is the brightest; sheared by 66.7 % it is not."""


@pytest.mark.parametrize(("name", "sigma"), [("scaling", 0.0), ("scaling", 2.0), ("shear", 0.0), ("shear", 20.0)])
def test_the_radius_ends_before_the_answer_changes(columns, name, sigma):
    transform = TRANSFORMS[name]
    image, truth, limit, width = {"scaling": (LEFT, 9.96, 12.0, 1.0), "shear": (ENDS, 200 / 3, 78.0, 6.0)}[name]
    defence = DistSPTCells(columns, transform, sigma, 0.03, limit, cell_width=width, cell_floor=width / 2)
    found = defence.certify(image, n_cell=40)
    assert found.verify() and read_certificate(found.to_json()) == found and recompute(found, columns, image).agrees
    assert 0.4 * truth < found.radius < truth
    grid = torch.linspace(-1, 1, 41, dtype=torch.float64) * found.radius * (1 - 1e-9)
    attacked = torch.stack([to_8_bit(moved) for moved in transform(image, grid)])
    if sigma == 0:  # g is h, and the brighter column is h's answer
        assert (columns.logits(attacked).argmax(dim=1) == found.label).all()
        beyond = transform(image, [[-1.05 * truth], [1.1 * truth]])
        assert (columns.logits(beyond).argmax(dim=1) != found.label).any()
    else:
        for number in (0, 40):
            answer = defence.predict(attacked[number], seed=number, alpha=1e-4).label
            assert answer in (None, found.label)


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("sigma", [0.0, 10.0])
def test_attacks_within_the_certified_range_of_a_digit_find_nothing(mnist_rotation, name, sigma):
    """At the worst of many attacks on f: h keeps its answer there (without beta), or g does."""
    transform, limit = TRANSFORMS[name], 8.0
    digit = load_dataset("digits").image(3)
    defence = DistSPTCells(mnist_rotation, transform, sigma, 0.3, limit, cell_width=4.0)
    found: CellsCertificate = defence.certify(digit)
    assert found.label == 3 and found.radius >= 4 and found.verify()
    unit = transform.unit
    assert f"{transform.name} within ±8 {unit}" in found.explain() or f"less than {found.radius:g}" in found.explain()
    worst = Grid(transform, min(limit, found.radius * 0.999), steps=81)(mnist_rotation, digit, 3)
    for point in worst.points:
        attacked = to_8_bit(transform(digit, point[None])[0])
        if sigma > 0:
            assert defence.predict(attacked, alpha=1e-4).label == 3
            continue
        noise = 0.3 * torch.randn(300, *digit.shape, generator=torch.Generator().manual_seed(0))
        votes = mnist_rotation.network_logits(mnist_rotation.preprocessing(attacked.double())[None] + noise).argmax(
            dim=1
        )
        assert int((votes == 3).sum()) > 150


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", NEW)
def test_what_is_not_bounded_is_refused_and_what_is_is_named(columns: Classifier, name):
    transform, image = TRANSFORMS[name], torch.rand(1, 3, 3)
    attacked = AttackedImage(image, transform, Preprocessing(), (-1, 1))
    refused = [
        lambda: DistSPT(columns, transform, 1.0, 0.1, 1.0),
        lambda: OneErrorSPT(columns, transform, 1.0, 0.1, 1.0),
        lambda: IndivSPT(columns, transform, 1.0, 0.1, 1.0),
        lambda: ReceivedImage(image, transform, (-1, 1)),
        lambda: sample_bound(attacked, [0.0]),
        lambda: interval_bound(attacked, [0.0]),
        lambda: verify(columns, attacked, 0),
    ]
    for call in refused:
        with pytest.raises(
            ValueError, match=rf"^There is no .* for {name}, only for rotation and translation: .*cells"
        ) as found:
            call()
        assert str(found.value).count(". ") == 0 and str(found.value).endswith(".")
