"""The threads between this node and the hub: what goes out, what comes in, and what has to be done about it.

Each begins anew where it was, whenever the hub or this process comes back.
"""

import json
import logging
import queue
import re
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import TutorialError
from ...runs.writing import write_whole
from ..sealing import seal, seal_file, unseal
from .holdings import Holdings
from .hub_client import HubAway, HubRefused
from .runner import Runner
from .service import FINISH, INSIDE, RESULT
from .witness import Witness

logger = logging.getLogger(__name__)
HELD = 20  # seconds that the hub holds a question for new entries
SHORTEST, LONGEST = 0.1, 5.0  # seconds between two tries
LOOK = 10  # seconds between two looks at the hub's log while a task runs
DONE = object()  # what a thread's work returns when there is no more of it
TOO_LATE = (404, 410)  # the task was deleted, or the attempt is over
NO_WORD = re.compile(r"[^\w.-]")
OWN_NAME = {  # where a message says who sent it
    "apply_sf_sending_data": "source", "accept_sf_sending_data": "receiver", "deny_sending_data": "rejecter",
    "checkin": "peer_id", "sync_state_response": "peer_id",
}  # fmt: skip


class Courier:
    """All threads of one node.

    Attributes:
        hub_is_away: Why the hub could not be reached last; empty where it could.
    """

    def __init__(self, holdings: Holdings, runner: Runner, witness: Witness):
        self.holdings, self.runner, self.witness = holdings, runner, witness
        self.journal, self.hub = holdings.journal, holdings.hub
        self.is_closing = threading.Event()
        self.to_see: queue.Queue[tuple[str, float] | None] = queue.Queue()
        self.senders: dict[str, threading.Thread] = {}
        self.hub_is_away = ""
        runner.call_again = self.see

    def start(self) -> None:
        """Start the threads."""
        for task in self.journal.tasks():
            self.see(task["id"])
        for work in (self._receive, self._dispatch, self._keep, self._fetch_results, self._look):
            threading.Thread(target=self._run, args=(work.__name__, work), name=work.__name__, daemon=True).start()

    def close(self) -> None:
        """Let the threads end."""
        self.is_closing.set()
        self.to_see.put(None)
        self.journal.queued.ring()

    def see(self, task: str, seconds: float = 0) -> None:
        """Have it looked at soon what of a task shall run here."""
        self.to_see.put((task, time.monotonic() + seconds))

    def _run(self, name: str, work: Callable[[], Any]) -> None:
        """Work in a thread, also after an error that nobody thought of: a node that no longer listens is worse."""
        while not self.is_closing.is_set():
            try:
                if work() is DONE:
                    return
            except Exception:
                if not self.is_closing.is_set():
                    logger.exception("%s goes on after an error", name)
                    self.is_closing.wait(1)

    def _until_reached(self, ask: Callable[[], Any]) -> Any:
        """Ask the hub again and again until it answers; None when the agent is closing."""
        pause = SHORTEST
        while not self.is_closing.is_set():
            try:
                answer = ask()
            except (HubAway, HubRefused) as error:
                if isinstance(error, HubRefused) and error.status not in (401, 403):
                    raise
                if not self.hub_is_away:
                    logger.warning("%s", error)
                self.hub_is_away = str(error)
                self.is_closing.wait(pause)
                pause = min(2 * pause, LONGEST)
            else:
                self.hub_is_away = ""
                return answer
        return None

    # What comes

    def _receive(self) -> None:
        while not self.is_closing.is_set():
            after = self.journal.last_seen
            answer = self._until_reached(partial(self.hub.get, "/v1/inbox", timeout=HELD + 10, after=after, wait=HELD))
            if not answer:
                continue
            seen: set[str] = set()
            for entry in answer["entries"]:
                self._take(entry)
                if entry["kind"] == "control":
                    seen.add(entry["task"])
            for task in seen:
                self.see(task)

    def _take(self, entry: dict[str, Any]) -> None:
        """Keep one entry, with its number, so that it is taken once."""
        with self.journal.transaction():
            if entry["kind"] == "message":
                try:
                    self._take_message(entry)
                except HubAway:
                    raise  # it is taken when the hub can say whose it is
                except (TutorialError, ValueError, KeyError, TypeError) as error:
                    text = f"a message of {entry.get('from')} was dropped: {error}"
                    logger.warning("task %s: %s", entry["task"], text)
                    self.journal.record(entry["task"], None, {"kind": "dropped", "text": text})
            elif entry.get("control") == "start":
                self.journal.reopen(entry["task"])
            self.journal.seen(entry["seq"])

    def _take_message(self, entry: dict[str, Any]) -> None:
        task, sender = entry["task"], entry["from"]
        message = json.loads(unseal(b64decode(entry["sealed"]), self.holdings.own_box(task)))
        title, content = message["title"], message["content"]
        named = content.get(OWN_NAME.get(content.get("type"), ""), sender)
        if named != sender:
            raise TutorialError(f"it claims to come from {named}")
        if title == INSIDE:
            self.journal.receive(task, entry["attempt"], entry["channel"], content, entry["seq"])
            run = self.runner.running.get(task)
            if run and run.attempt == entry["attempt"]:
                run.service.came(sender, content)
            self.journal.arrived.ring()
        elif title == RESULT:
            self.journal.expect_result(task, content)

    # What goes

    def _dispatch(self) -> None:
        """Have a thread for each task that has something to send: one that sends much holds up no other."""
        while not self.is_closing.is_set():
            rings = self.journal.queued.rings
            for task in self.journal.waiting():
                if task not in self.senders or not self.senders[task].is_alive():
                    work = partial(self._send_all, task)
                    sender = threading.Thread(target=self._run, args=("send", work), name="send", daemon=True)
                    self.senders[task] = sender
                    sender.start()
            self.senders = {task: thread for task, thread in self.senders.items() if thread.is_alive()}
            self.journal.queued.wait(rings, 1)

    def _send_all(self, task: str) -> object:
        """Send what waits, in its order, and wait a while for more."""
        while not self.is_closing.is_set():
            rings = self.journal.queued.rings
            first = self.journal.first_queued(task)
            if first is None:
                if self.journal.queued.rings == rings:
                    self.journal.queued.wait(rings, LONGEST)
                if self.journal.first_queued(task) is None and self.journal.queued.rings == rings:
                    return DONE
                continue
            number, body = first
            try:
                self._until_reached(partial(self._send, task, body))
            except (TutorialError, OSError) as error:
                if getattr(error, "status", 0) not in TOO_LATE:
                    self._give_up(task, body, error)
                self.see(task)
            if not self.is_closing.is_set():
                self.journal.sent(number)
                self._forget_sealed(task, body.get("files", ()))
        return DONE

    def _give_up(self, task: str, body: dict[str, Any], error: Exception) -> None:
        """Let a task fail that would wait for ever for what cannot be sent."""
        text = f"{body.get('title') or body['kind']} could not be sent: {error}"
        logger.warning("task %s: %s", task, text)
        self.journal.record(task, body.get("attempt"), {"kind": "dropped", "text": text})
        if body["kind"] == "message":
            self.runner.fail(task, body["attempt"], {"kind": "failed", "text": text, "type": "NotSent"})

    def _send(self, task: str, body: dict[str, Any]) -> bool:
        """Send one message with its files, or one report."""
        if body["kind"] == "report":
            self.hub.post(f"/v1/tasks/{task}/report", {name: body[name] for name in body if name != "kind"})
            return True
        keys = self.witness.box_keys(task, body["to"])
        for transfer, file in body["files"].items():
            self._send_file(task, transfer, file, list(keys.values()))
        title, content = body["title"], body["content"]
        plain = json.dumps({"title": title, "content": content}).encode()
        message = {
            "id": body["id"], "to": body["to"], "channel": body["channel"], "title": title,
            "type": NO_WORD.sub("-", str(content.get("type") or ""))[:80], "attempt": body["attempt"],
            "round": content["round"] if isinstance(content.get("round"), int) else None,
            "sealed": {member: b64encode(seal(plain, key)).decode() for member, key in keys.items()},
        }  # fmt: skip
        if title == FINISH:
            message["result"] = bool(content.get("result"))
        self.hub.post(f"/v1/tasks/{task}/messages", message)
        return True

    def _send_file(self, task: str, transfer: str, file: str, keys: list[bytes]) -> None:
        """Seal a file for its receivers and give it to the hub; sealed once, so that it may be sent twice."""
        source, sealed = self.holdings.files(task).get(file), self._sealed(task, transfer)
        hashed = sealed.with_suffix(".sha256")
        if not hashed.exists():
            with open(source, "rb") as plain, open(sealed, "wb") as target:
                sha256 = seal_file(plain, target, keys, context=transfer.encode())
            write_whole(hashed, sha256)
        self.hub.put_file(f"/v1/tasks/{task}/files/{transfer}", sealed, hashed.read_bytes())

    def _forget_sealed(self, task: str, transfers: Iterable[str]) -> None:
        """Remove what was sealed, when it is certain that it is not sent again: sealed again, it would be another file."""
        for transfer in transfers:
            for file in (self._sealed(task, transfer), self._sealed(task, transfer).with_suffix(".sha256")):
                file.unlink(missing_ok=True)

    def _sealed(self, task: str, transfer: str) -> Path:
        """Return where a file lies that is sealed for others, until they can have it."""
        folder = self.holdings.place.task(task) / "sealed"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / transfer

    def _fetch_results(self) -> None:
        """Put the report and the model into their place, as they become known."""
        while not self.is_closing.is_set():
            rings = self.journal.queued.rings
            for row in self.journal.expected_results():
                try:
                    self.holdings.files(row["task"]).copy(
                        row["file"], self.holdings.place.results(row["task"]) / row["result"]
                    )
                except TutorialError as error:
                    if isinstance(error, HubAway):
                        break
                    event = {"kind": "dropped", "text": f"{row['result']} was not received: {error}"}
                    self.journal.record(row["task"], None, event)
                self.journal.has_result(row["file"])
                self.see(row["task"])
            self.journal.queued.wait(rings, LONGEST)

    # What has to be done

    def _keep(self) -> None:
        """See to it that what runs here is what shall run, whenever something changed."""
        asked = self.to_see.get()
        if asked is None:
            return
        task, at = asked
        time.sleep(max(0.0, min(at - time.monotonic(), LONGEST)))
        try:
            self.runner.reconcile(task)
        except HubAway:
            self.is_closing.wait(SHORTEST)
            if self.to_see.empty():
                self.is_closing.wait(1)
            self.see(task)
        else:
            self.witness.look(task)

    def _look(self) -> None:
        """Look at the log of each task that runs."""
        while not self.is_closing.wait(LOOK):
            for task in self.journal.tasks():
                if task["state"] == "running":
                    self.witness.look(task["id"])
