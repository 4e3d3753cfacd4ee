"""A task's code as its reader looks at it before approving it: what is new, and what was approved before."""

import difflib
from typing import Any

from ..agent import code
from ..agent.tasks import Tasks


def shown(tasks: Tasks, task: str, kind: str) -> dict[str, Any]:
    """Return a task's code: `sha256`, `files`, `approved` (the hash), and where another was approved `changes`."""
    found = tasks.code(task, kind)
    approved = tasks.journal.approved(task, kind) if kind != "attachment" else None
    files = [{**file, "lines": file.get("text", "").splitlines()} for file in found["files"]]
    changes = (
        _changes(_before(tasks, task, approved), found["files"]) if approved not in (None, found["sha256"]) else []
    )
    return {**found, "files": files, "approved": approved, "changes": changes}


def _before(tasks: Tasks, task: str, approved: str | None) -> list[dict[str, Any]]:
    """Return the files that were approved, as far as this node still has them."""
    file = tasks.holdings.code_file(task, str(approved))
    return code.contents(file.read_bytes()) if file.is_file() else []


def _changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the files that differ, each with the lines of a unified diff."""
    old, new = ({file["name"]: file for file in files} for files in (before, after))
    names = [name for name in sorted(old | new) if old.get(name, {}).get("sha256") != new.get(name, {}).get("sha256")]
    return [{"name": name, "lines": _diff(old.get(name, {}), new.get(name, {}))} for name in names]


def _diff(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    before, after = (file.get("text", "").splitlines() for file in (old, new))
    return list(difflib.unified_diff(before, after, lineterm=""))[2:]
