"""The shape of the code base, checked on its syntax trees (`make test` runs ruff and mypy beside)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "spt"
FILES = sorted(PACKAGE.rglob("*.py"))
PAGES = sorted((REPOSITORY / "pages").rglob("*.py"))

# Import order: a module imports only modules of lower layers, or of its own layer where this is not all leaves.
# What is not named here (a new leaf) stands at the bottom and imports nothing of the package but other leaves.
LAYERS = {
    "spt.intervals": 0,
    "spt.statistics": 0,
    "spt.images": 0,
    "spt.networks": 0,
    "spt.interpolation": 1,
    "spt.transforms": 2,
    "spt.preprocessing": 2,
    "spt.onnx_networks": 2,
    "spt.certificates": 2,
    "spt.datasets": 2,
    "spt.rounding_slack": 3,
    "spt.interval_warp": 3,
    "spt.classifiers": 3,
    "spt.threat_model": 4,
    "spt.smoothing": 4,
    "spt.response": 4,
    "spt.paired_votes": 5,
    "spt.torchvision_networks": 4,
    "spt.recipes": 4,
    "spt.training": 5,
    "spt.attacks": 5,
    "spt.error_bounds": 5,
    "spt.inverse": 5,
    "spt.received_bounds": 6,
    "spt.verification": 6,
    "spt.defences": 7,
    "spt.recomputation": 8,
    "spt.experiments": 8,
    "spt.figures": 9,
    "spt.commands": 10,
    "spt.ui": 10,
    "spt.__main__": 11,
}
BOUNDING = ("threat_model", "error_bounds", "received_bounds", "inverse", "verification")
LEAVES = ("spt.intervals", "spt.statistics", "spt.images", "spt.networks")


def module_name(path: Path) -> str:
    parts = list(path.relative_to(REPOSITORY).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path, everywhere: bool = True) -> Iterator[str]:
    """Full names of what a file imports, also inside functions (but not for type checking alone)."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]

    def walk(node: ast.AST) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = package[: len(package) - child.level + 1] if child.level else []
                origin = ".".join([*base, *([child.module] if child.module else [])])
                yield from (f"{origin}.{alias.name}" for alias in child.names)
            elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
                for other in child.orelse:
                    yield from walk(other)
            elif everywhere or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from walk(child)

    return walk(tree(path))


def module_of(imported: str) -> str:
    """``spt.transforms.Rotation`` -> ``spt.transforms``; ``spt.error_bounds.chord.bound`` -> ``spt.error_bounds``."""
    return ".".join(imported.split(".")[:2])


def layer(module: str) -> int:
    return LAYERS.get(module_of(module), 0)


def test_there_is_something_to_check():
    assert len(FILES) > 10 and all(path.is_file() for path in FILES)


def test_import_order():
    """``spt/__init__.py`` re-exports everything; that nothing below it imports from it is a test of its own."""
    wrong = []
    for path in FILES:
        own = module_of(module_name(path))
        others = {module_of(name) for name in imports(path) if name.startswith("spt.")} - {own}
        for other in others if own != "spt" else ():
            if layer(other) > layer(own):
                wrong.append(f"{own} (layer {layer(own)}) imports {other} (layer {layer(other)}); see LAYERS")
            if own in LEAVES:
                wrong.append(f"{own} is a leaf, but imports {other}")
    assert not wrong


def test_no_cycles():
    """Modules of one layer may import one another, but not in circles."""
    edges = {}
    for path in FILES:
        own = module_name(path)
        names = {module_name(other) for other in FILES}
        targets = set()
        for imported in imports(path, everywhere=False):
            candidates = [imported, imported.rpartition(".")[0]]
            targets |= {name for name in candidates if name in names and name not in (own, "spt")}
        edges[own] = targets

    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name in done:
            return
        for target in edges[name]:
            if not name.startswith(target + "."):  # a submodule may know its package
                visit(target, (*trail, name))
        done.add(name)

    for name in edges:
        if name != "spt":
            visit(name, ())


def test_no_circles_of_packages():
    """What the files of one package import, taken together, never leads back to it."""
    edges: dict[str, set[str]] = {}
    for path in FILES:
        own = module_of(module_name(path))
        found = {module_of(name) for name in imports(path) if name.startswith("spt.")}
        edges.setdefault(own, set()).update(found - {own, "spt"})

    def reached(name: str, seen: set[str]) -> set[str]:
        for target in edges.get(name, set()) - seen:
            seen.add(target)
            reached(target, seen)
        return seen

    for name in edges:
        if name != "spt":
            assert name not in reached(name, set()), f"{name} imports itself by way of others"


def test_the_package_does_not_import_through_its_front_door():
    """``from spt import Rotation`` is for people; inside it would make every module depend on every other."""
    modules = {module_name(other) for other in FILES}
    for path in FILES:
        for imported in imports(path) if path != PACKAGE / "__init__.py" else ():
            if imported == "spt" or (imported.startswith("spt.") and imported.count(".") == 1):
                assert imported in modules, f"{module_name(path)} imports {imported}: name the module that defines it"


def test_streamlit_only_in_ui():
    for path in FILES:
        if PACKAGE / "ui" not in path.parents:
            found = {
                name for name in imports(path) if name.partition(".")[0] == "streamlit" or name.startswith("spt.ui")
            }
            assert not found, f"{module_name(path)} imports {found}"


def test_pages_contain_no_computation():
    """They import streamlit and spt.ui, so there is nothing to compute with; and what is longer is no page."""
    assert len(PAGES) > 6
    for path in PAGES:
        for name in imports(path):
            assert name.partition(".")[0] == "streamlit" or name.startswith("spt.ui."), f"{path.name} imports {name}"
        for node in ast.walk(tree(path)):
            computes = isinstance(node, ast.While | ast.ClassDef | ast.FunctionDef | ast.Lambda | ast.Try)
            assert not computes, (
                f"{path.name}:{getattr(node, 'lineno', 0)} computes: this belongs into spt/ui or the core"
            )


def test_one_folder_a_page():
    """A page has a folder, with page.py in it; what is in a folder imports only that folder and what pages share, which
    imports no page. Each page of the explorer imports its own folder and shared ones."""
    folders = {path.parent.name for path in (PACKAGE / "ui").rglob("*.py")} - {"ui"}
    shown = {path.stem for path in PAGES if path.parent.name == "explore"}
    assert folders == shown | {"shared", "server"}
    assert [path.name for path in (PACKAGE / "ui").glob("*.py")] == ["__init__.py"]
    for name in shown:
        assert (PACKAGE / "ui" / name / "page.py").is_file(), name
    for path in [*(PACKAGE / "ui").rglob("*.py"), *(path for path in PAGES if path.parent.name == "explore")]:
        own = path.stem if path.parent.name == "explore" else path.parent.name
        for imported in imports(path):
            if imported.startswith("spt.ui."):
                assert imported.split(".")[2] in (own, "shared"), f"{path} imports {imported}"


def test_scripts_and_styles_have_files_of_their_own():
    """HTML, CSS and JavaScript lie beside the Python file of the same name, which mounts them; none is in a string."""
    for path in sorted((PACKAGE / "ui").rglob("*")):
        if path.suffix in (".css", ".js", ".html"):
            mounts = path.with_suffix(".py").read_text(encoding="utf-8")
            assert ("style(__file__)" if path.suffix == ".css" else "script(__file__)") in mounts or (
                "component(__file__)" in mounts
            ), f"{path.name} is not mounted"
    for path in (PACKAGE / "ui").rglob("*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and path.name != "components.py":
                assert not {"<style", "addEventListener", "export default"} & set(node.value.split()), path


def test_app_starts_pages_and_nothing_else():
    for name in imports(REPOSITORY / "app.py"):
        top = name.partition(".")[0]
        assert top == "streamlit" or name.startswith("spt.ui") or top in sys.stdlib_module_names, f"imports {name}"


def test_the_first_screen_does_not_wait_for_torch():
    """app.py sets up navigation; torch and scipy.stats are imported by the pages that use them."""
    heavy = {"torch", "scipy", "statsmodels", "torchvision", "pandas", "plotly"}
    assert not {name.partition(".")[0] for name in imports(REPOSITORY / "app.py")} & heavy
    code = "import sys, spt; print(sorted(set(sys.modules) & {'torch', 'scipy', 'statsmodels', 'streamlit'}))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_public_names():
    """Everything in ``spt.__all__`` is there under its own name."""
    import spt

    for name in spt.__all__:
        assert getattr(spt, name) is not None and name in dir(spt)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = spt.no_such_name


def test_a_class_of_the_core_shares_its_name_with_no_other():
    """Who reads a name in the package finds one class of it, in the core or in a page."""
    places: dict[str, list[Path]] = {}
    for path in FILES:
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(path)
    core = {name: found for name, found in places.items() if any(PACKAGE / "ui" not in path.parents for path in found)}
    assert not {name: found for name, found in core.items() if len(found) > 1}


def test_no_drawer_for_everything():
    names = {path.stem for path in FILES}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "tools"}


def public(node: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Public classes and functions of a module, and public methods of public classes; overriding ones are documented
    where they are declared."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            yield f"{inside}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{child.name}.")


def declared(name: str) -> bool:
    """Whether an abstract method of this name is documented somewhere in the package."""
    for path in FILES:
        for full_name, node in public(tree(path)):
            if full_name.endswith(f".{name}") and ast.get_docstring(node) is not None:
                decorators = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", [])]
                if any("abstractmethod" in decorator for decorator in decorators):
                    return True
    return False


def test_docstrings():
    for path in FILES:
        assert ast.get_docstring(tree(path)) or path.read_text().strip() == "", f"{path} has no docstring"
        for name, node in public(tree(path)):
            if ast.get_docstring(node) is None:
                assert "." in name and declared(name.rpartition(".")[2]), f"{module_name(path)}.{name} has no docstring"


def test_habits():
    """Nobody moves tensors to a device by name, and nothing catches what Streamlit stops a script with."""
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr != "cuda", f"{path.name}:{node.lineno} calls .cuda()"
            if isinstance(node, ast.ExceptHandler):
                caught = "BaseException" if node.type is None else ast.unparse(node.type)
                reraises = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
                assert "BaseException" not in caught or reraises, f"{path.name}:{node.lineno} swallows BaseException"


def test_length():
    assert not {path.name for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > 600}


def test_names_of_classes_are_unique():
    """A reader who searches for a public class finds one."""
    found: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(module_name(path))
    assert not {name: places for name, places in found.items() if len(places) > 1}


def test_bounds_ask_for_few_things():
    """Who bounds, inverts or verifies hands on records (`AttackedImage`, `ReceivedImage`, `Search`), not their parts."""
    long = {}
    for path in FILES:
        if module_of(module_name(path)).removeprefix("spt.") not in BOUNDING:
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef):
                names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                long[f"{path.name}:{node.name}"] = len(set(names) - {"self", "cls"})
    assert long and not {name: count for name, count in long.items() if count > 7}
