"""The tests that need a GPU, and what pytest says of them."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from gpu_parts.run import OutOfTimeError, Run

ROOT = Path(__file__).parents[2]


def measure(run: Run) -> None:
    """Run those files that have such tests (others may import what is not here), in a process of their own."""
    files = [path for path in sorted((ROOT / "tests").glob("test_*.py")) if "mark.cuda" in path.read_text("utf-8")]
    if run.rehearse:
        files = [ROOT / "tests" / "test_laws.py"]
    command = [sys.executable, "-m", "pytest", "-m", "cuda", "-q", "--tb=short", "--continue-on-collection-errors"]
    if find_spec("xdist") and not run.rehearse:
        command += ["-n", "4", "--dist", "worksteal"]
    command += ["-p", "no:cacheprovider", *(str(path.relative_to(ROOT)) for path in files)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=max(20.0, run.left))
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
        run.table("Tests marked cuda", [], "```\n" + output[-6000:] + "\n```")
        raise OutOfTimeError("the tests took too long") from error
    lines = done.stdout.splitlines()
    summary = next((i for i, line in enumerate(lines) if "short test summary" in line), max(0, len(lines) - 1))
    run.values = {"exit_code": done.returncode, "summary": lines[-1] if lines else ""}
    shown = lines[summary:] if done.returncode == 0 else lines[-150:]
    text = f"`{' '.join(command[1:8])}` on {len(files)} files: **{run.values['summary']}**\n\n"
    run.table("Tests marked cuda", [], text + "```\n" + "\n".join(shown)[-12000:] + "\n```")
