"""Pictures that people upload, kept in the server's memory under the browser that sent them: so one is still there on another page,
after Back, and when its page is loaded anew, and is shown to nobody else. The address has the digest of the file."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from spt.ui.shared.values import Digest

DIGEST = Digest(16)
PICTURES, NETWORK = ("upload", "camera", "drawing"), "network"
OWN = dict.fromkeys(PICTURES, "picture") | {NETWORK: "network"}
"""What an address calls the digests of files that only the browser has that sent them, and what these are."""
VISITOR = "spt_visitor"
"""A cookie of random digits, which a browser forgets when it is closed."""
MOST = 200_000_000
"""Bytes that are kept; beyond it the files that were not used for longest are forgotten."""
_FILES: "OrderedDict[tuple[str, str], Upload]" = OrderedDict()
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Upload:
    """A file: its name, and what is in it."""

    name: str
    data: bytes


def elsewhere(what: str, again: str) -> str:
    """What a page says of a link to a file that this browser has not sent: ``what`` it is, and how to give it ``again``."""
    return f"This link is to {what} in another browser, or too long ago. {again}"


def _visitor() -> str:
    """The browser of this session; where it keeps no cookies, the session itself."""
    context = get_script_run_ctx()
    return st.context.cookies.get(VISITOR) or (context.session_id if context else "")


def keep(name: str, data: bytes) -> str:
    """Keep a file of this session's browser; its digest."""
    digest = hashlib.sha256(data).hexdigest()[: DIGEST.digits]
    with _LOCK:
        _FILES[_visitor(), digest] = Upload(name, data)
        while sum(len(upload.data) for upload in _FILES.values()) > MOST and len(_FILES) > 1:
            _FILES.popitem(last=False)
    return digest


def find(digest: str) -> Upload | None:
    """The file of this session's browser with that digest; None if it has sent none, or it was forgotten."""
    with _LOCK:
        found = _FILES.get((_visitor(), digest))
        if found is not None:
            _FILES.move_to_end((_visitor(), digest))
        return found
