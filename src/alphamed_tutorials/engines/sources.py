"""The files of a run's task: kept as they were when it began, and imported anew when it is resumed."""

import contextlib
import hashlib
import importlib
import re
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

from alphafed.fed_avg import FedAvgScheduler

from ..arguments import arguments
from ..catalogue import TargetError, find
from ..errors import TutorialError
from ..runs.folder import Run, RunError

CODE = "code"  # in the run folder: the task's files as they were when the run began
DEBUGGER = re.compile(r"^[^#\n]*\b(?:breakpoint|set_trace)\(", re.MULTILINE)
_imported: dict[Path, str] = {}  # SHA-256 of files as they were when this process imported them


def keep_code(run: Run, scheduler: FedAvgScheduler, target: str | None) -> dict[str, Any]:
    """Copy the task's files into the run folder, and return what a later comparison needs of them.

    Args:
        run: The run, whose folder exists.
        scheduler: The task.
        target: What `find` finds it by; empty where only the object is known.

    Returns:
        `files`: SHA-256 by path; `stored`: the script whose class is part of the pickled task, and so cannot change;
        `defaults`: those of the scheduler's arguments that JSON can hold.
    """
    kind = type(scheduler)
    task = find(target or scheduler)
    files = [] if task.file is not None and not task.file.exists() else task.source_files
    (run.path / CODE).mkdir(exist_ok=True)
    for file in files:
        shutil.copyfile(file, run.path / CODE / file.name)
        _imported[file] = sha256(file)
    return {
        "files": {str(file): _imported[file] for file in files},
        "stored": str(task.file) if kind.__module__ == "__main__" else None,
        "defaults": simple_defaults(kind),
    }


def import_anew(run: Run) -> None:
    """Let the task's modules be found, and forget those of this process if a file changed since they were imported."""
    record = run.record
    if record["import_folder"] not in sys.path:
        sys.path.insert(0, record["import_folder"])
    if record.get("target"):
        with contextlib.suppress(TargetError):  # moved or gone: told by `cannot_be_read`, if the task needs it
            find(record["target"])
    files = {file: digest for file, digest in recorded_files(run).items() if file.exists()}
    changed = [file for file, digest in files.items() if sha256(file) != _imported.get(file, digest)]
    _imported.update({file: sha256(file) for file in files})
    for name, module in list(sys.modules.items() if changed else ()):
        place = getattr(module, "__file__", None)
        if name != "__main__" and place and Path(place).resolve() in files:
            del sys.modules[name]
    importlib.invalidate_caches()


def cannot_be_read(run: Run, error: BaseException) -> TutorialError:
    """Return what to say where the pickled task of a run cannot be unpickled."""
    missing = [file for file in recorded_files(run) if not file.exists()]
    if missing and isinstance(error, ModuleNotFoundError | FileNotFoundError):
        names = ", ".join(map(str, missing))
        return RunError(
            f"{names}: this file of the task is gone ({error}). Bring it back, for instance the copy that lies in "
            f"{run.path / CODE}, then: {run.resume_command()}"
        )
    where = _line_of_task(run, error)
    if where:
        return TutorialError(f"{where}: {type(error).__name__}: {error}\nMend it, then: {run.resume_command()}")
    return RunError(
        f"{run.path}/entry.pickle, the task to run, cannot be read ({type(error).__name__}: {error}). If a module or "
        "class of the task was moved or renamed, undo that and resume; otherwise the file is damaged: start the run "
        "again"
    )


def recorded_files(run: Run) -> dict[Path, str]:
    """Return the SHA-256 of the task's files as they were when the run began."""
    return {Path(file): digest for file, digest in run.record.get("code", {}).get("files", {}).items()}


def calls_debugger(run: Run) -> bool:
    """Return whether the task's files, as they are now, stop for a debugger, which needs the terminal for itself."""
    files = [file for file in recorded_files(run) if file.exists()]
    return any(DEBUGGER.search(file.read_text("utf-8", errors="replace")) for file in files)


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def simple_defaults(kind: type) -> dict[str, Any]:
    """Return the defaults of a scheduler's arguments that JSON can hold."""
    known = {name: argument.default for name, argument in arguments(kind).items() if not argument.is_required}
    return {name: value for name, value in known.items() if isinstance(value, bool | int | float | str | None)}


def _line_of_task(run: Run, error: BaseException) -> str:
    """Return the file and line of the task in which importing it failed; empty if it failed elsewhere."""
    files = recorded_files(run)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() in files]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else ""
