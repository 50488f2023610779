"""Votes, PREDICT and CERTIFY on classifiers whose vote probabilities are known exactly; what certificates record."""

import dataclasses
import itertools
import json
import math
import re

import numpy as np
import pytest
import torch
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from torch import nn

from spt import statistics
from spt.certificates import HEURISTIC_NOTE, Certificate, Prediction, VoteEvidence, quantity
from spt.classifiers import Classifier
from spt.images import image_digest
from spt.preprocessing import Preprocessing
from spt.smoothing import SmoothedClassifier, Votes, generators
from spt.transforms import Rotation, Translation
from tests import oracles

SIGMA = 0.5


@pytest.fixture
def g(columns) -> SmoothedClassifier:
    """Translation of `bright_pixel`: "middle" with probability Pr(|dx| < 1/2) = 0.683, up to Pr(|dy| >= 2) = 6e-5."""
    return SmoothedClassifier(columns, Translation(), SIGMA)


@pytest.fixture
def noisy(columns) -> SmoothedClassifier:
    return SmoothedClassifier(columns, Translation(), SIGMA, pixel_sigma=0.2)


@pytest.fixture
def coin(threshold_classifier):
    """coin(p): a smoothed classifier and an image whose votes are "bright" with probability p, else "dark"."""

    def make(p: float) -> tuple[SmoothedClassifier, torch.Tensor]:
        sigma = min(0.25, 0.5 / max(1.0, abs(stats.norm.ppf(p))))  # so that the image is one
        smoothed = SmoothedClassifier(threshold_classifier(0.5), Rotation(), 10.0, pixel_sigma=sigma)
        return smoothed, torch.full((1, 1, 1), 0.5 + sigma * stats.norm.ppf(p), dtype=torch.float32)

    return make


@pytest.fixture
def runs(request) -> int:
    """How often a statistical procedure is repeated."""
    return 4000 if request.config.getoption("--slow") else 400


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def votes_of(counts: tuple[int, ...]) -> Votes:
    """Votes with these counts, as if they had been drawn."""
    classes = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return Votes(counts, torch.zeros(len(classes), 2, dtype=torch.float64), classes)


def assert_share(hits: int, runs: int, expected: float) -> None:
    """The observed share fits the exact probability; a false alarm has probability 1e-6 (and seeds are fixed)."""
    assert stats.binomtest(hits, runs, expected).pvalue > 1e-6, f"{hits} of {runs}, but expected {expected:.4f}"


class TestVotes:
    def test_each_vote_is_the_class_at_its_point(self, g, bright_pixel):
        """By the definition of the classifier, and by the slow reference code."""
        votes = g.count(bright_pixel, 700, generator())
        assert votes.n == 700 and votes.points.shape == (700, 2)
        dx, dy = votes.points.T
        expected = torch.where(dx <= -0.5, 0, torch.where(dx > 0.5, 2, 1))
        expected[dy.abs() >= 2] = 0
        assert torch.equal(votes.classes, expected)
        for point, vote in zip(votes.points[:60].tolist(), votes.classes[:60].tolist(), strict=True):
            assert oracles.translate(bright_pixel[0].numpy(), *point).sum(axis=0).argmax() == vote

    @pytest.mark.parametrize("batch_size", [1, 7, 250, 600, 5000])
    @pytest.mark.parametrize("pixel_sigma", [0.0, 0.2])
    def test_batch_size_does_not_matter(self, columns, bright_pixel, batch_size, pixel_sigma):
        smoothed = SmoothedClassifier(columns, Translation(), SIGMA, pixel_sigma)
        reference = smoothed.count(bright_pixel, 600, generator())
        used = generator()
        *_, last = smoothed.votes(bright_pixel, 600, used, batch_size)
        assert last.counts == reference.counts
        assert torch.equal(last.classes, reference.classes) and torch.equal(last.points, reference.points)
        again = generator()
        smoothed.count(bright_pixel, 600, again)
        assert torch.equal(used.get_state(), again.get_state())  # what is drawn next does not depend on it either

    @pytest.mark.parametrize(("n", "batch_size"), [(1, 1), (5, 2), (250, 250), (600, 100), (600, 250), (600, 251)])
    def test_stream(self, noisy, bright_pixel, n, batch_size):
        stream = list(noisy.votes(bright_pixel, n, generator(), batch_size))
        assert [votes.n for votes in stream] == [*range(batch_size, n, batch_size), n]
        for votes in stream:
            assert sum(votes.counts) == votes.n == len(votes.points)
            assert votes.counts == tuple(votes.classes.bincount(minlength=3).tolist())
            assert torch.equal(votes.classes, stream[-1].classes[: votes.n])
            assert torch.equal(votes.points, stream[-1].points[: votes.n])
        for earlier, later in itertools.pairwise(stream):
            assert all(a <= b for a, b in zip(earlier.counts, later.counts, strict=True))

    def test_earlier_votes_stay_as_they_were(self, noisy, bright_pixel):
        kept = [(votes, votes.classes.clone()) for votes in noisy.votes(bright_pixel, 600, generator(), 50)]
        assert all(torch.equal(votes.classes, then) for votes, then in kept)

    def test_stream_can_be_left(self, noisy, bright_pixel, monkeypatch):
        """Work is done when it is asked for: after the first votes no more than one chunk has been evaluated."""
        calls = []
        logits = Classifier.network_logits
        monkeypatch.setattr(
            Classifier, "network_logits", lambda self, x: (calls.append(len(x)), logits(self, x))[1], raising=True
        )
        first = next(noisy.votes(bright_pixel, 100_000, generator(), 10))
        assert first.n == 10 and len(calls) == 1

    def test_repeated(self, noisy, bright_pixel):
        first, second = (noisy.count(bright_pixel, 600, generator(3)) for _ in range(2))
        assert torch.equal(first.classes, second.classes)
        assert not torch.equal(first.classes, noisy.count(bright_pixel, 600, generator(4)).classes)

    def test_global_randomness_is_not_touched(self, noisy, bright_pixel):
        torch.manual_seed(0)
        state = torch.get_rng_state()
        noisy.count(bright_pixel, 300, generator())
        assert torch.equal(torch.get_rng_state(), state)

    def test_precision_of_the_image_does_not_matter(self, noisy, bright_pixel):
        """Images of one digest have one certificate."""
        image = bright_pixel * 0.7
        assert image_digest(image) == image_digest(image.double())
        assert torch.equal(
            noisy.count(image, 600, generator()).classes, noisy.count(image.double(), 600, generator()).classes
        )

    def test_on_the_bundled_classifier(self, mnist_rotation):
        image = torch.rand(1, 28, 28, generator=generator(1))
        smoothed = SmoothedClassifier(mnist_rotation, Rotation(), 30.0, 0.3)
        reference = smoothed.count(image, 520, generator())
        for batch_size in (7, 250):
            *_, last = smoothed.votes(image, 520, generator(), batch_size)
            assert torch.equal(last.classes, reference.classes)

    @pytest.mark.cuda
    def test_on_cuda(self, noisy, bright_pixel):
        noisy.classifier.to("cuda")
        votes = noisy.count(bright_pixel, 600, generator())
        assert votes.classes.device.type == "cpu" and sum(votes.counts) == 600
        assert votes.counts == noisy.count(bright_pixel, 600, generator()).counts

    def test_parameters_have_the_distribution_that_is_claimed(self, g, bright_pixel):
        votes = g.count(bright_pixel, 4000, generator(5))
        for axis in votes.points.T:
            assert stats.kstest(axis.numpy() / SIGMA, "norm").pvalue > 1e-3
        p = (stats.norm.cdf(0.5, scale=SIGMA) - stats.norm.cdf(-0.5, scale=SIGMA)) * (1 - 2 * stats.norm.sf(2 / SIGMA))
        assert_share(votes.counts[1], 4000, p)


class TestPixelNoise:
    @pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
    def test_has_the_standard_deviation_that_is_claimed(self, coin, p):
        smoothed, image = coin(p)
        assert_share(smoothed.count(image, 10_000, generator()).counts[1], 10_000, p)

    def test_comes_after_preprocessing(self, threshold_classifier):
        """Noise before a blur or a vignette would be weaker, or gone: here all that the network sees is noise."""
        corners = Preprocessing(vignette="circle", vignette_margin=1.0)
        plain = threshold_classifier(0.3)  # looks at the upper left corner, which is black
        classifier = Classifier("noise only", plain.module, plain.class_names, (1, 5, 5), corners)
        smoothed = SmoothedClassifier(classifier, Rotation(), 10.0, pixel_sigma=0.6)
        votes = smoothed.count(torch.ones(1, 5, 5), 5000, generator())
        assert_share(votes.counts[1], 5000, stats.norm.sf(0.5))

    def test_is_new_in_every_chunk(self, coin):
        smoothed, image = coin(0.5)
        size = smoothed.classifier.chunk
        parts = torch.split(smoothed.count(image, 8 * size, generator()).classes, size)
        for i in range(8):
            for j in range(i):
                assert 0.3 < (parts[i] == parts[j]).double().mean() < 0.7

    def test_differs_between_runs(self, coin):
        smoothed, image = coin(0.5)
        used = generator()
        first, second = smoothed.count(image, 500, used).classes, smoothed.count(image, 500, used).classes
        assert 0.35 < (first == second).double().mean() < 0.65

    def test_every_pixel_has_its_own(self):
        """The difference of two equal pixels would vanish otherwise."""

        class Difference(nn.Module):
            def forward(self, images: torch.Tensor) -> torch.Tensor:
                margin = images[:, 0, 0, 1] - images[:, 0, 0, 0]
                return torch.stack([-margin, margin], dim=1)

        classifier = Classifier("difference", Difference(), ("first", "second"), (1, 1, 2))
        smoothed = SmoothedClassifier(classifier, Rotation(), 1e-9, pixel_sigma=0.3)
        votes = smoothed.count(torch.tensor([[[0.0, 0.3]]]), 5000, generator())
        assert_share(votes.counts[1], 5000, stats.norm.cdf(1 / math.sqrt(2)))


class TestPredict:
    @pytest.mark.parametrize(("p", "n", "alpha"), [(0.5, 100, 0.1), (0.55, 60, 0.2), (0.65, 200, 0.01)])
    def test_wrong_at_most_alpha_and_as_powerful_as_the_test(self, coin, runs, p, n, alpha):
        smoothed, image = coin(p)
        labels = [smoothed.predict(image, n, alpha, seed=seed).label for seed in range(runs)]
        # exactly, from the definition of PREDICT: which counts answer, and how likely they are
        k = np.arange(n + 1)
        answers = np.array([stats.binomtest(int(i), n, 0.5).pvalue <= alpha for i in k])
        probability = stats.binom.pmf(k, n, p)
        right, wrong = probability[answers & (2 * k > n)].sum(), probability[answers & (2 * k < n)].sum()
        assert_share(labels.count(1), runs, right)
        assert_share(labels.count(0), runs, wrong)
        assert wrong <= alpha and (p > 0.5 or right + wrong <= alpha)
        assert proportion_confint(labels.count(0), runs, alpha=2e-6, method="beta")[0] <= alpha

    def test_tests_the_top_two_only(self, g, bright_pixel):
        """Votes for a third class neither help nor hinder."""
        prediction = g.conclude_prediction(bright_pixel, votes_of((30, 10, 5)), 0.01, 0)
        assert prediction.p_value == pytest.approx(stats.binomtest(30, 40, 0.5).pvalue) and prediction.label == 0
        assert g.conclude_prediction(bright_pixel, votes_of((30, 29, 41)), 0.01, 0).label is None

    @pytest.mark.parametrize("counts", [(60, 40, 0), (40, 60, 0), (0, 41, 59), (30, 35, 35), (100, 0, 0), (1, 0, 0)])
    @pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
    def test_against_the_pseudo_code(self, g, bright_pixel, counts, alpha):
        prediction = g.conclude_prediction(bright_pixel, votes_of(counts), alpha, 0)
        n_a, n_b, _ = sorted(counts, reverse=True)
        expected = counts.index(n_a) if stats.binomtest(n_a, n_a + n_b, 0.5).pvalue <= alpha else None
        assert prediction.label == expected
        assert prediction.class_name == (None if expected is None else ("left", "middle", "right")[expected])


def certify_by_the_book(image: np.ndarray, selection: np.ndarray, estimation: np.ndarray, alpha: float, sigma: float):
    """CERTIFY of Cohen, Rosenfeld and Kolter for `columns` under translation, from the given points; no spt inside."""

    def sample_under_noise(points: np.ndarray) -> np.ndarray:
        classes = [oracles.translate(image, dx, dy).sum(axis=0).argmax() for dx, dy in points]
        return np.bincount(classes, minlength=3)

    top = int(sample_under_noise(selection).argmax())
    counts = sample_under_noise(estimation)
    p_lower = proportion_confint(counts[top], len(estimation), alpha=2 * alpha, method="beta")[0]
    if p_lower > 0.5:
        return counts, top, p_lower, sigma * stats.norm.ppf(p_lower)
    return counts, None, p_lower, 0.0


def test_another_n_draws_other_samples(columns, bright_pixel):
    """Else a run could be watched, stopped, and concluded at the n at which its votes looked good."""
    smoothed = SmoothedClassifier(columns, Translation(), 0.5)
    seen = {
        float(point)
        for n in (200, 400, 1000)
        for generator in generators(3, 10, n)
        for point in smoothed.count(bright_pixel, n, generator).points[:, 0]
    }
    assert len(seen) == 2 * (200 + 400 + 1000)


class TestCertify:
    @pytest.mark.parametrize(("seed", "sigma"), [(0, 0.5), (1, 0.5), (2, 0.3), (3, 0.9), (4, 2.0)])
    def test_by_the_book(self, columns, bright_pixel, seed, sigma):
        smoothed = SmoothedClassifier(columns, Translation(), sigma)
        certificate = smoothed.certify(bright_pixel, n0=40, n=300, alpha=0.01, seed=seed)
        first, second = generators(seed, 40, 300)
        counts, label, p_lower, radius = certify_by_the_book(
            bright_pixel[0].numpy(),
            Translation().sample(40, sigma, first).numpy(),
            Translation().sample(300, sigma, second).numpy(),
            0.01,
            sigma,
        )
        assert certificate.counts == tuple(counts) and certificate.label == label
        assert certificate.p_lower == pytest.approx(p_lower, abs=1e-9)
        assert certificate.radius == pytest.approx(radius, abs=1e-9)
        assert certificate.verify()

    @pytest.mark.parametrize(("p", "n", "alpha"), [(0.7, 60, 0.1), (0.55, 200, 0.05)])
    def test_wrong_at_most_alpha_and_as_tight_as_clopper_pearson(self, coin, runs, p, n, alpha):
        smoothed, image = coin(p)
        certificates = [smoothed.certify(image, 50, n, alpha, seed=seed) for seed in range(runs)]
        # exactly, for the runs that selected "bright": when is its bound too high, when does it certify?
        k = np.arange(n + 1)
        bounds = np.array([proportion_confint(int(i), n, alpha=2 * alpha, method="beta")[0] for i in k])
        probability = stats.binom.pmf(k, n, p)
        bright = [certificate for certificate in certificates if certificate.selected == 1]
        assert_share(len(bright), runs, stats.binom.sf(25, 50, p))  # level goes to the smaller index, "dark"
        too_high = probability[bounds > p].sum()
        assert too_high <= alpha
        assert_share(sum(certificate.p_lower > p for certificate in bright), len(bright), too_high)
        assert_share(
            sum(certificate.label == 1 for certificate in bright), len(bright), probability[bounds > 0.5].sum()
        )
        wrong = [
            certificate
            for certificate in certificates
            if certificate.label == 0 or (certificate.label == 1 and certificate.p_lower > p)
        ]
        assert proportion_confint(len(wrong), runs, alpha=2e-6, method="beta")[0] <= alpha

    def test_radius_reaches_the_truth_with_many_votes(self, coin):
        """A vote that is a half-space keeps its class up to exactly sigma Phi^-1(p); the bound nearly gets there."""
        smoothed, image = coin(0.9)
        certificate = smoothed.certify(image, n=20_000, alpha=0.001)
        assert 0.95 * 10 * stats.norm.ppf(0.9) < certificate.radius < 10 * stats.norm.ppf(0.9)

    def test_selection_and_estimation_are_different_samples(self, noisy, bright_pixel):
        certificate = noisy.certify(bright_pixel, n0=300, n=300, seed=5)
        first, second = generators(5, 300, 300)
        selection, estimation = noisy.count(bright_pixel, 300, first), noisy.count(bright_pixel, 300, second)
        assert certificate.selection_counts == selection.counts and certificate.counts == estimation.counts
        assert not set(map(tuple, selection.points.tolist())) & set(map(tuple, estimation.points.tolist()))
        assert certificate.samples == 600 and certificate.n == 300

    def test_samples_are_different_whatever_the_seed(self):
        drawn = {
            torch.randn(1, generator=generator).item() for seed in range(200) for generator in generators(seed, 10, 20)
        }
        assert len(drawn) == 400

    def test_the_selected_class_is_certified_not_the_luckier_one(self, g, bright_pixel):
        certificate = g.conclude_certificate(bright_pixel, votes_of((2, 3, 6)), votes_of((90, 5, 5)), 0.01, 0, 0.0)
        assert certificate.selected == 2 and certificate.label is None and certificate.radius == 0
        assert certificate.p_lower < 0.1 and certificate.verify()

    def test_all_votes_agree(self, coin):
        smoothed, image = coin(1 - 1e-9)
        certificate = smoothed.certify(image, n0=10, n=100, alpha=0.001)
        assert certificate.p_lower == pytest.approx(0.001 ** (1 / 100), abs=1e-12) and certificate.p_lower < 1
        assert certificate.radius == pytest.approx(10 * stats.norm.ppf(0.001 ** (1 / 100)), abs=1e-9)

    def test_seed(self, noisy, bright_pixel):
        first, second = (noisy.certify(bright_pixel, 50, 300, seed=2) for _ in range(2))
        assert dataclasses.replace(first, seconds=0) == dataclasses.replace(second, seconds=0)
        assert noisy.certify(bright_pixel, 50, 300, seed=3).counts != first.counts

    def test_records_what_it_rests_on(self, noisy, bright_pixel):
        certificate = noisy.certify(bright_pixel, 50, 100, alpha=0.02, seed=7)
        assert certificate.defence == "BaseSPT" and certificate.heuristic is True
        assert certificate.classifier == "columns" and certificate.class_names == ("left", "middle", "right")
        assert certificate.classifier_fingerprint == noisy.classifier.fingerprint
        assert (certificate.transform, certificate.unit) == ("translation", "px")
        assert (certificate.parameter_sigma, certificate.pixel_sigma) == (SIGMA, 0.2)
        assert certificate.image_sha256 == image_digest(bright_pixel)
        assert (certificate.seed, certificate.alpha) == (7, 0.02)
        assert sum(certificate.selection_counts) == 50 and sum(certificate.counts) == 100
        assert certificate.seconds > 0

    def test_bundled_digits(self, mnist_rotation):
        """End to end: handwritten digits turned by 20 degrees are certified as what they are."""
        from spt.datasets import load_dataset

        digits = load_dataset("digits", shape=(1, 28, 28))
        smoothed = SmoothedClassifier(mnist_rotation, Rotation(), 30.0, 0.3)
        right = 0
        for index in range(0, 40, 4):
            image = Rotation()(digits.image(index), 20.0)[0]
            certificate = smoothed.certify(image, n0=50, n=200, alpha=0.01)
            assert certificate.verify()
            right += certificate.label == digits.label(index) and certificate.radius > 10
        assert right >= 8


@pytest.fixture
def certificate(noisy, bright_pixel) -> Certificate:
    certificate = noisy.certify(bright_pixel, 50, 400, alpha=0.01)
    assert certificate.label == 1
    return certificate


class TestVerify:
    def test_true(self, certificate, g, bright_pixel):
        assert certificate.verify() is True
        abstaining = g.conclude_certificate(bright_pixel, votes_of((1, 2, 0)), votes_of((50, 50, 0)), 0.01, 0, 0.0)
        assert abstaining.label is None and abstaining.verify() is True

    @pytest.mark.parametrize(
        "change",
        [
            lambda c: {"counts": (c.counts[0] - 1, c.counts[1] + 1, c.counts[2])},
            lambda c: {"counts": (c.counts[0] + 1, *c.counts[1:])},
            lambda c: {"counts": c.counts[:2]},
            lambda c: {"counts": (-c.counts[0], c.counts[1] + 2 * c.counts[0], c.counts[2])},
            lambda c: {"counts": (0, 0, 0)},
            lambda c: {"p_lower": math.nextafter(c.p_lower, 1)},
            lambda c: {"p_lower": c.p_lower - 0.1},
            lambda c: {"radius": c.radius * 2},
            lambda c: {"radius": math.nextafter(c.radius, 9)},
            lambda c: {"label": 0},
            lambda c: {"label": None},
            lambda c: {"label": 0, "selected": 0},
            lambda c: {"selected": 2},
            lambda c: {"selected": 99},
            lambda c: {"selection_counts": (50, 0, 0)},
            lambda c: {"selection_counts": ()},
            lambda c: {"alpha": 0.02},
            lambda c: {"alpha": 0.0},
            lambda c: {"alpha": float("nan")},
            lambda c: {"parameter_sigma": 1.0},
            lambda c: {"parameter_sigma": -1.0},
            lambda c: {"class_names": ("left", "middle")},
        ],
    )
    def test_false_after_tampering(self, certificate, change):
        assert dataclasses.replace(certificate, **change(certificate)).verify() is False

    def test_claiming_a_certificate_where_there_is_none(self, g, bright_pixel):
        honest = g.conclude_certificate(bright_pixel, votes_of((1, 2, 0)), votes_of((50, 50, 0)), 0.01, 0, 0.0)
        assert not dataclasses.replace(honest, label=1).verify()
        assert not dataclasses.replace(honest, label=1, radius=0.1, p_lower=0.6).verify()


class TestJson:
    def test_there_and_back(self, certificate):
        back = Certificate.from_json(certificate.to_json())
        assert back == certificate and back.verify() and hash(back) == hash(certificate)

    def test_abstention(self, g, bright_pixel):
        abstaining = g.conclude_certificate(bright_pixel, votes_of((1, 2, 0)), votes_of((50, 50, 0)), 0.01, 0, 0.0)
        assert Certificate.from_json(abstaining.to_json()) == abstaining

    def test_is_plain(self, certificate, noisy, bright_pixel):
        fields = json.loads(certificate.to_json())
        assert set(fields) == {field.name for field in dataclasses.fields(Certificate)}
        assert fields["heuristic"] is True and fields["unit"] == "px"
        prediction = json.loads(noisy.predict(bright_pixel, 100).to_json())
        assert prediction["label"] == 1 and prediction["counts"][1] > 40


class TestExplain:
    def conclude(self, g, bright_pixel, counts, alpha=0.01) -> Certificate:
        return g.conclude_certificate(bright_pixel, votes_of(counts), votes_of(counts), alpha, 0, 0.0)

    def test_certified(self, certificate):
        text = certificate.explain()
        assert text.startswith("CERTIFY middle") and f"{certificate.counts[1]} of 400 votes" in text
        assert "heuristic radius" in text and quantity(certificate.radius, "px") in text and "0.99" in text

    def test_less_than_half(self, g, bright_pixel):
        text = self.conclude(g, bright_pixel, (30, 40, 30)).explain()
        assert (
            text.startswith("ABSTAIN: ")
            and text.count("ABSTAIN") == 1
            and "middle" in text
            and "40 of 100 votes" in text
        )
        assert "no number of samples" in text and "more than half" in text

    def test_just_half(self, g, bright_pixel):
        assert "no number of samples" in self.conclude(g, bright_pixel, (50, 50, 0)).explain()

    @pytest.mark.parametrize(("counts", "alpha"), [((45, 55, 0), 0.01), ((0, 3, 0), 0.001), ((400, 450, 20), 0.001)])
    def test_more_than_half_but_too_few_votes(self, g, bright_pixel, counts, alpha):
        certificate = self.conclude(g, bright_pixel, counts, alpha)
        text = certificate.explain()
        assert (
            text.startswith("ABSTAIN: ")
            and text.count("ABSTAIN") == 1
            and f"{counts[1]} of {sum(counts)} votes" in text
        )
        n = int(re.search(r"about n = ([\d,]+) would be needed", text)[1].replace(",", ""))
        share = counts[1] / sum(counts)
        assert n > sum(counts)
        assert statistics.clopper_pearson_lower(math.ceil(share * n * 1.02), math.ceil(n * 1.02), alpha) > 0.5
        assert statistics.clopper_pearson_lower(math.floor(share * n * 0.9), math.floor(n * 0.9), alpha) <= 0.5

    @pytest.mark.parametrize("counts", [(30, 40, 30), (45, 55, 0), (5, 90, 5), (50, 50, 0), (50_000, 50_001, 0)])
    def test_one_verdict_only(self, g, bright_pixel, counts):
        for result in (
            self.conclude(g, bright_pixel, counts),
            g.conclude_prediction(bright_pixel, votes_of(counts), 0.01, 0),
        ):
            text = result.explain()
            verdicts = [text.count(word) for word in ("ABSTAIN", "CERTIFY", "PREDICT")]
            assert sum(verdicts) == 1 and (verdicts[0] == 1) == (result.label is None)

    def test_hopelessly_close_to_half(self, g, bright_pixel):
        assert "No realistic n" in self.conclude(g, bright_pixel, (50_000, 50_001, 0)).explain()

    def test_predicted(self, g, bright_pixel):
        text = g.conclude_prediction(bright_pixel, votes_of((10, 80, 10)), 0.01, 0).explain()
        assert text.startswith("PREDICT middle") and "80 against 10 votes" in text and "0.01" in text

    def test_level(self, g, bright_pixel):
        text = g.conclude_prediction(bright_pixel, votes_of((50, 50, 0)), 0.01, 0).explain()
        assert (
            text.startswith("ABSTAIN: ") and text.count("ABSTAIN") == 1 and "50 against 50" in text and "level" in text
        )

    @pytest.mark.parametrize("counts", [(55, 45, 0), (40, 35, 25), (2, 0, 1)])
    def test_too_close_for_this_n(self, g, bright_pixel, counts):
        text = g.conclude_prediction(bright_pixel, votes_of(counts), 0.01, 0).explain()
        assert (
            text.startswith("ABSTAIN: ")
            and text.count("ABSTAIN") == 1
            and f"{counts[0]} against {sorted(counts)[1]}" in text
        )
        n = int(re.search(r"about n = ([\d,]+) would be needed", text)[1].replace(",", ""))
        assert n > sum(counts)
        scale = n * 1.1 / sum(counts)
        a, b = math.ceil(counts[0] * scale), math.floor(sorted(counts)[1] * scale)
        assert statistics.binomial_p_value(a, a + b) <= 0.01

    def test_too_close_for_any_n(self, g, bright_pixel):
        text = g.conclude_prediction(bright_pixel, votes_of((50_001, 50_000, 0)), 0.01, 0).explain()
        assert "No realistic n" in text

    def test_text_says_that_it_is_heuristic(self, certificate):
        text = certificate.to_text()
        assert HEURISTIC_NOTE in text and "BaseSPT (heuristic)" in text and certificate.explain() in text
        assert "450 votes" in text and certificate.image_sha256[:16] in text and "pixel noise" in text
        assert HEURISTIC_NOTE not in dataclasses.replace(certificate, heuristic=False).to_text()


class TestErrors:
    @pytest.mark.parametrize("sigma", [-1.0, float("nan"), float("inf")])
    def test_parameter_sigma(self, columns, sigma):
        with pytest.raises(ValueError, match=rf"parameter_sigma.*{sigma}"):
            SmoothedClassifier(columns, Translation(), sigma)

    def test_without_noise_on_parameters(self, columns):
        """g is then the majority over pixel noise: every β is 0, there is an answer, and no radius; without either noise no g."""
        g = SmoothedClassifier(columns, Translation(), 0.0, 0.2)
        image = torch.zeros(1, *columns.input_shape[1:])
        assert (g.count(image, 50, torch.Generator().manual_seed(0)).points == 0).all()
        assert g.predict(image, 50).n == 50
        with pytest.raises(ValueError, match=r"CERTIFY states a radius .* which needs a parameter_sigma above 0"):
            g.certify(image)
        with pytest.raises(ValueError, match="parameter_sigma and pixel_sigma are both 0"):
            SmoothedClassifier(columns, Translation(), 0.0)

    @pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf")])
    def test_pixel_sigma(self, columns, sigma):
        with pytest.raises(ValueError, match=rf"pixel_sigma.*{sigma}"):
            SmoothedClassifier(columns, Translation(), 1.0, sigma)

    @pytest.mark.parametrize(
        ("n", "batch_size", "message"),
        [
            (0, 10, "n must be at least 1, but is 0"),
            (-5, 10, "n must be at least 1, but is -5"),
            (10, 0, "batch_size must be at least 1, but is 0"),
            (10**12, 10, "n must be at most 10,000,000, but is 1000000000000"),
            (2.5, 10, "n must be a whole number, but is 2.5"),
            (True, 10, "n must be a whole number, but is True"),
        ],
    )
    def test_counts(self, g, bright_pixel, n, batch_size, message):
        """At once, not when the first vote is asked for."""
        with pytest.raises(ValueError, match=message):
            g.votes(bright_pixel, n, generator(), batch_size)

    @pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 2.0, float("nan")])
    def test_alpha_before_any_work(self, g, bright_pixel, alpha, monkeypatch):
        monkeypatch.setattr(SmoothedClassifier, "_vote", lambda *_: pytest.fail("sampled before checking alpha"))
        for run in (g.predict, g.certify):
            with pytest.raises(ValueError, match=rf"alpha.*{alpha}"):
                run(bright_pixel, alpha=alpha)
        with pytest.raises(ValueError, match=rf"alpha.*{alpha}"):
            g.conclude_prediction(bright_pixel, votes_of((1, 2, 3)), alpha, 0)

    def test_numbers_of_votes(self, g, bright_pixel):
        for settings in ({"n": 0}, {"n0": 0}, {"n": -3}):
            with pytest.raises(ValueError, match=str(*settings.values())):
                g.certify(bright_pixel, **settings)

    @pytest.mark.parametrize("image", [torch.zeros(1, 4, 4), torch.zeros(3, 3), torch.zeros(2, 1, 3, 3)])
    def test_shape_of_the_image(self, g, image):
        with pytest.raises(ValueError, match=r"\(1, 3, 3\)"):
            g.certify(image)

    def test_type_of_the_image(self, g):
        with pytest.raises(ValueError, match="uint8"):
            g.predict(torch.zeros(1, 3, 3, dtype=torch.uint8))


def test_top_two():
    def top_two(*counts: int) -> tuple[int, int]:
        names = tuple(map(str, range(len(counts))))
        return VoteEvidence("", "", "", names, "", "", 1.0, 0.0, "", 0, 0.1, counts, 2**-10, "cpu", "float32").top_two()

    assert top_two(3, 9, 5) == (1, 2)
    assert top_two(5, 5, 5) == (0, 1)
    assert top_two(1, 4, 4) == (1, 2)
    assert top_two(7) == (0, 0)


def test_prediction_and_certificate_agree(noisy, bright_pixel):
    prediction, certificate = noisy.predict(bright_pixel, 500), noisy.certify(bright_pixel, 50, 500)
    assert isinstance(prediction, Prediction) and prediction.class_name == certificate.class_name == "middle"
