"""This node's own memory of the hub's logs: what was once seen in them cannot be changed unnoticed."""

import json
import logging
import threading
from dataclasses import asdict
from typing import Any

from ...errors import TutorialError
from .hub_client import HubAway, HubClient, HubRefused
from .journal import Journal
from .keys import Keys

SHORTER = 409  # the log has fewer records than were asked about
logger = logging.getLogger(__name__)


class Witness:
    """Keeps the heads of the hub's logs, and the hash of every record."""

    def __init__(self, journal: Journal, hub: HubClient, keys: Keys):
        self.journal, self.hub, self.keys = journal, hub, keys
        self.lock = threading.Lock()

    def look(self, task: str) -> None:
        """Ask for the head of a task's log, and raise the alarm where it does not go on from the last one."""
        from ..audit import AuditFailed

        try:
            with self.lock:
                self._look(task)
        except (HubAway, HubRefused):
            return  # nothing was seen
        except AuditFailed as error:
            logger.error("task %s: %s", task, error)
            told = [event["text"] for event in self.journal.events(task) if event["kind"] == "alarm"]
            if str(error) not in told:
                self.journal.record(task, None, {"kind": "alarm", "text": str(error)})

    def _look(self, task: str) -> None:
        from ..audit import check_growth, check_head

        kept = self.heads(task)
        since = kept[-1].size if kept else 0
        try:
            head, answer = self._head(task, since)
        except HubRefused as error:
            if error.status != SHORTER:
                raise
            head, answer = self._head(task, 0)
        check_head(head, self._hub_key)
        if kept and asdict(kept[-1]) | {"time": "", "signature": ""} != asdict(head) | {"time": "", "signature": ""}:
            check_growth(kept[-1], head, answer.get("consistency"))
        self._keep(task, head)

    def audit(self, task: str) -> dict[str, Any]:
        """Compare a whole log with all that this node has seen of it, and return it in words."""
        from ..audit import Tree, audit, timeline

        with self.lock:
            kept, leaves = self.heads(task), self._leaves(task)
            head, _ = self._head(task, 0)
            records = self._records(task)
            found = audit(records, head, kept, self._hub_key, leaves)
            if not found.faults:
                self._keep(task, head)
                with self.journal.transaction() as connection:
                    connection.executemany(
                        "INSERT OR IGNORE INTO leaves VALUES (?, ?, ?)",
                        [(task, number, leaf) for number, leaf in enumerate(Tree(records).leaves)],
                    )
        return {**asdict(found), "is_sound": not found.faults, "timeline": timeline(records), "records": records}

    def heads(self, task: str) -> list[Any]:
        """Return the heads that are kept of a task's log, the smallest first."""
        from ..audit import Head

        found = self.journal.rows("SELECT head FROM heads WHERE task = ? ORDER BY size", task)
        return [Head(**json.loads(row["head"])) for row in found]

    def _head(self, task: str, since: int) -> tuple[Any, dict[str, Any]]:
        from ..audit import Head

        answer = self.hub.get(f"/v1/tasks/{task}/audit/head", since=since)
        return Head.read(task, answer), answer

    def _records(self, task: str) -> list[str]:
        """Return all records that the hub gives."""
        records: list[str] = []
        while more := self.hub.get(f"/v1/tasks/{task}/audit", after=len(records))["events"]:
            records += more
        return records

    def _leaves(self, task: str) -> list[bytes]:
        return [
            row["leaf"] for row in self.journal.rows("SELECT leaf FROM leaves WHERE task = ? ORDER BY number", task)
        ]

    def _keep(self, task: str, head: Any) -> None:
        with self.journal.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO heads VALUES (?, ?, ?)", (task, head.size, json.dumps(asdict(head)))
            )

    @property
    def _hub_key(self) -> bytes:
        if self.keys.hub is None:
            raise TutorialError("this node was not admitted to a hub yet: start its agent with an invitation")
        return self.keys.hub
