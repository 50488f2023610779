"""What docs/, README and docstrings name is there: links, sections, code, tests, pages, commands, examples that run; and
nothing outside the repository is cited."""

import ast
import io
import os
import re
import shlex
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import spt.transforms
from spt.__main__ import build_parser
from tests import oracles

REPOSITORY = Path(__file__).parent.parent
DOCS = sorted((REPOSITORY / "docs").glob("*.md"))
MARKDOWN = [*DOCS, REPOSITORY / "README.md"]
SOURCES = sorted((REPOSITORY / "spt").rglob("*.py"))
CITING = [
    *SOURCES,
    REPOSITORY / "app.py",
    *(path for folder in ("pages", "examples", "benchmarks") for path in sorted((REPOSITORY / folder).rglob("*.py"))),
]
CODE = re.compile(r"`((?:spt|tests|benchmarks|examples|pages)/[\w./]*\.py)(?:(?::{1,2})([\w.]+))?`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
CITATION = re.compile(r"docs/mathematics\.md, sections? (\d+(?:(?:, | and | to )\d+)*)")
ELSEWHERE = re.compile(
    r"\bthe (?:\w+ )?design\b|\bdesign, section|(?:certificates|architecture|published|ux)\.md|slides", re.I
)
PAGE = re.compile(r"docs/([\w-]+(?:\.\w+)?)(?:#([\w-]+)|, sections? (\d+(?:(?:, | and | to )\d+)*|[\"“][^\"”]+[\"”]))?")
"""docs/guarantee.md, docs/guarantee.md#statistics, docs/guarantee.md, section "Statistics", or docs/mathematics.md, section 4"""
NAME = re.compile(r"`+(spt(?:\.\w+)+)(?:\(\))?`+")
FILE = re.compile(r"\b(?:spt|tests|benchmarks|examples|pages|assets|results)/[\w./-]*\w\.\w+")
PUBLIC = re.compile(r"(?:Higham|Fischer, Baader and Vechev 2020)[^.]*?sections? \d+(?:\.\d+)?")


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text(path))


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def without_code(markdown: str) -> str:
    """Blocks of code are not text: a bracket in them is no link."""
    return re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)


def anchor(heading: str) -> str:
    """The name under which GitHub links to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {anchor(found) for found in re.findall(r"^#+ (.*)$", without_code(text(path)), re.MULTILINE)}


def sections() -> dict[int, str]:
    headings = re.findall(r"^## (\d+)\. (.*)$", text(REPOSITORY / "docs" / "mathematics.md"), re.MULTILINE)
    return {int(number): title for number, title in headings}


def numbers_in(cited: str) -> set[int]:
    """The sections that a citation names: "12 to 14 and 18" names 12, 13, 14 and 18."""
    found = {int(number) for number in re.findall(r"\d+", cited)}
    for low, high in re.findall(r"(\d+) to (\d+)", cited):
        found |= set(range(int(low), int(high) + 1))
    return found


def words_of(path: Path) -> Iterator[tuple[int, str]]:
    """Docstrings and comments of a file, each in one line."""
    source = text(path)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and first.value.value is not None:
                yield first.lineno, " ".join(str(first.value.value).split())
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, " ".join(node.value.value.split())  # a string below an attribute describes it
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def has(tree: ast.AST, parts: list[str]) -> bool:
    """Whether a class, function or value with this dotted name is defined (in a class or one of its bases here)."""
    for node in ast.iter_child_nodes(tree):
        names = []
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        if parts[0] in names:
            return len(parts) == 1 or has(node, parts[1:])
    return False


def has_test(tree: ast.AST, wanted: str) -> bool:
    """A test may stand in a class; pytest finds it there."""
    return any(isinstance(node, ast.FunctionDef) and node.name == wanted for node in ast.walk(tree))


def test_there_is_something_to_check():
    assert {path.name for path in DOCS} >= {"guarantee.md", "mathematics.md", "paper.md", "contributing.md"}
    assert len(SOURCES) > 10 and "docs/guarantee.md" in text(REPOSITORY / "README.md")


@pytest.mark.parametrize("path", MARKDOWN, ids=name)
def test_links_lead_somewhere(path):
    for link in LINK.findall(without_code(text(path))):
        target = link[0] or link[1]
        if re.match(r"[a-z]+:", target):
            continue
        file, _, heading = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{name(path)} links to {target}"
        assert there.is_relative_to(REPOSITORY), f"{name(path)} links out of the repository: {target}"
        assert not heading or heading in anchors(there), f"{name(path)}: {name(there)} has no heading #{heading}"


@pytest.mark.parametrize("path", DOCS, ids=name)
def test_code_and_tests_that_are_named_exist(path):
    for file, wanted in CODE.findall(text(path)):
        there = REPOSITORY / file
        assert there.is_file(), f"{name(path)} names {file}"
        tree = tree_of(there)
        found = not wanted or has(tree, wanted.split(".")) or (file.startswith("tests/") and has_test(tree, wanted))
        assert found, f"{name(path)}: there is no {wanted} in {file}"


def test_sections_are_numbered_without_gaps_and_say_where_they_are_implemented_and_tested():
    found = sections()
    assert list(found) == list(range(1, len(found) + 1)) and len(found) > 15
    whole = text(REPOSITORY / "docs" / "mathematics.md")
    assert [f"{number}. [" for number in found] == re.findall(r"^\d+\. \[", whole, re.MULTILINE)
    for number, body in zip(found, re.split(r"^## ", whole, flags=re.MULTILINE)[1:], strict=True):
        if found[number] != "Corrections":
            assert "*Code:*" in body and re.search(r"\*Tests:\*.*tests/test_\w+\.py::", body, re.DOTALL), number


def wrong_citation(words: str) -> str | None:
    """What of a docstring's citations of docs/ is not there, None if all is."""
    for match in PAGE.finditer(words):
        file, heading, section = match.groups()
        path = REPOSITORY / "docs" / file
        if not path.is_file():
            return match.group()
        headings = re.findall(r"^#+ (.*)$", without_code(text(path)), re.MULTILINE)
        if heading and heading not in anchors(path):
            return match.group()
        if section and section[0].isdigit():
            numbered = {int(found) for title in headings for found in re.findall(r"^(\d+)\. ", title)}
            if not numbers_in(section) <= numbered:
                return match.group()
        elif section and section[1:-1] not in headings:
            return match.group()
    return None


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a package, a module, or what is defined in one or named by a package's ``__init__``."""
    first, *parts = dotted.split(".")
    folder = REPOSITORY / first
    for i, part in enumerate(parts):
        if (folder / part).is_dir():
            folder /= part
        elif (folder / f"{part}.py").is_file():
            return i == len(parts) - 1 or has(tree_of(folder / f"{part}.py"), parts[i + 1 :])
        else:
            package = folder / "__init__.py"
            exported = i == len(parts) - 1 and re.search(rf"\b{part}\b", text(package)) is not None
            return exported or has(tree_of(package), parts[i:])
    return True


def test_citations_are_recognised():
    for good in (
        "docs/guarantee.md",
        "docs/guarantee.md#statistics.",
        'docs/guarantee.md, section "Statistics"',
        "docs/mathematics.md, sections 12 to 14 and 18.",
        "see docs/own-networks.md.",
    ):
        assert PAGE.search(good) and wrong_citation(good) is None, good
    for bad in (
        "docs/guarantees.md",
        "docs/own-network.md, which",
        "docs/guarantee.md#luck",
        'docs/guarantee.md, section "Luck"',
        "docs/guarantee.md, section 3",
        "docs/mathematics.md, sections 20 to 40",
        "docs/mathematics",
    ):
        assert wrong_citation(bad) is not None, bad
    assert is_there("spt.defences") and is_there("spt.defences.DistSPT") and is_there("spt.transforms.Transform.sample")
    assert not is_there("spt.defences.NoSuch") and not is_there("spt.transforms.Transform.no_such")


@pytest.mark.parametrize("path", CITING, ids=name)
def test_docstrings_cite_what_is_in_the_repository(path):
    for line, words in words_of(path):
        where = f"{name(path)}:{line}"
        assert not ELSEWHERE.search(words), f"{where} cites a document outside the repository: {words[:120]}"
        wrong = wrong_citation(words)
        assert wrong is None, f"{where} cites {wrong}, which is not there"
        rest = PUBLIC.sub("", PAGE.sub("", words))
        assert not re.search(r"\bsections? \d", rest), f"{where} cites a section without saying of what: {words[:120]}"
        for dotted in NAME.findall(words):
            assert is_there(dotted), f"{where} names {dotted}, which is not there"
        for file in FILE.findall(words):
            assert (REPOSITORY / file).exists(), f"{where} names {file}, which is not there"


def test_the_mathematics_is_cited():
    cited: set[int] = set()
    for path in SOURCES:
        for _, words in words_of(path):
            for found in CITATION.findall(words):
                cited |= numbers_in(found)
    assert cited >= {1, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18}


def rows(path: Path) -> Iterator[list[str]]:
    for line in text(path).splitlines():
        if line.startswith("| ") and not line.startswith("| item"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_every_item_of_the_paper_has_its_code_and_a_page_or_none():
    pages = {path.resolve() for path in (REPOSITORY / "pages" / "explore").glob("*.py")}
    shown, count = set(), 0
    for cells in rows(REPOSITORY / "docs" / "paper.md"):
        assert len(cells) == 3, cells
        assert CODE.search(cells[1]), f"{cells[0]} names no code"
        links = [REPOSITORY / "docs" / link for link, _ in LINK.findall(cells[2])]
        assert cells[2].strip() == "–" or links, f"{cells[0]} names no page"
        assert {link.resolve() for link in links} <= pages, cells
        shown |= {link.resolve() for link in links}
        count += 1
    assert count > 30 and shown == pages, "a page shows nothing of the paper"


def test_the_items_of_the_paper_are_found():
    """Whoever searches the list for what the paper calls a thing finds it."""
    items = "\n".join(cells[0] for cells in rows(REPOSITORY / "docs" / "paper.md"))
    for wanted in (
        *(
            "Theorem 3.1",
            "Theorem 3.2",
            "equation (6)",
            "q_{i,j}",
            "c_{i',j'}",
            "h_E",
            "g_E",
            "\\rho_E",
            "q_E",
            "Figure 3",
        ),
        *("PREDICT", "CERTIFY", "SAMPLEUNDERNOISE", "BINOMPVALUE", "LOWERCONFBOUND", "Worst-of-k", "Confidence budget"),
        *("BaseSPT", "DistSPT^x", "DistSPT^D", "IndivSPT", "Table 2", "Table 3", "Table 4", "Table 11", "Table 12"),
        *(
            "Refinement",
            "Vignette",
            "blur",
            "The inner test",
            "Interpolation error",
            "Bilinear",
            "Inverse",
            "82 %, 81 %",
        ),
    ):
        assert wanted in items, wanted


def test_every_experiment_is_an_item_of_the_paper():
    whole = text(REPOSITORY / "docs" / "paper.md")
    for file in (REPOSITORY / "spt" / "experiments").glob("*.py"):
        if re.search(r'^    name: ClassVar\[str\] = "', text(file), re.MULTILINE):
            assert f"spt/experiments/{file.name}:" in whole, file.name


@pytest.mark.parametrize("path", DOCS, ids=name)
def test_formulas_survive_markdown(path):
    """GitHub takes a backslash before punctuation, and a dollar sign next to a word, for something else than mathematics."""
    prose = re.sub(r"`[^`\n]*`", "", without_code(text(path)))
    assert prose.count("$$") % 2 == 0
    formulas = re.findall(r"\$\$(.*?)\$\$", prose, re.DOTALL)
    inline = re.sub(r"\$\$.*?\$\$", "", prose, flags=re.DOTALL)
    assert inline.count("$") % 2 == 0
    for match in re.finditer(r"(.?)\$([^$]+)\$(.?)", inline):
        before, formula, after = match.groups()
        formulas.append(formula)
        assert not (before.isalnum() or after.isalnum()), f"{name(path)}: {match.group()}"
        assert formula == formula.strip() and "\n" not in formula, f"{name(path)}: {match.group()}"
        assert before in "( " or before == "", f"{name(path)}: {match.group()}"
    for formula in formulas:
        assert not re.search(r"\\[^a-zA-Z]", formula), f"{name(path)}: {formula}"
        assert formula.count("{") == formula.count("}"), f"{name(path)}: {formula}"
        assert len(re.findall(r"\\left\b", formula)) == len(re.findall(r"\\right\b", formula)), formula


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text(path), re.DOTALL)


@pytest.mark.parametrize("path", MARKDOWN, ids=name)
def test_commands_and_python_are_understood(path):
    for block in blocks(path, "bash"):
        for command in re.findall(r"^python -m spt (.*)$", block, re.MULTILINE):
            build_parser().parse_args(shlex.split(command, comments=True))
    for block in blocks(path, "python"):
        compile(block, name(path), "exec")


def test_every_command_is_explained():
    """The page on the command line shows each command; `app` and the options of all say themselves what they do."""
    shown = {
        line.split()[3]
        for block in blocks(REPOSITORY / "docs" / "command-line.md", "bash")
        for line in block.splitlines()
    }
    [commands] = [action.choices for action in build_parser()._actions if isinstance(action.choices, dict)]
    assert shown | {"app"} == set(commands)


def test_the_readme_is_short_and_leads_to_every_page():
    readme = text(REPOSITORY / "README.md")
    assert len(readme.splitlines()) <= 160
    for path in DOCS:
        assert f"(docs/{path.name})" in readme, path.name


def zoom() -> tuple[str, str]:
    """The transformation that docs/contributing.md adds, and its oracle."""
    first, second, *_ = blocks(REPOSITORY / "docs" / "contributing.md", "python")
    return first, second


def test_the_transformation_that_is_added_agrees_with_its_oracle():
    names, slow = dict(vars(spt.transforms)), dict(vars(oracles))
    exec(zoom()[0], names)
    exec(zoom()[1], slow)
    image = np.random.default_rng(0).random((6, 7))
    for percent in (-50.0, 0.0, 13.0, 50.0):
        moved = names["Zoom"]()(torch.from_numpy(image)[None], percent)[0, 0].numpy()
        assert np.abs(moved - slow["zoom"](image, percent)).max() <= 1e-12


@pytest.mark.slow
def test_the_laws_run_over_the_transformation_that_is_added(tmp_path):
    """As docs/contributing.md says: the class and its oracle, and nothing else."""
    fast, slow = zoom()
    plugin = (
        "import spt.transforms\nfrom tests import oracles\n"
        f"exec({fast!r}, vars(spt.transforms))\nexec({slow!r}, vars(oracles))\n"
        "spt.transforms.TRANSFORMS['zoom'] = spt.transforms.Zoom()\noracles.TRANSFORMS['zoom'] = oracles.zoom\n"
    )
    (tmp_path / "added_zoom.py").write_text(plugin, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "added_zoom", "-p", "no:cacheprovider", "-k", "zoom"]
    found = subprocess.run(
        [*command, "tests/test_laws.py", "tests/test_attacks.py"],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(REPOSITORY)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout
    assert int(re.search(r"(\d+) passed", found.stdout)[1]) > 30
