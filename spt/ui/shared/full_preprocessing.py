"""The P that a page compares with parts of it switched off: with both vignette and blur."""

from dataclasses import replace

from spt.classifiers import Classifier
from spt.preprocessing import Preprocessing
from spt.transforms import Rotation, Transform


def full_preprocessing(classifier: Classifier, transform: Transform) -> Preprocessing:
    """The classifier's P; a vignette or blur that it lacks is taken from the paper."""
    own = classifier.preprocessing
    if own.vignette is None and isinstance(transform, Rotation):
        own = replace(own, vignette="circle", vignette_margin=2.0)
    elif own.vignette is None:
        own = replace(own, vignette="rectangle", vignette_margin=4.0)
    return own if own.blur_size > 1 else replace(own, blur_size=5)
