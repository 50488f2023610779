"""The package as others install it: a wheel in an environment of its own, used from an empty folder, site-packages read-only."""

import os
import re
import stat
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import spt

REPOSITORY = Path(__file__).parent.parent


def clean_environment() -> dict[str, str]:
    """Without what would lead a program to this checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SPT_", "PYTHON"))}


def run(*command: object, folder: Path, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment()
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment | variables,
        check=check,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--wheel-dir", folder, REPOSITORY, folder=folder)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Iterator[Path]:
    """The scripts folder of an environment that has the wheel, the other packages of this one, and no checkout."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder.parent)
    python = folder / "bin" / "python"
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).stdout.strip()
    )
    # a line that names a folder: what is installed there can be imported, but its own .pth files do not count
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
        folder=folder,
    )
    package = site / "spt"
    for path in (package, *package.rglob("*")):
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    yield folder / "bin"
    for path in (package, *package.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def test_the_wheel_holds_what_the_package_needs(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"spt/py.typed", "spt/assets/icon.png", "spt/explorer/app.py", "spt/explorer/pages/navigation.py"} <= names
    assert {"spt/assets/first_views/start.json", "spt/assets/first_views/certify.xz"} <= names
    assert {"spt/assets/tours/lecture.toml", "spt/explorer/pages/explore/tours.py"} <= names
    for name in spt.bundled_classifiers():
        assert {f"spt/assets/models/{name}.safetensors", f"spt/assets/models/{name}.json"} <= names
    assert "spt/assets/samples/LICENSES.md" in names and not any(
        "screenshot" in name or "tests/" in name for name in names
    )
    assert sum(info.file_size for info in zipfile.ZipFile(wheel).infolist()) < 60e6


def test_commands_from_an_empty_folder(installed, tmp_path):
    answer = run(installed / "spt", "certify", "--image", "digits:3", "--n", "100", folder=tmp_path)
    assert "CERTIFY 3" in answer.stdout
    assert run(installed / "spt", "--version", folder=tmp_path).stdout.strip() == f"spt {spt.__version__}"
    assert "mnist-rotation-fine" in run(installed / "spt", "list", folder=tmp_path).stdout
    where = run(installed / "python", "-c", "import spt; print(spt.__file__)", folder=tmp_path).stdout
    assert str(installed.parent) in where and str(REPOSITORY) not in where
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_types_are_there_for_others(installed, tmp_path):
    (tmp_path / "theirs.py").write_text("import spt\n\nreveal_type(spt.Rotation().dimensions)\n")
    mypy = (
        sys.executable,
        "-m",
        "mypy",
        "--python-executable",
        installed / "python",
        "--cache-dir",
        tmp_path / "cache",
    )
    answer = run(*mypy, "--follow-imports", "silent", "theirs.py", folder=tmp_path, check=False)
    assert 'Revealed type is "int"' in answer.stdout.replace("builtins.", ""), answer.stdout


def test_the_explorer_starts(installed, tmp_path):
    """From an empty folder, with the settings that ship: the server answers, and the page's own files are found."""
    process = subprocess.Popen(
        [str(installed / "spt"), "app", "--headless", "--port", "8653"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment() | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "8653" in line:
                break
        health = urllib.request.urlopen("http://localhost:8653/_stcore/health", timeout=30)
        assert health.read() == b"ok"
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_the_changelog_has_this_version():
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(spt.__version__)}", text, re.MULTILINE)
