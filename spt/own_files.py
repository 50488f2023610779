"""Whatever a person's own Python file makes: found by its name, loaded with the files beside it, and anew when edited."""

import contextlib
import hashlib
import importlib
import importlib.util
import itertools
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

MOST_FILES = 1000


def is_own(name: str) -> bool:
    """Whether a name is of a person's own network: ``path/to/file.py``, it with ``:function``, ``package.module:function``,
    ``path/to/model.onnx``."""
    return name.endswith(".py") or is_onnx(name) or ":" in name


def is_onnx(name: str) -> bool:
    """Whether a name is of an ONNX file, which is data: nothing of it is run as code."""
    return name.lower().endswith(".onnx")


def split_name(name: str) -> tuple[str, str]:
    """File or module, and function ("classifier" where none is named). A path may have colons of its own."""
    location, separator, function = name.rpartition(":")
    if name.endswith(".py") or is_onnx(name) or not separator:
        return name, "classifier"
    return location, function


def stamp(name: str) -> tuple[tuple[str, int, int], ...]:
    """Which files `call` would read, with size and time of change: of a .py file it, all files beside it (weights, say) and the
    .py files in folders beside it, as far as they are `MOST_FILES`; of an ONNX file it and the description beside it."""
    location, _ = split_name(name)
    if is_onnx(name):
        files = [Path(name), Path(name).with_suffix(".toml")]
    elif location.endswith(".py"):
        folder = Path(location).parent
        files = [Path(location), *(path for path in sorted(folder.glob("*")) if path.is_file())]
        files += sorted(itertools.islice(folder.glob("*/**/*.py"), MOST_FILES))
        files = files[:MOST_FILES]
    else:
        module = sys.modules.get(location)
        origin = getattr(module, "__file__", None)
        files = [Path(origin)] if origin else []
    found = []
    for file in files:
        with contextlib.suppress(OSError):
            about = file.stat()
            found.append((str(file), about.st_mtime_ns, about.st_size))
    return tuple(found)


def call(name: str) -> Any:
    """What the function that ``name`` names returns; ValueError, one sentence, for whatever goes wrong in it.

    Runs the person's code. A file may import the ones beside it. A file that was loaded before is loaded anew, and so are
    those beside it; a module of an installed package is reloaded.
    """
    location, function = split_name(name)
    path = Path(location)
    if location.endswith(".py") and not path.is_file():
        raise ValueError(f"There is no file {location!r} to load a classifier from.")
    try:
        with _files_beside(path) if location.endswith(".py") else contextlib.nullcontext():
            module = _load_file(path) if location.endswith(".py") else _import_anew(location)
            return getattr(module, function)()
    except SystemExit as error:
        raise ValueError(
            f"Could not load a classifier from {name!r}: it ended the program (exit {error.code!r})."
        ) from error
    except Exception as error:  # whatever a person's own file raises becomes one clear sentence
        raise ValueError(f"Could not load a classifier from {name!r}: {type(error).__name__}: {error}") from error


def _load_file(path: Path) -> ModuleType:
    module_name = f"spt_own_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(module_name, path, loader=_FromSource(module_name, str(path)))
    assert spec is not None and spec.loader is not None  # always so for an existing .py file
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module


def _import_anew(name: str) -> ModuleType:
    known = sys.modules.get(name)
    return importlib.import_module(name) if known is None or name.startswith("spt.") else importlib.reload(known)


class _FromSource(SourceFileLoader):
    """Reads the source each time: compiled files do not notice what was edited within a second."""

    def get_code(self, fullname: str) -> CodeType:
        """See `importlib.abc.InspectLoader`."""
        return self.source_to_code(self.get_data(self.path), self.path)


class _Beside:
    """Finds modules in one folder, where nothing else has them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        spec = PathFinder.find_spec(name, [str(self.folder)], target) if path is None else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _FromSource(spec.loader.name, spec.loader.path)
        return spec


@contextlib.contextmanager
def _files_beside(path: Path) -> Iterator[None]:
    """Within, the modules in the file's folder can be imported; afterwards they are forgotten, so that another folder may have
    files of the same names."""
    folder = path.resolve().parent
    finder = _Beside(folder)
    before = set(sys.modules)
    importlib.invalidate_caches()
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if not name.startswith("spt_own_") and file and folder in Path(file).resolve().parents:
                del sys.modules[name]
