"""`TestedSample`: a sample with its ball and what its inner test said, in the making of a certificate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from torch import Tensor

from spt.certificates.ball_evidence import BallEvidence
from spt.classifiers import Classifier
from spt.defences.inner_tests import inner_votes
from spt.defences.proving_defence import recorded_points
from spt.statistics import Decision


@dataclass(frozen=True)
class TestedSample:
    """One sample: its point, its ball, and its inner test."""

    point: tuple[float, ...]
    radius: float
    rounding: float
    votes: tuple[int, int]
    passes: bool


class SampleFields(TypedDict):
    """The fields of `BallEvidence` that hold samples."""

    points: tuple[tuple[float, ...], ...]
    radii: tuple[float, ...]
    rounding: tuple[float, ...]
    inner_votes: tuple[tuple[int, int], ...]


def tested_samples(
    classifier: Classifier,
    begun: BallEvidence,
    points: Tensor,
    balls: tuple[Tensor, Sequence[float]],
    rounding: Sequence[float],
    seeds: Tensor,
) -> list[TestedSample]:
    """Make the inner tests of samples (N, d), for the class that the record ``begun`` selected and at its levels.

    Args:
        balls: centres (N, C, H', W'), float64, and proved radii (N,) around these, each above its term in ``rounding``.
        seeds: (N,) of the pixel noise.
    """
    centres, radii = balls
    alpha = begun.inner_test(0.0).alpha
    votes = inner_votes(
        classifier,
        centres,
        np.array(radii),
        begun.selected,
        begun.pixel_sigma,
        alpha,
        seeds,
        looks=begun.INNER_LOOKS,
    )
    return [
        TestedSample(point, radius, added, counts, begun.inner_test(radius).decide(*counts) is Decision.ACCEPT)
        for point, radius, added, counts in zip(recorded_points(points), radii, rounding, votes, strict=True)
    ]


def sample_fields(samples: Sequence[TestedSample]) -> SampleFields:
    """Samples as a record has them."""
    return {
        "points": tuple(sample.point for sample in samples),
        "radii": tuple(sample.radius for sample in samples),
        "rounding": tuple(sample.rounding for sample in samples),
        "inner_votes": tuple(sample.votes for sample in samples),
    }
