"""The built site on a server, and one browser for all that look at it."""

import functools
import http.server
import threading
from collections.abc import Iterator

import pytest
from browsing import CHROMIUM, FLAGS


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serve without a log."""

    def log_message(self, format: str, *args) -> None: ...


@pytest.fixture(scope="session")
def address(site) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site.path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
