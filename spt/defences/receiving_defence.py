"""`ReceivingDefence`: what the forms of IndivSPT have in common: the inverse of the received image."""

from dataclasses import dataclass

from torch import Tensor

from spt.defences.proving_defence import ProvingDefence
from spt.inverse import Inverse, invert
from spt.progress import Progress
from spt.received_bounds.bounds import METHODS, Method
from spt.threat_model import Bounding, ReceivedImage


@dataclass(frozen=True)
class ReceivingDefence(ProvingDefence):
    """A smoothed classifier g, and the attacks that can have made a received image.

    Attributes (see also `ProvingDefence`):
        inner_alpha: level a' of each inner test; corrected for, so it does not add to alpha.
        split_width: of the splits of Gamma that the inverse tests; refinements: its passes over what survives.
        method: of the bounds, see `spt.received_bounds.bounds`.
    """

    inner_alpha: float = 0.05
    split_width: float = 0.1
    refinements: int = 10
    method: Method = "automatic"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.inner_alpha < 1:
            raise ValueError(f"inner_alpha must be between 0 and 1, but is {self.inner_alpha}.")
        if not 0 < self.split_width < float("inf"):
            raise ValueError(f"split_width must be positive and finite, but is {self.split_width}.")
        if self.refinements < 0:
            raise ValueError(f"refinements must be 0 or more, but is {self.refinements}.")
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, but is {self.method!r}.")

    def _bounding(self) -> Bounding:
        return "inverse"

    def inverted(self, image: Tensor, progress: Progress) -> Inverse:
        """Which gamma and which originals explain a received image (C, H, W)."""
        received = ReceivedImage(image, self.transform, (-self.limit, self.limit), attacker=self.attacker)
        return invert(received, width=self.split_width, refinements=self.refinements, progress=progress)
