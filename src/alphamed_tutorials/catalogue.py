"""What can be run: an example of ours, a folder, a file, a class or an object of the reader's own."""

import ast
import contextlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from .arguments import arguments, refuse_unknown
from .errors import TutorialError, WrongUse
from .facts import Facts, FactsError, facts_of, read_facts

EXAMPLES = Path(__file__).with_name("examples")
VERIFY_FILES = ("dataset_verify.py", "DatasetVerify.py")
_added: set[str] = set()  # folders that were put on Python's path for targets


class TargetError(WrongUse):
    """Something that cannot be run as asked; the text says why and what to do."""


@dataclass(frozen=True)
class Target:
    """A task's code: a folder of modules, or a file, and in it one subclass of `FedAvgScheduler`.

    Attributes:
        name: What runs and tables call it.
        folder: Where its files lie.
        package: What the modules of the folder are imported under; empty where the target is a file.
        file: The file that defines the scheduler, where the target is a file.
        class_name: The scheduler's class, where the file defines several.
        kind: The scheduler's class itself, where the target is a class or an object.
        scheduler: The scheduler itself, where the target is an object.
    """

    name: str
    folder: Path
    package: str = ""
    file: Path | None = None
    class_name: str = ""
    kind: type | None = None
    scheduler: Any = None

    @property
    def key(self) -> str:
        """What `find` finds this target by, in any folder and in another process; empty where it lives in this one only."""
        if self.kind is not None and self.kind.__module__ == "__main__":
            return ""  # a script or a notebook: to import it would be to run it again
        if self.file is None:
            return self.name if self.folder.parent == EXAMPLES else str(self.folder)
        return f"{self.file}:{self.class_name}" if self.class_name else str(self.file)

    @cached_property
    def facts(self) -> Facts:
        """The content of `example.toml`, or what holds where there is none.

        Raises:
            FactsError: It is damaged, or something is missing in it.
        """
        file = self.folder / "example.toml"
        return read_facts(file) if self.file is None and file.exists() else facts_of(self.name)

    @property
    def has_prepare(self) -> bool:
        """Whether it can make data of its own, from a source or embedded."""
        return self.file is None and (self.folder / "prepare.py").exists()

    def module(self, name: str) -> ModuleType:
        """Import one module of the folder.

        Raises:
            TargetError: There is no such file.
            TutorialError: Its code raised.
        """
        if not (self.folder / f"{name}.py").exists():
            raise TargetError(f"{self.name} has no {name}.py in {self.folder}")
        with self.blamed():
            return importlib.import_module(f"{self.package}.{name}" if self.package else name)

    def member(self, module: str, name: str) -> Any:
        """Return what one module of the folder defines under a name.

        Raises:
            TargetError: It does not define it.
        """
        try:
            return getattr(self.module(module), name)
        except AttributeError:
            raise TargetError(f"{self.folder / module}.py defines no {name}") from None

    def optional(self, module: str, name: str) -> Any:
        """Return what a module of the folder, or else the scheduler's own, defines under a name; None if neither does."""
        if self.file is None and (self.folder / f"{module}.py").exists():
            found = getattr(self.module(module), name, None)
            if found is not None:
                return found
        return getattr(sys.modules[self.scheduler_class.__module__], name, None)

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Name the target's own file and line where its code raises, or ends the program."""
        try:
            yield
        except TutorialError:
            raise
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and error.name == "alphafed":
                raise
            frames = traceback.extract_tb(error.__traceback__)
            own = [frame for frame in frames if Path(frame.filename).is_relative_to(self.folder)]
            where = f"{own[-1].filename}, line {own[-1].lineno}: " if own else f"{self.file or self.folder}: "
            raise TutorialError(f"{where}{type(error).__name__}: {error}") from error

    @cached_property
    def scheduler_class(self) -> type:
        """The one subclass of `FedAvgScheduler` that the target defines, apart from classes it derives from.

        Raises:
            TargetError: There is none, or there are several and none is named.
        """
        if self.kind is not None:
            return self.kind
        module = self._scheduler_module()
        classes = dict(_schedulers(module))
        if self.class_name in classes:
            return classes[self.class_name]
        bases = {base for kind in classes.values() for base in kind.__mro__[1:]}
        classes = {name: kind for name, kind in classes.items() if kind not in bases}
        if self.class_name or len(classes) != 1:
            names = ", ".join(classes) or "none"
            example = f": name one, as in {module.__file__}:{next(iter(classes))}" if classes else ""
            wanted = self.class_name or "exactly one subclass of FedAvgScheduler"
            raise TargetError(f"{module.__file__} should define {wanted}, it defines {names}{example}")
        return next(iter(classes.values()))

    def _scheduler_module(self) -> ModuleType:
        """Import the module that defines the scheduler."""
        if self.file is not None:
            return self.module(self.file.stem)
        if (self.folder / "scheduler.py").exists():
            return self.module("scheduler")
        files = [file for file in sorted(self.folder.glob("*.py")) if _may_define_scheduler(file)]
        if len(files) != 1:
            names = ", ".join(file.name for file in files) or "no file"
            raise TargetError(
                f"{self.folder} has no scheduler.py, and {names} in it defines a subclass of FedAvgScheduler: "
                f"call the file scheduler.py, or name it, as in {self.folder}/FILE.py"
            )
        return self.module(files[0].stem)

    def build_scheduler(
        self, num_rounds: int | None = None, seed: int = 0, settings: Mapping[str, Any] = MappingProxyType({})
    ) -> Any:
        """Return the task as it would be submitted.

        Args:
            num_rounds: Rounds to run; the scheduler's own number if None. Handed over as `max_rounds` where its
                `__init__` has such an argument, else set on the object.
            seed: Handed over where `__init__` has an argument `seed`.
            settings: Arguments that differ from their defaults.

        Raises:
            WrongUse: A setting is no argument, or an argument without a default is missing.
            TutorialError: Its code raised.
        """
        if self.scheduler is not None:
            return self._changed(num_rounds, settings)
        scheduler_class = self.scheduler_class
        refuse_unknown(scheduler_class, settings)
        known = arguments(scheduler_class)
        given = dict(settings)
        if num_rounds is not None and "max_rounds" in known:
            given["max_rounds"] = num_rounds
        if "seed" in known:
            given.setdefault("seed", seed)
        missing = [name for name, argument in known.items() if argument.is_required and name not in given]
        if missing:
            advice = " ".join(f"--set {name}=…" for name in missing)
            raise WrongUse(f"{scheduler_class.__name__} needs values for {', '.join(missing)}: give them with {advice}")
        with self.blamed():
            scheduler = scheduler_class(**given)
        if num_rounds is not None:
            scheduler.max_rounds = num_rounds
        return scheduler

    def _changed(self, num_rounds: int | None, settings: Mapping[str, Any]) -> Any:
        """Return the object that is the target, with settings of its own changed."""
        refuse_unknown(self.scheduler_class, settings)
        for name, value in settings.items():
            setattr(self.scheduler, name, value)
        if num_rounds is not None:
            self.scheduler.max_rounds = num_rounds
        return self.scheduler

    @property
    def verify_class(self) -> type:
        """The class `DatasetVerify`: of the file itself, or of a file beside the scheduler.

        Raises:
            TargetError: There is none.
        """
        if self.file is not None:
            own = getattr(self.module(self.file.stem), "DatasetVerify", None)
            if own is not None:
                return own
        for name in VERIFY_FILES:
            if (self.folder / name).exists():
                return self.member(Path(name).stem, "DatasetVerify")
        raise TargetError(
            f"{self.name} has no data verification: write a class DatasetVerify into {self.folder / VERIFY_FILES[0]}"
        )

    @property
    def source_files(self) -> list[Path]:
        """The Python files of the target: those of its folder, or the file and those beside it that it imports."""
        if self.file is None:
            return sorted(self.folder.glob("*.py"))
        return [self.file, *_imported(self.file)]


def find_all() -> list[Target]:
    """Return our own examples in the order in which they are meant to be read; a damaged one is left out."""
    found = []
    for file in EXAMPLES.glob("*/example.toml"):
        target = _example(file.parent)
        with contextlib.suppress(FactsError):
            found.append((target.facts.order or 1_000_000, target.name, target))
    return [target for *_, target in sorted(found, key=lambda each: each[:2])]


def find(target: Any) -> Target:
    """Find what is to be run.

    Args:
        target: The name of an example of ours; a folder; a file, or `FILE.py:CLASS`; a subclass of `FedAvgScheduler`,
            or an object of one.

    Raises:
        TargetError: There is nothing of that name; the text lists the examples there are.
    """
    if isinstance(target, Target):
        return target
    if not isinstance(target, str | Path):
        return _of_class(target)
    text = str(target)
    if text.isidentifier() and (EXAMPLES / text / "example.toml").exists():
        return _example(EXAMPLES / text)
    path, _, class_name = text.partition(":") if ".py:" in text else (text, "", "")
    place = Path(path).expanduser().resolve()
    if place.suffix == ".ipynb":
        raise TargetError(f"{path} is a notebook: save its code as a .py file first, and name that")
    if place.is_file() and place.suffix == ".py":
        _make_importable(place.stem, place)
        return Target(place.stem, place.parent, file=place, class_name=class_name)
    if place.is_dir() and any(place.glob("*.py")):
        if place.parent == EXAMPLES:
            return _example(place)
        _make_importable(place.name, place)
        return Target(place.name, place, place.name)
    names = ", ".join(example.name for example in find_all())
    what = (
        f"{path} is a folder without a Python file" if place.is_dir() else f"there is no example, folder or file {path}"
    )
    raise TargetError(f"{what}: choose one of {names}, or name a folder or a .py file of your own")


def _example(folder: Path) -> Target:
    return Target(folder.name, folder, f"{__package__}.examples.{folder.name}")


def _of_class(given: Any) -> Target:
    """Return the target of a class or an object."""
    from alphafed.fed_avg import FedAvgScheduler

    kind, scheduler = (given, None) if inspect.isclass(given) else (type(given), given)
    if not issubclass(kind, FedAvgScheduler):
        raise TargetError(f"{given!r} is no scheduler: give a subclass of FedAvgScheduler, or an object of one")
    try:
        file = Path(inspect.getfile(kind)).resolve()
    except (OSError, TypeError):  # from a notebook or an interactive session
        file = Path(kind.__name__)
    if file.parent.parent == EXAMPLES:
        return replace(_example(file.parent), kind=kind, scheduler=scheduler)
    return Target(kind.__name__, file.parent, file=file, class_name=kind.__name__, kind=kind, scheduler=scheduler)


def _schedulers(module: ModuleType) -> Iterator[tuple[str, type]]:
    """Yield the schedulers that a module defines itself."""
    from alphafed.fed_avg import FedAvgScheduler

    for name, member in inspect.getmembers(module, inspect.isclass):
        if (
            issubclass(member, FedAvgScheduler)
            and member.__module__ == module.__name__
            and not inspect.isabstract(member)
        ):
            yield name, member


def _may_define_scheduler(file: Path) -> bool:
    """Return whether a file holds a class that looks like a scheduler, without running it."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:
        return False
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    methods = {node.name for kind in classes for node in kind.body if isinstance(node, ast.FunctionDef)}
    bases = [ast.unparse(base) for kind in classes for base in kind.bases]
    return bool(methods & {"build_model", "train_an_epoch"}) or any(base.endswith("Scheduler") for base in bases)


def _imported(file: Path, known: frozenset[Path] = frozenset()) -> list[Path]:
    """Return the files beside a file that it imports, and those that these import."""
    found: list[Path] = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            other = file.with_name(f"{name.partition('.')[0]}.py")
            if name and other.exists() and other != file and other not in known and other not in found:
                found += [other, *_imported(other, known | {file, other, *found})]
    return list(dict.fromkeys(found))


def _make_importable(name: str, place: Path) -> None:
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
    origins = [loaded.__file__] if getattr(loaded, "__file__", None) else list(getattr(loaded, "__path__", []))
    if any(Path(origin).resolve().is_relative_to(place) for origin in origins):
        return True
    if any({"site-packages", "dist-packages"} & set(Path(origin).parts) for origin in origins):
        return False
    for module in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
        del sys.modules[module]
    old = {str(Path(origin).resolve().parent) for origin in origins} & _added
    sys.path[:] = [entry for entry in sys.path if entry not in old]
    return True
