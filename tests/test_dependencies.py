"""What the project asks for: ranges that have two ends, alike in every file; a lock that keeps to them; licences."""

import os
import re
import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINES = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").split()
EXPLORER = [Requirement(line) for line in LINES]
ALL = [*map(Requirement, sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"]))]
LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")


def make(*arguments: str) -> str:
    """What make would do, without an environment of its own."""
    command = ["make", "-n", "-B", "--no-print-directory", *arguments]
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # not those of make test
    return subprocess.run(command, cwd=REPOSITORY, env=own, capture_output=True, text=True, check=True).stdout


def test_requirements_and_project_ask_for_the_same():
    assert sorted(LINES) == sorted(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["app"])


@pytest.mark.parametrize("asked", ALL, ids=lambda asked: asked.name)
def test_ranges_have_two_ends(asked):
    """A lowest version, which has been tested, and an end before the next major one."""
    lower, upper = sorted(asked.specifier, key=lambda each: each.operator, reverse=True)
    assert (lower.operator, upper.operator) == (">=", "<")
    assert re.fullmatch(r"\d+", upper.version) and int(lower.version.split(".")[0]) < int(upper.version)


def test_the_pytorch_that_people_have_is_allowed():
    torch = next(each for each in EXPLORER if each.name == "torch")
    assert all(torch.specifier.contains(version) for version in ("2.11.0", "2.14.1", "2.15.0", "2.15.0+cpu"))
    assert not torch.specifier.contains("3.0.0") and not torch.specifier.contains("2.10.0")


def test_make_takes_torch_from_another_index():
    dry = make("TORCH_INDEX=https://index.example/cpu", ".venv/app.done")
    torch, vision = (str(each) for each in LINES if each.startswith("torch"))
    [line] = [line for line in dry.splitlines() if "index.example" in line]
    assert line.endswith(f'pip install --index-url https://index.example/cpu "{torch}" "{vision}"')
    assert dry.index("index.example") < dry.index("-r requirements.txt")
    assert "index-url" not in make("TORCH_INDEX=", ".venv/app.done")


def test_the_lock_keeps_to_the_ranges():
    locked = defaultdict(list)
    for line in LOCK.splitlines():
        if found := re.match(r"([\w.-]+)==([^ ;]+)", line):
            locked[found[1]].append(found[2])
    assert len(locked) > len(EXPLORER)
    for asked in EXPLORER:
        assert locked[asked.name], f"requirements.lock lacks {asked.name}: make lock"
        assert all(asked.specifier.contains(version) for version in locked[asked.name]), f"{asked}: make lock"


def test_the_lock_has_hashes_and_names_no_index():
    entries = re.split(r"\n(?=[\w])", LOCK.split("make lock\n")[1].strip())
    assert len(entries) > len(EXPLORER)
    for entry in entries:
        assert re.match(r"[\w.-]+==\S+", entry) and re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in LOCK and "index" not in LOCK.replace("--hash", "")


@pytest.mark.parametrize("asked", ALL, ids=lambda asked: asked.name)
def test_the_licence_of_what_we_ask_for_is_named(asked):
    text = (REPOSITORY / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith(f"| {asked.name} | ")]
    assert len(rows) == 1, "make licences"
    assert Requirement(f"{rows[0][0]}{rows[0][1]}") == asked, "make licences"
    assert rows[0][2] not in ("", "not stated")


def test_make_tests_the_lowest_and_the_newest_versions():
    assert make("PYTHON=python3.12", "test-lowest", "test-newest").splitlines() == [
        "PYTHON=python3.12 .ci/versions lowest",
        "PYTHON=python3.12 .ci/versions newest",
    ]
    asked = subprocess.run([REPOSITORY / ".ci" / "versions", "oldest"], capture_output=True, text=True)
    assert (asked.returncode, asked.stdout) == (2, "") and "lowest|newest" in asked.stderr
