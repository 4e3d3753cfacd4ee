"""The node's secrets, each in a file that its owner alone may read."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from ..sealing import make_box_key, public_box_key
from ..signing import SigningKey


class Keys:
    """The keys of one node.

    Attributes:
        signing: By which the hub knows the node.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.signing = SigningKey(read_or_make(folder / "node.key", lambda: secrets.token_bytes(32)))

    def new_box(self) -> bytes:
        """Make a key for one task and return its public half."""
        private = make_box_key()
        public = public_box_key(private)
        write_private(self._box(public), private)
        return public

    def box(self, public: bytes) -> bytes:
        """Return the private half of a task's key."""
        return self._box(public).read_bytes()

    def has_box(self, public: bytes) -> bool:
        """Return whether the private half of a key is here."""
        return self._box(public).exists()

    def forget_box(self, public: bytes) -> None:
        """Destroy a task's key: what was sealed for it stays sealed."""
        self._box(public).unlink(missing_ok=True)

    def _box(self, public: bytes) -> Path:
        return self.folder / f"{public.hex()}.key"

    @property
    def hub(self) -> bytes | None:
        """The hub's public key, as it was when this node was admitted; None before."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "hub.pub").read_bytes()
        return None

    @hub.setter
    def hub(self, public: bytes) -> None:
        write_private(self.folder / "hub.pub", public)


def read_or_make(file: Path, make: Callable[[], bytes]) -> bytes:
    """Return a secret, made now if there is none."""
    with contextlib.suppress(FileNotFoundError):
        return file.read_bytes()
    write_private(file, make())
    return file.read_bytes()


def write_private(file: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    aside = file.with_name(f".{file.name}.tmp")
    aside.unlink(missing_ok=True)
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    os.replace(aside, file)
