"""Noise in floating point: what f sees is what it would see in exact arithmetic, but for a probability that is counted."""

import itertools
import math

import numpy as np
import pytest
import torch
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn

from spt.classifiers import Classifier
from spt.defences import DistSPT
from spt.defences.inner_tests import count_votes, inner_votes
from spt.noise import (
    COARSEST_GRID,
    FINEST_GRID,
    GRID,
    accurate_normal,
    check_grid,
    noisy,
    snap,
    standard_normal,
    vote_error,
)
from spt.seeds import noise_seeds
from spt.smoothing import SmoothedClassifier
from spt.statistics import Decision, SequentialTest
from spt.transforms import Rotation


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class LowOrderBits(nn.Module):
    """Class 1 where some pixel is no multiple of 2^-30, as float32 numbers near 0 are not, but sums of them and 0.02 are."""

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.flatten(1).double() * 2**30
        fine = (pixels != pixels.round()).any(dim=1).float()
        return torch.stack((1 - fine, fine), dim=1)


SIGMA, RADIUS = 0.3, 0.6
NEAR = 0.02
"""Of each of 28 x 28 pixels: at distance 0.56 from 0."""


@pytest.fixture
def spy() -> Classifier:
    return Classifier("low-order bits", LowOrderBits(), ("coarse", "fine"), (1, 28, 28))


def in_float32(module: nn.Module, value: float, votes: int = 2048) -> int:
    """Votes for class 1 where all pixels are ``value``, with noise added in float32 and given to the network as it is."""
    noise = SIGMA * torch.randn(votes, 1, 28, 28, generator=generator())
    return int(module(torch.full((votes, 1, 28, 28), value) + noise).argmax(1).sum())


def test_an_f_that_reads_low_order_bits_fools_noise_in_float32():
    """The attack is real: an inner test of radius 0.6 passes at 0, and at distance 0.56 no vote is for that class."""
    successes = in_float32(LowOrderBits(), 0.0)
    assert SequentialTest.for_radius(RADIUS, SIGMA, 0.01).decide(successes, 2048) is Decision.ACCEPT
    assert NEAR * 28 < RADIUS and in_float32(LowOrderBits(), NEAR) == 0


def test_it_does_not_fool_us(spy):
    """f rounds its input first: wherever it is, it sees the same kind of numbers."""
    centres = torch.tensor([0.0, NEAR, 0.3, 1.0], dtype=torch.float64).reshape(-1, 1, 1, 1).expand(-1, 1, 28, 28)
    assert count_votes(spy, centres, 2048, 1, SIGMA, noise_seeds(4, generator())).tolist() == [0, 0, 0, 0]
    (found,) = inner_votes(spy, centres[:1], np.array([RADIUS]), 1, SIGMA, 0.01, noise_seeds(1, generator()))
    assert SequentialTest.for_radius(RADIUS, SIGMA, 0.01).decide(*found) is not Decision.ACCEPT
    g = SmoothedClassifier(spy, Rotation(), 10.0, pixel_sigma=SIGMA)
    for value in (0.0, NEAR):
        image = torch.full((1, 28, 28), value)
        assert g.count(image, 500, generator()).counts == (500, 0)
    proof = DistSPT(spy, Rotation(), 10.0, SIGMA, 5.0, "exact").certify(torch.zeros(1, 28, 28), n_gamma=20)
    assert proof.selection_counts == (100, 0)


def test_the_largest_step_that_f_could_read_is_a_grid_step():
    """Whatever reaches a network is a multiple of the grid, from each entrance."""
    seen: list[Tensor] = []

    class Spy(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images.double())
            return images.flatten(1)[:, :2]

    classifier = Classifier("spy", Spy(), ("a", "b"), (1, 2, 2), grid=2**-6)
    image = torch.rand(1, 2, 2, generator=generator())
    classifier.logits(image[None])
    classifier.network_logits(image[None].double() * 3.7 - 1)
    SmoothedClassifier(classifier, Rotation(), 10.0, pixel_sigma=0.3).count(image, 100, generator())
    DistSPT(classifier, Rotation(), 10.0, 0.3, 5.0).certify(image, n_gamma=10)
    for images in seen:
        assert torch.equal(images * 64, (images * 64).round())


@given(st.floats(-200, 200), st.integers(4, 14))
def test_snap_is_the_nearest_multiple(value, exponent):
    grid = 2.0**-exponent
    snapped = float(snap(torch.tensor([value], dtype=torch.float64), grid))
    assert (snapped / grid).is_integer() and abs(snapped - value) <= grid / 2


@pytest.mark.parametrize("grid", [0.0, -1.0, 0.3, 2**-15, 0.125, math.nan, math.inf])
def test_a_grid_must_be_a_power_of_two(grid):
    with pytest.raises(ValueError, match="power of two from"):
        check_grid(grid)


def test_standard_normal_is_the_inverse_of_its_uniform():
    """Against exact arithmetic, in the middle and in both tails: relative error below 2^-52, thousands of times less than 1e-14."""
    ctx.prec = 200
    uniform = torch.cat(
        (
            torch.rand(2000, generator=generator(), dtype=torch.float64),
            torch.arange(1, 60, dtype=torch.float64) * 2**-53,
            1 - torch.arange(1, 60, dtype=torch.float64) * 2**-53,
            0.5 + torch.arange(-60, 60, dtype=torch.float64) * 2**-53,
            2.0 ** -torch.arange(1, 53, dtype=torch.float64),
        )
    )
    centred = 2 * uniform - 1
    for x, e in zip(centred.tolist(), centred.erfinv().tolist(), strict=True):
        root, exact = arb(e), arb(x)
        off = root.erf() - exact if abs(x) < 0.5 else (1 - abs(exact)) - abs(root).erfc()
        slope = 2 / arb.pi().sqrt() * (-root * root).exp()
        assert abs(float(off / slope)) <= 2**-52 * abs(e)


def test_no_number_is_infinite_and_the_law_is_normal():
    numbers = standard_normal((400_000,), generator(3))
    assert numbers.dtype == torch.float64 and numbers.isfinite().all()
    assert stats.kstest(numbers.numpy(), "norm").pvalue > 1e-4
    lowest = torch.tensor([0.0], dtype=torch.float64)
    assert lowest.mul(2).sub(1).clamp(min=2.0**-53 - 1).erfinv().mul(math.sqrt(2)).item() == pytest.approx(
        -8.292, abs=0.001
    )


def test_accurate_normal_is_as_near_as_it_says():
    """Phi^-1 against 200-bit arithmetic, from the middle to 2^-60; signs and law as they should be."""
    ctx.prec = 200
    tails = torch.cat(
        (torch.rand(500, generator=generator(), dtype=torch.float64) / 2, 2.0 ** -torch.arange(2.0, 60.0).double())
    )
    for tail, t in zip(tails.tolist(), torch.special.ndtri(tails).tolist(), strict=True):
        root = -arb(t) / arb(2).sqrt()
        off = root.erfc() / 2 - arb(tail)  # Phi(t) - tail
        density = (-root * root).exp() / (2 * arb.pi()).sqrt()
        assert abs(float(off / density)) <= 5e-15 * (1 + abs(t))
    numbers = accurate_normal((200_000,), generator(5))
    assert stats.kstest(numbers.numpy(), "norm").pvalue > 1e-4 and numbers.isfinite().all()
    assert stats.kstest(numbers.abs().numpy(), "halfnorm").pvalue > 1e-4


def test_centres_that_are_not_counted_for_are_refused(spy):
    for centre, message in (
        (torch.zeros(1, 1, 28, 28), "float64"),
        (torch.full((1, 1, 28, 28), 5.0).double(), "at most 4"),
    ):
        with pytest.raises(ValueError, match=message):
            count_votes(spy, centre, 32, 1, SIGMA, noise_seeds(1, generator()))


def test_generators_of_the_cpu_have_53_bits():
    numbers = torch.rand(100_000, generator=generator(4), dtype=torch.float64) * 2**53
    assert torch.equal(numbers, numbers.round()) and (numbers % 2 == 1).double().mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("sigma", "value"), [*itertools.product((0.05, 0.3, 2.0), (0.0, 0.37, 1.0, 3.9))])
def test_what_is_snapped_is_what_exact_arithmetic_snaps(sigma, value):
    """Next to boundaries, where alone it can differ: the computed side is that of 200-bit arithmetic except within the
    distance that `vote_error` counts."""
    ctx.prec = 200
    rng = np.random.default_rng(5)
    boundaries = (np.floor((value + sigma * rng.standard_normal(300)) / GRID) + 0.5) * GRID
    uniform = stats.norm.cdf((boundaries - value) / sigma) + rng.integers(-3, 4, 300) * 2.0**-53
    uniform = torch.from_numpy(np.clip(np.round(uniform * 2**53), 1, 2**53 - 1) / 2**53)
    e = (2 * uniform - 1).erfinv() * math.sqrt(2)
    computed = noisy(torch.full((300,), value, dtype=torch.float64), sigma, e.clone())
    for number, own, u in zip(computed.tolist(), e.tolist(), uniform.tolist(), strict=True):
        root = arb(own) / arb(2).sqrt()  # one Newton step from the float64 root is exact enough
        off = (
            root.erf() - (2 * arb(u) - 1)
            if abs(2 * u - 1) < 0.5
            else ((arb(1) - root.erfc() if own > 0 else (-root).erfc() - 1) - (2 * arb(u) - 1))
        )
        exact = arb(value) + arb(sigma) * arb(2).sqrt() * (root - off * arb.pi().sqrt() / 2 * (root * root).exp())
        t = abs(own)
        allowed = sigma * (1.2e-14 * (t + 1) + 2**-51 / sigma)
        assert abs(float(arb(number) - exact)) <= allowed


def test_vote_error_bounds_the_sum_it_stands_for():
    """The sum over all boundaries of what the module's derivation allows at each, computed term by term."""
    settings = [*itertools.product((0.01, 0.1, 0.3, 1.0), (FINEST_GRID, GRID), (0, 0.3, 4)), (100.0, COARSEST_GRID, 4)]
    for sigma, grid, centre in settings:
        boundaries = (
            np.arange(math.floor((centre - 8.4 * sigma) / grid) - 1, (centre + 8.4 * sigma) / grid + 2) + 0.5
        ) * grid
        t = (boundaries - centre) / sigma
        d = 1.2e-14 * (np.abs(t) + 1) + 2**-51 / sigma
        total = float((2**-51 + 2 * d * stats.norm.pdf(np.maximum(np.abs(t) - 1e-9, 0))).sum()) + 2e-16
        assert total <= vote_error(1, sigma, grid) < 1e-5


def test_vote_error_adds_up_and_is_small():
    assert vote_error(784, 0.3) == pytest.approx(784 * vote_error(1, 0.3))
    assert vote_error(28 * 28, 0.3) < 1e-7 and vote_error(3 * 224 * 224, 0.5) < 2e-5
    assert vote_error(784, 0.0) == 0.0 and vote_error(10**18, 0.3) == 1.0


def test_the_null_hypothesis_pays_for_it():
    plain, paid = (SequentialTest.for_radius(0.2, 0.3, 0.01, vote_error=error) for error in (0.0, 1e-4))
    assert paid.p0 - plain.p0 == pytest.approx(1e-4, rel=1e-9)
    assert SequentialTest.for_radius(9.0, 0.3, 0.01, vote_error=0.1).p0 == 1.0
    with pytest.raises(ValueError, match="vote_error"):
        SequentialTest.for_radius(0.2, 0.3, 0.01, vote_error=-1e-9)


@pytest.mark.cuda
def test_on_a_gpu():
    """The same promises: 53 bits, no infinity, and erfinv within 1e-14 of the CPU's."""
    uniform = torch.rand(100_000, generator=generator(), dtype=torch.float64)
    here, there = (2 * uniform - 1).erfinv(), (2 * uniform.to("cuda") - 1).erfinv().cpu()
    assert ((here - there).abs() <= 1e-14 * here.abs()).all()
    numbers = standard_normal((1_000_000,), torch.Generator("cuda").manual_seed(0)).cpu()
    assert numbers.isfinite().all() and stats.kstest(numbers.numpy(), "norm").pvalue > 1e-4
