"""The routes that the node's operator calls, with the token that only the operator's user can read."""

import contextlib
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import TutorialError, WrongUse
from .app import json_body
from .exporting import FORMS, export
from .hub_client import HubAway
from .journal import RESULTS
from .service import Refused
from .tasks import Tasks
from .witness import Witness

TASK = re.compile(r"[\w-]{1,80}")
KINDS = ("verify", "train", "attachment")
LARGEST_CODE = 256 * 1024**2


def routes(
    tasks: Tasks, witness: Witness, status: Callable[[], dict[str, Any]], link: Callable[[], dict[str, str]], token: str
) -> list[Mount]:
    """Return the operator's routes."""

    def post(call: Callable[[str, dict[str, Any]], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return JSONResponse(await run_in_threadpool(call, task_of(request), await json_body(request)))

        return answer

    def get(call: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            found = await run_in_threadpool(call, request)
            return found if isinstance(found, Response) else JSONResponse(found)

        return answer

    async def create(request: Request) -> Response:
        body = await json_body(request)
        return JSONResponse(await run_in_threadpool(tasks.create, *_new_task(body)))

    async def put_code(request: Request) -> Response:
        kind, content = _kind(request), bytearray()
        async for piece in request.stream():
            content += piece
            if len(content) > LARGEST_CODE:
                raise Refused(f"code may have {LARGEST_CODE} bytes at most: leave data out of it", 413)
        return JSONResponse(await run_in_threadpool(tasks.put_code, task_of(request), kind, bytes(content)))

    def log(request: Request) -> Response:
        lines = request.query_params.get("lines", "0")
        return PlainTextResponse(tasks.log(task_of(request), int(lines) if lines.isdigit() else 0))

    def result(request: Request) -> Response:
        name = request.path_params["name"]
        names = (*RESULTS.values(), *FORMS.values())
        if name not in names:
            raise WrongUse(f"a task's results are {', '.join(names)}, not {name}")
        file = tasks.results(task_of(request)) / name
        if not file.exists():
            raise WrongUse(f"{name} is not there: the task has not finished, or it is still on its way")
        return FileResponse(file)

    def events(request: Request) -> list[dict[str, Any]]:
        after = request.query_params.get("after", "0")
        return tasks.journal.events(task_of(request), int(after) if after.isdigit() else 0)

    def approval(body: dict[str, Any]) -> str | None:
        approve = body.get("approve")
        if approve is not None and not isinstance(approve, str):
            raise WrongUse("approve must be the hash of the code that was looked at")
        return approve

    task = "/tasks/{task}"
    api = [
        Route("/status", get(lambda request: status()), methods=["GET"]),
        Route("/link", get(lambda request: link()), methods=["POST"]),
        Route("/nodes", get(lambda request: tasks.hub.get("/v1/nodes")), methods=["GET"]),
        Route("/tasks", get(lambda request: tasks.find(request.query_params.get("search", ""))), methods=["GET"]),
        Route("/tasks", create, methods=["POST"]),
        Route(task, get(lambda request: tasks.show(task_of(request))), methods=["GET"]),
        Route(task, get(lambda request: tasks.delete(task_of(request))), methods=["DELETE"]),
        Route(f"{task}/code/{{kind}}", put_code, methods=["PUT"]),
        Route(
            f"{task}/code/{{kind}}", get(lambda request: tasks.code(task_of(request), _kind(request))), methods=["GET"]
        ),
        Route(f"{task}/verify", post(lambda name, body: tasks.verify(name, approval(body))), methods=["POST"]),
        Route(f"{task}/join", post(lambda name, body: tasks.join(name, approval(body))), methods=["POST"]),
        Route(f"{task}/start", post(lambda name, body: tasks.start(name)), methods=["POST"]),
        Route(f"{task}/stop", post(lambda name, body: tasks.stop(name)), methods=["POST"]),
        Route(f"{task}/export", post(lambda name, body: _exported(tasks, name, body)), methods=["POST"]),
        Route(f"{task}/log", get(log), methods=["GET"]),
        Route(f"{task}/metrics", get(lambda request: tasks.metrics(task_of(request))), methods=["GET"]),
        Route(f"{task}/results/{{name}}", get(result), methods=["GET"]),
        Route(f"{task}/events", get(events), methods=["GET"]),
        Route(f"{task}/audit", get(lambda request: witness.audit(task_of(request))), methods=["GET"]),
    ]
    handlers: dict[Any, Any] = {TutorialError: _refusal, HTTPException: _refusal}
    app = Starlette(routes=api, middleware=[Middleware(Doorkeeper, token=token)], exception_handlers=handlers)
    return [Mount("/operator", app=app)]


class Doorkeeper:
    """Lets in whoever shows the operator's token."""

    def __init__(self, app: ASGIApp, token: str):
        self.app, self.expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "http":
            shown = dict(scope["headers"]).get(b"authorization", b"")
            if not secrets.compare_digest(shown, self.expected):
                await JSONResponse(
                    {"error": "only the node's operator may do this: show the token in operator.token"}, 401
                )(scope, receive, send)
                return
        await self.app(scope, receive, send)


def task_of(request: Request) -> str:
    """Return the task that a request is about."""
    task = str(request.path_params["task"])
    if not TASK.fullmatch(task):
        raise WrongUse(f"{task!r} is no task: give its id, which the list of tasks shows")
    return task


def _exported(tasks: Tasks, task: str, body: dict[str, Any]) -> dict[str, str]:
    return {"exported": export(tasks, task, str(body.get("form"))).name}


def _kind(request: Request) -> str:
    kind = str(request.path_params["kind"])
    if kind not in KINDS:
        raise WrongUse(f"a task's code is {', '.join(KINDS)}, not {kind}")
    return kind


def _new_task(body: dict[str, Any]) -> tuple[str, str, list[str], dict[str, Any]]:
    name, description = body.get("name"), body.get("description", "")
    nodes, settings = body.get("nodes"), body.get("settings", {})
    is_right = isinstance(name, str) and isinstance(description, str) and isinstance(settings, dict)
    if not is_right or not isinstance(nodes, list) or not all(isinstance(node, str) for node in nodes):
        raise WrongUse("a task needs a name, a description, nodes (a list of names) and settings")
    return str(name), description, nodes, settings


async def _refusal(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code)
    status = 503 if isinstance(error, HubAway) else getattr(error, "status", None)
    with contextlib.suppress(AttributeError):
        status = status or {1: 409, 2: 400}[error.exit_code]  # type: ignore[attr-defined]
    return JSONResponse({"error": str(error)}, status or 409)
