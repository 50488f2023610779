"""IndivSPT: the certificate holds for the original that the defence never saw, and its evidence proves it."""

import dataclasses
from typing import Any

import pytest
import torch
from conftest import BrightestColumn

from spt.certificates.individual import IndividualCertificate
from spt.classifiers import Classifier
from spt.datasets import load_dataset
from spt.defences.individual import IndivSPT
from spt.images import to_8_bit
from spt.preprocessing import Preprocessing
from spt.smoothing import SmoothedClassifier
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
    from spt.error_bounds.received import received_balls
    from spt.inverse import invert

    gamma = torch.tensor([[0.07, -0.05]], dtype=torch.float64)
    points = torch.tensor(certificate.points[:20], dtype=torch.float64)
    inverse = invert(received, defence.transform, (-0.2, 0.2), width=0.2)
    centres, radii = received_balls(received, defence.transform, Preprocessing(), points, inverse)
    assert radii.tolist() == pytest.approx(certificate.radii[:20], rel=1e-4)
    for image, at in ((received, points), (original, points + gamma)):
        assert ((defence.transform(image, at) - centres).flatten(1).norm(dim=1) <= radii).all()


def test_inconsistent_with_gamma(defence, received, monkeypatch):
    """Cannot happen as long as Gamma contains 0 and x' itself explains x'; the record is ready for it."""
    from spt.defences import individual
    from spt.inverse import invert

    def nothing(*arguments, **settings):
        inverse = invert(*arguments, **settings)
        return dataclasses.replace(inverse, boxes=inverse.boxes[:0], lower=inverse.lower[:0], upper=inverse.upper[:0])

    monkeypatch.setattr(individual, "invert", nothing)
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
        {"q_lower": 0.999},
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
    ids=str,
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
    ids=str,
)
def test_bad_settings(defence, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(defence, **changes)


@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"alpha": 2.0}, {"n_gamma": 0}, {"n0": 0}], ids=str)
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
