"""In the place of a child: what its folder's code says, without torch and without a guard."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import requests


class Line:
    """What a child asks of its agent."""

    def __init__(self, assignment: dict[str, Any]):
        self.base, self.task = assignment["base"], assignment["task"]

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """Post JSON and return the data of the answer."""
        answer = requests.post(f"{self.base}{path}", json={"task_id": self.task, **body}, timeout=60)
        assert answer.json()["code"] == 0, answer.text
        found: dict[str, Any] = answer.json()["data"]
        return found

    def push(self, to: list[str], title: str = "task_inside", **content: Any) -> str:
        """Send a message."""
        body = {"node_id_list": to, "message_title": title, "message_content": content, "channel": "federated"}
        return str(self.post("/message/push", **body)["message_uuid"])

    def pop(self) -> dict[str, Any]:
        """Wait for the next message."""
        while not (found := self.post("/message/pop", channel="federated")):
            pass
        content: dict[str, Any] = found["message_content"]
        return content

    def upload(self, content: bytes) -> str:
        """Upload a file and return its address."""
        url, query = f"{self.base}/file/upload", {"task_id": self.task}
        answer = requests.post(url, params=query, files=[("files", content)], timeout=60)
        return str(answer.json()["data"]["f_url"])

    def event(self, kind: str, **fields: Any) -> None:
        """Tell the agent something."""
        self.post("/playground/event", kind=kind, **fields)


def main(folder: Path) -> None:
    """Do what the code says."""
    assignment = json.loads((folder / "child.json").read_text())
    names: dict[str, Any] = {"assignment": assignment, "folder": folder, "pid": os.getpid()}
    if assignment["kind"] == "verify":
        exec((folder / "code" / "DatasetVerify.py").read_text(), names)
        ok, reason = names["verify"](Path(assignment["data"]))
        (folder / "verdict.json").write_text(json.dumps({"ok": ok, "reason": reason}))
    else:
        names["line"] = Line(assignment)
        exec((folder / "code" / "behave.py").read_text(), names)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
