"""A node's folder: what is configured in it, and where things lie."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...errors import TutorialError
from ...runs.writing import write_json

CONFIGURATION, ADDRESS, TOKEN = "node.json", "agent.json", "operator.token"


@dataclass(frozen=True)
class Limits:
    """What the child of one task may use, all its processes together; 0 for any amount.

    Attributes:
        seconds: Time in all.
        verify_seconds: Time for the data verification.
        memory: Bytes of memory.
        disk: Bytes below its folder.
        processes: Processes beside the first: workers of data loaders.
    """

    seconds: float = 0
    verify_seconds: float = 300
    memory: int = 16 * 1024**3
    disk: int = 16 * 1024**3
    processes: int = 16


@dataclass(frozen=True)
class Configuration:
    """What `node.json` says.

    Attributes:
        name: The node's name at the hub.
        hub: The hub's address.
        data: The node's data folder.
        certificates: The certificate authority of the hub, where it is none that the system knows.
        organisation: Whose node it is.
        invitation: The hub's one-time invitation; needed until the node is admitted.
        port: Where the agent listens; 0 for any that is free.
        limits: What children may use.
    """

    name: str
    hub: str
    data: str
    certificates: str = ""
    organisation: str = ""
    invitation: str = ""
    port: int = 0
    limits: Limits = field(default_factory=Limits)


class Place:
    """The folder of one node.

    Raises:
        TutorialError: It is none.
    """

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        self.configuration = _read(self.folder / CONFIGURATION)
        self.data = (self.folder / self.configuration.data).resolve()

    @staticmethod
    def write(folder: Path, **values: Any) -> "Place":
        """Make a folder a node's, with what differs from the defaults."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(folder / CONFIGURATION, asdict(Configuration(**values)))
        return Place(folder)

    @property
    def keys(self) -> Path:
        """Where the node's secrets lie."""
        return self.folder / "keys"

    @property
    def database(self) -> Path:
        """What the node must not forget."""
        return self.folder / "agent.db"

    @property
    def token(self) -> Path:
        """What the operator shows to the agent."""
        return self.folder / TOKEN

    @property
    def address(self) -> Path:
        """Says where the agent that runs is reached."""
        return self.folder / ADDRESS

    @property
    def last_port(self) -> Path:
        """Says where the agent listened last."""
        return self.folder / "agent.port"

    def task(self, task: str) -> Path:
        """Return where a task's files lie."""
        return self.folder / "tasks" / task

    def results(self, task: str) -> Path:
        """Return where a task's report and model lie."""
        return self.task(task) / "results"

    def attempt(self, task: str, attempt: int) -> Path:
        """Return the folder of the child that works on an attempt."""
        return self.task(task) / f"attempt-{attempt}"


def _read(file: Path) -> Configuration:
    try:
        found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return Configuration(**{**found, "limits": Limits(**found.get("limits", {}))})
    except FileNotFoundError:
        raise TutorialError(f"{file.parent} is no node's folder: make it one with `playground node --dir …`") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise TutorialError(f"{file} is damaged: {error}") from None
