"""The hub's HTTP API; what each route does is done elsewhere."""

import asyncio
import base64
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from . import files, messages, nodes, tasks
from .forms import Admission, Join, Message, NewTask, Report, Verdict
from .gate import Caller, Gate
from .state import Hub, Refusal, Stranger
from .tasks import Seat

MOST_RECORDS = 1000
Kind = Literal["verify", "train", "attachment"]
Number = Annotated[int, Query(ge=0, le=2**53)]
Wait = Annotated[float, Query(ge=0, le=60)]
Search = Annotated[str, Query(max_length=200)]


class Json(JSONResponse):
    """JSON in ASCII: whatever text a request brought can be answered."""

    def render(self, content: Any) -> bytes:
        """Return the bytes."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


async def caller_of(request: Request) -> Caller:
    """Return who sends a request, as the gate has found out."""
    return request.scope["state"]["caller"]


async def seat_of(task: str, request: Request) -> Seat:
    """Return the caller's seat in the task of the path."""
    return Seat(request.app.state.hub, task, (await caller_of(request)).node)


async def seat_for_audit(task: str, request: Request) -> Seat:
    """Return the caller's seat, also in a task that was deleted: its log stays."""
    return Seat(request.app.state.hub, task, (await caller_of(request)).node, of_deleted=True)


CallerOf = Annotated[Caller, Depends(caller_of)]
SeatOf = Annotated[Seat, Depends(seat_of)]
SeatForAudit = Annotated[Seat, Depends(seat_for_audit)]


def make_app(hub: Hub) -> FastAPI:
    """Return the application; `serve` runs it."""
    app = FastAPI(title="Playground hub", openapi_url=None, lifespan=_watching, default_response_class=Json)
    app.state.hub = hub
    app.add_middleware(Gate, hub=hub)
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    _add_messages(app, hub)  # routes are tried in this order
    _add_nodes(app, hub)
    _add_tasks(app, hub)
    _add_audit(app, hub)
    return app


def _add_nodes(app: FastAPI, hub: Hub) -> None:
    @app.get("/v1/health")
    async def health() -> Response:
        return Json({"ok": True})

    @app.get("/v1/key")
    async def key() -> Response:
        return Json({"key": base64.b64encode(hub.key.public).decode()})

    @app.post("/v1/nodes")
    async def admit(form: Admission) -> Response:
        name = nodes.admit(hub, form.token, form.organisation, base64.b64decode(form.key))
        return Json({"name": name, "hub_key": base64.b64encode(hub.key.public).decode()})

    @app.get("/v1/nodes")
    async def admitted() -> Response:
        return Json(nodes.admitted(hub))


def _add_tasks(app: FastAPI, hub: Hub) -> None:
    @app.post("/v1/tasks")
    async def create(form: NewTask, caller: CallerOf) -> Response:
        return Json(tasks.create(hub, caller.node, form).view())

    @app.get("/v1/tasks")
    async def listed(caller: CallerOf, search: Search = "") -> Response:
        return Json(tasks.listed(hub, caller.node, search))

    @app.get("/v1/tasks/{task}")
    async def show(seat: SeatOf) -> Response:
        return Json(seat.view())

    @app.delete("/v1/tasks/{task}")
    async def delete(seat: SeatOf) -> Response:
        tasks.delete(seat)
        return Json({})

    @app.put("/v1/tasks/{task}/code/{kind}")
    async def put_code(kind: Kind, seat: SeatOf, caller: CallerOf, request: Request) -> Response:
        await files.put_code(seat, kind, request.stream(), caller)
        return Json(seat.view())

    @app.get("/v1/tasks/{task}/code/{kind}")
    async def get_code(kind: Kind, seat: SeatOf) -> Response:
        return FileResponse(files.get_code(seat, kind))

    @app.post("/v1/tasks/{task}/verdict")
    async def verdict(form: Verdict, seat: SeatOf) -> Response:
        tasks.give_verdict(seat, form)
        return Json(seat.view())

    @app.post("/v1/tasks/{task}/join")
    async def join(form: Join, seat: SeatOf) -> Response:
        tasks.join(seat, form)
        return Json(seat.view())

    @app.post("/v1/tasks/{task}/start")
    async def start(seat: SeatOf) -> Response:
        tasks.start(seat)
        return Json(seat.view())

    @app.post("/v1/tasks/{task}/stop")
    async def stop(seat: SeatOf) -> Response:
        tasks.stop(seat)
        return Json(seat.view())

    @app.post("/v1/tasks/{task}/report")
    async def report(form: Report, seat: SeatOf) -> Response:
        tasks.report(seat, form)
        return Json({})


def _add_messages(app: FastAPI, hub: Hub) -> None:
    @app.post("/v1/tasks/{task}/messages", openapi_extra=_body_of(Message))
    async def push(task: str, request: Request) -> Response:
        """Do what the other routes leave to FastAPI: this one is called for each message, and it halves its time."""
        form = Message.model_validate_json(await request.body())
        messages.push(await seat_of(task, request), form)
        return Json({"id": str(form.id)})

    @app.get("/v1/inbox")
    async def inbox(request: Request, caller: CallerOf, after: Number = 0, wait: Wait = 0) -> Response:
        found = await messages.inbox(hub, caller.node, after, wait, request.is_disconnected)
        return Response(found, media_type="application/json")

    @app.put("/v1/tasks/{task}/files/{identity}")
    async def put_file(identity: UUID, seat: SeatOf, caller: CallerOf, request: Request) -> Response:
        await files.put_file(seat, str(identity), request.stream(), caller)
        return Json({"id": str(identity)})

    @app.get("/v1/tasks/{task}/files/{identity}")
    async def get_file(identity: UUID, seat: SeatOf) -> Response:
        return FileResponse(files.get_file(seat, str(identity)))


def _add_audit(app: FastAPI, hub: Hub) -> None:
    @app.get("/v1/tasks/{task}/audit")
    async def records(seat: SeatForAudit, after: Number = 0) -> Response:
        return Json({"events": hub.logs.records(seat.id, after, MOST_RECORDS)})

    @app.get("/v1/tasks/{task}/audit/head")
    async def head(seat: SeatForAudit, since: Number = 0) -> Response:
        head = hub.logs.head(seat.id)
        if since > head.size:
            raise Refusal(409, f"the log has {head.size} records only")
        proof = hub.logs.proof(seat.id, since, head.size) if since else None
        parts = {name: getattr(head, name) for name in ("size", "root", "time", "signature")}
        return Json({**parts, "consistency": proof})


def _body_of(form: type[BaseModel]) -> dict[str, Any]:
    """Describe a body that a route reads itself."""
    schema = form.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    if isinstance(error, Stranger):
        caller = await caller_of(request)
        who = caller.node or "a node that is not admitted"
        request.scope["state"]["refused"].record(request.method, request.url.path, f"{who}: {error}")
    return Json({"error": str(error)}, error.status)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    places = [[str(part) for part in each["loc"] if part not in ("body", "query", "path")] for each in error.errors()]
    texts = [f"{'.'.join(place) or 'body'}: {each['msg']}" for place, each in zip(places[:5], error.errors())]
    return Json({"error": "; ".join(texts)[:1000]}, 422)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Json({"error": str(error.detail)}, error.status_code, headers=error.headers)


async def _gone(request: Request, error: Exception) -> Response:
    return Json({"error": "the connection ended before the request did"}, 400)


@contextlib.asynccontextmanager
async def _watching(app: FastAPI) -> AsyncIterator[None]:
    """Notice who has gone silent, as long as the hub runs."""
    watcher = asyncio.create_task(_watch(app.state.hub))
    yield
    watcher.cancel()


async def _watch(hub: Hub) -> None:
    while True:
        await asyncio.sleep(hub.limits.away / 6)
        oldest = time.monotonic() - hub.limits.away
        if hub.started > oldest:
            continue  # a hub that was away itself gives all of them time to come back
        with contextlib.suppress(sqlite3.OperationalError):  # busy; it looks again soon
            tasks.note_presence(hub, {node for node, polled in hub.polls.items() if polled >= oldest})
