"""Run a node's agent: admitted at the hub, its threads started, its two APIs and its page served on this machine only."""

import base64
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from filelock import FileLock, Timeout
from starlette.applications import Starlette

from ...errors import TutorialError
from ...runs.writing import write_json, write_whole
from ..listening import listen
from ..page.app import Page, application
from . import app, operator
from .children import PROGRAM, Children
from .courier import Courier
from .holdings import Holdings
from .hub_client import HubClient, HubRefused
from .journal import Journal
from .keys import Keys, read_or_make
from .place import Place
from .runner import Runner
from .service import Notebook, Services
from .tasks import Tasks
from .witness import Witness

HOST = "127.0.0.1"  # children and the operator are on this machine
logger = logging.getLogger(__name__)


def serve(folder: Path, program: tuple[str, ...] = PROGRAM, ready: Callable[[str], None] = lambda link: None) -> None:
    """Run the agent of a node until it is told to end.

    Args:
        folder: The node's folder.
        program: What Python runs as a child.
        ready: Called with a link to the node's page when it can be opened.

    Raises:
        TutorialError: The folder is no node's, its agent runs already, or the hub does not admit it.
    """
    place = Place(folder)
    logging.basicConfig(
        filename=place.folder / "agent.log", level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    lock = FileLock(place.folder / "agent.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise TutorialError(f"the agent of {place.folder} runs already") from None
    with lock, _listening(place) as listener:
        port = listener.getsockname()[1]
        write_whole(place.last_port, str(port))
        parts = Parts(place, f"http://{HOST}:{port}", Children(adopts=True, program=program))
        write_json(place.address, {"url": parts.services.origin, "port": port, "pid": os.getpid()})
        parts.courier.start()
        ready(parts.link()["url"])  # the listener is there: who comes now waits for the server
        try:
            server(parts).run(sockets=[listener])
        finally:
            place.address.unlink(missing_ok=True)
            parts.close()


class Parts:
    """What an agent is made of.

    Args:
        place: The node's folder.
        origin: Where its APIs will be reached.
        children: Starts child processes.
    """

    def __init__(self, place: Place, origin: str, children: Children):
        self.place, self.children = place, children
        self.keys, self.services = Keys(place.keys), Services(origin)
        certificates = place.configuration.certificates
        self.hub = HubClient(
            place.configuration.hub, self.keys.signing, place.folder / certificates if certificates else None
        )
        register(place, self.keys, self.hub)
        self.journal = Journal(place.database)
        self.holdings = Holdings(place, self.journal, self.hub, self.keys)
        self.witness = Witness(self.journal, self.hub, self.keys)
        self.runner = Runner(self.holdings, self.witness, self.services, children)
        self.tasks = Tasks(self.holdings, self.runner)
        self.courier = Courier(self.holdings, self.runner, self.witness)
        self.notebook = self.services.add(Notebook(place.folder / "uploads", self.tasks.put_code))
        self.page = Page(place, self.tasks, self.witness)
        self.token = read_or_make(place.token, lambda: secrets.token_urlsafe(32).encode()).decode()

    def status(self) -> dict[str, Any]:
        """Return how the node is."""
        configuration = self.place.configuration
        return {
            "name": configuration.name, "hub": configuration.hub, "hub_is_away": self.courier.hub_is_away,
            "data": str(self.place.data), "folder": str(self.place.folder), "pid": os.getpid(),
            "key_id": self.keys.signing.key_id, "notebook_url": self.notebook, "running": sorted(self.tasks.running),
        }  # fmt: skip

    def link(self) -> dict[str, str]:
        """Return a new link to this node's page, which works once."""
        return {"url": self.services.origin + self.page.doors.make()}

    def close(self) -> None:
        """End all that runs."""
        self.courier.close()
        self.runner.close()
        self.children.end_all()
        self.journal.close()


def server(parts: Parts) -> uvicorn.Server:
    """Return what serves an agent's two APIs and its page."""
    own = operator.routes(parts.tasks, parts.witness, parts.status, parts.link, parts.token)
    api = Starlette(routes=[*own, *app.routes(parts.services), application(parts.page)])
    return uvicorn.Server(
        uvicorn.Config(api, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    )


def register(place: Place, keys: Keys, hub: HubClient) -> None:
    """Have the hub admit this node, and remember the hub's key; once.

    Raises:
        HubRefused: The invitation is not valid.
        HubAway: The hub cannot be reached.
    """
    if keys.hub is not None:
        return
    configuration = place.configuration
    admission = {
        "token": configuration.invitation,
        "organisation": configuration.organisation or configuration.name,
        "key": base64.b64encode(keys.signing.public).decode(),
    }
    try:
        answer = hub.post("/v1/nodes", admission)
    except HubRefused as error:
        raise TutorialError(f"the hub does not admit this node: {error}") from None
    if answer["name"] != configuration.name:
        raise TutorialError(f"the invitation is for {answer['name']}, and this node is {configuration.name}")
    keys.hub = base64.b64decode(answer["hub_key"])
    logger.info("admitted to %s as %s", configuration.hub, answer["name"])


def _listening(place: Place) -> socket.socket:
    """Listen on the node's port; where it has none, on the last one, so that open pages find it again, or on any."""
    port = place.configuration.port
    with contextlib.suppress(OSError, ValueError):
        return listen(HOST, port or int(place.last_port.read_text(encoding="ascii")))
    try:
        return listen(HOST, port)
    except OSError as error:
        raise TutorialError(f"port {port} cannot be used: {error.strerror}") from None
