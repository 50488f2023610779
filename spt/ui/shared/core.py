"""Loading what all pages compute with, torch above all: in the background when the server starts, else at the first visit."""

import importlib
import logging

from spt import faults

_LOGGER = logging.getLogger(__name__)
_PARTS_OF_EACH_PAGE = ("spt.ui.shared.checking", "spt.ui.shared.controls", "spt.figures.votes", "pandas")
_PARTS_OF_SOME = (
    "scipy.special",
    *(f"spt.ui.{page}.page" for page in ("certify", "votes", "interpolation", "inverse", "experiments", "learn")),
)
NO_MEMORY = (
    "The server has not enough memory to load the explorer: free some memory on that machine, and start it again."
)
_failed_for_memory = False
_loaded = False


def is_loaded() -> bool:
    """Whether it is there, so that `load` takes no time."""
    return _loaded


def load_the_rest() -> None:
    """After `load`: what one page or another needs as well, before anybody goes there."""
    for name in _PARTS_OF_SOME:
        importlib.import_module(name)


def load() -> None:
    """Load it, if it is not there yet; ValueError, one sentence, if that fails."""
    global _failed_for_memory, _loaded
    try:
        for name in _PARTS_OF_EACH_PAGE:
            importlib.import_module(name)
        _loaded = True
    except Exception as error:  # whatever a package raises where it is damaged, or was loaded in part
        _LOGGER.warning("the explorer cannot be loaded: %s", error, exc_info=error)
        _failed_for_memory |= faults.out_of_memory(error)  # what was loaded in part then fails in other ways
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            NO_MEMORY
            if _failed_for_memory
            else f"The explorer cannot be loaded ({reason}): install it again on the server, and start it again."
        ) from None
