"""What an operator does in a task: each is a form, and ends on the task's page, which shows what came of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ...errors import WrongUse
from ..agent import exporting
from ..agent.hub_client import sha256_of
from ..agent.operator import task_of
from . import submissions
from .forms import Sent, verification, whole

if TYPE_CHECKING:
    from .app import Action, Page

Do = Callable[[str, Sent], object]


def actions(page: "Page") -> dict[str, "Action"]:
    """Return the actions by path."""
    tasks = page.tasks

    def action(kind: str, do: Do) -> "Action":
        def answer(request: Request, sent: Sent) -> Response:
            task = task_of(request)
            page.jobs.do(task, kind, lambda: do(task, sent))
            return RedirectResponse(f"/tasks/{task}", 303)

        return answer

    def delete(request: Request, sent: Sent) -> Response:
        tasks.delete(task_of(request))
        return RedirectResponse("/", 303)

    return {
        "/tasks/{task}/verify": action("verify", lambda task, sent: tasks.verify(task, sent.text("approve") or None)),
        "/tasks/{task}/join": action("join", lambda task, sent: tasks.join(task, sent.text("approve") or None)),
        "/tasks/{task}/start": action("start", lambda task, sent: tasks.start(task)),
        "/tasks/{task}/stop": action("stop", lambda task, sent: tasks.stop(task)),
        "/tasks/{task}/verification": action("send", lambda task, sent: _send_verification(page, task, sent)),
        "/tasks/{task}/example": action("submit", lambda task, sent: _submit_example(page, task, sent)),
        "/tasks/{task}/upload": action("send", lambda task, sent: _upload(page, task, sent)),
        "/tasks/{task}/export": action("export", lambda task, sent: exporting.export(tasks, task, sent.text("form"))),
        "/tasks/{task}/delete": delete,
    }


def _send_verification(page: "Page", task: str, sent: Sent) -> None:
    page.tasks.put_code(task, "verify", verification(sent))


def _submit_example(page: "Page", task: str, sent: Sent) -> None:
    """Make the code of an example with the settings of the form, as `submit()` does, and send it."""
    described = page.tasks.show(task)
    run, rounds = described["settings"], whole(sent.text("rounds"), "the number of rounds")
    target = submissions.chosen(sent.text("target"))
    _refuse_other_verification(described, target)
    settings = {
        name.removeprefix("set."): text for name, text in sent.texts.items() if name.startswith("set.") and text
    }
    folder = page.place.task(task) / "submission"
    train, _ = submissions.make(folder, target, rounds or run.get("rounds"), run.get("seed", 0), settings)
    page.tasks.put_code(task, "train", train)


def _refuse_other_verification(task: dict[str, Any], target: str) -> None:
    """Refuse the code of an example whose data the task's verification, another example's, would refuse.

    Raises:
        WrongUse: The text says what to send first.
    """
    known, verify = task["settings"].get("example"), task["code"].get("verify", {}).get("sha256")
    if known == target or known not in submissions.examples():
        return
    if verify == sha256_of(submissions.verification(known)):  # it was not replaced since
        raise WrongUse(
            f"the task verifies the data of {known}: choose this example, or first send the data verification of {target}"
        )


def _upload(page: "Page", task: str, sent: Sent) -> None:
    page.tasks.put_code(task, "train", sent.file("train", "src.zip, which `playground pack` has written").content)
