"""What only the receivers can read: libsodium's sealed boxes for messages, its secret stream for files (PyNaCl).

A sealed file begins with its random key, once for each receiver and without their names; then come pieces of 1 MiB.
"""

import hashlib
import secrets
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from ..errors import TutorialError

PIECE = 1 << 20
MAGIC = b"APS1"
SEALED_KEY = bindings.crypto_secretstream_xchacha20poly1305_KEYBYTES + bindings.crypto_box_SEALBYTES
HEADER = bindings.crypto_secretstream_xchacha20poly1305_HEADERBYTES
OVERHEAD = bindings.crypto_secretstream_xchacha20poly1305_ABYTES
MORE = bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
LAST = bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL


class SealBroken(TutorialError):
    """Something was not sealed for this key, or was changed on its way."""


def make_box_key() -> bytes:
    """Return a new private X25519 key of 32 bytes."""
    return bytes(PrivateKey.generate())


def public_box_key(private: bytes) -> bytes:
    """Return what others seal with."""
    return bytes(PrivateKey(private).public_key)


def seal(data: bytes, public: bytes) -> bytes:
    """Seal a message."""
    return SealedBox(PublicKey(public)).encrypt(data)


def unseal(sealed: bytes, private: bytes) -> bytes:
    """Open a message."""
    try:
        return SealedBox(PrivateKey(private)).decrypt(sealed)
    except CryptoError as error:
        raise SealBroken("a message was not sealed for this node, or was changed on its way") from error


def seal_file(source: BinaryIO, target: BinaryIO, publics: Iterable[bytes], context: bytes = b"") -> bytes:
    """Seal a file for several receivers and return the SHA-256 of what was written.

    Args:
        source: What to seal.
        target: Where to write it.
        publics: The receivers' public keys.
        context: Where it belongs; it opens only with the same.
    """
    key = secrets.token_bytes(bindings.crypto_secretstream_xchacha20poly1305_KEYBYTES)
    sealed_keys = [seal(key, public) for public in publics]
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    header = bindings.crypto_secretstream_xchacha20poly1305_init_push(state, key)
    hashed = hashlib.sha256()
    for part in (MAGIC, struct.pack(">H", len(sealed_keys)), *sealed_keys, header):
        hashed.update(part)
        target.write(part)
    for piece, is_last in _pieces(source, PIECE):
        tag = LAST if is_last else MORE
        sealed = bindings.crypto_secretstream_xchacha20poly1305_push(state, piece, context or None, tag)
        hashed.update(sealed)
        target.write(sealed)
    return hashed.digest()


def unseal_file(source: BinaryIO, target: BinaryIO, private: bytes, context: bytes = b"") -> None:
    """Open a sealed file; what was written to `target` counts only if this returns."""
    if _read(source, len(MAGIC)) != MAGIC:
        raise SealBroken("this is no sealed file")
    (count,) = struct.unpack(">H", _read(source, 2).ljust(2, b"\0"))
    key = _own_key([_read(source, SEALED_KEY) for _ in range(count)], private)
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    try:
        bindings.crypto_secretstream_xchacha20poly1305_init_pull(state, _read(source, HEADER), key)
        for piece, is_last in _pieces(source, PIECE + OVERHEAD):
            data, tag = bindings.crypto_secretstream_xchacha20poly1305_pull(state, piece, context or None)
            if (tag == LAST) != is_last:
                raise SealBroken("a sealed file was cut off, or something was added to it")
            target.write(data)
    except (RuntimeError, ValueError, CryptoError) as error:  # PyNaCl's, by kind of damage
        raise SealBroken("a sealed file was changed on its way") from error


def _own_key(sealed_keys: list[bytes], private: bytes) -> bytes:
    for sealed in sealed_keys:
        try:
            return unseal(sealed, private)
        except SealBroken:
            continue
    raise SealBroken("a file was not sealed for this node")


def _pieces(source: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """Yield pieces of one size, and whether it is the last; an empty file is one empty piece."""
    piece = _read(source, size)
    while True:
        following = _read(source, size) if len(piece) == size else b""
        yield piece, not following
        if not following:
            return
        piece = following


def _read(source: BinaryIO, size: int) -> bytes:
    """Read this much, unless the source ends: a connection may give less at a time."""
    parts = []
    while size and (part := source.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
