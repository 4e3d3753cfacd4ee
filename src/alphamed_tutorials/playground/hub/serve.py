"""Run a hub: one process, one folder, HTTP or HTTPS."""

import os
import shutil
import socket
from pathlib import Path

import uvicorn
from filelock import FileLock, Timeout

from ...errors import WrongUse
from ...runs.writing import write_json
from ..listening import listen
from .app import make_app
from .state import Hub, Limits


class Server(uvicorn.Server):
    """A server that answers the requests it holds open when it is told to end."""

    def __init__(self, hub: Hub, certificate: Path | None = None, key: Path | None = None) -> None:
        config = uvicorn.Config(
            make_app(hub),
            log_level="warning",
            access_log=False,
            server_header=False,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=75,
        )
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, but not before those who wait were told that there is nothing."""
        self._hub.wake_all()
        await super().shutdown(sockets)


def serve(
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    certificate: Path | None = None,
    key: Path | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve until a signal comes. `hub.json` in the folder says where, once it can be asked.

    Args:
        folder: What the hub keeps.
        host: The address of this machine that the nodes can reach.
        port: 0 takes a free one.
        certificate: For TLS; the nodes must trust it.
        key: The certificate's.
        limits: How much one request may bring.
    """
    if bool(certificate) != bool(key):
        raise WrongUse("TLS needs both, the certificate and its key")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "hub.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise WrongUse(f"another hub runs on {folder} already") from error
    with lock, bound(host, port) as listening:
        shutil.rmtree(folder / "incoming", ignore_errors=True)
        hub = Hub(folder, limits)
        shown = f"[{host}]" if ":" in host else host
        url = f"{'https' if certificate else 'http'}://{shown}:{listening.getsockname()[1]}"
        write_json(folder / "hub.json", {"url": url, "pid": os.getpid()})
        Server(hub, certificate, key).run([listening])
        hub.close()


def bound(host: str, port: int) -> socket.socket:
    """Return the hub's listening socket."""
    try:
        return listen(host, port)
    except OSError as error:
        raise WrongUse(f"the hub cannot listen at {host}:{port}: {error.strerror or error}") from error
