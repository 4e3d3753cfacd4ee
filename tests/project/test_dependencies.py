"""What is imported is declared in pyproject.toml, and what is declared is used."""

import ast
import importlib.metadata
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROVIDERS = importlib.metadata.packages_distributions()
OURS = {
    "alphamed_tutorials",
    "train_centralised",
    *(path.stem for name in ("tests", "tools") for path in (ROOT / name).rglob("*.py")),
}
OURS |= {path.stem for path in (ROOT / "hooks").glob("*.py")} | {
    path.parent.name for path in ROOT.glob("tests/**/*.py")
}
# Used through an option, or by name: as a plugin, a theme, or a program that the Makefile or pre-commit starts.
NAMED_IN = ["Makefile", "pyproject.toml", ".pre-commit-config.yaml", *(path.name for path in ROOT.glob("mkdocs*.yml"))]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*tables: list[str]) -> set[str]:
    """Return the names of the packages that requirements name."""
    return {canonical(re.match(r"[\w.-]+", line).group()) for table in tables for line in table}


DEPENDENCIES = declared(PROJECT["project"]["dependencies"])
GROUPS = {name: declared(lines) for name, lines in PROJECT["dependency-groups"].items()}
FLOWER = {"flwr", "httpx", "click", "tomli-w"}  # the extra, and what it brings and is used here with it
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
    # What is not installed cannot be judged: torchtext has an environment of its own, and tests make up a name.
    return {name: files for name, files in found.items() if name in PROVIDERS and name not in OURS}


def packages(module: str) -> set[str]:
    """Return the packages that bring a module."""
    return {canonical(name) for name in PROVIDERS.get(module, [])}


@pytest.mark.parametrize(
    ("folder", "groups"),
    [
        ("src", []),
        ("snippets", []),
        ("benchmarks", []),
        ("hooks", ["site"]),
        ("tools", ["site", "test"]),  # pictures are taken by the browser of the tests
        ("tests", ["site", "test"]),
    ],
)
def test_what_is_imported_is_declared(folder, groups):
    allowed = DEPENDENCIES | SDK | FLOWER | set().union(*(GROUPS[group] for group in groups))
    modules = imported(ROOT / folder)
    missing = {name: files for name, files in modules.items() if not packages(name) & allowed}
    assert missing == {}


BY_OPTION = {"pytest-xdist": "--numprocesses", "pytest-cov": "--cov", "pytest-codeblocks": "--codeblocks"}
# torch.onnx, FastAPI and uvicorn, where they find them
OTHERS_IMPORT_IT = {"onnxscript", "python-multipart", "httptools", "uvloop"}


def words_of(folder: Path) -> set[str]:
    """Return every part of a dotted name that is imported or stands in quotes: torch.onnx needs onnx."""
    text = "\n".join(file.read_text("utf-8") for file in folder.rglob("*.py") if file != Path(__file__))
    dotted = re.findall(r"^\s*(?:import|from) ([\w.]+)|[\"']([\w.]+)[\"']", text, re.MULTILINE)
    return {part for pair in dotted for name in pair for part in name.split(".")}


def test_what_is_declared_is_used():
    sdk = Path(importlib.util.find_spec("alphafed").submodule_search_locations[0])
    ours = [ROOT / folder for folder in ("src", "snippets", "benchmarks", "hooks", "tools", "tests")]
    words = set().union(*map(words_of, [sdk, *ours]))
    settings = "\n".join((ROOT / name).read_text("utf-8") for name in NAMED_IN)
    unused = set()
    for name in DEPENDENCIES.union(*GROUPS.values()):
        package = importlib.metadata.distribution(name)
        modules = {module for module, providers in PROVIDERS.items() if name in map(canonical, providers)}
        named = {BY_OPTION.get(name, name), *(entry.name for entry in package.entry_points)}
        in_settings = any(re.search(rf"(?<![\w\"-]){re.escape(word)}(?![\w>-])", settings) for word in named)
        if not modules & words and not in_settings:
            unused.add(name)
    assert unused - OTHERS_IMPORT_IT == set()
