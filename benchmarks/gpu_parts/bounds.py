"""One sound E and one ball radius over ±30° for photographs of 3x224x224, and what they cost."""

import itertools
import time
from typing import Any

import torch

from gpu_parts.run import OutOfTimeError, Run
from gpu_parts.speed import CIRCLE, ROTATION, peak, reset_peak
from spt.datasets import load_dataset
from spt.error_bounds import chord_bound, sample_bound
from spt.error_bounds.search import USUAL, Search
from spt.threat_model import AttackedImage

MEMORY_BUDGET = 8 << 30
"""Bytes of working memory on a GPU; the default is for processors."""

TOLERANCE = 0.1


def measure(run: Run) -> None:
    """Photograph by photograph, as many as there is time for: a bound for one beta, and a ball for one sample."""
    side, reach, images = (16, 2.0, 1) if run.rehearse else (224, 30.0, 12)
    data = load_dataset("natural", shape=(3, side, side))
    rows = [["photograph", "what", "proved", "sampled", "ratio", "splits", "s", "peak memory MiB"]]
    search = Search(tolerance=TOLERANCE, memory_budget=MEMORY_BUDGET if run.on_gpu else USUAL.memory_budget)
    for number, index in enumerate(itertools.islice(range(len(data)), images)):
        attacked = AttackedImage(data.image(index).to(run.device), ROTATION, CIRCLE, (-reach, reach), attacker="8-bit")
        point = ROTATION.sample(1, 30.0, torch.Generator().manual_seed(number))
        for what, bound in (("E, one β", chord_bound), ("radius, one sample", sample_bound)):
            reset_peak(run)
            start = time.perf_counter()
            try:
                found: Any = bound(attacked, point, search=search, progress=run.until(run.left))
            except OutOfTimeError as error:
                if len(rows) > 1:
                    run.table("Bounds of photographs", rows, text(side, reach))
                    return
                raise OutOfTimeError(f"not one {what} was finished") from error
            run.wait()
            record = getattr(found, "bound", found)
            value, seen = float(record.values[0]), float(record.sampled[0])
            cells = [f"{value:.3f}", f"{seen:.3f}", f"{value / seen:.3f}", str(int(record.evaluations[0]))]
            rows.append([f"natural:{index}", f"{what} {float(point[0, 0]):.1f}°", *cells])
            rows[-1] += [f"{time.perf_counter() - start:.1f}", peak(run)]
            run.table("Bounds of photographs", rows, text(side, reach))


def text(side: int, reach: float) -> str:
    """What the table is about."""
    return f"3×{side}×{side}, Γ = ±{reach:g}°, 8-bit attacker, tolerance {TOLERANCE:.0%}; circle, blur 5 (scale 2)."
