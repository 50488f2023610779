"""SPT: certified robustness of image classifiers to rotations and translations, by randomized smoothing.

>>> import spt
>>> classifier = spt.load_classifier("mnist-rotation")
>>> image = spt.load_dataset("digits", shape=classifier.input_shape).image(3)
>>> g = spt.SmoothedClassifier(classifier, spt.Rotation(), parameter_sigma=30.0, pixel_sigma=0.3)
>>> print(g.certify(image, n=1000).to_text())  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from spt.attacks import AttackResult, Grid, WorstOfK
    from spt.certificates import Certificate, Prediction
    from spt.classifiers import Classifier, bundled_classifiers, load_classifier
    from spt.datasets import DATASETS, Dataset, load_dataset
    from spt.defences import DistSPT, DistSPTCells, IndivSPT, IndivSPTCells, OneErrorSPT
    from spt.images import fit_image, read_image, to_8_bit
    from spt.inverse import Inverse, invert
    from spt.preprocessing import Preprocessing
    from spt.smoothing import SmoothedClassifier, Votes
    from spt.threat_model import AttackedImage, ReceivedImage
    from spt.transforms import TRANSFORMS, Rotation, Scaling, Shear, Transform, Translation, get_transform

__all__ = [
    "DATASETS",
    "TRANSFORMS",
    "AttackResult",
    "AttackedImage",
    "Certificate",
    "Classifier",
    "Dataset",
    "DistSPT",
    "DistSPTCells",
    "Grid",
    "IndivSPT",
    "IndivSPTCells",
    "Inverse",
    "OneErrorSPT",
    "Prediction",
    "Preprocessing",
    "ReceivedImage",
    "Rotation",
    "Scaling",
    "Shear",
    "SmoothedClassifier",
    "Transform",
    "Translation",
    "Votes",
    "WorstOfK",
    "bundled_classifiers",
    "fit_image",
    "get_transform",
    "invert",
    "load_classifier",
    "load_dataset",
    "read_image",
    "to_8_bit",
]

_MODULES = (
    "transforms",
    "preprocessing",
    "certificates",
    "images",
    "datasets",
    "classifiers",
    "smoothing",
    "threat_model",
    "attacks",
    "inverse",
    "defences",
)


def __getattr__(name: str) -> Any:
    """The public names, imported when first used, so that ``import spt`` itself is fast (PEP 562)."""
    if name in __all__:
        for module in _MODULES:
            names = vars(importlib.import_module(f"{__name__}.{module}"))
            if name in names:
                return names[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
