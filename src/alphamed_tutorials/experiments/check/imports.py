"""What a task's files import, read from their text, and whether the platform has it."""

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...target import VERIFY_FILES, Target

# What AlphaMed's nodes can import: PyTorch, the SDK, and what the SDK itself needs.
PLATFORM = {
    "torch", "torchvision", "torchaudio", "numpy", "alphafed", "cloudpickle", "requests", "tensorboard", "google", "grpc",
    "Cryptodome", "gmpy2", "cryptography", "tenseal",
}  # fmt: skip


def foreign_imports(task: Target, files: Iterable[Path]) -> list[str]:
    """Return a line for each import that AlphaMed would not find.

    Args:
        task: The task whose files they are.
        files: Those that travel as they are; the task's DatasetVerify, which travels alone, is looked at too.
    """
    known = PLATFORM | set(sys.stdlib_module_names) | _required(task)
    own = {file.stem for file in files} | {task.package.rpartition(".")[2]}
    alone = [task.folder / name for name in VERIFY_FILES if (task.folder / name).exists()]
    together = [file for file in files if file not in alone]
    return [*_lines(together, known | own, True), *_lines(alone, known, False)]


def _lines(files: Iterable[Path], known: set[str], may_be_relative: bool) -> Iterator[str]:
    for file in files:
        for line, name in _imports(ast.parse(file.read_bytes()).body):
            if name.startswith("."):
                if not may_be_relative:
                    yield f"{file}, line {line}: imports {name}, but this file is uploaded alone"
            elif name.partition(".")[0] not in known:
                yield f"{file}, line {line}: imports {name}, which AlphaMed does not have"


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield line and module of every import, but for those that may fail or are for type checkers only."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Try) and any(_catches_import(handler) for handler in node.handlers):
            yield from _imports([*node.handlers, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _imports(node.orelse)
        else:
            yield from _imports(ast.iter_child_nodes(node))


def _catches_import(handler: ast.ExceptHandler) -> bool:
    caught = "Exception" if handler.type is None else ast.unparse(handler.type)
    return bool(re.search(r"\b(ImportError|ModuleNotFoundError|Exception|BaseException)\b", caught))


def _required(task: Target) -> set[str]:
    """Return the modules of the packages that `example.toml` or `requirements.txt` name."""
    file = task.folder / "requirements.txt"
    lines = file.read_text("utf-8-sig").splitlines() if file.exists() else []
    names = {_normal(line) for line in [*task.facts.requirements, *lines] if line.strip() and line[0] not in "#-"}
    if not names:
        return set()
    homes = importlib.metadata.packages_distributions()
    return {name for name, packages in homes.items() if names & set(map(_normal, packages))} | {
        name.replace("-", "_") for name in names
    }


def _normal(requirement: str) -> str:
    """Return a package's name as registries compare it, without version and extras."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;@]", requirement.strip())[0]).lower()
