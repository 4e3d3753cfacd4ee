"""Import the reader's own code by name, wherever it lies, and look at it without running it."""

import ast
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from .errors import WrongUse

_added: set[str] = set()  # folders that were put on Python's path for targets


class TargetError(WrongUse):
    """Something that cannot be run as asked; the text says why and what to do."""


def may_define_scheduler(file: Path) -> bool:
    """Return whether a file holds a class that looks like a scheduler, without running it."""
    tree = _parsed(file)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    methods = {node.name for kind in classes for node in kind.body if isinstance(node, ast.FunctionDef)}
    bases = [ast.unparse(base) for kind in classes for base in kind.bases]
    return bool(methods & {"build_model", "train_an_epoch"}) or any(base.endswith("Scheduler") for base in bases)


def imported_files(file: Path, known: frozenset[Path] = frozenset()) -> list[Path]:
    """Return the files beside a file that it imports, and those that these import."""
    found: list[Path] = []
    for node in ast.walk(_parsed(file)):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            other = file.with_name(f"{name.partition('.')[0]}.py")
            if name and other.exists() and other != file and other not in known and other not in found:
                found += [other, *imported_files(other, known | {file, other, *found})]
    return list(dict.fromkeys(found))


def _parsed(file: Path) -> ast.Module:
    """Return the code of a file; none where it is no Python."""
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # the latter of null bytes, as in what macOS leaves beside a file
        return ast.Module([], [])


@contextlib.contextmanager
def program_called(name: str) -> Iterator[None]:
    """Let code that reads the command line while it is imported complain under its own name, and not under ours."""
    outer = sys.argv
    sys.argv = [name, *outer[1:]]
    try:
        yield
    finally:
        sys.argv = outer


def make_importable(name: str, place: Path) -> None:
    """Let a file or a folder be imported by its name, also where another of that name was imported before.

    Raises:
        TargetError: The name cannot be imported, or belongs to an installed module.
    """
    kind = "file" if place.is_file() else "folder"
    if not name.isidentifier():
        raise TargetError(
            f"{place.name} cannot be imported, neither here nor on AlphaMed: give the {kind} a name of letters, digits and _"
        )
    if not _is_free(name, place):
        raise TargetError(f"{place.name} has the name of a module that Python or a package brings: rename the {kind}")
    for folder in (place, place.parent) if kind == "folder" else (place.parent,):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
            _added.add(str(folder))
    importlib.invalidate_caches()


def _is_free(name: str, place: Path) -> bool:
    """Return whether a name means this place, or nothing yet; what it meant before in another folder is forgotten."""
    if name in sys.stdlib_module_names:
        return False
    loaded = sys.modules.get(name)
    if loaded is None:
        spec = importlib.util.find_spec(name)
        origin = spec and spec.origin
        return not origin or Path(origin).resolve().is_relative_to(place) or "site-packages" not in Path(origin).parts
    file = getattr(loaded, "__file__", None)  # a folder without __init__.py has none
    origins = [file] if file else list(getattr(loaded, "__path__", []))
    if any(Path(origin).resolve().is_relative_to(place) for origin in origins):
        return True
    if any({"site-packages", "dist-packages"} & set(Path(origin).parts) for origin in origins):
        return False
    for module in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
        del sys.modules[module]
    old = {str(Path(origin).resolve().parent) for origin in origins} & _added
    sys.path[:] = [entry for entry in sys.path if entry not in old]
    return True
