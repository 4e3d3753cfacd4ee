"""How many messages a second a hub delivers, how much of its core a message takes, and where that time goes.

Nodes send messages that were signed beforehand, over as many connections as there are nodes, while the receivers hold
their inboxes open and count; what the nodes do themselves takes the machine's other core. The hub's own processor time
is what one core can do where this machine does something else beside. The parts are timed in this process.

    python benchmarks/hub.py --json
"""

import argparse
import asyncio
import base64
import json
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from alphamed_tutorials.playground.hub import invite
from alphamed_tutorials.playground.hub.forms import Message
from alphamed_tutorials.playground.hub.messages import push
from alphamed_tutorials.playground.hub.serve import Server
from alphamed_tutorials.playground.hub.state import Hub
from alphamed_tutorials.playground.hub.tasks import Seat
from alphamed_tutorials.playground.sealing import make_box_key, public_box_key, seal
from alphamed_tutorials.playground.signing import Checker, Fields, Received, SigningKey

RECEIVERS = (1, 5, 20)
PUSHES = 1500  # of each kind
CONTENT = b"x" * 300  # about as long as a `sync_state` of the SDK
BOX_KEY = public_box_key(make_box_key())


class Node:
    """A node's key, and its requests as bytes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = SigningKey.make()
        self.after = 0

    def ask(self, method: str, path: str, **kwargs: Any) -> Any:
        """Send a request and return the answer."""
        answer = requests.request(method, self.url + path, auth=self.key.sign, timeout=60, **kwargs)
        assert answer.ok, answer.text
        return answer.json()

    def signed(self, method: str, path: str, **kwargs: Any) -> bytes:
        """Return a signed request as it goes over the wire."""
        request = self.key.sign(requests.Request(method, self.url + path, **kwargs).prepare())
        host = self.url.removeprefix("http://")
        lines = [f"{request.method} {request.path_url} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + (request.body or b"")


class Connection:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> "Connection":
        """Connect."""
        host, _, port = url.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port), limit=1 << 24))

    async def send(self, request: bytes) -> bytes:
        """Send a request; return the answer's body."""
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in head.partition(b"\r\n")[0], head
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await self.reader.readexactly(length)


def make_task(folder: Path, url: str, number: int) -> tuple[str, list[Node]]:
    """Return a running task's path and its nodes, the initiator's first."""
    nodes = [Node(url) for _ in range(number)]
    names = [secrets.token_hex(4) + "n" for _ in nodes]
    for name, node in zip(names, nodes):
        form = {"token": invite(folder, name), "organisation": name, "key": base64.b64encode(node.key.public).decode()}
        node.ask("POST", "/v1/nodes", json=form)
    box_key = base64.b64encode(BOX_KEY).decode()
    task = nodes[0].ask("POST", "/v1/tasks", json={"name": "load", "nodes": names[1:], "box_key": box_key})
    path = f"/v1/tasks/{task['id']}"
    for kind in ("verify", "train"):
        code = nodes[0].ask("PUT", f"{path}/code/{kind}", data=b"code")["code"]
    for node in nodes[1:]:
        node.ask("POST", f"{path}/verdict", json={"ok": True, "sha256": code["verify"]["sha256"]})
        node.ask("POST", f"{path}/join", json={"box_key": box_key, "sha256": code["train"]["sha256"]})
    nodes[0].ask("POST", f"{path}/start")
    return path, nodes


def message(to: list[str]) -> dict[str, Any]:
    """Return a message, sealed to its receivers."""
    sealed = {each: base64.b64encode(seal(CONTENT, BOX_KEY)).decode() for each in to}
    return {"id": str(uuid.uuid4()), "to": to, "type": "sync_state", "round": 1, "attempt": 1, "sealed": sealed}


async def load(path: str, nodes: list[Node], receivers: int) -> float:
    """Let all nodes send, each to the next ones; return the seconds until all messages have arrived."""
    members = [member["pseudonym"] for member in nodes[0].ask("GET", path)["members"]]
    rounds = PUSHES // len(nodes)
    requests_of = []
    for number, node in enumerate(nodes):
        to = [members[(number + step) % len(nodes)] for step in range(1, receivers + 1)]
        requests_of.append([node.signed("POST", f"{path}/messages", json=message(to)) for _ in range(rounds)])

    async def send(node: Node, signed: list[bytes]) -> None:
        connection = await Connection.open(node.url)
        for request in signed:
            await connection.send(request)

    async def receive(node: Node) -> None:
        connection, missing = await Connection.open(node.url), rounds * receivers
        while missing:
            request = node.signed("GET", "/v1/inbox", params={"after": node.after, "wait": 30})
            entries = json.loads(await connection.send(request))["entries"]
            missing -= sum(entry["kind"] == "message" for entry in entries)
            node.after = entries[-1]["seq"] if entries else node.after
            await asyncio.sleep(0.05)  # an agent works on what it got

    start = time.perf_counter()
    await asyncio.gather(*map(send, nodes, requests_of), *map(receive, nodes))
    return time.perf_counter() - start


def measure(receivers: int) -> dict[str, float]:
    """Return how a hub of its own does with messages to this many receivers."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        command = [sys.executable, "-m", "alphamed_tutorials.playground.hub", temporary]
        with subprocess.Popen(command) as process:
            try:
                while not (folder / "hub.json").exists():
                    time.sleep(0.1)
                path, nodes = make_task(
                    folder, json.loads((folder / "hub.json").read_text())["url"], max(receivers + 1, 4)
                )
                hub = psutil.Process(process.pid)
                before = sum(hub.cpu_times()[:2])
                seconds = asyncio.run(load(path, nodes, receivers))
                used = sum(hub.cpu_times()[:2]) - before
                memory = hub.memory_info().rss / 1e6
            finally:
                process.terminate()
    pushes = PUSHES // len(nodes) * len(nodes)
    return {
        "receivers": receivers,
        "pushes_per_second": round(pushes / seconds),
        "delivered_per_second": round(pushes * receivers / seconds),
        "pushes_per_core_second": round(pushes / used),
        "delivered_per_core_second": round(pushes * receivers / used),
        "microseconds_per_push": round(used / pushes * 1e6),
        "hub_memory_mb": round(memory),
    }


class Wire(asyncio.Transport):
    """A connection that ends in this process: what uvicorn writes is kept."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 8000)})
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


def parts() -> dict[str, float]:
    """Return the microseconds of what the hub does for one push to five receivers, medians of processor time."""
    with tempfile.TemporaryDirectory() as temporary:
        hub = Hub(Path(temporary))
        node = Node("http://127.0.0.1:8000")
        members = [f"p-{number:08x}" for number in range(6)]
        _fill(hub, node, members)
        signed = [node.signed("POST", "/v1/tasks/t/messages", json=message(members[1:])) for _ in range(500)]
        whole = asyncio.run(_over_the_wire(hub, signed))
        return {"whole_push_but_the_kernel": whole, **_inner_parts(hub, node, members)}


def _fill(hub: Hub, node: Node, members: list[str]) -> None:
    with hub.change():
        insert = "INSERT INTO nodes VALUES (?, 'o', ?, ?, 't', NULL)"
        keys = [node.key, *(SigningKey.make() for _ in members[1:])]
        hub.database.executemany(insert, [(name, key.key_id, key.public) for name, key in zip(members, keys)])
        insert = "INSERT INTO tasks (id, name, description, settings, created, state, why, since, attempt) VALUES "
        hub.database.execute(insert + "('t', 'n', '', '{}', 't', 'running', '', 't', 1)")
        insert = "INSERT INTO members (task, position, node, pseudonym, role, state, since) VALUES ('t', ?, ?, ?, 'r', 'joined', 't')"
        hub.database.executemany(insert, [(number, name, name) for number, name in enumerate(members)])


async def _over_the_wire(hub: Hub, signed: list[bytes]) -> float:
    """Give signed requests to uvicorn as a connection would, one after the other."""
    server = Server(hub)
    server.config.load()
    protocol = server.config.http_protocol_class(server.config, server.server_state, {})
    wire = Wire()
    protocol.connection_made(wire)
    times = []
    for request in signed:
        wire.written = b""
        start = time.thread_time()
        protocol.data_received(request)
        while b'{"id":' not in wire.written:
            await asyncio.sleep(0)
        times.append(time.thread_time() - start)
    return round(statistics.median(times) * 1e6)


def _inner_parts(hub: Hub, node: Node, members: list[str]) -> dict[str, float]:
    key = node.key
    request = requests.Request("POST", node.url + "/v1/tasks/t/messages", json={}).prepare()
    fields = Fields((name.encode(), value.encode()) for name, value in key.sign(request).headers.items())
    received = Received(str(request.method), str(request.url), fields)
    checker = Checker({key.key_id: key.public}.get)
    public, signature = Ed25519PublicKey.from_public_bytes(key.public), key.sign_bytes(CONTENT)
    seat = Seat(hub, "t", members[0])
    bodies = [json.dumps(message(members[1:])) for _ in range(500)]
    forms = iter([Message.model_validate_json(body) for body in bodies])
    reading = iter(bodies)
    return {
        "signature_checked_by_the_library": _time(lambda: checker.check(received)),
        "of_which_ed25519": _time(lambda: public.verify(signature, CONTENT)),
        "body_read": _time(lambda: Message.model_validate_json(next(reading))),
        "seat_read": _time(lambda: Seat(hub, "t", members[0])),
        "delivered_and_recorded": _time(lambda: push(seat, next(forms))),
    }


def _time(work: Callable[[], object]) -> float:
    times = []
    for _ in range(500):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return round(statistics.median(times) * 1e6)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    found: dict[str, Any] = {"microseconds": parts(), "load": [measure(receivers) for receivers in RECEIVERS]}
    if arguments.json:
        print(json.dumps(found))
        return
    for row in found["load"]:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    for name, value in found["microseconds"].items():
        print(f"{name:>34}: {value} µs")


if __name__ == "__main__":
    main()
