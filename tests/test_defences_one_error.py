"""DistSPT with one E: its error rates are what they say, E bounds what it should, and the evidence proves it all."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from spt import statistics
from spt.certificates import DistributionErrorLevel, ErrorLevel, ImageErrorLevel, OneErrorCertificate
from spt.certificates.looks import looks_with_one_error, undecided
from spt.certificates.one_error import joint_radius, nested_radius
from spt.classifiers import Classifier
from spt.datasets import Dataset, load_dataset
from spt.defences import OneErrorSPT, shared_budget
from spt.defences.one_error import MARGIN
from spt.error_bounds import sampled_error
from spt.images import image_digest, to_8_bit
from spt.noise import vote_error
from spt.smoothing import SmoothedClassifier
from spt.statistics import ConfidenceBudget
from spt.threat_model import AttackedImage
from spt.transforms import Rotation, Translation

PAPER = ConfidenceBudget()
SURE = 1e-6  # a simulation contradicts a level if this confidence bound does


@pytest.fixture(scope="module")
def digit(mnist_rotation: Classifier) -> torch.Tensor:
    """The bundled digit 3."""
    return load_dataset("digits", shape=mnist_rotation.input_shape).image(3)


@pytest.fixture(scope="module")
def defence(mnist_rotation: Classifier) -> OneErrorSPT:
    """The bundled classifier against rotations of up to 10°."""
    return OneErrorSPT(mnist_rotation, Rotation(), 30.0, 0.3, limit=10.0)


@pytest.fixture(scope="module")
def level(defence: OneErrorSPT, digit: torch.Tensor) -> ImageErrorLevel:
    """A rough E of the digit."""
    return defence.measure(digit, n_choice=20, n_test=60)


@pytest.fixture(scope="module")
def nested(defence: OneErrorSPT, digit: torch.Tensor, level: ImageErrorLevel) -> OneErrorCertificate:
    """Its nested certificate."""
    return defence.certify(digit, level, n0=20, n=20)


@pytest.fixture(scope="module")
def sharp_level(level: ImageErrorLevel) -> ImageErrorLevel:
    """The same E as if none of 4,000 betas exceeded it: joint votes need a small rho."""
    rho = statistics.clopper_pearson_upper(0, 4000, level.alpha_error)
    return dataclasses.replace(level, n_test=4000, exceeding=0, rho=rho)


@pytest.fixture(scope="module")
def joint(defence: OneErrorSPT, digit: torch.Tensor, sharp_level: ImageErrorLevel) -> OneErrorCertificate:
    """Its joint certificate."""
    return defence.certify(digit, sharp_level, votes="joint", n0=20, n=2500)


@pytest.fixture(scope="module")
def columns_defence(columns: Classifier) -> OneErrorSPT:
    """The brightest column of a 3x3 image, shifted by a fifth of a pixel."""
    return OneErrorSPT(columns, Translation(), parameter_sigma=0.2, pixel_sigma=0.4, limit=0.2)


def grey(count: int) -> Dataset:
    """Random 3x3 images, all different."""
    pixels = np.random.default_rng(1).integers(0, 256, (count, 3, 3, 1), dtype=np.uint8)
    return Dataset("grey", ("a", "b", "c"), pixels, np.zeros(count, np.int64))


@pytest.fixture(scope="module")
def population(columns_defence: OneErrorSPT) -> DistributionErrorLevel:
    """E of random images."""
    return columns_defence.measure_distribution(grey(40), rho=0.1, pilot_images=5, n_choice=10, images=25, n_test=45)


# ------------------------------------------------------------------------------------------------------- the formulas


@pytest.mark.parametrize("rho", [0.001, 0.0172, 0.2])
def test_the_papers_radius_is_the_smaller_one(rho: float):
    p = np.linspace(0.5 + rho, 1 - 1e-9, 2000)
    assert (norm.ppf(p - rho) <= norm.ppf(p) - norm.ppf(0.5 + rho) + 1e-12).all()


def test_nested_radius():
    assert nested_radius(0.97, 0.02, 30.0) == pytest.approx(30 * norm.ppf(0.95), rel=1e-9)
    assert nested_radius(0.51, 0.02, 30.0) == 0 and nested_radius(0.01, 0.02, 30.0) == 0


def test_the_radius_of_a_received_image():
    """h is c at x' for beta in S, and E is exceeded in B; it is then c at x for b in (S - B) + gamma, in more than half of N(0, 1).

    Half lines are the worst case, in which a larger radius is wrong.
    """
    u = np.linspace(-9, 9, 36001)
    step, density = u[1] - u[0], norm.pdf(u)

    def answers(inside: np.ndarray, exceeding: np.ndarray, factor: float) -> float:
        p, rho = ((density * where).sum() * step for where in (inside, exceeding))
        radius = nested_radius(min(p, 1.0), rho, 1.0)
        gammas = (-factor * radius, factor * radius)
        shares = [float((norm.pdf(u + gamma) * (inside & ~exceeding)).sum() * step) for gamma in gammas]
        return min(shares) if radius > 0 else 1.0

    random = np.random.default_rng(4)
    found = []
    for _ in range(200):
        waves = (np.sin(random.uniform(0.3, 6) * u + random.uniform(0, 6)) for _ in range(2))
        inside, exceeding = next(waves) > random.uniform(-1, -0.2), next(waves) > random.uniform(0.8, 1.0)
        found.append(answers(inside, exceeding, 0.999))
    assert min(found) > 0.5 and sum(share < 1 for share in found) > 50
    worst = u < norm.ppf(0.9), (u < norm.ppf(0.9)) & (u > norm.ppf(0.88))
    assert answers(*worst, 0.99) > 0.5 > answers(*worst, 1.01)


def test_joint_radius():
    assert joint_radius(0.99, 0.005, 0.3, 30.0, 0.3) == pytest.approx(30 * (norm.ppf(0.985) ** 2 - 1) ** 0.5, rel=1e-9)
    assert joint_radius(0.99, 0.005, 0.0, 30.0, 0.3) == pytest.approx(30 * norm.ppf(0.985), rel=1e-9)
    assert joint_radius(0.8, 0.005, 0.3, 30.0, 0.3) == 0


@pytest.mark.parametrize(("p", "s", "t"), [(0.99, 1.0, 0.7), (0.95, 0.4, 1.2), (0.999, 2.0, 1.0)])
def test_joint_worst_case(p: float, s: float, t: float):
    """No F with mean p under N(0, 1) has a smaller mean of Phi(Phi^-1 F - s) under N(t, 1), and the extremal one has it."""
    u = np.linspace(-9, 9, 3001)
    before, after = norm.pdf(u), norm.pdf(u - t)
    before, after = before / before.sum(), after / after.sum()
    claimed = norm.cdf(norm.ppf(p) - np.hypot(s, t))

    def shifted_mean(z: np.ndarray) -> float:
        low, high = -40.0, 40.0  # the offset with which the mean of F = Phi(z + offset) is p
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if before @ norm.cdf(z + middle) < p else (low, middle)
        return float(after @ norm.cdf(z + low - s))

    assert shifted_mean(-t * u / s) == pytest.approx(claimed, abs=1e-6)
    random = np.random.default_rng(3)
    shapes = [slope * u for slope in np.linspace(-6, 2, 33)]
    shapes += [-t * u / s + random.normal() * np.sin(random.uniform(0.1, 4) * u + random.normal()) for _ in range(60)]
    shapes += [np.where(u < threshold, 8.0, -8.0) for threshold in (1.0, 2.0, 3.0)]
    assert min(map(shifted_mean, shapes)) >= claimed - 1e-6


# ------------------------------------------------------------------------------------------------------- error rates


def contradicts(events: np.ndarray, alpha: float) -> bool:
    """Whether events (runs,) are certainly more frequent than alpha."""
    return statistics.clopper_pearson_lower(int(events.sum()), len(events), SURE) > alpha


def lower_bounds(n: int, alpha: float) -> np.ndarray:
    return np.array([statistics.clopper_pearson_lower(k, n, alpha) for k in range(n + 1)])


def upper_bounds(n: int, alpha: float) -> np.ndarray:
    return np.array([statistics.clopper_pearson_upper(k, n, alpha) for k in range(n + 1)])


BUDGET = ConfidenceBudget(0.02, 0.04, 0.02)
RUNS, N, N_TEST = 2500, 60, 100


@pytest.mark.parametrize(("q", "rho"), [(0.8, 0.03), (0.95, 0.1)])
def test_false_nested_certificates_stay_below_alpha(q: float, rho: float):
    """A sample is in S with probability q; outside its inner test meets its worst null, p = p0."""
    random = np.random.default_rng(5)
    null, alpha = 0.8, BUDGET.inner_level(N)
    inside = random.random((RUNS, N)) < q
    successes, trials, active = np.zeros(inside.shape), np.zeros(inside.shape), np.ones_like(inside)
    looks = [look for look in looks_with_one_error(statistics.SequentialTest(null, alpha)) if look <= 512]
    for before, look in itertools.pairwise((0, *looks)):
        successes += active * random.binomial(look - before, np.where(inside, 1.0, null))
        trials += active * (look - before)
        active &= undecided(successes, trials, np.full(inside.shape, null), alpha, 0.01)
    accepted = statistics.mixture_log_wealth(successes, trials, null) >= -np.log(alpha)
    assert accepted[inside].all() and not contradicts(accepted[~inside], alpha)
    p_lower = lower_bounds(N, BUDGET.alpha_gamma)[accepted.sum(axis=1)]
    rho_upper = upper_bounds(N_TEST, BUDGET.alpha_error)[random.binomial(N_TEST, rho, RUNS)]
    wrong = (p_lower > q) | (rho_upper < rho)
    assert not contradicts(wrong, BUDGET.total) and wrong.any()
    radius = np.array([nested_radius(*pair, 1.0) for pair in zip(p_lower, rho_upper, strict=True)])
    true_radius, received = norm.ppf(q) - norm.ppf(0.5 + rho), norm.ppf(q - rho)
    assert not contradicts(radius > true_radius, BUDGET.total)
    assert not (radius > true_radius)[~wrong].any()
    assert received <= true_radius  # of a received image: rho counts under N(0), before the shift by gamma
    assert not contradicts(radius > received, BUDGET.total) and not (radius > received)[~wrong].any()
    assert contradicts(norm.ppf(accepted.mean(axis=1).clip(0, 0.999)) > true_radius, BUDGET.total)  # without bounds


@pytest.mark.parametrize(("p", "rho", "s"), [(0.97, 0.01, 1.0), (0.99, 0.02, 0.5)])
def test_false_joint_certificates_stay_below_alpha(p: float, rho: float, s: float):
    random = np.random.default_rng(6)
    n, alpha = 400, BUDGET.alpha_gamma + BUDGET.alpha_eps
    votes = random.binomial(n, p, RUNS)
    p_lower = lower_bounds(n, alpha)[votes]
    rho_upper = upper_bounds(N_TEST, BUDGET.alpha_error)[random.binomial(N_TEST, rho, RUNS)]
    wrong = (p_lower > p) | (rho_upper < rho)
    assert not contradicts(wrong, BUDGET.total) and wrong.any()
    radius = np.array([joint_radius(*pair, s, 1.0, 1.0) for pair in zip(p_lower, rho_upper, strict=True)])
    true_radius = np.sqrt((norm.ppf(p) - norm.ppf(0.5 + rho)) ** 2 - s**2)
    assert not contradicts(radius > true_radius, BUDGET.total)
    assert not (radius > true_radius)[~wrong].any()
    assert contradicts(norm.ppf((votes / n).clip(0, 0.999)) > true_radius, BUDGET.total)  # without bounds


@pytest.mark.parametrize("q", [0.6, 0.9])
def test_false_bounds_of_the_distribution_stay_below_alpha(columns_defence, population, q: float):
    """An image that exceeds E more often than rho does so hardly more often: the worst case for its test."""
    random = np.random.default_rng(8)
    images, n_test, rho, image_alpha, alpha = 40, 100, 0.05, 0.1, 0.05
    good = random.random((RUNS, images)) < q
    exceeding = random.binomial(n_test, np.where(good, 0.0, rho * 1.0001))
    level = dataclasses.replace(population, n_test=n_test, rho=rho, image_alpha=image_alpha, alpha_error=alpha)
    accept = upper_bounds(n_test, image_alpha) <= rho
    bounds = np.array(
        [
            dataclasses.replace(level, exceeding=(0,) * k + (n_test,) * (images - k)).conclude().q_lower
            for k in range(images + 1)
        ]
    )
    accepted = accept[exceeding].sum(axis=1)
    assert accept[exceeding][good].all() and 0.001 < accept[exceeding][~good].mean() <= image_alpha
    assert not contradicts(bounds[accepted] > q, alpha)
    assert contradicts(accepted / images > q, alpha)  # without a bound


# ---------------------------------------------------------------------------------------------------------- measuring E


def test_e_of_an_image(level, defence, digit):
    assert level.verify() and level.error == MARGIN * level.largest and level.seconds > 0
    assert level.rho == statistics.clopper_pearson_upper(level.exceeding, 60, 0.001)
    assert level.attacker == "8-bit"
    exact = dataclasses.replace(defence, attacker="exact").measure(digit, n_choice=20, n_test=60)
    rounding = level.largest - exact.largest
    assert 0.03 < rounding < 0.05  # section 3: about 0.040


def test_e_bounds_sampled_errors_of_fresh_betas(level, defence, digit):
    betas = Rotation().sample(60, 30.0, torch.Generator().manual_seed(99))
    preprocessing = defence.classifier.preprocessing
    errors = sampled_error(
        AttackedImage(digit, Rotation(), preprocessing, (-10, 10), attacker="8-bit"), betas, points=41
    )
    assert (errors.values <= level.error).double().mean() >= 1 - level.rho
    assert level.error < 2 * errors.values.max()  # and not by being absurdly large


def test_another_number_of_betas_draws_other_betas(columns_defence, bright_pixel):
    small, large = (columns_defence.measure(bright_pixel, n_choice=n) for n in (5, 6))
    assert small.largest != large.largest


def test_e_of_a_distribution(columns_defence, population):
    assert population.verify() and population.dataset == "grey"
    assert len(population.pilot_sha256) == 5 and len(population.image_sha256) == len(population.exceeding) == 25
    assert len({*population.pilot_sha256, *population.image_sha256}) == 30  # no image twice
    share = statistics.clopper_pearson_lower(population.images_accepted, 25, 0.001)
    assert population.q_lower == statistics.corrected_lower_bound(share, 0.01) > 0.5
    assert "stand for the distribution" in population.to_text() and "pilot images" in population.to_text()
    assert ErrorLevel.from_json(population.to_json()) == population


def test_a_given_e_needs_no_pilots_and_a_smaller_one_is_accepted_less(columns_defence, population):
    settings: dict[str, Any] = {"rho": 0.1, "images": 40, "n_test": 45}
    given = columns_defence.measure_distribution(grey(40), error=population.error, **settings)
    assert (
        given.verify()
        and given.pilot_sha256 == ()
        and given.largest is None
        and "E            given" in given.to_text()
    )
    small = columns_defence.measure_distribution(grey(40), error=population.error / 3, **settings)
    assert small.images_accepted < given.images_accepted and small.q_lower < given.q_lower
    with pytest.raises(ValueError, match="q_E of this E is 0"):
        nothing = dataclasses.replace(small, exceeding=(45,) * 40, images_accepted=0, q_lower=0.0)
        columns_defence.certify(torch.full((1, 3, 3), 0.5), nothing)


def test_progress_of_measuring(columns_defence, population):
    seen = []

    def progress(items, desc, total):
        seen.append((desc, total))
        return items

    sizes: dict[str, Any] = {"pilot_images": 5, "n_choice": 10, "images": 25, "n_test": 45}
    again = columns_defence.measure_distribution(grey(40), rho=0.1, **sizes, progress=progress)
    assert seen == [("choosing E", 5), ("testing E", 25)]
    assert dataclasses.replace(again, seconds=population.seconds) == population


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_test": 20}, "20 betas on each image cannot show .* at least 44 are needed"),
        ({"rho": 0.5}, "rho must be greater than 0 and less than 1/2, but is 0.5"),
        ({"images": 36}, "5 pilot images and 36 others were asked for, but grey has 40"),
        ({"images": 0}, "images must be at least 1, but is 0"),
        ({"pilot_images": 0}, "pilot_images must be at least 1, but is 0"),
        ({"error": -1.0}, "E must be positive and finite, but is -1.0"),
        ({"alpha_error": 0.0}, "alpha_error must be greater than 0 and less than 1, but is 0.0"),
        ({"image_alpha": 1.0}, "alpha = 1.0 must be greater than 0 and less than 1"),
    ],
)
def test_bad_measurements(columns_defence, change, message):
    sizes = {"rho": 0.1, "pilot_images": 5, "n_choice": 10, "images": 25, "n_test": 45} | change
    with pytest.raises(ValueError, match=message):
        columns_defence.measure_distribution(grey(40), **sizes)


# ---------------------------------------------------------------------------------------------------------- certifying


def test_a_nested_certificate(nested, level):
    assert nested.label == 3 and nested.verify() and nested.successes <= len(nested.inner_votes) == 20
    expected = statistics.clopper_pearson_lower(nested.successes, 20, 0.004)
    assert nested.p_lower == expected and nested.radius == nested_radius(expected, level.rho, 30.0) > 0
    assert "CERTIFIED 3" in nested.to_text() and "nested: majority over β of h" in nested.to_text()
    assert OneErrorCertificate.from_json(nested.to_json()) == nested


def test_a_joint_certificate_says_that_it_is_about_another_classifier(joint, level):
    assert joint.verify() and joint.n == sum(joint.counts) and joint.inner_votes == ()
    expected = statistics.clopper_pearson_lower(joint.counts[joint.selected], 2500, 0.009000000000000001)
    lost = vote_error(math.prod(joint.network_shape), 0.3)
    assert 0 < lost < 1e-6 and joint.p_lower == pytest.approx(expected - lost, abs=1e-15)
    assert joint.label == 3
    assert joint.radius == joint_radius(joint.p_lower, joint.level.rho, level.error, 30.0, 0.3) > 0
    assert "not the nested classifier" in joint.to_text()
    assert OneErrorCertificate.from_json(joint.to_json()) == joint


def test_a_certificate_of_the_distribution_says_for_which_images(columns_defence, population, bright_pixel):
    certificate = columns_defence.certify(bright_pixel, population)
    assert certificate.verify() and "a fresh image of grey with probability at least" in certificate.to_text()
    assert OneErrorCertificate.from_json(certificate.to_json()) == certificate
    used = next(image for image in map(grey(40).image, range(40)) if not population.covers(image_digest(image)))
    with pytest.raises(ValueError, match="used to measure E, so it is no fresh one"):
        columns_defence.certify(used, population)


@pytest.mark.parametrize("votes", ["nested", "joint"])
def test_certificates_hold_against_attacks(columns: Classifier, votes):
    """The 3x3 image's middle column is brighter by far: g is asked at attacked images, by an independent implementation."""
    defence = OneErrorSPT(columns, Translation(), 0.1, 0.3, limit=0.1)
    image = torch.zeros(1, 3, 3)
    image[0, :, 1] = 1.0
    level = defence.measure(image, n_test=3000)
    certificate = defence.certify(image, level, votes=votes, n=200 if votes == "nested" else 4000)
    assert certificate.label == 1 and certificate.radius > 0.02
    generator = torch.Generator().manual_seed(3)
    for _ in range(10):
        direction = torch.randn(2, generator=generator, dtype=torch.float64)
        gamma = direction / direction.norm() * min(certificate.radius, defence.limit)
        attacked = to_8_bit(defence.transform(image, gamma[None])[0])
        shown = columns.preprocessing(defence.transform(attacked, defence.transform.sample(300, 0.1, generator)))
        inner = 50 if votes == "nested" else 1
        noisy = shown[:, None] + 0.3 * torch.randn(300, inner, *shown.shape[1:], generator=generator)
        classes = columns.network_logits(noisy.flatten(0, 1)).argmax(1).reshape(300, inner)
        assert int(classes.mode(dim=1).values.mode().values) == 1


def test_an_error_out_of_reach_abstains_at_once(defence, digit, level):
    far = dataclasses.replace(level, error=3.0, margin=None, largest=None, n_choice=0)
    certificate = defence.certify(digit, far, n0=10, n=30)
    assert certificate.label is None and certificate.verify() and certificate.network_calls == 10
    assert "E = 3 is out of reach" in certificate.explain()
    joint = defence.certify(digit, far, votes="joint", n0=10, n=100)
    assert joint.label is None and "out of reach with this ρ" in joint.explain()


def test_the_batch_size_and_the_progress_change_nothing(defence, digit, level, nested, joint, sharp_level):
    seen = []

    def progress(items, desc, total):
        seen.append((desc, total))
        return items

    again = defence.certify(digit, level, n0=20, n=20, batch_size=7, progress=progress)
    assert dataclasses.replace(again, seconds=nested.seconds) == nested
    again = defence.certify(digit, sharp_level, votes="joint", n0=20, n=2500, batch_size=999, progress=progress)
    assert dataclasses.replace(again, seconds=joint.seconds) == joint
    assert seen == [("inner tests", 3), ("joint votes", 3)]


def test_the_seed_decides(columns_defence, bright_pixel):
    level, again, other = (columns_defence.measure(bright_pixel, seed=seed) for seed in (0, 0, 1))
    assert dataclasses.replace(again, seconds=level.seconds) == level and other.largest != level.largest
    one, same, another = (columns_defence.certify(bright_pixel, level, votes="joint", seed=seed) for seed in (0, 0, 1))
    assert dataclasses.replace(same, seconds=one.seconds) == one and another.counts != one.counts


def test_the_largest_radius(defence, level):
    everything = nested_radius(statistics.clopper_pearson_lower(20, 20, 0.004), level.rho, 30.0)
    assert defence.largest_radius(level, "nested", n=20) == everything
    assert defence.largest_radius(level, "joint", n=20) == 0


def test_shared_budget():
    assert dataclasses.astuple(shared_budget(0.01)) == pytest.approx(dataclasses.astuple(PAPER))
    assert shared_budget(0.02, 0.001).alpha_error == 0.001 and shared_budget(0.02, 0.001).total == pytest.approx(0.02)
    with pytest.raises(ValueError, match=r"alpha = 0.001 must be less than 1 and more than 0.001"):
        shared_budget(0.001, 0.001)


def test_when_inner_tests_look():
    test = statistics.SequentialTest.for_radius(0.68, 0.3, PAPER.inner_level(200))
    looks = looks_with_one_error(test)
    first = next(look for look in looks if test.decide(look, look) is statistics.Decision.ACCEPT)
    assert test.decide(first - 32, first - 32) is not statistics.Decision.ACCEPT  # no earlier look accepts
    assert list(looks) == sorted(set(looks)) and not any(look % 32 for look in looks) and looks[-1] <= 1 << 14
    assert looks_with_one_error(statistics.SequentialTest.for_radius(9.0, 0.3, 0.01)) == ()


# ------------------------------------------------------------------------------------------------------ verify, refuse


@pytest.mark.parametrize(
    "change",
    [
        {"radius": 29.0},
        {"label": 2},
        {"selected": 2},
        {"successes": 21},
        {"p_lower": 0.99},
        {"n": 19},
        {"n": 21},
        {"votes": "joint"},
        {"votes": "both"},
        {"pixel_sigma": 0.05},
        {"pixel_sigma": 0.0},
        {"image_sha256": "0" * 64},
        {"budget": ConfidenceBudget(0.04, 0.005, 0.001)},
        {"budget": ConfidenceBudget(0.004, 0.005, 0.0005)},
        {"selection_counts": (20, *[0] * 9)},
        {"selection_counts": (20,)},
        {"class_names": ("0", "1")},
        {"inner_votes": ((0, 32),) * 20},
        {"inner_votes": ()},
        {"counts": (1,)},
    ],
)
def test_verify_finds_tampering(nested, change: dict[str, Any]):
    assert not dataclasses.replace(nested, **change).verify()


@pytest.mark.parametrize(
    "change",
    [{"radius": 29.0}, {"votes": "nested"}, {"n": 2501}, {"p_lower": 0.9999}, {"counts": (0,) * 10}, {"label": None}],
)
def test_verify_finds_tampering_with_joint_votes(joint, change: dict[str, Any]):
    assert not dataclasses.replace(joint, **change).verify()


@pytest.mark.parametrize(
    "change",
    [
        {"error": 0.1},
        {"margin": 0.5},
        {"margin": None},
        {"largest": 0.1},
        {"n_choice": 0},
        {"rho": 0.001},
        {"n_test": 600},
        {"exceeding": 7},
        {"exceeding": -1},
        {"alpha_error": 0.01},
        {"attacker": "none"},
        {"limit": -10.0},
        {"parameter_sigma": 0.0},
    ],
)
def test_verify_finds_tampering_with_the_level(nested, level, change: dict[str, Any]):
    changed = dataclasses.replace(level, **change)
    assert not changed.verify()
    assert not dataclasses.replace(nested, level=changed).verify()


@pytest.mark.parametrize(
    "change",
    [
        {"rho": 0.01},
        {"images_accepted": 24},
        {"q_lower": 0.99},
        {"image_alpha": 0.001},
        {"exceeding": (45,) * 25},
        {"exceeding": (0,) * 26},
        {"pilot_sha256": ()},
    ],
)
def test_verify_finds_tampering_with_the_distribution(population, change: dict[str, Any]):
    assert not dataclasses.replace(population, **change).verify()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limit": 20.0}, "measured for another limit: 10.0, but 20.0 is wanted"),
        ({"parameter_sigma": 20.0}, "another parameter sigma: 30.0, but 20.0"),
        ({"attacker": "exact"}, "another attacker: 8-bit, but exact"),
        ({"transform": Translation()}, "another transform: rotation, but translation"),
    ],
)
def test_an_error_level_of_something_else_is_refused(defence, digit, level, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(defence, **changes).certify(digit, level)


def test_what_else_is_refused(defence, digit, level, columns_defence, bright_pixel):
    with pytest.raises(ValueError, match="another preprocessing"):
        settings = columns_defence.measured_for() | {"preprocessing": level.preprocessing}
        columns_defence.certify(bright_pixel, dataclasses.replace(level, **settings))
    with pytest.raises(ValueError, match="measured on another image"):
        defence.certify(1 - digit, level)
    with pytest.raises(ValueError, match="do not follow from its counts"):
        defence.certify(digit, dataclasses.replace(level, error=0.01))
    with pytest.raises(ValueError, match=r"wrong with probability 0.001, but the budget leaves it 0.0001"):
        defence.certify(digit, level, budget=ConfidenceBudget(0.004, 0.005, 0.0001))
    with pytest.raises(ValueError, match="votes must be 'nested' or 'joint', but is 'best'"):
        defence.certify(digit, level, votes="best")
    with pytest.raises(ValueError, match=r"\[0, 1\].*2"):
        defence.measure(2 * digit)
    for sizes in ({"n": 0}, {"n0": 0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match="must be at least 1, but is 0"):
            defence.certify(digit, level, **sizes)
    with pytest.raises(ValueError, match="no record of an error level"):
        ErrorLevel.from_json('{"error": 1}')


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixel_sigma": 0.0}, "pixel_sigma must be positive"),
        ({"parameter_sigma": -1.0}, "parameter_sigma must be positive"),
        ({"limit": 0.0}, "attack range"),
        ({"attacker": "none"}, "attacker must be"),
    ],
)
def test_bad_settings(defence, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(defence, **changes)


def test_joint_votes_are_those_of_the_one_level_classifier(defence, digit, joint):
    one_level = SmoothedClassifier(defence.classifier, defence.transform, 30.0, 0.3)
    assert one_level.certify(digit, n0=20, n=2500, seed=0).counts == joint.counts
