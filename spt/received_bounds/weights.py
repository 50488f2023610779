"""Weights for the linear estimate of an original from what was received: those with which the worst case is known best.

The first guess, the sides of the box that the inverse leaves, treats the pixels of x as independent, and as unknown as that box
is wide. But most of the box is not possible, as a change of x that A_gamma shows is no explanation. What is left is what A_gamma
hardly shows, and of that only what P A_{beta+gamma} shows counts. The weights found here ask the estimate to be good there
(docs/mathematics.md, section 16).
"""

import math

import torch
from torch import Tensor

SMOOTHING = 3
"""The largest eigenvalues count as if the matrix was squared so many times: one alone is a direction that changes at each step."""
FIRST_CHANGE, DECAY, LARGEST_CHANGE = 0.5, 4.0, 100.0
SMALLEST_SHARE = 1e-9
"""No weight is less than this share of the largest, in units in which the box is a cube."""


def tuned_weights(
    warp: Tensor, shown: Tensor, unknown: Tensor, noise: Tensor, start: tuple[Tensor, Tensor], steps: int
) -> tuple[Tensor, Tensor]:
    """Weights of the pixels of u = x - mid (J,) and of d = c - A x (K,) for which B u is known best, given A u + d.

    For weights v and w let H = diag(v) + A^T diag(w) A. With Y = B H^-1 A^T diag(w),

        ||Y (A u + d) - B u||² <= lambda (sum v u² + sum w d²),   lambda = the largest eigenvalue of B H^-1 B^T:

    so f = lambda (sum v unknown + sum w noise) bounds the square of the error of the best linear estimate. Each step multiplies
    a weight by a power of its share in the worst case over its share in the sum. All weights are sound: what is proved is
    bounded anew from the estimate.

    Args:
        warp: A, (K, J); shown: several matrices B, (T, Q, J); unknown, noise: squares of the box's sides, (J,) and (K,), positive.
        start: the first weights.
    """
    v, w = start
    best, kept = math.inf, start
    for step in range(steps):
        factor, failed = torch.linalg.cholesky_ex(torch.diag(v) + (warp.mT * w) @ warp)
        if int(failed):
            break
        half = torch.linalg.solve_triangular(factor, shown.flatten(0, 1).mT, upper=False)
        known = torch.linalg.solve_triangular(factor.mT, half, upper=True).mT.unflatten(0, shown.shape[:2])
        half = half.mT.unflatten(0, shown.shape[:2])
        largest, in_u, in_d = 0.0, torch.zeros_like(v), torch.zeros_like(w)
        for each, estimate in zip(half, known, strict=True):
            gram = each @ each.mT
            worst = gram / gram.diagonal().sum()
            for _ in range(SMOOTHING):
                worst = worst @ worst
                worst = worst / worst.diagonal().sum()
            largest = max(largest, float((gram * worst).sum()))
            spread = worst @ estimate
            in_u = in_u + (spread * estimate).sum(0) / (gram * worst).sum()
            in_d = in_d + ((spread @ warp.mT) * (estimate @ warp.mT)).sum(0) / (gram * worst).sum()
        size = (v * unknown).sum() + (w * noise).sum()
        if largest * float(size) < best:
            best, kept = largest * float(size), (v, w)
        change = FIRST_CHANGE / (1 + step / DECAY)
        level = ((v * in_u).sum() + (w * in_d).sum()) / size
        v, w = (
            weights * (found / squares / level).clamp(1 / LARGEST_CHANGE, LARGEST_CHANGE) ** change
            for weights, found, squares in ((v, in_u, unknown), (w, in_d, noise))
        )
        v, w = (
            torch.maximum(weights, (weights * squares).max() * SMALLEST_SHARE / squares)
            for weights, squares in ((v, unknown), (w, noise))
        )
    return kept
