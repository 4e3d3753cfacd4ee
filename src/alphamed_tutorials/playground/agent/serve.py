"""Run a node's agent: admitted at the hub, its threads started, its two APIs served on this machine only."""

import base64
import contextlib
import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from filelock import FileLock, Timeout
from starlette.applications import Starlette

from ...errors import TutorialError
from ...runs.writing import write_json
from . import app, operator
from .children import Children
from .courier import Courier
from .hub_client import HubClient, HubRefused
from .journal import Journal
from .keys import Keys, read_or_make
from .place import Place
from .service import Notebook, Services
from .tasks import Tasks
from .witness import Witness

HOST = "127.0.0.1"  # children and the operator are on this machine
logger = logging.getLogger(__name__)


def serve(folder: Path) -> None:
    """Run the agent of a node until it is told to end.

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
    with lock, _listening(place.configuration.port) as listener:
        _serve(place, listener)


def _serve(place: Place, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    keys, journal, services = Keys(place.keys), Journal(place.database), Services(f"http://{HOST}:{port}")
    certificates = place.configuration.certificates
    hub = HubClient(place.configuration.hub, keys.signing, place.folder / certificates if certificates else None)
    register(place, keys, hub)
    children = Children(adopts=True)
    tasks = Tasks(place, journal, hub, keys, services, children)
    witness = Witness(journal, hub, keys)
    courier = Courier(journal, hub, tasks, witness)
    notebook = services.add(Notebook(place.folder / "uploads", tasks.put_code))
    token = read_or_make(place.token, lambda: secrets.token_urlsafe(32).encode()).decode()

    def status() -> dict[str, Any]:
        return {
            "name": place.configuration.name, "hub": place.configuration.hub, "hub_is_away": courier.hub_is_away,
            "data": str(place.data), "folder": str(place.folder), "pid": os.getpid(), "key_id": keys.signing.key_id,
            "notebook_url": notebook, "running": sorted(tasks.running),
        }  # fmt: skip

    api = Starlette(routes=[*operator.routes(tasks, witness, status, token), *app.routes(services)])
    server = uvicorn.Server(
        uvicorn.Config(api, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    )
    write_json(place.address, {"url": services.origin, "port": port, "pid": os.getpid()})
    courier.start()
    try:
        server.run(sockets=[listener])
    finally:
        place.address.unlink(missing_ok=True)
        courier.close()
        tasks.close()
        children.end_all()
        journal.close()


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


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """Listen on a port of this machine; 0 for any."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise TutorialError(f"port {port} cannot be used: {error.strerror}") from None
        yield listener


def end(pid: int) -> None:
    """Tell an agent to end."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
