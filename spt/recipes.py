"""How the bundled classifiers are trained, as plain values: see `spt.training`."""

from dataclasses import dataclass, field
from typing import Any

from spt.preprocessing import Preprocessing
from spt.transforms import get_transform


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run produces, as plain values.

    Attributes:
        name: of the classifier.
        dataset: name for `spt.datasets.load_dataset`; its train split is used.
        transform, parameter_sigma: the transformation noise, None and 0 for none.
        pixel_sigma: standard deviation of the pixel noise, images in [0, 1].
        preprocessing: P.
        flip: whether images are mirrored at random, left to right.
        crop: largest shift in pixels of a random crop, from the image continued by reflection.
        network: architecture and its settings, see `spt.networks.build_network`.
        epochs, batch_size, learning_rate, weight_decay: AdamW, one-cycle (cosine) schedule.
        finishing_epochs, finishing_rate: further epochs, whose learning rate falls from that rate to 0 (cosine).
        consistency: weight of the consistency loss; 0 trains on one noisy copy with cross-entropy alone.
        box_radius: radius of the box around P x (maximum norm) whose worst logits are trained too, see `box_loss`; 0 for
            none. It grows from 0 over the first half of the epochs.
        adversarial_radius: of the ball (Euclidean norm) in which what the network is shown is attacked first, by
            ``adversarial_steps`` steps, see `attacked`; 0 for none. It grows as box_radius does.
        average: decay of the exponential average of the weights that is kept in the end.
        half_weights: whether the weights are rounded to float16 in the end and stored so, in half the space.
        seed: of initialisation, order and noise.
    """

    name: str
    dataset: str
    network: dict[str, Any]
    transform: str | None = None
    parameter_sigma: float = 0.0
    pixel_sigma: float = 0.0
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    flip: bool = False
    crop: int = 0
    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    finishing_epochs: int = 0
    finishing_rate: float = 1e-3
    consistency: float = 0.0
    box_radius: float = 0.0
    adversarial_radius: float = 0.0
    adversarial_steps: int = 2
    average: float = 0.998
    half_weights: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "adversarial_steps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, but is {getattr(self, name)}.")
        names = (
            "parameter_sigma",
            "pixel_sigma",
            "crop",
            "consistency",
            "box_radius",
            "adversarial_radius",
            "weight_decay",
            "finishing_epochs",
        )
        for name in names:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, but is {getattr(self, name)}.")
        if not 0 <= self.average < 1:
            raise ValueError(f"average must be at least 0 and less than 1, but is {self.average}.")
        if self.transform is not None:
            get_transform(self.transform)
        elif self.parameter_sigma > 0:
            raise ValueError(f"parameter_sigma is {self.parameter_sigma}, but no transformation is named.")


MNIST_NETWORK: dict[str, Any] = {
    "architecture": "strided",
    "channels": 1,
    "side": 28,
    "classes": 10,
    "widths": [32, 64, 96, 128],
    "strides": [2, 2, 1, 2],
}


MNIST_WIDE_NETWORK = MNIST_NETWORK | {
    "widths": [48, 96, 128, 128, 128, 192],
    "strides": [2, 1, 2, 1, 1, 2],
    "residual": True,
}


MNIST_VERIFIABLE_NETWORK = MNIST_NETWORK | {"widths": [16, 32], "strides": [2, 2]}


CIFAR10_NETWORK: dict[str, Any] = {
    "architecture": "strided",
    "channels": 3,
    "side": 32,
    "classes": 10,
    "widths": [64, 128, 128, 256, 256, 384, 384],
    "strides": [1, 2, 1, 2, 1, 2, 1],
    "residual": True,
}


CIFAR10_SMALL_NETWORK = CIFAR10_NETWORK | {
    "widths": [64, 96, 192, 192, 320, 320],
    "strides": [2, 1, 2, 1, 2, 1],
}


CIFAR10_RESIDUAL_NETWORK: dict[str, Any] = {
    "architecture": "residual",
    "channels": 3,
    "side": 32,
    "classes": 10,
    "widths": [64, 128, 256],
    "blocks": [2, 2, 2],
}


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("mnist-plain", "mnist", MNIST_NETWORK, epochs=20),
        Recipe(
            "mnist-rotation",
            "mnist",
            MNIST_NETWORK,
            transform="rotation",
            parameter_sigma=30.0,
            pixel_sigma=0.3,
            preprocessing=Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=2.0),
            epochs=25,
            finishing_epochs=6,
            consistency=1.0,
        ),
        Recipe(
            "mnist-rotation-fine",
            "mnist",
            MNIST_WIDE_NETWORK,
            transform="rotation",
            parameter_sigma=30.0,
            pixel_sigma=0.2,
            preprocessing=Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=2.0),
            epochs=25,
            finishing_epochs=6,
            consistency=1.0,
        ),
        Recipe(
            "mnist-translation",
            "mnist",
            MNIST_NETWORK,
            transform="translation",
            parameter_sigma=1.5,
            pixel_sigma=0.3,
            preprocessing=Preprocessing(vignette="rectangle", vignette_margin=4.0, blur_size=5, blur_scale=2.0),
            epochs=25,
            consistency=1.0,
        ),
        Recipe(
            "mnist-verifiable",
            "mnist",
            MNIST_VERIFIABLE_NETWORK,
            transform="rotation",
            parameter_sigma=15.0,
            epochs=10,
            box_radius=0.05,
        ),
        Recipe(
            "mnist-verifiable-vignette",
            "mnist",
            MNIST_VERIFIABLE_NETWORK,
            transform="rotation",
            parameter_sigma=15.0,
            preprocessing=Preprocessing(vignette="circle", vignette_margin=2.0),
            epochs=10,
            box_radius=0.05,
        ),
        Recipe("cifar10-plain", "cifar10", CIFAR10_NETWORK, flip=True, crop=4, epochs=15, half_weights=True),
        Recipe(
            "cifar10-rotation",
            "cifar10",
            CIFAR10_NETWORK,
            transform="rotation",
            parameter_sigma=30.0,
            preprocessing=Preprocessing(vignette="circle", vignette_margin=2.0),
            flip=True,
            crop=4,
            epochs=16,
            half_weights=True,
        ),
        Recipe(
            "cifar10-smooth",
            "cifar10",
            CIFAR10_SMALL_NETWORK,
            transform="rotation",
            parameter_sigma=30.0,
            pixel_sigma=0.15,
            preprocessing=Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=1.5),
            flip=True,
            crop=2,
            epochs=24,
            finishing_epochs=8,
            consistency=1.0,
        ),
        Recipe(
            "cifar10-resnet",
            "cifar10",
            CIFAR10_RESIDUAL_NETWORK,
            transform="rotation",
            parameter_sigma=30.0,
            pixel_sigma=0.25,
            preprocessing=Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=1.5),
            flip=True,
            crop=4,
            epochs=28,
            batch_size=512,
            consistency=1.0,
            adversarial_radius=0.25,
            half_weights=True,
        ),
        Recipe(
            "cifar10-resnet-fine",
            "cifar10",
            CIFAR10_RESIDUAL_NETWORK,
            transform="rotation",
            parameter_sigma=30.0,
            pixel_sigma=0.12,
            preprocessing=Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=1.0),
            flip=True,
            crop=4,
            epochs=60,
            batch_size=512,
            consistency=1.0,
            half_weights=True,
        ),
    )
}
