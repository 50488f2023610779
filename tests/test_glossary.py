"""The words and symbols that are one key away: every symbol on the screen is among them, and the documents know it."""

import ast
import re
from pathlib import Path

import pytest

from spt.ui.shared.glossary import SYMBOLS, WORDS

REPOSITORY = Path(__file__).parent.parent
SYMBOL = re.compile(r"[ΓΦβγεραθσ](?:_[γε])?|K\(b′\)|b′|x′|n₀|n_γ|q_E|‖e‖")
IN_LATEX = {"γ": r"\gamma", "Γ": r"\Gamma", "β": r"\beta", "ε": r"\varepsilon", "ρ": r"\rho", "α": r"\alpha"}


def shown(path: Path) -> list[str]:
    """The texts that a file of a page has for the screen: all but its documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
    ]


def test_every_symbol_on_the_screen_is_explained():
    known = " ".join(entry.symbol for entry in SYMBOLS)
    missing: dict[str, set[str]] = {}
    for folder in ("spt/ui", "pages"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for text in shown(path):
                for symbol in SYMBOL.findall(text):
                    if symbol not in known:
                        missing.setdefault(symbol, set()).add(str(path.relative_to(REPOSITORY)))
    assert not missing


@pytest.mark.parametrize(
    "entry", [entry for entry in SYMBOLS if entry.symbol in IN_LATEX], ids=lambda each: each.symbol
)
def test_the_documents_have_the_same_symbols(entry):
    assert IN_LATEX[entry.symbol] in (REPOSITORY / "docs" / "mathematics.md").read_text(encoding="utf-8")


def test_entries_are_whole_and_different():
    for entries, name in ((SYMBOLS, "symbol"), (WORDS, "words")):
        names = [getattr(entry, name) for entry in entries]
        assert all(names) and len(set(names)) == len(names)
    for entry in (*SYMBOLS, *WORDS):
        assert entry.words and entry.meaning.endswith(".") and len(entry.meaning) < 140


def test_a_control_says_words_before_its_symbol():
    """A label begins with a word of at least three letters, or is nothing but words."""
    wrong = []
    for path in (REPOSITORY / "spt" / "ui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            if node.func.attr in (
                "slider",
                "range_slider",
                "number",
                "typed_number",
                "pick",
                "select",
                "choose",
                "switch",
            ):
                label = node.args[0]
                if isinstance(label, ast.JoinedStr | ast.BinOp):
                    label = next((part for part in ast.walk(label) if isinstance(part, ast.Constant)), label)
                if isinstance(label, ast.Constant) and isinstance(label.value, str) and SYMBOL.match(label.value):
                    wrong.append(f"{path.name}: {label.value}")
    assert not wrong
