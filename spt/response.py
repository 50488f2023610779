"""How a base classifier's answer changes along a transformation: the response curve (one parameter) or map (two)."""

import torch
from torch import Tensor

from spt.classifiers import Classifier
from spt.transforms import Transform


@torch.inference_mode()
def response(classifier: Classifier, transform: Transform, image: Tensor, points: Tensor) -> Tensor:
    """Class probabilities softmax f(P T_point x) for one image (C, H, W): (K, classes) float32 on the CPU.

    Args:
        points: (K, d) parameter points, in the transformation's unit. Evaluated in chunks of the classifier's size.
    """
    image = classifier.check_image(image)
    logits = [classifier.logits(transform(image, part)) for part in torch.split(points, classifier.chunk)]
    return torch.cat(logits).softmax(dim=1).cpu()
