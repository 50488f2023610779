"""The scripts of the explorer's components, in node's own test runner (tests/components.test.mjs)."""

import shutil
import subprocess

import pytest
from conftest import REPOSITORY


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_components() -> None:
    done = subprocess.run(
        ["node", "--test", "tests/components.test.mjs"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout or "fail 0" in done.stdout


def test_every_script_is_tested() -> None:
    tested = (REPOSITORY / "tests" / "components.test.mjs").read_text(encoding="utf-8")
    scripts = [
        str(path.relative_to(REPOSITORY / "spt" / "ui").with_suffix("")) for path in (REPOSITORY / "spt").rglob("*.js")
    ]
    assert len(scripts) >= 2 and all(f'component("{name}")' in tested for name in scripts)
