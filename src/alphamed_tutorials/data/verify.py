"""Run a task's DatasetVerify on node folders, as the platform does before a node may join."""

import inspect
import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict

from ..catalogue import find
from ..errors import TutorialError, WrongUse
from ..target import Target
from .folders import AGGREGATOR, find_folders, own_data
from .limits import few

PLATFORM = "/data/"  # where every node of the platform has its data
ADVICE = 'give DatasetVerify an attribute, as in data_dir = "/data/my-data", and read self.data_dir'


class Verdict(TypedDict):
    """What DatasetVerify found on one node."""

    ok: bool
    reason: str


def verify(
    target: Any,
    data: str | Path | None = None,
    nodes: Mapping[str, str | Path] = MappingProxyType({}),
    aggregator: str | Path | None = None,
) -> dict[str, Verdict]:
    """Check the data of every node.

    Args:
        target: Whose DatasetVerify to run: an example, a folder, or a file that defines it.
        data: A folder with one sub-folder for each node, or the data folder of one data owner; the folder `data` that
            lies in the target's own if nothing is given.
        nodes: Folders of data owners by name.
        aggregator: The folder with the test data.

    Returns:
        Node → verdict.

    Raises:
        TutorialError: There is no DatasetVerify, or its file cannot be imported.
    """
    task = find(target)
    kind = task.verify_class
    alone = not nodes and aggregator is None
    if data is None and alone:
        data = own_data(task)
    if data is not None and alone and not any((Path(data) / name).is_dir() for name in ("nodes", AGGREGATOR)):
        folders = {Path(data).resolve().name: Path(data)}
    else:
        folders = find_folders(data, nodes, aggregator)
    if not folders:
        raise WrongUse(
            f"there are no data to verify: name their folder with --data DIR, or make some with "
            f"playground prepare {task.name} --out data"
        )
    return {node: _verify(task, kind, node, folder) for node, folder in folders.items()}


def _verify(task: Target, kind: type, node: str, folder: Path) -> Verdict:
    """Ask a DatasetVerify of its own about one folder."""
    try:
        with task.blamed():
            return examine(make(kind, node), folder, node == AGGREGATOR)
    except TutorialError as error:
        return {"ok": False, "reason": few(f"{node}: DatasetVerify itself failed: {error}".splitlines())}


def examine(checker: Any, folder: Path, is_aggregator: bool) -> Verdict:
    """Ask an object of a DatasetVerify, or an SDK's DataChecker, about one node's folder.

    Raises:
        TutorialError: It reads another folder, or gives no answer.
    """
    _point(checker, folder)
    if is_aggregator and hasattr(checker, "required_splits"):
        checker.required_splits = ("test",)  # it does not train
    ok, reason = _ask(checker)
    return {"ok": ok, "reason": few(reason.splitlines())}


def make(kind: type, node: str) -> Any:
    """Return an object of the class, made as the platform does, or without arguments where it takes none."""
    signature = inspect.signature(kind)
    for arguments in (("local", node), ()):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return kind(*arguments)
    raise TutorialError(
        f"{_place(kind, '__init__')}: AlphaMed calls DatasetVerify(task_id, current_node): take these two"
    )


def _point(checker: Any, folder: Path) -> None:
    """Let an object read this folder instead of the one on the platform that it names.

    The path may be called anything; what lies below it, such as a folder of pictures, moves with it.
    """
    held: dict[str, Any] = {}
    for each in reversed(type(checker).__mro__):
        held.update(vars(each))
    held.update(vars(checker))
    paths = {name: str(value) for name, value in held.items() if isinstance(value, str | Path)}
    on_platform = [path for path in paths.values() if path.startswith(PLATFORM)]
    base = paths.get("data_dir") or min(on_platform, key=len, default="")
    if not base and "data_dir" not in held:
        raise TutorialError(f"{_place(type(checker))}: it reads a path that cannot be changed from outside: {ADVICE}")
    for name, path in paths.items():
        if base and Path(path).is_relative_to(base):
            setattr(checker, name, type(held[name])(folder / Path(path).relative_to(base)))
        elif path in on_platform:
            raise TutorialError(
                f"{_place(type(checker))}: {name} is no folder below {base}, so both cannot move: {ADVICE}"
            )
    if "data_dir" in held and not base:
        checker.data_dir = str(folder)


def _ask(checker: Any) -> tuple[bool, str]:
    """Return the answer of `verify_data`, or of `run` with what it logs, as older SDKs have it.

    Raises:
        TutorialError: There is neither, or the answer is none.
    """
    name = "verify_data" if hasattr(checker, "verify_data") else "run"
    if not hasattr(checker, name):
        raise TutorialError(f"{_place(type(checker))}: it has no method verify_data, nor run")
    if name == "verify_data":
        answer = checker.verify_data()
        if not isinstance(answer, tuple) or [type(each) for each in answer] != [bool, str]:
            wanted = 'return whether the data will do and why, as in return False, "labels.csv is missing"'
            raise TutorialError(f"{_place(type(checker), name)}: {name}() returned {_described(answer)}: {wanted}")
        return answer
    with _Lines() as lines:
        answer = checker.run()
    if not isinstance(answer, bool):
        raise TutorialError(f"{_place(type(checker), name)}: run() returned {_described(answer)}: return True or False")
    silent = f'run() returned {answer} and said nothing: log the reason with logging.getLogger("app")'
    return answer, "\n".join(lines.lines) or f"{_place(type(checker), name)}: {silent}"


class _Lines(logging.Handler):
    """Keep what is logged on `app`, the logger whose lines the platform shows."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.logger, self.lines = logging.getLogger("app"), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(record.getMessage())

    def __enter__(self) -> "_Lines":
        self.level_before = self.logger.level
        self.logger.setLevel(logging.INFO)
        self.logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.logger.removeHandler(self)
        self.logger.setLevel(self.level_before)


def _place(kind: type, method: str = "") -> str:
    """Return file and line of a class, or of one of its methods."""
    found = getattr(kind, method, kind) if method else kind
    try:
        return f"{inspect.getsourcefile(found)}, line {inspect.getsourcelines(found)[1]}"
    except (OSError, TypeError):  # made in a notebook, or by a decorator
        return kind.__name__


def _described(answer: Any) -> str:
    if isinstance(answer, tuple):
        return f"({', '.join(type(each).__name__ for each in answer)})"
    return repr(answer) if answer is None or isinstance(answer, bool) else f"a {type(answer).__name__}"
