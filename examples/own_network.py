"""Bring your own network: any torch module and a function ``classifier()`` that wraps it as an `spt` Classifier.

    python -m spt certify --classifier examples/own_network.py --image digits:3
    python -m spt attack  --classifier examples/own_network.py --image digits:3 --limit 45

The network here needs no training and no download: it compares an image with the 40 bundled digits, each turned by
-60, -45, ..., 60 degrees. Of the bundled digits it gets 39 right when the digit itself is left out of the templates,
of MNIST's test images two thirds. For your own network replace `TemplateNetwork` and the arguments of `Classifier`;
weights come from wherever you load them (``safetensors.torch.load_file`` runs no code from the file).
"""

import torch
from torch import Tensor, nn

from spt import Classifier, Preprocessing, Rotation, load_dataset

TEMPERATURE = 1.0


class TemplateNetwork(nn.Module):
    """Logit of a class = log sum over its templates t of exp(-|x - t|^2 / (2 TEMPERATURE)), up to a common constant."""

    def __init__(self, templates: Tensor, labels: Tensor, classes: int) -> None:
        super().__init__()
        order = labels.argsort(stable=True)
        self.counts = labels.bincount(minlength=classes).tolist()
        self.register_buffer("templates", templates.flatten(1)[order])

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, C, H, W): what arrives here has gone through P, and carries pixel noise."""
        scores = images.flatten(1) @ self.templates.T - self.templates.square().sum(dim=1) / 2
        return torch.stack([s.logsumexp(dim=1) for s in (scores / TEMPERATURE).split(self.counts, dim=1)], dim=1)


def classifier() -> Classifier:
    """What ``--classifier examples/own_network.py`` calls."""
    digits = load_dataset("digits")
    images, labels = digits.batch(range(len(digits)))
    preprocessing = Preprocessing(vignette="circle", blur_size=5)  # a circle, since corners turn out of sight
    angles = range(-60, 61, 15)
    templates = torch.cat([preprocessing(Rotation()(images, angle)) for angle in angles])
    return Classifier(
        name="digit templates",
        module=TemplateNetwork(templates, labels.repeat(len(angles)), len(digits.class_names)),
        class_names=digits.class_names,
        input_shape=(1, 28, 28),
        preprocessing=preprocessing,
        transform="rotation",  # from here on: defaults of the command line and the pages, all optional
        parameter_sigma=30.0,
        pixel_sigma=0.3,
    )
