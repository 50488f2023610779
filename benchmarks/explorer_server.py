"""The explorer's server as a process of its own, for measuring it and for trying it in a browser."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
PATIENCE = 120.0  # seconds for an answer, on a busy machine


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_healthy(address: str) -> bool:
    """Whether the server answers."""
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class ExplorerServer:
    """A server that can be ended, and started again at the same address. It is not started yet.

    Args:
        checkout: whose explorer. environment: variables beside those of this process.
    """

    def __init__(self, checkout: Path = REPOSITORY, **environment: str) -> None:
        self.port = free_port()
        self.address = f"http://localhost:{self.port}"
        self._checkout, self._environment = checkout, os.environ | {"PYTHONPATH": str(checkout)} | environment

    def start(self) -> None:
        """Start it, and wait until it answers; RuntimeError if it does not."""
        options = ["--server.headless=true", f"--server.port={self.port}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", *options],
            cwd=self._checkout,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE
        while not is_healthy(self.address):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The server of {self._checkout} does not answer (exit {self.process.poll()}).")
            time.sleep(0.25)

    def stop(self) -> None:
        """End it, as Ctrl-C does."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once: it can put nothing in order (SIGKILL, where there is such a signal)."""
        self.process.kill()
        self.process.wait(20)
