"""The command status: how a running explorer stands."""

import argparse
import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from spt.commands.arguments import add_command


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = add_command(
        commands,
        "status",
        _status,
        "How a running explorer stands: open tabs, what is computed and waits, memory, device.",
    )
    parser.add_argument("--url", default="http://localhost:8501", help="of the explorer (default: %(default)s)")


def _status(arguments: argparse.Namespace) -> str:
    address = f"{arguments.url.rstrip('/')}/status"
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"--url must begin with http:// or https://, but is {arguments.url!r}.")
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            found = json.load(answer)
        lines = [
            f"{found['sessions']} open tabs, running for {found['running_s']} s, SPT Explorer {found['spt']}",
            f"{found['slots']} slots; computing: {_in_words(found['working'])}; waiting: {_in_words(found['waiting'])}",
            f"memory {found['memory_mb']} MB, {found['device']}",
        ]
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        raise ValueError(f"No explorer answers at {address}: {getattr(error, 'reason', error)}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"What answers at {address} is not an explorer of this version.") from error
    return json.dumps(found) if arguments.json else "\n".join(lines)


def _in_words(lanes: dict[str, int]) -> str:
    return ", ".join(f"{count} {lane}" for lane, count in lanes.items() if count) or "nothing"
