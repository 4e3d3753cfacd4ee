"""Which files a task's code consists of, and which packages it imports, read off its import statements."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import packages_distributions, requires
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ..importing import TargetError
from ..target import VERIFY_FILES, Target

SDK = "alphamed-federated"
ON_THE_PLATFORM = {"alphafed", "numpy", "torch", "torchvision", "torchaudio"}


@dataclass(frozen=True)
class Code:
    """A task's code as it travels.

    Attributes:
        root: What imports and paths are relative to.
        name: The package, or the module where the task is one file.
        is_package: Whether the task is a folder.
        scheduler_module: The module that defines the scheduler, as it is imported from `root`.
        verify_file: The file that defines `DatasetVerify`.
        files: The Python files that the scheduler's module imports, itself included, relative to `root`.
        imported: The first part of each name that they import from elsewhere.
    """

    root: Path
    name: str
    is_package: bool
    scheduler_module: str
    verify_file: Path
    files: set[PurePosixPath] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)

    @cached_property
    def distributions(self) -> list[str]:
        """The installed packages that AlphaMed's nodes do not have."""
        brought = {canonicalize_name(Requirement(text).name) for text in requires(SDK) or ()}
        names = self.imported - ON_THE_PLATFORM - set(sys.stdlib_module_names)
        owners = packages_distributions()
        found = {canonicalize_name(owners[name][0]) for name in names if name in owners}
        return sorted(found - brought)

    def add(self, module: str) -> None:
        """Add the files of a module, of the packages it lies in, and of all that they import."""
        parts = module.split(".")
        for number in range(1, len(parts) + 1):
            folder = PurePosixPath(*parts[:number])
            for file in (folder.with_suffix(".py"), folder / "__init__.py"):
                if file not in self.files and self._is_own(file):
                    self.files.add(file)
                    self.imported.update(self._follow(file))

    def _is_own(self, file: PurePosixPath) -> bool:
        return (not self.is_package or file.parts[0] == self.name) and (self.root / file).is_file()

    def _follow(self, file: PurePosixPath) -> set[str]:
        """Add what a file imports from the task; return the rest."""
        package = file.parent.parts
        elsewhere = set()
        for name in imported_names((self.root / file).read_bytes(), package):
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in ON_THE_PLATFORM:
                self.add(name)
            if not any(each.parts[0] in (top, f"{top}.py") for each in self.files):
                elsewhere.add(top)
        return elsewhere


def imported_names(source: bytes, package: tuple[str, ...]) -> Iterator[str]:
    """Yield the dotted names that a file imports, also inside functions, wherever they may be modules.

    Args:
        source: The file's content.
        package: The names of the folders it lies in.
    """
    unfinished: list[ast.AST] = [ast.parse(source)]
    while unfinished:
        node = unfinished.pop()
        if isinstance(node, ast.If) and {"__name__", "TYPE_CHECKING"} & set(ast.unparse(node.test).split()):
            unfinished += node.orelse  # what a node never runs
            continue
        unfinished += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            yield from filter(None, (module, *(f"{module}.{alias.name}".lstrip(".") for alias in node.names)))


def read_code(task: Target) -> Code:
    """Return a task's code.

    Raises:
        TargetError: It has no `DatasetVerify`, or it lives in no file.
    """
    verify_file = find_verify_file(task)
    if task.file is None:
        module = task.scheduler_class.__module__.removeprefix(f"{task.package}.")
        code = Code(task.folder.parent, task.folder.name, True, f"{task.folder.name}.{module}", verify_file)
    else:
        parts = task.scheduler_class.__module__.split(".")  # several, where a class was given that lies in a package
        code = Code(task.file.parents[len(parts) - 1], parts[0], len(parts) > 1, ".".join(parts), verify_file)
    code.add(code.scheduler_module)
    return code


def find_verify_file(task: Target) -> Path:
    """Return the file that defines the task's `DatasetVerify`: the task's own, or one beside it.

    Raises:
        TargetError: There is none.
    """
    beside = [task.folder / name for name in VERIFY_FILES]
    for file in [task.file, *beside] if task.file else beside:
        if file.exists() and any(
            isinstance(node, ast.ClassDef) and node.name == "DatasetVerify"
            for node in ast.parse(file.read_bytes()).body
        ):
            return file
    raise TargetError(
        f"{task.name} has no data verification, and AlphaMed asks for one: write a class DatasetVerify into {beside[0]}"
    )
