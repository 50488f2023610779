"""Command line: ``python -m spt <command>``, see ``--help``; the commands are in `spt.commands`."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

import spt
from spt import faults
from spt.commands import COMMANDS
from spt.commands.arguments import Parser

MODULE = "python -m spt"
EXAMPLES = """examples:
  python -m spt certify --image digits:3
  python -m spt certify --image digits:3 --defence dist-x --limit 30
  python -m spt predict --image digits:3 --at 25
  python -m spt attack --image photo.png --invert --limit 45
  python -m spt certify --classifier examples/own_network.py --n 10000 --json
"""


def main(argv: Sequence[str] | None = None, program: str = MODULE) -> int:
    """Run one command.

    Exit code 0 (1 or 3 if `verify` does not confirm all); 2 for what a person can mend, with one sentence saying what; 130 for
    Ctrl-C.
    """
    try:
        arguments = build_parser(program).parse_args(argv)
        with contextlib.redirect_stdout(sys.stderr):
            text: str = arguments.run(arguments)
        print(text, flush=True)
    except BrokenPipeError:  # who reads the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        said = faults.in_words(error)
        if said is None:
            raise
        print("error:", " ".join(said.split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return int(getattr(arguments, "exit_code", 0))  # only the command verify has one


def build_parser(program: str = MODULE) -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog=program,
        description="Certified robustness of image classifiers to rotations and translations, by randomized smoothing.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {spt.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    for add in COMMANDS:
        add(commands)
    return parser


def console(program: str = "spt") -> int:
    """`main` at a terminal: where it cannot show a σ, a question mark stands, and nothing stops."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    return main(program=program)


if __name__ == "__main__":
    sys.exit(console(MODULE))
