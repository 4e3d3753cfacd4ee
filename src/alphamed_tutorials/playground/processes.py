"""A hub and the agents of some nodes as processes of this machine, which end with whoever started them."""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import TutorialError
from .agent.client import Agent
from .agent.place import CONFIGURATION, Place
from .hub.nodes import invite
from .launching import bound

START_SECONDS = 60
END_SECONDS = 10


@contextlib.contextmanager
def federation(folder: Path, nodes: Mapping[str, Path]) -> Iterator[dict[str, Agent]]:
    """Run a hub and an agent for each node to the end of a `with` block.

    Args:
        folder: Where they keep what they keep; a folder that was used before is gone on with.
        nodes: The data folder of each node by name.

    Yields:
        The agents by name.

    Raises:
        TutorialError: One of them does not start.
    """
    with processes(folder, nodes):
        yield {name: Agent(folder / name) for name in nodes}


@contextlib.contextmanager
def processes(
    folder: Path, nodes: Mapping[str, Path], *arguments: str
) -> Iterator[tuple["Process", dict[str, "Process"]]]:
    """Do what `federation` does.

    Args:
        folder: See there.
        nodes: See there.
        arguments: The hub's.

    Yields:
        The hub, and the agents by name, as processes.
    """
    with contextlib.ExitStack() as ends:

        def begun(process: Process) -> Process:
            process.begin()
            ends.callback(process.end)
            return process

        hub = begun(Process("hub", folder / "hub", *(arguments or ("--port", "0"))))
        url = hub.wait()["url"]
        for name, data in nodes.items():
            _write_node(folder, name, data, url)
        agents = {name: begun(Process("agent", folder / name)) for name in nodes}  # side by side: each takes a second
        for agent in agents.values():
            agent.wait()
        yield hub, agents


def _write_node(folder: Path, name: str, data: Path, url: str) -> None:
    """Make a node's folder; in one that is there, the hub's address and the place of the data may have changed."""
    file = folder / name / CONFIGURATION
    if file.exists():
        found = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**found, "hub": url, "data": str(data.resolve())}), encoding="utf-8")
    else:
        Place.write(
            folder / name, name=name, hub=url, data=str(data.resolve()), invitation=invite(folder / "hub", name)
        )


class Process:
    """A hub or an agent as a process, which can be begun again after its end.

    Args:
        module: `hub` or `agent`.
        folder: What it keeps, and a file that says where it is reached.
        arguments: More of them.
    """

    def __init__(self, module: str, folder: Path, *arguments: str):
        self.module, self.folder, self.arguments = module, folder, arguments
        self._ready, self._said = folder / f"{module}.json", folder / "output.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The number of the process, as long as it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def begin(self) -> None:
        """Start it, without waiting for it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ready.unlink(missing_ok=True)
        with open(self._said, "ab") as output:
            self._process = subprocess.Popen(
                bound("-m", f"{__package__}.{self.module}", str(self.folder), *self.arguments, by=signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for whoever started it
            )

    def wait(self) -> dict[str, str]:
        """Wait until it can be asked; return what it says of itself."""
        until = time.monotonic() + START_SECONDS
        while not self._ready.exists():
            if self.pid is None or time.monotonic() > until:
                last = self._said.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
                raise TutorialError(f"the {self.module} of {self.folder} does not start: {last[0]}")
            time.sleep(0.02)
        found: dict[str, str] = json.loads(self._ready.read_text(encoding="utf-8"))
        return found

    def end(self) -> None:
        """Let it end, with all that it started."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
