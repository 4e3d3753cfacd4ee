"""What is seen of tasks: the list, one task, its code, its log, its results, its audit; and streams that follow them."""

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from ...errors import TutorialError, WrongUse
from ..agent import exporting
from ..agent.hub_client import HubAway
from ..agent.journal import RESULTS
from ..agent.operator import KINDS, task_of
from ..metrics import as_csv
from . import code_views, curves, submissions
from .live import changes, mark
from .steps import STATES, is_initiator, next_step
from .words import words

if TYPE_CHECKING:
    from .app import Page, View

LINES, SIGNS = 200, 40_000  # of the log that the page shows


def views(page: "Page") -> dict[str, "View"]:
    """Return the views by path."""
    seen = Seen(page)
    return {
        "/": seen.list,
        "/live": lambda request: changes(lambda: seen.found(request), request.query_params.get("seen", "")),
        "/tasks/{task}": seen.task,
        "/tasks/{task}/live": seen.live,
        "/tasks/{task}/look/{kind}": seen.code,
        "/tasks/{task}/settings": seen.settings,
        "/tasks/{task}/log.txt": lambda request: PlainTextResponse(page.tasks.log(task_of(request))),
        "/tasks/{task}/metrics.csv": seen.metrics,
        "/tasks/{task}/attachment": seen.attachment,
        "/tasks/{task}/results/{name}": seen.result,
        "/tasks/{task}/audit": seen.audit,
    }


class Seen:
    """The views."""

    def __init__(self, page: "Page"):
        self.page, self.tasks = page, page.tasks

    def found(self, request: Request) -> dict[str, Any]:
        """Return the tasks that were searched for; those that this node remembers where the hub is away."""
        search, state = (request.query_params.get(name, "").strip() for name in ("search", "state"))
        try:
            found, away = self.tasks.find(search), ""
        except HubAway as error:
            found, away = self.tasks.journal.tasks()[::-1], str(error)
        counts = Counter(task["state"] for task in found)
        shown = [task for task in found if state in ("", task["state"])]
        return {"tasks": shown, "counts": counts, "away": away, "search": search, "state": state, "total": len(found)}

    def list(self, request: Request) -> Response:
        """Show the tasks of this node."""
        found = self.found(request)
        rows = [{**task, "step": next_step(task)} for task in found["tasks"]]
        return self.page.show(
            request, "tasks.html", **{**found, "tasks": rows}, states=STATES, seen=mark(found),
        )  # fmt: skip

    def task(self, request: Request) -> Response:
        """Show one task."""
        task = task_of(request)
        seen = self._seen(task)
        found = seen["task"]
        metrics = curves.by_metric(self.tasks.metrics(task))
        return self.page.show(
            request, "task.html", **seen, seen=mark(seen), step=next_step(found), is_mine=is_initiator(found),
            metrics=metrics, curve=curves.curve, lines=LINES, **self._form(found),
        )  # fmt: skip

    def _form(self, task: dict[str, Any]) -> dict[str, Any]:
        """Return what the form for an example's code shows; nothing where there is no such form."""
        if not is_initiator(task) or task["state"] in ("running", "finished"):
            return {}  # describing an example takes seconds, the first time
        examples = submissions.examples()
        chosen = task["settings"].get("example")
        described = submissions.describe(chosen if chosen in examples else examples[0])
        return {"examples": examples, "described": described, "rounds": task["settings"].get("rounds")}

    def live(self, request: Request) -> Response:
        """Follow one task."""
        task = task_of(request)

        def look() -> Any:
            try:
                return self._seen(task)
            except TutorialError as error:
                return str(error)

        return changes(look, request.query_params.get("seen", ""))

    def _seen(self, task: str) -> dict[str, Any]:
        """Return all that one task's page shows and that can change by itself."""
        job, events = self.page.jobs.of(task), self.tasks.journal.events(task)
        verdicts = [event for event in events if event["kind"] == "verified"]
        return {
            "task": self.tasks.show(task),
            "job": vars(job) if job else None,
            "log": _without_echoes(self.tasks.log(task)),
            "verdict": verdicts[-1] if verdicts else None,
            "restarts": [event for event in events if event["kind"] == "restart"][-3:],
        }

    def code(self, request: Request) -> Response:
        """Show a task's code, to be approved."""
        task, kind = task_of(request), request.path_params["kind"]
        if kind not in KINDS:
            raise WrongUse(f"a task's code is {', '.join(KINDS)}, not {kind}")
        found = self.tasks.show(task)
        code = code_views.shown(self.tasks, task, kind)
        return self.page.show(request, "code.html", task=found, code=code, kind=kind, is_mine=is_initiator(found))

    def settings(self, request: Request) -> Response:
        """Show the settings of an example, as a part of a form."""
        described = submissions.describe(submissions.chosen(request.query_params.get("target", "")))
        return self.page.show(
            request,
            "settings.html",
            described=described,
            rounds=self.tasks.show(task_of(request))["settings"].get("rounds"),
        )

    def metrics(self, request: Request) -> Response:
        """Return the metrics of this node as a table."""
        text = as_csv(self.tasks.metrics(task_of(request)))
        return _download(Response(text, media_type="text/csv"), "metrics.csv")

    def attachment(self, request: Request) -> Response:
        """Return what the initiator attached."""
        content = self.tasks.holdings.code(self.tasks.refresh(task_of(request)), "attachment")
        return _download(Response(content, media_type="application/zip"), "attachment.zip")

    def result(self, request: Request) -> Response:
        """Return the report, or the model in one of its forms."""
        name, task = request.path_params["name"], task_of(request)
        file = self.tasks.results(task) / name
        if name not in (*RESULTS.values(), *exporting.FORMS.values()) or not file.exists():
            return RedirectResponse(f"/tasks/{task}", 303)
        return FileResponse(file, filename=name)

    def audit(self, request: Request) -> Response:
        """Show a task's log, and whether it is sound."""
        task = task_of(request)
        found = self.page.witness.audit(task)
        heads = self.page.witness.heads(task)
        return self.page.show(
            request, "audit.html", task=self.tasks.show(task), found=found, since=heads[0].time if heads else None,
            said=words(request).said,
        )  # fmt: skip


def _without_echoes(log: str) -> str:
    """Return the end of a log; the SDK says most lines twice, to two loggers."""
    lines = log.splitlines()
    kept = [line for before, line in pairwise([None, *lines]) if line != before]
    return "\n".join(map(str, kept[-LINES:]))[-SIGNS:]


def _download(response: Response, name: str) -> Response:
    response.headers["Content-Disposition"] = f"attachment;filename={name}"
    return response
