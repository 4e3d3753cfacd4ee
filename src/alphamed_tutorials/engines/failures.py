"""Tell whose code failed: on which node, in which round, in which file and line."""

import sysconfig
import traceback
from pathlib import Path
from typing import Any

from ..errors import TutorialError


class NodeFailed(TutorialError):
    """Code that ran on a node raised.

    Attributes:
        node: The node.
        round: The round, 0 while the node was being set up.
        error: What was raised.
        file, line: The innermost line of the user's own code; None where only a library's code was running.
    """

    def __init__(self, node: str, round: int, error: BaseException):
        self.node, self.round, self.error = node, round, error
        frame = _user_frame(error)
        self.file, self.line = (frame.filename, frame.lineno) if frame else (None, None)
        when = f"in round {round}" if round else "while it was being set up"
        where = f": {frame.filename}, line {frame.lineno}, in {frame.name}\n    {frame.line}" if frame else ""
        super().__init__(f"{node} failed {when}{where}\n{type(error).__name__}: {error}")


def summary(error: BaseException) -> dict[str, Any] | None:
    """Return what `run.json` says of an error."""
    if isinstance(error, KeyboardInterrupt):
        return None
    if isinstance(error, NodeFailed):
        where = {"node": error.node, "round": error.round, "file": error.file, "line": error.line}
        return {**where, "error": f"{type(error.error).__name__}: {error.error}"}
    return {"error": f"{type(error).__name__}: {error}"}


def _user_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame that belongs to the user, not to Python, a library or the engine."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    return own[-1] if own else None


def _is_users(filename: str) -> bool:
    package = Path(__file__).parents[1]
    if Path(filename).is_relative_to(package):
        return Path(filename).is_relative_to(package / "examples")
    libraries = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "<")
    return not filename.startswith(libraries) and not {"site-packages", "dist-packages"} & set(Path(filename).parts)
