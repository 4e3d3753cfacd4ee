"""The worked examples: each is a folder here, found by its `example.toml`."""

import importlib
import inspect
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import WrongUse

HERE = Path(__file__).parent


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
        """The content of `example.toml`."""
        return tomllib.loads((self.folder / "example.toml").read_text(encoding="utf-8"))

    @property
    def key(self) -> str:
        """What `find` finds this example by: the name of ours, the folder of somebody else's."""
        return self.name if self.folder.parent == HERE else str(self.folder)

    def module(self, name: str) -> ModuleType:
        """Import one module of the example.

        Raises:
            ExampleError: The example has no such file.
        """
        if not (self.folder / f"{name}.py").exists():
            raise ExampleError(f"the example {self.name} has no {name}.py in {self.folder}")
        return importlib.import_module(f"{self.package}.{name}")

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

    def build_scheduler(self, num_rounds: int, seed: int) -> Any:
        """Return the task as it would be submitted."""
        return self.scheduler_class(max_rounds=num_rounds, seed=seed)

    @property
    def verify_class(self) -> type:
        """The class `DatasetVerify` of `dataset_verify.py`."""
        return self.module("dataset_verify").DatasetVerify

    @property
    def prepare(self):
        """The function `prepare` of `prepare.py`."""
        return self.module("prepare").prepare


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
