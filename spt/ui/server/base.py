"""What the page has in its head that Streamlit's frontend begins with: where its server is, who owns the address bar, how a page
sits on the screen, and what the first picture needs.

Of an address like /votes the frontend does not know whether votes is a page of a server at / or a server at /votes; it asks both,
and every first visit of a link then has two answers 404. We know the names of our pages, and so where the server is.

The frontend asks for the code of a kind of element when the first one comes, of all kinds at once, and draws none of them before it
has compiled the largest, plotly's 4.7 MB. The code of components, which draw the pictures, is therefore named in the head and is
there when the first element comes.
"""

import json
import re
from pathlib import Path

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spt.bundled import bundled
from spt.ui.shared import address, screen

_HEAD = b"<head>"
_SCRIPTS = Path(streamlit.__file__).parent / "static" / "static" / "js"
_FIRST = "BidiComponent.*.js"
"""The frontend's code of components (pattern of the file's name)."""


def in_head() -> bytes:
    """Elements for the page's head: a script that says the address without the name of a page, and `address`'s."""
    pages = "|".join(sorted(path.stem for path in bundled("pages").glob("*/*.py")))
    ending = json.dumps(rf"(^|/)({pages})?/*$")
    where = f'location.origin + location.pathname.replace(new RegExp({ending}), "/")'
    script = f"<script>window.__streamlit = {{ BACKEND_BASE_URL: {where} }}</script>"
    return (script + address.SCRIPT + screen.STYLE + preloaded()).encode()


def preloaded() -> str:
    """Elements that have the browser load `_FIRST`, and what that imports, together with the frontend itself."""
    needed, to_read = [], sorted(_SCRIPTS.glob(_FIRST))
    while to_read:
        file = to_read.pop()
        if file in needed or file.name.startswith("index."):
            continue
        needed.append(file)
        imported = re.findall(r'(?:from|import)"\./([^"/]+\.js)"', file.read_text(encoding="utf-8"))
        to_read += [_SCRIPTS / name for name in imported if (_SCRIPTS / name).is_file()]
    return "".join(f'<link rel="modulepreload" crossorigin href="./static/js/{file.name}">' for file in needed)


class Base:
    """ASGI middleware that puts them into every page of HTML."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.in_head = app, in_head()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; hold back an answer in HTML until its head has come."""
        start: Message | None = None
        body = b""

        async def send_with_head(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            body = body.replace(_HEAD, _HEAD + self.in_head, 1)
            if scope["method"] != "HEAD":
                MutableHeaders(scope=start)["Content-Length"] = str(len(body))
            await send(start)
            await send({"type": "http.response.body", "body": body})

        if scope["type"] == "http":
            await self.app(_uncompressed(scope), receive, send_with_head)
        else:
            await self.app(scope, receive, send)


def _uncompressed(scope: Scope) -> Scope:
    """The request of a browser for a page, without the offer to compress the few kilobytes; of all else as it is."""
    headers = Headers(scope=scope)
    if not headers.get("Accept", "").startswith("text/html"):
        return scope
    kept = [(name, value) for name, value in scope["headers"] if name.lower() != b"accept-encoding"]
    return {**scope, "headers": kept}


def _is_html(message: Message) -> bool:
    headers = MutableHeaders(scope=message)
    return headers.get("Content-Type", "").startswith("text/html") and "Content-Encoding" not in headers


MIDDLEWARE = Middleware(Base)
