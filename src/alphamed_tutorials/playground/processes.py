"""A hub and the agents of some nodes as processes of this machine, which end with whoever started them."""

import contextlib
import ctypes
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..errors import TutorialError
from .agent.client import Agent
from .agent.place import CONFIGURATION, Place
from .hub.nodes import invite

PARENT_DEATH_SIGNAL = 1  # of Linux: what a process gets when the thread that started it is gone
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
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as processes:
        hub = _start(processes, "hub", folder / "hub", folder / "hub" / "hub.json", "--port", "0")
        for name, data in nodes.items():
            _write_node(folder, name, data, hub["url"])
        starts = [
            _begin(processes, "agent", folder / name, folder / name / "agent.json") for name in nodes
        ]  # side by side: each takes a second to import what it needs
        for wait in starts:
            wait()
        yield {name: Agent(folder / name) for name in nodes}


def _write_node(folder: Path, name: str, data: Path, url: str) -> None:
    """Make a node's folder; in one that is there, only the hub's address may have changed."""
    file = folder / name / CONFIGURATION
    if file.exists():
        found = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**found, "hub": url}), encoding="utf-8")
    else:
        Place.write(
            folder / name, name=name, hub=url, data=str(data.resolve()), invitation=invite(folder / "hub", name)
        )


def _start(processes: contextlib.ExitStack, module: str, folder: Path, ready: Path, *arguments: str) -> dict[str, str]:
    return _begin(processes, module, folder, ready, *arguments)()


def _begin(
    processes: contextlib.ExitStack, module: str, folder: Path, ready: Path, *arguments: str
) -> Callable[[], dict[str, str]]:
    """Start a process; return what waits until it can be asked, and returns what it says of itself."""
    folder.mkdir(parents=True, exist_ok=True)
    ready.unlink(missing_ok=True)
    said = folder / "output.log"
    with open(said, "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.{module}", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for whoever started it
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    processes.callback(_end, process)

    def wait() -> dict[str, str]:
        until = time.monotonic() + START_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > until:
                last = said.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
                raise TutorialError(f"the {module} of {folder} does not start: {last[0]}")
            time.sleep(0.02)
        found: dict[str, str] = json.loads(ready.read_text(encoding="utf-8"))
        return found

    return wait


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
