"""What the operator of this node asks of its tasks: make and find them, look at code, verify, join, start, take home."""

from base64 import b64encode
from pathlib import Path
from typing import Any

from . import code
from .children import logs, number_of
from .holdings import Holdings, own_public
from .hub_client import HubAway, HubRefused, sha256_of
from .runner import Runner


class Tasks:
    """All tasks of this node, as its operator sees them.

    Args:
        holdings: What is had of them.
        runner: What of them runs here.

    Attributes:
        running: The children at work, by task.
        verifying: The tasks whose data verification runs now.
    """

    def __init__(self, holdings: Holdings, runner: Runner):
        self.holdings, self.runner = holdings, runner
        self.place, self.journal, self.hub, self.keys = holdings.place, holdings.journal, holdings.hub, holdings.keys
        self.refresh = holdings.refresh
        self.running, self.verifying = runner.running, runner.verifying

    def create(self, name: str, description: str, nodes: list[str], settings: dict[str, Any]) -> dict[str, Any]:
        """Make a task whose initiator is this node."""
        public = self.keys.new_box()
        body = {"name": name, "description": description, "nodes": nodes, "settings": settings}
        try:
            created = self.hub.post("/v1/tasks", {**body, "box_key": b64encode(public).decode()})
        except HubRefused:
            self.keys.forget_box(public)
            raise
        self.journal.keep_task(created)
        return dict(created)

    def find(self, search: str = "") -> list[dict[str, Any]]:
        """Return the tasks of this node, those whose name or description has the text."""
        return list(self.hub.get("/v1/tasks", search=search))

    def show(self, task: str) -> dict[str, Any]:
        """Return a task, and how it stands on this node."""
        try:
            described = self.refresh(task)
        except HubAway as error:
            described = self.journal.task(task) or {}
            if not described:
                raise
            described["hub_is_away"] = str(error)
        run = self.running.get(task)
        here = {
            "approved": {kind: self.journal.approved(task, kind) for kind in ("verify", "train")},
            "ended": self.journal.ended(task, described["attempt"]),
            "is_running": run is not None,
            "exchange": {"since": run.service.round_since, "answers": dict(run.service.answers)} if run else None,
            "waiting_to_be_sent": self.journal.waiting().get(task, 0),
            "results": sorted(path.name for path in self.results(task).glob("[!.]*")),
        }
        failed = [event for event in self.journal.events(task) if event["kind"] in ("failed", "alarm")]
        failed = [event for event in failed if event["attempt"] is None or event["attempt"] >= described["attempt"]]
        return {**described, "here": here, "failures": failed[-3:]}

    def put_code(self, task: str, kind: str, content: bytes) -> dict[str, Any]:
        """Give a task its code; what this node's operator gives is approved on this node."""
        if kind == "train":
            code.check_training(content)
        elif kind == "verify":
            code.contents(content)  # an archive that would not be unpacked is refused here, not on every node
        self.hub.put(f"/v1/tasks/{task}/code/{kind}", content)
        described = self.refresh(task)
        if kind in ("verify", "train"):
            self.journal.approve(task, kind, sha256_of(content))
        return described

    def code(self, task: str, kind: str) -> dict[str, Any]:
        """Return what a task's code consists of, and its hash, which approves it."""
        content = self.holdings.code(self.refresh(task), kind)
        return {"kind": kind, "sha256": sha256_of(content), "files": code.contents(content)}

    def verify(self, task: str, approve: str | None) -> dict[str, Any]:
        """Let a task's DatasetVerify look at this node's data, and tell the hub what it found.

        Args:
            task: The task's id.
            approve: The hash of the code that the operator lets run.
        """
        described = self.refresh(task)
        content = self.holdings.approved(described, "verify", approve)
        verdict = self.runner.verify(described, content)
        reported = {"ok": verdict["ok"], "reason": verdict["reason"][:2000], "sha256": sha256_of(content)}
        self.hub.post(f"/v1/tasks/{task}/verdict", reported)
        self.refresh(task)
        return verdict

    def join(self, task: str, approve: str | None) -> dict[str, Any]:
        """Take part: from the start on, the task's training code runs here."""
        described = self.refresh(task)
        content = self.holdings.approved(described, "train", approve)
        code.check_training(content)
        known = own_public(described)
        public = known if known and self.keys.has_box(known) else self.keys.new_box()
        body = {"box_key": b64encode(public).decode(), "sha256": sha256_of(content)}
        self.hub.post(f"/v1/tasks/{task}/join", body)
        return self.refresh(task)

    def start(self, task: str) -> dict[str, Any]:
        """Start a task of this node, or go on with it."""
        self.hub.post(f"/v1/tasks/{task}/start")
        return self.refresh(task)

    def stop(self, task: str) -> dict[str, Any]:
        """Stop a task of this node; it can be gone on with."""
        self.hub.post(f"/v1/tasks/{task}/stop")
        return self.refresh(task)

    def delete(self, task: str) -> dict[str, Any]:
        """Delete a task of this node: all that is kept of it, but its log at the hub."""
        self.hub.delete(f"/v1/tasks/{task}")
        self.runner.drop(task)
        return {"deleted": task}

    def results(self, task: str) -> Path:
        """Return where a task's report and model lie."""
        return self.place.results(task)

    def metrics(self, task: str) -> list[dict[str, Any]]:
        """Return all values that were logged here: of each round those that were told last."""
        found: dict[tuple[int, str], dict[str, Any]] = {}
        for event in self.journal.events(task):
            if event["kind"] == "round_done":
                node = self.place.configuration.name
                for name, value in event.get("rows", []):
                    row = {"round": event["round"], "node": node, "name": name, "value": value}
                    found[event["round"], name] = row
        return [found[key] for key in sorted(found)]

    def log(self, task: str, lines: int = 0) -> str:
        """Return what the children of a task have logged: the last lines, or all."""
        base = self.place.task(task)
        folders = sorted(base.glob("verify-*"), key=number_of) + sorted(base.glob("attempt-*"), key=number_of)
        parts = [f"== {folder.name} {name}\n{text}" for folder in folders for name, text in logs(folder)]
        text = "".join(f"{part.rstrip()}\n" for part in parts)
        return text if lines <= 0 else "".join(text.splitlines(keepends=True)[-lines:])
