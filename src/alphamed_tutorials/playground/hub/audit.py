"""The hub's logs: one a task, and `hub` for admissions and refusals. Records are added, never changed."""

import sqlite3
from datetime import UTC, datetime
from typing import Any

from ..audit import Head, Tree, canonical
from ..signing import SigningKey

HUB = "hub"


class Logs:
    """All logs of a hub. A Merkle tree is built when its head is asked for, from there on only further."""

    def __init__(self, database: sqlite3.Connection, key: SigningKey) -> None:
        self._database = database
        self._key = key
        self._trees: dict[str, Tree] = {}

    def add(self, log: str, event: str, **parts: Any) -> None:
        """Write a record, in the same transaction as what it records."""
        record = canonical({"time": now(), "event": event, **parts})
        self._database.execute(
            "INSERT INTO events SELECT ?1, coalesce(max(number), 0) + 1, ?2 FROM events WHERE log = ?1", (log, record)
        )

    def records(self, log: str, after: int, count: int) -> list[str]:
        """Return records in their order, from the one behind number `after` on."""
        query = "SELECT record FROM events WHERE log = ? AND number > ? ORDER BY number LIMIT ?"
        return [record for (record,) in self._database.execute(query, (log, after, count))]

    def head(self, log: str) -> Head:
        """Return the log's head as it is now, signed."""
        tree = self._tree(log)
        head = Head(log, tree.get_size(), tree.get_root().hex(), now())
        return Head(head.log, head.size, head.root, head.time, self._key.sign_bytes(head.signed).hex())

    def proof(self, log: str, since: int, size: int) -> dict[str, Any]:
        """Return the proof that the log with `size` records begins with the one that had `since`."""
        return self._tree(log).prove_consistency(since, size).serialize()

    def forget(self, log: str) -> None:
        """Free the tree of a log that will hardly be asked for again."""
        self._trees.pop(log, None)

    def _tree(self, log: str) -> Tree:
        tree = self._trees.setdefault(log, Tree())
        while records := self.records(log, tree.get_size(), 10_000):
            tree.append_entries(records)
        return tree


def now() -> str:
    """Return the time as it is written everywhere: UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
