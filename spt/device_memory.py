"""What to do when a device runs out of memory: the same in halves."""

from collections.abc import Callable

import torch
from torch import Tensor

from spt.progress import step


def halving_on_oom(work: Callable[[Tensor], tuple[Tensor, ...]], part: Tensor) -> tuple[Tensor, ...]:
    """``work(part)``, or in two halves if the device runs out of memory (one cell must fit)."""
    step()
    try:
        return work(part)
    except torch.cuda.OutOfMemoryError:
        if len(part) == 1:
            raise
    torch.cuda.empty_cache()
    middle = len(part) // 2
    results = [halving_on_oom(work, half) for half in (part[:middle], part[middle:])]
    return tuple(torch.cat(column) for column in zip(*results, strict=True))
