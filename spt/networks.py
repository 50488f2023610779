"""Network architectures: small strided convolutional networks, because a vote is one forward pass, and a residual one."""

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


NETWORKS: dict[str, type[nn.Module]] = {"strided": StridedNet, "residual": ResidualNet}


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
    if isinstance(module, StridedNet | ResidualNet):
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
        elif isinstance(layer, Shortcut):
            fused.append(Shortcut(_fused(layer.block), _fused(layer.way)))
        else:
            fused.append(layer)
    return nn.Sequential(*fused)


def has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 natively (AVX-512 BF16 or AMX)."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.cpu._is_avx512_bf16_supported()
