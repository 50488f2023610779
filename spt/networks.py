"""Network architectures: small strided convolutional networks, because a vote is one forward pass, a residual one, and
EfficientNet-Lite for photographs."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Residual(nn.Module):
    """x + block(x), for a block that keeps the shape."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, images: Tensor) -> Tensor:
        """Shape in, shape out."""
        return images + self.block(images)  # type: ignore[no-any-return]


class StridedNet(nn.Module):
    """Convolution - batch norm - ReLU blocks, some of them strided, then one linear layer on all that is left.

    Args:
        channels: image channels.
        side: height and width of the images, after preprocessing.
        classes: number of outputs.
        widths: output channels of each block.
        strides: stride of each block.
        residual: whether a block that keeps the shape is added to its input.
    """

    def __init__(
        self, channels: int, side: int, classes: int, widths: list[int], strides: list[int], residual: bool = False
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for index, (width, stride) in enumerate(zip(widths, strides, strict=True)):
            size = 5 if index == 0 else 3
            block = [
                nn.Conv2d(channels, width, size, stride, size // 2, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            blocks += [Residual(nn.Sequential(*block))] if residual and (stride, width) == (1, channels) else block
            channels, side = width, -(-side // stride)
        self.features = nn.Sequential(*blocks)
        self.classify = nn.Linear(channels * side**2, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, C, H, W)."""
        return self.classify(self.features(images).flatten(1))  # type: ignore[no-any-return]


class Shortcut(nn.Module):
    """ReLU(block(x) + way(x)): a residual block whose way past it may change the shape."""

    def __init__(self, block: nn.Sequential, way: nn.Sequential) -> None:
        super().__init__()
        self.block, self.way = block, way

    def forward(self, images: Tensor) -> Tensor:
        """As the block's output."""
        return functional.relu(self.block(images) + self.way(images))


class ResidualNet(nn.Module):
    """The residual network for small images of He et al. (2016): stages of residual blocks, the mean over what is left, and
    one linear layer. ReLUs follow the sums, so that every batch norm can be folded into the convolution before it.

    Args:
        channels: image channels.
        side: height and width of the images, after preprocessing; at least 1 pixel is left in the last stage of any.
        classes: number of outputs.
        widths: channels of each stage; the sides are halved between stages. ResNet-18 has [64, 128, 256, 512].
        blocks: residual blocks of each stage, two convolutions each. ResNet-18 has [2, 2, 2, 2].
    """

    def __init__(self, channels: int, side: int, classes: int, widths: list[int], blocks: list[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_convolution(channels, widths[0], 3), nn.ReLU(inplace=True)]
        before = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for number in range(count):
                stride = 2 if stage > 0 and number == 0 else 1
                first, second = _convolution(before, width, 3, stride), _convolution(width, width, 3)
                same = (stride, before) == (1, width)
                way = nn.Sequential(*([] if same else _convolution(before, width, 1, stride)))
                layers.append(Shortcut(nn.Sequential(*first, nn.ReLU(inplace=True), *second), way))
                before = width
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(before, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, C, H, W)."""
        return self.classify(self.features(images).mean(dim=(2, 3)))  # type: ignore[no-any-return]


def _convolution(before: int, after: int, size: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(before, after, size, stride, size // 2, bias=False), nn.BatchNorm2d(after)


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite: the EfficientNet of Tan and Le (2019) without squeeze-and-excitation and with ReLU6, as TensorFlow
    publishes it: a convolution of stride 2, stages of inverted residual blocks (Sandler et al., 2018), a 1x1 convolution, the
    mean over what is left, and one linear layer. Padding is TensorFlow's SAME: with stride 2, where the sides do not come out
    even, the pixel more is on the right and at the bottom.

    Args:
        channels: image channels.
        side: height and width of the images, after preprocessing; padding is made for this size alone.
        classes: number of outputs.
        stem, head: channels of the first and of the last convolution.
        stages: (blocks, kernel, stride, expansion, channels) of each; the stride is that of the first block.
        mean, deviation: of all pixels in [0, 1]: images are normalised first, and what is padded is such a mean.
        epsilon: of the batch norm.
    """

    def __init__(
        self,
        channels: int,
        side: int,
        classes: int,
        stem: int,
        stages: list[list[int]],
        head: int,
        mean: float,
        deviation: float,
        epsilon: float = 1e-3,
    ) -> None:
        super().__init__()
        self.side, self.mean, self.deviation = side, mean, deviation
        layers: list[nn.Module] = [*_padded(channels, stem, 3, 2, side, epsilon), nn.ReLU6(inplace=True)]
        before, side = stem, -(-side // 2)
        for count, size, stage_stride, expansion, width in stages:
            for number in range(count):
                stride = stage_stride if number == 0 else 1
                inner = before * expansion
                wider = [] if expansion == 1 else [*_padded(before, inner, 1, 1, side, epsilon), nn.ReLU6(inplace=True)]
                depthwise = [*_padded(inner, inner, size, stride, side, epsilon, groups=inner), nn.ReLU6(inplace=True)]
                side = -(-side // stride)
                block = nn.Sequential(*wider, *depthwise, *_padded(inner, width, 1, 1, side, epsilon))
                layers += [Residual(block)] if (stride, before) == (1, width) else [block]
                before = width
        layers += [*_padded(before, head, 1, 1, side, epsilon), nn.ReLU6(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(head, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, C, side, side); ValueError for another size."""
        if tuple(images.shape[2:]) != (self.side, self.side):
            raise ValueError(
                f"this network is for {self.side} x {self.side} pixels, but was shown {images.shape[2]} x {images.shape[3]}"
            )
        normalised = (images - self.mean) / self.deviation
        return self.classify(self.features(normalised).mean(dim=(2, 3)))  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """What decides its answers besides layers and weights."""
        return f"side={self.side}, mean={self.mean!r}, deviation={self.deviation!r}"


def _padded(
    before: int, after: int, size: int, stride: int, side: int, epsilon: float, groups: int = 1
) -> list[nn.Module]:
    """Padding as TensorFlow's SAME for images of that side, convolution, batch norm."""
    total = max((-(-side // stride) - 1) * stride + size - side, 0)
    even = total % 2 == 0
    convolution = nn.Conv2d(before, after, size, stride, total // 2 if even else 0, groups=groups, bias=False)
    first, last = total // 2, total - total // 2
    pad = [] if even else [nn.ZeroPad2d((first, last, first, last))]
    return [*pad, convolution, nn.BatchNorm2d(after, eps=epsilon)]


NETWORKS: dict[str, type[nn.Module]] = {
    "strided": StridedNet,
    "residual": ResidualNet,
    "efficientnet-lite": EfficientNetLite,
}


def build_network(architecture: str, **settings: Any) -> nn.Module:
    """An untrained network; ``architecture`` is a key of NETWORKS, ``settings`` are its arguments."""
    if architecture not in NETWORKS:
        raise ValueError(f"Unknown architecture {architecture!r}: choose one of {', '.join(NETWORKS)}.")
    return NETWORKS[architecture](**settings)


class FastInference(nn.Module):
    """A network for inference: batch norm folded into the convolutions, channels last, bfloat16 where that is fast.

    On a processor with native bfloat16 (and on CUDA) the convolutions run in bfloat16; elsewhere in float32. The card
    of each bundled network states the accuracy in both.
    """

    def __init__(self, module: nn.Module, half: bool) -> None:
        super().__init__()
        self.module = module.to(memory_format=torch.channels_last)
        self.half_precision = half
        if half:
            self.module.to(torch.bfloat16)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, float32 (float64 where the network was converted to it)."""
        images = images.to(next(self.module.parameters()).dtype, memory_format=torch.channels_last)
        logits: Tensor = self.module(images)
        return logits.double() if logits.dtype == torch.float64 else logits.float()


def fuse_batch_norm(module: nn.Module, half: bool | None = None) -> FastInference:
    """``module`` (one of NETWORKS) in evaluation mode, made fast for inference; ``half`` None asks the processor."""
    module.eval()
    if isinstance(module, StridedNet | ResidualNet | EfficientNetLite):
        module.features = _fused(module.features)
    return FastInference(module, has_fast_bfloat16() if half is None else half)


def _fused(layers: nn.Sequential) -> nn.Sequential:
    """The same function with each batch norm folded into the convolution before it."""
    fused: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d) and isinstance(fused[-1], nn.Conv2d):
            fused[-1] = fuse_conv_bn_eval(fused[-1], layer)
        elif isinstance(layer, Residual) and isinstance(layer.block, nn.Sequential):
            fused.append(Residual(_fused(layer.block)))
        elif isinstance(layer, nn.Sequential):
            fused.append(_fused(layer))
        elif isinstance(layer, Shortcut):
            fused.append(Shortcut(_fused(layer.block), _fused(layer.way)))
        else:
            fused.append(layer)
    return nn.Sequential(*fused)


def has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 natively (AVX-512 BF16 or AMX)."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.cpu._is_avx512_bf16_supported()
