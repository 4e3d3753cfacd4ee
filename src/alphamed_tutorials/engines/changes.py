"""What changed between the start of a run and its being resumed, and which of it takes effect."""

import contextlib
import difflib
import hashlib
import importlib
import json
import os
import re
import shlex
import shutil
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import Optimizer

from ..arguments import arguments
from ..catalogue import TargetError, find
from ..data.folders import is_system_name
from ..errors import TutorialError
from ..runs.folder import Run, RunError
from ..runs.machine import versions

CODE = "code"  # in the run folder: the task's files as they were when the run began
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
        _imported[file] = _sha256(file)
    return {
        "files": {str(file): _imported[file] for file in files},
        "stored": str(task.file) if kind.__module__ == "__main__" else None,
        "defaults": _defaults(kind),
    }


def fingerprints(nodes: Mapping[str, str | Path]) -> dict[str, str]:
    """Return for each node's data folder a digest of its files' names, sizes and times."""
    return {name: _fingerprint(Path(folder)) for name, folder in nodes.items()}


def import_anew(run: Run) -> None:
    """Let the task's modules be found, and forget those of this process if a file changed since they were imported."""
    record = run.record
    if record["import_folder"] not in sys.path:
        sys.path.insert(0, record["import_folder"])
    if record.get("target"):
        with contextlib.suppress(TargetError):  # moved or gone: told by `cannot_be_read`, if the task needs it
            find(record["target"])
    files = {file: digest for file, digest in _recorded(run).items() if file.exists()}
    changed = [file for file, digest in files.items() if _sha256(file) != _imported.get(file, digest)]
    _imported.update({file: _sha256(file) for file in files})
    for name, module in list(sys.modules.items() if changed else ()):
        place = getattr(module, "__file__", None)
        if name != "__main__" and place and Path(place).resolve() in files:
            del sys.modules[name]
    importlib.invalidate_caches()


def cannot_be_read(run: Run, error: Exception) -> TutorialError:
    """Return what to say where the pickled task of a run cannot be unpickled."""
    missing = [file for file in _recorded(run) if not file.exists()]
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


def compare_code(run: Run, scheduler: FedAvgScheduler, settings: Iterable[str], has_checkpoint: bool) -> list[str]:
    """Return a line for each file of the task, and each default of its arguments, that changed since the run began.

    Args:
        run: The run.
        scheduler: The pickled task, with the present code.
        settings: Names of arguments that were given a value for this resume, or an earlier one.
        has_checkpoint: Whether a round was finished; without one, network and optimizer are made anew.
    """
    kept = "__init__(), build_model() and build_optimizer()" if has_checkpoint else "__init__()"
    return [*_changed_files(run, kept), *_changed_defaults(run, scheduler, set(settings))]


def compare_surroundings(run: Run) -> list[str]:
    """Return a line for each other version of a package, and each node's data that are not as they were."""
    before, now = run.record.get("versions", {}), versions()
    names = [name for name in now if name in before and now[name] != before[name]]
    lines = [f"{name} is {now[name]}, the run began with {before[name]}: results may differ" for name in names]
    data = run.record.get("data", {})
    for node, folder in run.record["nodes"].items():
        if node in data and Path(folder).is_dir() and _fingerprint(Path(folder)) != data[node]:
            lines.append(f"{node}: files in {folder} were added, removed or written since the run began")
    return lines


def compare_built(run: Run, present: FedAvgScheduler, kept: Mapping[str, Any]) -> list[str]:
    """Return a line where the present code builds another network or optimizer than the run goes on with.

    Args:
        present: A scheduler that was just set up.
        kept: The attributes of a checkpoint that will take the place of its own.
    """
    again = f"playground run {shlex.quote(run.record.get('target') or 'TARGET')}"
    network = difference(kept["_model"], present.model)
    optimizer = _optimizer_difference(kept["_optimizer"], present.optimizer)
    lines = []
    if network:
        lines.append(
            f"build_model() now makes another network ({network}), which does not take effect: the checkpoint wins, "
            f"the run goes on with the network it has, and code that needs the new one fails. To train the new one "
            f"from its start: {again}"
        )
    if optimizer:
        lines.append(
            f"build_optimizer() now makes another optimizer ({optimizer}), which does not take effect: the "
            f"checkpoint's is kept with its state. To train with the new one from its start: {again}"
        )
    return lines


def difference(old: nn.Module, new: nn.Module) -> str:
    """Return in a few words in what two networks differ, whatever their numbers; empty if in nothing that shows."""
    shapes = _changes(*({name: _shape(value) for name, value in each.state_dict().items()} for each in (old, new)))
    frozen = _changes(*({name: p.requires_grad for name, p in each.named_parameters()} for each in (old, new)))
    before, after = (re.sub("0x[0-9a-f]+", "", str(each)).splitlines() for each in (old, new))
    layers = [line for line in difflib.ndiff(before, after) if line.startswith(("-", "+"))]
    found = shapes or [" ".join(line.split()) for line in layers] or [f"requires_grad of {line}" for line in frozen]
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _changed_files(run: Run, kept: str) -> list[str]:
    lines = []
    stored = run.record.get("code", {}).get("stored")
    for file, digest in _recorded(run).items():
        before = f"as it was: {run.path / CODE / file.name}"
        if not file.exists():
            lines.append(f"{file} is gone since the run began ({before})")
        elif _sha256(file) != digest and str(file) == stored:
            lines.append(
                f"{file} changed since the run began ({before}), which does not take effect: what a started script or "
                "a notebook defines itself is stored in the run. Put the class into a file of its own and start anew"
            )
        elif _sha256(file) != digest:
            lines.append(
                f"{file} changed since the run began ({before}): what its methods and functions do takes effect from "
                f"the next round on; what {kept} made stays as it is"
            )
    return lines


def _changed_defaults(run: Run, scheduler: FedAvgScheduler, settings: set[str]) -> list[str]:
    before, now = run.record.get("code", {}).get("defaults", {}), _defaults(type(scheduler))
    lines = []
    for name in now.keys() - settings:
        if name not in before:
            if name in arguments(type(scheduler)) and not hasattr(scheduler, name) and before:
                lines.append(f"__init__ has a new argument {name}, which the run's object was made without: start anew")
        elif now[name] != before[name] and getattr(scheduler, name, None) != now[name]:
            way = run.resume_command({name: now[name]})
            keeps = hasattr(scheduler, name)
            kept = f"{name}={getattr(scheduler, name)}" if keeps else "what it was started with"
            lines.append(
                f"the default of {name} in __init__ is now {now[name]} and was {before[name]}, which does not take "
                f"effect: the run keeps {kept}. "
                + (f"To change it: {way}" if keeps else "To change it, start anew: its object keeps no such attribute")
            )
    return sorted(lines)


def _optimizer_difference(old: Optimizer, new: Optimizer) -> str:
    if type(old).__name__ != type(new).__name__:
        return f"{type(old).__name__} → {type(new).__name__}"
    common = old.defaults.keys() & new.defaults.keys()  # another version of torch has other ones
    return ", ".join(_changes(*({name: each.defaults[name] for name in sorted(common)} for each in (old, new))))


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs between two mappings, in words."""
    words = []
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            words.append(f"{name} is gone")
        elif name not in old:
            words.append(f"{name} {new[name]} is new")
        elif old[name] != new[name]:
            words.append(f"{name} {old[name]} → {new[name]}")
    return words


def _shape(value: Any) -> list[int] | str:
    return list(value.shape) if hasattr(value, "shape") else type(value).__name__


def _defaults(kind: type) -> dict[str, Any]:
    known = {name: argument.default for name, argument in arguments(kind).items() if not argument.is_required}
    return {name: value for name, value in known.items() if isinstance(value, bool | int | float | str | None)}


def _line_of_task(run: Run, error: Exception) -> str:
    """Return the file and line of the task in which importing it failed; empty if it failed elsewhere."""
    files = _recorded(run)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() in files]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else ""


def _recorded(run: Run) -> dict[Path, str]:
    return {Path(file): digest for file, digest in run.record.get("code", {}).get("files", {}).items()}


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _fingerprint(folder: Path) -> str:
    found = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_system_name(name))
        for name in sorted(name for name in files if not is_system_name(name)):
            path = Path(place, name)
            status = path.stat() if path.exists() else path.lstat()
            found.append((str(path.relative_to(folder)), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()
