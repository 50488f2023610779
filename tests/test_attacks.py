"""Attacks: the reported parameters really are the worst of the candidates, by recomputing every loss."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from spt.attacks import Attack, AttackResult, Grid, WorstOfK
from spt.classifiers import Classifier
from spt.preprocessing import Preprocessing
from spt.transforms import TRANSFORMS, Rotation, Translation


@pytest.fixture
def classifier() -> Classifier:
    """Random, smooth, with preprocessing, and without regularity that a shortcut could exploit."""
    torch.manual_seed(3)
    module = nn.Sequential(nn.Flatten(), nn.Linear(81, 16), nn.Tanh(), nn.Linear(16, 4))
    module[1].weight.data *= 8
    module[3].weight.data *= 8
    preprocessing = Preprocessing(vignette="circle", vignette_margin=0.5, blur_size=3, blur_scale=1.0)
    return Classifier("random", module, ("a", "b", "c", "d"), (1, 9, 9), preprocessing)


@pytest.fixture
def image() -> torch.Tensor:
    pixels = torch.randint(256, (1, 9, 9), generator=torch.Generator().manual_seed(0))
    return pixels.float() / 255


def recomputed(attack: Attack, classifier: Classifier, image: torch.Tensor, label: int, seed: int) -> list[tuple]:
    """(loss, point, prediction) of every candidate, one at a time, worst first."""
    rows = []
    for point in attack.candidates(torch.Generator().manual_seed(seed)):
        attacked = attack.transform(image.double(), point[None])[0].numpy()
        if attack.eight_bit:
            attacked = np.round(attacked * 255) / 255
        with torch.inference_mode():
            preprocessed = classifier.preprocessing(torch.from_numpy(attacked).float())
            preprocessed = torch.round(preprocessed * 1024) / 1024
            logits = classifier.module(preprocessed[None])[0].double().numpy()
        loss = math.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[label]
        rows.append((loss, point.tolist(), int(logits.argmax())))
    return sorted(rows, key=lambda row: -row[0])


ATTACKS = [
    WorstOfK(Rotation(), 60.0, k=300),
    WorstOfK(Rotation(), 60.0, k=300, keep=1, eight_bit=False),
    WorstOfK(Translation(), 3.0, k=100, keep=7),
    WorstOfK(Rotation(), 60.0, k=50, resolution=0.5),
    Grid(Rotation(), 45.0, steps=31),
    Grid(Translation(), 2.0, steps=17, keep=5, eight_bit=False),
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(("label", "seed"), [(0, 0), (2, 1)])
def test_worst_of_all_candidates(attack, label, seed, classifier, image):
    result = attack(classifier, image, label, seed)
    expected = recomputed(attack, classifier, image, label, seed)
    assert result.tried == len(expected) and result.label == label
    assert len(result.points) == len(result.losses) == len(result.predictions) == attack.keep
    assert result.losses.tolist() == pytest.approx([row[0] for row in expected[: attack.keep]], abs=1e-3)
    by_point = {tuple(point): (loss, prediction) for loss, point, prediction in expected}
    for point, loss, prediction in zip(result.points.tolist(), result.losses, result.predictions, strict=True):
        assert by_point[tuple(point)][0] == pytest.approx(float(loss), abs=1e-3)
        assert by_point[tuple(point)][1] == int(prediction)
    assert result.losses.tolist() == sorted(result.losses.tolist(), reverse=True)
    assert result.fooled == (expected[0][2] != label)
    assert expected[0][0] - expected[-1][0] > 0.3  # the choice matters


def test_parameters_win_again(classifier, image):
    """What the result names can be applied by a person: the same image, the same loss."""
    attack = WorstOfK(Rotation(), 60.0, k=200)
    result = attack(classifier, image, 1)
    attacked = attack.apply(image, result.points)
    with torch.inference_mode():
        logits = classifier.logits(attacked)
    loss = nn.functional.cross_entropy(logits, torch.full((3,), 1), reduction="none")
    assert torch.allclose(loss, result.losses, rtol=0, atol=1e-5)
    assert torch.equal(logits.argmax(1), result.predictions)


def test_fooled():
    result = AttackResult(torch.zeros(2, 1), torch.tensor([2.0, 1.0]), torch.tensor([3, 1]), label=1, tried=9)
    assert result.fooled and not dataclasses.replace(result, label=3).fooled


def test_worst_points_that_are_apart():
    """The worst is among them, each is worse than those after it, and no two are neighbours; fewer where there are no more."""
    points = torch.tensor([[10.0], [10.0], [10.5], [-3.0], [9.0], [20.0]], dtype=torch.float64)
    losses = torch.tensor([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    found = AttackResult(points, losses, torch.tensor([1, 1, 1, 0, 2, 2]), 0, 100)
    for distance, count, kept in ((1.0, 3, [0, 3, 4]), (5.0, 3, [0, 3, 5]), (0.0, 2, [0, 1]), (40.0, 3, [0])):
        apart = found.apart(distance, count)
        assert apart.points.tolist() == points[kept].tolist() and apart.losses.tolist() == losses[kept].tolist()
        assert apart.predictions.tolist() == found.predictions[kept].tolist()
        assert (apart.label, apart.tried, apart.fooled) == (0, 100, True)


def test_chunks_do_not_matter(classifier, image, monkeypatch):
    attack = WorstOfK(Rotation(), 60.0, k=100)
    whole = attack(classifier, image, 1)
    monkeypatch.setattr(Classifier, "chunk", property(lambda self: 7))
    parts = attack(classifier, image, 1)
    assert torch.equal(whole.points, parts.points) and parts.tried == 100
    assert torch.allclose(whole.losses, parts.losses, rtol=0, atol=1e-5)


class TestCandidates:
    @pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
    @pytest.mark.parametrize("steps", [2, 3, 41])
    def test_grid_contains_its_ends(self, transform, steps):
        points = Grid(transform, 3.0, keep=1, steps=steps).candidates(torch.Generator())
        assert points.shape == (steps**transform.dimensions, transform.dimensions) and points.dtype == torch.float64
        assert [-3.0] * transform.dimensions in points.tolist() and [3.0] * transform.dimensions in points.tolist()
        assert len(set(map(tuple, points.tolist()))) == len(points)
        assert points.abs().max() == 3.0
        if steps % 2:
            assert [0.0] * transform.dimensions in points.tolist()

    @pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
    def test_worst_of_k_fills_the_box(self, transform):
        points = WorstOfK(transform, 5.0, k=4000).candidates(torch.Generator().manual_seed(0))
        assert points.shape == (4000, transform.dimensions) and points.dtype == torch.float64
        assert points.abs().max() <= 5.0
        for axis in points.T:
            assert axis.min() < -4.9 and axis.max() > 4.9 and abs(axis.mean()) < 0.25
            assert axis.std() == pytest.approx(10 / math.sqrt(12), rel=0.05)

    def test_resolution(self):
        points = WorstOfK(Rotation(), 3.0, k=500, resolution=0.5).candidates(torch.Generator().manual_seed(0))
        assert sorted(set(points[:, 0].tolist())) == [x / 2 for x in range(-6, 7)]
        odd = WorstOfK(Rotation(), 3.2, k=500, resolution=0.5).candidates(torch.Generator().manual_seed(0))
        assert odd.abs().max() <= 3.2

    def test_seed(self, classifier, image):
        attack = WorstOfK(Rotation(), 60.0, k=50)
        first, again, other = (attack(classifier, image, 0, seed) for seed in (1, 1, 2))
        assert torch.equal(first.points, again.points) and torch.equal(first.losses, again.losses)
        assert not torch.equal(first.points, other.points)

    def test_global_randomness_is_not_touched(self, classifier, image):
        torch.manual_seed(0)
        state = torch.get_rng_state()
        WorstOfK(Rotation(), 60.0)(classifier, image, 0)
        assert torch.equal(torch.get_rng_state(), state)


class TestEightBit:
    def test_values_are_k_over_255(self, image):
        attacked = WorstOfK(Rotation(), 60.0).apply(image, torch.tensor([[17.0], [33.3]]))
        steps = torch.arange(256).float() / 255
        assert torch.isin(attacked, steps).all()

    def test_rounds_to_the_nearest(self, image):
        points = torch.tensor([[17.0], [33.3]])
        rounded = WorstOfK(Rotation(), 60.0).apply(image, points)
        exact = WorstOfK(Rotation(), 60.0, eight_bit=False).apply(image, points)
        assert torch.equal(exact, Rotation()(image, points))
        assert 0.4 / 255 < (rounded - exact).abs().max() <= 0.5 / 255 + 1e-6

    def test_identity_keeps_an_8_bit_image(self, image):
        assert torch.equal(WorstOfK(Rotation(), 60.0).apply(image, torch.zeros(1, 1))[0], image)


class TestErrors:
    @pytest.mark.parametrize("limit", [0.0, -3.0, float("nan"), float("inf")])
    def test_limit(self, limit):
        for kind in (WorstOfK, Grid):
            with pytest.raises(ValueError, match=rf"{limit}.*positive"):
                kind(Rotation(), limit)

    def test_keep(self):
        for kind in (WorstOfK, Grid):
            with pytest.raises(ValueError, match=r"keep.*0"):
                kind(Rotation(), 5.0, keep=0)

    def test_k(self):
        with pytest.raises(ValueError, match=r"k must.*3.*2"):
            WorstOfK(Rotation(), 5.0, k=2)

    def test_steps(self):
        with pytest.raises(ValueError, match="1"):
            Grid(Rotation(), 5.0, steps=1)
        with pytest.raises(ValueError, match=r"5 points.*4"):
            Grid(Rotation(), 5.0, keep=5, steps=4)
        assert Grid(Translation(), 5.0, keep=5, steps=3).steps == 3

    @pytest.mark.parametrize("label", [-1, 4])
    def test_label(self, classifier, image, label):
        with pytest.raises(ValueError, match=rf"{label}.*4 classes"):
            WorstOfK(Rotation(), 5.0)(classifier, image, label)

    def test_image(self, classifier):
        with pytest.raises(ValueError, match=r"\(1, 9, 9\).*\(1, 8, 9\)"):
            Grid(Rotation(), 5.0)(classifier, torch.zeros(1, 8, 9), 0)


def test_is_a_plain_value():
    assert WorstOfK(Rotation(), 5.0, k=7).limit == 5.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        WorstOfK(Rotation(), 5.0).limit = 6.0


def test_plain_network_is_fooled(mnist_rotation):
    """The start of the story: a turn of at most 90 degrees fools f, even the one trained with turned digits."""
    from spt.datasets import load_dataset

    digits = load_dataset("digits", shape=(1, 28, 28))
    results = [Grid(Rotation(), 90.0, steps=61)(mnist_rotation, *map_digit(digits, index)) for index in range(0, 40, 4)]
    assert any(result.fooled for result in results)
    assert all(abs(float(result.points[0])) > 20 for result in results if result.fooled)


def map_digit(digits, index: int) -> tuple[torch.Tensor, int]:
    return digits.image(index), digits.label(index)
