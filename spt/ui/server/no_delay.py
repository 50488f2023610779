"""Answers leave the server at once.

An answer is written in two pieces, its head and its body. On a connection that is used again the system holds the second one back
until the browser has confirmed the first, which it does after 40 ms: 130 files of a first visit, and every message of a page, wait
for that. asyncio asks for it not to (TCP_NODELAY) only where the listening socket names its protocol, and Streamlit's does not
(https://github.com/Kludex/uvicorn/issues/3149). Connections inherit the option from the socket that listens.
"""

import asyncio
import socket
from typing import Any


def send_at_once(loop: asyncio.AbstractEventLoop) -> None:
    """Every server that this loop creates on a TCP socket of its caller's from now on sends without delay."""
    create_server = loop.create_server

    async def create_without_delay(*arguments: Any, **options: Any) -> asyncio.AbstractServer:
        listening = options.get("sock")
        if listening is not None and listening.family in (socket.AF_INET, socket.AF_INET6):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return await create_server(*arguments, **options)

    loop.create_server = create_without_delay  # type: ignore[method-assign, assignment]
