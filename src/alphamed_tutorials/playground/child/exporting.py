"""A task's trained model on one node, written in another form in a process of its own: its code builds the network."""

from typing import Any

import cloudpickle
import torch

from ...data.verify import Verdict
from ...errors import TutorialError
from ...runs.calls import ExportError
from ...runs.export import export_form
from ...runs.exportable import Exportable, as_predictor, as_tested, give_parameters
from ...target import Target
from .assignment import Assignment
from .verification import give_verdict


def export(assignment: Assignment) -> Verdict:
    """Write the child's `model.pt` as `root/model.FORM`; how that went is written into `verdict.json`."""
    torch.set_num_threads(assignment.num_threads)
    return give_verdict(assignment, "export", lambda: _export(assignment))


def _export(assignment: Assignment) -> Verdict:
    """Write the network itself, as the test calls it: on a node without test data, with the training data.

    All nodes get the same so. Only where that cannot be done, the task's `Predictor` takes its place.
    """
    with Target(assignment.task, assignment.code).blamed():
        scheduler = cloudpickle.loads((assignment.code / "entry.pickle").read_bytes())
        give_parameters(scheduler, assignment.data, assignment.folder / "model.pt")
        if not assignment.is_aggregator:
            scheduler._test_loader = scheduler.build_train_dataloader()
    task = _target(type(scheduler), assignment)
    try:
        return _write(assignment, as_tested(scheduler, task))
    except ExportError:
        predictor = _predictor(scheduler, task, assignment)
        if predictor is None:
            raise
    return _write(assignment, predictor)


def _predictor(scheduler: Any, task: Target, assignment: Assignment) -> Exportable | None:
    try:
        return as_predictor(scheduler, task)
    except TutorialError as error:
        if assignment.is_aggregator:
            raise
        raise TutorialError(
            f"{error}\nThis node has no test data, which the task's sample_inputs may want: export on the initiator's node"
        ) from error


def _write(assignment: Assignment, exportable: Exportable) -> Verdict:
    """Write the form that is asked for; say what it is."""
    export_form(exportable, assignment.form, assignment.folder / "root" / f"model.{assignment.form}")
    return {"ok": True, "reason": exportable.way}


def _target(kind: type, assignment: Assignment) -> Target:
    """Return the target that a class belongs to, among the files that came here."""
    package, _, name = kind.__module__.rpartition(".")
    folder = assignment.code.joinpath(*package.split("."))
    return Target(assignment.task, folder, package, None if package else folder / f"{name}.py", kind=kind)
