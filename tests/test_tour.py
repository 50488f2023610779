"""examples/tour.ipynb is a notebook that runs, and what it shows is so. No jupyter is needed: its cells are Python."""

import ast
import importlib
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parent.parent / "examples" / "tour.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def test_is_a_notebook_without_outputs():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4 and notebook["nbformat_minor"] >= 5 and isinstance(notebook["metadata"], dict)
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)
    for cell in CELLS:
        assert cell["cell_type"] in ("markdown", "code") and isinstance(cell["metadata"], dict)
        assert cell["source"] and all(isinstance(line, str) for line in cell["source"])
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
    assert CELLS[0]["cell_type"] == "markdown" and len(CODE) > 8


@pytest.mark.parametrize("number", range(len(CODE)))
def test_cells_compile_and_import_what_is_there(number):
    tree = ast.parse(CODE[number])
    compile(tree, NOTEBOOK.name, "exec")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "spt":
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"there is no {alias.name} in {node.module}"


def test_links_lead_somewhere():
    for cell in CELLS:
        for part in "".join(cell["source"]).split("](")[1:]:
            assert (NOTEBOOK.parent / part.partition(")")[0]).is_file(), part


@pytest.mark.slow
def test_runs_and_what_it_says_is_so(capsys, monkeypatch, tmp_path):
    """All cells in one namespace, as a person runs them, away from the repository; then the claims of the text."""
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for number, source in enumerate(CODE):
        exec(compile(source, f"{NOTEBOOK.name}, code cell {number}", "exec"), names)

    certificate = names["certificate"]
    assert certificate.label == names["label"] and certificate.radius >= names["defence"].limit
    assert not any(int(answer) != names["label"] for answer in names["attack"].predictions)

    bound, sampled = names["bound"], names["sampled"]
    assert bound.is_upper and float(bound.values[0]) >= float(sampled.max()) > 0
    for (low, high), value in zip(bound.splits[0][:, 0].tolist(), bound.split_values[0].tolist(), strict=True):
        inside = (names["gammas"][:, 0] >= low) & (names["gammas"][:, 0] <= high)
        assert (sampled[inside] <= value + 1e-6).all()  # the sampled norms are float32

    inverse, truth = names["inverse"], names["true_angle"]
    assert inverse.consistent and any(low <= truth <= high for low, high in inverse.surviving[:, 0].tolist())
    assert any(low <= 0 <= high for low, high in inverse.surviving[:, 0].tolist())

    assert names["record"].verify() and names["record"] == certificate and not names["forged"].verify()
    assert names["recomputation"].outcome == "confirmed" and names["recomputation"].again is not None
    output = capsys.readouterr().out
    assert "CERTIFIED 3" in output and "CONFIRMED: computed again" in output and "other attack range: False" in output
