"""The tape of one child's talk with its agent, and what of it is still to be said again."""

import json
import logging
from typing import Any

from .journal import Journal

logger = logging.getLogger(__name__)


class Tape:
    """What a task's child popped, pushed and uploaded in one attempt.

    All methods that change it are called within the journal's transaction of what they record.
    """

    def __init__(self, journal: Journal, task: str, attempt: int):
        self.journal, self.task, self.attempt = journal, task, attempt

    def record(self, is_pop: bool, key: str, answer: dict[str, Any]) -> None:
        """Append what just happened."""
        with self.journal.transaction() as connection:
            connection.execute(
                "INSERT INTO tape (position, task, attempt, is_pop, key, answer) VALUES (?, ?, ?, ?, ?, ?)",
                (self._next_position(), self.task, self.attempt, is_pop, key, json.dumps(answer)),
            )

    def mark(self) -> int:
        """Return the position of what comes next."""
        return int(self.journal.rows("SELECT value FROM counters WHERE name = 'tape'")[0]["value"])

    def rewind(self, position: int) -> int:
        """Go back: what was recorded after the position, and what was still to be replayed, comes again.

        Returns:
            How much that is.
        """
        with self.journal.transaction() as connection:
            again = self.journal.rows(
                "SELECT position FROM tape WHERE task = ? AND attempt = ? AND (replay OR position > ?) "
                "ORDER BY replay, position",
                self.task, self.attempt, position,
            )  # fmt: skip
            for row in again:
                connection.execute(
                    "UPDATE tape SET position = ?, replay = 1 WHERE position = ?",
                    (self._next_position(), row["position"]),
                )
        return len(again)

    def replay_pop(self, channel: str) -> dict[str, Any] | None:
        """Return the next message that was popped before; None where there is none left."""
        row = self._first(is_pop=True, key=channel)
        return self._again(row) if row else None

    def replay_send(self, key: str) -> dict[str, Any] | None:
        """Return what the same push or upload was answered before; None where it is to be done now.

        Where the child says something else than before, it has left the old way: the rest of what it said is dropped.
        """
        row = self._first(is_pop=False)
        if row is None:
            return None
        if row["key"] == key:
            return self._again(row)
        logger.warning("task %s: after its restart the child says %r where it said %r", self.task, key, row["key"])
        with self.journal.transaction() as connection:
            connection.execute(
                "DELETE FROM tape WHERE task = ? AND attempt = ? AND replay AND NOT is_pop", (self.task, self.attempt)
            )
        return None

    def cut(self, position: int) -> set[str]:
        """Forget what is before a position to which nobody will go back.

        Returns:
            The files that were named there and nowhere later.
        """
        with self.journal.transaction() as connection:
            old = self._named("position <= ? AND NOT replay", position)
            connection.execute(
                "DELETE FROM tape WHERE task = ? AND attempt = ? AND position <= ? AND NOT replay",
                (self.task, self.attempt, position),
            )
            return old - self._named("1 = 1")

    def _named(self, condition: str, *values: Any) -> set[str]:
        """Return the files that answers on the tape name."""
        query = f"SELECT answer FROM tape WHERE task = ? AND attempt = ? AND {condition}"
        return {
            file
            for row in self.journal.rows(query, self.task, self.attempt, *values)
            for file in json.loads(row["answer"]).get("files", [])
        }

    def _first(self, is_pop: bool, key: str | None = None) -> Any:
        found = self.journal.rows(
            "SELECT position, key, answer FROM tape WHERE task = ? AND attempt = ? AND replay AND is_pop = ? "
            "AND (? IS NULL OR key = ?) ORDER BY position LIMIT 1",
            self.task, self.attempt, is_pop, key, key,
        )  # fmt: skip
        return found[0] if found else None

    def _again(self, row: Any) -> dict[str, Any]:
        with self.journal.transaction() as connection:
            connection.execute(
                "UPDATE tape SET position = ?, replay = 0 WHERE position = ?", (self._next_position(), row["position"])
            )
        answer: dict[str, Any] = json.loads(row["answer"])
        return answer

    def _next_position(self) -> int:
        return int(
            self.journal.rows("UPDATE counters SET value = value + 1 WHERE name = 'tape' RETURNING value")[0]["value"]
        )
