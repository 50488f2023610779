"""An ONNX file from a stranger is tried in a process of its own before the server itself reads it.

Reading and evaluating one happens in libraries of C++. `spt.onnx_files` refuses what a file may not hold; should one be made
so that these libraries crash, fill the memory or never end, then the process that tries it ends, and not the server.
"""

import dataclasses
import json
import logging
import math
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spt import onnx_files
from spt.onnx_files import MOST_MEMORY, OnnxFacts, OnnxNetwork

_LOGGER = logging.getLogger(__name__)
PATIENCE = 60.0
"""Seconds that a trial may take."""
PROCESSOR_SECONDS = 30
MOST_AT_ONCE, NUMBERS_AT_ONCE = 32, 1 << 19
"""In a call on the CPU, as `spt.classifiers.Classifier.call_size` has it."""
SLOWEST = 10.0
"""Seconds that a call of the network may take."""


@dataclass(frozen=True)
class OnnxTrial:
    """How a file did.

    Attributes:
        facts: what it says of its network.
        images, seconds: of the call that it was tried in; None if the size of its images was not known.
    """

    facts: OnnxFacts
    images: int = 0
    seconds: float | None = None


def try_out(data: bytes, shape: tuple[int, ...] | None, most_bytes: int) -> OnnxTrial:
    """Read a file, and evaluate its network for as many noisy inputs of ``shape`` as a call on the CPU has (None: of the size
    that the file says), in a process of its own; ValueError, one sentence, if it is refused, crashes, takes too much memory
    or too long."""
    if len(data) > most_bytes:
        raise ValueError(onnx_files.too_large(len(data), most_bytes))
    asked = json.dumps({"shape": shape}).encode()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "spt.onnx_trial"],
            cwd=Path(__file__).parent.parent,  # where this package is, installed or not
            input=asked + b"\n" + data,
            capture_output=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"This ONNX file was tried for {PATIENCE:g} s without an answer, so it is not taken."
        ) from error
    try:
        said = json.loads(done.stdout)
    except ValueError as error:
        _LOGGER.warning("a trial ended with %s: %s", done.returncode, done.stderr.decode("utf-8", "replace")[-2000:])
        raise ValueError(
            f"This ONNX file made the program end that tried it (exit {done.returncode}), so it is not taken: it crashes, or needs "
            f"more memory or time than there is for it."
        ) from error
    if "refused" in said:
        raise ValueError(said["refused"])
    facts: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in said.pop("facts").items()
    }
    trial = OnnxTrial(OnnxFacts(**facts), **said)
    if trial.seconds is not None and trial.seconds > SLOWEST:
        raise ValueError(
            f"This network takes {trial.seconds:.3g} s for {trial.images} images, more than the {SLOWEST:g} s that a call may take "
            "here."
        )
    return trial


def _limit() -> None:
    """Of this process, where the system has such limits: memory, time, and no new files."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (2 * MOST_MEMORY + 2_000_000_000,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _tried(data: bytes, shape: tuple[int, ...] | None) -> OnnxTrial:
    facts = onnx_files.read(data)
    if shape is None and None in facts.shape:
        return OnnxTrial(facts)
    network = OnnxNetwork(data, facts)
    size = [side for side in shape or facts.shape if side is not None]
    count = max(1, min(MOST_AT_ONCE, NUMBERS_AT_ONCE // math.prod(size)))
    images = np.random.default_rng(0).normal(0.5, 0.5, (count, *size)).astype(np.float32)
    begun = time.monotonic()
    try:
        network(images)
    except RuntimeError as error:
        raise ValueError(f"The network in this ONNX file fails on {count} images: {error}.") from error
    return OnnxTrial(facts, count, time.monotonic() - begun)


def main() -> None:
    """The other process: a line of JSON and a file come in, a line of JSON goes out."""
    _limit()
    asked = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    shape = None if asked["shape"] is None else tuple(asked["shape"])
    try:
        print(json.dumps(dataclasses.asdict(_tried(data, shape))))
    except ValueError as error:
        print(json.dumps({"refused": str(error)}))


if __name__ == "__main__":
    main()
