"""What a step points at: marked on the page and brought into view, in the browser. Also the keys of remote controls."""

from spt.ui.shared.components import component
from spt.ui.tours.vocabulary import PagePart

_pointer = component(__file__)


def show(step: str, part: PagePart | None, presents: bool) -> None:
    """Point at a part of the page, if there is one; ``step`` tells steps apart: a new one is brought into view once."""
    data = {"step": step, "selector": part.selector if part else "", "present": presents}
    _pointer(key="tour_pointer", data=data, height="content")
