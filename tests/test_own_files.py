"""A person's own file: found by its name, loaded with the files beside it, and anew when it was edited."""

import os
import sys
import time
from pathlib import Path

import pytest

from spt import own_files
from spt.classifiers import forget_loaded, load_classifier

OWN = """
import torch
from spt.classifiers import Classifier
{more}

class Net(torch.nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :2] * {factor}

def classifier():
    return Classifier({name!r}, Net(), ("a", "b"), (1, 2, 2))

def another():
    return Classifier("another", Net(), ("a", "b"), (1, 2, 2))
"""


def write(path: Path, factor: str = "1.0", name: str = "own", more: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OWN.format(factor=factor, name=name, more=more))
    return path


def later(path: Path) -> None:
    """As if the file had been written a second later (clocks of file systems are coarse)."""
    stamp = time.time_ns() + 1_000_000_000
    os.utime(path, ns=(stamp, stamp))


def test_an_edited_file_is_loaded_anew(tmp_path):
    path = write(tmp_path / "own.py")
    first = load_classifier(str(path))
    assert load_classifier(str(path)) is first
    later(write(path, "2.0"))
    second = load_classifier(str(path))
    assert second is not first and second.fingerprint != first.fingerprint


def test_a_file_edited_within_the_same_second_and_size_is_not_read_from_its_compiled_copy(tmp_path):
    (tmp_path / "factors.py").write_text("FACTOR = 1.0\n")
    path = write(tmp_path / "own.py", "FACTOR", more="from factors import FACTOR")
    stamps = [(file, file.stat().st_mtime_ns // 10**9 * 10**9) for file in (path, tmp_path / "factors.py")]
    prints = set()
    for count, factor in enumerate(("1.0", "2.0", "3.0")):
        (tmp_path / "factors.py").write_text(f"FACTOR = {factor}\n")
        for file, second in stamps:
            os.utime(file, ns=(second + count, second + count))
        prints.add(load_classifier(str(path)).fingerprint)
    assert len(prints) == 3


def test_an_edited_file_beside_it_is_seen_too(tmp_path):
    (tmp_path / "factors.py").write_text("FACTOR = 1.0\n")
    path = write(tmp_path / "own.py", "FACTOR", more="from factors import FACTOR")
    first = load_classifier(str(path))
    (tmp_path / "factors.py").write_text("FACTOR = 3.0\n")
    later(tmp_path / "factors.py")
    assert load_classifier(str(path)).fingerprint != first.fingerprint


def test_a_changed_file_of_weights_is_seen_too(tmp_path):
    (tmp_path / "factor.txt").write_text("1.0")
    read = "from pathlib import Path; FACTOR = float((Path(__file__).parent / 'factor.txt').read_text())"
    path = write(tmp_path / "own.py", "FACTOR", more=read)
    first = load_classifier(str(path))
    (tmp_path / "factor.txt").write_text("3.0")
    later(tmp_path / "factor.txt")
    assert load_classifier(str(path)).fingerprint != first.fingerprint


def test_files_of_one_name_in_two_folders_do_not_meet(tmp_path):
    prints = set()
    for folder, factor in (("first", "1.0"), ("second", "2.0")):
        path = write(tmp_path / folder / "own.py", "FACTOR", more="from factors import FACTOR")
        (path.parent / "factors.py").write_text(f"FACTOR = {factor}\n")
        prints.add(load_classifier(str(path)).fingerprint)
    assert len(prints) == 2 and "factors" not in sys.modules


def test_an_installed_module_comes_before_a_file_beside(tmp_path):
    """A file named like one of Python's own does not replace it."""
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('not this one')\n")
    assert load_classifier(str(write(tmp_path / "own.py", more="import colorsys"))).name == "own"


def test_the_path_of_imports_is_left_as_it_was(tmp_path):
    before = list(sys.path), list(sys.meta_path)
    load_classifier(str(write(tmp_path / "own.py")))
    assert (sys.path, sys.meta_path) == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import sys; sys.exit(3)", r"it ended the program \(exit 3\)"),
        ("raise SystemExit", r"it ended the program \(exit None\)"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_whatever_a_file_does_is_one_sentence(tmp_path, line, message):
    with pytest.raises(ValueError, match=f"Could not load a classifier from .*{message}"):
        load_classifier(str(write(tmp_path / "own.py", more=line)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("own.py", ("own.py", "classifier")),
        ("a:b/own.py", ("a:b/own.py", "classifier")),
        ("a:b/own.py:make", ("a:b/own.py", "make")),
        ("package.module:make", ("package.module", "make")),
        (r"C:\nets\own.py", (r"C:\nets\own.py", "classifier")),
    ],
)
def test_names(name, expected):
    assert own_files.is_own(name) and own_files.split_name(name) == expected


def test_a_bundled_name_is_none():
    assert not own_files.is_own("mnist-rotation")


def test_colons_in_the_folder_and_functions(tmp_path):
    path = write(tmp_path / "a:b" / "own.py")
    assert load_classifier(str(path)).name == "own"
    assert load_classifier(f"{path}:another").name == "another"
    with pytest.raises(ValueError, match=r"AttributeError: .*no attribute 'missing'"):
        load_classifier(f"{path}:missing")


def test_a_module_is_reloaded_when_it_was_edited(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    path = write(tmp_path / "own_module_for_a_test.py")
    forget_loaded()
    first = load_classifier("own_module_for_a_test:classifier")
    later(write(path, "2.0"))
    assert load_classifier("own_module_for_a_test:classifier").fingerprint != first.fingerprint
