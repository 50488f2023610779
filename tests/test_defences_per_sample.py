"""DistSPT: the certificate holds against attacks, its error rate is what it says, and its evidence proves it."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from spt import statistics
from spt.certificates import DistCertificate
from spt.certificates.looks import undecided
from spt.classifiers import Classifier
from spt.defences.dist_spt import DistSPT
from spt.defences.inner_tests import inner_test
from spt.images import to_8_bit
from spt.transforms import Rotation, Translation


@pytest.fixture
def defence(columns: Classifier) -> DistSPT:
    """The brightest column of a 3x3 image, shifted by a fifth of a pixel."""
    return DistSPT(columns, Translation(), parameter_sigma=0.2, pixel_sigma=0.4, limit=0.2)


@pytest.fixture
def bright_column() -> torch.Tensor:
    """A 3x3 image, black but for its middle column."""
    image = torch.zeros(1, 3, 3)
    image[0, :, 1] = 1.0
    return image


@pytest.fixture
def certificate(defence: DistSPT, bright_column: torch.Tensor) -> DistCertificate:
    """Its certificate for the bright pixel in the middle."""
    return defence.certify(bright_column, n_gamma=150)


def nested_vote(defence: DistSPT, image: torch.Tensor, n: int, seed: int) -> int:
    """g's answer, by sampling both levels: an independent straightforward implementation."""
    generator = torch.Generator().manual_seed(seed)
    betas = defence.transform.sample(n, defence.parameter_sigma, generator)
    shown = defence.classifier.preprocessing(defence.transform(image, betas))
    inner = shown[:, None] + defence.pixel_sigma * torch.randn(n, 50, *shown.shape[1:], generator=generator)
    classes = defence.classifier.network_logits(inner.flatten(0, 1)).argmax(1).reshape(n, 50)
    return int(classes.mode(dim=1).values.mode().values)


def test_certifies_and_holds_against_attacks(defence, certificate, bright_column):
    assert certificate.label == 1 and certificate.complete and certificate.radius > 0.02
    generator = torch.Generator().manual_seed(3)
    for trial in range(20):
        direction = torch.randn(2, generator=generator, dtype=torch.float64)
        size = min(certificate.radius, defence.limit) * float(torch.rand(1, generator=generator)) ** 0.5
        gamma = direction / direction.norm() * size
        attacked = to_8_bit(defence.transform(bright_column, gamma[None])[0])
        assert nested_vote(defence, attacked, 300, trial) == certificate.label


def test_rotation_of_a_symmetric_image_costs_only_the_rounding(threshold_classifier):
    defence = DistSPT(threshold_classifier(0.5), Rotation(), 30.0, 0.1, limit=10.0, attacker="exact")
    exact = defence.certify(torch.full((1, 1, 1), 0.9), n_gamma=50)
    assert max(exact.radii) < 1e-5 and exact.passes == 50
    rounded = dataclasses.replace(defence, attacker="8-bit").certify(torch.full((1, 1, 1), 0.9), n_gamma=50)
    assert min(rounded.radii) == pytest.approx(1 / 510, rel=1e-3)


def test_too_much_noise_abstains_and_says_why(columns, bright_column):
    certificate = DistSPT(columns, Translation(), 3.0, 0.1, limit=0.4).certify(bright_column, n_gamma=60)
    assert certificate.label is None and certificate.radius == 0 and certificate.complete
    assert certificate.explain().startswith("ABSTAIN") and "1/2" in certificate.explain()


class TestLooks:
    """Sampling may stop at sizes fixed beforehand; the level is shared among all looks."""

    def test_stops_where_gamma_is_covered(self, columns, bright_column):
        defence = DistSPT(columns, Translation(), parameter_sigma=0.2, pixel_sigma=0.4, limit=0.05)
        parts = list(defence.stream(bright_column, n_gamma=600, first_looks=(120,)))
        assert [len(part.radii) for part in parts] == [50, 100, 120]
        assert [part.complete for part in parts] == [False, False, True]
        last = parts[-1]
        share = statistics.clopper_pearson_lower(last.passes, 120, last.alpha / 2)
        assert last.p_lower == statistics.corrected_lower_bound(share, last.inner_alpha)
        assert last.radius > 0.05 and last.label == 1 and last.verify()
        assert "after 120, 600 samples, each at level 0.005" in last.to_text()
        assert f"{last.passes} of 120 samples pass" in last.explain()

    def test_goes_on_where_more_samples_may_cover_gamma(self, columns, bright_column):
        few = statistics.clopper_pearson_lower(20, 20, 0.005)
        limit = 1.05 * statistics.certified_radius(few, 0.2)
        defence = DistSPT(columns, Translation(), 0.2, 0.4, limit=limit)
        parts = list(defence.stream(bright_column, n_gamma=130, first_looks=(20,)))
        sizes = [len(part.radii) for part in parts]
        assert sizes[0] == 20 and sizes[-1] == 130
        assert all(part.label is None and part.radius == 0 for part in parts[:-1])
        assert parts[-1].complete and parts[-1].verify()

    def test_stops_where_more_would_not_help(self, columns, bright_column):
        defence = DistSPT(columns, Translation(), 3.0, 0.1, limit=0.4)
        certificate = defence.certify(bright_column, n_gamma=500, first_looks=(40,))
        assert len(certificate.radii) == 40 and certificate.complete and certificate.label is None
        assert certificate.explain().startswith("ABSTAIN")

    def test_is_wrong_no_more_often_than_alpha(self, certificate):
        """Pr(pass) is just too small to cover Gamma: it is called covered in at most alpha of 2,000 runs."""
        begun = dataclasses.replace(
            certificate, inner_alpha=1e-9, alpha=0.05, n_gamma=50, first_looks=(20,), limit=0.1, parameter_sigma=0.2
        )
        accepted, refused = (200, 200), (0, 200)
        generator, q, wrong, stopped = np.random.default_rng(0), float(norm.cdf(0.1 / 0.2)), 0, 0
        for _ in range(2000):
            votes = [accepted if hit else refused for hit in generator.random(50) < q]
            early = dataclasses.replace(begun, **run_of(votes[:20])).conclude()
            final = early if early.complete else dataclasses.replace(begun, **run_of(votes)).conclude()
            wrong += final.radius > 0.1
            stopped += early.complete
        assert 0 < wrong <= norm.ppf(0.999, 2000 * 0.05, (2000 * 0.05 * 0.95) ** 0.5)
        assert 200 < stopped < 1800

    def test_evidence_with_other_looks_is_refused(self, defence, bright_column):
        certificate = defence.certify(bright_column, n_gamma=130, first_looks=(120,))
        assert certificate.verify()
        for looks in ((), (60,), (120, 125), (130,), (0, 120), (120, 60)):
            assert not dataclasses.replace(certificate, first_looks=looks).verify()
        assert DistCertificate.from_json(certificate.to_json()) == certificate

    def test_other_looks_draw_other_samples(self, defence, bright_column):
        """Nobody can watch a run and choose its luckiest look afterwards."""
        first, second, third = (
            defence.certify(bright_column, n_gamma=60, first_looks=looks).points[:20] for looks in ((), (20,), (30,))
        )
        assert len({first, second, third}) == 3

    def test_evidence_that_no_run_gives_is_refused(self, columns, bright_column):
        defence = DistSPT(columns, Translation(), parameter_sigma=0.2, pixel_sigma=0.4, limit=0.05)
        whole = defence.certify(bright_column, n_gamma=130)
        assert whole.verify()
        looked = dataclasses.replace(whole, first_looks=(120,)).conclude()
        assert not looked.verify()  # sampling would have stopped after 120
        early = defence.certify(bright_column, n_gamma=130, first_looks=(120,))
        doubtful = dataclasses.replace(early, alpha=1.5, first_looks=(120,)).conclude()
        assert early.verify() and not doubtful.verify()

    @pytest.mark.parametrize("looks", [(200,), (50, 50), (60, 30)])
    def test_looks_must_ascend(self, defence, bright_column, looks):
        with pytest.raises(ValueError, match="first_looks must ascend, from at least 1 to less than n_gamma = 200"):
            defence.certify(bright_column, first_looks=looks)


def run_of(votes: list[tuple[int, int]]) -> dict[str, Any]:
    """The evidence of samples with the same small ball and these inner votes."""
    n = len(votes)
    return {"inner_votes": tuple(votes), "radii": (1e-6,) * n, "points": ((0.0, 0.0),) * n}


def test_a_stream_certifies_at_its_end_only(defence, bright_column):
    parts = list(defence.stream(bright_column, n_gamma=120))
    assert [len(part.radii) for part in parts] == [50, 100, 120]
    assert all(part.label is None and part.radius == 0 and "PROVISIONAL" in part.explain() for part in parts[:-1])
    assert parts[-1].label == 1 and "CERTIFIED" in parts[-1].explain()


def test_the_batch_size_changes_nothing_but_the_updates(defence, bright_column, certificate):
    *parts, last = defence.stream(bright_column, n_gamma=150, batch_size=7)
    assert len(parts) == 21 and all(part.label is None for part in parts)
    assert last.radii == pytest.approx(certificate.radii, rel=1e-9)
    assert dataclasses.replace(last, seconds=0, radii=()) == dataclasses.replace(certificate, seconds=0, radii=())


def test_same_seed_same_certificate(defence, bright_column, certificate):
    again = defence.certify(bright_column, n_gamma=150)
    assert dataclasses.replace(again, seconds=0) == dataclasses.replace(certificate, seconds=0)
    assert defence.certify(bright_column, n_gamma=150, seed=1).points != certificate.points


def test_json_and_verify(certificate):
    assert certificate.verify()
    back = DistCertificate.from_json(certificate.to_json())
    assert back == certificate and back.verify()
    assert "CERTIFIED middle" in certificate.to_text()


@pytest.mark.parametrize(
    "change",
    [
        {"radius": 9.0},
        {"label": 0},
        {"passes": 150},
        {"p_lower": 0.99},
        {"n_gamma": 149},
        {"alpha": 0.2},
        {"inner_alpha": 1e-6},
        {"pixel_sigma": 0.01},
        {"selected": 2},
    ],
)
def test_verify_finds_tampering(certificate, change: dict[str, Any]):
    changed = dataclasses.replace(certificate, **change)
    if changed == certificate:
        pytest.skip("nothing is changed")
    assert not changed.verify()


def test_verify_finds_a_larger_error_and_fewer_votes(certificate):
    passed = next(i for i, (k, n) in enumerate(certificate.inner_votes) if k == n)
    radii = list(certificate.radii)
    radii[passed] = 10.0
    assert not dataclasses.replace(certificate, radii=tuple(radii)).verify()
    votes = list(certificate.inner_votes)
    votes[passed] = (0, 32)
    assert not dataclasses.replace(certificate, inner_votes=tuple(votes)).verify()


@pytest.mark.parametrize("q", [0.7, 0.9])
def test_the_share_of_false_certificates_stays_below_alpha(q: float):
    """2,000 runs where S has probability q exactly and every other sample's inner test has p = p0, the worst null.

    A certificate is false when its radius exceeds sigma Phi^-1(q).
    """
    runs, n_gamma, alpha, inner_alpha, null = 2000, 60, 0.05, 0.05, 0.8
    random = np.random.default_rng(7)
    inside = random.random((runs, n_gamma)) < q
    chance = np.where(inside, 1.0, null)
    successes, counted, active = np.zeros_like(chance), np.zeros_like(chance), np.ones_like(inside)
    for look in (32, 32, 64, 128, 256):
        successes += active * random.binomial(look, chance)
        counted += active * look
        active &= undecided(successes, counted, np.full_like(chance, null), inner_alpha)
    accepted = statistics.mixture_log_wealth(successes, counted, null) >= -np.log(inner_alpha)
    assert accepted[inside].all() and 0.001 < accepted[~inside].mean() <= inner_alpha
    lower = [statistics.clopper_pearson_lower(m, n_gamma, alpha) for m in range(n_gamma + 1)]
    bounds = np.array([statistics.corrected_lower_bound(value, inner_alpha) for value in lower])[accepted.sum(axis=1)]
    false = int((bounds > q).sum())
    assert statistics.clopper_pearson_lower(false, runs, 1e-6) <= alpha
    naive = np.array(lower)[np.minimum(accepted.sum(axis=1) + 6, n_gamma)]  # a bound that ignores failures is caught
    assert statistics.clopper_pearson_lower(int((naive > q).sum()), runs, 1e-6) > alpha


def test_inner_test_is_theorem_3_1():
    test = inner_test(0.2, 0.3, 0.01)
    assert norm.ppf(test.p0) * 0.3 == pytest.approx(0.2, rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixel_sigma": 0.0}, "pixel_sigma must be positive"),
        ({"parameter_sigma": -1.0}, "parameter_sigma must be positive"),
        ({"limit": 0.0}, "attack range"),
        ({"limit": float("inf")}, "limit must be a finite number, but is inf"),
        ({"limit": 4000.0}, "attack range"),
        ({"inner_alpha": 1.5}, "inner_alpha must be between"),
    ],
)
def test_bad_settings(defence, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(defence, **changes)


@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"alpha": 2.0}, {"n_gamma": 0}, {"n0": 0}])
def test_bad_calls(defence, bright_column, settings):
    with pytest.raises(ValueError):
        defence.certify(bright_column, **settings)


@pytest.mark.parametrize(
    "change",
    [
        {"n_gamma": 50},
        {"points": ()},
        {"attacker": "none"},
        {"limit": -5.0},
        {"selection_counts": (0, 100)},
    ],
)
def test_verify_refuses_evidence_that_is_not_of_one_piece(certificate, change):
    assert not dataclasses.replace(certificate, **change).verify()


def test_images_beyond_the_range_are_refused(defence, bright_column):
    with pytest.raises(ValueError, match=r"\[0, 1\].*2"):
        defence.certify(2 * bright_column)
