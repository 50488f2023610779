"""ImageNet networks of torchvision as base classifiers: name them like your own, ``spt.torchvision_networks:resnet50``.

Their weights are downloaded by torchvision on first use (98 MB, to its own folder). P is the paper's ImageNet pipeline: what
comes in has a short side of 512, after the transformation it is resized to 256, cut to the central 224 and gets vignette and
blur. The networks were not trained for noise: their certificates are as good as they stand it, which is not well.
"""

import torch
from torch import Tensor, nn

from spt.classifiers import Classifier
from spt.preprocessing import Preprocessing

SIDE = 512
"""Side of the images that are transformed."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Normalised(nn.Module):
    """A network that is fed images in [0, 1] and normalises them itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 1000) of images (N, 3, 224, 224)."""
        return self.network((images - self.mean) / self.deviation)  # type: ignore[no-any-return]


def resnet50() -> Classifier:
    """torchvision's ResNet-50 with its ImageNet weights (IMAGENET1K_V1)."""
    from torchvision.models import ResNet50_Weights, resnet50

    weights = ResNet50_Weights.IMAGENET1K_V1
    return _classifier("resnet50", resnet50(weights=weights), tuple(weights.meta["categories"]))


def resnet50_untrained() -> Classifier:
    """The same network with random weights, for trying out the pipeline where nothing can be downloaded."""
    from torchvision.models import ResNet50_Weights, resnet50

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = resnet50(weights=None)
    return _classifier("resnet50-untrained", network, tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"]))


def _classifier(name: str, network: nn.Module, class_names: tuple[str, ...]) -> Classifier:
    return Classifier(
        name=name,
        module=Normalised(network.eval()),
        class_names=class_names,
        input_shape=(3, SIDE, SIDE),
        preprocessing=Preprocessing(
            resize=256, crop=224, vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=2.0
        ),
        transform="rotation",
        parameter_sigma=30.0,
        pixel_sigma=0.5,
    )
