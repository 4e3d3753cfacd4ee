"""What changed between the start of a run and its being resumed, and which of it takes effect."""

import difflib
import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import Optimizer

from ..arguments import arguments
from ..data.folders import is_system_name
from ..runs.folder import Run
from ..runs.machine import versions
from .sources import CODE, recorded_files, sha256, simple_defaults


def fingerprints(nodes: Mapping[str, str | Path]) -> dict[str, str]:
    """Return for each node's data folder a digest of its files' names, sizes and times."""
    return {name: _fingerprint(Path(folder)) for name, folder in nodes.items()}


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
    for file, digest in recorded_files(run).items():
        before = f"as it was: {run.path / CODE / file.name}"
        if not file.exists():
            lines.append(f"{file} is gone since the run began ({before})")
        elif sha256(file) != digest and str(file) == stored:
            lines.append(
                f"{file} changed since the run began ({before}), which does not take effect: what a started script or "
                "a notebook defines itself is stored in the run. Put the class into a file of its own and start anew"
            )
        elif sha256(file) != digest:
            lines.append(
                f"{file} changed since the run began ({before}): what its methods and functions do takes effect from "
                f"the next round on; what {kept} made stays as it is"
            )
    return lines


def _changed_defaults(run: Run, scheduler: FedAvgScheduler, settings: set[str]) -> list[str]:
    before, now = run.record.get("code", {}).get("defaults", {}), simple_defaults(type(scheduler))
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


def _fingerprint(folder: Path) -> str:
    found = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_system_name(name))
        for name in sorted(name for name in files if not is_system_name(name)):
            path = Path(place, name)
            status = path.stat() if path.exists() else path.lstat()
            found.append((str(path.relative_to(folder)), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()
