"""A finished task's model in another form: the approved code builds the network, in a child as confined as all are."""

import os
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import TutorialError, WrongUse
from .holdings import WrongState
from .journal import RESULTS
from .tasks import Tasks

FORMS = {"torchscript": "model.ts", "onnx": "model.onnx"}
SECONDS = 600


def export(tasks: Tasks, task: str, form: str, seconds: float = SECONDS) -> Path:
    """Write a task's model in another form, beside its results.

    Args:
        tasks: The node's tasks.
        task: The task's id.
        form: One of `FORMS`.
        seconds: How long that may take.

    Returns:
        The file.

    Raises:
        WrongUse: There is no such form.
        WrongState: The model is not here, its code was not approved here, or the task is being exported already.
        TutorialError: It cannot be done; the text names the line of the task's code, where one is to blame.
    """
    if form not in FORMS:
        raise WrongUse(f"a model is exported as {' or '.join(FORMS)}, not as {form}")
    results = tasks.results(task)
    model = results / RESULTS["model"]
    if not model.exists():
        raise WrongState(f"{model.name} is not there: the task has not finished, or it is still on its way")
    try:
        with FileLock(tasks.place.task(task) / "export.lock", timeout=0):
            return _exported(tasks, task, form, model, seconds)
    except Timeout:
        raise WrongState("the model of this task is being exported already: wait until that has ended") from None


def _exported(tasks: Tasks, task: str, form: str, model: Path, seconds: float) -> Path:
    described = tasks.journal.task(task) or tasks.refresh(task)
    folder = tasks.place.task(task) / "export"
    tasks.runner.unpack_approved(described, folder)
    shutil.copyfile(model, folder / model.name)
    verdict = tasks.runner.ask_child(described, folder, {"kind": "export", "form": form}, seconds, "the export")
    made, file = folder / "root" / f"model.{form}", model.with_name(FORMS[form])
    if not verdict["ok"] or made.is_symlink() or not made.is_file():
        raise TutorialError(f"the model cannot be exported as {form}: {verdict['reason']}")
    os.replace(made, file)
    shutil.rmtree(folder, ignore_errors=True)
    return file
