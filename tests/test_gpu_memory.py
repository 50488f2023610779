"""Out of device memory is no end: less is done at once, and the votes are the same."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spt.certificates.looks import FIRST_LOOK
from spt.classifiers import Classifier
from spt.defences.inner_tests import count_votes, inner_votes
from spt.preprocessing import Preprocessing
from spt.seeds import noise_seeds
from spt.smoothing import SmoothedClassifier
from spt.transforms import Translation

SHAPE = (1, 5, 5)


class Scarce(nn.Module):
    """Adds up columns; the first ``failures`` calls find no memory."""

    def __init__(self) -> None:
        super().__init__()
        self.failures, self.sizes = 0, set[int]()

    def forward(self, images: Tensor) -> Tensor:
        if self.failures:
            self.failures -= 1
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        self.sizes.add(len(images))
        return images.sum(dim=(1, 2))[:, :2]


@pytest.fixture
def scarce() -> Classifier:
    return Classifier("scarce", Scarce(), ("left", "right"), SHAPE, Preprocessing(blur_size=3))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_images_are_transformed_in_halves(scarce, monkeypatch):
    smoothed = SmoothedClassifier(scarce, Translation(), 1.5, 0.4)
    image = torch.rand(SHAPE, generator=generator())
    expected = smoothed.count(image, 600, generator()).classes
    enough, whole = Preprocessing.__call__, []

    def small(self: Preprocessing, images: Tensor) -> Tensor:
        if len(images) > 70:
            whole.append(len(images))
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return enough(self, images)

    monkeypatch.setattr(Preprocessing, "__call__", small)
    assert torch.equal(smoothed.count(image, 600, generator()).classes, expected)
    assert whole[:2] == [scarce.chunk, scarce.chunk // 2]


def test_the_network_sees_whole_chunks_or_nothing(scarce):
    """In calls of another size it would be another f in the last digits: votes of both must not be mixed."""
    scarce.module.failures = 1
    with pytest.raises(torch.cuda.OutOfMemoryError):
        SmoothedClassifier(scarce, Translation(), 1.5, 0.4).count(torch.rand(SHAPE), 600, generator())


@pytest.mark.parametrize("failures", [1, 2])
def test_inner_tests_hold_less_noise_together(scarce, failures):
    centres = torch.rand(6, *SHAPE, dtype=torch.float64, generator=generator())
    seeds = noise_seeds(6, generator())
    votes = count_votes(scarce, centres, 3 * FIRST_LOOK, 0, 0.5, seeds)
    tested = inner_votes(scarce, centres, np.full(6, 0.05), 0, 0.5, 0.01, seeds)
    scarce.module.sizes.clear()
    scarce.module.failures = failures
    assert np.array_equal(count_votes(scarce, centres, 3 * FIRST_LOOK, 0, 0.5, seeds), votes)
    scarce.module.failures = failures
    assert inner_votes(scarce, centres, np.full(6, 0.05), 0, 0.5, 0.01, seeds) == tested
    assert scarce.module.failures == 0 and scarce.module.sizes == {scarce.call_size}


def test_one_block_has_to_fit(scarce):
    scarce.module.failures = 10**6
    with pytest.raises(torch.cuda.OutOfMemoryError):
        count_votes(scarce, torch.zeros(2, *SHAPE).double(), FIRST_LOOK, 0, 0.5, noise_seeds(2, generator()))
