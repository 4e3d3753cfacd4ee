"""Who may use a node's page: whoever opened a one-time link of it, in that browser, from this machine.

Four things keep others out. The agent listens on loopback only, and answers to names of this machine alone, so that no
other site can have its own name point here (DNS rebinding). A link works once. What comes of it is a signed cookie that
scripts cannot read. And what changes anything carries a word that only the page itself knows (CSRF).
"""

import secrets
import threading
import time
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINK_SECONDS = 24 * 3600  # until a link that nobody opened is worth nothing
SESSION_SECONDS = 30 * 24 * 3600
HOSTS = ("127.0.0.1", "localhost", "[::1]")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Doors:
    """The one-time links of a node's page."""

    def __init__(self) -> None:
        self._open: dict[str, float] = {}
        self._lock = threading.Lock()

    def make(self) -> str:
        """Return the path of a new link."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._open[token] = time.monotonic() + LINK_SECONDS
        return f"/enter/{token}"

    def enter(self, token: str) -> bool:
        """Return whether a link is one, and close it."""
        with self._lock:
            return self._open.pop(token, 0) > time.monotonic()


class Sessions:
    """The cookies of those who came through a link.

    Args:
        secret: Signs them.
        node: Its key's id. Browsers do not tell ports apart: each node's cookie has a name of its own.
    """

    def __init__(self, secret: bytes, node: str):
        self._signer = URLSafeTimedSerializer(secret, salt="page")
        self.cookie = f"playground-{node[:12]}"

    def begin(self, response: Response) -> None:
        """Let a browser in."""
        content = self._signer.dumps(secrets.token_urlsafe(24))
        response.set_cookie(self.cookie, content, max_age=SESSION_SECONDS, httponly=True, samesite="lax")

    def end(self, response: Response) -> None:
        """Let a browser out."""
        response.delete_cookie(self.cookie, httponly=True, samesite="lax")

    def word(self, request: Request) -> str | None:
        """Return the word that this session's changes must carry; None without a session."""
        try:
            return str(self._signer.loads(request.cookies.get(self.cookie, ""), max_age=SESSION_SECONDS))
        except BadSignature:
            return None


class Guarded:
    """Refuses requests to other hosts, and gives every answer the headers that browsers heed."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        is_ours = scope["type"] != "http" or Headers(scope=scope).get("host", "").rpartition(":")[0] in HOSTS
        answer = self.app if is_ours else Response("This page answers at 127.0.0.1 only.", 421)
        await answer(scope, receive, send_guarded)


def is_from_here(request: Request, word: str, given: Any) -> bool:
    """Return whether a change was asked for by a page of this session, and not by another site."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    return site in ("same-origin", "none") and isinstance(given, str) and secrets.compare_digest(given, word)
