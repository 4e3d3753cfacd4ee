"""The gate before all routes: who sends this, is it new, is it whole, is it too large."""

import base64
import binascii
import hashlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from ..signing import Checker, Fields, Received, SignatureRefused, Signed, digest_header, key_id_of
from . import nodes
from .state import Hub, Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
OPEN = ("GET", "/v1/health")
ADMISSION = ("POST", "/v1/nodes")


@dataclass(frozen=True)
class Caller:
    """Who sends a request: known by its key, never by what the request says.

    Attributes:
        node: Its name; empty while it asks to be admitted.
        public: Its key.
        digest: What the body's `Content-Digest` must be, where a route reads the body as a stream.
    """

    node: str
    public: bytes
    digest: str

    def check(self, sha256: bytes) -> None:
        """Raise unless the streamed body is the one that was signed."""
        if digest_header(sha256) != self.digest:
            raise Refusal(401, "the body is not the one that was signed")


class Gate:
    """An ASGI application around another: it lets signed requests through and says whose they are."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], hub: Hub) -> None:
        self._app = app
        self._hub = hub
        self._known = Checker(self._public_key)
        self._replays = nodes.Replays(hub)
        self._refused = nodes.Refused(hub)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, or refuse it."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) == OPEN:
            return await self._app(scope, receive, send)
        try:
            request = _received(scope)
            if _is_stream(scope):
                signed = self._known.check(request)
                self._replays.remember(signed)
            else:
                signed, receive = await self._whole(scope, request, receive)
            scope["state"]["caller"] = self._caller(scope, signed)
        except (Refusal, SignatureRefused) as error:
            status = error.status if isinstance(error, Refusal) else 401
            self._refused.record(scope["method"], scope["path"], str(error))
            return await JSONResponse({"error": str(error)}, status)(scope, receive, send)
        scope["state"]["refused"] = self._refused
        await self._app(scope, receive, send)

    async def _whole(self, scope: Scope, request: Received, receive: Receive) -> tuple[Signed, Receive]:
        """Check a request whose body fits into memory."""
        is_admission = (scope["method"], scope["path"]) == ADMISSION
        signed = None if is_admission else self._known.check(request)  # before the body: a stranger shall cost little
        body = await _body(receive, self._limit(scope))
        if signed is None:
            public = _key_in(body)
            signed = Checker({key_id_of(public): public}.get).check(request)
        if digest_header(hashlib.sha256(body).digest()) != signed.digest:
            raise Refusal(401, "the body is not the one that was signed")
        self._replays.remember(signed)
        return signed, _again(body, receive)

    def _caller(self, scope: Scope, signed: Signed) -> Caller:
        node = nodes.find(self._hub, signed.key_id)
        return Caller(node["name"] if node else "", node["public"] if node else b"", signed.digest)

    def _public_key(self, key_id: str) -> bytes | None:
        node = nodes.find(self._hub, key_id)
        if node is None:
            raise Refusal(401, f"no admitted node has the key {key_id[:40]}: ask this hub's operator for an invitation")
        if node["revoked"]:
            raise Refusal(401, f"{node['name']} was revoked: ask the hub's operator why")
        return node["public"]

    def _limit(self, scope: Scope) -> int:
        return self._hub.limits.message if scope["path"].endswith("/messages") else self._hub.limits.body


def _received(scope: Scope) -> Received:
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    url = f"{scope['scheme']}://{(host + scope['raw_path'] + query).decode('latin-1')}"
    return Received(scope["method"], url, Fields(scope["headers"]))


def _is_stream(scope: Scope) -> bool:
    return scope["method"] == "PUT" and ("/files/" in scope["path"] or "/code/" in scope["path"])


async def _body(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the connection ended before the request did")
        body += message.get("body", b"")
        if len(body) > limit:
            raise Refusal(413, f"the request's body is larger than {limit} bytes")
        if not message.get("more_body"):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give the body once more, then what comes after it."""
    messages: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> MutableMapping[str, Any]:
        return messages.pop() if messages else await receive()

    return give


def _key_in(body: bytes) -> bytes:
    """Return the key that asks to be admitted."""
    try:
        public = base64.b64decode(json.loads(body)["key"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        public = b""
    if len(public) != 32:
        raise Refusal(422, "key: the node's public Ed25519 key, 32 bytes in base64, is missing")
    return public
