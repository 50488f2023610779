"""What finite precision can change in an image P x and in its norm: what every bound adds once, at its end."""

import math

import torch
from torch import Tensor

from spt.preprocessing import Preprocessing


def inside_vignette(preprocessing: Preprocessing, image: Tensor) -> Tensor:
    """Positions of the pixels of P x (C, H', W'), flattened, that the vignette keeps; all others are always 0."""
    rows, columns = preprocessing.output_size(image.shape[1], image.shape[2])
    return preprocessing.mask(rows, columns).expand(len(image), -1, -1).flatten().nonzero()[:, 0].to(image.device)


def norm_inflation(preprocessing: Preprocessing, image: Tensor) -> float:
    """A factor above 1 by which a computed norm of an image P x can be too small, whatever its size.

    With u = 2^-53 and n pixels: in whatever order n squares are summed, the relative error of the sum is at most (n + 1) u,
    that of the root half of it and u; differences of which the norm is taken, and a few products and sums of norms that follow,
    have relative errors of u each. In all less than (n + 64) u; the factor grants twice that. It leaves 0 at 0, and it
    is needed beside `float_slack`, which is 0 where nothing is inside the vignette and knows nothing of given centres.
    """
    count = len(image) * math.prod(preprocessing.output_size(image.shape[1], image.shape[2]))
    return 1 + (count + 64) * 2.0**-52


def float_slack(preprocessing: Preprocessing, image: Tensor, per_pixel: float) -> float:
    """Norm of what finite precision can change: ``per_pixel`` times the largest pixel, on all pixels of P x.

    ``per_pixel`` bounds the error of this package's own float64 computation, relative to the largest absolute pixel;
    each bound derives its own. For images of fewer digits than float64 the error of a pipeline that rounds to that
    type after each step is added, so that a float32 evaluation of e does not exceed the bound either: the two warps
    round once each; P's sums are of non-negative products, at most (taps of resize + taps of blur) on each axis, and
    a sum of n rounded products of rounded weights has relative error below (n + 2) u. All on both terms of e.
    """
    channels, height, width = image.shape
    rows, columns = preprocessing.output_size(height, width)
    unit = torch.finfo(image.dtype).eps / 2
    if image.dtype != torch.float64:
        taps = max(1, preprocessing.blur_size)
        if preprocessing.resize is not None:
            taps += 2 * math.ceil(max(height, width) / min(preprocessing.resize, height, width)) + 2
        per_pixel += 2 * unit * (2 * (taps + 4) + 4)
    inside = int(preprocessing.mask(rows, columns).sum()) * channels
    return per_pixel * float(image.detach().double().abs().max()) * math.sqrt(inside) if image.numel() else 0.0
