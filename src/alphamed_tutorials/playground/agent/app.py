"""The routes that the SDK in a child calls, below a secret path of its own: `/SECRET/fed-service/api/v2`.

The first eight are AlphaMed's own; those below `/playground` are ours, for the guard around the scheduler:

    POST /playground/mark    {keep?: POSITION}      → {position}   where the tape stands; before `keep` it is forgotten
    POST /playground/rewind  {position}             → {replayed}   from here on, what was recorded after it comes again
    POST /playground/event   {kind, …}              → {}           what the operator shall know, see `Service.event`

Every answer is `{"code": 0, "data": {…}}`, or `{"code": 1, "message": TEXT}` with a 4xx status.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from .service import Notebook, Refused, Service, Services

LARGEST_BODY = 1024 * 1024  # of JSON
Answer = Callable[[Request], Awaitable[Response]]


def routes(services: Services) -> list[Mount]:
    """Return the routes for the children's SDK, and for a notebook's."""
    api = [
        Route("/message/push", _json(services, Service.push), methods=["POST"]),
        Route("/message/pop", _json(services, Service.pop), methods=["POST"]),
        Route("/task/nodelist", _json(services, Service.nodes), methods=["POST"]),
        Route("/fed/network/node/detail", _json(services, Service.address), methods=["POST"]),
        Route("/federated/task/progress", _json(services, Service.progress), methods=["POST"]),
        Route("/automl/task/progress", _json(services, Service.progress), methods=["POST"]),
        Route("/federated/task/verify/upload", _json(services, Notebook.submit_verification), methods=["POST"]),
        Route("/federated/task/train/upload", _json(services, Notebook.submit_training), methods=["POST"]),
        Route("/file/upload", _upload(services), methods=["POST"]),
        Route("/files/{file}", _download(services), methods=["GET"]),
        Route("/playground/mark", _json(services, Service.mark), methods=["POST"]),
        Route("/playground/rewind", _json(services, Service.rewind), methods=["POST"]),
        Route("/playground/event", _json(services, Service.event), methods=["POST"]),
    ]
    sdk = Starlette(routes=api, exception_handlers={HTTPException: _refusal, Refused: _refusal})
    return [Mount("/{secret}/fed-service/api/v2", app=sdk)]


def _json(services: Services, method: Callable[..., dict[str, Any]]) -> Answer:
    async def answer(request: Request) -> Response:
        service = services.find(request.path_params["secret"])
        call = getattr(service, method.__name__, None)
        if call is None:
            raise Refused("this address does not answer that")
        body = await json_body(request)
        return JSONResponse({"code": 0, "data": await run_in_threadpool(call, body)})

    return answer


def _upload(services: Services) -> Answer:
    async def answer(request: Request) -> Response:
        service = services.find(request.path_params["secret"])
        if int(request.headers.get("content-length") or 0) > service.largest_file:
            raise Refused(f"a file may have {service.largest_file} bytes at most")
        path = request.query_params.get("file_path", "")
        if "multipart/form-data" not in request.headers.get("content-type", ""):
            return JSONResponse({"code": 0, "data": await run_in_threadpool(service.upload_local, path)})
        async with request.form(max_files=1, max_fields=10) as form:
            part = form.get("files")
            if part is None or isinstance(part, str):
                raise Refused("the form has no part `files`")
            return JSONResponse({"code": 0, "data": await run_in_threadpool(service.upload, part.file)})

    return answer


def _download(services: Services) -> Answer:
    async def answer(request: Request) -> Response:
        service = services.find(request.path_params["secret"])
        return FileResponse(await run_in_threadpool(service.download, request.path_params["file"]))

    return answer


async def json_body(request: Request, largest: int = LARGEST_BODY) -> dict[str, Any]:
    """Return the JSON object that a request carries.

    Raises:
        Refused: It carries something else, or too much.
    """
    if int(request.headers.get("content-length") or 0) > largest:
        raise Refused(f"a request may have {largest} bytes at most", 413)
    try:
        body = await request.json() if await request.body() else {}
    except (ValueError, RecursionError):
        raise Refused("the request is no JSON") from None
    if not isinstance(body, dict):
        raise Refused("the request is no JSON object")
    return body


async def _refusal(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 400)
    return JSONResponse({"code": 1, "message": getattr(error, "detail", None) or str(error)}, status)
