"""What goes to the nodes of a task: the `src.zip` that the SDK's `submit()` makes, and a data verification."""

import contextlib
import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..arguments import arguments
from ..engines.local import pickled
from ..errors import TutorialError
from ..share.code import find_verify_file
from ..share.pack import archive
from ..target import Target

# Where a task brings no verification of its own.
DEFAULT_VERIFICATION = '''"""Looks whether there are data at all: the task brings no verification of its own."""

from pathlib import Path


class DatasetVerify:
    data_dir = "/data/alphamed-federated-dataset"

    def __init__(self, task_id, current_node):
        self.current_node = current_node

    def verify_data(self):
        folder = Path(self.data_dir)
        if not folder.is_dir() or not any(folder.iterdir()):
            return False, "the data folder is empty"
        return True, "the data folder is there, and not empty"
'''


class Source(NamedTuple):
    """A task's code as it travels.

    Attributes:
        train: `src.zip`.
        verify: `DatasetVerify.py`.
    """

    train: bytes
    verify: bytes


def make(task: Target, num_rounds: int | None, seed: int, settings: Mapping[str, Any]) -> tuple[Source, int]:
    """Return a task's code as `submit()` sends it, and how many rounds it will run.

    Args:
        task: The task.
        num_rounds: Rounds to run; those of its `example.toml`, else the scheduler's own number, if None.
        seed: For a scheduler that takes one.
        settings: Arguments of the scheduler that differ from their defaults.

    Raises:
        TutorialError: The task cannot be submitted; the text says what to change.
    """
    rounds = num_rounds or task.facts.run.rounds
    scheduler = task.build_scheduler(rounds, seed, settings)
    return source(task, scheduler, pickled(scheduler), rounds, seed, settings), scheduler.max_rounds


def source(
    task: Target, scheduler: Any, entry: bytes, num_rounds: int | None, seed: int, settings: Mapping[str, Any]
) -> Source:
    """Return a task's code.

    A task in files goes as `submit()` would send it from a clean Python. One that lives in this session only goes as
    its pickle, with the files that its class comes from.

    Args:
        task: The task.
        scheduler: An object of it.
        entry: That object, pickled.
        num_rounds: Rounds to run.
        seed: For a scheduler that takes one.
        settings: Arguments of the scheduler that differ from their defaults.

    Raises:
        TutorialError: The task cannot be submitted; the text says what to change.
    """
    if task.scheduler is not None or not task.key:
        return Source(_zipped(entry, scheduler), DEFAULT_VERIFICATION.encode())
    try:
        find_verify_file(task)
    except TutorialError:
        return Source(_zipped(entry, scheduler), DEFAULT_VERIFICATION.encode())
    given = {"seed": seed, **settings} if "seed" in arguments(task.scheduler_class) else settings
    return Source(*archive(task, num_rounds, given))


def verification(task: Target) -> str:
    """Return the data verification that travels with a task in files: its own, or one that wants any data at all."""
    with contextlib.suppress(TutorialError):
        return find_verify_file(task).read_text(encoding="utf-8")
    return DEFAULT_VERIFICATION


def _zipped(entry: bytes, scheduler: Any) -> bytes:
    """Return an archive of a pickled task and of the modules beside its class, under the names it imports them by."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("entry.pickle", entry)
        for name, file in _own_modules(type(scheduler).__module__):
            packed.write(file, name)
    return content.getvalue()


def _own_modules(module: str) -> list[tuple[str, Path]]:
    """Return the imported modules that lie in the folder from which a module was imported, with their place in it."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module == "__main__":
        return []
    root = Path(file).resolve().parents[module.count(".")]
    if module.partition(".")[0] == __name__.partition(".")[0] or "site-packages" in root.parts:
        return []  # installed on every node
    found: dict[str, Path] = {}
    for each in list(sys.modules.values()):
        place = Path(getattr(each, "__file__", None) or "").resolve()  # torch.classes names a file that is nowhere
        if place.suffix == ".py" and place.is_file() and place.is_relative_to(root):
            found[place.relative_to(root).as_posix()] = place
    return sorted(found.items())
