"""The form of a new task, as on AlphaMed: name, description, attachments, DatasetVerify.py, horizontal, directed nodes."""

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ...errors import TutorialError, WrongUse
from . import submissions
from .forms import Sent, attachment, verification, whole

if TYPE_CHECKING:
    from .app import Action, Page, View


def views(page: "Page") -> dict[str, "View"]:
    """Return the views by path."""

    def empty(request: Request) -> Response:
        others = _others(page)
        is_demo = "demo" in request.query_params
        return _form(page, request, others, _demo(page) if is_demo else {}, others if is_demo else [])

    return {"/new": empty}


def actions(page: "Page") -> dict[str, "Action"]:
    """Return the actions by path."""

    def make(request: Request, sent: Sent) -> Response:
        try:
            task = _make(page, sent)
        except TutorialError as error:
            return _form(page, request, _others(page), sent.texts, sent.chosen.get("nodes", []), str(error))
        return RedirectResponse(f"/tasks/{task}", 303)

    return {"/new": make}


def _demo(page: "Page") -> dict[str, str]:
    """Return what a form says that makes a task for this node's data."""
    name = page.demo.name
    return {"demo": "yes", "name": name, "verification_of": name, "rounds": "3", "seed": "1"}


def _others(page: "Page") -> list[str]:
    """Return the nodes that can be invited."""
    return [each["name"] for each in page.tasks.hub.get("/v1/nodes") if each["name"] != page.place.configuration.name]


def _form(
    page: "Page", request: Request, others: list[str], values: dict[str, Any], chosen: list[str], refusal: str = ""
) -> Response:
    return page.show(
        request, "new.html", 409 if refusal else 200, others=others, values=values, chosen=chosen, refusal=refusal,
        examples=submissions.examples(),
    )  # fmt: skip


def _make(page: "Page", sent: Sent) -> str:
    """Make the task of a form, send its verification and attachments; return its id."""
    if not sent.text("name"):
        raise WrongUse("give the task a name")
    nodes = sent.chosen.get("nodes", [])
    if not nodes:
        raise WrongUse("choose the directed nodes: those that have data, one at least")
    settings = {
        "rounds": whole(sent.text("rounds"), "the number of rounds"),
        "seed": whole(sent.text("seed"), "the seed") or 0,
        "num_threads": 1,
        "example": sent.text("verification_of"),
    }
    verify, attached = verification(sent), attachment(sent.files.get("attachments", []))
    task = str(page.tasks.create(sent.text("name"), sent.text("description"), nodes, settings)["id"])

    def send() -> None:
        page.tasks.put_code(task, "verify", verify)
        if attached:
            page.tasks.put_code(task, "attachment", attached)

    page.jobs.do(task, "send", send)  # where this is refused, the task is there, and its page says why
    return task
