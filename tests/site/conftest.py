"""The built site on a server."""

import functools
import http.server
import threading
from collections.abc import Iterator

import pytest


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serve without a log."""

    def log_message(self, format: str, *args) -> None: ...


@pytest.fixture(scope="session")
def address(site) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site.path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
