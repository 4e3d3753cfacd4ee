"""Tell whose code failed: on which node, in which round, in which file and line."""

import inspect
import os
import pickle
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import TutorialError, user_frame
from ..faults import NO_PERMISSION, fault_behind

Method = Callable[..., Any]


def place_of(method: Method) -> traceback.FrameSummary | None:
    """Return where a method is written; None where that cannot be found."""
    code = getattr(inspect.unwrap(method), "__code__", None)
    return traceback.FrameSummary(code.co_filename, code.co_firstlineno, code.co_name) if code else None


class BrokenContract(Exception):
    """A method of the user's does not do what the SDK needs of it.

    Attributes:
        frame: Where the method is written; None where that cannot be found.
        is_about_data: Whether the data may be to blame.
    """

    def __init__(self, method: Method, text: str, is_about_data: bool = False):
        super().__init__(text)
        self.frame = place_of(method)
        self.is_about_data = is_about_data


class WorkerEnded(TutorialError):
    """A process that trains nodes is gone."""


class NodeFailed(TutorialError):
    """Code that ran on a node raised.

    Attributes:
        node: The node.
        round: The round, 0 while the node was being set up.
        error: What was raised.
        file, line: The innermost line of the user's own code; None where only a library's code was running.
        is_about_data: Whether it was raised while data was read.
    """

    def __init__(self, node: str, round: int, error: BaseException, data_dir: Path):
        self.node, self.round, self.error = node, round, error
        self.is_about_data = _is_about_data(error, data_dir)
        frame = error.frame if isinstance(error, BrokenContract) else user_frame(error)
        self.file = frame.filename if frame else None
        self.line = frame.lineno if frame else None
        when = f"in round {round}" if round else "while it was being set up"
        where = f": {frame.filename}, line {frame.lineno}, in {frame.name}\n    {frame.line}" if frame else ""
        super().__init__(f"{node} failed {when}{where}\n{error if isinstance(error, BrokenContract) else _told(error)}")

    @classmethod
    def reported(cls, node: str, told: Mapping[str, Any]) -> "NodeFailed":
        """Return the failure of a node that ran in another process, of what that told of it."""
        failure = cls.__new__(cls, told["text"])
        failure.args = (told["text"],)
        failure.node, failure.round = node, told.get("round") or 0
        failure.error = type(str(told.get("type") or "Exception"), (Exception,), {})(told.get("said") or told["text"])
        failure.file, failure.line = told.get("file"), told.get("line")
        failure.is_about_data = bool(told.get("is_about_data"))
        return failure

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process with all that can be read there: an error of the user's own may not be made again."""
        error = {name: value for name, value in vars(self.error).items() if is_portable(value)}
        content = {**vars(self), "error": None}
        return _arrived, (self.args, content, type(self.error).__name__, str(self.error), error, fault_behind(self))

    def advise(self, advice: str) -> None:
        """Add a line to the text."""
        self.args = (f"{self}\n{advice}",)


def _arrived(
    arguments: tuple[Any, ...],
    content: dict[str, Any],
    kind: str,
    said: str,
    of_error: dict[str, Any],
    fault: BaseException | None,
) -> NodeFailed:
    failure = NodeFailed.__new__(NodeFailed, *arguments)
    failure.args = arguments
    vars(failure).update(content)
    failure.error = type(kind, (Exception,), {})(said)
    vars(failure.error).update(of_error)
    failure.__cause__ = fault
    return failure


def is_portable(value: Any) -> bool:
    """Return whether another process can read a value."""
    try:
        pickle.loads(pickle.dumps(value))
        return True
    except Exception:  # of the user's own kinds, which pickle as they like
        return False


def failure_record(error: BaseException) -> dict[str, Any] | None:
    """Return what `run.json` says of an error."""
    if isinstance(error, KeyboardInterrupt):
        return None
    if isinstance(error, NodeFailed):
        where = {"node": error.node, "round": error.round, "file": error.file, "line": error.line}
        return {**where, "error": _told(error.error)}
    return {"error": _told(error)}


def told(failure: NodeFailed, code: Path | None = None) -> dict[str, Any]:
    """Return what another process is told of a failure, for `NodeFailed.reported`.

    Args:
        failure: The failure.
        code: Where the task's code lies, if whoever is told has it elsewhere: files are then named as the task does.
    """
    place = f"{code}/" if code else ""
    file = os.path.relpath(failure.file, code) if failure.file and code else failure.file
    return {
        "text": str(failure).replace(place, ""),
        "type": type(failure.error).__name__,
        "said": str(failure.error).replace(place, ""),
        "round": failure.round,
        "file": None if file and file.startswith("..") else file,
        "line": failure.line,
        "is_about_data": failure.is_about_data,
    }


def _told(error: BaseException) -> str:
    """Return an error in a line; where the machine is to blame, its words instead of a library's."""
    error = fault_behind(error) or error
    return f"{type(error).__name__}: {error}"


def _is_about_data(error: BaseException, data_dir: Path) -> bool:
    """Return whether a loader, a dataset or a file of the node's data is where an error comes from."""
    fault = fault_behind(error)
    if fault and fault.errno not in NO_PERMISSION:
        return False
    if isinstance(error, OSError) and error.filename and Path(str(error.filename)).is_relative_to(data_dir):
        return True
    if isinstance(error, BrokenContract):
        return error.is_about_data
    return any(
        frame.name in ("build_train_dataloader", "build_test_dataloader", "build_validation_dataloader")
        or "torch/utils/data" in Path(frame.filename).as_posix()
        for frame in traceback.extract_tb(error.__traceback__)
    )
