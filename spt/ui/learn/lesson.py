"""What a step of the page "Learn" is, and the digit that all steps are about."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from torch import Tensor

from spt.classifiers import Classifier
from spt.images import image_digest
from spt.transforms import Rotation
from spt.ui.shared import cache
from spt.ui.shared.state import Parameters

IMAGE = 22
"""Number of the digit, a 2, among the bundled ones."""
TRUTH = 2
ALONE, PREPARED = "mnist-plain", "mnist-rotation"
"""A network that learned from upright digits, and one whose input is prepared by P: vignette and blur."""
ROTATION = Rotation()


@dataclass(frozen=True)
class Link:
    """Where a step goes on: a page (relative to pages/), what the link says, and the state it opens."""

    page: str
    label: str
    parameters: Parameters


@dataclass(frozen=True)
class Lesson:
    """A question, what is so, and what to take home.

    Attributes:
        name: in the address, and on the button that opens it. title: the question, as a heading.
        ask: draws the figure that belongs to the question, and the control for the guess, which it returns.
        show: draws what is so, beside the guess.
        take_home: one sentence. link: the page that has all of it, in the state that was shown.
    """

    name: str
    title: str
    ask: Callable[[], float | str]
    show: Callable[[float | str], None]
    take_home: str
    link: Callable[[], Link]


def link(page: str, label: str, network: str, parameters: Parameters) -> Link:
    """A link to a page about the digit, with a network, and what else is set there."""
    return Link(page, label, {"source": "digits", "digits_image": str(IMAGE), "classifier": network, **parameters})


def classifier(name: str) -> Classifier:
    """A bundled network."""
    return cache.classifier(name)


def digit() -> tuple[Tensor, str]:
    """The digit, (1, 28, 28), and the digest of its pixels."""
    image, _ = cache.image(
        "digits", cache.dataset("digits", classifier(ALONE).input_shape or (1, 28, 28), False), IMAGE
    )
    return image, image_digest(image)


def turned(angle: float) -> Tensor:
    """The digit turned by an angle, in real numbers."""
    return ROTATION(digit()[0].double(), [[angle]])[0]


def formula(latex: str, legend: str) -> None:
    """The step's formula with this picture's numbers, and what its symbols mean."""
    st.latex(latex)
    st.caption(legend)


def answer(words: str) -> None:
    """What is so, in a frame."""
    with st.container(border=True):
        st.markdown(words)
