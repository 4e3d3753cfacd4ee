"""What the parts of a hub share: its folder, database, key and limits, and who waits for a message."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import TutorialError
from ..schema import open_database, transaction
from ..signing import SigningKey
from .audit import HUB, Logs
from .database import MIGRATIONS


class Refusal(TutorialError):
    """A request that is not fulfilled; its text says why and what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Stranger(Refusal):
    """A refusal of what is not the caller's business; it is written down."""


@dataclass(frozen=True)
class Limits:
    """How much one request may bring, in bytes, and how long a node may be silent, in seconds."""

    body: int = 64 << 10
    message: int = 1 << 20
    verify: int = 1 << 20
    train: int = 256 << 20
    attachment: int = 256 << 20
    file: int = 2 << 30
    away: float = 30


class Hub:
    """A hub's folder, opened by its one process.

    Attributes:
        folder: `hub.sqlite`, `hub.key`, `code/`, `files/`.
        database: The one connection; each statement takes microseconds, so all run in the event loop.
        key: With which it signs the heads of its logs.
        logs: What happened, for good.
        limits: How much a request may bring.
        polls: When each node last asked for its messages.
    """

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.limits = limits or Limits()
        self.database = open_database(folder / "hub.sqlite", MIGRATIONS, check_same_thread=False)
        self.key = _own_key(folder / "hub.key")
        self.logs = Logs(self.database, self.key)
        self.started = time.monotonic()
        self.polls: dict[str, float] = {}
        self.closing = False
        self._waiters: dict[str, asyncio.Event] = {}
        self._to_wake: set[str] = set()
        with self.change():
            if not self.logs.records(HUB, 0, 1):
                self.logs.add(HUB, "hub", key=self.key.key_id)

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Write all that the block writes, or nothing; then wake the nodes that it left something for."""
        self._to_wake.clear()
        with transaction(self.database):
            yield
        for node in self._to_wake:
            self.waiter(node).set()

    def deliver(self, node: str, task: str, entry: dict[str, Any]) -> None:
        """Put an entry into a node's inbox, within a change."""
        query = "INSERT INTO entries (node, task, body) VALUES (?, ?, ?)"
        self.database.execute(query, (node, task, json.dumps(entry)))
        self._to_wake.add(node)

    def waiter(self, node: str) -> asyncio.Event:
        """Return what is set when there is something new for a node."""
        return self._waiters.setdefault(node, asyncio.Event())

    def wake_all(self) -> None:
        """Answer the requests that are held open; for the end of the process."""
        self.closing = True
        for waiter in self._waiters.values():
            waiter.set()

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def _own_key(path: Path) -> SigningKey:
    """Return the hub's key, made at its first start."""
    if not path.exists():
        made = path.with_suffix(f".{os.getpid()}")
        made.touch(mode=0o600)
        made.write_bytes(SigningKey.make().private)
        with contextlib.suppress(FileExistsError):
            os.link(made, path)  # the first of two processes wins
        made.unlink()
    return SigningKey(path.read_bytes())
