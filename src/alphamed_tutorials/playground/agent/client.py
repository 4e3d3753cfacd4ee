"""The operator's way to an agent, from Python: `Agent(NODE_FOLDER).tasks()`."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ...errors import TutorialError, WrongUse
from .place import ADDRESS, CONFIGURATION, TOKEN

if TYPE_CHECKING:
    import requests

ENDED = ("finished", "failed", "stopped")


class Agent:
    """The agent of a node whose folder is on this machine.

    Args:
        folder: The node's folder.
    """

    def __init__(self, folder: str | Path):
        import requests  # a tenth of a second, which no other command shall wait

        self.folder = Path(folder)
        self.session = requests.Session()
        self.session.trust_env = False

    def status(self) -> dict[str, Any]:
        """Return how the node is."""
        return dict(self._ask("GET", "/status").json())

    def link(self) -> str:
        """Return a new address of the node's page, which works once and until the agent ends."""
        return str(self._ask("POST", "/link").json()["url"])

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that a task can invite."""
        return list(self._ask("GET", "/nodes").json())

    def create(
        self, name: str, nodes: list[str], description: str = "", settings: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Make a task, with this node as its initiator, and return it."""
        body = {"name": name, "description": description, "nodes": nodes, "settings": settings or {}}
        return dict(self._ask("POST", "/tasks", json=body).json())

    def tasks(self, search: str = "") -> list[dict[str, Any]]:
        """Return the node's tasks, those that have a text in name or description."""
        return list(self._ask("GET", "/tasks", params={"search": search}).json())

    def show(self, task: str) -> dict[str, Any]:
        """Return how a task stands, at the hub and `here`."""
        return dict(self._ask("GET", f"/tasks/{task}").json())

    def put_code(self, task: str, kind: str, content: bytes) -> dict[str, Any]:
        """Give a task its code: `verify`, `train` or `attachment`."""
        return dict(self._ask("PUT", f"/tasks/{task}/code/{kind}", data=content).json())

    def code(self, task: str, kind: str) -> dict[str, Any]:
        """Return a task's code to look at: `sha256` approves it, `files` have name, bytes, sha256 and text."""
        return dict(self._ask("GET", f"/tasks/{task}/code/{kind}").json())

    def verify(self, task: str, approve: str | None = None) -> dict[str, Any]:
        """Let the task's DatasetVerify look at the node's data.

        Args:
            task: The task.
            approve: The hash of its code, which with this may run here; None if it was approved before.

        Returns:
            `ok`, `reason`, `log`.
        """
        return dict(self._ask("POST", f"/tasks/{task}/verify", json={"approve": approve}).json())

    def join(self, task: str, approve: str | None = None) -> dict[str, Any]:
        """Take part in a task, whose training code with this hash may run here."""
        return dict(self._ask("POST", f"/tasks/{task}/join", json={"approve": approve}).json())

    def start(self, task: str) -> dict[str, Any]:
        """Start a task of this node, or go on with it."""
        return dict(self._ask("POST", f"/tasks/{task}/start").json())

    def stop(self, task: str) -> dict[str, Any]:
        """Stop a task of this node."""
        return dict(self._ask("POST", f"/tasks/{task}/stop").json())

    def delete(self, task: str) -> None:
        """Delete a task of this node."""
        self._ask("DELETE", f"/tasks/{task}")

    def wait(
        self, task: str, seconds: float | None = None, look: Callable[[dict[str, Any]], None] | None = None
    ) -> Any:
        """Return a task when it has ended, or after some seconds as it is then.

        Args:
            task: The task.
            seconds: How long to wait at most.
            look: Called with the task whenever it was asked for.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            found = self.show(task)
            if look:
                look(found)
            if found["state"] in ENDED or (until is not None and time.monotonic() > until):
                return found
            time.sleep(0.5)

    def log(self, task: str, lines: int = 0) -> str:
        """Return what the task's processes on this node have logged: the last lines, or all."""
        return self._ask("GET", f"/tasks/{task}/log", params={"lines": lines}).text

    def metrics(self, task: str) -> list[dict[str, Any]]:
        """Return what was logged here as rows of round, node, name, value."""
        return list(self._ask("GET", f"/tasks/{task}/metrics").json())

    def events(self, task: str, after: int = 0) -> list[dict[str, Any]]:
        """Return what happened to a task on this node, after a number."""
        return list(self._ask("GET", f"/tasks/{task}/events", params={"after": after}).json())

    def results(self, task: str, name: str) -> bytes:
        """Return `report.zip`, `model.pt`, or an exported form of it."""
        return self._ask("GET", f"/tasks/{task}/results/{name}").content

    def export(self, task: str, form: str) -> str:
        """Have the model of a finished task written as `torchscript` or `onnx`; return the result's name."""
        return str(self._ask("POST", f"/tasks/{task}/export", json={"form": form}).json()["exported"])

    def audit(self, task: str) -> dict[str, Any]:
        """Compare the hub's log of a task with all that this node has seen of it: `is_sound`, `faults`, `timeline`."""
        return dict(self._ask("GET", f"/tasks/{task}/audit").json())

    def _ask(self, method: str, path: str, **content: Any) -> "requests.Response":
        from requests import ConnectionError

        url, token = self._door()
        try:
            response = self.session.request(
                method,
                f"{url}/operator{path}",
                headers={"Authorization": f"Bearer {token}"},
                timeout=(5, None),
                **content,
            )
        except ConnectionError:
            raise self._is_not_running() from None
        if response.status_code == 400:
            raise WrongUse(_text(response))
        if response.status_code >= 300:
            raise TutorialError(_text(response))
        return response

    def _door(self) -> tuple[str, str]:
        """Return where the agent is, and what opens it."""
        try:
            address = json.loads((self.folder / ADDRESS).read_text(encoding="utf-8"))
            return address["url"], (self.folder / TOKEN).read_text(encoding="ascii")
        except FileNotFoundError:
            raise self._is_not_running() from None
        except PermissionError:
            raise TutorialError(f"{self.folder} belongs to another user, who alone operates that node") from None

    def _is_not_running(self) -> TutorialError:
        if not (self.folder / CONFIGURATION).exists():
            return WrongUse(f"{self.folder} is no node's folder: name one with --node, or in $PLAYGROUND_NODE")
        return TutorialError(
            f"the agent of {self.folder} does not run: start it with `playground node --dir {quote(str(self.folder))}`"
        )


def _text(response: "requests.Response") -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"the agent answered {response.status_code}: see agent.log in the node's folder"
