"""IndivSPT: the certificate holds for the original that the defence never saw, and its evidence proves it."""

import dataclasses
from typing import Any

import pytest
import torch
from conftest import BrightestColumn, short_id

from spt import statistics
from spt.certificates import ErrorLevel, OneErrorCertificate, ReceivedErrorLevel, rounded_up
from spt.certificates.one_error import nested_radius
from spt.certificates.per_sample import IndividualCertificate
from spt.classifiers import Classifier
from spt.datasets import load_dataset
from spt.defences import OneErrorSPT
from spt.defences.indiv_spt import IndivSPT
from spt.defences.one_error import MARGIN
from spt.images import to_8_bit
from spt.preprocessing import Preprocessing
from spt.smoothing import SmoothedClassifier
from spt.statistics import ConfidenceBudget
from spt.threat_model import ReceivedImage
from spt.transforms import Rotation, Translation


@pytest.fixture(scope="module")
def columns() -> Classifier:
    """As in conftest, but one for all tests here: the certificate of this module is computed once."""
    return Classifier("columns", BrightestColumn(), ("left", "middle", "right"), (1, 3, 3))


@pytest.fixture(scope="module")
def defence(columns: Classifier) -> IndivSPT:
    """The brightest column of a 3x3 image, shifted by a fifth of a pixel."""
    return IndivSPT(columns, Translation(), parameter_sigma=0.2, pixel_sigma=0.4, limit=0.2, split_width=0.2)


@pytest.fixture(scope="module")
def original() -> torch.Tensor:
    """A 3x3 image, black but for its middle column."""
    image = torch.zeros(1, 3, 3)
    image[0, :, 1] = 1.0
    return image


@pytest.fixture(scope="module")
def received(original) -> torch.Tensor:
    """What the attacker made of it."""
    return to_8_bit(Translation()(original, [[0.07, -0.05]])[0])


@pytest.fixture(scope="module")
def certificate(defence, received) -> IndividualCertificate:
    return defence.certify(received, n_gamma=150)


@pytest.fixture(scope="module")
def quiet(columns: Classifier) -> IndivSPT:
    """Shifts by a tenth of a pixel: one E for all betas must be less than what a ball for each may be."""
    return IndivSPT(columns, Translation(), parameter_sigma=0.1, pixel_sigma=0.3, limit=0.1, split_width=0.1)


@pytest.fixture(scope="module")
def level(quiet, received) -> ReceivedErrorLevel:
    """E measured for the received image."""
    return quiet.measure(received, n_choice=30, n_test=150)


@pytest.fixture(scope="module")
def one_error(quiet, received, level) -> OneErrorCertificate:
    return quiet.certify_with_one_error(received, level, n0=50, n=100)


def nested_vote(defence: IndivSPT, image: torch.Tensor, n: int, seed: int) -> int:
    """g's answer, by sampling both levels: an independent straightforward implementation."""
    generator = torch.Generator().manual_seed(seed)
    betas = defence.transform.sample(n, defence.parameter_sigma, generator)
    shown = defence.classifier.preprocessing(defence.transform(image, betas))
    inner = shown[:, None] + defence.pixel_sigma * torch.randn(n, 50, *shown.shape[1:], generator=generator)
    classes = defence.classifier.network_logits(inner.flatten(0, 1)).argmax(1).reshape(n, 50)
    return int(classes.mode(dim=1).values.mode().values)


def test_certifies_and_holds_for_the_original(defence, certificate, original, received):
    assert certificate.label == 1 and certificate.complete and not certificate.inconsistent
    assert certificate.radius > (0.07**2 + 0.05**2) ** 0.5
    assert nested_vote(defence, received, 300, 0) == nested_vote(defence, original, 300, 1) == certificate.label
    inside = [
        all(low <= shift <= high for (low, high), shift in zip(box, (0.07, -0.05), strict=True))
        for box in certificate.surviving
    ]
    assert any(inside)


def test_holds_against_attacks(defence, original):
    generator = torch.Generator().manual_seed(3)
    for trial in range(4):
        gamma = 0.2 * (2 * torch.rand(1, 2, generator=generator, dtype=torch.float64) - 1)
        sent = to_8_bit(defence.transform(original, gamma)[0])
        certificate = defence.certify(sent, n_gamma=30, seed=trial)
        if certificate.label is not None and float(gamma.norm()) < certificate.radius:
            assert nested_vote(defence, original, 200, trial) == certificate.label
        assert not certificate.inconsistent and certificate.verify()


def test_every_ball_contains_what_the_original_can_show(defence, certificate, original, received):
    """With the one gamma that was applied, P A_{beta+gamma} x is within the radius of the centre."""
    from spt.inverse import invert
    from spt.received_bounds.bounds import received_balls

    gamma = torch.tensor([[0.07, -0.05]], dtype=torch.float64)
    points = torch.tensor(certificate.points[:20], dtype=torch.float64)
    inverse = invert(ReceivedImage(received, defence.transform, (-0.2, 0.2)), width=0.2)
    centres, radii = received_balls(inverse, Preprocessing(), points)
    assert radii.tolist() == pytest.approx(certificate.radii[:20], rel=1e-4)
    for image, at in ((received, points), (original, points + gamma)):
        assert ((defence.transform(image, at) - centres).flatten(1).norm(dim=1) <= radii).all()


def test_inconsistent_with_gamma(defence, received, monkeypatch):
    """Cannot happen as long as Gamma contains 0 and x' itself explains x'; the record is ready for it."""
    from spt.inverse import invert

    def nothing(*arguments, **settings):
        inverse = invert(*arguments, **settings)
        return dataclasses.replace(inverse, boxes=inverse.boxes[:0], lower=inverse.lower[:0], upper=inverse.upper[:0])

    monkeypatch.setattr("spt.defences.receiving_defence.invert", nothing)
    parts = list(defence.stream(received, n_gamma=150))
    (certificate,) = parts
    assert certificate.inconsistent and certificate.complete and certificate.label is None and certificate.verify()
    assert certificate.explain().startswith("INCONSISTENT WITH Γ") and "nothing" in certificate.to_text()
    assert IndividualCertificate.from_json(certificate.to_json()) == certificate
    assert not dataclasses.replace(certificate, label=1).verify()


def test_too_much_noise_abstains_and_says_why(columns, received):
    certificate = IndivSPT(columns, Translation(), 3.0, 0.1, limit=0.2).certify(received, n_gamma=60)
    assert certificate.label is None and certificate.radius == 0 and certificate.complete
    assert certificate.explain().startswith("ABSTAIN") and "1/2" in certificate.explain()


def test_a_stream_certifies_at_its_end_only_and_batches_change_nothing(defence, received, certificate):
    *parts, last = defence.stream(received, n_gamma=150, batch_size=60)
    assert [len(part.radii) for part in parts] == [60, 120]
    assert all(part.label is None and part.radius == 0 and "PROVISIONAL" in part.explain() for part in parts)
    assert "CERTIFIED middle" in last.explain()
    assert last.radii == pytest.approx(certificate.radii, rel=1e-9)
    assert dataclasses.replace(last, seconds=0, radii=()) == dataclasses.replace(certificate, seconds=0, radii=())


def test_json_text_and_verify(certificate):
    assert certificate.verify()
    back = IndividualCertificate.from_json(certificate.to_json())
    assert back == certificate and back.verify()
    assert "CERTIFIED middle" in certificate.to_text() and "explained by" in certificate.to_text()


@pytest.mark.parametrize(
    "change",
    [
        {"radius": 9.0},
        {"label": 0},
        {"passes": 3},
        {"p_lower": 0.999},
        {"n_gamma": 149},
        {"alpha": 0.2},
        {"pixel_sigma": 0.01},
        {"selected": 2},
        {"points": ()},
        {"attacker": "none"},
        {"limit": 0.1},
        {"surviving": ()},
        {"surviving": (((0.1, -0.1), (0.0, 0.1)),)},
        {"selection_counts": (0, 100)},
    ],
    ids=short_id,
)
def test_verify_finds_tampering(certificate, change: dict[str, Any]):
    assert not dataclasses.replace(certificate, **change).verify()


def test_verify_finds_a_larger_error_and_fewer_votes(certificate):
    passed = next(i for i, (k, n) in enumerate(certificate.inner_votes) if k == n)
    radii, votes = list(certificate.radii), list(certificate.inner_votes)
    radii[passed], votes[passed] = 10.0, (0, 32)
    assert not dataclasses.replace(certificate, radii=tuple(radii)).verify()
    assert not dataclasses.replace(certificate, inner_votes=tuple(votes)).verify()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixel_sigma": 0.0}, "pixel_sigma must be positive"),
        ({"parameter_sigma": -1.0}, "parameter_sigma must be positive"),
        ({"limit": 0.0}, "attack range"),
        ({"attacker": "16-bit"}, "attacker must be"),
        ({"inner_alpha": 1.5}, "inner_alpha must be between"),
        ({"split_width": 0.0}, "split_width must be positive"),
        ({"refinements": -1}, "refinements must be"),
        ({"method": "best"}, "method must be"),
    ],
    ids=short_id,
)
def test_bad_settings(defence, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(defence, **changes)


@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"alpha": 2.0}, {"n_gamma": 0}, {"n0": 0}], ids=short_id)
def test_bad_calls(defence, received, settings):
    with pytest.raises(ValueError):
        defence.certify(received, **settings)


def test_images_beyond_the_range_are_refused(defence, received):
    with pytest.raises(ValueError, match=r"\[0, 1\].*2"):
        defence.certify(2 * received)


def test_a_digit_end_to_end(mnist_rotation):
    """The bundled classifier certifies a turned digit, and its answer to the original is the class certified."""
    defence = IndivSPT(
        mnist_rotation, Rotation(), mnist_rotation.parameter_sigma, mnist_rotation.pixel_sigma, limit=10.0
    )
    data = load_dataset("digits", shape=mnist_rotation.input_shape)
    sent = to_8_bit(Rotation()(data.image(0), [[6.83]])[0])
    certificate = defence.certify(sent, n_gamma=30)
    assert certificate.label == data.label(0) and certificate.radius > 10 and certificate.verify()
    assert any(low <= 6.83 <= high for ((low, high),) in certificate.surviving)
    assert certificate.share < 0.1
    g = SmoothedClassifier(mnist_rotation, Rotation(), defence.parameter_sigma, defence.pixel_sigma)
    assert g.predict(data.image(0), n=200).label == certificate.label


# --------------------------------------------------------------------------------------------------------- with one E


def test_e_of_a_received_image(level, quiet, received):
    assert level.verify() and level.usable and level.error == MARGIN * level.largest
    assert len(level.bounds) == level.n_test == 150 and level.exceeding == sum(b > level.error for b in level.bounds)
    assert level.rho == statistics.clopper_pearson_upper(level.exceeding, 150, 0.001)
    assert level.own_bound == max(level.bounds) and 0 < level.share <= 1
    assert "ACCEPTED" in level.to_text() and "1.1 × the largest bound" in level.to_text()
    assert ErrorLevel.from_json(level.to_json()) == level
    other = quiet.measure(received, n_choice=29, n_test=20)
    assert not set(other.bounds) & set(level.bounds)  # another number of betas draws other betas


def test_e_bounds_the_error_of_the_original_for_fresh_betas(level, quiet, original, received):
    betas = Translation().sample(400, 0.1, torch.Generator().manual_seed(99))
    gamma = torch.tensor([[0.07, -0.05]], dtype=torch.float64)
    shown = [Translation()(image.double(), at) for image, at in ((received, betas), (original, betas + gamma))]
    errors = (shown[0] - shown[1]).flatten(1).norm(dim=1)
    assert (errors <= level.error).double().mean() >= 1 - level.rho


def test_a_certificate_with_one_error(one_error, level, quiet, original, received):
    assert one_error.verify() and one_error.votes == "nested" and one_error.label == 1
    expected = statistics.clopper_pearson_lower(one_error.successes, 100, 0.004)
    assert one_error.p_lower == expected and one_error.radius == nested_radius(expected, level.rho, 0.1)
    assert one_error.radius > (0.07**2 + 0.05**2) ** 0.5
    assert one_error.radius <= quiet.largest_radius(level, n=100)
    assert nested_vote(quiet, received, 300, 0) == nested_vote(quiet, original, 300, 1) == one_error.label
    text = one_error.to_text()
    assert "CERTIFIED middle: g answers middle here, and on every original" in text and "IndivSPT with one E" in text
    assert "wrong with at most 0.01 = 0.004 (samples) + 0.005 (inner tests) + 0.001 (E)" in text
    assert "explained by" in text and "DistSPT" not in text
    assert OneErrorCertificate.from_json(one_error.to_json()) == one_error


def test_a_given_e_accepts_or_refuses(quiet, level, received):
    """The online form: E is fixed beforehand."""
    given = quiet.measure(received, error=level.error, n_test=150)
    assert given.verify() and given.usable and (given.n_choice, given.margin, given.largest) == (0, None, None)
    assert not set(given.bounds) & set(level.bounds)  # another E is tested on other betas
    certificate = quiet.certify_with_one_error(received, given, n0=50, n=100)
    assert certificate.verify() and certificate.label == 1 and "given" in certificate.to_text()
    small = quiet.measure(received, error=min(level.bounds) / 4, n_test=20)
    assert small.verify() and not small.usable and small.exceeding == 20 and small.rho == 1
    assert small.explain().startswith("REFUSED: E = ") and "20 of 20 β exceed it" in small.explain()
    assert f"is {rounded_up(max(small.bounds))};" in small.explain().partition("Its own bound")[2]
    with pytest.raises(ValueError, match=r"REFUSED: .* is too small for this image .* Its own bound"):
        quiet.certify_with_one_error(received, small)


def test_with_one_error_batches_and_progress_change_nothing(quiet, received, level, one_error):
    seen = []

    def progress(items, desc, total):
        seen.append((desc, total))
        return items

    again = quiet.certify_with_one_error(received, level, n0=50, n=100, batch_size=30, progress=progress)
    assert dataclasses.replace(again, seconds=one_error.seconds) == one_error and seen == [("inner tests", 4)]
    again = quiet.measure(received, n_choice=30, n_test=150, progress=progress)
    assert dataclasses.replace(again, seconds=level.seconds) == level
    assert seen[-2:] == [("choosing E", 1), ("testing E", 3)]


@pytest.mark.parametrize(
    "change",
    [
        {"error": 0.01},
        {"margin": None},
        {"n_choice": 0},
        {"rho": 0.001},
        {"n_test": 149},
        {"bounds": ()},
        {"bounds": (0.0,) * 149 + (float("inf"),)},
        {"bounds": (9.0,) * 150},
        {"alpha_error": 0.01},
        {"share": 0.001},
        {"surviving": ()},
        {"surviving": (((-0.1, 0.3), (-0.1, 0.1)),)},
        {"split_width": 0.0},
        {"limit": 0.05},
    ],
    ids=short_id,
)
def test_verify_finds_tampering_with_the_level(one_error, level, change: dict[str, Any]):
    changed = dataclasses.replace(level, **change)
    assert not changed.verify()
    assert not dataclasses.replace(one_error, level=changed).verify()


@pytest.mark.parametrize(
    "change",
    [
        {"radius": 0.2},
        {"label": 0},
        {"selected": 2},
        {"p_lower": 0.999},
        {"n": 99},
        {"inner_votes": ((0, 32),) * 100},
        {"image_sha256": "0" * 64},
        {"budget": ConfidenceBudget(0.04, 0.005, 0.001)},
        {"budget": ConfidenceBudget(0.004, 0.005, 0.0005)},
    ],
    ids=short_id,
)
def test_verify_finds_tampering_with_one_error(one_error, change: dict[str, Any]):
    assert not dataclasses.replace(one_error, **change).verify()


def test_joint_votes_prove_nothing_about_a_received_image(one_error):
    joint = dataclasses.replace(one_error, votes="joint", inner_votes=(), counts=(0, 100, 0)).conclude()
    assert joint.failed_check() == "a received image has nested votes"


def test_levels_for_something_else_are_refused(quiet, received, level):
    dist = OneErrorSPT(quiet.classifier, Translation(), 0.1, 0.3, limit=0.1)
    with pytest.raises(ValueError, match=r"about this received image and .* not what DistSPT certifies.*OneErrorSPT"):
        dist.certify(received, level)
    with pytest.raises(ValueError, match=r"about this image, which is not what IndivSPT certifies.*with IndivSPT"):
        quiet.certify_with_one_error(received, dist.measure(received, n_choice=3, n_test=10))
    with pytest.raises(ValueError, match="measured on another image"):
        quiet.certify_with_one_error(1 - received, level)
    with pytest.raises(ValueError, match=r"another limit: 0.1, but 0.05 is wanted"):
        dataclasses.replace(quiet, limit=0.05).certify_with_one_error(received, level)
    with pytest.raises(ValueError, match=r"the budget leaves it 0.0001"):
        quiet.certify_with_one_error(received, level, budget=ConfidenceBudget(0.004, 0.005, 0.0001))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_choice": 0}, "n_choice must be at least 1, but is 0"),
        ({"n_test": 0}, "n_test must be at least 1, but is 0"),
        ({"n_test": 9}, "9 betas cannot show .* at least 10 are needed"),
        ({"error": 0.0}, "E must be positive and finite, but is 0.0"),
        ({"error": float("inf")}, "E must be a finite number, but is inf"),
        ({"alpha_error": 0.0}, "alpha_error must be greater than 0 and less than 1, but is 0.0"),
    ],
    ids=short_id,
)
def test_bad_measurements(defence, received, settings, message):
    with pytest.raises(ValueError, match=message):
        defence.measure(received, **settings)


def test_nothing_to_measure_where_nothing_explains_the_image(defence, received, monkeypatch):
    from spt.inverse import invert

    def nothing(*arguments, **settings):
        inverse = invert(*arguments, **settings)
        return dataclasses.replace(inverse, boxes=inverse.boxes[:0], lower=inverse.lower[:0], upper=inverse.upper[:0])

    monkeypatch.setattr("spt.defences.receiving_defence.invert", nothing)
    with pytest.raises(ValueError, match="Nothing explains this image"):
        defence.measure(received)


def test_a_digit_with_one_error(mnist_rotation):
    """A turned digit and an E fixed beforehand: accepted, certified, and g's answer to the original is the class certified."""
    defence = IndivSPT(mnist_rotation, Rotation(), 30.0, 0.3, limit=10.0)
    data = load_dataset("digits", shape=mnist_rotation.input_shape)
    sent = to_8_bit(Rotation()(data.image(3), [[3.1]])[0])
    level = defence.measure(sent, error=0.65, n_test=40)
    certificate = defence.certify_with_one_error(sent, level, n0=20, n=40)
    assert certificate.label == data.label(3) and certificate.radius > 3.1 and certificate.verify()
    assert any(low <= 3.1 <= high for ((low, high),) in level.surviving) and level.share < 0.1
    g = SmoothedClassifier(mnist_rotation, Rotation(), 30.0, 0.3)
    assert g.predict(data.image(3), n=200).label == certificate.label


@pytest.mark.parametrize("batch_size", [1, 5, 7])
def test_samples_do_not_depend_on_the_batch_they_are_computed_in(mnist_rotation, batch_size):
    """Nor do their balls, down to the last digits: a certificate that a page made is computed again elsewhere."""
    received = to_8_bit(Rotation()(load_dataset("digits").image(5), 4.0)[0])
    defence = IndivSPT(mnist_rotation, Rotation(), 30.0, 0.3, 8.0)
    whole = defence.certify(received, n_gamma=14)
    *_, parts = defence.stream(received, n_gamma=14, batch_size=batch_size)
    assert parts.radii == pytest.approx(whole.radii, rel=1e-9) and parts.inner_votes == whole.inner_votes
