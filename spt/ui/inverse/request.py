"""The controls of the page "Inverse", and what they say."""

from dataclasses import dataclass, replace
from functools import cached_property

import streamlit as st
import torch
from torch import Tensor

from spt.classifiers import Classifier
from spt.images import image_digest, to_8_bit
from spt.threat_model import Attacker, ReceivedImage
from spt.transforms import Rotation, Transform
from spt.ui.shared import controls, own_pictures, state
from spt.ui.shared.controls import Shape, Subject
from spt.ui.shared.session import Key

Box = tuple[tuple[float, float], ...]


ATTACK, RECEIVED, EXAMPLE = "attack it", "received as it is", "the paper’s example"
OWN_INPUT, SMALL, CROP = "f’s input", "32 × 32", "crop 48 × 48"
CROP_SIDE, WHOLE_SIDE = 48, 320


# 8 x 8, for the paper's worked example: the received pixel (5, 1) of the paper's grid is 0.9 for every angle in [23°, 26°].
PAPERS_EXAMPLE = (
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.2, 0.5, 0.4, 0.2, 0.0, 0.0),
    (0.0, 0.2, 0.6, 0.8, 0.8, 0.6, 0.3, 0.0),
    (0.0, 0.3, 0.7, 0.9, 0.9, 0.9, 0.9, 0.3),
    (0.0, 0.3, 0.7, 0.9, 0.9, 0.9, 0.9, 0.3),
    (0.0, 0.0, 0.4, 0.7, 0.8, 0.9, 0.9, 0.2),
    (0.0, 0.0, 0.0, 0.2, 0.3, 0.4, 0.3, 0.0),
)


@dataclass(frozen=True, eq=False)
class InverseRequest:
    """What the controls say.

    Attributes:
        subject: the original x; with ``gamma`` None the received image itself, its original being unknown.
        limits: (low, high) of Gamma, for every parameter. splits: of each axis. refinements: passes after splitting.
        naive: source boxes by interval arithmetic, as in the paper. pitch: unit of positions, 2 for the paper's grid.
    """

    classifier: Classifier
    subject: Subject
    transform: Transform
    gamma: tuple[float, ...] | None
    limits: tuple[float, float]
    splits: int
    refinements: int
    attacker: Attacker
    naive: bool
    pitch: float

    @cached_property
    def received(self) -> Tensor:
        """x', as the attacker left it."""
        if self.gamma is None:
            return self.subject.image
        if self.attacker == "8-bit":
            return to_8_bit(self.transform(self.subject.image, [self.gamma])[0])
        return self.transform(self.subject.image.double(), [self.gamma])[0]

    def within(self, gamma_range: Box) -> ReceivedImage:
        """x' as the receiver has it, who knows that gamma lies in Gamma or in a part of it."""
        return ReceivedImage(self.received, self.transform, gamma_range, attacker=self.attacker)

    @property
    def original(self) -> Tensor | None:
        """x, float64, where it is known."""
        return None if self.gamma is None else self.subject.image.double()

    @property
    def gamma_range(self) -> Box:
        """Gamma, one pair for each parameter."""
        return (self.limits,) * self.transform.dimensions

    @property
    def split_width(self) -> float:
        """Of the splits asked for."""
        return (self.limits[1] - self.limits[0]) / self.splits

    @cached_property
    def received_sha256(self) -> str:
        """The digest of x' as it is given to the core."""
        return f"{self.received.dtype}:{image_digest(self.received)}"

    @cached_property
    def key(self) -> Key:
        """All that decides the inverse and whether the original is known to lie in it, as plain values."""
        return (
            self.received_sha256,
            self.gamma and self.subject.sha256,
            self.gamma,
            self.transform.name,
            self.limits,
            self.splits,
            self.refinements,
            self.attacker,
            self.naive,
        )

    @property
    def gamma_inside(self) -> bool:
        """Whether gamma is known and lies in Gamma."""
        return self.gamma is not None and all(self.limits[0] <= value <= self.limits[1] for value in self.gamma)


def choose_picture(classifier: Classifier) -> Subject:
    """Which image, of which size: of what is no digit a small colour picture or a crop as well."""
    kind = state.choose(
        "The image is",
        (ATTACK, RECEIVED, EXAMPLE),
        ATTACK,
        key="inverse_input",
        help="Attack it: it is the original x, and you choose the attack γ, which the inverse is not told. Received as it is: "
        "it is x′ already, nobody knows its original. The paper’s example: an 8×8 picture for its Figure 3.",
    )
    if kind == EXAMPLE:
        image = torch.tensor([PAPERS_EXAMPLE])
        return Subject(image, image_digest(image), None, "the paper’s example, 8×8", None)
    sizes = {OWN_INPUT: classifier.input_shape, SMALL: (3, 32, 32), CROP: (3, WHOLE_SIDE, WHOLE_SIDE)}

    def shape_for(source: str) -> Shape:
        if source in ("digits", "mnist", "fashion-mnist", own_pictures.DRAWING):
            return classifier.input_shape
        size = state.choose(
            "Its size",
            tuple(sizes),
            SMALL,
            key="inverse_size",
            help="The inverse works on any size; votes and the certificate need f’s own input. The crop is cut out of the "
            f"picture at {WHOLE_SIDE} × {WHOLE_SIDE}.",
        )
        return sizes[size]

    subject = controls.choose_image(classifier, shape_for)
    if subject.image.shape[1:] != (WHOLE_SIDE, WHOLE_SIDE) or classifier.input_shape[1] == WHOLE_SIDE:
        return subject
    places = [
        state.slider(
            f"{name} of the crop",
            0,
            WHOLE_SIDE - CROP_SIDE,
            (WHOLE_SIDE - CROP_SIDE) // 2,
            4,
            key=key,
            help="Of its upper left corner.",
        )
        for name, key in (("Row", "crop_row"), ("Column", "crop_column"))
    ]
    row, column = places
    image = subject.image[:, row : row + CROP_SIDE, column : column + CROP_SIDE].contiguous()
    return replace(subject, image=image, sha256=image_digest(image), reference=None)


def choose(classifier: Classifier, subject: Subject, transform: Transform) -> InverseRequest:
    """The page's other controls."""
    rotates = isinstance(transform, Rotation)
    received = state.value("inverse_input") == RECEIVED
    gamma = None if received else controls.choose_parameters(transform)
    limits = controls.choose_range(transform, "All that the receiver knows: γ lies somewhere in here", "dx and dy both")
    splits = state.pick(
        "Splits of the attack range Γ" + ("" if rotates else " on each axis"),
        [1, 10, 30, 60, 120, 300, 600, 1200, 3000] if rotates else [1, 2, 5, 10, 20, 40],
        600 if rotates else 20,
        key="inverse_splits" if rotates else "inverse_splits_px",
        help="Γ is cut into at least so many parts, each inverted by itself. More: sharper and slower. It begins with up to "
        "eight times as wide ones, of which most die at once.",
    )
    refinements = state.pick(
        "Refinements",
        [0, 1, 2, 3, 5, 10, 12],
        10,
        key="inverse_refinements",
        help="Further passes: what is known of the other pixels makes each equation say more.",
    )
    attacker = controls.choose_attacker(
        "8-bit: x′ was rounded to multiples of 1/255, as files are: each value is known within ±1/510. Exact: not "
        "rounded."
    )
    with st.expander("As in the paper"):
        naive = state.switch(
            "Naive source boxes",
            key="inverse_naive",
            help="By interval arithmetic, as in the paper; else the exact hull of each arc, which is smaller.",
        )
        paper = state.switch(
            "The paper’s grid",
            key="inverse_grid",
            help="Positions (x, y) on the grid of odd numbers around 0, where pixels are 2 apart; else column and row.",
        )
    return InverseRequest(
        classifier,
        subject,
        transform,
        gamma,
        limits,
        splits,
        refinements,
        attacker,
        naive,
        2.0 if paper else 1.0,
    )
