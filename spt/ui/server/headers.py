"""Headers of every answer: a page loads nothing from outside and sends nothing there, no other site can frame it, and a browser
has a name of its own while its window is open.

The names of people's files are shown as text (`spt.ui.shared.markdown`, `spt.figures.style.plain`); should one slip through, the
browser itself still refuses to call out. Streamlit's own code needs inline styles and scripts. A link that a person clicks leads
wherever it says.
"""

import os
import secrets

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spt.ui.shared.uploads import VISITOR

FRAMES_VARIABLE = "SPT_FRAMES"
"""Sites that may show the explorer in a frame, separated by spaces, as in ``https://talk.example``; none if it is not set."""


def content_security_policy() -> str:
    """The policy as one line."""
    parts = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' blob:",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": " ".join(("'self'", *_frames())),
    }
    return "; ".join(f"{name} {sources}" for name, sources in parts.items())


def _frames() -> list[str]:
    """The sites of SPT_FRAMES; ValueError for what would be another part of the policy."""
    sites = os.environ.get(FRAMES_VARIABLE, "").split()
    for site in sites:
        if ";" in site or "," in site or not site.isascii():
            raise ValueError(f"{FRAMES_VARIABLE} must be sites separated by spaces, but has {site!r}.")
    return sites


class Headers:
    """ASGI middleware that adds them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.headers = {
            "Content-Security-Policy": content_security_policy(),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        if not _frames():
            self.headers["X-Frame-Options"] = "SAMEORIGIN"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; add the headers where an answer begins."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers[name] = value
                if headers.get("Content-Type", "").startswith("text/html") and VISITOR not in Request(scope).cookies:
                    headers.append("Set-Cookie", f"{VISITOR}={secrets.token_hex(16)}; Path=/; HttpOnly; SameSite=Lax")
            await send(message)

        await self.app(scope, receive, send if scope["type"] != "http" else send_with_headers)


MIDDLEWARE = Middleware(Headers)
