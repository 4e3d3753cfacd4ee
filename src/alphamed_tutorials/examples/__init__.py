"""The worked examples: each is a folder here, found by its `example.toml`."""

import contextlib
import importlib
import inspect
import sys
import tomllib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import TutorialError, WrongUse

HERE = Path(__file__).parent
FACTS = ("title", "data", "run", "metrics")  # without these in its example.toml no example can be shown or run


class ExampleError(WrongUse):
    """An example that cannot be used as asked; the text says why and what to do."""


@dataclass(frozen=True)
class Example:
    """One example: a folder with `example.toml` and the modules design.md names.

    Attributes:
        name: The folder's name.
        folder: The folder.
        package: What its modules are imported under.
    """

    name: str
    folder: Path
    package: str

    @property
    def facts(self) -> dict[str, Any]:
        """The content of `example.toml`.

        Raises:
            ExampleError: It is damaged, or something is missing in it.
        """
        file = self.folder / "example.toml"
        try:
            facts = tomllib.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ExampleError(f"{file} is damaged: {error}") from None
        missing = [name for name in FACTS if name not in facts]
        missing += [f"run.{name}" for name in ("nodes", "rounds", "num_threads") if name not in facts.get("run", {})]
        if missing:
            raise ExampleError(f"{file} lacks {', '.join(missing)}: see the one of mnist, {HERE / 'mnist'}")
        return facts

    @property
    def key(self) -> str:
        """What `find` finds this example by: the name of ours, the folder of somebody else's."""
        return self.name if self.folder.parent == HERE else str(self.folder)

    def module(self, name: str) -> ModuleType:
        """Import one module of the example.

        Raises:
            ExampleError: The example has no such file.
            TutorialError: Its code raised.
        """
        if not (self.folder / f"{name}.py").exists():
            raise ExampleError(f"the example {self.name} has no {name}.py in {self.folder}")
        with self.blamed():
            return importlib.import_module(f"{self.package}.{name}")

    def member(self, module: str, name: str) -> Any:
        """Return what one module of the example defines under a name.

        Raises:
            ExampleError: It does not define it.
        """
        try:
            return getattr(self.module(module), name)
        except AttributeError:
            raise ExampleError(f"{self.folder / module}.py defines no {name}") from None

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Name the example's own file and line where its code raises."""
        try:
            yield
        except TutorialError:
            raise
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and error.name == "alphafed":
                raise
            frames = traceback.extract_tb(error.__traceback__)
            own = [frame for frame in frames if frame.filename.startswith(str(self.folder))]
            where = f"{own[-1].filename}, line {own[-1].lineno}: " if own else f"{self.folder}: "
            raise TutorialError(f"{where}{type(error).__name__}: {error}") from error

    @property
    def scheduler_class(self) -> type:
        """The one subclass of `FedAvgScheduler` that `scheduler.py` defines."""
        from alphafed.fed_avg import FedAvgScheduler

        module = self.module("scheduler")
        classes = [
            member
            for _, member in inspect.getmembers(module, inspect.isclass)
            if issubclass(member, FedAvgScheduler) and member.__module__ == module.__name__
        ]
        if len(classes) != 1:
            raise ExampleError(f"{module.__file__} must define one FedAvgScheduler subclass, it defines {len(classes)}")
        return classes[0]

    def build_scheduler(self, num_rounds: int, seed: int, **settings: Any) -> Any:
        """Return the task as it would be submitted."""
        scheduler_class = self.scheduler_class
        with self.blamed():
            return scheduler_class(max_rounds=num_rounds, seed=seed, **settings)

    @property
    def embedded_settings(self) -> dict[str, Any]:
        """Arguments of the scheduler that suit the embedded data, where its defaults are for the real set."""
        return self.facts["run"].get("embedded_settings", {})

    @property
    def unpack(self) -> tuple[str, ...]:
        """What at the top of the official archive is needed; all of it where nothing is named."""
        return tuple(self.facts["data"].get("unpack", ()))

    @property
    def verify_class(self) -> type:
        """The class `DatasetVerify` of `dataset_verify.py`."""
        return self.member("dataset_verify", "DatasetVerify")

    def prepare(self, *arguments: Any) -> dict[str, dict[str, dict[str, int]]]:
        """Call the function `prepare` of `prepare.py`."""
        prepare = self.member("prepare", "prepare")
        with self.blamed():
            return prepare(*arguments)


def find_all() -> list[Example]:
    """Return our own examples in the order in which they are meant to be read."""
    found = [Example(f.parent.name, f.parent, f"{__name__}.{f.parent.name}") for f in HERE.glob("*/example.toml")]
    return sorted(found, key=lambda example: (example.facts["order"], example.name))


def find(name: str) -> Example:
    """Find an example by name, or by the folder of one's own.

    Args:
        name: The name of one of ours, or a folder that holds an `example.toml`.

    Raises:
        ExampleError: There is none; the text lists those there are.
    """
    for example in find_all():
        if example.name == name:
            return example
    folder = Path(name).resolve()
    if not (folder / "example.toml").is_file():
        names = ", ".join(example.name for example in find_all())
        raise ExampleError(f"there is no example {name}: choose one of {names}, or a folder that holds an example.toml")
    if not folder.name.isidentifier():
        raise ExampleError(f"{folder.name} cannot be imported: give the folder a name of letters, digits and _")
    sys.path.insert(0, str(folder.parent))
    return Example(folder.name, folder, folder.name)
