"""A task's data verification on one node, in a process of its own: whatever it does, a verdict comes of it."""

import importlib.util
import pickle
import sys
from collections.abc import Callable
from typing import Any

from ...data.limits import few
from ...data.verify import Verdict, examine, make
from ...engines.workplace import Workplace
from ...errors import TutorialError, said_of
from ...runs.writing import write_json
from .assignment import Assignment

NAME = "DatasetVerify"


def verify(assignment: Assignment) -> Verdict:
    """Ask the code in the child's `code/` about the node's data; the verdict is written into `verdict.json`."""
    return give_verdict(
        assignment, NAME, lambda: examine(_checker(assignment), assignment.data, assignment.is_aggregator)
    )


def give_verdict(assignment: Assignment, name: str, find: Callable[[], Verdict]) -> Verdict:
    """Write what was found, or what went wrong, into the child's `verdict.json`.

    Args:
        assignment: The child's.
        name: What is said to have failed where the task's code raises.
        find: Runs the task's code.
    """
    log_file = assignment.made("logs") / f"{assignment.name}.log"
    workplace = Workplace(assignment.made("root"), log_file, f"{assignment.seed}/{assignment.name}")
    try:
        with workplace.entered():
            verdict = find()
    except TutorialError as error:
        verdict = {"ok": False, "reason": str(error)}
    except BaseException as error:  # its code may also end the program
        verdict = {"ok": False, "reason": f"{name} itself failed: {said_of(error)}"}
    verdict["reason"] = few(_without_places(assignment, verdict["reason"]).splitlines())
    write_json(assignment.folder / "verdict.json", verdict)
    return verdict


def _checker(assignment: Assignment) -> Any:
    """Return what was uploaded: an object of the SDK's DataChecker, or one of the class in the file."""
    entry = assignment.code / "entry.pickle"
    if entry.exists():
        return pickle.loads(entry.read_bytes())
    spec = importlib.util.spec_from_file_location(NAME, assignment.code / f"{NAME}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, NAME):
        raise TutorialError(f"{NAME}.py defines no class {NAME}")
    return make(getattr(module, NAME), assignment.name)


def _without_places(assignment: Assignment, text: str) -> str:
    """Name files as the task does, not where they lie on this node: others read this."""
    for folder in (assignment.code, assignment.folder, assignment.data.resolve(), assignment.data):
        text = text.replace(f"{folder}/", "").replace(str(folder), folder.name)
    return text
