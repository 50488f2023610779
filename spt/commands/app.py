"""The command app: the explorer in a browser."""

import argparse
import importlib.util
import subprocess
import sys
from typing import Any

from spt.bundled import bundled
from spt.commands.arguments import add_command

LOCAL = ("localhost", "127.0.0.1", "::1")


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = add_command(commands, "app", _app, "The explorer in a browser, until Ctrl-C.")
    parser.add_argument("--port", type=int, default=8501, help="of this machine (default: %(default)s)")
    parser.add_argument(
        "--address",
        default="localhost",
        help="which of this machine's addresses answers; 0.0.0.0: all, for others too (default: %(default)s)",
    )
    parser.add_argument(
        "--host",
        nargs="+",
        default=[],
        metavar="NAME",
        help="the names by which others open it, such as class.example, *.example or *: other names are refused",
    )
    parser.add_argument("--headless", action="store_true", help="do not open a browser")


def _app(arguments: argparse.Namespace) -> str:
    if importlib.util.find_spec("streamlit") is None:
        raise ValueError('The explorer needs more packages: pip install "spt-explorer[app]".')
    if not 0 < arguments.port < 1 << 16:
        raise ValueError(f"--port must be from 1 to 65535, but is {arguments.port}.")
    local = arguments.address in LOCAL
    if not local and not arguments.host:
        raise ValueError(
            f"--address {arguments.address} lets others in: say by which names or addresses they open the explorer, "
            "--host class.example, or --host '*' for any."
        )
    hosts = [option for host in (*LOCAL, *arguments.host) for option in ("--server.allowedHosts", host)]
    options = ["--server.address", arguments.address, *hosts]
    options += ["--server.port", str(arguments.port), "--server.headless", str(arguments.headless).lower()]
    command = [sys.executable, "-m", "streamlit", "run", str(bundled("app.py")), *options]
    arguments.exit_code = subprocess.run(command, check=False).returncode
    return ""
