"""The built site on a server: at its root, and below a folder as a host of many sites has it."""

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serve without a log."""

    def log_message(self, format: str, *args) -> None: ...


class Below(Quiet):
    """Serve below a folder; what is missing is answered with the page for it at the site's root, as hosts do."""

    folder = "/docs/alphamed/"

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(self.folder) if path.startswith(self.folder) else "missing")

    def send_error(self, code: int, *details: str) -> None:
        body = (Path(self.directory) / "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextlib.contextmanager
def served(handler: type[Quiet], folder: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def address(site) -> Iterator[str]:
    with served(Quiet, site.path) as address:
        yield address


@pytest.fixture(scope="session")
def address_below(site) -> Iterator[str]:
    with served(Below, site.path) as address:
        yield address + Below.folder.removeprefix("/")
