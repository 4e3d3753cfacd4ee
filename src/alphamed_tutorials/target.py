"""A task's code: where its files lie, what in them is the scheduler, and how it is built."""

import contextlib
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from .arguments import arguments, refuse_unknown
from .errors import TutorialError, WrongUse, said_of, user_frame
from .facts import Facts, facts_of, read_facts
from .importing import TargetError, imported_files, may_define_scheduler, program_called

EXAMPLES = Path(__file__).with_name("examples")
ONLY_FED_AVG = (
    "`playground run` does only the rounds of FedAvg and of what builds on them, as FedProx, FedSGD and DP-FedAvg"
)
OWN_MESSAGES = f"{ONLY_FED_AVG}. `playground task create` gives it to nodes of the playground, and AlphaMed runs it"
SUBMITTED = "The SDK's submit() gives it to AlphaMed, or to a node of the playground"
VERIFY_FILES = ("dataset_verify.py", "DatasetVerify.py")


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
        file = self.folder / f"{name}.py"
        if not file.exists():
            raise TargetError(f"{self.name} has no {name}.py in {self.folder}")
        with self.blamed(), program_called(str(file)):
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
        """Name the user's own file and line where its code raises, or ends the program."""
        try:
            yield
        except (TutorialError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if isinstance(error, ModuleNotFoundError) and error.name == "alphafed":
                raise
            where = "" if user_frame(error) else f"{self.file or self.folder}: "
            raise TutorialError(f"{where}{said_of(error)}") from error

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
        if not classes:
            self._refuse_others(module)
        if self.class_name or len(classes) != 1:
            names = ", ".join(classes) or "none"
            example = f": name one, as in {module.__file__}:{next(iter(classes))}" if classes else ""
            wanted = self.class_name or "exactly one subclass of FedAvgScheduler"
            raise TargetError(f"{module.__file__} should define {wanted}, it defines {names}{example}")
        return next(iter(classes.values()))

    def _refuse_others(self, module: ModuleType) -> None:
        """Refuse a module whose schedulers are none of FedAvg's, in words that name one."""
        from alphafed.scheduler import Scheduler

        others = dict(_schedulers(module, Scheduler))
        if others:
            kind = others.get(self.class_name) or next(iter(others.values()))
            raise TargetError(f"{module.__file__}: {not_fed_avg(kind)}")

    def _scheduler_module(self) -> ModuleType:
        """Import the module that defines the scheduler."""
        if self.file is not None:
            return self.module(self.file.stem)
        if (self.folder / "scheduler.py").exists():
            return self.module("scheduler")
        files = [file for file in sorted(self.folder.glob("*.py")) if may_define_scheduler(file)]
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
        return [self.file, *imported_files(self.file)]


def not_fed_avg(given: Any) -> str:
    """Return why a class or an object is nothing that runs here."""
    from alphafed.scheduler import Scheduler

    kind = given if inspect.isclass(given) else type(given)
    if issubclass(kind, Scheduler):
        return f"{kind.__name__} is a scheduler of the SDK, but no FedAvgScheduler: {ONLY_FED_AVG}. {SUBMITTED}"
    return f"{given!r} is no scheduler: give a subclass of FedAvgScheduler, or an object of one"


def _schedulers(module: ModuleType, base: type | None = None) -> Iterator[tuple[str, type]]:
    """Yield the schedulers that a module defines itself: those of FedAvg, or of another base class."""
    from alphafed.fed_avg import FedAvgScheduler

    for name, member in inspect.getmembers(module, inspect.isclass):
        if (
            issubclass(member, base or FedAvgScheduler)
            and member.__module__ == module.__name__
            and not inspect.isabstract(member)
        ):
            yield name, member
