"""A hub in a process of its own and agents, in this process or in theirs, with small programs in the place of children."""

import contextlib
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alphamed_tutorials.playground.agent.children import Children
from alphamed_tutorials.playground.agent.client import Agent
from alphamed_tutorials.playground.agent.place import Limits, Place
from alphamed_tutorials.playground.agent.serve import Parts, server
from alphamed_tutorials.playground.hub.nodes import invite

HERE = Path(__file__).with_name("playground")
SMALL_CHILD = HERE / "small_child.py"
SMALL_AGENT = HERE / "small_agent.py"
VERIFY = b"def verify(data):\n    return True, 'all is there'\n"


def wait_for(condition: Callable[[], Any], seconds: float = 20, what: str = "it did not come") -> Any:
    """Return what a condition returns once it is true."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > until:
            pytest.fail(what)
        time.sleep(0.02)
    return found


def code(behaviour: str = "", **files: str) -> bytes:
    """Return a `src.zip` whose `behave.py` a small child runs."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("entry.pickle", b"nothing that is opened here")
        archive.writestr("behave.py", behaviour)
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def free_port() -> int:
    """Return a port that is free, and that no connection will get as its own end."""
    while True:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class World:
    """A hub and its nodes."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        self.hub: subprocess.Popen[bytes] | None = None
        self.on_close = contextlib.ExitStack()
        self.on_close.callback(self.kill_hub)
        with self.on_close.pop_all() as closing:  # also where it does not start
            self.start_hub()
            self.on_close = closing.pop_all()

    @property
    def url(self) -> str:
        """Where the hub is reached."""
        return f"http://127.0.0.1:{self.port}"

    def start_hub(self) -> None:
        """Start the hub, at the same place as before."""
        command = [sys.executable, "-m", "alphamed_tutorials.playground.hub", str(self.folder / "hub")]
        self.hub = subprocess.Popen([*command, "--port", str(self.port)])
        wait_for(lambda: _answers(self.port), 60)

    def kill_hub(self) -> None:
        """End the hub at once."""
        if self.hub:
            self.hub.kill()
            self.hub.wait()

    def place(self, name: str, **values: Any) -> Place:
        """Make a node's folder, with an invitation in it."""
        folder, data = self.folder / name, self.folder / f"{name}-data"
        data.mkdir(exist_ok=True)
        invitation = invite(self.folder / "hub", name)
        return Place.write(folder, name=name, hub=self.url, data=str(data), invitation=invitation, **values)

    def node(self, name: str, **limits: Any) -> "Near":
        """Run a node in this process."""
        near = Near(self.place(name, limits=Limits(**limits)))
        self.on_close.callback(near.close)
        return near

    def far_node(self, name: str, **limits: Any) -> "Far":
        """Run a node in a process of its own."""
        far = Far(self.place(name, limits=Limits(**limits)))
        self.on_close.callback(far.kill)
        return far


class Near:
    """A node in this process."""

    def __init__(self, place: Place, program: tuple[str, ...] = (str(SMALL_CHILD),)):
        self.place = place
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.parts = Parts(place, f"http://127.0.0.1:{port}", Children(program=program))
        self.server = server(self.parts)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],), daemon=True)
        self.thread.start()
        place.address.write_text(json.dumps({"url": self.parts.services.origin, "port": port, "pid": os.getpid()}))
        self.parts.courier.start()
        wait_for(lambda: self.server.started)
        self.agent = Agent(place.folder)

    def close(self) -> None:
        """End it in order."""
        self.server.should_exit = True
        self.thread.join(5)
        self.parts.close()


class Far:
    """A node in a process of its own."""

    def __init__(self, place: Place):
        self.place, self.agent = place, Agent(place.folder)
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        self.place.address.unlink(missing_ok=True)
        self.process = subprocess.Popen([sys.executable, str(SMALL_AGENT), str(self.place.folder)])
        wait_for(self.is_up, what="the agent does not answer")

    def is_up(self) -> bool:
        """Return whether it answers."""
        with contextlib.suppress(Exception):
            return bool(self.agent.status())
        return False

    def kill(self) -> None:
        """End it at once, as a machine that loses its power does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def ready_task(initiator: Any, others: dict[str, Any], train: bytes, settings: dict[str, Any] | None = None) -> str:
    """Make a task that all have verified and joined."""
    agent = initiator.agent
    task = str(agent.create("a task", list(others), settings=settings)["id"])
    agent.put_code(task, "verify", VERIFY)
    agent.put_code(task, "train", train)
    for other in others.values():
        wait_for(lambda other=other: task in [each["id"] for each in other.agent.tasks()])
        verdict = other.agent.verify(task, other.agent.code(task, "verify")["sha256"])
        assert verdict["ok"], verdict
        other.agent.join(task, other.agent.code(task, "train")["sha256"])
    assert agent.show(task)["state"] == "ready"
    return task
