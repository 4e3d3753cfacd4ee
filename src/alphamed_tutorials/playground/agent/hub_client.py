"""The hub as a node calls it: every request signed, and its refusals as errors with its own words."""

import hashlib
import threading
from pathlib import Path
from typing import Any, BinaryIO

import requests

from ...errors import TutorialError
from ..signing import SigningKey

TIMEOUT = (5, 60)  # seconds to connect, and between two pieces of an answer


class HubAway(TutorialError):
    """The hub cannot be reached now; it makes sense to try again."""


class HubRefused(TutorialError):
    """The hub said no.

    Attributes:
        status: The HTTP status of its answer.
    """

    def __init__(self, text: str, status: int):
        super().__init__(text)
        self.status = status


class HubClient:
    """The hub's HTTP API.

    Args:
        url: Its address.
        key: By which it knows this node.
        certificates: A file with the certificate authority of a hub that has a certificate of its own making.
    """

    def __init__(self, url: str, key: SigningKey, certificates: Path | None = None):
        self.url, self.key = url.rstrip("/"), key
        self.certificates = str(certificates) if certificates else True
        self.local = threading.local()

    def get(self, path: str, timeout: float | None = None, **parameters: Any) -> Any:
        """Return the JSON that the hub has at a path."""
        return self._json("GET", path, params=parameters, timeout=timeout)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Post JSON and return the answer."""
        return self._json("POST", path, json=body or {})

    def put(self, path: str, content: bytes) -> Any:
        """Put bytes and return the answer."""
        return self._json("PUT", path, data=content)

    def delete(self, path: str) -> Any:
        """Delete what is at a path."""
        return self._json("DELETE", path)

    def put_file(self, path: str, file: Path, sha256: bytes) -> Any:
        """Put a file's content, as a stream."""
        with open(file, "rb") as source:
            return self._json("PUT", path, data=source, sha256=sha256)

    def get_bytes(self, path: str) -> bytes:
        """Return the bytes that the hub has at a path."""
        return self._send("GET", path).content

    def get_file(self, path: str, target: BinaryIO) -> None:
        """Write the bytes that the hub has at a path to an open file."""
        with self._send("GET", path, stream=True) as response:
            try:
                for piece in response.iter_content(1 << 20):
                    target.write(piece)
            except requests.RequestException as error:
                raise HubAway(f"the hub at {self.url} broke off, try again: {error}") from None

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        response = self._send(method, path, **arguments)
        try:
            return response.json()
        except ValueError:
            raise HubAway(f"{self.url} answered something that is no JSON: is it a hub?") from None

    def _send(
        self,
        method: str,
        path: str,
        sha256: bytes | None = None,
        stream: bool = False,
        timeout: float | None = None,
        **content: Any,
    ) -> requests.Response:
        session = self._session()
        request = session.prepare_request(requests.Request(method, self.url + path, **content))
        self.key.sign(request, sha256=sha256)
        try:
            response = session.send(
                request,
                stream=stream,
                timeout=(TIMEOUT[0], timeout or TIMEOUT[1]),
                verify=self.certificates,
                allow_redirects=False,
            )
        except (requests.RequestException, OSError) as error:
            raise HubAway(
                f"the hub at {self.url} cannot be reached: look whether it runs there ({_cause(error)})"
            ) from None
        if response.status_code >= 500 or response.status_code in (408, 429):
            raise HubAway(f"the hub at {self.url} cannot answer now ({response.status_code}): try again later")
        if not 200 <= response.status_code < 300:
            raise HubRefused(_text(response), response.status_code)
        return response

    def _session(self) -> requests.Session:
        """Return this thread's connection, which is kept open."""
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
            self.local.session.trust_env = False  # no proxy, and no .netrc, decides whom a node talks to
        session: requests.Session = self.local.session
        return session


def _text(response: requests.Response) -> str:
    """Return what a refusal says."""
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"the hub refused with {response.status_code}: ask its operator"


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a failed connection."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}"


def sha256_of(content: bytes) -> str:
    """Return the SHA-256 of bytes, as hex."""
    return hashlib.sha256(content).hexdigest()
