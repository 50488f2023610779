"""Sound bounds of what a network does to sets of images: forward (IBP) and backward (CROWN), in float64.

Which network. The layers are affine (convolution, linear) with float32 weights, ReLU, flatten and x + block(x); batch
norm is folded before. Statements hold for the network in real arithmetic *and* for every evaluation in float32 or better
that computes each affine output as a sum of products, rounded after each operation or less often, in any order (no
Winograd or FFT convolution, no TF32, no bfloat16). Proof: such an evaluation of a sum of n products and a bias is off by

    |delta| <= gamma (|W| |x| + |b|) + tiny,   gamma = (n + 1) u / (1 - (n + 1) u),   u = 2**-24

(Higham, Accuracy and Stability, section 3.1, for every order and with or without fused operations); tiny covers underflow.
So it satisfies y = W x + b + delta exactly, and every layer's values are bounded with this delta included, given that |x|
is at most the magnitude m that was bounded before: `Affine.error` is 1.25 (n + 4) u (|W| m + |b|) + 1e-20. At most 1.01 (n + 1) u
of the factor are needed for float32, as n <= 2**16.

Our own rounding. The other quarter, at least u (|W| m + |b|) = 2**-24 (...), is for float64, whose sums of N <= 2**20 products
have relative errors below 2**-32: computing W c + b, |W| r and the ends of the box costs less than 2**-30 (|W| m + |b|). In
the backward pass the computed row R' = R W is off by at most 2**-32 |R| |W| in each entry, which changes R' x by at most
2**-32 |R| (|W| m): the same term with the same factor |R|. Whatever slopes are computed for a ReLU, they are used as they are: any
lower slope in [0, 1] is sound, and the upper line's offset is computed for the upper slope and rounded up. The products
of rows and slopes and all sums of constants are charged `ROUNDING` times the magnitudes of their terms.

Source: Gowal et al. 2018 (IBP); Zhang et al. 2018 (CROWN); Zhang et al. 2020 (CROWN-IBP).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from spt.networks import FastInference, Residual, StridedNet
from spt.verification.line_enclosure import MOST_TERMS, ROUNDING, LineEnclosure

ROWS_AT_ONCE = 128
TINY = 1e-20
LARGEST = 1e30
LARGEST_WEIGHT = 1e6
MOST_INPUTS = 1 << 16


@dataclass(frozen=True, eq=False)
class Rows:
    """Lower bounds linear in some layer's values: coefficients (M, K, ...), constants (M, K); slack is to be subtracted."""

    coefficients: Tensor
    constant: Tensor
    slack: Tensor

    def least(self, enclosure: LineEnclosure) -> Tensor:
        """Lower bounds (M, K) over the sets; -inf where something overflowed."""
        found = enclosure.least(self.coefficients) + self.constant
        found = found - (self.slack + ROUNDING * self.constant.abs()) * (1 + 2**-20)
        return torch.where(found > -math.inf, found, -math.inf)


class LayerStep(ABC):
    """One layer in one forward pass: what it received, and how to pull linear bounds of its output back to its input."""

    received: LineEnclosure

    @abstractmethod
    def back(self, rows: Rows) -> Rows:
        """Lower bounds in terms of the output as lower bounds in terms of the input."""


@dataclass(frozen=True, eq=False)
class _Reshape(LayerStep):
    received: LineEnclosure

    def back(self, rows: Rows) -> Rows:
        shape = self.received.lower.shape[1:]
        return replace(rows, coefficients=rows.coefficients.reshape(*rows.coefficients.shape[:2], *shape))


def _dot(coefficients: Tensor, values: Tensor) -> Tensor:
    """(M, K, ...) with (M, ...) to (M, K)."""
    return (coefficients.flatten(2) @ values.flatten(1)[:, :, None])[:, :, 0]


@dataclass(frozen=True, eq=False)
class _AffineStep(LayerStep):
    received: LineEnclosure
    layer: Affine
    error: Tensor

    def back(self, rows: Rows) -> Rows:
        many = rows.coefficients
        bias = self.layer.bias_like(self.error)
        return Rows(
            self.layer.transposed(many, self.received.lower.shape[1:]),
            rows.constant + _dot(many, bias),
            rows.slack + _dot(many.abs(), self.error),
        )


class Affine:
    """A convolution or linear layer in float64, exactly the float32 weights."""

    def __init__(self, layer: nn.Conv2d | nn.Linear) -> None:
        if layer.weight.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"Only float32 networks are verified, but there is a layer with {layer.weight.dtype} weights."
            )
        weight = layer.weight.detach().double()
        bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().double()
        largest = float(torch.cat((weight.flatten(), bias)).abs().max())
        if not largest <= LARGEST_WEIGHT:
            raise ValueError(f"Weights must be finite and at most {LARGEST_WEIGHT:g}, but the largest is {largest:g}.")
        self.weight, self.bias = weight.contiguous(), bias
        self.inputs = weight[0].numel()
        if self.inputs > MOST_INPUTS:
            raise ValueError(f"A layer may sum at most {MOST_INPUTS} products, but one has {self.inputs}.")
        self.convolution: dict[str, Any] | None = None
        if isinstance(layer, nn.Conv2d):
            if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
                raise ValueError(f"Convolutions must be padded by a number of zeros: {layer} is not supported.")
            names = ("stride", "padding", "dilation", "groups")
            self.convolution = {name: getattr(layer, name) for name in names}

    def _linear(self, values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.convolution is None:
            return functional.linear(values, weight, bias)
        return functional.conv2d(values, weight, bias, **self.convolution)

    def bias_like(self, outputs: Tensor) -> Tensor:
        """The bias with the shape of the outputs."""
        bias = self.bias.to(outputs.device)
        return (bias if self.convolution is None else bias[:, None, None]).expand(outputs.shape)

    def transposed(self, rows: Tensor, shape: Sequence[int]) -> Tensor:
        """R W for rows R (M, K, outputs): (M, K, *shape)."""
        weight = self.weight.to(rows.device)
        if self.convolution is None:
            return rows @ weight
        stride, padding, dilation, groups = self.convolution.values()
        sizes = zip(shape[1:], rows.shape[3:], weight.shape[2:], stride, padding, dilation, strict=True)
        rest = [n - ((out - 1) * s - 2 * p + d * (k - 1) + 1) for n, out, k, s, p, d in sizes]
        found = functional.conv_transpose2d(
            rows.flatten(0, 1), weight, None, stride, padding, tuple(rest), groups, dilation
        )
        return found.reshape(*rows.shape[:2], *shape)

    def forward(self, enclosure: LineEnclosure) -> tuple[LineEnclosure, LayerStep]:
        """The image of the sets; see the module for the error."""
        weight, bias = self.weight.to(enclosure.lower.device), self.bias.to(enclosure.lower.device)
        size = weight.abs()
        centre = (enclosure.lower + enclosure.upper) / 2
        spread = torch.maximum(enclosure.upper - centre, centre - enclosure.lower)
        start, stop, centre = self._linear(torch.cat((enclosure.start, enclosure.stop, centre)), weight, bias).chunk(3)
        # |start| and |stop| may exceed the box: what is charged covers them too
        largest = torch.maximum(
            torch.maximum(enclosure.start.abs(), enclosure.stop.abs()) + enclosure.radius, enclosure.magnitude
        )
        radius, spread, total = self._linear(torch.cat((enclosure.radius, spread, largest)), size, None).chunk(3)
        total = total + self.bias_like(total).abs()
        error = 1.25 * (self.inputs + 4) * 2.0**-24 * total + TINY
        error = torch.where(total < LARGEST, error, math.inf)
        radius, spread = radius + error, spread + error
        lower = torch.maximum(centre - spread, torch.minimum(start, stop) - radius)
        upper = torch.minimum(centre + spread, torch.maximum(start, stop) + radius)
        return LineEnclosure(start, stop, radius, lower, upper), _AffineStep(enclosure, self, error)


class Flatten:
    """(M, C, H, W) to (M, C H W)."""

    def forward(self, enclosure: LineEnclosure) -> tuple[LineEnclosure, LayerStep]:
        """The same values."""
        return enclosure.map(lambda part: part.flatten(1)), _Reshape(enclosure)


@dataclass(frozen=True, eq=False)
class _ReLUStep(LayerStep):
    received: LineEnclosure
    slope: Tensor
    offset: Tensor

    def back(self, rows: Rows) -> Rows:
        lower, upper = self.received.lower, self.received.upper
        below = torch.where(lower >= 0, 1.0, torch.where(upper > -lower, 1.0, 0.0))
        below = torch.where(upper <= 0, 0.0, below).to(lower)
        many = rows.coefficients
        positive, negative = many.clamp(min=0), many.clamp(max=0)
        pulled = positive * below[:, None] + negative * self.slope[:, None]
        offsets = _dot(negative, self.offset)
        slack = _dot(pulled.abs(), self.received.magnitude) - offsets
        return Rows(pulled, rows.constant + offsets, rows.slack + ROUNDING * slack)


class ReLU:
    """max(x, 0): between slope x and slope x + offset on each entry's interval, exact where its sign is known."""

    def forward(self, enclosure: LineEnclosure) -> tuple[LineEnclosure, LayerStep]:
        """Box: exact. Line: relaxed."""
        lower, upper = enclosure.lower, enclosure.upper
        slope = (upper / (upper - lower)).clamp(0, 1)
        slope = torch.where(lower >= 0, 1.0, torch.where(upper <= 0, 0.0, slope))
        # relu is convex: a line is above it on [lower, upper] if it is so at both ends
        offset = torch.maximum(-slope * lower, (1 - slope) * upper) * (1 + 2.0**-50)
        offset = offset.clamp(min=0)
        rounding = ROUNDING * (enclosure.start.abs() + enclosure.stop.abs() + enclosure.radius + offset)
        after = LineEnclosure(
            slope * enclosure.start + offset / 2,
            slope * enclosure.stop + offset / 2,
            torch.where(upper <= 0, 0.0, slope * enclosure.radius + offset / 2 + rounding),
            lower.clamp(min=0),
            upper.clamp(min=0),
        )
        return after, _ReLUStep(enclosure, slope, offset)


@dataclass(frozen=True, eq=False)
class _ResidualStep(LayerStep):
    received: LineEnclosure
    steps: list[LayerStep]
    error: Tensor

    def back(self, rows: Rows) -> Rows:
        many = rows.coefficients
        inner = replace(rows, slack=rows.slack + _dot(many.abs(), self.error))
        for step in reversed(self.steps):
            inner = step.back(inner)
        pulled = inner.coefficients + many
        rounding = ROUNDING * _dot(inner.coefficients.abs() + many.abs(), self.received.magnitude)
        return Rows(pulled, inner.constant, inner.slack + rounding)


class Block:
    """x + block(x)."""

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers

    def forward(
        self, enclosure: LineEnclosure, before: list[LayerStep], refine: bool
    ) -> tuple[LineEnclosure, LayerStep]:
        """Sums of both parts; their correlation is kept by the backward pass only."""
        inner, steps = forward(self.layers, enclosure, refine=refine, before=before)
        largest = [
            torch.maximum(t.magnitude, torch.maximum(t.start.abs(), t.stop.abs()) + t.radius)
            for t in (enclosure, inner)
        ]
        error = 2.0**-21 * (largest[0] + largest[1]) + TINY
        radius = enclosure.radius + inner.radius + error
        start, stop = enclosure.start + inner.start, enclosure.stop + inner.stop
        lower = torch.maximum(enclosure.lower + inner.lower - error, torch.minimum(start, stop) - radius)
        upper = torch.minimum(enclosure.upper + inner.upper + error, torch.maximum(start, stop) + radius)
        return LineEnclosure(start, stop, radius, lower, upper), _ResidualStep(enclosure, steps, error)


Layer = Affine | ReLU | Flatten | Block


def read_network(module: nn.Module) -> list[Layer]:
    """The layers of a network, to be bounded; ValueError names a layer that is not supported.

    Takes `FastInference` in float32, `StridedNet` with folded batch norm, and any nesting of nn.Sequential, Conv2d,
    Linear, ReLU, Flatten, Identity and `Residual`. The network is the one with the module's weights as they are.
    """
    if isinstance(module, FastInference):
        if module.half_precision:
            raise ValueError("This network runs in bfloat16, but only float32 is verified: load it with `in_float32`.")
        return read_network(module.module)
    if isinstance(module, StridedNet):
        return [*read_network(module.features), Flatten(), Affine(module.classify)]
    if isinstance(module, nn.Sequential):
        return [layer for part in module for layer in read_network(part)]
    if isinstance(module, Residual):
        if _overwrites_its_input(module.block):
            raise ValueError("A residual block must not begin with a ReLU in place, which changes what it is added to.")
        return [Block(read_network(module.block))]
    if isinstance(module, nn.Conv2d | nn.Linear):
        return [Affine(module)]
    if isinstance(module, nn.ReLU):
        return [ReLU()]
    if isinstance(module, nn.Flatten):
        if (module.start_dim, module.end_dim) != (1, -1):
            raise ValueError(f"{module} is not supported: all but the first axis must be flattened.")
        return [Flatten()]
    if isinstance(module, nn.Identity):
        return []
    if isinstance(module, nn.BatchNorm2d):
        raise ValueError("Batch norm is not bounded: fold it into the convolutions first, see `fuse_batch_norm`.")
    raise ValueError(f"There are no bounds for a layer of type {type(module).__name__}.")


def _overwrites_its_input(module: nn.Module) -> bool:
    """Whether a ReLU works in place on what the module is given (or on a view of it)."""
    if isinstance(module, nn.Sequential | Residual):
        for part in module.children():
            if _overwrites_its_input(part):
                return True
            if not isinstance(part, nn.Flatten | nn.Identity):
                return False
    return isinstance(module, nn.ReLU) and module.inplace


def forward(
    layers: Sequence[Layer], enclosure: LineEnclosure, *, refine: bool = False, before: Sequence[LayerStep] = ()
) -> tuple[LineEnclosure, list[LayerStep]]:
    """Bounds of the network's output on each set, and the steps to it; ``before`` are the steps that led here.

    ``refine``: sharpen what each ReLU receives by a backward pass of its own (CROWN); otherwise forward alone (IBP).
    """
    steps: list[LayerStep] = []
    for layer in layers:
        if enclosure.lower[0].numel() > MOST_TERMS:
            raise ValueError(f"A layer may have at most {MOST_TERMS} values, but one has {enclosure.lower[0].numel()}.")
        path = [*before, *steps]
        step: LayerStep
        if isinstance(layer, Block):
            enclosure, step = layer.forward(enclosure, path, refine)
        else:
            if refine and isinstance(layer, ReLU) and any(isinstance(s, _ReLUStep | _ResidualStep) for s in path):
                enclosure = _refined(enclosure, path)
            enclosure, step = layer.forward(enclosure)
        steps.append(step)
    return enclosure, steps


def least(steps: Sequence[LayerStep], rows: Tensor, last: LineEnclosure, *, backward: bool = True) -> Tensor:
    """Lower bounds (M, K) of linear functions of the output with coefficients ``rows`` (M, K, ...).

    The best of all places where the pulled back function is bounded on the set known there; without ``backward`` it is
    pulled through the affine layers at the end only, which is IBP with the last layers merged.
    """
    zero = rows.new_zeros(rows.shape[:2])
    current = Rows(rows, zero, zero)
    best = current.least(last)
    for step in reversed(steps):
        if not backward and isinstance(step, _ReLUStep | _ResidualStep):
            break
        current = step.back(current)
        best = torch.maximum(best, current.least(step.received))
    return best


def _refined(enclosure: LineEnclosure, path: list[LayerStep]) -> LineEnclosure:
    """The sets before a ReLU, with entries of unknown sign bounded by a backward pass."""
    lower, upper = enclosure.lower.flatten(1).clone(), enclosure.upper.flatten(1).clone()
    unknown = ((lower < 0) & (upper > 0)).any(0).nonzero()[:, 0]
    for part in torch.split(unknown, ROWS_AT_ONCE):
        rows = lower.new_zeros(len(enclosure), len(part), lower.shape[1])
        rows[:, torch.arange(len(part)), part] = 1.0
        rows = rows.reshape(len(enclosure), len(part), *enclosure.lower.shape[1:])
        lower[:, part] = torch.maximum(lower[:, part], least(path, rows, enclosure))
        upper[:, part] = torch.minimum(upper[:, part], -least(path, -rows, enclosure))
    return enclosure.meet(lower.reshape(enclosure.lower.shape), upper.reshape(enclosure.upper.shape))
