#!/usr/bin/env python3
"""Writes docs/licences.md: what this environment has installed, each with the licence that its own metadata name."""

import re
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
USES = {"app": "the explorer", "onnx": "ONNX files", "cluster": "`--scheduler`", "bench": "benchmarks", "dev": "tests"}
HEAD = """# Licences of the dependencies

Our own: [LICENSE](../LICENSE), [samples](../assets/samples/LICENSES.md), [weights](../assets/models/LICENSES.md), of which one
network is by others (Apache-2.0). `make licences` writes the rest of this page from what is
installed; nothing of it is part of this repository or of its wheel. A licence is what a package's metadata say; its files have
the text. The CUDA libraries that PyTorch brings on Linux are NVIDIA's, under a licence of its own. `axe-playwright-python` has
Deque's axe-core inside it, under the Mozilla Public License 2.0.
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(found: Distribution) -> str:
    metadata = found.metadata
    classified = [
        each.rpartition(" :: ")[2]
        for each in metadata.get_all("Classifier") or []
        if each.startswith("License :: ") and not each.endswith("OSI Approved")
    ]
    said = metadata.get("License-Expression") or ", ".join(classified) or (metadata.get("License") or "").strip()
    said = said or first_line_of_the_licence(found)
    return said.splitlines()[0] if said else "not stated"


def first_line_of_the_licence(found: Distribution) -> str:
    """Of the file that the metadata name, where they do not say it themselves: "MIT License", say."""
    for name in found.metadata.get_all("License-File") or []:
        for path in found.files or []:
            if path.name == Path(name).name and ".dist-info" in str(path):
                return path.read_text(encoding="utf-8").strip().partition("\n")[0]
    return ""


def table(*lines: tuple[str, ...]) -> str:
    head, *rest = ("| " + " | ".join(line) + " |\n" for line in lines)
    return head + "|---" * len(lines[0]) + "|\n" + "".join(rest)


def main() -> None:
    installed = {normal(each.name): each for each in distributions()}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = {}
    for use, texts in {"the core": project["dependencies"], **project["optional-dependencies"]}.items():
        for text in texts:
            name, versions = re.fullmatch(r"([\w-]+)(.*)", text).groups()
            direct[name] = (name, versions, licence(installed[name]), USES.get(use, use))
    others = [
        (each.name, each.version, licence(each))
        for name, each in sorted(installed.items())
        if name not in (*direct, project["name"])
    ]
    ours = table(("package", "versions", "licence", "for"), *direct.values())
    theirs = table(("package", "version", "licence"), *others)
    page = f"{HEAD}\n## What we ask for\n\n{ours}\n## What these bring\n\nAs installed where this page was made.\n\n{theirs}"
    (REPOSITORY / "docs" / "licences.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
