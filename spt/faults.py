"""What goes wrong with the machine rather than with what was asked: no memory, a full disk, a file that is gone. How it is
recognized in whatever is raised, and said in one sentence."""

import errno
import traceback
from collections.abc import Iterator

NO_MEMORY = "There is not enough memory for this: ask for fewer samples or splits, or for a smaller image."
_NO_MEMORY_AS_RAISED = (
    "not enough memory",
    "allocate memory",  # "can't ..." of torch, "Cannot ..." of the system, also while a library is loaded
    "out of memory",
    "bad_alloc",
    "alloc_failed",
    "start new thread",
)


def out_of_memory(error: BaseException) -> bool:
    """Whether the computer's or a GPU's memory was what was missing; also where another error was made of that one."""
    return any(_says_so(each) for each in _causes(error))


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError | ImportError) and any(words in text for words in _NO_MEMORY_AS_RAISED)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it was made of on purpose."""
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__


def in_words(error: BaseException) -> str | None:
    """What a person is told, who can do something about it: one sentence; None for a mistake in this program."""
    if out_of_memory(error):
        return NO_MEMORY
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return str(error) if isinstance(error, ValueError | OSError) else None


def let_go(error: BaseException) -> None:
    """Forget what the frames of an error hold, tensors above all, wherever the error itself is kept."""
    for each in _causes(error):
        traceback.clear_frames(each.__traceback__)
