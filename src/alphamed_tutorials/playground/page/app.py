"""The routes of a node's page: what its operator sees of its tasks, and does in them, in a browser on this machine.

Everything that changes something is a form. It is sent, what it asks for is done, and the browser is sent on to a page
that shows what came of it; so the page also works where scripts do not run.
"""

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ...errors import TutorialError
from ..agent import exporting
from ..agent.keys import read_or_make
from ..agent.operator import LARGEST_CODE
from ..agent.place import Place
from ..agent.tasks import Tasks
from ..agent.witness import Witness
from . import submissions
from .forms import Sent
from .jobs import Jobs
from .sessions import Doors, Guarded, Sessions, is_from_here
from .steps import DOING, STATES, STEPS
from .words import COOKIE, LANGUAGES, words

View = Callable[[Request], Response]
Action = Callable[[Request, Sent], Response]
SPARE = 1 << 20  # bytes of a form beside its files


class Page:
    """What the views work with.

    Attributes:
        doors: One-time links that let a browser in.
        jobs: What is done in the background.
        demo: The example that this node's data will do for.
    """

    def __init__(self, place: Place, tasks: Tasks, witness: Witness):
        self.place, self.tasks, self.witness = place, tasks, witness
        self.doors, self.jobs = Doors(), Jobs()
        self.demo = submissions.demo(place.data)
        secret = read_or_make(place.keys / "page.key", lambda: secrets.token_bytes(32))
        self.sessions = Sessions(secret, tasks.keys.signing.key_id)
        loader = PackageLoader("alphamed_tutorials.playground.page")
        self.templates = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        demo = {"name": self.demo.name, "titles": self.demo.facts.title.model_dump()}
        self.templates.globals |= {
            "steps": STEPS, "doing": DOING, "meanings": STATES, "exports": exporting.FORMS, "demo": demo,
        }  # fmt: skip

    def show(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page."""
        values |= {
            "_": words(request),
            "node": self.place.configuration.name,
            "path": request.url.path,
            "word": self.sessions.word(request),
            "languages": LANGUAGES,
        }
        return HTMLResponse(self.templates.get_template(template).render(values), status)


def application(page: Page) -> Mount:
    """Return the page's routes."""
    from . import new_task, task_actions, task_views

    routes = [
        Mount("/static", StaticFiles(directory=Path(__file__).with_name("static"))),
        Route("/enter/{token}", _enter(page)),
        Route("/help", _view(page, lambda request: page.show(request, "help.html", folder=page.place.folder))),
        Route("/leave", _action(page, lambda request, sent: _leave(page)), methods=["POST"]),
        *(Route(path, _view(page, view)) for path, view in {**task_views.views(page), **new_task.views(page)}.items()),
        *(
            Route(path, _action(page, action), methods=["POST"])
            for path, action in {**task_actions.actions(page), **new_task.actions(page)}.items()
        ),
        Route("/tasks/{task}/{action}", lambda request: RedirectResponse(f"/tasks/{request.path_params['task']}", 303)),
    ]

    async def refused(request: Request, error: Exception) -> Response:
        text, status = (error.detail, error.status_code) if isinstance(error, HTTPException) else (str(error), 409)
        return page.show(
            request, "refused.html", getattr(error, "status", status), text=text, task=request.path_params.get("task"),
        )  # fmt: skip

    async def broken(request: Request, error: Exception) -> Response:
        text = "something went wrong that should not: see agent.log in the node's folder"
        return page.show(request, "refused.html", 500, text=text, task=None)

    handlers: dict[Any, Any] = {TutorialError: refused, HTTPException: refused, Exception: broken}
    return Mount("", app=Guarded(Starlette(routes=routes, exception_handlers=handlers)))


def _enter(page: Page) -> View:
    def answer(request: Request) -> Response:
        if page.sessions.word(request) is None and not page.doors.enter(request.path_params["token"]):
            return page.show(request, "door.html", 403, folder=page.place.folder, was_used=True)
        response = RedirectResponse("/", 303)
        if page.sessions.word(request) is None:
            page.sessions.begin(response)
        return response

    return answer


def _leave(page: Page) -> Response:
    response = RedirectResponse("/", 303)
    page.sessions.end(response)
    return response


def _view(page: Page, view: View) -> View:
    def answer(request: Request) -> Response:
        if page.sessions.word(request) is None:
            return page.show(request, "door.html", 403, folder=page.place.folder, was_used=False)
        response = view(request)
        if (language := request.query_params.get("lang")) in LANGUAGES:
            response.set_cookie(COOKIE, str(language), max_age=365 * 24 * 3600, samesite="lax")
        return response

    return answer


def _action(page: Page, action: Action) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        word = page.sessions.word(request)
        if word is None:
            return page.show(request, "door.html", 403, folder=page.place.folder, was_used=False)
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > LARGEST_CODE + SPARE:
            raise HTTPException(413, f"files may have {LARGEST_CODE} bytes at most, together")
        async with request.form(max_files=100, max_fields=300) as form:  # files go to disk while they come
            if not is_from_here(request, word, form.get("word")):
                raise HTTPException(
                    403, "this was not sent from a page of this session: open the page anew, and try again"
                )
            sent = await Sent.read(form)
        return await run_in_threadpool(action, request, sent)

    return answer
