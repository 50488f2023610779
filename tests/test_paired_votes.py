"""Two networks on the same votes: the same draws for both, exact tables, an interval that holds, and what is refused."""

import math

import pytest
import torch
from statsmodels.stats.contingency_tables import mcnemar
from torch import nn

from spt import SmoothedClassifier, get_transform, load_classifier, load_dataset
from spt.classifiers import Classifier
from spt.paired_votes import PairedShares, PairedVotes, paired_votes


def last(*given) -> PairedVotes:
    *_, found = paired_votes(*given)
    return found


@pytest.fixture(scope="module")
def two() -> tuple[SmoothedClassifier, SmoothedClassifier, torch.Tensor]:
    rotation = get_transform("rotation")
    first, second = (
        SmoothedClassifier(load_classifier(f"mnist-{name}"), rotation, 30.0, 0.3) for name in ("rotation", "plain")
    )
    return first, second, load_dataset("digits", shape=(1, 28, 28)).image(7)


def test_a_network_agrees_with_itself_on_every_vote(two):
    first, _, image = two
    found = last(first, first, image, 300)
    assert found.n == 300 and found.agreeing == 300
    assert int(found.table.sum()) == 300 and not (found.table - found.table.diagonal().diag()).any()
    shares = found.of_class(7)
    assert shares.only_first == shares.only_second == 0 and shares.difference == 0 and shares.p_value == 1
    low, high = shares.interval(0.01)
    assert low < 0 < high and high == pytest.approx(-low)


class Mirrored(nn.Module):
    """Logit c is the sum of column 2 - c."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.sum(dim=(1, 2)).flip(1)


def test_a_pair_whose_answers_are_known_gives_the_exact_table(columns: Classifier, bright_pixel: torch.Tensor):
    """Where the pixel lands says both answers: "left" and "right" are exchanged, "middle" is not."""
    mirrored = Classifier("mirrored", Mirrored(), columns.class_names, (1, 3, 3))
    shift = get_transform("translation")
    found = last(*(SmoothedClassifier(each, shift, 0.45) for each in (columns, mirrored)), bright_pixel, 500, 3)
    dx = found.points[:, 0]
    assert float(found.points.abs().max()) < 2
    left, right = int((dx <= -0.5).sum()), int((dx > 0.5).sum())
    middle = 500 - left - right
    assert left > 20 and right > 20 and left != right
    assert found.table.tolist() == [[0, 0, left], [0, middle, 0], [right, 0, 0]] and found.agreeing == middle
    shares = found.of_class(0)
    assert (shares.both, shares.only_first, shares.only_second, shares.neither) == (0, left, right, middle)
    assert shares.shares == (left / 500, right / 500) and shares.difference == (right - left) / 500


def test_both_are_shown_the_same_noise(threshold_classifier):
    """A vote is "bright" where the pixel with its noise is above the threshold: never above the higher one alone."""
    rotation, n, sigma = get_transform("rotation"), 400, 0.3
    first, second = (SmoothedClassifier(threshold_classifier(at), rotation, 5.0, sigma) for at in (0.4, 0.7))
    shares = last(first, second, torch.full((1, 1, 1), 0.5), n, 3).of_class(1)
    between = 0.5 * (math.erf(0.2 / sigma / math.sqrt(2)) - math.erf(-0.1 / sigma / math.sqrt(2)))
    assert shares.only_second == 0, "of independent votes 9 % would be"
    low, high = shares.interval(0.01)
    assert low < -between < high < 0


def test_what_is_drawn_depends_on_the_seed_and_on_n_alone(two):
    first, second, image = two
    found = last(first, second, image, 120, 5)
    assert torch.equal(last(first, second, image, 120, 5).classes, found.classes)
    assert torch.equal(last(second, first, image, 120, 5).classes, found.classes.flip(1))
    assert not torch.equal(last(first, second, image, 121, 5).points[:120], found.points)
    assert not torch.equal(last(first, second, image, 120, 6).points, found.points)


def test_it_is_a_stream_of_blocks(two):
    first, second, image = two
    parts = list(paired_votes(first, second, image, 600))
    assert [part.n for part in parts] == [250, 500, 600]
    assert torch.equal(parts[0].classes, parts[-1].classes[:250])


def test_how_many_are_worked_on_together_changes_nothing(two, monkeypatch):
    """As on a GPU, where many are: their noise is the same."""
    first, second, image = two
    alone = last(first, second, image, 260, 2).classes
    monkeypatch.setattr(Classifier, "chunk", 1000)
    [whole] = paired_votes(first, second, image, 260, 2)
    assert torch.equal(whole.classes, alone)


def test_the_test_is_mcnemar_s():
    for counts in ((5, 12, 3, 80), (50, 0, 0, 50), (0, 9, 1, 0), (1, 200, 230, 4)):
        shares = PairedShares(*counts)
        table = [[shares.both, shares.only_first], [shares.only_second, shares.neither]]
        assert shares.p_value == pytest.approx(min(1.0, mcnemar(table, exact=True).pvalue))
        low, high = shares.interval(0.05)
        assert low <= shares.difference <= high and shares.difference == pytest.approx(
            shares.shares[1] - shares.shares[0]
        )


def test_the_interval_holds_as_often_as_it_says():
    """Of 1,000 draws of 60 votes, with Pr(only first) = 0.3 and Pr(only second) = 0.1, at most 5 % and chance are outside."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(torch.tensor([0.3, 0.3, 0.1, 0.3]), 60_000, True, generator=generator).reshape(1000, 60)
    missed = 0
    for votes in drawn:
        low, high = PairedShares(*votes.bincount(minlength=4).tolist()).interval(0.05)
        missed += not low <= -0.2 <= high
    assert missed <= 50


def test_what_cannot_be_shown_the_same_is_refused(two, columns: Classifier):
    first, _, image = two
    other = SmoothedClassifier(first.classifier, first.transform, 20.0, 0.3)
    with pytest.raises(ValueError, match=r"rotation, 30 and 0.3 and rotation, 20 and 0.3"):
        last(first, other, image, 10)
    with pytest.raises(ValueError, match="do not have the same classes"):
        last(first, SmoothedClassifier(columns, first.transform, 30.0, 0.3), image, 10)
    small = Classifier("small", columns.module, first.classifier.class_names[:3], (1, 3, 3))
    large = Classifier("large", columns.module, first.classifier.class_names[:3], (1, 9, 3))
    with pytest.raises(
        ValueError, match=r"'small' takes images of shape \(1, 3, 3\), but 'large' of shape \(1, 9, 3\)"
    ):
        last(
            *(SmoothedClassifier(each, first.transform, 30.0, 0.3) for each in (small, large)), torch.zeros(1, 3, 3), 10
        )
