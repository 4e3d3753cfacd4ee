"""Who sends a request to the hub, proven by HTTP message signatures (RFC 9421) with Ed25519.

A signature covers the method, the whole address, the digest of the body (RFC 9530) and its type, the time and a nonce.
Unlike mutual TLS it also proves who sent what after the connection is gone, works the same with and without TLS, and
needs no certificates of the nodes. `http-message-signatures` builds and checks them; nothing of RFC 9421 is ours.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography.exceptions import InvalidSignature as WrongSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from requests import PreparedRequest

from ..errors import TutorialError

COVERED = ("@method", "@target-uri", "content-digest")
MAX_AGE = timedelta(seconds=300)  # how far the clocks of a node and the hub may differ


class SignatureRefused(TutorialError):
    """A request is not signed as it must be."""


def key_id_of(public: bytes) -> str:
    """Return the name by which a signature names its key."""
    return hashlib.sha256(public).digest()[:16].hex()


def digest_header(sha256: bytes) -> str:
    """Return `Content-Digest` for a body of this SHA-256."""
    return f"sha-256=:{base64.b64encode(sha256).decode()}:"


class SigningKey(HTTPSignatureKeyResolver):
    """A private Ed25519 key.

    Attributes:
        private: Its 32 bytes.
        public: The 32 bytes that others may know.
        key_id: By which its signatures name it.
    """

    def __init__(self, private: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        self.private = private
        self.public = self._key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public)
        self._signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=self)

    @classmethod
    def make(cls) -> "SigningKey":
        """Return a new key."""
        return cls(secrets.token_bytes(32))

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:
        """Return the key as the library asks for it."""
        return self._key

    def sign_bytes(self, data: bytes) -> bytes:
        """Return the signature of some bytes: the heads of the hub's logs."""
        return self._key.sign(data)

    def sign(self, request: PreparedRequest, *, sha256: bytes | None = None) -> PreparedRequest:
        """Sign a prepared request and return it; again if it is sent again, since a signature is accepted once.

        Args:
            request: What will be sent.
            sha256: The body's, where it is a stream.
        """
        if sha256 is None:
            body = request.body or b""
            if not isinstance(body, (bytes, str)):
                raise TypeError("a streamed body needs its SHA-256")
            sha256 = hashlib.sha256(body.encode() if isinstance(body, str) else body).digest()
        request.headers["Content-Digest"] = digest_header(sha256)
        covered = (*COVERED, "content-type") if "content-type" in request.headers else COVERED
        self._signer.sign(
            request,
            key_id=self.key_id,
            created=datetime.now(UTC),
            nonce=secrets.token_urlsafe(16),
            label="node",
            covered_component_ids=covered,
            use_existing_digest=True,
        )
        return request


def is_signed_by(public: bytes, signature: bytes, data: bytes) -> bool:
    """Return whether bytes were signed by `sign_bytes` of this key."""
    try:
        _parsed(public).verify(signature, data)
    except (WrongSignature, ValueError):
        return False
    return True


@dataclass(frozen=True)
class Received:
    """A request as it came in, in the form the library reads; `url` is whole, as the sender wrote it."""

    method: str
    url: str
    headers: "Fields"


class Fields:
    """Header fields in their order; the same name may come twice."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]

    def items(self) -> list[tuple[str, str]]:
        """Return all fields."""
        return self._pairs


@dataclass(frozen=True)
class Signed:
    """What a valid signature says.

    Attributes:
        key_id: Whose it is.
        nonce: Must not have been seen with this key before.
        created: When it was made, in seconds of the epoch.
        digest: The signed `Content-Digest`; the body must be compared with it.
    """

    key_id: str
    nonce: str
    created: int
    digest: str


class _Verifier(HTTPMessageVerifier):
    max_clock_skew = MAX_AGE  # either way: `max_age` is zero


class Checker(HTTPSignatureKeyResolver):
    """Checks the signatures of requests; who may do what is not its business, nor are replays."""

    def __init__(self, find_key: Callable[[str], bytes | None]) -> None:
        """`find_key` returns the public key of a key id, or None, or says why not with a TutorialError."""
        self._find_key = find_key
        self._verifier = _Verifier(signature_algorithm=algorithms.ED25519, key_resolver=self)

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey | None:
        """Return the key as the library asks for it."""
        public = self._find_key(key_id)
        return None if public is None else _parsed(public)

    def check(self, request: Received) -> Signed:
        """Return what the request's signature says; raise SignatureRefused where it has none that is valid."""
        try:
            (result,) = self._verifier.verify(request, max_age=timedelta(0))
        except InvalidSignature as error:
            if isinstance(error.__cause__, TutorialError):  # what `find_key` says of a key
                raise error.__cause__ from None
            raise SignatureRefused(
                f"the request's signature is not valid: {str(error) or 'it is not of this key'}"
            ) from error
        except Exception as error:  # the library reads what a stranger wrote: whatever it stumbles over is no signature
            raise SignatureRefused("the request's signature cannot be read") from error
        has_type = any(name.lower() == "content-type" for name, _ in request.headers.items())
        for name in (
            (*COVERED, "content-type") if has_type else COVERED
        ):  # the library's own check parses them each time
            if f'"{name}"' not in result.covered_components:
                raise SignatureRefused(f"the request's signature does not cover {name}")
        if not result.nonce or len(result.nonce) > 100:
            raise SignatureRefused("the request's signature has no nonce")
        return Signed(
            key_id=str(result.parameters["keyid"]),
            nonce=result.nonce,
            created=int(result.parameters["created"]),
            digest=result.covered_components['"content-digest"'],
        )


@lru_cache(maxsize=1024)
def _parsed(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)
