"""How the server stands: who is there, what is computed and waits, memory, device. No name, no image, no address of a visitor."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import streamlit
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from streamlit.runtime import exists, get_instance

import spt
from spt.ui.shared.gate import GATE

STARTED = time.time()


def status() -> dict[str, Any]:
    """All of it as plain values: times in seconds, memory in MB."""
    return {
        "spt": spt.__version__,
        "streamlit": streamlit.__version__,
        "running_s": round(time.time() - STARTED),
        "sessions": _sessions(),
        "slots": GATE.slots,
        "working": GATE.working,
        "waiting": GATE.waiting,
        "memory_mb": _memory(),
        "device": _device(),
    }


def _sessions() -> int | None:
    """Open tabs; None where Streamlit does not tell."""
    if not exists():
        return 0
    stats = get_instance().stats_mgr.get_stats(family_names=["active_sessions"]).get("active_sessions", ())
    return next((int(each.value) for each in stats), None)  # type: ignore[attr-defined]


def _memory() -> int | None:
    """Of this process, as Linux tells it; None elsewhere."""
    path = Path("/proc/self/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20 if path.exists() else None


def _device() -> str:
    """Where networks compute; the core may still be loading."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda"):
        return "loading"
    if not torch.cuda.is_available():
        return f"cpu, {os.cpu_count()} cores"
    free, of = torch.cuda.mem_get_info()
    return f"cuda, {torch.cuda.get_device_name()}, {free >> 20} of {of >> 20} MB free"


async def answer(request: Request) -> JSONResponse:
    """What the address /status answers."""
    return JSONResponse(status(), headers={"Cache-Control": "no-store"})


ROUTE = Route("/status", answer)
