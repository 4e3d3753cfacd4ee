"""What a node must not forget: what came for its children, what is to go out, and the tape of each child's talk.

One SQLite file, one connection. What belongs together is written in one transaction, so that the agent may be killed at
any moment: a message is on the tape when the child has it, and in the outbox when the child was told that it is sent.

The tape holds, in the order of a child's life, what it popped, pushed and uploaded. A child that starts again goes back
to a position: what was recorded after it is *replayed*, and takes new positions as it is, so that a second death in the
middle of it finds everything in order again.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..schema import open_database, transaction
from .files import MARK

RESULTS = {"report": "report.zip", "model": "model.pt"}  # the SDK's file types

MIGRATIONS = (
    """
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
    INSERT INTO counters VALUES ('inbox', 0), ('tape', 0);
    CREATE TABLE tasks (id TEXT PRIMARY KEY, description TEXT NOT NULL, approved_verify TEXT, approved_train TEXT);
    CREATE TABLE ends (task TEXT, attempt INTEGER, how TEXT NOT NULL, PRIMARY KEY (task, attempt));
    CREATE TABLE inbox (
        id INTEGER PRIMARY KEY, seq INTEGER UNIQUE, task TEXT NOT NULL, attempt INTEGER, channel TEXT, content TEXT
    );
    CREATE INDEX inbox_by_task ON inbox (task, attempt, channel, id);
    CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, body TEXT NOT NULL);
    CREATE TABLE downloads (file TEXT PRIMARY KEY, task TEXT NOT NULL, result TEXT NOT NULL);
    CREATE TABLE tape (
        position INTEGER PRIMARY KEY, task TEXT NOT NULL, attempt INTEGER NOT NULL, is_pop INTEGER NOT NULL,
        key TEXT NOT NULL, answer TEXT NOT NULL, replay INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX tape_by_task ON tape (task, attempt, replay, is_pop, position);
    CREATE TABLE events (id INTEGER PRIMARY KEY, task TEXT NOT NULL, attempt INTEGER, event TEXT NOT NULL);
    CREATE INDEX events_by_task ON events (task, id);
    CREATE TABLE heads (task TEXT, size INTEGER, head TEXT NOT NULL, PRIMARY KEY (task, size));
    CREATE TABLE leaves (task TEXT, number INTEGER, leaf BLOB NOT NULL, PRIMARY KEY (task, number)) WITHOUT ROWID;
    """,
)
OF_A_TASK = ("tasks", "ends", "inbox", "outbox", "downloads", "tape", "events")  # the heads stay


class Journal:
    """The node's database.

    Attributes:
        arrived: Notified when something is there to pop.
        queued: Notified when something is there to send.
    """

    def __init__(self, file: Path):
        self.connection = open_database(file, MIGRATIONS, check_same_thread=False)
        self.lock = threading.RLock()
        self.arrived, self.queued = Bell(), Bell()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write several things, all or none."""
        with self.lock:
            if self.connection.in_transaction:  # a part of a greater one
                yield self.connection
            else:
                with transaction(self.connection):
                    yield self.connection

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Return what a query finds."""
        with self.lock:
            return self.connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self.connection.close()

    # Tasks, as the hub described them last

    def tasks(self) -> list[dict[str, Any]]:
        """Return all tasks that this node knows."""
        return [json.loads(row["description"]) for row in self.rows("SELECT description FROM tasks ORDER BY rowid")]

    def task(self, task: str) -> dict[str, Any] | None:
        """Return a task."""
        found = self.rows("SELECT description FROM tasks WHERE id = ?", task)
        return json.loads(found[0]["description"]) if found else None

    def keep_task(self, description: dict[str, Any]) -> None:
        """Keep what the hub says of a task; nothing is written where it says what it said before."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO tasks (id, description) VALUES (?, ?) "
                "ON CONFLICT (id) DO UPDATE SET description = excluded.description "
                "WHERE description != excluded.description",
                (description["id"], json.dumps(description)),
            )

    def approve(self, task: str, kind: str, sha256: str) -> None:
        """Remember that the operator let this code run."""
        with self.transaction() as connection:
            connection.execute(f"UPDATE tasks SET approved_{kind} = ? WHERE id = ?", (sha256, task))

    def approved(self, task: str, kind: str) -> str | None:
        """Return the hash of the code that the operator let run."""
        found = self.rows(f"SELECT approved_{kind} FROM tasks WHERE id = ?", task)
        return found[0][0] if found else None

    def forget_task(self, task: str) -> None:
        """Drop all that is kept of a task, but its heads."""
        with self.transaction() as connection:
            for table in OF_A_TASK:
                connection.execute(f"DELETE FROM {table} WHERE {'id' if table == 'tasks' else 'task'} = ?", (task,))

    def is_done_with(self, task: str) -> bool:
        """Return whether nothing of a task is to be sent or fetched any more."""
        return not self.rows(
            "SELECT 1 FROM outbox WHERE task = ? UNION SELECT 1 FROM downloads WHERE task = ?", task, task
        )

    def forget_talk(self, task: str) -> None:
        """Drop what a task's child said and would have to hear, when it will not start again."""
        with self.transaction() as connection:
            for table in ("tape", "inbox"):
                connection.execute(f"DELETE FROM {table} WHERE task = ?", (task,))

    def end(self, task: str, attempt: int, how: str) -> None:
        """Remember how a child's work ended: it is not started again."""
        with self.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO ends VALUES (?, ?, ?)", (task, attempt, how))

    def ended(self, task: str, attempt: int) -> str | None:
        """Return how the work on an attempt ended, if it did."""
        found = self.rows("SELECT how FROM ends WHERE task = ? AND attempt = ?", task, attempt)
        return found[0]["how"] if found else None

    def reopen(self, task: str) -> None:
        """Let the work go on that had failed: the task was started again."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM ends WHERE task = ? AND how = 'failed'", (task,))

    # Inbox

    @property
    def last_seen(self) -> int:
        """The number of the last entry of the hub's inbox that is kept here."""
        return int(self.rows("SELECT value FROM counters WHERE name = 'inbox'")[0]["value"])

    def seen(self, seq: int) -> None:
        """Acknowledge the hub's entries up to this one; in the transaction that keeps them."""
        self.connection.execute("UPDATE counters SET value = max(value, ?) WHERE name = 'inbox'", (seq,))

    def receive(self, task: str, attempt: int, channel: str, content: dict[str, Any], seq: int | None = None) -> None:
        """Keep a message for the child; one that came before is dropped."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO inbox (seq, task, attempt, channel, content) VALUES (?, ?, ?, ?, ?)",
                (seq, task, attempt, channel, json.dumps(content)),
            )

    def take(self, task: str, attempt: int, channel: str) -> dict[str, Any] | None:
        """Return the next message for a child, and drop it."""
        with self.transaction() as connection:
            found = self.rows(
                "SELECT id, content FROM inbox WHERE task = ? AND attempt = ? AND channel = ? ORDER BY id LIMIT 1",
                task, attempt, channel,
            )  # fmt: skip
            if not found:
                return None
            connection.execute("DELETE FROM inbox WHERE id = ?", (found[0]["id"],))
        content: dict[str, Any] = json.loads(found[0]["content"])
        return content

    # Results: files that are to be kept by name

    def expect_result(self, task: str, content: dict[str, Any]) -> None:
        """Remember that a message named the report or the model."""
        result, file = RESULTS.get(str(content.get("file_type"))), str(content.get("file_url"))
        if result and file.startswith(MARK):
            with self.transaction() as connection:
                connection.execute(
                    "INSERT OR REPLACE INTO downloads VALUES (?, ?, ?)", (file.removeprefix(MARK), task, result)
                )
            self.queued.ring()

    def expected_results(self) -> list[sqlite3.Row]:
        """Return the results that are not in their place yet."""
        return self.rows("SELECT file, task, result FROM downloads")

    def has_result(self, file: str) -> None:
        """Forget a result that is in its place."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM downloads WHERE file = ?", (file,))

    # Outbox

    def queue(self, task: str, body: dict[str, Any]) -> None:
        """Put something in the queue for the hub."""
        with self.transaction() as connection:
            connection.execute("INSERT INTO outbox (task, body) VALUES (?, ?)", (task, json.dumps(body)))
        self.queued.ring()

    def first_queued(self, task: str) -> tuple[int, dict[str, Any]] | None:
        """Return what is to be sent next for a task."""
        found = self.rows("SELECT id, body FROM outbox WHERE task = ? ORDER BY id LIMIT 1", task)
        return (found[0]["id"], json.loads(found[0]["body"])) if found else None

    def waiting(self) -> dict[str, int]:
        """Return how much waits to be sent, for each task where something does."""
        return {row["task"]: row["n"] for row in self.rows("SELECT task, count(*) AS n FROM outbox GROUP BY task")}

    def sent(self, number: int) -> None:
        """Drop what was sent."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM outbox WHERE id = ?", (number,))

    def files_to_send(self, task: str) -> set[str]:
        """Return the files that messages in the queue name."""
        found = self.rows("SELECT body FROM outbox WHERE task = ?", task)
        return {file for row in found for file in json.loads(row["body"]).get("files", {}).values()}

    # Events

    def record(self, task: str, attempt: int | None, event: dict[str, Any]) -> None:
        """Keep an event for the operator, with the time; one that a child tells may bring its own."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO events (task, attempt, event) VALUES (?, ?, ?)",
                (task, attempt, json.dumps({"time": time.time(), **event})),
            )

    def events(self, task: str, after: int = 0) -> list[dict[str, Any]]:
        """Return a task's events, each with its number."""
        found = self.rows("SELECT id, attempt, event FROM events WHERE task = ? AND id > ? ORDER BY id", task, after)
        return [{"number": row["id"], "attempt": row["attempt"], **json.loads(row["event"])} for row in found]


class Bell:
    """Wakes those that wait for something new."""

    def __init__(self) -> None:
        self.condition, self.rings = threading.Condition(), 0

    def ring(self) -> None:
        """Wake all that wait."""
        with self.condition:
            self.rings += 1
            self.condition.notify_all()

    def wait(self, rings: int, seconds: float) -> None:
        """Wait until it rings again after the given number of rings."""
        with self.condition:
            self.condition.wait_for(lambda: self.rings != rings, seconds)
