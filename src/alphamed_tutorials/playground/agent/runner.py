"""What runs here: the children of this node's tasks, and that they are those which the hub says."""

import contextlib
import json
import logging
import os
import re
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import TutorialError
from ...runs.writing import write_json
from . import code
from .children import Child, Children, logs, number_of
from .holdings import Holdings, WrongState, own_public
from .hub_client import HubAway, HubRefused, sha256_of
from .service import Service, Services
from .witness import Witness

logger = logging.getLogger(__name__)
MOST_RESTARTS = 20  # in a row, without a new round
PAUSE = 0.2  # seconds before a child that died is started again
GRACE = 20  # seconds for a child to end by itself when it has heard that the task is finished
LATEST = 600  # seconds for it to hear that, where it was killed in the last round and has to do that again
AGGREGATOR = "aggregator"
NOT_ITS_CODE = "no line of the task's own"
NO_WORD, NO_TEXT = re.compile(r"[^\w.-]"), re.compile("[\x00-\x1f\x7f]")


class Runner:
    """All children of this node.

    Args:
        holdings: What is had of the tasks.
        witness: Whether the hub can be trusted with them.
        services: Where children ask.
        children: Starts them.
    """

    def __init__(self, holdings: Holdings, witness: Witness, services: Services, children: Children):
        self.holdings, self.witness, self.services, self.children = holdings, witness, services, children
        self.place, self.journal, self.keys = holdings.place, holdings.journal, holdings.keys
        self.running: dict[str, Run] = {}
        self.restarts: dict[tuple[str, int], int] = defaultdict(int)
        self.last_round: dict[tuple[str, int], int] = {}
        self.lock = threading.RLock()  # of what runs here
        self.verifying: set[str] = set()
        self.call_again: Callable[[str, float], None] = lambda task, seconds: None
        self.is_closing = False

    def reconcile(self, task: str) -> None:
        """Let run here what shall run here, and nothing else.

        Raises:
            HubAway: Nothing can be said now.
        """
        try:
            described = self.holdings.refresh(task)
        except HubRefused as error:
            if error.status in (404, 410):
                self.drop(task)
            return
        attempt, state = described["attempt"], described["state"]
        shall_run = state in ("running", "finished") and described["me"]["state"] == "joined"
        ended = self.journal.ended(task, attempt)
        with self.lock:
            run = self.running.get(task)
            if run and (run.attempt != attempt or not shall_run):
                run.finish()
            elif not run and shall_run and not ended and not self.is_closing:
                run = self._launch(described)
            if run and state == "finished":
                run.finish(GRACE if ended else LATEST)
        if state == "finished" and not run and ended and self.journal.is_done_with(task):
            self.journal.forget_talk(task)
            for name in ("files", "sealed"):
                shutil.rmtree(self.place.task(task) / name, ignore_errors=True)

    def drop(self, task: str) -> None:
        """Forget a task that was deleted: its child, its files, its key."""
        with self.lock:
            run = self.running.get(task)
            if run:
                run.finish()
        if run and run.child:
            run.child.is_ended.wait(5)
        described = self.journal.task(task)
        self.journal.forget_task(task)
        public = own_public(described) if described else None
        if public:
            self.keys.forget_box(public)
        shutil.rmtree(self.place.task(task), ignore_errors=True)

    def close(self) -> None:
        """Start nothing more."""
        with self.lock:
            self.is_closing = self.holdings.is_closing = True

    def _launch(self, described: dict[str, Any]) -> "Run | None":
        """Start the child of a task that runs, or whose end this node has not heard."""
        task, attempt = described["id"], described["attempt"]
        folder = self.place.attempt(task, attempt)
        try:
            self.witness.check_keys(described)
            self._prepare(described, folder)
        except TutorialError as error:
            if isinstance(error, HubAway):
                raise
            self.fail(task, attempt, {"kind": "failed", "text": str(error), "type": type(error).__name__})
            return None

        def tell(event: dict[str, Any]) -> None:
            self.told(task, attempt, event)

        service = Service(self.journal, self.holdings.files(task), described, folder, tell)
        base = self.services.add(service)
        me, settings = described["me"], dict(described.get("settings") or {})
        role = _role(described)
        assignment = {"kind": "train", "base": base, "attempt": attempt, "pseudonym": me["pseudonym"], "role": role}
        threads = self._assign(folder, task, assignment, settings)
        run = Run(attempt, role, service)
        self.running[task] = run
        limits = self.place.configuration.limits
        run.child = self.children.start(
            folder, limits, lambda child: self._over(task, run, child), limits.seconds, threads
        )
        return run

    def _assign(self, folder: Path, task: str, assignment: dict[str, Any], settings: dict[str, Any]) -> int:
        """Write what the child is to do; return the number of its threads."""
        limits, threads = self.place.configuration.limits, min(_whole(settings, "num_threads", 1), os.cpu_count() or 1)
        known = {
            "task": task,
            "name": self.place.configuration.name,
            "data": str(self.place.data),
            "seed": _whole(settings, "seed", 0),
            "num_threads": threads,
            "forbidden": [str(self.place.keys), str(self.place.token), *map(str, self._databases())],
            "limits": {"memory": limits.memory, "file": limits.disk, "processes": limits.processes},
        }
        write_json(folder / "child.json", {**known, **assignment})
        return threads

    def _databases(self) -> list[Path]:
        database = self.place.database
        return [database, *(database.with_name(database.name + end) for end in ("-wal", "-shm"))]

    def _prepare(self, described: dict[str, Any], folder: Path) -> None:
        """Make a child's folder, with the code that was approved."""
        if not (folder / "code").is_dir():
            self.unpack_approved(described, folder)

    def unpack_approved(self, described: dict[str, Any], folder: Path) -> None:
        """Make a child's folder anew, with the training code in it.

        Raises:
            WrongState: The code was not approved on this node.
        """
        content = self.holdings.code(described, "train")
        sha256 = sha256_of(content)
        if self.journal.approved(described["id"], "train") != sha256:
            raise WrongState(f"the training code {sha256[:12]} was not approved on this node: join the task again")
        code.check_training(content)
        _unpacked(content, folder)

    def verify(self, described: dict[str, Any], content: bytes) -> dict[str, Any]:
        """Run DatasetVerify in a child; whatever it does, there is a verdict and a reason.

        Raises:
            WrongState: It is running already.
        """
        with self._only_one(described["id"]):
            return self._verdict(described, content)

    def _verdict(self, described: dict[str, Any], content: bytes) -> dict[str, Any]:
        task = described["id"]
        number = 1 + max((number_of(each) for each in self.place.task(task).glob("verify-*")), default=0)
        folder = self.place.task(task) / f"verify-{number}"
        try:
            _unpacked(content, folder)
        except TutorialError as error:
            return {"ok": False, "reason": str(error), "log": ""}
        seconds = self.place.configuration.limits.verify_seconds
        verdict = self.ask_child(described, folder, {"kind": "verify"}, seconds, "the data verification")
        log = "".join(text for _, text in logs(folder))
        self.journal.record(task, None, {"kind": "verified", **verdict})
        return {**verdict, "log": log[-20_000:]}

    def ask_child(
        self, described: dict[str, Any], folder: Path, assignment: dict[str, Any], seconds: float, what: str
    ) -> dict[str, Any]:
        """Let a child work to its end; whatever it does, there is a verdict and a reason.

        Args:
            described: The task.
            folder: Where it works.
            assignment: What it is to do.
            seconds: How long it may take.
            what: What is ended where it takes more than it may.
        """
        known = {"role": _role(described), "pseudonym": described["me"]["pseudonym"]}
        self._assign(folder, described["id"], {**known, **assignment}, {})
        limits, over = self.place.configuration.limits, threading.Event()
        child = self.children.start(folder, limits, lambda _: over.set(), seconds)
        over.wait()
        try:
            found = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
            verdict = {"ok": bool(found["ok"]), "reason": str(found["reason"])}
        except (OSError, ValueError, KeyError, TypeError):
            end = child.reason or f"it ended without an answer ({_ending(child.process.returncode)})"
            verdict = {"ok": False, "reason": f"{what} was ended: {end}"}
        if child.reason and verdict["ok"]:
            verdict = {"ok": False, "reason": f"{what} was ended: {child.reason}"}
        return verdict

    def _over(self, task: str, run: "Run", child: Child) -> None:
        """See what is to be done when a child has ended."""
        self.services.remove(run.service)
        with self.lock:
            del self.running[task]
            attempt = run.attempt
            if run.is_late:
                self.journal.end(task, attempt, "finished")
            if run.was_ended or self.is_closing or self.journal.ended(task, attempt):
                self.call_again(task, 0)
                return
            status = child.process.returncode
            if child.reason:
                self._failed_here(task, attempt, f"the task's process was ended: {child.reason}", "LimitExceeded")
            elif status == 0 and run.role != AGGREGATOR:
                self.journal.end(task, attempt, "finished")
            elif status == 0:
                self._failed_here(
                    task, attempt, "the scheduler came to its end without finishing the task", "Unfinished"
                )
            elif self.restarts[task, attempt] >= MOST_RESTARTS:
                text = f"the task's process ended {MOST_RESTARTS} times in a row ({_ending(status)})"
                self._failed_here(task, attempt, text, "Restarts")
            else:
                self.restarts[task, attempt] += 1
                text = f"the task's process ended ({_ending(status)}) and is started again"
                self.journal.record(task, attempt, {"kind": "restart", "text": text})
                self.call_again(task, PAUSE)

    def _failed_here(self, task: str, attempt: int, text: str, kind: str) -> None:
        self.fail(task, attempt, {"kind": "failed", "text": text, "type": kind})

    def told(self, task: str, attempt: int, event: dict[str, Any]) -> None:
        """Take what a child says of its work."""
        if event["kind"] == "failed":
            self.fail(task, attempt, event)
            return
        self.journal.record(task, attempt, event)
        number = event.get("round")
        if event["kind"] in ("started", "round_started", "round_done") and isinstance(number, int):
            if number > self.last_round.get((task, attempt), 0):
                self.last_round[task, attempt] = number
                self.restarts[task, attempt] = 0
            report = {name: event[name] for name in ("round", "rounds") if isinstance(event.get(name), int)}
            self.journal.queue(task, {"kind": "report", "attempt": attempt, **report})

    def fail(self, task: str, attempt: int, event: dict[str, Any]) -> None:
        """Let a task fail: what it said stays here, others learn the file of the task's code, the line and the type."""
        file, line = event.get("file"), event.get("line")
        where = {
            "file": NO_TEXT.sub("?", str(file)).lstrip("/")[-300:] if file else NOT_ITS_CODE,
            "line": line if isinstance(line, int) and line >= 0 else 0,
            "kind": NO_WORD.sub("-", str(event.get("type") or "Exception"))[:80],
        }
        report: dict[str, Any] = {"kind": "report", "state": "failed", "attempt": attempt, "where": where}
        if isinstance(event.get("round"), int):
            report["round"] = event["round"]
        with self.journal.transaction():
            self.journal.end(task, attempt, "failed")
            self.journal.record(task, attempt, event)
            self.journal.queue(task, report)

    @contextlib.contextmanager
    def _only_one(self, task: str) -> Any:
        with self.lock:
            if task in self.verifying:
                raise WrongState("the data verification of this task is running already")
            self.verifying.add(task)
        try:
            yield
        finally:
            self.verifying.discard(task)


class Run:
    """A child at work.

    Attributes:
        attempt: The task's.
        role: The node's.
        service: Where the child asks.
        child: The process.
        was_ended: Whether it was ended because it shall not run any more.
        is_late: Whether that was because it did not end by itself.
    """

    def __init__(self, attempt: int, role: str, service: Service):
        self.attempt, self.role, self.service = attempt, role, service
        self.child: Child | None = None
        self.was_ended = self.is_late = False
        self._seconds = float("inf")

    def finish(self, seconds: float = 0) -> None:
        """End the child, after some time in which it may end by itself."""
        if self.child is None or seconds >= self._seconds:
            return
        self._seconds = seconds
        if seconds:
            timer = threading.Timer(seconds, self._end, [True])
            timer.daemon = True
            timer.start()
        else:
            self._end()

    def _end(self, is_late: bool = False) -> None:
        if self.child is None or self.child.is_ended.is_set():
            return  # its number may be another process's by now
        self.was_ended, self.is_late = True, is_late or self.is_late
        self.child.end()


def _unpacked(content: bytes, folder: Path) -> None:
    """Make a folder with the code in it, or none."""
    aside = folder.with_name(f".{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    (aside / "code").mkdir(parents=True)
    code.unpack(content, aside / "code")
    aside.rename(folder)


def _role(described: dict[str, Any]) -> str:
    """Return this node's role as the child knows it."""
    return AGGREGATOR if described["role"] == AGGREGATOR else "owner"


def _whole(settings: dict[str, Any], name: str, default: int) -> int:
    """Return a number that the initiator set."""
    value = settings.get(name)
    return value if isinstance(value, int) and value >= default else default


def _ending(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"exit code {status}"
