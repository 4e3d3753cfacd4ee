"""A running hub, and nodes that speak to it as agents do: real HTTP, real signatures."""

import base64
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from alphamed_tutorials.playground import hub as admin
from alphamed_tutorials.playground.hub.serve import Server, bound
from alphamed_tutorials.playground.hub.state import Hub, Limits
from alphamed_tutorials.playground.sealing import make_box_key, public_box_key, seal
from alphamed_tutorials.playground.signing import SigningKey

BOX = make_box_key()
BOX_KEY = base64.b64encode(public_box_key(BOX)).decode()


class Node:
    """A node's side: its key, and its requests."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name
        self.key = SigningKey.make()
        self.session = requests.Session()

    def ask(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self.session.request(method, self.url + path, auth=self.key.sign, timeout=30, **kwargs)

    def get(self, path: str, **params: Any) -> Any:
        return self._answer(self.ask("GET", path, params=params))

    def post(self, path: str, **form: Any) -> Any:
        return self._answer(self.ask("POST", path, json=form))

    def put(self, path: str, data: bytes) -> Any:
        return self._answer(self.ask("PUT", path, data=data))

    def delete(self, path: str) -> Any:
        return self._answer(self.ask("DELETE", path))

    def refused(self, status: int, method: str, path: str, **kwargs: Any) -> str:
        """Return the text of a refusal."""
        answer = self.ask(method, path, **kwargs)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.json()["error"]

    def register(self, token: str) -> "Node":
        key = base64.b64encode(self.key.public).decode()
        assert self.post("/v1/nodes", token=token, organisation=f"{self.name}'s", key=key)["name"] == self.name
        return self

    def message(self, task: str, to: list[str], data: bytes = b"data", **changes: Any) -> dict[str, Any]:
        receivers = changes.pop("receivers", to)
        sealed = {each: base64.b64encode(seal(data, public_box_key(BOX))).decode() for each in receivers}
        return {
            "id": str(uuid.uuid4()),
            "to": to,
            "type": "start_round",
            "round": 1,
            "attempt": 1,
            "sealed": sealed,
        } | changes

    @staticmethod
    def _answer(response: requests.Response) -> Any:
        assert response.ok, (response.status_code, response.text)
        return response.json()


class Running:
    """A hub in a thread of this process."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.folder = folder
        self.hub = Hub(folder, limits)
        self._socket = bound("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = Server(self.hub)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()

    def node(self, name: str) -> Node:
        return Node(self.url, name).register(admin.invite(self.folder, name))

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.hub.close()


@contextmanager
def running(folder: Path, limits: Limits | None = None) -> Iterator[Running]:
    hub = Running(folder, limits)
    try:
        yield hub
    finally:
        hub.stop()


class Task:
    """A task of three nodes, brought as far as a test wants it."""

    def __init__(self, hub: Running, number: int = 0) -> None:
        self.initiator, self.first, self.second = (hub.node(f"{name} {number}") for name in ("lab", "clinic", "ward"))
        self.others = [self.first, self.second]
        form = {"name": "MNIST", "nodes": [node.name for node in self.others], "box_key": BOX_KEY}
        self.id = self.initiator.post("/v1/tasks", **form)["id"]
        self.path = f"/v1/tasks/{self.id}"

    def give_code(self, train: bytes = b"train") -> "Task":
        self.initiator.put(f"{self.path}/code/verify", b"verify")
        self.initiator.put(f"{self.path}/code/train", train)
        return self

    def sha256(self, kind: str, node: Node | None = None) -> str:
        return (node or self.initiator).get(self.path)["code"][kind]["sha256"]

    def verify(self, node: Node, ok: bool = True, reason: str = "") -> None:
        node.post(f"{self.path}/verdict", ok=ok, reason=reason, sha256=self.sha256("verify"))

    def join(self, node: Node) -> None:
        node.post(f"{self.path}/join", box_key=BOX_KEY, sha256=self.sha256("train"))

    def start(self) -> "Task":
        self.give_code()
        for node in self.others:
            self.verify(node)
            self.join(node)
        self.initiator.post(f"{self.path}/start")
        return self

    def state(self, node: Node | None = None) -> str:
        return (node or self.initiator).get(self.path)["state"]

    def pseudonym(self, node: Node) -> str:
        return node.get(self.path)["me"]["pseudonym"]

    def records(self) -> list[str]:
        return self.initiator.get(f"{self.path}/audit")["events"]

    def head(self, since: int = 0) -> dict[str, Any]:
        return self.initiator.get(f"{self.path}/audit/head", since=since)
