"""The README's commands are ones that exist, and its Python does what it says."""

import re
import shlex
import sys
import types
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spt.__main__ import build_parser
from tests.pages import assert_healthy

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^python -m spt (.*)$", README, re.MULTILINE)


def block(beginning: str) -> str:
    [found] = [text for text in BLOCKS if text.startswith(beginning)]
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command):
    build_parser().parse_args(shlex.split(command, comments=True))


def test_every_command_is_there():
    assert {command.split()[0] for command in COMMANDS} >= {"certify", "measure", "invert", "predict", "bound", "run"}


def test_python_of_votes(capsys):
    exec(compile(block("from spt import SmoothedClassifier"), "README.md", "exec"), {})
    assert "mnist-rotation" in capsys.readouterr().out


def test_python_of_a_proof(capsys):
    exec(compile(block("from spt import get_transform"), "README.md", "exec"), {})
    assert "CERTIFIED 3" in capsys.readouterr().out


def test_the_least_of_pages(tmp_path, monkeypatch):
    """The two files of docs/contributing.md, put where it says."""
    text = (Path(__file__).parent.parent / "docs" / "contributing.md").read_text(encoding="utf-8")
    script, page = re.findall(r"```python\n(.*?)```", text[text.index("The least of pages") :], re.DOTALL)[:2]
    module = types.ModuleType("spt.ui.label.page")
    exec(page, module.__dict__)
    package = types.ModuleType("spt.ui.label")
    package.page = module
    monkeypatch.setitem(sys.modules, "spt.ui.label", package)
    monkeypatch.setitem(sys.modules, "spt.ui.label.page", module)
    app = AppTest.from_string(script, default_timeout=60).run()
    assert_healthy(app)
    assert app.metric[0].value == "7"
