"""What is imported is declared in pyproject.toml, and what is declared is used."""

import ast
import importlib.metadata
import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
OURS = {"alphamed_tutorials", "train_centralised", *(path.stem for path in ROOT.glob("t*/**/*.py"))}
OURS |= {path.stem for path in (ROOT / "hooks").glob("*.py")} | {
    path.parent.name for path in ROOT.glob("tests/**/*.py")
}
# Used by name, not by import: as a plugin, a theme, or a program that the Makefile or pre-commit starts.
NAMED_IN = ["Makefile", "pyproject.toml", ".pre-commit-config.yaml", *(path.name for path in ROOT.glob("mkdocs*.yml"))]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*tables: list[str]) -> set[str]:
    """Return the names of the packages that requirements name."""
    return {canonical(re.match(r"[\w.-]+", line).group()) for table in tables for line in table}


DEPENDENCIES = declared(PROJECT["project"]["dependencies"])
GROUPS = {name: declared(lines) for name, lines in PROJECT["dependency-groups"].items()}
SDK = {"alphamed-federated"}  # installed without its pins, by `make setup`


def imported(folder: Path) -> dict[str, set[str]]:
    """Return the modules that the programs of a folder import, each with the files that do."""
    found: dict[str, set[str]] = {}
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.partition(".")[0], set()).add(str(file.relative_to(ROOT.parent)))
    return {name: files for name, files in found.items() if name not in sys.stdlib_module_names and name not in OURS}


def packages(module: str) -> set[str]:
    """Return the packages that bring a module."""
    return {canonical(name) for name in importlib.metadata.packages_distributions().get(module, [])}


@pytest.mark.parametrize(
    ("folder", "groups"),
    [
        ("src", []),
        ("snippets", []),
        ("benchmarks", []),
        ("hooks", ["site"]),
        ("tools", ["site"]),
        ("tests", ["site", "test"]),
    ],
)
def test_what_is_imported_is_declared(folder, groups):
    allowed = DEPENDENCIES | SDK | set().union(*(GROUPS[group] for group in groups))
    modules = imported(ROOT / folder)
    modules.pop("torchtext", None)  # an extra of its own: make test-torchtext
    missing = {name: files for name, files in modules.items() if not packages(name) & allowed}
    assert missing == {}


def test_what_is_declared_is_used():
    sdk = Path(importlib.util.find_spec("alphafed").submodule_search_locations[0])
    ours = [ROOT / folder for folder in ("src", "snippets", "benchmarks", "hooks", "tools", "tests")]
    names = {name for folder in ours for name in imported(folder)}
    for file in sdk.rglob("*.py"):
        names |= set(re.findall(r"^\s*(?:import|from) (\w+)", file.read_text("utf-8"), re.MULTILINE))
    used = set().union(*(packages(name) for name in names))
    settings = "\n".join((ROOT / name).read_text("utf-8") for name in NAMED_IN)
    for name in DEPENDENCIES.union(*GROUPS.values()) - used:
        entries = importlib.metadata.distribution(name).entry_points
        words = {entry.name for entry in entries} | {entry.value.partition(":")[0] for entry in entries}
        # as a word of its own, not in the line that declares it
        if any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-]|>=)", settings) for word in words):
            used.add(name)
    assert DEPENDENCIES.union(*GROUPS.values()) - used == set()
